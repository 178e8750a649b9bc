//! One office's day: who has which seat, and what may happen next.
//!
//! ```text
//!            extend (once)
//!               ┌──┐
//!  free ──hold──▶ held ──confirm──▶ confirming ──durable──▶ booked ──cancel──▶ cancelling
//!   ▲             │  ▲                  │                    │  ▲                   │
//!   └─release─────┤  └──refused─────────┘                    │  └──refused──────────┤
//!   └─expire──────┘                        moving ◀──move────┘                  durable
//!                                            └──durable──▶ moved            cancelled ◀┘
//! ```
//!
//! A seat in *confirming*, *cancelling* or *moving* waits for the ledger: nothing frees it and
//! nobody else gets it until the ledger has spoken. The day is a plain value; whoever holds it
//! decides alone, so there is exactly one winner per seat.

mod bookings;
mod holds;
mod releases;
mod rests;
mod slab;

use std::ops::Range;

use super::calendar::{Cells, DayPlan, PlannedWave, UNITS_MAX};
use super::catalogue::Channel;
use super::cells::{COUNTERS_MAX, CounterSet};
use super::ids::{DayKey, Digest, ReservationId, Seat};
use super::need::{Need, Services};
use super::record::{Confirmed, Contract, Position};
use super::room::admission::Stock;
use super::room::{RoomId, TicketId};
use super::time::{DayNumber, Millis, UnixMillis};

pub use bookings::{Begun, BookingRefusal, MoveOutcome};
pub use holds::{Ask, Expiry, ExtendRefusal, HoldRefusal, HoldUse, HoldView};
use releases::Progress;
pub use releases::ReleaseTaken;
pub use rests::{Rest, SeatAsk};
pub use slab::RESERVATIONS_MAX;
use slab::Slab;

/// An office's day and everything reserved in it.
#[derive(Debug)]
pub struct Day {
    key: DayKey,
    plan: DayPlan,
    /// By [`Channel`] and unit: the counters that it may book, taken or not. Disjoint.
    bookable: [DayCells; 4],
    /// By unit: the counters that nobody has taken, open or not. Apart from what is bookable,
    /// because only this changes with every hold: few cache lines travel between the cores, and
    /// the others can be kept by all of them.
    vacant: DayCells,
    /// From the first unit that anybody may book, sealed or not, to behind the last one: whoever
    /// looks at all of the day need not look at its night.
    open: Range<usize>,
    /// How far each of the plan's waves has come.
    releases: Vec<Progress>,
    /// When more of a wave is released; the end of time if nothing is to come.
    next_release: UnixMillis,
    /// Seats that were given back and are for wishes alone for a while.
    rests: Vec<Rest>,
    /// The next release or the next end of a rest: until then time changes nothing.
    next_change: UnixMillis,
    /// Rooms whose passes no cells of this day need any more, although their time is not over.
    lifted: Vec<RoomId>,
    slab: Slab,
    /// Rises with everything that can change what is bookable.
    changes: u64,
}

/// Sets of counters by unit, in place and as long as the longest day, so that finding the cells of
/// a start needs neither a pointer nor a length. A shorter day leaves the rest as it is made.
type DayCells = [CounterSet; UNITS_MAX as usize];

const NO_CELLS: DayCells = [CounterSet::EMPTY; UNITS_MAX as usize];
const ALL_CELLS: DayCells = [CounterSet::ALL; UNITS_MAX as usize];

/// Somebody's right to a seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    pub id: ReservationId,
    pub services: Services,
    pub channel: Channel,
    /// Of the hold's secret.
    pub secret: Digest,
    /// Of whose pass it was made with, while it is a hold.
    pub ticket: Option<TicketId>,
    pub state: State,
}

/// Contracts are boxed, so that what the many holds fill is two cache lines and not three.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Held(HoldTerms),
    Confirming(HoldTerms, Box<Contract>),
    Booked(Box<Contract>, Position),
    Cancelling(Box<Contract>, Position),
    Moving(Box<Contract>, Position),
    Cancelled(Box<Contract>, Position),
    Moved {
        to: ReservationId,
        contract: Box<Contract>,
        position: Position,
    },
}

