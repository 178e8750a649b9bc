//! Wishes on a real ledger: who gets what becomes free, what an answer does, what a restart keeps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use jiff::civil::Date;
use morgenruh_engine::rules::catalogue::Catalogue;
use morgenruh_engine::rules::ids::{Digest, HoldToken, ReservationId};
use morgenruh_engine::rules::need::Services;
use morgenruh_engine::rules::time::{DayNumber, Millis, UnixMillis};
use morgenruh_engine::rules::wish::agent::{LayRefusal, Standing, What};
use morgenruh_engine::rules::wish::fact::{Contact, Notify, Offer, WishEnding};
use morgenruh_engine::rules::wish::windows::Windows;
use morgenruh_engine::rules::wish::{Instead, Wish, WishId};
use morgenruh_engine::shell::engine::{
    Booking, Engine, LayAsk, LayError, Limits, OfferError, RestTerms,
};
use morgenruh_engine::shell::ledger::Durable;
use morgenruh_engine::shell::sqlite::SqliteLedger;
use morgenruh_engine::shell::verify::verify;
use tempfile::TempDir;

use crate::ledger::OPTIONS;
use crate::support::{Hall, TUESDAY, WEDNESDAY, clock, office, secret, town};

const MINUTE: Millis = Millis::from_minutes(1);
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Three weeks before [`TUESDAY`]: an offer has a day to be answered.
const MORNING: UnixMillis = UnixMillis(1_794_297_600_000);

/// One counter from 8 to 9 o'clock: six visits of ten minutes.
pub(crate) fn small() -> Catalogue {
    let mut office = office(1, 1);
    office.opening[0].when.hours.to = 540;
    town(vec![office])
}

pub(crate) struct Hallway {
    data: TempDir,
    pub(crate) hall: Hall,
    ledger: Arc<SqliteLedger>,
    pub(crate) now: UnixMillis,
    random: u64,
    rest: Millis,
}

impl Hallway {
    fn open() -> Hallway {
        Hallway::recover(tempfile::tempdir().unwrap(), MORNING, Millis(0))
    }

    fn recover(data: TempDir, now: UnixMillis, rest: Millis) -> Hallway {
        let (ledger, stored) = SqliteLedger::open(data.path(), &small(), OPTIONS).unwrap();
        let ledger = Arc::new(ledger);
        let limits = Limits {
            rest: RestTerms {
                shortest: Millis(rest.0 / 2),
                longest: rest,
                key: [7; 32],
            },
            ..Limits::default()
        };
        let hall = Hall::within(small(), ledger.clone(), limits, now);
        hall.engine.recover(now, stored).unwrap();
        Hallway {
            data,
            hall,
            ledger,
            now,
            random: now.0.unsigned_abs(),
            rest,
        }
    }

    pub(crate) fn restart(self) -> Hallway {
        let Hallway {
            data,
            hall,
            ledger,
            now,
            rest,
            ..
        } = self;
        ledger.close();
        drop((hall, ledger));
        let findings = verify(data.path()).unwrap();
        assert_eq!(findings.errors, [] as [&str; 0]);
        Hallway::recover(data, now, rest)
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.hall.engine
    }

    /// Lets the wishes be looked through, and waits until nothing is on its way any more.
    pub(crate) fn tick(&mut self) {
        let mut random = self.random;
        self.engine().tick_wishes(self.now, || {
            random += 1;
            random
        });
        self.random = random;
        let is_deciding = || {
            self.engine().look_at_wishes(|agent| {
                let mut each = agent.each();
                each.any(|(_, known)| known.standing == Standing::Deciding)
            })
        };
        let patience_ms = PATIENCE.as_millis();
        let mut waits = (0..patience_ms).take_while(|_| is_deciding());
        waits
            .by_ref()
            .for_each(|_| std::thread::sleep(Duration::from_millis(1)));
        assert!(!is_deciding(), "something stays undecided");
    }

    pub(crate) fn ticks(&mut self) {
        self.tick();
        self.tick();
    }

    fn book(&self, start: UnixMillis) -> HoldToken {
        let token = self.hall.hold(self.now, start).unwrap();
        let answer = self.hall.confirm(self.now, token, "a request");
        answer.recv_timeout(PATIENCE).unwrap().unwrap();
        token
    }

