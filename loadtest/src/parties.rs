//! Who comes together, and when: citizens one by one on the curve, everybody else when it pays.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::city::{City, Target};
use crate::dice::Dice;
use crate::plan::{Citizen, NothingToDo, Plan};
use crate::room::watch::Who;
use crate::scenario::Scenario;

/// Sets the dice of those who come at a moment apart from what they want.
const MOMENTS: u64 = 0x6d6f_6d65_6e74;

/// Those who come at one instant; more than one share a ticket.
#[derive(Debug)]
pub struct Party {
    pub comes: Instant,
    pub people: Vec<Citizen>,
}

impl Party {
    pub fn alone(comes: Instant, citizen: Citizen) -> Self {
        Self {
            comes,
            people: vec![citizen],
        }
    }
}

/// What is needed to send those who want more than their share.
#[derive(Debug)]
pub struct Rogues<'a> {
    pub scenario: &'a Scenario,
    pub city: &'a City,
    pub target: &'a Target,
    pub seed: u64,
    /// When the first room gives tickets, or when the run begins if that is later.
    pub opening: Instant,
    pub release: Instant,
}

impl Rogues<'_> {
    /// All of them. `first` is the first index that no citizen has.
    pub fn parties(&self, first: u32) -> Result<Vec<Party>, NothingToDo> {
        let mut parties = Vec::new();
        let mut dice = Dice::new(self.seed ^ MOMENTS);
        let mut next = first;
        let mut indices = |count: u32| {
            let from = next;
            next = next.saturating_add(count);
            from..next
        };
        if let Some(bots) = &self.scenario.bots {
            for bot in self.draw(Who::Bot, indices(bots.sessions.value))? {
                let early = dice.chance(bots.opening_share.value);
                let begin = if early { self.opening } else { self.release };
                let after_ms = bots.within_ms.value * dice.unit();
                let comes = begin + Duration::from_secs_f64(after_ms / 1_000.0);
                parties.push(Party::alone(comes, bot));
            }
        }
        if let Some(sharers) = &self.scenario.sharers {
            let clients = sharers.clients.value;
            for _ in 0..sharers.tickets.value {
                let mut people = self.draw(Who::Sharer, indices(clients))?;
                // They are after the same.
                if let Some(first) = people.first().cloned() {
                    for one in &mut people {
                        one.need.clone_from(&first.need);
                        one.offices.clone_from(&first.offices);
                        one.days.clone_from(&first.days);
                    }
                }
                let comes = self.opening;
                parties.push(Party { comes, people });
            }
        }
        if let Some(abandoners) = &self.scenario.abandoners {
            let drawn = self.draw(Who::Abandoner, indices(abandoners.sessions.value))?;
            let alone = drawn.into_iter().map(|it| Party::alone(self.opening, it));
            parties.extend(alone);
        }
        Ok(parties)
    }

    fn draw(&self, who: Who, indices: Range<u32>) -> Result<Vec<Citizen>, NothingToDo> {
        Plan::others(
            self.scenario,
            self.city,
            self.target,
            who,
            indices,
            self.seed,
        )
    }
}
