//! Sets of counters: a unit of an office's day is the set of counters that are free in it.
//!
//! The day is stored by unit, not by counter, because a hold asks "which counters are free from
//! this start for k units": that is k loads and k ANDs whatever the number of counters, and the
//! number of free seats is a population count.

use std::hint::select_unpredictable;

use serde::Serialize;

/// Most counters one office can have: one bit each.
pub const COUNTERS_MAX: u8 = 64;

/// A set of counters of one office. Bit n is the counter with number n + 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct CounterSet(pub u64);

impl CounterSet {
    pub const EMPTY: CounterSet = CounterSet(0);
    pub const ALL: CounterSet = CounterSet(u64::MAX);

    /// The set of the one counter at `index` (0-based).
    pub const fn only(index: u8) -> CounterSet {
        assert!(index < COUNTERS_MAX);
        CounterSet(1 << index)
    }

    pub const fn contains(self, index: u8) -> bool {
        index < COUNTERS_MAX && self.0 & (1 << index) != 0
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// This set, or the other one if this one is empty. Without a branch: on a busy day nobody
    /// could predict it.
    #[inline]
    pub fn or_else(self, other: CounterSet) -> CounterSet {
        select_unpredictable(self.is_empty(), other, self)
    }

    pub const fn len(self) -> u8 {
        self.0.count_ones() as u8
    }

    pub const fn and(self, other: CounterSet) -> CounterSet {
        CounterSet(self.0 & other.0)
    }

    pub const fn or(self, other: CounterSet) -> CounterSet {
        CounterSet(self.0 | other.0)
    }

    pub const fn without(self, other: CounterSet) -> CounterSet {
        CounterSet(self.0 & !other.0)
    }

    /// The member with the lowest index.
    pub const fn first(self) -> Option<u8> {
        if self.is_empty() {
            None
        } else {
            Some(self.0.trailing_zeros() as u8)
        }
    }

    /// The indices of the members, ascending.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let index = CounterSet(rest).first()?;
            rest &= rest - 1;
            Some(index)
        })
    }
}
