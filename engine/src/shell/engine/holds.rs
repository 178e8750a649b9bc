//! Hold, extend, release, and what happens when time is up.

use jiff::civil::Date;

use super::bookings::is_offer;
use super::{Due, Engine};
use crate::canary::{Canary, sings};
use crate::rules::catalogue::{Channel, OfficeIndex};
use crate::rules::day::{Ask, Expiry, ExtendRefusal, HoldRefusal, HoldUse, HoldView};
use crate::rules::ids::{Digest, HoldToken, ReservationId};
use crate::rules::need::Need;
use crate::rules::record::Fact;
use crate::rules::room::TicketId;
use crate::rules::room::state::PassUse;
use crate::rules::time::{Millis, UnixMillis};
use crate::shell::ledger::Health;
use crate::shell::shard::Shard;
use crate::shell::sync::Ordering;

/// While the ledger is away, holds that fall due this soon are stretched.
const STRETCH_AHEAD: Millis = Millis(5_000);
/// By how much they are stretched each time.
const STRETCH_STEP: Millis = Millis::from_minutes(2);

/// When the clocks go forward.
const SHORTEST_DAY: Millis = Millis::from_minutes(23 * 60);

/// Somebody asks for a seat at an office.
#[derive(Clone, Copy, Debug)]
pub struct HoldAsk {
    pub office: OfficeIndex,
    pub need: Need,
    pub start: UnixMillis,
    pub channel: Channel,
    /// Of the secret that will prove the right to the hold.
    pub secret: Digest,
    /// Entropy for the id.
    pub random: u64,
    /// The pass of a waiting room, if the caller has one.
    pub pass: Option<PassInHand>,
}

/// A pass that somebody has shown and whose signature holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassInHand {
    pub ticket: TicketId,
    /// The how manieth pass of its ticket.
    pub turn: u8,
}

/// Why there is no hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldError {
    Refused(HoldRefusal),
    /// The pass cannot be used.
    Pass(PassUse),
    /// The day lies further ahead than the office books.
    BeyondHorizon {
        last: Date,
    },
    /// A queue is full; try again.
    Overloaded,
}

impl Engine {
    /// Reserves a seat for the office's hold time.
    ///
    /// # Errors
    /// [`HoldError`]; nothing has changed.
    pub fn hold(&self, now: UnixMillis, ask: &HoldAsk) -> Result<HoldView, HoldError> {
        let office = self.catalogue.office(ask.office);
        let date = self.date_of(ask.start);
        let beyond = || HoldError::BeyondHorizon {
            last: self.horizon(now, office),
        };
        // Counted in the shortest days there are, most starts need no calendar.
        let near = Millis(SHORTEST_DAY.0 * i64::from(office.horizon_days));
        if ask.start - now > near && date > self.horizon(now, office) {
            return Err(beyond());
        }
        if ask.start <= now {
            return Err(HoldError::Refused(HoldRefusal::Past));
        }
        let shard = self.shard(ask.office, date).ok_or_else(beyond)?;
        let ticket = self.use_pass(now, ask.pass)?;
        self.hold_in(&shard, now, ask, ticket)
            .inspect_err(|_| self.rooms.count_hold(ticket, false))
    }

    /// Counts the hold that is to be made with a pass.
    fn use_pass(
        &self,
        now: UnixMillis,
        pass: Option<PassInHand>,
    ) -> Result<Option<TicketId>, HoldError> {
        let Some(PassInHand { ticket, turn }) = pass else {
            return Ok(None);
        };
        let ended = || HoldError::Pass(PassUse::Ended);
        let room = self.rooms.get(ticket.room).ok_or_else(ended)?;
        let begun = room.decide(|room| room.begin_hold(now, ticket.seq, turn));
        match begun {
            Ok(()) => Ok(Some(ticket)),
            // Once the room is over, what is left of its seats needs no pass.
            Err(PassUse::Over(_)) => Ok(None),
            Err(refusal) => Err(HoldError::Pass(refusal)),
        }
    }

    #[inline]
    fn hold_in(
        &self,
        shard: &Shard,
        now: UnixMillis,
        ask: &HoldAsk,
        ticket: Option<TicketId>,
    ) -> Result<HoldView, HoldError> {
        let office = self.catalogue.office(ask.office);
        let deadline = now + Millis::from_minutes(u32::from(office.hold_minutes));
        let mut day = shard.lock();
        let id = day
            .hold(
                now,
                &Ask {
                    start: ask.start,
                    need: ask.need,
                    channel: ask.channel,
                    secret: ask.secret,
                    random: ask.random,
                    deadline,
                    ticket,
                },
            )
            .map_err(HoldError::Refused)?;
        let hold = day.hold_view(id).expect("it was made a moment ago");
        // Of the channel that gives the seat, which need not be the one that asks.
        let channel = day.reservation(id).map_or(ask.channel, |it| it.channel);
        let fact = Fact::Held {
            id,
            services: ask.need.services,
            channel,
            secret: ask.secret,
            deadline,
            ticket,
        };
        let watched = self.watched.load(Ordering::Relaxed) < self.limits.deadlines_max
            && self.deadlines.try_send((deadline, id)).is_ok();
        if !watched || !self.append(now, fact) {
            day.forget(id);
            return Err(HoldError::Overloaded);
        }
        Ok(hold)
    }

