//! Write-behind: from the ledger into the store, in order, each fact once.
//!
//! The store is always a prefix of the ledger. Rows and watermark change in one transaction, so
//! that a drain that stops anywhere goes on behind what is there. What the store's own rules forbid
//! would be a mistake of ours: that fact is put into quarantine, where people find it, and the
//! drain goes on.
//!
//! In a rush the store can wait: its server may share the machine with those who confirm. It is
//! left alone until fewer records come, and for no longer than the bounds of its [`Backlog`] allow;
//! from then on the drain goes on until the store has everything.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::backlog::Backlog;
use super::ledger::Health;
use crate::rules::record::{Position, Record};
use crate::rules::time::UnixMillis;

/// Records that come within one pause and make it a rush.
const RUSH: u64 = 100;

/// A record as the ledger gives it back.
#[derive(Clone, Debug)]
pub struct Placed {
    pub position: Position,
    pub record: Record,
}

/// The ledger as the drain and a recovery read it.
pub trait Tail {
    /// The records that follow on a position, oldest first and without gaps, at most `max`.
    ///
    /// # Errors
    /// [`Away`]
    fn after(&mut self, position: Position, max: usize) -> Result<Vec<Placed>, Away>;

    /// The store has all records up to this one: they need not be kept any longer.
    ///
    /// # Errors
    /// [`Away`]
    fn trim(&mut self, watermark: Position) -> Result<(), Away>;
}

/// The queryable database behind a ledger.
pub trait Store {
    /// Position of the newest record that is there.
    ///
    /// # Errors
    /// [`Away`]
    fn watermark(&mut self) -> Result<Position, Away>;

    /// Applies records, the first of which follows on the watermark, and moves the watermark to
    /// the last of them: all in one transaction.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was changed then, or the connection was lost and the watermark
    /// tells.
    fn apply(&mut self, records: &[Placed]) -> Result<(), StoreError>;

    /// Puts a record that cannot be applied aside, with the reason, and moves the watermark over
    /// it: in one transaction. Returns how many are kept so.
    ///
    /// # Errors
    /// [`Away`]
    fn quarantine(&mut self, record: &Placed, reason: &str) -> Result<u64, Away>;
}

/// It does not answer, or not as it should; why, for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Away(pub String);

/// Why a store did not apply records.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Away(#[from] Away),
    /// One of the records breaks a rule of the store; nothing was applied.
    #[error("{0}")]
    Forbidden(String),
}

/// Rhythm of a drain.
#[derive(Clone, Copy, Debug)]
pub struct Rhythm {
    /// Records in one transaction.
    pub batch_max: usize,
    /// Pause when there is nothing to do, or in a rush: what arrives meanwhile shares a
    /// transaction.
    pub idle: Duration,
    /// First pause after a failure; it doubles with each further one.
    pub retry: Duration,
    pub retry_max: Duration,
    /// Tells the time of an outage.
    pub clock: fn() -> UnixMillis,
}

/// Brings what the ledger has into the store.
pub struct Drain<T, S> {
    tail: T,
    store: S,
    backlog: Arc<Backlog>,
    rhythm: Rhythm,
    /// None until the store was asked, and again after each failure.
    watermark: Option<Position>,
    /// What the ledger had at the last look.
    seen: Position,
    /// The store was left alone for as long as it may be, and has not caught up yet.
    overdue: bool,
}

impl<T: Tail, S: Store> Drain<T, S> {
    pub fn new(tail: T, store: S, backlog: Arc<Backlog>, rhythm: Rhythm) -> Drain<T, S> {
        Drain {
            tail,
            store,
            rhythm,
            watermark: None,
            seen: backlog.newest(),
            overdue: false,
            backlog,
        }
    }

