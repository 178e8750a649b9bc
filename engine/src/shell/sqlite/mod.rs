//! The embedded ledger: one SQLite file, written by one thread, one commit for all who wait.
//!
//! `synchronous=FULL` in WAL mode: a commit returns after its fsync, so an acknowledged record
//! survives the loss of power. What a commit writes is as little as possible (`tail`); the tables
//! that people read follow a moment later, have everything when the ledger was closed, and are
//! brought up to date whenever the database is opened.

mod departure;
mod history;
mod reader;
pub(super) mod releases;
pub(super) mod rooms;
mod tables;
mod tail;
pub(super) mod wishes;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::tz::TimeZone;
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use super::backlog::{Backlog, Bounds};
use super::directory::{self, LockError};
use super::drain::Away;
use super::ledger::{Entry, Health, Ledger};
use super::scribe::{self, Desk, Failure};
use super::stored::Stored;
use super::vital::spawn_vital;
use crate::canary::{Canary, sings};
use crate::rules::catalogue::Catalogue;

pub use super::scribe::Options;
pub use departure::Departure;
pub use history::HistoryError;
/// What reading or writing the database can come to.
pub use rusqlite::Error as DatabaseError;
pub use tail::BEHIND;
pub(super) use tail::each_waiting;

/// Name of the database in the data directory.
pub const DATABASE: &str = "morgenruh.sqlite3";
const SCHEMA: &str = include_str!("schema.sql");
const SCHEMA_VERSION: &str = "3";
/// From the tables of version 1 to those of now, but for what [`SCHEMA`] makes anyway.
const FROM_VERSION_1: &str = "ALTER TABLE ledger ADD COLUMN ticket BLOB";
/// Under this key of `meta` stands the name of the city's time zone, for the times that people
/// read.
const ZONE: &str = "zone";
/// How long a commit waits for somebody else who writes to the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Size to which the write-ahead log is cut back after a checkpoint, in bytes.
const WAL_KEPT_BYTES: i64 = 64 << 20;
/// Pages in the write-ahead log after which a commit brings them into the file, if no lull has come
/// before: 16 MB, so that whoever waits for that commit does not wait long.
const WAL_PAGES_MAX: i64 = 4_096;

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Directory(#[from] LockError),
    #[error("the database {0} cannot be opened: {1}")]
    Database(PathBuf, rusqlite::Error),
    #[error("the database {0} cannot be read: {1}")]
    Unreadable(PathBuf, Failure),
    #[error(
        "the database {0} has schema version {1}, this program knows version {SCHEMA_VERSION}: \
         use the program that wrote it or a newer one"
    )]
    Version(PathBuf, String),
    #[error("the newest facts of the database {0} cannot be brought into its tables: {1}")]
    Behind(PathBuf, Away),
    #[error("there is no database {0}: is this the right data directory?")]
    Missing(PathBuf),
    #[error(
        "the facts of {0} were moved to a Redis and a PostgreSQL by `morgenruh migrate-store`: \
         set kind = \"redis\" under [ledger]"
    )]
    Moved(PathBuf),
}

/// The ledger of a data directory. Closing or dropping it writes what is queued first.
pub struct SqliteLedger {
    desk: Desk,
    backlog: Arc<Backlog>,
    writer: Mutex<Option<JoinHandle<()>>>,
    _lock: File,
}

/// Opens the database of a data directory for reading and writing and brings its schema and its
/// tables up to date.
///
/// # Errors
/// [`OpenError`]
pub fn open_database(data: &Path) -> Result<Connection, OpenError> {
    let path = data.join(DATABASE);
    let failed = |error| OpenError::Database(path.clone(), error);
    let connection = Connection::open(&path).map_err(failed)?;
    let prepare = || -> rusqlite::Result<String> {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // Looked at first, so that the file of a newer program stays as it is.
        let version = if connection.table_exists(None, "meta")? {
            Some(schema_version(&connection)?)
        } else {
            None
        };
        let migration = match version.as_deref() {
            None | Some(SCHEMA_VERSION) => "",
            // All that version 3 has more is made by the schema.
            Some("2") => "",
            Some("1") => FROM_VERSION_1,
            Some(newer) => return Ok(newer.to_owned()),
        };
        write_ahead(&connection)?;
        let synchronous = if sings(Canary::SyncForgotten) {
            "OFF"
        } else {
            "FULL"
        };
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "journal_size_limit", WAL_KEPT_BYTES)?;
        connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES_MAX)?;
        write_anew(&connection)?;
        // All at once: a start that stops in between must not leave tables without their version.
        // It begins as a writer: a reader who becomes one is not let wait for others who write.
        let immediate = TransactionBehavior::Immediate;
        let transaction = Transaction::new_unchecked(&connection, immediate)?;
        transaction.execute_batch(migration)?;
        transaction.execute_batch(SCHEMA)?;
        transaction.execute(
            "INSERT INTO meta (key, value) VALUES ('schema_version', ?1)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value
                                       WHERE value <> excluded.value",
            [SCHEMA_VERSION],
        )?;
        transaction.commit()?;
        schema_version(&connection)
    };
    let version = prepare().map_err(failed)?;
    if version != SCHEMA_VERSION {
        return Err(OpenError::Version(path, version));
    }
    let zone = zone(&connection).map_err(failed)?;
    tail::catch_up(connection, zone).map_err(|away| OpenError::Behind(path, away))
}

