//! What a ledger and a recovery from it promise, whatever they are made of: each story is lived
//! through in every mode.

use std::sync::Arc;

use morgenruh_engine::rules::catalogue::OfficeIndex;
use morgenruh_engine::rules::day::HoldUse;
use morgenruh_engine::rules::record::{Fact, Record};
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use morgenruh_engine::shell::engine::ConfirmError;
use morgenruh_engine::shell::ledger::{Entry, Health, Ledger};
use morgenruh_engine::shell::recovery::RecoveryError;

use crate::mode::{Closing, Mode};
use crate::support::{EVENING, HOLD, Hall, TUESDAY, WEDNESDAY, clock, digest, need, office, town};
use crate::townhall::{Townhall, kleinheim, told};

const SECOND: Millis = Millis(1_000);

macro_rules! in_every_mode {
    ($($story:ident,)*) => {
        $(mod $story {
            use crate::mode::{Embedded, Production, ProductionBehind};

            #[test]
            fn embedded() {
                super::$story::<Embedded>();
            }

            #[test]
            fn production() {
                super::$story::<Production>();
            }

            #[test]
            fn production_with_its_store_behind() {
                super::$story::<ProductionBehind>();
            }
        })*
    };
}
pub(crate) use in_every_mode;

in_every_mode!(
    everything_acknowledged_is_there_after_a_restart,
    after_a_restart_requests_can_be_repeated_and_bookings_changed,
    holds_come_back_unless_they_are_over,
    a_hold_whose_end_was_not_written_down_loses,
    bookings_of_an_office_that_is_gone_stop_the_start,
    a_booking_outside_of_new_opening_hours_is_kept_and_named,
    a_data_directory_serves_one_at_a_time,
    times_never_go_back_although_the_clock_does,
    a_closed_ledger_takes_nothing_more,
    idempotency_keys_are_remembered,
);

/// I2: whatever somebody was told is there after a restart, and looks the same.
fn everything_acknowledged_is_there_after_a_restart<M: Mode>() {
    let office = Townhall::<M>::open();
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
    office.close();
}

/// What is repeated after a restart gets the answer that it got before it; then life goes on.
fn after_a_restart_requests_can_be_repeated_and_bookings_changed<M: Mode>() {
    let office = Townhall::<M>::open();
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
    let contract = booking.confirmed.contract;
    assert_eq!((contract.origin, contract.sequence), (moved.id, 2));
    assert!(office.cancel(booked).cancelled);

    let (office, recovered) = office.restart(EVENING);
    assert_eq!(recovered.bookings, 1);
    assert_eq!(office.see(moved), Ok(booking));
    assert!(office.see(booked).unwrap().cancelled);
}

