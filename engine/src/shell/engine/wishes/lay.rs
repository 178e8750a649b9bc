//! Wishes are laid, changed and withdrawn.

use std::sync::Arc;

use crate::canary::{Canary, sings};
use crate::rules::catalogue::RoomPolicy;
use crate::rules::day::{Day, State};
use crate::rules::ids::Secret;
use crate::rules::record::Fact;
use crate::rules::room::TicketId;
use crate::rules::time::UnixMillis;
use crate::rules::wish::agent::Standing;
use crate::rules::wish::fact::{Offer, WishEnding, WishFact};
use crate::rules::wish::{Place, Wish, WishId};
use crate::shell::engine::Engine;
use crate::shell::engine::bookings::use_up;
use crate::shell::ledger::{Durable, NotKept};
use crate::shell::rooms::RoomShard;

use super::{LayAsk, LayError, WishError};

impl Engine {
    /// Takes a wish. `done` is called once: with its id when it is durable, or with the reason why
    /// it is not.
    pub fn lay_wish(
        &self,
        now: UnixMillis,
        ask: LayAsk,
        done: impl FnOnce(Result<Durable<WishId>, LayError>) + Send + 'static,
    ) {
        let place = match ask.ticket {
            None => Place::at(now),
            Some(ticket) => match self.place_of(ticket) {
                Some(place) => place,
                None => return done(Err(LayError::TicketUnknown)),
            },
        };
        let LayAsk {
            wish,
            contact,
            ticket,
        } = ask;
        let instead = wish.instead_of.map(|instead| instead.booking);
        // Looked up before the wishes are locked: days come first.
        let starts = instead.map(|booking| self.booking_start(booking));
        // Where the draw lets people in, the place is the wish's from now on.
        let place_given_up = ticket.and_then(|ticket| Some((self.line_of(ticket)?, ticket)));
        let mut agent = self.wishes.lock();
        let id = match agent.begin(&wish, &contact, ticket) {
            Ok(id) => id,
            Err(refusal) => {
                drop(agent);
                return done(Err(LayError::Refused(refusal)));
            }
        };
        drop(agent);
        // A booking that begins from now on finds that the ticket is a wish.
        if let Some((room, ticket)) = &place_given_up
            && room.decide(|room| room.is_spent(ticket.seq))
        {
            let mut agent = self.wishes.lock();
            agent.not_laid(id, &wish, &contact, Some(*ticket));
            drop(agent);
            return done(Err(LayError::TicketSpent));
        }
        let fact = WishFact::Laid {
            place,
            wish,
            ticket,
            contact: Some(Box::new(contact)),
        };
        let told = Fact::Wish {
            wish: id,
            fact: Box::new(fact.clone()),
        };
        let wishes = Arc::clone(&self.wishes);
        let catalogue = Arc::clone(&self.catalogue);
        let ledger = Arc::clone(&self.ledger);
        self.append_strict((), now, told, move |outcome| match outcome {
            Ok(position) => {
                let mut agent = wishes.lock();
                agent.apply(&catalogue, now, id, &fact);
                if let (Some(booking), Some(start)) = (instead, starts) {
                    agent.booking_starts(booking, start);
                }
                drop(agent);
                wishes.add_fresh(id);
                if let Some((room, ticket)) = place_given_up
                    && !sings(Canary::TicketKept)
                {
                    use_up(&room, &*ledger, ticket, now);
                }
                done(Ok(Durable::new(id, position)));
            }
            Err(NotKept { .. }) => {
                if let WishFact::Laid {
                    wish,
                    contact: Some(contact),
                    ticket,
                    ..
                } = &fact
                {
                    wishes.lock().not_laid(id, wish, contact, *ticket);
                }
                done(Err(LayError::LedgerAway));
            }
        });
    }

    /// The room of a ticket, if people are let in there in the order of the draw.
    pub(super) fn line_of(&self, ticket: TicketId) -> Option<Arc<RoomShard>> {
        let room = self.rooms.get(ticket.room)?;
        let is_line = room.decide(|room| room.plan().terms.policy == RoomPolicy::Line);
        is_line.then_some(room)
    }

    /// The place of a ticket among the wishes: that of its room's release, by its position.
    pub(super) fn place_of(&self, ticket: TicketId) -> Option<Place> {
        let shard = self.rooms.get(ticket.room)?;
        shard.decide(|room| {
            let since = room.plan().release_at.0;
            let position = match room.drawn() {
                None => 0,
                Some(_) => room.position_of(ticket.seq)?,
            };
            Some(Place { since, position })
        })
    }

