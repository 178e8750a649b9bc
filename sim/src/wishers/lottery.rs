//! What a lottery may give to whom: each seat to the first place of the draw that it fits.

use morgenruh_engine::rules::room::fact::Allotment;
use morgenruh_engine::rules::wish::agent::Standing;

use super::judge::units;
use super::{Wished, wrong};
use crate::oracle::{Seat, Violation};
use crate::town::{FIRST_UNIT, Town, UNITS_MAX};
use crate::world::World;

/// The counter and the day that the room is before.
const HALL: (u8, u16) = (0, 0);

/// The wishes of a room before a tick, by place.
#[derive(Default)]
pub(super) struct Lots {
    /// Whether its seats were still to be given.
    is_open: bool,
    undrawn: Vec<(u32, usize)>,
}

impl World {
    /// The lottery as it stands before a tick.
    pub(super) fn lots(&mut self) -> Result<Lots, Violation> {
        let mut lots = Lots::default();
        if self.terms().is_none_or(|terms| !terms.is_lottery) {
            return Ok(lots);
        }
        let room = self.room();
        lots.is_open = room.is_some_and(|room| room.decide(|room| room.awaits_lottery()));
        for index in self.wishers.open.clone() {
            let Wished {
                ticket,
                standing,
                place,
                ..
            } = self.wishers.wished[index];
            let Some(seq) = ticket.filter(|_| standing == Some(Standing::Undrawn)) else {
                continue;
            };
            // Whoever changed a wish after the draw has lost its place.
            let is_drawn = self
                .place_of(seq)?
                .is_some_and(|own| own.since == place.since);
            if is_drawn && let Some(position) = self.position_of(seq)? {
                lots.undrawn.push((position, index));
            }
        }
        lots.undrawn.sort_unstable();
        Ok(lots)
    }

    /// Whether a seat that was given just now was given by the lottery.
    pub(super) fn is_lot(&self, lots: &Lots, of: usize, seat: Seat) -> bool {
        let is_drawn = lots.undrawn.iter().any(|(_, index)| *index == of);
        lots.is_open && is_drawn && (seat.counter, seat.day) == HALL
    }

    /// Nobody with a place before this one could have had the seat.
    pub(super) fn is_first_drawn(
        &mut self,
        lots: &Lots,
        of: usize,
        seat: Seat,
        engaged: &[usize],
    ) -> Result<(), Violation> {
        self.tally.seats_drawn += 1;
        self.wishers.drawn.push((of, seat));
        let before = lots.undrawn.iter().take_while(|(_, index)| *index != of);
        for (position, index) in before.copied() {
            if self.still_draws(index, engaged)
                && units(&self.wishers.wished[index]) <= seat.units
                && self.fits_within(index, seat).is_some()
            {
                let wished = &self.wishers.wished[index];
                return wrong("I4", (of, seat, "was drawn past", position, wished));
            }
        }
        Ok(())
    }

    /// When a lottery is over, nothing is left that somebody of the draw could have had.
    pub(super) fn was_given_out(&self, lots: &Lots, engaged: &[usize]) -> Result<(), Violation> {
        let is_open = self
            .room()
            .is_some_and(|room| room.decide(|room| room.awaits_lottery()));
        if !lots.is_open || is_open {
            return Ok(());
        }
        let (counter, day) = HALL;
        for office in 0..self.options.town.offices {
            let free = self.vacant_units(office, day, counter);
            for (position, index) in lots.undrawn.iter().copied() {
                if !self.still_draws(index, engaged) {
                    continue;
                }
                let units = units(&self.wishers.wished[index]);
                for start in FIRST_UNIT..=FIRST_UNIT + UNITS_MAX - units {
                    let seat = Seat {
                        office,
                        day,
                        counter,
                        start,
                        units,
                    };
                    let first = usize::from(start - FIRST_UNIT);
                    let span = &free[first..first + usize::from(units)];
                    if span.iter().all(|free| *free) && self.fits(index, seat, start, true) {
                        let wished = &self.wishers.wished[index];
                        return wrong("I5", (seat, "was left over for", position, wished));
                    }
                }
            }
        }
        Ok(())
    }

    fn still_draws(&self, index: usize, engaged: &[usize]) -> bool {
        let wished = &self.wishers.wished[index];
        let is_busy = |other: usize| {
            engaged.contains(&other)
                || self.wishers.wished[other].is_engaged()
                || self.may_have_failed(other)
        };
        wished.standing == Some(Standing::Undrawn)
            && !wished.merges
            && !is_busy(index)
            && !self.wishers.siblings(index).any(is_busy)
    }

    /// What the ledger was told of a lottery, once: who had which of its seats.
    pub(super) fn is_outcome(&mut self) -> Result<(), Violation> {
        let Some(room) = self.room() else {
            return Ok(());
        };
        let outcome = room.decide(|room| room.allotted().map(<[Allotment]>::to_vec));
        let known = self.wishers.outcome.clone();
        match (known, outcome) {
            (None, None) => Ok(()),
            (Some(known), outcome) if outcome.as_ref() != Some(&known) => {
                wrong("I2", ("the lottery had another outcome", known, outcome))
            }
            (Some(_), _) => Ok(()),
            (None, Some(outcome)) => {
                self.tally.lotteries += 1;
                self.judge_outcome(&outcome)?;
                self.wishers.outcome = Some(outcome);
                Ok(())
            }
        }
    }

    fn judge_outcome(&mut self, outcome: &[Allotment]) -> Result<(), Violation> {
        if !outcome.is_sorted_by(|one, next| one.position < next.position) {
            return wrong("I4", ("a place was drawn twice", outcome));
        }
        for (index, seat) in self.wishers.drawn.clone() {
            let Wished {
                ticket, standing, ..
            } = self.wishers.wished[index];
            let has = match standing {
                Some(Standing::Offered(offer)) => Some(offer.seat),
                Some(Standing::Booked { seat, .. }) => Some(seat),
                _ => None,
            };
            let Some(has) = has.filter(|has| Seat::of(*has) == seat) else {
                continue;
            };
            let position = match ticket {
                Some(seq) => self.position_of(seq)?,
                None => None,
            };
            let is_of_it = |it: &&Allotment| it.seat == has && Some(it.position) == position;
            if outcome.iter().find(is_of_it).is_none() {
                return wrong(
                    "I4",
                    (index, position, has, "is not in the outcome", outcome),
                );
            }
        }
        let was_drawn = |it: &&Allotment| {
            let seat = Seat::of(it.seat);
            !self.wishers.drawn.iter().any(|(_, drawn)| *drawn == seat)
        };
        match outcome.iter().find(was_drawn) {
            Some(other) => wrong("I4", ("was never drawn", other, Town::ROOM)),
            None => Ok(()),
        }
    }
}
