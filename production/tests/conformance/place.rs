//! Where the production mode keeps one city: its keys in a Redis, a database, and the directory of
//! its gateway.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use morgenruh_engine::rules::catalogue::Catalogue;
use morgenruh_engine::rules::record::Position;
use morgenruh_engine::rules::time::Millis;
use morgenruh_engine::shell::backlog::Bounds;
use morgenruh_engine::shell::drain::{Placed, Rhythm, Tail};
use morgenruh_engine::shell::record_text;
use morgenruh_engine::shell::stored::Stored;
use morgenruh_production::ledger::{OpenError, ProductionLedger, Settings, restart_ledger};
use morgenruh_production::password::Password;
use morgenruh_production::postgres::{self, PostgresStore, StoreState};
use morgenruh_production::redis::{self, Durability, RedisTail};
use morgenruh_production::tls::Tls;
use morgenruh_servers::{Proxy, scratch};
use tempfile::TempDir;

use crate::mode::OPTIONS;
use crate::servers::{Servers, wait_for_locks};
use crate::support::EVENING;
use crate::townhall::kleinheim;

/// Long enough for a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(20);

/// A city and its way to the servers.
pub(crate) struct Place {
    pub(crate) servers: Arc<Servers>,
    pub(crate) city: String,
    pub(crate) database: String,
    pub(crate) data: TempDir,
    /// Before the Redis.
    pub(crate) ledger_way: Proxy,
    /// Before the PostgreSQL.
    pub(crate) store_way: Proxy,
}

impl Place {
    /// A new city on these servers.
    pub(crate) fn on(servers: Arc<Servers>) -> Place {
        let database = servers.database();
        Place {
            city: database.clone(),
            database,
            data: scratch(),
            ledger_way: Proxy::start(servers.redis.address()),
            store_way: Proxy::start(servers.postgres.address()),
            servers,
        }
    }

    pub(crate) fn settings(&self) -> Settings {
        let postgres = &self.servers.postgres;
        Settings {
            redis: redis::Settings {
                address: self.ledger_way.address().to_string(),
                user: None,
                password: None,
                tls: Tls::Off,
                database: 0,
                connect_timeout: PATIENCE,
                answer_timeout: PATIENCE,
                durability: Durability::Strict,
                kept_records: 100_000,
            },
            postgres: postgres::Settings {
                address: self.store_way.address().to_string(),
                user: postgres.user().to_owned(),
                password: Some(Password::new(postgres.password())),
                database: self.database.clone(),
                tls: Tls::Off,
                connect_timeout: PATIENCE,
                statement_timeout: PATIENCE,
            },
            backlog: Bounds {
                rest: 50_000,
                rest_max: Millis(1_000),
                slow: 100_000,
                max: 200_000,
                pause_max: Duration::from_millis(1),
            },
            drain: Rhythm {
                batch_max: 500,
                idle: Duration::from_millis(5),
                retry: Duration::from_millis(5),
                retry_max: Duration::from_millis(50),
                clock: || EVENING,
            },
        }
    }

    /// Opens the ledger for this configuration, whose city is given the id that it has here.
    pub(crate) fn open(
        &self,
        catalogue: &mut Catalogue,
    ) -> Result<(ProductionLedger, Stored), OpenError> {
        self.open_from(self.data.path(), catalogue)
    }

    /// As a gateway that has another data directory.
    pub(crate) fn open_from(
        &self,
        data: &Path,
        catalogue: &mut Catalogue,
    ) -> Result<(ProductionLedger, Stored), OpenError> {
        catalogue.city.id.clone_from(&self.city);
        wait_for_locks();
        ProductionLedger::open(data, &self.settings(), catalogue, OPTIONS, &|_| {})
    }

    /// Begins the Redis behind the database.
    pub(crate) fn restart_ledger(&self) -> Result<Position, OpenError> {
        let catalogue = self.named(kleinheim());
        wait_for_locks();
        restart_ledger(self.data.path(), &self.settings(), &catalogue)
    }

    /// What the Redis has, oldest first.
    pub(crate) fn records(&self) -> Vec<Placed> {
        let mut tail = RedisTail::open(&self.settings().redis, &self.city).unwrap();
        tail.after(Position(0), usize::MAX).unwrap()
    }

    /// How far the database is.
    pub(crate) fn store_state(&self) -> StoreState {
        let mut store = PostgresStore::open(&self.settings().postgres).unwrap();
        store.state().unwrap()
    }

    pub(crate) fn sql(&self, statements: &str) -> String {
        self.servers.sql(&self.database, statements)
    }

    /// The key of the city's stream (`ledger`) or hash (`meta`).
    pub(crate) fn key(&self, what: &str) -> String {
        format!("morgenruh:{{{}}}:{what}:0", self.city)
    }

    /// Takes the facts before this one from the stream. What follows gets an entry for each
    /// record, as an earlier version of the program wrote them.
    pub(crate) fn trim(&self, first: u64) {
        let mut tail = RedisTail::open(&self.settings().redis, &self.city).unwrap();
        let kept = tail.after(Position(first - 1), usize::MAX).unwrap();
        let (stream, redis) = (self.key("ledger"), &self.servers.redis);
        let newest = redis.command(&["HGET", &self.key("meta"), "newest"]);
        redis.command(&["DEL", &stream]);
        for Placed { position, record } in &kept {
            let line = record_text::write(record.at, &record.fact);
            let line = String::from_utf8(line).unwrap();
            redis.command(&["XADD", &stream, &format!("{}-0", position.0), "r", &line]);
        }
        if kept.is_empty() {
            // The stream remembers where it was.
            let id = format!("{newest}-0");
            redis.command(&["XADD", &stream, "MAXLEN", "0", &id, "r", ""]);
        }
    }

    /// The catalogue with the id that the city has here.
    pub(crate) fn named(&self, mut catalogue: Catalogue) -> Catalogue {
        catalogue.city.id.clone_from(&self.city);
        catalogue
    }
}
