//! The engine: every office's days, their deadlines, and the ledger that remembers.
//!
//! Decisions are made by the rules under the lock of one day (two for a move, in the order of
//! their keys). A record is handed to the ledger under the same lock, so the ledger's order is
//! the order of decisions; waiting happens outside, in the completion.

mod bookings;
mod holds;
mod releases;
mod rooms;
mod wishes;

use std::sync::Arc;

use jiff::civil::Date;

use super::ledger::{Entry, Health, Ledger, NotKept};
use super::releases::Releases;
use super::rooms::Rooms;
use super::shard::Shard;
use super::sync::channel::{Receiver, Sender, bounded};
use super::sync::{AtomicU16, AtomicU64, AtomicUsize, Entry as Place, Mutex, Ordering, SharedMap};
use super::wishes::Wishes;
use crate::rules::calendar::{DayPlan, Guard, plan};
use crate::rules::catalogue::{Catalogue, Channel, Office, OfficeIndex};
use crate::rules::day::{Day, Starts};
use crate::rules::ids::{DayKey, ReservationId};
use crate::rules::need::{Need, Services};
use crate::rules::record::{Fact, Position, Record};
use crate::rules::room::RoomId;
use crate::rules::time::{DayNumber, Millis, UnixMillis};
use crate::rules::wheel::Wheel;
use crate::rules::wish::answer::AnswerTerms;

pub use bookings::{Booking, ChangeError, ConfirmAsk, ConfirmError, MOVES_MAX};
pub use holds::{HoldAsk, HoldError, PassInHand};
pub use releases::{DirectError, ReleasePlan, ReleaseStanding};
pub use rooms::{ExchangeError, Joined};
pub use wishes::{LayAsk, LayError, OfferError, Outlook, WishError};

/// Bounds of an engine.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How far one outage of the ledger can stretch holds.
    pub stretch_max: Millis,
    /// Deadlines that wait to be filed in the wheel.
    pub deadline_queue_max: usize,
    /// Deadlines that are watched, those of holds that ended early included; further holds wait.
    pub deadlines_max: usize,
    /// What holds for offers.
    pub answers: AnswerTerms,
    pub rest: RestTerms,
}

/// How long a seat that was given back is for wishes alone.
#[derive(Clone, Copy, Debug)]
pub struct RestTerms {
    pub shortest: Millis,
    /// Nothing rests when it is 0; at most [`REST_MAX`](crate::shell::stored::REST_MAX).
    pub longest: Millis,
    /// Makes what lies between them impossible to guess.
    pub key: [u8; 32],
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            stretch_max: Millis::from_minutes(60),
            deadline_queue_max: 1 << 17,
            deadlines_max: 1 << 22,
            answers: AnswerTerms::default(),
            rest: RestTerms {
                shortest: Millis(0),
                longest: Millis(0),
                key: [0; 32],
            },
        }
    }
}

/// A release for a first look: at each office the first day that is still wholly sealed is
/// released at `at`, instead of at its own time.
struct Demo {
    at: UnixMillis,
    /// By position of the office in the catalogue.
    dates: Vec<Option<Date>>,
}

pub struct Engine {
    catalogue: Arc<Catalogue>,
    ledger: Arc<dyn Ledger>,
    limits: Limits,
    demo: Option<Demo>,
    days: SharedMap<DayKey, Arc<Shard>>,
    rooms: Arc<Rooms>,
    releases: Arc<Releases>,
    wishes: Arc<Wishes>,
    /// Days before this one were dropped and must not come back empty.
    pub(in crate::shell) first_day: AtomicU16,
    /// By position of the office in the catalogue.
    office_changes: Vec<Arc<AtomicU64>>,
    deadlines: Sender<(UnixMillis, ReservationId)>,
    due: Mutex<Due>,
    /// Deadlines in the wheel when it was last looked at.
    watched: AtomicUsize,
}

/// What only the ticking thread touches.
struct Due {
    incoming: Receiver<(UnixMillis, ReservationId)>,
    wheel: Wheel<ReservationId>,
}

