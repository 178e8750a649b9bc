//! A data directory whose facts move to another ledger, once and for all.

use std::fs::File;
use std::path::Path;

use jiff::tz::TimeZone;
use rusqlite::{Connection, OptionalExtension};

use super::history::{HistoryError, each_fact};
use super::{DATABASE, OpenError, open_database, tables};
use crate::rules::record::Position;
use crate::rules::time::UnixMillis;
use crate::shell::directory;
use crate::shell::drain::Placed;

/// Under this key stands where the facts are being taken, so that a move that was interrupted goes
/// on to the same place.
const MOVING_TO: &str = "moving_to";
/// And under this one, where they are now. Nobody serves from here any more.
const MOVED_TO: &str = "moved_to";

/// A data directory that is being left; no other process can use it meanwhile.
pub struct Departure {
    connection: Connection,
    _lock: File,
}

impl Departure {
    /// Opens a directory that has served.
    ///
    /// # Errors
    /// [`OpenError`]
    pub fn open(data: &Path) -> Result<Departure, OpenError> {
        let path = data.join(DATABASE);
        if !path.exists() {
            return Err(OpenError::Missing(path));
        }
        let lock = directory::lock(data)?;
        let connection = open_database(data)?;
        Ok(Departure {
            connection,
            _lock: lock,
        })
    }

    /// Where the facts go; `proposal` on the first call, and the same ever after.
    ///
    /// # Errors
    /// Those of the database.
    pub fn destination(&self, proposal: &str) -> rusqlite::Result<String> {
        self.connection.execute(
            "INSERT OR IGNORE INTO meta (key, value) VALUES (?1, ?2)",
            (MOVING_TO, proposal),
        )?;
        let destination = meta(&self.connection, MOVING_TO)?;
        Ok(destination.unwrap_or_else(|| proposal.to_owned()))
    }

    /// Position and time of the newest fact; zeros when there is none.
    ///
    /// # Errors
    /// Those of the database.
    pub fn newest(&self) -> rusqlite::Result<(Position, UnixMillis)> {
        tables::newest(&self.connection)
    }

    /// Calls `take` with every fact behind `after`, oldest first.
    ///
    /// # Errors
    /// [`HistoryError`]
    pub fn each_fact<E>(
        &self,
        zone: &TimeZone,
        after: Position,
        take: impl FnMut(Placed) -> Result<(), E>,
    ) -> Result<(), HistoryError<E>> {
        each_fact(&self.connection, zone, after, take)
    }

    /// The facts are at their destination: from now on nobody serves from this directory.
    ///
    /// # Errors
    /// Those of the database.
    pub fn complete(self) -> rusqlite::Result<()> {
        let complete = "INSERT OR REPLACE INTO meta (key, value)
                        SELECT ?1, value FROM meta WHERE key = ?2";
        let changed = self.connection.execute(complete, (MOVED_TO, MOVING_TO))?;
        debug_assert_eq!(changed, 1, "a destination was named");
        Ok(())
    }
}

/// Refuses a directory whose facts are elsewhere by now.
pub(super) fn expect_staying(connection: &Connection, data: &Path) -> Result<(), OpenError> {
    let path = data.join(DATABASE);
    match meta(connection, MOVED_TO) {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(OpenError::Moved(path)),
        Err(error) => Err(OpenError::Database(path, error)),
    }
}

fn meta(connection: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    let select = "SELECT value FROM meta WHERE key = ?1";
    connection
        .query_one(select, [key], |row| row.get(0))
        .optional()
}
