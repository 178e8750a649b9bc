//! Where the Redis is, who we are to it, and how patient we are.

use std::time::Duration;

use super::guarantees::Durability;
use crate::password::Password;
use crate::tls::Tls;

/// What a connection needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `host:port`; a certificate has to be for this host.
    pub address: String,
    /// None is Redis' own user `default`.
    pub user: Option<String>,
    pub password: Option<Password>,
    pub tls: Tls,
    pub database: u8,
    /// How long the network may take to connect. Finding the address of a name is not included.
    pub connect_timeout: Duration,
    /// How long an answer may take, from the first byte that is sent; also how long a new
    /// connection may take to prove itself, encryption and checks included.
    pub answer_timeout: Duration,
    pub durability: Durability,
    /// Records behind the watermark that are kept all the same, so that a store restored from an
    /// older backup can catch up.
    pub kept_records: u64,
}

/// The keys of a city.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub(super) stream: String,
    pub(super) meta: String,
}

impl Keys {
    pub(super) fn of(city: &str) -> Keys {
        Keys {
            stream: format!("morgenruh:{{{city}}}:ledger:0"),
            meta: format!("morgenruh:{{{city}}}:meta:0"),
        }
    }
}
