//! Wishes: laid, changed, given what becomes free, accepted or declined.
//!
//! A tick looks at the days that have changed since it last did, and gives what is free there to
//! the best wishes. It does not matter what has changed them: a cancellation, an expiry, a release,
//! other opening hours. So nothing that becomes free can be forgotten.

mod answer;
mod give_out;
mod go_on;
mod lay;
mod lottery;
mod tick;

use std::sync::Arc;

use super::{Engine, RestTerms};
use crate::canary::{Canary, sings};
use crate::rules::catalogue::{Channel, OfficeIndex};
use crate::rules::day::{BookingRefusal, Day, HoldTerms, Reservation, Rest, State};
use crate::rules::ids::{Digest, ReservationId};
use crate::rules::record::{Fact, Record};
use crate::rules::room::TicketId;
use crate::rules::time::{Millis, UnixMillis};
use crate::rules::wish::agent::{Agent, LayRefusal, Standing};
use crate::rules::wish::fact::{Contact, WishFact};
use crate::rules::wish::{Place, Wish, WishId};
use crate::shell::ledger::{Entry, Ledger};
use crate::shell::shard::Shard;
use crate::shell::stored::Stored;

/// Until the wishes have been looked through, nobody else takes a hold that was given back.
const OFFERED_FIRST: Millis = Millis(1_000);

/// Somebody wishes.
#[derive(Clone, Debug)]
pub struct LayAsk {
    pub wish: Wish,
    pub contact: Contact,
    /// The ticket of a waiting room whose place it keeps.
    pub ticket: Option<TicketId>,
}

/// Why a wish was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayError {
    Refused(LayRefusal),
    /// There is no such room or no such ticket any more.
    TicketUnknown,
    /// The ticket has become a booking, or is just about to.
    TicketSpent,
    /// The ledger cannot keep it now.
    LedgerAway,
}

/// Why a wish was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WishError {
    /// There is none with this id, or the secret is not its own: nobody is told which.
    Unknown,
    /// It is over.
    Over(Standing),
    /// Something about it is on its way to the ledger, or its lottery is being held.
    Pending,
    /// Its person has as many for what it would become as one can have.
    TooMany,
    LedgerAway,
}

/// Why an offer was not accepted or declined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferError {
    /// There is no such offer, or the secret is not that of its wish.
    Unknown,
    /// It was answered too late, or declined before.
    Gone,
    /// An answer to it is on its way to the ledger.
    Pending,
    /// The booking that was to be brought forward cannot be moved.
    Booking(BookingRefusal),
    /// That booking has been moved too often.
    TooManyMoves,
    /// The ledger cannot keep it now; the offer gets more time.
    LedgerAway,
}

/// What somebody who waits can expect.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlook {
    /// Wishes that come before it for what it wants; at the office where there are fewest.
    pub ahead: usize,
    /// Seats a day that went to wishes at its offices lately.
    pub seats_a_day: f64,
    /// About how many days until it is its turn, if anything is known.
    pub days: Option<f64>,
}

/// Keeps seats that are given back for the wishes, for a while.
#[derive(Clone)]
pub(super) struct Resting {
    ledger: Arc<dyn Ledger>,
    terms: RestTerms,
}

impl Resting {
    /// The seat was given back just now.
    pub(super) fn rest(&self, day: &mut Day, id: ReservationId, at: UnixMillis) {
        let Some(until) = self.terms.until(id, at) else {
            return;
        };
        let seat = id.seat();
        day.rest(Rest { seat, until });
        let fact = Fact::Rested { id, until };
        let record = Record { at, fact };
        // If the queue is full, a restart gives the seat back to everybody.
        drop(self.ledger.append(Entry { record, done: None }));
    }
}

impl RestTerms {
    /// Until when a seat that was given back at this instant is for wishes alone; None if it is
    /// not.
    pub(super) fn until(&self, id: ReservationId, at: UnixMillis) -> Option<UnixMillis> {
        if self.longest.0 <= 0 {
            return None;
        }
        let Digest(random) = Digest::of(&[b"rest", &self.key, &id.to_bytes(), &at.0.to_be_bytes()]);
        let mut number = [0; 8];
        number.copy_from_slice(&random[..8]);
        let span = u64::try_from(self.longest.0 - self.shortest.0).unwrap_or(0) + 1;
        let beyond = i64::try_from(u64::from_be_bytes(number) % span).unwrap_or(0);
        Some(at + Millis(self.shortest.0 + beyond))
    }
}

impl Engine {
    /// Whether a ticket has become a wish, whatever that has come to.
    pub(super) fn is_wish(&self, ticket: TicketId) -> bool {
        self.look_at_wishes(|agent| agent.of_ticket(ticket).is_some())
    }

    /// Looks at the wishes. Nothing inside may wait.
    pub fn look_at_wishes<R>(&self, look: impl FnOnce(&Agent) -> R) -> R {
        look(&self.wishes.lock())
    }

    pub(super) fn resting(&self) -> Resting {
        Resting {
            ledger: Arc::clone(&self.ledger),
            terms: self.limits.rest,
        }
    }

