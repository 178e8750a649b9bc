//! Batches: what is written, and what a lost or late answer leaves.

use morgenruh_engine::rules::ids::ReservationId;
use morgenruh_engine::rules::record::{Booked, Confirmed, Contract, Fact, Person, Position};
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::shell::drain::Tail;
use morgenruh_engine::shell::scribe::{Failure, Journal, Kept};
use morgenruh_production::redis::StreamState;
use morgenruh_servers::{Mode, Proxy, RedisOptions};

use crate::town::{
    LINEAGE, META, STREAM, Town, begun, fact, impatient, newest, number, refused, write,
    write_when_back,
};

#[test]
fn a_batch_is_there_in_order_and_after_a_kill() {
    let mut town = Town::new();
    let mut journal = town.journal();
    assert_eq!(newest(&mut journal), 0);
    assert_eq!(write(&mut journal, 0, 1..=3), Ok(()));
    assert_eq!(write(&mut journal, 3, 4..=1_000), Ok(()));
    assert_eq!(write(&mut journal, 1_000, []), Ok(()));
    town.redis.kill();
    town.redis.restart();
    let records = town.records();
    assert_eq!(records.len(), 1_000);
    for record in &records {
        assert_eq!(number(&record.record.fact), record.position.0);
        assert_eq!(record.record.at, UnixMillis(record.position.0 as i64 * 10));
    }
    let mut journal = town.journal();
    let expected = StreamState {
        lineage: Some(LINEAGE),
        first: Some(Position(1)),
        newest: Position(1_000),
        newest_at: UnixMillis(10_000),
    };
    assert_eq!(journal.state(), Ok(expected));
}

/// Another run of the same server with the same data is nothing to tell anybody about, apart from
/// the call that found the connection closed.
#[test]
fn a_restart_of_redis_is_survived() {
    let mut town = Town::new();
    let mut journal = town.journal();
    write(&mut journal, 0, [1]).unwrap();
    town.redis.restart();
    let first = write(&mut journal, 1, [2]);
    assert!(matches!(first, Err(Failure::Unclear(_))), "{first:?}");
    write_when_back(&mut journal, 1, 2);
    assert_eq!(town.records().len(), 2);
}

/// What a killed server has read from its file may never have been synced. It counts as durable
/// only after something more was written to that file, and that is synced before the answer.
#[test]
fn what_is_found_after_a_kill_is_made_durable_first() {
    let mut town = Town::new();
    let mut journal = town.journal();
    write(&mut journal, 0, [1]).unwrap();
    town.redis.kill();
    town.redis.restart();
    let before = info(&town, "aof_current_size");
    while journal.newest().is_err() {}
    assert!(info(&town, "aof_current_size") > before);
}

/// Facts of a first start behind a store that has some already.
#[test]
fn a_ledger_can_begin_behind_a_store() {
    let town = Town::new();
    let mut journal = town.open().unwrap();
    journal
        .begin_at(LINEAGE, Position(41), UnixMillis(9))
        .unwrap();
    assert_eq!(journal.newest(), Ok((Position(41), UnixMillis(9))));
    assert!(journal.begin(LINEAGE).is_err(), "it was begun");
    write(&mut journal, 41, [42, 43]).unwrap();
    assert_eq!(
        town.redis
            .command(&["XRANGE", STREAM, "-", "+"])
            .lines()
            .next(),
        Some("43-0")
    );
    assert_eq!(journal.state().unwrap().first, Some(Position(42)));
}

#[test]
fn nothing_is_written_where_nothing_was_begun() {
    let town = Town::new();
    let mut journal = town.open().unwrap();
    refused(journal.newest().map(|_| ()));
    refused(write(&mut journal, 0, [1]));
    assert_eq!(town.redis.command(&["EXISTS", STREAM]), "0");
}

