//! Runs of seeds: one to look at, many to believe in.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::oracle::Violation;
use crate::tally::Tally;
use crate::world::World;

/// Every so many seeds, one is run twice: nothing in a run may be left to chance.
const RUN_TWICE_EVERY: u64 = 64;

/// How one seed ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub tally: Tally,
    pub digest: u64,
    /// What is wrong, and in which step.
    pub violation: Option<(u64, String)>,
}

thread_local! {
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps what panics say for the outcome of their run, instead of printing it.
pub fn keep_panics() {
    std::panic::set_hook(Box::new(|panic| LAST_PANIC.set(panic.to_string())));
}

/// Runs one seed.
pub fn run(seed: u64) -> Outcome {
    let mut world = World::new(seed, false);
    let violation = live(&mut world).err();
    Outcome {
        violation: violation.map(|Violation(what)| (world.trace.step(), what)),
        digest: world.trace.digest(),
        tally: world.tally,
    }
}

/// Runs one seed and prints every step, and at a violation what the engine has.
///
/// # Errors
/// The violation.
#[expect(clippy::print_stdout, reason = "somebody asked to see it")]
pub fn replay(seed: u64) -> Result<(), Violation> {
    let mut world = World::new(seed, true);
    println!("{:#?}", world.options);
    let outcome = live(&mut world);
    if outcome.is_err() {
        for reservation in world.engine_state() {
            println!("{:?}: {:.60?}", reservation.id, reservation.state);
        }
    }
    outcome
}

/// A panic is a violation of an invariant that the engine itself keeps.
fn live(world: &mut World) -> Result<(), Violation> {
    catch_unwind(AssertUnwindSafe(|| {
        world.live().and_then(|()| world.settle())
    }))
    .unwrap_or_else(|_| Err(Violation(LAST_PANIC.take())))
}

/// What many seeds did.
#[derive(Clone, Debug, Default)]
pub struct Harvest {
    pub seeds: u64,
    pub tally: Tally,
    /// Seeds in which something was wrong, with what.
    pub violations: Vec<(u64, String)>,
}

/// Runs seeds from `first` on, on every core, for as long as told; stops early at as many
/// violations as `enough` says.
pub fn many(first: u64, seeds_max: u64, time_max: Duration, enough: usize) -> Harvest {
    let began = Instant::now();
    let next = AtomicU64::new(0);
    let harvest = Mutex::new(Harvest::default());
    let work = || {
        let mut own = Harvest::default();
        while began.elapsed() < time_max {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= seeds_max {
                break;
            }
            let seed = first.wrapping_add(number);
            let outcome = run(seed);
            own.seeds += 1;
            own.tally.add(&outcome.tally);
            if let Some((step, what)) = outcome.violation {
                own.violations.push((seed, format!("step {step}: {what}")));
            } else if number.is_multiple_of(RUN_TWICE_EVERY) && run(seed).digest != outcome.digest {
                own.violations
                    .push((seed, "I9: two runs, two traces".into()));
            }
            if own.violations.len() >= enough {
                next.store(seeds_max, Ordering::Relaxed);
            }
        }
        let mut all = harvest.lock().unwrap_or_else(|broken| broken.into_inner());
        all.seeds += own.seeds;
        all.tally.add(&own.tally);
        all.violations.append(&mut own.violations);
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    let mut harvest = harvest
        .into_inner()
        .unwrap_or_else(|broken| broken.into_inner());
    harvest.violations.sort();
    harvest
}
