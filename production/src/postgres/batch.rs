//! What a row of facts comes to: the bookings as they stand at its end.
//!
//! Within one batch a booking can be made, moved and cancelled; the tables are told only how that
//! ended. What was there before the batch is changed by at most one statement a booking, which
//! says on which seat it must be found.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use morgenruh_engine::rules::ids::ReservationId;
use morgenruh_engine::rules::record::{Booked, Confirmed, Fact, Person, Position};
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::shell::drain::Placed;

use super::fault::Fault;

/// A booking and how it came to its seat.
#[derive(Clone, Copy)]
pub(super) struct Made<'a> {
    pub(super) booked: &'a Booked,
    pub(super) at: UnixMillis,
}

/// How a booking ended.
#[derive(Clone, Copy)]
pub(super) struct Cancelled {
    pub(super) at: UnixMillis,
    pub(super) sequence: u32,
}

/// A booking that a batch is about.
pub(super) struct Change<'a> {
    pub(super) origin: ReservationId,
    /// The seat on which the batch finds it; that of the booking if it was made here.
    pub(super) found: ReservationId,
    pub(super) made: Option<Made<'a>>,
    /// The last seat it was moved to.
    pub(super) moved: Option<&'a Confirmed>,
    pub(super) cancelled: Option<Cancelled>,
    /// Of the last fact about it.
    pub(super) position: Position,
}

impl<'a> Change<'a> {
    /// The seat that it has after the batch, if the batch knows it.
    pub(super) fn seat(&self) -> Option<&'a Confirmed> {
        self.moved
            .or_else(|| self.made.map(|made| &made.booked.confirmed))
    }

    pub(super) fn person(&self) -> Option<&'a Person> {
        self.made.map(|made| &made.booked.person)
    }

    fn current(&self) -> ReservationId {
        self.seat().map_or(self.found, |confirmed| confirmed.id)
    }

    pub(super) fn sequence(&self) -> u32 {
        let of_seat = self
            .seat()
            .map_or(0, |confirmed| confirmed.contract.sequence);
        self.cancelled
            .map_or(of_seat, |cancelled| cancelled.sequence)
    }
}

/// The bookings that these records change, in the order in which each comes first.
///
/// # Errors
/// A sentence when a change follows on what cannot be: nothing of it must be applied.
pub(super) fn collapse(records: &[Placed]) -> Result<Vec<Change<'_>>, Fault> {
    let mut changes: Vec<Change<'_>> = Vec::new();
    let mut places: HashMap<ReservationId, usize> = HashMap::new();
    for Placed { position, record } in records {
        let (origin, found) = match &record.fact {
            Fact::Booked(booked) => (booked.confirmed.contract.origin, booked.confirmed.id),
            Fact::Moved { from, to, .. } => (to.contract.origin, *from),
            Fact::Cancelled { id, origin, .. } => (*origin, *id),
            _ => continue,
        };
        let (change, is_new) = match places.entry(origin) {
            Entry::Occupied(place) => (&mut changes[*place.get()], false),
            Entry::Vacant(place) => {
                place.insert(changes.len());
                changes.push(Change {
                    origin,
                    found,
                    made: None,
                    moved: None,
                    cancelled: None,
                    position: *position,
                });
                (changes.last_mut().expect("it was just pushed"), true)
            }
        };
        if change.cancelled.is_some() || change.current() != found {
            return Err(Fault::Forbidden(format!(
                "fact {} changes the booking {origin} on a seat that it does not have",
                position.0
            )));
        }
        change.position = *position;
        match &record.fact {
            Fact::Booked(booked) if is_new => {
                change.made = Some(Made {
                    booked,
                    at: record.at,
                });
            }
            Fact::Booked(_) => {
                return Err(Fault::Forbidden(format!(
                    "fact {} makes the booking {origin} a second time",
                    position.0
                )));
            }
            Fact::Moved { to, .. } => change.moved = Some(to),
            Fact::Cancelled { sequence, .. } => {
                change.cancelled = Some(Cancelled {
                    at: record.at,
                    sequence: *sequence,
                });
            }
            _ => {}
        }
    }
    Ok(changes)
}
