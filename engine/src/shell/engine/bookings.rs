//! Confirm, cancel, move: decided under the lock, acknowledged by the ledger.

use std::sync::Arc;

use super::Engine;
use crate::rules::catalogue::{Channel, OfficeIndex};
use crate::rules::day::{Begun, BookingRefusal, Day, HoldUse, MoveOutcome, State};
use crate::rules::ids::{Digest, HoldToken, ReservationId, Secret};
use crate::rules::record::{Booked, Confirmed, Contract, Fact, Person, Position, Record};
use crate::rules::room::TicketId;
use crate::rules::room::state::SpendRefusal;
use crate::rules::time::{Millis, UnixMillis};
use crate::rules::wish::WishId;
use crate::shell::ledger::{Durable, Entry, Health, Ledger, NotKept};
use crate::shell::rooms::RoomShard;

/// A deadline that rose by less is not written down.
const STRETCH_NOTED: Millis = Millis::from_minutes(1);
/// How often one booking can be moved.
pub const MOVES_MAX: u32 = 16;

/// A confirmed seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    pub confirmed: Confirmed,
    pub cancelled: bool,
}

/// The time that a hold gets after the ledger refused its confirmation.
#[derive(Clone, Copy)]
pub(super) struct SecondChance {
    /// From the refusal on.
    hold: Millis,
    /// But no longer than this after the outage began.
    stretch_max: Millis,
}

/// A request to confirm a hold.
#[derive(Clone, Debug)]
pub struct ConfirmAsk {
    pub token: HoldToken,
    pub person: Person,
    /// Of everything the request says, so that a repeated one is told from another one.
    pub request: Digest,
    pub idempotency_key: Option<Digest>,
    /// Of the person, under the key of the waiting room that the hold came from; empty when it came
    /// from none.
    pub identities: Vec<Digest>,
}

/// A booking that is to move onto a held seat.
#[derive(Clone, Copy, Debug)]
pub(super) struct MoveAsk {
    /// The booking's id for life.
    pub(super) booking: ReservationId,
    pub(super) manage: Digest,
    pub(super) to: ReservationId,
    /// Of the hold's secret.
    pub(super) secret: Digest,
    /// The wish that is fulfilled with it.
    pub(super) wish: Option<Fulfilled>,
}

/// A wish that gets a seat.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fulfilled {
    pub(super) wish: WishId,
    /// Whether its offer is accepted. What is given without asking is decided about already.
    pub(super) accepted: bool,
}

/// Why nothing was confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfirmError {
    Hold(HoldUse),
    /// The same person has a booking for the same service from this waiting room; the hold stays.
    BookedBefore,
    /// Another hold of the same pass has become a booking, or its ticket a wish; this one stays
    /// until its end.
    PassSpent,
    /// The ledger cannot keep it now; the hold stays and gets more time.
    LedgerAway,
}

/// Why a booking was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeError {
    Booking(BookingRefusal),
    /// The hold on the new seat cannot be used.
    Hold(HoldUse),
    /// A booking can be moved [`MOVES_MAX`] times.
    TooManyMoves,
    /// The ledger cannot keep it now; the booking stands as it was.
    LedgerAway,
}

