//! What a ledger remembers, whatever it is kept in.

use std::collections::{HashMap, HashSet};

use super::drain::Placed;
use crate::rules::day::{HoldTerms, Reservation, State};
use crate::rules::ids::{Digest, ReservationId};
use crate::rules::record::{Booked, Confirmed, Contract, Fact, Position};
use crate::rules::release::fact::ReleaseRecord;
use crate::rules::room::RoomId;
use crate::rules::room::fact::{RoomFact, RoomRecord};
use crate::rules::time::{DayNumber, Millis, UnixMillis};
use crate::rules::wish::WishId;
use crate::rules::wish::fact::{WishFact, WishRecord};

/// No hold lives longer: two hours, once extended, and four hours stretched by an outage.
pub const HOLD_LIFE_MAX: Millis = Millis::from_minutes(8 * 60);

/// No seat that was given back rests longer.
pub const REST_MAX: Millis = Millis::from_minutes(24 * 60);

/// Days after its release for which a ledger gives back what proves a room's draw.
pub const ROOM_PROOF_DAYS: i64 = 31;

/// Days after a release for which a ledger gives back what was decided about it: as many as the
/// longest horizon has, and those for which the moments of a drip can be looked up.
pub const RELEASE_KEPT_DAYS: i64 = 431;

/// What was reserved when the ledger was last written.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// The first day of which bookings were read: what was before is not known, and nothing of it
    /// may be given out.
    pub first_day: DayNumber,
    /// Bookings from that day on, cancelled ones included.
    pub bookings: Vec<Reservation>,
    /// Holds that were not seen to end, oldest first, whatever their deadline.
    pub holds: Vec<Reservation>,
    /// Oldest first.
    pub idempotency_keys: Vec<RememberedKey>,
    /// Of waiting rooms from the day before yesterday on, oldest first, and what proves the draws
    /// of the last [`ROOM_PROOF_DAYS`].
    pub room_facts: Vec<RoomRecord>,
    /// Of releases of the last [`RELEASE_KEPT_DAYS`], oldest first.
    pub release_facts: Vec<ReleaseRecord>,
    /// Of wishes that are not forgotten, oldest first.
    pub wish_facts: Vec<WishRecord>,
    /// The highest number that a wish has had.
    pub last_wish: WishId,
    /// Seats that were given back, and until when they are for wishes alone; later ones count.
    pub rests: Vec<(ReservationId, UnixMillis)>,
}

/// A booking request that was answered, so that its repetition is recognised.
#[derive(Clone, Copy, Debug)]
pub struct RememberedKey {
    pub key: Digest,
    pub request: Digest,
    pub at: UnixMillis,
}

/// What a fact says about holds.
#[derive(Clone, Debug)]
pub enum HoldFact {
    Made(Reservation, HoldTerms),
    /// It lasts longer; as its holder wished, or because of an outage.
    Prolonged {
        id: ReservationId,
        deadline: UnixMillis,
        extended: bool,
    },
    /// It is over, or has become a booking, and so has the hold that a move has used.
    Ended(ReservationId, Option<ReservationId>),
}

impl HoldFact {
    /// None for facts that are not about a seat.
    pub fn of(fact: &Fact) -> Option<HoldFact> {
        Some(match fact {
            Fact::Held {
                id,
                services,
                channel,
                secret,
                deadline,
                ticket,
            } => {
                let terms = HoldTerms {
                    deadline: *deadline,
                    extended: false,
                };
                let hold = Reservation {
                    id: *id,
                    services: *services,
                    channel: *channel,
                    secret: *secret,
                    ticket: *ticket,
                    state: State::Held(terms),
                };
                HoldFact::Made(hold, terms)
            }
            Fact::Extended { id, deadline } | Fact::Stretched { id, deadline } => {
                HoldFact::Prolonged {
                    id: *id,
                    deadline: *deadline,
                    extended: matches!(fact, Fact::Extended { .. }),
                }
            }
            Fact::Moved { from, to, .. } => HoldFact::Ended(*from, Some(to.id)),
            ended => HoldFact::Ended(ended.reservation()?, None),
        })
    }
}

