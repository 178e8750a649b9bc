//! The power fails at every ordinal of a ledger's life.

use morgenruh_lying_disk::Platter;

use crate::judge::{Tally, effort};
use crate::life::{Life, Remains};

/// Rushes in a life: enough for a dozen checkpoints.
const RUSHES: u32 = 40;

/// A life without any error, from an empty disk to the orderly end.
pub(crate) fn live(seed: u64, rushes: u32) -> Remains {
    let mut life = Life::on(Platter::default(), seed, Vec::new());
    life.open().unwrap();
    for _ in 0..rushes {
        assert_eq!(life.rush(), 0, "nothing fails");
    }
    life.end()
}

pub(crate) fn run() -> Tally {
    let mut tally = Tally::default();
    for seed in 0..effort(1) {
        tally.power_failures(&live(seed, RUSHES), 0, seed);
    }
    tally
}
