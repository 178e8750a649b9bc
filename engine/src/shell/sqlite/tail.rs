//! What is durable and not yet in the tables, and how it comes there.
//!
//! A commit that somebody waits for writes one row: its records as lines. The tables that people
//! read, each with an order of its own, cost ten times as much; they are written behind, as those
//! of every other store are, but by the scribe's own thread when nobody asks, because a file has
//! one writer at a time. Tables and tail change in one transaction, so each fact counts once: what
//! the tables have is not read from the tail any more.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, Transaction, TransactionBehavior};

use super::tables::LedgerTable;
use super::{BUSY_TIMEOUT, tables};
use crate::rules::record::Position;
use crate::rules::time::{Millis, UnixMillis};
use crate::shell::backlog::{Backlog, Bounds, Braked};
use crate::shell::drain::{Away, Drain, Placed, Rhythm, Store, StoreError, Tail};
use crate::shell::record_text;
use crate::shell::scribe::{Chores, Failure, Journal, Kept};

/// Records that one transaction brings into the tables: some ten milliseconds, for which whoever
/// comes meanwhile waits.
const TURN_RECORDS: usize = 500;
/// Records in one row of the tail.
const ROW_RECORDS: usize = 250;
/// Records that are brought into the tables before what the write-ahead log has is brought into the
/// file, in a lull.
const CHECKPOINT_RECORDS: u64 = 1_000;

/// How far the tables may be behind. In a rush they are left alone for a second, or for some 50 MB
/// and about two seconds of work for a start after a crash.
pub const BEHIND: Bounds = Bounds {
    rest: 100_000,
    rest_max: Millis(1_000),
    slow: 1_000_000,
    max: 1_000_000,
    pause_max: Duration::ZERO,
};

/// The file, as both ends of the way from the tail into the tables see it.
#[derive(Clone)]
struct Database {
    connection: Arc<Mutex<Connection>>,
    /// The city's, for the times that people read.
    zone: TimeZone,
}

/// The database of a data directory, open for writing.
pub(super) struct SqliteJournal {
    database: Database,
    backlog: Arc<Backlog>,
    drain: Drain<Database, Database>,
    /// Records that were brought over since the last checkpoint.
    moved: u64,
}

/// A journal that goes on in this database, and how far its tables are behind.
pub(super) fn journal(
    connection: Connection,
    zone: TimeZone,
    behind: Bounds,
    clock: fn() -> UnixMillis,
) -> (Braked<SqliteJournal>, Arc<Backlog>) {
    let backlog = Arc::new(Backlog::new(behind));
    let journal = SqliteJournal::new(connection, zone, Arc::clone(&backlog), clock);
    let braked = Braked::new(journal, Arc::clone(&backlog), std::thread::sleep);
    (braked, backlog)
}

impl SqliteJournal {
    fn new(
        connection: Connection,
        zone: TimeZone,
        backlog: Arc<Backlog>,
        clock: fn() -> UnixMillis,
    ) -> SqliteJournal {
        connection.set_prepared_statement_cache_capacity(32);
        let database = Database {
            connection: Arc::new(Mutex::new(connection)),
            zone,
        };
        let drain = database.drain(&backlog, clock);
        SqliteJournal {
            database,
            backlog,
            drain,
            moved: 0,
        }
    }

