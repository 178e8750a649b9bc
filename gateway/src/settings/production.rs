//! What is about the ledger in Redis and the store in PostgreSQL behind it.

use std::path::PathBuf;

use morgenruh_engine::rules::catalogue::reader::{Layers, Lookup, kinds as engine_kinds};
use morgenruh_production::redis::Durability;
use morgenruh_production::tls::Tls;

use super::kinds::{endpoint, flag, number, path, size, text};
use super::{Keys, quote, quote_path};

/// Longest name of a user or a database, in characters.
const NAME_CHARS_MAX: usize = 63;
const DURABILITIES: [(&str, Durability); 2] = [
    ("strict", Durability::Strict),
    ("relaxed", Durability::Relaxed),
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redis {
    /// Host and port.
    pub address: String,
    pub user: Option<String>,
    pub password_file: Option<PathBuf>,
    pub tls: Tls,
    pub database: u8,
    pub connect_timeout_ms: u64,
    pub answer_timeout_ms: u64,
    pub durability: Durability,
    pub kept_records: u64,
}

impl Redis {
    pub(super) fn read(layers: &Layers<'_, '_>) -> Redis {
        let durability = layers.need("durability", engine_kinds::one_of(&DURABILITIES));
        Redis {
            address: layers.need("address", endpoint).unwrap_or_default(),
            user: text(layers, "user", NAME_CHARS_MAX),
            password_file: path(layers, "password_file"),
            tls: tls(layers),
            database: number(layers, "database", 0, 15),
            connect_timeout_ms: number(layers, "connect_timeout_ms", 100, 60_000),
            answer_timeout_ms: number(layers, "answer_timeout_ms", 100, 60_000),
            durability: durability.unwrap_or(Durability::Strict),
            kept_records: number(layers, "kept_records", 0, 100_000_000),
        }
    }

    pub(super) fn keys(&self) -> Keys {
        let (tls, ca_file) = tls_keys(&self.tls);
        vec![
            ("address", quote(&self.address)),
            ("user", quote(self.user.as_deref().unwrap_or_default())),
            ("password_file", quote_path(&self.password_file)),
            ("tls", tls),
            ("ca_file", ca_file),
            ("database", self.database.to_string()),
            ("connect_timeout_ms", self.connect_timeout_ms.to_string()),
            ("answer_timeout_ms", self.answer_timeout_ms.to_string()),
            ("durability", quote(durability_name(self.durability))),
            ("kept_records", self.kept_records.to_string()),
        ]
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postgres {
    /// Host and port.
    pub address: String,
    pub user: String,
    pub password_file: Option<PathBuf>,
    pub database: String,
    pub tls: Tls,
    pub connect_timeout_ms: u64,
    pub statement_timeout_ms: u64,
}

impl Postgres {
    pub(super) fn read(layers: &Layers<'_, '_>) -> Postgres {
        let name = |key| {
            let name = layers.need(key, engine_kinds::text(1..=NAME_CHARS_MAX));
            name.unwrap_or_default()
        };
        Postgres {
            address: layers.need("address", endpoint).unwrap_or_default(),
            user: name("user"),
            password_file: path(layers, "password_file"),
            database: name("database"),
            tls: tls(layers),
            connect_timeout_ms: number(layers, "connect_timeout_ms", 100, 60_000),
            statement_timeout_ms: number(layers, "statement_timeout_ms", 1000, 600_000),
        }
    }

    pub(super) fn keys(&self) -> Keys {
        let (tls, ca_file) = tls_keys(&self.tls);
        vec![
            ("address", quote(&self.address)),
            ("user", quote(&self.user)),
            ("password_file", quote_path(&self.password_file)),
            ("database", quote(&self.database)),
            ("tls", tls),
            ("ca_file", ca_file),
            ("connect_timeout_ms", self.connect_timeout_ms.to_string()),
            (
                "statement_timeout_ms",
                self.statement_timeout_ms.to_string(),
            ),
        ]
    }
}

/// How the store follows the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    pub batch_max: usize,
    pub idle_ms: u64,
    pub rest_max_ms: u64,
    pub backlog_slow: u64,
    pub backlog_max: u64,
    pub backlog_pause_max_ms: u64,
    pub retry_ms: u64,
    pub retry_max_ms: u64,
}

impl Store {
    pub(super) fn read(layers: &Layers<'_, '_>) -> Store {
        let store = Store {
            batch_max: size(layers, "batch_max", 1, 65_536),
            idle_ms: number(layers, "idle_ms", 1, 10_000),
            rest_max_ms: number(layers, "rest_max_ms", 0, 60_000),
            backlog_slow: number(layers, "backlog_slow", 0, 1_000_000_000),
            backlog_max: number(layers, "backlog_max", 1, 1_000_000_000),
            backlog_pause_max_ms: number(layers, "backlog_pause_max_ms", 0, 10_000),
            retry_ms: number(layers, "retry_ms", 10, 60_000),
            retry_max_ms: number(layers, "retry_max_ms", 10, 600_000),
        };
        if store.backlog_slow >= store.backlog_max {
            layers.fault("backlog_slow", "is not less than backlog_max");
        }
        if store.retry_ms > store.retry_max_ms {
            layers.fault("retry_ms", "is more than retry_max_ms");
        }
        store
    }

    pub(super) fn keys(&self) -> Keys {
        vec![
            ("batch_max", self.batch_max.to_string()),
            ("idle_ms", self.idle_ms.to_string()),
            ("rest_max_ms", self.rest_max_ms.to_string()),
            ("backlog_slow", self.backlog_slow.to_string()),
            ("backlog_max", self.backlog_max.to_string()),
            (
                "backlog_pause_max_ms",
                self.backlog_pause_max_ms.to_string(),
            ),
            ("retry_ms", self.retry_ms.to_string()),
            ("retry_max_ms", self.retry_max_ms.to_string()),
        ]
    }
}

fn tls(layers: &Layers<'_, '_>) -> Tls {
    let ca_file = path(layers, "ca_file");
    if flag(layers, "tls") {
        return Tls::On { ca_file };
    }
    if ca_file.is_some() {
        layers.fault("ca_file", "is of no use without tls = true");
    }
    Tls::Off
}

/// The values of `tls` and `ca_file`.
fn tls_keys(tls: &Tls) -> (String, String) {
    match tls {
        Tls::Off => ("false".to_owned(), quote("")),
        Tls::On { ca_file } => ("true".to_owned(), quote_path(ca_file)),
    }
}

/// As the configuration names it.
pub(super) fn durability_name(durability: Durability) -> &'static str {
    match durability {
        Durability::Strict => "strict",
        Durability::Relaxed => "relaxed",
    }
}
