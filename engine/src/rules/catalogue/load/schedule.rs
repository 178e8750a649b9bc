//! By which rule the days of a wave are released.

use jiff::civil::{Date, Weekday};

use crate::rules::catalogue::Schedule;
use crate::rules::catalogue::reader::{Lookup, Section, kinds};

/// Longest time from a release to its days: that of the longest horizon.
const DAYS_AHEAD_MAX: u16 = 400;
const WEEKS_AHEAD_MAX: u8 = 57;
/// Keys of which a wave has one.
const RHYTHMS: [&str; 3] = ["days_ahead", "weekday", "on"];
/// Keys that say more of one of them.
const DETAILS: [(&str, &str); 3] = [
    ("weeks_ahead", "weekday"),
    ("first_day", "on"),
    ("last_day", "on"),
];

pub(super) fn read(section: &Section<'_>, horizon_days: u16) -> Schedule {
    let has = |key: &'static str| !section.places(key).is_empty();
    let mut named = RHYTHMS.into_iter().filter(|key| has(key));
    let rhythm = named.next();
    for other in named {
        let reason = format!(
            "either {} or {other} is expected",
            rhythm.unwrap_or_default()
        );
        section.fault(other, reason);
    }
    for (key, of) in DETAILS {
        if has(key) && !has(of) {
            section.fault(key, format!("is only of use with {of}"));
        }
    }
    let days_ahead = section.get("days_ahead", kinds::integer(0..=DAYS_AHEAD_MAX));
    let weekday = section.get("weekday", kinds::weekday);
    let weeks_ahead = section.get("weeks_ahead", kinds::integer(1..=WEEKS_AHEAD_MAX));
    let dates = ["on", "first_day", "last_day"].map(|key| section.get(key, kinds::date));
    let schedule = match rhythm {
        Some("weekday") => {
            if !has("weeks_ahead") {
                section.fault("weekday", "needs weeks_ahead");
            }
            Schedule::Weekly {
                weekday: weekday.unwrap_or(Weekday::Monday),
                weeks_ahead: weeks_ahead.unwrap_or(1),
            }
        }
        Some("on") => once(section, dates),
        Some(_) => Schedule::Daily {
            days_ahead: days_ahead.unwrap_or(0),
        },
        None => {
            section.fault("days_ahead", "is missing; so are weekday and on");
            Schedule::Daily { days_ahead: 0 }
        }
    };
    check_horizon(section, schedule, horizon_days);
    schedule
}

fn once(section: &Section<'_>, [on, first, last]: [Option<Date>; 3]) -> Schedule {
    if section.places("last_day").is_empty() {
        section.fault("on", "needs last_day: later days would be open at once");
    }
    let on = on.unwrap_or_default();
    let first = first.unwrap_or(on);
    let last = last.unwrap_or(first);
    if first < on {
        section.fault(
            "first_day",
            format!("{first} is before the release on {on}"),
        );
    }
    if last < first {
        section.fault("last_day", format!("{last} is before {first}"));
    }
    Schedule::Once { on, first, last }
}

/// Whoever finds a day released must find it bookable too.
fn check_horizon(section: &Section<'_>, schedule: Schedule, horizon_days: u16) {
    let (key, days) = match schedule {
        Schedule::Daily { days_ahead } => ("days_ahead", i32::from(days_ahead)),
        Schedule::Weekly {
            weekday,
            weeks_ahead,
        } => {
            let sunday = 7 * i32::from(weeks_ahead) + 6;
            let days = sunday - i32::from(weekday.to_monday_zero_offset());
            ("weeks_ahead", days)
        }
        Schedule::Once { on, last, .. } => {
            let days = on.until(last).map_or(0, |span| span.get_days());
            ("last_day", days)
        }
    };
    if days > i32::from(horizon_days) {
        let reason = match schedule {
            Schedule::Daily { .. } => format!("{days} is beyond horizon_days = {horizon_days}"),
            _ => format!("the last day is {days} days ahead, beyond horizon_days = {horizon_days}"),
        };
        section.fault(key, reason);
    }
}
