//! Tickets of waiting rooms that are wishes.

use super::super::fact::Offer;
use super::super::{Place, WishId};
use super::{Agent, Standing};
use crate::rules::ids::ReservationId;
use crate::rules::room::{RoomId, TicketId};

impl Agent {
    pub fn of_ticket(&self, ticket: TicketId) -> Option<WishId> {
        self.tickets.get(&ticket).copied()
    }

    /// The wishes of a room that is still to be drawn, and the numbers of their tickets.
    pub fn undrawn(&self, room: RoomId) -> Vec<(WishId, u32)> {
        let of_room = self.tickets.iter().filter(|(ticket, id)| {
            let standing = self.wishes.get(id).map(|known| known.standing);
            ticket.room == room && standing == Some(Standing::Undrawn)
        });
        of_room.map(|(ticket, id)| (*id, ticket.seq)).collect()
    }

    /// A room is drawn: its wishes get their places. They wait like all others from then on, unless
    /// a lottery is held first.
    pub fn place(&mut self, mut drawn: Vec<(WishId, Place)>, lottery: bool) {
        // In their order, so that each goes to the end of the index.
        drawn.sort_unstable_by_key(|(id, place)| (*place, *id));
        for (id, place) in drawn {
            if let Some(known) = self.wishes.get_mut(&id) {
                known.place = place;
                if !lottery {
                    let since = known.since;
                    self.stand(id, Standing::Waiting, since);
                }
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
        drawn.into_iter().map(|(_, id)| id).collect()
    }

    /// What the wishes of a room have come to: whether one is being decided about, and who has
    /// which seat, by position.
    pub fn allotted(&self, room: RoomId) -> (bool, Vec<(u32, ReservationId)>) {
        let mut deciding = false;
        let mut seats = Vec::new();
        for (ticket, id) in &self.tickets {
            let Some(known) = self.wishes.get(id).filter(|_| ticket.room == room) else {
                continue;
            };
            match known.standing {
                Standing::Deciding => deciding = true,
                Standing::Offered(Offer { seat, .. }) | Standing::Booked { seat, .. } => {
                    seats.push((known.place.position, seat));
                }
                _ => {}
            }
        }
        seats.sort_unstable();
        (deciding, seats)
    }
}
