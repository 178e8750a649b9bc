//! From facts to tables.

use std::time::{Duration, Instant};

use morgenruh_engine::rules::ids::ReservationId;
use morgenruh_engine::rules::record::{Booked, Fact, Position};
use morgenruh_engine::rules::room::RoomId;
use morgenruh_engine::rules::room::fact::RoomFact;
use morgenruh_engine::rules::time::{DayNumber, Millis, UnixMillis};
use morgenruh_engine::rules::wish::WishId;
use morgenruh_engine::rules::wish::fact::{WishEnding, WishFact};
use morgenruh_engine::shell::drain::{Placed, Store, StoreError};

use crate::history::{History, TODAY, Town, in_room, of_wish};
use crate::server::Server;

const TOWN: Town = Town {
    offices: 3,
    days: 5,
    counters: 6,
};

fn booked(fact: &Fact) -> &Booked {
    match fact {
        Fact::Booked(booked) => booked,
        other => panic!("{other:?} is no booking"),
    }
}

fn cancelled(of: &Fact) -> Fact {
    let confirmed = &booked(of).confirmed;
    Fact::Cancelled {
        id: confirmed.id,
        origin: confirmed.contract.origin,
        sequence: confirmed.contract.sequence + 1,
    }
}

/// The first booking moves to the seat of the second.
fn moved(of: &Fact, to: &Fact) -> Fact {
    let mut confirmed = booked(to).confirmed.clone();
    let from = &booked(of).confirmed;
    confirmed.contract = from.contract;
    confirmed.contract.sequence += 1;
    Fact::Moved {
        from: from.id,
        to: Box::new(confirmed),
        wish: None,
    }
}

/// Whatever is done to a booking within one transaction, the tables show how it ended; and the
/// same in as many transactions as there are facts.
#[test]
fn a_booking_that_is_made_moved_and_cancelled_at_once_ends_as_it_did_in_steps() {
    let mut tables = Vec::new();
    for batch_max in [1, 2, 3, 100] {
        let server = Server::start();
        let mut store = server.store();
        let mut history = History::new(1, TOWN);
        let [hold_a, book_a] = history.booking();
        let [hold_b, book_b] = history.booking();
        let [hold_c, book_c] = history.booking();
        let (move_a, cancel_c) = (moved(&book_a, &book_b), cancelled(&book_c));
        let Fact::Moved { to, .. } = &move_a else {
            panic!("it moved")
        };
        let cancel_a = Fact::Cancelled {
            id: to.id,
            origin: to.contract.origin,
            sequence: 2,
        };
        let facts = [
            hold_a, book_a, hold_b, move_a, hold_c, book_c, cancel_c, cancel_a,
        ];
        let facts: Vec<Placed> = facts.map(|fact| history.place(fact)).into();
        for batch in facts.chunks(batch_max) {
            store.apply(batch).unwrap();
        }
        let statuses = server
            .postgres
            .sql("SELECT status, sequence FROM bookings ORDER BY position");
        assert_eq!(statuses, "cancelled|1\ncancelled|2");
        tables.push(server.postgres.sql(
            "SELECT * FROM bookings ORDER BY id; SELECT * FROM persons ORDER BY booking;
             SELECT * FROM facts ORDER BY position;
              SELECT * FROM holds ORDER BY made_at, reservation;
             SELECT * FROM watermark",
        ));
    }
    tables.dedup();
    assert_eq!(tables.len(), 1, "{tables:#?}");
}

/// Two people exchange their seats in one transaction, so that in between both would be taken.
#[test]
fn seats_are_judged_as_they_are_at_the_end() {
    let server = Server::start();
    let mut store = server.store();
    let mut history = History::new(2, TOWN);
    let [hold_a, book_a] = history.booking();
    let [hold_b, book_b] = history.booking();
    let first: Vec<Placed> = [hold_a, book_a.clone(), hold_b, book_b.clone()]
        .map(|fact| history.place(fact))
        .into();
    store.apply(&first).unwrap();
    let seats = "SELECT string_agg(reservation::text, ' ' ORDER BY id) FROM bookings";
    let before = server.postgres.sql(seats);
    let exchange: Vec<Placed> = [moved(&book_a, &book_b), moved(&book_b, &book_a)]
        .map(|fact| history.place(fact))
        .into();
    store.apply(&exchange).unwrap();
    let after = server.postgres.sql(seats);
    let exchanged: Vec<&str> = after.split(' ').rev().collect();
    assert_eq!(exchanged.join(" "), before);
}

