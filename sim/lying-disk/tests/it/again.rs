//! The power fails, or only the process dies; and while the next start recovers, or soon after,
//! the power fails. What that start has shown to anybody stays.

use fastrand::Rng;
use morgenruh_engine::rules::record::Position;
use morgenruh_engine::shell::sqlite::OpenError;
use morgenruh_lying_disk::{Loss, Operation, Platter};

use crate::judge::{Tally, effort};
use crate::life::{Appended, Life, Remains, Told};
use crate::power::live;

/// Rushes in a first life.
const RUSHES: u32 = 12;
/// First lives that end, of each seed: half of them just before a sync, when most is at stake.
const ENDS: usize = 12;

/// How a first life ends, and what is found then.
#[derive(Clone, Copy, Debug)]
enum Death {
    /// Of the machine. What was not synced is lost as is drawn.
    Machine,
    /// Of the process. What was not synced is found, and can still be lost.
    Process,
    /// Of the process, after a sync has failed. What was not synced is found, but lost already; the
    /// next start cannot know it, and is only safe when it has written anew what it has found.
    ProcessAfterError,
}

pub(crate) fn run() -> Tally {
    let mut tally = Tally::default();
    for seed in 0..effort(1) {
        let first = live(seed, RUSHES);
        for (death, found, appended) in ends(&first, seed) {
            let at = found.ordinal();
            let broken = tally.broken.len();
            match live_on(found, seed, appended) {
                Ok((second, opened)) => {
                    let from = match death {
                        Death::ProcessAfterError => opened,
                        Death::Machine | Death::Process => at,
                    };
                    tally.power_failures(&second, from, seed);
                }
                Err(error) => tally.broken.push(format!("the second start: {error}")),
            }
            for broken in &mut tally.broken[broken..] {
                *broken = format!("{death:?} at {at} of seed {seed}, {broken}");
            }
        }
    }
    tally
}

/// Moments at which a first life ends, each with what is found then and what was promised by then.
fn ends(first: &Remains, seed: u64) -> Vec<(Death, Platter, Vec<Appended>)> {
    let mut random = Rng::with_seed(seed);
    let operations = &first.disk.operations;
    let syncs = (0..).zip(operations).filter_map(|(ordinal, operation)| {
        matches!(operation, Operation::Synced { .. }).then_some(ordinal)
    });
    let mut ordinals = random.choose_multiple(syncs, ENDS / 2);
    ordinals.extend(random.choose_multiple(0..=operations.len() as u64, ENDS / 2));
    let deaths = [Death::Machine, Death::ProcessAfterError, Death::Process];
    let mut deaths = deaths.into_iter().cycle();
    let mut ends = Vec::new();
    first.disk.platters(|platter| {
        let at = platter.ordinal();
        if !ordinals.contains(&at) {
            return;
        }
        let death = deaths.next().expect("it is a cycle");
        let mut found = platter.clone();
        match death {
            Death::Machine => {
                let loss = Loss::drawn(&mut random, platter.unsynced(), at);
                found = platter.power_failure(&loss);
            }
            Death::Process => {}
            Death::ProcessAfterError => found.forget(),
        }
        let mut appended = first.appended.clone();
        for promise in &mut appended {
            promise.told = promise.told.filter(|told| told.at <= at);
        }
        ends.push((death, found, appended));
    });
    ends
}

/// The next start, and a rush after it. What the start has seen counts as promised from then on;
/// what it has not seen must not come back. Also returns the ordinal at which it was open.
fn live_on(
    found: Platter,
    seed: u64,
    appended: Vec<Appended>,
) -> Result<(Remains, u64), OpenError> {
    let mut life = Life::on(found, !seed, appended);
    life.open()?;
    let seen = life.seen();
    let at = life.disk().ordinal();
    life.promise(|appended| {
        appended.truncate(seen.len());
        for (position, promise) in (1..).map(Position).zip(appended) {
            let kept = Some(position);
            promise.told = promise.told.or(Some(Told { at, kept }));
        }
    });
    assert_eq!(life.rush(), 0, "nothing fails");
    Ok((life.end(), at))
}