    /// Drains until the sender of `stop` is gone; takes this thread. What is there by then is
    /// still brought over, unless the store is away.
    pub fn run(mut self, stop: &Receiver<()>) {
        let mut failures = 0;
        loop {
            let pause = match self.step() {
                Ok(0) => self.rhythm.idle,
                Ok(_) => Duration::ZERO,
                Err(Away(reason)) => {
                    self.watermark = None;
                    let since = (self.rhythm.clock)();
                    self.backlog
                        .set_store_health(Health::Away { since, reason });
                    failures += 1;
                    self.retry_pause(failures)
                }
            };
            if self.watermark.is_some() {
                self.backlog.set_store_health(Health::Ready);
                failures = 0;
            }
            match stop.recv_timeout(pause) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                    while matches!(self.turn(), Ok(1..)) {}
                    return;
                }
            }
        }
    }

    /// Brings one batch over, unless so much has come since the last step that the store had better
    /// wait. Returns how many records it was.
    ///
    /// # Errors
    /// [`Away`], whichever side is.
    pub fn step(&mut self) -> Result<usize, Away> {
        if self.rests() {
            return Ok(0);
        }
        self.turn()
    }

    /// Whether the store is left alone for a pause.
    fn rests(&mut self) -> bool {
        let newest = self.backlog.newest();
        let come = newest.0.saturating_sub(self.seen.0);
        self.seen = newest;
        come >= RUSH && !self.is_overdue()
    }

    /// Whether the store was left alone for as long as it may be, and has not caught up since.
    pub fn is_overdue(&mut self) -> bool {
        self.overdue |= !self.backlog.may_rest((self.rhythm.clock)());
        self.overdue
    }

    fn retry_pause(&self, failures: u32) -> Duration {
        let doubled = self.rhythm.retry * (1 << (failures - 1).min(16));
        doubled.min(self.rhythm.retry_max)
    }

    /// Brings one batch over, without waiting for anything; for whoever runs many drains on one
    /// thread. Returns how many records it was.
    ///
    /// # Errors
    /// [`Away`], whichever side is.
    pub fn turn(&mut self) -> Result<usize, Away> {
        let watermark = match self.watermark {
            Some(watermark) => watermark,
            None => self.store.watermark()?,
        };
        self.watermark = Some(watermark);
        self.backlog.set_watermark(watermark);
        if watermark >= self.backlog.newest() {
            self.overdue = false;
            return Ok(0);
        }
        let records = self.tail.after(watermark, self.rhythm.batch_max)?;
        check_order(watermark, &records)?;
        match self.store.apply(&records) {
            Ok(()) => {}
            Err(StoreError::Forbidden(_)) => self.one_by_one(&records)?,
            Err(StoreError::Away(away)) => {
                self.watermark = None;
                return Err(away);
            }
        }
        if let Some(last) = records.last() {
            self.watermark = Some(last.position);
            self.backlog.stored(last.position, last.record.at);
            self.overdue &= last.position < self.backlog.newest();
            self.tail.trim(last.position)?;
        }
        Ok(records.len())
    }

    /// One of the records is forbidden: all others are applied.
    fn one_by_one(&mut self, records: &[Placed]) -> Result<(), Away> {
        self.watermark = None;
        for record in records {
            match self.store.apply(std::slice::from_ref(record)) {
                Ok(()) => {}
                Err(StoreError::Forbidden(reason)) => {
                    let quarantined = self.store.quarantine(record, &reason)?;
                    self.backlog.set_quarantined(quarantined);
                }
                Err(StoreError::Away(away)) => return Err(away),
            }
        }
        Ok(())
    }
}

/// A gap would be a lost fact: nothing may be applied across it.
fn check_order(watermark: Position, records: &[Placed]) -> Result<(), Away> {
    for (expected, record) in (watermark.0 + 1..).zip(records) {
        if record.position.0 != expected {
            return Err(Away(format!(
                "the ledger lacks the facts {expected} to {}, which the store does not have",
                record.position.0.saturating_sub(1)
            )));
        }
    }
    Ok(())
}
