//! The room as a value: who holds it decides alone.
//!
//! A decision of which somebody is told, or on which an order rests, is a fact: it is returned,
//! goes to the ledger, and is applied when the ledger has it. Until then it is marked, so that it
//! is not made twice. What the ledger refuses is unmarked.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use super::TicketId;
use super::admission::{Admission, LivePass, PASSES_PER_TICKET, Stock};
use super::bits::Bits;
use super::draw::{self, DrawSecret, Line, Nonces, TICKETS_MAX};
use super::fact::{Allotment, Ending, IdentityKey, RoomFact, RoomRecord};
use super::fairness::{FairnessReport, Fate};
use super::merkle::Tree;
use super::place::{Chance, Pace, Place, Standing, chance, eta, poll_after};
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
/// Tickets that staff can call out of their turn, per room.
const PREFERRED_MAX: usize = 1_000;
/// What is assumed before anybody was seen to book.
const BOOKING_SHARE: f64 = 0.8;
/// Weight of that assumption, in places.
const BOOKING_SHARE_WEIGHT: f64 = 20.0;

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

    /// Whoever comes from the release on stands behind the draw, however long that takes.
    fn freeze(&mut self, now: UnixMillis) {
        if self.frozen.is_none() && now >= self.plan.release_at {
            self.frozen = Some(self.given);
        }
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

    /// Nothing else is decided before: who is called depends on it.
    fn remember_unsure(&mut self) -> Option<RoomFact> {
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
    fn to_draw(&self) -> u32 {
        self.frozen.unwrap_or(self.given)
    }

    /// Feeds the tree with tickets that were given, as many as do not keep anybody waiting.
    fn feed(&mut self) {
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

    fn is_draw_due(&self, now: UnixMillis, beacon: Option<&Beacon>) -> bool {
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

    fn call(&mut self, now: UnixMillis) -> Option<RoomFact> {
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
    fn is_awaited(&self, seq: u32) -> bool {
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
    fn at(&self, position: u32) -> Option<u32> {
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

    fn standing(&self, seq: u32) -> Standing {
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

    fn pace(&self, now: UnixMillis) -> Pace {
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
    fn turn(&self, seq: u32) -> u8 {
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

    /// Counts a hold that is made with a pass.
    ///
    /// # Errors
    /// [`PassUse`]; nothing has changed.
    pub fn begin_hold(&mut self, now: UnixMillis, seq: u32, turn: u8) -> Result<(), PassUse> {
        if let Some(ending) = self.ended {
            return Err(PassUse::Over(ending));
        }
        let holds_max = self.plan.terms.holds_per_pass;
        let pass = self.admission.pass_mut(seq);
        let pass = pass.filter(|pass| pass.durable && pass.turn == turn);
        let pass = pass.filter(|pass| now < pass.expires_at);
        let pass = pass.ok_or(PassUse::Ended)?;
        if pass.holds >= holds_max {
            return Err(PassUse::HoldsMax);
        }
        pass.holds += 1;
        Ok(())
    }

    /// A hold that was made with the ticket's pass is over, or came back from the ledger
    /// (`begun`).
    pub fn count_hold(&mut self, seq: u32, begun: bool) {
        if let Some(pass) = self.admission.pass_mut(seq) {
            pass.holds = if begun {
                pass.holds.saturating_add(1)
            } else {
                pass.holds.saturating_sub(1)
            };
        }
    }

    /// The booking of whoever has one of these digests, if there is one.
    pub fn booking_of(&self, identities: &[Digest]) -> Option<ReservationId> {
        identities
            .iter()
            .find_map(|identity| self.identities.get(identity).copied())
    }

    /// Marks a ticket and identities while their booking is on its way to the ledger, so that two
    /// at the same time are not both taken.
    ///
    /// # Errors
    /// [`SpendRefusal`]; nothing has changed.
    pub fn begin_booking(
        &mut self,
        seq: u32,
        identities: &[Digest],
        booking: ReservationId,
    ) -> Result<(), SpendRefusal> {
        if self.is_spent(seq) {
            return Err(SpendRefusal::Spent);
        }
        if self.booking_of(identities).is_some() {
            return Err(SpendRefusal::BookedBefore);
        }
        self.spending.insert(seq, booking);
        self.claim(identities, booking);
        Ok(())
    }

    /// Whether a ticket has become a booking, or one that is on its way to the ledger.
    pub fn is_spent(&self, seq: u32) -> bool {
        self.spent.contains(seq) || self.spending.contains_key(&seq)
    }

    /// Whether a ticket was given up, or has become a wish.
    pub fn has_left(&self, seq: u32) -> bool {
        self.left.contains(seq)
    }

    /// The ledger has refused the booking: as if nobody had asked for it.
    pub fn booking_refused(&mut self, seq: u32, booking: ReservationId) {
        self.spending.remove(&seq);
        self.disclaim(booking);
    }

    fn claim(&mut self, identities: &[Digest], booking: ReservationId) {
        if self.ended.is_none() {
            let claims = identities.iter().map(|identity| (*identity, booking));
            self.identities.extend(claims);
        }
    }

    /// The booking is cancelled: its identities may book again.
    pub fn disclaim(&mut self, booking: ReservationId) {
        self.identities.retain(|_, other| *other != booking);
    }

    /// Gives a place up.
    pub fn leave(&mut self, now: UnixMillis, seq: u32) -> Option<RoomFact> {
        let over = self.ended.is_some() || self.spent.contains(seq) || self.left.contains(seq);
        if over || seq >= self.given {
            return None;
        }
        let fact = RoomFact::Left { seq };
        self.apply(now, &fact);
        Some(fact)
    }

    /// Whether staff may call this ticket out of its turn.
    pub fn may_prefer(&self, seq: u32) -> bool {
        seq < self.given
            && self.ended.is_none()
            && self.preferred.len() < PREFERRED_MAX
            && !self.preferred.contains(&seq)
    }

    /// The ledger has the fact, or it is one of which nobody is told.
    pub fn apply(&mut self, at: UnixMillis, fact: &RoomFact) {
        self.changes += 1;
        match fact {
            RoomFact::Announced { .. } => {}
            RoomFact::Reserved { upto, .. } => {
                self.reserved = self.reserved.max(*upto);
                self.marks.reserving = false;
            }
            RoomFact::Unsure { from, upto } => {
                self.given = self.given.max(*upto);
                self.unsure.push(*from..*upto);
                self.newly_unsure = 0..0;
                self.marks.unsure = false;
            }
            RoomFact::Drawn { .. } | RoomFact::Frozen { .. }
                if matches!(self.stage, Stage::Decided { .. } | Stage::Drawn(_)) => {}
            RoomFact::Frozen { tickets } => {
                self.given = self.given.max(*tickets);
                self.frozen = Some(*tickets);
                self.is_frozen = true;
                self.marks.freezing = false;
            }
            RoomFact::Drawn { tickets, beacon } => {
                self.given = self.given.max(*tickets);
                self.stage = Stage::Decided {
                    tickets: *tickets,
                    beacon: beacon.clone(),
                };
            }
            RoomFact::Called { upto } => {
                let called = self.serving() + 1..=*upto;
                self.given = self.given.max(*upto);
                let awaited: Vec<u32> = called
                    .filter_map(|position| self.at(position))
                    .filter(|seq| self.is_awaited(*seq))
                    .collect();
                let deadline = at + self.plan.terms.turn;
                self.admission.called(*upto, awaited.into_iter(), deadline);
                self.serving_since.get_or_insert(at);
                self.marks.calling = false;
            }
            RoomFact::Passed {
                seq,
                turn,
                expires_at,
            } => {
                self.given = self.given.max(seq.saturating_add(1));
                let pass = LivePass {
                    turn: *turn,
                    expires_at: UnixMillis(*expires_at),
                    holds: 0,
                    durable: true,
                    tries: 0,
                };
                let had = self.had.get_mut(usize::from(turn.saturating_sub(1)));
                if had.is_some_and(|had| had.insert(*seq)) {
                    self.counts.passes += 1;
                    // It can have ended while it was on its way.
                    let over = self.left.contains(*seq) || self.spent.contains(*seq);
                    if !over && self.ended.is_none() {
                        self.admission.give(*seq, pass);
                    }
                }
            }
            RoomFact::Missed { seq } => {
                self.admission.no_longer_awaited(*seq);
                self.counts.missed += 1;
            }
            RoomFact::Lapsed { seq, .. } => {
                self.admission.end_pass(*seq);
                self.counts.lapsed += 1;
            }
            RoomFact::Left { seq } => {
                self.counts.left += u32::from(self.left.insert(*seq));
                self.admission.no_longer_awaited(*seq);
                self.admission.end_pass(*seq);
            }
            RoomFact::Preferred { seq, .. } => {
                self.counts.preferred += u32::from(self.preferred.insert(*seq));
            }
            RoomFact::Paused { .. } => self.paused = true,
            RoomFact::Resumed { .. } => self.paused = false,
            RoomFact::Spent {
                seq,
                booking,
                identities,
            } => {
                self.counts.booked += u32::from(self.spent.insert(*seq));
                self.spending.remove(seq);
                self.admission.no_longer_awaited(*seq);
                self.admission.end_pass(*seq);
                self.claim(identities, *booking);
            }
            RoomFact::Allotted { seats } => self.allotted = Some(seats.clone()),
            RoomFact::Ended { how } => {
                self.ended.get_or_insert(*how);
                self.admission.end();
                self.identities = HashMap::new();
            }
        }
    }

    /// The ledger has refused the fact: as if it had never been thought of.
    pub fn refused(&mut self, now: UnixMillis, fact: &RoomFact) {
        match fact {
            RoomFact::Reserved { .. } => self.marks.reserving = false,
            RoomFact::Unsure { .. } => self.marks.unsure = false,
            RoomFact::Frozen { .. } => self.marks.freezing = false,
            RoomFact::Drawn { .. } => self.stage = Stage::Open,
            RoomFact::Called { .. } => {
                self.marks.calling = false;
                self.admission.is_calling(0);
            }
            RoomFact::Allotted { .. } => self.marks.allotting = false,
            RoomFact::Ended { .. } => self.marks.ending = false,
            RoomFact::Passed { seq, .. } => {
                let deadline = now + self.plan.terms.turn;
                self.admission.take_back(*seq, deadline);
            }
            _ => {}
        }
    }

    /// The id of one of its tickets.
    pub fn ticket(&self, seq: u32) -> TicketId {
        TicketId {
            room: self.plan.id,
            seq,
        }
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
