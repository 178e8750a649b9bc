//! The index of wishes against a list that is looked through from the front.

use morgenruh_engine::rules::cells::CounterSet;
use morgenruh_engine::rules::time::{DayNumber, Millis, UnixMillis};
use morgenruh_engine::rules::wish::index::{Entry, Found, Gap, Index};
use morgenruh_engine::rules::wish::windows::Windows;
use morgenruh_engine::rules::wish::{Place, WishId};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index as Choice, select};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::effort::effort;

const FIRST_DAY: u16 = 9_830;
const DAYS: u16 = 12;
/// Of 2000-01-01, which was a Saturday.
const EPOCH: i64 = 946_684_800_000;
const DAY_MS: i64 = 86_400_000;
const UNIT_MS: i64 = 300_000;
const COUNTERS: u8 = 3;
/// What most people ask for, in minutes.
const NOTICES: [u32; 6] = [30, 60, 120, 1_440, 2_880, 43_200];

#[derive(Clone, Copy, Debug)]
struct Waiting {
    office: u16,
    units: u8,
    counters: CounterSet,
    entry: Entry,
}

/// A seat that becomes free, and whom it does not suit.
#[derive(Clone, Debug)]
struct Freed {
    office: u16,
    day: u16,
    counter: u8,
    span: (u16, u16),
    grid: u16,
    hours: Vec<u8>,
    minutes_ahead: i64,
    /// One wish of so many is let pass.
    one_in: u64,
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Waiting),
    Remove(Choice),
    Change(Choice, Waiting),
    Find(Freed),
}

#[derive(Default)]
struct Both {
    index: Index,
    naive: Vec<Waiting>,
    ids: u64,
}

impl Freed {
    fn gap(&self) -> Gap<'_> {
        let (start, end) = self.span;
        let starts_at = UnixMillis(midnight(self.day));
        Gap {
            office: self.office,
            day: DayNumber(self.day),
            weekday: weekday(self.day),
            counter: self.counter,
            start,
            end,
            grid: self.grid,
            hours: &self.hours,
            starts_at,
            now: UnixMillis(starts_at.0 + i64::from(start) * UNIT_MS - self.minutes_ahead * 60_000),
        }
    }

    fn suits(&self, wish: WishId) -> bool {
        wish.0.is_multiple_of(self.one_in)
    }
}

impl Both {
    fn insert(&mut self, mut waiting: Waiting) {
        self.ids += 1;
        waiting.entry.id = WishId(self.ids);
        self.naive.push(waiting);
        let Waiting {
            office,
            units,
            counters,
            entry,
        } = waiting;
        self.index.insert(office, units, counters, entry);
    }

    fn remove(&mut self, at: usize) {
        let Waiting {
            office,
            units,
            counters,
            entry: Entry { place, id, .. },
        } = self.naive.swap_remove(at);
        let mut remove = || self.index.remove(office, units, counters, place, id);
        assert!(remove(), "who waits can leave");
        assert!(!remove(), "and does so once");
    }

    /// The same wish at the same place wants something else.
    fn change(&mut self, at: usize, new: Waiting) {
        let old = &mut self.naive[at];
        let Entry { id, place, .. } = old.entry;
        old.entry = Entry {
            id,
            place,
            ..new.entry
        };
        self.index
            .insert(old.office, old.units, old.counters, old.entry);
    }

    /// Asks both, also whom they ask.
    fn find(&mut self, freed: &Freed) {
        self.naive
            .sort_unstable_by_key(|it| (it.entry.place, it.entry.id));
        let gap = freed.gap();
        let mut expected_asked = Vec::new();
        let fitting = |it: &Waiting| {
            let start = naive_start(it, &gap)?;
            expected_asked.push((it.entry.id, start));
            let found = Found {
                id: it.entry.id,
                place: it.entry.place,
                start,
                units: it.units,
            };
            freed.suits(it.entry.id).then_some(found)
        };
        let expected = self.naive.iter().find_map(fitting);
        let mut asked = Vec::new();
        let found = self.index.find(&gap, |id, start| {
            asked.push((id, start));
            freed.suits(id)
        });
        assert_eq!(found, expected, "{freed:?}");
        assert_eq!(asked, expected_asked, "{freed:?}");
    }

