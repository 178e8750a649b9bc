//! A model that sees what people see, and decides whether it can be.
//!
//! It is told what was asked, what was answered, and what answers never came; never what the
//! engine thinks. For every cell (a counter's five minutes) it keeps the claims that may still
//! have it. A claim *surely* has its cells while nothing that anybody saw can have ended it; it
//! *may* have them until something proves that it has not. Two sure claims on a cell, a sure claim
//! that is denied, a seat refused that surely is free: each breaks an invariant of
//! `docs/RELIABILITY.md`, which the error names.

use std::ops::Range;

use morgenruh_engine::rules::ids::ReservationId;
use morgenruh_engine::rules::release::ReleaseId;

use crate::gates::Gates;
use crate::town::{DAYS, FIRST_UNIT, Town, UNITS_MAX};

/// An invariant that does not hold, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(pub String);

/// A counter, a first unit and a length, somewhere in the town.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// From 0.
    pub office: u16,
    pub day: u16,
    pub counter: u8,
    pub start: u16,
    pub units: u16,
}

impl Seat {
    pub fn of(id: ReservationId) -> Seat {
        let seat = id.seat();
        Seat {
            office: seat.key.office - 1,
            day: Town::day(seat.key.day),
            counter: seat.counter,
            start: seat.start,
            units: u16::from(seat.units),
        }
    }

    pub fn overlaps(self, other: Seat) -> bool {
        (self.office, self.day, self.counter) == (other.office, other.day, other.counter)
            && self.start < other.start + other.units
            && other.start < self.start + self.units
    }
}

/// Which claim, counted from the first.
pub type ClaimId = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Held,
    /// A confirmation was sent and not answered yet, or never.
    Asked,
    Booked,
    /// A cancellation or a move to another seat was sent.
    Leaving,
    /// Its holder was told that the hold is over; its seat is free soon.
    Over,
    Gone,
}

#[derive(Clone, Debug)]
struct Claim {
    seat: Seat,
    stage: Stage,
    /// As last heard.
    deadline: i64,
    /// Until when it can last unheard of: an outage stretches holds.
    until: i64,
    /// It may have ended unseen: a release was sent, or a crash lost it.
    in_doubt: bool,
    /// A confirmation was sent in time.
    in_time: bool,
    /// It was made for a wish: it ends when that was seen, and by nothing else.
    for_wish: bool,
}

/// A hold whose answer never came: on one of the counters.
struct Ghost {
    office: u16,
    day: u16,
    start: u16,
    units: u16,
    until: i64,
    is_over: bool,
}

pub struct Oracle {
    town: Town,
    claims: Vec<Claim>,
    /// By cell: claims that may have it.
    cells: Vec<Vec<ClaimId>>,
    /// Claims that are not gone.
    alive: Vec<ClaimId>,
    /// Holds that ended and were never booked: a crash can bring them back, because their end was
    /// written down without waiting.
    ended: Vec<ClaimId>,
    ghosts: Vec<Ghost>,
    /// Seats that were given back, and until when they are for wishes alone.
    rests: Vec<(Seat, i64)>,
    /// What is known of releases.
    pub gates: Gates,
    /// The latest time that was ever shown by a clock.
    latest: i64,
}

/// How long after its deadline a hold can still be there, once time was looked at: the wheel
/// counts in seconds.
const LATE_MS: i64 = 1_000;
/// By how much an outage stretches a hold each time.
const STRETCH_MS: i64 = 120_000;

fn violated<T>(invariant: &str, what: impl std::fmt::Display) -> Result<T, Violation> {
    Err(Violation(format!("{invariant}: {what}")))
}

impl Oracle {
    pub fn new(town: Town) -> Oracle {
        let cells = usize::from(town.offices * DAYS * u16::from(town.counters) * UNITS_MAX);
        Oracle {
            cells: vec![Vec::new(); cells],
            gates: Gates::new(&town),
            town,
            claims: Vec::new(),
            alive: Vec::new(),
            ended: Vec::new(),
            ghosts: Vec::new(),
            rests: Vec::new(),
            latest: 0,
        }
    }

    pub fn clock_shows(&mut self, now: i64) {
        self.latest = self.latest.max(now);
    }

    /// The signs at the doors are changed.
    pub fn reopened(&mut self, town: Town) {
        self.town = town;
    }

