//! The engine with a ledger that the test commands: what people are told, when, and what stays
//! as it was when they are refused.

use std::sync::Arc;

use jiff::civil::date;
use morgenruh_engine::rules::catalogue::{
    Channel, Hours, Office, OfficeIndex, Quota, RoomPolicy, RoomRule, Selector, Wave, Weekdays,
};
use morgenruh_engine::rules::cells::CounterSet;
use morgenruh_engine::rules::day::{
    BookingRefusal, ExtendRefusal, HoldRefusal, HoldUse, RESERVATIONS_MAX,
};
use morgenruh_engine::rules::ids::{HoldToken, ReservationId, Secret};
use morgenruh_engine::rules::record::Fact;
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use morgenruh_engine::shell::engine::{
    Booking, ChangeError, ConfirmError, Engine, HoldAsk, HoldError, Limits, MOVES_MAX,
};

use crate::notebook::Notebook;
use crate::support::{
    Answer, EVENING, HOLD, Hall, THURSDAY, TUESDAY, WEDNESDAY, clock, need, office, secret, town,
};

const SECOND: Millis = Millis(1_000);

pub(crate) fn hall(counters: u8) -> (Hall, Arc<Notebook>) {
    let notebook = Arc::new(Notebook::default());
    (
        Hall::new(town(vec![office(1, counters)]), notebook.clone(), EVENING),
        notebook,
    )
}

/// Eight o'clock on a day.
fn eight(day: jiff::civil::Date) -> UnixMillis {
    clock(day, 8, 0)
}

fn told<E: std::fmt::Debug>(answer: Answer<Booking, E>) -> Result<Booking, E> {
    let outcome = answer.try_recv().expect("the answer is there");
    outcome.map(|durable| durable.into_parts().0)
}

/// Somebody with a booking.
#[derive(Clone, Copy)]
pub(crate) struct Guest {
    pub(crate) id: ReservationId,
    pub(crate) manage: Secret,
}

pub(crate) fn guest(hall: &Hall, notebook: &Notebook, start: UnixMillis) -> Guest {
    let token = hall.hold(EVENING, start).unwrap();
    let answer = hall.confirm(EVENING, token, "a request");
    notebook.keep();
    told(answer).unwrap();
    Guest {
        id: token.id,
        manage: token.secret.manage(),
    }
}

fn moved(hall: &Hall, notebook: &Notebook, guest: Guest, start: UnixMillis) -> Booking {
    let token = hall.hold(EVENING, start).unwrap();
    let answer = hall.move_to(EVENING, guest.id, guest.manage, token);
    notebook.keep();
    told(answer).unwrap()
}

#[test]
fn nobody_is_told_before_the_ledger_has_it() {
    let (hall, notebook) = hall(1);
    let token = hall.hold(EVENING, eight(TUESDAY)).unwrap();
    let answer = hall.confirm(EVENING, token, "a request");
    assert!(answer.try_recv().is_err());
    let again = told(hall.confirm(EVENING, token, "a request"));
    assert_eq!(again, Err(ConfirmError::Hold(HoldUse::Pending)));
    assert_eq!(
        hall.engine.booking(token.id, token.secret.manage()),
        Err(BookingRefusal::Unknown),
        "what is not durable is not shown"
    );
    notebook.keep();
    assert_eq!(told(answer).unwrap().confirmed.id, token.id);
}

/// I8: the same request gets the same answer, another one does not.
#[test]
fn a_confirmation_can_be_repeated_but_not_taken_over() {
    let (hall, notebook) = hall(1);
    let token = hall.hold(EVENING, eight(TUESDAY)).unwrap();
    let answer = hall.confirm(EVENING, token, "a request");
    notebook.keep();
    let first = answer.recv().unwrap().unwrap();
    let late = EVENING + HOLD + HOLD;
    assert_eq!(
        hall.confirm(late, token, "a request")
            .recv()
            .unwrap()
            .unwrap(),
        first
    );
    let other = told(hall.confirm(late, token, "another request"));
    assert_eq!(other, Err(ConfirmError::Hold(HoldUse::Spent)));
    assert_eq!(notebook.names(), ["held", "booked"]);
}

