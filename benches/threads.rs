//! Threads that begin together, each on a core of its own.
//!
//! Left alone, the scheduler now and then keeps two new threads on one core for as long as a whole
//! round takes. They never meet there, so what looks like contention would be none.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How often a thread asks to be moved away from another one before it stays where it is.
const MOVES_MAX: usize = 200;
const MOVE_PAUSE: Duration = Duration::from_millis(1);
/// The place of a thread that has not looked yet.
const NOWHERE: usize = usize::MAX;

/// Does the work on so many threads at once, with the number of the thread from 0, and collects
/// what they bring back. All begin at the same moment.
pub fn together<R: Send>(count: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let places: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(NOWHERE)).collect();
    let waiting = AtomicUsize::new(count);
    let one = |number: usize| {
        if count > 1 {
            move_apart(number, &places);
        }
        // Whoever is first waits without going to sleep.
        waiting.fetch_sub(1, Ordering::AcqRel);
        while waiting.load(Ordering::Acquire) > 0 {
            std::hint::spin_loop();
        }
        work(number)
    };
    let one = &one;
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..count)
            .map(|number| scope.spawn(move || one(number)))
            .collect();
        let mut results = vec![one(0)];
        results.extend(
            others
                .into_iter()
                .map(|other| other.join().expect("it would have said")),
        );
        results
    })
}

/// Returns when no thread with a lower number runs on the same core. A thread that wakes up is put
/// on an idle core if there is one; those with lower numbers keep theirs busy.
fn move_apart(number: usize, places: &[AtomicUsize]) {
    for _ in 0..MOVES_MAX {
        let core = core();
        places[number].store(core, Ordering::Release);
        let mut lower = places[..number]
            .iter()
            .map(|place| place.load(Ordering::Acquire));
        if lower.all(|place| place != core && place != NOWHERE) {
            return;
        }
        std::thread::sleep(MOVE_PAUSE);
    }
}

/// The core on which this thread runs; 0 where the system does not say.
fn core() -> usize {
    let stat = fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
    // The name of the thread is in brackets and can contain anything; the core is the 37th word
    // after it.
    let core = stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.split_whitespace().nth(36));
    core.and_then(|core| core.parse().ok()).unwrap_or_default()
}