    fn count(&self) {
        for office in 0..3 {
            let waiting = self.naive.iter().filter(|it| it.office == office).count();
            assert_eq!(self.index.waiting_at(office), waiting);
        }
    }
}

/// At the first start of the gap, or the last, or the earliest.
fn naive_start(waiting: &Waiting, gap: &Gap<'_>) -> Option<u16> {
    let Entry {
        windows,
        from,
        until,
        notice_minutes,
        before,
        ..
    } = waiting.entry;
    if waiting.office != gap.office
        || !waiting.counters.contains(gap.counter)
        || !(from..=until).contains(&gap.day)
    {
        return None;
    }
    let units = u16::from(waiting.units);
    let mut starts: Vec<u16> = (gap.start..gap.end)
        .filter(|start| start % gap.grid == 0 && start + units <= gap.end)
        .collect();
    if let Some(last) = starts.last() {
        starts.insert(1.min(starts.len()), *last);
    }
    starts.into_iter().find(|start| {
        let instant = UnixMillis(gap.starts_at.0 + i64::from(*start) * UNIT_MS);
        let mut hours = (*start..start + units).map(|unit| gap.hours[usize::from(unit)]);
        instant >= gap.now + Millis::from_minutes(notice_minutes)
            && instant < before
            && hours.all(|hour| windows.contains(u16::from(gap.weekday) * 24 + u16::from(hour)))
    })
}

fn weekday(day: u16) -> u8 {
    ((day + 5) % 7) as u8
}

/// In winter, an hour before that of UTC.
fn midnight(day: u16) -> i64 {
    EPOCH + i64::from(day) * DAY_MS - 3_600_000
}

fn windows() -> impl Strategy<Value = Windows> {
    let some = vec((0u8..7, 0u8..24, 1u8..6), 0..8).prop_map(|spans| {
        spans
            .into_iter()
            .fold(Windows::NEVER, |windows, (weekday, from, hours)| {
                windows.with(weekday, from, from + hours)
            })
    });
    let daily = (0u8..24, 1u8..12).prop_map(|(from, hours)| {
        (0..7).fold(Windows::NEVER, |windows, weekday| {
            windows.with(weekday, from, from + hours)
        })
    });
    prop_oneof![Just(Windows::ALWAYS), some, daily]
}

fn waiting() -> impl Strategy<Value = Waiting> {
    let counters = (1u64..1 << COUNTERS).prop_map(CounterSet);
    let kind = (
        0u16..3,
        select(&[1u8, 2, 3, 6, 14, 30][..]),
        counters,
        windows(),
    );
    let days = (FIRST_DAY..FIRST_DAY + DAYS, 0..DAYS);
    let notice = prop_oneof![Just(0), select(&NOTICES[..]), 0u32..6_000];
    let before = prop_oneof![
        3 => Just(i64::MAX),
        1 => (FIRST_DAY..FIRST_DAY + DAYS, 0i64..300).prop_map(|(day, unit)| {
            midnight(day) + unit * UNIT_MS
        }),
    ];
    let place = (0i64..6, 0u32..3);
    (kind, days, notice, before, place).prop_map(
        |((office, units, counters, windows), (from, span), notice_minutes, before, place)| {
            let entry = Entry {
                id: WishId(0),
                place: Place {
                    since: place.0,
                    position: place.1,
                },
                windows,
                from: DayNumber(from),
                until: DayNumber(from + span),
                notice_minutes,
                before: UnixMillis(before),
            };
            Waiting {
                office,
                units,
                counters,
                entry,
            }
        },
    )
}

