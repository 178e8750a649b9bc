//! How long a seat that becomes free takes to find its wish among a million, and what memory.
//!
//! A town of 11 offices, in which everybody names one or more of them, mixed hours, days and needs.
//! Seats become free one after the other: each is given to the wish it finds, which leaves, and
//! somebody new comes. Beside it stands a list of all wishes that is looked through from the front.
//!
//! Then the worst that can happen: all of them wait at one office for the same visit, and the seat
//! fits nobody, so that none can be left out. Between these finds something else is read that fills
//! the caches. It is the same find again and again, so what differs is the machine: the median
//! counts.
//!
//! At last somebody looks at their wish and is told how many come before it, which all wishes are
//! locked for: the last in line, at every office, which is the most there is to count.

use std::hint::black_box;
use std::io;
use std::ops::Range;
use std::time::Instant;

use fastrand::Rng;
use morgenruh_benches::Effort;
use morgenruh_benches::machine::Watch;
use morgenruh_benches::table::{Beside, Results, Row};
use morgenruh_engine::rules::calendar::UNIT;
use morgenruh_engine::rules::cells::CounterSet;
use morgenruh_engine::rules::time::{DayNumber, Millis, UnixMillis};
use morgenruh_engine::rules::wish::index::{Entry, Found, Gap, Index};
use morgenruh_engine::rules::wish::windows::Windows;
use morgenruh_engine::rules::wish::{Place, WishId};

/// For the find of one seat, 99 of 100, in microseconds.
const AIM_US: f64 = 50.0;
const WISHES: u32 = 1_000_000;
const SEATS: usize = 100_000;
/// Seats for which the list is looked through as well.
const SCANS: usize = 2_000;
/// Looks of each kind at a wish.
const LOOKS: usize = 200;
/// Finds of a seat that fits nobody.
const IDLE_FINDS: usize = 300;
const OFFICES: u16 = 11;
const COUNTERS: u8 = 8;
/// Longest visit, and longest gap, in units.
const UNITS: u8 = 6;
/// How far ahead seats become free, and how far wishes reach, in days.
const DAYS: u16 = 42;
const REACH: Range<u16> = 7..60;
/// Tuesday, 2026-12-01.
const TODAY: DayNumber = DayNumber(9_831);
const WEEKDAY_TODAY: u16 = 1;
const MIDNIGHT: UnixMillis = UnixMillis(1_796_079_600_000);
const NOW: UnixMillis = UnixMillis(MIDNIGHT.0 + 8 * 3_600_000);
const DAY_MS: i64 = 86_400_000;
const PAGE_BYTES: f64 = 4_096.0;
const NO_BOOKING: UnixMillis = UnixMillis(i64::MAX);
/// For which there is no column.
const UNUSUAL: &str = "61 minutes, 60 are left";
/// More than the caches of most machines hold, in bytes.
const CACHES: usize = 64 << 20;

/// A wish, as the list keeps it.
#[derive(Clone, Copy)]
struct Laid {
    entry: Entry,
    /// One bit an office.
    offices: u16,
    units: u8,
    counters: CounterSet,
}

/// A place in the day of some office.
#[derive(Clone, Copy)]
struct Seat {
    office: u16,
    days_ahead: u16,
    counter: u8,
    start: u16,
    end: u16,
}

/// Everybody who waits.
struct Town {
    rng: Rng,
    /// How many have thought of a wish.
    thought: u64,
    index: Index,
    /// By id, and so in order.
    list: Vec<Option<Laid>>,
    hours: Vec<u8>,
}

fn main() -> io::Result<()> {
    let effort = Effort::asked();
    let mut watch = Watch::begin();
    watch.look();
    let mut rows = town(effort)?;
    watch.look();
    rows.extend(crowds(effort));
    watch.look();
    let results = Results {
        bench: "wishes".to_owned(),
        machine: watch.end()?,
        rows,
    };
    if effort == Effort::Test {
        return Ok(());
    }
    results.print();
    results.write()
}

