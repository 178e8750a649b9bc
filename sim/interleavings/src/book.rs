//! A journal in memory that takes what it is given, refuses it, or reports an error after which
//! nobody can know. Its own lock is not a step of the schedule; writing is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use morgenruh_engine::rules::ids::ReservationId;
use morgenruh_engine::rules::record::Position;
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::shell::scribe::{Failure, Journal, Kept};
use parking_lot::Mutex;
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Taken,
    Refused,
    /// An error is reported, and the records are there or not.
    Unclear {
        written: bool,
    },
}

#[derive(Default)]
struct Pages {
    /// Whose, where a fact is about a reservation.
    facts: Vec<Option<ReservationId>>,
    newest_at: Option<UnixMillis>,
    /// Of the next writes; all others are taken.
    fates: VecDeque<Fate>,
    last_failed: bool,
}

#[derive(Clone, Default)]
pub struct Book(Arc<Mutex<Pages>>);

impl Book {
    /// The next writes, at most so many, get a fate that is drawn.
    pub fn draw_fates(&self, fates_max: usize) {
        let mut dice = thread_rng();
        let fates = (0..dice.gen_range(0..=fates_max)).map(|_| match dice.gen_range(0..5) {
            0 => Fate::Refused,
            1 => Fate::Unclear { written: false },
            2 => Fate::Unclear { written: true },
            _ => Fate::Taken,
        });
        self.0.lock().fates = fates.collect();
    }

    /// Whose facts are in the book, in order.
    pub fn facts(&self) -> Vec<ReservationId> {
        self.0.lock().facts.iter().flatten().copied().collect()
    }

    /// Whose fact is at this position; the first is 1.
    pub fn at(&self, position: Position) -> Option<ReservationId> {
        let place = usize::try_from(position.0.checked_sub(1)?).ok()?;
        self.0.lock().facts.get(place).copied()?
    }

    /// Whether everything from now on is taken.
    pub fn is_calm(&self) -> bool {
        self.0.lock().fates.is_empty()
    }

    pub fn last_write_failed(&self) -> bool {
        self.0.lock().last_failed
    }
}

/// A disk takes its time: others go on meanwhile.
fn wait_for_the_disk() {
    thread::sleep(Duration::ZERO);
}

impl Journal for Book {
    fn newest(&mut self) -> Result<(Position, UnixMillis), Failure> {
        wait_for_the_disk();
        let pages = self.0.lock();
        let at = pages.newest_at.unwrap_or(UnixMillis(0));
        Ok((Position(pages.facts.len() as u64), at))
    }

    fn write(&mut self, records: &[Kept<'_>]) -> Result<(), Failure> {
        wait_for_the_disk();
        let mut pages = self.0.lock();
        let fate = pages.fates.pop_front().unwrap_or(Fate::Taken);
        pages.last_failed = fate != Fate::Taken;
        if matches!(fate, Fate::Taken | Fate::Unclear { written: true }) {
            for kept in records {
                assert_eq!(
                    kept.position.0,
                    pages.facts.len() as u64 + 1,
                    "a batch follows on what is there"
                );
                assert!(pages.newest_at <= Some(kept.at), "times do not go back");
                pages.newest_at = Some(kept.at);
                pages.facts.push(kept.fact.reservation());
            }
        }
        drop(pages);
        wait_for_the_disk();
        match fate {
            Fate::Taken => Ok(()),
            Fate::Refused => Err(Failure::Refused("full".into())),
            Fate::Unclear { .. } => Err(Failure::Unclear("torn".into())),
        }
    }
}
