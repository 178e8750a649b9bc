//! Offers are accepted or declined; a seat becomes a booking, or a booking moves onto it.

use std::sync::Arc;

use crate::canary::{Canary, sings};
use crate::rules::day::{Begun, BookingRefusal, HoldUse, State};
use crate::rules::ids::{Digest, ReservationId, Secret};
use crate::rules::record::{Booked, Contract, Fact, Position};
use crate::rules::time::UnixMillis;
use crate::rules::wish::WishId;
use crate::rules::wish::agent::Standing;
use crate::rules::wish::fact::{Contact, WishFact};
use crate::shell::engine::Engine;
use crate::shell::engine::bookings::{
    Booking, ChangeError, Fulfilled, MOVES_MAX, MoveAsk, booking, hold_again,
};
use crate::shell::ledger::{Durable, NotKept};

use super::OfferError;

impl Engine {
    /// Turns an offer into a booking. `done` is called once: with the booking when it is durable,
    /// or with the reason why it is not. Repeating gets the same answer.
    pub fn accept_offer(
        &self,
        now: UnixMillis,
        seat: ReservationId,
        secret: Secret,
        done: impl FnOnce(Result<Durable<Booking>, OfferError>) + Send + 'static,
    ) {
        let offered = self.wishes.lock().of_offer(seat, secret);
        let Some((id, known)) = offered else {
            return done(Err(OfferError::Unknown));
        };
        let number = match known.standing {
            Standing::Offered(offer) if offer.seat == seat => offer.number,
            Standing::Booked { seat: booked, .. } if booked == seat => known.offers,
            Standing::Deciding => return done(Err(OfferError::Pending)),
            _ => return done(Err(OfferError::Gone)),
        };
        let hold = known.contact.hold_secret(number);
        let fulfilled = Fulfilled {
            wish: id,
            accepted: true,
        };
        if let Some(instead) = known.wish.instead_of {
            let held = (seat, hold.digest());
            self.bring_forward(now, fulfilled, instead.booking, held, done);
        } else {
            self.book_for_wish(now, fulfilled, &known.contact, seat, hold, done);
        }
    }

    /// Whether nothing else has been made of an offer that is accepted. Nothing is made of it as
    /// long as the day of its seat is locked.
    pub(in crate::shell::engine) fn stands_for(
        &self,
        fulfilled: Fulfilled,
        seat: ReservationId,
    ) -> bool {
        let is_for = |standing| match standing {
            Standing::Offered(offer) => offer.seat == seat,
            Standing::Booked { seat: booked, .. } => booked == seat,
            _ => false,
        };
        let standing = self.look_at_wishes(|agent| Some(agent.known(fulfilled.wish)?.standing));
        !fulfilled.accepted || standing.is_some_and(is_for) || sings(Canary::AnsweredTwice)
    }

    /// Gives an offer back; its seat goes to the next wish. `done` is called once.
    pub fn decline_offer(
        &self,
        now: UnixMillis,
        seat: ReservationId,
        secret: Secret,
        done: impl FnOnce(Result<WishId, OfferError>) + Send + 'static,
    ) {
        let offered = self.wishes.lock().of_offer(seat, secret);
        let Some((id, known)) = offered else {
            return done(Err(OfferError::Unknown));
        };
        let (Standing::Offered(offer), Some((shard, _))) = (known.standing, self.existing(seat))
        else {
            return done(Err(match known.standing {
                Standing::Deciding => OfferError::Pending,
                _ => OfferError::Gone,
            }));
        };
        let day = shard.lock();
        let mut agent = self.wishes.lock();
        let state = day.reservation(seat).map(|it| &it.state);
        let is_open = matches!(state, Some(State::Held(_)))
            && agent.known(id).map(|it| it.standing) == Some(Standing::Offered(offer));
        if offer.seat != seat || !is_open {
            drop((agent, day));
            return done(Err(OfferError::Gone));
        }
        agent.decide(id);
        let fact = WishFact::Declined {
            number: offer.number,
        };
        let told = Fact::Wish {
            wish: id,
            fact: Box::new(fact.clone()),
        };
        let settled = Arc::clone(&shard);
        let wishes = Arc::clone(&self.wishes);
        let catalogue = Arc::clone(&self.catalogue);
        let resting = self.resting();
        self.append_strict((agent, day), now, told, move |outcome| match outcome {
            Ok(_) => {
                settled.decide(|day| {
                    if day.forget(seat) {
                        resting.rest(day, seat, now);
                    }
                });
                wishes.lock().apply(&catalogue, now, id, &fact);
                wishes.add_fresh(id);
                done(Ok(id));
            }
            Err(NotKept { .. }) => {
                wishes.lock().undo(id, Standing::Offered(offer));
                done(Err(OfferError::LedgerAway));
            }
        });
    }

