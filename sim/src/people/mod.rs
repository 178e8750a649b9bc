//! What people do.
//!
//! A person has at most one hold and one booking, and waits for at most one answer at a time.
//! Whatever they hear goes to the oracle and into the chronicle.

mod hearing;

use morgenruh_engine::rules::catalogue::{Channel, OfficeIndex};
use morgenruh_engine::rules::day::{ExtendRefusal, HoldRefusal, HoldUse};
use morgenruh_engine::rules::ids::{Digest, HoldToken, ReservationId, Secret};
use morgenruh_engine::rules::record::Person as Name;
use morgenruh_engine::rules::room::state::PassUse;
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::shell::engine::{ConfirmAsk, HoldAsk, HoldError};

use crate::chronicle::Wish;
use crate::lobby::Lobby;
use crate::oracle::{ClaimId, Seat, Violation};
use crate::post::{Letter, News};
use crate::town::Town;
use crate::world::{World, need};
pub(crate) use hearing::is_as_known;

/// How near to the deadline a confirmation races with it.
const RACE_MS: i64 = 1_000;

#[derive(Clone, Copy, Debug)]
pub struct Hold {
    claim: ClaimId,
    token: HoldToken,
    deadline: i64,
    /// With whose pass it was made.
    ticket: Option<u32>,
}

/// A booking and all that its holder knows of it.
#[derive(Clone, Copy, Debug)]
pub struct Visit {
    pub claim: ClaimId,
    pub origin: ReservationId,
    /// Where it is now.
    pub at: ReservationId,
    /// With which it was first booked; None if it came of a wish.
    pub token: Option<HoldToken>,
    pub manage: Secret,
    /// Of `manage`: it is compared with at every look.
    pub digest: Digest,
    pub sequence: u32,
    pub cancelled: bool,
}

/// What a person wants to hear.
#[derive(Clone, Copy, Debug)]
enum Question {
    Confirm(Hold),
    /// The same once more, after the booking was acknowledged.
    Repeat,
    /// The same hold with another request.
    Other,
    Cancel,
    Move(Hold),
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Person {
    hold: Option<Hold>,
    pub visit: Option<Visit>,
    /// A secret, and its digest, with which nothing was given: it is as good as a new one.
    unused: Option<(Secret, Digest)>,
    question: Option<Question>,
    /// Whether the answer can still come.
    in_flight: bool,
    /// Questions asked so far.
    questions: u64,
}

impl Person {
    /// Whether there is something that they asked and do not know.
    pub fn waits(&self) -> bool {
        self.question.is_some()
    }

    pub fn is_in_flight(&self) -> bool {
        self.in_flight
    }

    pub fn connection_lost(&mut self) {
        self.in_flight = false;
    }

    /// Whether they have asked for an end or another place of their booking.
    pub fn leaves(&self) -> bool {
        matches!(self.question, Some(Question::Cancel | Question::Move(_)))
    }

    pub fn is_idle(&self) -> bool {
        self.question.is_none() && self.hold.is_none() && self.visit.is_none()
    }

