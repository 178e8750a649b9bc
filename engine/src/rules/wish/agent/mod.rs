//! All wishes and what they wait for, as a value: who holds it decides alone.
//!
//! As in a waiting room, a decision is a fact: it goes to the ledger and is applied when the ledger
//! has it. What is on its way is marked, so that it is not decided twice.

mod due;
mod facts;
mod known;
mod persons;
mod rooms;

use std::collections::{BTreeMap, BTreeSet, HashMap};

pub use self::due::Due;
pub use self::known::{Known, Notice, Standing, What, need_at};
pub use self::persons::{LayRefusal, WISHES_PER_PERSON_MAX};
use super::answer::AnswerTerms;
use super::fact::WishEnding;
use super::index::{Entry, Found, Gap, Index};
use super::pace::Pace;
use super::tally::Outcomes;
use super::{Place, Wish, WishId};
use crate::canary::{Canary, sings};
use crate::rules::ids::{DayKey, Digest, ReservationId, Secret};
use crate::rules::room::{RoomId, TicketId};
use crate::rules::time::{DayNumber, Millis, UnixMillis};

/// Wishes that are waiting, offered or not forgotten, at most.
pub const WISHES_MAX: usize = 2_000_000;
/// How long a wish that has ended can be looked at, and how long it is tried to tell its end.
const REMEMBERED: Millis = Millis::from_minutes(3 * 24 * 60);
const END_OF_TIME: UnixMillis = UnixMillis(i64::MAX);

/// A seat for a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    pub wish: WishId,
    pub start: u16,
    pub units: u8,
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
    /// Of open offers, when they are told once more.
    reminders: BTreeSet<(UnixMillis, WishId)>,
    asleep: usize,
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
            reminders: BTreeSet::new(),
            asleep: 0,
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

    /// How many wishes wait for seats of this office.
    pub fn waiting_at(&self, office: u16) -> usize {
        self.pool.each().map(|it| it.waiting_at(office)).sum()
    }

    /// How many wishes with the same windows come before this place at an office.
    pub fn ahead(&self, office: u16, place: Place, id: WishId, wish: &Wish) -> usize {
        let each = self.pool.each();
        each.map(|index| index.ahead(office, place, id, wish.windows))
            .sum()
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

    /// Marks a wish as being decided about, so that it gets nothing else meanwhile. Returns the
    /// number that its next offer has.
    pub fn decide(&mut self, id: WishId) -> Option<u8> {
        let known = self.wishes.get(&id)?;
        let decidable = matches!(
            known.standing,
            Standing::Waiting | Standing::Undrawn | Standing::Asleep | Standing::Offered(_)
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
                if let Some(reminder) = known.reminder {
                    self.reminders.remove(&(reminder, id));
                }
            }
            Standing::Asleep => self.asleep -= 1,
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
                let reminder = known.reminder.filter(|_| known.is_told());
                self.reminders.extend(reminder.map(|at| (at, id)));
            }
            Standing::Asleep => self.asleep += 1,
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
        self.disclaim(id, &wish, &marks);
    }
}