impl State {
    /// Whether the reservation takes its seat.
    pub fn occupies(&self) -> bool {
        !matches!(self, State::Cancelled(..) | State::Moved { .. })
    }
}

/// How long a hold lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldTerms {
    pub deadline: UnixMillis,
    pub extended: bool,
}

/// Whether a restored reservation still lies in the opening hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    Fits,
    /// The rules have changed: the reservation is kept, and somebody has to look at it.
    Conflict,
}

/// Two reservations claim the same counter at the same time: the data is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the seat is already taken by another reservation")]
pub struct Overlap;

/// A start and the number of seats free there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    pub unit: u16,
    pub seats: u8,
}

/// What is bookable on a day, and for how long this stays true if nobody books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Starts {
    pub starts: Vec<Start>,
    /// The next release as people are told it, while cells are sealed.
    pub sealed_until: Option<UnixMillis>,
    /// The first instant at which time alone changes the answer.
    pub valid_until: UnixMillis,
    /// [`Day::changes`] when this was read.
    pub changes: u64,
}

/// Room for the starts of most days, so that it is asked for once.
const STARTS_EXPECTED: usize = 64;
const END_OF_TIME: UnixMillis = UnixMillis(i64::MAX);

impl Day {
    pub fn new(key: DayKey, plan: DayPlan) -> Day {
        let mut day = Day {
            key,
            bookable: [NO_CELLS; 4],
            vacant: ALL_CELLS,
            open: 0..0,
            plan,
            releases: Vec::new(),
            next_release: END_OF_TIME,
            rests: Vec::new(),
            next_change: END_OF_TIME,
            lifted: Vec::new(),
            slab: Slab::default(),
            changes: 0,
        };
        day.apply_plan();
        day
    }

    pub fn plan(&self) -> &DayPlan {
        &self.plan
    }

    /// Rises with everything that can change what is bookable.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// The reservation with this id, unless it ended and its slot is used again.
    pub fn reservation(&self, id: ReservationId) -> Option<&Reservation> {
        self.slab.get(id)
    }

    pub fn reservations(&self) -> impl Iterator<Item = &Reservation> {
        self.slab.iter()
    }

    /// Whether a booking that began here has moved to `first_kept` or later.
    pub fn leads_to_day(&self, first_kept: DayNumber) -> bool {
        self.slab.iter().any(|reservation| match reservation.state {
            State::Moved { to, .. } => to.day_key().day >= first_kept,
            _ => false,
        })
    }

    /// Puts the day under other rules. Nothing reserved is lost: what no longer lies in the
    /// opening hours is returned, for somebody to look at.
    pub fn reopen(&mut self, plan: DayPlan) -> Vec<ReservationId> {
        assert_eq!(
            plan.units, self.plan.units,
            "the length of a day does not change"
        );
        self.plan = plan;
        self.apply_plan();
        self.conflicts()
    }

    /// Live reservations outside the opening hours.
    pub fn conflicts(&self) -> Vec<ReservationId> {
        let live = self
            .slab
            .iter()
            .filter(|reservation| reservation.state.occupies());
        live.map(|reservation| reservation.id)
            .filter(|id| !self.is_open_for(id.seat()))
            .collect()
    }

    /// Puts back a reservation that the ledger remembers.
    ///
    /// # Errors
    /// [`Overlap`] when its seat or its slot is taken; the day is unchanged then.
    pub fn restore(&mut self, reservation: Reservation) -> Result<Fit, Overlap> {
        let seat = reservation.id.seat();
        assert_eq!(
            seat.key, self.key,
            "a reservation is restored to its own day"
        );
        let inside = seat.counter < COUNTERS_MAX && seat.end() <= self.plan.units;
        if reservation.state.occupies() && (!inside || !self.is_vacant(seat)) {
            return Err(Overlap);
        }
        let occupies = reservation.state.occupies();
        let ended = matches!(&reservation.state, State::Cancelled(..));
        let id = reservation.id;
        self.slab.restore(reservation)?;
        if ended {
            self.slab.end(id);
        }
        if occupies {
            self.take(seat);
        }
        Ok(if self.is_open_for(seat) {
            Fit::Fits
        } else {
            Fit::Conflict
        })
    }

