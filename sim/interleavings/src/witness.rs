//! Stands between an engine and its ledger and writes down what is said, in order.
//!
//! An engine speaks to its ledger under the lock of the day it speaks of: so for each day the
//! order here is the order of its decisions. From that alone the witness tells whether a seat was
//! given twice or freed early. Its own lock is not a step of the schedule; being spoken to is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use morgenruh_engine::rules::ids::ReservationId;
use morgenruh_engine::rules::record::{Fact, Record};
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::shell::ledger::{Entry, Health, Ledger};
use morgenruh_engine::shell::scribe::Desk;
use parking_lot::Mutex;
use shuttle::thread;

use crate::tally::saw;

#[derive(Debug)]
enum Event {
    Said(Record),
    /// The ledger could not take the hold: it was taken back before anybody heard of it.
    TakenBack(ReservationId),
    /// The ledger's answer to a confirmation, a moment before the day hears of it.
    Answered {
        id: ReservationId,
        is_kept: bool,
    },
}

#[derive(Clone)]
pub struct Witness {
    desk: Desk,
    events: Arc<Mutex<Vec<Event>>>,
}

/// A seat that is not free.
#[derive(Clone, Copy, Debug)]
struct Taken {
    /// Of the hold, as far as the ledger was told.
    deadline: UnixMillis,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Held,
    /// Held, maybe for longer than the ledger knows: its confirmation was refused.
    HeldAgain,
    Confirming,
    Booked,
}

impl Witness {
    pub fn new(desk: Desk) -> Witness {
        Witness {
            desk,
            events: Arc::default(),
        }
    }

    /// Goes through everything that was said and returns who has a booking.
    ///
    /// # Panics
    /// When a seat had two holders, or was freed before its time.
    pub fn judge(&self) -> Vec<ReservationId> {
        let mut seats = BTreeMap::new();
        for event in &*self.events.lock() {
            match event {
                Event::Said(Record { at, fact }) => hear(&mut seats, *at, fact),
                Event::TakenBack(id) => {
                    saw("a hold was taken back");
                    seats.remove(id);
                }
                Event::Answered { id, is_kept } => {
                    let seat = taken(&mut seats, *id);
                    assert_eq!(
                        seat.stage,
                        Stage::Confirming,
                        "an answer to nothing: {id:?}"
                    );
                    if *is_kept {
                        seat.stage = Stage::Booked;
                    } else {
                        saw("a seat was held again");
                        seat.stage = Stage::HeldAgain;
                    }
                }
            }
        }
        let booked = seats.iter().filter(|(_, seat)| seat.stage == Stage::Booked);
        booked.map(|(id, _)| *id).collect()
    }
}

fn taken(seats: &mut BTreeMap<ReservationId, Taken>, id: ReservationId) -> &mut Taken {
    seats.get_mut(&id).expect("only what is taken can change")
}

fn hear(seats: &mut BTreeMap<ReservationId, Taken>, at: UnixMillis, fact: &Fact) {
    let id = fact.reservation().expect("nobody waits in a room here");
    saw(fact.name());
    match fact {
        Fact::Held { deadline, .. } => {
            let other = seats.keys().find(|other| other.seat().overlaps(id.seat()));
            assert_eq!(
                other, None,
                "a seat is given to one at a time, not to {id:?}"
            );
            let stage = Stage::Held;
            let deadline = *deadline;
            seats.insert(id, Taken { deadline, stage });
        }
        Fact::Extended { deadline, .. } | Fact::Stretched { deadline, .. } => {
            let seat = taken(seats, id);
            assert!(seat.deadline <= *deadline, "a deadline never comes nearer");
            seat.deadline = *deadline;
        }
        Fact::Released { .. } | Fact::Booked(_) => {
            let seat = taken(seats, id);
            let in_time = at < seat.deadline || seat.stage == Stage::HeldAgain;
            assert!(in_time, "a hold is used in time: {fact:?} at {at:?}");
            assert!(
                matches!(seat.stage, Stage::Held | Stage::HeldAgain),
                "only a hold is used: {seat:?}"
            );
            seat.stage = Stage::Confirming;
            if let Fact::Released { .. } = fact {
                seats.remove(&id);
            }
        }
        Fact::Expired { .. } => {
            let seat = taken(seats, id);
            assert!(
                seat.deadline <= at,
                "nothing is freed early: {id:?} at {at:?}"
            );
            assert!(
                matches!(seat.stage, Stage::Held | Stage::HeldAgain),
                "only a hold expires: {seat:?}"
            );
            seats.remove(&id);
        }
        Fact::Cancelled { .. }
        | Fact::Moved { .. }
        | Fact::Rested { .. }
        | Fact::Room { .. }
        | Fact::Wish { .. }
        | Fact::Release { .. } => {
            unreachable!("nobody does that here")
        }
    }
}

impl Ledger for Witness {
    fn append(&self, mut entry: Entry) -> Result<(), Entry> {
        // Whoever speaks after the lock was let go is heard too late in some schedule.
        thread::sleep(Duration::ZERO);
        let id = entry.record.fact.reservation();
        let id = id.expect("nobody waits in a room here");
        let is_hold = matches!(entry.record.fact, Fact::Held { .. });
        self.events.lock().push(Event::Said(entry.record.clone()));
        entry.done = entry.done.map(|done| {
            let events = Arc::clone(&self.events);
            Box::new(move |outcome: Result<_, _>| {
                let is_kept = outcome.is_ok();
                events.lock().push(Event::Answered { id, is_kept });
                done(outcome);
            }) as _
        });
        self.desk.append(entry).inspect_err(|_| {
            if is_hold {
                self.events.lock().push(Event::TakenBack(id));
            }
        })
    }

    fn health(&self) -> Health {
        self.desk.health()
    }
}
