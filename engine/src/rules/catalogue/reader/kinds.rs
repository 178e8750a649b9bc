//! Kinds of values: what a key can be, with its bounds. Each kind is a function from an entry to
//! a value or to everything that is wrong with it.

use std::fmt::Display;
use std::ops::RangeInclusive;

use jiff::civil::{Date, Weekday};

use super::{Entry, Fault, Value};
use crate::rules::catalogue::Weekdays;

/// The value, or why there is none.
pub type Read<T> = Result<T, Vec<Fault>>;

/// Longest id, in characters.
pub const ID_CHARS_MAX: usize = 40;

fn refuse<T>(reason: impl Into<String>) -> Read<T> {
    Err(vec![Fault::new(reason)])
}

fn expected<T>(what: &str, entry: &Entry) -> Read<T> {
    refuse(format!(
        "{} where {what} is expected",
        entry.value.article()
    ))
}

/// A whole number within bounds.
pub fn integer<T>(bounds: RangeInclusive<T>) -> impl Fn(&Entry) -> Read<T>
where
    T: TryFrom<i64> + PartialOrd + Display,
{
    move |entry| {
        let number = match &entry.value {
            Value::Integer(number) => Some(*number),
            Value::Untyped(text) => text.parse().ok(),
            _ => None,
        };
        let Some(number) = number else {
            return expected("a whole number", entry);
        };
        match T::try_from(number) {
            Ok(value) if bounds.contains(&value) => Ok(value),
            _ => refuse(format!(
                "{number} is not in {} to {}",
                bounds.start(),
                bounds.end()
            )),
        }
    }
}

/// `true` or `false`.
pub fn flag(entry: &Entry) -> Read<bool> {
    match &entry.value {
        Value::Flag(flag) => Ok(*flag),
        Value::Untyped(text) if text == "true" => Ok(true),
        Value::Untyped(text) if text == "false" => Ok(false),
        _ => expected("true or false", entry),
    }
}

/// A text whose length in characters is within bounds: one line, no blanks around it.
pub fn text(chars: RangeInclusive<usize>) -> impl Fn(&Entry) -> Read<String> {
    move |entry| {
        let text = text_of(entry)?;
        let length = text.chars().count();
        if !chars.contains(&length) {
            let (min, max) = (chars.start(), chars.end());
            return refuse(format!("{length} characters; {min} to {max} are possible"));
        }
        if text.trim() != text || text.chars().any(char::is_control) {
            return refuse("a text of one line without blanks around it is expected");
        }
        Ok(text.to_owned())
    }
}

/// A name for machines: small letters, digits and hyphens.
pub fn id(entry: &Entry) -> Read<String> {
    let text = text_of(entry)?;
    if is_id(text) {
        return Ok(text.to_owned());
    }
    refuse(format!(
        "{text:?} is not 1 to {ID_CHARS_MAX} of a-z, 0-9 and -"
    ))
}

