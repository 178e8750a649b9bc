//! The room as a value: who holds it decides alone.
//!
//! A decision of which somebody is told, or on which an order rests, is a fact: it is returned,
//! goes to the ledger, and is applied when the ledger has it. Until then it is marked, so that it
//! is not made twice. What the ledger refuses is unmarked.
//!
//! ```text
//! mod.rs      what a room is, how it begins, what time brings about
//! drawing.rs  the draw, worked out beside the room
//! line.rs     who is called and let in, and what a ticket is told of its place
//! uses.rs     what tickets and passes are used for
//! facts.rs    what the ledger has or refuses
//! ```

mod drawing;
mod facts;
mod line;
mod uses;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

pub use self::drawing::{DrawTask, Drawn, ReportTask};
use super::TicketId;
use super::admission::{Admission, LivePass, PASSES_PER_TICKET, Stock};
use super::bits::Bits;
use super::draw::{DrawSecret, Nonces, TICKETS_MAX};
use super::fact::{Allotment, Ending, IdentityKey, RoomFact, RoomRecord};
use super::merkle::Tree;
use super::plan::RoomPlan;
use super::proof::{Allotted, Beacon, Proof, Receipt};
use crate::canary::{Canary, sings};
use crate::rules::catalogue::RoomPolicy;
use crate::rules::ids::{Digest, ReservationId};
use crate::rules::time::{Millis, UnixMillis};

/// Numbers that are reserved in the ledger at a time. Those of the last block that were never
/// given are lost with a crash.
const BLOCK: u32 = 2_048;
/// How long before the opening the first numbers are reserved: a restart before that loses none.
const RESERVED_AHEAD: Millis = Millis::from_minutes(1);
/// Leaves that are fed to the tree at a time, so that nothing is left to do at the draw.
const FEED_MAX: u32 = 65_536;

/// Where a room is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Scheduled,
    Gathering,
    Drawing,
    Serving,
    Paused,
    SoldOut,
    Closed,
}

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Phase::Scheduled => "scheduled",
            Phase::Gathering => "gathering",
            Phase::Drawing => "drawing",
            Phase::Serving => "serving",
            Phase::Paused => "paused",
            Phase::SoldOut => "sold_out",
            Phase::Closed => "closed",
        }
    }
}

#[derive(Debug)]
enum Stage {
    /// Before the draw.
    Open,
    /// The draw is on its way to the ledger.
    Deciding,
    /// The ledger has it.
    Decided {
        tickets: u32,
        beacon: Option<Beacon>,
    },
    /// Its line is known.
    Drawn(Arc<Drawn>),
}

/// Strict facts on their way to the ledger, or there.
#[derive(Debug, Default)]
struct Marks {
    unsure: bool,
    freezing: bool,
    reserving: bool,
    calling: bool,
    allotting: bool,
    ending: bool,
}

/// Numbers for the report after the release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub missed: u32,
    pub lapsed: u32,
    pub left: u32,
    pub passes: u32,
    pub booked: u32,
    pub preferred: u32,
}

/// Why there is no ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinRefusal {
    NotOpen {
        opens_at: UnixMillis,
    },
    Over(Ending),
    /// The next numbers are still being reserved: try again in a moment.
    Later,
    /// [`TICKETS_MAX`] are given.
    Full,
}

/// Why there is no pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassRefusal {
    /// No such ticket was given.
    Unknown,
    NotYourTurn,
    /// Nobody is let in for now.
    Paused,
    /// The ceiling is reached: whoever comes late waits for a pass to end.
    Full,
    Booked,
    Left,
    UsedUp,
    Over(Ending),
}

/// A ticket that may have a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    pub pass: LivePass,
    /// The ledger has it already.
    pub durable: bool,
}

/// Why a pass cannot be used for a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassUse {
    /// It has ended, or another one of the same ticket has taken its place.
    Ended,
    /// It has as many holds as one pass can have.
    HoldsMax,
    Over(Ending),
}

