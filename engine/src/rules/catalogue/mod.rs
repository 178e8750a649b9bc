//! The catalogue: what a city offers, where, when and under which conditions.
//!
//! These types are the *effective* configuration: every default is filled in, every reference is
//! an index that exists, every bound is checked. Only [`load`] makes them.

pub mod dump;
pub mod load;
pub mod reader;
pub mod schedule;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::cells::CounterSet;
use super::holidays::Land;
pub use schedule::Schedule;

/// A whole city.
#[derive(Debug)]
pub struct Catalogue {
    pub city: City,
    pub departments: Vec<Department>,
    pub services: Vec<Service>,
    pub offices: Vec<Office>,
    pub rooms: Vec<RoomRule>,
}

/// Who runs this installation.
#[derive(Debug)]
pub struct City {
    pub id: String,
    pub name: Text,
    /// Decides the public holidays.
    pub land: Land,
    /// IANA name, e.g. `Europe/Berlin`.
    pub zone_name: String,
    pub zone: TimeZone,
}

/// A text for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    pub de: String,
    pub en: String,
}

/// Groups offices (Amt).
#[derive(Debug)]
pub struct Department {
    pub id: String,
    pub name: Text,
}

/// Position of a service in [`Catalogue::services`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceIndex(pub u16);

/// Position of an office in [`Catalogue::offices`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OfficeIndex(pub u16);

/// What a citizen comes for.
#[derive(Debug)]
pub struct Service {
    pub id: String,
    /// Stable number that ledger records carry; never re-used for another service.
    pub number: u16,
    /// Position in [`Catalogue::departments`].
    pub department: usize,
    pub name: Text,
    /// Minutes per person where an office does not say otherwise.
    pub minutes: u16,
    pub quantity_max: u8,
    /// Services that may be booked in the same visit; symmetric, without the service itself.
    pub combines_with: Vec<ServiceIndex>,
    /// LeiKa keys, 14 digits each; a service can have none or several.
    pub leika: Vec<String>,
}

/// How far an office's roll-out has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not shown, not bookable; bookings that exist are kept.
    Off,
    /// Visible and bookable only for callers with a service key for tests.
    Test,
    Live,
}

/// A place with counters and opening hours.
#[derive(Debug)]
pub struct Office {
    pub id: String,
    /// Stable number that ids carry; never re-used for another office.
    pub number: u16,
    /// Position in [`Catalogue::departments`].
    pub department: usize,
    pub name: Text,
    pub address: String,
    pub status: Status,
    /// Grid of the day in minutes: 5, 10, 15, 20, 30 or 60. Starts lie on it, visits are rounded
    /// up to it.
    pub unit_minutes: u16,
    /// How long a hold lasts, in minutes.
    pub hold_minutes: u16,
    /// Earliest bookable start counted from now, in minutes.
    pub notice_minutes: u32,
    /// Last day that exists for booking, counted from today.
    pub horizon_days: u16,
    pub phone_required: bool,
    pub questions: Vec<Question>,
    /// Sorted by service.
    pub offers: Vec<Offer>,
    /// Sorted by number.
    pub counters: Vec<Counter>,
    pub opening: Vec<Opening>,
    pub closures: Vec<Closure>,
    /// Where several match a cell, the first one counts.
    pub quotas: Vec<Quota>,
    /// Waves of the release; where several match a cell the first one counts, where none does
    /// the cell is open at once. Empty is the policy *open*.
    pub waves: Vec<Wave>,
}

/// A service as one office offers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    pub service: ServiceIndex,
    /// Minutes per person here.
    pub minutes: u16,
    pub quantity_max: u8,
    /// Counters that serve it.
    pub counters: CounterSet,
}

/// A desk that serves one person at a time.
#[derive(Debug)]
pub struct Counter {
    /// 1 to 64; stable, since ids carry it. Its bit in a [`CounterSet`] is `number - 1`.
    pub number: u8,
    /// What the sign says, e.g. `Zimmer 104`.
    pub name: String,
}

/// Something an office asks at booking.
#[derive(Debug)]
pub struct Question {
    pub id: String,
    pub label: Text,
    pub required: bool,
    pub chars_max: u16,
    /// Asked only when one of these is booked; empty means always.
    pub services: Vec<ServiceIndex>,
}

/// A part of an office's week: these counters, on these weekdays, at these hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    pub counters: CounterSet,
    pub weekdays: Weekdays,
    pub hours: Hours,
}

/// Bit 0 is Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weekdays(pub u8);

impl Weekdays {
    pub const ALL: Weekdays = Weekdays(0b0111_1111);

    pub fn contains(self, weekday: jiff::civil::Weekday) -> bool {
        self.0 & (1 << weekday.to_monday_zero_offset()) != 0
    }
}

/// Wall-clock minutes of a day, `from` inclusive to `to` exclusive; 0 ≤ from < to ≤ 1440.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    pub from: u16,
    pub to: u16,
}

impl Hours {
    pub const ALL_DAY: Hours = Hours { from: 0, to: 1440 };
}

/// A rule by which counters are open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    pub when: Selector,
    /// 1 = every week, 2 = every second week …, counted from the week of `valid_from`.
    pub every_weeks: u8,
    /// First day of validity; always set when `every_weeks` > 1.
    pub valid_from: Option<Date>,
    /// Last day of validity.
    pub valid_until: Option<Date>,
    /// Whether the rule also holds on a public holiday of the Land.
    pub on_holidays: bool,
}

