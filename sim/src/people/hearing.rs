//! What people make of the answers.

use morgenruh_engine::rules::day::{BookingRefusal, HoldUse};
use morgenruh_engine::shell::engine::{Booking, ChangeError, ConfirmError};

use super::{Hold, Question, Visit, wrong};
use crate::chronicle::Wish;
use crate::oracle::Violation;
use crate::post::{Letter, News};
use crate::town::Town;
use crate::world::World;

impl World {
    /// Reads what the post has brought.
    pub fn hear(&mut self) -> Result<(), Violation> {
        for letter in self.post.deliver() {
            let Letter {
                who,
                question,
                news,
            } = letter;
            if let News::Passed(outcome) = news {
                self.hears_of_pass(who, question as u32, outcome)?;
                continue;
            }
            if let News::Decided(decision, outcome) = news {
                self.hears_of_decision(decision, who > 0, outcome)?;
                continue;
            }
            if let News::Wished(news) = news {
                self.hears_of_wish(who, question as usize, news)?;
                continue;
            }
            let person = self.people[who];
            // An answer to a duplicate, or to somebody who has stopped listening.
            if question != person.questions || !person.in_flight {
                continue;
            }
            if self.answer_is_lost() {
                self.people[who].in_flight = false;
                if let Some(Question::Confirm(hold) | Question::Move(hold)) = person.question {
                    let now = self.now().0;
                    self.oracle.confirmation_unanswered(hold.claim, now);
                }
                continue;
            }
            match (person.question, news) {
                (Some(Question::Confirm(hold)), News::Confirmed(answer)) => {
                    self.hears_of_confirmation(who, hold, answer)?;
                }
                (Some(Question::Repeat | Question::Other), News::Confirmed(answer)) => {
                    self.hears_of_repetition(who, answer)?;
                }
                (Some(Question::Cancel), News::Changed(answer)) => {
                    self.hears_of_cancellation(who, answer)?;
                }
                (Some(Question::Move(hold)), News::Changed(answer)) => {
                    self.hears_of_move(who, hold, answer)?;
                }
                (question, _) => return wrong("I8", (who, question, "was answered otherwise")),
            }
        }
        Ok(())
    }

    /// The answer is known, and nothing is asked any more.
    fn is_answered(&mut self, who: usize, what: &str) {
        self.people[who].question = None;
        self.people[who].in_flight = false;
        self.trace.note(what, who, 0);
    }

    /// The answer is "not yet": to be asked again.
    fn is_pending(&mut self, who: usize) {
        self.people[who].in_flight = false;
        self.trace.note("pending", who, 0);
    }

    fn hears_of_confirmation(
        &mut self,
        who: usize,
        hold: Hold,
        answer: Result<Booking, ConfirmError>,
    ) -> Result<(), Violation> {
        match answer {
            Ok(booking) => {
                let manage = hold.token.secret.manage();
                let visit = Visit {
                    claim: hold.claim,
                    origin: hold.token.id,
                    at: hold.token.id,
                    token: Some(hold.token),
                    manage,
                    digest: manage.digest(),
                    sequence: 0,
                    cancelled: false,
                };
                is_as_known(&booking, visit)?;
                self.chronicle.done(hold.claim, Wish::Confirm);
                self.oracle.confirmed(hold.claim)?;
                if let Some(ticket) = hold.ticket {
                    let room = self.room();
                    let is_over = room.is_some_and(|it| it.decide(|it| it.ended().is_some()));
                    self.lobby.booked(who, ticket, is_over)?;
                    self.tally.bookings_with_pass += 1;
                }
                let race = hold.deadline <= self.now().0;
                self.tally.confirm_expiry_races += u64::from(race);
                self.tally.confirmed += 1;
                self.people[who].visit = Some(visit);
                self.people[who].hold = None;
                self.is_answered(who, "confirmed");
            }
            Err(ConfirmError::LedgerAway) => {
                self.chronicle.not_done(hold.claim, Wish::Confirm);
                self.oracle.not_confirmed(hold.claim, self.now().0)?;
                self.is_answered(who, "away");
            }
            Err(refusal @ (ConfirmError::BookedBefore | ConfirmError::PassSpent)) => {
                if refusal == ConfirmError::PassSpent {
                    self.lobby.was_spent(hold.ticket)?;
                    self.tally.passes_spent += 1;
                } else {
                    self.lobby.booked_before(who)?;
                    self.tally.booked_before += 1;
                }
                self.chronicle.not_done(hold.claim, Wish::Confirm);
                self.oracle.not_confirmed(hold.claim, self.now().0)?;
                self.is_answered(who, "booked before");
            }
            Err(ConfirmError::Hold(HoldUse::Pending)) => self.is_pending(who),
            Err(ConfirmError::Hold(HoldUse::Gone)) => {
                self.chronicle.not_done(hold.claim, Wish::Confirm);
                self.hold_is_gone(who, hold)?;
                self.is_answered(who, "too late");
            }
            Err(refusal) => return wrong("I2", (hold, refusal)),
        }
        Ok(())
    }