    /// Makes a wish another one. `done` is called once, with the place that it has then.
    pub fn change_wish(
        &self,
        now: UnixMillis,
        id: WishId,
        secret: Secret,
        wish: Wish,
        done: impl FnOnce(Result<Durable<Place>, WishError>) + Send + 'static,
    ) {
        let instead = wish.instead_of.map(|instead| instead.booking);
        let starts = instead.map(|booking| self.booking_start(booking));
        let mut agent = self.wishes.lock();
        let changeable = match agent.with_secret(id, secret).map(|known| known.standing) {
            None => Err(WishError::Unknown),
            // The lottery is being held.
            Some(Standing::Undrawn) if agent.has_lot(id) => Err(WishError::Pending),
            Some(Standing::Waiting | Standing::Undrawn | Standing::Asleep) => {
                if agent.may_become(id, &wish) {
                    agent.place_after(id, &wish, now).ok_or(WishError::Unknown)
                } else {
                    Err(WishError::TooMany)
                }
            }
            Some(Standing::Deciding | Standing::Offered(_)) => Err(WishError::Pending),
            Some(over) => Err(WishError::Over(over)),
        };
        let place = match changeable {
            Ok(place) => place,
            Err(refusal) => {
                drop(agent);
                return done(Err(refusal));
            }
        };
        let known = agent.known(id);
        let before = known.map_or(Standing::Waiting, |known| known.standing);
        // Of the same booking it is known already, and was while it was moved.
        let instead =
            instead.filter(|_| known.is_some_and(|it| it.wish.instead_of != wish.instead_of));
        // Whoever changes it still wishes.
        let after = match before {
            Standing::Asleep => Standing::Waiting,
            before => before,
        };
        // Nothing is given to it as it was while it becomes another one.
        agent.decide(id);
        let fact = WishFact::Changed { place, wish };
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
                if let (Some(booking), Some(start)) = (instead, starts) {
                    agent.booking_starts(booking, start);
                }
            }
            agent.undo(id, if outcome.is_ok() { after } else { before });
            drop(agent);
            wishes.add_fresh(id);
            let answer = outcome.map(|position| Durable::new(place, position));
            done(answer.map_err(|NotKept { .. }| WishError::LedgerAway));
        });
    }

    /// Ends a wish; what is held for it goes to the next one. `done` is called once; repeating gets
    /// the same answer.
    pub fn withdraw_wish(
        &self,
        now: UnixMillis,
        id: WishId,
        secret: Secret,
        done: impl FnOnce(Result<(), WishError>) + Send + 'static,
    ) {
        let standing = {
            let agent = self.wishes.lock();
            agent.with_secret(id, secret).map(|known| known.standing)
        };
        let offer = match standing {
            None => return done(Err(WishError::Unknown)),
            Some(Standing::Ended(_)) => return done(Ok(())),
            Some(over @ Standing::Booked { .. }) => return done(Err(WishError::Over(over))),
            Some(Standing::Deciding) => return done(Err(WishError::Pending)),
            Some(Standing::Offered(offer)) => Some(offer),
            Some(Standing::Waiting | Standing::Undrawn | Standing::Asleep) => None,
        };
        // Taken back first: an answer to the offer that comes now finds nothing.
        let shard = offer.and_then(|offer| self.existing(offer.seat));
        let mut day = shard.as_ref().map(|(shard, _)| shard.lock());
        let mut agent = self.wishes.lock();
        let unchanged = agent.known(id).map(|known| known.standing) == standing;
        let is_free = |day: &Day, offer: Offer| {
            let state = day.reservation(offer.seat).map(|it| &it.state);
            !matches!(state, Some(State::Confirming(..) | State::Booked(..)))
        };
        let free = day
            .as_ref()
            .zip(offer)
            .is_none_or(|(day, offer)| is_free(day, offer));
        if !unchanged || !free {
            drop((agent, day));
            return done(Err(WishError::Pending));
        }
        let before = standing.unwrap_or(Standing::Waiting);
        agent.decide(id);
        let fact = WishFact::Ended {
            how: WishEnding::Withdrawn,
        };
        let told = Fact::Wish {
            wish: id,
            fact: Box::new(fact.clone()),
        };
        // While the word of the ledger is awaited, nobody can accept: the wish is being decided.
        let wishes = Arc::clone(&self.wishes);
        let catalogue = Arc::clone(&self.catalogue);
        let resting = self.resting();
        let settled = shard.as_ref().map(|(shard, _)| Arc::clone(shard));
        let day = day.take();
        self.append_strict((agent, day), now, told, move |outcome| match outcome {
            Ok(_) => {
                if let (Some(shard), Some(offer)) = (settled, offer) {
                    shard.decide(|day| {
                        if day.forget(offer.seat) {
                            resting.rest(day, offer.seat, now);
                        }
                    });
                }
                wishes.lock().apply(&catalogue, now, id, &fact);
                wishes.add_fresh(id);
                done(Ok(()));
            }
            Err(NotKept { .. }) => {
                wishes.lock().undo(id, before);
                wishes.add_fresh(id);
                done(Err(WishError::LedgerAway));
            }
        });
    }
}
