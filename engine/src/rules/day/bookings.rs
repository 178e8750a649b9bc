//! Confirm, cancel, move: each in two steps, with the ledger between them.
//!
//! The first step checks and marks; what it returns goes to the ledger. The second step settles
//! what the ledger said: durable, or refused as if nothing had been asked.

use super::{Day, HoldTerms, HoldUse, Reservation, State};
use crate::canary::{Canary, sings};
use crate::rules::ids::{Digest, ReservationId};
use crate::rules::record::{Confirmed, Contract, Position};
use crate::rules::time::{Millis, UnixMillis};

/// A first step that was allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun<T> {
    /// Marked; the ledger decides.
    Now(T),
    /// The same was asked before and is durable since.
    Before(T, Position),
}

/// Why a booking cannot be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookingRefusal {
    /// There is none with this id, or the manage secret is not its own: nobody is told which.
    Unknown,
    /// Another change of it is on the way to the ledger.
    Pending,
    /// It is cancelled.
    Cancelled,
    /// It has moved: the booking lives on there.
    MovedTo(ReservationId),
    /// Its time has come.
    Over,
}

/// How a move ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveOutcome {
    Durable(Position),
    Refused,
}

impl Day {
    /// Marks a held seat as on its way to being booked.
    ///
    /// # Errors
    /// [`HoldUse`]; `Spent` also when the same hold was confirmed with another request.
    pub fn confirm(
        &mut self,
        now: UnixMillis,
        id: ReservationId,
        secret: Digest,
        contract: Contract,
    ) -> Result<Begun<Confirmed>, HoldUse> {
        let reservation = self.slab.get(id).ok_or(HoldUse::Gone)?;
        if let State::Booked(before, position) = &reservation.state
            && reservation.secret == secret
            && before.request == contract.request
            && !sings(Canary::RepetitionForgotten)
        {
            let before = self.confirmed(reservation, **before);
            return Ok(Begun::Before(before, *position));
        }
        let terms = reservation.usable(now, secret)?;
        let confirmed = self.confirmed(reservation, contract);
        self.change(id, State::Confirming(terms, Box::new(contract)));
        Ok(Begun::Now(confirmed))
    }

    /// The ledger has the booking.
    pub fn confirm_durable(&mut self, id: ReservationId, position: Position) {
        let State::Confirming(_, contract) = self.state(id) else {
            panic!("only what is confirming becomes booked: {id:?}");
        };
        self.change(id, State::Booked(contract, position));
    }

    /// The ledger has refused the booking: it is a hold again, for as long as it was or at least
    /// until `deadline`. Returns the deadline that now holds, and by how much it rose.
    pub fn confirm_refused(
        &mut self,
        id: ReservationId,
        deadline: UnixMillis,
    ) -> (UnixMillis, Millis) {
        let State::Confirming(terms, _) = self.state(id) else {
            panic!("only what is confirming becomes held again: {id:?}");
        };
        let deadline = terms.deadline.max(deadline);
        self.change(id, State::Held(HoldTerms { deadline, ..terms }));
        (deadline, deadline - terms.deadline)
    }

    /// Looks at a booking.
    ///
    /// # Errors
    /// [`BookingRefusal::Unknown`] or [`BookingRefusal::MovedTo`].
    pub fn booking(
        &self,
        id: ReservationId,
        manage: Digest,
    ) -> Result<(Confirmed, State), BookingRefusal> {
        let reservation = self.slab.get(id).ok_or(BookingRefusal::Unknown)?;
        let contract = match &reservation.state {
            State::Booked(contract, _)
            | State::Cancelling(contract, _)
            | State::Moving(contract, _)
            | State::Cancelled(contract, _)
            | State::Moved { contract, .. } => contract,
            State::Held(_) | State::Confirming(..) => return Err(BookingRefusal::Unknown),
        };
        if contract.manage != manage {
            return Err(BookingRefusal::Unknown);
        }
        if let State::Moved { to, .. } = &reservation.state {
            return Err(BookingRefusal::MovedTo(*to));
        }
        let confirmed = self.confirmed(reservation, **contract);
        Ok((confirmed, reservation.state.clone()))
    }

