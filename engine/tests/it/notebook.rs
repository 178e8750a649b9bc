//! A ledger in memory that does what a test tells it: it writes down, refuses, or keeps silent.

use std::collections::VecDeque;

use morgenruh_engine::rules::record::{Fact, Position, Record};
use morgenruh_engine::rules::room::RoomId;
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::shell::ledger::{Entry, Health, Ledger, NotKept};
use parking_lot::Mutex;

#[derive(Default)]
pub(crate) struct Notebook {
    page: Mutex<Page>,
    /// One answer after the other, as a ledger's single thread gives them.
    answering: Mutex<()>,
}

#[derive(Default)]
struct Page {
    waiting: VecDeque<Entry>,
    kept: Vec<Record>,
    away_since: Option<UnixMillis>,
    is_full: bool,
}

impl Ledger for Notebook {
    fn append(&self, entry: Entry) -> Result<(), Entry> {
        let mut page = self.page.lock();
        let away = page.away_since.is_some() && entry.record.fact.is_strict();
        if page.is_full || away {
            return Err(entry);
        }
        page.waiting.push_back(entry);
        Ok(())
    }

    fn health(&self) -> Health {
        match self.page.lock().away_since {
            Some(since) => Health::Away {
                since,
                reason: "the test says so".into(),
            },
            None => Health::Ready,
        }
    }
}

impl Notebook {
    pub(crate) fn go_away(&self, since: UnixMillis) {
        self.page.lock().away_since = Some(since);
    }

    pub(crate) fn come_back(&self) {
        self.page.lock().away_since = None;
    }

    /// From now on nothing fits in, or everything again.
    pub(crate) fn fill(&self, is_full: bool) {
        self.page.lock().is_full = is_full;
    }

    /// Everything that waits is durable.
    pub(crate) fn keep(&self) {
        let _one_after_the_other = self.answering.lock();
        loop {
            let mut page = self.page.lock();
            let Some(entry) = page.waiting.pop_front() else {
                return;
            };
            page.kept.push(entry.record);
            let position = Position(page.kept.len() as u64);
            drop(page);
            if let Some(done) = entry.done {
                done(Ok(position));
            }
        }
    }

    /// Everything strict that waits is refused at this instant; the rest is durable.
    pub(crate) fn refuse(&self, at: UnixMillis) {
        let _one_after_the_other = self.answering.lock();
        let waiting = std::mem::take(&mut self.page.lock().waiting);
        for entry in waiting {
            match entry.done {
                Some(done) => done(Err(NotKept { at })),
                None => self.page.lock().kept.push(entry.record),
            }
        }
    }

    /// The names of the facts so far, durable or not.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let page = self.page.lock();
        let waiting = page.waiting.iter().map(|entry| &entry.record);
        page.kept
            .iter()
            .chain(waiting)
            .map(|record| record.fact.name())
            .collect()
    }

    /// The names of what happened in a waiting room so far, durable or not.
    pub(crate) fn room_facts(&self, id: RoomId) -> Vec<&'static str> {
        let page = self.page.lock();
        let waiting = page.waiting.iter().map(|entry| &entry.record);
        page.kept
            .iter()
            .chain(waiting)
            .filter_map(|record| match &record.fact {
                Fact::Room { room, fact } if *room == id => Some(fact.name()),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn last(&self) -> Option<Fact> {
        let page = self.page.lock();
        let waiting = page.waiting.back().map(|entry| &entry.record);
        waiting
            .or_else(|| page.kept.last())
            .map(|record| record.fact.clone())
    }
}