/// I3: at its deadline a hold is over, also for who has its secret; and the secret is needed.
#[test]
fn expired_and_foreign_holds_are_not_confirmed() {
    let (hall, notebook) = hall(1);
    let token = hall.hold(EVENING, eight(TUESDAY)).unwrap();
    let foreign = HoldToken {
        secret: secret(7),
        ..token
    };
    let refused = |now, token| told(hall.confirm(now, token, "a request")).unwrap_err();
    assert_eq!(
        refused(EVENING, foreign),
        ConfirmError::Hold(HoldUse::Foreign)
    );
    assert_eq!(
        refused(EVENING + HOLD, token),
        ConfirmError::Hold(HoldUse::Gone)
    );
    let unknown = HoldToken {
        id: ReservationId::from_bytes([255; 16]),
        ..token
    };
    assert_eq!(refused(EVENING, unknown), ConfirmError::Hold(HoldUse::Gone));
    assert_eq!(notebook.names(), ["held"]);
    let last_moment = EVENING + Millis(HOLD.0 - 1);
    let answer = hall.confirm(last_moment, token, "a request");
    notebook.keep();
    assert!(told(answer).is_ok());
}

#[test]
fn a_cancellation_frees_the_seat_once_and_can_be_repeated() {
    let (hall, notebook) = hall(1);
    let guest = guest(&hall, &notebook, eight(TUESDAY));
    let answer = hall.cancel(EVENING, guest.id, guest.manage);
    assert_eq!(
        hall.seats(EVENING, eight(TUESDAY)),
        0,
        "taken until it is durable"
    );
    let meanwhile = told(hall.cancel(EVENING, guest.id, guest.manage));
    assert_eq!(
        meanwhile,
        Err(ChangeError::Booking(BookingRefusal::Pending))
    );
    notebook.keep();
    let first = answer.recv().unwrap().unwrap();
    assert_eq!(hall.seats(EVENING, eight(TUESDAY)), 1);
    let again = hall
        .cancel(EVENING, guest.id, guest.manage)
        .recv()
        .unwrap()
        .unwrap();
    assert_eq!(again, first);
    assert!(first.into_parts().0.cancelled);
    hall.hold(EVENING, eight(TUESDAY)).unwrap();
    assert_eq!(notebook.names(), ["held", "booked", "cancelled", "held"]);
}

#[test]
fn a_refused_cancellation_leaves_the_booking() {
    let (hall, notebook) = hall(1);
    let guest = guest(&hall, &notebook, eight(TUESDAY));
    let before = hall.engine.booking(guest.id, guest.manage);
    let answer = hall.cancel(EVENING, guest.id, guest.manage);
    notebook.refuse(EVENING);
    assert_eq!(told(answer), Err(ChangeError::LedgerAway));
    assert_eq!(hall.engine.booking(guest.id, guest.manage), before);
    assert_eq!(hall.seats(EVENING, eight(TUESDAY)), 0);
}

/// To another day, on to a third, back to the first, and on: the booking keeps its first id, old
/// seats are free, and the way to it always leads over its origin.
#[test]
fn a_booking_keeps_its_first_id_wherever_it_moves() {
    let (hall, notebook) = hall(2);
    let guest = guest(&hall, &notebook, eight(TUESDAY));
    let way = [WEDNESDAY, THURSDAY, TUESDAY, WEDNESDAY, TUESDAY, TUESDAY];
    for (stage, day) in way.into_iter().enumerate() {
        let start = clock(day, 10, 10 * stage as u16);
        let booking = moved(&hall, &notebook, guest, start);
        assert_eq!(booking.confirmed.start, start);
        assert_eq!(booking.confirmed.contract.origin, guest.id);
        assert_eq!(booking.confirmed.contract.sequence, stage as u32 + 1);
        assert_eq!(hall.engine.booking(guest.id, guest.manage), Ok(booking));
        let wrong = hall.engine.booking(guest.id, secret(7));
        assert_eq!(
            wrong,
            Err(BookingRefusal::Unknown),
            "a signpost is not for strangers"
        );
        hall.audit(&[TUESDAY, WEDNESDAY, THURSDAY]);
    }
    assert_eq!(hall.seats(EVENING, eight(TUESDAY)), 2);
    assert_eq!(hall.seats(EVENING, clock(WEDNESDAY, 10, 0)), 2);
    let answer = hall.cancel(EVENING, guest.id, guest.manage);
    notebook.keep();
    assert!(told(answer).unwrap().cancelled);
    assert!(
        hall.engine
            .booking(guest.id, guest.manage)
            .unwrap()
            .cancelled
    );
    assert_eq!(hall.seats(EVENING, clock(TUESDAY, 10, 50)), 2);
}

