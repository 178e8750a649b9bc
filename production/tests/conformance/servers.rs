//! One Redis and one PostgreSQL for all tests that run at the same time, and cities on them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use morgenruh_servers::{Postgres, Redis, scratch};
use tempfile::TempDir;

/// Held while a program is started. Until it runs, it has copies of all files that are open here,
/// and with them the locks of data directories.
pub(crate) fn starting_a_program() -> MutexGuard<'static, ()> {
    static STARTING: Mutex<()> = Mutex::new(());
    STARTING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until no program has a copy of a lock that was given up here. Call it before a directory
/// is opened again.
pub(crate) fn wait_for_locks() {
    drop(starting_a_program());
}

/// Both servers of production. Whoever drops them last stops them.
pub(crate) struct Servers {
    pub(crate) redis: Redis,
    pub(crate) postgres: Postgres,
    _dir: TempDir,
}

impl Servers {
    /// Servers that nobody else uses, for tests that kill them.
    pub(crate) fn own() -> Servers {
        let dir = scratch();
        let _starting = starting_a_program();
        Servers {
            redis: Redis::start(&dir.path().join("redis")),
            postgres: Postgres::start(&dir.path().join("postgres")),
            _dir: dir,
        }
    }

    /// Those that other tests use as well.
    pub(crate) fn shared() -> Arc<Servers> {
        static SHARED: Mutex<Weak<Servers>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let servers = Arc::new(Servers::own());
            *shared = Arc::downgrade(&servers);
            servers
        })
    }

    /// Makes an empty database and returns its name.
    pub(crate) fn database(&self) -> String {
        static DATABASES: AtomicU32 = AtomicU32::new(0);
        let name = format!("kleinheim_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        self.make_database(&name, "template1");
        name
    }

    /// Makes a database that is a copy of another one.
    pub(crate) fn make_database(&self, name: &str, template: &str) {
        let owner = self.postgres.user();
        let _starting = starting_a_program();
        self.postgres.sql_as_superuser(&format!(
            "CREATE DATABASE {name} TEMPLATE {template} OWNER {owner}"
        ));
    }

    /// Removes a database, whoever uses it.
    pub(crate) fn drop_database(&self, name: &str) {
        let drop = format!("DROP DATABASE {name} WITH (FORCE)");
        let _starting = starting_a_program();
        self.postgres.sql_as_superuser(&drop);
    }

    /// Asks a database; one line a row, `|` between columns.
    pub(crate) fn sql(&self, database: &str, statements: &str) -> String {
        let there = format!("\\connect {database}\n{statements}");
        let _starting = starting_a_program();
        self.postgres.sql(&there)
    }
}
