//! A data directory whose database holds anything.
//!
//! Somebody who can write the file can do all sorts of damage; the service then refuses to start,
//! or leaves out what it cannot understand. It does not fall over.

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use data_encoding::HEXLOWER_PERMISSIVE;
use morgenruh_engine::rules::catalogue::OfficeIndex;
use morgenruh_engine::rules::ids::{DayKey, ReservationId, Seat};
use morgenruh_engine::rules::time::{DayNumber, Millis, UnixMillis};
use morgenruh_engine::shell::engine::Engine;
use morgenruh_engine::shell::sqlite::{DATABASE, Options, SqliteLedger, open_database};
use morgenruh_engine::shell::verify::verify;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use tempfile::TempDir;

use crate::Verdict;
use crate::text::lossy;
use crate::town::{Town, limits};

/// The service starts at this instant: 2026-11-23, 06:29:50 UTC.
const NOW: UnixMillis = UnixMillis(1_795_415_390_000);
/// Further rows of an input are left out.
const ROWS_MAX: usize = 64;
/// Further lines of damage are left out.
const DAMAGE_MAX: usize = 32;
/// Errors that a check may list.
const ERRORS_MAX: usize = 1_000;
const TABLES: [&str; 9] = [
    "ledger",
    "tail",
    "bookings",
    "persons",
    "quarantine",
    "room_facts",
    "meta",
    "offices",
    "services",
];

/// A database as [`open_database`] makes it, but its columns take cells of any kind.
static LOOSE: LazyLock<Vec<u8>> = LazyLock::new(|| made(loosen));
/// A database with a morning in it.
static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| made(|database| insert(database, MORNING)));
/// In the language of the target `ledger_rows`.
const MORNING: &str = include_str!("../morning.txt");

/// Each line is a row: the table, then the cells.
///
/// A cell is `null`, a whole number, `~` and a number with a fraction, `x:` and hexadecimal digits,
/// `id:` and office/day/counter/start/units/slot/random, `d:` and a byte of which a digest
/// consists, or else a text.
pub(crate) fn rows(data: &[u8]) -> Verdict {
    let dir = directory(&LOOSE);
    {
        let database = Connection::open(dir.path().join(DATABASE)).expect("it was made before");
        insert(&database, &lossy(data));
    }
    start(dir.path())
}

/// Each line damages a good file: a position and the bytes that stand there from then on, in
/// hexadecimal digits; or `cut` and the length that is left.
pub(crate) fn file(data: &[u8]) -> Verdict {
    let mut bytes = GOOD.clone();
    for line in lossy(data).lines().take(DAMAGE_MAX) {
        let Some((place, what)) = line.split_once(' ') else {
            continue;
        };
        if place == "cut" {
            bytes.truncate(what.parse().unwrap_or(bytes.len()));
        } else if let Ok(place) = place.parse::<usize>()
            && let Ok(what) = HEXLOWER_PERMISSIVE.decode(what.as_bytes())
        {
            let after = bytes.iter_mut().skip(place);
            after.zip(what).for_each(|(byte, damage)| *byte = damage);
        }
    }
    start(directory(&bytes).path())
}

/// Starts on this directory as the service does, lets time pass, stops, and checks.
fn start(data: &Path) -> Verdict {
    let mut verdict = Verdict::Refused;
    let catalogue = Arc::clone(Town::catalogue());
    let options = Options {
        batch_max: 16,
        queue_max: 1_024,
        retry: Duration::from_millis(1),
        clock: || NOW,
    };
    if let Ok((ledger, stored)) = SqliteLedger::open(data, &catalogue, options) {
        let ledger = Arc::new(ledger);
        let engine = Engine::new(catalogue, ledger.clone(), limits(), None, NOW);
        if let Ok(recovered) = engine.recover(NOW, stored) {
            assert!(recovered.conflicts.len() <= recovered.bookings);
            audit(&engine);
            let much_later = NOW + Millis::from_minutes(24 * 60);
            engine.tick(much_later);
            engine.retire(much_later);
            audit(&engine);
            engine.conflicts();
            verdict = Verdict::Taken;
        }
        ledger.close();
    }
    if let Ok(findings) = verify(data) {
        assert!(findings.errors.len() <= ERRORS_MAX);
    }
    verdict
}