    /// Somebody was given a hold.
    pub fn held(&mut self, now: i64, seat: Seat, deadline: i64) -> Result<ClaimId, Violation> {
        if !self.is_open(seat) {
            return violated("I6", format!("{seat:?} is not open"));
        }
        if self.gates.is_sealed(&self.town, seat, self.latest) {
            return violated("I4", format!("{seat:?} is sealed at {now}"));
        }
        self.given(seat, deadline)
    }

    fn given(&mut self, seat: Seat, deadline: i64) -> Result<ClaimId, Violation> {
        let id = self.claims.len();
        for cell in self.cells_of(seat) {
            while let Some(other) = self.cells[cell].last().copied() {
                if self.surely_has(other) {
                    let other = &self.claims[other];
                    return violated("I1", format!("{seat:?} was given while {other:?} has it"));
                }
                // It has ended, or the seat would not have been given.
                self.leave(other);
            }
        }
        for cell in self.cells_of(seat) {
            self.cells[cell].push(id);
        }
        self.alive.push(id);
        self.claims.push(Claim {
            seat,
            stage: Stage::Held,
            deadline,
            until: deadline,
            in_doubt: false,
            in_time: false,
            for_wish: false,
        });
        Ok(id)
    }

    /// A seat was given to a wish, or is so again: then the signs may have changed since, and
    /// its release may have been sealed.
    pub fn offered(&mut self, now: i64, seat: Seat, again: bool) -> Result<ClaimId, Violation> {
        let id = if again {
            self.given(seat, i64::MAX)?
        } else {
            self.held(now, seat, i64::MAX)?
        };
        self.claims[id].for_wish = true;
        Ok(id)
    }

    /// Whoever is offered the seat may take it until then.
    pub fn offer_lasts(&mut self, id: ClaimId, until: i64) {
        self.claims[id].until = until;
    }

    /// The offer was given back, not answered, or never came about.
    pub fn offer_ended(&mut self, id: ClaimId) {
        if self.claims[id].stage != Stage::Gone {
            self.leave(id);
        }
    }

    /// A seat was given back and is for wishes alone until then. True if that is new.
    pub fn rests(&mut self, seat: Seat, until: i64) -> bool {
        let is_new = !self.rests.contains(&(seat, until));
        if is_new {
            self.rests.push((seat, until));
        }
        is_new
    }

    /// Those that are over, which whoever looks at a clock that goes ahead finds free.
    pub fn end_rests(&mut self, now: i64) -> usize {
        let before = self.rests.len();
        self.rests.retain(|(_, until)| *until > now);
        before - self.rests.len()
    }

    pub fn forget_rests(&mut self) {
        self.rests.clear();
    }

    /// Somebody who does not wish was given this seat.
    pub fn is_rested(&self, seat: Seat) -> Result<(), Violation> {
        let rests = |(other, until): &&(Seat, i64)| other.overlaps(seat) && self.latest < *until;
        match self.rests.iter().find(rests) {
            Some(rest) => violated("I4", format!("{seat:?} was given and rests: {rest:?}")),
            None => Ok(()),
        }
    }

    /// Somebody asked for a hold and heard nothing.
    pub fn hold_unanswered(&mut self, office: u16, day: u16, start: u16, units: u16, until: i64) {
        self.ghosts.push(Ghost {
            office,
            day,
            start,
            units,
            until,
            is_over: false,
        });
    }

    /// Somebody was told that nothing is free there.
    pub fn refused(&self, now: i64, seat: Seat) -> Result<(), Violation> {
        let (least, _) = self.free(now, seat);
        if least > 0 {
            return violated("I5", format!("{seat:?} was refused, {least} surely free"));
        }
        Ok(())
    }

    /// Somebody read how many seats are free at a start.
    pub fn read(&self, now: i64, seat: Seat, seats: u16) -> Result<(), Violation> {
        let (least, most) = self.free(now, seat);
        if !(least..=most).contains(&seats) {
            let claims: Vec<&Claim> = self.alive.iter().map(|id| &self.claims[*id]).collect();
            return violated(
                "I6",
                format!("{seats} seats free at {seat:?}, not {least} to {most}: {claims:?}"),
            );
        }
        Ok(())
    }

    pub fn prolonged(&mut self, id: ClaimId, deadline: i64) {
        let claim = &mut self.claims[id];
        claim.deadline = claim.deadline.max(deadline);
        claim.until = claim.until.max(deadline);
    }