/// Why a hold that was made with a pass does not become a booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpendRefusal {
    /// Another hold of the same ticket has become one, or is about to.
    Spent,
    /// The same person has one from this room.
    BookedBefore,
}

#[derive(Debug)]
pub struct Room {
    plan: RoomPlan,
    rules: String,
    secret: DrawSecret,
    identity_key: IdentityKey,
    nonces: Nonces,
    commitment: [u8; 32],
    stage: Stage,
    ended: Option<Ending>,
    paused: bool,
    marks: Marks,
    /// Numbers below it were given.
    given: u32,
    /// Numbers below it may be given.
    reserved: u32,
    /// How many are drawn, once the release has come.
    frozen: Option<u32>,
    /// Whether the ledger has that.
    is_frozen: bool,
    /// Numbers that may have been given before a crash, or not.
    unsure: Vec<Range<u32>>,
    /// Those of the last crash, while the ledger does not have them.
    newly_unsure: Range<u32>,
    tree: Tree,
    admission: Admission,
    left: Bits,
    spent: Bits,
    /// Tickets that had a pass, and those that had two.
    had: [Bits; PASSES_PER_TICKET as usize],
    preferred: HashSet<u32>,
    /// Tickets whose booking is on its way to the ledger.
    spending: HashMap<u32, ReservationId>,
    /// Who has booked, until the room ends.
    identities: HashMap<Digest, ReservationId>,
    counts: Counts,
    /// Who got which seat, once a lottery is over.
    allotted: Option<Vec<Allotment>>,
    /// When the first place was called.
    serving_since: Option<UnixMillis>,
    stock: Stock,
    /// Rises with everything that the public document shows.
    changes: u64,
}

impl Room {
    /// A room that the ledger has just heard of.
    pub fn announced(
        plan: RoomPlan,
        secret: DrawSecret,
        identity_key: IdentityKey,
        rules: String,
    ) -> Room {
        Room {
            nonces: Nonces::new(&secret, &plan.name),
            commitment: secret.commitment(&rules),
            plan,
            rules,
            secret,
            identity_key,
            stage: Stage::Open,
            ended: None,
            paused: false,
            marks: Marks::default(),
            given: 0,
            reserved: 0,
            frozen: None,
            is_frozen: false,
            unsure: Vec::new(),
            newly_unsure: 0..0,
            tree: Tree::new(),
            admission: Admission::default(),
            left: Bits::default(),
            spent: Bits::default(),
            had: Default::default(),
            preferred: HashSet::new(),
            spending: HashMap::new(),
            identities: HashMap::new(),
            counts: Counts::default(),
            allotted: None,
            serving_since: None,
            stock: Stock::default(),
            changes: 0,
        }
    }

