//! Tickets of waiting rooms that are wishes.

use super::super::fact::Offer;
use super::super::{Place, WishId};
use super::{Agent, Known, Standing};
use crate::canary::{Canary, sings};
use crate::rules::ids::ReservationId;
use crate::rules::room::{RoomId, TicketId};

impl Agent {
    pub fn of_ticket(&self, ticket: TicketId) -> Option<WishId> {
        self.tickets.get(&ticket).copied()
    }

    /// The rooms of wishes that are still to be placed.
    pub fn undrawn_rooms(&self) -> Vec<RoomId> {
        self.undrawn.keys().copied().collect()
    }

    /// The wishes of a room that are still to be placed, and the numbers of their tickets. Before a
    /// lottery those that have their places are left out.
    pub fn undrawn(&self, room: RoomId, lottery: bool) -> Vec<(WishId, u32)> {
        let ids = self.undrawn.get(&room).into_iter().flatten();
        let of_room = ids.filter_map(|id| {
            let known = self.wishes.get(id)?;
            let is_new = known.place.position == 0 || !lottery;
            Some((*id, known.ticket.filter(|_| is_new)?.seq))
        });
        of_room.collect()
    }

    /// A room is drawn: its wishes get their places. They wait like all others from then on, unless
    /// a lottery is held first. Returns who waits now. Until the ledger knows of their places by
    /// [`WishFact::Placed`], they are told them again.
    ///
    /// [`WishFact::Placed`]: super::super::fact::WishFact::Placed
    pub fn place(&mut self, mut drawn: Vec<(WishId, Place)>, lottery: bool) -> Vec<WishId> {
        let mut waiting = Vec::new();
        // In their order, so that each goes to the end of the index.
        drawn.sort_unstable_by_key(|(id, place)| (*place, *id));
        for (id, place) in drawn {
            self.take_place(id, place);
            if !lottery && self.waits_now(id) {
                waiting.push(id);
            }
        }
        waiting
    }

    /// The ledger knows the place of a wish.
    pub(super) fn placed(&mut self, id: WishId, place: Place) {
        if !sings(Canary::PlaceForgotten) {
            self.take_place(id, place);
        }
        self.waits_now(id);
        let ticket = self.wishes.get(&id).and_then(|known| known.ticket);
        if let Some(ticket) = ticket {
            self.is_drawn(ticket.room, id);
        }
    }

    fn take_place(&mut self, id: WishId, place: Place) {
        let Some(known) = self.wishes.get_mut(&id) else {
            return;
        };
        let (standing, since) = (known.standing, known.since);
        // Whoever has lost the place of the draw since then has another one.
        if known.place.since != place.since || known.place == place {
            return;
        }
        if standing.is_over() {
            // It can go on at its place when its booking is given back.
            known.place = place;
            return;
        }
        // Out of the index where it was, and back into it where it is.
        self.stand(id, Standing::Deciding, since);
        if let Some(known) = self.wishes.get_mut(&id) {
            known.place = place;
        }
        self.stand(id, standing, since);
    }

    /// Whether a wish was to be drawn until now.
    fn waits_now(&mut self, id: WishId) -> bool {
        let known = self.wishes.get(&id);
        let undrawn = known.filter(|known| known.standing == Standing::Undrawn);
        let Some(since) = undrawn.map(|known| known.since) else {
            return false;
        };
        self.stand(id, Standing::Waiting, since);
        true
    }

    pub(super) fn is_drawn(&mut self, room: RoomId, id: WishId) {
        if let Some(undrawn) = self.undrawn.get_mut(&room) {
            undrawn.remove(&id);
            if undrawn.is_empty() {
                self.undrawn.remove(&room);
            }
        }
    }

    /// The wishes of a room whose lottery is still to be held, in the order of the draw.
    pub fn drawn(&self, room: RoomId) -> Vec<WishId> {
        let of_room = self
            .tickets
            .iter()
            .filter(|(ticket, _)| ticket.room == room);
        let mut drawn: Vec<(Place, WishId)> = of_room
            .filter_map(|(_, id)| Some((self.wishes.get(id)?, *id)))
            .filter(|(known, _)| known.standing == Standing::Undrawn && known.place.position > 0)
            .map(|(known, id)| (known.place, id))
            .collect();
        drawn.sort_unstable();
        if sings(Canary::DrawnBackwards) {
            drawn.reverse();
        }
        drawn.into_iter().map(|(_, id)| id).collect()
    }

    /// Whether a wish has its place in a lottery that is not over.
    pub fn has_lot(&self, id: WishId) -> bool {
        self.wishes
            .get(&id)
            .is_some_and(|known| known.standing == Standing::Undrawn && known.place.position > 0)
    }

    /// What the lottery of a room has come to: whether a wish is still being decided about, and
    /// which ticket has which seat of it. Until its outcome is known, the first seat of a wish that
    /// was laid before the draw is the lottery's; another one, or that of a later wish, is not.
    pub fn allotted(&self, room: RoomId) -> (bool, Vec<(u32, ReservationId)>) {
        let mut deciding = false;
        let mut seats = Vec::new();
        for (ticket, id) in &self.tickets {
            let of_lottery = |known: &&Known| ticket.room == room && known.before_draw;
            let Some(known) = self.wishes.get(id).filter(of_lottery) else {
                continue;
            };
            match known.standing {
                Standing::Deciding => deciding = true,
                Standing::Offered(Offer { seat, .. }) | Standing::Booked { seat, .. }
                    if known.seats.first() == Some(&seat) =>
                {
                    seats.push((ticket.seq, seat));
                }
                _ => {}
            }
        }
        (deciding, seats)
    }
}
