//! Instants and days as plain numbers. The rules are told the time; they never ask for it.

use std::ops::{Add, Sub};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub i64);

/// A length of time in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

impl Millis {
    pub const fn from_minutes(minutes: u32) -> Millis {
        Millis(minutes as i64 * 60_000)
    }
}

impl Add<Millis> for UnixMillis {
    type Output = UnixMillis;
    fn add(self, length: Millis) -> UnixMillis {
        UnixMillis(self.0.saturating_add(length.0))
    }
}

impl Sub<UnixMillis> for UnixMillis {
    type Output = Millis;
    fn sub(self, earlier: UnixMillis) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }
}

impl UnixMillis {
    /// The same instant for the time-zone library, clamped to the range it knows.
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }
}

impl From<jiff::Timestamp> for UnixMillis {
    fn from(timestamp: jiff::Timestamp) -> UnixMillis {
        UnixMillis(timestamp.as_millisecond())
    }
}

/// A calendar day as days since 2000-01-01; reaches to 2179.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct DayNumber(pub u16);

const EPOCH: Date = jiff::civil::date(2000, 1, 1);

impl DayNumber {
    /// None for days outside 2000-01-01 … 2179-06-06.
    pub fn from_date(date: Date) -> Option<DayNumber> {
        let days = date.duration_since(EPOCH).as_hours() / 24;
        u16::try_from(days).ok().map(DayNumber)
    }

    pub fn to_date(self) -> Date {
        EPOCH.saturating_add(jiff::Span::new().days(i64::from(self.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_survive_the_round_trip_and_refuse_what_does_not_fit() {
        for number in [0, 1, 59, 60, 9_822, u16::MAX] {
            let day = DayNumber(number);
            assert_eq!(DayNumber::from_date(day.to_date()), Some(day));
        }
        assert_eq!(DayNumber::from_date(jiff::civil::date(1999, 12, 31)), None);
        assert_eq!(DayNumber::from_date(jiff::civil::date(2180, 1, 1)), None);
    }
}
