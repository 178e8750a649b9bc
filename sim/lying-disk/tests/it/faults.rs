//! For every call of a life there is a run in which it fails, alone or with those after it.
//! "Kept" is only said of what is there after a restart, "not kept" only of what never will be,
//! whatever a later loss of power takes; and the ledger recovers.

use std::collections::BTreeSet;

use fastrand::Rng;
use morgenruh_lying_disk::Failure::{Device, DeviceShort, Forgetful, Full, FullShort};
use morgenruh_lying_disk::{Failure, Fault, Loss, Platter};

use crate::judge::{Tally, effort};
use crate::life::{Life, Remains, Told};

/// Rushes in a life.
const RUSHES: u32 = 5;
/// Moments that are looked at, of each life: some of them when somebody has been refused.
const MOMENTS: usize = 3;

/// What happens to the calls from a certain one on: kinds of failure, and how many calls of each.
/// A device that fails and is full afterwards is what a full disk looks like through a cache.
const OUTAGES: [&[(Failure, u64)]; 9] = [
    &[(Device, 1)],
    &[(Device, 1), (Full, 4)],
    &[(Forgetful, 1)],
    &[(Full, 3)],
    &[(DeviceShort, 1)],
    &[(Forgetful, 1), (Full, 4)],
    &[(FullShort, 1)],
    &[(Device, 3)],
    &[(Device, 1), (FullShort, 1), (Forgetful, 1)],
];

pub(crate) fn run() -> Tally {
    let mut tally = Tally::default();
    for round in 0..effort(2) {
        let seed = round / OUTAGES.len() as u64;
        for call in 0..calls(seed) {
            let outage = OUTAGES[(call + round) as usize % OUTAGES.len()];
            let remains = live_through(seed, faults(outage, call), &mut tally);
            let broken = tally.broken.len();
            look_back(&remains, call, &mut tally);
            for broken in &mut tally.broken[broken..] {
                *broken = format!("{outage:?} from call {call} of seed {seed}, {broken}");
            }
        }
    }
    tally
}

/// How many calls there are in a life in which none fails.
fn calls(seed: u64) -> u64 {
    let mut life = Life::on(Platter::default(), seed, Vec::new());
    life.open().unwrap();
    for _ in 0..RUSHES {
        life.rush();
    }
    let calls = life.disk().calls();
    life.end();
    calls
}

fn faults(outage: &[(Failure, u64)], mut call: u64) -> Vec<Fault> {
    let mut faults = Vec::new();
    for &(failure, calls) in outage {
        let calls = call..call + calls;
        call = calls.end;
        faults.push(Fault { calls, failure });
    }
    faults
}

/// A life in which these calls fail. In the end nothing fails any more, and all is well.
fn live_through(seed: u64, faults: Vec<Fault>, tally: &mut Tally) -> Remains {
    let mut life = Life::on(Platter::default(), seed, Vec::new());
    life.disk().fail(faults);
    if life.open().is_err() {
        tally.not_opened += 1;
        life.disk().fail(Vec::new());
        life.open().expect("nothing fails any more");
    }
    for _ in 0..RUSHES {
        let refused = life.rush();
        if refused > 0 {
            tally.refused += refused;
            life.wait_until_ready();
        }
    }
    life.disk().fail(Vec::new());
    life.wait_until_ready();
    assert_eq!(life.rush(), 0, "nothing fails any more");
    let remains = life.end();
    tally.life(&remains);
    remains
}

/// When somebody has been refused, at some other moments and at the end: the process dies, or the
/// power fails.
fn look_back(remains: &Remains, call: u64, tally: &mut Tally) {
    let mut random = Rng::with_seed(call);
    let end = remains.disk.operations.len() as u64;
    let promises = remains.appended.iter();
    let refusals = promises.filter_map(|appended| match appended.told {
        Some(Told { at, kept: None }) => Some(at),
        _ => None,
    });
    let refusals: BTreeSet<u64> = refusals.collect();
    let mut moments: BTreeSet<u64> = refusals.into_iter().take(MOMENTS - 1).collect();
    while moments.len() < MOMENTS {
        moments.insert(random.u64(0..=end));
    }
    moments.insert(end);
    remains.disk.platters(|platter| {
        if moments.contains(&platter.ordinal()) {
            let drawn = Loss::drawn(&mut random, platter.unsynced(), platter.ordinal());
            for loss in [Loss::Nothing, drawn] {
                tally.power_failure(platter, loss, &remains.appended);
            }
        }
    });
}
