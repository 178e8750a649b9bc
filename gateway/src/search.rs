//! Looking for a seat that suits, among what is free.

use jiff::civil::{Date, Weekday};
use morgenruh_engine::rules::catalogue::{Hours, OfficeIndex, Weekdays};
use morgenruh_engine::rules::need::Need;
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_wire::{Alternative, Window};

use crate::app::App;
use crate::problem::{ApiError, Kind};
use crate::service_keys::Caller;
use crate::texts;

/// Starts offered instead of one that is taken.
const ALTERNATIVES_MAX: usize = 5;
/// Days looked through for them, the asked day included.
const ALTERNATIVE_DAYS_MAX: usize = 7;
/// Windows in one request.
pub(crate) const WINDOWS_MAX: usize = 32;

/// Weekdays and hours in which a start may lie.
pub(crate) type Windows = Vec<(Weekdays, Hours)>;

/// Reads the windows of a request; without any, every time suits.
pub(crate) fn windows(windows: Option<&[Window]>) -> Result<Windows, ApiError> {
    let Some(windows) = windows else {
        return Ok(vec![(Weekdays::ALL, Hours::ALL_DAY)]);
    };
    let bad = |detail: &'static str| ApiError::new(Kind::InvalidRequest, detail).at("windows");
    if windows.is_empty() || windows.len() > WINDOWS_MAX {
        return Err(bad("Name 1 to 32 windows."));
    }
    let parsed = windows.iter().map(|window| {
        let weekdays = match &window.weekdays {
            None => Weekdays::ALL,
            Some(names) => {
                let mut bits = names.iter().map(|name| weekday(name).map(|day| 1 << day));
                let bits = bits.try_fold(0, |all, bit| bit.map(|bit: u8| all | bit));
                Weekdays(
                    bits.ok_or_else(|| bad("Weekdays are mon, tue, wed, thu, fri, sat, sun."))?,
                )
            }
        };
        let hours = Hours {
            from: minute(&window.from).ok_or_else(|| bad("Times are written like 08:00."))?,
            to: minute(&window.to).ok_or_else(|| bad("Times are written like 08:00."))?,
        };
        if hours.from >= hours.to {
            return Err(bad("A window ends after it begins."));
        }
        Ok((weekdays, hours))
    });
    parsed.collect()
}

fn weekday(name: &str) -> Option<u8> {
    let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    names
        .iter()
        .position(|known| *known == name)
        .and_then(|day| u8::try_from(day).ok())
}

/// Minutes since midnight of `HH:MM`, up to 24:00.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|it| it.is_ascii_digit());
    if !two_digits(hours) || !two_digits(minutes) {
        return None;
    }
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= 1440).then_some(total)
}

/// The suitable starts of one day at all offices, soonest first.
pub(crate) fn candidates(
    app: &App,
    now: UnixMillis,
    caller: Caller,
    offices: &[(OfficeIndex, Need)],
    windows: &Windows,
    date: Date,
) -> Vec<(UnixMillis, OfficeIndex, Need)> {
    let zone = &app.catalogue().city.zone;
    let suits = |start: UnixMillis| {
        let time = zone.to_datetime(start.to_jiff()).time();
        let minute = u16::try_from(time.hour()).unwrap_or(0) * 60
            + u16::try_from(time.minute()).unwrap_or(0);
        windows.iter().any(|(weekdays, hours)| {
            weekdays.contains(date.weekday()) && (hours.from..hours.to).contains(&minute)
        })
    };
    let weekday_suits = |weekday: Weekday| windows.iter().any(|(days, _)| days.contains(weekday));
    let mut found = Vec::new();
    if !weekday_suits(date.weekday()) {
        return found;
    }
    for (office, need) in offices {
        let known = &app.availability;
        let Some(day) = known.fragment(&app.engine, now, *office, date, caller.channel, need)
        else {
            continue;
        };
        let suitable = day.starts.iter().filter(|start| suits(**start));
        found.extend(suitable.map(|start| (*start, *office, *need)));
    }
    found.sort_by_key(|(start, office, _)| (*start, *office));
    found
}

/// The free starts nearest to the one that was asked for, at the same office.
pub(crate) fn alternatives(
    app: &App,
    now: UnixMillis,
    caller: Caller,
    office: OfficeIndex,
    need: &Need,
    start: UnixMillis,
) -> Vec<Alternative> {
    let catalogue = app.catalogue();
    let any_time = vec![(Weekdays::ALL, Hours::ALL_DAY)];
    let days = app.engine.date_of(start).series(jiff::Span::new().days(1));
    let mut found = Vec::new();
    for date in days.take(ALTERNATIVE_DAYS_MAX) {
        let offices = [(office, *need)];
        let mut free = candidates(app, now, caller, &offices, &any_time, date);
        free.sort_by_key(|(free, ..)| (*free - start).0.abs());
        found.extend(free.into_iter().map(|(free, ..)| Alternative {
            office: catalogue.office(office).id.clone(),
            start: texts::time(&catalogue.city.zone, free),
        }));
        if found.len() >= ALTERNATIVES_MAX {
            break;
        }
    }
    found.truncate(ALTERNATIVES_MAX);
    found
}
