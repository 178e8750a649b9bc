//! Wishes that sleep, that are told once more, and that go on after a seat was given back.

use std::sync::mpsc::channel;

use morgenruh_engine::rules::day::{ExtendRefusal, HoldUse};
use morgenruh_engine::rules::ids::{DayKey, HoldToken, ReservationId, Seat};
use morgenruh_engine::rules::room::{RoomId, TicketId};
use morgenruh_engine::rules::time::{DayNumber, Millis, UnixMillis};
use morgenruh_engine::rules::wish::agent::{Agent, Known, Standing, What};
use morgenruh_engine::rules::wish::answer::AnswerTerms;
use morgenruh_engine::rules::wish::fact::{Offer, WishFact};
use morgenruh_engine::rules::wish::{Place, Wish, WishId};
use morgenruh_engine::shell::engine::{ChangeError, ConfirmError, WishError};

use crate::room_shell::MONDAY;
use crate::support::{TUESDAY, WEDNESDAY, clock, secret};
use crate::wishes::{Hallway, PATIENCE, contact, full, small, wish};

const HOUR: Millis = Millis::from_minutes(60);

impl Hallway {
    fn confirm(&self, id: WishId, who: u64) -> Result<(), WishError> {
        let (done, answer) = channel();
        let answered = move |outcome| {
            let _ = done.send(outcome);
        };
        self.engine()
            .confirm_wish(self.now, id, secret(who), answered);
        answer.recv_timeout(PATIENCE).unwrap()
    }

    fn wait_on(&self, id: WishId, who: u64) -> Result<(), WishError> {
        let (done, answer) = channel();
        let answered = move |outcome| {
            let _ = done.send(outcome);
        };
        self.engine().wait_on(self.now, id, secret(who), answered);
        answer.recv_timeout(PATIENCE).unwrap()
    }

    fn known(&self, id: WishId) -> Known {
        let known = self
            .engine()
            .look_at_wishes(|agent| agent.known(id).cloned());
        known.unwrap()
    }

    fn place(&self, id: WishId) -> Place {
        self.known(id).place
    }

    /// Tells everybody everything that there is to tell, and returns what it was.
    fn tell(&self) -> Vec<(WishId, What)> {
        let mut told = Vec::new();
        loop {
            let notices = self.engine().look_at_wishes(|agent| agent.untold(10));
            if notices.is_empty() {
                return told;
            }
            for (id, notice) in notices {
                self.engine().told(self.now, id, notice);
                told.push((id, notice.what));
            }
        }
    }

    /// The booking that a wish has become.
    fn booking(&self, id: WishId) -> HoldToken {
        let Standing::Booked { booking, .. } = self.standing(id) else {
            panic!("it is not booked: {:?}", self.standing(id));
        };
        let known = self.known(id);
        HoldToken {
            id: booking,
            secret: known.contact.hold_secret(known.offers),
        }
    }

    /// The offer lapses: its owner was told, and said nothing.
    fn lapse(&mut self, offer: Offer) {
        self.tell();
        self.now = UnixMillis(offer.deadline);
        self.ticks();
    }
}

#[test]
fn who_did_not_answer_gets_nothing_until_they_say_that_they_still_wish() {
    let (mut hallway, booked) = full();
    let (silent, next) = (hallway.lay(wish(), 1), hallway.lay(wish(), 2));
    hallway.cancel(booked[0]);
    hallway.tick();
    let offer = hallway.offer(silent);
    hallway.lapse(offer);
    assert_eq!(hallway.standing(silent), Standing::Asleep);
    assert_eq!(hallway.offer(next).start, offer.start);
    assert_eq!(hallway.confirm(silent, 2), Err(WishError::Unknown));
    let mut hallway = hallway.restart();
    assert_eq!(hallway.standing(silent), Standing::Asleep);
    hallway.cancel(booked[1]);
    hallway.ticks();
    assert_eq!(hallway.standing(silent), Standing::Asleep);
    // Its place is that of the moment at which nobody had answered.
    let lapsed_at = Place::at(UnixMillis(offer.deadline));
    assert_eq!(hallway.place(silent), lapsed_at);
    hallway.confirm(silent, 1).unwrap();
    hallway.confirm(silent, 1).unwrap();
    hallway.ticks();
    assert_eq!(hallway.offer(silent).start, clock(TUESDAY, 8, 10).0);
    assert_eq!(hallway.place(silent), lapsed_at);
    let hallway = hallway.restart();
    assert_eq!(hallway.offer(silent).start, clock(TUESDAY, 8, 10).0);
    hallway.hall.audit(&[TUESDAY, WEDNESDAY]);
}