fn town(effort: Effort) -> io::Result<Vec<Row>> {
    let wishes = effort.pick(3_000, WISHES);
    let mut town = Town::new();
    let laid: Vec<Laid> = (0..wishes).map(|_| town.think()).collect();
    let before = resident_mb()?;
    let begin = Instant::now();
    laid.iter().for_each(|laid| town.put(laid));
    let laid_us = us(begin) / f64::from(wishes);
    let memory = resident_mb()? - before;
    let entries: u32 = laid.iter().map(|laid| laid.offices.count_ones()).sum();
    town.list.extend(laid.into_iter().map(Some));

    let (mut finds, mut changes) = (Vec::new(), Vec::new());
    for _ in 0..effort.pick(500, SEATS) {
        let seat = town.seat();
        let begin = Instant::now();
        let found = town.find(seat);
        finds.push(us(begin));
        let begin = Instant::now();
        town.give(found);
        changes.push(us(begin));
    }
    let (mut found_in, mut scans) = (Vec::new(), Vec::new());
    for _ in 0..effort.pick(50, SCANS) {
        let seat = town.seat();
        let begin = Instant::now();
        let found = town.find(seat);
        found_in.push(us(begin));
        let begin = Instant::now();
        let scanned = town.scan(seat);
        scans.push(us(begin));
        assert_eq!(found, scanned, "both find the same wish");
    }

    let of = format!("{wishes} wishes, {OFFICES} offices");
    let mut rows = vec![
        plain(format!("{of}: laid, each"), laid_us, "µs"),
        plain(format!("{of}: memory"), memory, "MB"),
        plain(
            format!("{of}: memory, per office named"),
            memory * 1e6 / f64::from(entries),
            "bytes",
        ),
    ];
    for (name, share) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
        let aim = (share == 0.99).then_some(1.0);
        let find = share_of(&mut finds, share);
        rows.push(beside_aim(format!("find, {name}"), find, aim));
        let (ours, theirs) = (share_of(&mut found_in, share), share_of(&mut scans, share));
        rows.push(Row {
            beside: Some(Beside {
                name: "all wishes from the front".to_owned(),
                theirs,
                ratio: theirs / ours,
                aim: None,
            }),
            ..plain(format!("find in turns, {name}"), ours, "µs")
        });
    }
    let change = share_of(&mut changes, 0.99);
    rows.push(plain("one leaves, one comes, p99".to_owned(), change, "µs"));
    rows.extend(town.looks(effort));
    Ok(rows)
}

impl Town {
    fn new() -> Town {
        Town {
            rng: Rng::with_seed(7),
            thought: 0,
            index: Index::default(),
            list: Vec::new(),
            hours: (0..24).flat_map(|hour| [hour; 12]).collect(),
        }
    }

    /// Somebody new thinks of what they want.
    fn think(&mut self) -> Laid {
        let rng = &mut self.rng;
        let number = self.thought;
        self.thought += 1;
        let mut offices = 0u16;
        for _ in 0..rng.u32(1..=u32::from(OFFICES)) {
            offices |= 1 << rng.u16(0..OFFICES);
        }
        let weekday = rng.u8(0..5);
        let windows = match rng.u8(0..10) {
            0..4 => Windows::ALWAYS,
            4..6 => workdays(8, 12),
            6..8 => Windows::NEVER.with(weekday, 8, 12),
            _ => {
                let hour = rng.u8(8..18);
                Windows::NEVER.with(weekday, hour, hour + 1)
            }
        };
        let from = DayNumber(TODAY.0 + rng.u16(0..14));
        let booked = MIDNIGHT.0 + rng.i64(10..40) * DAY_MS + 10 * 3_600_000;
        let units = rng.u8(1..=UNITS);
        Laid {
            entry: Entry {
                id: WishId(number),
                place: Place {
                    since: NOW.0 + number as i64,
                    position: 0,
                },
                windows,
                from,
                until: DayNumber(from.0 + rng.u16(REACH)),
                notice_minutes: [0, 120, 1_440, 2_880][rng.usize(0..4)],
                before: if rng.u8(0..20) == 0 {
                    UnixMillis(booked)
                } else {
                    NO_BOOKING
                },
            },
            offices,
            units,
            counters: if units.is_multiple_of(2) {
                CounterSet::ALL
            } else {
                CounterSet(0b1111)
            },
        }
    }