#[test]
fn a_move_can_be_repeated() {
    let (hall, notebook) = hall(1);
    let guest = guest(&hall, &notebook, eight(TUESDAY));
    let token = hall.hold(EVENING, eight(WEDNESDAY)).unwrap();
    let answer = hall.move_to(EVENING, guest.id, guest.manage, token);
    let meanwhile = told(hall.move_to(EVENING, guest.id, guest.manage, token));
    assert_eq!(
        meanwhile,
        Err(ChangeError::Booking(BookingRefusal::Pending))
    );
    notebook.keep();
    let first = answer.recv().unwrap().unwrap();
    let again = hall.move_to(EVENING, guest.id, guest.manage, token);
    assert_eq!(again.recv().unwrap().unwrap(), first);
    assert_eq!(notebook.names(), ["held", "booked", "held", "moved"]);
}

/// Every way in which a move can fail: booking, old seat and new hold are as they were.
#[test]
fn a_refused_move_changes_nothing() {
    for day in [TUESDAY, WEDNESDAY] {
        let (hall, notebook) = hall(1);
        let guest = guest(&hall, &notebook, eight(TUESDAY));
        let booking = hall.engine.booking(guest.id, guest.manage);
        let token = hall.hold(EVENING, clock(day, 9, 0)).unwrap();
        let go = |now, manage, token| {
            let answer = hall.move_to(now, guest.id, manage, token);
            notebook.refuse(now);
            told(answer).unwrap_err()
        };
        let foreign = HoldToken {
            secret: secret(7),
            ..token
        };
        let missing = HoldToken {
            id: ReservationId::from_bytes([1; 16]),
            ..token
        };
        let hold = |refusal| ChangeError::Hold(refusal);
        assert_eq!(go(EVENING, guest.manage, foreign), hold(HoldUse::Foreign));
        assert_eq!(go(EVENING, guest.manage, missing), hold(HoldUse::Gone));
        assert_eq!(go(EVENING + HOLD, guest.manage, token), hold(HoldUse::Gone));
        let unknown = ChangeError::Booking(BookingRefusal::Unknown);
        assert_eq!(go(EVENING, secret(7), token), unknown);
        assert_eq!(go(EVENING, guest.manage, token), ChangeError::LedgerAway);
        assert_eq!(hall.engine.booking(guest.id, guest.manage), booking);
        assert_eq!(hall.seats(EVENING, eight(TUESDAY)), 0);
        assert_eq!(hall.seats(EVENING, clock(day, 9, 0)), 0);
        hall.audit(&[TUESDAY, WEDNESDAY]);
        let answer = hall.move_to(EVENING, guest.id, guest.manage, token);
        notebook.keep();
        assert_eq!(told(answer).unwrap().confirmed.start, clock(day, 9, 0));
    }
}

#[test]
fn a_booking_moves_only_so_often() {
    let (hall, notebook) = hall(1);
    let guest = guest(&hall, &notebook, eight(TUESDAY));
    for stage in 0..MOVES_MAX {
        moved(
            &hall,
            &notebook,
            guest,
            clock(WEDNESDAY, 8, 10 * (stage as u16 % 6)),
        );
    }
    let token = hall.hold(EVENING, eight(THURSDAY)).unwrap();
    let answer = hall.move_to(EVENING, guest.id, guest.manage, token);
    assert_eq!(told(answer), Err(ChangeError::TooManyMoves));
    assert_eq!(hall.engine.release(EVENING, token), Ok(()));
}