    /// Gives a hold once more the office's hold time.
    ///
    /// # Errors
    /// [`ExtendRefusal`]; nothing has changed.
    pub fn extend(&self, now: UnixMillis, token: HoldToken) -> Result<HoldView, ExtendRefusal> {
        let gone = ExtendRefusal::Unusable(HoldUse::Gone);
        let (shard, office) = self.existing(token.id).ok_or(gone)?;
        let by = Millis::from_minutes(u32::from(self.catalogue.office(office).hold_minutes));
        let mut day = shard.lock();
        if is_offer(&day, token.id) {
            return Err(ExtendRefusal::Unusable(HoldUse::Foreign));
        }
        let deadline = day.extend(now, token.id, token.secret.digest(), by)?;
        self.append(
            now,
            Fact::Extended {
                id: token.id,
                deadline,
            },
        );
        day.hold_view(token.id).ok_or(gone)
    }

    /// Gives a held seat back.
    ///
    /// # Errors
    /// [`HoldUse`]; nothing has changed.
    pub fn release(&self, now: UnixMillis, token: HoldToken) -> Result<(), HoldUse> {
        let (shard, _) = self.existing(token.id).ok_or(HoldUse::Gone)?;
        let mut day = shard.lock();
        if is_offer(&day, token.id) {
            return Err(HoldUse::Foreign);
        }
        let ticket = day.release(now, token.id, token.secret.digest())?;
        self.offer_first(&mut day, now, token.id);
        self.append(now, Fact::Released { id: token.id });
        self.rooms.count_hold(ticket, false);
        Ok(())
    }

    /// Frees the seats of holds whose deadline has come. Call it a few times a second.
    pub fn tick(&self, now: UnixMillis) {
        let mut due = self.due.lock();
        let Due { incoming, wheel } = &mut *due;
        let mut fired = Vec::new();
        for (deadline, id) in incoming.try_iter().take(self.limits.deadline_queue_max) {
            // A clock that was set ahead can have passed it before it was ever filed.
            if deadline <= now {
                fired.push(id);
            } else {
                wheel.insert(deadline, id);
            }
        }
        let stretch = self.stretching(now);
        let ahead = stretch || sings(Canary::EarlyExpiry);
        let until = if ahead { now + STRETCH_AHEAD } else { now };
        wheel.advance(until, |_, id| fired.push(id));
        for id in fired {
            if let Expiry::Later(deadline) = self.expire(now, id, stretch) {
                wheel.insert(deadline, id);
            }
        }
        self.watched.store(wheel.len(), Ordering::Relaxed);
    }

    /// Ends a hold whose deadline has come, or gives it more time if `stretch` says so.
    pub(in crate::shell) fn expire(
        &self,
        now: UnixMillis,
        id: ReservationId,
        stretch: bool,
    ) -> Expiry {
        let Some((shard, _)) = self.existing(id) else {
            return Expiry::Nothing;
        };
        let mut day = shard.lock();
        if stretch && let Some(deadline) = day.stretch(id, now + STRETCH_STEP) {
            // Kept in the ledger's queue until it is back, for the next start.
            self.append(now, Fact::Stretched { id, deadline });
        }
        let ticket = day.reservation(id).and_then(|hold| hold.ticket);
        let expiry = day.expire(now, id);
        if expiry == Expiry::Freed {
            self.offer_first(&mut day, now, id);
            self.rooms.count_hold(ticket, false);
            // Left out of the ledger when its queue is full: a hold past its deadline is expired
            // whether or not anybody wrote it down.
            self.append(now, Fact::Expired { id });
        }
        expiry
    }

    /// Whether an outage of the ledger gives holds more time now.
    fn stretching(&self, now: UnixMillis) -> bool {
        match self.ledger.health() {
            Health::Ready => false,
            Health::Away { since, .. } => now - since <= self.limits.stretch_max,
        }
    }

    /// Files a deadline; for holds that come back from the ledger.
    pub(in crate::shell) fn watch(&self, deadline: UnixMillis, id: ReservationId) {
        self.due.lock().wheel.insert(deadline, id);
    }
}
