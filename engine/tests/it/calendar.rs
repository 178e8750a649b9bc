//! The calendar against a model that asks the wall clock minute by minute, and by example on the
//! two days of the year that are not 24 hours long.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday, date};
use jiff::tz::TimeZone;
use morgenruh_engine::rules::calendar::{DayPlan, instant_of, plan};
use morgenruh_engine::rules::catalogue::{
    Catalogue, Channel, Closure, Hours, Opening, Quota, Schedule, Selector, Text, Wave, Weekdays,
};
use morgenruh_engine::rules::cells::CounterSet;
use morgenruh_engine::rules::holidays::is_holiday;
use morgenruh_engine::rules::time::UnixMillis;
use proptest::prelude::*;

use crate::effort::effort;
use crate::support::{berlin, clock, office, town};

const SPRING: Date = date(2026, 3, 29);
const AUTUMN: Date = date(2026, 10, 25);
const COUNTERS: u8 = 3;

/// Five minutes of a day as the wall clock shows them: the minute of the day at each of their
/// minutes.
type Shown = [u16; 5];

/// Every five minutes whose local date is `date`, found by looking at two days around it.
fn units_of(zone: &TimeZone, date: Date) -> Vec<(UnixMillis, Shown)> {
    let noon = TimeZone::UTC.to_timestamp(date.at(12, 0, 0, 0)).unwrap();
    let wall = |minutes: i64| zone.to_datetime(noon + minutes.minutes());
    let starts = (-1_800..1_800)
        .step_by(5)
        .filter(|start| wall(*start).date() == date);
    let shown = |start: i64| {
        std::array::from_fn(|minute| {
            let time = wall(start + minute as i64).time();
            time.hour() as u16 * 60 + time.minute() as u16
        })
    };
    starts
        .map(|start| ((noon + start.minutes()).into(), shown(start)))
        .collect()
}

fn matches(when: &Selector, date: Date, shown: &Shown, counter: u8) -> bool {
    when.counters.contains(counter)
        && when.weekdays.contains(date.weekday())
        && shown
            .iter()
            .all(|minute| when.hours.from <= *minute && *minute < when.hours.to)
}

fn opens(rule: &Opening, city: &Catalogue, date: Date) -> bool {
    let in_its_week = match rule.valid_from {
        Some(from) if rule.every_weeks > 1 => {
            let monday = from - i64::from(from.weekday().to_monday_zero_offset()).days();
            let weeks = monday.series((7 * i64::from(rule.every_weeks)).days());
            weeks
                .take_while(|monday| *monday <= date)
                .any(|monday| date < monday + 7.days())
        }
        _ => true,
    };
    in_its_week
        && rule.valid_from.is_none_or(|from| from <= date)
        && rule.valid_until.is_none_or(|until| date <= until)
        && (rule.on_holidays || !is_holiday(city.city.land, date))
}

/// To whom a cell belongs, and when it is released.
fn cell(
    city: &Catalogue,
    date: Date,
    shown: &Shown,
    counter: u8,
) -> Option<(Channel, Option<UnixMillis>)> {
    let office = &city.offices[0];
    let here = |when: &Selector| matches(when, date, shown, counter);
    let open = office
        .opening
        .iter()
        .any(|rule| opens(rule, city, date) && here(&rule.when));
    let closed = |it: &Closure| it.from <= date && date <= it.until && here(&it.when);
    if !open || office.closures.iter().any(closed) {
        return None;
    }
    let held_back = |quota: &&Quota| quota.channel != Channel::Public && here(&quota.when);
    if let Some(quota) = office.quotas.iter().find(held_back) {
        return Some((quota.channel, None));
    }
    let mut matching = office.waves.iter().filter(|wave| here(&wave.when));
    let sealed = matching.find_map(|wave| {
        let day = release_day(wave.schedule, date)?;
        let time = day.at((wave.at / 60) as i8, 0, 0, 0);
        Some(city.city.zone.to_timestamp(time).unwrap().into())
    });
    Some((Channel::Public, sealed))
}

/// Walks back from a day to the one on which it is released.
fn release_day(schedule: Schedule, date: Date) -> Option<Date> {
    match schedule {
        Schedule::Daily { days_ahead } => Some(date - i64::from(days_ahead).days()),
        Schedule::Weekly {
            weekday,
            weeks_ahead,
        } => {
            let mut day = date;
            let mut weeks = 0;
            while weeks < weeks_ahead || day.weekday() != weekday {
                weeks += u8::from(day.weekday() == Weekday::Monday);
                day -= 1.day();
            }
            Some(day)
        }
        Schedule::Once { on, first, last } => (first <= date && date <= last).then_some(on),
    }
}

fn planned(plan: &DayPlan, unit: usize, counter: u8) -> Vec<(Channel, Option<UnixMillis>)> {
    let belongs = |channel: &Channel| {
        plan.of(*channel)
            .get(unit)
            .is_some_and(|cells| cells.contains(counter))
    };
    let sealed: Vec<UnixMillis> = plan
        .waves
        .iter()
        .filter(|wave| wave.cells[unit].contains(counter))
        .map(|wave| wave.at)
        .collect();
    assert!(sealed.len() <= 1, "a cell is released once");
    Channel::EACH
        .into_iter()
        .filter(belongs)
        .map(|channel| (channel, sealed.first().copied()))
        .collect()
}

