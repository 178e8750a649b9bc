//! What every mode promises about wishes: whatever was laid, offered and accepted is there after a
//! restart, a seat that was given back goes on resting, and who has wished is erased.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use jiff::civil::Date;
use morgenruh_engine::rules::catalogue::Catalogue;
use morgenruh_engine::rules::ids::{HoldToken, ReservationId};
use morgenruh_engine::rules::record::Fact;
use morgenruh_engine::rules::time::{DayNumber, Millis, UnixMillis};
use morgenruh_engine::rules::wish::agent::{Known, Standing};
use morgenruh_engine::rules::wish::fact::{Contact, Notify, Offer, WishEnding, WishFact};
use morgenruh_engine::rules::wish::windows::Windows;
use morgenruh_engine::rules::wish::{Instead, Wish, WishId};
use morgenruh_engine::shell::engine::{Booking, Engine, LayAsk, Limits, OfferError, RestTerms};
use morgenruh_engine::shell::ledger::Durable;
use morgenruh_engine::shell::stored::Stored;

use crate::mode::{Closing, Embedded, Mode};
use crate::moving::start_move;
use crate::place::Place;
use crate::servers::Servers;
use crate::stories::in_every_mode;
use crate::support::{Hall, TUESDAY, WEDNESDAY, clock, need, office, secret, town};
use crate::townhall::told;

in_every_mode!(
    an_offer_is_open_after_a_restart_and_can_be_accepted,
    what_was_answered_stays_answered,
    a_wish_goes_on_after_a_restart,
    a_booking_that_was_brought_forward_stays_where_it_is,
    a_seat_rests_on_after_a_restart,
    who_has_wished_is_erased_and_no_number_comes_again,
);

const PATIENCE: Duration = Duration::from_secs(60);
/// Three weeks before [`TUESDAY`]: an offer has a day to be answered.
const MORNING: UnixMillis = UnixMillis(1_794_297_600_000);
const HOUR: Millis = Millis::from_minutes(60);

/// One counter from 8 to 9 o'clock: six visits of ten minutes.
fn small() -> Catalogue {
    let mut office = office(1, 1);
    office.opening[0].when.hours.to = 540;
    town(vec![office])
}

/// A hall whose wishes are looked through when a story says so.
struct Hallway<M> {
    mode: M,
    hall: Hall,
    ledger: Arc<dyn Closing>,
    now: UnixMillis,
    random: u64,
    rest: Millis,
}

impl<M: Mode> Hallway<M> {
    /// Nothing rests in it.
    fn open() -> Hallway<M> {
        Hallway::recover(M::anew(), MORNING, Millis(0)).0
    }

    /// In which what is given back rests for up to so long, and at least half of it.
    fn recover(mut mode: M, now: UnixMillis, rest: Millis) -> (Hallway<M>, Stored) {
        let mut catalogue = small();
        let (ledger, stored) = mode.open(&mut catalogue).unwrap();
        let limits = Limits {
            rest: RestTerms {
                shortest: Millis(rest.0 / 2),
                longest: rest,
                key: [7; 32],
            },
            ..Limits::default()
        };
        let hall = Hall::within(catalogue, ledger.clone(), limits, now);
        hall.engine.recover(now, stored.clone()).unwrap();
        let hallway = Hallway {
            mode,
            hall,
            ledger,
            now,
            random: now.0.unsigned_abs(),
            rest,
        };
        (hallway, stored)
    }

    fn close(self) -> M {
        let Hallway {
            mode, hall, ledger, ..
        } = self;
        ledger.close();
        drop((hall, ledger));
        mode.check();
        mode
    }

    /// Stops and starts again from what was kept.
    fn restart(self) -> (Hallway<M>, Stored) {
        let (now, rest) = (self.now, self.rest);
        Hallway::recover(self.close(), now, rest)
    }

    fn engine(&self) -> &Engine {
        &self.hall.engine
    }

