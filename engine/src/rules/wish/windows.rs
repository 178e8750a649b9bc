//! Hours of the week at which somebody would come.

use serde::{Deserialize, Serialize};

/// Hours of a day.
pub const HOURS: u16 = 24;
/// Hours of a week.
pub const WEEK_HOURS: u16 = 7 * HOURS;

/// A set of whole hours on the clock, by weekday.
///
/// A visit fits when every hour that it touches is in the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Windows {
    /// Monday first; bit 8 is 8:00 to 9:00.
    days: [u32; 7],
}

impl Windows {
    pub const NEVER: Windows = Windows { days: [0; 7] };
    pub const ALWAYS: Windows = Windows {
        days: [0x00ff_ffff; 7],
    };

    /// Adds the hours `from` to before `to` of a weekday, Monday is 0. What is no hour adds
    /// nothing.
    #[must_use]
    pub fn with(mut self, weekday: u8, from: u8, to: u8) -> Windows {
        if let Some(day) = self.days.get_mut(usize::from(weekday)) {
            for hour in from..to.min(24) {
                *day |= 1 << hour;
            }
        }
        self
    }

    pub fn is_empty(self) -> bool {
        self.days.iter().all(|hours| hours & 0x00ff_ffff == 0)
    }

    /// Whether this hour of the week is in it, counted from Monday midnight.
    pub fn contains(self, week_hour: u16) -> bool {
        let hours = self.days.get(usize::from(week_hour / HOURS));
        hours.is_some_and(|hours| hours & (1 << (week_hour % HOURS)) != 0)
    }

    /// Whether nothing is in it that is not in the other one.
    pub fn is_within(self, other: Windows) -> bool {
        let mut both = self.days.iter().zip(other.days);
        both.all(|(own, other)| own & !other == 0)
    }

    /// The hours of the week in it, ascending.
    pub fn week_hours(self) -> impl Iterator<Item = u16> {
        (0..WEEK_HOURS).filter(move |hour| self.contains(*hour))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_added_by_weekday() {
        let windows = Windows::NEVER.with(0, 8, 10).with(6, 23, 99).with(7, 0, 24);
        let hours: Vec<u16> = windows.week_hours().collect();
        assert_eq!(hours, [8, 9, 6 * 24 + 23]);
        assert!(windows.is_within(Windows::ALWAYS) && !Windows::ALWAYS.is_within(windows));
        assert!(Windows::NEVER.is_empty() && !windows.is_empty());
    }
}
