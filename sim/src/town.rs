//! The town of a run: small, so that people meet, and plain, so that everybody can tell from the
//! sign at the door what is open.

use fastrand::Rng;
use jiff::civil::{Date, Weekday, date};
use jiff::tz::TimeZone;
use morgenruh_engine::rules::catalogue::{
    Beacons, Catalogue, City, Counter, Department, Hours, Offer, Office, OfficeIndex, Opening,
    RoomPolicy, RoomRule, Schedule, Selector, Service, ServiceIndex, Status, Text, Wave, Weekdays,
};
use morgenruh_engine::rules::cells::CounterSet;
use morgenruh_engine::rules::holidays::Land;
use morgenruh_engine::rules::release::ReleaseId;
use morgenruh_engine::rules::room::RoomId;
use morgenruh_engine::rules::time::{DayNumber, UnixMillis};

use crate::wishers::WishTerms;

/// Days on which somebody can have a visit.
pub const DAYS: u16 = 2;
/// Units between the first start and closing time, at most.
pub const UNITS_MAX: u16 = 12;
/// 8:30, when every office opens: a visit touches one hour of the clock or two.
pub const FIRST_UNIT: u16 = 102;
/// Length of a unit in milliseconds.
pub const UNIT_MS: i64 = 300_000;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;
/// Midnight of the day before the first visits; the town lives by UTC.
const EVE_MS: i64 = 1_795_996_800_000;
const DATES: [Date; DAYS as usize] = [date(2026, 12, 1), date(2026, 12, 2)];
/// The first of them.
const FIRST_DAY: DayNumber = DayNumber(9_831);
/// 18:00, when every run begins.
const BEGIN_MINUTE: u16 = 18 * 60;

/// What the signs at the doors say; the same at every office.
#[derive(Clone, Debug)]
pub struct Town {
    pub offices: u16,
    pub counters: u8,
    /// Units for which each counter is open from [`FIRST_UNIT`] on, by counter.
    pub open: Vec<u16>,
    pub hold_minutes: u16,
    /// The first counter stays sealed until this many minutes after the beginning on the first
    /// day, and a day longer on the second.
    pub sealed_minutes: Option<u16>,
    /// How that release goes, if it is not all at once and by itself.
    pub release: Option<ReleaseTerms>,
    /// The waiting room before that release, if there is one.
    pub room: Option<RoomTerms>,
    /// What is promised to those who wish, if anybody can.
    pub wishes: Option<WishTerms>,
}

/// How a release goes.
#[derive(Clone, Copy, Debug)]
pub struct ReleaseTerms {
    /// Both days are released together.
    pub weekly: bool,
    /// Over how long its pieces open one by one; 0 is all at once.
    pub drip_minutes: u16,
}

/// What the sign at the waiting room says.
#[derive(Clone, Copy, Debug)]
pub struct RoomTerms {
    /// After the beginning.
    pub release_minutes: u16,
    pub opens_minutes: u16,
    pub closes_minutes: u16,
    pub passes_max: u32,
    pub passes_per_minute: u32,
    pub turn_minutes: u16,
    pub pass_minutes: u16,
    pub holds_per_pass: u8,
    /// How long the draw waits for a public random value.
    pub beacon_seconds: Option<u32>,
    /// The draw gives the seats to the wishes of the tickets, instead of letting people in.
    pub is_lottery: bool,
}

impl RoomTerms {
    fn draw(dice: &mut Rng, release_minutes: u16) -> RoomTerms {
        RoomTerms {
            release_minutes,
            opens_minutes: dice.u16(1..=60),
            closes_minutes: dice.u16(90..=240),
            passes_max: dice.u32(1..=4),
            passes_per_minute: [6, 60, 6_000][dice.usize(..3)],
            turn_minutes: dice.u16(1..=5),
            pass_minutes: dice.u16(1..=10),
            holds_per_pass: dice.u8(1..=2),
            beacon_seconds: dice.bool().then(|| dice.u32(1..=600)),
            is_lottery: false,
        }
    }