    /// Some free units, most often as many as somebody gave back.
    fn seat(&mut self) -> Seat {
        let rng = &mut self.rng;
        let start = 12 * rng.u16(8..18) + rng.u16(0..12);
        Seat {
            office: rng.u16(0..OFFICES),
            days_ahead: rng.u16(0..DAYS),
            counter: rng.u8(0..COUNTERS),
            start,
            end: start + rng.u16(1..=u16::from(UNITS)),
        }
    }

    fn gap(&self, seat: Seat) -> Gap<'_> {
        Gap {
            office: seat.office,
            day: DayNumber(TODAY.0 + seat.days_ahead),
            weekday: ((WEEKDAY_TODAY + seat.days_ahead) % 7) as u8,
            counter: seat.counter,
            start: seat.start,
            end: seat.end,
            grid: 1,
            hours: &self.hours,
            starts_at: MIDNIGHT + Millis(DAY_MS * i64::from(seat.days_ahead)),
            now: NOW,
        }
    }

    fn find(&self, seat: Seat) -> Option<Found> {
        self.index.find(&self.gap(seat), |_, _| true)
    }

    fn put(&mut self, laid: &Laid) {
        for office in (0..OFFICES).filter(|office| laid.offices >> office & 1 == 1) {
            self.index
                .insert(office, laid.units, laid.counters, laid.entry);
        }
    }

    /// Whoever was found leaves every office, and somebody else comes.
    fn give(&mut self, found: Option<Found>) {
        let Some(found) = found else { return };
        let laid = self.list[found.id.0 as usize].take();
        let laid = laid.expect("who is found still waits");
        for office in (0..OFFICES).filter(|office| laid.offices >> office & 1 == 1) {
            let Entry { place, id, .. } = laid.entry;
            let left = self
                .index
                .remove(office, laid.units, laid.counters, place, id);
            assert!(left, "whoever waits can leave");
        }
        let new = self.think();
        self.put(&new);
        self.list.push(Some(new));
    }

    /// How long counting those takes who come before the last one.
    fn looks(&self, effort: Effort) -> Vec<Row> {
        let always_but_an_hour = (0..7).fold(Windows::NEVER, |windows, weekday| {
            windows.with(weekday, 0, 23)
        });
        let kinds = [
            ("always", Windows::ALWAYS),
            ("in the mornings", workdays(8, 12)),
            ("nearly always", always_but_an_hour),
        ];
        let (id, place) = (
            WishId(u64::MAX),
            Place {
                since: i64::MAX,
                position: 0,
            },
        );
        let look = |windows| {
            let begin = Instant::now();
            let ahead = (0..OFFICES).map(|office| self.index.ahead(office, place, id, windows));
            assert!(
                black_box(ahead.sum::<usize>()) > 0,
                "somebody comes before the last one"
            );
            us(begin)
        };
        let row = |(what, windows)| {
            let mut times: Vec<f64> = (0..effort.pick(3, LOOKS)).map(|_| look(windows)).collect();
            plain(
                format!("look, {what}, p99"),
                share_of(&mut times, 0.99),
                "µs",
            )
        };
        kinds.map(row).into()
    }

    /// What the index does, without one.
    fn scan(&self, seat: Seat) -> Option<Found> {
        let gap = self.gap(seat);
        self.list.iter().flatten().find_map(|laid| {
            let start = laid.start(&gap)?;
            Some(Found {
                id: laid.entry.id,
                place: laid.entry.place,
                start,
                units: laid.units,
            })
        })
    }
}

impl Laid {
    fn start(&self, gap: &Gap<'_>) -> Option<u16> {
        let entry = &self.entry;
        let units = u16::from(self.units);
        if self.offices >> gap.office & 1 == 0
            || gap.end - gap.start < units
            || !self.counters.contains(gap.counter)
            || gap.day < entry.from
            || entry.until < gap.day
        {
            return None;
        }
        let fits = |start: &u16| {
            let instant = gap.starts_at + Millis(UNIT.0 * i64::from(*start));
            let span = usize::from(*start)..usize::from(*start + units);
            let mut hours = gap.hours[span].iter();
            instant >= gap.now + Millis::from_minutes(entry.notice_minutes)
                && instant < entry.before
                && hours.all(|hour| {
                    let week_hour = u16::from(gap.weekday) * 24 + u16::from(*hour);
                    entry.windows.contains(week_hour)
                })
        };
        let last = gap.end - units;
        let mut starts = [gap.start, last].into_iter().chain(gap.start..=last);
        starts.find(fits)
    }
}

