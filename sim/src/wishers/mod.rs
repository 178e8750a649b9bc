//! The wishes of a run: what people lay, change, accept, decline and ignore, and a model of what
//! may become of it.
//!
//! ```text
//! mod.rs        what is promised, and what is known of each wish
//! deeds.rs      what people do
//! hearing.rs    what they make of the answers
//! watch.rs      what everybody can see of wishes and seats, after each thing that happens
//! booked.rs     what it means that a wish became a booking
//! judge.rs      who may be given what; what may not stay free
//! tickets.rs    wishes that were tickets of a waiting room
//! lottery.rs    what a draw may give to whom
//! forgotten.rs  what is left of them in the end
//! ```
//!
//! An acknowledged wish is there until it has ended, an acknowledged ending is one for ever. An
//! offer ends once: it is accepted, declined or not answered in time, or its wish is over; its seat
//! is nobody else's until then. Nobody is passed over, a person gets one seat, and once faults stop
//! nothing stays free that somebody waits for.

mod booked;
mod deeds;
mod forgotten;
mod hearing;
mod judge;
mod lottery;
mod tickets;
mod watch;

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use morgenruh_engine::rules::ids::{ReservationId, Secret};
use morgenruh_engine::rules::room::fact::Allotment;
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use morgenruh_engine::rules::wish::agent::{Known, Standing};
use morgenruh_engine::rules::wish::answer::AnswerTerms;
use morgenruh_engine::rules::wish::{Place, Wish, WishId};
use morgenruh_engine::shell::engine::{Booking, LayError, OfferError, RestTerms, WishError};

use crate::oracle::{ClaimId, Seat, Violation};
use crate::people::Visit;

/// What is promised to those who wish.
#[derive(Clone, Copy, Debug)]
pub struct WishTerms {
    pub answers: AnswerTerms,
    pub rest: RestTerms,
}

impl WishTerms {
    pub fn draw(dice: &mut Rng) -> WishTerms {
        let minutes = |dice: &mut Rng, most: u32| Millis::from_minutes(dice.u32(1..=most));
        let has_nights = dice.u8(..4) == 0;
        let (night_from, night_until) = if has_nights { (21, 7) } else { (0, 0) };
        // Long ones leave early seats, but not late ones, with no time to ask.
        let shortest_max = if dice.bool() { 1 } else { 150 };
        let shortest = minutes(dice, shortest_max);
        let longer = |by: Millis| Millis(shortest.0 + by.0);
        let near = longer(minutes(dice, 20));
        let far = Millis(near.0 + minutes(dice, 60).0);
        let answers = AnswerTerms {
            // Often so long that people are told once more.
            distant: Millis(far.0 + minutes(dice, 24 * 60).0),
            distant_from: minutes(dice, 40 * 60),
            far,
            near,
            near_within: minutes(dice, 48 * 60),
            same_day: longer(minutes(dice, 10)),
            night_from,
            night_until,
            shortest,
            offers_max: dice.u8(1..=3),
            stretch_max: minutes(dice, 30),
        };
        let shortest = dice.i64(0..60_000);
        let longest = shortest + dice.i64(1..30 * 60_000);
        let rests = dice.u8(..4) > 0;
        let rest = RestTerms {
            shortest: Millis(if rests { shortest } else { 0 }),
            longest: Millis(if rests { longest } else { 0 }),
            key: [dice.u8(..); 32],
        };
        WishTerms { answers, rest }
    }
}

/// Something about a wish that somebody waits to hear.
#[derive(Clone, Debug)]
enum Asked {
    Lay,
    Change {
        from: Place,
        at: UnixMillis,
        /// The place was still to be drawn.
        is_undrawn: bool,
    },
    Withdraw,
    Accept(Accepting),
    Decline {
        seat: ReservationId,
        number: u8,
    },
    Confirm,
    WaitOn,
}

/// An acceptance that was sent.
#[derive(Clone, Copy, Debug)]
struct Accepting {
    seat: ReservationId,
    /// It could be accepted when this was asked.
    in_time: bool,
    /// It was a booking already.
    again: bool,
}

/// An answer to one of them.
#[derive(Debug)]
pub enum WishNews {
    Laid(Result<WishId, LayError>),
    Changed(Result<Place, WishError>),
    Withdrawn(Result<(), WishError>),
    Accepted(Box<Result<Booking, OfferError>>),
    Declined(Result<WishId, OfferError>),
    Confirmed(Result<(), WishError>),
    WaitsOn(Result<(), WishError>),
}

