//! Who laid a wish: one person's wishes bring one seat, and no more of them wait than a few.

use std::collections::BTreeSet;

use super::super::fact::Contact;
use super::super::index::Suits;
use super::super::{Wish, WishId};
use super::{Agent, Known, Standing, WISHES_MAX};
use crate::canary::{Canary, sings};
use crate::rules::ids::{DayKey, Digest, ReservationId};
use crate::rules::person::marks;
use crate::rules::room::TicketId;

/// Wishes of one person for one service that can wait at once.
pub const WISHES_PER_PERSON_MAX: usize = 3;

/// Why a wish is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayRefusal {
    /// [`WISHES_PER_PERSON_MAX`] are waiting.
    TooMany,
    /// [`WISHES_MAX`] are known.
    Full,
    /// The ticket is a wish already.
    Laid(WishId),
    /// The booking has one already.
    BroughtForward(WishId),
}

impl Agent {
    /// A number that no wish has had, if there is room for one of this person.
    ///
    /// # Errors
    /// [`LayRefusal`]
    pub fn begin(
        &mut self,
        wish: &Wish,
        contact: &Contact,
        ticket: Option<TicketId>,
    ) -> Result<WishId, LayRefusal> {
        if let Some(known) = ticket.and_then(|ticket| self.tickets.get(&ticket)) {
            return Err(LayRefusal::Laid(*known));
        }
        let instead = wish.instead_of.map(|instead| instead.booking);
        if let Some(known) = instead.and_then(|booking| self.instead.get(&booking)) {
            return Err(LayRefusal::BroughtForward(*known));
        }
        let marks = marks(&contact.email, contact.phone.as_deref());
        if self.has_as_many_as_can_be(wish, &marks) {
            return Err(LayRefusal::TooMany);
        }
        if self.wishes.len() >= WISHES_MAX {
            return Err(LayRefusal::Full);
        }
        self.last = WishId(self.last.0 + 1);
        let id = self.last;
        self.claim(id, wish, &marks);
        if let Some(ticket) = ticket {
            self.tickets.insert(ticket, id);
        }
        Ok(id)
    }

    pub(super) fn has_as_many_as_can_be(&self, wish: &Wish, marks: &[Digest]) -> bool {
        let mut services = wish.services.iter();
        services.any(|(service, _)| self.of_person(marks, service) >= WISHES_PER_PERSON_MAX)
    }

    /// How many wishes a person has for a service.
    fn of_person(&self, marks: &[Digest], service: u16) -> usize {
        let of = |mark: &Digest| self.persons.get(&(*mark, service)).map_or(0, Vec::len);
        marks.iter().map(of).max().unwrap_or(0)
    }

    /// Whether a wish can become this one: its person can have one more for each service that is
    /// new.
    pub fn may_become(&self, id: WishId, wish: &Wish) -> bool {
        self.wishes.get(&id).is_some_and(|known| {
            let is_had = |service: u16| known.wish.services.iter().any(|(had, _)| had == service);
            let new = wish.services.iter().map(|(service, _)| service);
            new.filter(|service| !is_had(*service))
                .all(|service| self.of_person(&known.marks, service) < WISHES_PER_PERSON_MAX)
        })
    }

    /// The ledger could not keep what [`Agent::begin`] has begun.
    pub fn not_laid(
        &mut self,
        id: WishId,
        wish: &Wish,
        contact: &Contact,
        ticket: Option<TicketId>,
    ) {
        self.disclaim(id, wish, &marks(&contact.email, contact.phone.as_deref()));
        if let Some(ticket) = ticket {
            self.tickets.remove(&ticket);
        }
    }

    /// From now on the wish counts as one of its person's, and as the one for its booking.
    pub(super) fn claim(&mut self, id: WishId, wish: &Wish, marks: &[Digest]) {
        for mark in marks {
            for (service, _) in wish.services.iter() {
                let wishes = self.persons.entry((*mark, service)).or_default();
                if !wishes.contains(&id) {
                    wishes.push(id);
                }
            }
        }
        if let Some(instead) = wish.instead_of {
            self.instead.insert(instead.booking, id);
        }
    }

    pub(super) fn disclaim(&mut self, id: WishId, wish: &Wish, marks: &[Digest]) {
        if let Some(instead) = wish.instead_of
            && self.instead.get(&instead.booking) == Some(&id)
        {
            self.instead.remove(&instead.booking);
        }
        for mark in marks {
            for (service, _) in wish.services.iter() {
                if let Some(wishes) = self.persons.get_mut(&(*mark, service)) {
                    wishes.retain(|other| *other != id);
                    if wishes.is_empty() {
                        self.persons.remove(&(*mark, service));
                    }
                }
            }
        }
    }

    /// Whether it is not about to end, has not turned this start down before, and nothing of the
    /// same person for the same service is offered or being decided: several wishes of one person
    /// bring no more than one.
    pub fn may_have(&self, id: WishId, key: DayKey, start: u16) -> Suits {
        if self.ending.contains_key(&id) {
            return Suits::No;
        }
        let Some(known) = self.wishes.get(&id) else {
            return Suits::No;
        };
        let is_same = |seat: &ReservationId| {
            let seat = seat.seat();
            (seat.key, seat.start) == (key, start)
        };
        if known.seats.iter().any(is_same) {
            return Suits::Elsewhere;
        }
        let is_open = |other: &WishId| {
            let standing = self.wishes.get(other).map(|other| other.standing);
            *other != id && matches!(standing, Some(Standing::Deciding | Standing::Offered(_)))
        };
        let mut others = self.of_same_person(known);
        if others.any(|others| others.iter().any(is_open)) && !sings(Canary::PersonForgotten) {
            Suits::No
        } else {
            Suits::Yes
        }
    }

    /// The other wishes of the same person for the same service that wait. While this one was
    /// offered something or being decided, they were passed over.
    pub fn waiting_beside(&self, id: WishId) -> Vec<WishId> {
        let others = self.wishes.get(&id).into_iter();
        let others = others.flat_map(|known| self.of_same_person(known).flatten());
        let waits = |other: &WishId| {
            let standing = self.wishes.get(other).map(|other| other.standing);
            *other != id && standing == Some(Standing::Waiting)
        };
        let others: BTreeSet<WishId> = others.copied().filter(waits).collect();
        others.into_iter().collect()
    }

    pub(super) fn of_same_person<'s>(
        &'s self,
        known: &'s Known,
    ) -> impl Iterator<Item = &'s Vec<WishId>> {
        known.marks.iter().flat_map(|mark| {
            let services = known.wish.services;
            let services: Vec<u16> = services.iter().map(|(service, _)| service).collect();
            let of = services.into_iter().map(|service| (*mark, service));
            of.filter_map(|key| self.persons.get(&key))
        })
    }
}
