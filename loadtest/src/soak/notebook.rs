//! Everything that was asked and answered, on disk and in numbers.
//!
//! The file is written in order and never changed, so that a failed run can be looked at. A long
//! run begins a new file with every chapter and keeps the one before: the history until then has
//! been checked.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use serde::Serialize;
use serde_json::Value;

use super::clock::RunClock;

/// Findings that are kept word by word.
const FINDINGS_MAX: usize = 20;

/// Characters of a finding that are kept.
const FINDING_CHARS_MAX: usize = 4_000;

/// Shared by everybody who asks.
#[derive(Debug)]
pub(super) struct Notebook {
    pub(super) clock: RunClock,
    path: PathBuf,
    pages: Mutex<Pages>,
}

/// What is counted, and what was found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tally {
    pub requests: u64,
    /// Answered with success.
    pub acknowledged: u64,
    /// Ordinary noes: lost races, expired holds.
    pub refused: u64,
    /// No answer, or one that does not say whether it was done.
    pub unanswered: u64,
    /// Changes that were answered with "the ledger is away": certainly not done.
    pub turned_away: u64,
    /// Of those, the ones that nobody asked for again.
    pub given_up: u64,
    /// Unanswered changes that turned out to be done, by themselves or by their repetition.
    pub resolved_done: u64,
    /// Unanswered changes that turned out not to have happened.
    pub resolved_undone: u64,
    pub confirmed: u64,
    /// Of those, the ones whose hold would have been over, had no outage given it more time.
    pub confirmed_late: u64,
    pub cancelled: u64,
    pub moved: u64,
    /// Bookings that were read back after a restart.
    pub read_back: u64,
    /// Confirmations that were repeated although they had been answered.
    pub repeated: u64,
    /// Holds that a crash could have lost, and of which that is known.
    pub holds_lost: u64,
    /// Broken promises.
    pub violations: u64,
}

#[derive(Debug)]
struct Pages {
    file: BufWriter<File>,
    tally: Tally,
    findings: Vec<String>,
    /// A record that cannot be written ends the run.
    failed: Option<io::Error>,
}

impl Notebook {
    /// Begins a record at `path`.
    pub(super) fn new(path: PathBuf) -> io::Result<Self> {
        let pages = Pages {
            file: BufWriter::new(File::create(&path)?),
            tally: Tally::default(),
            findings: Vec::new(),
            failed: None,
        };
        Ok(Self {
            clock: RunClock::start(),
            path,
            pages: Mutex::new(pages),
        })
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().expect("no holder of this lock panics")
    }

    /// Writes one line and returns its time, which is taken under the lock: the lines are in the
    /// order of their times.
    pub(super) fn write(&self, mut line: Value) -> u64 {
        let mut pages = self.pages();
        let at_us = self.clock.now_us();
        line["us"] = at_us.into();
        let written = serde_json::to_writer(&mut pages.file, &line)
            .map_err(io::Error::from)
            .and_then(|()| pages.file.write_all(b"\n"));
        if let Err(error) = written {
            pages.failed.get_or_insert(error);
        }
        at_us
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut Tally)) {
        count(&mut self.pages().tally);
    }

    /// Notes a broken promise.
    pub(super) fn violation(&self, what: String) {
        self.write(serde_json::json!({ "violation": what }));
        let mut pages = self.pages();
        pages.tally.violations += 1;
        if pages.findings.len() < FINDINGS_MAX {
            pages
                .findings
                .push(what.chars().take(FINDING_CHARS_MAX).collect());
        }
    }

    pub(super) fn tally(&self) -> Tally {
        self.pages().tally.clone()
    }

    pub(super) fn findings(&self) -> Vec<String> {
        self.pages().findings.clone()
    }

    /// Puts everything on disk.
    pub(super) fn flush(&self) -> io::Result<()> {
        let mut pages = self.pages();
        match pages.failed.take() {
            Some(error) => Err(error),
            None => pages.file.flush(),
        }
    }

    /// Begins a new file; the one before is kept beside it, and those before it are not.
    pub(super) fn next_chapter(&self) -> io::Result<()> {
        self.flush()?;
        let before = self.path.with_extension("before.jsonl");
        fs::rename(&self.path, before)?;
        self.pages().file = BufWriter::new(File::create(&self.path)?);
        Ok(())
    }
}