    pub(crate) fn cancel(&self, booking: HoldToken) {
        let manage = booking.secret.manage();
        let answer = self.hall.cancel(self.now, booking.id, manage);
        answer.recv_timeout(PATIENCE).unwrap().unwrap();
    }

    /// Books all six visits of a day.
    fn fill(&self, day: Date) -> Vec<HoldToken> {
        let starts = (0..6).map(|visit| clock(day, 8, visit * 10));
        starts.map(|start| self.book(start)).collect()
    }

    fn try_lay(&self, wish: Wish, who: u64) -> Result<WishId, LayError> {
        let (done, answer) = channel();
        let ask = LayAsk {
            wish,
            contact: contact(who),
            ticket: None,
        };
        self.engine()
            .lay_wish(self.now, ask, move |outcome| drop(done.send(outcome)));
        let outcome = answer.recv_timeout(PATIENCE).unwrap();
        outcome.map(|durable| durable.into_parts().0)
    }

    pub(crate) fn lay(&mut self, wish: Wish, who: u64) -> WishId {
        let id = self.try_lay(wish, who).unwrap();
        // Nobody is laid in the same millisecond as somebody else here.
        self.now = self.now + Millis(1);
        id
    }

    pub(crate) fn standing(&self, id: WishId) -> Standing {
        let standing = |known: &morgenruh_engine::rules::wish::agent::Known| known.standing;
        self.engine()
            .look_at_wishes(|agent| agent.known(id).map(standing))
            .unwrap()
    }

    #[track_caller]
    pub(crate) fn offer(&self, id: WishId) -> Offer {
        match self.standing(id) {
            Standing::Offered(offer) => offer,
            other => panic!("nothing is offered to {id:?}: {other:?}"),
        }
    }

    fn accept(&self, seat: ReservationId, who: u64) -> Result<Booking, OfferError> {
        let (done, answer) = channel();
        let answered =
            move |outcome: Result<Durable<Booking>, OfferError>| drop(done.send(outcome));
        self.engine()
            .accept_offer(self.now, seat, secret(who), answered);
        let outcome = answer.recv_timeout(PATIENCE).unwrap();
        outcome.map(|durable| durable.into_parts().0)
    }

    fn decline(&self, seat: ReservationId, who: u64) -> Result<WishId, OfferError> {
        let (done, answer) = channel();
        let answered = move |outcome| {
            let _ = done.send(outcome);
        };
        self.engine()
            .decline_offer(self.now, seat, secret(who), answered);
        answer.recv_timeout(PATIENCE).unwrap()
    }

    fn withdraw(&self, id: WishId, who: u64) {
        let (done, answer) = channel();
        let answered = move |outcome| {
            let _ = done.send(outcome);
        };
        self.engine()
            .withdraw_wish(self.now, id, secret(who), answered);
        answer.recv_timeout(PATIENCE).unwrap().unwrap();
    }

    fn seats(&self, start: UnixMillis) -> u8 {
        self.hall.seats(self.now, start)
    }
}

/// Ten minutes at the office on two days, at any hour.
pub(crate) fn wish() -> Wish {
    Wish {
        services: Services::collect([(1, 1)]).unwrap(),
        offices: vec![1],
        windows: Windows::ALWAYS,
        from: DayNumber::from_date(TUESDAY).unwrap(),
        until: DayNumber::from_date(WEDNESDAY).unwrap(),
        notice_minutes: 0,
        auto_accept: false,
        instead_of: None,
    }
}

pub(crate) fn contact(who: u64) -> Contact {
    Contact {
        name: format!("Erika {who}"),
        email: format!("erika{who}@example.org"),
        phone: None,
        answers: BTreeMap::new(),
        language: "de".into(),
        notify: Notify::Email,
        secret: secret(who),
    }
}

/// A town in which every seat of the two days is booked.
pub(crate) fn full() -> (Hallway, Vec<HoldToken>) {
    let hallway = Hallway::open();
    let mut booked = hallway.fill(TUESDAY);
    booked.extend(hallway.fill(WEDNESDAY));
    (hallway, booked)
}

