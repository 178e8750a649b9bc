//! An office's day as anybody would write it who has never heard of bitmaps: for each counter a
//! list of who sits in which five minutes, and everything else by looking at all of it.

use morgenruh_engine::rules::catalogue::Channel;
use morgenruh_engine::rules::day::{BookingRefusal, HoldRefusal, HoldUse, Start};
use morgenruh_engine::rules::ids::{ReservationId, Secret};
use morgenruh_engine::rules::time::{Millis, UnixMillis};

pub(crate) const COUNTERS: usize = 3;
pub(crate) const UNITS: usize = 20;

/// To whom five minutes of a counter belong, and with which wave they are released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub channel: Channel,
    pub wave: Option<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// By counter and unit; none where it is closed.
    pub cells: [[Option<Cell>; UNITS]; COUNTERS],
    pub waves: [UnixMillis; 2],
    pub starts_at: UnixMillis,
    pub grid: u16,
    pub notice: Millis,
    pub useful_units: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Held,
    Confirming { moving_from: Option<usize> },
    Booked,
    Cancelling,
    Moving,
    Cancelled,
    MovedTo(usize),
    Gone,
}

#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub id: ReservationId,
    pub secret: Secret,
    /// Which place the booking began at.
    pub origin: usize,
    pub counter: usize,
    pub start: usize,
    pub units: usize,
    pub deadline: UnixMillis,
    pub extended: bool,
    pub request: u8,
    pub stage: Stage,
}

pub(crate) struct Naive {
    pub rules: Rules,
    pub released: [bool; 2],
    pub owners: [[Option<usize>; UNITS]; COUNTERS],
    pub places: Vec<Place>,
}

impl Naive {
    pub(crate) fn new(rules: Rules) -> Naive {
        Naive {
            rules,
            released: [false; 2],
            owners: Default::default(),
            places: Vec::new(),
        }
    }

    pub(crate) fn release_waves(&mut self, now: UnixMillis) {
        for (released, at) in self.released.iter_mut().zip(self.rules.waves) {
            *released |= at <= now;
        }
    }

    fn is_bookable(&self, cell: Cell) -> bool {
        cell.wave.is_none_or(|wave| self.released[wave])
    }

    pub(crate) fn is_free(&self, channel: Channel, counter: usize, unit: usize) -> bool {
        let cell = self.rules.cells[counter].get(unit).copied().flatten();
        cell.is_some_and(|cell| cell.channel == channel && self.is_bookable(cell))
            && self.owners[counter][unit].is_none()
    }

    /// Counters on which `holds` is true for every unit of a visit.
    fn counters(
        start: usize,
        units: usize,
        qualified: u64,
        holds: impl Fn(usize, usize) -> bool,
    ) -> Vec<usize> {
        (0..COUNTERS)
            .filter(|counter| qualified & (1 << counter) != 0)
            .filter(|counter| (start..start + units).all(|unit| holds(*counter, unit)))
            .collect()
    }

    pub(crate) fn free_counters(
        &self,
        channel: Channel,
        start: usize,
        units: usize,
        qualified: u64,
    ) -> Vec<usize> {
        Naive::counters(start, units, qualified, |counter, unit| {
            self.is_free(channel, counter, unit)
        })
    }

    /// The channel and the counters from which a hold at `start` is served.
    pub(crate) fn hold(
        &self,
        now: UnixMillis,
        start: UnixMillis,
        units: usize,
        qualified: u64,
        channel: Channel,
    ) -> Result<(Channel, Vec<usize>), HoldRefusal> {
        let begins = |unit: &usize| self.instant(*unit) == start;
        let unit = (0..UNITS)
            .step_by(usize::from(self.rules.grid))
            .find(begins);
        let unit = unit.ok_or(HoldRefusal::OffGrid)?;
        if start <= now {
            return Err(HoldRefusal::Past);
        }
        let earliest = now + self.notice(channel);
        if start < earliest {
            return Err(HoldRefusal::TooSoon { earliest });
        }
        let asked = [channel, Channel::Public];
        for channel in asked {
            let counters = self.free_counters(channel, unit, units, qualified);
            if !counters.is_empty() {
                return Ok((channel, counters));
            }
        }
        let any = |test: &dyn Fn(Cell) -> bool| {
            asked.iter().any(|channel| {
                let holds = |counter: usize, unit: usize| {
                    let cell = self.rules.cells[counter].get(unit).copied().flatten();
                    cell.is_some_and(|cell| cell.channel == *channel && test(cell))
                };
                !Naive::counters(unit, units, qualified, holds).is_empty()
            })
        };
        if !any(&|_| true) {
            Err(HoldRefusal::Closed)
        } else if !any(&|cell| self.is_bookable(cell)) {
            let mut releases = self.rules.waves;
            releases.sort_unstable();
            let open_by = |at: &UnixMillis| {
                any(&|cell| {
                    let released = cell.wave.is_some_and(|wave| self.rules.waves[wave] <= *at);
                    self.is_bookable(cell) || released
                })
            };
            let until = releases.into_iter().find(open_by).unwrap();
            Err(HoldRefusal::Sealed { until: Some(until) })
        } else {
            Err(HoldRefusal::Taken)
        }
    }