impl Engine {
    /// Turns a hold into a booking. `done` is called once: with the booking when it is durable,
    /// or with the reason why it is not. The same request may be repeated and gets the same
    /// answer.
    pub fn confirm(
        &self,
        now: UnixMillis,
        ask: ConfirmAsk,
        done: impl FnOnce(Result<Durable<Booking>, ConfirmError>) + Send + 'static,
    ) {
        let id = ask.token.id;
        let Some((shard, office)) = self.existing(id) else {
            return done(Err(ConfirmError::Hold(HoldUse::Gone)));
        };
        let contract = Contract {
            origin: id,
            manage: ask.token.secret.manage().digest(),
            request: ask.request,
            sequence: 0,
        };
        let mut day = shard.lock();
        if is_offer(&day, id) {
            drop(day);
            return done(Err(ConfirmError::Hold(HoldUse::Foreign)));
        }
        let confirmed = match day.confirm(now, id, ask.token.secret.digest(), contract) {
            Ok(Begun::Now(confirmed)) => confirmed,
            Ok(Begun::Before(confirmed, position)) => {
                drop(day);
                return done(Ok(booking(confirmed, position)));
            }
            Err(refusal) => {
                drop(day);
                return done(Err(ConfirmError::Hold(refusal)));
            }
        };
        let ticket = day.reservation(id).and_then(|hold| hold.ticket);
        let room = ticket.and_then(|ticket| Some((self.rooms.get(ticket.room)?, ticket.seq)));
        if let Some((room, seq)) = &room {
            let ticket = TicketId {
                room: room.id,
                seq: *seq,
            };
            if let Err(refusal) = self.spend(room, ticket, &ask.identities, id) {
                day.confirm_refused(id, now);
                drop(day);
                return done(Err(match refusal {
                    SpendRefusal::Spent => ConfirmError::PassSpent,
                    SpendRefusal::BookedBefore => ConfirmError::BookedBefore,
                }));
            }
        }
        let booked = Booked {
            confirmed: confirmed.clone(),
            person: ask.person,
            idempotency_key: ask.idempotency_key,
            ticket,
            identities: if room.is_some() {
                ask.identities
            } else {
                Vec::new()
            },
            wish: None,
        };
        let spent = booked.spent().map(|(_, fact)| fact);
        let fact = Fact::Booked(Box::new(booked));
        let again = self.second_chance(office);
        let settled = Arc::clone(&shard);
        let ledger = Arc::clone(&self.ledger);
        self.append_strict(day, now, fact, move |outcome| match outcome {
            Ok(position) => {
                settled.decide(|day| day.confirm_durable(id, position));
                if let (Some((room, _)), Some(spent)) = (room, spent) {
                    room.lock().apply(now, &spent);
                }
                done(Ok(booking(confirmed, position)));
            }
            Err(NotKept { at }) => {
                settled.decide(|day| hold_again(day, &*ledger, id, at, again));
                if let Some((room, seq)) = room {
                    room.lock().booking_refused(seq, id);
                }
                done(Err(ConfirmError::LedgerAway));
            }
        });
    }

    pub(super) fn second_chance(&self, office: OfficeIndex) -> SecondChance {
        let hold_minutes = u32::from(self.catalogue.office(office).hold_minutes);
        SecondChance {
            hold: Millis::from_minutes(hold_minutes),
            stretch_max: self.limits.stretch_max,
        }
    }

    /// Looks at a booking by the id it was first given.
    ///
    /// # Errors
    /// [`BookingRefusal::Unknown`], also for a wrong secret.
    pub fn booking(&self, id: ReservationId, manage: Secret) -> Result<Booking, BookingRefusal> {
        let (confirmed, state) = self.find(id, manage.digest())?;
        Ok(Booking {
            confirmed,
            cancelled: matches!(state, State::Cancelled(..)),
        })
    }

    /// The booking with this id, wherever it has moved.
    pub(super) fn find(
        &self,
        id: ReservationId,
        manage: Digest,
    ) -> Result<(Confirmed, State), BookingRefusal> {
        let look = |id: ReservationId| {
            let (shard, _) = self.existing(id).ok_or(BookingRefusal::Unknown)?;
            shard.decide(|day| day.booking(id, manage))
        };
        // It can move on after the signpost was read: then the signpost shows another way.
        for _ in 0..=MOVES_MAX {
            match look(id) {
                Err(BookingRefusal::MovedTo(to)) => match look(to) {
                    Err(BookingRefusal::Unknown) => {}
                    found => return found,
                },
                found => return found,
            }
        }
        Err(BookingRefusal::Unknown)
    }

    /// The booking with this id, unless its time has come. A cancelled one is still found, so that
    /// repeating the cancellation gets the same answer.
    fn find_changeable(
        &self,
        now: UnixMillis,
        id: ReservationId,
        manage: Digest,
    ) -> Result<Confirmed, BookingRefusal> {
        let (confirmed, state) = self.find(id, manage)?;
        if confirmed.start <= now && !matches!(state, State::Cancelled(..)) {
            return Err(BookingRefusal::Over);
        }
        Ok(confirmed)
    }

