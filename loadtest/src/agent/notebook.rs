//! What people saw, written down by all of them.

use std::sync::{Mutex, MutexGuard};

use super::course::{Booked, Course, OfferEnd, Offered, Wished};
use super::fairness::{Given, Spell, Watched};
use super::time::Second;

/// Broken promises that are told in words.
const TOLD_MAX: usize = 20;

#[derive(Debug, Default)]
pub(super) struct Notebook {
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
pub(super) struct Pages {
    pub(super) course: Course,
    /// In the order of the course's wishes.
    pub(super) watched: Vec<Watched>,
    pub(super) promises: Vec<Promise>,
    pub(super) broken: u64,
    pub(super) told: Vec<String>,
    /// People who went home because something was not answered as it should be.
    pub(super) stranded: u64,
}

/// A booking, and the right to look at it.
#[derive(Clone, Debug)]
pub(super) struct Promise {
    /// By position in the course.
    pub(super) booking: usize,
    pub(super) id: String,
    pub(super) token: String,
}

impl Notebook {
    /// Hold the guard for no longer than a note.
    pub(super) fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().expect("no holder of this lock panics")
    }
}

impl Pages {
    pub(super) fn broken(&mut self, what: impl FnOnce() -> String) {
        self.broken += 1;
        if self.told.len() < TOLD_MAX {
            self.told.push(what());
        }
    }

    /// By position of the wish.
    pub(super) fn sleeps(&mut self, wish: usize, asleep: bool) {
        self.course.wishes[wish].asleep = asleep;
    }

    pub(super) fn stranded(&mut self, why: &str) {
        self.stranded += 1;
        if self.told.len() < TOLD_MAX {
            self.told.push(format!("somebody was left with {why}"));
        }
    }

    /// Notes a booking; returns its position.
    pub(super) fn booked(&mut self, booked: Booked, id: &str, token: &str) -> usize {
        let booking = self.course.bookings.len();
        self.course.bookings.push(booked);
        self.promises.push(Promise {
            booking,
            id: id.to_owned(),
            token: token.to_owned(),
        });
        booking
    }

    /// Notes a wish; returns its position.
    pub(super) fn wished(&mut self, laid: Second, watched: Watched) -> usize {
        let wish = self.course.wishes.len();
        self.course.wishes.push(Wished {
            laid,
            met: None,
            ended: false,
            asleep: false,
        });
        self.watched.push(watched);
        wish
    }

    /// Notes that a wish waits, as of an answer that says since when.
    pub(super) fn waits(&mut self, wish: usize, spell: Spell) {
        let spells = &mut self.watched[wish].waited;
        match spells.last_mut() {
            Some(last) if last.from == spell.from => last.until = spell.until,
            _ => spells.push(spell),
        }
    }

    /// Notes what a wish was given.
    pub(super) fn given(&mut self, wish: usize, given: Given) {
        self.watched[wish].given.push(given);
    }

    /// Notes an offer; returns its position.
    pub(super) fn offered(&mut self, made: Second, start: Second) -> usize {
        let offer = self.course.offers.len();
        self.course.offers.push(Offered {
            made,
            start,
            end: OfferEnd::Open,
        });
        offer
    }

    /// Notes how an offer ended; a second end is a broken promise.
    pub(super) fn ended(&mut self, offer: usize, end: OfferEnd) {
        let before = std::mem::replace(&mut self.course.offers[offer].end, end);
        if before != OfferEnd::Open && before != end {
            self.broken(|| format!("offer {offer} ended as {before:?} and as {end:?}"));
        }
    }
}
