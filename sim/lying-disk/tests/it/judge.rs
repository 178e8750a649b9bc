//! Holds what is found on a disk against what was promised, and counts.

use std::path::Path;

use fastrand::Rng;
use morgenruh_engine::rules::ids::ReservationId;
use morgenruh_engine::rules::record::Position;
use morgenruh_engine::shell::sqlite::DATABASE;
use morgenruh_engine::shell::verify::verify;
use morgenruh_lying_disk::{Loss, Operation, Platter};
use rusqlite::Connection;

use crate::life::{Appended, Remains, Told, data, open, scratch};

/// How often to try, times what MORGENRUH_TEST_EFFORT says.
pub(crate) fn effort(times: u64) -> u64 {
    let effort = std::env::var("MORGENRUH_TEST_EFFORT").ok();
    times * effort.and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// What a number of lives and power failures has shown. Each of the counts has to be above zero
/// for the proof to mean something.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub lives: u64,
    /// How often a database was synced in the life that created it: mostly by checkpoints.
    pub checkpoints: u64,
    /// Ledgers that could not be opened because a call failed.
    pub not_opened: u64,
    /// Records of which somebody was told "not kept".
    pub refused: u64,
    /// Power failures.
    pub images: u64,
    /// Those that could have taken something, because it was not synced.
    pub with_something_to_lose: u64,
    /// Records that were there although whoever waited for them had not been told.
    pub unheard: u64,
    /// What should not have been, a sentence for each image.
    pub broken: Vec<String>,
}

impl Tally {
    /// The power fails once at every ordinal from this one on, in a way that is drawn.
    pub(crate) fn power_failures(&mut self, remains: &Remains, from: u64, seed: u64) {
        let mut random = Rng::with_seed(seed);
        self.life(remains);
        remains.disk.platters(|platter| {
            if platter.ordinal() < from {
                return;
            }
            let loss = Loss::drawn(&mut random, platter.unsynced(), platter.ordinal());
            self.power_failure(platter, loss, &remains.appended);
        });
    }

    pub(crate) fn life(&mut self, remains: &Remains) {
        let mut operations = remains.disk.operations.iter();
        let database = operations.find_map(|operation| match operation {
            Operation::Created { path, file } if path.ends_with(DATABASE) => Some(*file),
            _ => None,
        });
        let syncs = operations.filter(
            |operation| matches!(operation, Operation::Synced { file } if Some(*file) == database),
        );
        self.lives += 1;
        self.checkpoints += syncs.count() as u64;
    }

    /// The power fails now, in the way that this loss says.
    pub(crate) fn power_failure(&mut self, platter: &Platter, loss: Loss, appended: &[Appended]) {
        let at = platter.ordinal();
        self.images += 1;
        self.with_something_to_lose += u64::from(platter.unsynced() < at);
        match judge(&platter.power_failure(&loss), at, appended) {
            Ok(unheard) => self.unheard += unheard,
            Err(error) => self.broken.push(format!("at {at}, {loss:?}: {error}")),
        }
    }
}

/// What the ledger says has happened, oldest first.
pub(crate) fn facts(data: &Path) -> rusqlite::Result<Vec<(String, ReservationId)>> {
    let connection = Connection::open(data.join(DATABASE))?;
    let question = "SELECT fact, reservation FROM ledger ORDER BY position";
    let mut statement = connection.prepare(question)?;
    let facts = statement.query_map([], |row| {
        Ok((row.get(0)?, ReservationId::from_bytes(row.get(1)?)))
    })?;
    facts.collect()
}

/// Opens a disk with the real code and holds what is there against what was promised by this
/// ordinal. Returns how many records are there of which somebody was told only later.
fn judge(found: &Platter, at: u64, appended: &[Appended]) -> Result<u64, String> {
    let root = scratch();
    found.write_to(root.path()).unwrap();
    let (ledger, stored) = open(&root).map_err(|error| format!("it does not open: {error}"))?;
    drop(ledger);
    let findings = verify(&data(&root)).map_err(|error| format!("it does not read: {error}"))?;
    if let Some(error) = findings.errors.first() {
        return Err(format!(
            "{} errors, the first: {error}",
            findings.errors.len()
        ));
    }
    let facts = facts(&data(&root)).map_err(|error| format!("it does not read: {error}"))?;
    let booked = facts.iter().filter(|(name, _)| name == "booked").count();
    if stored.bookings.len() != booked {
        let known = stored.bookings.len();
        return Err(format!(
            "{booked} were booked and {known} are known after the start"
        ));
    }
    hold_against(&facts, at, appended)
}

/// What is there is what was appended, in that order, up to some point, without what was refused.
fn hold_against(
    facts: &[(String, ReservationId)],
    at: u64,
    appended: &[Appended],
) -> Result<u64, String> {
    let mut there = (1..).map(Position).zip(facts).peekable();
    let mut unheard = 0;
    let mut missing = None;
    for promise in appended {
        let told = promise.told.filter(|told| told.at <= at);
        let is_next = |(name, id): &(String, ReservationId)| {
            (name.as_str(), *id) == (promise.name, promise.id)
        };
        match (there.next_if(|(_, fact)| is_next(fact)), told) {
            (
                Some((position, _)),
                Some(Told {
                    kept: Some(kept), ..
                }),
            ) if position != kept => {
                return Err(format!("{promise:?} is at {position:?}"));
            }
            (Some(_), Some(Told { kept: None, .. })) => {
                return Err(format!("{promise:?} was refused and is there"));
            }
            (Some(_), _) if missing.is_some() => {
                return Err(format!("{promise:?} is there without {missing:?}"));
            }
            (Some(_), None) => unheard += u64::from(promise.told.is_some()),
            (Some(_), Some(_)) => {}
            (None, Some(Told { kept: Some(_), .. })) => {
                return Err(format!("{promise:?} is lost"));
            }
            (None, _) => {
                // One that is refused later need not be there, and takes nobody's place.
                if promise.told.is_none_or(|told| told.kept.is_some()) {
                    missing = missing.or(Some((promise.name, promise.id)));
                }
            }
        }
    }
    match there.next() {
        Some((position, fact)) => Err(format!("nobody appended {fact:?} at {position:?}")),
        None => Ok(unheard),
    }
}
