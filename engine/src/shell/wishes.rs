//! The wishes of an engine behind their lock.
//!
//! Whoever has a day locked may lock the wishes, never the other way round; wishes and rooms are
//! never locked together.

use std::collections::{BTreeSet, HashMap};

use super::sync::{AtomicBool, Mutex, MutexGuard, Ordering};
use crate::rules::ids::DayKey;
use crate::rules::time::UnixMillis;
use crate::rules::wish::WishId;
use crate::rules::wish::agent::Agent;
use crate::rules::wish::answer::AnswerTerms;

/// What waits for seats.
#[derive(Debug)]
pub struct Wishes {
    agent: Mutex<Agent>,
    /// Laid or changed, and not yet held against what is free: no more than there are wishes.
    fresh: Mutex<BTreeSet<WishId>>,
    /// Whether any wish waits, so that nobody locks the wishes to find that there are none.
    any: AtomicBool,
    /// What only the ticking thread touches.
    pub(super) watch: Mutex<Watch>,
}

/// How the days were when they were last held against the wishes.
#[derive(Debug, Default)]
pub(super) struct Watch {
    pub(super) seen: HashMap<DayKey, u64>,
    /// To be looked at although they have not changed.
    pub(super) again: BTreeSet<DayKey>,
    /// To be looked at in a minute: there is no time to ask anybody now.
    pub(super) later: BTreeSet<DayKey>,
    pub(super) away_since: Option<UnixMillis>,
    /// When days were last looked at.
    pub(super) looked_at: Option<UnixMillis>,
    /// When the days that are still to be opened were last made.
    pub(super) days_made: Option<i64>,
}

impl Wishes {
    pub(super) fn new(terms: AnswerTerms) -> Wishes {
        Wishes {
            agent: Mutex::new(Agent::new(terms, WishId(0))),
            fresh: Mutex::default(),
            any: AtomicBool::new(false),
            watch: Mutex::default(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Agent> {
        self.agent.lock()
    }

    /// Whether any wish waits, as of a moment ago.
    pub(super) fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    pub(super) fn set_any(&self, any: bool) {
        self.any.store(any, Ordering::Relaxed);
    }

    /// What it wants is looked at again, and what the others of the same person want: nothing of
    /// theirs is being decided any more. Call it without having the wishes locked.
    pub(super) fn add_fresh(&self, id: WishId) {
        let beside = self.agent.lock().waiting_beside(id);
        let mut fresh = self.fresh.lock();
        fresh.insert(id);
        fresh.extend(beside);
        self.set_any(true);
    }

    /// The newest of them, so many at most: nobody who lays one waits for all that a lottery has
    /// left over. Who gets what is free does not depend on it.
    pub(super) fn take_fresh(&self, max: usize) -> Vec<WishId> {
        let mut fresh = self.fresh.lock();
        std::iter::from_fn(|| fresh.pop_last()).take(max).collect()
    }
}