#[test]
fn whoever_changes_a_wish_that_sleeps_still_wishes() {
    let (mut hallway, booked) = full();
    let id = hallway.lay(wish(), 1);
    hallway.cancel(booked[0]);
    hallway.tick();
    let offer = hallway.offer(id);
    hallway.lapse(offer);
    let (done, answer) = channel();
    let narrower = Wish {
        notice_minutes: 60,
        ..wish()
    };
    hallway
        .engine()
        .change_wish(hallway.now, id, secret(1), narrower, move |outcome| {
            let _ = done.send(outcome.map(drop));
        });
    answer.recv_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!(hallway.standing(id), Standing::Waiting);
    let mut hallway = hallway.restart();
    assert_eq!(hallway.standing(id), Standing::Waiting);
    // The same start is not offered again.
    hallway.cancel(booked[3]);
    hallway.ticks();
    assert_eq!(hallway.offer(id).start, clock(TUESDAY, 8, 30).0);
}

#[test]
fn an_offer_is_told_once_more_while_there_is_time() {
    let (mut hallway, booked) = full();
    let id = hallway.lay(wish(), 1);
    hallway.cancel(booked[0]);
    hallway.tick();
    let offer = hallway.offer(id);
    let reminder = hallway.known(id).reminder.unwrap();
    assert!(hallway.now + HOUR < reminder && reminder + HOUR < UnixMillis(offer.deadline));
    let laid = (id, What::Laid);
    assert_eq!(hallway.tell(), [laid, (id, What::Offered(offer))]);
    hallway.now = UnixMillis(reminder.0 - 1);
    hallway.ticks();
    assert_eq!(hallway.tell(), []);
    hallway.now = reminder;
    hallway.ticks();
    let mut hallway = hallway.restart();
    hallway.ticks();
    assert_eq!(hallway.tell(), [(id, What::Reminded(offer))]);
    hallway.ticks();
    assert_eq!(hallway.tell(), []);
}

#[test]
fn who_could_not_be_told_is_not_reminded() {
    let (mut hallway, booked) = full();
    let id = hallway.lay(wish(), 1);
    hallway.cancel(booked[0]);
    hallway.tick();
    hallway.now = hallway.known(id).reminder.unwrap();
    hallway.ticks();
    let told = hallway.tell();
    assert!(matches!(told[..], [(_, What::Laid), (_, What::Offered(_))]));
}

#[test]
fn who_gives_back_what_was_booked_unasked_waits_on_at_the_same_place() {
    let (mut hallway, booked) = full();
    let direct = Wish {
        auto_accept: true,
        ..wish()
    };
    let first = hallway.lay(direct.clone(), 1);
    let second = hallway.lay(direct, 2);
    hallway.cancel(booked[0]);
    hallway.ticks();
    let place = hallway.place(first);
    // As long as it is booked, there is nothing to wait for.
    let refused = hallway.wait_on(first, 1);
    assert_eq!(refused, Err(WishError::Over(hallway.standing(first))));
    let mine = hallway.booking(first);
    assert_eq!(mine.id.seat().start, 8 * 12);
    hallway.cancel(mine);
    let mut hallway = hallway.restart();
    hallway.wait_on(first, 1).unwrap();
    hallway.wait_on(first, 1).unwrap();
    assert_eq!(hallway.place(first), place);
    hallway.ticks();
    // What one gave back is the next one's.
    assert_eq!(hallway.booking(second).id.seat().start, 8 * 12);
    assert_eq!(hallway.standing(first), Standing::Waiting);
    hallway.cancel(booked[1]);
    hallway.ticks();
    let mut hallway = hallway.restart();
    let mine = hallway.booking(first);
    assert_eq!(mine.id.seat().start, 8 * 12 + 2);
    // The second that is given back is followed by no third.
    hallway.cancel(mine);
    hallway.wait_on(first, 1).unwrap();
    hallway.cancel(booked[2]);
    hallway.ticks();
    hallway.cancel(hallway.booking(first));
    let refused = hallway.wait_on(first, 1);
    assert!(matches!(refused, Err(WishError::Over(_))), "{refused:?}");
    let hallway = hallway.restart();
    hallway.hall.audit(&[TUESDAY, WEDNESDAY]);
}

