//! All wishes and what they wait for, as a value: who holds it decides alone.
//!
//! As in a waiting room, a decision is a fact: it goes to the ledger and is applied when the ledger
//! has it. What is on its way is marked, so that it is not decided twice.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::answer::AnswerTerms;
use super::change;
use super::fact::{Contact, Offer, WishEnding, WishFact};
use super::index::{Entry, Found, Gap, Index, Suits};
use super::pace::Pace;
use super::tally::{Outcomes, Tally};
use super::{Place, Wish, WishId};
use crate::canary::{Canary, sings};
use crate::rules::catalogue::{Catalogue, OfficeIndex, ServiceIndex};
use crate::rules::cells::CounterSet;
use crate::rules::ids::{DayKey, Digest, ReservationId, Secret};
use crate::rules::need::{Need, Services, need};
use crate::rules::person::marks;
use crate::rules::room::{RoomId, TicketId};
use crate::rules::time::{DayNumber, Millis, UnixMillis};

/// Wishes that are waiting, offered or not forgotten, at most.
pub const WISHES_MAX: usize = 2_000_000;
/// Wishes of one person for one service that can wait at once.
pub const WISHES_PER_PERSON_MAX: usize = 3;
/// How long a wish that has ended can be looked at, and how long it is tried to tell its end.
const REMEMBERED: Millis = Millis::from_minutes(3 * 24 * 60);
const END_OF_TIME: UnixMillis = UnixMillis(i64::MAX);

/// Where a wish is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its waiting room is still to be drawn.
    Undrawn,
    Waiting,
    /// An offer, a booking or its end is on its way to the ledger.
    Deciding,
    Offered(Offer),
    Booked {
        booking: ReservationId,
        seat: ReservationId,
    },
    Ended(WishEnding),
}

impl Standing {
    pub fn is_over(self) -> bool {
        matches!(self, Standing::Booked { .. } | Standing::Ended(_))
    }
}

/// Something that somebody is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Counted from 1 for each wish: the same notice has the same number after a restart.
    pub number: u32,
    pub at: UnixMillis,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Laid,
    Offered(Offer),
    Lapsed(Offer),
    Booked {
        booking: ReservationId,
        seat: ReservationId,
    },
    Ended(WishEnding),
}

/// A wish and what became of it so far.
#[derive(Clone, Debug)]
pub struct Known {
    pub wish: Wish,
    pub place: Place,
    pub ticket: Option<TicketId>,
    pub contact: Box<Contact>,
    pub standing: Standing,
    /// When it got there.
    pub since: UnixMillis,
    /// Offers so far.
    pub offers: u8,
    /// Of them, those that were declined or not answered.
    pub lost: u8,
    /// What was offered, whatever became of it.
    seats: Vec<ReservationId>,
    /// What is still to be told, oldest first.
    pub notices: Vec<Notice>,
    told: u32,
    /// The start of the booking that is to be brought forward; the end of time for other wishes.
    before: UnixMillis,
    lines: Vec<Line>,
    marks: Vec<Digest>,
}

/// Where a wish stands in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    office: u16,
    units: u8,
    counters: CounterSet,
}

/// Why a wish is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayRefusal {
    /// [`WISHES_PER_PERSON_MAX`] are waiting.
    TooMany,
    /// [`WISHES_MAX`] are known.
    Full,
    /// The ticket is a wish already.
    Laid(WishId),
    /// The booking has one already.
    BroughtForward(WishId),
}

/// A seat for a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    pub wish: WishId,
    pub start: u16,
    pub units: u8,
}

/// What time has brought about; each is to be told to the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nobody has answered: the seat goes to the next one.
    Lapsed(WishId, Offer),
    Ended(WishId, WishEnding),
    Forgotten(WishId),
}

/// Wishes that wait: those who want to be asked, and those who do not. At night only the latter get
/// something.
#[derive(Debug, Default)]
struct Pool {
    asking: Index,
    direct: Index,
}

impl Pool {
    fn each(&self) -> impl Iterator<Item = &Index> {
        [&self.asking, &self.direct].into_iter()
    }

    fn is_empty(&self) -> bool {
        self.each().all(Index::is_empty)
    }

    fn of(&mut self, known: &Known) -> &mut Index {
        if known.wish.auto_accept {
            &mut self.direct
        } else {
            &mut self.asking
        }
    }

    fn insert(&mut self, known: &Known, entry: Entry) {
        for line in &known.lines {
            let index = self.of(known);
            index.insert(line.office, line.units, line.counters, entry);
        }
    }