    /// Cancels a booking. `done` is called once; repeating gets the same answer.
    pub fn cancel(
        &self,
        now: UnixMillis,
        id: ReservationId,
        manage: Secret,
        done: impl FnOnce(Result<Durable<Booking>, ChangeError>) + Send + 'static,
    ) {
        let manage = manage.digest();
        let current = match self.find_changeable(now, id, manage) {
            Ok(confirmed) => confirmed.id,
            Err(refusal) => return done(Err(ChangeError::Booking(refusal))),
        };
        let Some((shard, _)) = self.existing(current) else {
            return done(Err(ChangeError::Booking(BookingRefusal::Unknown)));
        };
        // Looked up before any day is locked: whoever has the map may be waiting for a day.
        let began_at = self.existing(id).filter(|_| id != current);
        let mut day = shard.lock();
        let confirmed = match day.cancel(current, manage) {
            Ok(Begun::Now(confirmed)) => confirmed,
            Ok(Begun::Before(confirmed, position)) => {
                drop(day);
                return done(Ok(cancelled(confirmed, position)));
            }
            Err(refusal) => {
                drop(day);
                return done(Err(ChangeError::Booking(moved_meanwhile(refusal))));
            }
        };
        let Contract {
            origin, sequence, ..
        } = confirmed.contract;
        let fact = Fact::Cancelled {
            id: current,
            origin,
            sequence,
        };
        let settled = Arc::clone(&shard);
        let rooms = Arc::clone(&self.rooms);
        let wishes = Arc::clone(&self.wishes);
        let resting = self.resting();
        self.append_strict(day, now, fact, move |outcome| match outcome {
            Ok(position) => {
                settled.decide(|day| {
                    day.cancel_durable(current, position);
                    resting.rest(day, current, now);
                });
                if let Some((shard, _)) = began_at {
                    shard.decide(|day| day.end_signpost(id));
                }
                rooms.disclaim(origin);
                wishes.lock().booking_starts(origin, None);
                done(Ok(cancelled(confirmed, position)));
            }
            Err(NotKept { .. }) => {
                settled.decide(|day| day.cancel_refused(current));
                done(Err(ChangeError::LedgerAway));
            }
        });
    }

    /// Moves a booking onto a held seat. The old seat is kept until the new one is durable.
    /// `done` is called once; repeating gets the same answer.
    pub fn move_booking(
        &self,
        now: UnixMillis,
        id: ReservationId,
        manage: Secret,
        token: HoldToken,
        done: impl FnOnce(Result<Durable<Booking>, ChangeError>) + Send + 'static,
    ) {
        let ask = MoveAsk {
            booking: id,
            manage: manage.digest(),
            to: token.id,
            secret: token.secret.digest(),
            wish: None,
        };
        self.relocate(now, ask, done);
    }

    /// Marks a ticket whose seat becomes a booking, unless it has become one or a wish.
    fn spend(
        &self,
        room: &RoomShard,
        ticket: TicketId,
        identities: &[Digest],
        booking: ReservationId,
    ) -> Result<(), SpendRefusal> {
        let begun = room.lock().begin_booking(ticket.seq, identities, booking);
        // A wish that begins from now on finds that the ticket is spent.
        if begun.is_ok() && self.is_wish(ticket) {
            room.lock().booking_refused(ticket.seq, booking);
            return Err(SpendRefusal::Spent);
        }
        begun
    }