    pub fn forget_hold(&mut self) {
        self.hold = None;
    }
}

fn request(claim: ClaimId) -> Digest {
    Digest((claim as u128).to_be_bytes())
}

fn wrong<T>(invariant: &str, what: impl std::fmt::Debug) -> Result<T, Violation> {
    Err(Violation(format!("{invariant}: {what:?}")))
}

impl World {
    /// Somebody does what they can do next.
    pub fn act(&mut self, who: usize) -> Result<(), Violation> {
        let person = self.people[who];
        let chance = self.dice.u32(..100);
        match person {
            Person {
                question: Some(Question::Confirm(hold)),
                in_flight: true,
                ..
            } if chance < 30 => self.submit_again(who, hold),
            Person {
                in_flight: true, ..
            } => {}
            Person {
                question: Some(_), ..
            } => self.resolve(who),
            Person {
                hold: Some(hold),
                visit: None,
                ..
            } => match chance {
                0..60 => self.ask_to_confirm(who, hold),
                60..75 => self.extend(who, hold)?,
                75..90 => self.release(who, hold)?,
                90..94 => self.people[who].hold = None,
                _ => {}
            },
            Person {
                visit: Some(visit), ..
            } if visit.cancelled => {
                self.look(who)?;
                if chance < 50 {
                    self.people[who].visit = None;
                }
            }
            Person {
                hold: Some(hold),
                visit: Some(visit),
                ..
            } => match chance {
                // While a wish may move the booking, nobody else does.
                0..60 if !self.wishers.is_to_move(visit.origin) => {
                    self.ask_to_move(who, visit, hold);
                }
                60..75 => self.release(who, hold)?,
                _ => self.look(who)?,
            },
            Person {
                hold: None,
                visit: Some(visit),
                ..
            } => match chance {
                0..30 => {
                    let seat = self.any_seat();
                    self.ask_for_hold(who, seat)?;
                }
                30..55 => self.ask_to_cancel(who),
                55..70 if visit.sequence == 0 => self.ask_again(who, visit, chance < 65),
                70..75 => self.people[who].visit = None,
                _ => self.look(who)?,
            },
            Person { hold: None, .. } => {
                let seat = self.any_seat();
                self.ask_for_hold(who, seat)?;
            }
        }
        Ok(())
    }

    pub(crate) fn answer_is_lost(&mut self) -> bool {
        let lost = self.dice.u32(..1_000) < self.options.lost_answers;
        self.tally.lost_answers += u64::from(lost);
        lost
    }

    /// One that opens nothing yet.
    fn secret(&mut self, who: usize) -> (Secret, Digest) {
        // Drawn whether or not it is used, so that a seed goes on meaning the same.
        let fresh = Secret(self.dice.u128(..).to_be_bytes());
        let unused = self.people[who].unused.take();
        unused.unwrap_or_else(|| (fresh, fresh.digest()))
    }

    pub fn ask_for_hold(&mut self, who: usize, seat: Seat) -> Result<(), Violation> {
        if self.people[who].hold.is_some() || self.people[who].waits() {
            return Ok(());
        }
        let now = self.now();
        let (secret, digest) = self.secret(who);
        let pass = self.pass_of(who);
        let ask = HoldAsk {
            office: OfficeIndex(seat.office),
            need: need(seat.units),
            start: Town::instant(seat.day, seat.start),
            channel: Channel::Public,
            secret: digest,
            random: self.dice.u64(..),
            pass,
        };
        self.see_rests(seat.office, seat.day);
        let answer = self.engine.hold(now, &ask);
        let lost = self.answer_is_lost();
        match answer {
            Ok(_) if lost => {
                let until = now.0 + i64::from(self.options.town.hold_minutes) * 60_000;
                let Seat {
                    office,
                    day,
                    start,
                    units,
                    ..
                } = seat;
                self.oracle
                    .hold_unanswered(office, day, start, units, until);
                self.trace.note("hold lost", who, 0);
            }
            Ok(view) => {
                let at = Seat::of(view.id);
                if at
                    != (Seat {
                        counter: at.counter,
                        ..seat
                    })
                {
                    return wrong("I1", (at, "was given to whoever asked for", seat));
                }
                let deadline = view.terms.deadline.0;
                let ticket = self.seat_was_given(at, pass)?;
                self.oracle.is_rested(at)?;
                let claim = self.oracle.held(now.0, at, deadline)?;
                self.chronicle.held(at, deadline);
                let token = HoldToken {
                    id: view.id,
                    secret,
                };
                self.people[who].hold = Some(Hold {
                    claim,
                    token,
                    deadline,
                    ticket,
                });
                self.tally.holds += 1;
                self.trace.note("hold", who, fingerprint(view.id));
            }
            Err(HoldError::Refused(
                HoldRefusal::Taken | HoldRefusal::Closed | HoldRefusal::Sealed { .. },
            )) => {
                self.people[who].unused = Some((secret, digest));
                self.oracle.refused(now.0, seat)?;
                self.tally.refused_holds += 1;
                self.trace.note("no hold", who, 0);
            }
            Err(HoldError::Refused(HoldRefusal::PassRequired { .. })) => {
                self.people[who].unused = Some((secret, digest));
                self.pass_is_required()?;
            }
            Err(HoldError::Pass(refusal)) => {
                self.people[who].unused = Some((secret, digest));
                if let (PassUse::Ended, Some(pass)) = (refusal, pass) {
                    self.pass_is_refused(who, pass)?;
                }
            }
            Err(HoldError::Overloaded) => self.trace.note("overloaded", who, 0),
            Err(refusal) => return wrong("I5", (seat, refusal)),
        }
        Ok(())
    }

