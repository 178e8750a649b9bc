//! What people make of the answers about their wishes.

use morgenruh_engine::rules::wish::agent::{LayRefusal, Standing};
use morgenruh_engine::rules::wish::fact::WishEnding;
use morgenruh_engine::rules::wish::{WishId, change};
use morgenruh_engine::shell::engine::{Booking, LayError, OfferError, WishError};

use super::{Accepting, Asked, WishNews, Wished, wrong};
use crate::oracle::Violation;
use crate::town::Town;
use crate::world::World;

impl World {
    /// Somebody hears about one of their wishes.
    pub fn hears_of_wish(
        &mut self,
        who: usize,
        index: usize,
        news: WishNews,
    ) -> Result<(), Violation> {
        let Some(asked) = self.wishers.wished[index].asked.take() else {
            return Ok(());
        };
        if self.answer_is_lost() {
            // They look at their wish instead.
            return Ok(());
        }
        match (asked, news) {
            (Asked::Lay, WishNews::Laid(answer)) => self.hears_of_laying(index, answer)?,
            (
                Asked::Change {
                    from,
                    at,
                    is_undrawn,
                },
                WishNews::Changed(answer),
            ) => {
                let wished = &mut self.wishers.wished[index];
                let Some(new) = wished.changed.take() else {
                    return Ok(());
                };
                match answer {
                    Ok(place) => {
                        let expected = if is_undrawn {
                            from
                        } else {
                            change::place(&wished.wish, from, &new, at)
                        };
                        if place != expected {
                            return wrong("I4", (index, "has another place", place, expected));
                        }
                        wished.wish = new;
                        self.tally.wishes_changed += 1;
                    }
                    Err(WishError::Unknown) => return wrong("I2", (index, "is not known")),
                    Err(_) => {}
                }
            }
            (Asked::Withdraw, WishNews::Withdrawn(answer)) => {
                self.hears_of_withdrawal(index, answer)?;
            }
            (Asked::Accept(accepting), WishNews::Accepted(answer)) => {
                self.hears_of_acceptance(index, accepting, *answer)?;
            }
            (Asked::Decline { seat, number }, WishNews::Declined(answer)) => match answer {
                Ok(id) => {
                    let wished = &mut self.wishers.wished[index];
                    if wished.id != Some(id) {
                        return wrong("I8", (index, "declined for", id));
                    }
                    wished.declined = wished.declined.max(number);
                    self.tally.offers_declined += 1;
                }
                Err(OfferError::Unknown) => return wrong("I2", (index, "is not known", seat)),
                Err(_) => {}
            },
            (Asked::Confirm, WishNews::Confirmed(answer)) => match answer {
                Ok(()) => self.tally.wishes_confirmed += 1,
                Err(WishError::Unknown) => return wrong("I2", (index, "is not known")),
                Err(_) => {}
            },
            (Asked::WaitOn, WishNews::WaitsOn(answer)) => {
                self.hears_of_waiting_on(index, answer)?
            }
            (asked, news) => return wrong("I8", (index, asked, "was answered", news)),
        }
        self.trace.note("heard", who, index as u64);
        Ok(())
    }

    fn hears_of_laying(
        &mut self,
        index: usize,
        answer: Result<WishId, LayError>,
    ) -> Result<(), Violation> {
        match answer {
            Ok(id) => {
                if self.wishers.wished[index].id != Some(id) {
                    return wrong("I2", (index, "was laid as", id, "and is not there"));
                }
                self.tally.wishes_laid += 1;
                if let Some(seq) = self.wishers.wished[index].ticket {
                    self.tally.tickets_laid += 1;
                    self.ticket_is_laid(self.wishers.wished[index].who, seq)?;
                }
                return Ok(());
            }
            Err(LayError::Refused(LayRefusal::Laid(id))) => {
                let ticket = self.wishers.wished[index].ticket;
                let is_same = |(at, other): (usize, &Wished)| {
                    at != index && ticket.is_some() && other.ticket == ticket
                };
                if !self.wishers.wished.iter().enumerate().any(is_same) {
                    return wrong("I5", (index, "is refused for the ticket of", id));
                }
                let who = self.wishers.wished[index].who;
                self.lobby.drop_ticket(who);
            }
            Err(LayError::Refused(LayRefusal::TooMany))
                if self.wishers.siblings(index).count() < 3 =>
            {
                return wrong("I5", (index, "has too few siblings to be refused"));
            }
            Err(LayError::Refused(LayRefusal::BroughtForward(id))) => {
                let wish = &self.wishers.wished[index].wish;
                let is_same = |(at, other): (usize, &Wished)| {
                    at != index && other.wish.instead_of == wish.instead_of
                };
                if !self.wishers.wished.iter().enumerate().any(is_same) {
                    return wrong("I5", (index, "is refused for", id));
                }
            }
            Err(LayError::TicketSpent) => {
                let Wished { who, ticket, .. } = self.wishers.wished[index];
                self.lobby.was_spent(ticket)?;
                self.lobby.drop_ticket(who);
            }
            Err(LayError::Refused(LayRefusal::TooMany) | LayError::LedgerAway) => {}
            Err(refusal) => return wrong("I5", (index, refusal)),
        }
        self.wishers.wished[index].is_denied = true;
        self.wishers.open.retain(|it| *it != index);
        Ok(())
    }