    /// As [`Engine::move_booking`], for a wish as well.
    pub(super) fn relocate(
        &self,
        now: UnixMillis,
        ask: MoveAsk,
        done: impl FnOnce(Result<Durable<Booking>, ChangeError>) + Send + 'static,
    ) {
        let MoveAsk {
            manage, to, wish, ..
        } = ask;
        let (from, origin) = match self.find_changeable(now, ask.booking, manage) {
            Ok(confirmed) => (confirmed.id, confirmed.contract.origin),
            Err(refusal) => return done(Err(ChangeError::Booking(refusal))),
        };
        let Some((old_shard, _)) = self.existing(from) else {
            return done(Err(ChangeError::Booking(BookingRefusal::Unknown)));
        };
        let Some((new_shard, office)) = self.existing(to) else {
            return done(Err(ChangeError::Hold(HoldUse::Gone)));
        };
        if from == to {
            return done(old_shard.decide(|day| moved_before(day, from, &ask)));
        }
        // Looked up before any day is locked: whoever has the map may be waiting for a day.
        let origin_shard = self.existing(origin).map(|(shard, _)| shard);

        let same_day = Arc::ptr_eq(&old_shard, &new_shard);
        // Always locked in the order of their keys, so that two moves never wait for each other.
        let (mut old_day, mut new_day) = if same_day {
            (old_shard.lock(), None)
        } else if from.day_key() < to.day_key() {
            let old_day = old_shard.lock();
            (old_day, Some(new_shard.lock()))
        } else {
            let new_day = new_shard.lock();
            (old_shard.lock(), Some(new_day))
        };
        let onto = new_day.as_deref().unwrap_or(&old_day);
        let allowed = match wish {
            None if is_offer(onto, to) => Err(HoldUse::Foreign),
            None => Ok(()),
            Some(fulfilled) => {
                let start = |day: &Day, id: ReservationId| day.plan().instant(id.seat().start);
                // The booking can have been moved since the seat was found.
                let is_earlier = start(onto, to) < start(&old_day, from);
                let is_wished = is_earlier && self.stands_for(fulfilled, to);
                is_wished.then_some(()).ok_or(HoldUse::Gone)
            }
        };
        let ticket = onto.reservation(to).and_then(|hold| hold.ticket);
        let room = ticket.and_then(|ticket| Some((self.rooms.get(ticket.room)?, ticket)));
        // The same move once more is told how far it is.
        let is_new = |(room, ticket): &&(Arc<RoomShard>, TicketId)| {
            room.decide(|room| room.spent_for(ticket.seq) != Some(to))
        };
        let marked = room.as_ref().filter(|_| allowed.is_ok()).filter(is_new);
        let spent = marked.map_or(Ok(()), |(room, ticket)| self.spend(room, *ticket, &[], to));
        let marked = marked.is_some() && spent.is_ok();
        let begun = match (allowed, spent) {
            (Err(refusal), _) => Err(ChangeError::Hold(refusal)),
            // The pass has had its turn; the hold stays until its end.
            (_, Err(_)) => Err(ChangeError::Hold(HoldUse::Spent)),
            _ => begin_move(now, &mut old_day, new_day.as_deref_mut(), from, &ask),
        };
        let confirmed = match begun {
            Ok(confirmed) => confirmed,
            Err(refusal) => {
                drop((old_day, new_day));
                if let Some((room, ticket)) = room.filter(|_| marked) {
                    room.lock().booking_refused(ticket.seq, to);
                }
                return done(Err(refusal));
            }
        };
        let fact = Fact::Moved {
            from,
            to: Box::new(confirmed.clone()),
            wish: wish.map(|fulfilled| fulfilled.wish),
        };
        let of_wish = fact.of_wish().map(|(id, fact)| (id, fact.into_owned()));
        let catalogue = Arc::clone(&self.catalogue);
        let wishes = Arc::clone(&self.wishes);
        let resting = self.resting();
        let again = self.second_chance(office);
        let (old_settled, new_settled) = (Arc::clone(&old_shard), Arc::clone(&new_shard));
        let ledger = Arc::clone(&self.ledger);
        self.append_strict(
            (old_day, new_day),
            now,
            fact,
            move |outcome| match outcome {
                Ok(position) => {
                    new_settled.decide(|day| day.confirm_durable(to, position));
                    if let Some(shard) = origin_shard {
                        shard.decide(|day| day.redirect(origin, to));
                    }
                    let outcome = MoveOutcome::Durable(position);
                    old_settled.decide(|day| {
                        day.settle_move(from, to, outcome);
                        resting.rest(day, from, now);
                    });
                    let mut agent = wishes.lock();
                    if let Some((id, fact)) = &of_wish {
                        agent.apply(&catalogue, now, *id, fact);
                    }
                    agent.booking_starts(origin, Some(confirmed.start));
                    drop(agent);
                    if let Some((room, ticket)) = room {
                        use_up(&room, &*ledger, ticket, now);
                    }
                    done(Ok(booking(confirmed, position)));
                }
                Err(NotKept { at }) => {
                    new_settled.decide(|day| hold_again(day, &*ledger, to, at, again));
                    old_settled.decide(|day| day.settle_move(from, to, MoveOutcome::Refused));
                    if let Some((room, ticket)) = room {
                        room.lock().booking_refused(ticket.seq, to);
                    }
                    done(Err(ChangeError::LedgerAway));
                }
            },
        );
    }
}

/// Whether a seat is held for a wish: who accepts or declines it has another way to say so.
pub(super) fn is_offer(day: &Day, id: ReservationId) -> bool {
    let held = day.reservation(id);
    held.is_some_and(|it| it.channel == Channel::Agent)
}

