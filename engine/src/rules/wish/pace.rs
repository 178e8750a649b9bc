//! How many seats went to wishes lately: what an estimate of waiting rests on.

use std::collections::HashMap;

use crate::rules::time::{Millis, UnixMillis};

/// Days that are looked back on.
pub const DAYS: usize = 14;
const DAY: Millis = Millis::from_minutes(24 * 60);

/// Seats that wishes got, by office and day.
#[derive(Debug, Default)]
pub struct Pace {
    /// By number of the office; the newest day at its number modulo [`DAYS`].
    offices: HashMap<u16, Days>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Days {
    newest: i64,
    seats: [u32; DAYS],
}

impl Days {
    /// Those since then are over and empty.
    fn turn(&mut self, today: i64) {
        let missed = (today - self.newest).clamp(0, DAYS as i64);
        for day in 0..missed {
            self.seats[place(today - day)] = 0;
        }
        self.newest = self.newest.max(today);
    }
}

fn place(day: i64) -> usize {
    day.rem_euclid(DAYS as i64) as usize
}

impl Pace {
    /// A wish got a seat of this office.
    pub fn count(&mut self, office: u16, at: UnixMillis) {
        let today = at.0.div_euclid(DAY.0);
        let days = self.offices.entry(office).or_default();
        days.turn(today);
        if today > days.newest - DAYS as i64 {
            days.seats[place(today)] += 1;
        }
    }

    /// Seats a day at this office, over the last [`DAYS`] days.
    pub fn seats_a_day(&self, office: u16, now: UnixMillis) -> f64 {
        let Some(mut days) = self.offices.get(&office).copied() else {
            return 0.0;
        };
        days.turn(now.0.div_euclid(DAY.0));
        let seats: u32 = days.seats.iter().sum();
        f64::from(seats) / DAYS as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_ago_no_longer_counts() {
        let day = |day: i64| UnixMillis(day * DAY.0);
        let mut pace = Pace::default();
        for at in [100, 100, 105, 113] {
            pace.count(3, day(at));
        }
        assert_eq!(pace.seats_a_day(3, day(113)) * 14.0, 4.0);
        assert_eq!(pace.seats_a_day(3, day(114)) * 14.0, 2.0);
        assert_eq!(pace.seats_a_day(3, day(500)), 0.0);
        assert_eq!(pace.seats_a_day(4, day(113)), 0.0);
    }
}
