//! By which a seat that becomes free finds the wish that is next, among a million.
//!
//! ```text
//! mod.rs      what a wish and a gap are, and who is first among all lines
//! line.rs     those who wait at one office for visits of one kind, in order
//! columns.rs  the bits that say who wants what
//! visits.rs   when a visit can begin in a gap
//! ```
//!
//! A gap asks the lines whose visits it can hold. Each of them keeps its wishes in order and, for
//! each hour of the week, each day and each usual notice, a column with one bit a wish. The columns
//! of the gap, ANDed, leave those who fit, so that a gap that nobody wants costs a few operations
//! for 64 wishes, and one that somebody near the front wants next to nothing.
//!
//! Only two things are not in the columns and must be asked of each wish that they leave: a notice
//! between two steps of [`NOTICE_STEPS`](super::NOTICE_STEPS), and, for a booking that is to be
//! brought forward, whether a seat is earlier on the booking's own day or the one after. The first
//! is rare, because wishes are laid with [usual notices](super::usual_notice); the second is
//! bounded by the bookings of two days. What also costs is every other kind of visit at an office,
//! of which each is looked at.
//!
//! A wish takes some 53 bytes for each office that it names: 32 for itself, the rest are bits.

mod columns;
mod line;
mod visits;

use std::collections::BTreeMap;

use self::line::{Line, Search};
use self::visits::Visits;
use super::windows::Windows;
use super::{Place, WishId};
use crate::rules::calendar::UNIT;
use crate::rules::cells::CounterSet;
use crate::rules::time::{DayNumber, Millis, UnixMillis};

/// What decides whether a seat at one of a wish's offices fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: WishId,
    pub place: Place,
    pub windows: Windows,
    /// First day.
    pub from: DayNumber,
    /// Last day. Each day of the wish takes a bit, so it is not far off.
    pub until: DayNumber,
    /// How long before its start a seat must come at the latest, in minutes.
    pub notice_minutes: u32,
    /// Only what starts before this is wanted; the end of time for everybody who has no booking
    /// yet.
    pub before: UnixMillis,
}

/// Free units in a row on one counter of an office's day.
#[derive(Clone, Copy, Debug)]
pub struct Gap<'d> {
    pub office: u16,
    pub day: DayNumber,
    /// Monday is 0.
    pub weekday: u8,
    /// Index of the counter, its number less one.
    pub counter: u8,
    pub start: u16,
    /// First unit after the gap.
    pub end: u16,
    /// Starts lie on multiples of this many units.
    pub grid: u16,
    /// By unit of the day: the hour that the clock on the wall shows.
    pub hours: &'d [u8],
    /// When the day's first unit begins.
    pub starts_at: UnixMillis,
    pub now: UnixMillis,
}

impl Gap<'_> {
    fn instant(&self, unit: u16) -> UnixMillis {
        self.starts_at + Millis(UNIT.0 * i64::from(unit))
    }

    /// Whole minutes from now to a start; none if it is over.
    fn lead_minutes(&self, start: u16) -> Option<u32> {
        let lead = self.instant(start) - self.now;
        let minutes = lead.0.div_euclid(Millis::from_minutes(1).0);
        (minutes >= 0).then(|| u32::try_from(minutes).unwrap_or(u32::MAX))
    }
}

/// Who gets a gap, or a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub id: WishId,
    pub place: Place,
    /// First unit of the visit.
    pub start: u16,
    pub units: u8,
}

/// Whether a wish may have a start at which it fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suits {
    Yes,
    /// Not this one, but perhaps another one in the gap.
    Elsewhere,
    No,
}

/// Who is before whom: no two wishes have the same.
type Rank = (Place, WishId);

/// All wishes that wait, by office and by what they need there.
#[derive(Debug, Default)]
pub struct Index {
    offices: BTreeMap<u16, Office>,
}

#[derive(Debug, Default)]
struct Office {
    /// By units and counters of the visit; none of them is empty.
    lines: BTreeMap<(u8, u64), Line>,
    waiting: usize,
}

