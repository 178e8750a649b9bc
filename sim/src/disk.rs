//! A disk that tells what is written from what is durable, and the store that is written behind.
//!
//! It keeps whole records, because what keeps them in earnest is atomic: a transaction of SQLite,
//! an entry of a stream. What a real file loses byte by byte is tried in `lying-disk`.
//!
//! A failed sync leaves records in *limbo*: they are not to be seen, but a restart may find them,
//! until something else is written in their place.

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;
use morgenruh_engine::canary::{Canary, sings};
use morgenruh_engine::rules::day::{HoldTerms, Reservation, State};
use morgenruh_engine::rules::ids::ReservationId;
use morgenruh_engine::rules::record::{Contract, Fact, Position};
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::shell::scribe::{Failure, Journal, Kept};
use morgenruh_engine::shell::stored::{HoldFact, Stored, live_holds};
use parking_lot::Mutex;

/// Where the power can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashPoint {
    /// Between two commits: what was queued is lost.
    AtRest,
    /// A batch is about to be written.
    BeforeWrite,
    /// A part of a batch is on the disk.
    TornWrite,
    /// All of it is written and none of it synced: it may survive or not.
    BeforeDurable,
    /// It is durable, and nobody was told.
    BeforeAck,
    /// Some of those who wait were told.
    BetweenAcks,
    /// The store's rows are being written.
    InStore,
    /// The rows are written, the watermark is not.
    BeforeWatermark,
    /// The engine is being put together again.
    InRecovery,
    /// It is there again, and nothing has been written yet.
    AfterRecovery,
}

impl CrashPoint {
    pub const EACH: [CrashPoint; 10] = [
        CrashPoint::AtRest,
        CrashPoint::BeforeWrite,
        CrashPoint::TornWrite,
        CrashPoint::BeforeDurable,
        CrashPoint::BeforeAck,
        CrashPoint::BetweenAcks,
        CrashPoint::InStore,
        CrashPoint::BeforeWatermark,
        CrashPoint::InRecovery,
        CrashPoint::AfterRecovery,
    ];
}

/// What can go wrong with a write while the power stays on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// No room.
    Refused,
    /// The sync failed, and nothing is there.
    Lost,
    /// The sync reported an error, and everything is there.
    There,
    /// The sync failed, and only a restart tells.
    Limbo,
}

impl Mishap {
    pub const EACH: [Mishap; 4] = [Mishap::Refused, Mishap::Lost, Mishap::There, Mishap::Limbo];
}

/// What survives.
#[derive(Default)]
pub struct Plates {
    /// Durable facts, the first at position 1.
    facts: Vec<(UnixMillis, Fact)>,
    limbo: Vec<(UnixMillis, Fact)>,
    store: Store,
    /// Calls of [`Journal::write`] so far.
    pub writes: u64,
    pub mishaps: u64,
    power: bool,
    armed: Option<CrashPoint>,
    full: bool,
    /// The call that goes wrong, and how.
    trap: Option<(u64, Mishap)>,
}

/// The bookings as tables would have them, always a prefix of the facts.
#[derive(Clone, Default)]
struct Store {
    bookings: BTreeMap<ReservationId, Reservation>,
    watermark: usize,
}

/// The disk as the scribe and the world share it.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<Plates>>);

impl Disk {
    pub fn plates(&self) -> parking_lot::MutexGuard<'_, Plates> {
        self.0.lock()
    }
}

impl Plates {
    pub fn has_power(&self) -> bool {
        self.power
    }

    pub fn facts(&self) -> usize {
        self.facts.len()
    }

    /// The next write or drain ends at this point.
    pub fn arm(&mut self, point: CrashPoint) {
        self.armed = Some(point);
    }

    pub fn fill(&mut self, full: bool) {
        self.full = full;
    }

    /// The write after `calls` more ones goes wrong.
    pub fn trap(&mut self, calls: u64, mishap: Mishap) {
        self.trap = Some((self.writes + calls, mishap));
    }

    pub fn cut_power(&mut self) {
        self.power = false;
    }

    /// Whether the power fails here; a point is reached once.
    pub fn reaches(&mut self, point: CrashPoint) -> bool {
        if self.armed != Some(point) {
            return false;
        }
        self.armed = None;
        self.power = false;
        true
    }

    /// After a power failure: what was in limbo is there, or gone for ever.
    pub fn restart(&mut self, dice: &mut Rng) {
        let limbo = std::mem::take(&mut self.limbo);
        if dice.bool() {
            self.facts.extend(limbo);
        }
        self.power = true;
        self.armed = None;
        self.trap = None;
        self.full = false;
    }