    /// The room is over: whoever wants its cells needs no pass any more.
    pub fn lift(&mut self, room: RoomId) {
        if !self.lifted.contains(&room) {
            self.lifted.push(room);
            self.changes += 1;
        }
    }

    /// What is left of the cells that this room's passes are for: seats of the shortest length that
    /// the office gives, side by side, and those that are reserved and can fall back.
    pub fn stock(&mut self, now: UnixMillis, room: RoomId) -> Stock {
        self.catch_up(now);
        let mut guarded = NO_CELLS;
        let own = |wave: &&PlannedWave| wave.guard.is_some_and(|guard| guard.room == room);
        for wave in self.plan.waves.iter().filter(own) {
            for (cell, planned) in guarded.iter_mut().zip(&wave.cells) {
                *cell = cell.or(*planned);
            }
        }
        let length = u32::from(self.plan.useful_units.max(1));
        let earliest = now + self.plan.notice;
        let is_over = |unit: &usize| {
            let unit = u16::try_from(*unit).unwrap_or(u16::MAX);
            self.plan.instant(unit) < earliest
        };
        let first = self.open.clone().find(|unit| !is_over(unit));
        let open = first.map_or(0..0, |first| first..self.open.end);
        let mut seats = 0;
        for counter in 0..COUNTERS_MAX {
            let mut run = 0;
            for unit in open.clone() {
                // Before the release nobody may book it, and it is there all the same.
                let free = guarded[unit]
                    .and(self.vacant[unit])
                    .without(self.resting(unit));
                let free = free.contains(counter);
                run = if free { run + 1 } else { 0 };
                if run == length {
                    (seats, run) = (seats + 1, 0);
                }
            }
        }
        let falls_back = |reservation: &&Reservation| {
            let held = matches!(reservation.state, State::Held(_) | State::Confirming(..));
            let seat = reservation.id.seat();
            let inside = |unit: usize| {
                let cells = guarded.get(unit);
                cells.is_some_and(|cells| cells.contains(seat.counter))
            };
            held && seat.span().all(inside)
        };
        let held = self.slab.iter().filter(falls_back).count();
        Stock {
            seats,
            held: held.try_into().unwrap_or(u32::MAX),
        }
    }

    /// The starts at which a hold of the channel finds room for the whole need, soonest first.
    pub fn starts(&mut self, now: UnixMillis, channel: Channel, need: &Need) -> Starts {
        self.catch_up(now);
        let mut valid_until = self.next_change;
        let mut starts = Vec::with_capacity(STARTS_EXPECTED);
        let notice = self.notice(channel);
        let earliest = now + notice;
        let mut runs = self.runs(channel, need);
        if channel != Channel::Public {
            // As a hold does: a channel whose own quota is used up competes with everybody.
            for (run, public) in runs.iter_mut().zip(self.runs(Channel::Public, need)) {
                *run = run.or(public);
            }
        }
        for (unit, set) in (0u16..).skip(self.open.start).zip(runs) {
            if set.is_empty() || !unit.is_multiple_of(self.plan.grid) {
                continue;
            }
            let begins = self.plan.instant(unit);
            if begins < earliest || begins <= now {
                continue;
            }
            if starts.is_empty() {
                let leaves = UnixMillis(begins.0 - notice.0 + 1);
                valid_until = valid_until.min(leaves.min(begins));
            }
            starts.push(Start {
                unit,
                seats: set.len(),
            });
        }
        let sealed_until = self.sealed_waves(now).first().and_then(|(told, _)| *told);
        Starts {
            starts,
            sealed_until,
            valid_until,
            changes: self.changes,
        }
    }

    /// By unit while the day is open, the qualified counters that are free from there for the whole
    /// need. Doubling the length that is known free takes log k passes.
    fn runs(&self, channel: Channel, need: &Need) -> Vec<CounterSet> {
        let free = self.free_when_open(channel);
        let mut runs: Vec<CounterSet> = free.map(|free| free.and(need.counters)).collect();
        let wanted = usize::from(need.units);
        let mut known = 1;
        while known < wanted {
            let step = known.min(wanted - known);
            let fits = runs.len().saturating_sub(step);
            for unit in 0..fits {
                runs[unit] = runs[unit].and(runs[unit + step]);
            }
            runs[fits..].fill(CounterSet::EMPTY);
            known += step;
        }
        runs
    }