/// Redis stands still for longer than we wait. What was sent meanwhile is in its queue and is
/// carried out when it goes on. Nobody is told anything wrong, and nothing is there twice.
#[test]
fn a_pause_leaves_nothing_doubled() {
    let mut town = Town::new();
    let mut journal = town.impatient_journal();
    write(&mut journal, 0, [1]).unwrap();
    let mut last = 1;
    for round in 0..5 {
        town.redis.pause();
        let stuck = write(&mut journal, last, [last + 1, last + 2]);
        assert!(matches!(stuck, Err(Failure::Unclear(_))), "{stuck:?}");
        if round % 2 == 0 {
            refused(journal.newest().map(|_| ()));
        }
        town.redis.resume();
        let found = loop {
            match journal.newest() {
                Ok((found, _)) => break found.0,
                Err(Failure::Refused(_)) => std::thread::yield_now(),
                Err(other) => panic!("{other:?}"),
            }
        };
        assert!(found == last || found == last + 2, "{found}");
        match write(&mut journal, found, [found + 1]) {
            Ok(()) => last = found + 1,
            // It came between the two.
            Err(Failure::Unclear(_)) => last = newest(&mut journal),
            Err(other) => panic!("{other:?}"),
        }
    }
    let numbers: Vec<u64> = town
        .records()
        .iter()
        .map(|it| number(&it.record.fact))
        .collect();
    assert_eq!(numbers, (1..=last).collect::<Vec<_>>());
}

/// The same call once more, after the batch was tried again and written: it does nothing.
#[test]
fn a_late_call_does_nothing() {
    let town = Town::new();
    let mut journal = town.journal();
    write(&mut journal, 0, [1, 2]).unwrap();
    let script = include_str!("../../src/redis/append.lua");
    let session = town.redis.command(&["HGET", META, "session"]);
    let late = |newest: &str| {
        let call = [
            "EVAL", script, "2", STREAM, META, &session, newest, "10", "1", "late",
        ];
        town.redis.command(&call)
    };
    for newest in ["0", "1", "3"] {
        assert_eq!(late(newest), "newest\n2");
    }
    assert_eq!(town.records().len(), 2);
    let mut again = town.journal();
    assert_eq!(late("2"), "fenced", "it is of an earlier run");
    assert_eq!(write(&mut again, 2, [3]), Ok(()));
    assert_eq!(town.records().len(), 3);
}

/// The answer is lost on its way: the records are there, and the journal says so when asked.
#[test]
fn a_lost_answer_leaves_it_unclear() {
    let town = Town::new();
    let proxy = Proxy::start(town.redis.address());
    let mut journal = begun(&impatient(&proxy.address().to_string()), &town.data());
    write(&mut journal, 0, [1]).unwrap();
    proxy.switch(Mode::HalfClose);
    for _ in 0..2 {
        let outcome = write(&mut journal, 1, [2]);
        assert!(outcome.is_err());
    }
    proxy.switch(Mode::Cut);
    refused(write(&mut journal, 1, [2]));
    proxy.switch(Mode::Pass);
    write_when_back(&mut journal, newest_of(&town), 9);
    assert_eq!(newest(&mut journal), newest_of(&town));
    town.records();
}

fn newest_of(town: &Town) -> u64 {
    let newest = town.records().last().map(|newest| newest.position.0);
    newest.unwrap_or(0)
}

/// Records that come together share an entry; whoever reads is given any part of it.
#[test]
fn a_batch_is_few_entries() {
    let town = Town::new();
    let mut journal = town.journal();
    write(&mut journal, 0, [1]).unwrap();
    write(&mut journal, 1, 2..=300).unwrap();
    let ids = town.redis.command(&["XRANGE", STREAM, "-", "+"]);
    let ids: Vec<&str> = ids.lines().filter(|line| line.ends_with("-0")).collect();
    assert_eq!(ids, ["1-0", "129-0", "257-0", "300-0"]);
    let mut tail = town.tail();
    for (after, max, found) in [(0, 3, 1..=3), (127, 4, 128..=131), (257, 99, 258..=300)] {
        let page = tail.after(Position(after), max).unwrap();
        let positions: Vec<u64> = page.iter().map(|placed| placed.position.0).collect();
        assert_eq!(positions, found.collect::<Vec<_>>());
    }
}