    fn rule(&self, offices: u16) -> RoomRule {
        RoomRule {
            policy: if self.is_lottery {
                RoomPolicy::Lottery
            } else {
                RoomPolicy::Line
            },
            id: "abend".into(),
            number: 1,
            department: 0,
            name: text("Abend"),
            at: BEGIN_MINUTE + self.release_minutes,
            offices: (0..offices).map(OfficeIndex).collect(),
            opens_minutes: self.opens_minutes,
            closes_minutes: self.closes_minutes,
            passes_max: self.passes_max,
            passes_per_minute: self.passes_per_minute,
            turn_minutes: self.turn_minutes,
            pass_minutes: self.pass_minutes,
            holds_per_pass: self.holds_per_pass,
            proof_of_work: 0,
            beacons: self.beacon_seconds.map(|wait_seconds| Beacons {
                source: "Los".into(),
                fetched: false,
                after_seconds: 0,
                wait_seconds,
            }),
        }
    }
}

impl Town {
    pub fn draw(dice: &mut Rng) -> Town {
        let counters = dice.u8(1..=3);
        Town {
            offices: dice.u16(1..=2),
            counters,
            open: (0..counters).map(|_| dice.u16(4..=UNITS_MAX)).collect(),
            hold_minutes: dice.u16(1..=10),
            sealed_minutes: dice.bool().then(|| dice.u16(1..=60)),
            release: None,
            room: None,
            wishes: None,
        }
    }

    /// Half of the towns with a release have a waiting room before it.
    pub fn furnish(&mut self, dice: &mut Rng) {
        let release = self.sealed_minutes.filter(|_| dice.bool());
        self.room = release.map(|minutes| RoomTerms::draw(dice, minutes));
    }

    /// Where people wish, half of the rooms are lotteries; some towns have one that had no room.
    pub fn raffle(&mut self, dice: &mut Rng) {
        if self.wishes.is_none() {
            return;
        }
        if self.room.is_none() && dice.u8(..3) == 0 {
            let minutes = self.sealed_minutes.unwrap_or_else(|| dice.u16(1..=30));
            self.sealed_minutes = Some(minutes);
            self.room = Some(RoomTerms::draw(dice, minutes));
        }
        if let Some(room) = &mut self.room {
            room.is_lottery = dice.bool();
        }
    }

    /// Half of the releases without a room are decided about by staff, and drip or not.
    pub fn steer(&mut self, dice: &mut Rng) {
        if self.room.is_none() && self.sealed_minutes.is_some() && dice.bool() {
            self.release = Some(ReleaseTerms {
                weekly: dice.bool(),
                drip_minutes: if dice.bool() { dice.u16(1..=60) } else { 0 },
            });
        }
    }

    /// Other opening hours for one of the counters.
    pub fn reopen(&mut self, dice: &mut Rng) {
        let counter = dice.usize(..self.open.len());
        self.open[counter] = dice.u16(1..=UNITS_MAX);
    }

    /// The name of the waiting room.
    pub const ROOM: &str = "abend-2026-11-30";

    pub fn room_id() -> RoomId {
        RoomId {
            number: 1,
            day: DayNumber(FIRST_DAY.0 - 1),
        }
    }

    /// When every run begins.
    pub fn begin() -> UnixMillis {
        UnixMillis(EVE_MS + i64::from(BEGIN_MINUTE) * MINUTE_MS)
    }

    /// The date of one of the [`DAYS`].
    pub fn date(day: u16) -> Date {
        DATES[usize::from(day)]
    }

    /// Which of the [`DAYS`] a number is.
    pub fn day(number: DayNumber) -> u16 {
        number.0 - FIRST_DAY.0
    }

    /// The number of one of the [`DAYS`].
    pub fn day_number(day: u16) -> DayNumber {
        DayNumber(FIRST_DAY.0 + day)
    }

    /// When a unit of a day begins.
    pub fn instant(day: u16, unit: u16) -> UnixMillis {
        UnixMillis(EVE_MS + (i64::from(day) + 1) * DAY_MS + i64::from(unit) * UNIT_MS)
    }

