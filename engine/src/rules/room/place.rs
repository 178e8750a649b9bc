//! What somebody who waits is told: the place, how long it may take, how likely it still is.

use super::admission::Stock;
use super::fact::Ending;
use crate::rules::time::{Millis, UnixMillis};

/// Where a ticket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The draw is still to come: nobody has a place yet.
    Gathering,
    /// Behind so many others.
    InLine {
        position: u32,
        ahead: u32,
    },
    /// It may be exchanged for a pass, at the latest until then if others are not to be let in
    /// meanwhile; None when that has passed already.
    Called {
        position: u32,
        until: Option<UnixMillis>,
    },
    /// Its pass is live.
    Inside {
        position: u32,
        turn: u8,
        until: UnixMillis,
    },
    /// It became a booking.
    Booked,
    /// It was given up.
    Left,
    /// Its passes ended without a booking.
    UsedUp,
    Over(Ending),
}

/// How likely it is that something is left when a place is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chance {
    Likely,
    Possible,
    Unlikely,
    Gone,
}

/// What a ticket is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub standing: Standing,
    /// In about how long it is called: at the least, and at the most.
    pub eta: Option<(Millis, Millis)>,
    pub chance: Chance,
    /// When to ask again.
    pub poll_after: Millis,
}

/// Shortest and longest time between two questions of the same visitor.
pub const POLL_MIN: Millis = Millis(2_000);
pub const POLL_MAX: Millis = Millis(30_000);

/// How fast the line moves and how many of those who are called book.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pace {
    /// Calls a minute.
    pub(super) per_minute: f64,
    /// Bookings for each place that was called, 0 to 1.
    pub(super) booking_share: f64,
}

pub(super) fn chance(ahead: u32, stock: Stock, pace: Pace) -> Chance {
    if stock.is_gone() {
        return Chance::Gone;
    }
    let left = f64::from(stock.seats) + f64::from(stock.held) * (1.0 - pace.booking_share);
    let wanted = f64::from(ahead) * pace.booking_share;
    if wanted <= left * 0.8 {
        Chance::Likely
    } else if wanted <= left * 1.2 {
        Chance::Possible
    } else {
        Chance::Unlikely
    }
}

/// The real time lies between these in most cases: rates change as people take longer or go.
pub(super) fn eta(ahead: u32, pace: Pace) -> Option<(Millis, Millis)> {
    if pace.per_minute <= 0.0 {
        return None;
    }
    let minutes = f64::from(ahead) / pace.per_minute;
    let millis = |factor: f64| Millis((minutes * factor * 60_000.0) as i64);
    Some((millis(0.7), millis(1.5)))
}

/// Whoever is near asks often, whoever is far seldom; and not all at the same moment, which
/// `entropy` sees to.
pub(super) fn poll_after(wait: Millis, entropy: u32) -> Millis {
    let plain = (wait.0 / 10).clamp(POLL_MIN.0, POLL_MAX.0);
    // Up to a quarter earlier or later.
    let spread = plain / 2;
    let jitter = i64::from(entropy % 1_024) * spread / 1_024;
    Millis(plain - spread / 2 + jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        per_minute: 600.0,
        booking_share: 0.8,
    };

    #[test]
    fn the_chance_falls_with_the_number_of_people_ahead() {
        let stock = Stock {
            seats: 100,
            held: 0,
        };
        let told = [0, 100, 130, 200].map(|ahead| chance(ahead, stock, PACE));
        let expected = [
            Chance::Likely,
            Chance::Likely,
            Chance::Possible,
            Chance::Unlikely,
        ];
        assert_eq!(told, expected);
        assert_eq!(chance(0, Stock::default(), PACE), Chance::Gone);
    }

    #[test]
    fn polls_are_spread_and_bounded() {
        let near = (0..1_024).map(|entropy| poll_after(Millis(0), entropy).0);
        assert_eq!(near.clone().min(), Some(1_500));
        assert!(near.max() < Some(2_500));
        assert!(poll_after(Millis(i64::MAX), 1_023).0 <= POLL_MAX.0 * 5 / 4);
    }
}
