//! From the embedded ledger to Redis and PostgreSQL, while nobody is served.
//!
//! The facts take the way that they take every day: into the store in order, each once. Then the
//! old directory serves nobody any more, and only then the ledger begins behind them: at no time
//! can both serve. A move that was interrupted goes on where it stopped, and until it is complete
//! the service does not start on the servers, which lack a ledger.

use std::fs::{self, File};
use std::path::Path;

use morgenruh_engine::rules::catalogue::Catalogue;
use morgenruh_engine::shell::directory::{self, LockError};
use morgenruh_engine::shell::drain::{Away, Placed, Store, StoreError};
use morgenruh_engine::shell::sqlite::{self, Departure, HistoryError};

use crate::ledger::Settings;
use crate::lineage::Lineage;
use crate::postgres::{self, PostgresStore};
use crate::redis::{self, RedisJournal};

/// Facts in one transaction.
const BATCH: usize = 4_000;

/// Why the facts were not moved; what was there is still there.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error(transparent)]
    Directory(#[from] LockError),
    #[error(transparent)]
    Sqlite(#[from] sqlite::OpenError),
    #[error("the database of the embedded ledger: {0}")]
    Database(#[from] sqlite::DatabaseError),
    #[error(transparent)]
    History(#[from] HistoryError<StoreError>),
    #[error(transparent)]
    Redis(#[from] redis::OpenError),
    #[error("the Redis cannot be read: {0}")]
    RedisUnreadable(#[from] morgenruh_engine::shell::scribe::Failure),
    #[error(transparent)]
    Postgres(#[from] postgres::OpenError),
    #[error("the database cannot be written: {0}")]
    PostgresAway(#[from] Away),
    #[error("the database cannot be written: {0}")]
    NotTaken(#[from] StoreError),
    #[error("no randomness: {0}")]
    Randomness(#[from] getrandom::Error),
    #[error("the {0} is not empty, and what is there is not from this move")]
    NotEmpty(&'static str),
}

/// Moves the facts of the embedded ledger in `from` to the servers; `data` is the directory that
/// the gateway will have. `progress` is told the number of facts now and then. Returns how many
/// there are.
///
/// # Errors
/// [`MigrateError`]
pub fn migrate(
    from: &Path,
    data: &Path,
    settings: &Settings,
    catalogue: &Catalogue,
    progress: &dyn Fn(u64),
) -> Result<u64, MigrateError> {
    let departure = Departure::open(from)?;
    let _lock = lock(data, from)?;
    let lineage = destination(&departure)?;
    let (newest, newest_at) = departure.newest()?;
    let mut store = PostgresStore::open(&settings.postgres)?;
    let mut journal = RedisJournal::open(&settings.redis, &catalogue.city.id, data)?;
    let stream = journal.state()?;
    if stream.lineage.is_some_and(|theirs| theirs != lineage) {
        return Err(MigrateError::NotEmpty("Redis"));
    }
    let state = store.state()?;
    if state.lineage.is_some_and(|theirs| theirs != lineage) {
        return Err(MigrateError::NotEmpty("database"));
    }
    store.begin(lineage)?;
    let mut batch: Vec<Placed> = Vec::with_capacity(BATCH);
    departure.each_fact(&catalogue.city.zone, state.watermark, |placed| {
        let position = placed.position;
        batch.push(placed);
        if batch.len() == BATCH || position == newest {
            store.apply(&batch)?;
            progress(position.0);
            batch.clear();
        }
        Ok(())
    })?;
    store.name_numbers(catalogue)?;
    departure.complete()?;
    if stream.lineage.is_none() {
        journal.begin_at(lineage, newest, newest_at)?;
    }
    Ok(newest.0)
}

/// The same on every try.
fn destination(departure: &Departure) -> Result<Lineage, MigrateError> {
    let proposal = Lineage::random()?.to_string();
    let destination = departure.destination(&proposal)?;
    destination
        .parse()
        .map_err(|_| MigrateError::NotEmpty("embedded ledger's destination"))
}

/// Keeps the gateway's directory for us; where it is the one that is being left, we have it.
fn lock(data: &Path, from: &Path) -> Result<Option<File>, LockError> {
    let same = fs::canonicalize(data).ok() == fs::canonicalize(from).ok();
    (!same).then(|| directory::lock(data)).transpose()
}
