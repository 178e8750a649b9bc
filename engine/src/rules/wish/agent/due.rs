//! What time brings about, and what is still to be told.

use super::super::WishId;
use super::super::fact::{Offer, WishEnding};
use super::super::tally::Tally;
use super::{Agent, Notice, REMEMBERED, Standing};
use crate::canary::{Canary, sings};
use crate::rules::time::{DayNumber, UnixMillis};

/// What time has brought about; each is to be told to the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nobody has answered: the seat goes to the next one.
    Lapsed(WishId, Offer),
    Ended(WishId, WishEnding),
    Forgotten(WishId),
    /// An offer by its number, of which somebody is to be told once more.
    Reminded(WishId, u8),
}

impl Agent {
    /// What time brings about, up to so many at once. What is returned is marked: it goes to the
    /// ledger, or comes back by [`Agent::undo`].
    pub fn due(&mut self, now: UnixMillis, today: DayNumber, max: usize) -> Vec<Due> {
        let mut due = Vec::new();
        let lapsed = self.deadlines.range(..=(now, WishId(u64::MAX))).take(max);
        for (_, id) in lapsed {
            if let Some(Standing::Offered(offer)) = self.wishes.get(id).map(|it| it.standing) {
                due.push(Due::Lapsed(*id, offer));
            }
        }
        let reminders = self.reminders.range(..=(now, WishId(u64::MAX))).take(max);
        for (_, id) in reminders {
            if let Some(Standing::Offered(offer)) = self.wishes.get(id).map(|it| it.standing) {
                due.push(Due::Reminded(*id, offer.number));
            }
        }
        let outdated = self.outdated.range(..(today, WishId(0))).take(max);
        for (_, id) in outdated {
            if let Some(Standing::Waiting | Standing::Undrawn | Standing::Asleep) =
                self.wishes.get(id).map(|it| it.standing)
            {
                due.push(Due::Ended(*id, WishEnding::Outdated));
            }
        }
        // What is on its way to the ledger comes back first. A wish that has lost all its offers
        // waits for nothing any more.
        let is_ready = |(id, how): &(&WishId, &WishEnding)| {
            let standing = self.wishes.get(id).map(|it| it.standing);
            standing != Some(Standing::Deciding) || **how == WishEnding::UsedUp
        };
        for (id, how) in self.ending.iter().filter(is_ready).take(max) {
            due.push(Due::Ended(*id, *how));
        }
        let remembered = UnixMillis(now.0.saturating_sub(REMEMBERED.0));
        let ended = self
            .ended
            .range(..=(remembered, WishId(u64::MAX)))
            .take(max);
        if !sings(Canary::NothingForgotten) {
            due.extend(ended.map(|(_, id)| Due::Forgotten(*id)));
        }
        due
    }

    /// Ends a wish that nothing can be done for; the next tick tells it to the ledger.
    pub fn end_soon(&mut self, id: WishId, how: WishEnding) {
        self.ending.entry(id).or_insert(how);
    }

    /// Offers whose deadline comes before this instant.
    pub fn offers_until(&self, until: UnixMillis) -> Vec<(WishId, Offer)> {
        let soon = self.deadlines.range(..(until, WishId(0)));
        let offer = |(_, id): &(UnixMillis, WishId)| match self.wishes.get(id)?.standing {
            Standing::Offered(offer) => Some((*id, offer)),
            _ => None,
        };
        soon.filter_map(offer).collect()
    }

    /// What is to be told, of so many wishes at most.
    pub fn untold(&self, max: usize) -> Vec<(WishId, Notice)> {
        let first = |id: &WishId| Some((*id, *self.wishes.get(id)?.notices.first()?));
        self.untold.iter().filter_map(first).take(max).collect()
    }

    pub fn tally(&self) -> Tally {
        let since = |id: &WishId| Some(self.wishes.get(id)?.notices.first()?.at);
        Tally {
            open: self.wishes.len() - self.ended.len(),
            asleep: self.asleep,
            offers: self.deadlines.len(),
            untold: self.untold.len(),
            untold_since: self.untold.iter().filter_map(since).min(),
        }
    }
}
