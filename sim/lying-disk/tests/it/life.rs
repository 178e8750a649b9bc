//! The life of a ledger on a lying disk: who appended what, who was told what, and when.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use morgenruh_engine::rules::ids::ReservationId;
use morgenruh_engine::rules::record::{Fact, Position, Record};
use morgenruh_engine::shell::backlog::Bounds;
use morgenruh_engine::shell::directory::observer::observe;
use morgenruh_engine::shell::ledger::{Completion, Entry, Ledger};
use morgenruh_engine::shell::sqlite::{BEHIND, OpenError, Options, SqliteLedger};
use morgenruh_engine::shell::stored::Stored;
use morgenruh_lying_disk::{self as lying, LyingDisk, Platter, checkpoint_every, watch};
use parking_lot::Mutex;
use tempfile::TempDir;

use crate::judge::facts;
use crate::town::{Crowd, EVENING, kleinheim};

/// Records in a commit.
const BATCH_MAX: usize = 8;
/// Records that arrive together, so that some rushes need two commits.
const RUSH_MAX: usize = 12;
/// Pages in the write-ahead log after which there is a checkpoint: every few commits.
const CHECKPOINT_PAGES: u16 = 40;
/// How far the tables may be behind: so little that a commit is often followed by one that brings
/// them up to date.
const TABLES_BEHIND: Bounds = Bounds { rest: 24, ..BEHIND };
/// How long an answer may take when nothing fails any more.
const PATIENCE: Duration = Duration::from_secs(20);

/// A record that somebody has appended.
#[derive(Clone, Debug)]
pub(crate) struct Appended {
    pub name: &'static str,
    pub id: ReservationId,
    pub told: Option<Told>,
}

/// What was told, and at which ordinal of the disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub at: u64,
    /// None: it is not kept and never will be.
    pub kept: Option<Position>,
}

type Promises = Arc<Mutex<Vec<Appended>>>;

/// What is left of a life: everything that happened to the disk, and what was promised.
pub(crate) struct Remains {
    pub disk: lying::Record,
    pub appended: Vec<Appended>,
}

/// A life while it lasts.
pub(crate) struct Life {
    root: TempDir,
    disk: Arc<LyingDisk>,
    crowd: Crowd,
    promises: Promises,
    /// The ledger's thread waits until this is dropped, so that what arrives meanwhile is one
    /// rush for it, in every run.
    latch: Option<Sender<()>>,
    ledger: Option<SqliteLedger>,
}

/// A directory in memory where the system has one: there, real syncs cost nothing.
pub(crate) fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    made.unwrap()
}

/// Below the watched directory, so that its own name, and that of the one above, can be lost.
pub(crate) fn data(root: &TempDir) -> PathBuf {
    root.path().join("var").join("data")
}

pub(crate) fn open(root: &TempDir) -> Result<(SqliteLedger, Stored), OpenError> {
    let options = Options {
        batch_max: BATCH_MAX,
        queue_max: 64,
        retry: Duration::from_millis(1),
        clock: || EVENING,
    };
    SqliteLedger::open_within(&data(root), &kleinheim(), options, TABLES_BEHIND)
}

impl Life {
    /// On a disk that others may have used before.
    pub(crate) fn on(platter: Platter, seed: u64, appended: Vec<Appended>) -> Life {
        observe(LyingDisk::directory_synced);
        checkpoint_every(CHECKPOINT_PAGES);
        let root = scratch();
        let disk = watch(root.path(), platter).unwrap();
        Life {
            root,
            disk: Arc::new(disk),
            crowd: Crowd::new(seed),
            promises: Arc::new(Mutex::new(appended)),
            latch: None,
            ledger: None,
        }
    }

    pub(crate) fn disk(&self) -> &LyingDisk {
        &self.disk
    }

    pub(crate) fn open(&mut self) -> Result<(), OpenError> {
        let (ledger, _) = open(&self.root)?;
        self.ledger = Some(ledger);
        Ok(())
    }

    /// Changes what counts as promised, and as appended.
    pub(crate) fn promise(&self, change: impl FnOnce(&mut Vec<Appended>)) {
        change(&mut self.promises.lock());
    }

    /// The facts that whoever opens the ledger now sees.
    pub(crate) fn seen(&self) -> Vec<(String, ReservationId)> {
        facts(&data(&self.root)).unwrap()
    }

    /// Some records arrive together; returns when the last of them is answered, and how many of
    /// them are certainly not kept.
    pub(crate) fn rush(&mut self) -> u64 {
        let records = self.crowd.rush(RUSH_MAX);
        let facts: Vec<Fact> = records.iter().map(|record| record.fact.clone()).collect();
        let first = self.promises.lock().len();
        let (go_on, latch) = channel::<()>();
        let (answer, answered) = channel::<()>();
        let mut last = Some((answer, latch));
        let records_end = records.len();
        for (number, record) in (1..).zip(records) {
            let last = if number == records_end {
                last.take()
            } else {
                None
            };
            self.append(
                record,
                last.map(|(answer, latch)| {
                    move || {
                        drop(answer);
                        let _ = latch.recv();
                    }
                }),
            );
        }
        self.latch = Some(go_on);
        // The answer is that nobody can give one any more.
        let late = answered.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout);
        assert!(!late, "an answer comes when nothing fails any more");
        let promises = self.promises.lock();
        let told = promises[first..].iter().map(|appended| appended.told);
        let mut refused = 0;
        for (fact, told) in facts.iter().zip(told) {
            match told {
                Some(Told { kept: Some(_), .. }) => self.crowd.told(fact),
                Some(Told { kept: None, .. }) => refused += 1,
                None => {}
            }
        }
        refused
    }

    fn append(&self, record: Record, after: Option<impl FnOnce() + Send + 'static>) {
        let ledger = self.ledger.as_ref().expect("it is open");
        let number = {
            let mut promises = self.promises.lock();
            promises.push(Appended {
                name: record.fact.name(),
                id: record
                    .fact
                    .reservation()
                    .expect("nobody waits in a room here"),
                told: None,
            });
            promises.len() - 1
        };
        let somebody_waits = record.fact.is_strict() || after.is_some();
        let (promises, disk) = (Arc::clone(&self.promises), Arc::clone(&self.disk));
        let tell = move |kept| {
            let at = disk.ordinal();
            promises.lock()[number].told = Some(Told { at, kept });
        };
        let not_taken = tell.clone();
        let entry = Entry {
            record,
            done: somebody_waits.then(|| -> Completion {
                Box::new(move |outcome| {
                    tell(outcome.ok());
                    if let Some(after) = after {
                        after();
                    }
                })
            }),
        };
        if ledger.append(entry).is_err() {
            not_taken(None);
        }
    }

    /// Waits until the ledger is ready; nothing must fail any more.
    pub(crate) fn wait_until_ready(&mut self) {
        self.latch = None;
        let ledger = self.ledger.as_ref().expect("it is open");
        for _ in 0..PATIENCE.as_millis() {
            if ledger.health().is_ready() {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("the ledger comes back when nothing fails any more");
    }

    /// Ends the life in good order.
    pub(crate) fn end(mut self) -> Remains {
        self.latch = None;
        drop(self.ledger.take());
        Remains {
            disk: self.disk.record(),
            appended: self.promises.lock().clone(),
        }
    }
}