/// That of the city which has used this database last. The times that people read carry their
/// offset, so they are true in any other as well.
fn zone(connection: &Connection) -> rusqlite::Result<TimeZone> {
    let select = "SELECT value FROM meta WHERE key = ?1";
    let name: Option<String> = connection
        .query_one(select, [ZONE], |row| row.get(0))
        .optional()?;
    let zone = name.and_then(|name| TimeZone::get(&name).ok());
    Ok(zone.unwrap_or(TimeZone::UTC))
}

/// Goes over to the write-ahead log, or fails: with any other journal a loss of power can undo a
/// commit. SQLite answers with the mode it has come to; that the change itself has failed comes
/// after the answer.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let mode: String = connection.query_one("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        let error = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
        let reason = format!("no write-ahead log is possible here, only the mode {mode}");
        return Err(rusqlite::Error::SqliteFailure(error, Some(reason)));
    }
    Ok(())
}

/// Moves what an earlier start has left in the write-ahead log into the tables, and begins the log
/// anew. When a sync has failed, the system may still show what it could not write and never will:
/// commits that were appended to it would be lost with it. A reader who will not go is no error;
/// the log is then appended to.
fn write_anew(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_one("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

fn schema_version(connection: &Connection) -> rusqlite::Result<String> {
    connection.query_one(
        "SELECT value FROM meta WHERE key = 'schema_version'",
        [],
        |row| row.get(0),
    )
}

impl SqliteLedger {
    /// Opens or creates the ledger in `data` and starts its thread; also returns what the ledger
    /// remembers.
    ///
    /// # Errors
    /// [`OpenError`]
    pub fn open(
        data: &Path,
        catalogue: &Catalogue,
        options: Options,
    ) -> Result<(SqliteLedger, Stored), OpenError> {
        SqliteLedger::open_within(data, catalogue, options, BEHIND)
    }

    /// The same, with other bounds for how far the tables may be behind.
    ///
    /// # Errors
    /// [`OpenError`]
    pub fn open_within(
        data: &Path,
        catalogue: &Catalogue,
        options: Options,
        behind: Bounds,
    ) -> Result<(SqliteLedger, Stored), OpenError> {
        let lock = directory::lock(data)?;
        let connection = open_database(data)?;
        departure::expect_staying(&connection, data)?;
        let path = data.join(DATABASE);
        let now = (options.clock)();
        let prepare = || {
            name_numbers(&connection, catalogue)?;
            connection.execute(
                "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)",
                (ZONE, &catalogue.city.zone_name),
            )?;
            reader::read(&connection, now)
        };
        let stored = prepare().map_err(|error| OpenError::Database(path.clone(), error))?;

        let zone = catalogue.city.zone.clone();
        let (journal, backlog) = tail::journal(connection, zone, behind, options.clock);
        let (desk, scribe) = scribe::open(journal, options)
            .map_err(|failure| OpenError::Unreadable(path, failure))?;
        let writer = spawn_vital("ledger", move || scribe.run())
            .map_err(|error| LockError::Unusable(data.to_owned(), error))?;
        let ledger = SqliteLedger {
            desk,
            backlog,
            writer: Mutex::new(Some(writer)),
            _lock: lock,
        };
        Ok((ledger, stored))
    }

    /// How far the tables are behind.
    pub fn backlog(&self) -> &Arc<Backlog> {
        &self.backlog
    }

    /// Writes what is queued, the tables included, ends the thread and lets go of the file. Later
    /// appends are refused.
    pub fn close(&self) {
        if let Some(writer) = self.writer.lock().take() {
            self.desk.close();
            // The last owner can be a completion, which runs on the writer's own thread.
            if writer.thread().id() != std::thread::current().id() {
                let _ = writer.join();
            }
        }
    }
}

impl Drop for SqliteLedger {
    fn drop(&mut self) {
        self.close();
    }
}

impl Ledger for SqliteLedger {
    fn append(&self, entry: Entry) -> Result<(), Entry> {
        self.desk.append(entry)
    }

    fn health(&self) -> Health {
        self.desk.health()
    }
}

/// Writes the names of offices and services beside their numbers, for people who read the tables.
fn name_numbers(connection: &Connection, catalogue: &Catalogue) -> rusqlite::Result<()> {
    let insert = |table: &str, number: u16, id: &str, name: &str| {
        let statement =
            format!("INSERT OR REPLACE INTO {table} (number, id, name) VALUES (?1, ?2, ?3)");
        connection
            .prepare_cached(&statement)?
            .execute((number, id, name))
    };
    connection.execute_batch("BEGIN")?;
    for office in &catalogue.offices {
        insert("offices", office.number, &office.id, &office.name.de)?;
    }
    for service in &catalogue.services {
        insert("services", service.number, &service.id, &service.name.de)?;
    }
    connection.execute_batch("COMMIT")
}