    /// Until when a counter is sealed on a day.
    pub fn sealed_until(&self, day: u16, counter: u8) -> Option<UnixMillis> {
        let minutes = self.sealed_minutes.filter(|_| counter == 0)?;
        let days = if self.is_weekly() { 0 } else { i64::from(day) };
        let after = i64::from(minutes) * MINUTE_MS + days * DAY_MS;
        Some(UnixMillis(Town::begin().0 + after))
    }

    fn is_weekly(&self) -> bool {
        self.release.is_some_and(|release| release.weekly)
    }

    /// How long the window of its releases is.
    pub fn drip_ms(&self) -> i64 {
        let minutes = self.release.map_or(0, |release| release.drip_minutes);
        i64::from(minutes) * MINUTE_MS
    }

    /// The release of a day.
    pub fn release(&self, office: u16, day: u16) -> ReleaseId {
        let days = if self.is_weekly() { 0 } else { day };
        ReleaseId {
            office: office + 1,
            day: DayNumber(FIRST_DAY.0 - 1 + days),
            minute: BEGIN_MINUTE + self.sealed_minutes.unwrap_or(0),
        }
    }

    pub fn is_open(&self, counter: u8, unit: u16) -> bool {
        let open = self.open.get(usize::from(counter)).copied().unwrap_or(0);
        (FIRST_UNIT..FIRST_UNIT + open).contains(&unit)
    }

    /// The same as a configuration.
    pub fn catalogue(&self) -> Catalogue {
        let service = Service {
            id: "reisepass".into(),
            number: 1,
            department: 0,
            name: text("Reisepass"),
            minutes: 5,
            quantity_max: 4,
            combines_with: vec![],
            leika: vec![],
        };
        Catalogue {
            city: City {
                id: "simstadt".into(),
                name: text("Simstadt"),
                land: Land::Nw,
                zone_name: "UTC".into(),
                zone: TimeZone::UTC,
            },
            departments: vec![Department {
                id: "rathaus".into(),
                name: text("Rathaus"),
            }],
            services: vec![service],
            offices: (1..=self.offices)
                .map(|number| self.office(number))
                .collect(),
            rooms: self.room.iter().map(|it| it.rule(self.offices)).collect(),
        }
    }

    fn office(&self, number: u16) -> Office {
        let all = (0..self.counters).fold(CounterSet::EMPTY, |set, counter| {
            set.or(CounterSet::only(counter))
        });
        let opening = (0..self.counters).map(|counter| Opening {
            when: Selector {
                counters: CounterSet::only(counter),
                weekdays: Weekdays::ALL,
                hours: Hours {
                    from: FIRST_UNIT * 5,
                    to: (FIRST_UNIT + self.open[usize::from(counter)]) * 5,
                },
            },
            every_weeks: 1,
            valid_from: None,
            valid_until: None,
            on_holidays: true,
        });
        let wave = self.sealed_minutes.map(|minutes| {
            let when = Selector {
                counters: CounterSet::only(0),
                weekdays: Weekdays::ALL,
                hours: Hours::ALL_DAY,
            };
            let wave = Wave::daily(when, 1, BEGIN_MINUTE + minutes);
            let weekly = Schedule::Weekly {
                weekday: Weekday::Monday,
                weeks_ahead: 0,
            };
            Wave {
                schedule: if self.is_weekly() {
                    weekly
                } else {
                    wave.schedule
                },
                drip_minutes: self.release.map_or(0, |release| release.drip_minutes),
                ..wave
            }
        });
        Office {
            id: format!("buergerbuero-{number}"),
            number,
            department: 0,
            name: text("Bürgerbüro"),
            address: String::new(),
            status: Status::Live,
            unit_minutes: 5,
            hold_minutes: self.hold_minutes,
            notice_minutes: 0,
            horizon_days: 30,
            phone_required: false,
            questions: vec![],
            offers: vec![Offer {
                service: ServiceIndex(0),
                minutes: 5,
                quantity_max: 4,
                counters: all,
            }],
            counters: (1..=self.counters)
                .map(|number| Counter {
                    number,
                    name: String::new(),
                })
                .collect(),
            opening: opening.collect(),
            closures: vec![],
            quotas: vec![],
            waves: wave.into_iter().collect(),
        }
    }
}

fn text(text: &str) -> Text {
    Text {
        de: text.into(),
        en: text.into(),
    }
}
