//! Tickets of a waiting room that become wishes: they keep the place that the draw gives them.

use morgenruh_engine::rules::room::TicketId;
use morgenruh_engine::rules::wish::Place;
use morgenruh_engine::rules::wish::agent::Standing;

use super::watch::Look;
use super::{Asked, Wished, wrong};
use crate::oracle::Violation;
use crate::town::Town;
use crate::world::World;

impl World {
    /// The ticket that somebody would lay a wish with, if it has a place or will get one.
    pub(super) fn some_ticket(&mut self, who: usize) -> Result<Option<TicketId>, Violation> {
        let Some((terms, seq)) = self.terms().zip(self.ticket_of(who)) else {
            return Ok(None);
        };
        let has_place = self.position_of(seq)?.is_some();
        if self.dice.u8(..4) == 0 || !(terms.is_lottery || has_place) {
            return Ok(None);
        }
        let room = Town::room_id();
        Ok(Some(TicketId { room, seq }))
    }

    /// Where a wish that was this ticket stands: behind nobody but those who were drawn before it.
    pub(super) fn place_of(&mut self, seq: u32) -> Result<Option<Place>, Violation> {
        let Some(terms) = self.terms() else {
            return Ok(None);
        };
        let position = self.position_of(seq)?.unwrap_or(0);
        let since = terms.release_at().0;
        Ok(Some(Place { since, position }))
    }

    /// Nobody's place changes by itself: only with the draw, with a change of the wish, and when
    /// an offer was not answered.
    pub(super) fn keeps_place(&mut self, index: usize, look: &Look) -> Result<(), Violation> {
        let Wished {
            place,
            ticket,
            lost,
            ref asked,
            ref changed,
            ..
        } = self.wishers.wished[index];
        let may_be_changed = changed.is_some() || matches!(asked, Some(Asked::Change { .. }));
        // What is over stands nowhere.
        let is_over = look.standing.is_over();
        if look.place == place || may_be_changed || look.lost != lost || is_over {
            return Ok(());
        }
        let own = match ticket {
            Some(seq) => self.place_of(seq)?,
            None => None,
        };
        let is_drawn = own == Some(look.place) && Some(place.since) == own.map(|own| own.since);
        if is_drawn && place.position == 0 {
            return Ok(());
        }
        wrong("I4", (index, "has moved from", place, "to", look.place))
    }

    /// Once its room is drawn and a lottery is over, a wish waits like any other.
    pub(super) fn nothing_stays_undrawn(&self) -> Result<(), Violation> {
        let is_over = self.room().is_some_and(|room| {
            room.decide(|room| room.drawn().is_some() && !room.is_before_lottery())
        });
        let undrawn =
            |index: &usize| self.wishers.wished[*index].standing == Some(Standing::Undrawn);
        match self.wishers.open.iter().copied().find(undrawn) {
            Some(index) if is_over => {
                let wished = &self.wishers.wished[index];
                wrong("I5", (index, "was drawn and does not wait", wished))
            }
            _ => Ok(()),
        }
    }
}
