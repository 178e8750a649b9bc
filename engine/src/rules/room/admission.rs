//! Who is let in: places are called in their order, called tickets are exchanged for passes.
//!
//! Passes that are live and places that are called and still awaited never exceed the room's
//! ceiling together, so whoever comes in time always gets a pass. Whoever comes late gets one as
//! soon as there is room, and nobody waits for those who do not come.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::plan::Terms;
use crate::canary::{Canary, sings};
use crate::rules::time::{Millis, UnixMillis};

/// Passes that one ticket can have, one after the other: one to begin with, and another one.
pub const PASSES_PER_TICKET: u8 = 2;

/// How long somebody who came late and found no room is awaited once there is some.
const LATE_TURN: Millis = Millis::from_minutes(1);
/// Tickets that are remembered because they came late; whoever comes then has to be lucky.
const LATE_MAX: usize = 10_000;

/// A place that was called.
#[derive(Clone, Copy, Debug)]
struct Call {
    seq: u32,
    deadline: UnixMillis,
}

/// A pass that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LivePass {
    /// The how manieth of its ticket, from 1.
    pub turn: u8,
    pub expires_at: UnixMillis,
    /// Holds that were made with it and have not ended.
    pub holds: u8,
    /// Whether the ledger has it.
    pub durable: bool,
    /// How often it is on its way there: it can be asked for again before that is known.
    pub tries: u8,
}

/// What can still be booked in the room's days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    /// Free seats, each of the shortest length that the office gives.
    pub seats: u32,
    /// Reserved seats that can fall back.
    pub held: u32,
}

impl Stock {
    pub fn is_gone(self) -> bool {
        self.seats == 0 && self.held == 0
    }
}

#[derive(Debug, Default)]
pub(super) struct Admission {
    /// Places up to this one were called.
    serving: u32,
    /// Oldest first; also those that were answered since.
    calls: VecDeque<Call>,
    /// Called and still awaited, with what they are awaited until.
    awaited: HashMap<u32, UnixMillis>,
    /// Tickets that came late and found no room, by their places: they are let in before anybody
    /// else is called.
    late: BTreeMap<u32, u32>,
    /// Of those of them who are awaited, oldest first.
    late_calls: VecDeque<Call>,
    passes: HashMap<u32, LivePass>,
    /// Tickets whose call is on its way to the ledger: their places are taken already.
    calling: usize,
    /// Calls that the rate allows now, in thousandths.
    allowance: i64,
    filled_at: Option<UnixMillis>,
}

impl Admission {
    pub(super) fn serving(&self) -> u32 {
        self.serving
    }

    pub(super) fn passes(&self) -> usize {
        self.passes.len()
    }

    pub(super) fn awaited(&self) -> usize {
        self.awaited.len()
    }

    pub(super) fn pass(&self, seq: u32) -> Option<&LivePass> {
        self.passes.get(&seq)
    }

    pub(super) fn pass_mut(&mut self, seq: u32) -> Option<&mut LivePass> {
        self.passes.get_mut(&seq)
    }

    pub(super) fn awaited_until(&self, seq: u32) -> Option<UnixMillis> {
        self.awaited.get(&seq).copied()
    }

    /// Places inside that somebody has, or is to have.
    fn taken(&self) -> usize {
        self.passes.len() + self.awaited.len() + self.calling
    }

    /// Whether a ticket that may be exchanged can have a pass now without exceeding the ceiling.
    pub(super) fn has_room_for(&self, seq: u32, terms: &Terms) -> bool {
        let own = usize::from(self.awaited.contains_key(&seq));
        self.taken() - own < terms.passes_max as usize || sings(Canary::CeilingForgotten)
    }

    /// How many places may be called now: as the ceiling, the rate and the stock allow. Whoever
    /// has a seat reserved needs none of what is free.
    pub(super) fn callable(&mut self, now: UnixMillis, terms: &Terms, stock: Stock) -> u32 {
        let per_minute = i64::from(terms.passes_per_minute);
        // A second's worth can be saved up, or one call where that is less; a room begins with it.
        let most = (per_minute * 1_000 / 60).max(1_000);
        let elapsed = self.filled_at.map_or(Millis(60_000), |at| now - at);
        let earned = elapsed.0.clamp(0, 60_000) * per_minute / 60;
        self.allowance = (self.allowance + earned).min(most);
        self.filled_at = Some(now);
        let ceiling = (terms.passes_max as usize).saturating_sub(self.taken());
        let seeking = self.passes.values().filter(|pass| pass.holds == 0).count();
        let free = (stock.seats as usize).saturating_sub(seeking + self.awaited.len());
        let rate = usize::try_from(self.allowance / 1_000).unwrap_or(0);
        ceiling.min(free).min(rate).try_into().unwrap_or(u32::MAX)
    }