pub fn is_id(text: &str) -> bool {
    (1..=ID_CHARS_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// One of a few names.
pub fn one_of<T: Copy>(names: &[(&'static str, T)]) -> impl Fn(&Entry) -> Read<T> {
    move |entry| {
        let text = text_of(entry)?;
        let found = names.iter().find(|(name, _)| *name == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let listed: Vec<_> = names.iter().map(|(name, _)| *name).collect();
            let reason = format!("{text:?} is none of {}", listed.join(", "));
            vec![Fault::name(reason, text, listed)]
        })
    }
}

/// A list of values of one kind, its length within bounds. Everything wrong in it is told.
pub fn list<T>(
    length: RangeInclusive<usize>,
    kind: impl Fn(&Entry) -> Read<T>,
) -> impl Fn(&Entry) -> Read<Vec<T>> {
    move |entry| {
        let Value::List(entries) = &entry.value else {
            return expected("a list", entry);
        };
        if !length.contains(&entries.len()) {
            let (min, max) = (length.start(), length.end());
            return refuse(format!(
                "{} entries; {min} to {max} are possible",
                entries.len()
            ));
        }
        let mut values = Vec::new();
        let mut faults = Vec::new();
        for (position, entry) in entries.iter().enumerate() {
            match kind(entry) {
                Ok(value) => values.push(value),
                Err(found) => faults.extend(found.into_iter().map(|fault| Fault {
                    at: format!("[{}]{}", position + 1, fault.at),
                    line: fault.line.or(entry.line),
                    ..fault
                })),
            }
        }
        if faults.is_empty() {
            Ok(values)
        } else {
            Err(faults)
        }
    }
}

/// Minutes since midnight, written `HH:MM`, up to `24:00`.
pub fn time(entry: &Entry) -> Read<u16> {
    let text = match &entry.value {
        Value::Moment(moment) => moment,
        _ => text_of(entry)?,
    };
    minutes_of(text).ok_or_else(|| vec![Fault::new(format!("{text:?} is not a time HH:MM"))])
}

/// A span of a day in minutes since midnight, written `HH:MM-HH:MM`.
pub fn time_span(entry: &Entry) -> Read<(u16, u16)> {
    let text = text_of(entry)?;
    let span = text
        .split_once('-')
        .and_then(|(from, to)| Some((minutes_of(from)?, minutes_of(to)?)));
    span.ok_or_else(|| vec![Fault::new(format!("{text:?} is not a span HH:MM-HH:MM"))])
}

fn minutes_of(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !two_digits(hour) || !two_digits(minute) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let minutes = hour * 60 + minute;
    (minute < 60 && minutes <= 24 * 60).then_some(minutes)
}

/// A day, written `YYYY-MM-DD`, of the years 2000 to 2199.
pub fn date(entry: &Entry) -> Read<Date> {
    let text = match &entry.value {
        Value::Moment(moment) => moment,
        _ => text_of(entry)?,
    };
    let date = (text.len() == "YYYY-MM-DD".len())
        .then(|| text.parse::<Date>().ok())
        .flatten();
    date.filter(|date| (2000..2200).contains(&date.year()))
        .ok_or_else(|| {
            vec![Fault::new(format!(
                "{text:?} is not a date YYYY-MM-DD of the years 2000 to 2199"
            ))]
        })
}

const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Weekdays: `"sat"`, `"mon-fri"` or a list of such.
pub fn weekdays(entry: &Entry) -> Read<Weekdays> {
    let bits = match &entry.value {
        Value::List(_) => list(1..=7, weekday_bits)(entry)?,
        _ => vec![weekday_bits(entry)?],
    };
    Ok(Weekdays(bits.into_iter().fold(0, |all, bits| all | bits)))
}

/// One weekday: `"sat"`.
pub fn weekday(entry: &Entry) -> Read<Weekday> {
    let offset = weekday_offset(text_of(entry)?)?;
    let offset = i8::try_from(offset).expect("a week has seven days");
    Ok(Weekday::from_monday_zero_offset(offset).expect("offsets are below seven"))
}

fn weekday_bits(entry: &Entry) -> Read<u8> {
    let text = text_of(entry)?;
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (weekday_offset(first)?, weekday_offset(last)?);
    if first > last {
        return refuse(format!("{text:?} runs backwards; the week begins on mon"));
    }
    Ok((first..=last).fold(0, |bits, offset| bits | 1 << offset))
}

fn weekday_offset(name: &str) -> Read<usize> {
    WEEKDAYS
        .iter()
        .position(|weekday| *weekday == name)
        .ok_or_else(|| {
            vec![Fault::name(
                format!("{name:?} is not a weekday (mon … sun)"),
                name,
                WEEKDAYS,
            )]
        })
}

/// The short form of a set of weekdays: `mon-fri`, or single days where it has gaps.
pub fn weekday_names(weekdays: Weekdays) -> Vec<String> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for offset in (0..7).filter(|offset| weekdays.0 & (1 << offset) != 0) {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == offset => *last = offset,
            _ => runs.push((offset, offset)),
        }
    }
    let name = |offset: usize| WEEKDAYS.get(offset).copied().unwrap_or_default();
    let short = |(first, last)| match first == last {
        true => name(first).to_owned(),
        false => format!("{}-{}", name(first), name(last)),
    };
    runs.into_iter().map(short).collect()
}

/// Numbers from 1 to `max`: `3`, `"1-6"`, `"1-4,7"` or a list of numbers; ascending, each once.
pub fn numbers(max: u8) -> impl Fn(&Entry) -> Read<Vec<u8>> {
    move |entry| {
        let mut numbers = match &entry.value {
            Value::List(_) => list(1..=usize::from(max), integer(1..=max))(entry)?,
            Value::Integer(_) => vec![integer(1..=max)(entry)?],
            _ => number_ranges(text_of(entry)?, max)?,
        };
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }
}

fn number_ranges(text: &str, max: u8) -> Read<Vec<u8>> {
    let mut numbers = Vec::new();
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        match (first.trim().parse::<u8>(), last.trim().parse::<u8>()) {
            (Ok(first), Ok(last)) if 1 <= first && first <= last && last <= max => {
                numbers.extend(first..=last);
            }
            _ => return refuse(format!("{text:?} is not numbers of 1 to {max} like 1-4,7")),
        }
    }
    Ok(numbers)
}

fn text_of(entry: &Entry) -> Read<&str> {
    match &entry.value {
        Value::Text(text) | Value::Untyped(text) => Ok(text),
        _ => expected("a text", entry),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_entry(text: &str) -> Entry {
        Entry {
            line: None,
            value: Value::Text(text.to_owned()),
        }
    }

    #[test]
    fn times_are_two_digits_each_and_end_with_the_day() {
        let read = |text| time(&text_entry(text)).ok();
        assert_eq!(read("00:00"), Some(0));
        assert_eq!(read("06:30"), Some(390));
        assert_eq!(read("24:00"), Some(1440));
        for wrong in [
            "24:01", "6:30", "06:60", "+6:30", "06:30:00", "", ":", "99:99",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_are_read_in_every_form() {
        let read = |text| numbers(64)(&text_entry(text)).ok();
        assert_eq!(read("1-3, 7,2"), Some(vec![1, 2, 3, 7]));
        assert_eq!(read("64"), Some(vec![64]));
        for wrong in ["", "0", "65", "3-1", "1-", "1,,2", "256"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn weekdays_come_back_as_they_were() {
        for bits in 1..128 {
            let names = weekday_names(Weekdays(bits));
            let entries = names.iter().map(|name| text_entry(name)).collect();
            let list = Entry {
                line: None,
                value: Value::List(entries),
            };
            assert_eq!(weekdays(&list).ok(), Some(Weekdays(bits)));
        }
        assert_eq!(weekday_names(Weekdays(0b011_0111)), ["mon-wed", "fri-sat"]);
    }

    #[test]
    fn dates_are_days_that_exist() {
        let read = |text| date(&text_entry(text)).ok();
        assert_eq!(read("2028-02-29"), Some(jiff::civil::date(2028, 2, 29)));
        for wrong in [
            "2027-02-29",
            "1999-12-31",
            "2200-01-01",
            "2028-2-9",
            "20280229",
            "",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn texts_are_one_line_without_blanks_around() {
        let read = |value: &str| text(1..=3)(&text_entry(value)).ok();
        assert_eq!(read("äöü"), Some("äöü".to_owned()));
        for wrong in ["", "abcd", " a", "a\n", "a\tb"] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }
}
