//! Hold, extend, release, expire.
//!
//! Hold and release run under the lock that everybody wants. They are inlined into whoever has it,
//! down to the cells: a lock is let go only when every write before it has arrived, and what stays
//! in registers need not be waited for.

use super::{Day, HoldTerms, Reservation, State};
use crate::canary::{Canary, sings};
use crate::rules::calendar::PlannedWave;
use crate::rules::catalogue::Channel;
use crate::rules::cells::CounterSet;
use crate::rules::fit::best_fit;
use crate::rules::ids::{Digest, ReservationId, Seat};
use crate::rules::need::{Need, Services};
use crate::rules::room::{RoomId, TicketId};
use crate::rules::time::{Millis, UnixMillis};

/// Somebody asks for a seat.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    pub start: UnixMillis,
    pub need: Need,
    pub channel: Channel,
    /// Of the secret that will prove the right to the hold.
    pub secret: Digest,
    /// Entropy for the id.
    pub random: u64,
    pub deadline: UnixMillis,
    /// Whose pass it is made with, if with one.
    pub ticket: Option<TicketId>,
}

/// Why there is no hold. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldRefusal {
    /// No slot starts at this instant on this day.
    OffGrid,
    /// The start is over.
    Past,
    /// The start is nearer than the notice the office needs.
    TooSoon { earliest: UnixMillis },
    /// No counter that serves the need is open for all of it.
    Closed,
    /// Seats exist, but they are released later, if anybody knows when.
    Sealed { until: Option<UnixMillis> },
    /// Seats exist, but only for passes of this waiting room.
    PassRequired { room: RoomId },
    /// Somebody else was first.
    Taken,
    /// The day has as many reservations as ids can name.
    Full,
}

/// Why a hold cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldUse {
    /// It expired, was released, or never existed.
    Gone,
    /// It exists, but the secret is not its own.
    Foreign,
    /// It has become a booking.
    Spent,
    /// Its confirmation is on the way to the ledger.
    Pending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtendRefusal {
    Unusable(HoldUse),
    /// A hold is extended once.
    AlreadyExtended,
}

impl Day {
    /// Reserves a seat until the deadline.
    ///
    /// # Errors
    /// [`HoldRefusal`]; the day is unchanged.
    #[inline(always)]
    pub fn hold(&mut self, now: UnixMillis, ask: &Ask) -> Result<ReservationId, HoldRefusal> {
        self.catch_up(now);
        let start = self.plan.unit_at(ask.start).ok_or(HoldRefusal::OffGrid)?;
        if ask.start <= now {
            return Err(HoldRefusal::Past);
        }
        let earliest = now + self.notice(ask.channel);
        if ask.start < earliest {
            return Err(HoldRefusal::TooSoon { earliest });
        }
        let end = start + u16::from(ask.need.units);
        if end > self.plan.units {
            return Err(HoldRefusal::Closed);
        }
        let (channel, counter) = if self.plan.guarded {
            self.choose_with_pass(now, ask, start, end)?
        } else {
            self.choose(ask.channel, start, end, ask.need.counters)
                .ok_or_else(|| self.why_not(now, start, end, ask))?
        };

        let seat = Seat {
            key: self.key,
            counter,
            start,
            units: ask.need.units,
        };
        let terms = HoldTerms {
            deadline: ask.deadline,
            extended: false,
        };
        let id = self.slab.insert_with(|slot| Reservation {
            id: ReservationId::new(seat, slot, ask.random),
            services: ask.need.services,
            channel,
            secret: ask.secret,
            ticket: ask.ticket,
            state: State::Held(terms),
        });
        let id = id.ok_or(HoldRefusal::Full)?;
        let last = u8::from(sings(Canary::DoubleHold) && seat.units > 1);
        self.take(Seat {
            units: seat.units - last,
            ..seat
        });
        Ok(id)
    }

