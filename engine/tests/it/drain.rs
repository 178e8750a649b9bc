//! Write-behind over a ledger and a store in memory: what arrives, in which order, and what
//! happens when one side is away.

use std::sync::Arc;
use std::time::Duration;

use morgenruh_engine::rules::ids::ReservationId;
use morgenruh_engine::rules::record::{Fact, Position, Record};
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use morgenruh_engine::shell::backlog::{Backlog, Bounds, Braked};
use morgenruh_engine::shell::drain::{Away, Drain, Placed, Rhythm, Store, StoreError, Tail};
use morgenruh_engine::shell::ledger::Health;
use morgenruh_engine::shell::scribe::{Failure, Journal, Kept};
use parking_lot::Mutex;

const BOUNDS: Bounds = Bounds {
    rest: 300,
    rest_max: Millis(1_000),
    slow: 4,
    max: 8,
    pause_max: Duration::from_millis(40),
};

const RHYTHM: Rhythm = Rhythm {
    batch_max: 3,
    idle: Duration::from_millis(1),
    retry: Duration::from_millis(1),
    retry_max: Duration::from_millis(4),
    clock: || UnixMillis(5_000),
};

/// Both sides, and what goes wrong with them.
#[derive(Default)]
struct World {
    ledger: Vec<Placed>,
    trimmed: u64,
    store: Vec<u64>,
    quarantine: Vec<(u64, String)>,
    watermark: u64,
    forbidden: Vec<u64>,
    store_is_away: bool,
    /// The next transaction commits, and its answer does not arrive.
    answer_is_lost: bool,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<World>>);

impl World {
    fn write(&mut self, positions: std::ops::RangeInclusive<u64>) {
        self.ledger.extend(positions.map(placed));
    }
}

fn fact() -> Fact {
    Fact::Released {
        id: ReservationId::from_bytes([0; 16]),
    }
}

fn at(position: u64) -> UnixMillis {
    UnixMillis(1_000 + position as i64)
}

fn placed(position: u64) -> Placed {
    let (at, fact) = (at(position), fact());
    Placed {
        position: Position(position),
        record: Record { at, fact },
    }
}

impl Tail for Shared {
    fn after(&mut self, position: Position, max: usize) -> Result<Vec<Placed>, Away> {
        let world = self.0.lock();
        let later = world.ledger.iter().filter(|it| it.position > position);
        Ok(later.take(max).cloned().collect())
    }

    fn trim(&mut self, watermark: Position) -> Result<(), Away> {
        let mut world = self.0.lock();
        assert!(
            watermark.0 <= world.watermark,
            "trimmed behind the watermark"
        );
        world.trimmed = watermark.0;
        Ok(())
    }
}

impl Store for Shared {
    fn watermark(&mut self) -> Result<Position, Away> {
        let world = self.0.lock();
        if world.store_is_away {
            return Err(Away("no route".into()));
        }
        Ok(Position(world.watermark))
    }

    fn apply(&mut self, records: &[Placed]) -> Result<(), StoreError> {
        let mut world = self.0.lock();
        if world.store_is_away {
            return Err(Away("no route".into()).into());
        }
        let positions = records.iter().map(|it| it.position.0);
        if let Some(bad) = positions.clone().find(|it| world.forbidden.contains(it)) {
            return Err(StoreError::Forbidden(format!("{bad} overlaps")));
        }
        for position in positions {
            assert_eq!(position, world.watermark + 1, "each once, in order");
            world.watermark = position;
            world.store.push(position);
        }
        if std::mem::take(&mut world.answer_is_lost) {
            return Err(Away("no answer".into()).into());
        }
        Ok(())
    }

    fn quarantine(&mut self, record: &Placed, reason: &str) -> Result<u64, Away> {
        let mut world = self.0.lock();
        world.watermark = record.position.0;
        world.quarantine.push((record.position.0, reason.into()));
        Ok(world.quarantine.len() as u64)
    }
}

impl Journal for Shared {
    fn newest(&mut self) -> Result<(Position, UnixMillis), Failure> {
        let world = self.0.lock();
        let newest = world.ledger.last();
        Ok(newest.map_or((Position(0), UnixMillis(0)), |placed| {
            (placed.position, placed.record.at)
        }))
    }