#[test]
fn what_is_there_is_not_applied_again() {
    let server = Server::start();
    let mut store = server.store();
    let mut history = History::new(3, TOWN);
    let facts = history.facts(50);
    assert_eq!(store.watermark(), Ok(Position(0)));
    store.apply(&facts).unwrap();
    let again = store.apply(&facts);
    assert!(matches!(again, Err(StoreError::Away(_))), "{again:?}");
    assert_eq!(store.watermark(), Ok(Position(50)));
    assert_eq!(server.postgres.sql("SELECT count(*) FROM facts"), "50");
    store.apply(&history.facts(10)).unwrap();
    assert_eq!(store.watermark(), Ok(Position(60)));
}

/// Everything that a rule of the tables forbids is told as such, by a sentence without personal
/// data, and leaves nothing behind.
#[test]
fn what_cannot_be_is_forbidden_and_changes_nothing() {
    let server = Server::start();
    let mut store = server.store();
    let mut history = History::new(4, TOWN);
    let [hold, book] = history.booking();
    let first: Vec<Placed> = [hold, book.clone()].map(|fact| history.place(fact)).into();
    store.apply(&first).unwrap();
    let before = server.postgres.sql("SELECT * FROM bookings");

    let [_, other] = history.booking();
    let twin = {
        let mut twin = booked(&book).clone();
        let mut bytes = twin.confirmed.id.to_bytes();
        bytes[15] ^= 1;
        twin.confirmed.id = ReservationId::from_bytes(bytes);
        twin.confirmed.contract.origin = twin.confirmed.id;
        Fact::Booked(Box::new(twin))
    };
    let nul = {
        let mut nul = booked(&other).clone();
        nul.person.name = "Zoë\0Müller".into();
        Fact::Booked(Box::new(nul))
    };
    let backwards = {
        let mut backwards = booked(&other).clone();
        backwards.confirmed.end = backwards.confirmed.start + Millis(-1);
        Fact::Booked(Box::new(backwards))
    };
    let ended = moved(&other, &book);
    for (fact, reason) in [
        (twin, "bookings_no_overlap"),
        (book, "bookings_pkey"),
        (nul, "0x00"),
        (backwards, "range"),
        (cancelled(&other), "not booked on the seat"),
        (ended, "not booked on the seat"),
    ] {
        let mut record = history.place(fact);
        record.position = Position(3);
        for batch in [vec![record.clone()], {
            let [held, _] = history.booking();
            let mut second = history.place(held);
            second.position = Position(4);
            vec![record, second]
        }] {
            let Err(StoreError::Forbidden(told)) = store.apply(&batch) else {
                panic!("{reason}: not forbidden");
            };
            assert!(told.contains(reason) || batch.len() > 1, "{told}");
            assert!(!told.contains("Zo"), "{told}");
            assert_eq!(store.watermark(), Ok(Position(2)));
        }
    }
    assert_eq!(server.postgres.sql("SELECT * FROM bookings"), before);
    assert_eq!(server.postgres.sql("SELECT count(*) FROM facts"), "2");
}

