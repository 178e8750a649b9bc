//! Several threads at the same work, and how long it takes them.

use std::time::{Duration, Instant};

use crate::threads::together;
use crate::visits::Visit;

/// Visits of one thread in one go, so that the engine's queue of deadlines does not overflow.
const GO_MAX: u64 = 50_000;

/// Somebody who can give out seats.
pub trait Contender: Sync {
    /// Holds a seat for the visit and gives it back. False: nothing was free.
    fn hold_and_release(&self, visit: &Visit) -> bool;

    /// Called between two goes, when nothing is measured.
    fn tidy(&self) {}
}

/// Time in which each thread gets through `count` visits while all of them are at work; there is
/// one thread for each list of visits.
///
/// # Panics
/// When more than one visit in a hundred finds nothing: then the contender is not doing the work.
pub fn race<C: Contender>(contender: &C, visits: &[Vec<Visit>], count: u64) -> Duration {
    let mut time = Duration::ZERO;
    let mut left = count;
    while left > 0 {
        let go = left.min(GO_MAX);
        time += one_go(contender, visits, go);
        contender.tidy();
        left -= go;
    }
    time
}

fn one_go<C: Contender>(contender: &C, visits: &[Vec<Visit>], count: u64) -> Duration {
    let times = together(visits.len(), |thread| {
        let begin = Instant::now();
        let mut refused = 0;
        for visit in visits[thread].iter().cycle().take(count as usize) {
            refused += u64::from(!contender.hold_and_release(visit));
        }
        let end = Instant::now();
        assert!(
            refused * 100 <= count,
            "{refused} of {count} visits found nothing"
        );
        (begin, end)
    });
    let begin = times
        .iter()
        .map(|(begin, _)| *begin)
        .min()
        .expect("somebody worked");
    let end = times
        .iter()
        .map(|(_, end)| *end)
        .max()
        .expect("somebody worked");
    end - begin
}
