//! The draw, worked out beside the room: what it is made of, and what comes of it.

use std::ops::Range;
use std::sync::Arc;

use super::super::bits::Bits;
use super::super::draw::{self, Line};
use super::super::fact::RoomFact;
use super::super::fairness::{FairnessReport, Fate};
use super::super::proof::Beacon;
use super::{FEED_MAX, Room, Stage};
use crate::rules::time::{Millis, UnixMillis};

/// What was drawn.
#[derive(Debug)]
pub struct Drawn {
    /// Tickets that took part.
    pub tickets: u32,
    pub beacon: Option<Beacon>,
    pub root: [u8; 32],
    pub seed: [u8; 32],
    pub line: Line,
}

/// A draw that the ledger has, and whose line is still to be worked out.
#[derive(Debug)]
pub struct DrawTask {
    tickets: u32,
    beacon: Option<Beacon>,
    root: [u8; 32],
    seed: [u8; 32],
}

impl DrawTask {
    /// Takes a tenth of a second for a million tickets: do it where nobody waits.
    pub fn work_out(self) -> Drawn {
        Drawn {
            line: Line::draw(&self.seed, self.tickets),
            tickets: self.tickets,
            beacon: self.beacon,
            root: self.root,
            seed: self.seed,
        }
    }
}

/// What a report is made from.
#[derive(Debug)]
pub struct ReportTask {
    drawn: Arc<Drawn>,
    serving: u32,
    left: Bits,
    spent: Bits,
    had: Bits,
    exceptions: u32,
}

impl ReportTask {
    /// Takes a second for a million tickets: do it where nobody waits.
    pub fn work_out(self) -> FairnessReport {
        let line = &self.drawn.line;
        let fate = |seq: u32| match line.position_of(seq) {
            _ if self.spent.contains(seq) => Fate::Booked,
            _ if self.had.contains(seq) => Fate::Passed,
            Some(position) if position <= self.serving && !self.left.contains(seq) => Fate::NoShow,
            _ => Fate::NotCalled,
        };
        FairnessReport::new(&self.drawn.seed, line, fate, self.exceptions)
    }
}

impl Room {
    /// Whoever comes from the release on stands behind the draw, however long that takes.
    pub(super) fn freeze(&mut self, now: UnixMillis) {
        if self.frozen.is_none() && now >= self.plan.release_at {
            self.frozen = Some(self.given);
        }
    }

    /// Nothing else is decided before: who is called depends on it.
    pub(super) fn remember_unsure(&mut self) -> Option<RoomFact> {
        let Range { start, end } = self.newly_unsure;
        let fact = RoomFact::Unsure {
            from: start,
            upto: end,
        };
        let is_first = !self.marks.unsure;
        self.marks.unsure = true;
        is_first.then_some(fact)
    }

    /// Tickets that take part in the draw, as far as is known.
    pub(super) fn to_draw(&self) -> u32 {
        self.frozen.unwrap_or(self.given)
    }

    /// Feeds the tree with tickets that were given, as many as do not keep anybody waiting.
    pub(super) fn feed(&mut self) {
        let drawn = match &self.stage {
            Stage::Open => self.to_draw(),
            Stage::Decided { tickets, .. } => *tickets,
            _ => return,
        };
        let from = self.tree.len();
        for seq in from..drawn.min(from.saturating_add(FEED_MAX)) {
            self.tree.push(self.nonces.leaf(seq));
        }
    }

    /// How many were given by the release, while the draw waits for something: a restart lets
    /// nobody into it who came later, and nobody may choose the number once a beacon is known.
    pub fn count(&mut self) -> Option<RoomFact> {
        let tickets = self.frozen?;
        let waits = matches!(self.stage, Stage::Open) && self.newly_unsure.is_empty();
        if !waits || self.is_frozen || self.marks.freezing {
            return None;
        }
        self.marks.freezing = true;
        Some(RoomFact::Frozen { tickets })
    }

    /// What a draw is made of, once it cannot change any more: the number of tickets and their
    /// root.
    pub fn drawing(&self) -> Option<(u32, [u8; 32])> {
        let tickets = match &self.stage {
            Stage::Drawn(drawn) => return Some((drawn.tickets, drawn.root)),
            Stage::Decided { tickets, .. } => *tickets,
            _ => self.frozen.filter(|_| self.is_frozen)?,
        };
        (self.tree.len() == tickets).then(|| (tickets, self.tree.root()))
    }

    pub(super) fn is_draw_due(&self, now: UnixMillis, beacon: Option<&Beacon>) -> bool {
        let wait = match &self.plan.terms.beacons {
            Some(beacons) if beacon.is_none() => Millis(i64::from(beacons.wait_seconds) * 1_000),
            _ => Millis(0),
        };
        let is_fixed = self.plan.terms.beacons.is_none() || self.is_frozen;
        is_fixed && now >= self.plan.release_at + wait
    }

    /// The line that is still to be worked out.
    pub fn draw_task(&mut self) -> Option<DrawTask> {
        let Stage::Decided { tickets, beacon } = &self.stage else {
            return None;
        };
        let (tickets, beacon) = (*tickets, beacon.clone());
        while self.tree.len() < tickets {
            self.feed();
        }
        let root = self.tree.root();
        let value = beacon.as_ref().map(|beacon| beacon.value.as_slice());
        Some(DrawTask {
            seed: draw::seed(&self.secret, value, root, tickets, &self.plan.name),
            tickets,
            beacon,
            root,
        })
    }

    pub fn install(&mut self, drawn: Drawn) {
        self.stage = Stage::Drawn(Arc::new(drawn));
        self.changes += 1;
    }

    /// How the release went for those who came early and late, once tickets were drawn.
    pub fn report_task(&self) -> Option<ReportTask> {
        let Stage::Drawn(drawn) = &self.stage else {
            return None;
        };
        Some(ReportTask {
            drawn: Arc::clone(drawn),
            serving: self.serving(),
            left: self.left.clone(),
            spent: self.spent.clone(),
            had: self.had[0].clone(),
            exceptions: self.counts.preferred,
        })
    }
}
