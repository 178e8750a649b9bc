//! What the ledger has becomes how wishes stand.

use std::collections::BTreeSet;

use super::super::change;
use super::super::fact::{Contact, Offer, WishEnding, WishFact};
use super::super::{Place, Wish, WishId};
use super::known::lines;
use super::{Agent, END_OF_TIME, Known, Notice, Standing, What};
use crate::canary::{Canary, sings};
use crate::rules::catalogue::Catalogue;
use crate::rules::ids::ReservationId;
use crate::rules::person::marks;
use crate::rules::room::TicketId;
use crate::rules::time::{DayNumber, UnixMillis};

impl Agent {
    /// Applies what the ledger has.
    pub fn apply(&mut self, catalogue: &Catalogue, at: UnixMillis, id: WishId, fact: &WishFact) {
        match fact {
            WishFact::Laid {
                place,
                wish,
                ticket,
                contact,
            } => {
                self.last = self.last.max(id);
                if let Some(contact) = contact {
                    self.laid(catalogue, at, id, (*place, wish, *ticket), contact);
                }
            }
            WishFact::Changed { place, wish } => self.changed(catalogue, id, *place, wish),
            WishFact::Placed { place } => self.placed(id, *place),
            WishFact::Offered(offer) => {
                let (zone, deadline) = (&catalogue.city.zone, UnixMillis(offer.deadline));
                let reminder = self.terms.reminder(zone, at, deadline);
                if let Some(known) = self.wishes.get_mut(&id) {
                    known.offers = offer.number;
                    known.reminder = reminder;
                    known.seats.push(offer.seat);
                    self.offers.insert(offer.seat, id);
                    // It can have ended while the offer was on its way.
                    if !known.standing.is_over() {
                        self.pace.count(offer.seat.day_key().office, at);
                        self.stand(id, Standing::Offered(*offer), at);
                        self.tell(id, at, What::Offered(*offer));
                    }
                }
            }
            WishFact::Prolonged { number, deadline } => {
                if let Some(mut offer) = self.open_offer(id, *number) {
                    offer.deadline = offer.deadline.max(*deadline);
                    let since = self.wishes[&id].since;
                    self.stand(id, Standing::Offered(offer), since);
                }
            }
            WishFact::Declined { number } => self.lost(at, id, *number, false),
            WishFact::Lapsed { number } => self.lost(at, id, *number, true),
            WishFact::Confirmed => self.confirmed(at, id),
            WishFact::Reminded { number } => self.reminded(at, id, *number),
            WishFact::Returned { .. } => self.returned(at, id),
            WishFact::Booked { booking, seat } => self.booked(at, id, *booking, *seat),
            WishFact::Told { notice } => self.told(id, *notice),
            WishFact::Ended { how } => {
                self.ending.remove(&id);
                self.stand(id, Standing::Ended(*how), at);
                if *how != WishEnding::Withdrawn {
                    self.tell(id, at, What::Ended(*how));
                }
            }
            WishFact::Forgotten => self.forget(id),
        }
    }

    fn laid(
        &mut self,
        catalogue: &Catalogue,
        at: UnixMillis,
        id: WishId,
        (place, wish, ticket): (Place, &Wish, Option<TicketId>),
        contact: &Contact,
    ) {
        let undrawn = ticket.is_some() && place.position == 0;
        let known = Known {
            lines: lines(catalogue, wish),
            marks: marks(&contact.email, contact.phone.as_deref()),
            wish: wish.clone(),
            place,
            ticket,
            before_draw: undrawn,
            contact: Box::new(contact.clone()),
            standing: Standing::Deciding,
            since: at,
            offers: 0,
            lost: 0,
            reminder: None,
            seats: Vec::new(),
            notices: Vec::new(),
            told: 0,
            before: END_OF_TIME,
        };
        self.claim(id, wish, &known.marks);
        if let Some(ticket) = ticket {
            self.tickets.insert(ticket, id);
            if undrawn {
                self.undrawn.entry(ticket.room).or_default().insert(id);
            }
        }
        self.outdated.insert((wish.until, id));
        self.wishes.insert(id, known);
        let standing = if undrawn {
            Standing::Undrawn
        } else {
            Standing::Waiting
        };
        self.stand(id, standing, at);
        self.tell(id, at, What::Laid);
    }