    pub(crate) fn next_release(&self) -> Option<UnixMillis> {
        let used = |wave: usize| {
            self.rules
                .cells
                .iter()
                .flatten()
                .flatten()
                .any(|cell| cell.wave == Some(wave))
        };
        let sealed = (0..2).filter(|wave| used(*wave) && !self.released[*wave]);
        sealed.map(|wave| self.rules.waves[wave]).min()
    }

    /// At how many counters a hold would be served, by start.
    pub(crate) fn starts(
        &self,
        now: UnixMillis,
        units: usize,
        qualified: u64,
        channel: Channel,
    ) -> Vec<Start> {
        let seats = |unit: &usize| {
            self.hold(now, self.instant(*unit), units, qualified, channel)
                .ok()?;
            let mut counters = self.free_counters(channel, *unit, units, qualified);
            if channel != Channel::Public {
                counters.extend(self.free_counters(Channel::Public, *unit, units, qualified));
            }
            Some(Start {
                unit: *unit as u16,
                seats: counters.len() as u8,
            })
        };
        (0..UNITS).filter_map(|unit| seats(&unit)).collect()
    }

    pub(crate) fn instant(&self, unit: usize) -> UnixMillis {
        self.rules.starts_at + Millis(unit as i64 * 300_000)
    }

    pub(crate) fn sit_down(&mut self, place: Place) {
        for unit in place.start..place.start + place.units {
            let owner = &mut self.owners[place.counter][unit];
            assert_eq!(*owner, None, "I1: a seat has one winner");
            *owner = Some(self.places.len());
        }
        self.places.push(place);
    }

    /// The place becomes free and is from now on in `stage`.
    pub(crate) fn leave(&mut self, who: usize, stage: Stage) {
        for owner in self.owners.iter_mut().flatten() {
            if *owner == Some(who) {
                *owner = None;
            }
        }
        self.places[who].stage = stage;
    }

    pub(crate) fn notice(&self, channel: Channel) -> Millis {
        if matches!(channel, Channel::Public | Channel::Agent) {
            self.rules.notice
        } else {
            Millis(0)
        }
    }

    pub(crate) fn usable(&self, now: UnixMillis, who: usize, honest: bool) -> Result<(), HoldUse> {
        let place = &self.places[who];
        match place.stage {
            Stage::Gone => Err(HoldUse::Gone),
            Stage::MovedTo(_) => Err(HoldUse::Spent),
            _ if !honest => Err(HoldUse::Foreign),
            Stage::Held if now < place.deadline => Ok(()),
            Stage::Held => Err(HoldUse::Gone),
            Stage::Confirming { .. } => Err(HoldUse::Pending),
            _ => Err(HoldUse::Spent),
        }
    }

    pub(crate) fn booking(&self, who: usize, honest: bool) -> Result<Stage, BookingRefusal> {
        match self.places[who].stage {
            Stage::Gone | Stage::Held | Stage::Confirming { .. } => Err(BookingRefusal::Unknown),
            _ if !honest => Err(BookingRefusal::Unknown),
            Stage::MovedTo(to) => Err(BookingRefusal::MovedTo(self.places[to].id)),
            stage => Ok(stage),
        }
    }

    /// Free, held and booked cells; and free or taken ones, each counted once.
    pub(crate) fn count(&self) -> (u32, u32, u32, u32) {
        let (mut free, mut held, mut booked, mut capacity) = (0, 0, 0, 0);
        for (cells, owners) in self.rules.cells.iter().zip(&self.owners) {
            for (cell, owner) in cells.iter().zip(owners) {
                let bookable = cell.is_some_and(|cell| self.is_bookable(cell));
                capacity += u32::from(bookable || owner.is_some());
                match owner.map(|who| self.places[who].stage) {
                    None => free += u32::from(bookable),
                    Some(Stage::Held) => held += 1,
                    Some(_) => booked += 1,
                }
            }
        }
        (free, held, booked, capacity)
    }

    /// Units of gaps too short for anybody that a visit on this counter would leave beside it.
    pub(crate) fn lost(
        &self,
        channel: Channel,
        counter: usize,
        start: usize,
        units: usize,
    ) -> usize {
        let free = |unit: &usize| *unit < UNITS && self.is_free(channel, counter, *unit);
        let before = (0..start).rev().take_while(free).count();
        let after = (start + units..UNITS).take_while(free).count();
        let useful = usize::from(self.rules.useful_units);
        [before, after]
            .into_iter()
            .filter(|gap| *gap < useful)
            .sum()
    }
}