impl Engine {
    /// An engine in which nothing is reserved yet.
    pub fn new(
        catalogue: Arc<Catalogue>,
        ledger: Arc<dyn Ledger>,
        limits: Limits,
        demo_at: Option<UnixMillis>,
        now: UnixMillis,
    ) -> Engine {
        let (deadlines, incoming) = bounded(limits.deadline_queue_max);
        let demo = demo_at.map(|at| Demo {
            at,
            dates: catalogue
                .offices
                .iter()
                .map(|office| demo_date(&catalogue, office, at))
                .collect(),
        });
        Engine {
            office_changes: catalogue.offices.iter().map(|_| Arc::default()).collect(),
            catalogue,
            ledger,
            limits,
            demo,
            days: SharedMap::default(),
            rooms: Arc::default(),
            releases: Arc::default(),
            wishes: Arc::new(Wishes::new(limits.answers)),
            deadlines,
            due: Mutex::new(Due {
                incoming,
                wheel: Wheel::new(now),
            }),
            watched: AtomicUsize::new(0),
            first_day: AtomicU16::new(0),
        }
    }

    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    pub fn ledger_health(&self) -> Health {
        self.ledger.health()
    }

    /// Rises with any change of any day of the office.
    pub fn office_changes(&self, office: OfficeIndex) -> u64 {
        self.office_changes[usize::from(office.0)].load(Ordering::Acquire)
    }

    /// The local date of an instant.
    pub fn date_of(&self, instant: UnixMillis) -> Date {
        self.catalogue
            .city
            .zone
            .to_datetime(instant.to_jiff())
            .date()
    }

    /// The last day that the office books, seen from `now`.
    pub fn horizon(&self, now: UnixMillis, office: &Office) -> Date {
        let days = jiff::Span::new().days(i64::from(office.horizon_days));
        self.date_of(now).saturating_add(days)
    }

    /// The shard of a day, made on first use; None outside of what can be numbered, and for days
    /// that were dropped.
    pub fn shard(&self, office: OfficeIndex, date: Date) -> Option<Arc<Shard>> {
        let number = self.catalogue.office(office).number;
        let key = DayKey {
            office: number,
            day: DayNumber::from_date(date)?,
        };
        if let Some(shard) = self.days.get(&key) {
            return Some(Arc::clone(&shard));
        }
        if key.day.0 < self.first_day.load(Ordering::Acquire) {
            return None;
        }
        // The plan is made outside the map's lock; whoever is first puts it in, unless the day was
        // dropped meanwhile.
        let shard = self.new_shard(key, office, date);
        match self.days.entry(key) {
            Place::Occupied(first) => Some(Arc::clone(first.get())),
            Place::Vacant(place) => (key.day.0 >= self.first_day.load(Ordering::Acquire))
                .then(|| Arc::clone(&place.insert(shard))),
        }
    }

    fn new_shard(&self, key: DayKey, office: OfficeIndex, date: Date) -> Arc<Shard> {
        let mut day = Day::new(key, self.plan(office, date));
        self.steer_new_day(office, &mut day);
        let changes = Arc::clone(&self.office_changes[usize::from(office.0)]);
        Arc::new(Shard::new(day, changes))
    }

    /// The day of the office that a demo releases.
    fn demo_date(&self, index: OfficeIndex) -> Option<Date> {
        self.demo.as_ref()?.dates[usize::from(index.0)]
    }

    /// The day on which a demo releases.
    fn demo_day(&self) -> Option<DayNumber> {
        DayNumber::from_date(self.date_of(self.demo.as_ref()?.at))
    }

    /// The office's day as its rules make it, the demo release included.
    fn plan(&self, index: OfficeIndex, date: Date) -> DayPlan {
        let mut plan = plan(&self.catalogue, self.catalogue.office(index), date);
        if let Some(Demo { at, dates }) = &self.demo
            && dates[usize::from(index.0)] == Some(date)
        {
            for wave in &mut plan.waves {
                let later = *at - wave.at;
                wave.at = *at;
                wave.drip = Millis(0);
                wave.release.day = self.demo_day().unwrap_or(wave.release.day);
                wave.guard = wave.guard.and_then(|guard| {
                    let day = self.demo_day()?;
                    let room = RoomId { day, ..guard.room };
                    let until = guard.until + later;
                    Some(Guard { room, until })
                });
            }
        }
        plan
    }

    /// What is bookable at an office on a day.
    pub fn starts(
        &self,
        now: UnixMillis,
        office: OfficeIndex,
        date: Date,
        channel: Channel,
        need: &Need,
    ) -> Option<Starts> {
        let shard = self.shard(office, date)?;
        Some(shard.decide(|day| day.starts(now, channel, need)))
    }

