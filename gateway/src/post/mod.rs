//! Telling people and other services what has come of a wish: by e-mail, or by a webhook.
//!
//! ```text
//!  Notice ──▶ Post::send ──┬─▶ words ─▶ letter ─▶ mail ──▶ the city's mail server
//!                          └─▶ webhook ─▶ destination ───▶ another service
//! ```
//!
//! Everything here blocks and belongs on a thread of its own. What is still to be sent, and what
//! was, is remembered by whoever calls: a notice that is sent twice has the same id both times.

pub(crate) mod backoff;
mod destination;
pub(crate) mod endings;
mod letter;
mod links;
mod mail;
pub(crate) mod notice;
#[cfg(test)]
mod tests;
mod webhook;
mod words;

use jiff::tz::TimeZone;
use morgenruh_engine::rules::catalogue::{City, Text};
use morgenruh_engine::rules::wish::fact::Notify;
use morgenruh_production::tls::TlsError;
use url::Url;

use self::destination::BadUrl;
use self::links::Links;
use self::mail::Mail;
use self::notice::Notice;
use self::webhook::Webhooks;
use self::words::Words;
use crate::passwords::PasswordError;
use crate::settings::{MAIL_PASSWORD, Settings, WEBHOOKS_SECRETS};

/// What has become of a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Whoever it is for has it, or whoever passes it on to them.
    Done,
    /// They will never take it. The reason names nobody.
    Refused(String),
    /// It is to be tried again. The reason names nobody.
    Later(String),
}

/// Why nobody can be told anything.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    #[error("{0} cannot be used")]
    Settings(&'static str),
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error("[mail] names a user and no password: set password_file or {MAIL_PASSWORD}")]
    NoMailPassword,
    #[error("[webhooks] names hosts and no secret: set secrets_file or {WEBHOOKS_SECRETS}")]
    NoWebhookSecret,
    #[error(
        "what signs webhooks is not one or two secrets like whsec_…, each of 24 to 64 bytes in base64"
    )]
    BadWebhookSecrets,
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("letters cannot be encrypted on their way: {0}")]
    MailTls(lettre::transport::smtp::Error),
}

/// Why somebody cannot be told in the way that they want.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CannotTell {
    #[error("Nobody is told by e-mail here.")]
    NoMail,
    #[error("Nobody is told by webhooks here.")]
    NoWebhooks,
    #[error(transparent)]
    Url(#[from] BadUrl),
}

/// The ways on which notices leave.
pub struct Post {
    /// The city's name.
    name: Text,
    zone: TimeZone,
    links: Links,
    mail: Option<Mail>,
    webhooks: Option<Webhooks>,
}

impl Post {
    /// The ways that the settings name; there may be none.
    ///
    /// # Errors
    /// [`PostError`] when they cannot be used as they are.
    pub fn new(settings: &Settings, city: &City) -> Result<Post, PostError> {
        // The settings see to it that there is one where anything can be sent.
        let public_url = settings.server.public_url.as_deref().unwrap_or_default();
        let host = Url::parse(public_url).ok();
        let host = host.as_ref().and_then(Url::host_str).unwrap_or_default();
        Ok(Post {
            name: city.name.clone(),
            zone: city.zone.clone(),
            links: Links::new(public_url),
            mail: Mail::new(&settings.mail, host)?,
            webhooks: Webhooks::new(&settings.webhooks)?,
        })
    }

    /// Whether somebody could be told in this way.
    ///
    /// # Errors
    /// [`CannotTell`]
    pub(crate) fn check(&self, to: &Notify) -> Result<(), CannotTell> {
        match to {
            Notify::Email if self.mail.is_none() => Err(CannotTell::NoMail),
            Notify::Webhook(url) => {
                let webhooks = self.webhooks.as_ref().ok_or(CannotTell::NoWebhooks)?;
                Ok(webhooks.check(url)?)
            }
            Notify::Email | Notify::Poll => Ok(()),
        }
    }

    /// Tells it, and waits for whoever takes it: up to some timeouts of the settings.
    pub(crate) fn send(&self, notice: &Notice) -> Sent {
        match (&notice.to, &self.mail, &self.webhooks) {
            (Notify::Poll, ..) => Sent::Done,
            (Notify::Email, Some(mail), _) => {
                let words = Words::of(notice, &self.name, &self.zone, &self.links);
                mail.send(notice, &words, &self.links)
            }
            (Notify::Webhook(url), _, Some(webhooks)) => {
                webhooks.send(notice, url, &self.zone, &self.links)
            }
            // The operator may change the settings before it is too late.
            (Notify::Email, None, _) => Sent::Later(CannotTell::NoMail.to_string()),
            (Notify::Webhook(_), _, None) => Sent::Later(CannotTell::NoWebhooks.to_string()),
        }
    }
}
