//! What happens to wishes, and to seats that were given back.

use morgenruh_engine::rules::catalogue::Channel;
use morgenruh_engine::rules::ids::Secret;
use morgenruh_engine::rules::need::Services;
use morgenruh_engine::rules::record::Fact;
use morgenruh_engine::rules::room::{RoomId, TicketId};
use morgenruh_engine::rules::time::{DayNumber, Millis};
use morgenruh_engine::rules::wish::fact::{Contact, Notify, Offer, WishEnding, WishFact};
use morgenruh_engine::rules::wish::windows::Windows;
use morgenruh_engine::rules::wish::{Place, Wish, WishId};
use morgenruh_engine::shell::drain::Placed;

use super::{History, Hold, TODAY, starts_at};

impl History {
    /// The next facts about wishes: some are laid, offered seats, fulfilled, ended and forgotten;
    /// seats that were given back rest.
    pub(crate) fn wishes(&mut self, count: usize) -> Vec<Placed> {
        let mut facts = Vec::with_capacity(count);
        while facts.len() < count {
            let told = match self.random.u8(0..100) {
                0..25 => vec![self.lay()],
                25..60 => self.offer(),
                60..75 => self.end_wish(),
                75..90 => self.forget_wish(),
                _ => self.rest(),
            };
            self.now = self.now + Millis(self.random.i64(0..20));
            facts.extend(told.into_iter().map(|fact| self.place(fact)));
        }
        facts
    }

    /// Somebody wishes for something.
    pub(crate) fn lay(&mut self) -> Fact {
        self.wishes += 1;
        let id = WishId(self.wishes);
        self.waiting.push((id, 0));
        let room = RoomId {
            number: 9,
            day: DayNumber(TODAY),
        };
        let seq = self.random.u32(..);
        let contact = Contact {
            name: format!("Zoë Müller-{}", self.random.u32(..)),
            email: format!("zoe{}@example.org", self.random.u16(..)),
            phone: self.random.bool().then(|| "+49 211 1".into()),
            answers: [("anlass".to_owned(), "\"Reise\"\n🎟".to_owned())].into(),
            language: "de-leicht".into(),
            notify: match self.random.u8(0..3) {
                0 => Notify::Email,
                1 => Notify::Webhook("https://example.org/hook?a=1".into()),
                _ => Notify::Poll,
            },
            secret: Secret(self.digest().0),
        };
        let laid = WishFact::Laid {
            place: Place {
                since: self.now.0,
                position: self.random.u32(..),
            },
            wish: self.wish(),
            ticket: self.random.bool().then_some(TicketId { room, seq }),
            contact: Some(Box::new(contact)),
        };
        of_wish(id, laid)
    }

    fn wish(&mut self) -> Wish {
        Wish {
            services: Services::collect([(10, 1), (11, 2)]).unwrap(),
            offices: vec![1, 2],
            windows: Windows::NEVER.with(self.random.u8(0..7), 8, 12),
            from: DayNumber(TODAY),
            until: DayNumber(TODAY + self.random.u16(0..60)),
            notice_minutes: self.random.u32(0..2_000),
            auto_accept: self.random.bool(),
            instead_of: None,
        }
    }

    /// A seat is offered, or booked at once, and what becomes of it.
    fn offer(&mut self) -> Vec<Fact> {
        let Some(place) = self.any(self.waiting.len()) else {
            return Vec::new();
        };
        // Nobody sees a hold of a wish: it is known from the offer.
        let Some(Fact::Held { id: seat, .. }) = self.hold() else {
            return Vec::new();
        };
        let last = self.holds.len() - 1;
        let hold = Hold {
            channel: Channel::Agent,
            ..self.holds.swap_remove(last)
        };
        let (id, offers) = &mut self.waiting[place];
        *offers += 1;
        let (id, number) = (*id, *offers);
        let start = starts_at(seat.seat(), seat.seat().start).0;
        let end = starts_at(seat.seat(), seat.seat().end()).0;
        let offer = Offer {
            number,
            seat,
            services: hold.services,
            start,
            end,
            deadline: self.now.0 + 3_600_000,
        };
        let mut facts = vec![of_wish(id, WishFact::Offered(offer))];
        match self.random.u8(0..6) {
            0..3 => {
                if number == 1 && self.random.bool() {
                    facts.clear();
                }
                let Fact::Booked(mut booked) = self.confirm(hold) else {
                    unreachable!("a confirmation is a booking")
                };
                booked.wish = Some(id);
                facts.push(Fact::Booked(booked));
                self.waiting.swap_remove(place);
                self.over.push(id);
            }
            3 => {
                // It brings a booking forward.
                self.holds.push(hold);
                let Some(mut moved) = self.move_to(last) else {
                    self.holds.swap_remove(last);
                    self.take(seat.seat(), false);
                    return Vec::new();
                };
                if let Fact::Moved { wish, .. } = &mut moved {
                    *wish = Some(id);
                }
                facts.push(moved);
                self.waiting.swap_remove(place);
                self.over.push(id);
            }
            lost => {
                let deadline = offer.deadline + 60_000;
                facts.extend([
                    of_wish(id, WishFact::Told { notice: 1 }),
                    of_wish(id, WishFact::Prolonged { number, deadline }),
                    of_wish(
                        id,
                        if lost == 4 {
                            WishFact::Declined { number }
                        } else {
                            WishFact::Lapsed { number }
                        },
                    ),
                ]);
                self.take(seat.seat(), false);
            }
        }
        facts
    }

    fn end_wish(&mut self) -> Vec<Fact> {
        let Some(place) = self.any(self.waiting.len()) else {
            return Vec::new();
        };
        let (id, _) = self.waiting.swap_remove(place);
        self.over.push(id);
        let changed = WishFact::Changed {
            place: Place::at(self.now),
            wish: self.wish(),
        };
        let how = WishEnding::Withdrawn;
        vec![of_wish(id, changed), of_wish(id, WishFact::Ended { how })]
    }

    fn forget_wish(&mut self) -> Vec<Fact> {
        let Some(place) = self.any(self.over.len()) else {
            return Vec::new();
        };
        let id = self.over.swap_remove(place);
        vec![of_wish(id, WishFact::Forgotten)]
    }

    /// A booking is cancelled, and its seat rests for up to two hours, or has done so.
    fn rest(&mut self) -> Vec<Fact> {
        let Some(Fact::Cancelled {
            id,
            origin,
            sequence,
        }) = self.cancel()
        else {
            return Vec::new();
        };
        let until = self.now + Millis(self.random.i64(-100..7_200_000));
        let cancelled = Fact::Cancelled {
            id,
            origin,
            sequence,
        };
        vec![cancelled, Fact::Rested { id, until }]
    }
}

pub(crate) fn of_wish(wish: WishId, fact: WishFact) -> Fact {
    let fact = Box::new(fact);
    Fact::Wish { wish, fact }
}
