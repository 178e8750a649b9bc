//! How fast: with small numbers at each run of the tests, with large ones on demand.
//!
//! `MORGENRUH_MEASURE=1 cargo test --release -p morgenruh-production --test postgres measure --
//! --nocapture --test-threads=1`

use std::time::Instant;

use morgenruh_engine::rules::wish::fact::WishFact;
use morgenruh_engine::shell::drain::Store;

use crate::history::{History, Town, of_wish};
use crate::server::Server;
use crate::town;

const TOWN: Town = Town {
    offices: 60,
    days: 60,
    counters: 20,
};

fn is_asked_for() -> bool {
    std::env::var_os("MORGENRUH_MEASURE").is_some()
}

#[test]
fn facts_a_second() {
    let count = if is_asked_for() { 240_000 } else { 4_000 };
    for batch in [1_000, 4_000] {
        let server = Server::start();
        let mut store = server.store();
        let facts = History::new(1, TOWN).facts(count);
        let begun = Instant::now();
        for batch in facts.chunks(batch) {
            store.apply(batch).unwrap();
        }
        let seconds = begun.elapsed().as_secs_f64();
        let bookings = server.postgres.sql("SELECT count(*) FROM bookings");
        let rate = count as f64 / seconds;
        println!(
            "{count} facts, {bookings} bookings, batches of {batch}: {rate:.0} facts a second"
        );
    }
}

/// A start with as many bookings as a state has, all of them still to come.
#[test]
fn a_start() {
    let count = if is_asked_for() { 1_000_000 } else { 2_000 };
    let server = Server::start();
    let mut store = server.store();
    let mut history = History::new(2, TOWN);
    let mut booked = 0;
    while booked < count {
        let batch = (count - booked).min(2_000);
        let facts: Vec<_> = std::iter::repeat_with(|| history.booking())
            .take(batch)
            .flatten()
            .collect();
        let facts: Vec<_> = facts.into_iter().map(|fact| history.place(fact)).collect();
        store.apply(&facts).unwrap();
        booked += batch;
    }
    // As it is in a database that has been running: the facts of the last hours are few.
    server
        .postgres
        .sql("DELETE FROM facts WHERE position % 64 > 0; VACUUM ANALYZE");
    for _ in 0..3 {
        let mut store = server.store();
        let now = history.now();
        let engine = town::engine(TOWN, now);
        let begun = Instant::now();
        let loaded = store.load(now, &|_| {}).unwrap();
        let read = begun.elapsed();
        let stored = loaded.remembered.into_stored(now);
        let prepared = begun.elapsed();
        let recovered = engine.recover(now, stored).unwrap();
        let whole = begun.elapsed();
        assert_eq!(recovered.bookings, count);
        println!(
            "{count} bookings: load {read:.2?}, into_stored {:.2?}, recover {:.2?}, whole {whole:.2?}",
            prepared - read,
            whole - prepared
        );
    }
}

/// A start with as many wishes as a large city has, of which as many again are forgotten.
#[test]
fn a_start_with_wishes() {
    let count = if is_asked_for() { 200_000 } else { 1_000 };
    let server = Server::start();
    let mut store = server.store();
    let mut history = History::new(3, TOWN);
    for _ in 0..count / 500 {
        let laid: Vec<_> = std::iter::repeat_with(|| history.lay())
            .take(1_000)
            .collect();
        let forgotten = laid[..500].iter().filter_map(|fact| {
            let (wish, _) = fact.of_wish()?;
            Some(of_wish(wish, WishFact::Forgotten))
        });
        let forgotten: Vec<_> = forgotten.collect();
        for facts in [laid, forgotten] {
            let facts: Vec<_> = facts.into_iter().map(|fact| history.place(fact)).collect();
            store.apply(&facts).unwrap();
        }
    }
    let begun = Instant::now();
    let loaded = store.load(history.now(), &|_| {}).unwrap();
    let took = begun.elapsed();
    assert_eq!(loaded.remembered.wish_facts.len(), count);
    println!("{count} wishes: load {took:.2?}");
}