    fn write(&mut self, records: &[Kept<'_>]) -> Result<(), Failure> {
        let positions = records.iter().map(|kept| placed(kept.position.0));
        self.0.lock().ledger.extend(positions);
        Ok(())
    }
}

fn backlog() -> Arc<Backlog> {
    Arc::new(Backlog::new(BOUNDS))
}

/// A drain, and both of its sides with these facts in the ledger.
fn drain(facts: u64) -> (Drain<Shared, Shared>, Shared, Arc<Backlog>) {
    let (world, backlog) = (Shared::default(), backlog());
    world.0.lock().write(1..=facts);
    backlog.written(Position(facts), at(1));
    let drain = Drain::new(world.clone(), world.clone(), backlog.clone(), RHYTHM);
    (drain, world, backlog)
}

/// I10: the store is a prefix of the ledger, and catches up.
#[test]
fn batches_arrive_in_order_and_are_trimmed_behind_the_watermark() {
    let (mut drain, world, backlog) = drain(7);
    assert_eq!(backlog.records(), 7);
    for (moved, watermark) in [(3, 3), (3, 6), (1, 7), (0, 7)] {
        assert_eq!(drain.turn(), Ok(moved));
        assert_eq!(backlog.watermark(), Position(watermark));
        assert_eq!(world.0.lock().trimmed, watermark);
    }
    assert_eq!(world.0.lock().store, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!((backlog.records(), backlog.lag(at(99))), (0, Millis(0)));
}

#[test]
fn a_commit_whose_answer_was_lost_is_not_repeated() {
    let (mut drain, world, _) = drain(4);
    world.0.lock().answer_is_lost = true;
    assert_eq!(drain.turn(), Err(Away("no answer".into())));
    while drain.turn() != Ok(0) {}
    assert_eq!(world.0.lock().store, [1, 2, 3, 4]);
}

/// In a rush the store is left alone; but once it lacks too much, or lacks it for too long, it is
/// brought everything, whatever comes meanwhile.
#[test]
fn in_a_rush_the_store_waits_as_long_as_it_may() {
    let drain_at = |clock| {
        let (world, backlog) = (Shared::default(), backlog());
        let rhythm = Rhythm { clock, ..RHYTHM };
        let drain = Drain::new(world.clone(), world.clone(), backlog.clone(), rhythm);
        let ledger = backlog.clone();
        let come = move |newest: u64| {
            let first = ledger.newest().0 + 1;
            world.0.lock().write(first..=newest);
            ledger.written(Position(newest), at(first));
        };
        (drain, come, backlog)
    };
    let (mut drain, come, backlog) = drain_at(|| at(900));
    come(120);
    assert_eq!(drain.step(), Ok(0), "a rush");
    come(140);
    assert_eq!(drain.step(), Ok(3), "its end");
    come(320);
    assert_eq!(drain.step(), Ok(3), "317 are too many");
    come(500);
    while backlog.records() > 0 {
        assert_ne!(drain.step(), Ok(0), "until it has everything");
    }
    come(700);
    assert_eq!(drain.step(), Ok(0), "the next rush");

    let (mut drain, come, _) = drain_at(|| at(1_001));
    come(120);
    assert_eq!(drain.step(), Ok(3), "the first has waited for a second");
    while drain.step() != Ok(0) {}
    come(240);
    assert_eq!(drain.step(), Ok(0), "the next have not");
}

/// A mistake of ours fails loudly, is kept, and stops nothing.
#[test]
fn what_the_store_forbids_is_put_into_quarantine() {
    let (mut drain, world, backlog) = drain(5);
    world.0.lock().forbidden = vec![2, 5];
    while drain.turn() != Ok(0) {}
    let world = world.0.lock();
    assert_eq!(world.store, [1, 3, 4]);
    let overlaps = |position: u64| (position, format!("{position} overlaps"));
    assert_eq!(world.quarantine, [overlaps(2), overlaps(5)]);
    assert_eq!((backlog.quarantined(), backlog.records()), (2, 0));
}

#[test]
fn nothing_is_applied_across_a_gap() {
    let (mut drain, world, _) = drain(6);
    world.0.lock().ledger.remove(1);
    let Err(Away(reason)) = drain.turn() else {
        panic!("fact 2 is missing");
    };
    assert!(reason.contains("lacks the facts 2 to 2"), "{reason}");
    assert_eq!(world.0.lock().watermark, 0);
}

#[test]
fn an_outage_of_the_store_keeps_its_beginning_and_ends() {
    let (drain, world, backlog) = drain(5);
    world.0.lock().store_is_away = true;
    let (stop, stopped) = std::sync::mpsc::channel();
    let running = std::thread::spawn(move || drain.run(&stopped));
    let until = |what: &dyn Fn() -> bool| {
        while !what() {
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    until(&|| !backlog.store_health().is_ready());
    let away = Health::Away {
        since: UnixMillis(5_000),
        reason: "no route".into(),
    };
    assert_eq!(backlog.store_health(), away);
    assert_eq!(backlog.lag(at(101)), Millis(100));
    world.0.lock().store_is_away = false;
    until(&|| backlog.store_health().is_ready() && backlog.records() == 0);
    world.0.lock().write(6..=9);
    backlog.written(Position(9), at(6));
    drop(stop);
    running.join().unwrap();
    assert_eq!(world.0.lock().watermark, 9, "brought over before the end");
}

/// Confirmations slow down, then stop, and go on when the store has caught up.
#[test]
fn a_journal_does_not_run_away_from_its_store() {
    static PAUSES: Mutex<Vec<Duration>> = Mutex::new(Vec::new());
    let (mut drain, world, backlog) = drain(0);
    let mut journal = Braked::new(world, backlog, |pause| PAUSES.lock().push(pause));
    let fact = fact();
    let mut write = |position: u64| {
        journal.write(&[Kept {
            position: Position(position),
            at: at(position),
            fact: &fact,
        }])
    };
    for position in 1..=8 {
        assert_eq!(write(position), Ok(()));
    }
    let pauses = [10, 20, 30].map(Duration::from_millis);
    assert_eq!(*PAUSES.lock(), pauses);
    let Err(Failure::Refused(reason)) = write(9) else {
        panic!("the bound holds");
    };
    assert_eq!(reason, "the store is 8 records behind, the bound is 8");
    assert_eq!(drain.turn(), Ok(3));
    assert_eq!(write(9), Ok(()));
}
