//! Who is called and let in, and what a ticket is told of its place.

use super::super::admission::{LivePass, PASSES_PER_TICKET};
use super::super::fact::RoomFact;
use super::super::place::{Chance, Pace, Place, Standing, chance, eta, poll_after};
use super::{Exchange, FEED_MAX, PassRefusal, Room};
use crate::canary::{Canary, sings};
use crate::rules::catalogue::RoomPolicy;
use crate::rules::time::{Millis, UnixMillis};

/// What is assumed before anybody was seen to book.
const BOOKING_SHARE: f64 = 0.8;
/// Weight of that assumption, in places.
const BOOKING_SHARE_WEIGHT: f64 = 20.0;

impl Room {
    pub(super) fn call(&mut self, now: UnixMillis) -> Option<RoomFact> {
        let quiet = self.paused || self.marks.calling || self.marks.ending;
        // Nobody chooses for themselves where the draw decides.
        let quiet = quiet || self.plan.terms.policy == RoomPolicy::Lottery;
        if quiet || self.drawn().is_none() {
            return None;
        }
        let most = self.admission.callable(now, &self.plan.terms, self.stock);
        let serving = self.serving();
        let (mut upto, mut awaited) = (serving, 0);
        // Places that nobody is awaited on cost nothing; the bound is for the time it takes.
        while upto < self.given && awaited < most && upto - serving < FEED_MAX {
            upto += 1;
            let seq = self.at(upto);
            awaited += u32::from(seq.is_some_and(|seq| self.is_awaited(seq)));
        }
        (upto > serving).then(|| {
            self.marks.calling = true;
            self.admission.is_calling(awaited as usize);
            RoomFact::Called { upto }
        })
    }

    /// Whether somebody may come with this ticket when it is called.
    pub(super) fn is_awaited(&self, seq: u32) -> bool {
        let gone = self.left.contains(seq) || self.spent.contains(seq);
        let called_before = self.had[0].contains(seq) || self.preferred.contains(&seq);
        let unsure = self.unsure.iter().any(|range| range.contains(&seq));
        !(gone || called_before || unsure)
    }

    /// The place of a ticket that was given, once there are places.
    pub fn position_of(&self, seq: u32) -> Option<u32> {
        let drawn = self.drawn()?;
        match seq {
            seq if seq >= self.given => None,
            seq if seq >= drawn.tickets => Some(seq + 1),
            seq => drawn.line.position_of(seq),
        }
    }

    /// The ticket on a place.
    pub(super) fn at(&self, position: u32) -> Option<u32> {
        let drawn = self.drawn()?;
        if position > drawn.tickets {
            return Some(position - 1);
        }
        drawn.line.at(position)
    }

    /// What a ticket is told. `entropy` spreads the questions of many.
    pub fn place(&self, now: UnixMillis, seq: u32, entropy: u32) -> Place {
        let standing = self.standing(seq);
        let pace = self.pace(now);
        let ahead = match standing {
            Standing::InLine { ahead, .. } => ahead,
            _ => 0,
        };
        let in_line = matches!(standing, Standing::InLine { .. });
        let eta = eta(ahead, pace).filter(|_| in_line && !self.paused);
        let wait = match standing {
            Standing::Gathering => self.plan.release_at - now,
            Standing::InLine { .. } => eta.map_or(Millis(60_000), |(least, _)| least),
            Standing::Called { .. } | Standing::Inside { .. } => Millis(50_000),
            _ => Millis(i64::MAX / 2),
        };
        Place {
            chance: match standing {
                Standing::Gathering => Chance::Possible,
                _ => chance(ahead, self.stock, pace),
            },
            standing,
            eta,
            poll_after: poll_after(wait, entropy),
        }
    }