    fn extend(&mut self, who: usize, hold: Hold) -> Result<(), Violation> {
        let answer = self.engine.extend(self.now(), hold.token);
        let lost = self.answer_is_lost();
        match answer {
            Ok(_) if lost => self.oracle.extension_unanswered(hold.claim),
            Ok(view) => {
                let deadline = view.terms.deadline.0;
                self.oracle.prolonged(hold.claim, deadline);
                self.chronicle.prolonged(hold.claim, deadline);
                self.people[who].hold = Some(Hold { deadline, ..hold });
                self.trace.note("extend", who, deadline as u64);
            }
            Err(ExtendRefusal::AlreadyExtended) => {}
            Err(ExtendRefusal::Unusable(HoldUse::Gone)) => self.hold_is_gone(who, hold)?,
            Err(refusal) => return wrong("I3", (hold, refusal)),
        }
        Ok(())
    }

    fn release(&mut self, who: usize, hold: Hold) -> Result<(), Violation> {
        let answer = self.engine.release(self.now(), hold.token);
        let lost = self.answer_is_lost();
        match answer {
            Err(HoldUse::Gone) => return self.hold_is_gone(who, hold),
            Err(refusal) => return wrong("I3", (hold, refusal)),
            Ok(()) => {}
        }
        self.chronicle.asked(hold.claim, Wish::Release);
        self.oracle.asks_release(hold.claim);
        if !lost {
            self.chronicle.done(hold.claim, Wish::Release);
            self.oracle.released(hold.claim);
        }
        self.people[who].hold = None;
        self.trace.note("release", who, u64::from(lost));
        Ok(())
    }

    fn hold_is_gone(&mut self, who: usize, hold: Hold) -> Result<(), Violation> {
        self.oracle.over(hold.claim)?;
        self.people[who].hold = None;
        self.tally.expired_holds += 1;
        self.trace.note("gone", who, 0);
        Ok(())
    }

    fn ask_to_confirm(&mut self, who: usize, hold: Hold) {
        if self.dice.u32(..100) < self.options.races {
            let aim = UnixMillis(hold.deadline + self.dice.i64(-1..=1));
            self.set_clock(self.now().max(aim));
        }
        let now = self.now();
        self.tally.confirm_expiry_races += u64::from((now.0 - hold.deadline).abs() <= RACE_MS);
        self.chronicle.asked(hold.claim, Wish::Confirm);
        self.oracle.asks_confirmation(hold.claim, now.0);
        if let Some(ticket) = hold.ticket {
            self.lobby.asks_booking(who, ticket);
        }
        self.confirm(
            who,
            Question::Confirm(hold),
            hold.token,
            request(hold.claim),
        );
    }

    /// Not knowing that the first one is on its way.
    fn submit_again(&mut self, who: usize, hold: Hold) {
        self.tally.duplicate_submissions += 1;
        let question = self.people[who].questions;
        self.confirm_as(who, question, hold.token, request(hold.claim));
    }

    fn ask_again(&mut self, who: usize, visit: Visit, same: bool) {
        let Some(token) = visit.token else {
            return;
        };
        self.tally.duplicate_submissions += 1;
        let (question, request) = if same {
            (Question::Repeat, request(visit.claim))
        } else {
            (Question::Other, request(visit.claim ^ (1 << 40)))
        };
        self.confirm(who, question, token, request);
    }

    fn confirm(&mut self, who: usize, question: Question, token: HoldToken, request: Digest) {
        let number = self.asks(who, question);
        self.confirm_as(who, number, token, request);
    }