fn selector() -> impl Strategy<Value = Selector> {
    // Around the hours that are skipped or repeated, and everywhere; mostly on whole units.
    let bound = prop_oneof![
        2 => (0u16..=60).prop_map(|it| it * 5),
        2 => (0u16..=288).prop_map(|it| it * 5),
        1 => 0u16..=1440,
    ];
    let weekdays = prop_oneof![Just(0x7f), 0u8..0x80];
    (0u64..1 << COUNTERS, weekdays, bound.clone(), bound).prop_filter_map(
        "an empty time",
        |(counters, weekdays, one, other)| {
            (one != other).then(|| Selector {
                counters: CounterSet(counters),
                weekdays: Weekdays(weekdays),
                hours: Hours {
                    from: one.min(other),
                    to: one.max(other),
                },
            })
        },
    )
}

fn some_day() -> impl Strategy<Value = Date> {
    let days = (0i64..500).prop_map(|days| date(2026, 1, 1) + days.days());
    prop_oneof![Just(SPRING), Just(AUTUMN), Just(date(2026, 5, 14)), days]
}

prop_compose! {
    fn opening()(
        when in selector(),
        (every_weeks, back) in (1u8..4, 0i64..60),
        day in some_day(),
        (dated, ends, on_holidays) in any::<(bool, bool, bool)>(),
    ) -> Opening {
        let valid_from = (dated || every_weeks > 1).then(|| day - back.days());
        let valid_until = ends.then(|| day + (back / 2).days());
        Opening { when, every_weeks, valid_from, valid_until, on_holidays }
    }
}

fn schedule() -> impl Strategy<Value = Schedule> {
    let once = (some_day(), 0i64..40, 0i64..40).prop_map(|(on, later, days)| Schedule::Once {
        on,
        first: on + later.days(),
        last: on + (later + days).days(),
    });
    let weekly = (0i8..7, 1u8..5).prop_map(|(offset, weeks_ahead)| Schedule::Weekly {
        weekday: Weekday::from_monday_zero_offset(offset).unwrap(),
        weeks_ahead,
    });
    prop_oneof![
        2 => (0u16..30).prop_map(|days_ahead| Schedule::Daily { days_ahead }),
        1 => weekly,
        1 => once,
    ]
}

prop_compose! {
    fn city()(
        opening in prop::collection::vec(opening(), 1..4),
        closures in prop::collection::vec((selector(), some_day(), 0i64..200), 0..3),
        quotas in prop::collection::vec((selector(), 0usize..4), 0..3),
        waves in prop::collection::vec((selector(), schedule(), 4u16..24), 0..3),
        zone in prop_oneof![3 => Just("Europe/Berlin"), 1 => Just("Atlantic/Azores")],
    ) -> Catalogue {
        let mut office = office(1, COUNTERS);
        let reason = Text { de: "zu".into(), en: "closed".into() };
        office.opening = opening;
        office.closures = closures.into_iter().map(|(when, from, days)| {
            Closure { from, until: from + days.days(), when, reason: reason.clone() }
        }).collect();
        office.quotas = quotas.into_iter().map(|(when, channel)| {
            Quota { channel: Channel::EACH[channel], when }
        }).collect();
        office.waves = waves.into_iter().map(|(when, schedule, hour)| {
            Wave { schedule, ..Wave::daily(when, 0, hour * 60) }
        }).collect();
        let mut city = town(vec![office]);
        city.city.zone = TimeZone::get(zone).unwrap();
        city
    }
}

proptest! {
    #![proptest_config(effort(300))]

    /// Random rules on random days. The model walks through the day and asks of each five
    /// minutes what the clock on the wall shows in each of them.
    #[test]
    fn a_plan_is_what_the_clock_on_the_wall_says(city in city(), day in some_day()) {
        let plan = plan(&city, &city.offices[0], day);
        let units = units_of(&city.city.zone, day);
        prop_assert_eq!(usize::from(plan.units), units.len());
        for (unit, (instant, shown)) in units.iter().enumerate() {
            prop_assert_eq!(plan.instant(unit as u16), *instant);
            prop_assert_eq!(plan.unit_at(*instant), Some(unit as u16));
            for counter in 0..COUNTERS {
                let expected = Vec::from_iter(cell(&city, day, shown, counter));
                let planned = planned(&plan, unit, counter);
                prop_assert_eq!(planned, expected, "{:?} at {:?}", day, shown);
            }
        }
        prop_assert!(plan.waves.is_sorted_by_key(|wave| wave.at));
    }
}

/// A town with one counter that is open at these hours of every day.
fn open(from: u16, to: u16) -> Catalogue {
    let mut office = office(1, 1);
    office.opening[0].when.hours = Hours { from, to };
    town(vec![office])
}

