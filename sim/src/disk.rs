//! A disk that tells what is written from what is durable.
//!
//! It keeps whole records, because what keeps them in earnest is atomic: a transaction of SQLite,
//! an entry of a stream. What a real file loses byte by byte is tried in `lying-disk`.
//!
//! A failed sync leaves records in *limbo*: they are not to be seen, but a restart may find them,
//! until something else is written in their place.

use std::collections::VecDeque;
use std::sync::Arc;

use fastrand::Rng;
use morgenruh_engine::rules::record::{Position, Record};
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::shell::drain::Placed;
use morgenruh_engine::shell::scribe::{Failure, Journal, Kept};
use morgenruh_engine::shell::stored::Stored;
use parking_lot::Mutex;

use crate::store::Tables;

/// Where the power can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashPoint {
    /// Between two commits: what was queued is lost.
    AtRest,
    /// A batch is about to be written.
    BeforeWrite,
    /// A part of a batch is on the disk.
    TornWrite,
    /// All of it is written and none of it synced: it may survive or not.
    BeforeDurable,
    /// It is durable, and nobody was told.
    BeforeAck,
    /// Some of those who wait were told.
    BetweenAcks,
    /// The store's rows are being written.
    InStore,
    /// The rows are written, the watermark is not.
    BeforeWatermark,
    /// The engine is being put together again.
    InRecovery,
    /// It is there again, and nothing has been written yet.
    AfterRecovery,
}

impl CrashPoint {
    pub const EACH: [CrashPoint; 10] = [
        CrashPoint::AtRest,
        CrashPoint::BeforeWrite,
        CrashPoint::TornWrite,
        CrashPoint::BeforeDurable,
        CrashPoint::BeforeAck,
        CrashPoint::BetweenAcks,
        CrashPoint::InStore,
        CrashPoint::BeforeWatermark,
        CrashPoint::InRecovery,
        CrashPoint::AfterRecovery,
    ];
}

/// What can go wrong with a write while the power stays on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// No room.
    Refused,
    /// The sync failed, and nothing is there.
    Lost,
    /// The sync reported an error, and everything is there.
    There,
    /// The sync failed, and only a restart tells.
    Limbo,
}

impl Mishap {
    pub const EACH: [Mishap; 4] = [Mishap::Refused, Mishap::Lost, Mishap::There, Mishap::Limbo];
}

/// What survives.
#[derive(Default)]
pub struct Plates {
    /// Durable facts that were not trimmed.
    facts: VecDeque<Record>,
    /// How many were.
    trimmed: usize,
    newest_at: Option<UnixMillis>,
    limbo: Vec<Record>,
    pub tables: Tables,
    /// Calls of [`Journal::write`] so far.
    pub writes: u64,
    pub mishaps: u64,
    power: bool,
    armed: Option<CrashPoint>,
    full: bool,
    /// The call that goes wrong, and how.
    trap: Option<(u64, Mishap)>,
}

/// The disk as the scribe and the world share it.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<Plates>>);

impl Disk {
    pub fn plates(&self) -> parking_lot::MutexGuard<'_, Plates> {
        self.0.lock()
    }
}

impl Plates {
    pub fn has_power(&self) -> bool {
        self.power
    }

    /// Facts that were ever durable.
    pub fn facts(&self) -> usize {
        self.trimmed + self.facts.len()
    }

    /// The next write or drain ends at this point.
    pub fn arm(&mut self, point: CrashPoint) {
        self.armed = Some(point);
    }

    pub fn fill(&mut self, full: bool) {
        self.full = full;
    }

    /// The write after `calls` more ones goes wrong.
    pub fn trap(&mut self, calls: u64, mishap: Mishap) {
        self.trap = Some((self.writes + calls, mishap));
    }

    /// No write goes wrong any more.
    pub fn forget_trap(&mut self) {
        self.trap = None;
    }

