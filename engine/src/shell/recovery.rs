//! From what the ledger remembers to a running engine.
//!
//! Bookings come first, then offers, then holds, newest first: where a hold's end was not written
//! down (the ledger was away), whatever took its seat later wins. Then everything that is past its
//! deadline expires, before anybody is served.

use super::engine::Engine;
use super::stored::Stored;
use super::sync::Ordering;
use crate::canary::{Canary, sings};
use crate::rules::day::{Expiry, Fit, Overlap, Reservation, State};
use crate::rules::ids::{DayKey, ReservationId};
use crate::rules::time::UnixMillis;

/// What a recovery found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Live bookings.
    pub bookings: usize,
    /// Live holds.
    pub holds: usize,
    /// Live bookings that no longer lie in the opening hours.
    pub conflicts: Vec<ReservationId>,
}

/// Why an engine cannot go on from what is stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryError {
    #[error(
        "{bookings} bookings belong to office number {office}, which the configuration does not \
         have: give the number back to its office, with status = \"off\" if it is closed"
    )]
    OfficeMissing { office: u16, bookings: usize },
    #[error("{0:?} has no place: two bookings claim it; run `morgenruh verify`")]
    Overlap(ReservationId),
}

impl Engine {
    /// Puts back what was reserved. Call it once, before anything else.
    ///
    /// # Errors
    /// [`RecoveryError`]; the engine is of no use then.
    pub fn recover(&self, now: UnixMillis, stored: Stored) -> Result<Recovered, RecoveryError> {
        let mut recovered = Recovered::default();
        self.recover_releases(&stored.release_facts);
        let of_wishes = Stored {
            wish_facts: stored.wish_facts,
            last_wish: stored.last_wish,
            rests: stored.rests,
            ..Stored::default()
        };
        let offices: Vec<u16> = stored
            .bookings
            .iter()
            .map(|booking| booking.id.day_key().office)
            .collect();
        let missing = |key: DayKey| RecoveryError::OfficeMissing {
            office: key.office,
            bookings: offices
                .iter()
                .filter(|office| **office == key.office)
                .count(),
        };
        // Cancelled ones come last: on a full day one of them may have made room for a live one.
        let (live, ended): (Vec<_>, Vec<_>) = stored
            .bookings
            .into_iter()
            .partition(|booking| booking.state.occupies());
        let cancelled: Vec<ReservationId> = ended.iter().filter_map(origin_of_booking).collect();
        for booking in live.into_iter().chain(ended) {
            let id = booking.id;
            let live = booking.state.occupies();
            let origin = signpost(&booking);
            let fit = self.restore(booking).map_err(missing)?;
            match fit {
                Err(Overlap) if live => return Err(RecoveryError::Overlap(id)),
                Ok(Fit::Conflict) if live => recovered.conflicts.push(id),
                _ => {}
            }
            recovered.bookings += usize::from(live);
            if let Some(origin) = origin {
                let id = origin.id;
                let restored = self.restore(origin).map_err(missing)?;
                if live {
                    restored.map_err(|Overlap| RecoveryError::Overlap(id))?;
                } else if let Some((shard, _)) = self.existing(id) {
                    shard.decide(|day| day.end_signpost(id));
                }
            }
        }
        self.recover_rooms(&stored.room_facts);
        for origin in cancelled {
            self.rooms().disclaim(origin);
        }
        // Before the holds: what was offered is promised, and a hold whose end nobody wrote down
        // may still claim its seat.
        self.recover_wishes(now, &of_wishes);
        for hold in stored.holds.into_iter().rev() {
            let (id, ticket) = (hold.id, hold.ticket);
            if !matches!(self.restore(hold), Ok(Ok(_))) {
                continue;
            }
            self.rooms().count_hold(ticket, true);
            if !sings(Canary::ExpiryForgotten)
                && let Expiry::Later(deadline) = self.expire(now, id, false)
            {
                self.watch(deadline, id);
                recovered.holds += 1;
            }
        }
        // A clock that is days ahead hides what is booked until then: nothing of it is given out.
        self.first_day
            .fetch_max(stored.first_day.0, Ordering::AcqRel);
        Ok(recovered)
    }

    /// The inner result is the day's; the outer error names a day of an office that is gone.
    fn restore(&self, reservation: Reservation) -> Result<Result<Fit, Overlap>, DayKey> {
        let key = reservation.id.day_key();
        let office = self.catalogue().office_by_number(key.office).ok_or(key)?;
        let shard = self.shard(office, key.day.to_date()).ok_or(key)?;
        Ok(shard.decide(|day| day.restore(reservation)))
    }
}

/// The id for life of a booking that came from the ledger.
fn origin_of_booking(booking: &Reservation) -> Option<ReservationId> {
    match &booking.state {
        State::Booked(contract, _) | State::Cancelled(contract, _) => Some(contract.origin),
        _ => None,
    }
}

/// What stays at the origin of a booking that has moved.
fn signpost(booking: &Reservation) -> Option<Reservation> {
    let (State::Booked(contract, position) | State::Cancelled(contract, position)) = &booking.state
    else {
        return None;
    };
    let moved = contract.origin != booking.id;
    moved.then(|| Reservation {
        id: contract.origin,
        state: State::Moved {
            to: booking.id,
            contract: contract.clone(),
            position: *position,
        },
        ..booking.clone()
    })
}