/// Holds come back with the deadline they had; what was given back or has expired does not.
fn holds_come_back_unless_they_are_over<M: Mode>() {
    let office = Townhall::<M>::open();
    let hold = |minute| {
        office
            .hall
            .hold(EVENING, clock(TUESDAY, 8, minute))
            .unwrap()
    };
    let [plain, extended, released, refused] = [hold(0), hold(10), hold(20), hold(30)];
    let longer = office.hall.engine.extend(EVENING, extended).unwrap();
    let deadline = longer.terms.deadline;
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

/// A ledger that was away whenever a hold was given back.
struct Forgetful(Arc<dyn Closing>);

impl Ledger for Forgetful {
    fn append(&self, entry: Entry) -> Result<(), Entry> {
        match entry.record.fact {
            Fact::Released { .. } => Ok(()),
            _ => self.0.append(entry),
        }
    }

    fn health(&self) -> Health {
        self.0.health()
    }
}

/// The ledger was away when a hold was given back, and somebody else has booked the seat since:
/// the booking counts. The same for a later hold.
fn a_hold_whose_end_was_not_written_down_loses<M: Mode>() {
    let one_counter = need(2);
    for confirmed in [true, false] {
        let mut office = Townhall::<M>::open();
        let forgetful = Arc::new(Forgetful(office.ledger.clone()));
        office.hall = Hall::new(kleinheim(), forgetful, EVENING);
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
        let (office, recovered) = office.restart(EVENING);
        assert_eq!(recovered.bookings + recovered.holds, 2);
        let released = told(office.hall.confirm(EVENING, first, "a request"));
        assert_eq!(released, Err(ConfirmError::Hold(HoldUse::Gone)));
        assert!(told(office.hall.confirm(EVENING, later, "a request")).is_ok());
        assert!(told(office.hall.confirm(EVENING, other, "a request")).is_ok());
        office.hall.audit(&[TUESDAY]);
    }
}

fn bookings_of_an_office_that_is_gone_stop_the_start<M: Mode>() {
    let hall = Townhall::<M>::open();
    hall.book(clock(TUESDAY, 8, 0));
    let mut mode = hall.close();
    let mut elsewhere = town(vec![office(2, 1)]);
    let (ledger, stored) = mode.open(&mut elsewhere).unwrap();
    let hall = Hall::new(elsewhere, ledger, EVENING);
    let expected = RecoveryError::OfficeMissing {
        office: 1,
        bookings: 1,
    };
    assert_eq!(hall.engine.recover(EVENING, stored), Err(expected));
}

fn a_booking_outside_of_new_opening_hours_is_kept_and_named<M: Mode>() {
    let office = Townhall::<M>::open();
    let booking = office.book(clock(TUESDAY, 8, 0));
    let cancelled = office.book(clock(TUESDAY, 8, 10));
    office.cancel(cancelled);
    let mut mode = office.close();
    let mut catalogue = kleinheim();
    catalogue.offices[0].opening.clear();
    let (ledger, stored) = mode.open(&mut catalogue).unwrap();
    let hall = Hall::new(catalogue, ledger, EVENING);
    let recovered = hall.engine.recover(EVENING, stored).unwrap();
    assert_eq!(recovered.conflicts, [booking.id]);
    assert_eq!(hall.engine.conflicts(), [booking.id]);
    let manage = booking.secret.manage();
    assert!(hall.engine.booking(booking.id, manage).is_ok());
}

fn a_data_directory_serves_one_at_a_time<M: Mode>() {
    let mut mode = M::anew();
    let first = mode.open(&mut kleinheim()).unwrap();
    let second = mode.open(&mut kleinheim()).err();
    let reason = second.expect("somebody serves from it");
    assert!(reason.contains("is in use by another process"), "{reason}");
    drop(first);
    assert!(mode.open(&mut kleinheim()).is_ok());
}

/// The newest facts are found from the end by their times, so those must not go back.
fn times_never_go_back_although_the_clock_does<M: Mode>() {
    let office = Townhall::<M>::open();
    let id = office.hall.hold(EVENING, clock(TUESDAY, 8, 0)).unwrap().id;
    for offset in [0, -3_600_000, 5_000, -1, 4_999] {
        let record = Record {
            at: EVENING + Millis(offset),
            fact: Fact::Released { id },
        };
        let entry = Entry { record, done: None };
        office.ledger.append(entry).ok().unwrap();
    }
    let (office, _) = office.restart(EVENING);
    let record = Record {
        at: UnixMillis(0),
        fact: Fact::Released { id },
    };
    let early = Entry { record, done: None };
    office.ledger.append(early).ok().unwrap();
    let records = office.close().records();
    let times: Vec<i64> = records.iter().map(|it| it.record.at.0).collect();
    let expected = [0, 0, 0, 5_000, 5_000, 5_000, 5_000].map(|offset| EVENING.0 + offset);
    assert_eq!(times, expected);
}

/// Closing writes what was queued; what comes later is given back.
fn a_closed_ledger_takes_nothing_more<M: Mode>() {
    let office = Townhall::<M>::open();
    let id = office.hall.hold(EVENING, clock(TUESDAY, 8, 0)).unwrap().id;
    office.ledger.close();
    let record = Record {
        at: EVENING,
        fact: Fact::Released { id },
    };
    let late = Entry { record, done: None };
    assert!(office.ledger.append(late).is_err());
    assert!(!office.ledger.health().is_ready());
    let records = office.close().records();
    let names: Vec<&str> = records.iter().map(|it| it.record.fact.name()).collect();
    assert_eq!(names, ["held"]);
}

/// A request that was answered is remembered with its key, so that its repetition is recognised.
fn idempotency_keys_are_remembered<M: Mode>() {
    let office = Townhall::<M>::open();
    office.book(clock(TUESDAY, 8, 0));
    let mut mode = office.close();
    let (_ledger, stored) = mode.open(&mut kleinheim()).unwrap();
    let [remembered] = stored.idempotency_keys[..] else {
        panic!("one key")
    };
    let request = digest("a request");
    assert_eq!((remembered.key, remembered.request), (request, request));
    assert_eq!(remembered.at, EVENING);
}