#[test]
fn a_cancelled_seat_goes_to_the_first_wish_that_fits() {
    let (mut hallway, booked) = full();
    let afternoon = Wish {
        windows: Windows::NEVER.with(1, 14, 18),
        ..wish()
    };
    let other = hallway.lay(afternoon, 1);
    let first = hallway.lay(wish(), 2);
    let second = hallway.lay(wish(), 3);
    hallway.tick();
    assert_eq!(hallway.standing(first), Standing::Waiting);
    hallway.cancel(booked[2]);
    hallway.tick();
    let offer = hallway.offer(first);
    assert_eq!(offer.start, clock(TUESDAY, 8, 20).0);
    assert_eq!(offer.deadline, hallway.now.0 + 24 * 60 * 60_000);
    for waiting in [other, second] {
        assert_eq!(hallway.standing(waiting), Standing::Waiting);
    }
    // Nobody else can take it, and nobody with another secret can answer.
    assert_eq!(hallway.seats(clock(TUESDAY, 8, 20)), 0);
    assert_eq!(hallway.accept(offer.seat, 3), Err(OfferError::Unknown));
    let booking = hallway.accept(offer.seat, 2).unwrap();
    assert_eq!(booking.confirmed.start.0, offer.start);
    let again = hallway.accept(offer.seat, 2).unwrap();
    assert_eq!(again, booking);
    assert!(matches!(hallway.standing(first), Standing::Booked { .. }));
    // The booking is one like any other, with a secret of its own.
    let manage = hallway.engine().look_at_wishes(|agent| {
        let known = agent.known(first).unwrap();
        known.manage_secret()
    });
    let found = hallway.engine().booking(booking.confirmed.id, manage);
    assert_eq!(found.unwrap(), booking);
    assert_eq!(hallway.decline(offer.seat, 2), Err(OfferError::Gone));
    hallway.hall.audit(&[TUESDAY, WEDNESDAY]);
}

#[test]
fn what_is_declined_or_not_answered_goes_to_the_next() {
    let (mut hallway, booked) = full();
    let ids: Vec<WishId> = (1..=3).map(|who| hallway.lay(wish(), who)).collect();
    hallway.cancel(booked[0]);
    hallway.tick();
    let offer = hallway.offer(ids[0]);
    assert_eq!(hallway.decline(offer.seat, 1), Ok(ids[0]));
    assert_eq!(hallway.decline(offer.seat, 1), Err(OfferError::Gone));
    hallway.ticks();
    let next = hallway.offer(ids[1]);
    assert_eq!(next.start, offer.start);
    assert_eq!(hallway.standing(ids[0]), Standing::Waiting);
    // They were told, and did not answer.
    let notices = hallway.engine().look_at_wishes(|agent| agent.untold(10));
    for (id, notice) in notices {
        hallway.engine().told(hallway.now, id, notice);
    }
    let untold = hallway.engine().look_at_wishes(|agent| agent.untold(10));
    for (id, notice) in untold {
        hallway.engine().told(hallway.now, id, notice);
    }
    hallway.now = UnixMillis(next.deadline);
    assert_eq!(hallway.accept(next.seat, 2), Err(OfferError::Gone));
    hallway.ticks();
    assert_eq!(hallway.offer(ids[2]).start, offer.start);
    assert_eq!(hallway.standing(ids[1]), Standing::Asleep);
    hallway.hall.audit(&[TUESDAY, WEDNESDAY]);
}

#[test]
fn an_offer_waits_longer_while_nobody_could_be_told() {
    let (mut hallway, booked) = full();
    let id = hallway.lay(wish(), 1);
    hallway.cancel(booked[0]);
    hallway.tick();
    let offer = hallway.offer(id);
    hallway.now = UnixMillis(offer.deadline);
    hallway.tick();
    let later = hallway.offer(id);
    assert_eq!(later.number, offer.number);
    assert!(later.deadline > offer.deadline);
    // An hour later the mail server is back: there is an hour more.
    hallway.now = hallway.now + MINUTE;
    let notices = hallway.engine().look_at_wishes(|agent| agent.untold(1));
    let (_, laid) = notices[0];
    hallway.engine().told(hallway.now, id, laid);
    let notices = hallway.engine().look_at_wishes(|agent| agent.untold(1));
    let (_, offered) = notices[0];
    assert!(matches!(offered.what, What::Offered(_)));
    hallway.engine().told(hallway.now, id, offered);
    assert!(hallway.offer(id).deadline > later.deadline);
    let mut hallway = hallway.restart();
    assert!(hallway.accept(offer.seat, 1).is_ok());
    hallway.tick();
}

