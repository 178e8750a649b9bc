//! What passes and tickets are used for: holds, bookings, and giving up.

use super::super::fact::RoomFact;
use super::{PassUse, Room, SpendRefusal};
use crate::rules::catalogue::RoomPolicy;
use crate::rules::ids::{Digest, ReservationId};
use crate::rules::time::UnixMillis;

/// Tickets that staff can call out of their turn, per room.
const PREFERRED_MAX: usize = 1_000;

impl Room {
    /// Counts a hold that is made with a pass.
    ///
    /// # Errors
    /// [`PassUse`]; nothing has changed.
    pub fn begin_hold(&mut self, now: UnixMillis, seq: u32, turn: u8) -> Result<(), PassUse> {
        if let Some(ending) = self.ended {
            return Err(PassUse::Over(ending));
        }
        let holds_max = self.plan.terms.holds_per_pass;
        let pass = self.admission.pass_mut(seq);
        let pass = pass.filter(|pass| pass.durable && pass.turn == turn);
        let pass = pass.filter(|pass| now < pass.expires_at);
        let pass = pass.ok_or(PassUse::Ended)?;
        if pass.holds >= holds_max {
            return Err(PassUse::HoldsMax);
        }
        pass.holds += 1;
        Ok(())
    }

    /// A hold that was made with the ticket's pass is over, or came back from the ledger
    /// (`begun`).
    pub fn count_hold(&mut self, seq: u32, begun: bool) {
        if let Some(pass) = self.admission.pass_mut(seq) {
            pass.holds = if begun {
                pass.holds.saturating_add(1)
            } else {
                pass.holds.saturating_sub(1)
            };
        }
    }

    /// The booking of whoever has one of these digests, if there is one.
    pub fn booking_of(&self, identities: &[Digest]) -> Option<ReservationId> {
        identities
            .iter()
            .find_map(|identity| self.identities.get(identity).copied())
    }

    /// Marks a ticket and identities while their booking is on its way to the ledger, so that two
    /// at the same time are not both taken.
    ///
    /// # Errors
    /// [`SpendRefusal`]; nothing has changed.
    pub fn begin_booking(
        &mut self,
        seq: u32,
        identities: &[Digest],
        booking: ReservationId,
    ) -> Result<(), SpendRefusal> {
        if self.is_spent(seq) {
            return Err(SpendRefusal::Spent);
        }
        if self.booking_of(identities).is_some() {
            return Err(SpendRefusal::BookedBefore);
        }
        self.spending.insert(seq, booking);
        self.claim(identities, booking);
        Ok(())
    }

    /// Whether a ticket has become a booking, or one that is on its way to the ledger.
    pub fn is_spent(&self, seq: u32) -> bool {
        self.spent.contains(seq) || self.spending.contains_key(&seq)
    }

    /// The seat that a ticket is being spent for, or that a booking was moved onto with it.
    pub fn spent_for(&self, seq: u32) -> Option<ReservationId> {
        self.spending.get(&seq).copied()
    }

    /// Whether a ticket was given up, or has become a wish.
    pub fn has_left(&self, seq: u32) -> bool {
        self.left.contains(seq)
    }

    /// The ledger has refused the booking: as if nobody had asked for it.
    pub fn booking_refused(&mut self, seq: u32, booking: ReservationId) {
        self.spending.remove(&seq);
        self.disclaim(booking);
    }

    pub(super) fn claim(&mut self, identities: &[Digest], booking: ReservationId) {
        if self.ended.is_none() {
            let claims = identities.iter().map(|identity| (*identity, booking));
            self.identities.extend(claims);
        }
    }

    /// The booking is cancelled: its identities may book again.
    pub fn disclaim(&mut self, booking: ReservationId) {
        self.identities.retain(|_, other| *other != booking);
    }

    /// Gives a place up.
    pub fn leave(&mut self, now: UnixMillis, seq: u32) -> Option<RoomFact> {
        let over = self.ended.is_some() || self.spent.contains(seq) || self.left.contains(seq);
        if over || seq >= self.given {
            return None;
        }
        let fact = RoomFact::Left { seq };
        self.apply(now, &fact);
        Some(fact)
    }

    /// Whether staff may call this ticket out of its turn: it is one that waits, and not for a
    /// lottery, in which nobody chooses.
    pub fn may_prefer(&self, seq: u32) -> bool {
        seq < self.given
            && self.plan.terms.policy == RoomPolicy::Line
            && self.ended.is_none()
            && !self.left.contains(seq)
            && !self.is_spent(seq)
            && self.preferred.len() < PREFERRED_MAX
            && !self.preferred.contains(&seq)
    }
}
