//! What one office's day offers, generated from its rules.
//!
//! A unit is five minutes, everywhere and for ever: ids and ledger records count in units, so a
//! city can change an office's grid (a multiple of the unit) without moving a single booking.
//! Units count real time from the first instant of the local day, so k units are always k times
//! five minutes, also on the days of 23 and 25 hours; wall-clock rules are mapped onto them.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::catalogue::schedule::monday;
use super::catalogue::{Catalogue, Channel, Hours, Office, Opening, Selector};
use super::cells::CounterSet;
use super::holidays::is_holiday;
use super::pieces::share;
use super::release::ReleaseId;
use super::room::RoomId;
use super::time::{DayNumber, Millis, UnixMillis};

/// Length of a unit, in minutes.
pub const UNIT_MINUTES: u16 = 5;
/// Length of a unit.
pub const UNIT: Millis = Millis::from_minutes(UNIT_MINUTES as u32);
const UNIT_MS: u32 = UNIT.0 as u32;
/// Most units a day can have: 25 hours.
pub const UNITS_MAX: u16 = 300;

/// Sets of counters by unit.
pub type Cells = Box<[CounterSet]>;

/// One office's day as its rules make it, before anybody has taken anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayPlan {
    pub date: Date,
    /// First instant of the local day.
    pub starts_at: UnixMillis,
    /// Length of the day and of every array of cells, at most [`UNITS_MAX`].
    pub units: u16,
    /// Starts lie on multiples of this many units.
    pub grid: u16,
    /// Cells that everybody may book, sealed ones included.
    pub public: Cells,
    /// Cells held back for the call centre; empty when there are none.
    pub call_centre: Cells,
    /// Cells held back for the desk in the hall; empty when there are none.
    pub walk_in: Cells,
    /// Cells held back for wishes; empty when there are none.
    pub agent: Cells,
    /// Public cells that stay sealed until an instant, earliest first; disjoint.
    pub waves: Vec<PlannedWave>,
    /// Whether any wave is for the passes of a waiting room.
    pub guarded: bool,
    /// How long before its start a slot must be held.
    pub notice: Millis,
    /// Shortest need of this office in units: a smaller gap is lost.
    pub useful_units: u8,
}

/// Cells that become bookable together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedWave {
    pub at: UnixMillis,
    /// What staff and the ledger know it by.
    pub release: ReleaseId,
    /// Over how long its pieces become bookable one by one; 0 is all at once.
    pub drip: Millis,
    pub cells: Cells,
    /// The waiting room without whose pass nobody may hold them, if there is one.
    pub guard: Option<Guard>,
}

/// Until when cells are for the passes of a waiting room, unless the room ends before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    pub room: RoomId,
    pub until: UnixMillis,
}

impl DayPlan {
    /// The cells held for a channel, sealed ones included.
    pub fn of(&self, channel: Channel) -> &[CounterSet] {
        match channel {
            Channel::Public => &self.public,
            Channel::CallCentre => &self.call_centre,
            Channel::WalkIn => &self.walk_in,
            Channel::Agent => &self.agent,
        }
    }

    /// The instant at which a unit starts.
    pub fn instant(&self, unit: u16) -> UnixMillis {
        self.starts_at + Millis(UNIT.0 * i64::from(unit))
    }

    /// The unit that starts at this instant, if one does and it lies on the grid.
    pub fn unit_at(&self, instant: UnixMillis) -> Option<u16> {
        let offset = instant.0.checked_sub(self.starts_at.0)?;
        let offset_ms = u32::try_from(offset).ok()?;
        let unit = u16::try_from(offset_ms / UNIT_MS).ok()?;
        let is_start = offset_ms % UNIT_MS == 0 && unit.is_multiple_of(self.grid);
        (is_start && unit < self.units).then_some(unit)
    }

