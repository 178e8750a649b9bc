//! What keeps the facts, as `[ledger]` names it. Behind this no handler knows which one it is.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use morgenruh_engine::rules::catalogue::Catalogue;
use morgenruh_engine::rules::time::Millis;
use morgenruh_engine::shell::backlog::Bounds;
use morgenruh_engine::shell::drain::Rhythm;
use morgenruh_engine::shell::ledger::{Entry, Health, Ledger};
use morgenruh_engine::shell::sqlite::{self, SqliteLedger};
use morgenruh_engine::shell::stored::Stored;
use morgenruh_production::ledger::{self as production, ProductionLedger};
use morgenruh_production::postgres;
use morgenruh_production::redis::{self, Durability};

use crate::clock;
use crate::passwords::{PasswordError, password};
use crate::settings::{Kind, POSTGRES_PASSWORD, REDIS_PASSWORD, Settings};

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    Embedded(#[from] sqlite::OpenError),
    #[error(transparent)]
    Production(#[from] production::OpenError),
    #[error(transparent)]
    Password(#[from] PasswordError),
}

/// The ledger that the configuration names. Closing or dropping it writes what is queued first.
pub(crate) enum Keeper {
    Embedded(SqliteLedger),
    Production(Arc<ProductionLedger>),
}

impl Keeper {
    /// Opens the ledger, says in the log which it is, and returns what it remembers.
    ///
    /// # Errors
    /// [`OpenError`]
    pub(crate) fn open(
        data: &Path,
        settings: &Settings,
        catalogue: &Catalogue,
    ) -> Result<(Keeper, Stored), OpenError> {
        let options = sqlite::Options {
            batch_max: settings.ledger.batch_max,
            queue_max: settings.ledger.queue_max,
            retry: Duration::from_millis(settings.ledger.retry_ms),
            clock: clock::now,
        };
        match settings.ledger.kind {
            Kind::Sqlite => {
                tracing::info!(kind = "sqlite", data = %data.display(), "opening the ledger");
                let (ledger, stored) = SqliteLedger::open(data, catalogue, options)?;
                Ok((Keeper::Embedded(ledger), stored))
            }
            Kind::Redis => {
                let servers = servers(settings)?;
                tracing::info!(
                    kind = "redis",
                    durability = settings.durability(),
                    redis = settings.redis.address,
                    postgres = settings.postgres.address,
                    "opening the ledger"
                );
                if settings.redis.durability == Durability::Relaxed {
                    tracing::warn!(
                        "durability is \"relaxed\": what is acknowledged may be lost; see /readyz"
                    );
                }
                let progress = |bookings| tracing::info!(bookings, "reading the store");
                let (ledger, stored) =
                    ProductionLedger::open(data, &servers, catalogue, options, &progress)?;
                for finding in ledger.warnings() {
                    tracing::warn!(%finding, "the Redis does not keep what it acknowledges");
                }
                Ok((Keeper::Production(Arc::new(ledger)), stored))
            }
        }
    }

    /// The ledger behind which a store is written, if it is this one.
    pub(crate) fn production(&self) -> Option<Arc<ProductionLedger>> {
        match self {
            Keeper::Embedded(_) => None,
            Keeper::Production(ledger) => Some(Arc::clone(ledger)),
        }
    }

    /// Writes what is queued and lets go of it. Later appends are refused.
    pub(crate) fn close(&self) {
        match self {
            Keeper::Embedded(ledger) => ledger.close(),
            Keeper::Production(ledger) => ledger.close(),
        }
    }
}

impl Ledger for Keeper {
    fn append(&self, entry: Entry) -> Result<(), Entry> {
        match self {
            Keeper::Embedded(ledger) => ledger.append(entry),
            Keeper::Production(ledger) => ledger.append(entry),
        }
    }

    fn health(&self) -> Health {
        match self {
            Keeper::Embedded(ledger) => ledger.health(),
            Keeper::Production(ledger) => ledger.health(),
        }
    }
}

/// The settings of both servers, with their passwords.
pub(crate) fn servers(settings: &Settings) -> Result<production::Settings, PasswordError> {
    let Settings {
        redis,
        postgres,
        store,
        ..
    } = settings;
    Ok(production::Settings {
        redis: redis::Settings {
            address: redis.address.clone(),
            user: redis.user.clone(),
            password: password(REDIS_PASSWORD, redis.password_file.as_deref())?,
            tls: redis.tls.clone(),
            database: redis.database,
            connect_timeout: Duration::from_millis(redis.connect_timeout_ms),
            answer_timeout: Duration::from_millis(redis.answer_timeout_ms),
            durability: redis.durability,
            kept_records: redis.kept_records,
        },
        postgres: postgres::Settings {
            address: postgres.address.clone(),
            user: postgres.user.clone(),
            password: password(POSTGRES_PASSWORD, postgres.password_file.as_deref())?,
            database: postgres.database.clone(),
            tls: postgres.tls.clone(),
            connect_timeout: Duration::from_millis(postgres.connect_timeout_ms),
            statement_timeout: Duration::from_millis(postgres.statement_timeout_ms),
        },
        backlog: Bounds {
            rest: store.backlog_slow / 2,
            rest_max: Millis(store.rest_max_ms.cast_signed()),
            slow: store.backlog_slow,
            max: store.backlog_max,
            pause_max: Duration::from_millis(store.backlog_pause_max_ms),
        },
        drain: Rhythm {
            batch_max: store.batch_max,
            idle: Duration::from_millis(store.idle_ms),
            retry: Duration::from_millis(store.retry_ms),
            retry_max: Duration::from_millis(store.retry_max_ms),
            clock: clock::now,
        },
    })
}