    fn hears_of_repetition(
        &mut self,
        who: usize,
        answer: Result<Booking, ConfirmError>,
    ) -> Result<(), Violation> {
        let person = self.people[who];
        let same = matches!(person.question, Some(Question::Repeat));
        match (same, answer, person.visit) {
            (true, Ok(booking), Some(visit)) => is_as_known(&booking, visit)?,
            (false, Err(ConfirmError::Hold(HoldUse::Spent)), _) => {}
            // A wish is moving it, or has moved it.
            (true, Err(ConfirmError::Hold(HoldUse::Spent)), Some(visit))
                if visit.sequence > 0 || self.wishers.is_to_move(visit.origin) => {}
            (same, answer, visit) => return wrong("I8", (same, answer, visit)),
        }
        self.is_answered(who, "repeated");
        Ok(())
    }

    fn hears_of_cancellation(
        &mut self,
        who: usize,
        answer: Result<Booking, ChangeError>,
    ) -> Result<(), Violation> {
        let Some(visit) = self.people[who].visit else {
            return wrong("I8", "a cancellation of nothing");
        };
        match answer {
            Ok(booking) => {
                let visit = Visit {
                    sequence: visit.sequence + 1,
                    cancelled: true,
                    ..visit
                };
                is_as_known(&booking, visit)?;
                self.chronicle.done(visit.claim, Wish::Leave);
                self.oracle.left(visit.claim)?;
                self.people[who].visit = Some(visit);
                self.tally.cancelled += 1;
                self.is_answered(who, "cancelled");
            }
            Err(ChangeError::LedgerAway) => {
                self.chronicle.not_done(visit.claim, Wish::Leave);
                self.oracle.stays(visit.claim)?;
                self.is_answered(who, "away");
            }
            Err(ChangeError::Booking(BookingRefusal::Pending)) => self.is_pending(who),
            Err(refusal) => return wrong("I2", (visit, refusal)),
        }
        Ok(())
    }

    fn hears_of_move(
        &mut self,
        who: usize,
        hold: Hold,
        answer: Result<Booking, ChangeError>,
    ) -> Result<(), Violation> {
        let Some(visit) = self.people[who].visit else {
            return wrong("I8", "a move of nothing");
        };
        match answer {
            Ok(booking) => {
                let moved = Visit {
                    claim: hold.claim,
                    at: hold.token.id,
                    sequence: visit.sequence + 1,
                    ..visit
                };
                is_as_known(&booking, moved)?;
                self.chronicle.done(visit.claim, Wish::Leave);
                self.chronicle.done(hold.claim, Wish::Confirm);
                self.oracle.left(visit.claim)?;
                self.oracle.confirmed(hold.claim)?;
                self.people[who].visit = Some(moved);
                self.people[who].hold = None;
                self.tally.moved += 1;
                self.is_answered(who, "moved");
                return Ok(());
            }
            Err(
                ChangeError::Booking(BookingRefusal::Pending) | ChangeError::Hold(HoldUse::Pending),
            ) => {
                self.is_pending(who);
                return Ok(());
            }
            Err(ChangeError::LedgerAway | ChangeError::TooManyMoves) => {
                self.oracle.not_confirmed(hold.claim, self.now().0)?;
            }
            Err(ChangeError::Hold(HoldUse::Gone)) => self.hold_is_gone(who, hold)?,
            Err(ChangeError::Hold(HoldUse::Spent)) if hold.ticket.is_some() => {
                self.lobby.was_spent(hold.ticket)?;
                self.tally.passes_spent += 1;
                self.oracle.not_confirmed(hold.claim, self.now().0)?;
            }
            Err(refusal) => return wrong("I2", (visit, hold, refusal)),
        }
        self.chronicle.not_done(visit.claim, Wish::Leave);
        self.chronicle.not_done(hold.claim, Wish::Confirm);
        self.oracle.stays(visit.claim)?;
        self.is_answered(who, "not moved");
        Ok(())
    }
}

/// A booking is what its holder was told.
pub(crate) fn is_as_known(booking: &Booking, visit: Visit) -> Result<(), Violation> {
    let confirmed = &booking.confirmed;
    let seat = visit.at.seat();
    let start = Town::instant(Town::day(seat.key.day), seat.start);
    let is_as_known = confirmed.id == visit.at
        && confirmed.start == start
        && confirmed.contract.origin == visit.origin
        && confirmed.contract.sequence == visit.sequence
        && confirmed.contract.manage == visit.digest
        && booking.cancelled == visit.cancelled;
    if is_as_known {
        Ok(())
    } else {
        wrong("I2", (visit, "is now", booking))
    }
}
