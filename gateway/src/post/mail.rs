//! Letters to people: one SMTP dialogue each, with the mail server of the settings.

use std::error::Error as _;
use std::time::Duration;

use lettre::address::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    Certificate, CertificateStore, SmtpConnection, TlsParameters,
};
use lettre::transport::smtp::commands::{Data, Mail as From, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use morgenruh_production::tls;

use super::letter::{Sender, letter};
use super::links::Links;
use super::notice::Notice;
use super::words::Words;
use super::{PostError, Sent};
use crate::contact::is_email;
use crate::passwords::password;
use crate::settings::{self, Encryption, MAIL_PASSWORD};

/// How we may prove who we are, the best one first. The connection is encrypted by then.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

/// How long a server that is done with us may keep us.
const GOODBYE_WITHIN: Duration = Duration::from_millis(200);
/// What a refusal for reasons of security or policy begins with (RFC 3463).
const POLICY: &str = "5.7";

/// The way to the mail server.
pub(super) struct Mail {
    host: String,
    port: u16,
    encryption: Encryption,
    /// There where the connection is encrypted.
    tls: Option<TlsParameters>,
    hello: ClientId,
    credentials: Option<Credentials>,
    sender: Sender,
    /// For the connection, and for each answer.
    timeout: Duration,
}

impl Mail {
    /// `None` when the settings name no mail server. `our_host` is how we call ourselves there.
    ///
    /// # Errors
    /// [`PostError`]
    pub(super) fn new(
        settings: &settings::Mail,
        our_host: &str,
    ) -> Result<Option<Mail>, PostError> {
        let (Some(address), Some(from)) = (&settings.address, &settings.from) else {
            return Ok(None);
        };
        let (host, port) = split(address).ok_or(PostError::Settings("address of [mail]"))?;
        let of = |text: &String, key| ascii(text).ok_or(PostError::Settings(key));
        let sender = Sender {
            from: of(from, "from of [mail]")?,
            reply_to: match &settings.reply_to {
                Some(reply_to) => Some(of(reply_to, "reply_to of [mail]")?),
                None => None,
            },
        };
        let credentials = match &settings.user {
            Some(user) => {
                let password = password(MAIL_PASSWORD, settings.password_file.as_deref())?;
                let password = password.ok_or(PostError::NoMailPassword)?;
                Some(Credentials::new(user.clone(), password.reveal().to_owned()))
            }
            None => None,
        };
        let tls = match settings.encryption {
            Encryption::Off => None,
            Encryption::StartTls | Encryption::Tls => Some(parameters(settings, &host)?),
        };
        Ok(Some(Mail {
            host,
            port,
            encryption: settings.encryption,
            tls,
            hello: ClientId::Domain(our_host.to_owned()),
            credentials,
            sender,
            timeout: Duration::from_millis(settings.timeout_ms),
        }))
    }

    /// Hands one letter over. Reasons name nobody.
    pub(super) fn send(&self, notice: &Notice, words: &Words, links: &Links) -> Sent {
        // Whoever cannot be written to today cannot be tomorrow.
        let Some(to) = ascii(&notice.email) else {
            return Sent::Refused("no letter can be sent to such an address".to_owned());
        };
        let letter = match letter(notice, words, &self.sender, to.clone(), links) {
            Ok(letter) => letter,
            Err(reason) => return Sent::Refused(reason),
        };
        match self.connect() {
            Ok(mut connection) => {
                let sent = hand_over(&mut connection, &self.sender.from, to, &letter);
                // It has what it has; how it says goodbye does not matter.
                let _ = connection.set_timeout(Some(GOODBYE_WITHIN));
                let _ = connection.quit();
                sent
            }
            Err(error) => Sent::Later(format!("the mail server cannot be used: {error}")),
        }
    }

    /// A connection on which letters may be handed over.
    fn connect(&self) -> Result<SmtpConnection, Error> {
        let at_once = match self.encryption {
            Encryption::Tls => self.tls.as_ref(),
            Encryption::Off | Encryption::StartTls => None,
        };
        let server = (self.host.as_str(), self.port);
        let timeout = Some(self.timeout);
        let mut connection = SmtpConnection::connect(server, timeout, &self.hello, at_once, None)?;
        if let (Encryption::StartTls, Some(tls)) = (self.encryption, &self.tls) {
            connection.starttls(tls, &self.hello)?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(&MECHANISMS, credentials)?;
        }
        Ok(connection)
    }
}

/// Only from the moment on at which the server has accepted us can what it refuses for good be the
/// recipient's or the letter's fault: what comes before, an operator can mend.
fn hand_over(connection: &mut SmtpConnection, from: &Address, to: Address, letter: &[u8]) -> Sent {
    if let Err(error) = connection.command(From::new(Some(from.clone()), Vec::new())) {
        return Sent::Later(format!("the mail server refuses the sender: {error}"));
    }
    let step = |what, done: Result<_, Error>| done.err().map(|error| failure(what, &error));
    step(
        "the recipient",
        connection.command(Rcpt::new(to, Vec::new())),
    )
    .or_else(|| step("the letter", connection.command(Data)))
    .or_else(|| step("the letter", connection.message(letter)))
    .unwrap_or(Sent::Done)
}

/// What the server says itself is left out, because it may name the recipient.
fn failure(what: &str, error: &Error) -> Sent {
    let Some(code) = error.status() else {
        return Sent::Later(format!("the mail server does not take {what}"));
    };
    let reason = format!("the mail server refuses {what} with {code}");
    // "Relaying denied" is about us, and an operator can mend that too.
    let is_policy = error
        .source()
        .is_some_and(|said| said.to_string().starts_with(POLICY));
    if error.is_permanent() && is_policy {
        Sent::Later(format!("{reason} {POLICY}"))
    } else if error.is_permanent() {
        Sent::Refused(reason)
    } else {
        Sent::Later(reason)
    }
}

fn parameters(settings: &settings::Mail, host: &str) -> Result<TlsParameters, PostError> {
    let mut builder = TlsParameters::builder(host.to_owned())
        // Ours are all there are, as for every other server that we speak to.
        .certificate_store(CertificateStore::None);
    for authority in tls::authorities(settings.ca_file.as_deref())? {
        let certificate = Certificate::from_der(authority.to_vec());
        builder = builder.add_root_certificate(certificate.map_err(PostError::MailTls)?);
    }
    builder.build().map_err(PostError::MailTls)
}

/// Host and port of `mail:25` or `[::1]:25`.
fn split(address: &str) -> Option<(String, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some((host.to_owned(), port.parse().ok()?))
}

/// The address with the name of its host as the network writes it: every mail server knows that.
fn ascii(email: &str) -> Option<Address> {
    let (local, domain) = email.rsplit_once('@').filter(|_| is_email(email))?;
    match url::Host::parse(domain) {
        Ok(url::Host::Domain(domain)) => Address::new(local, domain).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_written_as_the_network_writes_them() {
        for (email, written) in [
            ("erika@example.org", Some("erika@example.org")),
            ("Erika.M+amt@Example.ORG", Some("Erika.M+amt@example.org")),
            ("x@m\u{fc}nchen.de", Some("x@xn--mnchen-3ya.de")),
            ("x@stra\u{df}e.example", Some("x@xn--strae-oqa.example")),
            ("x@127.0.0.1", None),
            ("x@0x7f.1", None),
            ("x@example.org>\r\nRCPT TO:<y@example.org", None),
            ("x\r\nDATA@example.org", None),
            ("x y@example.org", None),
            ("\u{e4}@example.org", None),
            ("", None),
        ] {
            let address = ascii(email);
            assert_eq!(address.as_ref().map(AsRef::as_ref), written, "{email:?}");
        }
    }

    #[test]
    fn the_port_is_behind_the_last_colon() {
        assert_eq!(split("mail:25"), Some(("mail".to_owned(), 25)));
        assert_eq!(split("[::1]:465"), Some(("::1".to_owned(), 465)));
    }
}