fn audit(engine: &Engine) {
    let today = engine.date_of(NOW);
    for (index, _) in (0u16..).zip(&Town::catalogue().offices) {
        for date in today.series(jiff::Span::new().days(1)).take(3) {
            if let Some(shard) = engine.shard(OfficeIndex(index), date) {
                shard.decide(|day| day.audit());
            }
        }
    }
}

/// A folder in memory where there is such a thing: nothing here is about durability.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    dir.expect("a temporary folder can be made")
}

/// A fresh directory with this database.
fn directory(database: &[u8]) -> TempDir {
    let dir = folder();
    std::fs::write(dir.path().join(DATABASE), database).expect("a temporary file can be written");
    dir
}

/// The bytes of a new database after `change`.
fn made(change: impl FnOnce(&Connection)) -> Vec<u8> {
    let dir = folder();
    let database = open_database(dir.path()).expect("a new database can be made");
    change(&database);
    // Without a write-ahead log everything is in the one file.
    let mode = database.pragma_update(None, "journal_mode", "DELETE");
    mode.expect("nobody else has the file open");
    drop(database);
    std::fs::read(dir.path().join(DATABASE)).expect("it was written a moment ago")
}

fn loosen(database: &Connection) {
    for table in TABLES.into_iter().filter(|table| *table != "meta") {
        let columns = columns(database, table).join(", ");
        let change = format!("DROP TABLE {table}; CREATE TABLE {table} ({columns});");
        database.execute_batch(&change).expect("the table is there");
    }
}

fn columns(database: &Connection, table: &str) -> Vec<String> {
    let statement = database.prepare(&format!("SELECT * FROM {table}"));
    let statement = statement.expect("the table is there");
    statement.column_names().map(str::to_owned).collect()
}

/// Inserts what can be inserted.
fn insert(database: &Connection, rows: &str) {
    database
        .execute_batch("BEGIN")
        .expect("nobody else has the file open");
    for row in rows.lines().take(ROWS_MAX) {
        let mut words = row.split(' ');
        let table = words
            .next()
            .and_then(|name| TABLES.into_iter().find(|table| *table == name));
        let Some(table) = table else { continue };
        let columns = columns(database, table).len();
        let cells = words
            .map(cell)
            .chain(std::iter::repeat(Value::Null))
            .take(columns);
        let places = vec!["?"; columns].join(", ");
        let insert = format!("INSERT OR REPLACE INTO {table} VALUES ({places})");
        let _ = database.execute(&insert, params_from_iter(cells));
    }
    database
        .execute_batch("COMMIT")
        .expect("what was inserted can be kept");
}

fn cell(word: &str) -> Value {
    let text = || Value::Text(word.to_owned());
    if word == "null" {
        Value::Null
    } else if let Ok(number) = word.parse() {
        Value::Integer(number)
    } else if let Some(number) = word.strip_prefix('~') {
        number.parse().map_or_else(|_| text(), Value::Real)
    } else if let Some(digits) = word.strip_prefix("x:") {
        let bytes = HEXLOWER_PERMISSIVE.decode(digits.as_bytes());
        bytes.map_or_else(|_| text(), Value::Blob)
    } else if let Some(byte) = word.strip_prefix("d:") {
        byte.parse()
            .map_or_else(|_| text(), |byte: u8| Value::Blob(vec![byte; 16]))
    } else if let Some(id) = word.strip_prefix("id:").and_then(id) {
        Value::Blob(id.to_bytes().to_vec())
    } else {
        text()
    }
}

fn id(text: &str) -> Option<ReservationId> {
    let numbers: Option<Vec<u64>> = text.split('/').map(|number| number.parse().ok()).collect();
    let [office, day, counter, start, units, slot, random] = numbers?.try_into().ok()?;
    let key = DayKey {
        office: office.try_into().ok()?,
        day: DayNumber(day.try_into().ok()?),
    };
    let seat = Seat {
        key,
        counter: counter.try_into().ok()?,
        start: start.try_into().ok()?,
        units: units.try_into().ok()?,
    };
    Some(ReservationId::new(seat, slot.try_into().ok()?, random))
}
