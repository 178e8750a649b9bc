//! Many who wait, and a Redis that is killed, full or stands still again and again. What somebody
//! was told is so: a fact that was acknowledged is in its place, one that was refused is nowhere,
//! and there is no gap.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use morgenruh_engine::rules::record::{Fact, Position, Record};
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::shell::ledger::{Entry, Ledger, NotKept};
use morgenruh_engine::shell::scribe::{self, Desk, Options};
use morgenruh_servers::Redis;

use crate::town::{Town, fact, number};

const CLIENTS: usize = 64;
const ROUNDS: u32 = 8;

fn options() -> Options {
    Options {
        batch_max: 4_096,
        queue_max: 8_192,
        retry: Duration::from_millis(20),
        clock: || UnixMillis(1_000),
    }
}

/// What became of the facts, by their number.
#[derive(Default)]
struct Told {
    kept: Mutex<HashMap<u64, Position>>,
    refused: Mutex<HashSet<u64>>,
}

impl Told {
    fn hear(&self, number: u64, outcome: Result<Position, NotKept>) {
        match outcome {
            Ok(position) => drop(self.kept.lock().unwrap().insert(number, position)),
            Err(NotKept { .. }) => drop(self.refused.lock().unwrap().insert(number)),
        }
    }
}

/// Appends a fact and waits for what becomes of it.
fn append(desk: &Desk, fact: Fact) -> Option<Result<Position, NotKept>> {
    let (done, outcome) = channel();
    let entry = Entry {
        record: Record {
            at: UnixMillis(1_000),
            fact,
        },
        done: Some(Box::new(move |told| {
            let _ = done.send(told);
        })),
    };
    desk.append(entry).ok()?;
    outcome.recv().ok()
}

fn client(desk: &Desk, next: &AtomicU64, ends: &AtomicBool, told: &Told) {
    while !ends.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        match append(desk, fact(number)) {
            Some(outcome) => told.hear(number, outcome),
            None => thread::sleep(Duration::from_millis(1)),
        }
    }
}

fn be_full(redis: &Redis) {
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
    thread::sleep(Duration::from_millis(50));
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
}

#[test]
fn what_was_told_in_a_storm_is_so() {
    let mut town = Town::new();
    let (desk, scribe) = scribe::open(town.impatient_journal(), options()).unwrap();
    let scribe = thread::spawn(move || scribe.run());
    let (next, ends, told) = (AtomicU64::new(1), AtomicBool::new(false), Told::default());
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| client(&desk, &next, &ends, &told));
        }
        for round in 0..ROUNDS {
            thread::sleep(Duration::from_millis(100 + u64::from(round) * 7));
            match round % 4 {
                1 => be_full(&town.redis),
                3 => {
                    town.redis.pause();
                    thread::sleep(Duration::from_millis(700));
                    town.redis.resume();
                }
                _ => {
                    town.redis.kill();
                    town.redis.restart();
                }
            }
            let heard = told.kept.lock().unwrap().len();
            let begun = Instant::now();
            while told.kept.lock().unwrap().len() == heard {
                let waited = begun.elapsed();
                let health = desk.health();
                assert!(
                    waited < Duration::from_secs(20),
                    "it does not go on: {health:?}"
                );
                thread::sleep(Duration::from_millis(5));
            }
        }
        ends.store(true, Ordering::Relaxed);
    });
    desk.close();
    scribe.join().unwrap();

    let places: HashMap<u64, Position> = town
        .records()
        .iter()
        .map(|it| (number(&it.record.fact), it.position))
        .collect();
    assert_eq!(places.len(), town.records().len(), "nothing is there twice");
    let kept = told.kept.into_inner().unwrap();
    let refused = told.refused.into_inner().unwrap();
    for (number, position) in &kept {
        assert_eq!(places.get(number), Some(position), "fact {number}");
    }
    assert!(!refused.is_empty(), "a full Redis refuses");
    assert!(refused.iter().all(|number| !places.contains_key(number)));
    assert_eq!(
        kept.len(),
        places.len(),
        "nobody was left without an answer"
    );
    println!("{} kept, {} refused", kept.len(), refused.len());
}
