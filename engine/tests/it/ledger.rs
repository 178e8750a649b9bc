//! The SQLite ledger in a directory of its own: what it does when its file is locked or newer, and
//! damage is found. What it promises as every ledger does is told in `morgenruh-production`'s
//! `conformance`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use morgenruh_engine::rules::catalogue::Catalogue;
use morgenruh_engine::rules::ids::{HoldToken, ReservationId};
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use morgenruh_engine::shell::engine::{Booking, ConfirmError};
use morgenruh_engine::shell::ledger::Ledger;
use morgenruh_engine::shell::recovery::{Recovered, RecoveryError};
use morgenruh_engine::shell::sqlite::{DATABASE, OpenError, Options, SqliteLedger};
use morgenruh_engine::shell::verify::verify;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::rooms_kept::version_1;
use crate::support::{Answer, EVENING, HOLD, Hall, TUESDAY, WEDNESDAY, clock, office, town};

const SECOND: Millis = Millis(1_000);

pub(crate) const OPTIONS: Options = Options {
    batch_max: 64,
    queue_max: 1_024,
    retry: Duration::from_millis(5),
    clock: || EVENING,
};

pub(crate) fn kleinheim() -> Catalogue {
    town(vec![office(1, 2)])
}

fn open(data: &Path) -> Result<SqliteLedger, OpenError> {
    SqliteLedger::open(data, &kleinheim(), OPTIONS).map(|(ledger, _)| ledger)
}

/// A data directory and the engine that works on it.
struct Townhall {
    data: TempDir,
    hall: Hall,
    ledger: Arc<SqliteLedger>,
}

impl Townhall {
    fn open() -> Townhall {
        Townhall::recover(tempfile::tempdir().unwrap(), EVENING).0
    }

    fn recover(data: TempDir, now: UnixMillis) -> (Townhall, Recovered) {
        let catalogue = kleinheim();
        let (ledger, stored) = SqliteLedger::open(data.path(), &catalogue, OPTIONS).unwrap();
        let ledger = Arc::new(ledger);
        let hall = Hall::new(catalogue, ledger.clone(), now);
        let recovered = hall.engine.recover(now, stored).unwrap();
        (Townhall { data, hall, ledger }, recovered)
    }

    /// Stops and starts again from what is on the disk.
    fn restart(self, now: UnixMillis) -> (Townhall, Recovered) {
        Townhall::recover(self.close(), now)
    }

    fn close(self) -> TempDir {
        self.ledger.close();
        self.data
    }

    fn book(&self, start: UnixMillis) -> HoldToken {
        let token = self.hall.hold(EVENING, start).unwrap();
        told(self.hall.confirm(EVENING, token, "a request")).unwrap();
        token
    }

    fn go(&self, booking: HoldToken, start: UnixMillis) -> Booking {
        let token = self.hall.hold(EVENING, start).unwrap();
        let manage = booking.secret.manage();
        told(self.hall.move_to(EVENING, booking.id, manage, token)).unwrap()
    }

    fn cancel(&self, booking: HoldToken) -> Booking {
        told(
            self.hall
                .cancel(EVENING, booking.id, booking.secret.manage()),
        )
        .unwrap()
    }
}

fn told<E: std::fmt::Debug>(answer: Answer<Booking, E>) -> Result<Booking, E> {
    let outcome = answer
        .recv_timeout(Duration::from_secs(20))
        .expect("an answer comes");
    outcome.map(|durable| durable.into_parts().0)
}

pub(crate) fn execute(data: &Path, change: &str) {
    let connection = Connection::open(data.join(DATABASE)).unwrap();
    connection.execute_batch(change).unwrap();
}