    pub fn extension_unanswered(&mut self, id: ClaimId) {
        self.claims[id].until += self.hold_ms();
    }

    pub fn asks_release(&mut self, id: ClaimId) {
        self.claims[id].in_doubt = true;
    }

    pub fn released(&mut self, id: ClaimId) {
        self.leave(id);
    }

    /// Somebody was told that their hold is over.
    pub fn over(&mut self, id: ClaimId) -> Result<(), Violation> {
        if self.surely_has(id) {
            return violated("I3", format!("{:?} ended early", self.claims[id]));
        }
        if self.claims[id].stage != Stage::Gone {
            self.claims[id].stage = Stage::Over;
        }
        Ok(())
    }

    pub fn asks_confirmation(&mut self, id: ClaimId, now: i64) {
        let claim = &mut self.claims[id];
        claim.in_time |= now < claim.until;
        if claim.stage == Stage::Held {
            claim.stage = Stage::Asked;
        }
    }

    pub fn confirmed(&mut self, id: ClaimId) -> Result<(), Violation> {
        let claim = &mut self.claims[id];
        match claim.stage {
            Stage::Over | Stage::Gone => violated("I1", format!("{claim:?} was confirmed")),
            _ if !claim.in_time => violated("I3", format!("{claim:?} was confirmed too late")),
            Stage::Held | Stage::Asked | Stage::Booked => {
                claim.stage = Stage::Booked;
                Ok(())
            }
            Stage::Leaving => Ok(()),
        }
    }

    /// The answer to a confirmation got lost: it may have said that the hold goes on.
    pub fn confirmation_unanswered(&mut self, id: ClaimId, now: i64) {
        let again = now + self.hold_ms();
        let claim = &mut self.claims[id];
        claim.until = claim.until.max(again);
    }

    /// The confirmation was certainly not done; the hold lasts at least as long as it would have.
    pub fn not_confirmed(&mut self, id: ClaimId, now: i64) -> Result<(), Violation> {
        let again = now + self.hold_ms();
        let claim = &mut self.claims[id];
        match claim.stage {
            Stage::Asked => {
                claim.stage = Stage::Held;
                claim.until = claim.until.max(again);
                Ok(())
            }
            Stage::Booked | Stage::Leaving => violated("I2", format!("{claim:?} is denied")),
            Stage::Held | Stage::Over | Stage::Gone => Ok(()),
        }
    }

    pub fn asks_to_leave(&mut self, id: ClaimId) {
        self.claims[id].stage = Stage::Leaving;
    }

    /// A booking was cancelled, or has moved elsewhere.
    pub fn left(&mut self, id: ClaimId) -> Result<(), Violation> {
        if self.claims[id].stage == Stage::Booked {
            return violated("I2", format!("{:?} has left unasked", self.claims[id]));
        }
        self.leave(id);
        Ok(())
    }

    /// The booking was certainly not cancelled or moved.
    pub fn stays(&mut self, id: ClaimId) -> Result<(), Violation> {
        let claim = &mut self.claims[id];
        if claim.stage == Stage::Gone {
            return violated("I1", format!("{claim:?} stands, but others were given it"));
        }
        claim.stage = Stage::Booked;
        Ok(())
    }

    /// The power failed: what is relaxed may be lost, bookings may not.
    pub fn crashed(&mut self, now: i64) {
        for id in &self.alive {
            let claim = &mut self.claims[*id];
            let is_relaxed = !claim.for_wish && matches!(claim.stage, Stage::Held | Stage::Asked);
            claim.in_doubt |= is_relaxed;
        }
        for ghost in &mut self.ghosts {
            ghost.is_over &= ghost.until <= now;
        }
        for id in std::mem::take(&mut self.ended) {
            let claim = &mut self.claims[id];
            if now < claim.until {
                (claim.stage, claim.in_doubt) = (Stage::Held, true);
                self.alive.push(id);
                for cell in self.cells_of(self.claims[id].seat) {
                    self.cells[cell].push(id);
                }
            } else {
                // Kept: the clock can be set back before another crash, and then it counts again.
                self.ended.push(id);
            }
        }
    }

    /// The service says that it cannot confirm: holds that live now may be stretched.
    pub fn outage(&mut self, now: i64) {
        let until = now + self.hold_ms().max(STRETCH_MS);
        for id in &self.alive {
            let claim = &mut self.claims[*id];
            claim.until = claim.until.max(until);
        }
        for ghost in &mut self.ghosts {
            ghost.until = ghost.until.max(until);
        }
    }