/// More than one call of the script can carry.
#[test]
fn a_great_batch_is_written_in_pieces() {
    let town = Town::new();
    let mut journal = town.journal();
    let person = Person {
        name: "Z".repeat(20_000),
        email: String::new(),
        phone: None,
        answers: [].into(),
    };
    let Fact::Moved { to, .. } = moved() else {
        panic!("it is a move")
    };
    let fact = Fact::Booked(Box::new(Booked {
        confirmed: *to,
        person,
        idempotency_key: None,
        ticket: None,
        identities: Vec::new(),
        wish: None,
    }));
    let records: Vec<Kept<'_>> = (1..=1_000)
        .map(|position| Kept {
            position: Position(position),
            at: UnixMillis(0),
            fact: &fact,
        })
        .collect();
    assert_eq!(journal.write(&records), Ok(()));
    assert_eq!(town.records().len(), 1_000);
}

fn moved() -> Fact {
    let from = ReservationId::from_bytes([1; 16]);
    let digest = morgenruh_engine::rules::ids::Digest([1; 16]);
    let contract = Contract {
        origin: from,
        manage: digest,
        request: digest,
        sequence: 0,
    };
    Fact::Moved {
        from,
        to: Box::new(Confirmed {
            id: from,
            services: Default::default(),
            channel: morgenruh_engine::rules::catalogue::Channel::Public,
            start: UnixMillis(0),
            end: UnixMillis(0),
            secret: digest,
            contract,
        }),
        wish: None,
    }
}

/// Whether Redis takes a batch is decided before its first record: memory that runs out within it
/// does not tear it. What is refused leaves no record, and there is room again after a trim.
#[test]
fn a_full_redis_refuses_whole_batches() {
    let town = Town::with(RedisOptions::default().set("maxmemory", "3mb"));
    let mut journal = town.journal();
    let mut last = 0;
    let reason = loop {
        match write(&mut journal, last, last + 1..=last + 500) {
            Ok(()) => last += 500,
            failure => break refused(failure),
        }
        assert!(last < 1_000_000, "it is never full");
    };
    assert!(reason.contains("OOM"), "{reason}");
    assert_eq!(newest_of(&town), last);
    // What the refused batch itself took is free again: now there is no room for the smallest call.
    let limit = |limit| town.redis.command(&["CONFIG", "SET", "maxmemory", limit]);
    limit("1mb");
    assert!(refused(write(&mut journal, last, [])).contains("OOM"));
    let mut journal = town.open().unwrap();
    assert_eq!(newest(&mut journal), last, "a full one can be taken over");
    town.records();
    town.redis.command(&["XTRIM", STREAM, "MAXLEN", "1"]);
    limit("3mb");
    assert_eq!(write(&mut journal, last, []), Ok(()));
    assert_eq!(write(&mut journal, last, [last + 1]), Ok(()));
}

/// Memory is just enough for the call and not for all its records: they follow all the same.
#[test]
fn memory_that_ends_within_a_batch_does_not_tear_it() {
    const FACTS: u64 = 40_000;
    const STEP_BYTES: u64 = 256 << 10;
    let town = Town::new();
    let mut journal = town.journal();
    let mut limit = info(&town, "used_memory");
    loop {
        limit += STEP_BYTES;
        let limit = limit.to_string();
        town.redis.command(&["CONFIG", "SET", "maxmemory", &limit]);
        match write(&mut journal, 0, 1..=FACTS) {
            Ok(()) => break,
            failure => assert!(refused(failure).contains("OOM")),
        }
        assert_eq!(newest_of(&town), 0);
    }
    assert_eq!(town.records().len() as u64, FACTS);
    assert!(info(&town, "used_memory_peak") > limit, "it had ended");
}

fn info(town: &Town, field: &str) -> u64 {
    let info = town.redis.command(&["INFO"]);
    let mut fields = info.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(name, _)| *name == field).unwrap();
    value.parse().unwrap()
}

#[test]
fn what_the_journal_says_of_a_fact_is_the_fact() {
    let town = Town::new();
    let mut journal = town.journal();
    let facts = [fact(1), moved()];
    let records: Vec<Kept<'_>> = (1..)
        .zip(&facts)
        .map(|(position, fact)| Kept {
            position: Position(position),
            at: UnixMillis(5),
            fact,
        })
        .collect();
    journal.write(&records).unwrap();
    let read: Vec<String> = town
        .records()
        .iter()
        .map(|it| format!("{:?}", it.record.fact))
        .collect();
    assert_eq!(read, facts.each_ref().map(|fact| format!("{fact:?}")));
}