    fn remove(&mut self, known: &Known, id: WishId) {
        for line in &known.lines {
            let index = self.of(known);
            index.remove(line.office, line.units, line.counters, known.place, id);
        }
    }
}

#[derive(Debug)]
pub struct Agent {
    terms: AnswerTerms,
    wishes: HashMap<WishId, Known>,
    last: WishId,
    pool: Pool,
    /// By what a person is known by and a service: their wishes that wait.
    persons: HashMap<(Digest, u16), Vec<WishId>>,
    tickets: HashMap<TicketId, WishId>,
    /// By waiting room: wishes that do not know their place yet, or whose lottery is still to come.
    undrawn: HashMap<RoomId, BTreeSet<WishId>>,
    /// By the seat: every offer of a wish that is not forgotten.
    offers: HashMap<ReservationId, WishId>,
    /// By the booking that is to be brought forward.
    instead: HashMap<ReservationId, WishId>,
    deadlines: BTreeSet<(UnixMillis, WishId)>,
    /// By the last day that they can use.
    outdated: BTreeSet<(DayNumber, WishId)>,
    ended: BTreeSet<(UnixMillis, WishId)>,
    /// With something to tell.
    untold: BTreeSet<WishId>,
    /// That have lost too many offers, or whose reason is gone.
    ending: BTreeMap<WishId, WishEnding>,
    pace: Pace,
    outcomes: Outcomes,
}

impl Agent {
    /// No wishes yet; the next one gets the number behind `last`.
    pub fn new(terms: AnswerTerms, last: WishId) -> Agent {
        Agent {
            terms,
            wishes: HashMap::new(),
            last,
            pool: Pool::default(),
            persons: HashMap::new(),
            tickets: HashMap::new(),
            undrawn: HashMap::new(),
            offers: HashMap::new(),
            instead: HashMap::new(),
            deadlines: BTreeSet::new(),
            outdated: BTreeSet::new(),
            ended: BTreeSet::new(),
            untold: BTreeSet::new(),
            ending: BTreeMap::new(),
            pace: Pace::default(),
            outcomes: Outcomes::default(),
        }
    }

    pub fn terms(&self) -> &AnswerTerms {
        &self.terms
    }

    pub fn outcomes(&self) -> Outcomes {
        self.outcomes
    }

    /// What was read back from the ledger has happened before this start.
    pub fn forget_outcomes(&mut self) {
        self.outcomes = Outcomes::default();
    }

    pub fn tally(&self) -> Tally {
        let since = |id: &WishId| Some(self.wishes.get(id)?.notices.first()?.at);
        Tally {
            open: self.wishes.len() - self.ended.len(),
            offers: self.deadlines.len(),
            untold: self.untold.len(),
            untold_since: self.untold.iter().filter_map(since).min(),
        }
    }

    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    pub fn known(&self, id: WishId) -> Option<&Known> {
        self.wishes.get(&id)
    }

    /// The wish with this id if the secret is its own.
    pub fn with_secret(&self, id: WishId, secret: Secret) -> Option<&Known> {
        self.wishes
            .get(&id)
            .filter(|it| it.contact.secret == secret)
    }

    pub fn each(&self) -> impl Iterator<Item = (WishId, &Known)> {
        self.wishes.iter().map(|(id, known)| (*id, known))
    }

    /// The wish that this seat was offered to, if the secret is its own.
    pub fn of_offer(&self, seat: ReservationId, secret: Secret) -> Option<(WishId, Known)> {
        let id = self.offers.get(&seat)?;
        Some((*id, self.with_secret(*id, secret)?.clone()))
    }

    /// Whether any wish waits for anything.
    pub fn is_any_waiting(&self) -> bool {
        !self.pool.is_empty()
    }

    pub fn of_ticket(&self, ticket: TicketId) -> Option<WishId> {
        self.tickets.get(&ticket).copied()
    }

    /// Whether any wish waits for seats of this office.
    pub fn waiting_at(&self, office: u16) -> usize {
        self.pool.each().map(|it| it.waiting_at(office)).sum()
    }

    /// How many wishes with the same windows come before this place at an office.
    pub fn ahead(&self, office: u16, place: Place, id: WishId, wish: &Wish) -> usize {
        let each = self.pool.each();
        each.map(|index| index.ahead(office, place, id, wish.windows))
            .sum()
    }

