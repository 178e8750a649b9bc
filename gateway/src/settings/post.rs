//! What is about letters and webhooks, by which people and other services are told of something.

use std::net::IpAddr;
use std::path::PathBuf;

use morgenruh_engine::rules::catalogue::reader::{Layers, Lookup, kinds as engine_kinds};

use super::kinds::{email, hosts, loopbacks, networks, number, optional_endpoint, path, text};
use super::{Keys, quote, quote_path};
use crate::networks::Networks;

/// Longest name of a user, in characters.
const USER_CHARS_MAX: usize = 254;
const ENCRYPTIONS: [(&str, Encryption); 3] = [
    ("off", Encryption::Off),
    ("starttls", Encryption::StartTls),
    ("tls", Encryption::Tls),
];
const NO_PUBLIC_URL: &str = "needs public_url in [server], because what is sent has links";

/// How the connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    Off,
    /// It begins in the clear and goes on only when both have turned to TLS.
    #[default]
    StartTls,
    /// From its first byte.
    Tls,
}

impl Encryption {
    /// As the configuration names it.
    fn name(self) -> &'static str {
        match self {
            Encryption::Off => "off",
            Encryption::StartTls => "starttls",
            Encryption::Tls => "tls",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Host and port; `None`: no letters are sent.
    pub address: Option<String>,
    pub encryption: Encryption,
    pub ca_file: Option<PathBuf>,
    pub user: Option<String>,
    pub password_file: Option<PathBuf>,
    /// There is one where there is an address.
    pub from: Option<String>,
    pub reply_to: Option<String>,
    pub timeout_ms: u64,
}

impl Mail {
    pub(super) fn read(layers: &Layers<'_, '_>, has_public_url: bool) -> Mail {
        let encryption = layers.need("encryption", engine_kinds::one_of(&ENCRYPTIONS));
        let mail = Mail {
            address: layers
                .need("address", optional_endpoint)
                .unwrap_or_default(),
            encryption: encryption.unwrap_or_default(),
            ca_file: path(layers, "ca_file"),
            user: text(layers, "user", USER_CHARS_MAX),
            password_file: path(layers, "password_file"),
            from: layers.need("from", email).unwrap_or_default(),
            reply_to: layers.need("reply_to", email).unwrap_or_default(),
            timeout_ms: number(layers, "timeout_ms", 1_000, 60_000),
        };
        if mail.address.is_some() {
            if mail.from.is_none() {
                layers.fault("address", "needs from, because letters have a sender");
            }
            if !has_public_url {
                layers.fault("address", NO_PUBLIC_URL);
            }
        }
        if mail.encryption == Encryption::Off {
            if mail.user.is_some() {
                let fault = "has a password, which is not sent without encryption";
                layers.fault("user", fault);
            }
            if mail.ca_file.is_some() {
                layers.fault("ca_file", "is of no use without encryption");
            }
        }
        mail
    }

    pub(super) fn keys(&self) -> Keys {
        let text = |text: &Option<String>| quote(text.as_deref().unwrap_or_default());
        vec![
            ("address", text(&self.address)),
            ("encryption", quote(self.encryption.name())),
            ("ca_file", quote_path(&self.ca_file)),
            ("user", text(&self.user)),
            ("password_file", quote_path(&self.password_file)),
            ("from", text(&self.from)),
            ("reply_to", text(&self.reply_to)),
            ("timeout_ms", self.timeout_ms.to_string()),
        ]
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhooks {
    /// Names of hosts in small letters, some with a port.
    pub hosts: Vec<String>,
    pub secrets_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    pub timeout_ms: u64,
    /// Where hosts may be although nobody on the internet could reach them there.
    pub internal_networks: Networks,
    /// Addresses of this machine that are spoken to without encryption.
    pub allow_http_to: Vec<IpAddr>,
}

impl Webhooks {
    pub(super) fn read(layers: &Layers<'_, '_>, has_public_url: bool) -> Webhooks {
        let webhooks = Webhooks {
            hosts: layers.need("hosts", hosts).unwrap_or_default(),
            secrets_file: path(layers, "secrets_file"),
            ca_file: path(layers, "ca_file"),
            timeout_ms: number(layers, "timeout_ms", 500, 30_000),
            internal_networks: layers
                .need("internal_networks", networks)
                .unwrap_or_default(),
            allow_http_to: layers.need("allow_http_to", loopbacks).unwrap_or_default(),
        };
        if !has_public_url && !webhooks.hosts.is_empty() {
            layers.fault("hosts", NO_PUBLIC_URL);
        }
        if !has_public_url && !webhooks.allow_http_to.is_empty() {
            layers.fault("allow_http_to", NO_PUBLIC_URL);
        }
        webhooks
    }

    pub(super) fn keys(&self) -> Keys {
        let addresses: Vec<String> = self.allow_http_to.iter().map(ToString::to_string).collect();
        vec![
            ("hosts", quote(&self.hosts.join(", "))),
            ("secrets_file", quote_path(&self.secrets_file)),
            ("ca_file", quote_path(&self.ca_file)),
            ("timeout_ms", self.timeout_ms.to_string()),
            (
                "internal_networks",
                quote(&self.internal_networks.to_string()),
            ),
            ("allow_http_to", quote(&addresses.join(", "))),
        ]
    }
}