/// What is known of a wish.
#[derive(Clone, Debug)]
struct Wished {
    who: usize,
    secret: Secret,
    /// Which of the numbers that people share, if one was given.
    phone: Option<u8>,
    /// Of the waiting room, that it was before.
    ticket: Option<u32>,
    wish: Wish,
    /// What it may have become meanwhile.
    changed: Option<Wish>,
    asked: Option<Asked>,
    /// When it was seen.
    id: Option<WishId>,
    /// Its laying was certainly not kept.
    is_denied: bool,
    standing: Option<Standing>,
    place: Place,
    offers: u8,
    lost: u8,
    /// Of offers: the highest number whose refusal was acknowledged.
    declined: u8,
    /// Everything that was ever offered.
    seats: Vec<ReservationId>,
    withdrawn: bool,
    /// Somebody has asked to accept something.
    may_accept: bool,
    /// Somebody has said that it still stands, since its last offer was not answered.
    may_wake: bool,
    /// Somebody has asked to wait on for another seat.
    may_reopen: bool,
    /// The last seat that it became.
    booked: Option<ReservationId>,
    /// Another one of the same person became a booking meanwhile.
    merges: bool,
    /// The booking that is to be brought forward, as it was last seen.
    instead: Option<Visit>,
}

impl Wished {
    /// Whether it waits or may still get something.
    fn is_open(&self) -> bool {
        self.id.is_some() && !self.standing.is_some_and(Standing::is_over)
    }

    /// Whether nothing about it is news.
    fn is_as(&self, known: &Known) -> bool {
        self.standing == Some(known.standing)
            && (self.place, self.offers, self.lost) == (known.place, known.offers, known.lost)
            && (self.changed.is_none() || self.asked.is_some())
            && self.wish == known.wish
    }

    /// Whether it is given something just now; not while its seat is being given back.
    fn is_engaged(&self) -> bool {
        match self.standing {
            Some(Standing::Deciding) => !self.may_reopen,
            Some(Standing::Offered(_)) => true,
            _ => false,
        }
    }
}

/// A seat that is held for a wish.
#[derive(Clone, Copy, Debug)]
struct Given {
    claim: ClaimId,
    /// Whose, by position.
    of: usize,
}

/// Everything that is known of wishes.
#[derive(Default)]
pub struct Wishers {
    wished: Vec<Wished>,
    /// Those that are laid and not over, and those that may be.
    open: Vec<usize>,
    seats: BTreeMap<ReservationId, Given>,
    /// Offered, and not there any more since a crash: a lapse was forgotten that others built on.
    lost_seats: BTreeSet<ReservationId>,
    /// By office and day: how often it had changed when it was last looked at.
    seen: BTreeMap<(u16, u16), u64>,
    /// The same of the seats that rest.
    rested: BTreeMap<(u16, u16), u64>,
    /// Bookings that came of wishes while their person had another one.
    kept: Vec<Visit>,
    /// What a lottery gave, and to which wish.
    drawn: Vec<(usize, Seat)>,
    /// What everybody can read of it, once it is over.
    outcome: Option<Vec<Allotment>>,
}

impl Wishers {
    /// Whether somebody waits for an answer about a wish.
    pub fn waits(&self) -> bool {
        self.open
            .iter()
            .any(|index| self.wished[*index].asked.is_some())
    }

    /// Nobody will hear any more.
    pub fn connection_lost(&mut self) {
        for index in &self.open {
            self.wished[*index].asked = None;
        }
    }

    /// Whether a booking may be moved for a wish.
    pub fn is_to_move(&self, booking: ReservationId) -> bool {
        self.open.iter().any(|index| {
            let instead = &self.wished[*index].wish.instead_of;
            instead.is_some_and(|instead| instead.booking == booking)
        })
    }

    /// The other wishes of the same person that are not over: whoever shares an address or a number
    /// is one.
    fn siblings(&self, of: usize) -> impl Iterator<Item = usize> {
        let Wished { who, phone, .. } = self.wished[of];
        let open = self.open.iter().copied();
        open.filter(move |index| {
            let other = &self.wished[*index];
            let same_phone = phone.is_some() && other.phone == phone;
            *index != of && (other.who == who || same_phone)
        })
    }
}

fn wrong<T>(invariant: &str, what: impl std::fmt::Debug) -> Result<T, Violation> {
    Err(Violation(format!("{invariant}: wish: {what:?}")))
}