    /// Counts cells; the three numbers add up to the cells that anybody may book, plus conflicts.
    ///
    /// # Panics
    /// When what is taken is not exactly what live reservations take: an invariant is broken.
    pub fn audit(&self) -> Audit {
        let mut vacant = ALL_CELLS;
        let mut audit = Audit::default();
        for reservation in self
            .slab
            .iter()
            .filter(|reservation| reservation.state.occupies())
        {
            let seat = reservation.id.seat();
            let counter = CounterSet::only(seat.counter);
            for cell in &mut vacant[seat.span()] {
                assert!(
                    cell.contains(seat.counter),
                    "one seat, two reservations: {seat:?}"
                );
                *cell = cell.without(counter);
            }
            match reservation.state {
                State::Held(_) => audit.held += u32::from(seat.units),
                _ => audit.booked += u32::from(seat.units),
            }
        }
        assert_eq!(self.vacant, vacant, "taken cells and reservations disagree");
        for channel in Channel::EACH {
            let free = self.free_when_open(channel).map(CounterSet::len);
            audit.free += free.map(u32::from).sum::<u32>();
        }
        audit
    }

    fn apply_plan(&mut self) {
        for channel in Channel::EACH {
            let bookable = &mut self.bookable[channel as usize];
            bookable.fill(CounterSet::EMPTY);
            for (cell, planned) in bookable.iter_mut().zip(self.plan.of(channel)) {
                *cell = *planned;
            }
        }
        let is_open = |unit: &usize| self.bookable.iter().any(|cells| !cells[*unit].is_empty());
        let mut units = 0..usize::from(UNITS_MAX);
        let (first, last) = (units.clone().find(is_open), units.rfind(is_open));
        self.open = first
            .zip(last)
            .map_or(0..0, |(first, last)| first..last + 1);
        let public = &mut self.bookable[Channel::Public as usize];
        for PlannedWave { cells: sealed, .. } in &self.plan.waves {
            for (cell, sealed) in public.iter_mut().zip(sealed) {
                *cell = cell.without(*sealed);
            }
        }
        self.seal_waves();
        self.changes += 1;
    }

    /// Makes bookable what is due; called before every decision that looks at free cells.
    #[inline(always)]
    fn catch_up(&mut self, now: UnixMillis) {
        if self.next_change <= now {
            self.release_waves(now);
            self.end_rests(now);
        }
    }

    #[cold]
    fn release_waves(&mut self, now: UnixMillis) {
        if self.next_release <= now {
            self.open_due_waves(now);
        }
    }

    /// How long before its start a slot must be held. The offices' own people know what they do.
    fn notice(&self, channel: Channel) -> Millis {
        match channel {
            Channel::Public | Channel::Agent => self.plan.notice,
            Channel::CallCentre | Channel::WalkIn => Millis(0),
        }
    }

    /// The counters that a channel may book and nobody has taken; none outside the day.
    #[inline]
    fn free(&self, channel: Channel, unit: usize) -> CounterSet {
        match (
            self.bookable[channel as usize].get(unit),
            self.vacant.get(unit),
        ) {
            (Some(bookable), Some(vacant)) => bookable.and(*vacant),
            _ => CounterSet::EMPTY,
        }
    }

    /// The same, by unit while the day is open.
    fn free_when_open(&self, channel: Channel) -> impl Iterator<Item = CounterSet> {
        let bookable = &self.bookable[channel as usize][self.open.clone()];
        let vacant = &self.vacant[self.open.clone()];
        let cells = bookable.iter().zip(vacant);
        cells.map(|(bookable, vacant)| bookable.and(*vacant))
    }

    fn is_vacant(&self, seat: Seat) -> bool {
        self.vacant[seat.span()]
            .iter()
            .all(|vacant| vacant.contains(seat.counter))
    }