    fn changed(&mut self, catalogue: &Catalogue, id: WishId, place: Place, wish: &Wish) {
        let Some(known) = self.wishes.get(&id) else {
            return;
        };
        let since = known.since;
        let standing = match known.standing {
            // Whoever changes it still wishes.
            Standing::Asleep => Standing::Waiting,
            standing => standing,
        };
        let (old, marks) = (known.wish.clone(), known.marks.clone());
        self.disclaim(id, &old, &marks);
        self.claim(id, wish, &marks);
        // Out of the index as it was, and back into it as it is.
        self.stand(id, Standing::Deciding, since);
        if let Some(known) = self.wishes.get_mut(&id) {
            self.outdated.remove(&(known.wish.until, id));
            self.outdated.insert((wish.until, id));
            known.wish = wish.clone();
            known.place = place;
            known.lines = lines(catalogue, wish);
            if old.instead_of != wish.instead_of {
                known.before = END_OF_TIME;
            }
        }
        self.stand(id, standing, since);
    }

    /// What a change would make of the place. One that is still to be drawn cannot be lost.
    pub fn place_after(&self, id: WishId, wish: &Wish, now: UnixMillis) -> Option<Place> {
        let known = self.wishes.get(&id)?;
        if known.standing == Standing::Undrawn && known.place.position == 0 {
            return Some(known.place);
        }
        Some(change::place(&known.wish, known.place, wish, now))
    }

    /// When the booking starts that a wish is to bring forward; None when there is none any more.
    pub fn booking_starts(&mut self, booking: ReservationId, start: Option<UnixMillis>) {
        let Some(id) = self.instead.get(&booking).copied() else {
            return;
        };
        let Some(known) = self.wishes.get(&id).filter(|it| !it.standing.is_over()) else {
            return;
        };
        let (standing, since) = (known.standing, known.since);
        match start {
            None => {
                self.ending.entry(id).or_insert(WishEnding::Overtaken);
            }
            Some(start) => {
                self.stand(id, Standing::Deciding, since);
                if let Some(known) = self.wishes.get_mut(&id) {
                    known.before = start;
                }
                self.stand(id, standing, since);
            }
        }
    }

    /// The offer with this number, while it can be answered and no answer is on its way.
    pub fn open_offer(&self, id: WishId, number: u8) -> Option<Offer> {
        match self.wishes.get(&id)?.standing {
            Standing::Offered(offer) if offer.number == number => Some(offer),
            _ => None,
        }
    }

    fn lost(&mut self, at: UnixMillis, id: WishId, number: u8, lapsed: bool) {
        let known = self.wishes.get_mut(&id);
        let Some(known) = known.filter(|it| !it.standing.is_over()) else {
            return;
        };
        let offer = match known.standing {
            Standing::Offered(offer) if offer.number == number => Some(offer),
            _ => None,
        };
        known.lost = known.lost.saturating_add(1);
        if lapsed {
            self.outcomes.lapsed += 1;
        } else {
            self.outcomes.declined += 1;
        }
        if lapsed {
            // Whoever does not answer lets those go first who were there when time was up.
            known.place = Place::at(offer.map_or(at, |offer| UnixMillis(offer.deadline)));
        }
        let used_up = known.lost >= self.terms.offers_max;
        let standing = if lapsed && !sings(Canary::SleeperServed) {
            Standing::Asleep
        } else {
            Standing::Waiting
        };
        self.stand(id, standing, at);
        if used_up {
            // Out of the index at once: it gets nothing more.
            self.stand(id, Standing::Deciding, at);
            self.ending.insert(id, WishEnding::UsedUp);
        } else if let Some(offer) = offer.filter(|_| lapsed) {
            self.tell(id, at, What::Lapsed(offer));
        }
    }

    /// Whoever laid it still wishes.
    fn confirmed(&mut self, at: UnixMillis, id: WishId) {
        let standing = self.wishes.get(&id).map(|known| known.standing);
        if let Some(Standing::Asleep | Standing::Deciding) = standing {
            self.stand(id, Standing::Waiting, at);
        }
    }

    fn reminded(&mut self, at: UnixMillis, id: WishId, number: u8) {
        let Some(offer) = self.open_offer(id, number) else {
            return;
        };
        let Some(known) = self.wishes.get_mut(&id) else {
            return;
        };
        if let Some(reminder) = known.reminder.take() {
            self.reminders.remove(&(reminder, id));
        }
        let is_untold =
            |it: &Notice| matches!(it.what, What::Offered(made) if made.number == number);
        if !known.notices.iter().any(is_untold) {
            self.tell(id, at, What::Reminded(offer));
        }
    }

