//! What people do about their wishes.

use std::collections::BTreeMap;

use morgenruh_engine::rules::day::State;
use morgenruh_engine::rules::ids::{ReservationId, Secret};
use morgenruh_engine::rules::need::Services;
use morgenruh_engine::rules::time::{DayNumber, Millis, UnixMillis};
use morgenruh_engine::rules::wish::agent::{Standing, What};
use morgenruh_engine::rules::wish::fact::{Contact, Notify, Offer};
use morgenruh_engine::rules::wish::windows::Windows;
use morgenruh_engine::rules::wish::{Instead, Place, Wish};
use morgenruh_engine::shell::engine::LayAsk;

use super::{Accepting, Asked, WishNews, Wished};
use crate::oracle::Violation;
use crate::people::{Visit, fingerprint};
use crate::post::{Letter, News, Post};
use crate::town::{DAYS, Town};
use crate::world::World;

/// Wishes of one person that are laid at once: one more than may be.
const LAID_MAX: usize = 4;
/// Notices that are looked at together.
const NOTICES_MAX: usize = 8;

/// Who sends an answer about a wish.
struct Answering {
    post: Post,
    who: usize,
    index: usize,
}

impl Answering {
    fn send(self, news: WishNews) {
        self.post.send(Letter {
            who: self.who,
            question: self.index as u64,
            news: News::Wished(news),
        });
    }
}

impl World {
    /// Somebody does what they can do next about their wishes.
    pub fn wish(&mut self, who: usize) -> Result<(), Violation> {
        let own = self.wishers.open.iter().copied();
        let own: Vec<usize> = own
            .filter(|index| self.wishers.wished[*index].who == who)
            .collect();
        let chance = self.dice.u32(..100);
        let lays = own.len() < LAID_MAX && (own.is_empty() || chance < 20);
        if lays {
            return self.lay(who);
        }
        if chance < 24 {
            // What was answered long ago is answered once more.
            let index = self.dice.usize(..self.wishers.wished.len());
            return self.answer_again(index);
        }
        let index = own[self.dice.usize(..own.len())];
        let Wished {
            asked, standing, ..
        } = &self.wishers.wished[index];
        match (asked, standing) {
            (None, Some(Standing::Offered(offer))) => {
                let offer = *offer;
                match chance {
                    24..55 => self.accept(index, offer.seat),
                    55..70 => self.decline(index, offer),
                    70..75 => self.withdraw(index),
                    75..78 => self.change(index),
                    _ => {}
                }
            }
            (None, Some(Standing::Asleep)) => match chance {
                24..50 => self.still_wish(index),
                50..56 => self.withdraw(index),
                56..62 => self.change(index),
                _ => {}
            },
            (None, Some(Standing::Waiting | Standing::Undrawn)) => match chance {
                24..36 => self.change(index),
                36..42 => self.withdraw(index),
                _ => {}
            },
            _ => {}
        }
        Ok(())
    }

    /// What somebody would take.
    fn some_wish(&mut self, instead: Option<&Visit>) -> Wish {
        let dice = &mut self.dice;
        let mut windows = Windows::NEVER;
        for weekday in 1..=2 {
            let hours = [(8, 10), (8, 10), (8, 9), (9, 10), (0, 0)][dice.usize(..5)];
            windows = windows.with(weekday, hours.0, hours.1);
        }
        if dice.bool() {
            windows = Windows::ALWAYS;
        }
        let first = Town::day_number(0).0;
        // The eve is over at midnight.
        let from = first - 1 + dice.u16(..=DAYS);
        let until = from + dice.u16(..=(first + DAYS - 1 - from));
        let offices = self.options.town.offices;
        let all = (1..=offices).collect::<Vec<_>>();
        let offices = if dice.bool() {
            all
        } else {
            vec![dice.u16(1..=offices)]
        };
        Wish {
            services: Services::collect([(1, dice.u8(1..=3))]).unwrap_or_default(),
            offices,
            windows,
            from: DayNumber(from),
            until: DayNumber(until),
            notice_minutes: if dice.bool() { 0 } else { dice.u32(..1_200) },
            auto_accept: dice.u8(..3) == 0,
            instead_of: instead.map(|visit| Instead {
                booking: visit.origin,
            }),
        }
    }

