//! What is loaded is what was applied.

use std::collections::BTreeSet;

use morgenruh_engine::rules::day::State;
use morgenruh_engine::rules::ids::ReservationId;
use morgenruh_engine::rules::room::fact::{RoomFact, RoomRecord};
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::rules::wish::WishId;
use morgenruh_engine::shell::drain::Store;
use morgenruh_engine::shell::stored::{Remembered, Stored};

use crate::history::{History, Town};
use crate::server::{NOW, Server};

const TOWN: Town = Town {
    offices: 4,
    days: 8,
    counters: 8,
};

/// Random histories of a town, applied in batches of random sizes: what the store remembers, and
/// what the rest of the ledger adds, is what somebody knows who was told everything.
#[test]
fn a_store_remembers_what_it_was_told() {
    for seed in 0..6 {
        let server = Server::start();
        let mut store = server.store();
        let mut random = fastrand::Rng::with_seed(seed);
        let mut history = History::new(seed, TOWN);
        let mut facts = history.facts(1_000);
        facts.extend(history.room(1, 20));
        facts.extend(history.wishes(300));
        facts.extend(history.facts(700));
        facts.extend(history.wishes(300));
        let mut open = history.room(u16::MAX, 20);
        open.pop();
        facts.extend(open);
        let now = history.now();
        let mut rest = &facts[..];
        let tail = random.usize(0..facts.len()) * usize::from(seed % 2 == 1);
        while rest.len() > tail {
            let most = rest.len() - tail;
            let (batch, later) = rest.split_at(random.usize(1..=400).min(most));
            store.apply(batch).unwrap();
            rest = later;
        }
        let loaded = store.load(now, &|_| {}).unwrap();
        assert_eq!(
            loaded.state.watermark.0,
            (facts.len() - rest.len()) as u64,
            "seed {seed}"
        );
        let mut remembered = loaded.remembered;
        remembered.follow(rest);
        let mut told = Remembered::default();
        told.follow(&facts);
        let (remembered, told) = (remembered.into_stored(now), told.into_stored(now));
        assert_same(&remembered, &told, now, seed);
        assert!(told.bookings.len() > 300 && told.holds.len() > 20);
        let knows = remembered.room_facts.iter().map(knows_who_booked);
        assert_eq!(knows.filter(|it| *it).count(), 20, "of the open room");
    }
}

/// Bookings of past days are left where they are, by the earlier of two clocks.
#[test]
fn days_that_are_over_are_not_loaded() {
    const DAY_MS: i64 = 86_400_000;
    let server = Server::start();
    let mut store = server.store();
    let mut history = History::new(9, TOWN);
    store.apply(&history.facts(500)).unwrap();
    let all = store.load(NOW, &|_| {}).unwrap();
    let bookings = all.remembered.bookings.len();
    let in_a_week = UnixMillis(NOW.0 + 7 * DAY_MS);
    let ahead = store.load(in_a_week, &|_| {}).unwrap();
    assert_eq!(ahead.remembered.bookings.len(), bookings);
    assert_eq!(ahead.remembered.hold_facts.len(), 0);
    server
        .postgres
        .sql("UPDATE watermark SET at = at + interval '7 days'");
    let later = store.load(in_a_week, &|_| {}).unwrap();
    let left = later.remembered.bookings.len();
    assert!(left > 0 && left < bookings, "{left} of {bookings}");
    let days = later.remembered.bookings.iter();
    let first = days.map(|booking| booking.id.day_key().day.0).min();
    assert_eq!(first, Some(crate::history::TODAY + 5));
    let behind = store.load(NOW, &|_| {}).unwrap();
    assert_eq!(behind.remembered.bookings.len(), bookings);
}

fn knows_who_booked(record: &RoomRecord) -> bool {
    matches!(&record.fact, RoomFact::Spent { identities, .. } if !identities.is_empty())
}

/// Those that last.
fn rests(stored: &Stored, now: UnixMillis) -> Vec<(ReservationId, UnixMillis)> {
    let rests = stored.rests.iter().filter(|(_, until)| *until > now);
    rests.copied().collect()
}

fn assert_same(one: &Stored, other: &Stored, now: UnixMillis, seed: u64) {
    let bookings = |stored: &Stored| {
        let mut bookings = stored.bookings.clone();
        bookings.sort_unstable_by_key(|booking| booking.id);
        bookings
    };
    let keys = |stored: &Stored| {
        let keys = stored.idempotency_keys.iter();
        let mut keys: Vec<_> = keys.map(|it| (it.at, it.key.0, it.request.0)).collect();
        keys.sort_unstable();
        keys
    };
    assert_eq!(bookings(one), bookings(other), "seed {seed}");
    assert_eq!(one.holds, other.holds, "seed {seed}");
    assert_eq!(keys(one), keys(other), "seed {seed}");
    assert_eq!(one.room_facts, other.room_facts, "seed {seed}");
    assert_eq!(one.release_facts, other.release_facts, "seed {seed}");
    assert_eq!(one.wish_facts, other.wish_facts, "seed {seed}");
    assert_eq!(one.last_wish, other.last_wish, "seed {seed}");
    assert_eq!(rests(one, now), rests(other, now), "seed {seed}");
    let wishes = one.wish_facts.iter().map(|it| it.wish);
    let wishes: BTreeSet<WishId> = wishes.collect();
    assert!(wishes.len() > 20 && (wishes.len() as u64) < one.last_wish.0 - 20);
    assert!(rests(one, now).len() > 10);
    let booked = |stored: &Stored| {
        let states = stored.bookings.iter().map(|booking| &booking.state);
        states.filter(|it| matches!(it, State::Booked(..))).count()
    };
    assert!(booked(one) > 0 && booked(one) < one.bookings.len());
}
