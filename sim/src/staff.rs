//! What staff decide about releases, and what must come of it.

use morgenruh_engine::rules::ids::Digest;
use morgenruh_engine::rules::release::ReleaseId;
use morgenruh_engine::rules::release::fact::ReleaseFact;
use morgenruh_engine::rules::room::draw::DrawSecret;
use morgenruh_engine::shell::engine::DirectError;

use crate::gates::Stance;
use crate::oracle::Violation;
use crate::post::{Letter, News};
use crate::town::{DAYS, Town};
use crate::world::World;

/// A decision that was sent.
#[derive(Clone, Copy, Debug)]
pub struct Decision {
    id: ReleaseId,
    stance: Stance,
    /// Somebody surely had one of its seats.
    was_taken: bool,
    /// Somebody may have had one.
    may_be_taken: bool,
}

fn wrong<T>(invariant: &str, what: impl std::fmt::Debug) -> Result<T, Violation> {
    Err(Violation(format!("{invariant}: release: {what:?}")))
}

impl World {
    /// Staff publish, pause, resume or withdraw a release.
    pub fn decide(&mut self) -> Result<(), Violation> {
        let ids = self.oracle.gates.ids();
        let id = ids[self.dice.usize(..ids.len())];
        let Some(plan) = self.engine.release_plan(id) else {
            return wrong("I5", (id, "is not known"));
        };
        let now = self.now().0;
        let (by, reason) = ("Ruhl".to_owned(), "Übung".to_owned());
        let (fact, stance) = match self.dice.u8(..8) {
            0 => (ReleaseFact::Published { by, reason }, Stance::Open),
            1 | 2 => {
                let stance = Stance::Paused { since: now };
                let since = now;
                (ReleaseFact::Paused { since, by, reason }, stance)
            }
            3..=5 => (ReleaseFact::Resumed { by, reason }, Stance::Due),
            _ => (ReleaseFact::Withdrawn { by, reason }, Stance::Sealed),
        };
        let (was_taken, may_be_taken) = self.oracle.is_taken(id);
        let decision = Decision {
            id,
            stance,
            was_taken,
            may_be_taken,
        };
        let gate = self.oracle.gates.gate(id);
        let was_asked = gate.is_asked;
        if !was_asked {
            gate.is_asked = true;
            gate.possible.push(stance);
        }
        self.tally.decisions += 1;
        self.trace
            .note("decide", usize::from(id.office), u64::from(id.day.0));
        let post = self.post.clone();
        self.engine
            .direct_release(self.now(), &plan, fact, move |outcome| {
                post.send(Letter {
                    who: usize::from(was_asked),
                    question: 0,
                    news: News::Decided(decision, outcome),
                });
            });
        Ok(())
    }

    /// Staff hear what came of it. `again` was asked while another answer was awaited.
    pub fn hears_of_decision(
        &mut self,
        decision: Decision,
        again: bool,
        answer: Result<(), DirectError>,
    ) -> Result<(), Violation> {
        let Decision {
            id,
            stance,
            was_taken,
            may_be_taken,
        } = decision;
        if again {
            return match answer {
                Err(DirectError::Busy) => Ok(()),
                answer => wrong("I8", (id, "was decided twice at once", answer)),
            };
        }
        let gate = self.oracle.gates.gate(id);
        gate.is_asked = false;
        match answer {
            Ok(()) => {
                gate.possible = vec![stance];
                let is_withdrawn = stance == Stance::Sealed;
                if is_withdrawn && was_taken {
                    return wrong("I1", (id, "was withdrawn, and somebody had a seat"));
                }
                self.tally.withdrawals += u64::from(is_withdrawn);
            }
            Err(DirectError::Taken) => {
                gate.possible.pop();
                if !may_be_taken {
                    return wrong("I5", (id, "is taken by nobody"));
                }
                self.tally.not_withdrawn += 1;
            }
            Err(DirectError::Busy | DirectError::LedgerAway) => {
                gate.possible.pop();
            }
        }
        self.look_at_releases()
    }

    /// Drips are announced.
    pub fn announce(&mut self) -> Result<(), Violation> {
        let random = self.dice.u128(..).to_be_bytes();
        let half = Digest::of(&[&random]).0;
        let secret: Option<[u8; 32]> = [half, half].concat().try_into().ok();
        self.engine.announce_releases(self.now(), || secret);
        self.look_at_releases()
    }

    /// What everybody can read of the releases, and what may not change.
    pub fn look_at_releases(&mut self) -> Result<(), Violation> {
        if self.options.town.release.is_none() {
            return Ok(());
        }
        for id in self.oracle.gates.ids() {
            let course = self.engine.releases().course(id);
            let gate = self.oracle.gates.gate(id);
            let is_possible = |stance: &Stance| stance.is(course.steering);
            if !gate.possible.iter().any(is_possible) {
                let steering = course.steering;
                return wrong("I2", (id, "was decided otherwise", steering, gate));
            }
            let secret = course.announced.as_ref().map(|it| it.secret);
            match (gate.secret, secret) {
                (Some(known), secret) if secret != Some(known) => {
                    return wrong("I2", (id, "has another secret than was announced"));
                }
                (None, Some(secret)) => self.is_announced(id, secret)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// From now on it is known when each piece opens, though not to people.
    fn is_announced(&mut self, id: ReleaseId, secret: DrawSecret) -> Result<(), Violation> {
        self.tally.drips += 1;
        let Some(plan) = self.engine.release_plan(id) else {
            return wrong("I5", (id, "is not known"));
        };
        let window = plan.at.0..plan.until().0;
        let all = self.engine.moments(&plan);
        let gate = self.oracle.gates.gate(id);
        gate.secret = Some(secret);
        for day in 0..DAYS {
            let of_day = all.iter().filter(|(date, _)| *date == Town::date(day));
            for moment in of_day.flat_map(|(_, moments)| moments) {
                if moment.piece.counter != 0 || !window.contains(&moment.at.0) {
                    return wrong("I4", (id, "drips outside of its window", moment));
                }
                for unit in moment.piece.start..moment.piece.end() {
                    gate.moments.insert((day, unit), moment.at.0);
                }
            }
        }
        Ok(())
    }

    /// After a crash anybody can see which decisions have come about.
    pub fn releases_recovered(&mut self) -> Result<(), Violation> {
        self.look_at_releases()?;
        for id in self.oracle.gates.ids() {
            let steering = self.engine.releases().course(id).steering;
            let gate = self.oracle.gates.gate(id);
            gate.possible = vec![Stance::of(steering)];
            gate.is_asked = false;
        }
        Ok(())
    }

    /// Once faults stop: staff have their answers.
    pub fn settle_releases(&self) -> Result<(), Violation> {
        match self.oracle.gates.each().find(|(_, gate)| gate.is_asked) {
            Some((id, _)) => wrong("I5", (id, "a decision was never answered")),
            None => Ok(()),
        }
    }
}
