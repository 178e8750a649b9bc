//! Readers keep rendered days and whole answers, as the gateway does, and look at change counters
//! to know whether they are still true, while seats are held and given back. A reader may be late
//! for a moment; what it says when all is quiet must be what the days say.

use std::collections::BTreeMap;
use std::sync::Arc;

use morgenruh_engine::rules::catalogue::Channel;
use morgenruh_engine::rules::day::Start;
use morgenruh_engine::shell::ledger::{Entry, Health, Ledger};
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::Mutex;
use shuttle::thread;

use crate::hall::{Hall, OFFICE, SEATS, evening};
use crate::tally::saw;

const DAYS: u16 = 2;
const WRITERS: usize = 2;
const READERS: usize = 2;
const LOOKS: usize = 3;

/// What somebody who writes such a reader could get wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    None,
    /// A day's counter is noted after its lock was let go.
    NotedAfterTheLock,
    /// The office's counter is noted after the days were read.
    NotedAfterTheDays,
}

/// A ledger that takes everything and answers nobody: holds wait for no answer.
struct Deaf;

impl Ledger for Deaf {
    fn append(&self, entry: Entry) -> Result<(), Entry> {
        assert!(entry.done.is_none(), "nobody waits here");
        Ok(())
    }

    fn health(&self) -> Health {
        Health::Ready
    }
}

/// One day as it was read.
#[derive(Clone)]
struct Fragment {
    starts: Vec<Start>,
    changes: u64,
}

/// All days as they were read.
#[derive(Clone)]
struct Answer {
    days: Vec<Vec<Start>>,
    office_changes: u64,
}

/// What is kept; in the order of `gateway/src/availability.rs`.
struct Kept {
    mistake: Mistake,
    fragments: Mutex<BTreeMap<u16, Fragment>>,
    answer: Mutex<Option<Answer>>,
}

impl Kept {
    fn read(&self, hall: &Hall) -> Vec<Vec<Start>> {
        let known = self.answer.lock().expect("no reader panics").clone();
        if let Some(answer) = known
            && answer.office_changes == hall.engine.office_changes(OFFICE)
        {
            saw("an answer was still true");
            return answer.days;
        }
        let before = hall.engine.office_changes(OFFICE);
        let days: Vec<_> = (0..DAYS).map(|day| self.day(hall, day)).collect();
        let office_changes = match self.mistake {
            Mistake::NotedAfterTheDays => hall.engine.office_changes(OFFICE),
            _ => before,
        };
        let answer = Answer {
            days: days.clone(),
            office_changes,
        };
        *self.answer.lock().expect("no reader panics") = Some(answer);
        days
    }

    fn day(&self, hall: &Hall, day: u16) -> Vec<Start> {
        let shard = hall.engine.shard(OFFICE, Hall::date(day));
        let shard = shard.expect("the day can be booked");
        let known = self
            .fragments
            .lock()
            .expect("no reader panics")
            .get(&day)
            .cloned();
        if let Some(known) = known
            && known.changes == shard.changes()
        {
            saw("a day was still true");
            return known.starts;
        }
        saw("a day was read");
        let need = Hall::need();
        let found = shard.decide(|day| day.starts(evening(), Channel::Public, &need));
        let changes = match self.mistake {
            Mistake::NotedAfterTheLock => shard.changes(),
            _ => found.changes,
        };
        let fragment = Fragment {
            starts: found.starts.clone(),
            changes,
        };
        self.fragments
            .lock()
            .expect("no reader panics")
            .insert(day, fragment);
        found.starts
    }
}

pub fn scene(mistake: Mistake) {
    let hall = Arc::new(Hall::new(Arc::new(Deaf)));
    let kept = Arc::new(Kept {
        mistake,
        fragments: Mutex::default(),
        answer: Mutex::default(),
    });
    let writers = (0..WRITERS).map(|_| {
        let hall = Arc::clone(&hall);
        thread::spawn(move || write(&hall))
    });
    let mut threads: Vec<_> = writers.collect();
    threads.extend((0..READERS).map(|_| {
        let (hall, kept) = (Arc::clone(&hall), Arc::clone(&kept));
        thread::spawn(move || {
            for _ in 0..LOOKS {
                kept.read(&hall);
            }
        })
    }));
    for thread in threads {
        thread.join().expect("nobody panics");
    }
    let need = Hall::need();
    let truth: Vec<_> = (0..DAYS)
        .map(|day| {
            let starts =
                hall.engine
                    .starts(evening(), OFFICE, Hall::date(day), Channel::Public, &need);
            starts.expect("the day can be booked").starts
        })
        .collect();
    assert_eq!(kept.read(&hall), truth, "a reader is not late for ever");
}

/// Holds a seat, and maybe gives it back.
fn write(hall: &Hall) {
    let day = thread_rng().gen_range(0..DAYS);
    let seat = thread_rng().gen_range(0..SEATS);
    if let Ok((token, _)) = hall.hold(evening(), day, seat)
        && thread_rng().gen_bool(0.5)
    {
        let released = hall.engine.release(evening(), token);
        released.expect("a hold of a moment ago is good");
    }
}