/// A time in which counters are closed although a rule opens them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closure {
    pub from: Date,
    /// Last closed day.
    pub until: Date,
    pub when: Selector,
    pub reason: Text,
}

/// Who asks for a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Everybody, over the web.
    Public,
    /// The call centre (115).
    CallCentre,
    /// The desk in the hall.
    WalkIn,
    /// Wishes: what is held back for them, and what was given back and rests.
    Agent,
}

impl Channel {
    pub const EACH: [Channel; 4] = [
        Channel::Public,
        Channel::CallCentre,
        Channel::WalkIn,
        Channel::Agent,
    ];
}

/// Capacity held back for one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    pub channel: Channel,
    pub when: Selector,
}

/// A part of each day that stays sealed until its release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wave {
    pub when: Selector,
    pub schedule: Schedule,
    /// Wall-clock minute of the release, e.g. 390 for 6:30.
    pub at: u16,
    /// How much it takes of what earlier waves have left, 1 to 100; the rest is for later ones.
    pub share_percent: u8,
    /// Over how many minutes its pieces become bookable one by one; 0 is all at once.
    pub drip_minutes: u16,
}

impl Wave {
    /// All of it at once, so many days before each day.
    pub fn daily(when: Selector, days_ahead: u16, at: u16) -> Wave {
        Wave {
            when,
            schedule: Schedule::Daily { days_ahead },
            at,
            share_percent: 100,
            drip_minutes: 0,
        }
    }
}

/// A waiting room before a release, on every day that has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomRule {
    pub id: String,
    /// Stable number that tickets carry; never re-used for another room.
    pub number: u16,
    /// Position in [`Catalogue::departments`].
    pub department: usize,
    pub name: Text,
    /// Wall-clock minute of the release: the waves of its offices at this minute are the room's.
    pub at: u16,
    pub policy: RoomPolicy,
    /// Sorted.
    pub offices: Vec<OfficeIndex>,
    /// How long before the release the room opens.
    pub opens_minutes: u16,
    /// How long after the release it closes at the latest.
    pub closes_minutes: u16,
    /// Passes that are live at once.
    pub passes_max: u32,
    pub passes_per_minute: u32,
    /// How long a called place waits for its ticket.
    pub turn_minutes: u16,
    /// How long a pass lasts.
    pub pass_minutes: u16,
    /// Holds that one pass can have at once.
    pub holds_per_pass: u8,
    /// Most tries that joining costs a visitor's device; 0 is none.
    pub proof_of_work: u32,
    pub beacons: Option<Beacons>,
}

/// What the draw of a room decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomPolicy {
    /// The line in which people are let in to choose for themselves.
    Line,
    /// Who gets a seat: tickets are wishes, and the seats are given out in the order of the draw.
    Lottery,
}

/// Where a public random value comes from that nobody knows before the release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beacons {
    /// What anybody can look it up by: an address, or words.
    pub source: String,
    /// Whether the source is an address that the service asks itself.
    pub fetched: bool,
    /// How long after the release an address is asked: what comes must have been published after
    /// the last ticket was taken.
    pub after_seconds: u32,
    /// How long after the release the draw waits for it; then it is made without.
    pub wait_seconds: u32,
}

impl Catalogue {
    /// The room that a release of the office at this minute belongs to.
    pub fn room_at(&self, office: &Office, at: u16) -> Option<&RoomRule> {
        let of_office = |index: &OfficeIndex| self.office(*index).number == office.number;
        let has_it = |rule: &&RoomRule| rule.at == at && rule.offices.iter().any(of_office);
        self.rooms.iter().find(has_it)
    }

    pub fn room_by_number(&self, number: u16) -> Option<&RoomRule> {
        self.rooms.iter().find(|rule| rule.number == number)
    }

    pub fn service(&self, index: ServiceIndex) -> &Service {
        &self.services[usize::from(index.0)]
    }

    pub fn service_by_id(&self, id: &str) -> Option<ServiceIndex> {
        position(&self.services, |service| service.id == id).map(ServiceIndex)
    }

    pub fn service_by_number(&self, number: u16) -> Option<&Service> {
        self.services
            .iter()
            .find(|service| service.number == number)
    }

    pub fn office(&self, index: OfficeIndex) -> &Office {
        &self.offices[usize::from(index.0)]
    }

    pub fn office_by_id(&self, id: &str) -> Option<OfficeIndex> {
        position(&self.offices, |office| office.id == id).map(OfficeIndex)
    }

    pub fn office_by_number(&self, number: u16) -> Option<OfficeIndex> {
        position(&self.offices, |office| office.number == number).map(OfficeIndex)
    }
}

fn position<T>(items: &[T], is_it: impl Fn(&T) -> bool) -> Option<u16> {
    items
        .iter()
        .position(is_it)
        .and_then(|position| u16::try_from(position).ok())
}

impl Office {
    /// What this office says about a service, if it offers it.
    pub fn offer(&self, service: ServiceIndex) -> Option<&Offer> {
        let position = self
            .offers
            .binary_search_by_key(&service, |offer| offer.service)
            .ok()?;
        self.offers.get(position)
    }

    /// All counters of this office.
    pub fn all_counters(&self) -> CounterSet {
        self.counters
            .iter()
            .fold(CounterSet::EMPTY, |set, counter| {
                set.or(CounterSet::only(counter.number - 1))
            })
    }
}
