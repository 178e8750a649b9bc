//! Counts what the schedules came across: scenes in which nothing is ever refused would prove
//! nothing about refusals. Counting is no step of a schedule.

use std::collections::BTreeMap;

use parking_lot::Mutex;

static SEEN: Mutex<BTreeMap<&str, u64>> = Mutex::new(BTreeMap::new());

/// Counts one more of these. The words are a scene's own.
pub fn saw(what: &'static str) {
    *SEEN.lock().entry(what).or_default() += 1;
}

/// How many there were so far, in all schedules of this process.
pub fn seen(what: &str) -> u64 {
    SEEN.lock().get(what).copied().unwrap_or(0)
}
