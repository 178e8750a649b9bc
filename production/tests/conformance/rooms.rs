//! What every mode promises about waiting rooms and releases: whatever happened in one comes back
//! after a restart as it was, tickets included, and who booked is forgotten at a room's end.
//!
//! The facts are written past the engine, straight into the ledger.

use jiff::civil::Date;
use morgenruh_engine::rules::catalogue::Channel;
use morgenruh_engine::rules::ids::{Digest, ReservationId};
use morgenruh_engine::rules::record::{Booked, Confirmed, Contract, Fact, Record};
use morgenruh_engine::rules::release::ReleaseId;
use morgenruh_engine::rules::release::fact::{ReleaseFact, ReleaseRecord};
use morgenruh_engine::rules::room::draw::DrawSecret;
use morgenruh_engine::rules::room::fact::{Allotment, Ending, IdentityKey, RoomFact, RoomRecord};
use morgenruh_engine::rules::room::proof::Beacon;
use morgenruh_engine::rules::room::{RoomId, TicketId};
use morgenruh_engine::rules::time::{DayNumber, Millis};
use morgenruh_engine::shell::ledger::Entry;
use morgenruh_engine::shell::record_text;
use morgenruh_engine::shell::stored::Stored;

use crate::mode::{Embedded, Mode, Production};
use crate::moving::start_move;
use crate::place::Place;
use crate::servers::Servers;
use crate::stories::in_every_mode;
use crate::support::{EVENING, HOLD, TUESDAY, clock, digest, erika, need};
use crate::townhall::kleinheim;

in_every_mode!(
    what_happens_in_a_room_is_there_after_a_restart,
    a_booking_after_the_end_of_its_room_leaves_nobody_behind,
);

/// The number is the largest there is: no mode may take it for a negative one.
fn room_of(day: Date) -> RoomId {
    RoomId {
        number: u16::MAX,
        day: DayNumber::from_date(day).unwrap(),
    }
}

fn room() -> RoomId {
    room_of(TUESDAY)
}

/// The numbers are the largest that there are here as well.
fn of_release(fact: ReleaseFact) -> Fact {
    Fact::Release {
        release: ReleaseId {
            office: u16::MAX,
            day: room().day,
            minute: 24 * 60 - 1,
        },
        fact: Box::new(fact),
    }
}

fn in_room(fact: RoomFact) -> Fact {
    Fact::Room {
        room: room(),
        fact: Box::new(fact),
    }
}

/// A hold of ten minutes of Tuesday, made with the pass of this ticket, and the booking that
/// spends it.
fn visit(seq: u32) -> [Fact; 2] {
    const DAY: [u8; 2] = 9_831u16.to_be_bytes();
    let place = seq as u8 % 24;
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&[0, 1, DAY[0], DAY[1], 0, 0, 96 + 2 * place, 2]);
    bytes[9] = place;
    let id = ReservationId::from_bytes(bytes);
    let ticket = Some(TicketId { room: room(), seq });
    let (services, channel) = (need(2).services, Channel::Public);
    let secret = digest("a hold");
    let held = Fact::Held {
        id,
        services,
        channel,
        secret,
        deadline: EVENING + HOLD,
        ticket,
    };
    let start = clock(TUESDAY, 8 + u16::from(place / 6), 10 * u16::from(place % 6));
    let contract = Contract {
        origin: id,
        manage: digest("manage"),
        request: digest("a request"),
        sequence: 0,
    };
    let confirmed = Confirmed {
        id,
        services,
        channel,
        start,
        end: start + Millis::from_minutes(10),
        secret,
        contract,
    };
    let booked = Fact::Booked(Box::new(Booked {
        confirmed,
        person: erika(),
        idempotency_key: Some(digest("a request")),
        ticket,
        identities: vec![Digest([0xab; 16]), Digest([0xcd; 16])],
        wish: None,
    }));
    [held, booked]
}

