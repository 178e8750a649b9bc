//! What everybody asked and heard, written down for a judge who has never heard of the oracle.

use std::collections::BTreeMap;

use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_history::{Act, Call, check};

use crate::oracle::{ClaimId, Seat, Violation};

/// When something was first asked, and when it was answered with success.
type Asked = Option<(u64, Option<u64>)>;

/// By how much an outage can have stretched a hold that its holder thought over.
const LONGER_MS: i64 = 30 * 60_000;

/// What can be asked about a claim after its hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Release,
    Confirm,
    Leave,
}

struct Story {
    seat: Seat,
    deadline: i64,
    /// When the clock had come to an earlier deadline, which was prolonged all the same: a crash
    /// had brought the hold back, and the clock was set back.
    was_due: Option<u64>,
    held: (u64, u64),
    wishes: [Asked; 3],
}

/// The record of a run. Times are counted in calls.
#[derive(Default)]
pub struct Chronicle {
    time: u64,
    stories: Vec<Story>,
    /// When, and what the clock showed after it.
    crashes: Vec<(u64, i64)>,
    /// The latest time that a clock had shown, by time.
    clock: Vec<(i64, u64)>,
}

impl Chronicle {
    /// A new instant.
    pub fn instant(&mut self) -> u64 {
        self.time += 1;
        self.time
    }

    pub fn held(&mut self, seat: Seat, deadline: i64) {
        let held = (self.instant(), self.instant());
        self.stories.push(Story {
            seat,
            deadline,
            was_due: None,
            held,
            wishes: [None; 3],
        });
    }

    pub fn prolonged(&mut self, claim: ClaimId, deadline: i64) {
        let was_due = self.due(self.stories[claim].deadline);
        let story = &mut self.stories[claim];
        story.was_due = story.was_due.or(was_due);
        story.deadline = story.deadline.max(deadline);
    }

    /// When a clock first showed this deadline.
    fn due(&self, deadline: i64) -> Option<u64> {
        let due = self.clock.partition_point(|(latest, _)| *latest < deadline);
        self.clock.get(due).map(|(_, time)| *time)
    }

    pub fn asked(&mut self, claim: ClaimId, wish: Wish) {
        let now = self.instant();
        self.stories[claim].wishes[wish as usize].get_or_insert((now, None));
    }

    pub fn done(&mut self, claim: ClaimId, wish: Wish) {
        let now = self.instant();
        if let Some((_, answered)) = &mut self.stories[claim].wishes[wish as usize] {
            answered.get_or_insert(now);
        }
    }

    /// What was asked was certainly not done.
    pub fn not_done(&mut self, claim: ClaimId, wish: Wish) {
        self.stories[claim].wishes[wish as usize] = None;
    }

    pub fn crashed(&mut self, clock: i64) {
        let now = self.instant();
        self.crashes.push((now, clock));
    }

    pub fn clock_shows(&mut self, now: i64) {
        if self.clock.last().is_none_or(|(latest, _)| *latest < now) {
            let time = self.instant();
            self.clock.push((now, time));
        }
    }

    /// The latest time that any clock has shown.
    pub fn latest(&self) -> UnixMillis {
        UnixMillis(self.clock.last().map_or(0, |(latest, _)| *latest))
    }

    /// Judges the history of each cell by itself.
    ///
    /// # Errors
    /// The first cell whose calls have no order.
    pub fn judge(&self) -> Result<(), Violation> {
        let mut cells: BTreeMap<(u16, u16, u8, u16), Vec<Call<ClaimId>>> = BTreeMap::new();
        for (who, story) in self.stories.iter().enumerate() {
            let calls = self.calls(who, story);
            let Seat {
                office,
                day,
                counter,
                start,
                units,
            } = story.seat;
            for unit in start..start + units {
                let cell = cells.entry((office, day, counter, unit)).or_default();
                cell.extend(&calls);
            }
        }
        for (cell, calls) in &cells {
            check(calls)
                .map_err(|violation| Violation(format!("I1: cell {cell:?}: {violation}")))?;
        }
        Ok(())
    }

    fn calls(&self, who: ClaimId, story: &Story) -> Vec<Call<ClaimId>> {
        let call = |act, invoked, returned| Call {
            who,
            act,
            invoked,
            returned,
        };
        let (invoked, returned) = story.held;
        let mut calls = vec![call(Act::Hold, invoked, Some(returned))];
        let acts = [Act::Release, Act::Confirm, Act::Cancel];
        for (act, wish) in acts.into_iter().zip(story.wishes) {
            calls.extend(wish.map(|(invoked, returned)| call(act, invoked, returned)));
        }
        let due = story.was_due.or_else(|| self.due(story.deadline));
        let first = self.crashes.partition_point(|(crash, _)| *crash < returned);
        let crashes = &self.crashes[first..];
        let lost = crashes.first().map(|(crash, _)| *crash);
        let lapse = due.into_iter().chain(lost).min();
        calls.extend(lapse.map(|invoked| call(Act::Lapse, invoked.max(returned), None)));
        // A hold's end is written down without waiting: a crash can forget it, and with it
        // whatever took the seat since, as long as the clock has not come to the deadline.
        let back = crashes
            .iter()
            .filter(|(_, clock)| *clock < story.deadline + LONGER_MS);
        for (crash, _) in back {
            calls.push(call(Act::Hold, *crash, None));
            calls.push(call(Act::Lapse, *crash, None));
        }
        calls
    }
}
