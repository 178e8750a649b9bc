//! How far the store is behind the ledger, and what follows from it.
//!
//! The store is written behind: nobody who confirms waits for it, until it is too far behind.
//! Then confirmations first wait a little longer each, and in the end are refused. They are never
//! acknowledged without having a place in the ledger, and the ledger always has room for them.

use std::sync::Arc;
use std::time::Duration;

use super::ledger::Health;
use super::scribe::{Chores, Failure, Journal, Kept};
use super::sync::{AtomicI64, AtomicU64, Mutex, Ordering};
use crate::rules::record::Position;
use crate::rules::time::{Millis, UnixMillis};

/// Bounds of a backlog.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Records below which the store is left alone in a rush, so that those who confirm have the
    /// machine to themselves.
    pub rest: u64,
    /// Age of the oldest of them from which on it is not.
    pub rest_max: Millis,
    /// Records from which on each commit waits a little longer.
    pub slow: u64,
    /// Records at which nothing more is taken.
    pub max: u64,
    /// How long a commit waits just before that.
    pub pause_max: Duration,
}

/// The distance between ledger and store; both sides tell where they are.
pub struct Backlog {
    bounds: Bounds,
    newest: AtomicU64,
    watermark: AtomicU64,
    /// Time of the first record that the store may not have; only of use while there is one.
    waiting_since: AtomicI64,
    quarantined: AtomicU64,
    store: Mutex<Health>,
}

impl Backlog {
    pub fn new(bounds: Bounds) -> Backlog {
        Backlog {
            bounds,
            newest: AtomicU64::new(0),
            watermark: AtomicU64::new(0),
            waiting_since: AtomicI64::new(0),
            quarantined: AtomicU64::new(0),
            store: Mutex::new(Health::Ready),
        }
    }

    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Position of the newest durable record.
    pub fn newest(&self) -> Position {
        Position(self.newest.load(Ordering::Acquire))
    }

    /// Position of the newest record that the store has.
    pub fn watermark(&self) -> Position {
        Position(self.watermark.load(Ordering::Acquire))
    }

    /// Records that the store does not have yet.
    pub fn records(&self) -> u64 {
        let watermark = self.watermark();
        self.newest().0.saturating_sub(watermark.0)
    }

    /// Age of the oldest record that the store does not have yet; zero when it has all.
    pub fn lag(&self, now: UnixMillis) -> Millis {
        if self.records() == 0 {
            return Millis(0);
        }
        let since = UnixMillis(self.waiting_since.load(Ordering::Acquire));
        (now - since).max(Millis(0))
    }

    /// Whether the store is near enough to wait for the end of a rush.
    pub(super) fn may_rest(&self, now: UnixMillis) -> bool {
        self.records() < self.bounds.rest && self.lag(now) < self.bounds.rest_max
    }

    /// Facts that the store refused and keeps apart.
    pub fn quarantined(&self) -> u64 {
        self.quarantined.load(Ordering::Acquire)
    }

    /// Whether the store answers.
    pub fn store_health(&self) -> Health {
        self.store.lock().clone()
    }

    /// The ledger has these records now.
    pub fn written(&self, newest: Position, first_at: UnixMillis) {
        if self.records() == 0 {
            self.waiting_since.store(first_at.0, Ordering::Release);
        }
        self.newest.fetch_max(newest.0, Ordering::AcqRel);
    }

    /// The store has all records up to this one, which is of that time.
    pub fn stored(&self, watermark: Position, at: UnixMillis) {
        self.waiting_since.store(at.0, Ordering::Release);
        self.set_watermark(watermark);
    }

    /// The same, where nobody knows the time.
    pub(super) fn set_watermark(&self, watermark: Position) {
        self.watermark.fetch_max(watermark.0, Ordering::AcqRel);
    }

    /// How many facts the store keeps apart.
    pub fn set_quarantined(&self, facts: u64) {
        self.quarantined.store(facts, Ordering::Release);
    }

    pub(super) fn set_store_health(&self, health: Health) {
        self.store.lock().follow(health);
    }

    /// How long the next commit waits: nothing below the first bound, then ever longer.
    fn pause(&self) -> Duration {
        let Bounds {
            slow,
            max,
            pause_max,
            ..
        } = self.bounds;
        let beyond = self.records().saturating_sub(slow);
        let range = max.saturating_sub(slow).max(1);
        pause_max.mul_f64((beyond as f64 / range as f64).min(1.0))
    }

    fn is_full(&self) -> bool {
        self.records() >= self.bounds.max
    }
}

/// A journal that does not run away from its store.
pub struct Braked<J> {
    journal: J,
    backlog: Arc<Backlog>,
    sleep: fn(Duration),
}

impl<J> Braked<J> {
    /// `sleep` waits; a simulated world does it in its own way.
    pub fn new(journal: J, backlog: Arc<Backlog>, sleep: fn(Duration)) -> Braked<J> {
        Braked {
            journal,
            backlog,
            sleep,
        }
    }
}

impl<J: Journal> Journal for Braked<J> {
    fn newest(&mut self) -> Result<(Position, UnixMillis), Failure> {
        let (newest, at) = self.journal.newest()?;
        self.backlog.written(newest, at);
        Ok((newest, at))
    }

    fn write(&mut self, records: &[Kept<'_>]) -> Result<(), Failure> {
        if self.backlog.is_full() {
            return Err(Failure::Refused(format!(
                "the store is {} records behind, the bound is {}",
                self.backlog.records(),
                self.backlog.bounds.max
            )));
        }
        let pause = self.backlog.pause();
        if !records.is_empty() && !pause.is_zero() {
            (self.sleep)(pause);
        }
        self.journal.write(records)?;
        if let (Some(first), Some(last)) = (records.first(), records.last()) {
            self.backlog.written(last.position, first.at);
        }
        Ok(())
    }

    fn chores(&mut self) -> Chores {
        self.journal.chores()
    }

    fn tidy(&mut self) -> usize {
        self.journal.tidy()
    }
}