    /// A number that no wish has had, if there is room for one of this person.
    ///
    /// # Errors
    /// [`LayRefusal`]
    pub fn begin(
        &mut self,
        wish: &Wish,
        contact: &Contact,
        ticket: Option<TicketId>,
    ) -> Result<WishId, LayRefusal> {
        if let Some(known) = ticket.and_then(|ticket| self.tickets.get(&ticket)) {
            return Err(LayRefusal::Laid(*known));
        }
        let instead = wish.instead_of.map(|instead| instead.booking);
        if let Some(known) = instead.and_then(|booking| self.instead.get(&booking)) {
            return Err(LayRefusal::BroughtForward(*known));
        }
        let full = |mark: &Digest| {
            let of = |(service, _)| self.persons.get(&(*mark, service)).map_or(0, Vec::len);
            wish.services.iter().map(of).max().unwrap_or(0) >= WISHES_PER_PERSON_MAX
        };
        if marks(&contact.email, contact.phone.as_deref())
            .iter()
            .any(full)
        {
            return Err(LayRefusal::TooMany);
        }
        if self.wishes.len() >= WISHES_MAX {
            return Err(LayRefusal::Full);
        }
        self.last = WishId(self.last.0 + 1);
        let id = self.last;
        self.claim(id, wish, &marks(&contact.email, contact.phone.as_deref()));
        if let Some(ticket) = ticket {
            self.tickets.insert(ticket, id);
        }
        Ok(id)
    }

    /// The ledger could not keep what [`Agent::begin`] has begun.
    pub fn not_laid(
        &mut self,
        id: WishId,
        wish: &Wish,
        contact: &Contact,
        ticket: Option<TicketId>,
    ) {
        self.disclaim(id, wish, &marks(&contact.email, contact.phone.as_deref()));
        if let Some(ticket) = ticket {
            self.tickets.remove(&ticket);
        }
    }

    /// From now on the wish counts as one of its person's, and as the one for its booking.
    fn claim(&mut self, id: WishId, wish: &Wish, marks: &[Digest]) {
        for mark in marks {
            for (service, _) in wish.services.iter() {
                let wishes = self.persons.entry((*mark, service)).or_default();
                if !wishes.contains(&id) {
                    wishes.push(id);
                }
            }
        }
        if let Some(instead) = wish.instead_of {
            self.instead.insert(instead.booking, id);
        }
    }

    fn disclaim(&mut self, id: WishId, wish: &Wish, marks: &[Digest]) {
        if let Some(instead) = wish.instead_of
            && self.instead.get(&instead.booking) == Some(&id)
        {
            self.instead.remove(&instead.booking);
        }
        for mark in marks {
            for (service, _) in wish.services.iter() {
                if let Some(wishes) = self.persons.get_mut(&(*mark, service)) {
                    wishes.retain(|other| *other != id);
                    if wishes.is_empty() {
                        self.persons.remove(&(*mark, service));
                    }
                }
            }
        }
    }

    /// The best wish for a gap, seen from `now`. There is time to ask for what starts in `asked` or
    /// later.
    pub fn find(&self, gap: &Gap<'_>, asked: u16) -> Option<Match> {
        let key = DayKey {
            office: gap.office,
            day: gap.day,
        };
        let suits = |id: WishId, start: u16| self.may_have(id, key, start);
        let answerable = Gap {
            start: gap.start.max(asked),
            ..*gap
        };
        let asking = self.pool.asking.find_where(&answerable, suits);
        let direct = self.pool.direct.find_where(gap, suits);
        let rank = |found: &Found| (found.place, found.id);
        let found = [asking, direct].into_iter().flatten();
        let best = if sings(Canary::WishPassedOver) {
            found.max_by_key(rank)?
        } else {
            found.min_by_key(rank)?
        };
        Some(Match {
            wish: best.id,
            start: best.start,
            units: best.units,
        })
    }

    /// The wishes of a room whose lottery is still to be held, in the order of the draw.
    pub fn drawn(&self, room: RoomId) -> Vec<WishId> {
        let of_room = self
            .tickets
            .iter()
            .filter(|(ticket, _)| ticket.room == room);
        let mut drawn: Vec<(Place, WishId)> = of_room
            .filter_map(|(_, id)| Some((self.wishes.get(id)?, *id)))
            .filter(|(known, _)| known.standing == Standing::Undrawn && known.place.position > 0)
            .map(|(known, id)| (known.place, id))
            .collect();
        drawn.sort_unstable();
        if sings(Canary::DrawnBackwards) {
            drawn.reverse();
        }
        drawn.into_iter().map(|(_, id)| id).collect()
    }