    /// The room as its facts have left it. Numbers that were reserved count as given: whoever was
    /// given one has a ticket that proves it.
    pub fn restored<'a>(
        plan: RoomPlan,
        secret: DrawSecret,
        identity_key: IdentityKey,
        rules: String,
        facts: impl Iterator<Item = &'a RoomRecord>,
    ) -> Room {
        let mut room = Room::announced(plan, secret, identity_key, rules);
        let is_forgotten = |fact: &RoomFact| match fact {
            RoomFact::Spent { .. } => sings(Canary::SpentForgotten),
            RoomFact::Drawn { .. } => sings(Canary::DrawForgotten),
            _ => !fact.is_possible(),
        };
        for RoomRecord { at, fact, .. } in facts.filter(|it| !is_forgotten(&it.fact)) {
            if let RoomFact::Reserved { given, .. } = fact {
                room.given = room.given.max(*given);
            }
            room.apply(*at, fact);
            if let Some(task) = room.draw_task() {
                room.install(task.work_out());
            }
        }
        room.newly_unsure = room.given..room.reserved;
        if !sings(Canary::NumbersForgotten) {
            room.given = room.given.max(room.reserved);
        }
        // Now, while nobody waits.
        while matches!(room.stage, Stage::Open) && room.tree.len() < room.to_draw() {
            room.feed();
        }
        room
    }

    pub fn plan(&self) -> &RoomPlan {
        &self.plan
    }

    pub fn rules(&self) -> &str {
        &self.rules
    }

    pub fn commitment(&self) -> [u8; 32] {
        self.commitment
    }

    /// Tickets that were given.
    pub fn given(&self) -> u32 {
        self.given
    }

    pub fn serving(&self) -> u32 {
        self.admission.serving()
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    pub fn stock(&self) -> Stock {
        self.stock
    }

    /// Passes that are live.
    pub fn passes(&self) -> usize {
        self.admission.passes()
    }

    /// Places that are called and awaited.
    pub fn awaited(&self) -> usize {
        self.admission.awaited()
    }

    pub fn ended(&self) -> Option<Ending> {
        self.ended
    }

    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// The draw, once it was made.
    pub fn drawn(&self) -> Option<&Drawn> {
        match &self.stage {
            Stage::Drawn(drawn) => Some(drawn),
            _ => None,
        }
    }

    pub fn identity_key(&self) -> IdentityKey {
        self.identity_key
    }

    /// The nonce that a ticket carries.
    pub fn nonce(&self, seq: u32) -> [u8; 16] {
        self.nonces.of(seq)
    }

    /// Everything about the draw, once it was made.
    pub fn proof(&self) -> Option<Proof> {
        let drawn = self.drawn()?;
        let mut proof = Proof::new(
            &self.secret,
            &self.plan.name,
            &self.rules,
            &self.tree,
            drawn.beacon.clone(),
        );
        let allotted = |it: &Allotment| Allotted::new(it.position, it.seat.seat());
        let outcome = self.allotted.as_ref();
        proof.outcome = outcome.map(|seats| seats.iter().map(allotted).collect());
        Some(proof)
    }

    /// That a ticket took part in the draw.
    pub fn receipt(&self, seq: u32) -> Option<Receipt> {
        self.drawn()?;
        Receipt::new(&self.nonces, &self.plan.name, &self.tree, seq)
    }

    pub fn phase(&self, now: UnixMillis) -> Phase {
        match (&self.stage, self.ended) {
            (_, Some(Ending::SoldOut)) => Phase::SoldOut,
            (_, Some(Ending::Closed)) => Phase::Closed,
            (Stage::Drawn(_), None) if self.paused => Phase::Paused,
            (Stage::Drawn(_), None) => Phase::Serving,
            (Stage::Open, None) if now < self.plan.opens_at => Phase::Scheduled,
            (Stage::Open, None) if now < self.plan.release_at => Phase::Gathering,
            _ => Phase::Drawing,
        }
    }

    /// The next number.
    ///
    /// # Errors
    /// [`JoinRefusal`]
    pub fn join(&mut self, now: UnixMillis) -> Result<u32, JoinRefusal> {
        if let Some(ending) = self.ended {
            return Err(JoinRefusal::Over(ending));
        }
        let opens_at = self.plan.opens_at;
        if now < opens_at {
            return Err(JoinRefusal::NotOpen { opens_at });
        }
        self.freeze(now);
        if self.given >= TICKETS_MAX {
            return Err(JoinRefusal::Full);
        }
        if self.given >= self.reserved {
            return Err(JoinRefusal::Later);
        }
        let seq = self.given;
        self.given += 1;
        self.changes += 1;
        Ok(seq)
    }

    /// The next block of numbers, when the last one is half used.
    pub fn reserve(&mut self, now: UnixMillis) -> Option<RoomFact> {
        let early = now + RESERVED_AHEAD < self.plan.opens_at;
        // Which numbers nobody knows of is told first: they follow from what was reserved before.
        let waits = self.marks.reserving || !self.newly_unsure.is_empty();
        if early || waits || self.ended.is_some() {
            return None;
        }
        let left = self.reserved.saturating_sub(self.given);
        if left > BLOCK / 2 || self.reserved >= TICKETS_MAX {
            return None;
        }
        self.marks.reserving = true;
        Some(RoomFact::Reserved {
            upto: (self.given + BLOCK + BLOCK / 2).min(TICKETS_MAX),
            given: self.given,
        })
    }

    /// What time, stock and beacon bring about; call it a few times a second. Facts of which
    /// nobody is told are applied already.
    pub fn tick(
        &mut self,
        now: UnixMillis,
        stock: Stock,
        beacon: Option<&Beacon>,
    ) -> Vec<RoomFact> {
        self.freeze(now);
        self.feed();
        if self.stock != stock {
            self.stock = stock;
            self.changes += 1;
        }
        if self.ended.is_some() {
            return Vec::new();
        }
        if !self.newly_unsure.is_empty() {
            return self.remember_unsure().into_iter().collect();
        }
        let mut facts = Vec::new();
        if matches!(self.stage, Stage::Open) && self.is_draw_due(now, beacon) {
            self.stage = Stage::Deciding;
            facts.push(RoomFact::Drawn {
                tickets: self.to_draw(),
                beacon: beacon.cloned(),
            });
        }
        facts.extend(self.count());
        facts.extend(self.reserve(now));
        let lapsed = self.admission.lapsed(now).into_iter();
        let lapsed = lapsed.map(|(seq, turn)| RoomFact::Lapsed { seq, turn });
        let missed = self.admission.missed(now, &self.plan.terms).into_iter();
        let missed = missed.map(|seq| RoomFact::Missed { seq });
        let relaxed: Vec<RoomFact> = lapsed.chain(missed).collect();
        for fact in &relaxed {
            self.apply(now, fact);
        }
        facts.extend(relaxed);
        facts.extend(self.end(now));
        if !self.paused && !self.marks.ending {
            let over = |seq| self.left.contains(seq) || self.spent.contains(seq);
            self.admission.await_late(now, &self.plan.terms, over);
        }
        facts.extend(self.call(now));
        facts
    }

    fn end(&mut self, now: UnixMillis) -> Option<RoomFact> {
        if self.marks.ending || !matches!(self.stage, Stage::Drawn(_)) {
            return None;
        }
        // Without days the configuration has moved the release away: nothing needs a pass any more.
        let how = if now >= self.plan.closes_at || self.plan.days.is_empty() {
            Ending::Closed
        } else if self.awaits_lottery() {
            return None;
        } else if self.stock.is_gone() && now >= self.plan.release_at {
            Ending::SoldOut
        } else if self.allotted.is_some() {
            // What is left is open to everybody.
            Ending::Closed
        } else {
            return None;
        };
        self.marks.ending = true;
        Some(RoomFact::Ended { how })
    }

    /// Whether its seats are still to be given out in the order of the draw.
    pub fn awaits_lottery(&self) -> bool {
        self.is_before_lottery() && !self.marks.allotting
    }

    /// Whether the ledger does not have the outcome of its lottery yet.
    pub fn is_before_lottery(&self) -> bool {
        let is_lottery = self.plan.terms.policy == RoomPolicy::Lottery;
        is_lottery && self.ended.is_none() && self.allotted.is_none()
    }

    /// A lottery is over. Returns what is to be told to the ledger, once.
    pub fn allot(&mut self, seats: Vec<Allotment>) -> Option<RoomFact> {
        self.awaits_lottery().then(|| {
            self.marks.allotting = true;
            RoomFact::Allotted { seats }
        })
    }

    /// Who got which seat, once a lottery is over.
    pub fn allotted(&self) -> Option<&[Allotment]> {
        self.allotted.as_deref()
    }

    /// The id of one of its tickets.
    pub fn ticket(&self, seq: u32) -> TicketId {
        TicketId {
            room: self.plan.id,
            seq,
        }
    }
}
