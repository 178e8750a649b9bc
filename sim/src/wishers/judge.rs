//! Who may be given what, and what may not stay free while somebody waits for it.
//!
//! What the engine finds by columns of bits is found here by looking at everybody and every start.

use morgenruh_engine::rules::catalogue::OfficeIndex;
use morgenruh_engine::rules::ids::ReservationId;
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use morgenruh_engine::rules::wish::agent::Standing;
use morgenruh_engine::rules::wish::{Place, WishId};

use super::{Wished, wrong};
use crate::options::QUEUE_MAX;
use crate::oracle::{Seat, Violation};
use crate::town::{DAYS, FIRST_UNIT, Town, UNITS_MAX};
use crate::world::World;

const MINUTE_MS: i64 = 60_000;
/// Between two ticks of a calm time.
const STEP: Millis = Millis(250);
/// Ticks of a calm time: two seconds.
const STEPS: usize = 8;
/// Ticks after which whatever is handed on from one to the next has arrived.
const STEPS_MAX: usize = 400;
/// Turns of the ledger between two ticks, at most.
const TURNS: usize = 64;
/// How long after there is time again to ask somebody they may not have been asked.
const LATER: Millis = Millis(61_000);

impl World {
    /// The engine looks at the wishes.
    pub fn tick_wishes(&mut self) -> Result<(), Violation> {
        if self.options.town.wishes.is_none() {
            return Ok(());
        }
        let now = self.now();
        let open = self.wishers.open.iter().copied();
        let engaged: Vec<usize> = open
            .filter(|index| self.wishers.wished[*index].is_engaged())
            .collect();
        let before: Vec<ReservationId> = self.wishers.seats.keys().copied().collect();
        let lots = self.lots()?;
        let dice = &mut self.dice;
        self.engine.tick_wishes(now, || dice.u64(..));
        self.trace.note("wishes", usize::from(self.is_ready()), 0);
        self.watch_wishes()?;
        if self.is_ready() {
            let ended = self.oracle.end_rests(now.0);
            self.tally.rests_ended += ended as u64;
            if ended > 0 {
                // Until a day is looked at it keeps them, and the clock can be set back.
                self.wishers.rested.clear();
            }
        }
        let given = self.wishers.seats.iter();
        let given: Vec<(ReservationId, usize)> = given
            .filter(|(seat, _)| !before.contains(seat))
            .map(|(seat, given)| (*seat, given.of))
            .collect();
        for (seat, of) in given {
            let seat = Seat::of(seat);
            let is_lot = self.is_lot(&lots, of, seat);
            self.may_have(of, seat, is_lot)?;
            if is_lot {
                self.is_first_drawn(&lots, of, seat, &engaged)?;
            } else {
                self.is_next(of, seat, &engaged)?;
            }
        }
        self.was_given_out(&lots, &engaged)?;
        self.is_outcome()
    }

    /// It is what was wished for.
    fn may_have(&self, of: usize, seat: Seat, is_lot: bool) -> Result<(), Violation> {
        let wished = &self.wishers.wished[of];
        let guarded = !is_lot && self.is_guarded(seat.counter, seat.day);
        if guarded {
            return wrong("I4", (of, seat, "was given without a pass"));
        }
        if units(wished) != seat.units || !self.fits(of, seat, seat.start, false) {
            return wrong("I4", (of, seat, "is not what is wished for", wished));
        }
        let engaged = |index: usize| self.wishers.wished[index].is_engaged();
        if self.wishers.siblings(of).any(engaged) {
            return wrong("I1", (of, seat, "their person is given something already"));
        }
        Ok(())
    }

    /// Nobody was passed over.
    fn is_next(&self, of: usize, seat: Seat, engaged: &[usize]) -> Result<(), Violation> {
        let rank = rank_of(&self.wishers.wished[of]);
        for index in self.wishers.open.iter().copied() {
            let wished = &self.wishers.wished[index];
            let waits = wished.standing == Some(Standing::Waiting) && rank_of(wished) < rank;
            if !waits || units(wished) > seat.units || wished.merges {
                continue;
            }
            let is_busy = |other: usize| {
                let wished = &self.wishers.wished[other];
                engaged.contains(&other) || wished.is_engaged() || self.may_have_failed(other)
            };
            if is_busy(index) || self.wishers.siblings(index).any(is_busy) {
                continue;
            }
            if let Some(start) = self.fits_within(index, seat) {
                let passed = (index, &wished.wish, wished.place, start);
                return wrong("I4", (of, rank, seat, "was given past", passed));
            }
        }
        Ok(())
    }