/// Everything that can happen in a room, in an order in which it does.
fn life() -> Vec<Fact> {
    let [held, booked] = visit(0);
    let [left_open, _] = visit(u32::MAX - 1);
    let (by, reason) = ("anna", "Feueralarm, 3. OG: \"alle raus\"\n");
    let (by, reason) = (by.to_owned(), reason.to_owned());
    vec![
        in_room(RoomFact::Announced {
            secret: DrawSecret([0x5e; 32]),
            identity_key: IdentityKey([9; 32]),
            rules: "# Regeln\n\nWer um 6:30 Uhr da ist, nimmt an der Verlosung teil. 🎟\n".into(),
        }),
        in_room(RoomFact::Reserved {
            upto: u32::MAX,
            given: 0,
        }),
        in_room(RoomFact::Drawn {
            tickets: 4_000_000_000,
            beacon: Some(Beacon {
                value: vec![0, 255, 16],
                source: "https://example.org/beacon/1".into(),
                at: "2026-12-01T06:30:02+01:00".into(),
            }),
        }),
        in_room(RoomFact::Called { upto: 20 }),
        in_room(RoomFact::Passed {
            seq: 0,
            turn: 0,
            expires_at: EVENING.0 + 600_000,
        }),
        held,
        left_open,
        in_room(RoomFact::Preferred {
            seq: 5,
            by: by.clone(),
            reason: reason.clone(),
        }),
        in_room(RoomFact::Paused {
            by: by.clone(),
            reason: reason.clone(),
        }),
        booked,
        in_room(RoomFact::Resumed { by, reason }),
        in_room(RoomFact::Unsure { from: 5, upto: 9 }),
        in_room(RoomFact::Frozen { tickets: 9 }),
        of_release(ReleaseFact::Announced {
            secret: DrawSecret([0xd1; 32]),
            rules: "{\"window_seconds\":1800}".into(),
        }),
        of_release(ReleaseFact::Withdrawn {
            by: "anna".into(),
            reason: "Wasserrohrbruch, \"2. OG\"".into(),
        }),
        in_room(RoomFact::Missed { seq: 2 }),
        in_room(RoomFact::Lapsed { seq: 3, turn: 255 }),
        in_room(RoomFact::Left { seq: 4 }),
        in_room(RoomFact::Allotted {
            seats: vec![Allotment {
                position: u32::MAX,
                seat: visit(6)[0].reservation().unwrap(),
            }],
        }),
        in_room(RoomFact::Ended {
            how: Ending::SoldOut,
        }),
    ]
}

/// What there is to be known of rooms after these facts.
fn rooms_of(facts: &[Fact]) -> Vec<RoomRecord> {
    let told = facts.iter().filter_map(|fact| match fact {
        Fact::Room { room, fact } => Some((*room, (**fact).clone())),
        Fact::Booked(booked) => booked.spent(),
        _ => None,
    });
    let records = told.map(|(room, fact)| RoomRecord {
        at: EVENING,
        room,
        fact,
    });
    let mut records: Vec<RoomRecord> = records.collect();
    let has_ended = records
        .iter()
        .any(|it| matches!(it.fact, RoomFact::Ended { .. }));
    for RoomRecord { fact, .. } in &mut records {
        if let RoomFact::Spent { identities, .. } = fact
            && has_ended
        {
            identities.clear();
        }
    }
    records
}

/// Ids and tickets of the holds that live after these facts.
fn holds_of(facts: &[Fact]) -> Vec<(ReservationId, Option<TicketId>)> {
    let mut holds = Vec::new();
    for fact in facts {
        match fact {
            Fact::Held { id, ticket, .. } => holds.push((*id, *ticket)),
            Fact::Booked(booked) => holds.retain(|(id, _)| *id != booked.confirmed.id),
            _ => {}
        }
    }
    holds
}

fn assert_remembered(stored: &Stored, facts: &[Fact]) {
    assert_eq!(stored.room_facts, rooms_of(facts));
    let releases = facts.iter().filter_map(|fact| match fact {
        Fact::Release { release, fact } => Some(ReleaseRecord {
            at: EVENING,
            release: *release,
            fact: (**fact).clone(),
        }),
        _ => None,
    });
    assert_eq!(stored.release_facts, releases.collect::<Vec<_>>());
    let holds = stored.holds.iter().map(|it| (it.id, it.ticket));
    assert_eq!(holds.collect::<Vec<_>>(), holds_of(facts));
    assert!(stored.bookings.iter().all(|it| it.ticket.is_none()));
}

/// Opens what there is, looks at what is remembered, and writes these facts down.
fn go_on<M: Mode>(mode: &mut M, so_far: &[Fact], next: &[Fact]) {
    let (ledger, stored) = mode.open(&mut kleinheim()).unwrap();
    assert_remembered(&stored, so_far);
    for fact in next {
        let fact = fact.clone();
        let record = Record { at: EVENING, fact };
        assert!(ledger.append(Entry { record, done: None }).is_ok());
    }
    ledger.close();
    drop(ledger);
    mode.check();
}