    /// The engine has looked at the time: held seats whose time is over are free now.
    pub fn ticked(&mut self, now: i64) {
        for ghost in &mut self.ghosts {
            ghost.is_over |= ghost.until + LATE_MS <= now;
        }
        let mut index = 0;
        while let Some(id) = self.alive.get(index).copied() {
            let claim = &self.claims[id];
            let is_hold = matches!(claim.stage, Stage::Held | Stage::Over) && !claim.for_wish;
            if is_hold && claim.until + LATE_MS <= now {
                self.leave(id);
            } else {
                index += 1;
            }
        }
    }

    /// How long a hold lasts.
    fn hold_ms(&self) -> i64 {
        i64::from(self.town.hold_minutes) * 60_000
    }

    /// Seats that surely are free at a start, and those that may be.
    fn free(&self, now: i64, seat: Seat) -> (u16, u16) {
        let (mut least, mut most) = (0, 0);
        for counter in 0..self.town.counters {
            let seat = Seat { counter, ..seat };
            if !self.is_open(seat) {
                continue;
            }
            let (mut claimed, mut taken) = (false, false);
            for claim in self.cells[self.cells_of(seat)].iter().flatten() {
                claimed = true;
                taken |= self.surely_has(*claim);
            }
            // A wave that a clock running ahead has released stays released.
            let is_released = self.gates.is_open(&self.town, seat, now);
            let is_sealed = self.gates.is_sealed(&self.town, seat, self.latest);
            let rests = |(other, until): &(Seat, i64)| now < *until && other.overlaps(seat);
            let rested = !self.rests.iter().any(rests);
            least += u16::from(is_released && !claimed && rested);
            most += u16::from(!is_sealed && !taken);
        }
        if least == 0 {
            return (0, most);
        }
        let ghosts = self.ghosts.iter().filter(|ghost| {
            !ghost.is_over
                && (ghost.office, ghost.day) == (seat.office, seat.day)
                && ghost.start < seat.start + seat.units
                && seat.start < ghost.start + ghost.units
        });
        (least.saturating_sub(ghosts.count() as u16), most)
    }

    fn is_open(&self, seat: Seat) -> bool {
        let mut units = seat.start..seat.start + seat.units;
        units.all(|unit| self.town.is_open(seat.counter, unit))
    }

    /// Whether somebody surely has a seat of a release, and whether somebody may.
    pub fn is_taken(&self, id: ReleaseId) -> (bool, bool) {
        let office = id.office - 1;
        let (mut surely, mut maybe) = (false, false);
        for day in self.gates.days_of(id) {
            let all = Seat {
                office,
                day,
                counter: 0,
                start: FIRST_UNIT,
                units: UNITS_MAX,
            };
            for claim in self.cells[self.cells_of(all)].iter().flatten() {
                maybe = true;
                surely |= self.surely_has(*claim);
            }
            let mut ghosts = self.ghosts.iter().filter(|ghost| !ghost.is_over);
            maybe |= ghosts.any(|ghost| (ghost.office, ghost.day) == (office, day));
        }
        (surely, maybe)
    }

    fn surely_has(&self, id: ClaimId) -> bool {
        let claim = &self.claims[id];
        match claim.stage {
            Stage::Booked => true,
            Stage::Held | Stage::Asked => !claim.in_doubt && self.latest < claim.deadline,
            Stage::Leaving | Stage::Over | Stage::Gone => false,
        }
    }

    fn leave(&mut self, id: ClaimId) {
        for cell in self.cells_of(self.claims[id].seat) {
            self.cells[cell].retain(|other| *other != id);
        }
        let was_hold = matches!(
            self.claims[id].stage,
            Stage::Held | Stage::Asked | Stage::Over
        );
        if was_hold && !self.claims[id].for_wish {
            self.ended.push(id);
        }
        self.claims[id].stage = Stage::Gone;
        self.alive.retain(|other| *other != id);
    }

    fn cells_of(&self, seat: Seat) -> Range<usize> {
        let counter = seat.office * DAYS + seat.day;
        let counter = counter * u16::from(self.town.counters) + u16::from(seat.counter);
        let first = usize::from(counter * UNITS_MAX + seat.start - FIRST_UNIT);
        first..first + usize::from(seat.units)
    }
}