impl Index {
    /// The wish waits at the office for visits of so many units on one of these counters.
    ///
    /// If it does so already, it waits for what the entry says from now on.
    pub fn insert(&mut self, office: u16, units: u8, counters: CounterSet, entry: Entry) {
        let office = self.offices.entry(office).or_default();
        let line = office.lines.entry((units, counters.0)).or_default();
        office.waiting += usize::from(line.insert(&entry));
    }

    /// Returns whether it waited there for that, at this place.
    pub fn remove(
        &mut self,
        office: u16,
        units: u8,
        counters: CounterSet,
        place: Place,
        id: WishId,
    ) -> bool {
        let Some(at) = self.offices.get_mut(&office) else {
            return false;
        };
        let Some(line) = at.lines.get_mut(&(units, counters.0)) else {
            return false;
        };
        if !line.remove((place, id)) {
            return false;
        }
        if line.is_empty() {
            at.lines.remove(&(units, counters.0));
        }
        at.waiting -= 1;
        if at.waiting == 0 {
            self.offices.remove(&office);
        }
        true
    }

    pub fn is_empty(&self) -> bool {
        self.offices.is_empty()
    }

    /// Wishes before this one at an office that would come at one of its hours.
    pub fn ahead(&self, office: u16, place: Place, id: WishId, windows: Windows) -> usize {
        let lines = self.offices.get(&office).into_iter();
        let lines = lines.flat_map(|office| office.lines.values());
        lines.map(|line| line.ahead((place, id), windows)).sum()
    }

    /// Wishes that name this office.
    pub fn waiting_at(&self, office: u16) -> usize {
        self.offices.get(&office).map_or(0, |it| it.waiting)
    }

    /// The first wish that fits somewhere in the gap and that `suits` lets pass.
    ///
    /// `suits` is asked in the order of the wishes, each of them once, with the start that it would
    /// get. Somebody fits at a start if the gap's counter is one of theirs, the day one of their
    /// days and all hours of the visit theirs, and if they get their notice.
    pub fn find(&self, gap: &Gap<'_>, mut suits: impl FnMut(WishId, u16) -> bool) -> Option<Found> {
        self.find_where(gap, |id, start| {
            if suits(id, start) {
                Suits::Yes
            } else {
                Suits::No
            }
        })
    }

    /// As [`Index::find`]; who may not have one start is asked about the others, earliest first.
    pub fn find_where(
        &self,
        gap: &Gap<'_>,
        mut suits: impl FnMut(WishId, u16) -> Suits,
    ) -> Option<Found> {
        let office = self.offices.get(&gap.office)?;
        let mut visits: Vec<Visits<'_, '_>> = Vec::new();
        let mut units_before = None;
        for (units, _) in office.lines.keys() {
            if units_before.replace(*units) != Some(*units) {
                visits.extend(Visits::new(gap, *units));
            }
        }
        let search = |(&(units, counters), line)| {
            let is_able = CounterSet(counters).contains(gap.counter);
            let visits = visits.iter().find(|it| it.units() == units);
            visits.filter(|_| is_able).map(|it| Search::new(line, it))
        };
        let mut searches: Vec<Search<'_, '_>> = office.lines.iter().filter_map(search).collect();
        loop {
            let mut first: Option<(usize, (Rank, u16))> = None;
            for (nth, search) in searches.iter_mut().enumerate() {
                let limit = first.map(|(_, (rank, _))| rank);
                if let Some(head) = search.head(limit) {
                    first = Some((nth, head));
                }
            }
            let (nth, ((place, id), start)) = first?;
            let start = match suits(id, start) {
                Suits::Yes => Some(start),
                Suits::Elsewhere => searches[nth].elsewhere(|start| suits(id, start) == Suits::Yes),
                Suits::No => None,
            };
            if let Some(start) = start {
                return Some(Found {
                    id,
                    place,
                    start,
                    units: searches[nth].units(),
                });
            }
            searches[nth].skip();
        }
    }
}