/// A million who wait for the same, and a seat that is for none of them.
fn crowds(effort: Effort) -> Vec<Row> {
    let in_an_hour = Seat {
        office: 0,
        days_ahead: 0,
        counter: 0,
        start: 12 * 9,
        end: 12 * 9 + 3,
    };
    let in_a_week = Seat {
        days_ahead: 7,
        start: 12 * 14,
        end: 12 * 14 + 3,
        ..in_an_hour
    };
    let anybody = Entry {
        id: WishId(0),
        place: Place::at(NOW),
        windows: Windows::ALWAYS,
        from: TODAY,
        until: DayNumber(TODAY.0 + DAYS),
        notice_minutes: 0,
        before: NO_BOOKING,
    };
    let mornings = Entry {
        windows: workdays(8, 12),
        ..anybody
    };
    let later = Entry {
        from: DayNumber(TODAY.0 + 8),
        ..anybody
    };
    let noticed = |notice_minutes| Entry {
        notice_minutes,
        ..anybody
    };
    let earlier = Entry {
        before: UnixMillis(MIDNIGHT.0 + 4 * DAY_MS),
        ..anybody
    };
    let crowds = [
        ("other hours", in_a_week, [mornings, mornings]),
        ("later days", in_a_week, [later, later]),
        ("other hours or later days", in_a_week, [mornings, later]),
        ("more notice", in_an_hour, [noticed(120), noticed(1_440)]),
        ("something earlier", in_a_week, [earlier, earlier]),
        (UNUSUAL, in_an_hour, [noticed(61), noticed(61)]),
    ];
    let row = |(what, seat, kinds)| {
        let mut times = idle_finds(effort, seat, kinds);
        let aim = (what != UNUSUAL).then_some(1.0);
        beside_aim(format!("all want {what}"), share_of(&mut times, 0.5), aim)
    };
    crowds.map(row).into()
}

/// In microseconds.
fn idle_finds(effort: Effort, seat: Seat, kinds: [Entry; 2]) -> Vec<f64> {
    let mut town = Town::new();
    for (number, kind) in (0..effort.pick(3_000, WISHES)).zip(kinds.iter().cycle()) {
        let id = WishId(u64::from(number));
        let entry = Entry { id, ..*kind };
        town.index.insert(0, 3, CounterSet::ALL, entry);
    }
    let others = vec![1u8; effort.pick(1, CACHES)];
    let finds = 0..effort.pick(3, IDLE_FINDS);
    let timed = |_| {
        let read: usize = others.iter().map(|byte| usize::from(*byte)).sum();
        assert_eq!(black_box(read), others.len());
        let begin = Instant::now();
        let found = town.find(seat);
        let time = us(begin);
        assert_eq!(found, None, "it fits nobody");
        time
    };
    finds.map(timed).collect()
}

fn workdays(from: u8, to: u8) -> Windows {
    (0..5).fold(Windows::NEVER, |windows, weekday| {
        windows.with(weekday, from, to)
    })
}

fn plain(what: String, ours: f64, unit: &str) -> Row {
    Row {
        what,
        ours,
        unit: unit.to_owned(),
        beside: None,
    }
}

fn beside_aim(what: String, ours: f64, aim: Option<f64>) -> Row {
    Row {
        beside: Some(Beside {
            name: "what it may be".to_owned(),
            theirs: AIM_US,
            ratio: AIM_US / ours,
            aim,
        }),
        ..plain(what, ours, "µs")
    }
}

/// The time within which this share of them is.
fn share_of(times: &mut [f64], share: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    let place = (times.len() as f64 * share) as usize;
    times[place.min(times.len() - 1)]
}

fn resident_mb() -> io::Result<f64> {
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    let resident = pages.split_whitespace().nth(1);
    let resident: Option<f64> = resident.and_then(|pages| pages.parse().ok());
    let resident = resident.ok_or_else(|| io::Error::other("statm is not as it was"))?;
    Ok(resident * PAGE_BYTES / 1e6)
}

fn us(begin: Instant) -> f64 {
    begin.elapsed().as_nanos() as f64 / 1_000.0
}