/// What a store has that is written behind its ledger, brought up to date by the ledger's tail.
#[derive(Clone, Debug, Default)]
pub struct Remembered {
    /// As in [`Stored`].
    pub first_day: DayNumber,
    /// Bookings from that day on, cancelled ones included, in any order.
    pub bookings: Vec<Reservation>,
    pub idempotency_keys: Vec<RememberedKey>,
    /// At least those of the last [`HOLD_LIFE_MAX`], oldest first.
    pub hold_facts: Vec<(UnixMillis, HoldFact)>,
    /// As in [`Stored`].
    pub room_facts: Vec<RoomRecord>,
    pub release_facts: Vec<ReleaseRecord>,
    /// As in [`Stored`].
    pub wish_facts: Vec<WishRecord>,
    /// As in [`Stored`].
    pub last_wish: WishId,
    /// As in [`Stored`].
    pub rests: Vec<(ReservationId, UnixMillis)>,
    /// Where each booking is, by its id for life; made when the first fact needs it.
    places: HashMap<ReservationId, usize>,
}

impl Remembered {
    /// Applies facts that follow on what is there already.
    pub fn follow(&mut self, tail: &[Placed]) {
        if self.places.len() < self.bookings.len() {
            let origins = self.bookings.iter().map(origin_of);
            self.places = origins.zip(0..).collect();
        }
        for Placed { position, record } in tail {
            let fact = &record.fact;
            let hold_fact = HoldFact::of(fact).map(|it| (record.at, it));
            self.hold_facts.extend(hold_fact);
            self.follow_room(record.at, fact);
            self.release_facts.extend(release_record(record.at, fact));
            self.follow_wish(record.at, fact);
            if let Fact::Booked(booked) = fact {
                let origin = booked.confirmed.contract.origin;
                self.places.insert(origin, self.bookings.len());
                self.bookings
                    .push(reservation(&booked.confirmed, *position));
                self.idempotency_keys
                    .extend(remembered_key(record.at, booked));
            } else if let Some(place) = changed(fact).and_then(|it| self.places.get(&it)) {
                change(&mut self.bookings[*place], *position, fact);
            }
        }
    }

    fn follow_room(&mut self, at: UnixMillis, fact: &Fact) {
        let told = match fact {
            Fact::Room { room, fact } => Some((*room, (**fact).clone())),
            Fact::Booked(booked) => booked.spent(),
            _ => None,
        };
        let record = told.map(|(room, fact)| RoomRecord { at, room, fact });
        self.room_facts.extend(record);
    }

    fn follow_wish(&mut self, at: UnixMillis, fact: &Fact) {
        if let Fact::Rested { id, until } = fact {
            self.rests.push((*id, *until));
        }
        if let Some((wish, fact)) = fact.of_wish() {
            self.last_wish = self.last_wish.max(wish);
            let fact = fact.into_owned();
            self.wish_facts.push(WishRecord { at, wish, fact });
        }
    }

    /// What there is to recover at this time.
    pub fn into_stored(mut self, now: UnixMillis) -> Stored {
        forget_ended(&mut self.room_facts);
        leave_out_forgotten(&mut self.wish_facts);
        let newest_first = self.hold_facts.into_iter().rev();
        let facts = newest_first.map(Ok::<_, std::convert::Infallible>);
        let Ok(holds) = live_holds(facts, now);
        let mut idempotency_keys = self.idempotency_keys;
        idempotency_keys.sort_unstable_by_key(|known| known.at);
        Stored {
            first_day: self.first_day,
            bookings: self.bookings,
            holds,
            idempotency_keys,
            room_facts: self.room_facts,
            release_facts: self.release_facts,
            wish_facts: self.wish_facts,
            last_wish: self.last_wish,
            rests: self.rests,
        }
    }
}

fn release_record(at: UnixMillis, fact: &Fact) -> Option<ReleaseRecord> {
    let Fact::Release { release, fact } = fact else {
        return None;
    };
    Some(ReleaseRecord {
        at,
        release: *release,
        fact: (**fact).clone(),
    })
}

/// Takes who booked out of the facts of rooms that have ended.
fn forget_ended(room_facts: &mut [RoomRecord]) {
    let ends = |it: &&RoomRecord| matches!(it.fact, RoomFact::Ended { .. });
    let ended: HashSet<RoomId> = room_facts.iter().filter(ends).map(|it| it.room).collect();
    for RoomRecord { room, fact, .. } in room_facts {
        if let RoomFact::Spent { identities, .. } = fact
            && ended.contains(room)
        {
            identities.clear();
        }
    }
}