/// A fact whose place is taken cannot even be kept as a fact. It is put aside all the same, like
/// one that is forbidden for what it says, and the next ones follow.
#[test]
fn whatever_is_forbidden_can_be_put_aside() {
    let server = Server::start();
    let mut store = server.store();
    let mut history = History::new(5, TOWN);
    let [hold, book] = history.booking();
    let mut nul = booked(&book).clone();
    nul.person.name = "\0".into();
    let [mut hold, nul] = [hold, Fact::Booked(Box::new(nul))].map(|fact| history.place(fact));
    hold.record.at = UnixMillis(i64::MIN);
    server
        .postgres
        .sql("INSERT INTO facts VALUES (1, now(), 'expired', 'stray')");
    for (record, count) in [(hold, 1), (nul, 2)] {
        let Err(StoreError::Forbidden(reason)) = store.apply(std::slice::from_ref(&record)) else {
            panic!("{record:?} was applied");
        };
        assert_eq!(store.quarantine(&record, &reason), Ok(count));
        let again = store.quarantine(&record, &reason);
        assert!(again.is_err(), "{again:?}");
    }
    assert_eq!(store.state().unwrap().quarantined, 2);
    assert_eq!(store.watermark(), Ok(Position(2)));
    let next = history.booking().map(|fact| history.place(fact));
    store.apply(&next).unwrap();
    let aside = server
        .postgres
        .sql("SELECT position, left(record::text, 14) FROM quarantine ORDER BY position");
    assert_eq!(aside, "1|{\"fact\":\"held\"\n2|{\"fact\":\"booke");
    let facts = server
        .postgres
        .sql("SELECT position, fact FROM facts WHERE position <= 2 ORDER BY position");
    assert_eq!(facts, "1|expired\n2|booked");
    assert_eq!(server.postgres.sql("SELECT count(*) FROM facts"), "4");
}

/// Who booked is known until the room ends, whether both come in one transaction or not, and not of
/// what is booked with a pass later; other rooms are not touched.
#[test]
fn who_booked_is_forgotten_at_the_end_of_the_room() {
    for batch_max in [1, 3, 100] {
        let server = Server::start();
        let mut store = server.store();
        let mut history = History::new(8, TOWN);
        let mut facts = history.room(1, 3);
        let mut open = history.room(2, 4);
        open.pop();
        facts.extend(open);
        for batch in facts.chunks(batch_max) {
            store.apply(batch).unwrap();
        }
        let known = "SELECT room, count(*), count(*) FILTER (WHERE fact ? 'identities')
                       FROM room_facts WHERE event = 'spent' GROUP BY room ORDER BY room";
        assert_eq!(server.postgres.sql(known), "1|3|0\n2|4|4");
        // The end stands before them in the ledger.
        let mut again = history.room(1, 2);
        again.pop();
        for (place, mut fact) in again.into_iter().enumerate() {
            fact.position = Position(1 + (facts.len() + place) as u64);
            store.apply(&[fact]).unwrap();
        }
        assert_eq!(server.postgres.sql(known), "1|5|0\n2|4|4");
        let rooms = "SELECT room, drawn, booked, ended_by FROM rooms ORDER BY room";
        let rooms = server.postgres.sql(rooms);
        assert_eq!(rooms, "1|3|5|sold_out\n2|5|4|");
    }
}

/// A text that PostgreSQL cannot keep: the fact is put aside, and the room's next ones follow.
#[test]
fn a_fact_of_a_room_can_be_put_aside() {
    let server = Server::start();
    let mut store = server.store();
    let mut history = History::new(9, TOWN);
    let room = RoomId {
        number: 1,
        day: DayNumber(TODAY),
    };
    let paused = RoomFact::Paused {
        by: "anna".into(),
        reason: "\0".into(),
    };
    let paused = history.place(in_room(room, paused));
    let Err(StoreError::Forbidden(reason)) = store.apply(std::slice::from_ref(&paused)) else {
        panic!("it was applied");
    };
    assert_eq!(store.quarantine(&paused, &reason), Ok(1));
    store.apply(&history.room(1, 1)).unwrap();
    let kept = "SELECT count(*), count(reservation), count(ticket) FROM facts;
                SELECT count(*) FROM room_facts; SELECT position FROM quarantine";
    assert_eq!(server.postgres.sql(kept), "11|2|1\n9\n1");
}

