//! Both servers together: from two addresses to a ledger that serves, and what it remembers.

use std::fs::File;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use morgenruh_engine::rules::catalogue::Catalogue;
use morgenruh_engine::rules::record::Position;
use morgenruh_engine::shell::backlog::{Backlog, Bounds, Braked};
use morgenruh_engine::shell::directory::{self, LockError};
use morgenruh_engine::shell::drain::{Away, Drain, Rhythm, Tail};
use morgenruh_engine::shell::ledger::{Entry, Health, Ledger};
use morgenruh_engine::shell::scribe::{self, Desk, Failure, Options};
use morgenruh_engine::shell::stored::{Remembered, Stored};
use morgenruh_engine::shell::vital::spawn_vital;

use crate::agreement::{Beginning, Disagreement, LedgerSide, StoreSide, agree};
use crate::lineage::Lineage;
use crate::postgres::{self, Loaded, PostgresStore};
use crate::redis::{self, RedisJournal, RedisTail, Warnings};

/// Facts that are read from the ledger at once when it starts.
const PAGE: usize = 10_000;
/// How long closing waits for the store; what it does not have by then the ledger keeps.
const CLOSING_MAX: Duration = Duration::from_secs(5);

/// Where the servers are, and the bounds between them.
#[derive(Clone, Debug)]
pub struct Settings {
    pub redis: redis::Settings,
    pub postgres: postgres::Settings,
    pub backlog: Bounds,
    pub drain: Rhythm,
}