    /// Books a seat that is held for a wish.
    pub(super) fn book_for_wish(
        &self,
        now: UnixMillis,
        fulfilled: Fulfilled,
        contact: &Contact,
        seat: ReservationId,
        hold: Secret,
        done: impl FnOnce(Result<Durable<Booking>, OfferError>) + Send + 'static,
    ) {
        let Some((shard, office)) = self.existing(seat) else {
            return done(Err(OfferError::Gone));
        };
        let id = fulfilled.wish;
        let mut day = shard.lock();
        if !self.stands_for(fulfilled, seat) {
            drop(day);
            return done(Err(OfferError::Gone));
        }
        let contract = contract_of(id, seat, hold);
        let confirmed = match day.confirm(now, seat, hold.digest(), contract) {
            Ok(Begun::Now(confirmed)) => confirmed,
            Ok(Begun::Before(confirmed, position)) => {
                drop(day);
                return done(Ok(booking(confirmed, position)));
            }
            Err(refusal) => {
                drop(day);
                return done(Err(match refusal {
                    HoldUse::Pending => OfferError::Pending,
                    HoldUse::Gone | HoldUse::Foreign | HoldUse::Spent => OfferError::Gone,
                }));
            }
        };
        let fact = Fact::Booked(Box::new(Booked {
            confirmed: confirmed.clone(),
            person: contact.person(),
            idempotency_key: None,
            ticket: None,
            identities: Vec::new(),
            wish: Some(id),
        }));
        let of_wish = fact.of_wish().map(|(_, fact)| fact.into_owned());
        let mut done = Some(done);
        if sings(Canary::AcceptedBeforeDurable)
            && let Some(done) = done.take()
        {
            done(Ok(booking(confirmed.clone(), Position(0))));
        }
        let answer = |outcome| {
            if let Some(done) = done {
                done(outcome);
            }
        };
        let again = self.second_chance(office);
        let settled = Arc::clone(&shard);
        let ledger = Arc::clone(&self.ledger);
        let wishes = Arc::clone(&self.wishes);
        let catalogue = Arc::clone(&self.catalogue);
        self.append_strict(day, now, fact, move |outcome| match outcome {
            Ok(position) => {
                settled.decide(|day| day.confirm_durable(seat, position));
                if let Some(fact) = of_wish {
                    wishes.lock().apply(&catalogue, now, id, &fact);
                }
                answer(Ok(booking(confirmed, position)));
            }
            Err(NotKept { at }) => {
                settled.decide(|day| hold_again(day, &*ledger, seat, at, again));
                answer(Err(OfferError::LedgerAway));
            }
        });
    }

    /// Moves a booking onto a seat that is held for its wish.
    pub(super) fn bring_forward(
        &self,
        now: UnixMillis,
        fulfilled: Fulfilled,
        origin: ReservationId,
        (to, secret): (ReservationId, Digest),
        done: impl FnOnce(Result<Durable<Booking>, OfferError>) + Send + 'static,
    ) {
        let Some((_, contract)) = self.contract(origin) else {
            return done(Err(OfferError::Booking(BookingRefusal::Unknown)));
        };
        let ask = MoveAsk {
            booking: origin,
            manage: contract.manage,
            to,
            secret,
            wish: Some(fulfilled),
        };
        self.relocate(now, ask, move |outcome| {
            done(outcome.map_err(|error| match error {
                ChangeError::Booking(BookingRefusal::Pending) => OfferError::Pending,
                ChangeError::Booking(refusal) => OfferError::Booking(refusal),
                ChangeError::Hold(HoldUse::Pending) => OfferError::Pending,
                ChangeError::Hold(_) => OfferError::Gone,
                ChangeError::TooManyMoves => OfferError::TooManyMoves,
                ChangeError::LedgerAway => OfferError::LedgerAway,
            }));
        });
    }

    /// The booking that has come of a wish, on the seat that it has now; None when it is cancelled.
    pub fn booking_of_wish(&self, id: WishId) -> Option<Booking> {
        let booking = self.look_at_wishes(|agent| match agent.known(id)?.standing {
            Standing::Booked { booking, .. } => Some(booking),
            _ => None,
        })?;
        let (_, contract) = self.contract(booking)?;
        let (confirmed, _) = self.find(booking, contract.manage).ok()?;
        Some(Booking {
            confirmed,
            cancelled: false,
        })
    }

    /// When a booking starts, if it is one that can still be moved.
    pub(super) fn booking_start(&self, origin: ReservationId) -> Option<UnixMillis> {
        let (id, _) = self.contract(origin)?;
        self.start_of(id)
    }

    /// Where a booking is now, and what it is held to.
    pub(super) fn contract(&self, origin: ReservationId) -> Option<(ReservationId, Contract)> {
        let look = |id: ReservationId| {
            let (shard, _) = self.existing(id)?;
            shard.decide(|day| Some(day.reservation(id)?.state.clone()))
        };
        // It can move on after the signpost was read: then the signpost shows another way.
        for _ in 0..=MOVES_MAX {
            let (id, state) = match look(origin)? {
                State::Moved { to, .. } => match look(to) {
                    Some(state) => (to, state),
                    None => continue,
                },
                state => (origin, state),
            };
            return match state {
                State::Booked(contract, _) | State::Moving(contract, _) => Some((id, *contract)),
                _ => None,
            };
        }
        None
    }
}

/// The contract of a booking that comes of an offer.
fn contract_of(id: WishId, seat: ReservationId, hold: Secret) -> Contract {
    Contract {
        origin: seat,
        manage: hold.manage().digest(),
        request: Digest::of(&[b"wish", &id.0.to_be_bytes(), &seat.to_bytes()]),
        sequence: 0,
    }
}