    /// A hold was given back: the wishes are looked through before anybody else gets the seat.
    pub(super) fn offer_first(&self, day: &mut Day, now: UnixMillis, id: ReservationId) {
        if self.wishes.any() {
            let seat = id.seat();
            let until = now + OFFERED_FIRST;
            day.rest(Rest { seat, until });
        }
    }

    /// Appends a relaxed fact of a wish and applies it; false when the ledger cannot take it.
    pub(super) fn note_wish(&self, now: UnixMillis, id: WishId, fact: WishFact) -> bool {
        self.note_in(&mut self.wishes.lock(), now, id, fact)
    }

    /// The same for whoever has the wishes locked.
    fn note_in(&self, agent: &mut Agent, now: UnixMillis, id: WishId, fact: WishFact) -> bool {
        let told = Fact::Wish {
            wish: id,
            fact: Box::new(fact.clone()),
        };
        // Of a wish that was forgotten meanwhile there is nothing more to say.
        let taken = agent.known(id).is_some() && self.append(now, told);
        if taken {
            agent.apply(&self.catalogue, now, id, &fact);
        }
        taken
    }

    /// What somebody who waits can expect. Counted office by office: nobody waits for the wishes
    /// until all of it is done.
    pub fn outlook(&self, now: UnixMillis, id: WishId, place: Place, wish: &Wish) -> Outlook {
        let mut outlook = Outlook {
            ahead: usize::MAX,
            seats_a_day: 0.0,
            days: None,
        };
        let mut turns_a_day = 0.0;
        for office in &wish.offices {
            let (ahead, seats) = self.look_at_wishes(|agent| {
                let ahead = agent.ahead(*office, place, id, wish);
                // It is not ahead of itself when it is asked about another place than its own.
                let is_one = agent.known(id).is_some_and(|own| {
                    own.standing == Standing::Waiting
                        && own.place < place
                        && own.wish.offices.contains(office)
                });
                let seats = agent.pace().seats_a_day(*office, now);
                (ahead.saturating_sub(usize::from(is_one)), seats)
            });
            outlook.ahead = outlook.ahead.min(ahead);
            outlook.seats_a_day += seats;
            turns_a_day += seats / (ahead + 1) as f64;
        }
        if wish.offices.is_empty() {
            outlook.ahead = 0;
        }
        outlook.days = (turns_a_day > 0.0).then(|| 1.0 / turns_a_day);
        outlook
    }

    /// Puts wishes and rests back. Bookings and rooms are there already.
    pub(in crate::shell) fn recover_wishes(&self, now: UnixMillis, stored: &Stored) {
        for (id, until) in &stored.rests {
            let Some((shard, _)) = self.day_of(*id).filter(|_| *until > now) else {
                continue;
            };
            let seat = id.seat();
            let until = *until;
            // Whoever has been given a part of it meanwhile has it; the rest of it goes on resting.
            shard.decide(|day| day.rest(Rest { seat, until }));
        }
        let mut agent = Agent::new(self.limits.answers, stored.last_wish);
        for record in &stored.wish_facts {
            agent.apply(&self.catalogue, record.at, record.wish, &record.fact);
        }
        agent.forget_outcomes();
        let (mut instead, mut offers, mut tickets) = (Vec::new(), Vec::new(), Vec::new());
        for (_, known) in agent.each() {
            if let Some(booking) = known.wish.instead_of.filter(|_| !known.standing.is_over()) {
                instead.push(booking.booking);
            }
            if let Standing::Offered(offer) = known.standing
                && !sings(Canary::OfferForgotten)
            {
                offers.push((offer, known.contact.hold_secret(offer.number)));
            }
            tickets.extend(known.ticket);
        }
        self.wishes.set_any(agent.is_any_waiting());
        *self.wishes.lock() = agent;
        // Whoever is told their place is told the same one as before.
        if !sings(Canary::PlaceForgotten) {
            let _ = self.place_the_drawn();
        }
        for ticket in tickets {
            if let Some(room) = self.line_of(ticket).filter(|_| !sings(Canary::TicketKept)) {
                // The ledger may not have heard of it: it is noted without waiting.
                room.lock().leave(now, ticket.seq);
            }
        }
        for booking in instead {
            let start = self.booking_start(booking);
            self.wishes.lock().booking_starts(booking, start);
        }
        for (offer, secret) in offers {
            let Some((shard, _)) = self.day_of(offer.seat) else {
                continue;
            };
            let terms = HoldTerms {
                deadline: UnixMillis(offer.deadline),
                extended: true,
            };
            // Without its seat it lapses at its deadline, as if nobody had answered.
            let _ = shard.decide(|day| {
                day.restore(Reservation {
                    id: offer.seat,
                    services: offer.services,
                    channel: Channel::Agent,
                    secret: secret.digest(),
                    ticket: None,
                    state: State::Held(terms),
                })
            });
        }
    }

    /// The shard of a reservation's day, which is made if there is none.
    pub(super) fn day_of(&self, id: ReservationId) -> Option<(Arc<Shard>, OfficeIndex)> {
        let key = id.day_key();
        let office = self.catalogue.office_by_number(key.office)?;
        Some((self.shard(office, key.day.to_date())?, office))
    }
}
