//! What time brings about: offers that nobody answers, wishes that are over, rooms that are drawn.

use crate::canary::{Canary, sings};
use crate::rules::day::{Day, State};
use crate::rules::ids::ReservationId;
use crate::rules::time::{DayNumber, Millis, UnixMillis};
use crate::rules::wish::agent::{Agent, Due, Notice, Standing, What};
use crate::rules::wish::fact::{Offer, WishFact};
use crate::rules::wish::{Place, WishId};
use crate::shell::engine::Engine;

/// Offers that lapse, and wishes that end, in one tick.
const DUE_PER_TICK: usize = 10_000;
/// Places of wishes of which the ledger is told in one tick.
const PLACED_PER_TICK: usize = 1_000;
/// Wishes that are held against what is free in one tick, after they were laid or changed.
const FRESH_PER_TICK: usize = 64;
/// An offer of which nobody could be told is kept so much longer each time.
const UNTOLD_STEP: Millis = Millis::from_minutes(5);
/// Whoever is told later than this after the offer was made gets the time back.
const TOLD_LATE: Millis = Millis::from_minutes(1);

impl Engine {
    /// What time and free seats bring about; call it a few times a second. `random` gives entropy
    /// for ids.
    pub fn tick_wishes(&self, now: UnixMillis, mut random: impl FnMut() -> u64) {
        if !self.ledger.health().is_ready() {
            // Nothing can be promised, and nobody can answer: all waits.
            self.wishes.watch.lock().away_since.get_or_insert(now);
            return;
        }
        let away_since = self.wishes.watch.lock().away_since.take();
        if let Some(since) = away_since {
            self.make_up_for(now, now - since);
        }
        self.end_what_is_due(now);
        let settled = self.place_the_drawn();
        self.note_places(now, settled);
        self.hold_lotteries(now, &mut random);
        self.make_days(now);
        for id in self.wishes.take_fresh(FRESH_PER_TICK) {
            self.look_for(now, id);
        }
        for (key, shard) in self.changed_days(now) {
            self.give_out(now, key, &shard, &mut random);
        }
    }

    /// The ledger was away for so long: nobody could answer, so that time does not count.
    pub(super) fn make_up_for(&self, now: UnixMillis, outage: Millis) {
        let offers = self.look_at_wishes(|agent| agent.offers_until(now + outage));
        for (id, offer) in offers {
            self.prolong(now, id, offer, UnixMillis(offer.deadline) + outage);
        }
    }

    pub(super) fn end_what_is_due(&self, now: UnixMillis) {
        let Some(today) = DayNumber::from_date(self.date_of(now)) else {
            return;
        };
        let (due, any) = {
            let mut agent = self.wishes.lock();
            let due = agent.due(now, today, DUE_PER_TICK);
            (due, agent.is_any_waiting())
        };
        self.wishes.set_any(any);
        for due in due {
            match due {
                Due::Lapsed(id, offer) => self.lapse(now, id, offer),
                Due::Forgotten(id) => {
                    let mut agent = self.wishes.lock();
                    // Its seat can be on its way back just now.
                    if agent.known(id).is_some_and(|it| it.standing.is_over()) {
                        self.note_in(&mut agent, now, id, WishFact::Forgotten);
                    }
                }
                Due::Reminded(id, number) => {
                    self.note_wish(now, id, WishFact::Reminded { number });
                }
                Due::Ended(id, how) => self.end(now, id, WishFact::Ended { how }),
            }
        }
    }

    /// Nobody has answered in time, or nobody could be told yet.
    pub(super) fn lapse(&self, now: UnixMillis, id: WishId, offer: Offer) {
        // As it was when it was made.
        let untold = self.look_at_wishes(|agent| {
            let of_offer = |notice: &Notice| match notice.what {
                What::Offered(made) if made.number == offer.number => Some(made),
                _ => None,
            };
            agent.known(id)?.notices.iter().find_map(of_offer)
        });
        if let Some(made) = untold
            && now < UnixMillis(made.deadline) + self.limits.answers.stretch_max
            && self.prolong(now, id, made, now + UNTOLD_STEP)
        {
            return;
        }
        let number = offer.number;
        let shard = self.existing(offer.seat).map(|(shard, _)| shard);
        let mut day = shard.as_ref().map(|shard| shard.lock());
        let state = day.as_ref().and_then(|day| day.reservation(offer.seat));
        let fact = match state.map(|it| &it.state) {
            None => WishFact::Lapsed { number },
            Some(State::Held(terms)) if terms.deadline <= now => WishFact::Lapsed { number },
            // The acceptance is on its way, or its refusal has given it more time.
            Some(State::Held(terms) | State::Confirming(terms, _))
                if terms.deadline > UnixMillis(offer.deadline) =>
            {
                let deadline = terms.deadline.0;
                WishFact::Prolonged { number, deadline }
            }
            // It is accepted, and the wish hears of it at once.
            Some(_) => return,
        };
        let lapses = matches!(fact, WishFact::Lapsed { .. });
        let mut agent = self.wishes.lock();
        let is_open = agent.open_offer(id, number).is_some();
        // Noted before anybody can build on it: a lapse that the ledger has not taken is none.
        let noted = is_open && self.note_in(&mut agent, now, id, fact);
        drop(agent);
        if noted && lapses {
            if let Some(day) = &mut day
                && !sings(Canary::LapsedSeatKept)
            {
                self.give_back(now, day, offer.seat);
            }
            drop(day);
            self.wishes.add_fresh(id);
        }
    }

