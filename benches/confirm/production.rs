//! What a city runs: Redis as the ledger, PostgreSQL behind it.

use std::io;
use std::path::Path;
use std::time::Duration;

use morgenruh_engine::rules::catalogue::Catalogue;
use morgenruh_engine::rules::time::Millis;
use morgenruh_engine::shell::backlog::Bounds;
use morgenruh_engine::shell::drain::Rhythm;
use morgenruh_engine::shell::stored::Stored;
use morgenruh_production::ledger::{ProductionLedger, Settings};
use morgenruh_production::password::Password;
use morgenruh_production::redis::Durability;
use morgenruh_production::tls::Tls;
use morgenruh_production::{postgres, redis};
use morgenruh_servers::{Postgres, Redis};

use super::morgenruh::{Behind, OPTIONS};
use crate::rules::NOW;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(60);
/// As the service has them; how far the store is behind is a result.
const BACKLOG: Bounds = Bounds {
    rest: 100_000,
    rest_max: Millis(1_000),
    slow: 200_000,
    max: 1_000_000,
    pause_max: Duration::from_millis(50),
};
const DRAIN: Rhythm = Rhythm {
    batch_max: 2_000,
    idle: Duration::from_millis(20),
    retry: Duration::from_millis(100),
    retry_max: Duration::from_secs(5),
    clock: || NOW,
};

impl Behind for ProductionLedger {
    fn behind(&self) -> u64 {
        self.backlog().records()
    }
}

/// The ledger in these two servers, and what they remember.
///
/// # Errors
/// When one of them cannot be used.
pub fn open(
    redis: &Redis,
    postgres: &Postgres,
    data: &Path,
    catalogue: &Catalogue,
) -> io::Result<(ProductionLedger, Stored)> {
    let settings = settings(redis, postgres);
    let opened = ProductionLedger::open(data, &settings, catalogue, OPTIONS, &|_| {});
    opened.map_err(io::Error::other)
}

fn settings(redis: &Redis, postgres: &Postgres) -> Settings {
    Settings {
        redis: redis::Settings {
            address: redis.address().to_string(),
            user: None,
            password: None,
            tls: Tls::Off,
            database: 0,
            connect_timeout: CONNECT_TIMEOUT,
            answer_timeout: ANSWER_TIMEOUT,
            durability: Durability::Strict,
            kept_records: 0,
        },
        postgres: postgres::Settings {
            address: postgres.address().to_string(),
            user: postgres.user().to_owned(),
            password: Some(Password::new(postgres.password())),
            database: postgres.database().to_owned(),
            tls: Tls::Off,
            connect_timeout: CONNECT_TIMEOUT,
            statement_timeout: STATEMENT_TIMEOUT,
        },
        backlog: BACKLOG,
        drain: DRAIN,
    }
}