/// I3: the seat is not free before the deadline, and free at most a second after it.
#[test]
fn a_hold_expires_late_and_never_early() {
    let (hall, notebook) = hall(1);
    let odd = EVENING + Millis(123);
    hall.hold(odd, eight(TUESDAY)).unwrap();
    let deadline = odd + HOLD;
    for early in [1, 100, 1_000, 60_000] {
        hall.engine.tick(deadline + Millis(-early));
        assert_eq!(hall.seats(EVENING, eight(TUESDAY)), 0);
    }
    hall.engine.tick(deadline + SECOND);
    assert_eq!(hall.seats(EVENING, eight(TUESDAY)), 1);
    assert_eq!(notebook.names(), ["held", "expired"]);
}

#[test]
fn an_extended_hold_expires_at_its_new_deadline() {
    let (hall, notebook) = hall(1);
    let token = hall.hold(EVENING, eight(TUESDAY)).unwrap();
    let view = hall.engine.extend(EVENING + SECOND, token).unwrap();
    assert_eq!(view.terms.deadline, EVENING + HOLD + HOLD);
    let again = hall.engine.extend(EVENING + SECOND, token);
    assert_eq!(again, Err(ExtendRefusal::AlreadyExtended));
    hall.engine.tick(EVENING + HOLD + SECOND);
    assert_eq!(hall.seats(EVENING, eight(TUESDAY)), 0);
    hall.engine.tick(EVENING + HOLD + HOLD + SECOND);
    assert_eq!(hall.seats(EVENING, eight(TUESDAY)), 1);
    assert_eq!(notebook.names(), ["held", "extended", "expired"]);
}

/// A server starts with a clock that is a day ahead, and somebody sets it right: the holds that
/// are made afterwards end in their own time, not a day later (I3, clock jumps).
#[test]
fn a_clock_that_is_set_back_does_not_stop_expiry() {
    let (hall, _notebook) = hall(1);
    hall.engine.tick(EVENING + Millis::from_minutes(24 * 60));
    hall.engine.tick(EVENING);
    hall.hold(EVENING, eight(TUESDAY)).unwrap();
    hall.engine.tick(EVENING + HOLD + SECOND);
    assert_eq!(hall.seats(EVENING, eight(TUESDAY)), 1);
}

/// Its deadline is over before it was ever filed: one look at the clock ends it.
#[test]
fn a_hold_made_while_the_clock_was_set_back_ends_in_time() {
    let (hall, _) = hall(1);
    hall.engine.tick(EVENING);
    let earlier = EVENING + Millis(-2 * HOLD.0);
    hall.hold(earlier, eight(TUESDAY)).unwrap();
    hall.engine.tick(EVENING + Millis(500));
    assert_eq!(hall.seats(EVENING, eight(TUESDAY)), 1);
}

/// An outage is not the citizen's fault: confirming is refused, the hold is kept and lives on,
/// but not for ever.
#[test]
fn while_the_ledger_is_away_holds_are_stretched() {
    let (hall, notebook) = hall(1);
    let token = hall.hold(EVENING, eight(TUESDAY)).unwrap();
    notebook.go_away(EVENING);
    let refused = told(hall.confirm(EVENING, token, "a request"));
    assert_eq!(refused, Err(ConfirmError::LedgerAway));
    let mut now = EVENING;
    while now < EVENING + Millis::from_minutes(30) {
        hall.engine.tick(now);
        assert_eq!(hall.seats(now, eight(TUESDAY)), 0);
        now = now + SECOND;
    }
    notebook.come_back();
    hall.engine.tick(now);
    let answer = hall.confirm(now, token, "a request");
    notebook.keep();
    assert!(told(answer).is_ok());

    hall.hold(now, eight(WEDNESDAY)).unwrap();
    notebook.go_away(now);
    let end = now + Millis::from_minutes(70);
    while now < end {
        hall.engine.tick(now);
        now = now + SECOND;
    }
    assert_eq!(
        hall.seats(now, eight(WEDNESDAY)),
        1,
        "a stretched hold ends as well"
    );
}

