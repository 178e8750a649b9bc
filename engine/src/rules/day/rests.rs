//! Seats that were given back: for wishes first, for everybody after a while.
//!
//! Whoever cancels a booking so that a friend can take the seat in the same second must not know
//! when that second is. So a seat that is given back *rests*: its cells belong to the channel of
//! the wishes until a moment that nobody can guess.

use super::{Day, END_OF_TIME, HoldRefusal, HoldTerms, Reservation, State};
use crate::canary::{Canary, sings};
use crate::rules::calendar::{Guard, PlannedWave};
use crate::rules::catalogue::Channel;
use crate::rules::cells::CounterSet;
use crate::rules::ids::{Digest, ReservationId, Seat};
use crate::rules::need::{Need, Services};
use crate::rules::room::RoomId;
use crate::rules::time::{Millis, UnixMillis};

/// A seat that was given back, and until when it is for wishes alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    pub seat: Seat,
    pub until: UnixMillis,
}

/// One very seat for a wish.
#[derive(Clone, Copy, Debug)]
pub struct SeatAsk {
    pub seat: Seat,
    pub services: Services,
    /// Of the secret that will prove the right to the hold.
    pub secret: Digest,
    /// Entropy for the id.
    pub random: u64,
    pub deadline: UnixMillis,
    /// The waiting room whose lottery gives it out, if one does.
    pub room: Option<RoomId>,
}

impl Day {
    /// Keeps a seat that was given back for wishes alone. Cells of it that the public may not book
    /// anyway stay as they are.
    pub fn rest(&mut self, rest: Rest) {
        assert_eq!(rest.seat.key, self.key, "a seat rests on its own day");
        self.rests.push(rest);
        self.rest_again();
        self.changes += 1;
    }

    /// Seats that rest.
    pub fn rests(&self) -> &[Rest] {
        &self.rests
    }

    /// Moves the cells of all rests from the public to the wishes.
    pub(super) fn rest_again(&mut self) {
        let [public, .., agent] = &mut self.bookable;
        for Rest { seat, .. } in &self.rests {
            let counter = CounterSet::only(seat.counter);
            for unit in seat.span() {
                let cells = public[unit].and(counter);
                agent[unit] = agent[unit].or(cells);
                public[unit] = public[unit].without(cells);
            }
        }
        let until = self.rests.iter().map(ends).min();
        self.next_change = self.next_release.min(until.unwrap_or(END_OF_TIME));
    }

    /// Gives back to the public what has rested long enough.
    pub(super) fn end_rests(&mut self, now: UnixMillis) {
        let (over, rests): (Vec<Rest>, Vec<Rest>) =
            self.rests.iter().partition(|rest| ends(rest) <= now);
        self.rests = rests;
        let [public, .., agent] = &mut self.bookable;
        for Rest { seat, .. } in &over {
            let counter = CounterSet::only(seat.counter);
            for unit in seat.span() {
                // Whatever the wishes have of the public's cells came here through a rest.
                let lent = agent[unit]
                    .and(counter)
                    .and(planned(&self.plan.public, unit));
                public[unit] = public[unit].or(lent);
                agent[unit] = agent[unit].without(lent);
            }
        }
        // Of those that overlap the last one counts.
        self.rest_again();
        if !over.is_empty() {
            self.changes += 1;
        }
    }

    /// What of a unit is the public's and for wishes alone now.
    pub(super) fn resting(&self, unit: usize) -> CounterSet {
        // Whatever the wishes have of the public's cells came here through a rest.
        self.bookable[Channel::Agent as usize][unit].and(planned(&self.plan.public, unit))
    }

    /// By unit, the counters that are free for wishes: their own, and those of the public, resting
    /// or not, that no waiting room has a claim on, or only this one.
    pub fn free_for_wishes(&mut self, now: UnixMillis, room: Option<RoomId>) -> Vec<CounterSet> {
        self.catch_up(now);
        let shut = self.shut(now, room);
        let free = |unit: usize| {
            let shut = shut.iter().filter_map(|(wave, _)| wave.cells.get(unit));
            let public = self.free(Channel::Public, unit);
            let free = public.or(self.free(Channel::Agent, unit));
            shut.fold(free, |set, cells| set.without(*cells))
        };
        (0..usize::from(self.plan.units)).map(free).collect()
    }

    /// By unit, the counters whose release this waiting room is before.
    pub fn cells_of(&self, room: RoomId) -> Vec<CounterSet> {
        let waves = &self.plan.waves;
        let own = || {
            waves
                .iter()
                .filter(|it| it.guard.is_some_and(|it| it.room == room))
        };
        let cell = |unit: usize| {
            own().fold(CounterSet::EMPTY, |set, wave| {
                set.or(planned(&wave.cells, unit))
            })
        };
        (0..usize::from(self.plan.units)).map(cell).collect()
    }

    /// Whether the need would find room among [`Day::free_for_wishes`], whenever that is. A visit
    /// can begin in what rests and end in what does not.
    pub fn has_room_for_wishes(&mut self, now: UnixMillis, need: &Need) -> bool {
        let free = self.free_for_wishes(now, None);
        let mut visits = free.windows(usize::from(need.units.max(1)));
        visits.any(|visit| {
            let counters = visit
                .iter()
                .fold(need.counters, |set, cells| set.and(*cells));
            !counters.is_empty()
        })
    }

    /// Holds one very seat for a wish, found among [`Day::free_for_wishes`] under the same lock.
    ///
    /// # Errors
    /// [`HoldRefusal::Taken`] and [`HoldRefusal::Full`]; the day is unchanged.
    pub fn hold_for_wish(
        &mut self,
        now: UnixMillis,
        ask: &SeatAsk,
    ) -> Result<ReservationId, HoldRefusal> {
        let free = self.free_for_wishes(now, ask.room);
        let span = free.get(ask.seat.span()).unwrap_or_default();
        let is_free = !span.is_empty() && span.iter().all(|set| set.contains(ask.seat.counter));
        if !is_free {
            return Err(HoldRefusal::Taken);
        }
        let terms = HoldTerms {
            deadline: ask.deadline,
            extended: true,
        };
        let id = self.slab.insert_with(|slot| Reservation {
            id: ReservationId::new(ask.seat, slot, ask.random),
            services: ask.services,
            channel: Channel::Agent,
            secret: ask.secret,
            ticket: None,
            state: State::Held(terms),
        });
        let id = id.ok_or(HoldRefusal::Full)?;
        self.take(ask.seat);
        Ok(id)
    }

    /// The next instant at which time alone changes what is bookable.
    pub fn next_change(&self) -> UnixMillis {
        self.next_change
    }

    /// Released waves whose cells only passes of other rooms may take.
    pub(super) fn shut(
        &self,
        now: UnixMillis,
        room: Option<RoomId>,
    ) -> Vec<(&PlannedWave, RoomId)> {
        let is_shut = |guard: &Guard| {
            now < guard.until && Some(guard.room) != room && !self.lifted.contains(&guard.room)
        };
        self.begun_waves()
            .filter_map(|wave| Some((wave, wave.guard.filter(is_shut)?.room)))
            .collect()
    }
}

/// When the seat is everybody's again.
fn ends(rest: &Rest) -> UnixMillis {
    let early = if sings(Canary::RestEndedEarly) {
        Millis::from_minutes(1)
    } else {
        Millis(0)
    };
    UnixMillis(rest.until.0 - early.0)
}

fn planned(cells: &[CounterSet], unit: usize) -> CounterSet {
    cells.get(unit).copied().unwrap_or_default()
}
