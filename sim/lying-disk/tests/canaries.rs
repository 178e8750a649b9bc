//! Known bugs are let loose, one after the other, and each has to be noticed. They sing in the
//! whole process: hence a binary of its own, with one test.

#[path = "it/again.rs"]
mod again;
#[path = "it/faults.rs"]
mod faults;
#[path = "it/judge.rs"]
mod judge;
#[path = "it/life.rs"]
mod life;
#[path = "it/power.rs"]
mod power;
#[path = "it/town.rs"]
mod town;

use judge::Tally;
use morgenruh_engine::canary::{Canary, sing};

/// The bugs, and the run that is there to notice them.
const CANARIES: [(Canary, fn() -> Tally); 5] = [
    (Canary::SyncForgotten, power::run),
    (Canary::DirectoryNotSynced, power::run),
    (Canary::AckBeforeDurable, power::run),
    (Canary::SyncForgotten, again::run),
    (Canary::UnclearTakenForRefused, faults::run),
];

#[test]
fn every_canary_is_noticed() {
    for (canary, run) in CANARIES {
        sing(Some(canary));
        let tally = run();
        sing(None);
        let (broken, images) = (tally.broken.len(), tally.images);
        println!(
            "{canary:?}: {broken} of {images}, the first: {:?}",
            tally.broken.first()
        );
        assert!(broken > 0, "{canary:?} goes unnoticed");
    }
}