    /// Brings the store closer to the facts, by some of them at once.
    pub fn drain(&mut self, facts: usize) {
        if self.reaches(CrashPoint::InStore) || !self.power {
            return;
        }
        let from = self.store.watermark;
        let to = (from + facts).min(self.facts.len());
        if sings(Canary::WatermarkAhead) && self.armed == Some(CrashPoint::BeforeWatermark) {
            self.store.watermark = to;
        }
        if self.reaches(CrashPoint::BeforeWatermark) {
            // Rows and watermark are one transaction.
            return;
        }
        for position in from..to {
            let (_, fact) = &self.facts[position];
            self.store.apply(Position(position as u64 + 1), fact);
        }
        self.store.watermark = to;
    }

    /// The store and the facts behind it, as a recovery reads them.
    pub fn stored(&self, now: UnixMillis) -> Stored {
        let mut store = self.store.clone();
        for (position, (_, fact)) in self.facts.iter().enumerate().skip(store.watermark) {
            store.apply(Position(position as u64 + 1), fact);
        }
        let newest_first = self.facts.iter().rev();
        let facts = newest_first
            .map(|(at, fact)| Ok::<_, std::convert::Infallible>((*at, hold_fact(fact))));
        let Ok(holds) = live_holds(facts, now);
        Stored {
            bookings: store.bookings.into_values().collect(),
            holds,
            idempotency_keys: vec![],
        }
    }
}

impl Store {
    fn apply(&mut self, position: Position, fact: &Fact) {
        match fact {
            Fact::Booked(booked) => {
                let confirmed = &booked.confirmed;
                let booking = Reservation {
                    id: confirmed.id,
                    services: confirmed.services,
                    channel: confirmed.channel,
                    secret: confirmed.secret,
                    state: State::Booked(Box::new(confirmed.contract), position),
                };
                self.bookings.insert(confirmed.contract.origin, booking);
            }
            Fact::Cancelled {
                origin, sequence, ..
            } => {
                if let Some(booking) = self.bookings.get_mut(origin)
                    && let State::Booked(contract, _) = &booking.state
                {
                    let contract = Box::new(Contract {
                        sequence: *sequence,
                        ..**contract
                    });
                    booking.state = State::Cancelled(contract, position);
                }
            }
            Fact::Moved { to, .. } => {
                if let Some(booking) = self.bookings.get_mut(&to.contract.origin) {
                    booking.id = to.id;
                    booking.secret = to.secret;
                    booking.channel = to.channel;
                    booking.state = State::Booked(Box::new(to.contract), position);
                }
            }
            _ => {}
        }
    }
}

fn hold_fact(fact: &Fact) -> HoldFact {
    match fact {
        Fact::Held {
            id,
            services,
            channel,
            secret,
            deadline,
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
                state: State::Held(terms),
            };
            HoldFact::Made(hold, terms)
        }
        Fact::Extended { id, deadline } | Fact::Stretched { id, deadline } => HoldFact::Prolonged {
            id: *id,
            deadline: *deadline,
            extended: matches!(fact, Fact::Extended { .. }),
        },
        Fact::Moved { from, to } => HoldFact::Ended(*from, Some(to.id)),
        ended => HoldFact::Ended(ended.id(), None),
    }
}

impl Journal for Disk {
    fn newest(&mut self) -> Result<(Position, UnixMillis), Failure> {
        let plates = self.plates();
        let at = plates.facts.last().map_or(UnixMillis(0), |(at, _)| *at);
        Ok((Position(plates.facts.len() as u64), at))
    }

    fn write(&mut self, records: &[Kept<'_>]) -> Result<(), Failure> {
        let mut plates = self.plates();
        let refused = || Failure::Refused("no room".into());
        let unclear = || Failure::Unclear("the sync failed".into());
        plates.writes += 1;
        if !plates.power
            || plates.reaches(CrashPoint::BeforeWrite)
            || plates.reaches(CrashPoint::TornWrite)
        {
            return Err(unclear());
        }
        let copies = || records.iter().map(|kept| (kept.at, kept.fact.clone()));
        if plates.reaches(CrashPoint::BeforeDurable) {
            plates.limbo = copies().collect();
            return Err(unclear());
        }
        let writes = plates.writes;
        let mishap = match plates.trap {
            Some((call, mishap)) if call <= writes => {
                plates.trap = None;
                Some(mishap)
            }
            _ => plates.full.then_some(Mishap::Refused),
        };
        plates.mishaps += u64::from(mishap.is_some());
        match mishap {
            Some(Mishap::Refused) => return Err(refused()),
            Some(Mishap::Lost) => return Err(unclear()),
            Some(Mishap::Limbo) => {
                plates.limbo = copies().collect();
                return Err(unclear());
            }
            None | Some(Mishap::There) => {}
        }
        let first = plates.facts.len() as u64 + 1;
        assert!(
            records.first().is_none_or(|kept| kept.position.0 == first),
            "a batch follows on what is there"
        );
        plates.limbo.clear();
        plates.facts.extend(copies());
        if mishap == Some(Mishap::There) {
            return Err(unclear());
        }
        if !records.is_empty() {
            plates.reaches(CrashPoint::BeforeAck);
        }
        Ok(())
    }
}
