//! The same work done otherwise.
//!
//! None of them knows deadlines, secrets, ids or best fit: they do less than the engine. The maps
//! use the hash that they come with.

use std::collections::HashMap;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use parking_lot::Mutex;

use crate::race::Contender;
use crate::visits::{CLOSES, COUNTERS, Taken, VISIT_UNITS, Visit};

/// A day, a counter and a unit.
type Cell = (u32, u8, u16);

fn cells(day: usize, counter: u8, start: u16) -> impl Iterator<Item = Cell> {
    (start..start + VISIT_UNITS).map(move |unit| (day as u32, counter, unit))
}

fn taken_cells(taken: &[Vec<Taken>]) -> impl Iterator<Item = Cell> {
    let days = taken.iter().enumerate();
    days.flat_map(|(day, taken)| {
        taken
            .iter()
            .flat_map(move |it| cells(day, it.counter, it.start))
    })
}

/// Who was there before; no visit has this number.
const EARLIER: u64 = u64::MAX;

/// One lock around one map from cell to holder.
pub struct GlobalMap(Mutex<HashMap<Cell, u64>>);

impl GlobalMap {
    pub fn new(taken: &[Vec<Taken>]) -> GlobalMap {
        let holders = taken_cells(taken).map(|cell| (cell, EARLIER));
        GlobalMap(Mutex::new(holders.collect()))
    }
}

impl Contender for GlobalMap {
    fn hold_and_release(&self, visit: &Visit) -> bool {
        let mut holders = self.0.lock();
        let is_free = |counter: &u8| {
            cells(visit.day, *counter, visit.start).all(|cell| !holders.contains_key(&cell))
        };
        let Some(counter) = (0..COUNTERS).find(is_free) else {
            return false;
        };
        for cell in cells(visit.day, counter, visit.start) {
            holders.insert(cell, visit.random);
        }
        drop(holders);

        let mut holders = self.0.lock();
        for cell in cells(visit.day, counter, visit.start) {
            let holder = holders.remove(&cell);
            assert_eq!(holder, Some(visit.random), "nobody else gives it back");
        }
        true
    }
}

/// A sharded map from cell to holder: cells are taken one by one, and given back when one of them
/// is somebody else's.
pub struct ShardedMap(DashMap<Cell, u64>);

impl ShardedMap {
    pub fn new(taken: &[Vec<Taken>]) -> ShardedMap {
        ShardedMap(taken_cells(taken).map(|cell| (cell, EARLIER)).collect())
    }

    fn take(&self, visit: &Visit, counter: u8) -> bool {
        for (got, cell) in cells(visit.day, counter, visit.start).enumerate() {
            let is_free = match self.0.entry(cell) {
                Entry::Vacant(vacant) => {
                    vacant.insert(visit.random);
                    true
                }
                Entry::Occupied(_) => false,
            };
            if !is_free {
                self.give_back(visit, counter, got);
                return false;
            }
        }
        true
    }

    fn give_back(&self, visit: &Visit, counter: u8, count: usize) {
        for cell in cells(visit.day, counter, visit.start).take(count) {
            let removed = self.0.remove_if(&cell, |_, holder| *holder == visit.random);
            assert!(removed.is_some(), "nobody else gives it back");
        }
    }
}

impl Contender for ShardedMap {
    fn hold_and_release(&self, visit: &Visit) -> bool {
        let Some(counter) = (0..COUNTERS).find(|counter| self.take(visit, *counter)) else {
            return false;
        };
        self.give_back(visit, counter, usize::from(VISIT_UNITS));
        true
    }
}

/// The least that can be done: a lock per day, one word per unit with a bit per free counter. It
/// takes the first counter that is free and remembers nothing.
pub struct BareBits(Vec<Mutex<[u64; 288]>>);

impl BareBits {
    pub fn new(taken: &[Vec<Taken>]) -> BareBits {
        let day = |taken: &Vec<Taken>| {
            let mut free = [(1 << COUNTERS) - 1; 288];
            // Counters are closed outside the opening hours, but nobody asks there.
            free[usize::from(CLOSES)..].fill(0);
            for it in taken {
                for unit in &mut free[span(it.start)] {
                    *unit &= !(1 << it.counter);
                }
            }
            Mutex::new(free)
        };
        BareBits(taken.iter().map(day).collect())
    }
}

fn span(start: u16) -> std::ops::Range<usize> {
    usize::from(start)..usize::from(start + VISIT_UNITS)
}

impl Contender for BareBits {
    fn hold_and_release(&self, visit: &Visit) -> bool {
        let mut free = self.0[visit.day].lock();
        let units = &mut free[span(visit.start)];
        let candidates = units.iter().fold(u64::MAX, |set, unit| set & unit);
        if candidates == 0 {
            return false;
        }
        let counter = candidates & candidates.wrapping_neg();
        for unit in units {
            *unit &= !counter;
        }
        drop(free);

        let mut free = self.0[visit.day].lock();
        for unit in &mut free[span(visit.start)] {
            *unit |= counter;
        }
        true
    }
}
