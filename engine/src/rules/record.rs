//! The facts that the ledger keeps, in the order in which they became true.
//!
//! Every fact that makes or ends a booking is complete in itself: it can be understood without
//! the facts of the hold that came before it, so a lost hold never damages a booking.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::catalogue::Channel;
use super::ids::{Digest, ReservationId};
use super::need::Services;
use super::release::ReleaseId;
use super::release::fact::ReleaseFact;
use super::room::fact::RoomFact;
use super::room::{RoomId, TicketId};
use super::time::UnixMillis;
use super::wish::WishId;
use super::wish::fact::WishFact;

/// Place of a fact in the ledger, counted from 1 without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// Something that happened to a seat, and when.
#[derive(Clone, Debug)]
pub struct Record {
    pub at: UnixMillis,
    pub fact: Fact,
}

#[derive(Clone, Debug)]
pub enum Fact {
    Held {
        id: ReservationId,
        services: Services,
        channel: Channel,
        secret: Digest,
        deadline: UnixMillis,
        /// Whose pass it was made with, if it needed one.
        ticket: Option<TicketId>,
    },
    Extended {
        id: ReservationId,
        deadline: UnixMillis,
    },
    /// An outage of the ledger gave the hold more time.
    Stretched {
        id: ReservationId,
        deadline: UnixMillis,
    },
    Released {
        id: ReservationId,
    },
    Expired {
        id: ReservationId,
    },
    Booked(Box<Booked>),
    Cancelled {
        id: ReservationId,
        origin: ReservationId,
        sequence: u32,
    },
    /// The old seat is given up and the new one booked, in one fact.
    Moved {
        from: ReservationId,
        to: Box<Confirmed>,
        /// The wish for an earlier seat that is fulfilled with it.
        wish: Option<WishId>,
    },
    /// A seat that was given back is for wishes alone until then.
    Rested {
        id: ReservationId,
        until: UnixMillis,
    },
    /// Something happened in a waiting room.
    Room {
        room: RoomId,
        fact: Box<RoomFact>,
    },
    /// Something was decided about a release.
    Release {
        release: ReleaseId,
        fact: Box<ReleaseFact>,
    },
    /// Something happened to a wish.
    Wish {
        wish: WishId,
        fact: Box<WishFact>,
    },
}

/// A confirmed seat without anything about the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmed {
    pub id: ReservationId,
    pub services: Services,
    pub channel: Channel,
    pub start: UnixMillis,
    pub end: UnixMillis,
    /// Of the hold's secret, so that a repeated confirm is recognised.
    pub secret: Digest,
    pub contract: Contract,
}

/// What a booking is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contract {
    /// The booking's id for life: that of the seat it was first booked on.
    pub origin: ReservationId,
    /// Of the manage secret.
    pub manage: Digest,
    /// Of the request that made the booking, so that a repeated one is told from another one.
    pub request: Digest,
    /// Rises with every move and with the cancellation.
    pub sequence: u32,
}

#[derive(Clone, Debug)]
pub struct Booked {
    pub confirmed: Confirmed,
    pub person: Person,
    /// Of the Idempotency-Key of the request, if it had one.
    pub idempotency_key: Option<Digest>,
    /// The ticket whose pass is spent with the booking, in the same fact.
    pub ticket: Option<TicketId>,
    /// Of the person, under the key of the ticket's room; empty without a ticket.
    pub identities: Vec<Digest>,
    /// The wish that is fulfilled with it.
    pub wish: Option<WishId>,
}

impl Booked {
    /// What the booking means for the waiting room that it came from.
    pub fn spent(&self) -> Option<(RoomId, RoomFact)> {
        let TicketId { room, seq } = self.ticket?;
        let fact = RoomFact::Spent {
            seq,
            booking: self.confirmed.contract.origin,
            identities: self.identities.clone(),
        };
        Some((room, fact))
    }
}

impl Fact {
    /// What a booking or a move means for the wish that it fulfils, and what a fact says of a wish.
    pub fn of_wish(&self) -> Option<(WishId, Cow<'_, WishFact>)> {
        let booked = |booking, seat| Cow::Owned(WishFact::Booked { booking, seat });
        match self {
            Fact::Wish { wish, fact } => Some((*wish, Cow::Borrowed(fact.as_ref()))),
            Fact::Booked(it) => {
                let seat = it.confirmed.id;
                Some((it.wish?, booked(it.confirmed.contract.origin, seat)))
            }
            Fact::Moved { to, wish, .. } => Some(((*wish)?, booked(to.contract.origin, to.id))),
            _ => None,
        }
    }
}

/// The personal data of a booking. Leaves the engine only into the ledger.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    pub name: String,
    pub email: String,
    pub phone: Option<String>,
    /// Answers to the office's questions, by question id.
    pub answers: BTreeMap<String, String>,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Person([REDACTED])")
    }
}

impl Fact {
    /// Whether somebody is told that this is done, so that it must be durable before the answer.
    pub fn is_strict(&self) -> bool {
        match self {
            Fact::Booked(_) | Fact::Cancelled { .. } | Fact::Moved { .. } => true,
            Fact::Room { fact, .. } => fact.is_strict(),
            Fact::Release { .. } => true,
            Fact::Wish { fact, .. } => fact.is_strict(),
            _ => false,
        }
    }

    /// The reservation that the fact is about, if it is about one; of a move the one that is given
    /// up.
    pub fn reservation(&self) -> Option<ReservationId> {
        Some(match self {
            Fact::Held { id, .. }
            | Fact::Extended { id, .. }
            | Fact::Stretched { id, .. }
            | Fact::Released { id }
            | Fact::Expired { id }
            | Fact::Rested { id, .. }
            | Fact::Cancelled { id, .. } => *id,
            Fact::Booked(booked) => booked.confirmed.id,
            Fact::Moved { from, .. } => *from,
            Fact::Room { .. } | Fact::Wish { .. } | Fact::Release { .. } => return None,
        })
    }

    /// The word for it in the ledger's table.
    pub fn name(&self) -> &'static str {
        match self {
            Fact::Held { .. } => "held",
            Fact::Extended { .. } => "extended",
            Fact::Stretched { .. } => "stretched",
            Fact::Released { .. } => "released",
            Fact::Expired { .. } => "expired",
            Fact::Booked(_) => "booked",
            Fact::Cancelled { .. } => "cancelled",
            Fact::Moved { .. } => "moved",
            Fact::Rested { .. } => "rested",
            Fact::Room { .. } => "room",
            Fact::Release { .. } => "release",
            Fact::Wish { .. } => "wish",
        }
    }
}