fn open_units(city: &Catalogue, day: Date) -> Vec<u16> {
    let plan = plan(city, &city.offices[0], day);
    (0..plan.units)
        .filter(|unit| !plan.public[usize::from(*unit)].is_empty())
        .collect()
}

#[test]
fn an_office_that_never_closes_has_23_and_25_hours() {
    assert_eq!(open_units(&open(0, 1440), SPRING).len(), 276);
    assert_eq!(open_units(&open(0, 1440), AUTUMN).len(), 300);
    assert_eq!(open_units(&open(0, 1440), date(2026, 12, 1)).len(), 288);
}

#[test]
fn opening_hours_across_the_change_are_an_hour_shorter_or_longer() {
    assert_eq!(open_units(&open(60, 240), SPRING).len(), 24);
    assert_eq!(open_units(&open(60, 240), AUTUMN).len(), 48);
}

/// The hour from two to three does not exist in spring: nobody is there in it, and nobody is
/// there at three because of it. In autumn the clock shows it twice, and twice they are there.
#[test]
fn an_hour_that_the_clock_skips_is_not_open_and_one_shown_twice_is_open_twice() {
    assert_eq!(open_units(&open(120, 180), SPRING), [] as [u16; 0]);
    assert_eq!(open_units(&open(120, 165), SPRING), [] as [u16; 0]);
    assert_eq!(open_units(&open(150, 240), SPRING).len(), 12);
    assert_eq!(open_units(&open(120, 180), AUTUMN).len(), 24);
    assert_eq!(open_units(&open(60, 150), AUTUMN).len(), 24);
}

#[test]
fn after_the_change_the_office_opens_when_its_clock_says_so() {
    for day in [SPRING, AUTUMN, date(2026, 12, 1)] {
        let city = open(480, 720);
        let plan = plan(&city, &city.offices[0], day);
        let units = open_units(&city, day);
        let opens_at = berlin().to_datetime(plan.instant(units[0]).to_jiff());
        assert_eq!(opens_at, day.at(8, 0, 0, 0));
        assert_eq!(plan.instant(units[0]), clock(day, 8, 0));
        assert_eq!(units.len(), 48);
    }
}

/// Six units from half past one are half an hour of real time, wherever the hands point.
#[test]
fn a_seat_across_the_change_is_as_long_as_any_other() {
    for (day, ends) in [(SPRING, (3, 0)), (AUTUMN, (2, 0))] {
        let city = open(0, 1440);
        let plan = plan(&city, &city.offices[0], day);
        let start = plan.unit_at(clock(day, 1, 30)).unwrap();
        assert_eq!(
            plan.instant(start + 6) - plan.instant(start),
            plan.instant(6) - plan.starts_at
        );
        let end = berlin().to_datetime(plan.instant(start + 6).to_jiff());
        assert_eq!(end, day.at(ends.0, ends.1, 0, 0));
    }
}

/// A gap is lost when nobody fits in: the office counts as its visits are counted, rounded up to
/// its grid.
#[test]
fn the_shortest_useful_gap_is_the_shortest_visit() {
    let mut office = office(1, 1);
    office.unit_minutes = 15;
    office.offers[0].minutes = 20;
    let city = town(vec![office]);
    let plan = plan(&city, &city.offices[0], date(2026, 12, 1));
    assert_eq!(plan.useful_units, 6);
}

proptest! {
    #![proptest_config(effort(100))]

    /// Three waves with shares of what is left: together they have every cell, each once, and the
    /// first one has as much as it says, to the nearest piece.
    #[test]
    fn shares_are_disjoint_and_complete(
        city in city(), day in some_day(), percent in 1u8..100, second in 1u8..100,
    ) {
        let mut city = city;
        let when = Selector {
            counters: CounterSet::ALL,
            weekdays: Weekdays::ALL,
            hours: Hours::ALL_DAY,
        };
        let wave = |percent, days_ahead| Wave {
            share_percent: percent,
            ..Wave::daily(when.clone(), days_ahead, 390)
        };
        city.offices[0].offers[0].minutes = 5;
        city.offices[0].waves = vec![wave(percent, 28), wave(second, 14), wave(100, 7)];
        let plan = plan(&city, &city.offices[0], day);
        let mut left = plan.public.clone();
        for wave in &plan.waves {
            for (left, cells) in left.iter_mut().zip(&wave.cells) {
                prop_assert!(cells.without(*left).is_empty(), "a cell is released once");
                *left = left.without(*cells);
            }
        }
        prop_assert!(left.iter().all(|set| set.is_empty()), "a cell is left over");
        let first = plan.waves.iter().find(|wave| {
            wave.at == instant_of(&city.city.zone, day - 28.days(), 390)
        });
        let of_first = first.map_or(0, |wave| count(&wave.cells));
        prop_assert_eq!(of_first, (count(&plan.public) * usize::from(percent) + 50) / 100);
    }
}

/// How many cells there are; each is a piece, because visits are one unit long here.
fn count(cells: &[CounterSet]) -> usize {
    cells.iter().map(|set| usize::from(set.len())).sum()
}
