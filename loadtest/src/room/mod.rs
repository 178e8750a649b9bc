//! The waiting rooms of a release: who stands there, what they are told, and whether it was true.

pub mod fairness;
pub mod proof;
pub mod statistics;
pub mod watch;
mod words;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use morgenruh_wire::Room;
use tokio::time::sleep;

use crate::api::{Api, Reply};
use crate::city::{City, SAME_RELEASE_S, Target};
use crate::clock;
use watch::Watched;

/// How often the public document is looked at, in milliseconds.
const LOOK_MS: u64 = 500;

/// A service that has just started announces its rooms within this time, in milliseconds.
const ANNOUNCED_MS: u64 = 3_000;

/// One waiting room, seen from outside.
#[derive(Debug)]
pub struct Hall {
    pub id: String,
    pub offices: Vec<String>,
    /// From when on tickets are given.
    pub opens: Instant,
    pub release_at: Timestamp,
    /// How far the service's clock is ahead of ours, in seconds.
    clock_ahead_s: i64,
    /// The public document before anybody came.
    pub before: Room,
    looks: Mutex<Vec<Look>>,
    tickets: Mutex<Vec<Ticket>>,
}

/// A ticket that somebody here has.
pub type Ticket = Arc<Mutex<Watched>>;

/// What the public document said.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// When it was asked for.
    pub asked: Instant,
    pub serving: u32,
}

impl Hall {
    fn new(room: Room, city: &City) -> Result<Self, jiff::Error> {
        let opens_at: Timestamp = room.opens_at.parse()?;
        let ahead = jiff::SignedDuration::from_secs(city.clock_ahead_s);
        let until = opens_at.duration_since(clock::now()) - ahead;
        let until = Duration::try_from(until).unwrap_or(Duration::ZERO);
        Ok(Self {
            id: room.id.clone(),
            offices: room.offices.clone(),
            opens: Instant::now() + until,
            release_at: room.release_at.parse()?,
            clock_ahead_s: city.clock_ahead_s,
            before: room,
            looks: Mutex::default(),
            tickets: Mutex::default(),
        })
    }

    /// What time it is for the service.
    pub fn now(&self) -> Timestamp {
        clock::now() + jiff::SignedDuration::from_secs(self.clock_ahead_s)
    }

    /// One more ticket to be watched.
    pub fn watch(&self, watched: Watched) -> Ticket {
        let ticket = Arc::new(Mutex::new(watched));
        lock(&self.tickets).push(Arc::clone(&ticket));
        ticket
    }

    /// Everything that was seen.
    pub fn seen(&self) -> (Vec<Watched>, Vec<Look>) {
        let tickets = lock(&self.tickets);
        let tickets = tickets.iter().map(|ticket| lock(ticket).clone());
        (tickets.collect(), lock(&self.looks).clone())
    }

    /// Looks at the public document once.
    pub async fn look(&self, api: &Api) {
        let asked = Instant::now();
        if let Reply::Done(room) = api.room(&self.id).await {
            let serving = room.serving;
            lock(&self.looks).push(Look { asked, serving });
        }
    }
}

/// Nobody panics while holding one of this module's locks.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}

/// The rooms through which the target is released, at the latest when that is at hand.
pub async fn halls(api: &Api, city: &City, target: &Target, release: Instant) -> Vec<Arc<Hall>> {
    let Some(release_at) = target.release_at else {
        return Vec::new();
    };
    let started = Instant::now();
    loop {
        let Reply::Done(rooms) = api.rooms().await else {
            return Vec::new();
        };
        let halls = rooms.rooms.into_iter().filter(|room| {
            let serves = |office| target.offices.contains_key(office);
            let apart_s = |at: Timestamp| (at.as_second() - release_at.as_second()).abs();
            room.offices.iter().any(serves)
                && room
                    .release_at
                    .parse()
                    .is_ok_and(|at| apart_s(at) <= SAME_RELEASE_S)
        });
        let halls: Vec<_> = halls
            .filter_map(|room| Hall::new(room, city).ok().map(Arc::new))
            .collect();
        let pause = Duration::from_millis(LOOK_MS);
        let patient = started.elapsed() < Duration::from_millis(ANNOUNCED_MS);
        if !halls.is_empty() || !patient || Instant::now() + 2 * pause > release {
            return halls;
        }
        sleep(pause).await;
    }
}

/// Looks at the rooms until it is dropped.
pub async fn look_on(api: Arc<Api>, halls: Vec<Arc<Hall>>) {
    loop {
        for hall in &halls {
            hall.look(&api).await;
        }
        sleep(Duration::from_millis(LOOK_MS)).await;
    }
}
