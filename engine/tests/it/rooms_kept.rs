//! What the SQLite ledger keeps of waiting rooms: directories from before there were any, what
//! people read in the tables, and damage that is found. That everything comes back after a restart
//! is told in `morgenruh-production`'s `conformance`.

use std::path::Path;

use jiff::civil::date;
use morgenruh_engine::rules::catalogue::Channel;
use morgenruh_engine::rules::ids::{Digest, ReservationId};
use morgenruh_engine::rules::record::{Booked, Confirmed, Contract, Fact, Record};
use morgenruh_engine::rules::room::draw::DrawSecret;
use morgenruh_engine::rules::room::fact::{Ending, IdentityKey, RoomFact};
use morgenruh_engine::rules::room::{RoomId, TicketId};
use morgenruh_engine::rules::time::{DayNumber, Millis};
use morgenruh_engine::shell::ledger::{Entry, Ledger};
use morgenruh_engine::shell::sqlite::{DATABASE, SqliteLedger};
use morgenruh_engine::shell::verify::verify;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::ledger::{OPTIONS, ask, errors, execute, healthy, kleinheim};
use crate::support::{EVENING, HOLD, TUESDAY, clock, digest, erika, need};

/// Of the morning of which Tuesday's seats are.
fn room() -> RoomId {
    RoomId {
        number: 7,
        day: DayNumber::from_date(date(2026, 11, 30)).unwrap(),
    }
}

fn append(ledger: &SqliteLedger, fact: Fact) {
    let record = Record { at: EVENING, fact };
    assert!(ledger.append(Entry { record, done: None }).is_ok());
}

fn in_room(fact: RoomFact) -> Fact {
    Fact::Room {
        room: room(),
        fact: Box::new(fact),
    }
}

/// A hold of the third hour of Tuesday at the first counter, made with the pass of this ticket,
/// and the booking that spends it.
fn visit(seq: u32) -> [Fact; 2] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&[0, 1, 0x26, 0x67, 0, 0, 120 + 2 * seq as u8, 2]);
    bytes[15] = seq as u8;
    let id = ReservationId::from_bytes(bytes);
    let ticket = Some(TicketId { room: room(), seq });
    let services = need(2).services;
    let held = Fact::Held {
        id,
        services,
        channel: Channel::Public,
        secret: digest("hold"),
        deadline: EVENING + HOLD,
        ticket,
    };
    let start = clock(TUESDAY, 10 + seq as u16 / 6, 10 * (seq as u16 % 6));
    let contract = Contract {
        origin: id,
        manage: digest("manage"),
        request: digest("request"),
        sequence: 0,
    };
    let confirmed = Confirmed {
        id,
        services,
        channel: Channel::Public,
        start,
        end: start + Millis::from_minutes(10),
        secret: digest("hold"),
        contract,
    };
    let booked = Fact::Booked(Box::new(Booked {
        confirmed,
        person: erika(),
        idempotency_key: None,
        ticket,
        identities: vec![Digest([0xab; 16]), Digest([0xcd; 16])],
        wish: None,
    }));
    [held, booked]
}

/// A directory with the tables of version 1, as the program wrote them before there were rooms.
pub(crate) fn version_1() -> TempDir {
    let data = tempfile::tempdir().unwrap();
    let newer = healthy();
    let connection = Connection::open(data.path().join(DATABASE)).unwrap();
    connection
        .execute_batch(include_str!("version-1.sql"))
        .unwrap();
    let newer = newer.path().join(DATABASE);
    connection
        .execute("ATTACH ?1 AS newer", [newer.to_str().unwrap()])
        .unwrap();
    let copy = "INSERT INTO main.ledger
                SELECT position, at_ms, fact, reservation, successor, channel, services, secret,
                       deadline_ms FROM newer.ledger;
                INSERT INTO main.bookings SELECT * FROM newer.bookings;
                INSERT INTO main.persons SELECT * FROM newer.persons;
                INSERT INTO main.offices SELECT * FROM newer.offices;
                INSERT INTO main.services SELECT * FROM newer.services;
                INSERT INTO main.meta VALUES ('schema_version', '1');";
    connection.execute_batch(copy).unwrap();
    data
}

