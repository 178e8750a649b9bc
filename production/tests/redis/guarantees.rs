//! A server that does not keep what it acknowledges is found out, at the start and later.

use morgenruh_production::redis::{Durability, OpenError, RedisJournal};
use morgenruh_servers::RedisOptions;

use crate::town::{CITY, Town, refused, write};

fn away(outcome: Result<RedisJournal, OpenError>) -> String {
    match outcome {
        Err(OpenError::Away(reason)) => reason,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it is served"),
    }
}

#[test]
fn each_weak_setting_is_refused_and_named() {
    let mut town = Town::new();
    town.journal();
    for (name, weak, sound) in [
        ("appendfsync", "everysec", "always"),
        ("appendfsync", "no", "always"),
        ("no-appendfsync-on-rewrite", "yes", "no"),
        ("maxmemory-policy", "allkeys-lru", "noeviction"),
        ("appendonly", "no", "yes"),
    ] {
        town.redis.command(&["CONFIG", "SET", name, weak]);
        let reason = away(town.open());
        let advice = format!("{name} is {weak:?}");
        assert!(reason.contains(&advice), "{reason}");
        assert!(reason.contains(&format!("set {name} {sound}")), "{reason}");
        let mut settings = town.settings();
        settings.durability = Durability::Relaxed;
        let journal = RedisJournal::open(&settings, CITY, &town.data()).unwrap();
        let warnings = journal.warnings().list();
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains(&advice), "{warnings:?}");
        town.redis.command(&["CONFIG", "SET", name, sound]);
        let journal = when_ready(&town);
        assert_eq!(journal.warnings().list(), Vec::<String>::new());
    }
    // It does not stop politely before its file is whole.
    town.redis.kill();
}

/// Waits for an append-only file that is being made.
fn when_ready(town: &Town) -> RedisJournal {
    loop {
        match town.open() {
            Ok(journal) => return journal,
            Err(OpenError::Away(reason)) => assert!(reason.contains("wait for it"), "{reason}"),
            Err(other) => panic!("{other}"),
        }
    }
}

/// A file that was asked for a moment ago is not there yet, whatever the setting says.
#[test]
fn an_append_only_file_in_the_making_keeps_nothing() {
    let mut town = Town::with(RedisOptions::default().set("appendonly", "no"));
    town.redis.command(&["SET", "somebody", "else"]);
    let slowly = ["CONFIG", "SET", "rdb-key-save-delay", "1000000"];
    assert_eq!(town.redis.command(&slowly), "OK");
    town.redis.command(&["CONFIG", "SET", "appendonly", "yes"]);
    let reason = away(town.open());
    assert!(reason.contains("aof_rewrite_in_progress"), "{reason}");
    town.redis.kill();
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let options = RedisOptions::default()
        .set("appendonly", "no")
        .set("maxmemory-policy", "allkeys-random");
    let reason = away(Town::with(options).open());
    for name in ["appendonly", "maxmemory-policy"] {
        assert!(reason.contains(name), "{reason}");
    }
}

/// Checked again at each new connection, before anything is written.
#[test]
fn a_setting_that_was_changed_is_found_at_the_next_connection() {
    let mut town = Town::new();
    let mut journal = town.journal();
    write(&mut journal, 0, [1]).unwrap();
    town.redis.restart();
    town.redis
        .command(&["CONFIG", "SET", "appendfsync", "everysec"]);
    assert!(write(&mut journal, 1, [2]).is_err(), "it was closed");
    std::thread::sleep(std::time::Duration::from_millis(60));
    let reason = refused(write(&mut journal, 1, [2]));
    assert!(reason.contains("appendfsync"), "{reason}");
}

#[test]
fn a_replica_and_what_was_one_are_refused_with_any_policy() {
    let mut primary = Town::with(RedisOptions::default().set("repl-diskless-sync-delay", "0"));
    let mut journal = primary.journal();
    write(&mut journal, 0, [1, 2]).unwrap();
    let mut replica = Town::new();
    let port = primary.redis.port().to_string();
    replica.redis.command(&["REPLICAOF", "127.0.0.1", &port]);
    while !replica
        .redis
        .command(&["INFO", "replication"])
        .contains("master_link_status:up")
    {
        std::thread::yield_now();
    }
    let mut settings = replica.settings();
    for durability in [Durability::Strict, Durability::Relaxed] {
        settings.durability = durability;
        let reason = away(RedisJournal::open(&settings, CITY, &replica.data()));
        assert!(reason.contains("role is \"slave\""), "{reason}");
    }
    replica.redis.command(&["REPLICAOF", "NO", "ONE"]);
    for durability in [Durability::Strict, Durability::Relaxed] {
        settings.durability = durability;
        let reason = away(RedisJournal::open(&settings, CITY, &replica.data()));
        assert!(reason.contains("promoted"), "{reason}");
    }
    replica.redis.kill();
    primary.redis.kill();
}

/// Our own server is made a replica while we are connected, and then a primary again.
#[test]
fn a_server_that_becomes_a_replica_writes_nothing_more() {
    let other = Town::new();
    let mut town = Town::new();
    let mut journal = town.journal();
    write(&mut journal, 0, [1]).unwrap();
    let port = other.redis.port().to_string();
    town.redis.command(&["REPLICAOF", "127.0.0.1", &port]);
    let reason = refused(write(&mut journal, 1, [2]));
    assert!(reason.contains("READONLY"), "{reason}");
    let reason = refused(write(&mut journal, 1, []));
    assert!(reason.contains("role is \"slave\""), "{reason}");
    town.redis.command(&["REPLICAOF", "NO", "ONE"]);
    std::thread::sleep(std::time::Duration::from_millis(60));
    let reason = refused(write(&mut journal, 1, []));
    assert!(reason.contains("promoted"), "{reason}");
    town.redis.kill();
}