    fn confirm_as(&mut self, who: usize, question: u64, token: HoldToken, request: Digest) {
        let ask = ConfirmAsk {
            token,
            person: Name {
                name: String::new(),
                email: String::new(),
                phone: None,
                answers: Default::default(),
            },
            request,
            idempotency_key: None,
            identities: Lobby::identities(who),
        };
        let post = self.post.clone();
        self.engine.confirm(self.now(), ask, move |outcome| {
            let news = News::Confirmed(outcome.map(|durable| durable.into_parts().0));
            post.send(Letter {
                who,
                question,
                news,
            });
        });
        self.trace.note("confirm", who, fingerprint(token.id));
    }

    pub fn ask_to_cancel(&mut self, who: usize) {
        let Some(visit) = self.people[who].visit.filter(|visit| !visit.cancelled) else {
            return;
        };
        if self.people[who].waits() {
            return;
        }
        self.chronicle.asked(visit.claim, Wish::Leave);
        self.oracle.asks_to_leave(visit.claim);
        self.lobby.asks_to_leave(who);
        self.cancel(who, visit);
    }

    fn cancel(&mut self, who: usize, visit: Visit) {
        let question = self.asks(who, Question::Cancel);
        let post = self.post.clone();
        let manage = visit.manage;
        self.engine
            .cancel(self.now(), visit.origin, manage, move |outcome| {
                let news = News::Changed(outcome.map(|durable| durable.into_parts().0));
                post.send(Letter {
                    who,
                    question,
                    news,
                });
            });
        self.trace.note("cancel", who, fingerprint(visit.at));
    }

    fn ask_to_move(&mut self, who: usize, visit: Visit, hold: Hold) {
        self.chronicle.asked(visit.claim, Wish::Leave);
        self.chronicle.asked(hold.claim, Wish::Confirm);
        self.oracle.asks_to_leave(visit.claim);
        if let Some(ticket) = hold.ticket {
            self.lobby.asks_booking(who, ticket);
        }
        self.oracle.asks_confirmation(hold.claim, self.now().0);
        self.move_to(who, visit, hold);
    }

    fn move_to(&mut self, who: usize, visit: Visit, hold: Hold) {
        let question = self.asks(who, Question::Move(hold));
        let post = self.post.clone();
        let manage = visit.manage;
        self.engine.move_booking(
            self.now(),
            visit.origin,
            manage,
            hold.token,
            move |outcome| {
                let news = News::Changed(outcome.map(|durable| durable.into_parts().0));
                post.send(Letter {
                    who,
                    question,
                    news,
                });
            },
        );
        self.trace.note("move", who, fingerprint(hold.token.id));
    }

    fn asks(&mut self, who: usize, question: Question) -> u64 {
        let person = &mut self.people[who];
        person.question = Some(question);
        person.in_flight = true;
        person.questions += 1;
        person.questions
    }

    /// Asks once more what was never answered.
    pub fn resolve(&mut self, who: usize) {
        let person = self.people[who];
        if person.in_flight {
            return;
        }
        match (person.question, person.visit) {
            (Some(Question::Confirm(hold)), _) => {
                self.oracle.asks_confirmation(hold.claim, self.now().0);
                self.confirm(
                    who,
                    Question::Confirm(hold),
                    hold.token,
                    request(hold.claim),
                );
            }
            (Some(Question::Cancel), Some(visit)) => self.cancel(who, visit),
            (Some(Question::Move(hold)), Some(visit)) => {
                self.oracle.asks_confirmation(hold.claim, self.now().0);
                self.move_to(who, visit, hold);
            }
            _ => self.people[who].question = None,
        }
    }

    /// Looks at a booking, which is as it was acknowledged.
    pub fn look(&mut self, who: usize) -> Result<(), Violation> {
        let person = self.people[who];
        if let (Some(visit), false) = (person.visit, person.waits()) {
            let manage = visit.manage;
            match self.engine.booking(visit.origin, manage) {
                Ok(booking) => is_as_known(&booking, visit)?,
                Err(refusal) => return wrong("I2", (visit, refusal)),
            }
            self.trace.note("look", who, fingerprint(visit.at));
        }
        Ok(())
    }
}

pub(crate) fn fingerprint(id: ReservationId) -> u64 {
    u128::from_be_bytes(id.to_bytes()) as u64
}