#[test]
fn a_refused_confirmation_gives_the_hold_more_time() {
    let (hall, notebook) = hall(1);
    let token = hall.hold(EVENING, eight(TUESDAY)).unwrap();
    let answer = hall.confirm(EVENING, token, "a request");
    let late = EVENING + HOLD + SECOND;
    hall.engine.tick(late);
    assert_eq!(
        hall.seats(late, eight(TUESDAY)),
        0,
        "nothing frees what is being confirmed"
    );
    notebook.refuse(late);
    assert_eq!(told(answer), Err(ConfirmError::LedgerAway));
    let answer = hall.confirm(late + SECOND, token, "a request");
    notebook.refuse(late + SECOND);
    assert_eq!(told(answer), Err(ConfirmError::LedgerAway));
    hall.engine.tick(late + HOLD + SECOND + SECOND);
    assert_eq!(hall.seats(late, eight(TUESDAY)), 1);
}

/// I11: a full ledger is an ordinary answer, and nothing stays behind.
#[test]
fn a_full_ledger_gives_no_holds() {
    let (hall, notebook) = hall(1);
    notebook.fill(true);
    assert_eq!(
        hall.hold(EVENING, eight(TUESDAY)).unwrap_err(),
        HoldError::Overloaded
    );
    notebook.fill(false);
    hall.hold(EVENING, eight(TUESDAY)).unwrap();
    assert_eq!(
        hall.hold(EVENING, eight(TUESDAY)).unwrap_err(),
        HoldError::Refused(HoldRefusal::Taken)
    );
    hall.audit(&[TUESDAY]);
}

/// The ledger and the engine agree from whose capacity a hold is.
#[test]
fn a_call_centre_without_quota_left_takes_from_the_public() {
    let mut office = office(1, 2);
    let when = Selector {
        counters: CounterSet::only(0),
        weekdays: Weekdays::ALL,
        hours: Hours::ALL_DAY,
    };
    office.quotas = vec![Quota {
        channel: Channel::CallCentre,
        when,
    }];
    let notebook = Arc::new(Notebook::default());
    let hall = Hall::new(town(vec![office]), notebook.clone(), EVENING);
    for (random, expected) in [(1, Channel::CallCentre), (2, Channel::Public)] {
        let ask = HoldAsk {
            office: OfficeIndex(0),
            need: need(2),
            start: eight(TUESDAY),
            channel: Channel::CallCentre,
            secret: secret(random).digest(),
            random,
            pass: None,
        };
        let hold = hall.engine.hold(EVENING, &ask).unwrap();
        let shard = hall.engine.shard(OfficeIndex(0), TUESDAY).unwrap();
        let kept = shard
            .decide(|day| day.reservation(hold.id).cloned())
            .unwrap();
        assert_eq!(kept.channel, expected);
        let Some(Fact::Held { channel, .. }) = notebook.last() else {
            panic!("no hold")
        };
        assert_eq!(channel, expected);
    }
}

#[test]
fn days_that_are_over_go_but_signposts_stay() {
    let (hall, notebook) = hall(1);
    let stays = guest(&hall, &notebook, eight(TUESDAY));
    let goes = guest(&hall, &notebook, clock(TUESDAY, 9, 0));
    let booking = moved(&hall, &notebook, goes, clock(THURSDAY, 9, 0));
    hall.engine.retire(clock(WEDNESDAY, 12, 0));
    assert!(
        hall.engine.booking(stays.id, stays.manage).is_ok(),
        "yesterday is kept"
    );
    hall.engine.retire(clock(THURSDAY, 7, 0));
    assert_eq!(hall.engine.booking(goes.id, goes.manage), Ok(booking));
    hall.engine.retire(clock(
        THURSDAY.tomorrow().unwrap().tomorrow().unwrap(),
        7,
        0,
    ));
    assert_eq!(
        hall.engine.booking(goes.id, goes.manage),
        Err(BookingRefusal::Unknown)
    );
    assert_eq!(
        hall.engine.booking(stays.id, stays.manage),
        Err(BookingRefusal::Unknown)
    );
}

/// The clock runs ahead for a moment, long enough to retire days that are still to come. Nothing
/// that was booked there is given out again, before or after the clock is right.
#[test]
fn a_clock_that_runs_ahead_gives_nothing_out_twice() {
    let (hall, notebook) = hall(1);
    let token = hall.hold(EVENING, eight(TUESDAY)).unwrap();
    let answer = hall.confirm(EVENING, token, "a request");
    notebook.keep();
    assert!(told(answer).is_ok());
    hall.engine
        .retire(EVENING + Millis::from_minutes(40 * 24 * 60));
    assert!(hall.hold(EVENING, eight(TUESDAY)).is_err());
}

