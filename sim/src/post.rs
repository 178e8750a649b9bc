//! The way of an answer from the ledger's completion to whoever asked; a power failure cuts it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use morgenruh_engine::rules::room::admission::LivePass;
use morgenruh_engine::shell::engine::{
    Booking, ChangeError, ConfirmError, DirectError, ExchangeError,
};
use parking_lot::Mutex;

use crate::disk::Disk;
use crate::staff::Decision;
use crate::wishers::WishNews;

/// An answer on its way.
pub struct Letter {
    pub who: usize,
    /// Which of the person's questions it answers, which ticket was exchanged, or which wish it is
    /// about.
    pub question: u64,
    pub news: News,
}

pub enum News {
    Confirmed(Result<Booking, ConfirmError>),
    Changed(Result<Booking, ChangeError>),
    Passed(Result<LivePass, ExchangeError>),
    /// About one of the wishes.
    Wished(WishNews),
    /// About a release.
    Decided(Decision, Result<(), DirectError>),
}

/// The letters of one life of the service.
#[derive(Default)]
struct Bag {
    letters: Vec<Letter>,
    /// After this many letters the power fails.
    last_letters: Option<usize>,
}

#[derive(Clone, Default)]
pub struct Post {
    bag: Arc<Mutex<Bag>>,
    /// Whether there are letters, without the lock: it is asked in every step.
    has_letters: Arc<AtomicBool>,
    disk: Disk,
}

impl Post {
    pub fn new(disk: Disk) -> Post {
        Post {
            bag: Arc::default(),
            has_letters: Arc::default(),
            disk,
        }
    }

    pub fn send(&self, letter: Letter) {
        let mut bag = self.bag.lock();
        if bag.last_letters == Some(0) {
            bag.last_letters = None;
            self.disk.plates().cut_power();
        }
        if !self.disk.plates().has_power() {
            return;
        }
        bag.last_letters = bag.last_letters.map(|letters| letters - 1);
        bag.letters.push(letter);
        self.has_letters.store(true, Ordering::Relaxed);
    }

    /// The power fails when one more than this many letters were sent.
    pub fn last_letters(&self, letters: Option<usize>) {
        self.bag.lock().last_letters = letters;
    }

    pub fn deliver(&self) -> Vec<Letter> {
        if !self.has_letters.load(Ordering::Relaxed) {
            return Vec::new();
        }
        self.has_letters.store(false, Ordering::Relaxed);
        std::mem::take(&mut self.bag.lock().letters)
    }
}
