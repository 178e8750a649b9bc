//! Runs a scene under many schedules, half of them at random and half by PCT: there, each thread
//! has a priority, and priorities change at a few moments that are drawn. The first finds what
//! happens often, the second what needs a certain order of few steps.
//!
//! The seeds are fixed, and `MORGENRUH_TEST_EFFORT` multiplies the number of schedules. A failure
//! prints its schedule; with that text in `MORGENRUH_SCHEDULE` a test runs only this one:
//! `MORGENRUH_SCHEDULE=… cargo test -p morgenruh-interleavings NAME_OF_THE_TEST`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

const SEED: u64 = 1_796_122_800;
/// Changes of priority in a schedule, as PCT counts them.
const DEPTH: usize = 3;
/// Longer schedules are threads that turn in circles.
const STEPS_MAX: usize = 20_000;
/// Of each thread; the default is too small for a day in a debug build.
const STACK_BYTES: usize = 512 * 1024;

/// Tries a scene under this many schedules, times what MORGENRUH_TEST_EFFORT says; false when it
/// only replayed one.
///
/// # Panics
/// When one of them fails.
pub fn explore(schedules: usize, scene: fn()) -> bool {
    if let Ok(schedule) = std::env::var("MORGENRUH_SCHEDULE") {
        let replay = ReplayScheduler::new_from_encoded(schedule.trim());
        run(replay, FailurePersistence::Print, scene);
        return false;
    }
    let effort = std::env::var("MORGENRUH_TEST_EFFORT").ok();
    let effort = effort.and_then(|text| text.parse().ok()).unwrap_or(1);
    let half = schedules * effort / 2;
    let random = RandomScheduler::new_from_seed(SEED, half);
    run(random, FailurePersistence::Print, scene);
    let pct = PctScheduler::new_from_seed(SEED, DEPTH, half);
    run(pct, FailurePersistence::Print, scene);
    true
}

/// What the first of at most so many schedules says that fails; for a scene with a known bug.
pub fn complaint(
    schedules: usize,
    scene: impl Fn() + Send + Sync + Copy + 'static,
) -> Option<String> {
    let random = RandomScheduler::new_from_seed(SEED, schedules);
    let pct = PctScheduler::new_from_seed(SEED, DEPTH, schedules);
    let quiet = FailurePersistence::None;
    let told = catch_unwind(AssertUnwindSafe(|| {
        run(random, quiet.clone(), scene);
        run(pct, quiet, scene);
    }));
    told.err().map(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "something without words".to_owned())
    })
}

fn run(
    scheduler: impl Scheduler + 'static,
    failures: FailurePersistence,
    scene: impl Fn() + Send + Sync + 'static,
) {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
    config.failure_persistence = failures;
    // That steps are sequentially consistent is said at the top of the crate.
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(scene);
}