    #[inline(always)]
    fn take(&mut self, seat: Seat) {
        let counter = CounterSet::only(seat.counter);
        for vacant in &mut self.vacant[seat.span()] {
            assert!(!vacant.and(counter).is_empty(), "a seat is given out once");
            *vacant = vacant.without(counter);
        }
        self.changes += 1;
    }

    #[inline(always)]
    fn give_back(&mut self, seat: Seat) {
        let counter = CounterSet::only(seat.counter);
        for vacant in &mut self.vacant[seat.span()] {
            assert!(
                vacant.and(counter).is_empty(),
                "only a taken seat is given back"
            );
            *vacant = vacant.or(counter);
        }
        self.changes += 1;
    }

    fn is_open_for(&self, seat: Seat) -> bool {
        let open = |cells: &Cells, unit: u16| {
            cells
                .get(usize::from(unit))
                .is_some_and(|set| set.contains(seat.counter))
        };
        (seat.start..seat.end()).all(|unit| {
            open(&self.plan.public, unit)
                || open(&self.plan.call_centre, unit)
                || open(&self.plan.walk_in, unit)
                || open(&self.plan.agent, unit)
        })
    }

    fn confirmed(&self, reservation: &Reservation, contract: Contract) -> Confirmed {
        let seat = reservation.id.seat();
        Confirmed {
            id: reservation.id,
            services: reservation.services,
            channel: reservation.channel,
            start: self.plan.instant(seat.start),
            end: self.plan.instant(seat.end()),
            secret: reservation.secret,
            contract,
        }
    }
}

/// Cells of a day by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    pub free: u32,
    pub held: u32,
    /// Booked, or waiting for the ledger to be so.
    pub booked: u32,
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::rules::calendar::no_cells;

    const MIDNIGHT: UnixMillis = UnixMillis(1_796_083_200_000);
    const UNITS: u16 = 288;

    /// A day of one counter that is open to everybody at `public` and to callers at `call_centre`.
    fn day(public: &[u16], call_centre: &[u16]) -> Day {
        let cells = |open: &[u16]| {
            let mut cells = no_cells(UNITS);
            for unit in open {
                cells[usize::from(*unit)] = CounterSet::only(0);
            }
            cells
        };
        let date = date(2026, 12, 1);
        let key = DayKey {
            office: 1,
            day: DayNumber::from_date(date).unwrap(),
        };
        let plan = DayPlan {
            date,
            starts_at: MIDNIGHT,
            units: UNITS,
            grid: 1,
            public: cells(public),
            call_centre: cells(call_centre),
            walk_in: Cells::default(),
            agent: Cells::default(),
            waves: vec![],
            notice: Millis(0),
            useful_units: 1,
            guarded: false,
        };
        Day::new(key, plan)
    }

    fn starts(day: &mut Day, channel: Channel, units: u8) -> Vec<u16> {
        let need = Need {
            services: Services::default(),
            units,
            counters: CounterSet::ALL,
        };
        let before = UnixMillis(MIDNIGHT.0 - 1);
        let found = day.starts(before, channel, &need).starts;
        found.iter().map(|start| start.unit).collect()
    }

    /// Only the units between the first and the last open one are looked at. None of them may be
    /// missed, wherever they lie, and whichever channel opens the day and closes it.
    #[test]
    fn every_open_unit_is_found_and_counted() {
        let last = UNITS - 1;
        for open in [
            vec![],
            vec![0],
            vec![last],
            vec![100],
            vec![0, last],
            vec![7, 8, 9],
        ] {
            let mut day = day(&open, &[]);
            assert_eq!(starts(&mut day, Channel::Public, 1), open);
            assert_eq!(day.audit().free as usize, open.len());
        }
        let mut day = day(&[10, 11], &[3, 4, 20]);
        assert_eq!(starts(&mut day, Channel::Public, 2), [10]);
        assert_eq!(starts(&mut day, Channel::CallCentre, 1), [3, 4, 10, 11, 20]);
        assert_eq!(starts(&mut day, Channel::CallCentre, 2), [3, 10]);
        assert_eq!(day.audit().free, 5);
    }
}
