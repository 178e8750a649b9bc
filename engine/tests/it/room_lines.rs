//! Facts of waiting rooms as lines of text: whatever happened comes back as it was, what is not
//! known is refused, and lines from before there were rooms can still be read.

use morgenruh_engine::rules::ids::{Digest, ReservationId};
use morgenruh_engine::rules::record::{Booked, Fact, Record};
use morgenruh_engine::rules::room::draw::DrawSecret;
use morgenruh_engine::rules::room::fact::{Ending, IdentityKey, RoomFact};
use morgenruh_engine::rules::room::proof::{BEACON_BYTES_MAX, Beacon};
use morgenruh_engine::rules::room::{RoomId, TicketId};
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::shell::record_text;
use proptest::prelude::*;

use crate::effort::effort;

fn digests() -> impl Strategy<Value = Vec<Digest>> {
    prop::collection::vec(any::<[u8; 16]>().prop_map(Digest), 0..4)
}

fn beacon() -> impl Strategy<Value = Beacon> {
    let value = prop::collection::vec(any::<u8>(), 0..=BEACON_BYTES_MAX);
    let words = any::<(String, String)>();
    (value, words).prop_map(|(value, (source, at))| Beacon { value, source, at })
}

fn happened() -> impl Strategy<Value = RoomFact> {
    let said = || (any::<String>(), any::<String>());
    prop_oneof![
        any::<([u8; 32], [u8; 32], String)>().prop_map(|(secret, key, rules)| {
            RoomFact::Announced {
                secret: DrawSecret(secret),
                identity_key: IdentityKey(key),
                rules,
            }
        }),
        any::<(u32, u32)>().prop_map(|(from, upto)| RoomFact::Unsure { from, upto }),
        any::<u32>().prop_map(|tickets| RoomFact::Frozen { tickets }),
        any::<(u32, u32)>().prop_map(|(upto, given)| RoomFact::Reserved { upto, given }),
        (any::<u32>(), prop::option::of(beacon()))
            .prop_map(|(tickets, beacon)| RoomFact::Drawn { tickets, beacon }),
        any::<u32>().prop_map(|upto| RoomFact::Called { upto }),
        any::<(u32, u8, i64)>().prop_map(|(seq, turn, expires_at)| RoomFact::Passed {
            seq,
            turn,
            expires_at,
        }),
        any::<u32>().prop_map(|seq| RoomFact::Missed { seq }),
        any::<(u32, u8)>().prop_map(|(seq, turn)| RoomFact::Lapsed { seq, turn }),
        any::<u32>().prop_map(|seq| RoomFact::Left { seq }),
        (any::<u32>(), said()).prop_map(|(seq, (by, reason))| RoomFact::Preferred {
            seq,
            by,
            reason,
        }),
        said().prop_map(|(by, reason)| RoomFact::Paused { by, reason }),
        said().prop_map(|(by, reason)| RoomFact::Resumed { by, reason }),
        (any::<u32>(), any::<[u8; 16]>(), digests()).prop_map(|(seq, id, identities)| {
            RoomFact::Spent {
                seq,
                booking: ReservationId::from_bytes(id),
                identities,
            }
        }),
        prop_oneof![Just(Ending::SoldOut), Just(Ending::Closed)]
            .prop_map(|how| RoomFact::Ended { how }),
    ]
}

fn room() -> impl Strategy<Value = RoomId> {
    any::<u32>().prop_map(RoomId::from_bits)
}

fn line(record: &Record) -> String {
    String::from_utf8(record_text::write(record.at, &record.fact)).unwrap()
}

proptest! {
    #![proptest_config(effort(512))]

    #[test]
    fn whatever_happens_comes_back_as_it_was(
        at in any::<i64>(),
        room in room(),
        happened in happened(),
    ) {
        let (at, told) = (UnixMillis(at), happened.clone());
        let written = record_text::write(at, &Fact::Room { room, fact: Box::new(happened) });
        let read = record_text::read(&written).unwrap();
        prop_assert_eq!(read.at, at);
        prop_assert_eq!(line(&read).into_bytes(), written);
        let Fact::Room { room: it, fact } = read.fact else { panic!("a room's fact") };
        prop_assert_eq!((it, *fact), (room, told));
        prop_assert_eq!(RoomId::from_bits(room.to_bits()), room);
    }

    /// A name in a newer program's fact that this one does not know would be lost with a rewrite.
    #[test]
    fn a_field_nobody_knows_is_refused(room in room(), happened in happened()) {
        let fact = Fact::Room { room, fact: Box::new(happened) };
        let known = line(&Record { at: UnixMillis(0), fact });
        let event = known.replacen("{\"event\":", "{\"more\":1,\"event\":", 1);
        let more = known.replacen("{\"fact\":", "{\"more\":1,\"fact\":", 1);
        for unknown in [event, more] {
            let told = record_text::read(unknown.as_bytes()).unwrap_err().to_string();
            prop_assert!(told.contains("unknown field `more`"), "{}", told);
        }
    }

    #[test]
    fn a_ticket_is_its_bytes(room in room(), seq in any::<u32>()) {
        let ticket = TicketId { room, seq };
        prop_assert_eq!(TicketId::from_bytes(ticket.to_bytes()), ticket);
        prop_assert_eq!(&ticket.to_bytes()[..4], room.to_bits().to_be_bytes());
    }
}