    /// Whether a seat that was booked without asking can be given back for another one: its wish
    /// can wait on, and its person has not as many wishes as can be.
    pub fn may_return(&self, id: WishId, today: DayNumber) -> bool {
        let is_one_more = |known: &Known| !self.has_as_many_as_can_be(&known.wish, &known.marks);
        self.can_wait_on(id, today) && self.wishes.get(&id).is_some_and(is_one_more)
    }

    /// Whether a wish that was booked without asking is good for another seat, and has not lost too
    /// many. Whoever has given theirs back by now waits on whatever else they have laid meanwhile.
    pub fn can_wait_on(&self, id: WishId, today: DayNumber) -> bool {
        self.wishes.get(&id).is_some_and(|known| {
            matches!(known.standing, Standing::Booked { .. })
                && known.wish.auto_accept
                && known.wish.instead_of.is_none()
                && known.wish.until >= today
                && known.lost.saturating_add(1) < self.terms.offers_max
        })
    }

    /// Marks a wish whose seat is being given back. Returns the seat's number among its offers.
    pub fn reopen(&mut self, id: WishId) -> Option<u8> {
        let known = self.wishes.get(&id)?;
        let (number, since) = (known.offers, known.since);
        self.stand(id, Standing::Deciding, since);
        Some(number)
    }

    /// It could not be written that a wish waits on.
    pub fn close_again(&mut self, id: WishId, booked: Standing, since: UnixMillis) {
        if self.wishes.contains_key(&id) {
            self.stand(id, booked, since);
        }
    }

    /// A seat that was booked without asking is given back: the wish waits on at its place. Only
    /// from now on it counts as one of its person's: what they had booked until then leaves it
    /// alone.
    fn returned(&mut self, at: UnixMillis, id: WishId) {
        let Some(known) = self.wishes.get_mut(&id) else {
            return;
        };
        let (wish, marks) = (known.wish.clone(), known.marks.clone());
        known.lost = known.lost.saturating_add(1);
        if sings(Canary::PlaceGivenUp) {
            known.place = Place::at(at);
        }
        self.outcomes.returned += 1;
        self.claim(id, &wish, &marks);
        self.outdated.insert((wish.until, id));
        self.stand(id, Standing::Waiting, at);
    }

    fn booked(&mut self, at: UnixMillis, id: WishId, booking: ReservationId, seat: ReservationId) {
        let Some(known) = self.wishes.get(&id) else {
            return;
        };
        let asked = matches!(known.standing, Standing::Offered(_));
        if asked {
            self.outcomes.accepted += 1;
        } else {
            self.outcomes.direct += 1;
        }
        let others: BTreeSet<WishId> = self.of_same_person(known).flatten().copied().collect();
        if !asked && let Some(known) = self.wishes.get_mut(&id) {
            known.offers = known.offers.saturating_add(1);
            known.seats.push(seat);
            self.offers.insert(seat, id);
            self.pace.count(seat.day_key().office, at);
        }
        self.stand(id, Standing::Booked { booking, seat }, at);
        self.tell(id, at, What::Booked { booking, seat });
        // What is still being laid is a wish of its own.
        let is_laid = |other: &WishId| *other != id && self.wishes.contains_key(other);
        let others: Vec<WishId> = others.into_iter().filter(is_laid).collect();
        for other in others {
            self.ending.entry(other).or_insert(WishEnding::Merged);
        }
    }

    fn tell(&mut self, id: WishId, at: UnixMillis, what: What) {
        let Some(known) = self.wishes.get_mut(&id) else {
            return;
        };
        known.told += 1;
        let number = known.told;
        if known.is_told() {
            known.notices.push(Notice { number, at, what });
            self.untold.insert(id);
        }
    }

    fn told(&mut self, id: WishId, notice: u32) {
        if let Some(known) = self.wishes.get_mut(&id) {
            known.notices.retain(|it| it.number != notice);
            if known.notices.is_empty() {
                self.untold.remove(&id);
            }
        }
    }

    fn forget(&mut self, id: WishId) {
        if let Some(known) = self.wishes.remove(&id) {
            for seat in &known.seats {
                self.offers.remove(seat);
            }
            self.ended.remove(&(known.since, id));
            self.untold.remove(&id);
            if let Some(ticket) = known.ticket {
                self.tickets.remove(&ticket);
                self.is_drawn(ticket.room, id);
            }
        }
    }
}
