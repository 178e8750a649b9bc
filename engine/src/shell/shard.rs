//! A day behind its lock, and the counters by which readers see that it changed.

use std::sync::Arc;

use super::sync::{AtomicU64, Mutex, MutexGuard, Ordering};
use crate::rules::day::Day;

/// One (office, day): whoever has the lock decides alone.
#[derive(Debug)]
pub struct Shard {
    day: Mutex<Day>,
    /// [`Day::changes`], readable without the lock.
    changes: AtomicU64,
    /// Rises with any change of any day of the office.
    office_changes: Arc<AtomicU64>,
}

impl Shard {
    pub(super) fn new(day: Day, office_changes: Arc<AtomicU64>) -> Shard {
        Shard {
            changes: AtomicU64::new(day.changes()),
            day: Mutex::new(day),
            office_changes,
        }
    }

    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Decides something about the day. Nothing inside may wait.
    pub fn decide<R>(&self, decision: impl FnOnce(&mut Day) -> R) -> R {
        let mut day = self.lock();
        decision(&mut day)
    }

    pub(super) fn lock(&self) -> DayGuard<'_> {
        DayGuard {
            day: self.day.lock(),
            shard: self,
        }
    }
}

/// A locked day; tells readers when it is let go changed.
pub(super) struct DayGuard<'a> {
    day: MutexGuard<'a, Day>,
    shard: &'a Shard,
}

impl std::ops::Deref for DayGuard<'_> {
    type Target = Day;
    fn deref(&self) -> &Day {
        &self.day
    }
}

impl std::ops::DerefMut for DayGuard<'_> {
    fn deref_mut(&mut self) -> &mut Day {
        &mut self.day
    }
}

impl Drop for DayGuard<'_> {
    fn drop(&mut self) {
        let changes = self.day.changes();
        if changes != self.shard.changes.load(Ordering::Relaxed) {
            self.shard.changes.store(changes, Ordering::Release);
            self.shard.office_changes.fetch_add(1, Ordering::Release);
        }
    }
}