    /// Gives a hold more time, once.
    ///
    /// # Errors
    /// [`ExtendRefusal`]; the day is unchanged.
    pub fn extend(
        &mut self,
        now: UnixMillis,
        id: ReservationId,
        secret: Digest,
        by: Millis,
    ) -> Result<UnixMillis, ExtendRefusal> {
        let gone = ExtendRefusal::Unusable(HoldUse::Gone);
        let hold = self.slab.get_mut(id).ok_or(gone)?;
        let usable = hold.usable(now, secret);
        let terms = usable.map_err(ExtendRefusal::Unusable)?;
        if terms.extended {
            return Err(ExtendRefusal::AlreadyExtended);
        }
        let deadline = terms.deadline + by;
        hold.state = State::Held(HoldTerms {
            deadline,
            extended: true,
        });
        Ok(deadline)
    }

    /// Gives a held seat back. Returns whose pass it was held with.
    ///
    /// # Errors
    /// [`HoldUse`]; the day is unchanged.
    #[inline(always)]
    pub fn release(
        &mut self,
        now: UnixMillis,
        id: ReservationId,
        secret: Digest,
    ) -> Result<Option<TicketId>, HoldUse> {
        let check = |hold: &Reservation| hold.usable(now, secret).map(|_| hold.ticket);
        let ticket = self.slab.remove_if(id, HoldUse::Gone, check)?;
        self.give_back(id.seat());
        Ok(ticket)
    }

    /// Frees the seat of a hold whose deadline has come. Late is right, early is never: a hold
    /// that is not due, or is about to be confirmed, stays. Returns whether the seat became free,
    /// or else when to look again.
    pub fn expire(&mut self, now: UnixMillis, id: ReservationId) -> Expiry {
        match self.slab.get(id).map(|reservation| &reservation.state) {
            Some(State::Held(terms)) if terms.deadline <= now || sings(Canary::EarlyExpiry) => {
                self.end_hold(id);
                Expiry::Freed
            }
            Some(State::Held(terms) | State::Confirming(terms, _)) => Expiry::Later(terms.deadline),
            _ => Expiry::Nothing,
        }
    }

    /// Moves the deadline of a hold to `deadline` if it would come earlier: an outage is not the
    /// citizen's fault. Returns the deadline that now holds.
    pub fn stretch(&mut self, id: ReservationId, deadline: UnixMillis) -> Option<UnixMillis> {
        match &mut self.slab.get_mut(id)?.state {
            State::Held(terms) | State::Confirming(terms, _) => {
                terms.deadline = terms.deadline.max(deadline);
                Some(terms.deadline)
            }
            _ => None,
        }
    }

    /// Takes back a hold that could not be handed on to whoever asked. Returns whether there was
    /// one.
    pub fn forget(&mut self, id: ReservationId) -> bool {
        let state = self.slab.get(id).map(|reservation| &reservation.state);
        let is_held = matches!(state, Some(State::Held(_)));
        if is_held {
            self.end_hold(id);
        }
        is_held
    }

    /// A hold's terms and times.
    pub fn hold_view(&self, id: ReservationId) -> Option<HoldView> {
        let reservation = self.slab.get(id)?;
        let State::Held(terms) = reservation.state else {
            return None;
        };
        let seat = id.seat();
        Some(HoldView {
            id,
            services: reservation.services,
            start: self.plan.instant(seat.start),
            end: self.plan.instant(seat.end()),
            terms,
        })
    }

    #[inline]
    fn end_hold(&mut self, id: ReservationId) {
        self.slab.remove(id);
        self.give_back(id.seat());
    }

    /// The counter that takes the seat, and from whose capacity.
    #[inline]
    fn choose(
        &self,
        channel: Channel,
        start: u16,
        end: u16,
        qualified: CounterSet,
    ) -> Option<(Channel, u8)> {
        let choose_from = |channel| self.choose_from(channel, start, end, qualified);
        match channel {
            Channel::Public => choose_from(channel),
            // A channel whose own quota is used up competes with everybody.
            _ => choose_from(channel).or_else(|| choose_from(Channel::Public)),
        }
    }

    #[inline]
    fn choose_from(
        &self,
        channel: Channel,
        start: u16,
        end: u16,
        qualified: CounterSet,
    ) -> Option<(Channel, u8)> {
        let (start, end) = (usize::from(start), usize::from(end));
        let free = move |unit| self.free(channel, unit);
        let candidates = (start..end).fold(qualified, |set, unit| set.and(free(unit)));
        let counter = best_fit(free, start, end, candidates, self.plan.useful_units)?;
        Some((channel, counter))
    }