pub(crate) fn ask<T: rusqlite::types::FromSql>(data: &Path, question: &str) -> Vec<T> {
    let connection = Connection::open(data.join(DATABASE)).unwrap();
    let mut statement = connection.prepare(question).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

pub(crate) fn errors(data: &Path) -> Vec<String> {
    verify(data).unwrap().errors
}

/// A newer program has been here, and its tables are not ours: they are left as they are.
#[test]
fn a_newer_schema_is_refused_and_not_touched() {
    let data = tempfile::tempdir().unwrap();
    drop(open(data.path()).unwrap());
    let newer = "UPDATE meta SET value = '99' WHERE key = 'schema_version';
                 DROP VIEW appointments; DROP VIEW history; DROP TABLE bookings;
                 CREATE TABLE bookings (id BLOB PRIMARY KEY, elsewhere TEXT);";
    execute(data.path(), newer);
    let tables = "SELECT name || ifnull(sql, '') FROM sqlite_schema ORDER BY name";
    let before: Vec<String> = ask(data.path(), tables);
    let refused = open(data.path()).err();
    assert!(
        matches!(&refused, Some(OpenError::Version(_, version)) if version == "99"),
        "{refused:?}"
    );
    assert_eq!(ask::<String>(data.path(), tables), before);
}

/// A directory of a program that wrote facts and tables at once goes on as it is.
#[test]
fn the_first_schema_is_brought_up_to_date() {
    let data = version_1();
    let findings = verify(data.path()).unwrap();
    assert_eq!(findings.errors, [] as [&str; 0]);
    let (office, recovered) = Townhall::recover(data, EVENING);
    assert_eq!(recovered.bookings, 2);
    office.book(clock(TUESDAY, 8, 30));
    let data = office.close();
    let version = "SELECT value FROM meta WHERE key = 'schema_version'";
    assert_eq!(ask::<String>(data.path(), version), ["3"]);
    assert_eq!(ask::<u64>(data.path(), "SELECT count(*) FROM tail"), [0]);
    assert_eq!(verify(data.path()).unwrap().booked, findings.booked + 1);
}

/// The disk is away, a whole batch of holds waits for it, and the service is stopped: it stops.
#[test]
fn closing_does_not_wait_for_a_disk_that_is_away() {
    let office = Townhall::open();
    let other = Connection::open(office.data.path().join(DATABASE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..OPTIONS.batch_max * 2 {
        let token = office.hall.hold(EVENING, clock(TUESDAY, 8, 0)).unwrap();
        office.hall.engine.release(EVENING, token).unwrap();
    }
    office.ledger.close();
}

/// Another program keeps the file locked for longer than a commit waits: who asks is told no, the
/// hold lives on beyond its time, and when the file is free again it can be confirmed, also after
/// a restart.
#[test]
fn a_locked_file_refuses_and_recovers() {
    let office = Townhall::open();
    let token = office.hall.hold(EVENING, clock(TUESDAY, 8, 0)).unwrap();
    let other = Connection::open(office.data.path().join(DATABASE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = told(office.hall.confirm(EVENING, token, "a request"));
    assert_eq!(refused, Err(ConfirmError::LedgerAway));
    assert!(!office.ledger.health().is_ready());
    let late = EVENING + HOLD + SECOND;
    office.hall.engine.tick(EVENING + HOLD);
    other.execute_batch("ROLLBACK").unwrap();
    while !office.ledger.health().is_ready() {
        std::thread::yield_now();
    }
    let (office, recovered) = office.restart(late);
    assert_eq!((recovered.bookings, recovered.holds), (0, 1));
    told(office.hall.confirm(late, token, "a request")).unwrap();
    let (office, recovered) = office.restart(late);
    assert_eq!(recovered.bookings, 1);
    assert_eq!(errors(office.data.path()), [] as [&str; 0]);
}

/// Two bookings, one of them cancelled, and one that has moved.
pub(crate) fn healthy() -> TempDir {
    let office = Townhall::open();
    office.book(clock(TUESDAY, 8, 0));
    office.cancel(office.book(clock(TUESDAY, 8, 10)));
    office.go(office.book(clock(TUESDAY, 8, 20)), clock(WEDNESDAY, 9, 0));
    office.close()
}

#[test]
fn a_healthy_directory_has_no_findings() {
    let data = healthy();
    let findings = verify(data.path()).unwrap();
    assert_eq!(findings.errors, [] as [&str; 0]);
    assert_eq!(
        (findings.facts, findings.booked, findings.cancelled),
        (9, 2, 1)
    );
    let office = Townhall::recover(data, EVENING).0;
    assert_eq!(
        errors(office.data.path()),
        [] as [&str; 0],
        "also while the service is running"
    );
}

/// Each kind of damage that a disk or a person can do to the tables is found and named.
#[test]
fn planted_damage_is_found() {
    let kinds = [
        ("DELETE FROM ledger WHERE position = 4", "are missing"),
        (
            "DELETE FROM ledger WHERE fact = 'booked' AND position < 3",
            "never booked",
        ),
        (
            "DELETE FROM ledger WHERE fact = 'booked' AND position > 3",
            "but not booked",
        ),
        (
            "DELETE FROM bookings WHERE status = 'cancelled'",
            "not in the table",
        ),
        (
            "DELETE FROM bookings WHERE status = 'cancelled'",
            "persons belong to no booking",
        ),
        ("UPDATE bookings SET status = 'booked'", "another status"),
        ("UPDATE bookings SET status = 'cancelled'", "another status"),
        (
            "UPDATE bookings SET start_unit = start_unit + 1",
            "does not lie where",
        ),
        ("UPDATE bookings SET counter = 300", "does not lie where"),
        (
            "UPDATE bookings SET reservation = zeroblob(16)
              WHERE status = 'booked' AND sequence = 1",
            "another seat",
        ),
        (
            "UPDATE bookings SET reservation = x'ffffffffffffffffffffffffffffffff'
              WHERE status = 'booked' AND sequence = 0",
            "another seat",
        ),
        (
            "INSERT INTO ledger (position, at_ms, fact, reservation)
             SELECT 10, at_ms, fact, reservation FROM ledger WHERE position = 2",
            "booked twice",
        ),
        (
            "INSERT INTO ledger (position, at_ms, fact, reservation, successor)
             SELECT 10, at_ms, 'moved', reservation, zeroblob(16) FROM ledger
              WHERE fact = 'cancelled'",
            "after it was cancelled",
        ),
    ];
    for (damage, expected) in kinds {
        let data = healthy();
        execute(data.path(), damage);
        let errors = errors(data.path());
        assert!(
            errors.iter().any(|error| error.contains(expected)),
            "{damage}: {errors:?}"
        );
    }
}

/// A second booking on a seat: the service does not start, and the check says which.
#[test]
fn a_seat_that_is_booked_twice_is_found() {
    let data = healthy();
    let [id] = &ask::<[u8; 16]>(
        data.path(),
        "SELECT reservation FROM bookings WHERE status = 'booked' AND sequence = 0",
    )[..] else {
        panic!("one booking is where it was")
    };
    let mut twin = *id;
    twin[9] += 100;
    let twin = ReservationId::from_bytes(twin);
    assert_eq!(twin.seat(), ReservationId::from_bytes(*id).seat());
    let blob = |id: ReservationId| {
        let digits = id.to_bytes().map(|byte| format!("{byte:02x}"));
        format!("x'{}'", digits.concat())
    };
    let (first, second) = (blob(ReservationId::from_bytes(*id)), blob(twin));
    execute(
        data.path(),
        &format!(
            "CREATE TEMP TABLE twin AS SELECT * FROM bookings WHERE id = {first};
             UPDATE twin SET id = {second}, reservation = {second};
             INSERT INTO bookings SELECT * FROM twin;
             INSERT INTO ledger (position, at_ms, fact, reservation)
             VALUES (10, 0, 'booked', {second});"
        ),
    );
    let errors = errors(data.path());
    assert!(
        matches!(
            &errors[..],
            [history, table, stranger] if history.contains("had the seat")
                && table.contains("one seat, two bookings")
                && stranger.contains("belong to nobody")
        ),
        "{errors:?}"
    );
    let (_ledger, stored) = SqliteLedger::open(data.path(), &kleinheim(), OPTIONS).unwrap();
    let hall = Hall::new(
        kleinheim(),
        Arc::new(crate::notebook::Notebook::default()),
        EVENING,
    );
    let stopped = hall.engine.recover(EVENING, stored);
    assert!(
        matches!(stopped, Err(RecoveryError::Overlap(_))),
        "{stopped:?}"
    );
}