#[test]
fn what_was_booked_while_a_seat_was_given_back_ends_no_wish() {
    let direct = Wish {
        auto_accept: true,
        ..wish()
    };
    let contact = contact(1);
    let (first, second) = (WishId(1), WishId(2));
    let laid = || WishFact::Laid {
        place: Place::at(UnixMillis(1)),
        wish: direct.clone(),
        ticket: None,
        contact: Some(Box::new(contact.clone())),
    };
    let seat = |start| {
        let key = DayKey {
            office: 1,
            day: DayNumber::from_date(TUESDAY).unwrap(),
        };
        let seat = Seat {
            key,
            counter: 0,
            start,
            units: 2,
        };
        ReservationId::new(seat, 0, 0)
    };
    let booked = |start| WishFact::Booked {
        booking: seat(start),
        seat: seat(start),
    };
    let new = || Agent::new(AnswerTerms::default(), WishId(0));
    let (mut live, mut replayed) = (new(), new());
    let town = small();
    let facts = [
        (first, laid()),
        (first, booked(96)),
        (second, laid()),
        (second, booked(98)),
        (first, WishFact::Returned { number: 1 }),
    ];
    for (id, fact) in facts {
        if (id, &fact) == (second, &booked(98)) {
            // Its return is on its way to the ledger from now on.
            live.reopen(first);
        }
        for agent in [&mut live, &mut replayed] {
            agent.apply(&town, UnixMillis(1), id, &fact);
        }
    }
    let today = DayNumber::from_date(TUESDAY).unwrap();
    for agent in [&mut live, &mut replayed] {
        assert_eq!(agent.known(first).unwrap().standing, Standing::Waiting);
        assert_eq!(agent.due(UnixMillis(2), today, 10), []);
    }
}

#[test]
fn a_place_is_known_when_its_room_is_forgotten() {
    let room = RoomId {
        number: 7,
        day: DayNumber::from_date(MONDAY).unwrap(),
    };
    let since = 1_000_000;
    let place = |position| Place { since, position };
    let id = WishId(1);
    let facts = [
        WishFact::Laid {
            place: place(0),
            wish: wish(),
            ticket: Some(TicketId { room, seq: 4 }),
            contact: Some(Box::new(contact(1))),
        },
        WishFact::Placed { place: place(3) },
    ];
    let mut agent = Agent::new(AnswerTerms::default(), WishId(0));
    for fact in facts {
        agent.apply(&small(), UnixMillis(since), id, &fact);
    }
    let known = agent.known(id).unwrap();
    assert_eq!((known.place, known.standing), (place(3), Standing::Waiting));
    assert_eq!(agent.undrawn_rooms(), []);
}

#[test]
fn an_offer_is_no_hold_that_anybody_can_use() {
    let (mut hallway, booked) = full();
    let id = hallway.lay(wish(), 1);
    hallway.cancel(booked[0]);
    hallway.ticks();
    let offer = hallway.offer(id);
    // Whoever wishes can work out the secret of what is held for them.
    let token = HoldToken {
        id: offer.seat,
        secret: hallway.known(id).contact.hold_secret(offer.number),
    };
    let engine = hallway.engine();
    let foreign = HoldUse::Foreign;
    let extended = engine.extend(hallway.now, token);
    assert_eq!(extended.err(), Some(ExtendRefusal::Unusable(foreign)));
    assert_eq!(engine.release(hallway.now, token), Err(foreign));
    let confirmed = hallway.hall.confirm(hallway.now, token, "Erika");
    let confirmed = confirmed.recv_timeout(PATIENCE).unwrap();
    assert_eq!(confirmed.err(), Some(ConfirmError::Hold(foreign)));
    let other = booked[1];
    let moved = hallway
        .hall
        .move_to(hallway.now, other.id, other.secret.manage(), token);
    let moved = moved.recv_timeout(PATIENCE).unwrap();
    assert_eq!(moved.err(), Some(ChangeError::Hold(foreign)));
    assert_eq!(hallway.standing(id), Standing::Offered(offer));
}