/// Takes out the facts of wishes of which nobody knows any more, or not here, who laid them.
fn leave_out_forgotten(wish_facts: &mut Vec<WishRecord>) {
    let mut known: HashSet<WishId> = HashSet::new();
    for WishRecord { wish, fact, .. } in &*wish_facts {
        match fact {
            WishFact::Laid {
                contact: Some(_), ..
            } => known.insert(*wish),
            WishFact::Forgotten => known.remove(wish),
            _ => false,
        };
    }
    wish_facts.retain(|it| known.contains(&it.wish));
}

/// The booking that a fact changes.
fn changed(fact: &Fact) -> Option<ReservationId> {
    match fact {
        Fact::Cancelled { origin, .. } => Some(*origin),
        Fact::Moved { to, .. } => Some(to.contract.origin),
        _ => None,
    }
}

/// The id for life of a booking.
fn origin_of(booking: &Reservation) -> ReservationId {
    match &booking.state {
        State::Booked(contract, _) | State::Cancelled(contract, _) => contract.origin,
        _ => booking.id,
    }
}

fn reservation(confirmed: &Confirmed, position: Position) -> Reservation {
    Reservation {
        id: confirmed.id,
        services: confirmed.services,
        channel: confirmed.channel,
        secret: confirmed.secret,
        ticket: None,
        state: State::Booked(Box::new(confirmed.contract), position),
    }
}

fn remembered_key(at: UnixMillis, booked: &Booked) -> Option<RememberedKey> {
    let request = booked.confirmed.contract.request;
    booked
        .idempotency_key
        .map(|key| RememberedKey { key, request, at })
}

/// What a cancellation or a move makes of a booking. The request stays the one that made the
/// booking: its repetition is recognised by it.
fn change(booking: &mut Reservation, position: Position, fact: &Fact) {
    let State::Booked(contract, _) = &booking.state else {
        return;
    };
    match fact {
        Fact::Cancelled { sequence, .. } => {
            let contract = Contract {
                sequence: *sequence,
                ..**contract
            };
            booking.state = State::Cancelled(Box::new(contract), position);
        }
        Fact::Moved { to, .. } => {
            let contract = Contract {
                sequence: to.contract.sequence,
                ..**contract
            };
            *booking = reservation(to, position);
            booking.state = State::Booked(Box::new(contract), position);
        }
        _ => {}
    }
}

/// The holds that were not seen to end, oldest first.
///
/// Follows the facts from the newest back to the oldest that can still matter: times in a ledger
/// never go back.
///
/// # Errors
/// Those of whoever reads the facts.
pub fn live_holds<E>(
    newest_first: impl Iterator<Item = Result<(UnixMillis, HoldFact), E>>,
    now: UnixMillis,
) -> Result<Vec<Reservation>, E> {
    /// What is known of a hold from facts later than the one being read.
    #[derive(Default)]
    struct Later {
        ended: bool,
        deadline: Option<UnixMillis>,
        extended: bool,
    }
    let mut later: HashMap<ReservationId, Later> = HashMap::new();
    let mut holds = Vec::new();
    for fact in newest_first {
        let (at, fact) = fact?;
        if at + HOLD_LIFE_MAX < now {
            break;
        }
        match fact {
            HoldFact::Made(hold, terms) => {
                let later = later.remove(&hold.id).unwrap_or_default();
                if later.ended {
                    continue;
                }
                let terms = HoldTerms {
                    deadline: terms.deadline.max(later.deadline.unwrap_or(terms.deadline)),
                    extended: later.extended,
                };
                holds.push(Reservation {
                    state: State::Held(terms),
                    ..hold
                });
            }
            HoldFact::Prolonged {
                id,
                deadline,
                extended,
            } => {
                let later = later.entry(id).or_default();
                later.deadline = later.deadline.max(Some(deadline));
                later.extended |= extended;
            }
            HoldFact::Ended(id, used) => {
                for id in [Some(id), used].into_iter().flatten() {
                    later.entry(id).or_default().ended = true;
                }
            }
        }
    }
    holds.reverse();
    Ok(holds)
}