    /// So many tickets are about to be called, or none after all.
    pub(super) fn is_calling(&mut self, awaited: usize) {
        self.calling = awaited;
    }

    /// Places up to `upto` are called. `awaited` are the tickets on them that somebody may come
    /// with; calls that nobody is awaited for cost nothing.
    pub(super) fn called(
        &mut self,
        upto: u32,
        awaited: impl Iterator<Item = u32>,
        deadline: UnixMillis,
    ) {
        self.calling = 0;
        self.serving = self.serving.max(upto);
        for seq in awaited {
            // Staff had preferred it, and its pass is still on its way.
            if self.passes.contains_key(&seq) {
                continue;
            }
            self.awaited.insert(seq, deadline);
            self.calls.push_back(Call { seq, deadline });
            self.allowance -= 1_000;
        }
    }

    /// Whoever was awaited until now and did not come. A call that would last longer than a turn
    /// was made before the clock was set back: nobody waits for it either.
    pub(super) fn missed(&mut self, now: UnixMillis, terms: &Terms) -> Vec<u32> {
        let mut missed = Vec::new();
        let awaited = &self.awaited;
        self.calls.retain(|call| {
            // An answered call is not awaited any more, and one that was put back has another
            // deadline.
            let stands = awaited.get(&call.seq) == Some(&call.deadline);
            let is_over = call.deadline <= now || call.deadline > now + terms.turn;
            if stands && is_over {
                missed.push(call.seq);
            }
            stands && !is_over
        });
        missed
    }

    /// Somebody whose place was called found no room.
    pub(super) fn remember_late(&mut self, position: u32, seq: u32) {
        if self.late.len() < LATE_MAX {
            self.late.insert(position, seq);
        }
    }

    /// Whoever came late is awaited as soon as there is room, unless it is over for the ticket.
    pub(super) fn await_late(
        &mut self,
        now: UnixMillis,
        terms: &Terms,
        over: impl Fn(u32) -> bool,
    ) {
        let awaited = &mut self.awaited;
        self.late_calls.retain(|call| {
            let stands = awaited.get(&call.seq) == Some(&call.deadline);
            let is_over = call.deadline <= now || call.deadline > now + terms.turn;
            if stands && is_over {
                awaited.remove(&call.seq);
            }
            stands && !is_over
        });
        while self.taken() < terms.passes_max as usize
            && let Some((_, seq)) = self.late.pop_first()
        {
            let is_awaited = self.awaited.contains_key(&seq) || self.passes.contains_key(&seq);
            if !is_awaited && !over(seq) {
                let deadline = now + LATE_TURN.min(terms.turn);
                self.awaited.insert(seq, deadline);
                self.late_calls.push_back(Call { seq, deadline });
            }
        }
    }

    pub(super) fn no_longer_awaited(&mut self, seq: u32) {
        self.awaited.remove(&seq);
    }

    /// Passes whose time is over and with which nothing is held.
    pub(super) fn lapsed(&self, now: UnixMillis) -> Vec<(u32, u8)> {
        let mut lapsed: Vec<(u32, u8)> = self
            .passes
            .iter()
            .filter(|(_, pass)| pass.durable && pass.holds == 0 && pass.expires_at <= now)
            .map(|(seq, pass)| (*seq, pass.turn))
            .collect();
        lapsed.sort_unstable();
        lapsed
    }

    /// A pass is on its way to the ledger, or the ledger has it.
    pub(super) fn give(&mut self, seq: u32, pass: LivePass) {
        self.awaited.remove(&seq);
        let known = self.passes.entry(seq).or_insert(pass);
        if known.turn != pass.turn {
            *known = pass;
        } else if pass.durable && !known.durable {
            // It ends when the ledger says, which may have kept another try than the last one.
            known.expires_at = pass.expires_at;
            known.durable = true;
        }
    }

    /// The ledger has refused the pass: its place is awaited again, unless it was asked for once
    /// more and that is still on its way.
    pub(super) fn take_back(&mut self, seq: u32, deadline: UnixMillis) {
        let Some(pass) = self.passes.get_mut(&seq).filter(|pass| !pass.durable) else {
            return;
        };
        pass.tries = pass.tries.saturating_sub(1);
        if pass.tries == 0 {
            self.passes.remove(&seq);
            self.awaited.insert(seq, deadline);
            self.calls.push_back(Call { seq, deadline });
        }
    }

    pub(super) fn end_pass(&mut self, seq: u32) -> Option<LivePass> {
        self.passes.remove(&seq)
    }

    pub(super) fn end(&mut self) {
        self.passes.clear();
        self.awaited.clear();
        self.calls.clear();
        self.late.clear();
        self.late_calls.clear();
        self.calling = 0;
    }
}
