//! What is about the service itself, wherever its facts are kept.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use morgenruh_engine::rules::catalogue::reader::{Layers, Lookup, kinds as engine_kinds};

use super::kinds::{address, networks, number, origin, path, size};
use super::{Keys, quote, quote_path};
use crate::networks::Networks;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub listen: SocketAddr,
    pub admin_listen: SocketAddr,
    /// Scheme, host and port, like `https://termine.example.org`; `None`: HTTP, at whatever
    /// address a request names.
    pub public_url: Option<String>,
    pub connections_max: usize,
    pub header_timeout_ms: u64,
    pub request_timeout_ms: u64,
    pub body_bytes_max: usize,
    pub stop_notice_ms: u64,
    pub drain_ms: u64,
    pub trusted_proxies: Networks,
    /// `None`: there are no service keys.
    pub service_keys_file: Option<PathBuf>,
}

impl Server {
    pub(super) fn read(layers: &Layers<'_, '_>) -> Server {
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Server {
            listen: layers.need("listen", address).unwrap_or(nowhere),
            admin_listen: layers.need("admin_listen", address).unwrap_or(nowhere),
            public_url: layers.need("public_url", origin).unwrap_or_default(),
            connections_max: size(layers, "connections_max", 16, 1_000_000),
            header_timeout_ms: number(layers, "header_timeout_ms", 100, 60_000),
            request_timeout_ms: number(layers, "request_timeout_ms", 1000, 120_000),
            body_bytes_max: size(layers, "body_bytes_max", 1024, 1_048_576),
            stop_notice_ms: number(layers, "stop_notice_ms", 0, 60_000),
            drain_ms: number(layers, "drain_ms", 0, 600_000),
            trusted_proxies: layers.need("trusted_proxies", networks).unwrap_or_default(),
            service_keys_file: path(layers, "service_keys_file"),
        }
    }

    pub(super) fn keys(&self) -> Keys {
        vec![
            ("listen", quote(&self.listen.to_string())),
            ("admin_listen", quote(&self.admin_listen.to_string())),
            (
                "public_url",
                quote(self.public_url.as_deref().unwrap_or_default()),
            ),
            ("connections_max", self.connections_max.to_string()),
            ("header_timeout_ms", self.header_timeout_ms.to_string()),
            ("request_timeout_ms", self.request_timeout_ms.to_string()),
            ("body_bytes_max", self.body_bytes_max.to_string()),
            ("stop_notice_ms", self.stop_notice_ms.to_string()),
            ("drain_ms", self.drain_ms.to_string()),
            ("trusted_proxies", quote(&self.trusted_proxies.to_string())),
            ("service_keys_file", quote_path(&self.service_keys_file)),
        ]
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holds {
    pub stretch_minutes_max: u16,
    pub idempotency_minutes: u32,
    pub idempotency_keys_max: usize,
}

impl Holds {
    pub(super) fn read(layers: &Layers<'_, '_>) -> Holds {
        Holds {
            stretch_minutes_max: number(layers, "stretch_minutes_max", 0, 240),
            idempotency_minutes: number(layers, "idempotency_minutes", 1, 10_080),
            idempotency_keys_max: size(layers, "idempotency_keys_max", 100, 10_000_000),
        }
    }

    pub(super) fn keys(&self) -> Keys {
        vec![
            ("stretch_minutes_max", self.stretch_minutes_max.to_string()),
            ("idempotency_minutes", self.idempotency_minutes.to_string()),
            (
                "idempotency_keys_max",
                self.idempotency_keys_max.to_string(),
            ),
        ]
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Availability {
    pub span_days_max: u16,
    pub span_days_default: u16,
    pub rendered_bytes_max: usize,
}

impl Availability {
    pub(super) fn read(layers: &Layers<'_, '_>) -> Availability {
        let availability = Availability {
            span_days_max: number(layers, "span_days_max", 1, 366),
            span_days_default: number(layers, "span_days_default", 1, 366),
            rendered_bytes_max: size(layers, "rendered_bytes_max", 1 << 20, 1 << 30),
        };
        if availability.span_days_default > availability.span_days_max {
            layers.fault("span_days_default", "is more than span_days_max");
        }
        availability
    }

    pub(super) fn keys(&self) -> Keys {
        vec![
            ("span_days_max", self.span_days_max.to_string()),
            ("span_days_default", self.span_days_default.to_string()),
            ("rendered_bytes_max", self.rendered_bytes_max.to_string()),
        ]
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    pub kind: Kind,
    pub batch_max: usize,
    pub queue_max: usize,
    pub retry_ms: u64,
    pub ack_timeout_ms: u64,
}

/// What a ledger is kept in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    Sqlite,
    Redis,
}

impl Kind {
    const NAMES: [(&str, Kind); 2] = [("sqlite", Kind::Sqlite), ("redis", Kind::Redis)];

    /// As the configuration names it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Sqlite => "sqlite",
            Kind::Redis => "redis",
        }
    }
}

impl Ledger {
    pub(super) fn read(layers: &Layers<'_, '_>) -> Ledger {
        let kind = layers.need("kind", engine_kinds::one_of(&Kind::NAMES));
        Ledger {
            kind: kind.unwrap_or_default(),
            batch_max: size(layers, "batch_max", 1, 65_536),
            queue_max: size(layers, "queue_max", 100, 1_000_000),
            retry_ms: number(layers, "retry_ms", 10, 60_000),
            ack_timeout_ms: number(layers, "ack_timeout_ms", 100, 60_000),
        }
    }

    pub(super) fn keys(&self) -> Keys {
        vec![
            ("kind", quote(self.kind.name())),
            ("batch_max", self.batch_max.to_string()),
            ("queue_max", self.queue_max.to_string()),
            ("retry_ms", self.retry_ms.to_string()),
            ("ack_timeout_ms", self.ack_timeout_ms.to_string()),
        ]
    }
}
