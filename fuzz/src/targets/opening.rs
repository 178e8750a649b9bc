//! Opening hours, closures, quotas and waves of any size, and the days that they make.

use std::collections::BTreeMap;

use jiff::civil::Date;
use morgenruh_engine::rules::calendar::{DayPlan, UNITS_MAX, plan};
use morgenruh_engine::rules::catalogue::load::load;
use morgenruh_engine::rules::catalogue::{Catalogue, Channel, Office};
use morgenruh_engine::rules::cells::CounterSet;
use morgenruh_engine::rules::day::{Ask, Day};
use morgenruh_engine::rules::ids::{DayKey, Digest};
use morgenruh_engine::rules::need::{Need, need};
use morgenruh_engine::rules::time::{DayNumber, Millis, UnixMillis};

use crate::Verdict;
use crate::text::{lossy, part, parts};

/// Days looked at, from the one that the input names.
const DAYS: usize = 3;
/// Needs tried at an office.
const NEEDS_MAX: usize = 2;
/// How long before the day somebody tries to hold its seats.
const BEFORE: Millis = Millis::from_minutes(24 * 60);

/// The first part says `date land zone`; the part `office` is the file of an office.
pub(crate) fn opening(data: &[u8]) -> Verdict {
    let text = lossy(data);
    let parts = parts(&text);
    let mut words = part(&parts, "").split_whitespace();
    let date = words.next().and_then(|word| word.parse::<Date>().ok());
    let date = date.unwrap_or(jiff::civil::date(2026, 3, 28));
    let land = words.next().unwrap_or("NW");
    let zone = words.next().unwrap_or("Europe/Berlin");
    let Ok(catalogue) = load(&files(land, zone, part(&parts, "office"))) else {
        return Verdict::Refused;
    };
    for office in &catalogue.offices {
        for date in date.series(jiff::Span::new().days(1)).take(DAYS) {
            let plan = plan(&catalogue, office, date);
            assert_plan(&plan, office);
            if let Some(number) = DayNumber::from_date(date) {
                let key = DayKey {
                    office: office.number,
                    day: number,
                };
                fill(Day::new(key, plan), &catalogue, office);
            }
        }
    }
    Verdict::Taken
}

fn files(land: &str, zone: &str, office: &str) -> BTreeMap<String, String> {
    let city = format!(
        "id = \"x\"\nname = {{ de = \"X\", en = \"X\" }}\nland = {land:?}\ntime_zone = {zone:?}\n"
    );
    let service = |id: &str, number: u8, minutes: u16| {
        format!(
            "[[service]]\nid = \"{id}\"\nnumber = {number}\nname = {{ de = \"X\", en = \"X\" }}\n\
             minutes = {minutes}\nquantity_max = 20\n"
        )
    };
    let department = format!(
        "[department]\nname = {{ de = \"X\", en = \"X\" }}\n{}{}",
        service("kurz", 1, 5),
        service("lang", 2, 90)
    );
    let files = [
        ("city.toml", city),
        ("x.toml", department),
        ("x/y.toml", office.to_owned()),
    ];
    files
        .into_iter()
        .map(|(path, text)| (path.to_owned(), text))
        .collect()
}

/// What is true of every day, whatever made it.
fn assert_plan(plan: &DayPlan, office: &Office) {
    assert!(plan.units <= UNITS_MAX && plan.grid > 0);
    let everybody = office.all_counters();
    let at = |channel: Channel, unit: u16| {
        let cells = plan.of(channel);
        assert!(cells.is_empty() || cells.len() == usize::from(plan.units));
        cells.get(usize::from(unit)).copied().unwrap_or_default()
    };
    for unit in 0..plan.units {
        let each = Channel::EACH.map(|channel| at(channel, unit));
        let [public, ..] = each;
        let all = each.into_iter().fold(CounterSet::EMPTY, CounterSet::or);
        let apart: u8 = each.into_iter().map(CounterSet::len).sum();
        assert_eq!(apart, all.len(), "a cell is of one channel");
        assert!(
            all.without(everybody).is_empty(),
            "a counter that is not there is not open"
        );
        let mut sealed = CounterSet::EMPTY;
        for wave in &plan.waves {
            let cells = wave.cells[usize::from(unit)];
            assert!(cells.without(public).is_empty() && cells.and(sealed).is_empty());
            sealed = sealed.or(cells);
        }
        let start = plan.instant(unit);
        let is_start = unit % plan.grid == 0;
        assert_eq!(plan.unit_at(start), is_start.then_some(unit));
    }
    assert!(plan.waves.is_sorted_by_key(|wave| wave.at));
}

/// Holds a seat at every start that is shown and at some that are not.
fn fill(mut day: Day, catalogue: &Catalogue, office: &Office) {
    let now = UnixMillis(day.plan().starts_at.0.saturating_sub(BEFORE.0));
    let before = day.audit();
    assert_eq!((before.held, before.booked), (0, 0));
    for offer in office.offers.iter().take(NEEDS_MAX) {
        let Ok(need) = need(catalogue, office, &[(offer.service, 1)]) else {
            continue;
        };
        for channel in Channel::EACH {
            let starts = day.starts(now, channel, &need);
            for start in &starts.starts {
                assert!(u64::from(start.seats) <= office.counters.len() as u64);
            }
            if let Some(first) = starts.starts.first() {
                let ask = ask(day.plan().instant(first.unit), need, channel);
                let held = day.hold(now, &ask);
                assert!(held.is_ok(), "what is shown can be had: {held:?}");
            }
            for unit in [
                0,
                1,
                day.plan().units / 2,
                day.plan().units,
                UNITS_MAX,
                u16::MAX,
            ] {
                let _ = day.hold(now, &ask(day.plan().instant(unit), need, channel));
            }
        }
    }
    let after = day.audit();
    let sealed = day.plan().waves.iter().flat_map(|wave| &wave.cells);
    let sealed: u32 = sealed.map(|set| u32::from(set.len())).sum();
    let (had, has) = (before.free, after.free + after.held);
    assert!(
        (had..=had + sealed).contains(&has),
        "{before:?} became {after:?}"
    );
    assert!(
        day.conflicts().is_empty(),
        "a hold lies in the opening hours"
    );
}

fn ask(start: UnixMillis, need: Need, channel: Channel) -> Ask {
    let deadline = start;
    Ask {
        start,
        need,
        channel,
        secret: Digest::default(),
        random: 0,
        deadline,
        ticket: None,
    }
}