    pub(super) fn standing(&self, seq: u32) -> Standing {
        if self.spent.contains(seq) {
            return Standing::Booked;
        }
        if let Some(ending) = self.ended {
            return Standing::Over(ending);
        }
        if self.left.contains(seq) {
            return Standing::Left;
        }
        let Some(position) = self.position_of(seq) else {
            return Standing::Gathering;
        };
        let pass = self.admission.pass(seq);
        // What the ledger does not have yet is not told.
        if let Some(pass) = pass.filter(|pass| pass.durable) {
            return Standing::Inside {
                position,
                turn: pass.turn,
                until: pass.expires_at,
            };
        }
        let skipped = u32::from(sings(Canary::QueueSkipped));
        if position > self.serving() + skipped && !self.preferred.contains(&seq) {
            let ahead = position - self.serving() - 1;
            return Standing::InLine { position, ahead };
        }
        if pass.is_none() && self.turn(seq) > PASSES_PER_TICKET {
            return Standing::UsedUp;
        }
        Standing::Called {
            position,
            until: self.admission.awaited_until(seq),
        }
    }

    pub(super) fn pace(&self, now: UnixMillis) -> Pace {
        let called = f64::from(self.serving());
        let minutes = self
            .serving_since
            .map_or(0.0, |since| ((now - since).0 as f64 / 60_000.0).max(0.0));
        // For a start the rate that is allowed counts for a minute.
        let allowed = f64::from(self.plan.terms.passes_per_minute);
        let observed = if minutes < 1.0 {
            allowed
        } else {
            called / minutes
        };
        let booked = f64::from(self.counts.booked);
        let weight = BOOKING_SHARE_WEIGHT;
        Pace {
            per_minute: observed.min(allowed),
            booking_share: ((booked + BOOKING_SHARE * weight) / (called + weight)).min(1.0),
        }
    }

    /// The how manieth pass the ticket would get.
    pub(super) fn turn(&self, seq: u32) -> u8 {
        1 + self
            .had
            .iter()
            .map(|had| u8::from(had.contains(seq)))
            .sum::<u8>()
    }

    /// Gives a ticket its pass. Exchanging it again gives the same pass while that is live.
    ///
    /// # Errors
    /// [`PassRefusal`]; nothing has changed, except that whoever came late is let in next.
    pub fn exchange(&mut self, now: UnixMillis, seq: u32) -> Result<Exchange, PassRefusal> {
        if seq >= self.given {
            return Err(PassRefusal::Unknown);
        }
        let known = self.admission.pass(seq).copied();
        match (self.standing(seq), known) {
            (Standing::Inside { .. } | Standing::Called { .. }, Some(pass)) => {
                if let Some(pass) = self.admission.pass_mut(seq).filter(|it| !it.durable) {
                    pass.tries = pass.tries.saturating_add(1);
                }
                Ok(Exchange {
                    pass,
                    durable: pass.durable,
                })
            }
            (Standing::Called { .. }, None) if self.paused => Err(PassRefusal::Paused),
            (Standing::Called { position, .. }, None) => {
                if !self.admission.has_room_for(seq, &self.plan.terms) {
                    self.admission.remember_late(position, seq);
                    return Err(PassRefusal::Full);
                }
                let pass = LivePass {
                    turn: self.turn(seq),
                    expires_at: now + self.plan.terms.pass,
                    holds: 0,
                    durable: false,
                    tries: 1,
                };
                self.admission.give(seq, pass);
                Ok(Exchange {
                    pass,
                    durable: false,
                })
            }
            (Standing::Gathering | Standing::InLine { .. } | Standing::Inside { .. }, _) => {
                Err(PassRefusal::NotYourTurn)
            }
            (Standing::Booked, _) => Err(PassRefusal::Booked),
            (Standing::Left, _) => Err(PassRefusal::Left),
            (Standing::UsedUp, _) => Err(PassRefusal::UsedUp),
            (Standing::Over(ending), _) => Err(PassRefusal::Over(ending)),
        }
    }

    /// The live pass of a ticket.
    pub fn pass(&self, seq: u32) -> Option<LivePass> {
        self.admission.pass(seq).copied()
    }
}
