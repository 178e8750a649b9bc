//! When the days of a wave are released: by a rule that looks both ways, from a day to its release
//! and from a release to its days.

use jiff::civil::{Date, Weekday};

/// Which day is released on which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Each day so many days before.
    Daily { days_ahead: u16 },
    /// On this weekday all days of the week, Monday to Sunday, that is so many weeks later.
    Weekly { weekday: Weekday, weeks_ahead: u8 },
    /// These days once and for all. The first is not before the release.
    Once { on: Date, first: Date, last: Date },
}

impl Schedule {
    /// The date of the release of a day; None for days that it is not about.
    pub fn released_on(&self, day: Date) -> Option<Date> {
        match *self {
            Schedule::Daily { days_ahead } => Some(day.saturating_sub(days(days_ahead.into()))),
            Schedule::Weekly {
                weekday,
                weeks_ahead,
            } => {
                let week = monday(day).saturating_sub(days(7 * i64::from(weeks_ahead)));
                Some(week.saturating_add(days(weekday.to_monday_zero_offset().into())))
            }
            Schedule::Once { on, first, last } => (first..=last).contains(&day).then_some(on),
        }
    }

    /// The days that are released on a date, soonest first.
    pub fn days_of(&self, released_on: Date) -> impl Iterator<Item = Date> + use<> {
        let (first, count) = match *self {
            Schedule::Daily { days_ahead } => {
                (released_on.saturating_add(days(days_ahead.into())), 1)
            }
            Schedule::Weekly {
                weekday,
                weeks_ahead,
            } => {
                let week = monday(released_on).saturating_add(days(7 * i64::from(weeks_ahead)));
                (
                    week,
                    if released_on.weekday() == weekday {
                        7
                    } else {
                        0
                    },
                )
            }
            Schedule::Once { on, first, last } => {
                let span = first.until(last).map_or(0, |span| span.get_days());
                let count = usize::try_from(span + 1).unwrap_or_default();
                (first, if released_on == on { count } else { 0 })
            }
        };
        first.series(days(1)).take(count)
    }
}

pub(in crate::rules) fn monday(date: Date) -> Date {
    date.saturating_sub(days(date.weekday().to_monday_zero_offset().into()))
}

fn days(count: i64) -> jiff::Span {
    jiff::Span::new().days(count)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    /// What one direction says, the other one says too, across the ends of months, of the year and
    /// of summer time.
    #[test]
    fn a_day_and_its_release_name_each_other() {
        let (on, first, last) = (date(2026, 12, 1), date(2026, 12, 21), date(2027, 1, 3));
        let schedules = [
            Schedule::Daily { days_ahead: 0 },
            Schedule::Daily { days_ahead: 28 },
            Schedule::Weekly {
                weekday: Weekday::Monday,
                weeks_ahead: 1,
            },
            Schedule::Weekly {
                weekday: Weekday::Sunday,
                weeks_ahead: 3,
            },
            Schedule::Once { on, first, last },
        ];
        let all = || date(2026, 3, 1).series(days(1)).take(400);
        for schedule in schedules {
            for day in all() {
                if let Some(released_on) = schedule.released_on(day) {
                    assert!(released_on <= day, "{schedule:?} of {day}");
                    assert!(schedule.days_of(released_on).any(|it| it == day));
                }
                let released = schedule.days_of(day);
                for of in released {
                    assert_eq!(schedule.released_on(of), Some(day), "{schedule:?}");
                }
            }
        }
    }

    #[test]
    fn a_week_is_released_together() {
        let schedule = Schedule::Weekly {
            weekday: Weekday::Tuesday,
            weeks_ahead: 2,
        };
        let tuesday = date(2026, 12, 1);
        let week: Vec<Date> = schedule.days_of(tuesday).collect();
        assert_eq!(week.len(), 7);
        assert_eq!((week[0], week[6]), (date(2026, 12, 14), date(2026, 12, 20)));
        assert_eq!(schedule.days_of(date(2026, 12, 2)).count(), 0);
    }
}