    /// Lets the wishes be looked through, and waits until nothing is on its way any more.
    fn tick(&mut self) {
        let random = &mut self.random;
        self.hall.engine.tick_wishes(self.now, || {
            *random += 1;
            *random
        });
        let is_deciding = || {
            self.engine().look_at_wishes(|agent| {
                let mut each = agent.each();
                each.any(|(_, known)| known.standing == Standing::Deciding)
            })
        };
        let begun = Instant::now();
        while is_deciding() {
            assert!(begun.elapsed() < PATIENCE, "something stays undecided");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Books all six visits of a day.
    fn fill(&self, day: Date) -> Vec<HoldToken> {
        let book = |visit: u16| {
            let token = self.hall.hold(self.now, clock(day, 8, visit * 10)).unwrap();
            told(self.hall.confirm(self.now, token, "a request")).unwrap();
            token
        };
        (0..6).map(book).collect()
    }

    fn cancel(&self, booking: HoldToken) {
        let manage = booking.secret.manage();
        told(self.hall.cancel(self.now, booking.id, manage)).unwrap();
    }

    fn lay(&mut self, wish: Wish, who: u64) -> WishId {
        let (done, answer) = channel();
        let ask = LayAsk {
            wish,
            contact: contact(who),
            ticket: None,
        };
        self.engine()
            .lay_wish(self.now, ask, move |outcome| drop(done.send(outcome)));
        let outcome = answer.recv_timeout(PATIENCE).unwrap();
        // Nobody is laid in the same millisecond as somebody else here.
        self.now = self.now + Millis(1);
        outcome.unwrap().into_parts().0
    }

    fn accept(&self, seat: ReservationId, who: u64) -> Result<Booking, OfferError> {
        let (done, answer) = channel();
        let answered =
            move |outcome: Result<Durable<Booking>, OfferError>| drop(done.send(outcome));
        self.engine()
            .accept_offer(self.now, seat, secret(who), answered);
        told(answer)
    }

    fn decline(&self, seat: ReservationId, who: u64) {
        let (done, answer) = channel();
        let answered = move |outcome| {
            let _ = done.send(outcome);
        };
        self.engine()
            .decline_offer(self.now, seat, secret(who), answered);
        let outcome: Result<WishId, OfferError> = answer.recv_timeout(PATIENCE).unwrap();
        outcome.unwrap();
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

    fn confirm(&self, id: WishId, who: u64) {
        let (done, answer) = channel();
        let answered = move |outcome| {
            let _ = done.send(outcome);
        };
        self.engine()
            .confirm_wish(self.now, id, secret(who), answered);
        answer.recv_timeout(PATIENCE).unwrap().unwrap();
    }

    fn wait_on(&self, id: WishId, who: u64) {
        let (done, answer) = channel();
        let answered = move |outcome| {
            let _ = done.send(outcome);
        };
        self.engine().wait_on(self.now, id, secret(who), answered);
        answer.recv_timeout(PATIENCE).unwrap().unwrap();
    }

    /// They are told everything that there is to tell, and how much that was.
    fn tell(&self) -> usize {
        let mut told = 0;
        loop {
            let untold = self.engine().look_at_wishes(|agent| agent.untold(10));
            if untold.is_empty() {
                return told;
            }
            told += untold.len();
            for (id, notice) in untold {
                self.engine().told(self.now, id, notice);
            }
        }
    }

    fn known(&self, id: WishId) -> Option<Known> {
        self.engine()
            .look_at_wishes(|agent| agent.known(id).cloned())
    }

    fn standing(&self, id: WishId) -> Standing {
        self.known(id).unwrap().standing
    }

    #[track_caller]
    fn offer(&self, id: WishId) -> Offer {
        match self.standing(id) {
            Standing::Offered(offer) => offer,
            other => panic!("nothing is offered to {id:?}: {other:?}"),
        }
    }

    fn seats(&self, start: UnixMillis) -> u8 {
        self.hall.seats(self.now, start)
    }
}

/// Ten minutes at the office on two days, at any hour.
fn wish() -> Wish {
    Wish {
        services: need(2).services,
        offices: vec![1],
        windows: Windows::ALWAYS,
        from: DayNumber::from_date(TUESDAY).unwrap(),
        until: DayNumber::from_date(WEDNESDAY).unwrap(),
        notice_minutes: 0,
        auto_accept: false,
        instead_of: None,
    }
}

fn contact(who: u64) -> Contact {
    Contact {
        name: format!("Zoë \"{who}\" Öztürk-Weiß\n🎟"),
        email: format!("zoe{who}@example.org"),
        phone: Some(format!("+49 211 12345{who}")),
        answers: BTreeMap::from([("anlass".into(), "{\"m\": 1.80}".into())]),
        language: "de-leicht".into(),
        notify: Notify::Webhook("https://example.org/hook?a=\u{7f}".into()),
        secret: secret(who),
    }
}

fn an_offer_is_open_after_a_restart_and_can_be_accepted<M: Mode>() {
    let mut hallway = Hallway::<M>::open();
    let booked = hallway.fill(TUESDAY);
    hallway.fill(WEDNESDAY);
    let [first, second] = [1, 2].map(|who| hallway.lay(wish(), who));
    hallway.cancel(booked[3]);
    hallway.tick();
    let offer = hallway.offer(first);
    // Long after any hold of the public has ended.
    hallway.now = hallway.now + Millis::from_minutes(10 * 60);
    let (mut hallway, stored) = hallway.restart();
    assert_eq!(stored.wish_facts.len(), 3);
    assert_eq!(hallway.offer(first), offer);
    let known = hallway.known(first).unwrap();
    assert_eq!((*known.contact, known.wish), (contact(1), wish()));
    hallway.tick();
    assert_eq!(hallway.standing(second), Standing::Waiting);
    assert_eq!(hallway.seats(UnixMillis(offer.start)), 0);
    let booking = hallway.accept(offer.seat, 1).unwrap();
    let (hallway, _) = hallway.restart();
    let known = hallway.known(first).unwrap();
    let (seat, manage) = (offer.seat, known.manage_secret());
    assert_eq!(
        known.standing,
        Standing::Booked {
            booking: seat,
            seat
        }
    );
    assert_eq!(hallway.engine().booking(seat, manage), Ok(booking.clone()));
    assert_eq!(hallway.accept(seat, 1), Ok(booking));
    assert_eq!(hallway.standing(second), Standing::Waiting);
    hallway.close();
}

/// Whoever was reminded is not reminded again, who sleeps wakes once, and who gave a seat back keeps
/// the place.
fn a_wish_goes_on_after_a_restart<M: Mode>() {
    let mut hallway = Hallway::<M>::open();
    let booked = hallway.fill(TUESDAY);
    hallway.fill(WEDNESDAY);
    let direct = Wish {
        auto_accept: true,
        ..wish()
    };
    let [asked, unasked] = [(wish(), 1), (direct, 2)].map(|(wish, who)| hallway.lay(wish, who));
    hallway.cancel(booked[0]);
    hallway.tick();
    assert_eq!(hallway.tell(), 3);
    hallway.now = hallway.known(asked).unwrap().reminder.unwrap();
    hallway.tick();
    let (mut hallway, _) = hallway.restart();
    assert_eq!(hallway.tell(), 1);
    hallway.tick();
    let (mut hallway, _) = hallway.restart();
    assert_eq!(hallway.tell(), 0);
    hallway.now = UnixMillis(hallway.offer(asked).deadline);
    hallway.tick();
    hallway.tick();
    let (hallway, _) = hallway.restart();
    assert_eq!(hallway.standing(asked), Standing::Asleep);
    hallway.confirm(asked, 1);
    let known = hallway.known(unasked).unwrap();
    let Standing::Booked { booking, .. } = known.standing else {
        panic!("it is not booked: {known:?}");
    };
    let secret = known.contact.hold_secret(known.offers);
    hallway.cancel(HoldToken {
        id: booking,
        secret,
    });
    let (hallway, _) = hallway.restart();
    assert_eq!(hallway.standing(asked), Standing::Waiting);
    hallway.wait_on(unasked, 2);
    let (hallway, _) = hallway.restart();
    assert_eq!(hallway.standing(unasked), Standing::Waiting);
    let again = hallway.known(unasked).unwrap();
    assert_eq!((again.place, again.lost), (known.place, 1));
    hallway.close();
}

/// What is declined, not answered or withdrawn is so after a restart, and the seat goes to the next
/// one.
fn what_was_answered_stays_answered<M: Mode>() {
    let mut hallway = Hallway::<M>::open();
    let booked = hallway.fill(TUESDAY);
    hallway.fill(WEDNESDAY);
    let ids = [1, 2, 3, 4].map(|who| hallway.lay(wish(), who));
    hallway.cancel(booked[0]);
    hallway.tick();
    hallway.decline(hallway.offer(ids[0]).seat, 1);
    let (mut hallway, _) = hallway.restart();
    assert_eq!(hallway.standing(ids[0]), Standing::Waiting);
    hallway.tick();
    // They were told, and do not answer.
    hallway.tell();
    hallway.now = UnixMillis(hallway.offer(ids[1]).deadline);
    hallway.tick();
    let (mut hallway, _) = hallway.restart();
    assert_eq!(hallway.standing(ids[1]), Standing::Asleep);
    hallway.tick();
    let offer = hallway.offer(ids[2]);
    hallway.withdraw(ids[2], 3);
    let (mut hallway, _) = hallway.restart();
    let ended = Standing::Ended(WishEnding::Withdrawn);
    assert_eq!(hallway.standing(ids[2]), ended);
    assert_eq!(hallway.accept(offer.seat, 3), Err(OfferError::Gone));
    hallway.tick();
    assert_eq!(hallway.offer(ids[3]).start, offer.start);
    hallway.close();
}

fn a_booking_that_was_brought_forward_stays_where_it_is<M: Mode>() {
    let mut hallway = Hallway::<M>::open();
    let booked = hallway.fill(TUESDAY);
    let late = hallway.fill(WEDNESDAY)[5];
    let earlier = Wish {
        auto_accept: true,
        instead_of: Some(Instead { booking: late.id }),
        ..wish()
    };
    let id = hallway.lay(earlier, 1);
    hallway.cancel(booked[4]);
    hallway.tick();
    let (hallway, _) = hallway.restart();
    let manage = late.secret.manage();
    let booking = hallway.engine().booking(late.id, manage).unwrap();
    assert_eq!(booking.confirmed.start, clock(TUESDAY, 8, 40));
    let Standing::Booked { booking, seat } = hallway.standing(id) else {
        panic!("it is {:?}", hallway.standing(id));
    };
    assert_eq!((booking, seat.seat().start), (late.id, 104));
    let mode = hallway.close();
    let moved = mode
        .records()
        .into_iter()
        .find_map(|it| match it.record.fact {
            Fact::Moved { wish, .. } => Some(wish),
            _ => None,
        });
    assert_eq!(moved, Some(Some(id)));
}

fn a_seat_rests_on_after_a_restart<M: Mode>() {
    let (hallway, _) = Hallway::recover(M::anew(), MORNING, HOUR);
    let booked = hallway.fill(TUESDAY);
    let start = clock(TUESDAY, 8, 20);
    hallway.cancel(booked[2]);
    assert_eq!(hallway.seats(start), 0);
    let (mut hallway, stored) = hallway.restart();
    let [(seat, until)] = stored.rests[..] else {
        panic!("{:?} rest", stored.rests);
    };
    assert_eq!(seat, booked[2].id);
    assert!(until >= MORNING + Millis(HOUR.0 / 2) && until <= MORNING + HOUR);
    hallway.now = UnixMillis(until.0 - 1);
    assert_eq!(hallway.seats(start), 0);
    assert!(hallway.hall.hold(hallway.now, start).is_err());
    let (mut hallway, _) = hallway.restart();
    assert_eq!(hallway.seats(start), 0);
    // It was for wishes all the time.
    hallway.lay(wish(), 1);
    hallway.now = until;
    assert_eq!(hallway.seats(start), 1);
    assert!(hallway.hall.hold(hallway.now, start).is_ok());
    hallway.close();
}

fn who_has_wished_is_erased_and_no_number_comes_again<M: Mode>() {
    let mut hallway = Hallway::<M>::open();
    hallway.fill(TUESDAY);
    hallway.fill(WEDNESDAY);
    let [first, second] = [1, 2].map(|who| hallway.lay(wish(), who));
    hallway.withdraw(second, 2);
    hallway.now = hallway.now + Millis::from_minutes(4 * 24 * 60);
    hallway.tick();
    assert!(hallway.known(second).is_none());
    let (mut hallway, stored) = hallway.restart();
    assert!(hallway.known(second).is_none());
    assert_eq!(stored.last_wish, second);
    let known = stored.wish_facts.iter().map(|it| it.wish);
    assert_eq!(known.collect::<Vec<_>>(), [first]);
    assert_eq!(hallway.lay(wish(), 3), WishId(second.0 + 1));
    hallway.close();
}

/// A city moves while an offer is open and another seat rests: whoever waits goes on waiting,
/// whoever is forgotten stays so.
#[test]
fn wishes_move_with_their_city() {
    let (mut hallway, _) = Hallway::<Embedded>::recover(Embedded::anew(), MORNING, HOUR);
    let booked = hallway.fill(TUESDAY);
    hallway.fill(WEDNESDAY);
    let gone = hallway.lay(wish(), 1);
    hallway.withdraw(gone, 1);
    hallway.now = hallway.now + Millis::from_minutes(4 * 24 * 60);
    hallway.tick();
    let ids = [2, 3, 4].map(|who| hallway.lay(wish(), who));
    for booking in &booked[..2] {
        hallway.cancel(*booking);
        hallway.tick();
    }
    let (offer, taken) = (hallway.offer(ids[0]), hallway.offer(ids[1]));
    hallway.accept(taken.seat, 3).unwrap();
    hallway.withdraw(ids[2], 4);
    hallway.cancel(booked[5]);
    let now = hallway.now;
    let mut source = hallway.close();
    let facts = source.records();
    let forgotten = facts.iter().filter(|it| {
        let fact = it.record.fact.of_wish().map(|(_, fact)| fact.into_owned());
        matches!(fact, Some(WishFact::Laid { contact: None, .. }))
    });
    assert_eq!(forgotten.count(), 1);
    let (ledger, remembered) = source.open(&mut small()).unwrap();
    ledger.close();
    drop(ledger);

    let place = Place::on(Servers::shared());
    assert_eq!(start_move(&source, &place).unwrap(), facts.len() as u64);
    let mut catalogue = small();
    let (ledger, stored) = place.open(&mut catalogue).unwrap();
    assert_eq!(stored.wish_facts, remembered.wish_facts);
    assert_eq!(stored.last_wish, remembered.last_wish);
    assert_eq!(stored.rests, remembered.rests);
    assert!(stored.rests.iter().any(|(seat, _)| *seat == booked[5].id));
    let events = place.sql("SELECT string_agg(event, ' ' ORDER BY position) FROM wish_facts");
    let happened = facts.iter().filter_map(|it| it.record.fact.of_wish());
    let happened: Vec<&str> = happened.map(|(_, fact)| fact.name()).collect();
    assert_eq!(events, happened.join(" "));
    assert_eq!(
        place.sql("SELECT string_agg(wish::text, ' ' ORDER BY wish) FROM wishers"),
        "2 3 4"
    );

    let hall = Hall::new(catalogue, Arc::new(ledger), now + Millis(1));
    hall.engine.recover(now, stored).unwrap();
    let (done, answer) = channel();
    let answered = move |outcome: Result<Durable<Booking>, OfferError>| drop(done.send(outcome));
    hall.engine
        .accept_offer(now, offer.seat, secret(2), answered);
    let booking = told(answer).unwrap();
    assert_eq!(booking.confirmed.start, UnixMillis(offer.start));
}
