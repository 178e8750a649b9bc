//! The reservations of a day, each at the slot that its id names.

use std::collections::VecDeque;

use super::{Overlap, Reservation};
use crate::rules::ids::ReservationId;

/// Most reservations of one day, ended bookings included: codes carry 15 bits of the slot.
pub const RESERVATIONS_MAX: u16 = 32_768;

#[derive(Debug, Default)]
pub(super) struct Slab {
    slots: Vec<Option<Reservation>>,
    /// All that are empty, and some that were filled by a restart: whoever takes one looks.
    vacant: Vec<u16>,
    /// Cancelled bookings, oldest first. They are remembered until the day is full, so that
    /// booking and cancelling in a loop cannot close a day.
    ended: VecDeque<ReservationId>,
}

impl Slab {
    /// Puts a reservation into a vacant slot, of which its id is made. None when the day is full.
    #[inline]
    pub(super) fn insert_with(
        &mut self,
        make: impl FnOnce(u16) -> Reservation,
    ) -> Option<ReservationId> {
        let slot = loop {
            match self.vacant.pop() {
                Some(slot) if self.slots[usize::from(slot)].is_none() => break slot,
                Some(_restored) => {}
                None => break self.make_room()?,
            }
        };
        let reservation = make(slot);
        let id = reservation.id;
        assert_eq!(id.slot(), slot, "an id names the slot it was made for");
        self.slots[usize::from(slot)] = Some(reservation);
        Some(id)
    }

    /// A slot more, or that of the oldest ended reservation if there can be no more.
    #[cold]
    fn make_room(&mut self) -> Option<u16> {
        let next = u16::try_from(self.slots.len()).ok();
        if let Some(next) = next.filter(|slot| *slot < RESERVATIONS_MAX) {
            self.slots.push(None);
            return Some(next);
        }
        let oldest = self.ended.pop_front()?;
        self.remove(oldest);
        self.vacant.pop()
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
        Ok(())
    }

    /// Notes that a reservation needs to be remembered no longer than there is room.
    pub(super) fn end(&mut self, id: ReservationId) {
        self.ended.push_back(id);
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
        let _ = self.remove_if(id, (), |_| Ok(()));
    }

    /// Takes out a reservation if `check` lets it go, and returns what that says.
    ///
    /// # Errors
    /// `gone` when there is none with this id, and what `check` says; the slab is unchanged.
    #[inline]
    pub(super) fn remove_if<T, E>(
        &mut self,
        id: ReservationId,
        gone: E,
        check: impl FnOnce(&Reservation) -> Result<T, E>,
    ) -> Result<T, E> {
        let Some(place) = self.slots.get_mut(usize::from(id.slot())) else {
            return Err(gone);
        };
        let said = match place {
            Some(found) if found.id == id => check(found)?,
            _ => return Err(gone),
        };
        *place = None;
        self.vacant.push(id.slot());
        Ok(said)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Reservation> {
        self.slots.iter().flatten()
    }
}