    fn hears_of_withdrawal(
        &mut self,
        index: usize,
        answer: Result<(), WishError>,
    ) -> Result<(), Violation> {
        let wished = &mut self.wishers.wished[index];
        match answer {
            Ok(()) => {
                if !matches!(wished.standing, Some(Standing::Ended(_))) {
                    return wrong("I2", (index, "was withdrawn and is", wished.standing));
                }
                wished.withdrawn = wished.standing == Some(Standing::Ended(WishEnding::Withdrawn));
                self.tally.wishes_withdrawn += 1;
                Ok(())
            }
            Err(WishError::Unknown) => wrong("I2", (index, "is not known")),
            Err(WishError::Over(Standing::Booked { .. })) => match wished.standing {
                Some(Standing::Booked { .. }) => Ok(()),
                standing => wrong("I8", (index, "is not booked", standing)),
            },
            Err(_) => Ok(()),
        }
    }

    fn hears_of_waiting_on(
        &mut self,
        index: usize,
        answer: Result<(), WishError>,
    ) -> Result<(), Violation> {
        let wished = &mut self.wishers.wished[index];
        match answer {
            Ok(()) if matches!(wished.standing, Some(Standing::Booked { .. })) => {
                wrong("I2", (index, "waits on and is booked"))
            }
            Err(WishError::Unknown) => wrong("I2", (index, "is not known")),
            Ok(()) => Ok(()),
            Err(_) => {
                wished.may_reopen = false;
                Ok(())
            }
        }
    }

    fn hears_of_acceptance(
        &mut self,
        index: usize,
        accepting: Accepting,
        answer: Result<Booking, OfferError>,
    ) -> Result<(), Violation> {
        let Accepting {
            seat,
            in_time,
            again,
        } = accepting;
        let wished = &self.wishers.wished[index];
        match answer {
            Ok(booking) => {
                let start = Town::instant(Town::day(seat.day_key().day), seat.seat().start);
                if booking.confirmed.id != seat || booking.confirmed.start != start {
                    return wrong("I8", (index, seat, "became", booking));
                }
                if !in_time && !again {
                    return wrong("I3", (index, seat, "was accepted too late"));
                }
                match wished.standing {
                    Some(Standing::Booked { seat: booked, .. }) if booked == seat => {}
                    standing => return wrong("I2", (index, "was accepted and is", standing)),
                }
                self.tally.offers_accepted += u64::from(!again);
            }
            Err(OfferError::Unknown) => return wrong("I2", (index, "is not known", seat)),
            Err(OfferError::Gone) => {
                // It was in time, and nothing that was seen has ended it.
                let is_open =
                    matches!(wished.standing, Some(Standing::Offered(it)) if it.seat == seat);
                if in_time && is_open && !self.wishers.lost_seats.contains(&seat) {
                    return wrong("I3", (index, seat, "is said to be gone"));
                }
            }
            Err(OfferError::LedgerAway | OfferError::Pending) => {}
            Err(OfferError::Booking(_) | OfferError::TooManyMoves) => {
                if wished.wish.instead_of.is_none() {
                    return wrong("I8", (index, seat, answer));
                }
            }
        }
        Ok(())
    }
}