/// A booking is not a hold: who sends its id with any secret has not moved anything.
#[test]
fn a_booking_does_not_move_onto_itself() {
    let (hall, notebook) = hall(1);
    let token = hall.hold(EVENING, eight(TUESDAY)).unwrap();
    let answer = hall.confirm(EVENING, token, "a request");
    notebook.keep();
    assert!(told(answer).is_ok());
    let manage = token.secret.manage();
    let guess = HoldToken {
        secret: secret(4_711),
        ..token
    };
    let refused = told(hall.move_to(EVENING, token.id, manage, guess));
    assert_eq!(refused, Err(ChangeError::Hold(HoldUse::Foreign)));
    let refused = told(hall.move_to(EVENING, token.id, manage, token));
    assert_eq!(refused, Err(ChangeError::Hold(HoldUse::Spent)));
}

#[test]
fn what_is_over_is_not_changed_any_more() {
    let (hall, notebook) = hall(1);
    let token = hall.hold(EVENING, eight(TUESDAY)).unwrap();
    let answer = hall.confirm(EVENING, token, "a request");
    notebook.keep();
    assert!(told(answer).is_ok());
    let refused = told(hall.cancel(eight(TUESDAY), token.id, token.secret.manage()));
    assert_eq!(refused, Err(ChangeError::Booking(BookingRefusal::Over)));
}

/// Booking and cancelling in a loop: the oldest cancellations are forgotten, the day stays open.
#[test]
fn a_day_cannot_be_closed_by_cancelling() {
    let (hall, notebook) = hall(1);
    for _ in 0..=u32::from(RESERVATIONS_MAX) {
        let token = hall.hold(EVENING, eight(TUESDAY)).unwrap();
        let answer = hall.confirm(EVENING, token, "a request");
        notebook.keep();
        assert!(told(answer).is_ok());
        let answer = hall.cancel(EVENING, token.id, token.secret.manage());
        notebook.keep();
        assert!(told(answer).is_ok());
    }
    assert_eq!(hall.seats(EVENING, eight(TUESDAY)), 1);
}

/// At noon a demo releases the first day that is sealed, as if it were half past six. Its room is
/// that of the demo, not the one of the morning, which has the same id and is long over.
#[test]
fn a_demo_has_the_waiting_room_of_its_day() {
    let (now, at) = (clock(TUESDAY, 12, 0), clock(TUESDAY, 12, 1));
    let office = office(1, 1);
    let wave = Wave::daily(office.opening[0].when.clone(), 7, 6 * 60 + 30);
    let name = office.name.clone();
    let mut town = town(vec![Office {
        waves: vec![wave],
        ..office
    }]);
    town.rooms.push(RoomRule {
        policy: RoomPolicy::Line,
        id: "rathaus".into(),
        number: 1,
        department: 0,
        name,
        at: 6 * 60 + 30,
        offices: vec![OfficeIndex(0)],
        opens_minutes: 30,
        closes_minutes: 120,
        passes_max: 10,
        passes_per_minute: 600,
        turn_minutes: 5,
        pass_minutes: 10,
        holds_per_pass: 1,
        proof_of_work: 0,
        beacons: None,
    });
    let notebook = Arc::new(Notebook::default());
    let limits = Limits::default();
    let engine = Engine::new(Arc::new(town), notebook.clone(), limits, Some(at), now);
    engine.announce_rooms(now, || Some([7; 32]));
    notebook.keep();
    let rooms = engine.rooms().all();
    let plans = rooms
        .iter()
        .map(|shard| shard.decide(|room| room.plan().clone()));
    let today: Vec<_> = plans
        .filter(|plan| plan.name == "rathaus-2026-12-01")
        .collect();
    assert_eq!(today.len(), 1);
    assert_eq!(today[0].release_at, at);
    assert_eq!(today[0].days, [(OfficeIndex(0), date(2026, 12, 9))]);
}
