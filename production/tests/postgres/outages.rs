//! The server dies, stops or is cut off while it is drained into.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use morgenruh_engine::rules::ids::ReservationId;
use morgenruh_engine::rules::record::{Fact, Position};
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use morgenruh_engine::shell::backlog::{Backlog, Bounds};
use morgenruh_engine::shell::drain::{Away, Drain, Placed, Rhythm, Store, StoreError, Tail};
use morgenruh_production::postgres::{ANSWER_GRACE, PostgresStore, Settings};

use crate::history::{History, Town};
use crate::server::{NOW, Server};

const TOWN: Town = Town {
    offices: 10,
    days: 20,
    counters: 10,
};
/// Nothing here takes longer on any machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A ledger that has everything, and forgets what it is told that the store has.
struct Memory {
    facts: Arc<[Placed]>,
    trimmed: u64,
}

impl Tail for Memory {
    fn after(&mut self, position: Position, max: usize) -> Result<Vec<Placed>, Away> {
        assert!(
            position.0 >= self.trimmed,
            "the store has lost what it said it had"
        );
        let from = usize::try_from(position.0).unwrap();
        let to = (from + max).min(self.facts.len());
        Ok(self.facts[from..to].to_vec())
    }

    fn trim(&mut self, watermark: Position) -> Result<(), Away> {
        self.trimmed = watermark.0;
        Ok(())
    }
}

fn drain(
    facts: &Arc<[Placed]>,
    store: PostgresStore,
    batch_max: usize,
) -> (Drain<Memory, PostgresStore>, Arc<Backlog>) {
    let bounds = Bounds {
        rest: 0,
        rest_max: Millis(0),
        slow: 1 << 40,
        max: 1 << 41,
        pause_max: Duration::ZERO,
    };
    let backlog = Arc::new(Backlog::new(bounds));
    backlog.written(Position(facts.len() as u64), NOW);
    let rhythm = Rhythm {
        batch_max,
        idle: Duration::from_millis(1),
        retry: Duration::from_millis(10),
        retry_max: Duration::from_millis(100),
        clock: || NOW,
    };
    let tail = Memory {
        facts: Arc::clone(facts),
        trimmed: 0,
    };
    (
        Drain::new(tail, store, Arc::clone(&backlog), rhythm),
        backlog,
    )
}

/// PostgreSQL is killed while it is written to, again and again. It goes on behind its watermark,
/// which never falls back behind what the ledger has forgotten meanwhile, and in the end each fact
/// is there once.
#[test]
fn a_killed_server_goes_on_behind_its_watermark() {
    let mut server = Server::start();
    let facts: Arc<[Placed]> = History::new(1, TOWN).facts(30_000).into();
    let mut store = server.store();
    let (drain, backlog) = drain(&facts, server.store(), 50);
    let (stop, stopped) = channel();
    let drained = thread::spawn(move || drain.run(&stopped));
    for kill in 1..=4 {
        let begun = Instant::now();
        while backlog.watermark().0 < kill * 5_000 && begun.elapsed() < PATIENCE {
            thread::yield_now();
        }
        server.postgres.kill();
        server.postgres.restart();
    }
    let begun = Instant::now();
    while backlog.records() > 0 && begun.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(10));
    }
    drop(stop);
    drained.join().unwrap();
    // Its connection was lost four times, too.
    while store.watermark().is_err() {}
    assert_eq!(store.watermark(), Ok(Position(30_000)));
    let counted = "SELECT count(*), max(position) FROM facts";
    assert_eq!(server.postgres.sql(counted), "30000|30000");
    assert_eq!(store.state().unwrap().quarantined, 0);
    let booked = "SELECT count(*) FROM facts WHERE fact = 'booked'";
    let bookings = "SELECT count(*) FROM bookings JOIN persons ON booking = id";
    assert_eq!(server.postgres.sql(booked), server.postgres.sql(bookings));
}

