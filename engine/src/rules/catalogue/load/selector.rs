//! The part of an office's week that a rule is about: counters, weekdays, hours.

use crate::rules::calendar::UNIT_MINUTES;
use crate::rules::catalogue::reader::{Lookup, Section, kinds};
use crate::rules::catalogue::{Counter, Hours, Selector, Weekdays};
use crate::rules::cells::{COUNTERS_MAX, CounterSet};

/// Spans of one day in one rule.
const SPANS_MAX: usize = 12;

/// What a selector of one office must fit.
pub(super) struct Grid<'s> {
    office: &'s str,
    unit_minutes: u16,
    counters: CounterSet,
}

/// What a selector means where it says nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// Weekdays and hours must be named.
    Refused,
    /// All weekdays, all day.
    All,
}

impl<'s> Grid<'s> {
    pub(super) fn new(office: &'s str, unit_minutes: u16, counters: &[Counter]) -> Grid<'s> {
        let counters = counters
            .iter()
            .map(|counter| CounterSet::only(counter.number - 1))
            .fold(CounterSet::EMPTY, CounterSet::or);
        Grid {
            office,
            unit_minutes,
            counters,
        }
    }

    /// The same with the smallest grid there is.
    pub(super) fn in_units(&self) -> Grid<'s> {
        Grid {
            unit_minutes: UNIT_MINUTES,
            ..*self
        }
    }

    /// One selector for each span of the day; none for an office without counters.
    pub(super) fn selectors(&self, section: &Section<'_>, silence: Silence) -> Vec<Selector> {
        let weekdays = match silence {
            Silence::Refused => section.need("weekdays", kinds::weekdays),
            Silence::All => section.get("weekdays", kinds::weekdays),
        };
        let weekdays = weekdays.unwrap_or(Weekdays::ALL);
        let counters = self.counters(section);
        let mut spans = self.spans(section, silence);
        if self.counters.is_empty() {
            spans.clear();
        }
        spans
            .into_iter()
            .map(|hours| Selector {
                counters,
                weekdays,
                hours,
            })
            .collect()
    }

    fn counters(&self, section: &Section<'_>) -> CounterSet {
        let Some(numbers) = section.get("counters", kinds::numbers(COUNTERS_MAX)) else {
            return self.counters;
        };
        let mut counters = CounterSet::EMPTY;
        for number in numbers {
            let counter = CounterSet::only(number - 1);
            if self.counters.and(counter).is_empty() {
                section.fault(
                    "counters",
                    format!("{} has no counter {number}", self.office),
                );
            }
            counters = counters.or(counter);
        }
        counters
    }

    fn spans(&self, section: &Section<'_>, silence: Silence) -> Vec<Hours> {
        let has = |key| !section.places(key).is_empty();
        let (has_hours, has_ends) = (has("hours"), has("from") | has("to"));
        if has_hours && has_ends {
            section.fault("hours", "either hours or from and to is expected");
        }
        if has_hours {
            let spans = section.get("hours", kinds::list(1..=SPANS_MAX, kinds::time_span));
            let spans = spans.unwrap_or_default();
            spans
                .into_iter()
                .map(|(from, to)| self.hours(section, ["hours"; 2], from, to))
                .collect()
        } else if has_ends || silence == Silence::Refused {
            let from = section.need("from", kinds::time);
            let to = section.need("to", kinds::time);
            let ends = from.zip(to).into_iter();
            ends.map(|(from, to)| self.hours(section, ["from", "to"], from, to))
                .collect()
        } else {
            vec![Hours::ALL_DAY]
        }
    }

    fn hours(&self, section: &Section<'_>, keys: [&'static str; 2], from: u16, to: u16) -> Hours {
        for (key, minutes) in keys.into_iter().zip([from, to]) {
            if minutes % self.unit_minutes != 0 {
                let (unit, office) = (self.unit_minutes, self.office);
                let time = clock(minutes);
                section.fault(
                    key,
                    format!("{time} is not on the {unit}-minute grid of {office}"),
                );
            }
        }
        if from >= to {
            let [_, key] = keys;
            section.fault(key, format!("{} is not after {}", clock(to), clock(from)));
        }
        Hours { from, to }
    }
}

fn clock(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}