/// Gaps of any length, also on the days of 23 and of 25 hours.
fn freed() -> impl Strategy<Value = Freed> {
    let span = (0u16..300, prop_oneof![1u16..9, 1u16..60, 1u16..300]);
    // Also such that somebody's notice passes within the gap.
    let passing = (select(&NOTICES[..]), 0i64..60)
        .prop_map(|(notice, over): (u32, i64)| i64::from(notice) - over);
    let ahead = prop_oneof![-60i64..300, 0i64..6_000, Just(60_000), passing];
    (
        0u16..3,
        FIRST_DAY - 1..FIRST_DAY + 2 * DAYS,
        0..COUNTERS,
        span,
        select(&[1u16, 2, 3, 5][..]),
        0..4u8,
        ahead,
        1u64..5,
    )
        .prop_map(
            |(office, day, counter, (start, length), grid, clock, minutes_ahead, one_in)| {
                let hours: Vec<u8> = match clock {
                    0 => (0..24).filter(|hour| *hour != 2).collect(),
                    1 => (0..3).chain(2..24).collect(),
                    _ => (0..24).collect(),
                };
                let hours: Vec<u8> = hours.into_iter().flat_map(|hour| [hour; 12]).collect();
                let units = hours.len() as u16;
                let start = start.min(units);
                Freed {
                    office,
                    day,
                    counter,
                    span: (start, (start + length).min(units)),
                    grid,
                    hours,
                    minutes_ahead,
                    one_in,
                }
            },
        )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => waiting().prop_map(Step::Insert),
        1 => any::<Choice>().prop_map(Step::Remove),
        1 => (any::<Choice>(), waiting()).prop_map(|(who, wish)| Step::Change(who, wish)),
        4 => freed().prop_map(Step::Find),
    ]
}

proptest! {
    #![proptest_config(effort(512))]

    #[test]
    fn the_index_finds_whom_looking_from_the_front_finds(steps in vec(step(), 1..160)) {
        let mut both = Both::default();
        for step in steps {
            match step {
                Step::Insert(waiting) => both.insert(waiting),
                Step::Remove(who) if !both.naive.is_empty() => {
                    both.remove(who.index(both.naive.len()));
                }
                Step::Change(who, new) if !both.naive.is_empty() => {
                    both.change(who.index(both.naive.len()), new);
                }
                Step::Remove(_) | Step::Change(..) => {}
                Step::Find(freed) => both.find(&freed),
            }
        }
        both.count();
    }
}

/// So many that chunks are filled, split and joined, in order and in any order.
#[test]
fn a_crowd_is_found_as_well_when_it_comes_and_when_it_goes() {
    const CROWD: usize = 16_000;
    let mut runner = TestRunner::deterministic();
    let mut both = Both::default();
    let mut some = |both: &mut Both, queries| {
        for _ in 0..queries {
            let mut freed = freed().new_tree(&mut runner).unwrap().current();
            freed.office = 1;
            // Deep into the crowd.
            freed.one_in = 1 << (freed.one_in * 4);
            both.find(&freed);
        }
        both.count();
    };
    let mut makers = TestRunner::deterministic();
    for nth in 0..CROWD {
        let mut waiting = waiting().new_tree(&mut makers).unwrap().current();
        (waiting.office, waiting.units, waiting.counters) = (1, 2, CounterSet::ALL);
        // The first half comes in order, the second one in between.
        waiting.entry.place.since = if nth < CROWD / 2 {
            nth as i64
        } else {
            (nth * 7_919 % CROWD) as i64
        };
        both.insert(waiting);
        if nth % (CROWD / 8) == 0 {
            some(&mut both, 10);
        }
    }
    while !both.naive.is_empty() {
        let left = both.naive.len();
        both.remove(left * 7 / 11);
        if left % (CROWD / 16) == 0 || left < 16 {
            some(&mut both, 10);
        }
    }
}