    /// Where in a seat a wish that is no longer surely fits.
    pub(super) fn fits_within(&self, index: usize, seat: Seat) -> Option<u16> {
        let last = seat.start + seat.units - units(&self.wishers.wished[index]);
        let mut starts = seat.start..=last;
        starts.find(|start| self.fits(index, seat, *start, true))
    }

    /// Whether a wish may have been given something that could not be booked just now: it waits
    /// again.
    pub(super) fn may_have_failed(&self, index: usize) -> bool {
        let wish = &self.wishers.wished[index].wish;
        let is_roomy = self.options.queue_max >= QUEUE_MAX && self.options.backlog_max > 1_000;
        wish.auto_accept && (!is_roomy || wish.instead_of.is_some())
    }

    /// Whether a wish wants to begin at a unit of this day at this counter. `surely` leaves out
    /// what cannot be known for certain.
    pub(super) fn fits(&self, index: usize, seat: Seat, start: u16, surely: bool) -> bool {
        let wished = &self.wishers.wished[index];
        let wish = &wished.wish;
        let (day, now) = (Town::day_number(seat.day), self.now());
        let begins = Town::instant(seat.day, start);
        let units = units(wished);
        // 2026-12-01 is a Tuesday.
        let weekday = 1 + seat.day;
        let hours = (start..start + units).map(|unit| weekday * 24 + unit / 12);
        let in_days = wish.from <= day && day <= wish.until;
        let in_hours = hours.into_iter().all(|hour| wish.windows.contains(hour));
        let notice = i64::from(wish.notice_minutes) * MINUTE_MS;
        let in_time = now.0 + notice <= begins.0 && now < begins;
        if !in_days || !in_hours || !in_time || !wish.offices.contains(&(seat.office + 1)) {
            return false;
        }
        if let Some(instead) = wish.instead_of {
            let visit = self.people[wished.who].visit;
            let at = visit.filter(|it| it.origin == instead.booking && !it.cancelled);
            let before =
                at.map(|it| Town::instant(Town::day(it.at.day_key().day), it.at.seat().start));
            match before {
                Some(before) if begins >= before => return false,
                None if surely => return false,
                _ => {}
            }
        }
        if !surely {
            return true;
        }
        let turned_down = |it: &ReservationId| {
            let it = Seat::of(*it);
            (it.office, it.day, it.start) == (seat.office, seat.day, start)
        };
        let is_new = !wished.seats.iter().any(turned_down);
        is_new && (wish.auto_accept || self.answerable(now, begins))
    }

    /// Whether there is time to ask.
    fn answerable(&self, now: UnixMillis, begins: UnixMillis) -> bool {
        let zone = &self.engine.catalogue().city.zone;
        let terms = self.options.town.wishes.map(|it| it.answers);
        terms.is_some_and(|it| it.deadline(zone, now, begins, begins).is_some())
    }

    /// Whether the seats of a counter are for passes of the waiting room.
    fn is_guarded(&self, counter: u8, day: u16) -> bool {
        let closes_at = self.terms().map(|terms| terms.closes_at());
        let is_over = closes_at.is_none_or(|closes_at| closes_at <= self.now());
        !is_over && self.may_be_guarded(counter, day)
    }

    /// The same until the room is seen to be over, which comes a tick after its time.
    fn may_be_guarded(&self, counter: u8, day: u16) -> bool {
        if self.terms().is_none() {
            return false;
        }
        let room = self.room();
        let ended = room.is_some_and(|room| room.decide(|it| it.ended().is_some()));
        (counter, day) == (0, 0) && !ended
    }

    /// For two seconds nothing goes wrong: whoever could have something is given it.
    pub fn calm(&mut self) -> Result<(), Violation> {
        if self.options.town.wishes.is_none() {
            return Ok(());
        }
        self.disk.plates().forget_trap();
        self.write_all()?;
        if !self.is_ready() {
            return Ok(());
        }
        let mut before = 0;
        for step in 0..STEPS_MAX {
            let next = self.now() + STEP;
            self.set_clock(next);
            self.tick_all();
            // A room that is over frees its seats with its next tick.
            if self.terms().is_some() {
                self.tick_rooms()?;
            }
            self.tick_wishes()?;
            self.write_all()?;
            let writes = self.disk.plates().facts();
            let is_still = writes == before;
            before = writes;
            if step >= STEPS && is_still {
                break;
            }
        }
        self.tally.calms += 1;
        self.nothing_is_idle()?;
        self.nothing_stays_undrawn()?;
        self.nothing_lasts_longer()
    }

