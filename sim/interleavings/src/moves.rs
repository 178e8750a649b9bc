//! Two bookings change places between two days, each onto a seat that is held there, while others
//! look for them, walk over all days, and drop days that are over: nobody waits for ever, and each
//! booking is found at all times.

use std::sync::Arc;

use morgenruh_engine::rules::ids::{HoldToken, ReservationId, Secret};
use morgenruh_engine::shell::engine::ChangeError;
use morgenruh_engine::shell::scribe::open;
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use crate::book::Book;
use crate::hall::{Hall, SEATS, evening, ledger_options};
use crate::tally::saw;

const FATES_MAX: usize = 3;
/// How often a hold is tried before the scene begins: the ledger's queue can be full.
const TRIES_MAX: usize = 100;

/// Somebody with a booking on one day and a hold on the other.
#[derive(Clone, Copy)]
struct Guest {
    booking: ReservationId,
    manage: Secret,
    onto: HoldToken,
}

impl Guest {
    /// Comes while nothing else happens.
    fn comes(hall: &Hall, from: u16, to: u16) -> Guest {
        let hold = |day, seat| {
            let mut tries = (0..TRIES_MAX).map(|_| {
                thread::yield_now();
                hall.hold(evening(), day, seat).ok()
            });
            let (token, _) = tries.find_map(|held| held).expect("the queue empties");
            token
        };
        let booked = hold(from, 0);
        let answer = hall.confirm(evening(), booked).recv();
        answer.expect("whoever asked is told").expect("it is kept");
        Guest {
            booking: booked.id,
            manage: booked.secret.manage(),
            onto: hold(to, 1),
        }
    }

    fn looks(&self, hall: &Hall) -> ReservationId {
        let found = hall.engine.booking(self.booking, self.manage);
        found.expect("a booking is found at all times").confirmed.id
    }

    /// Returns whether it was moved.
    fn moves(&self, hall: &Hall) -> bool {
        let answer = hall.move_booking(self.booking, self.manage, self.onto);
        match answer.recv().expect("whoever asked is told") {
            Ok(_) => {
                saw("a booking was moved");
                true
            }
            Err(ChangeError::LedgerAway) => {
                saw("a booking was not moved");
                false
            }
            Err(other) => panic!("nothing else is in the way: {other:?}"),
        }
    }
}

pub fn scene() {
    let book = Book::default();
    let (desk, scribe) = open(book.clone(), ledger_options()).expect("the book can be read");
    let scribe = thread::spawn(move || scribe.run());
    let hall = Arc::new(Hall::new(Arc::new(desk.clone())));
    let guests = [Guest::comes(&hall, 0, 1), Guest::comes(&hall, 1, 0)];
    book.draw_fates(FATES_MAX);

    let movers = guests.map(|guest| {
        let hall = Arc::clone(&hall);
        thread::spawn(move || guest.moves(&hall))
    });
    let others = [0, 1, 2].map(|other| {
        let hall = Arc::clone(&hall);
        thread::spawn(move || match other {
            0 => assert_eq!(hall.engine.conflicts(), []),
            1 => hall.engine.retire(evening()),
            _ => {
                let guest = guests[thread_rng().gen_range(0..guests.len())];
                guest.looks(&hall);
            }
        })
    });
    for other in others {
        other.join().expect("nobody panics");
    }
    let moved = movers.map(|mover| mover.join().expect("nobody panics"));
    desk.close();
    scribe.join().expect("the scribe does not panic");
    judge(&hall, &guests, moved);
}

fn judge(hall: &Hall, guests: &[Guest; 2], moved: [bool; 2]) {
    for (guest, moved) in guests.iter().zip(moved) {
        let place = if moved { guest.onto.id } else { guest.booking };
        assert_eq!(guest.looks(hall), place);
    }
    let audits = [hall.audit(0), hall.audit(1)];
    for audit in audits {
        assert_eq!(audit.free + audit.held + audit.booked, u32::from(SEATS));
    }
    let booked: u32 = audits.iter().map(|audit| audit.booked).sum();
    assert_eq!(booked, 2);
}
