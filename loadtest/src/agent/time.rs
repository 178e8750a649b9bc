//! Time in the town: seconds since the midnight at which its first day began.
//!
//! The town's clocks never change, so each of its days has 24 hours.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::RunError;
use crate::api::{Api, Reply};
use crate::clock;

/// Seconds since the first midnight.
pub(super) type Second = i64;

pub(super) const MINUTE: Second = 60;
pub(super) const HOUR: Second = 3_600;
pub(super) const DAY: Second = 86_400;

/// People do nothing about appointments before and after these hours.
const WAKES: Second = 7 * HOUR;
const SLEEPS: Second = 22 * HOUR;

/// When staff of the manual procedure look at what was cancelled.
const MORNING: Second = 8 * HOUR;

/// Which days of the run are which of the week.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weeks {
    /// Weekday of day 0; 0 is Monday.
    pub(super) first: i64,
}

impl Weeks {
    /// 0 is Monday.
    pub(super) fn weekday(self, day: i64) -> i64 {
        (self.first + day).rem_euclid(7)
    }

    pub(super) fn is_working(self, day: i64) -> bool {
        self.weekday(day) < 5
    }

    /// The first morning of a working day after this day.
    pub(super) fn next_morning(self, at: Second) -> Second {
        let mut day = at.div_euclid(DAY) + 1;
        while !self.is_working(day) {
            day += 1;
        }
        day * DAY + MORNING
    }
}

/// When so much time of being awake is over.
pub(super) fn after_waking(from: Second, mut delay: Second) -> Second {
    let mut at = awake(from);
    loop {
        let evening = at.div_euclid(DAY) * DAY + SLEEPS;
        if at + delay <= evening {
            return at + delay;
        }
        delay -= evening - at;
        at = evening - SLEEPS + DAY + WAKES;
    }
}

/// Then, or in the morning.
pub(super) fn awake(at: Second) -> Second {
    let midnight = at.div_euclid(DAY) * DAY;
    let in_day = at - midnight;
    if in_day < WAKES {
        midnight + WAKES
    } else if in_day > SLEEPS {
        midnight + DAY + WAKES
    } else {
        at
    }
}

/// The service's faster clock, seen from here.
#[derive(Clone, Copy, Debug)]
pub(super) struct TownClock {
    origin: Timestamp,
    begun: Instant,
    begun_at: f64,
    speed: f64,
}

impl TownClock {
    /// Asks the service what time it is.
    pub(super) async fn start(api: &Api, speed: u32) -> Result<Self, RunError> {
        let unreachable = || RunError::Unreachable(api.measure().examples().join("; "));
        let Reply::Done(offices) = api.offices().await else {
            return Err(unreachable());
        };
        let begun = Instant::now();
        let now: Timestamp = offices.now.parse().map_err(|_| unreachable())?;
        let in_day = now.as_second().rem_euclid(DAY);
        Ok(Self {
            origin: now - jiff::SignedDuration::from_secs(in_day),
            begun,
            begun_at: in_day as f64,
            speed: f64::from(speed),
        })
    }

    pub(super) fn now(self) -> Second {
        let elapsed = self.begun.elapsed().as_secs_f64();
        (self.begun_at + elapsed * self.speed) as Second
    }

    /// Waits until then, and returns the instant from which latency counts.
    pub(super) async fn reach(self, at: Second) -> Instant {
        let ahead = (at as f64 - self.begun_at) / self.speed;
        let ahead = Duration::try_from_secs_f64(ahead).unwrap_or_default();
        clock::reach(self.begun + ahead).await
    }

    /// So much of the town's time in which a moment of ours passes.
    pub(super) fn in_town(self, real: Duration) -> Second {
        (real.as_secs_f64() * self.speed) as Second
    }

    /// A time that the service has written.
    pub(super) fn read(self, text: &str) -> Option<Second> {
        let at: Timestamp = text.parse().ok()?;
        Some(at.as_second() - self.origin.as_second())
    }

    /// A day as the service reads it.
    pub(super) fn date(self, day: i64) -> String {
        let at = self.origin + jiff::SignedDuration::from_secs(day * DAY);
        at.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
    }

    pub(super) fn weeks(self) -> Weeks {
        let date = self.origin.to_zoned(jiff::tz::TimeZone::UTC).date();
        Weeks {
            first: i64::from(date.weekday().to_monday_zero_offset()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_answers_at_night() {
        assert_eq!(after_waking(20 * HOUR, HOUR), 21 * HOUR);
        assert_eq!(after_waking(21 * HOUR, 2 * HOUR), DAY + 8 * HOUR);
        assert_eq!(after_waking(3 * HOUR, MINUTE), 7 * HOUR + MINUTE);
        // A day of waking has 15 hours.
        assert_eq!(after_waking(12 * HOUR, 15 * HOUR), DAY + 12 * HOUR);
    }

    #[test]
    fn staff_look_on_the_next_working_morning() {
        let weeks = Weeks { first: 3 };
        assert_eq!(weeks.next_morning(10 * HOUR), DAY + 8 * HOUR);
        // From Friday to Monday.
        assert_eq!(weeks.next_morning(DAY + HOUR), 4 * DAY + 8 * HOUR);
    }
}
