//! How wishes are doing, in numbers.

use crate::rules::time::UnixMillis;

/// How offers have ended since the last start, and seats that were booked without asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    pub accepted: u64,
    pub declined: u64,
    pub lapsed: u64,
    /// Booked without asking.
    pub direct: u64,
    /// Of those, given back for another one.
    pub returned: u64,
}

/// What there is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Wishes that are not over, those with an offer included.
    pub open: usize,
    /// Of them, those that sleep: an offer was not answered.
    pub asleep: usize,
    /// Offers that nobody has answered yet.
    pub offers: usize,
    /// Wishes of which something is still to be told.
    pub untold: usize,
    /// Since when the oldest of that is.
    pub untold_since: Option<UnixMillis>,
}