fn rows(data: &Path, table: &str) -> Vec<String> {
    let columns = format!(
        "SELECT group_concat('hex(ifnull(' || name || ', ''-''))', ' || ''|'' || ')
           FROM pragma_table_info('{table}') WHERE name <> 'ticket'"
    );
    let columns = ask::<String>(data, &columns).concat();
    ask(data, &format!("SELECT {columns} FROM {table} ORDER BY 1"))
}

#[test]
fn a_directory_from_before_there_were_rooms_keeps_everything() {
    let data = version_1();
    let before = verify(data.path()).unwrap();
    assert_eq!((before.errors.len(), before.booked), (0, 2));
    let tables = ["ledger", "bookings", "persons", "offices", "services"];
    let kept = tables.map(|table| rows(data.path(), table));
    assert!(kept.iter().all(|rows| !rows.is_empty()));
    for _ in 0..2 {
        let (ledger, stored) = SqliteLedger::open(data.path(), &kleinheim(), OPTIONS).unwrap();
        assert_eq!((stored.bookings.len(), stored.room_facts.len()), (3, 0));
        drop(ledger);
        assert_eq!(tables.map(|table| rows(data.path(), table)), kept);
        let version = "SELECT value FROM meta WHERE key = 'schema_version'";
        assert_eq!(ask::<String>(data.path(), version), ["3"]);
    }
    assert_eq!(verify(data.path()).unwrap(), before);
    // And it is one like any other now.
    let fresh = healthy();
    let shape = "SELECT name FROM sqlite_schema ORDER BY name";
    assert_eq!(
        ask::<String>(data.path(), shape),
        ask::<String>(fresh.path(), shape)
    );
    let (ledger, _) = SqliteLedger::open(data.path(), &kleinheim(), OPTIONS).unwrap();
    for fact in visit(0) {
        append(&ledger, fact);
    }
    drop(ledger);
    let tickets = "SELECT count(*) FROM ledger WHERE ticket IS NOT NULL";
    assert_eq!(ask::<u32>(data.path(), tickets), [1]);
    assert_eq!(errors(data.path()), [] as [&str; 0]);
}

/// A step from version to version is whole or not there.
#[test]
fn a_step_to_the_next_version_that_fails_changes_nothing() {
    let data = version_1();
    // Somebody has made a table that has the name of a new one, but not its columns.
    execute(data.path(), "CREATE TABLE room_facts (position INTEGER)");
    let tables = "SELECT name || ifnull(sql, '') FROM sqlite_schema ORDER BY name";
    let before: Vec<String> = ask(data.path(), tables);
    assert!(SqliteLedger::open(data.path(), &kleinheim(), OPTIONS).is_err());
    assert_eq!(ask::<String>(data.path(), tables), before);
    let version = "SELECT value FROM meta WHERE key = 'schema_version'";
    assert_eq!(ask::<String>(data.path(), version), ["1"]);
}

/// A room from its announcement to its end, in which two came and one has booked.
fn lived() -> TempDir {
    let data = tempfile::tempdir().unwrap();
    let (ledger, _) = SqliteLedger::open(data.path(), &kleinheim(), OPTIONS).unwrap();
    let [held, booked] = visit(1);
    let pass = |seq, turn| RoomFact::Passed {
        seq,
        turn,
        expires_at: EVENING.0,
    };
    for fact in [
        in_room(RoomFact::Announced {
            secret: DrawSecret([0x5e; 32]),
            identity_key: IdentityKey([9; 32]),
            rules: "Wer zuerst kommt, zieht ein Los.".into(),
        }),
        in_room(RoomFact::Reserved { upto: 2, given: 0 }),
        in_room(RoomFact::Drawn {
            tickets: 2,
            beacon: None,
        }),
        in_room(RoomFact::Called { upto: 2 }),
        in_room(pass(0, 0)),
        in_room(pass(1, 0)),
        held,
        booked,
        in_room(RoomFact::Lapsed { seq: 0, turn: 0 }),
    ] {
        append(&ledger, fact);
    }
    drop(ledger);
    data
}

fn end(data: &Path, how: Ending) {
    let (ledger, _) = SqliteLedger::open(data, &kleinheim(), OPTIONS).unwrap();
    append(&ledger, in_room(RoomFact::Ended { how }));
}