/// Among many facts some break the rule that no two bookings overlap. They are put aside, and all
/// others are applied.
#[test]
fn what_overlaps_is_put_aside_and_the_rest_goes_on() {
    let server = Server::start();
    let mut history = History::new(2, TOWN);
    let mut facts = history.facts(300);
    for _ in 0..3 {
        let [held, booked] = history.booking();
        let twin = twin(&booked).expect("it is a booking");
        facts.extend([held, booked, twin].map(|fact| history.place(fact)));
    }
    let facts: Arc<[Placed]> = facts.into();
    let (mut drain, backlog) = drain(&facts, server.store(), 1_000);
    while backlog.records() > 0 {
        drain.turn().unwrap();
    }
    assert_eq!(backlog.quarantined(), 3);
    let aside = server
        .postgres
        .sql("SELECT position FROM quarantine WHERE reason LIKE '%bookings_no_overlap%'");
    assert_eq!(aside, "303\n306\n309");
    assert_eq!(server.postgres.sql("SELECT count(*) FROM facts"), "309");
}

/// The same booking under another id.
fn twin(fact: &Fact) -> Option<Fact> {
    let Fact::Booked(booked) = fact else {
        return None;
    };
    let mut twin = booked.clone();
    let mut bytes = twin.confirmed.id.to_bytes();
    bytes[15] ^= 1;
    twin.confirmed.id = ReservationId::from_bytes(bytes);
    twin.confirmed.contract.origin = twin.confirmed.id;
    Some(Fact::Booked(twin))
}

/// A server that is stopped keeps its connections and answers nothing. Whoever waits gives up, and
/// what the server still does when it is back is not done twice.
#[test]
fn a_stopped_server_is_not_waited_for() {
    let mut server = Server::start();
    let settings = Settings {
        connect_timeout: Duration::from_millis(500),
        statement_timeout: Duration::from_millis(500),
        ..server.settings()
    };
    let mut store = PostgresStore::open(&settings).unwrap();
    let facts = History::new(3, TOWN).facts(200);
    store.apply(&facts[..100]).unwrap();
    server.postgres.pause();
    let begun = Instant::now();
    let answer = store.apply(&facts[100..]);
    assert!(matches!(answer, Err(StoreError::Away(_))), "{answer:?}");
    assert!(store.watermark().is_err());
    let bound = settings.statement_timeout + ANSWER_GRACE + settings.connect_timeout;
    let slack = Duration::from_secs(1);
    assert!(begun.elapsed() < bound + slack, "{:?}", begun.elapsed());
    server.postgres.resume();
    let begun = Instant::now();
    let watermark = loop {
        match store.watermark() {
            Ok(watermark) => break watermark,
            Err(away) => assert!(begun.elapsed() < PATIENCE, "{away}"),
        }
    };
    let rest = &facts[usize::try_from(watermark.0).unwrap()..];
    if !rest.is_empty() {
        store.apply(rest).unwrap();
    }
    assert_eq!(server.postgres.sql("SELECT count(*) FROM facts"), "200");
}

/// Somebody who reads or repairs holds a lock. The transaction is given up after its time, and
/// made when the lock is gone.
#[test]
fn a_lock_of_somebody_else_is_an_outage() {
    let server = Server::start();
    let settings = Settings {
        statement_timeout: Duration::from_millis(200),
        ..server.settings()
    };
    let mut store = PostgresStore::open(&settings).unwrap();
    let facts = History::new(4, TOWN).facts(10);
    thread::scope(|scope| {
        let locked = "BEGIN; LOCK TABLE facts; SELECT pg_sleep(2); COMMIT";
        let locker = scope.spawn(|| server.postgres.sql(locked));
        let waiting = "SELECT count(*) FROM pg_locks
                        WHERE relation = 'facts'::regclass AND mode = 'AccessExclusiveLock'";
        while server.postgres.sql(waiting) == "0" {}
        let answer = store.apply(&facts);
        let Err(StoreError::Away(Away(told))) = answer else {
            panic!("{answer:?}");
        };
        assert!(told.contains("statement timeout"), "{told}");
        locker.join().unwrap();
    });
    store.apply(&facts).unwrap();
    // Somebody has made the database readable only, as before a change of servers.
    server
        .postgres
        .sql("ALTER DATABASE morgenruh SET default_transaction_read_only = on");
    let mut store = PostgresStore::open(&settings).unwrap();
    let mut record = History::new(5, TOWN).facts(1).remove(0);
    record.position = Position(11);
    record.record.at = UnixMillis(NOW.0 + 60_000);
    let answer = store.apply(std::slice::from_ref(&record));
    assert!(matches!(answer, Err(StoreError::Away(_))), "{answer:?}");
}
