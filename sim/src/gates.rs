//! Releases of a run, as everybody can know them: what is surely sealed, and what is surely open.
//!
//! A release goes by its time, or drips, or by what staff decided last. While a decision is on its
//! way, or a crash has left it unanswered, more than one can be true: then neither is sure.

use std::collections::BTreeMap;

use morgenruh_engine::rules::release::{ReleaseId, Steering};
use morgenruh_engine::rules::room::draw::DrawSecret;
use morgenruh_engine::rules::time::UnixMillis;

use crate::oracle::Seat;
use crate::town::{DAYS, Town};

/// What may have been decided last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stance {
    Due,
    Paused { since: i64 },
    Sealed,
    Open,
}

impl Stance {
    pub fn is(self, steering: Steering) -> bool {
        match (self, steering) {
            (Stance::Due, Steering::Due)
            | (Stance::Sealed, Steering::Sealed)
            | (Stance::Open, Steering::Open) => true,
            (Stance::Paused { since: own }, Steering::Paused { since }) => own == since.0,
            _ => false,
        }
    }

    pub fn of(steering: Steering) -> Stance {
        match steering {
            Steering::Due => Stance::Due,
            Steering::Sealed => Stance::Sealed,
            Steering::Open => Stance::Open,
            Steering::Paused {
                since: UnixMillis(since),
            } => Stance::Paused { since },
        }
    }
}

/// What is known of one release.
#[derive(Clone, Debug)]
pub struct Gate {
    /// What may be true: the last one is what was decided last.
    pub possible: Vec<Stance>,
    /// Somebody waits for the answer to a decision.
    pub is_asked: bool,
    pub secret: Option<DrawSecret>,
    /// By day and unit, when a drip opens it.
    pub moments: BTreeMap<(u16, u16), i64>,
}

impl Default for Gate {
    fn default() -> Gate {
        Gate {
            possible: vec![Stance::Due],
            is_asked: false,
            secret: None,
            moments: BTreeMap::new(),
        }
    }
}

/// All releases of a town; at each of them its first counter opens.
#[derive(Clone, Debug)]
pub struct Gates {
    by_release: BTreeMap<ReleaseId, Gate>,
    /// By office and day.
    of_day: Vec<ReleaseId>,
}

impl Gates {
    pub fn new(town: &Town) -> Gates {
        let days = (0..town.offices).flat_map(|office| (0..DAYS).map(move |day| (office, day)));
        let of_day: Vec<ReleaseId> = days
            .map(|(office, day)| town.release(office, day))
            .collect();
        Gates {
            by_release: of_day.iter().map(|id| (*id, Gate::default())).collect(),
            of_day,
        }
    }

    pub fn ids(&self) -> Vec<ReleaseId> {
        self.by_release.keys().copied().collect()
    }

    pub fn gate(&mut self, id: ReleaseId) -> &mut Gate {
        self.by_release.entry(id).or_default()
    }

    pub fn each(&self) -> impl Iterator<Item = (ReleaseId, &Gate)> {
        self.by_release.iter().map(|(id, gate)| (*id, gate))
    }

    /// The days of an office that a release is about.
    pub fn days_of(&self, id: ReleaseId) -> impl Iterator<Item = u16> {
        let office = usize::from(id.office - 1);
        (0..DAYS).filter(move |day| {
            let at = office * usize::from(DAYS) + usize::from(*day);
            self.of_day.get(at) == Some(&id)
        })
    }

    fn of(&self, office: u16, day: u16) -> Option<&Gate> {
        let id = self.of_day.get(usize::from(office * DAYS + day))?;
        self.by_release.get(id)
    }

    /// Whether all of a seat can surely be had, as far as releases go.
    pub fn is_open(&self, town: &Town, seat: Seat, now: i64) -> bool {
        let Some((at, gate)) = self.before(town, seat) else {
            return true;
        };
        let drip = town.drip_ms();
        (seat.start..seat.start + seat.units).all(|unit| {
            let due = gate.moments.get(&(seat.day, unit)).copied();
            let due = due.unwrap_or(at + drip);
            let is_open = |stance: &Stance| match stance {
                Stance::Due => due <= now,
                Stance::Paused { since } => due <= now && due <= *since,
                Stance::Sealed => false,
                Stance::Open => true,
            };
            gate.possible.iter().all(is_open)
        })
    }

    /// Whether some of a seat surely cannot be had, whatever time any clock has shown.
    pub fn is_sealed(&self, town: &Town, seat: Seat, latest: i64) -> bool {
        let Some((at, gate)) = self.before(town, seat) else {
            return false;
        };
        (seat.start..seat.start + seat.units).any(|unit| {
            let due = gate.moments.get(&(seat.day, unit)).copied();
            let due = due.unwrap_or(at);
            let is_sealed = |stance: &Stance| match stance {
                Stance::Due => latest < due,
                Stance::Paused { since } => latest < due || *since < due,
                Stance::Sealed => true,
                Stance::Open => false,
            };
            gate.possible.iter().all(is_sealed)
        })
    }

    /// The release that a seat lies behind, and its time.
    fn before(&self, town: &Town, seat: Seat) -> Option<(i64, &Gate)> {
        let at = town.sealed_until(seat.day, seat.counter)?;
        Some((at.0, self.of(seat.office, seat.day)?))
    }
}