    pub fn is_armed(&self, point: CrashPoint) -> bool {
        self.armed == Some(point)
    }

    pub fn cut_power(&mut self) {
        self.power = false;
    }

    /// Whether the power fails here; a point is reached once.
    pub fn reaches(&mut self, point: CrashPoint) -> bool {
        if self.armed != Some(point) {
            return false;
        }
        self.armed = None;
        self.power = false;
        true
    }

    /// After a power failure: what was in limbo is there, or gone for ever.
    pub fn restart(&mut self, dice: &mut Rng) {
        let limbo = std::mem::take(&mut self.limbo);
        if dice.bool() {
            self.keep(limbo);
        }
        self.power = true;
        self.armed = None;
        self.trap = None;
        self.full = false;
    }

    /// The facts that follow on a position.
    pub fn after(&self, position: u64, max: usize) -> Vec<Placed> {
        let known = usize::try_from(position).unwrap_or(usize::MAX);
        let facts = self.facts.iter().skip(known.saturating_sub(self.trimmed));
        let places = (self.trimmed.max(known) as u64 + 1..).map(Position);
        places
            .zip(facts.take(max).cloned())
            .map(|(position, record)| Placed { position, record })
            .collect()
    }

    pub fn trim(&mut self, position: u64) {
        while (self.trimmed as u64) < position && self.facts.pop_front().is_some() {
            self.trimmed += 1;
        }
    }

    /// The tables and the facts behind them, as a recovery reads them.
    pub fn stored(&self, now: UnixMillis) -> Stored {
        let mut remembered = self.tables.remembered.clone();
        remembered.follow(&self.after(self.tables.watermark, usize::MAX));
        remembered.into_stored(now)
    }

    fn keep(&mut self, records: impl IntoIterator<Item = Record>) {
        for record in records {
            self.newest_at = Some(record.at);
            self.facts.push_back(record);
        }
    }
}

impl Journal for Disk {
    fn newest(&mut self) -> Result<(Position, UnixMillis), Failure> {
        let plates = self.plates();
        let at = plates.newest_at.unwrap_or(UnixMillis(0));
        Ok((Position(plates.facts() as u64), at))
    }

    fn write(&mut self, records: &[Kept<'_>]) -> Result<(), Failure> {
        let mut plates = self.plates();
        let refused = || Failure::Refused("no room".into());
        let unclear = || Failure::Unclear("the sync failed".into());
        plates.writes += 1;
        if !plates.power
            || plates.reaches(CrashPoint::BeforeWrite)
            || plates.reaches(CrashPoint::TornWrite)
        {
            return Err(unclear());
        }
        let copies = || {
            records.iter().map(|kept| Record {
                at: kept.at,
                fact: kept.fact.clone(),
            })
        };
        if plates.reaches(CrashPoint::BeforeDurable) {
            plates.limbo = copies().collect();
            return Err(unclear());
        }
        let writes = plates.writes;
        let mishap = match plates.trap {
            Some((call, mishap)) if call <= writes => {
                plates.trap = None;
                Some(mishap)
            }
            _ => plates.full.then_some(Mishap::Refused),
        };
        plates.mishaps += u64::from(mishap.is_some());
        match mishap {
            Some(Mishap::Refused) => return Err(refused()),
            Some(Mishap::Lost) => return Err(unclear()),
            Some(Mishap::Limbo) => {
                plates.limbo = copies().collect();
                return Err(unclear());
            }
            None | Some(Mishap::There) => {}
        }
        let first = plates.facts() as u64 + 1;
        assert!(
            records.first().is_none_or(|kept| kept.position.0 == first),
            "a batch follows on what is there"
        );
        plates.limbo.clear();
        plates.keep(copies());
        if mishap == Some(Mishap::There) {
            return Err(unclear());
        }
        if !records.is_empty() {
            plates.reaches(CrashPoint::BeforeAck);
        }
        Ok(())
    }
}