    pub(super) fn write_all(&mut self) -> Result<(), Violation> {
        for _ in 0..TURNS {
            let before = self.disk.plates().facts();
            self.write()?;
            if self.disk.plates().facts() == before {
                break;
            }
        }
        Ok(())
    }

    /// Nothing is free that somebody waits for.
    fn nothing_is_idle(&self) -> Result<(), Violation> {
        for (office, day) in self.days() {
            for counter in 0..self.options.town.counters {
                let free = self.free_units(office, day, counter);
                for index in self.wishers.open.iter().copied() {
                    let wished = &self.wishers.wished[index];
                    let engaged = |index: usize| self.wishers.wished[index].is_engaged();
                    if wished.standing != Some(Standing::Waiting)
                        || self.wishers.siblings(index).any(engaged)
                    {
                        continue;
                    }
                    let units = units(wished);
                    for start in FIRST_UNIT..=FIRST_UNIT + UNITS_MAX - units {
                        let seat = Seat {
                            office,
                            day,
                            counter,
                            start,
                            units,
                        };
                        let first = usize::from(start - FIRST_UNIT);
                        let span = &free[first..first + usize::from(units)];
                        let begins = Town::instant(day, start);
                        let a_while_ago = UnixMillis(self.now().0 - LATER.0);
                        let could_ask =
                            wished.wish.auto_accept || self.answerable(a_while_ago, begins);
                        if span.iter().all(|free| *free)
                            && could_ask
                            && self.fits(index, seat, start, true)
                        {
                            return wrong("I5", (seat, "stays free for", index, wished));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The units of a counter that surely are free for wishes.
    fn free_units(&self, office: u16, day: u16, counter: u8) -> [bool; UNITS_MAX as usize] {
        if self.may_be_guarded(counter, day) {
            return [false; UNITS_MAX as usize];
        }
        self.vacant_units(office, day, counter)
    }

    /// The units of a counter that nobody has, from its release on.
    pub(super) fn vacant_units(
        &self,
        office: u16,
        day: u16,
        counter: u8,
    ) -> [bool; UNITS_MAX as usize] {
        let mut free = [false; UNITS_MAX as usize];
        let town = &self.options.town;
        for (start, is_free) in (FIRST_UNIT..).zip(&mut free) {
            let unit = Seat {
                office,
                day,
                counter,
                start,
                units: 1,
            };
            let is_released = self.oracle.gates.is_open(town, unit, self.now().0);
            *is_free = is_released && town.is_open(counter, start);
        }
        let shard = self.engine.shard(OfficeIndex(office), Town::date(day));
        if let Some(shard) = shard {
            shard.decide(|day| {
                for it in day.reservations().filter(|it| it.state.occupies()) {
                    let seat = Seat::of(it.id);
                    if seat.counter == counter {
                        let first = usize::from(seat.start - FIRST_UNIT);
                        free[first..first + usize::from(seat.units)].fill(false);
                    }
                }
            });
        }
        free
    }

    /// Offers end when their time is over, and with a booking the other wishes of its person.
    fn nothing_lasts_longer(&self) -> Result<(), Violation> {
        for index in self.wishers.open.iter().copied() {
            let wished = &self.wishers.wished[index];
            if wished.merges && wished.is_open() && wished.asked.is_none() {
                return wrong(
                    "I5",
                    (index, "goes on although its person is booked", wished),
                );
            }
            if let Some(Standing::Offered(offer)) = wished.standing
                && UnixMillis(offer.deadline) <= self.now()
                && self.lasts_until(offer.seat) <= Some(self.now())
            {
                return wrong("I3", (index, "was not answered and goes on", offer));
            }
        }
        Ok(())
    }

    /// Once faults stop: everything is given, everything that nobody answers lapses.
    pub fn settle_wishes(&mut self) -> Result<(), Violation> {
        if self.options.town.wishes.is_none() {
            return Ok(());
        }
        self.calm()?;
        for _ in 0..2 {
            let later = self.now() + Millis::from_minutes(20);
            self.set_clock(later);
            self.calm()?;
        }
        self.look_at_wishes(false)
    }
}

pub(super) fn units(wished: &Wished) -> u16 {
    let quantities = wished.wish.services.iter().map(|(_, quantity)| quantity);
    quantities.map(u16::from).sum()
}

fn rank_of(wished: &Wished) -> (Place, Option<WishId>) {
    (wished.place, wished.id)
}

const _: () = assert!(DAYS == 2, "the weekdays of the days are counted on");
