//! The SQLite ledger in a directory of its own: what was acknowledged is there after a restart,
//! what was not is told apart, and damage is found.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use morgenruh_engine::rules::catalogue::{Catalogue, OfficeIndex};
use morgenruh_engine::rules::day::{BookingRefusal, HoldUse};
use morgenruh_engine::rules::ids::{HoldToken, ReservationId};
use morgenruh_engine::rules::record::{Fact, Record};
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use morgenruh_engine::shell::directory::LockError;
use morgenruh_engine::shell::engine::{Booking, ConfirmError};
use morgenruh_engine::shell::ledger::{Entry, Ledger};
use morgenruh_engine::shell::recovery::{Recovered, RecoveryError};
use morgenruh_engine::shell::sqlite::{DATABASE, OpenError, Options, SqliteLedger};
use morgenruh_engine::shell::verify::verify;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::{
    Answer, EVENING, HOLD, Hall, TUESDAY, WEDNESDAY, clock, digest, need, office, town,
};

const SECOND: Millis = Millis(1_000);

const OPTIONS: Options = Options {
    batch_max: 64,
    queue_max: 1_024,
    retry: Duration::from_millis(5),
    clock: || EVENING,
};

fn kleinheim() -> Catalogue {
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

    /// Stops, does something to the database, and starts again.
    fn restart_after(self, change: &str, now: UnixMillis) -> (Townhall, Recovered) {
        let data = self.close();
        execute(data.path(), change);
        Townhall::recover(data, now)
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

    fn see(&self, booking: HoldToken) -> Result<Booking, BookingRefusal> {
        self.hall
            .engine
            .booking(booking.id, booking.secret.manage())
    }
}

fn told<E: std::fmt::Debug>(answer: Answer<Booking, E>) -> Result<Booking, E> {
    let outcome = answer
        .recv_timeout(Duration::from_secs(20))
        .expect("an answer comes");
    outcome.map(|durable| durable.into_parts().0)
}

fn execute(data: &Path, change: &str) {
    let connection = Connection::open(data.join(DATABASE)).unwrap();
    connection.execute_batch(change).unwrap();
}

fn ask<T: rusqlite::types::FromSql>(data: &Path, question: &str) -> Vec<T> {
    let connection = Connection::open(data.join(DATABASE)).unwrap();
    let mut statement = connection.prepare(question).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn errors(data: &Path) -> Vec<String> {
    verify(data).unwrap().errors
}

/// I2: whatever somebody was told is there after a restart, and looks the same.
#[test]
fn everything_acknowledged_is_there_after_a_restart() {
    let office = Townhall::open();
    let booked = office.book(clock(TUESDAY, 8, 0));
    let cancelled = office.book(clock(TUESDAY, 8, 10));
    let moved = office.book(clock(TUESDAY, 8, 20));
    let returned = office.book(clock(TUESDAY, 8, 30));
    let ended = office.book(clock(TUESDAY, 8, 40));
    office.cancel(cancelled);
    office.go(moved, clock(WEDNESDAY, 9, 0));
    office.go(returned, clock(WEDNESDAY, 9, 10));
    office.go(returned, clock(TUESDAY, 9, 20));
    office.go(ended, clock(WEDNESDAY, 9, 30));
    office.cancel(ended);
    let all = [booked, cancelled, moved, returned, ended];
    let before = all.map(|booking| office.see(booking).unwrap());

    let (office, recovered) = office.restart(EVENING);
    assert_eq!((recovered.bookings, recovered.holds), (3, 0));
    assert_eq!(all.map(|booking| office.see(booking).unwrap()), before);
    office.hall.audit(&[TUESDAY, WEDNESDAY]);
    let seats = |day, hour, minute| office.hall.seats(EVENING, clock(day, hour, minute));
    assert_eq!(
        (
            seats(TUESDAY, 8, 0),
            seats(TUESDAY, 8, 10),
            seats(TUESDAY, 8, 20)
        ),
        (1, 2, 2)
    );
    assert_eq!((seats(WEDNESDAY, 9, 0), seats(WEDNESDAY, 9, 10)), (1, 2));
    assert_eq!((seats(TUESDAY, 9, 20), seats(WEDNESDAY, 9, 30)), (1, 2));
    assert_eq!(errors(office.data.path()), [] as [&str; 0]);
}

/// What is repeated after a restart gets the answer that it got before it; then life goes on.
#[test]
fn after_a_restart_requests_can_be_repeated_and_bookings_changed() {
    let office = Townhall::open();
    let booked = office.book(clock(TUESDAY, 8, 0));
    let moved = office.book(clock(TUESDAY, 8, 20));
    let token = office.hall.hold(EVENING, clock(WEDNESDAY, 9, 0)).unwrap();
    let manage = moved.secret.manage();
    let first = told(office.hall.move_to(EVENING, moved.id, manage, token));

    let (office, _) = office.restart(EVENING);
    let again = told(office.hall.confirm(EVENING, booked, "a request")).unwrap();
    assert_eq!(Ok(again), office.see(booked));
    let other = told(office.hall.confirm(EVENING, booked, "another request"));
    assert_eq!(other, Err(ConfirmError::Hold(HoldUse::Spent)));
    assert_eq!(
        told(office.hall.move_to(EVENING, moved.id, manage, token)),
        first
    );
    let booking = office.go(moved, clock(TUESDAY, 10, 0));
    assert_eq!(
        (
            booking.confirmed.contract.origin,
            booking.confirmed.contract.sequence
        ),
        (moved.id, 2)
    );
    assert!(office.cancel(booked).cancelled);

    let (office, recovered) = office.restart(EVENING);
    assert_eq!(recovered.bookings, 1);
    assert_eq!(office.see(moved), Ok(booking));
    assert!(office.see(booked).unwrap().cancelled);
}

/// Holds come back with the deadline they had; what was given back or has expired does not.
#[test]
fn holds_come_back_unless_they_are_over() {
    let office = Townhall::open();
    let hold = |minute| {
        office
            .hall
            .hold(EVENING, clock(TUESDAY, 8, minute))
            .unwrap()
    };
    let [plain, extended, released, refused] = [hold(0), hold(10), hold(20), hold(30)];
    let deadline = office
        .hall
        .engine
        .extend(EVENING, extended)
        .unwrap()
        .terms
        .deadline;
    office.hall.engine.release(EVENING, released).unwrap();
    let late = EVENING + HOLD + SECOND;

    let (office, recovered) = office.restart(EVENING + SECOND);
    assert_eq!(recovered.holds, 3);
    assert_eq!(office.hall.seats(EVENING, clock(TUESDAY, 8, 20)), 2);
    told(office.hall.confirm(EVENING + SECOND, plain, "a request")).unwrap();

    let (office, recovered) = office.restart(late);
    assert_eq!((recovered.bookings, recovered.holds), (1, 1));
    let gone = told(office.hall.confirm(late, refused, "a request"));
    assert_eq!(gone, Err(ConfirmError::Hold(HoldUse::Gone)));
    assert_eq!(
        office.hall.seats(late, clock(TUESDAY, 8, 30)),
        2,
        "expired before anybody asks"
    );
    assert!(
        office.hall.engine.extend(late, extended).is_err(),
        "once is once"
    );
    assert_eq!(office.hall.seats(late, clock(TUESDAY, 8, 10)), 1);
    office.hall.engine.tick(deadline + SECOND);
    assert_eq!(office.hall.seats(late, clock(TUESDAY, 8, 10)), 2);
}

/// The ledger was away when a hold was given back, and somebody else has booked the seat since:
/// the booking counts. The same for a later hold.
#[test]
fn a_hold_whose_end_was_not_written_down_loses() {
    let one_counter = need(2);
    for confirmed in [true, false] {
        let office = Townhall::open();
        let start = clock(TUESDAY, 8, 0);
        let [first, other] = [(); 2].map(|()| office.hall.hold(EVENING, start).unwrap());
        office.hall.engine.release(EVENING, first).unwrap();
        let later = office
            .hall
            .hold_at(EVENING, OfficeIndex(0), start, one_counter)
            .unwrap();
        if confirmed {
            told(office.hall.confirm(EVENING, later, "a request")).unwrap();
        }
        let forget = "DELETE FROM ledger WHERE fact = 'released'";
        let (office, recovered) = office.restart_after(forget, EVENING);
        assert_eq!(recovered.bookings + recovered.holds, 2);
        let released = told(office.hall.confirm(EVENING, first, "a request"));
        assert_eq!(released, Err(ConfirmError::Hold(HoldUse::Gone)));
        assert!(told(office.hall.confirm(EVENING, later, "a request")).is_ok());
        assert!(told(office.hall.confirm(EVENING, other, "a request")).is_ok());
        office.hall.audit(&[TUESDAY]);
    }
}

#[test]
fn bookings_of_an_office_that_is_gone_stop_the_start() {
    let office = Townhall::open();
    office.book(clock(TUESDAY, 8, 0));
    let data = office.close();
    let elsewhere = town(vec![crate::support::office(2, 1)]);
    let (ledger, stored) = SqliteLedger::open(data.path(), &elsewhere, OPTIONS).unwrap();
    let hall = Hall::new(elsewhere, Arc::new(ledger), EVENING);
    let expected = RecoveryError::OfficeMissing {
        office: 1,
        bookings: 1,
    };
    assert_eq!(hall.engine.recover(EVENING, stored), Err(expected));
}

#[test]
fn a_booking_outside_of_new_opening_hours_is_kept_and_named() {
    let office = Townhall::open();
    let booking = office.book(clock(TUESDAY, 8, 0));
    let cancelled = office.book(clock(TUESDAY, 8, 10));
    office.cancel(cancelled);
    let data = office.close();
    let mut catalogue = kleinheim();
    catalogue.offices[0].opening.clear();
    let (ledger, stored) = SqliteLedger::open(data.path(), &catalogue, OPTIONS).unwrap();
    let hall = Hall::new(catalogue, Arc::new(ledger), EVENING);
    assert_eq!(
        hall.engine.recover(EVENING, stored).unwrap().conflicts,
        [booking.id]
    );
    assert_eq!(hall.engine.conflicts(), [booking.id]);
    assert!(
        hall.engine
            .booking(booking.id, booking.secret.manage())
            .is_ok()
    );
}

#[test]
fn a_data_directory_serves_one_at_a_time() {
    let data = tempfile::tempdir().unwrap();
    let ledger = open(data.path()).unwrap();
    assert!(matches!(
        open(data.path()),
        Err(OpenError::Directory(LockError::InUse(_)))
    ));
    drop(ledger);
    assert!(open(data.path()).is_ok());
}

/// A newer program has been here, and its tables are not ours: they are left as they are.
#[test]
fn a_newer_schema_is_refused_and_not_touched() {
    let data = tempfile::tempdir().unwrap();
    drop(open(data.path()).unwrap());
    let newer = "UPDATE meta SET value = '2' WHERE key = 'schema_version';
                 DROP VIEW appointments; DROP VIEW history; DROP TABLE bookings;
                 CREATE TABLE bookings (id BLOB PRIMARY KEY, elsewhere TEXT);";
    execute(data.path(), newer);
    let tables = "SELECT name || ifnull(sql, '') FROM sqlite_schema ORDER BY name";
    let before: Vec<String> = ask(data.path(), tables);
    let refused = open(data.path()).err();
    assert!(
        matches!(&refused, Some(OpenError::Version(_, version)) if version == "2"),
        "{refused:?}"
    );
    assert_eq!(ask::<String>(data.path(), tables), before);
}

/// The newest facts are found from the end by their times, so those must not go back.
#[test]
fn times_never_go_back_although_the_clock_does() {
    let office = Townhall::open();
    let id = office.hall.hold(EVENING, clock(TUESDAY, 8, 0)).unwrap().id;
    for offset in [0, -3_600_000, 5_000, -1, 4_999] {
        let record = Record {
            at: EVENING + Millis(offset),
            fact: Fact::Released { id },
        };
        office
            .ledger
            .append(Entry { record, done: None })
            .ok()
            .unwrap();
    }
    let (office, _) = office.restart(EVENING);
    let early = Record {
        at: UnixMillis(0),
        fact: Fact::Released { id },
    };
    office
        .ledger
        .append(Entry {
            record: early,
            done: None,
        })
        .ok()
        .unwrap();
    let data = office.close();
    let times: Vec<i64> = ask(data.path(), "SELECT at_ms FROM ledger ORDER BY position");
    let expected = [0, 0, 0, 5_000, 5_000, 5_000, 5_000].map(|offset| EVENING.0 + offset);
    assert_eq!(times, expected);
}

/// Closing writes what was queued; what comes later is given back.
#[test]
fn a_closed_ledger_takes_nothing_more() {
    let office = Townhall::open();
    let id = office.hall.hold(EVENING, clock(TUESDAY, 8, 0)).unwrap().id;
    office.ledger.close();
    let late = Record {
        at: EVENING,
        fact: Fact::Released { id },
    };
    assert!(
        office
            .ledger
            .append(Entry {
                record: late,
                done: None
            })
            .is_err()
    );
    assert!(!office.ledger.health().is_ready());
    assert_eq!(
        ask::<String>(office.data.path(), "SELECT fact FROM ledger"),
        ["held"]
    );
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
fn healthy() -> TempDir {
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

/// A request that was answered is remembered with its key, so that its repetition is recognised.
#[test]
fn idempotency_keys_are_remembered() {
    let office = Townhall::open();
    office.book(clock(TUESDAY, 8, 0));
    let data = office.close();
    let (_ledger, stored) = SqliteLedger::open(data.path(), &kleinheim(), OPTIONS).unwrap();
    let [remembered] = stored.idempotency_keys[..] else {
        panic!("one key")
    };
    assert_eq!(
        (remembered.key, remembered.request),
        (digest("a request"), digest("a request"))
    );
    assert_eq!(remembered.at, EVENING);
}