    /// Ends a wish, and gives back what it was offered unless that is being accepted: an acceptance
    /// on its way decides by itself.
    fn end(&self, now: UnixMillis, id: WishId, fact: WishFact) {
        let standing = self.look_at_wishes(|agent| agent.known(id).map(|it| it.standing));
        let offer = match standing {
            Some(Standing::Offered(offer)) => Some(offer),
            _ => None,
        };
        let shard = offer.and_then(|offer| self.existing(offer.seat));
        let mut day = shard.as_ref().map(|(shard, _)| shard.lock());
        let state = day.as_ref().zip(offer);
        let state = state.and_then(|(day, offer)| day.reservation(offer.seat));
        if state.is_some_and(|it| !matches!(it.state, State::Held(_))) {
            return;
        }
        let mut agent = self.wishes.lock();
        let unchanged = agent.known(id).map(|it| it.standing) == standing;
        let ended = unchanged && self.note_in(&mut agent, now, id, fact);
        drop(agent);
        if ended && let (Some(day), Some(offer)) = (&mut day, offer) {
            self.give_back(now, day, offer.seat);
        }
        drop(day);
        if ended {
            self.wishes.add_fresh(id);
        }
    }

    fn give_back(&self, now: UnixMillis, day: &mut Day, seat: ReservationId) {
        if day.forget(seat) {
            self.resting().rest(day, seat, now);
        }
    }

    /// A notice was handed over. Whoever hears late of an offer has so much longer to answer.
    pub fn told(&self, now: UnixMillis, id: WishId, notice: Notice) {
        let fact = WishFact::Told {
            notice: notice.number,
        };
        if !self.note_wish(now, id, fact) {
            return;
        }
        if let What::Offered(offer) = notice.what {
            let late = now - notice.at;
            if late > TOLD_LATE {
                let deadline = UnixMillis(offer.deadline) + late;
                self.prolong(now, id, offer, deadline);
            }
        }
    }

    /// Until when an offer can be answered if it is told now, so that the letter can say so.
    pub fn deadline_if_told(&self, now: UnixMillis, open: Offer, notice: Notice) -> UnixMillis {
        let deadline = UnixMillis(open.deadline);
        let late = now - notice.at;
        match notice.what {
            What::Offered(made) if late > TOLD_LATE => {
                deadline.max(self.longest(made, UnixMillis(made.deadline) + late))
            }
            _ => deadline,
        }
    }

    /// How far a deadline can be moved, as far as the terms and the seat allow.
    fn longest(&self, offer: Offer, deadline: UnixMillis) -> UnixMillis {
        let most = UnixMillis(offer.deadline) + self.limits.answers.stretch_max;
        deadline.min(most).min(UnixMillis(offer.start))
    }

    /// Gives an offer more time than it had when it was made, as far as the terms and the seat
    /// allow. Returns whether it can still be answered.
    pub(super) fn prolong(
        &self,
        now: UnixMillis,
        id: WishId,
        offer: Offer,
        deadline: UnixMillis,
    ) -> bool {
        let deadline = self.longest(offer, deadline);
        let shard = self.existing(offer.seat).map(|(shard, _)| shard);
        let stretched = shard.and_then(|it| it.decide(|day| day.stretch(offer.seat, deadline)));
        let Some(deadline) = stretched else {
            return false;
        };
        let fact = WishFact::Prolonged {
            number: offer.number,
            deadline: deadline.0,
        };
        let mut agent = self.wishes.lock();
        // While an answer is on its way, the seat's day knows how long it waits.
        if agent.open_offer(id, offer.number).is_some() {
            self.note_in(&mut agent, now, id, fact);
        }
        now < deadline
    }

    /// Rooms that are drawn tell their wishes their places; once more when a lottery is over.
    /// Returns the places that are final and that the ledger does not know.
    pub(super) fn place_the_drawn(&self) -> Vec<(WishId, Place)> {
        let mut settled = Vec::new();
        for room in self.look_at_wishes(Agent::undrawn_rooms) {
            let Some(shard) = self.rooms.get(room) else {
                continue;
            };
            let (is_drawn, lottery) =
                shard.decide(|room| (room.drawn().is_some(), room.is_before_lottery()));
            if !is_drawn {
                continue;
            }
            let undrawn = self.look_at_wishes(|agent| agent.undrawn(room, lottery));
            let placed: Vec<(WishId, Place)> = shard.decide(|room| {
                let since = room.plan().release_at.0;
                let place = |(id, seq): (WishId, u32)| {
                    let position = room.position_of(seq)?;
                    Some((id, Place { since, position }))
                };
                undrawn.into_iter().filter_map(place).collect()
            });
            if !lottery {
                settled.extend_from_slice(&placed);
            }
            let waiting = self.wishes.lock().place(placed, lottery);
            waiting.into_iter().for_each(|id| self.wishes.add_fresh(id));
        }
        settled
    }

    /// The ledger is told of places. What is on its way there is settled first.
    fn note_places(&self, now: UnixMillis, settled: Vec<(WishId, Place)>) {
        for (id, place) in settled.into_iter().take(PLACED_PER_TICK) {
            let mut agent = self.wishes.lock();
            let standing = agent.known(id).map(|known| known.standing);
            if standing != Some(Standing::Deciding)
                && !self.note_in(&mut agent, now, id, WishFact::Placed { place })
            {
                return;
            }
        }
    }
}
