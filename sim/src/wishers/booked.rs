//! What it means for everybody else that a wish became a booking.

use morgenruh_engine::rules::ids::ReservationId;
use morgenruh_engine::rules::wish::agent::Standing;

use super::{Given, Wished, wrong};
use crate::chronicle::Wish as Ask;
use crate::oracle::Violation;
use crate::people::Visit;
use crate::world::World;

impl World {
    /// A wish became a booking: it is one like any other. It ends those of the same person that
    /// were `known` before.
    pub(super) fn has_booked(&mut self, index: usize, known: &[usize]) -> Result<(), Violation> {
        let wished = self.wishers.wished[index].clone();
        let Some(Standing::Booked { booking, seat }) = wished.standing else {
            return Ok(());
        };
        let Some(given) = self.wishers.seats.remove(&seat) else {
            return wrong("I1", (index, "is booked where it was given nothing", seat));
        };
        self.chronicle.asked(given.claim, Ask::Confirm);
        self.chronicle.done(given.claim, Ask::Confirm);
        self.oracle.confirmed(given.claim)?;
        self.tally.booked_unasked += u64::from(!wished.may_accept);
        let siblings: Vec<usize> = self.wishers.siblings(index).collect();
        for sibling in siblings.into_iter().filter(|it| known.contains(it)) {
            let wished = &mut self.wishers.wished[sibling];
            wished.merges |= wished.is_open();
        }
        if wished.wish.instead_of.is_some() {
            return self.has_moved(wished, booking, seat, given);
        }
        let hold = wished.secret.of_offer(wished.offers);
        let manage = hold.manage();
        let visit = Visit {
            claim: given.claim,
            origin: booking,
            at: seat,
            token: None,
            manage,
            digest: manage.digest(),
            sequence: 0,
            cancelled: false,
        };
        let person = &mut self.people[wished.who];
        if person.is_idle() {
            person.visit = Some(visit);
        } else {
            self.wishers.kept.push(visit);
        }
        Ok(())
    }

    /// The booking has one live seat: the new one, and no longer the old one.
    fn has_moved(
        &mut self,
        wished: Wished,
        booking: ReservationId,
        seat: ReservationId,
        given: Given,
    ) -> Result<(), Violation> {
        self.tally.brought_forward += 1;
        let person = &mut self.people[wished.who];
        let own = person.visit.filter(|visit| visit.origin == booking);
        let Some(old) = own.or(wished.instead) else {
            return wrong("I1", (booking, "was moved and was never booked"));
        };
        if old.origin != booking {
            return wrong("I1", (booking, "was moved for", old));
        }
        let moved = Visit {
            claim: given.claim,
            at: seat,
            sequence: old.sequence + 1,
            ..old
        };
        if seat.seat().start >= old.at.seat().start && seat.day_key().day >= old.at.day_key().day {
            return wrong(
                "I1",
                (booking, "was moved to what is no earlier", old.at, seat),
            );
        }
        if own.is_some() {
            person.visit = Some(moved);
        }
        let leaves = own.is_some() && person.leaves();
        self.chronicle.asked(old.claim, Ask::Leave);
        self.chronicle.done(old.claim, Ask::Leave);
        self.oracle.asks_to_leave(old.claim);
        self.oracle.left(old.claim)?;
        if leaves {
            self.chronicle.asked(given.claim, Ask::Leave);
            self.oracle.asks_to_leave(given.claim);
        }
        if own.is_none() {
            self.wishers.kept.push(moved);
        }
        Ok(())
    }
}