const ID: &str = "AAEmZwAAYAIAAAAAAAAAAQ";
const DIGEST: &str = "01010101010101010101010101010101";

/// As they were written before there were rooms.
fn old_lines() -> [String; 2] {
    let held = format!(
        r#"{{"fact":"held","at":7,"id":"{ID}","services":"1:1","channel":0,"deadline":9,"secret":"{DIGEST}"}}"#
    );
    let booked = format!(
        r#"{{"fact":"booked","at":8,"id":"{ID}","origin":"{ID}","services":"1:1","channel":0,"start":10,"end":20,"sequence":0,"secret":"{DIGEST}","manage":"{DIGEST}","request":"{DIGEST}","person":{{"name":"Zoë","email":"zoe@example.org"}}}}"#
    );
    [held, booked]
}

#[test]
fn lines_from_before_there_were_rooms_are_read_and_written_as_they_were() {
    for old in old_lines() {
        let record = record_text::read(old.as_bytes()).unwrap();
        match &record.fact {
            Fact::Held { ticket, .. } => assert_eq!(*ticket, None),
            Fact::Booked(booked) => {
                assert_eq!((booked.ticket, booked.spent()), (None, None));
                assert_eq!(booked.identities, []);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(line(&record), old);
    }
}

#[test]
fn a_ticket_and_its_identities_come_back() {
    let ticket = TicketId {
        room: RoomId::from_bits(0x8001_2667),
        seq: 3_000_000_000,
    };
    let [held, booked] = old_lines().map(|old| record_text::read(old.as_bytes()).unwrap());
    let Fact::Held {
        id,
        services,
        channel,
        secret,
        deadline,
        ..
    } = held.fact
    else {
        panic!("a hold")
    };
    let fact = Fact::Held {
        id,
        services,
        channel,
        secret,
        deadline,
        ticket: Some(ticket),
    };
    let again = record_text::read(&record_text::write(held.at, &fact)).unwrap();
    assert!(matches!(again.fact, Fact::Held { ticket: it, .. } if it == Some(ticket)));

    let Fact::Booked(booked) = booked.fact else {
        panic!("a booking")
    };
    let identities = vec![Digest([1; 16]), Digest([255; 16])];
    let fact = Fact::Booked(Box::new(Booked {
        ticket: Some(ticket),
        identities: identities.clone(),
        ..*booked
    }));
    let again = record_text::read(&record_text::write(UnixMillis(8), &fact)).unwrap();
    let Fact::Booked(again) = again.fact else {
        panic!("a booking")
    };
    let spent = RoomFact::Spent {
        seq: ticket.seq,
        booking: id,
        identities,
    };
    assert_eq!(again.spent(), Some((ticket.room, spent)));
}

#[test]
fn what_is_no_secret_no_beacon_and_no_digest_is_refused() {
    for event in [
        r#"{"event":"announced","secret":"00","rules":""}"#,
        r#"{"event":"drawn","tickets":1,"beacon":{"value":"0G","source":""}}"#,
        r#"{"event":"drawn","tickets":1,"beacon":{"value":"00","source":"","more":1}}"#,
        r#"{"event":"drawn","tickets":4294967296}"#,
        r#"{"event":"spent","seq":1,"booking":"x"}"#,
        r#"{"event":"ended","how":"tired"}"#,
        r#"{"event":"opened"}"#,
        r#"{"seq":1}"#,
    ] {
        let line = format!(r#"{{"fact":"room","at":1,"room":7,"event":{event}}}"#);
        assert!(record_text::read(line.as_bytes()).is_err(), "{event}");
    }
}