    fn lay(&mut self, who: usize) -> Result<(), Violation> {
        let ticket = self.some_ticket(who)?;
        let person = self.people[who];
        let visit = person.visit.filter(|it| !it.cancelled && !person.waits());
        let visit = visit.filter(|_| ticket.is_none() && self.dice.bool());
        let mut wish = self.some_wish(visit.as_ref());
        if ticket.is_some() && self.dice.u8(..4) > 0 {
            // Most of them could take what the room is before.
            wish.windows = Windows::ALWAYS;
            wish.until = wish.until.max(Town::day_number(0));
            wish.from = wish.from.min(Town::day_number(0));
        }
        let secret = Secret(self.dice.u128(..).to_be_bytes());
        let index = self.wishers.wished.len();
        let notify = if self.dice.u8(..4) == 0 {
            Notify::Poll
        } else {
            Notify::Email
        };
        let phone = (self.dice.u8(..3) == 0).then(|| self.dice.u8(..4));
        let contact = Contact {
            name: index.to_string(),
            email: format!("{who}@example.org"),
            phone: phone.map(|number| {
                // However it is dialled.
                let code = ["0211 ", "+49 211 ", "0049 (211) "][self.dice.usize(..3)];
                format!("{code}{number}")
            }),
            answers: BTreeMap::new(),
            language: "de".into(),
            notify,
            secret,
        };
        let now = self.now();
        let drawn = match ticket {
            Some(ticket) => self.place_of(ticket.seq)?,
            None => None,
        };
        self.lobby
            .may_be_laid
            .extend(ticket.map(|ticket| ticket.seq));
        self.wishers.wished.push(Wished {
            who,
            secret,
            phone,
            ticket: ticket.map(|ticket| ticket.seq),
            wish: wish.clone(),
            changed: None,
            asked: Some(Asked::Lay),
            id: None,
            is_denied: false,
            standing: None,
            place: drawn.unwrap_or_else(|| Place::at(now)),
            offers: 0,
            lost: 0,
            declined: 0,
            seats: Vec::new(),
            withdrawn: false,
            may_accept: false,
            may_wake: false,
            may_reopen: false,
            booked: None,
            merges: false,
            instead: visit,
        });
        self.wishers.open.push(index);
        if let Some(ticket) = ticket {
            self.lobby.lays(ticket.seq);
        }
        self.trace.note("lay", who, index as u64);
        let answering = self.answering(index);
        let ask = LayAsk {
            wish,
            contact,
            ticket,
        };
        self.engine.lay_wish(now, ask, move |outcome| {
            let laid = outcome.map(|durable| durable.into_parts().0);
            answering.send(WishNews::Laid(laid));
        });
        Ok(())
    }

    fn answering(&self, index: usize) -> Answering {
        Answering {
            post: self.post.clone(),
            who: self.wishers.wished[index].who,
            index,
        }
    }

    fn change(&mut self, index: usize) {
        let Wished {
            instead, changed, ..
        } = &self.wishers.wished[index];
        if changed.is_some() {
            // They look first what has become of it.
            return;
        }
        let instead = *instead;
        let mut wish = self.some_wish(instead.as_ref());
        let wished = &mut self.wishers.wished[index];
        if self.dice.bool() {
            // Less than before keeps the place.
            let auto_accept = wish.auto_accept;
            wish = Wish {
                auto_accept,
                notice_minutes: wished.wish.notice_minutes + 5,
                ..wished.wish.clone()
            };
        }
        wished.changed = Some(wish.clone());
        wished.may_wake = true;
        let (id, secret, from) = (wished.id, wished.secret, wished.place);
        let now = self.now();
        let is_undrawn = self.wishers.wished[index].standing == Some(Standing::Undrawn);
        let is_undrawn = is_undrawn && from.position == 0;
        self.wishers.wished[index].asked = Some(Asked::Change {
            from,
            at: now,
            is_undrawn,
        });
        let Some(id) = id else {
            return;
        };
        self.trace.note("change", index, id.0);
        let answering = self.answering(index);
        self.engine
            .change_wish(now, id, secret, wish, move |outcome| {
                let place = outcome.map(|durable| durable.into_parts().0);
                answering.send(WishNews::Changed(place));
            });
    }

    fn withdraw(&mut self, index: usize) {
        let wished = &mut self.wishers.wished[index];
        let Some(id) = wished.id else {
            return;
        };
        wished.asked = Some(Asked::Withdraw);
        let secret = wished.secret;
        self.trace.note("withdraw", index, id.0);
        let answering = self.answering(index);
        self.engine
            .withdraw_wish(self.now(), id, secret, move |outcome| {
                answering.send(WishNews::Withdrawn(outcome));
            });
    }