    fn transact(&self, records: &[Kept<'_>]) -> rusqlite::Result<()> {
        let mut connection = self.database.connection.lock();
        let transaction = immediate(&mut connection)?;
        for records in records.chunks(ROW_RECORDS) {
            insert(&transaction, records)?;
        }
        if records.is_empty() {
            // A write of its own, to see whether the disk is back. Never the same bytes twice.
            let probe = "INSERT INTO meta (key, value) VALUES ('probe', '0')
                             ON CONFLICT (key) DO UPDATE SET value = 1 - value";
            transaction.execute(probe, [])?;
        }
        transaction.commit()
    }

    /// How long the next statements wait for a locked file. It cannot fail.
    fn set_patience(&self, patience: Duration) {
        let _ = self.database.connection.lock().busy_timeout(patience);
    }

    /// Brings what the write-ahead log has into the file, so that it begins anew. Whatever goes
    /// wrong is tried again, at the latest by the commit after which the log is too long.
    fn checkpoint(&mut self) {
        self.moved = 0;
        let connection = self.database.connection.lock();
        let _ = connection.query_one("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    }
}

impl Journal for SqliteJournal {
    fn newest(&mut self) -> Result<(Position, UnixMillis), Failure> {
        newest(&self.database.connection.lock()).map_err(classify)
    }

    fn write(&mut self, records: &[Kept<'_>]) -> Result<(), Failure> {
        self.transact(records).map_err(classify)
    }

    fn chores(&mut self) -> Chores {
        if self.backlog.records() == 0 {
            Chores::None
        } else if self.drain.is_overdue() {
            Chores::Overdue
        } else {
            Chores::CanWait
        }
    }

    /// What does not succeed is told by the next write.
    fn tidy(&mut self) -> usize {
        // Whoever has the file locked is not waited for: somebody may want to confirm.
        self.set_patience(Duration::ZERO);
        let moved = self.drain.turn().unwrap_or(0);
        self.set_patience(BUSY_TIMEOUT);
        self.moved += moved as u64;
        if self.moved >= CHECKPOINT_RECORDS && self.backlog.records() == 0 {
            self.checkpoint();
        }
        moved
    }
}

/// Brings everything that the tail has into the tables.
///
/// # Errors
/// [`Away`]; what was brought over by then stays.
pub(super) fn catch_up(connection: Connection, zone: TimeZone) -> Result<Connection, Away> {
    let (newest, at) = newest(&connection).map_err(Away::from)?;
    let database = Database {
        connection: Arc::new(Mutex::new(connection)),
        zone,
    };
    let backlog = Arc::new(Backlog::new(BEHIND));
    backlog.written(newest, at);
    let mut drain = database.drain(&backlog, || UnixMillis(0));
    while drain.turn()? > 0 {}
    drop(drain);
    let connection = Arc::into_inner(database.connection);
    Ok(connection.expect("the drain was dropped").into_inner())
}

impl Database {
    fn drain(
        &self,
        backlog: &Arc<Backlog>,
        clock: fn() -> UnixMillis,
    ) -> Drain<Database, Database> {
        let rhythm = Rhythm {
            batch_max: TURN_RECORDS,
            // Whoever turns it knows when.
            idle: Duration::ZERO,
            retry: Duration::ZERO,
            retry_max: Duration::ZERO,
            clock,
        };
        Drain::new(self.clone(), self.clone(), Arc::clone(backlog), rhythm)
    }

    /// Does something about records up to this position, and takes them from the tail.
    fn bring<T>(
        &self,
        upto: Position,
        bring: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let mut connection = self.connection.lock();
        let transaction = immediate(&mut connection)?;
        let brought = bring(&transaction)?;
        let forget = "DELETE FROM tail WHERE position <= ?1";
        transaction.prepare_cached(forget)?.execute([upto.0])?;
        transaction.commit()?;
        Ok(brought)
    }
}

impl Tail for Database {
    /// Whole rows, as far as that is possible.
    fn after(&mut self, position: Position, max: usize) -> Result<Vec<Placed>, Away> {
        let connection = self.connection.lock();
        let mut records = Vec::new();
        let read = each_row::<Away>(&connection, position, |last, lines| {
            let behind = placed(last, lines).filter(|(place, _)| *place > position);
            let row: Vec<_> = behind.take(max).collect();
            if !records.is_empty() && records.len() + row.len() > max {
                return Ok(false);
            }
            for (position, line) in row {
                let record = record_text::read(line.as_bytes())
                    .map_err(|error| Away(format!("fact {} is {error}", position.0)))?;
                records.push(Placed { position, record });
            }
            Ok(records.len() < max)
        });
        read.map(|()| records)
    }

    /// They leave with the transaction that brings them into the tables.
    fn trim(&mut self, _: Position) -> Result<(), Away> {
        Ok(())
    }
}

impl Store for Database {
    fn watermark(&mut self) -> Result<Position, Away> {
        let newest = tables::newest(&self.connection.lock());
        newest.map(|(position, _)| position).map_err(Away::from)
    }

    fn apply(&mut self, records: &[Placed]) -> Result<(), StoreError> {
        let Some(last) = records.last() else {
            return Ok(());
        };
        let applied = self.bring(last.position, |transaction| {
            let mut ledger = LedgerTable::of(transaction)?;
            for Placed { position, record } in records {
                let kept = Kept {
                    position: *position,
                    at: record.at,
                    fact: &record.fact,
                };
                tables::insert(transaction, &mut ledger, &self.zone, &kept)?;
            }
            Ok(())
        });
        applied.map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => StoreError::Forbidden(error.to_string()),
            _ => StoreError::Away(error.into()),
        })
    }

    fn quarantine(&mut self, placed: &Placed, reason: &str) -> Result<u64, Away> {
        let Placed { position, record } = placed;
        let line = record_text::write(record.at, &record.fact);
        let line = String::from_utf8(line).expect("JSON is UTF-8");
        self.bring(*position, |transaction| {
            let kept = Kept {
                position: *position,
                at: record.at,
                fact: &record.fact,
            };
            tables::insert_alone(transaction, &kept)?;
            let aside = "INSERT INTO quarantine (position, reason, record) VALUES (?1, ?2, ?3)";
            transaction.execute(aside, (position.0, reason, line))?;
            let count = "SELECT count(*) FROM quarantine";
            transaction.query_one(count, [], |row| row.get(0))
        })
        .map_err(Away::from)
    }
}

fn immediate(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// One row for records that follow on each other.
fn insert(connection: &Connection, records: &[Kept<'_>]) -> rusqlite::Result<()> {
    let Some(last) = records.last() else {
        return Ok(());
    };
    let mut lines = Vec::new();
    for record in records {
        if !lines.is_empty() {
            lines.push(b'\n');
        }
        record_text::append(&mut lines, record.at, record.fact);
    }
    let lines = String::from_utf8(lines).expect("JSON is UTF-8");
    let insert = "INSERT INTO tail (position, at_ms, records) VALUES (?1, ?2, ?3)";
    let mut statement = connection.prepare_cached(insert)?;
    statement.execute((last.position.0, last.at.0, lines))?;
    Ok(())
}

/// Position and time of the newest record, wherever it is.
pub(super) fn newest(connection: &Connection) -> rusqlite::Result<(Position, UnixMillis)> {
    let newest = "SELECT position, at_ms FROM tail ORDER BY position DESC LIMIT 1";
    let mut statement = connection.prepare_cached(newest)?;
    let place = |row: &Row<'_>| Ok((Position(row.get(0)?), UnixMillis(row.get(1)?)));
    let waiting = statement.query_one([], place).optional()?;
    let settled = tables::newest(connection)?;
    Ok(waiting.map_or(settled, |waiting| waiting.max(settled)))
}

/// Calls `take` with the position of the last record and the lines of each row that has records
/// behind `position`, oldest first, as long as it says true.
fn each_row<E: From<rusqlite::Error>>(
    connection: &Connection,
    position: Position,
    mut take: impl FnMut(Position, &str) -> Result<bool, E>,
) -> Result<(), E> {
    let question = "SELECT position, records FROM tail WHERE position > ?1 ORDER BY position";
    let mut statement = connection.prepare_cached(question)?;
    let mut rows = statement.query([position.0])?;
    while let Some(row) = rows.next()? {
        let (last, lines) = (row.get(0)?, row.get_ref(1)?);
        let lines = lines.as_str().map_err(rusqlite::Error::from)?;
        if !take(Position(last), lines)? {
            break;
        }
    }
    Ok(())
}

/// The lines of a row with their positions.
fn placed(last: Position, lines: &str) -> impl Iterator<Item = (Position, &str)> {
    let count = lines.split('\n').count() as u64;
    let first = (last.0 + 1).saturating_sub(count);
    (first..).map(Position).zip(lines.split('\n'))
}

/// Calls `look` with the position and the line of each record that is not in the tables, which
/// have everything up to `watermark`.
pub(in crate::shell) fn each_waiting(
    connection: &Connection,
    watermark: Position,
    mut look: impl FnMut(Position, &str),
) -> rusqlite::Result<()> {
    each_row(connection, watermark, |last, lines| {
        let waiting = placed(last, lines).filter(|(position, _)| *position > watermark);
        waiting.for_each(|(position, line)| look(position, line));
        Ok(true)
    })
}

fn classify(error: rusqlite::Error) -> Failure {
    match error.sqlite_error_code() {
        // Both can come after the commit was written.
        Some(ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory) => {
            Failure::Unclear(error.to_string())
        }
        _ => Failure::Refused(error.to_string()),
    }
}

impl From<rusqlite::Error> for Away {
    fn from(error: rusqlite::Error) -> Away {
        Away(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::rules::catalogue::Channel;
    use crate::rules::ids::{DayKey, Digest, ReservationId, Seat};
    use crate::rules::need::Services;
    use crate::rules::record::{Booked, Confirmed, Contract, Fact, Person};
    use crate::rules::time::DayNumber;
    use crate::shell::sqlite::{DATABASE, OpenError, open_database};
    use crate::shell::verify::verify;

    /// This many facts that say little.
    fn write(journal: &mut SqliteJournal, facts: u64) -> Result<(), Failure> {
        let (newest, at) = journal.newest()?;
        let id = ReservationId::from_bytes([0; 16]);
        let fact = Fact::Released { id };
        let records: Vec<Kept<'_>> = (newest.0 + 1..=newest.0 + facts)
            .map(|position| Kept {
                position: Position(position),
                at,
                fact: &fact,
            })
            .collect();
        journal.write(&records)
    }

    #[test]
    fn what_has_no_room_or_no_access_is_refused_and_leaves_nothing() {
        let data = tempfile::tempdir().unwrap();
        let connection = open_database(data.path()).unwrap();
        connection.busy_timeout(Duration::ZERO).unwrap();
        let backlog = Arc::new(Backlog::new(BEHIND));
        let mut journal = SqliteJournal::new(connection, TimeZone::UTC, backlog, || UnixMillis(0));
        let pages = |journal: &SqliteJournal, max: u32| {
            let connection = journal.database.connection.lock();
            connection
                .pragma_update(None, "max_page_count", max)
                .unwrap();
        };
        pages(&journal, 1);
        assert!(matches!(
            write(&mut journal, 1_000),
            Err(Failure::Refused(_))
        ));
        pages(&journal, 1 << 20);
        let other = Connection::open(data.path().join(DATABASE)).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        assert!(matches!(write(&mut journal, 1), Err(Failure::Refused(_))));
        other.execute_batch("ROLLBACK").unwrap();
        assert_eq!(write(&mut journal, 0), Ok(()));
        assert_eq!(write(&mut journal, 0), Ok(()));
        assert_eq!(write(&mut journal, 3), Ok(()));
        assert_eq!(journal.newest(), Ok((Position(3), UnixMillis(0))));
    }

    /// A visit at this counter.
    fn booked(counter: u8) -> Fact {
        let key = DayKey {
            office: 1,
            day: DayNumber(9_831),
        };
        let seat = Seat {
            key,
            counter,
            start: 96,
            units: 2,
        };
        let id = ReservationId::new(seat, 0, 7);
        Fact::Booked(Box::new(Booked {
            confirmed: Confirmed {
                id,
                services: Services::collect([(7, 1)]).unwrap(),
                channel: Channel::Public,
                start: UnixMillis(1_796_122_800_000),
                end: UnixMillis(1_796_123_400_000),
                secret: Digest([1; 16]),
                contract: Contract {
                    origin: id,
                    manage: Digest([2; 16]),
                    request: Digest([3; 16]),
                    sequence: 0,
                },
            },
            person: Person {
                name: "Zoë\nMüller".into(),
                email: "zoe@example.org".into(),
                phone: None,
                answers: [].into(),
            },
            idempotency_key: None,
            ticket: None,
            identities: Vec::new(),
            wish: None,
        }))
    }

    /// A directory in which these facts were made durable when the process died, so that none of
    /// them is in a table.
    fn left_with(facts: &[Fact]) -> TempDir {
        let data = tempfile::tempdir().unwrap();
        let connection = open_database(data.path()).unwrap();
        let backlog = Arc::new(Backlog::new(BEHIND));
        let mut journal = SqliteJournal::new(connection, TimeZone::UTC, backlog, || UnixMillis(0));
        let places = (1..).map(Position).zip(facts);
        let records: Vec<Kept<'_>> = places
            .map(|(position, fact)| Kept {
                position,
                at: UnixMillis(9),
                fact,
            })
            .collect();
        for records in records.chunks(ROW_RECORDS + 100) {
            journal.write(records).unwrap();
        }
        data
    }

    fn count(data: &TempDir, what: &str) -> u64 {
        let connection = Connection::open(data.path().join(DATABASE)).unwrap();
        let question = format!("SELECT count(*) FROM {what}");
        connection
            .query_one(&question, [], |row| row.get(0))
            .unwrap()
    }

    #[test]
    fn what_is_not_in_the_tables_is_checked_and_comes_there_at_the_next_start() {
        let many = 5 * TURN_RECORDS + 1;
        let id = booked(3).reservation().unwrap();
        let mut facts = vec![Fact::Released { id }; many];
        facts.extend([booked(0), booked(1)]);
        let data = left_with(&facts);
        let findings = verify(data.path()).unwrap();
        assert_eq!(findings.errors, [] as [&str; 0]);
        assert_eq!((findings.facts, findings.booked), (many as u64 + 2, 2));
        assert_eq!((count(&data, "bookings"), count(&data, "ledger")), (0, 0));

        drop(open_database(data.path()).unwrap());
        assert_eq!(verify(data.path()).unwrap(), findings);
        assert_eq!((count(&data, "bookings"), count(&data, "tail")), (2, 0));
        assert_eq!(count(&data, "appointments WHERE name = 'Zoë\nMüller'"), 2);
    }

    #[test]
    fn damage_to_the_tail_is_found() {
        for (damage, complaint) in [
            ("UPDATE tail SET position = 3", "are missing"),
            (
                "UPDATE tail SET records = replace(records, 'booked', 'x')",
                "not a record",
            ),
        ] {
            let data = left_with(&[booked(0), booked(1)]);
            let connection = Connection::open(data.path().join(DATABASE)).unwrap();
            connection.execute_batch(damage).unwrap();
            let errors = verify(data.path()).unwrap().errors;
            assert!(errors[0].contains(complaint), "{damage}: {errors:?}");
            let refused = open_database(data.path()).err();
            assert!(
                matches!(refused, Some(OpenError::Behind(..))),
                "{refused:?}"
            );
        }
        let data = left_with(&[booked(0), booked(0)]);
        let errors = verify(data.path()).unwrap().errors;
        assert!(errors[0].contains("booked twice"), "{errors:?}");
    }

    /// A mistake of ours is kept, named, and stops nothing.
    #[test]
    fn what_the_tables_forbid_is_put_into_quarantine() {
        let data = left_with(&[booked(0), booked(0), booked(1)]);
        drop(open_database(data.path()).unwrap());
        let kept = (count(&data, "bookings"), count(&data, "ledger"));
        assert_eq!((kept, count(&data, "quarantine")), ((2, 3), 1));
        let errors = verify(data.path()).unwrap().errors;
        let named = |error: &String| error.contains("fact 2 is in quarantine: UNIQUE");
        assert!(errors.iter().any(named), "{errors:?}");
    }

    /// The tables are left alone until they are too far behind, and get everything then.
    #[test]
    fn the_tables_follow_when_they_have_to() {
        let data = tempfile::tempdir().unwrap();
        let connection = open_database(data.path()).unwrap();
        let bounds = Bounds { rest: 5, ..BEHIND };
        let (mut journal, backlog) = journal(connection, TimeZone::UTC, bounds, || UnixMillis(0));
        let write = |journal: &mut Braked<SqliteJournal>, last: u64| {
            let fact = booked(last as u8);
            let record = Kept {
                position: Position(last),
                at: UnixMillis(0),
                fact: &fact,
            };
            journal.write(&[record]).unwrap();
            journal.chores()
        };
        for last in 1..5 {
            assert_eq!(write(&mut journal, last), Chores::CanWait);
        }
        assert_eq!(write(&mut journal, 5), Chores::Overdue);
        assert_eq!((journal.tidy(), backlog.records()), (5, 0));
        assert_eq!((journal.chores(), journal.tidy()), (Chores::None, 0));
        assert_eq!(write(&mut journal, 6), Chores::CanWait);
        assert_eq!((count(&data, "bookings"), count(&data, "tail")), (5, 1));
    }
}
