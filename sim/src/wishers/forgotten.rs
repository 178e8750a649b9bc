//! What is over is forgotten after three days, and not before.

use morgenruh_engine::rules::time::Millis;
use morgenruh_engine::rules::wish::agent::Standing;

use super::{Wishers, wrong};
use crate::oracle::Violation;
use crate::town::{DAYS, Town};
use crate::world::World;

/// How long a wish that has ended can be looked at.
const REMEMBERED: Millis = Millis::from_minutes(3 * 24 * 60);
const HOUR: Millis = Millis::from_minutes(60);
/// Ticks within which everything that is due is written down, however small the queue.
const TICKS_MAX: usize = 1_000;

impl World {
    /// Once the last day is over, so is every wish; days later nothing is left of any.
    pub(crate) fn everything_is_forgotten(&mut self) -> Result<(), Violation> {
        if self.options.town.wishes.is_none() {
            return Ok(());
        }
        self.set_clock(Town::instant(DAYS, 0) + HOUR);
        self.calm()?;
        self.look_at_wishes(false)?;
        // A booking that was not asked for can still be given back for another one.
        let goes_on = |index: &&usize| {
            let standing = self.wishers.wished[**index].standing;
            !standing.is_some_and(Standing::is_over)
        };
        if let Some(index) = self.wishers.open.iter().find(goes_on) {
            let wished = &self.wishers.wished[*index];
            return wrong("I5", (index, "goes on after its last day", wished));
        }
        let laid = self.wishers.wished.iter().filter(|it| it.id.is_some());
        let laid = laid.count();
        let known = self.engine.look_at_wishes(|agent| agent.each().count());
        if known < laid {
            return wrong("I2", ("forgotten too early: known", known, "laid", laid));
        }
        // Nobody looks for them any more.
        self.wishers = Wishers::default();
        self.set_clock(self.now() + REMEMBERED + HOUR);
        for _ in 0..TICKS_MAX {
            let before = self.disk.plates().facts();
            let (now, dice) = (self.now(), &mut self.dice);
            self.engine.tick_wishes(now, || dice.u64(..));
            self.write_all()?;
            if self.disk.plates().facts() == before {
                break;
            }
        }
        let left = self.engine.look_at_wishes(|agent| agent.each().count());
        let stored = self.disk.plates().stored(self.now()).wish_facts;
        if left > 0 || !stored.is_empty() {
            let stored = stored.first();
            return wrong("I12", (left, "are remembered, and stored is", stored));
        }
        self.tally.wishes_forgotten += known as u64;
        Ok(())
    }
}