    fn accept(&mut self, index: usize, seat: ReservationId) {
        if self.dice.u32(..100) < self.options.races
            && let Some(until) = self.lasts_until(seat)
        {
            let aim = UnixMillis(until.0 + self.dice.i64(-1..=1));
            // Only a deadline of this evening is waited for.
            if aim - self.now() < Millis::from_minutes(60) {
                self.set_clock(self.now().max(aim));
            }
        }
        let now = self.now();
        let until = self.lasts_until(seat);
        let in_time = until.is_some_and(|until| now < until);
        if let Some(given) = self.wishers.seats.get(&seat).copied() {
            let until = until.map_or(i64::MAX, |until| until.0);
            self.oracle.offer_lasts(given.claim, until);
            self.oracle.asks_confirmation(given.claim, now.0);
            self.chronicle
                .asked(given.claim, crate::chronicle::Wish::Confirm);
        }
        let wished = &mut self.wishers.wished[index];
        wished.may_accept = true;
        let again = matches!(wished.standing, Some(Standing::Booked { .. }));
        wished.asked = Some(Asked::Accept(Accepting {
            seat,
            in_time,
            again,
        }));
        let secret = wished.secret;
        self.trace.note("accept", index, fingerprint(seat));
        let answering = self.answering(index);
        self.engine.accept_offer(now, seat, secret, move |outcome| {
            let booking = outcome.map(|durable| durable.into_parts().0);
            answering.send(WishNews::Accepted(Box::new(booking)));
        });
    }

    fn decline(&mut self, index: usize, offer: Offer) {
        let Offer { seat, number, .. } = offer;
        let wished = &mut self.wishers.wished[index];
        wished.asked = Some(Asked::Decline { seat, number });
        let secret = wished.secret;
        self.trace.note("decline", index, fingerprint(seat));
        let answering = self.answering(index);
        self.engine
            .decline_offer(self.now(), seat, secret, move |outcome| {
                answering.send(WishNews::Declined(outcome));
            });
    }

    /// Somebody says that they still wish.
    fn still_wish(&mut self, index: usize) {
        let wished = &mut self.wishers.wished[index];
        let Some(id) = wished.id else {
            return;
        };
        wished.asked = Some(Asked::Confirm);
        wished.may_wake = true;
        let secret = wished.secret;
        self.trace.note("confirm wish", index, id.0);
        let answering = self.answering(index);
        self.engine
            .confirm_wish(self.now(), id, secret, move |outcome| {
                answering.send(WishNews::Confirmed(outcome));
            });
    }

    /// Somebody has a booking that they did not choose, and would rather wait on.
    fn wait_on(&mut self, index: usize) {
        let wished = &mut self.wishers.wished[index];
        let Some(id) = wished.id else {
            return;
        };
        wished.asked = Some(Asked::WaitOn);
        wished.may_reopen = true;
        let secret = wished.secret;
        if !self.wishers.open.contains(&index) {
            self.wishers.open.push(index);
        }
        self.trace.note("wait on", index, id.0);
        let answering = self.answering(index);
        self.engine.wait_on(self.now(), id, secret, move |outcome| {
            answering.send(WishNews::WaitsOn(outcome));
        });
    }

    /// Somebody who has been answered asks again, or uses an offer of long ago.
    fn answer_again(&mut self, index: usize) -> Result<(), Violation> {
        let wished = &self.wishers.wished[index];
        if wished.asked.is_some() || wished.id.is_none() {
            return Ok(());
        }
        let seats = wished.seats.len();
        match wished.standing {
            Some(Standing::Booked { .. }) if self.dice.bool() => self.wait_on(index),
            Some(Standing::Booked { seat, .. }) => self.accept(index, seat),
            Some(Standing::Ended(_)) if seats == 0 => self.withdraw(index),
            Some(Standing::Waiting | Standing::Ended(_)) if seats > 0 => {
                let seat = wished.seats[self.dice.usize(..seats)];
                self.accept(index, seat);
            }
            _ => {}
        }
        Ok(())
    }

    /// Until when a hold lasts, if it is one.
    pub(super) fn lasts_until(&self, seat: ReservationId) -> Option<UnixMillis> {
        let shard = self.shard_of(seat)?;
        shard.decide(|day| match day.reservation(seat)?.state {
            State::Held(terms) | State::Confirming(terms, _) => Some(terms.deadline),
            _ => None,
        })
    }

    /// Some of the notices are handed over, most of them late.
    pub fn hand_over(&mut self) -> Result<(), Violation> {
        let notices = self
            .engine
            .look_at_wishes(|agent| agent.untold(NOTICES_MAX));
        for (id, notice) in notices {
            if self.dice.bool() {
                self.trace.note("told", notice.number as usize, id.0);
                self.tally.offers_reminded += u64::from(matches!(notice.what, What::Reminded(_)));
                self.engine.told(self.now(), id, notice);
            }
        }
        let before = self.tally.offers_untold;
        self.watch_wishes()?;
        let late = self.tally.offers_untold - before;
        self.tally.offers_untold = before;
        self.tally.offers_told_late += late;
        Ok(())
    }
}