/// After each single fact of a whole life.
fn what_happens_in_a_room_is_there_after_a_restart<M: Mode>() {
    let facts = life();
    let mut mode = M::anew();
    for (so_far, next) in facts.iter().enumerate() {
        go_on(&mut mode, &facts[..so_far], std::slice::from_ref(next));
    }
    go_on(&mut mode, &facts, &[]);
    let line = |fact: &Fact| String::from_utf8(record_text::write(EVENING, fact)).unwrap();
    for (placed, fact) in mode.records().iter().zip(&facts) {
        let mut forgotten = fact.clone();
        if let Fact::Booked(booked) = &mut forgotten {
            booked.identities.clear();
        }
        let kept = line(&placed.record.fact);
        assert!(kept == line(fact) || kept == line(&forgotten), "{kept}");
    }
}

fn a_booking_after_the_end_of_its_room_leaves_nobody_behind<M: Mode>() {
    let mut facts = vec![in_room(RoomFact::Ended {
        how: Ending::Closed,
    })];
    let mut mode = M::anew();
    go_on(&mut mode, &[], &facts);
    let late = visit(7);
    go_on(&mut mode, &facts, &late);
    facts.extend(late);
    go_on(&mut mode, &facts, &[]);
}

/// Of older rooms only what proves their draws comes back, and of still older ones nothing.
fn what_proves_a_draw_comes_back_for_a_month<M: Mode>() {
    let mut mode = M::anew();
    let days_ago = [0, 2, 3, 31, 32];
    let of_day = |days: i8| room_of(TUESDAY.saturating_sub(jiff::Span::new().days(1 + days)));
    let mut facts = Vec::new();
    for days in days_ago {
        for fact in life() {
            if let Fact::Room { fact, .. } = fact {
                let room = of_day(days);
                facts.push(Fact::Room { room, fact });
            }
        }
    }
    let (ledger, _) = mode.open(&mut kleinheim()).unwrap();
    for fact in &facts {
        let fact = fact.clone();
        let record = Record { at: EVENING, fact };
        assert!(ledger.append(Entry { record, done: None }).is_ok());
    }
    ledger.close();
    drop(ledger);
    let mut expected = rooms_of(&facts);
    expected.retain(|it| {
        it.room.day >= of_day(2).day || it.room.day >= of_day(31).day && it.fact.outlives_room()
    });
    let (_ledger, stored) = mode.open(&mut kleinheim()).unwrap();
    assert_eq!(stored.room_facts, expected);
    let of = |days| {
        stored
            .room_facts
            .iter()
            .filter(move |it| it.room == of_day(days))
            .count()
    };
    assert_eq!(days_ago.map(of), [15, 15, 4, 4, 0]);
}

#[test]
fn what_proves_a_draw_comes_back_for_a_month_embedded() {
    what_proves_a_draw_comes_back_for_a_month::<Embedded>();
}

#[test]
fn what_proves_a_draw_comes_back_for_a_month_in_production() {
    what_proves_a_draw_comes_back_for_a_month::<Production>();
}

/// A city moves while a room is open, and another one after the end: the database has what the
/// directory had, and serves from it.
#[test]
fn rooms_move_with_their_city() {
    let facts = life();
    for lived in [facts.len() - 1, facts.len()] {
        let facts = &facts[..lived];
        let mut source = Embedded::anew();
        go_on(&mut source, &[], facts);
        let place = Place::on(Servers::shared());
        assert_eq!(start_move(&source, &place).unwrap(), lived as u64);
        let (ledger, stored) = place.open(&mut kleinheim()).unwrap();
        assert_remembered(&stored, facts);
        ledger.close();
        let known = place.sql("SELECT fact ? 'identities' FROM room_facts WHERE event = 'spent'");
        assert_eq!(known, if lived < life().len() { "t" } else { "f" });
        let row = place.sql(
            "SELECT room, day, drawn, passes, booked, ended_by FROM rooms;
             SELECT count(*), max(position) FROM facts;
             SELECT fact, ticket_room(ticket), ticket_day(ticket), ticket_number(ticket)
               FROM facts WHERE ticket IS NOT NULL ORDER BY position",
        );
        let how = if lived < life().len() { "" } else { "sold_out" };
        assert_eq!(
            row,
            format!(
                "65535|2026-12-01|4000000000|1|1|{how}\n{lived}|{lived}\n\
                 held|65535|2026-12-01|0\nheld|65535|2026-12-01|4294967294"
            )
        );
    }
}