/// Why the service cannot start on these servers.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Directory(#[from] LockError),
    #[error(transparent)]
    Redis(#[from] redis::OpenError),
    #[error(transparent)]
    Postgres(#[from] postgres::OpenError),
    #[error("{0}")]
    Disagreement(#[from] Disagreement),
    #[error("the Redis cannot be read: {0}")]
    RedisAway(Away),
    #[error("the Redis cannot be read: {0}")]
    RedisUnreadable(#[from] Failure),
    #[error("the database cannot be read: {0}")]
    PostgresAway(Away),
    #[error("the database has no facts to go on from")]
    NothingToGoOnFrom,
    #[error("no randomness: {0}")]
    Randomness(#[from] getrandom::Error),
    #[error("no thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// The ledger in Redis with the store in PostgreSQL behind it. Closing or dropping it writes what
/// is queued first.
pub struct ProductionLedger {
    desk: Desk,
    backlog: Arc<Backlog>,
    warnings: Warnings,
    threads: Mutex<Option<Threads>>,
    _lock: File,
}

struct Threads {
    writer: JoinHandle<()>,
    drain: JoinHandle<()>,
    /// The drain ends when this is dropped.
    stop: Sender<()>,
}

impl ProductionLedger {
    /// Opens both servers for the city of this catalogue, finds out whether they belong together,
    /// and starts the threads; also returns what they remember. `data` is where this gateway keeps
    /// what tells it from others; `progress` is told now and then how many bookings were read.
    ///
    /// # Errors
    /// [`OpenError`]
    pub fn open(
        data: &Path,
        settings: &Settings,
        catalogue: &Catalogue,
        options: Options,
        progress: &dyn Fn(u64),
    ) -> Result<(ProductionLedger, Stored), OpenError> {
        let lock = directory::lock(data)?;
        let city = &catalogue.city;
        let mut journal = RedisJournal::open(&settings.redis, &city.id, data)?;
        let mut store = PostgresStore::open(&settings.postgres)?;
        begin(&mut journal, &mut store)?;
        store
            .name_numbers(catalogue)
            .map_err(OpenError::PostgresAway)?;

        let warnings = journal.warnings();
        let mut tail =
            RedisTail::open(&settings.redis, &city.id).map_err(redis::OpenError::from)?;
        let backlog = Arc::new(Backlog::new(settings.backlog));
        let journal = Braked::new(journal, Arc::clone(&backlog), thread::sleep);
        let (desk, scribe) = scribe::open(journal, options)?;

        let now = (options.clock)();
        let Loaded {
            state,
            mut remembered,
        } = store.load(now, progress).map_err(OpenError::PostgresAway)?;
        backlog.stored(state.watermark, state.watermark_at);
        backlog.set_quarantined(state.quarantined);
        follow(
            &mut remembered,
            &mut tail,
            state.watermark,
            backlog.newest(),
        )
        .map_err(OpenError::RedisAway)?;

        let writer = spawn_vital("ledger", move || scribe.run())?;
        let (stop, stopped) = channel();
        let drain = Drain::new(tail, store, Arc::clone(&backlog), settings.drain);
        let drain = spawn_vital("drain", move || drain.run(&stopped))?;
        let ledger = ProductionLedger {
            desk,
            backlog,
            warnings,
            threads: Mutex::new(Some(Threads {
                writer,
                drain,
                stop,
            })),
            _lock: lock,
        };
        Ok((ledger, remembered.into_stored(now)))
    }

    /// How far the store is behind.
    pub fn backlog(&self) -> &Arc<Backlog> {
        &self.backlog
    }

    /// What this Redis does not keep although it was acknowledged, accepted by `durability =
    /// "relaxed"`; empty when nothing acknowledged can be lost.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.list()
    }

    /// Writes what is queued, lets the store catch up where it can, and ends the threads. Later
    /// appends are refused.
    pub fn close(&self) {
        let threads = self
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(Threads {
            writer,
            drain,
            stop,
        }) = threads
        else {
            return;
        };
        self.desk.close();
        // The last owner can be a completion, which runs on the writer's own thread.
        if writer.thread().id() != thread::current().id() {
            let _ = writer.join();
        }
        drop(stop);
        let begun = Instant::now();
        while !drain.is_finished() && begun.elapsed() < CLOSING_MAX {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Begins an empty Redis behind the facts that the database has, after the old one was lost for
/// good: what was acknowledged and had not reached the database is given up. Returns the position
/// from which it goes on. The old Redis, should it come back, is a stranger from now on.
///
/// # Errors
/// [`OpenError`]; also when that Redis is not empty, or the database is.
pub fn restart_ledger(
    data: &Path,
    settings: &Settings,
    catalogue: &Catalogue,
) -> Result<Position, OpenError> {
    let _lock = directory::lock(data)?;
    let mut store = PostgresStore::open(&settings.postgres)?;
    let state = store.state().map_err(OpenError::PostgresAway)?;
    if state.lineage.is_none() {
        return Err(OpenError::NothingToGoOnFrom);
    }
    let mut journal = RedisJournal::open(&settings.redis, &catalogue.city.id, data)?;
    if journal.state()?.lineage.is_some() {
        return Err(OpenError::Redis(redis::OpenError::Begun));
    }
    // The database first: where this ends in between, the Redis is still empty, and it is begun
    // again.
    let lineage = Lineage::random()?;
    store.begin_anew(lineage).map_err(OpenError::PostgresAway)?;
    journal.begin_at(lineage, state.watermark, state.watermark_at)?;
    Ok(state.watermark)
}

impl Drop for ProductionLedger {
    fn drop(&mut self) {
        self.close();
    }
}

impl Ledger for ProductionLedger {
    fn append(&self, entry: Entry) -> Result<(), Entry> {
        self.desk.append(entry)
    }

    fn health(&self) -> Health {
        self.desk.health()
    }
}

/// Compares both sides and marks what is new.
fn begin(journal: &mut RedisJournal, store: &mut PostgresStore) -> Result<(), OpenError> {
    let stream = journal.state()?;
    let state = store.state().map_err(OpenError::PostgresAway)?;
    let ledger_side = LedgerSide {
        lineage: stream.lineage,
        first: stream.first,
        newest: stream.newest,
    };
    let store_side = StoreSide {
        lineage: state.lineage,
        watermark: state.watermark,
    };
    match agree(ledger_side, store_side)? {
        // The ledger first: a start that ends in between is continued as a refill.
        Beginning::First => {
            let lineage = Lineage::random()?;
            journal.begin(lineage)?;
            store.begin(lineage).map_err(OpenError::PostgresAway)
        }
        Beginning::Refill(lineage) => {
            tracing::warn!(
                facts = stream.newest.0,
                "the database is empty and is filled again from the Redis"
            );
            store.begin(lineage).map_err(OpenError::PostgresAway)
        }
        Beginning::GoOn => Ok(()),
    }
}

/// Reads what the store does not have yet.
fn follow(
    remembered: &mut Remembered,
    tail: &mut RedisTail,
    watermark: Position,
    newest: Position,
) -> Result<(), Away> {
    let mut position = watermark;
    while position < newest {
        let page = tail.after(position, PAGE)?;
        let expected = Position(position.0 + 1);
        if page.first().map(|placed| placed.position) != Some(expected) {
            return Err(Away(format!("fact {} is missing", expected.0)));
        }
        remembered.follow(&page);
        position = page.last().map_or(newest, |placed| placed.position);
    }
    Ok(())
}
