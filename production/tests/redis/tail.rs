//! Reading the stream for the drain and for a recovery, and cutting off what the store has.

use std::time::Instant;

use morgenruh_engine::rules::record::Position;
use morgenruh_engine::shell::drain::Tail;
use morgenruh_production::redis::{RedisJournal, RedisTail};

use crate::town::{CITY, STREAM, Town, write};

/// How many records the stream has, the newest of which is this one.
fn length(journal: &mut RedisJournal, newest: u64) -> u64 {
    let first = journal.state().unwrap().first;
    first.map_or(0, |first| newest + 1 - first.0)
}

#[test]
fn pages_follow_on_each_other() {
    let town = Town::new();
    let mut journal = town.journal();
    let mut tail = town.tail();
    assert_eq!(tail.after(Position(0), 10).unwrap().len(), 0);
    write(&mut journal, 0, 1..=25_000).unwrap();
    let mut position = Position(0);
    for expected in [7, 20_000, 4_993, 0] {
        let page = tail.after(position, expected.max(1)).unwrap();
        assert_eq!(page.len(), expected);
        for placed in page {
            position = Position(position.0 + 1);
            assert_eq!(placed.position, position);
        }
    }
}

#[test]
fn what_the_store_has_is_trimmed_but_for_a_reserve() {
    let town = Town::new();
    let mut journal = town.journal();
    for batch in 0..10 {
        let newest = batch * 4_096;
        write(&mut journal, newest, newest + 1..=newest + 4_096).unwrap();
    }
    let mut settings = town.settings();
    settings.kept_records = 5_000;
    let mut tail = RedisTail::open(&settings, CITY).unwrap();
    tail.trim(Position(9_000)).unwrap();
    let left = length(&mut journal, 40_960);
    assert_eq!(left, 40_960, "too little to be worth it");
    tail.trim(Position(40_960)).unwrap();
    // Entries are cut off as a whole, and so are the nodes that have several.
    let left = length(&mut journal, 40_960);
    assert!((5_000..6_000).contains(&left), "{left}");
    let first = journal.state().unwrap().first.unwrap();
    let gone = tail.after(Position(0), 10).unwrap_err();
    assert!(gone.0.contains("lacks the facts 1 to"), "{gone}");
    let rest = tail.after(Position(first.0 - 1), 10_000).unwrap();
    assert_eq!(rest.len() as u64, left);

    let mut tail = town.tail();
    tail.trim(Position(40_960)).unwrap();
    let left = length(&mut journal, 40_960);
    assert!((1..1_000).contains(&left), "the newest stays");
    assert_eq!(write(&mut journal, 40_960, [1]), Ok(()));
}

#[test]
fn what_is_no_record_is_said() {
    let town = Town::new();
    drop(town.journal());
    for fields in [&["r", "{}"][..], &["x", "{}"], &["r", "{}", "more", "1"]] {
        town.redis.command(&["XTRIM", STREAM, "MAXLEN", "0"]);
        town.redis.command(&["DEL", STREAM]);
        let entry = [&["XADD", STREAM, "1-0"][..], fields].concat();
        town.redis.command(&entry);
        let unreadable = town.tail().after(Position(0), 10).unwrap_err();
        assert!(unreadable.0.contains("unreadable"), "{unreadable}");
    }
}

/// A drain whose connection is cut goes on with the next one.
#[test]
fn the_tail_comes_back() {
    let mut town = Town::new();
    let mut journal = town.journal();
    write(&mut journal, 0, 1..=10).unwrap();
    let mut tail = town.tail();
    tail.after(Position(0), 10).unwrap();
    town.redis.restart();
    assert!(tail.after(Position(0), 10).is_err());
    let begun = Instant::now();
    while tail.after(Position(0), 10).is_err() {
        assert!(begun.elapsed().as_secs() < 10, "it does not come back");
    }
}