/// A booking was moved onto a seat that was held with this ticket's pass: that was its turn. It
/// stays marked as spent.
pub(super) fn use_up(room: &RoomShard, ledger: &dyn Ledger, ticket: TicketId, at: UnixMillis) {
    let left = room.lock().leave(at, ticket.seq);
    if let Some(fact) = left {
        let fact = Fact::Room {
            room: ticket.room,
            fact: Box::new(fact),
        };
        let record = Record { at, fact };
        // If the queue is full, the next start gives the pass back.
        drop(ledger.append(Entry { record, done: None }));
    }
}

/// A confirmation that the ledger refused: the seat is held again, with more time.
pub(super) fn hold_again(
    day: &mut Day,
    ledger: &dyn Ledger,
    id: ReservationId,
    at: UnixMillis,
    again: SecondChance,
) {
    let deadline = match ledger.health() {
        Health::Away { since, .. } => (at + again.hold).min(since + again.stretch_max),
        Health::Ready => at + again.hold,
    };
    let (deadline, rise) = day.confirm_refused(id, deadline);
    // People try again every few seconds; not each try is worth a record.
    let noted = |at: UnixMillis| at.0.div_euclid(STRETCH_NOTED.0);
    if noted(deadline) != noted(UnixMillis(deadline.0 - rise.0)) {
        let fact = Fact::Stretched { id, deadline };
        let record = Record { at, fact };
        // If even the queue is full, the next start knows only the earlier deadline.
        drop(ledger.append(Entry { record, done: None }));
    }
}

pub(super) fn booking(confirmed: Confirmed, position: Position) -> Durable<Booking> {
    Durable::new(
        Booking {
            confirmed,
            cancelled: false,
        },
        position,
    )
}

fn cancelled(confirmed: Confirmed, position: Position) -> Durable<Booking> {
    Durable::new(
        Booking {
            confirmed,
            cancelled: true,
        },
        position,
    )
}

/// The answer to a move that has already happened.
fn moved_before(
    day: &Day,
    id: ReservationId,
    ask: &MoveAsk,
) -> Result<Durable<Booking>, ChangeError> {
    let secret = day.reservation(id).map(|reservation| reservation.secret);
    if secret != Some(ask.secret) {
        return Err(ChangeError::Hold(HoldUse::Foreign));
    }
    match day.booking(id, ask.manage).map_err(ChangeError::Booking)? {
        (confirmed, State::Booked(contract, position)) if contract.sequence > 0 => {
            Ok(booking(confirmed, position))
        }
        (_, State::Booked(..)) => Err(ChangeError::Hold(HoldUse::Spent)),
        (_, State::Cancelled(..)) => Err(ChangeError::Booking(BookingRefusal::Cancelled)),
        _ => Err(ChangeError::Booking(BookingRefusal::Pending)),
    }
}

/// A booking that was found a moment ago and is not there any more is being moved.
fn moved_meanwhile(refusal: BookingRefusal) -> BookingRefusal {
    match refusal {
        BookingRefusal::Unknown | BookingRefusal::MovedTo(_) => BookingRefusal::Pending,
        refusal => refusal,
    }
}

/// The first step of a move on both sides, or on neither. `new_day` is None when both seats lie
/// on the same day.
fn begin_move(
    now: UnixMillis,
    old_day: &mut Day,
    new_day: Option<&mut Day>,
    from: ReservationId,
    ask: &MoveAsk,
) -> Result<Confirmed, ChangeError> {
    let MoveAsk { to, secret, .. } = *ask;
    let old = old_day
        .move_out(from, ask.manage)
        .map_err(|refusal| ChangeError::Booking(moved_meanwhile(refusal)))?;
    let contract = Contract {
        sequence: old.sequence + 1,
        ..old
    };
    let begun = if contract.sequence > MOVES_MAX {
        Err(ChangeError::TooManyMoves)
    } else {
        match new_day {
            Some(day) => day.confirm(now, to, secret, contract),
            None => old_day.confirm(now, to, secret, contract),
        }
        .map_err(ChangeError::Hold)
    };
    match begun {
        Ok(Begun::Now(confirmed)) => Ok(confirmed),
        Ok(Begun::Before(..)) => {
            old_day.settle_move(from, to, MoveOutcome::Refused);
            Err(ChangeError::Hold(HoldUse::Spent))
        }
        Err(refusal) => {
            old_day.settle_move(from, to, MoveOutcome::Refused);
            Err(refusal)
        }
    }
}