#[test]
fn people_read_what_became_of_a_room() {
    let data = lived();
    let view = "SELECT room || '|' || number || '|' || day || '|' || opened_utc || '|' || drawn
                       || '|' || passes || '|' || bookings || '|' || ifnull(ended, '-')
                  FROM rooms";
    let bits = room().to_bits();
    let row = format!("{bits}|7|2026-11-30|2026-11-30 18:00:00|2|2|1|");
    assert_eq!(ask::<String>(data.path(), view), [format!("{row}-")]);
    end(data.path(), Ending::SoldOut);
    assert_eq!(ask::<String>(data.path(), view), [format!("{row}sold_out")]);
    let findings = verify(data.path()).unwrap();
    assert_eq!((findings.rooms, findings.facts), (1, 10));
    assert_eq!(findings.errors, [] as [&str; 0]);
}

/// Digests of whoever booked are there until the room ends, and nowhere in the tables afterwards;
/// what is booked with a pass later leaves none.
#[test]
fn who_booked_is_forgotten_when_the_room_ends() {
    let knows = |data: &Path| {
        let spent = "SELECT fact FROM room_facts WHERE event = 'spent' ORDER BY position";
        ask::<String>(data, spent)
            .iter()
            .map(|it| it.contains("abab"))
            .collect::<Vec<_>>()
    };
    let data = lived();
    assert_eq!(knows(data.path()), [true]);
    end(data.path(), Ending::Closed);
    assert_eq!(knows(data.path()), [false]);
    let (ledger, _) = SqliteLedger::open(data.path(), &kleinheim(), OPTIONS).unwrap();
    for fact in visit(0) {
        append(&ledger, fact);
    }
    drop(ledger);
    assert_eq!(knows(data.path()), [false, false]);
    assert_eq!(errors(data.path()), [] as [&str; 0]);
}

#[test]
fn damage_to_a_room_is_found() {
    let again = |event: &str| {
        format!(
            "INSERT INTO ledger (position, at_ms, fact, reservation)
             SELECT max(position) + 1, max(at_ms), 'room', x'00072666' FROM ledger;
             INSERT INTO room_facts
             SELECT (SELECT max(position) FROM ledger), at_ms, room, day, event, fact
               FROM room_facts WHERE event = '{event}' LIMIT 1"
        )
    };
    let damages = [
        (again("drawn"), "was drawn twice"),
        (again("spent"), "ticket 1 was spent twice"),
        (
            again("reserved")
                + "; UPDATE room_facts SET fact = replace(fact, '\"upto\":2', '\"upto\":1')
                    WHERE event = 'reserved' AND position > 9",
            "reserved numbers fell from 2 to 1",
        ),
        (
            "UPDATE room_facts SET fact = replace(fact, '\"upto\":2', '\"upto\":1')
              WHERE event = 'reserved'"
                .into(),
            "ticket 1 has a pass but its number was never reserved",
        ),
        (
            "DELETE FROM room_facts WHERE event = 'lapsed'".into(),
            "1 facts of waiting rooms are not in their table",
        ),
        (
            "UPDATE room_facts SET fact = '{}' WHERE event = 'called'".into(),
            "fact 4 of a waiting room cannot be read",
        ),
        (
            "UPDATE room_facts SET day = day + 1 WHERE event = 'called'".into(),
            "fact 4 is not what its row or the ledger says",
        ),
        (
            "UPDATE room_facts SET position = 100 WHERE event = 'spent'".into(),
            "fact 100 is not what its row or the ledger says",
        ),
    ];
    for (damage, expected) in damages {
        let data = lived();
        execute(data.path(), &damage);
        let errors = errors(data.path());
        assert!(
            errors.iter().any(|error| error.contains(expected)),
            "{damage}: {errors:?}"
        );
    }
    let data = lived();
    let remembers = "SELECT fact FROM room_facts WHERE event = 'spent'";
    let fact = ask::<String>(data.path(), remembers).concat();
    end(data.path(), Ending::Closed);
    execute(
        data.path(),
        &format!("UPDATE room_facts SET fact = '{fact}' WHERE event = 'spent'"),
    );
    let errors = errors(data.path());
    assert!(
        errors
            .iter()
            .any(|it| it.contains("still knows who booked")),
        "{errors:?}"
    );
}
