//! The whole path through the engine: the look-up of the day, the calendar, the rules, the queues
//! for deadlines and records. Only the ledger is memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, unbounded};
use morgenruh_engine::rules::calendar::UNIT;
use morgenruh_engine::rules::catalogue::{Channel, OfficeIndex};
use morgenruh_engine::rules::ids::{Digest, HoldToken, Secret};
use morgenruh_engine::rules::need::Need;
use morgenruh_engine::rules::record::{Person, Position};
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use morgenruh_engine::shell::engine::{ConfirmAsk, Engine, HoldAsk, Limits};
use morgenruh_engine::shell::ledger::{Completion, Entry, Health, Ledger};

use crate::race::Contender;
use crate::rules::{City, NOW, take_before};
use crate::visits::{CLOSES, COUNTERS, OPENS, Taken, VISIT_UNITS, Visit};

/// Days on which bookings are made before new ones are needed, 256 bookings each.
const CONFIRM_DAYS: usize = 100;

pub struct Whole {
    engine: Engine,
    ledger: Arc<Memory>,
    need: Need,
    days: Vec<(OfficeIndex, UnixMillis)>,
    /// Runs ahead of the holds, so that the deadlines of what was given back are forgotten.
    ticks: AtomicI64,
}

impl Whole {
    pub fn new(taken: &[Vec<Taken>]) -> Whole {
        let city = City::new();
        let need = city.need;
        let ledger = Arc::new(Memory::new());
        let limits = Limits {
            stretch_max: Millis(0),
            ..Limits::default()
        };
        let catalogue = Arc::new(City::new().catalogue);
        let engine = Engine::new(catalogue, ledger.clone(), limits, None, NOW);
        let day = |(position, taken): (usize, &Vec<Taken>)| {
            let (office, date) = city.place(position);
            let shard = engine.shard(office, date).expect("it is in this century");
            shard.decide(|day| {
                take_before(day, city.key(position), need, taken);
                (office, day.plan().starts_at)
            })
        };
        let days = taken.iter().enumerate().map(day).collect();
        Whole {
            engine,
            ledger,
            need,
            days,
            ticks: AtomicI64::new(0),
        }
    }

    fn hold(&self, day: usize, start: u16, secret: Secret, digest: Digest) -> Option<HoldToken> {
        let (office, midnight) = self.days[day];
        let ask = HoldAsk {
            office,
            need: self.need,
            start: midnight + Millis(UNIT.0 * i64::from(start)),
            channel: Channel::Public,
            secret: digest,
            random: u64::from(start),
            pass: None,
        };
        let hold = self.engine.hold(NOW, &ask).ok()?;
        Some(HoldToken {
            id: hold.id,
            secret,
        })
    }
}

impl Contender for Whole {
    fn hold_and_release(&self, visit: &Visit) -> bool {
        let Some(token) = self.hold(visit.day, visit.start, visit.secret, visit.digest) else {
            return false;
        };
        let released = self.engine.release(NOW, token);
        assert_eq!(released, Ok(()), "nobody else gives it back");
        true
    }

    fn tidy(&self) {
        let hours = self.ticks.fetch_add(1, Ordering::Relaxed) + 3;
        self.engine.tick(NOW + Millis(hours * 3_600_000));
    }
}

/// Time to confirm `count` holds, each with the ledger's word that follows at once.
pub fn confirmations(count: u64) -> Duration {
    let mut time = Duration::ZERO;
    let mut left = count;
    while left > 0 {
        let whole = Whole::new(&vec![Vec::new(); CONFIRM_DAYS]);
        let mut asks = whole.everybody();
        asks.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        left -= asks.len() as u64;
        let begin = Instant::now();
        for ask in asks {
            whole.engine.confirm(NOW, ask, |outcome| {
                assert!(
                    outcome.is_ok(),
                    "the hold is fresh and memory does not fail"
                );
            });
            whole.ledger.settle();
        }
        time += begin.elapsed();
    }
    time
}

impl Whole {
    /// A hold on every seat of every day, and the requests to confirm them.
    fn everybody(&self) -> Vec<ConfirmAsk> {
        let mut asks = Vec::new();
        for day in 0..self.days.len() {
            for start in (OPENS..CLOSES).step_by(usize::from(VISIT_UNITS)) {
                for counter in 0..COUNTERS {
                    let mut secret = [counter; 16];
                    secret[..2].copy_from_slice(&start.to_be_bytes());
                    let secret = Secret(secret);
                    let token = self.hold(day, start, secret, secret.digest());
                    let token = token.expect("the day was empty");
                    let request = Digest::of(&[&token.id.to_bytes()]);
                    asks.push(ConfirmAsk {
                        token,
                        person: erika(),
                        request,
                        idempotency_key: None,
                        identities: Vec::new(),
                    });
                }
            }
        }
        asks
    }
}

fn erika() -> Person {
    Person {
        name: "Erika Mustermann".into(),
        email: "erika@example.org".into(),
        phone: None,
        answers: Default::default(),
    }
}

/// A ledger that keeps nothing and is done at once.
struct Memory {
    waiting: Sender<Completion>,
    settled: Receiver<Completion>,
    last: AtomicU64,
}

impl Memory {
    fn new() -> Memory {
        let (waiting, settled) = unbounded();
        Memory {
            waiting,
            settled,
            last: AtomicU64::new(0),
        }
    }

    /// Calls whoever waits; a completion is never called under the lock of a day.
    fn settle(&self) {
        for done in self.settled.try_iter() {
            done(Ok(Position(self.last.fetch_add(1, Ordering::Relaxed) + 1)));
        }
    }
}

impl Ledger for Memory {
    fn append(&self, entry: Entry) -> Result<(), Entry> {
        if let Some(done) = entry.done {
            self.waiting
                .send(done)
                .expect("the other end is kept beside this one");
        }
        Ok(())
    }

    fn health(&self) -> Health {
        Health::Ready
    }
}
