//! Notices to other services: one signed `POST` each, as standardwebhooks.com describes it.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use jiff::tz::TimeZone;
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::rules::wish::fact::WishEnding;
use morgenruh_production::tls;
use serde::Serialize;
use sha2::Sha256;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;

use super::destination::{BadUrl, Destinations, Guard};
use super::links::Links;
use super::notice::{Notice, NoticeKind, Visit};
use super::{PostError, Sent};
use crate::passwords::password;
use crate::settings::{self, WEBHOOKS_SECRETS};
use crate::{clock, texts};

/// Before each secret, as it is passed around.
const SECRET_PREFIX: &str = "whsec_";
/// Bytes of a secret.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Secrets that sign at the same time: the new one, and the old one until receivers know the new.
const SECRETS_MAX: usize = 2;
/// Longest head of an answer, in bytes. Its body is not read.
const ANSWER_HEAD_BYTES_MAX: usize = 16 * 1024;

/// What signs, the newest first.
struct Secrets(Vec<Vec<u8>>);

/// The way to other services.
pub(super) struct Webhooks {
    destinations: Arc<Destinations>,
    secrets: Secrets,
    agent: ureq::Agent,
}

impl Webhooks {
    /// `None` when the settings name no host.
    ///
    /// # Errors
    /// [`PostError`]
    pub(super) fn new(settings: &settings::Webhooks) -> Result<Option<Webhooks>, PostError> {
        let destinations = Arc::new(Destinations::new(settings));
        if destinations.is_empty() {
            return Ok(None);
        }
        let text = password(WEBHOOKS_SECRETS, settings.secrets_file.as_deref())?;
        let text = text.ok_or(PostError::NoWebhookSecret)?;
        let secrets = Secrets::parse(text.reveal()).ok_or(PostError::BadWebhookSecrets)?;
        let authorities = tls::authorities(settings.ca_file.as_deref())?;
        let authorities = authorities.iter().map(|it| Certificate::from_der(it));
        let authorities: Vec<_> = authorities.map(|it| it.to_owned()).collect();
        let tls = TlsConfig::builder().root_certs(RootCerts::Specific(Arc::new(authorities)));
        let config = ureq::Agent::config_builder()
            .tls_config(tls.build())
            .timeout_global(Some(Duration::from_millis(settings.timeout_ms)))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_response_header_size(ANSWER_HEAD_BYTES_MAX)
            // Each request looks at where it goes; a proxy would look for us.
            .max_idle_connections(0)
            .proxy(None)
            .user_agent("Morgenruh")
            .build();
        let guard = Guard::new(Arc::clone(&destinations));
        Ok(Some(Webhooks {
            agent: ureq::Agent::with_parts(config, DefaultConnector::default(), guard),
            destinations,
            secrets,
        }))
    }

    /// Whether something could be sent there.
    ///
    /// # Errors
    /// [`BadUrl`]
    pub(super) fn check(&self, url: &str) -> Result<(), BadUrl> {
        self.destinations.check(url)
    }

    /// Hands one notice over. Reasons name nobody.
    pub(super) fn send(&self, notice: &Notice, url: &str, zone: &TimeZone, links: &Links) -> Sent {
        if let Err(bad) = self.check(url) {
            // The operator may take the host back in.
            return Sent::Later(bad.to_string());
        }
        let body = match serde_json::to_string(&Body::of(notice, zone, links)) {
            Ok(body) => body,
            Err(error) => return Sent::Refused(format!("it cannot be written: {error}")),
        };
        // Receivers do not take what is older than some minutes, so it is the time of this try.
        let timestamp = clock::now().0 / 1_000;
        let request = self
            .agent
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", &notice.id)
            .header("webhook-timestamp", timestamp.to_string())
            .header(
                "webhook-signature",
                self.secrets.sign(&notice.id, timestamp, &body),
            );
        match request.send(&body) {
            Ok(answer) if answer.status().is_success() => Sent::Done,
            // By the standard this means: never again.
            Ok(answer) if answer.status() == 410 => {
                Sent::Refused("the receiver is gone".to_owned())
            }
            Ok(answer) => Sent::Later(format!("the receiver answers {}", answer.status())),
            Err(error) => Sent::Later(format!("the receiver cannot be reached: {error}")),
        }
    }
}

impl Secrets {
    /// One or two of `whsec_…` with blanks or line breaks between.
    fn parse(text: &str) -> Option<Secrets> {
        let secrets = text.split_whitespace().map(|word| {
            let encoded = word.strip_prefix(SECRET_PREFIX)?;
            let secret = BASE64.decode(encoded.as_bytes()).ok()?;
            SECRET_BYTES.contains(&secret.len()).then_some(secret)
        });
        let secrets: Vec<Vec<u8>> = secrets.collect::<Option<_>>()?;
        let is_some = (1..=SECRETS_MAX).contains(&secrets.len());
        is_some.then_some(Secrets(secrets))
    }