    /// Marks a booking as on its way to being cancelled.
    ///
    /// # Errors
    /// [`BookingRefusal`]; the day is unchanged.
    pub fn cancel(
        &mut self,
        id: ReservationId,
        manage: Digest,
    ) -> Result<Begun<Confirmed>, BookingRefusal> {
        let (mut confirmed, state) = self.booking(id, manage)?;
        match state {
            State::Booked(contract, position) => {
                // The sequence rises only if the ledger agrees; until then the old one is kept.
                self.change(id, State::Cancelling(contract, position));
                confirmed.contract.sequence += 1;
                if sings(Canary::FreedBeforeDurable) {
                    self.give_back(id.seat());
                }
                Ok(Begun::Now(confirmed))
            }
            State::Cancelled(_, position) => Ok(Begun::Before(confirmed, position)),
            _ => Err(BookingRefusal::Pending),
        }
    }

    /// The ledger has the cancellation: the seat is free.
    pub fn cancel_durable(&mut self, id: ReservationId, position: Position) {
        let State::Cancelling(mut contract, _) = self.state(id) else {
            panic!("only what is cancelling becomes cancelled: {id:?}");
        };
        contract.sequence += 1;
        self.change(id, State::Cancelled(contract, position));
        if !sings(Canary::FreedBeforeDurable) {
            self.give_back(id.seat());
        }
        self.slab.end(id);
    }

    /// The booking that this signpost leads to is cancelled: it needs to be remembered no longer
    /// than there is room.
    pub fn end_signpost(&mut self, origin: ReservationId) {
        let state = self.slab.get(origin).map(|it| &it.state);
        if matches!(state, Some(State::Moved { .. })) {
            self.slab.end(origin);
        }
    }

    /// The ledger has refused the cancellation: the booking stands.
    pub fn cancel_refused(&mut self, id: ReservationId) {
        let State::Cancelling(contract, position) = self.state(id) else {
            panic!("only what is cancelling becomes booked again: {id:?}");
        };
        self.change(id, State::Booked(contract, position));
    }

    /// Marks a booking as on its way to the seat `to`. Its own seat stays taken until the new one
    /// is durable.
    ///
    /// # Errors
    /// [`BookingRefusal`]; the day is unchanged.
    pub fn move_out(
        &mut self,
        id: ReservationId,
        manage: Digest,
    ) -> Result<Contract, BookingRefusal> {
        let (confirmed, state) = self.booking(id, manage)?;
        match state {
            State::Booked(contract, position) => {
                self.change(id, State::Moving(contract, position));
                Ok(confirmed.contract)
            }
            State::Cancelled(..) => Err(BookingRefusal::Cancelled),
            _ => Err(BookingRefusal::Pending),
        }
    }

    /// Settles the old side of a move. Durable: the old seat is free; where the booking began, a
    /// signpost to its new seat stays. Refused: the booking stands.
    pub fn settle_move(&mut self, id: ReservationId, to: ReservationId, outcome: MoveOutcome) {
        let State::Moving(contract, booked_at) = self.state(id) else {
            panic!("only what is moving is settled as moved: {id:?}");
        };
        match outcome {
            MoveOutcome::Durable(position) => {
                self.give_back(id.seat());
                if contract.origin == id {
                    self.change(
                        id,
                        State::Moved {
                            to,
                            contract,
                            position,
                        },
                    );
                } else {
                    self.slab.remove(id);
                }
            }
            MoveOutcome::Refused => {
                self.change(id, State::Booked(contract, booked_at));
            }
        }
    }

    /// Turns the signpost at a booking's origin to its newest seat.
    pub fn redirect(&mut self, origin: ReservationId, to: ReservationId) {
        if let Some(Reservation {
            state: State::Moved { to: target, .. },
            ..
        }) = self.slab.get_mut(origin)
        {
            *target = to;
        }
    }

    fn state(&self, id: ReservationId) -> State {
        let reservation = self.slab.get(id);
        let reservation = reservation.expect("what waits for the ledger is never forgotten");
        reservation.state.clone()
    }

    fn change(&mut self, id: ReservationId, state: State) {
        let reservation = self.slab.get_mut(id);
        reservation.expect("the caller has just found it").state = state;
    }
}
