//! The part of an office's week that a rule is about: counters, weekdays, hours.

use std::collections::BTreeMap;

use super::SERVICES_MAX;
use super::services::Directory;
use crate::rules::calendar::UNIT_MINUTES;
use crate::rules::catalogue::reader::{Lookup, Section, kinds};
use crate::rules::catalogue::{Hours, Selector, ServiceIndex, Weekdays};
use crate::rules::cells::{COUNTERS_MAX, CounterSet};

/// Spans of one day in one rule.
const SPANS_MAX: usize = 12;

/// What a selector of one office must fit.
pub(super) struct Grid<'s> {
    office: &'s str,
    unit_minutes: u16,
    counters: CounterSet,
    skills: &'s Skills,
    services: &'s Directory,
    department: usize,
}

/// The counters that serve what.
pub(super) type Skills = BTreeMap<ServiceIndex, CounterSet>;

/// What a selector means where it says nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// Weekdays and hours must be named.
    Refused,
    /// All weekdays, all day.
    All,
}

impl<'s> Grid<'s> {
    pub(super) fn new(
        (office, unit_minutes): (&'s str, u16),
        counters: impl Iterator<Item = u8>,
        skills: &'s Skills,
        (services, department): (&'s Directory, usize),
    ) -> Grid<'s> {
        let counters = counters.map(|number| CounterSet::only(number - 1));
        Grid {
            office,
            unit_minutes,
            counters: counters.fold(CounterSet::EMPTY, CounterSet::or),
            skills,
            services,
            department,
        }
    }

    /// The same with the smallest grid there is.
    pub(super) fn in_units(&self) -> Grid<'s> {
        Grid {
            unit_minutes: UNIT_MINUTES,
            ..*self
        }
    }

    /// One selector for each span of the day; none for an office without counters, or without any
    /// that serves what is named.
    pub(super) fn selectors(&self, section: &Section<'_>, silence: Silence) -> Vec<Selector> {
        let weekdays = match silence {
            Silence::Refused => section.need("weekdays", kinds::weekdays),
            Silence::All => section.get("weekdays", kinds::weekdays),
        };
        let weekdays = weekdays.unwrap_or(Weekdays::ALL);
        let counters = self.counters(section);
        let mut spans = self.spans(section, silence);
        if counters.is_empty() {
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

    /// The counters with these numbers, or those that serve these services and no others.
    fn counters(&self, section: &Section<'_>) -> CounterSet {
        let services = self.services.reference(self.department);
        let services = section.get("services", kinds::list(1..=SERVICES_MAX, services));
        let numbers = section.get("counters", kinds::numbers(COUNTERS_MAX));
        let numbers = match (numbers, services) {
            (None, None) => return self.counters,
            (None, Some(services)) => return self.serving(section, &services.concat()),
            (Some(numbers), services) => {
                if services.is_some() {
                    section.fault("services", "either counters or services is expected");
                }
                numbers
            }
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

    /// A counter that serves others as well would be theirs too: which of its seats are meant must
    /// then be said with numbers and hours.
    fn serving(&self, section: &Section<'_>, services: &[ServiceIndex]) -> CounterSet {
        let of = |is_meant: bool| {
            let skills = self.skills.iter();
            let skills = skills.filter(|(service, _)| services.contains(service) == is_meant);
            skills.fold(CounterSet::EMPTY, |set, (_, counters)| set.or(*counters))
        };
        let (meant, others) = (of(true), of(false));
        for counter in meant.and(others).iter() {
            let number = counter + 1;
            section.fault(
                "services",
                format!("counter {number} of {} serves others as well", self.office),
            );
        }
        meant
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
