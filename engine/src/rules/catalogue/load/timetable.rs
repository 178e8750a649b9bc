//! The lists of an office: opening hours, closures, quotas, waves and questions.

use std::collections::BTreeMap;

use super::schedule;
use super::selector::{Grid, Silence};
use super::services::Directory;
use super::{LINE_CHARS_MAX, QUESTIONS_MAX, RULES_MAX, SERVICES_MAX, text};
use crate::rules::catalogue::reader::{Layers, Lookup, Section, kinds};
use crate::rules::catalogue::{Channel, Closure, Opening, Question, Quota, Wave};
use crate::rules::release::drip::DRIP_MINUTES_MAX;

/// Channels for which capacity can be held back.
const CHANNELS: [(&str, Channel); 3] = [
    ("agent", Channel::Agent),
    ("call-centre", Channel::CallCentre),
    ("walk-in", Channel::WalkIn),
];
/// Longest rhythm of an opening rule, in weeks.
const EVERY_WEEKS_MAX: u8 = 52;
/// Longest answer to a question, in characters, where the question does not say.
const ANSWER_CHARS_DEFAULT: u16 = 200;
const ANSWER_CHARS_MAX: u16 = 1000;

pub(super) fn opening(lists: &Layers<'_, '_>, grid: &Grid<'_>) -> Vec<Opening> {
    let rules = |section: Section<'_>| {
        let every_weeks = section.get("every_weeks", kinds::integer(1..=EVERY_WEEKS_MAX));
        let every_weeks = every_weeks.unwrap_or(1);
        let valid_from = section.get("valid_from", kinds::date);
        let valid_until = section.get("valid_until", kinds::date);
        let on_holidays = section.get("on_holidays", kinds::flag).unwrap_or(false);
        if every_weeks > 1 && section.places("valid_from").is_empty() {
            section.fault("every_weeks", "needs valid_from: its week is the first one");
        }
        if let (Some(from), Some(until)) = (valid_from, valid_until)
            && until < from
        {
            section.fault("valid_until", format!("{until} is before {from}"));
        }
        let selectors = grid.selectors(&section, Silence::Refused);
        section.finish();
        let rule = move |when| Opening {
            when,
            every_weeks,
            valid_from,
            valid_until,
            on_holidays,
        };
        selectors.into_iter().map(rule)
    };
    lists
        .tables("opening", RULES_MAX)
        .into_iter()
        .flat_map(rules)
        .collect()
}

/// Closures need not lie on the office's grid: staff meetings do not either.
pub(super) fn closures(lists: &Layers<'_, '_>, grid: &Grid<'_>) -> Vec<Closure> {
    let in_units = grid.in_units();
    let rules = |section: Section<'_>| {
        let first = section.need("date", kinds::date);
        let last = section.get("until", kinds::date).or(first);
        if let (Some(first), Some(last)) = (first, last)
            && last < first
        {
            section.fault("until", format!("{last} is before {first}"));
        }
        let reason = text(&section, "reason", LINE_CHARS_MAX);
        let selectors = in_units.selectors(&section, Silence::All);
        section.finish();
        let days = first.zip(last);
        selectors.into_iter().filter_map(move |when| {
            let (from, until) = days?;
            Some(Closure {
                from,
                until,
                when,
                reason: reason.clone(),
            })
        })
    };
    lists
        .tables("closure", RULES_MAX)
        .into_iter()
        .flat_map(rules)
        .collect()
}

pub(super) fn quotas(lists: &Layers<'_, '_>, grid: &Grid<'_>) -> Vec<Quota> {
    let rules = |section: Section<'_>| {
        let channel = section
            .need("channel", kinds::one_of(&CHANNELS))
            .unwrap_or(Channel::WalkIn);
        let selectors = grid.selectors(&section, Silence::All);
        section.finish();
        selectors
            .into_iter()
            .map(move |when| Quota { channel, when })
    };
    lists
        .tables("quota", RULES_MAX)
        .into_iter()
        .flat_map(rules)
        .collect()
}

/// The waves of the release; none may come before the day exists.
pub(super) fn waves(lists: &Layers<'_, '_>, grid: &Grid<'_>, horizon_days: u16) -> Vec<Wave> {
    let mut drips: BTreeMap<u16, u16> = BTreeMap::new();
    let rules = |section: Section<'_>| {
        let schedule = schedule::read(&section, horizon_days);
        let at = section.need("at", kinds::time).unwrap_or(0);
        if at >= 24 * 60 {
            section.fault("at", "24:00 is 00:00 of the next day; write that");
        }
        let share_percent = section.get("share_percent", kinds::integer(1..=99));
        let share_percent = share_percent.unwrap_or(100);
        let drip_minutes = section.get("drip_minutes", kinds::integer(1..=DRIP_MINUTES_MAX));
        let drip_minutes = drip_minutes.unwrap_or(0);
        let selectors = grid.selectors(&section, Silence::All);
        if let Some(other) = drips.insert(at, drip_minutes)
            && other != drip_minutes
        {
            let reason = "another wave at this time drips otherwise, and both are one release";
            section.fault("at", reason);
        }
        section.finish();
        selectors.into_iter().map(move |when| Wave {
            when,
            schedule,
            at,
            share_percent,
            drip_minutes,
        })
    };
    lists
        .tables("wave", RULES_MAX)
        .into_iter()
        .flat_map(rules)
        .collect()
}

pub(super) fn questions(
    lists: &Layers<'_, '_>,
    services: &Directory,
    department: usize,
) -> Vec<Question> {
    let mut questions: Vec<Question> = Vec::new();
    for section in lists.tables("question", QUESTIONS_MAX) {
        let id = section.need("id", kinds::id).unwrap_or_default();
        if questions.iter().any(|question| question.id == id) {
            section.fault("id", format!("there is a question {id:?} already"));
        }
        let asked_for = kinds::list(0..=SERVICES_MAX, services.reference(department));
        let mut asked_for = section
            .get("services", asked_for)
            .unwrap_or_default()
            .concat();
        asked_for.sort();
        asked_for.dedup();
        let chars_max = section.get("chars_max", kinds::integer(1..=ANSWER_CHARS_MAX));
        questions.push(Question {
            id,
            label: text(&section, "label", LINE_CHARS_MAX),
            required: section.get("required", kinds::flag).unwrap_or(false),
            chars_max: chars_max.unwrap_or(ANSWER_CHARS_DEFAULT),
            services: asked_for,
        });
        section.finish();
    }
    questions
}
