//! `[[room]]` in a department's file: the waiting rooms before its releases.

use std::collections::BTreeMap;

use super::{LINE_CHARS_MAX, NAME_CHARS_MAX, OFFICES_MAX, text};
use crate::rules::catalogue::reader::{Lookup, Section, kinds, nearest};
use crate::rules::catalogue::{Beacons, Office, OfficeIndex, RoomPolicy, RoomRule, Wave};

/// Rooms of one department.
pub(super) const ROOMS_MAX: usize = 20;
const POLICIES: [(&str, RoomPolicy); 2] =
    [("line", RoomPolicy::Line), ("lottery", RoomPolicy::Lottery)];
/// Longest time a room is open before its release and after it, in minutes.
const OPEN_MINUTES_MAX: u16 = 12 * 60;
/// Most passes that are live at once.
const PASSES_MAX: u32 = 100_000;

/// What rooms before this one have, and no other may have.
#[derive(Default)]
pub(super) struct Taken {
    ids: Vec<String>,
    numbers: BTreeMap<u16, String>,
    /// Release and office: one room each.
    releases: BTreeMap<(u16, OfficeIndex), String>,
}

/// The room of a section. `offices` are those of the city.
pub(super) fn read(
    section: &Section<'_>,
    department: usize,
    offices: &[Office],
    taken: &mut Taken,
) -> RoomRule {
    let number = |key, bounds, usual| section.get(key, kinds::integer(bounds)).unwrap_or(usual);
    let minutes = |key, usual| number(key, 1..=OPEN_MINUTES_MAX, usual);
    let at = section.need("at", kinds::time).unwrap_or(0);
    let opens_minutes = minutes("opens_minutes", 30);
    let closes_minutes = minutes("closes_minutes", 120);
    let turn_minutes = minutes("turn_minutes", 5);
    let pass_minutes = minutes("pass_minutes", 10);
    let passes = |key, usual| {
        let passes = section.get(key, kinds::integer(1..=PASSES_MAX));
        passes.unwrap_or(usual)
    };
    let rule = RoomRule {
        id: section.need("id", kinds::id).unwrap_or_default(),
        number: section
            .need("number", kinds::integer(1..=u16::MAX))
            .unwrap_or_default(),
        department,
        name: text(section, "name", NAME_CHARS_MAX),
        at,
        policy: section
            .get("policy", kinds::one_of(&POLICIES))
            .unwrap_or(RoomPolicy::Line),
        offices: read_offices(section, department, offices),
        opens_minutes,
        closes_minutes,
        passes_max: passes("passes_max", 200),
        passes_per_minute: passes("passes_per_minute", 600),
        turn_minutes,
        pass_minutes,
        holds_per_pass: section
            .get("holds_per_pass", kinds::integer(1..=10))
            .unwrap_or(1),
        proof_of_work: section
            .get("proof_of_work", kinds::integer(0..=10_000_000))
            .unwrap_or(0),
        beacons: read_beacons(section),
    };
    check(section, &rule, offices, taken);
    section.finish();
    rule
}

/// Those that are named, or all of the department that have a release at all.
fn read_offices(section: &Section<'_>, department: usize, offices: &[Office]) -> Vec<OfficeIndex> {
    let own = || {
        let all = (0u16..).map(OfficeIndex).zip(offices);
        all.filter(|(_, office)| office.department == department)
    };
    let ids = kinds::list(1..=OFFICES_MAX, kinds::text(1..=40));
    let Some(ids) = section.get("offices", ids) else {
        let released = own().filter(|(_, office)| !office.waves.is_empty());
        return released.map(|(index, _)| index).collect();
    };
    let mut found = Vec::new();
    for id in ids {
        match own().find(|(_, office)| office.id == id) {
            Some((index, _)) => found.push(index),
            None => {
                let nearest = nearest(&id, own().map(|(_, office)| office.id.as_str()));
                let nearest = nearest.map(|it| format!("; did you mean {it:?}?"));
                let reason = format!(
                    "the department has no office {id:?}{}",
                    nearest.unwrap_or_default()
                );
                section.fault("offices", reason);
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

fn read_beacons(section: &Section<'_>) -> Option<Beacons> {
    let source = section.get("beacon", kinds::text(1..=LINE_CHARS_MAX));
    let after = section.get("beacon_after_seconds", kinds::integer(0..=3_600));
    let wait = section.get("beacon_wait_seconds", kinds::integer(1..=3_600));
    if source.is_none() && (wait.is_some() || after.is_some()) {
        section.fault("beacon", "is missing: what is said of it is of no use");
    }
    let source = source?;
    let (after_seconds, wait_seconds) = (after.unwrap_or(30), wait.unwrap_or(90));
    let fetched = source.starts_with("https://") || source.starts_with("http://");
    if fetched && after_seconds >= wait_seconds {
        let reason = format!("is not less than the {wait_seconds} s that the draw waits");
        section.fault("beacon_after_seconds", reason);
    }
    Some(Beacons {
        source,
        fetched,
        after_seconds,
        wait_seconds,
    })
}

fn check(section: &Section<'_>, rule: &RoomRule, offices: &[Office], taken: &mut Taken) {
    if rule.at >= 24 * 60 {
        section.fault("at", "24:00 is 00:00 of the next day; write that");
    }
    if taken.ids.contains(&rule.id) {
        section.fault("id", format!("there is a room {:?} already", rule.id));
    }
    if let Some(owner) = taken.numbers.insert(rule.number, rule.id.clone()) {
        section.fault("number", format!("the number is taken by {owner:?}"));
    }
    taken.ids.push(rule.id.clone());
    let released = |index: &&OfficeIndex| {
        let office = offices.get(usize::from(index.0));
        office.is_some_and(|office| office.waves.iter().any(|wave| wave.at == rule.at))
    };
    if !rule.offices.iter().any(|index| released(&index)) {
        section.fault("at", "none of its offices has a wave at this time");
    }
    for index in &rule.offices {
        let office = &offices[usize::from(index.0)];
        let drips = |wave: &Wave| wave.at == rule.at && wave.drip_minutes > 0;
        if office.waves.iter().any(drips) {
            let reason = format!(
                "the release of {:?} at this time drips: it needs no room",
                office.id
            );
            section.fault("at", reason);
        }
        if let Some(other) = taken.releases.insert((rule.at, *index), rule.id.clone()) {
            let office = &offices[usize::from(index.0)].id;
            let reason = format!("the release of {office:?} at this time has the room {other:?}");
            section.fault("offices", reason);
        }
    }
}