/// Who laid a wish is known until it is forgotten, whether both come in one transaction or not, and
/// never in the table of facts.
#[test]
fn who_wishes_is_known_until_the_wish_is_forgotten() {
    for batch_max in [1, 2, 100] {
        let server = Server::start();
        let mut store = server.store();
        let mut history = History::new(10, TOWN);
        let how = WishEnding::Withdrawn;
        let facts = [
            history.lay(),
            history.lay(),
            of_wish(WishId(1), WishFact::Ended { how }),
            of_wish(WishId(1), WishFact::Forgotten),
            // Too late: it was handed over while the wish was forgotten.
            of_wish(WishId(1), WishFact::Told { notice: 1 }),
        ];
        let facts: Vec<Placed> = facts.map(|fact| history.place(fact)).into();
        for batch in facts.chunks(batch_max) {
            store.apply(batch).unwrap();
        }
        let sql = |question: &str| server.postgres.sql(question);
        assert_eq!(sql("SELECT wish FROM wishers"), "2");
        let persons = "SELECT count(*) FROM wish_facts WHERE fact::text LIKE '%example.org%'";
        assert_eq!(sql(persons), "0");
        let events = "SELECT string_agg(event, ' ' ORDER BY position) FROM wish_facts";
        assert_eq!(sql(events), "laid laid ended forgotten told");
        let wishes = "SELECT wish, offers, ended_by FROM wishes ORDER BY wish";
        assert_eq!(sql(wishes), "1|0|withdrawn\n2|0|");
        let loaded = store.load(history.now(), &|_| {}).unwrap().remembered;
        let known = loaded.wish_facts.iter().map(|it| it.wish);
        assert_eq!(known.collect::<Vec<_>>(), [WishId(2)]);
        assert_eq!(loaded.last_wish, WishId(2));
    }
}

/// A text that PostgreSQL cannot keep, a wish that is there already, a number that it cannot count
/// to: each is put aside, and nothing that is told about it names a person.
#[test]
fn a_fact_of_a_wish_can_be_put_aside() {
    let server = Server::start();
    let mut store = server.store();
    let mut history = History::new(11, TOWN);
    let first = history.lay();
    let again = first.clone();
    let mut nul = history.lay();
    if let Fact::Wish { fact, .. } = &mut nul
        && let WishFact::Laid { contact, .. } = &mut **fact
    {
        contact.as_mut().unwrap().name = "Zoë\0Müller".into();
    }
    let huge = of_wish(WishId(u64::MAX), WishFact::Forgotten);
    let first = history.place(first);
    store.apply(&[first]).unwrap();
    for (fact, count, expected) in [
        (again, 1, "wishers_pkey"),
        (nul, 2, "Unicode"),
        (huge, 3, "cannot be"),
    ] {
        let record = history.place(fact);
        let Err(StoreError::Forbidden(reason)) = store.apply(std::slice::from_ref(&record)) else {
            panic!("{expected}: it was applied");
        };
        assert!(reason.contains(expected), "{reason}");
        assert!(!reason.contains("Zo"), "{reason}");
        assert_eq!(store.quarantine(&record, &reason), Ok(count));
    }
    let next = history.lay();
    let next = history.place(next);
    store.apply(&[next]).unwrap();
    let kept = "SELECT count(*), count(reservation) FROM facts;
                SELECT string_agg(wish::text, ' ' ORDER BY wish) FROM wish_facts;
                SELECT string_agg(position::text, ' ' ORDER BY position) FROM quarantine";
    assert_eq!(server.postgres.sql(kept), "5|0\n1 3\n2 3 4");
}

/// Nobody has gathered statistics of young tables. Each change finds its row by its id all the
/// same, instead of looking through everything that is booked.
#[test]
fn a_change_reads_one_row() {
    let server = Server::start();
    let mut store = server.store();
    let facts = History::new(6, TOWN).facts(4_000);
    for batch in facts.chunks(200) {
        store.apply(batch).unwrap();
    }
    let made = server.postgres.sql("SELECT count(*) FROM bookings");
    // What it has read is counted when it ends, and some time later.
    drop(store);
    let counted = format!(
        "SELECT sum(idx_tup_read) FROM pg_stat_user_indexes JOIN pg_stat_user_tables USING (relid)
          WHERE pg_stat_user_tables.relname = 'bookings' AND n_tup_ins = {made}"
    );
    let begun = Instant::now();
    let read = loop {
        if let Ok(read) = server.postgres.sql(&counted).parse::<usize>() {
            break read;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "nothing is counted"
        );
    };
    assert!(read < facts.len(), "{read} rows for {} facts", facts.len());
}