    /// What the wishes of a room have come to: whether one is being decided about, and which ticket
    /// has which seat.
    pub fn allotted(&self, room: RoomId) -> (bool, Vec<(u32, ReservationId)>) {
        let mut deciding = false;
        let mut seats = Vec::new();
        for (ticket, id) in &self.tickets {
            let Some(known) = self.wishes.get(id).filter(|_| ticket.room == room) else {
                continue;
            };
            match known.standing {
                Standing::Deciding => deciding = true,
                Standing::Offered(Offer { seat, .. }) | Standing::Booked { seat, .. } => {
                    seats.push((ticket.seq, seat));
                }
                _ => {}
            }
        }
        (deciding, seats)
    }

    /// Whether it has not turned this start down before, and nothing of the same person for the
    /// same service is offered or being decided: several wishes of one person bring no more than
    /// one.
    pub fn may_have(&self, id: WishId, key: DayKey, start: u16) -> Suits {
        let Some(known) = self.wishes.get(&id) else {
            return Suits::No;
        };
        let is_same = |seat: &ReservationId| {
            let seat = seat.seat();
            (seat.key, seat.start) == (key, start)
        };
        if known.seats.iter().any(is_same) {
            return Suits::Elsewhere;
        }
        let is_open = |other: &WishId| {
            let standing = self.wishes.get(other).map(|other| other.standing);
            *other != id && matches!(standing, Some(Standing::Deciding | Standing::Offered(_)))
        };
        let mut others = self.of_same_person(known);
        if others.any(|others| others.iter().any(is_open)) && !sings(Canary::PersonForgotten) {
            Suits::No
        } else {
            Suits::Yes
        }
    }

    /// The other wishes of the same person for the same service that wait. While this one was
    /// offered something or being decided, they were passed over.
    pub fn waiting_beside(&self, id: WishId) -> Vec<WishId> {
        let others = self.wishes.get(&id).into_iter();
        let others = others.flat_map(|known| self.of_same_person(known).flatten());
        let waits = |other: &WishId| {
            let standing = self.wishes.get(other).map(|other| other.standing);
            *other != id && standing == Some(Standing::Waiting)
        };
        let others: BTreeSet<WishId> = others.copied().filter(waits).collect();
        others.into_iter().collect()
    }

    fn of_same_person<'s>(&'s self, known: &'s Known) -> impl Iterator<Item = &'s Vec<WishId>> {
        known.marks.iter().flat_map(|mark| {
            let services = known.wish.services;
            let services: Vec<u16> = services.iter().map(|(service, _)| service).collect();
            let of = services.into_iter().map(|service| (*mark, service));
            of.filter_map(|key| self.persons.get(&key))
        })
    }

    /// Marks a wish as being decided about, so that it gets nothing else meanwhile. Returns the
    /// number that its next offer has.
    pub fn decide(&mut self, id: WishId) -> Option<u8> {
        let known = self.wishes.get(&id)?;
        let decidable = matches!(
            known.standing,
            Standing::Waiting | Standing::Undrawn | Standing::Offered(_)
        );
        if !decidable {
            return None;
        }
        let number = known.offers.saturating_add(1);
        self.stand(id, Standing::Deciding, known.since);
        Some(number)
    }