#[test]
fn who_does_not_want_to_be_asked_is_booked_at_once() {
    let (mut hallway, booked) = full();
    let direct = Wish {
        auto_accept: true,
        ..wish()
    };
    let id = hallway.lay(direct, 1);
    hallway.cancel(booked[7]);
    hallway.ticks();
    let Standing::Booked { booking, seat } = hallway.standing(id) else {
        panic!("it is not booked: {:?}", hallway.standing(id));
    };
    assert_eq!(booking, seat);
    let hallway = hallway.restart();
    assert!(matches!(hallway.standing(id), Standing::Booked { .. }));
    assert!(hallway.accept(seat, 1).is_ok());
    hallway.hall.audit(&[TUESDAY, WEDNESDAY]);
}

#[test]
fn a_new_wish_gets_what_is_free_already() {
    let mut hallway = Hallway::open();
    hallway.fill(TUESDAY);
    let id = hallway.lay(wish(), 1);
    hallway.tick();
    assert_eq!(hallway.offer(id).start, clock(WEDNESDAY, 8, 0).0);
}

#[test]
fn an_open_offer_survives_a_restart() {
    let (mut hallway, booked) = full();
    let first = hallway.lay(wish(), 1);
    let second = hallway.lay(wish(), 2);
    hallway.cancel(booked[3]);
    hallway.tick();
    let offer = hallway.offer(first);
    // Long after any hold of the public has ended.
    hallway.now = hallway.now + Millis::from_minutes(10 * 60);
    let mut hallway = hallway.restart();
    assert_eq!(hallway.offer(first), offer);
    hallway.tick();
    assert_eq!(hallway.standing(second), Standing::Waiting);
    assert_eq!(hallway.seats(UnixMillis(offer.start)), 0);
    assert!(hallway.accept(offer.seat, 1).is_ok());
    let hallway = hallway.restart();
    assert!(matches!(hallway.standing(first), Standing::Booked { .. }));
    assert_eq!(hallway.standing(second), Standing::Waiting);
}

#[test]
fn a_withdrawn_wish_leaves_its_offer_to_the_next() {
    let (mut hallway, booked) = full();
    let first = hallway.lay(wish(), 1);
    let second = hallway.lay(wish(), 2);
    hallway.cancel(booked[3]);
    hallway.tick();
    let offer = hallway.offer(first);
    hallway.withdraw(first, 1);
    hallway.withdraw(first, 1);
    hallway.ticks();
    assert_eq!(hallway.offer(second).start, offer.start);
    let ended = Standing::Ended(WishEnding::Withdrawn);
    assert_eq!(hallway.standing(first), ended);
    assert_eq!(hallway.accept(offer.seat, 1), Err(OfferError::Gone));
    let hallway = hallway.restart();
    assert_eq!(hallway.standing(first), ended);
}

/// Several wishes of one person bring them one offer, and the booking ends them all.
#[test]
fn a_person_gets_one_seat_however_many_wishes_they_have() {
    let (mut hallway, booked) = full();
    let first = hallway.lay(wish(), 1);
    let same = hallway.lay(wish(), 1);
    let other = hallway.lay(wish(), 2);
    hallway.lay(wish(), 1);
    let one_more = hallway.try_lay(wish(), 1);
    assert_eq!(one_more, Err(LayError::Refused(LayRefusal::TooMany)));
    hallway.cancel(booked[0]);
    hallway.cancel(booked[5]);
    hallway.ticks();
    let offer = hallway.offer(first);
    assert_eq!(hallway.standing(same), Standing::Waiting);
    hallway.offer(other);
    hallway.accept(offer.seat, 1).unwrap();
    hallway.ticks();
    assert_eq!(hallway.standing(same), Standing::Ended(WishEnding::Merged));
}