    /// Drops days that are over, unless a booking that lives on elsewhere began there. They never
    /// come back: after a clock that ran ahead, a day that was dropped too early gives out nothing
    /// until the next start, instead of giving out twice.
    pub fn retire(&self, now: UnixMillis) {
        let Some(today) = DayNumber::from_date(self.date_of(now)) else {
            return;
        };
        let first_kept = DayNumber(today.0.saturating_sub(1));
        self.first_day.fetch_max(first_kept.0, Ordering::AcqRel);
        self.retire_rooms(today);
        self.retire_releases(today);
        self.days.retain(|key, shard| {
            key.day >= first_kept || shard.decide(|day| day.leads_to_day(first_kept))
        });
    }

    /// The next instant at which cells of the office are released, and the day they belong to.
    pub fn next_release(&self, now: UnixMillis, office: OfficeIndex) -> Option<(UnixMillis, Date)> {
        let rules = self.catalogue.office(office);
        if rules.waves.is_empty() {
            return None;
        }
        let days = self.date_of(now).series(jiff::Span::new().days(1));
        days.take(usize::from(rules.horizon_days) + 1)
            .filter_map(|date| {
                let next = self
                    .shard(office, date)?
                    .decide(|day| day.next_release(now));
                next.map(|at| (at, date))
            })
            .min()
    }

    /// The services of a reservation that exists.
    pub fn services_of(&self, id: ReservationId) -> Option<Services> {
        let (shard, _) = self.existing(id)?;
        shard.decide(|day| day.reservation(id).map(|reservation| reservation.services))
    }

    /// When a reservation's seat starts.
    pub fn start_of(&self, id: ReservationId) -> Option<UnixMillis> {
        let (shard, _) = self.existing(id)?;
        Some(shard.decide(|day| day.plan().instant(id.seat().start)))
    }

    /// Reservations that no longer lie in the opening hours.
    pub fn conflicts(&self) -> Vec<ReservationId> {
        let mut conflicts: Vec<ReservationId> = self
            .days
            .iter()
            .flat_map(|shard| shard.decide(|day| day.conflicts()))
            .collect();
        conflicts.sort_unstable();
        conflicts
    }

    /// The shard of an id that was given out, with its office.
    pub(super) fn existing(&self, id: ReservationId) -> Option<(Arc<Shard>, OfficeIndex)> {
        let key = id.day_key();
        let office = self.catalogue.office_by_number(key.office)?;
        let shard = self.days.get(&key).map(|shard| Arc::clone(&shard))?;
        Some((shard, office))
    }

    /// Appends a relaxed record; false when the ledger cannot take it.
    fn append(&self, at: UnixMillis, fact: Fact) -> bool {
        debug_assert!(!fact.is_strict(), "somebody waits for strict records");
        self.ledger
            .append(Entry {
                record: Record { at, fact },
                done: None,
            })
            .is_ok()
    }

    /// Appends a strict record under `locks`, lets them go, and sees to it that `done` is called.
    fn append_strict<L>(
        &self,
        locks: L,
        at: UnixMillis,
        fact: Fact,
        done: impl FnOnce(Result<Position, NotKept>) + Send + 'static,
    ) {
        debug_assert!(fact.is_strict(), "nobody waits for relaxed records");
        let entry = Entry {
            record: Record { at, fact },
            done: Some(Box::new(done)),
        };
        let appended = self.ledger.append(entry);
        drop(locks);
        if let Err(Entry {
            done: Some(done), ..
        }) = appended
        {
            done(Err(NotKept { at }));
        }
    }

    /// Appends a strict record under a lock that `done` takes as well. Returns whether it was
    /// refused at once; `done` is not called then.
    fn try_append_strict(
        &self,
        at: UnixMillis,
        fact: Fact,
        done: impl FnOnce(Result<Position, NotKept>) + Send + 'static,
    ) -> bool {
        debug_assert!(fact.is_strict(), "nobody waits for relaxed records");
        let entry = Entry {
            record: Record { at, fact },
            done: Some(Box::new(done)),
        };
        self.ledger.append(entry).is_err()
    }
}

/// The first open day that is still wholly sealed when the demo release comes.
fn demo_date(catalogue: &Catalogue, office: &Office, at: UnixMillis) -> Option<Date> {
    let first = catalogue.city.zone.to_datetime(at.to_jiff()).date();
    let is_sealed = |date: &Date| {
        let waves = plan(catalogue, office, *date).waves;
        waves.first().is_some_and(|wave| wave.at > at)
    };
    let days = first.series(jiff::Span::new().days(1));
    days.take(usize::from(office.horizon_days) + 1)
        .find(is_sealed)
}
