//! Wishes that go on: whoever let an offer lapse still wishes, or gives back what was booked.

use std::sync::Arc;

use crate::rules::ids::Secret;
use crate::rules::record::Fact;
use crate::rules::time::{DayNumber, UnixMillis};
use crate::rules::wish::WishId;
use crate::rules::wish::agent::{Agent, Standing};
use crate::rules::wish::fact::WishFact;
use crate::shell::engine::Engine;
use crate::shell::sync::MutexGuard;

use super::WishError;

impl Engine {
    /// Whoever laid a wish still wishes: if it sleeps, it waits again. `done` is called once;
    /// repeating gets the same answer.
    pub fn confirm_wish(
        &self,
        now: UnixMillis,
        id: WishId,
        secret: Secret,
        done: impl FnOnce(Result<(), WishError>) + Send + 'static,
    ) {
        let mut agent = self.wishes.lock();
        let sleeps = match agent.with_secret(id, secret).map(|known| known.standing) {
            None => Err(WishError::Unknown),
            Some(Standing::Asleep) => Ok(true),
            Some(Standing::Waiting | Standing::Undrawn | Standing::Offered(_)) => Ok(false),
            Some(Standing::Deciding) => Err(WishError::Pending),
            Some(over) => Err(WishError::Over(over)),
        };
        if sleeps != Ok(true) {
            drop(agent);
            return done(sleeps.map(|_| ()));
        }
        agent.decide(id);
        self.go_on(agent, now, (id, WishFact::Confirmed), done, move |agent| {
            agent.undo(id, Standing::Asleep);
        });
    }

    /// Gives up a seat that was booked without asking and is cancelled by now: the wish waits on at
    /// its place. `done` is called once; repeating gets the same answer.
    pub fn wait_on(
        &self,
        now: UnixMillis,
        id: WishId,
        secret: Secret,
        done: impl FnOnce(Result<(), WishError>) + Send + 'static,
    ) {
        let known = {
            let agent = self.wishes.lock();
            agent.with_secret(id, secret).cloned()
        };
        let Some(known) = known else {
            return done(Err(WishError::Unknown));
        };
        let booked = known.standing;
        let booking = match booked {
            Standing::Waiting | Standing::Offered(_) => return done(Ok(())),
            Standing::Deciding => return done(Err(WishError::Pending)),
            Standing::Booked { booking, .. } => booking,
            other => return done(Err(WishError::Over(other))),
        };
        // A cancelled booking stays so, and days are locked before wishes.
        let is_cancelled = self.booking(booking, known.manage_secret());
        let is_cancelled = is_cancelled.is_ok_and(|it| it.cancelled);
        let mut agent = self.wishes.lock();
        let today = DayNumber::from_date(self.date_of(now));
        let is_unchanged = agent.known(id).map(|known| known.standing) == Some(booked);
        let may = today.is_some_and(|today| agent.can_wait_on(id, today));
        let number = if is_unchanged && may && is_cancelled {
            agent.reopen(id)
        } else {
            None
        };
        let Some(number) = number else {
            drop(agent);
            return done(Err(WishError::Over(booked)));
        };
        let fact = WishFact::Returned { number };
        self.go_on(agent, now, (id, fact), done, move |agent| {
            agent.close_again(id, booked, known.since);
        });
    }

    fn go_on(
        &self,
        agent: MutexGuard<'_, Agent>,
        now: UnixMillis,
        (id, fact): (WishId, WishFact),
        done: impl FnOnce(Result<(), WishError>) + Send + 'static,
        undo: impl FnOnce(&mut Agent) + Send + 'static,
    ) {
        let told = Fact::Wish {
            wish: id,
            fact: Box::new(fact.clone()),
        };
        let wishes = Arc::clone(&self.wishes);
        let catalogue = Arc::clone(&self.catalogue);
        self.append_strict(agent, now, told, move |outcome| {
            let mut agent = wishes.lock();
            if outcome.is_ok() {
                agent.apply(&catalogue, now, id, &fact);
            } else {
                undo(&mut agent);
            }
            drop(agent);
            wishes.add_fresh(id);
            done(outcome.map(|_| ()).map_err(|_| WishError::LedgerAway));
        });
    }
}