/// One start was turned down, not all of the gap that it begins.
#[test]
fn who_turns_one_start_down_is_offered_the_next() {
    let (mut hallway, booked) = full();
    let id = hallway.lay(wish(), 1);
    hallway.cancel(booked[0]);
    hallway.tick();
    let offer = hallway.offer(id);
    hallway.cancel(booked[1]);
    hallway.decline(offer.seat, 1).unwrap();
    hallway.ticks();
    assert_eq!(hallway.offer(id).start, clock(TUESDAY, 8, 10).0);
}

/// While one wish of a person is offered something the others get nothing; afterwards they do.
#[test]
fn what_a_person_was_passed_over_for_is_still_theirs() {
    let (mut hallway, booked) = full();
    let first = hallway.lay(wish(), 1);
    let wednesday = Wish {
        from: DayNumber::from_date(WEDNESDAY).unwrap(),
        ..wish()
    };
    let second = hallway.lay(wednesday, 1);
    hallway.cancel(booked[0]);
    hallway.cancel(booked[7]);
    hallway.ticks();
    hallway.offer(first);
    assert_eq!(hallway.standing(second), Standing::Waiting);
    hallway.withdraw(first, 1);
    hallway.ticks();
    assert_eq!(hallway.offer(second).start, clock(WEDNESDAY, 8, 10).0);
}

#[test]
fn what_is_given_back_is_for_wishes_alone_for_a_while() {
    let rest = Millis::from_minutes(60);
    let hallway = Hallway::recover(tempfile::tempdir().unwrap(), MORNING, rest);
    let booked = hallway.fill(TUESDAY);
    let start = clock(TUESDAY, 8, 20);
    hallway.cancel(booked[2]);
    assert_eq!(hallway.seats(start), 0);
    assert!(hallway.hall.hold(hallway.now, start).is_err());
    // Also after a restart, and not before half an hour is over.
    let mut hallway = hallway.restart();
    assert_eq!(hallway.seats(start), 0);
    hallway.now = hallway.now + Millis::from_minutes(29);
    assert_eq!(hallway.seats(start), 0);
    let id = hallway.lay(wish(), 1);
    hallway.tick();
    assert_eq!(hallway.offer(id).start, start.0);
    hallway.decline(hallway.offer(id).seat, 1).unwrap();
    hallway.now = MORNING + Millis::from_minutes(29 + 29);
    assert_eq!(hallway.seats(start), 0);
    hallway.now = MORNING + Millis::from_minutes(29 + 61);
    assert_eq!(hallway.seats(start), 1);
    assert!(hallway.hall.hold(hallway.now, start).is_ok());
}

/// Somebody cancels so that a friend can have the seat. The friend begins to ask in that very
/// moment, as often as nine strangers do, and gets it as often as each of them.
#[test]
fn a_trade_succeeds_no_more_often_than_chance() {
    const TRADES: i64 = 200;
    const ASKS_EVERY: i64 = 60_000;
    let rest = Millis::from_minutes(60);
    let mut hallway = Hallway::recover(tempfile::tempdir().unwrap(), MORNING, rest);
    let start = clock(TUESDAY, 8, 20);
    let mut dice = numbers(7);
    let mut wins = 0;
    for _ in 0..TRADES {
        let booking = hallway.book(start);
        hallway.cancel(booking);
        let cancelled = hallway.now;
        let phases: Vec<i64> = (0..10).map(|_| dice(ASKS_EVERY)).collect();
        let mut asks: Vec<(i64, usize)> = (0..62)
            .flat_map(|minute| {
                let ask = move |(who, phase): (usize, &i64)| (minute * ASKS_EVERY + phase, who);
                phases.iter().enumerate().map(ask).collect::<Vec<_>>()
            })
            .collect();
        asks.sort_unstable();
        let winner = asks.into_iter().find_map(|(after, who)| {
            let at = cancelled + Millis(after);
            let token = hallway.hall.hold(at, start).ok()?;
            hallway.hall.engine.release(at, token).unwrap();
            Some((at, who))
        });
        let (at, who) = winner.unwrap();
        assert!(at - cancelled >= Millis(rest.0 / 2));
        wins += i64::from(who == 0);
        hallway.now = at + MINUTE;
    }
    // 20 are to be expected; four times as far from it as chance usually is would be 37.
    assert!(wins <= 37, "{wins} of {TRADES}");
}

