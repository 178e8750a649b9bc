//! A server of its own for a test, and the store on it.

use std::time::Duration;

use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_production::password::Password;
use morgenruh_production::postgres::{PostgresStore, Settings};
use morgenruh_production::tls::Tls;
use morgenruh_servers::{Postgres, PostgresOptions};
use tempfile::TempDir;

pub(crate) struct Server {
    pub(crate) postgres: Postgres,
    _dir: TempDir,
}

impl Server {
    pub(crate) fn start() -> Server {
        Server::with(PostgresOptions::default())
    }

    pub(crate) fn with(options: PostgresOptions) -> Server {
        let dir = tempfile::tempdir().unwrap();
        let postgres = options.start(dir.path());
        Server {
            postgres,
            _dir: dir,
        }
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            address: self.postgres.address().to_string(),
            user: self.postgres.user().to_owned(),
            password: Some(Password::new(self.postgres.password())),
            database: self.postgres.database().to_owned(),
            tls: Tls::Off,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
        }
    }

    pub(crate) fn store(&self) -> PostgresStore {
        PostgresStore::open(&self.settings()).unwrap()
    }
}

/// The morning of 2026-12-01 in Düsseldorf.
pub(crate) const NOW: UnixMillis = UnixMillis(1_796_104_800_000);