    /// Whether any counter is open at any time.
    pub fn is_open(&self) -> bool {
        let has_cells = |channel: Channel| self.of(channel).iter().any(|set| !set.is_empty());
        Channel::EACH.into_iter().any(has_cells)
    }
}

/// What guards a wave of the office that is released on this date at this minute.
fn guard(
    catalogue: &Catalogue,
    office: &Office,
    released_on: Date,
    minute: u16,
    at: UnixMillis,
) -> Option<Guard> {
    let rule = catalogue.room_at(office, minute)?;
    let room = RoomId {
        number: rule.number,
        day: DayNumber::from_date(released_on)?,
    };
    let until = at + Millis::from_minutes(u32::from(rule.closes_minutes));
    Some(Guard { room, until })
}

/// The plan of `office` on `date`.
pub fn plan(catalogue: &Catalogue, office: &Office, date: Date) -> DayPlan {
    let frame = Frame::new(&catalogue.city.zone, date);
    let holiday = is_holiday(catalogue.city.land, date);

    let mut open = no_cells(frame.units());
    for rule in office
        .opening
        .iter()
        .filter(|rule| opens(rule, date, holiday))
    {
        frame.paint(&rule.when, |unit, counters| {
            open[unit] = open[unit].or(counters)
        });
    }
    for closure in &office.closures {
        if closure.from <= date && date <= closure.until {
            frame.paint(&closure.when, |unit, counters| {
                open[unit] = open[unit].without(counters)
            });
        }
    }

    let mut public = open;
    let mut call_centre = no_cells(frame.units());
    let mut walk_in = no_cells(frame.units());
    let mut agent = no_cells(frame.units());
    for quota in &office.quotas {
        let held_back = match quota.channel {
            Channel::Public => continue,
            Channel::CallCentre => &mut call_centre,
            Channel::WalkIn => &mut walk_in,
            Channel::Agent => &mut agent,
        };
        frame.paint(&quota.when, |unit, counters| {
            let cells = public[unit].and(counters);
            held_back[unit] = held_back[unit].or(cells);
            public[unit] = public[unit].without(cells);
        });
    }

    let mut unassigned = public.clone();
    let mut waves: Vec<PlannedWave> = Vec::new();
    let turn = usize::from(DayNumber::from_date(date).map_or(0, |day| day.0));
    for wave in &office.waves {
        let Some(released_on) = wave.schedule.released_on(date) else {
            continue;
        };
        let mut cells = no_cells(frame.units());
        frame.paint(&wave.when, |unit, counters| {
            cells[unit] = cells[unit].or(unassigned[unit].and(counters));
        });
        if wave.share_percent < 100 {
            cells = share(&cells, wave.share_percent, longest_units(office), turn);
        }
        for (left, taken) in unassigned.iter_mut().zip(&cells) {
            *left = left.without(*taken);
        }
        let at = instant_of(&catalogue.city.zone, released_on, wave.at);
        let guard = guard(catalogue, office, released_on, wave.at, at);
        let release = ReleaseId {
            office: office.number,
            day: DayNumber::from_date(released_on).unwrap_or(DayNumber(0)),
            minute: wave.at,
        };
        waves.push(PlannedWave {
            at,
            release,
            drip: Millis::from_minutes(u32::from(wave.drip_minutes)),
            cells,
            guard,
        });
    }
    waves.retain(|wave| wave.cells.iter().any(|set| !set.is_empty()));
    waves.sort_by_key(|wave| wave.at);

    DayPlan {
        date,
        starts_at: frame.starts_at,
        units: frame.units(),
        grid: office.unit_minutes / UNIT_MINUTES,
        public,
        guarded: waves.iter().any(|wave| wave.guard.is_some()),
        call_centre: none_if_empty(call_centre),
        walk_in: none_if_empty(walk_in),
        agent: none_if_empty(agent),
        waves,
        notice: Millis::from_minutes(office.notice_minutes),
        useful_units: useful_units(office),
    }
}

