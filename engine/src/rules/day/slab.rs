//! The reservations of a day, each at the slot that its id names.

use std::collections::VecDeque;

use super::{Overlap, Reservation};
use crate::rules::ids::ReservationId;

/// Most reservations of one day, ended bookings included: codes carry 15 bits of the slot.
pub const RESERVATIONS_MAX: u16 = 32_768;

#[derive(Debug, Default)]
pub(super) struct Slab {
    slots: Vec<Option<Reservation>>,
    vacant: Vec<u16>,
    /// Cancelled bookings, oldest first. They are remembered until the day is full, so that
    /// booking and cancelling in a loop cannot close a day.
    ended: VecDeque<ReservationId>,
}

impl Slab {
    /// The slot that the next insertion takes; None when the day is full.
    pub(super) fn next_slot(&self) -> Option<u16> {
        if let Some(slot) = self.vacant.last() {
            return Some(*slot);
        }
        u16::try_from(self.slots.len())
            .ok()
            .filter(|slot| *slot < RESERVATIONS_MAX)
    }

    /// Puts a reservation into the slot that its id names, which [`Self::next_slot`] has given.
    /// Inlined, so that it is written where it stays and not copied there.
    #[inline(always)]
    pub(super) fn insert(&mut self, reservation: Reservation) {
        let slot = reservation.id.slot();
        match self.vacant.pop() {
            Some(vacant) => assert_eq!(vacant, slot, "an id names the slot it was made for"),
            None => {
                assert_eq!(self.slots.len(), usize::from(slot), "the slab grows by one");
                self.slots.push(None);
            }
        }
        self.slots[usize::from(slot)] = Some(reservation);
    }

    /// Puts a reservation back where it was before a restart.
    ///
    /// # Errors
    /// [`Overlap`] when its slot is already used.
    pub(super) fn restore(&mut self, reservation: Reservation) -> Result<(), Overlap> {
        let slot = reservation.id.slot();
        while self.slots.len() <= usize::from(slot) {
            if slot >= RESERVATIONS_MAX {
                return Err(Overlap);
            }
            let next = u16::try_from(self.slots.len()).expect("slots stay below their maximum");
            self.slots.push(None);
            self.vacant.push(next);
        }
        match self.slots.get_mut(usize::from(slot)) {
            Some(empty @ None) => *empty = Some(reservation),
            _ => return Err(Overlap),
        }
        self.vacant.retain(|vacant| *vacant != slot);
        Ok(())
    }

    /// Notes that a reservation needs to be remembered no longer than there is room.
    pub(super) fn end(&mut self, id: ReservationId) {
        self.ended.push_back(id);
    }

    /// Forgets the oldest ended reservation if there is no slot left.
    pub(super) fn make_room(&mut self) {
        if self.next_slot().is_none()
            && let Some(id) = self.ended.pop_front()
        {
            self.remove(id);
        }
    }

    pub(super) fn get(&self, id: ReservationId) -> Option<&Reservation> {
        let reservation = self.slots.get(usize::from(id.slot()))?.as_ref()?;
        (reservation.id == id).then_some(reservation)
    }

    pub(super) fn get_mut(&mut self, id: ReservationId) -> Option<&mut Reservation> {
        let reservation = self.slots.get_mut(usize::from(id.slot()))?.as_mut()?;
        (reservation.id == id).then_some(reservation)
    }

    /// Takes out a reservation of which nothing needs to be remembered.
    pub(super) fn remove(&mut self, id: ReservationId) {
        if let Some(place) = self.slots.get_mut(usize::from(id.slot()))
            && place
                .as_ref()
                .is_some_and(|reservation| reservation.id == id)
        {
            *place = None;
            self.vacant.push(id.slot());
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Reservation> {
        self.slots.iter().flatten()
    }
}
