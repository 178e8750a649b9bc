//! Somebody accepts an offer while they decline it elsewhere, or take their wish back: one of the
//! two is taken and never both, and whoever was told that it is booked finds the booking.

use std::collections::BTreeMap;
use std::sync::Arc;

use morgenruh_engine::rules::ids::{ReservationId, Secret};
use morgenruh_engine::rules::need::Services;
use morgenruh_engine::rules::time::DayNumber;
use morgenruh_engine::rules::wish::agent::Standing;
use morgenruh_engine::rules::wish::fact::{Contact, Notify};
use morgenruh_engine::rules::wish::windows::Windows;
use morgenruh_engine::rules::wish::{Wish, WishId};
use morgenruh_engine::shell::engine::LayAsk;
use morgenruh_engine::shell::scribe::open;
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::mpsc::channel;
use shuttle::thread;

use crate::book::Book;
use crate::hall::{Hall, evening, ledger_options};
use crate::tally::saw;

const FATES_MAX: usize = 2;
/// How often something is tried before the scene begins: the ledger's queue can be full.
const TRIES_MAX: usize = 200;
const SECRET: Secret = Secret([5; 16]);

fn ask() -> LayAsk {
    let day = DayNumber::from_date(Hall::date(0)).expect("it is a day like any other");
    LayAsk {
        wish: Wish {
            services: Services::collect([(1, 1)]).expect("one service is not too many"),
            offices: vec![1],
            windows: Windows::ALWAYS,
            from: day,
            until: day,
            notice_minutes: 0,
            auto_accept: false,
            instead_of: None,
        },
        contact: Contact {
            name: String::new(),
            email: String::new(),
            phone: None,
            answers: BTreeMap::new(),
            language: "de".into(),
            notify: Notify::Poll,
            secret: SECRET,
        },
        ticket: None,
    }
}

fn standing(hall: &Hall, id: WishId) -> Standing {
    let standing = hall
        .engine
        .look_at_wishes(|agent| agent.known(id).map(|known| known.standing));
    standing.expect("it is not forgotten")
}

/// Lays a wish that is offered a seat, while nothing else happens.
fn offered(hall: &Hall) -> (WishId, ReservationId) {
    let (tell, told) = channel();
    hall.engine.lay_wish(evening(), ask(), move |answer| {
        tell.send(answer).expect("whoever asked waits");
    });
    let laid = told.recv().expect("whoever asked is told");
    let (id, _) = laid.expect("it is kept").into_parts();
    for _ in 0..TRIES_MAX {
        hall.engine.tick_wishes(evening(), || 7);
        thread::yield_now();
        if let Standing::Offered(offer) = standing(hall, id) {
            return (id, offer.seat);
        }
    }
    panic!("nothing is offered");
}

/// Whether it is booked.
fn accepts(hall: &Hall, seat: ReservationId) -> bool {
    let (tell, told) = channel();
    hall.engine
        .accept_offer(evening(), seat, SECRET, move |answer| {
            tell.send(answer.is_ok()).expect("whoever asked waits");
        });
    told.recv().expect("whoever asked is told")
}

/// Whether it was given up.
fn gives_up(hall: &Hall, id: WishId, seat: ReservationId) -> bool {
    let (tell, told) = channel();
    if thread_rng().gen_bool(0.5) {
        hall.engine
            .decline_offer(evening(), seat, SECRET, move |answer| {
                tell.send(answer.is_ok()).expect("whoever asked waits");
            });
    } else {
        hall.engine
            .withdraw_wish(evening(), id, SECRET, move |answer| {
                tell.send(answer.is_ok()).expect("whoever asked waits");
            });
    }
    told.recv().expect("whoever asked is told")
}

pub fn scene() {
    let book = Book::default();
    let (desk, scribe) = open(book.clone(), ledger_options()).expect("the book can be read");
    let scribe = thread::spawn(move || scribe.run());
    let hall = Arc::new(Hall::new(Arc::new(desk.clone())));
    let (id, seat) = offered(&hall);
    book.draw_fates(FATES_MAX);

    let (one, other) = (Arc::clone(&hall), Arc::clone(&hall));
    let accepts = thread::spawn(move || accepts(&one, seat));
    let gives_up = thread::spawn(move || gives_up(&other, id, seat));
    let accepted = accepts.join().expect("nobody panics");
    let given_up = gives_up.join().expect("nobody panics");
    desk.close();
    scribe.join().expect("the scribe does not panic");

    assert!(!(accepted && given_up), "an offer is answered once");
    if accepted {
        saw("an offer was accepted");
        assert!(matches!(standing(&hall, id), Standing::Booked { .. }));
        let manage = SECRET.of_offer(1).manage();
        let found = hall.engine.booking(seat, manage);
        assert!(found.is_ok_and(|it| !it.cancelled), "a booking is found");
    }
    if given_up {
        saw("an offer was given up");
    }
}