    /// As [`Day::choose`], on a day with cells that only passes of a waiting room may take.
    fn choose_with_pass(
        &self,
        now: UnixMillis,
        ask: &Ask,
        start: u16,
        end: u16,
    ) -> Result<(Channel, u8), HoldRefusal> {
        let shut = self.shut(now, ask.ticket.map(|ticket| ticket.room));
        let choose_from = |channel: Channel, barred: &[(&PlannedWave, RoomId)]| {
            let free = |unit: usize| {
                let barred = barred.iter().filter_map(|(wave, _)| wave.cells.get(unit));
                barred.fold(self.free(channel, unit), |set, cells| set.without(*cells))
            };
            let (start, end) = (usize::from(start), usize::from(end));
            let candidates = (start..end).fold(ask.need.counters, |set, unit| set.and(free(unit)));
            let counter = best_fit(free, start, end, candidates, self.plan.useful_units)?;
            Some((channel, counter))
        };
        let own = (ask.channel != Channel::Public).then(|| choose_from(ask.channel, &[]));
        let chosen = own
            .flatten()
            .or_else(|| choose_from(Channel::Public, &shut));
        chosen.ok_or_else(|| match shut.first() {
            Some((_, room)) if choose_from(Channel::Public, &[]).is_some() => {
                HoldRefusal::PassRequired { room: *room }
            }
            _ => self.why_not(now, start, end, ask),
        })
    }

    /// Why `choose` found nothing.
    fn why_not(&self, now: UnixMillis, start: u16, end: u16, ask: &Ask) -> HoldRefusal {
        // A visit lies in the cells of one channel from its start to its end.
        let whole = |cells: &dyn Fn(Channel, u16) -> CounterSet| {
            let counters = |channel| {
                (start..end).fold(ask.need.counters, |set, unit| set.and(cells(channel, unit)))
            };
            counters(ask.channel).or(counters(Channel::Public))
        };
        let open = whole(&|channel, unit| {
            self.plan
                .of(channel)
                .get(usize::from(unit))
                .copied()
                .unwrap_or_default()
        });
        // With the next waves, one after the other, until the visit would be possible.
        let waves = self.sealed_waves(now);
        let with_next = |count: usize| {
            whole(&|channel, unit| {
                let unit = usize::from(unit);
                let bookable = self.bookable[channel as usize][unit];
                let sealed = waves.iter().take(count).map(|(_, wave)| wave.cells[unit]);
                let sealed = sealed.filter(|_| channel == Channel::Public);
                sealed.fold(bookable, CounterSet::or)
            })
        };
        if open.is_empty() {
            return HoldRefusal::Closed;
        }
        let needed = (0..=waves.len()).find(|count| !with_next(*count).is_empty());
        match needed.and_then(|count| waves.get(count.checked_sub(1)?)) {
            Some((told, _)) => HoldRefusal::Sealed { until: *told },
            None => HoldRefusal::Taken,
        }
    }
}

impl Reservation {
    /// The terms of a hold that may be used now with this secret.
    #[inline]
    pub(super) fn usable(&self, now: UnixMillis, secret: Digest) -> Result<HoldTerms, HoldUse> {
        // A signpost that came back from the ledger no longer knows the secret of its hold.
        if matches!(self.state, State::Moved { .. }) {
            return Err(HoldUse::Spent);
        }
        if self.secret != secret {
            return Err(HoldUse::Foreign);
        }
        match &self.state {
            State::Held(terms) if now < terms.deadline || sings(Canary::DeadlineIgnored) => {
                Ok(*terms)
            }
            State::Held(_) => Err(HoldUse::Gone),
            State::Confirming(..) => Err(HoldUse::Pending),
            _ => Err(HoldUse::Spent),
        }
    }
}

/// A live hold as its holder sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldView {
    pub id: ReservationId,
    pub services: Services,
    pub start: UnixMillis,
    pub end: UnixMillis,
    pub terms: HoldTerms,
}

/// What became of a hold whose deadline was thought to have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    Freed,
    /// Not due: look again at this instant.
    Later(UnixMillis),
    /// There is no such hold any more.
    Nothing,
}