    /// One signature for each secret.
    fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let signatures = self.0.iter().map(|secret| {
            let mac = Hmac::<Sha256>::new_from_slice(secret);
            let mut mac = mac.expect("HMAC takes keys of any length");
            mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
            format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

/// What is sent. It has no personal data: whoever gets it has laid the wish and knows whose it is.
#[derive(Serialize)]
struct Body<'n> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: String,
    data: Event<'n>,
}

#[derive(Default, Serialize)]
struct Event<'n> {
    wish: &'n str,
    #[serde(skip_serializing_if = "Option::is_none")]
    services: Option<&'n str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    visit: Option<Appointment<'n>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    booking: Option<&'n str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'n str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    brought_forward: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    how: Option<&'static str>,
    links: Vec<Link>,
}

/// Times are RFC 3339 with the offset of the city's zone.
#[derive(Serialize)]
struct Appointment<'n> {
    start: String,
    end: String,
    office: &'n str,
    address: &'n str,
    services: &'n str,
}

/// What people do at it is `rel`: `wish`, `accept`, `decline`, `booking`, `return`.
#[derive(Serialize)]
struct Link {
    rel: &'static str,
    href: String,
}

impl<'n> Body<'n> {
    fn of(notice: &'n Notice, zone: &TimeZone, links: &Links) -> Body<'n> {
        let time = |at: UnixMillis| texts::time(zone, at);
        let link = |rel, path: &str| Link {
            rel,
            href: links.whole(path),
        };
        let appointment = |visit: &'n Visit| Appointment {
            start: time(visit.start),
            end: time(visit.end),
            office: &visit.office,
            address: &visit.address,
            services: &visit.services,
        };
        let mut data = Event {
            wish: &notice.wish,
            ..Event::default()
        };
        if notice.kind.wish_goes_on() {
            data.links.push(link("wish", &notice.manage));
        }
        match &notice.kind {
            NoticeKind::Laid { services } => data.services = Some(services),
            NoticeKind::Offered {
                deadline,
                visit,
                accept,
                decline,
                again: _,
            } => {
                data.deadline = Some(time(*deadline));
                data.visit = Some(appointment(visit));
                data.links.push(link("accept", accept));
                data.links.push(link("decline", decline));
            }
            NoticeKind::Booked {
                booking,
                code,
                visit,
                manage,
                brought_forward,
                give_back,
                ..
            } => {
                data.booking = Some(booking);
                data.code = Some(code);
                data.visit = Some(appointment(visit));
                data.brought_forward = Some(*brought_forward);
                data.links.push(link("booking", manage));
                let give_back = give_back.as_ref().map(|path| link("return", path));
                data.links.extend(give_back);
            }
            NoticeKind::Lapsed { visit } => data.visit = Some(appointment(visit)),
            NoticeKind::Ended { how } => data.how = Some(WishEnding::name(*how)),
            NoticeKind::Trial => {}
        }
        Body {
            kind: notice.kind.name(),
            timestamp: time(notice.at),
            data,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    /// The example that the standard's own libraries are tested with.
    #[test]
    fn signatures_are_those_of_the_standard() {
        let secrets = Secrets::parse(SECRET).unwrap();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signed = secrets.sign(id, 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_secrets_sign_while_they_are_exchanged() {
        let other = format!("whsec_{}", BASE64.encode(&[7; 32]));
        let both = Secrets::parse(&format!("{other}\n{SECRET}\n")).unwrap();
        let one = |text: &str| Secrets::parse(text).unwrap().sign("a", 1, "{}");
        let expected = format!("{} {}", one(&other), one(SECRET));
        assert_eq!(both.sign("a", 1, "{}"), expected);
    }

    #[test]
    fn bad_secrets_are_refused() {
        let of = |bytes: usize| format!("whsec_{}", BASE64.encode(&vec![1; bytes]));
        assert!(Secrets::parse(&of(24)).is_some() && Secrets::parse(&of(64)).is_some());
        for text in [
            "",
            "secret",
            "whsec_",
            "whsec_!",
            "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            &of(23),
            &of(65),
            &format!("{SECRET} {SECRET} {SECRET}"),
            &format!("{SECRET} whsec_x"),
        ] {
            assert!(Secrets::parse(text).is_none(), "{text}");
        }
    }
}