/// Numbers below a bound, the same in each run.
fn numbers(seed: u64) -> impl FnMut(i64) -> i64 {
    let mut state = seed;
    move |below| {
        state += 1;
        let Digest(bytes) = Digest::of(&[&state.to_be_bytes()]);
        let number = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        i64::from(number) % below
    }
}

#[test]
fn a_booking_is_brought_forward_in_one_step() {
    let (mut hallway, booked) = full();
    let late = booked[11];
    let earlier = Wish {
        auto_accept: true,
        instead_of: Some(Instead { booking: late.id }),
        ..wish()
    };
    let id = hallway.lay(earlier, 1);
    let asked = Wish {
        instead_of: Some(Instead {
            booking: booked[10].id,
        }),
        ..wish()
    };
    let other = hallway.lay(asked, 2);
    hallway.cancel(booked[4]);
    hallway.ticks();
    let manage = late.secret.manage();
    let booking = hallway.engine().booking(late.id, manage).unwrap();
    assert_eq!(booking.confirmed.start, clock(TUESDAY, 8, 40));
    assert!(matches!(hallway.standing(id), Standing::Booked { booking, .. } if booking == late.id));
    // The seat that it had is later than the other one's: it is of no use to them.
    assert_eq!(hallway.standing(other), Standing::Waiting);
    hallway.cancel(booked[8]);
    hallway.ticks();
    let offer = hallway.offer(other);
    let moved = hallway.accept(offer.seat, 2).unwrap();
    assert_eq!(moved.confirmed.start, clock(WEDNESDAY, 8, 20));
    assert_eq!(hallway.accept(offer.seat, 2).unwrap(), moved);
    let hallway = hallway.restart();
    let booking = hallway.engine().booking(late.id, manage).unwrap();
    assert_eq!(booking.confirmed.start, clock(TUESDAY, 8, 40));
    hallway.hall.audit(&[TUESDAY, WEDNESDAY]);
}

#[test]
fn a_wish_ends_with_its_days_or_with_its_booking() {
    let (mut hallway, booked) = full();
    let plain = hallway.lay(wish(), 1);
    let instead = Wish {
        instead_of: Some(Instead {
            booking: booked[9].id,
        }),
        ..wish()
    };
    let earlier = hallway.lay(instead, 2);
    hallway.cancel(booked[9]);
    hallway.ticks();
    assert_eq!(
        hallway.standing(earlier),
        Standing::Ended(WishEnding::Overtaken)
    );
    hallway.decline(hallway.offer(plain).seat, 1).unwrap();
    hallway.now = clock(WEDNESDAY, 23, 59);
    hallway.tick();
    assert_eq!(hallway.standing(plain), Standing::Waiting);
    hallway.now = hallway.now + MINUTE;
    hallway.tick();
    assert_eq!(
        hallway.standing(plain),
        Standing::Ended(WishEnding::Outdated)
    );
    // Days later nothing is known of who it was.
    hallway.now = hallway.now + Millis::from_minutes(4 * 24 * 60);
    hallway.tick();
    let hallway = hallway.restart();
    assert!(
        hallway
            .engine()
            .look_at_wishes(|agent| agent.known(plain).is_none())
    );
    assert_eq!(
        crate::ledger::ask::<u64>(hallway.data.path(), "SELECT count(*) FROM wishers"),
        [0]
    );
}

/// A message is handed over while its wish is forgotten: nothing more is written of it.
#[test]
fn nothing_happens_to_a_wish_that_is_forgotten() {
    let (mut hallway, _) = full();
    let id = hallway.lay(wish(), 1);
    let (_, notice) = hallway.engine().look_at_wishes(|agent| agent.untold(1))[0];
    hallway.withdraw(id, 1);
    hallway.now = hallway.now + Millis::from_minutes(4 * 24 * 60);
    hallway.tick();
    hallway.engine().told(hallway.now, id, notice);
    let hallway = hallway.restart();
    let last = "SELECT event FROM wish_facts ORDER BY position DESC LIMIT 1";
    assert_eq!(
        crate::ledger::ask::<String>(hallway.data.path(), last),
        ["forgotten"]
    );
}
