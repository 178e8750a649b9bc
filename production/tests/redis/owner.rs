//! One gateway writes; others wait, take over, or are kept out.

use std::time::{Duration, Instant};

use morgenruh_engine::shell::scribe::Journal;
use morgenruh_production::redis::{OpenError, RedisJournal};
use morgenruh_servers::scratch;

use crate::town::{CITY, META, Town, newest, refused, write};

/// A gateway that was started again goes on at once, and the process before it cannot write.
#[test]
fn the_same_gateway_takes_over_at_once() {
    let town = Town::new();
    let mut first = town.journal();
    write(&mut first, 0, [1]).unwrap();
    let begun = Instant::now();
    let mut second = town.journal();
    assert!(begun.elapsed() < Duration::from_secs(5));
    let reason = refused(write(&mut first, 1, [2]));
    assert!(reason.contains("another gateway"), "{reason}");
    assert_eq!(refused(first.newest().map(|_| ())), reason);
    assert_eq!(write(&mut second, 1, [3]), Ok(()));
    assert_eq!(town.records().len(), 2);
}

/// The clock of the lease is put forward by hand instead of waiting for it.
#[test]
fn another_gateway_waits_for_the_lease_and_takes_over() {
    let town = Town::new();
    let mut first = town.journal();
    write(&mut first, 0, [1]).unwrap();
    let elsewhere = scratch();
    let mut second = std::thread::scope(|scope| {
        let open = || RedisJournal::open(&town.settings(), CITY, elsewhere.path());
        let second = scope.spawn(open);
        std::thread::sleep(Duration::from_secs(1));
        assert!(!second.is_finished(), "the lease is fresh");
        let now = town.redis.command(&["TIME"]);
        let seconds: u64 = now.lines().next().unwrap().parse().unwrap();
        let old = ((seconds - 16) * 1_000).to_string();
        town.redis.command(&["HSET", META, "seen", &old]);
        second.join().unwrap().unwrap()
    });
    assert_eq!(newest(&mut second), 1);
    refused(write(&mut first, 1, [2]));
    assert_eq!(write(&mut second, 1, [2]), Ok(()));
}

/// The first gateway writes every few seconds, if only to show that it is there.
#[test]
fn another_gateway_is_refused_while_the_first_one_lives() {
    let town = Town::new();
    let mut first = town.journal();
    let elsewhere = scratch();
    std::thread::scope(|scope| {
        let open = || RedisJournal::open(&town.settings(), CITY, elsewhere.path());
        let second = scope.spawn(open);
        while !second.is_finished() {
            first_writes(&mut first);
            std::thread::sleep(Duration::from_secs(1));
        }
        let outcome = second.join().unwrap();
        assert!(matches!(outcome, Err(OpenError::Held)));
    });
    first_writes(&mut first);
}

fn first_writes(journal: &mut RedisJournal) {
    assert_eq!(write(journal, 0, []), Ok(()));
}