    /// What was being decided did not come about. Whatever has ended meanwhile stays ended.
    pub fn undo(&mut self, id: WishId, standing: Standing) {
        let known = self.wishes.get(&id);
        if let Some(known) = known.filter(|known| !known.standing.is_over()) {
            let since = known.since;
            self.stand(id, standing, since);
        }
    }

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
            WishFact::Offered(offer) => {
                if let Some(known) = self.wishes.get_mut(&id) {
                    known.offers = offer.number;
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
            contact: Box::new(contact.clone()),
            standing: Standing::Deciding,
            since: at,
            offers: 0,
            lost: 0,
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
        let (standing, since) = (known.standing, known.since);
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

    /// Ends a wish that nothing can be done for; the next tick tells it to the ledger.
    pub fn end_soon(&mut self, id: WishId, how: WishEnding) {
        self.ending.entry(id).or_insert(how);
    }

    /// What a change would make of the place. One that is still to be drawn cannot be lost.
    pub fn place_after(&self, id: WishId, wish: &Wish, now: UnixMillis) -> Option<Place> {
        let known = self.wishes.get(&id)?;
        if known.standing == Standing::Undrawn && known.place.position == 0 {
            return Some(known.place);
        }
        Some(change::place(&known.wish, known.place, wish, now))
    }

    fn open_offer(&self, id: WishId, number: u8) -> Option<Offer> {
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
            // Whoever does not answer lets those go first who do.
            known.place = Place::at(at);
        }
        let used_up = known.lost >= self.terms.offers_max;
        self.stand(id, Standing::Waiting, at);
        if used_up {
            // Out of the index at once: it gets nothing more.
            self.stand(id, Standing::Deciding, at);
            self.ending.insert(id, WishEnding::UsedUp);
        } else if let Some(offer) = offer.filter(|_| lapsed) {
            self.tell(id, at, What::Lapsed(offer));
        }
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

    /// The rooms of wishes that are still to be placed.
    pub fn undrawn_rooms(&self) -> Vec<RoomId> {
        self.undrawn.keys().copied().collect()
    }

    /// The wishes of a room that are still to be placed, and the numbers of their tickets. Before a
    /// lottery those that have their places are left out.
    pub fn undrawn(&self, room: RoomId, lottery: bool) -> Vec<(WishId, u32)> {
        let ids = self.undrawn.get(&room).into_iter().flatten();
        let of_room = ids.filter_map(|id| {
            let known = self.wishes.get(id)?;
            let is_new = known.place.position == 0 || !lottery;
            Some((*id, known.ticket.filter(|_| is_new)?.seq))
        });
        of_room.collect()
    }

    /// A room is drawn: its wishes get their places. They wait like all others from then on, unless
    /// a lottery is held first. Those about which something is on its way to the ledger are placed
    /// once more when it is there. Returns who waits now.
    pub fn place(
        &mut self,
        room: RoomId,
        mut drawn: Vec<(WishId, Place)>,
        lottery: bool,
    ) -> Vec<WishId> {
        let mut waiting = Vec::new();
        // In their order, so that each goes to the end of the index.
        drawn.sort_unstable_by_key(|(id, place)| (*place, *id));
        for (id, place) in drawn {
            let Some(known) = self.wishes.get_mut(&id) else {
                continue;
            };
            let (standing, since) = (known.standing, known.since);
            // Whoever has lost the place of the draw since then has another one.
            if known.place.since == place.since && known.place != place {
                // Out of the index where it was, and back into it where it is.
                self.stand(id, Standing::Deciding, since);
                if let Some(known) = self.wishes.get_mut(&id) {
                    known.place = place;
                }
                self.stand(id, standing, since);
            }
            if standing == Standing::Undrawn && !lottery {
                self.stand(id, Standing::Waiting, since);
                waiting.push(id);
            }
            if !lottery && standing != Standing::Deciding {
                self.is_drawn(room, id);
            }
        }
        waiting
    }

    fn is_drawn(&mut self, room: RoomId, id: WishId) {
        if let Some(undrawn) = self.undrawn.get_mut(&room) {
            undrawn.remove(&id);
            if undrawn.is_empty() {
                self.undrawn.remove(&room);
            }
        }
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

    /// What time brings about, up to so many at once. What is returned is marked: it goes to the
    /// ledger, or comes back by [`Agent::undo`].
    pub fn due(&mut self, now: UnixMillis, today: DayNumber, max: usize) -> Vec<Due> {
        let mut due = Vec::new();
        let lapsed = self.deadlines.range(..=(now, WishId(u64::MAX))).take(max);
        for (_, id) in lapsed {
            if let Some(Standing::Offered(offer)) = self.wishes.get(id).map(|it| it.standing) {
                due.push(Due::Lapsed(*id, offer));
            }
        }
        let outdated = self.outdated.range(..(today, WishId(0))).take(max);
        for (_, id) in outdated {
            if let Some(Standing::Waiting | Standing::Undrawn) =
                self.wishes.get(id).map(|it| it.standing)
            {
                due.push(Due::Ended(*id, WishEnding::Outdated));
            }
        }
        // What is on its way to the ledger comes back first. A wish that has lost all its offers
        // waits for nothing any more.
        let is_ready = |(id, how): &(&WishId, &WishEnding)| {
            let standing = self.wishes.get(id).map(|it| it.standing);
            standing != Some(Standing::Deciding) || **how == WishEnding::UsedUp
        };
        for (id, how) in self.ending.iter().filter(is_ready).take(max) {
            due.push(Due::Ended(*id, *how));
        }
        let remembered = UnixMillis(now.0.saturating_sub(REMEMBERED.0));
        let ended = self
            .ended
            .range(..=(remembered, WishId(u64::MAX)))
            .take(max);
        if !sings(Canary::NothingForgotten) {
            due.extend(ended.map(|(_, id)| Due::Forgotten(*id)));
        }
        due
    }

    /// Offers whose deadline comes before this instant.
    pub fn offers_until(&self, until: UnixMillis) -> Vec<(WishId, Offer)> {
        let soon = self.deadlines.range(..(until, WishId(0)));
        let offer = |(_, id): &(UnixMillis, WishId)| match self.wishes.get(id)?.standing {
            Standing::Offered(offer) => Some((*id, offer)),
            _ => None,
        };
        soon.filter_map(offer).collect()
    }

    /// What is to be told, of so many wishes at most.
    pub fn untold(&self, max: usize) -> Vec<(WishId, Notice)> {
        let first = |id: &WishId| Some((*id, *self.wishes.get(id)?.notices.first()?));
        self.untold.iter().filter_map(first).take(max).collect()
    }

    fn tell(&mut self, id: WishId, at: UnixMillis, what: What) {
        let Some(known) = self.wishes.get_mut(&id) else {
            return;
        };
        known.told += 1;
        let number = known.told;
        if known.contact.notify != super::fact::Notify::Poll {
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

    /// The one place where a wish changes its standing: index and lists follow.
    fn stand(&mut self, id: WishId, standing: Standing, at: UnixMillis) {
        let Some(known) = self.wishes.get_mut(&id) else {
            return;
        };
        let old = std::mem::replace(&mut known.standing, standing);
        let old_since = std::mem::replace(&mut known.since, at);
        match old {
            Standing::Offered(offer) => {
                self.deadlines.remove(&(UnixMillis(offer.deadline), id));
            }
            Standing::Waiting => {
                self.pool.remove(known, id);
            }
            old if old.is_over() => {
                self.ended.remove(&(old_since, id));
            }
            _ => {}
        }
        match standing {
            Standing::Offered(offer) => {
                self.deadlines.insert((UnixMillis(offer.deadline), id));
            }
            Standing::Waiting => {
                self.pool.insert(known, known.entry(id));
            }
            standing if standing.is_over() => {
                self.ended.insert((at, id));
                self.ending.remove(&id);
                self.end(id);
            }
            _ => {}
        }
    }

    /// The wish is over: it stands in nobody's way any more.
    fn end(&mut self, id: WishId) {
        let Some(known) = self.wishes.get(&id) else {
            return;
        };
        self.outdated.remove(&(known.wish.until, id));
        let (wish, marks) = (known.wish.clone(), known.marks.clone());
        let ticket = known.ticket;
        self.disclaim(id, &wish, &marks);
        if let Some(ticket) = ticket {
            self.is_drawn(ticket.room, id);
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
            }
        }
    }
}

impl Known {
    /// Offices by number, and the units and counters that the visit needs there.
    pub fn needs(&self) -> impl Iterator<Item = (u16, u8, CounterSet)> {
        let lines = self.lines.iter();
        lines.map(|line| (line.office, line.units, line.counters))
    }

    fn entry(&self, id: WishId) -> Entry {
        Entry {
            id,
            place: self.place,
            windows: self.wish.windows,
            from: self.wish.from,
            until: self.wish.until,
            notice_minutes: self.wish.notice_minutes,
            before: self.before,
        }
    }

    /// The manage secret of the booking that has come of it.
    pub fn manage_secret(&self) -> Secret {
        self.contact.hold_secret(self.offers).manage()
    }
}

/// Services by their numbers as a need of an office.
pub fn need_at(catalogue: &Catalogue, office: OfficeIndex, services: &Services) -> Option<Need> {
    let index = |number| {
        let position = catalogue
            .services
            .iter()
            .position(|it| it.number == number)?;
        u16::try_from(position).ok().map(ServiceIndex)
    };
    let asked: Option<Vec<(ServiceIndex, u8)>> = services
        .iter()
        .map(|(number, quantity)| Some((index(number)?, quantity)))
        .collect();
    need(catalogue, catalogue.office(office), &asked?).ok()
}

fn lines(catalogue: &Catalogue, wish: &Wish) -> Vec<Line> {
    let line = |office: &u16| {
        let index = catalogue.office_by_number(*office)?;
        let need = need_at(catalogue, index, &wish.services)?;
        Some(Line {
            office: *office,
            units: need.units,
            counters: need.counters,
        })
    };
    wish.offices.iter().filter_map(line).collect()
}