/// No counters in any of so many units.
pub(super) fn no_cells(units: u16) -> Cells {
    vec![CounterSet::EMPTY; usize::from(units)].into_boxed_slice()
}

fn none_if_empty(cells: Cells) -> Cells {
    if cells.iter().all(|set| set.is_empty()) {
        Cells::default()
    } else {
        cells
    }
}

fn useful_units(office: &Office) -> u8 {
    let minutes = office.offers.iter().map(|offer| offer.minutes);
    units_of(office, minutes.min())
}

/// Longest visit of one person with one service, in units.
fn longest_units(office: &Office) -> u8 {
    let minutes = office.offers.iter().map(|offer| offer.minutes);
    units_of(office, minutes.max())
}

/// A visit's length on the office's grid.
fn units_of(office: &Office, minutes: Option<u16>) -> u8 {
    let steps = minutes.unwrap_or(1).div_ceil(office.unit_minutes);
    u8::try_from(steps.saturating_mul(office.unit_minutes / UNIT_MINUTES)).unwrap_or(u8::MAX)
}

fn opens(rule: &Opening, date: Date, holiday: bool) -> bool {
    if holiday && !rule.on_holidays {
        return false;
    }
    if rule.valid_from.is_some_and(|from| date < from)
        || rule.valid_until.is_some_and(|until| until < date)
    {
        return false;
    }
    match (rule.every_weeks, rule.valid_from) {
        (0 | 1, _) | (_, None) => true,
        (every, Some(from)) => {
            let weeks = monday(from)
                .until(monday(date))
                .map_or(0, |span| span.get_days() / 7);
            weeks % i32::from(every) == 0
        }
    }
}

/// The instant of a wall-clock minute of a day. A minute that the clock skips in spring means the
/// same distance after the gap; one that it shows twice in autumn means the first time.
pub fn instant_of(zone: &TimeZone, date: Date, minute: u16) -> UnixMillis {
    let (date, minute) = if minute >= 1440 {
        (date.tomorrow().unwrap_or(date), minute - 1440)
    } else {
        (date, minute)
    };
    let hour = i8::try_from(minute / 60).expect("minutes of a day have at most 23 hours");
    let minute = i8::try_from(minute % 60).expect("a remainder below 60");
    date.at(hour, minute, 0, 0)
        .to_zoned(zone.clone())
        .map_or(UnixMillis(i64::MAX), |zoned| zoned.timestamp().into())
}

/// A day's units, and what the clock on the wall shows when each begins.
struct Frame {
    date: Date,
    starts_at: UnixMillis,
    /// Wall-clock minute of the day by unit. An hour that the clock skips is in none of them, an
    /// hour that it shows twice is there twice.
    shown: Box<[u16]>,
}

impl Frame {
    fn new(zone: &TimeZone, date: Date) -> Frame {
        let starts_at = instant_of(zone, date, 0);
        let length = instant_of(zone, date, 1440) - starts_at;
        let units = (length.0 / UNIT.0).clamp(0, i64::from(UNITS_MAX));
        let shown = |unit| {
            let time = zone.to_datetime((starts_at + Millis(UNIT.0 * unit)).to_jiff());
            u16::from(time.hour().unsigned_abs()) * 60 + u16::from(time.minute().unsigned_abs())
        };
        Frame {
            date,
            starts_at,
            shown: (0..units).map(shown).collect(),
        }
    }

    fn units(&self) -> u16 {
        u16::try_from(self.shown.len()).expect("at most UNITS_MAX")
    }

    /// Calls `brush` with each unit that lies wholly in the selector's hours of this day.
    fn paint(&self, when: &Selector, mut brush: impl FnMut(usize, CounterSet)) {
        if !when.weekdays.contains(self.date.weekday()) {
            return;
        }
        let Hours { from, to } = when.hours;
        for (unit, shown) in self.shown.iter().enumerate() {
            if from <= *shown && shown + UNIT_MINUTES <= to {
                brush(unit, when.counters);
            }
        }
    }
}
