//! What the SQLite ledger keeps of wishes: what people read in the tables, and damage that is
//! found. That everything comes back after a restart is told in `morgenruh-production`'s
//! `conformance`.

use std::collections::BTreeMap;
use std::path::Path;

use morgenruh_engine::rules::catalogue::Channel;
use morgenruh_engine::rules::ids::{DayKey, ReservationId, Seat};
use morgenruh_engine::rules::record::{Booked, Confirmed, Contract, Fact, Record};
use morgenruh_engine::rules::time::{DayNumber, Millis, UnixMillis};
use morgenruh_engine::rules::wish::fact::{Contact, Notify, Offer, WishEnding, WishFact};
use morgenruh_engine::rules::wish::windows::Windows;
use morgenruh_engine::rules::wish::{Place, Wish, WishId};
use morgenruh_engine::shell::ledger::{Entry, Ledger};
use morgenruh_engine::shell::sqlite::SqliteLedger;
use tempfile::TempDir;

use crate::ledger::{OPTIONS, ask, errors, execute, kleinheim};
use crate::support::{EVENING, TUESDAY, clock, digest, erika, need, secret};

const NONE: [&str; 0] = [];
/// How long somebody has to answer.
const ANSWER: Millis = Millis::from_minutes(120);

/// Ten minutes of Tuesday's ninth hour; several ids of the same seat differ in their slot.
fn seat(visit: u16, slot: u16) -> ReservationId {
    let day = DayNumber::from_date(TUESDAY).unwrap();
    let seat = Seat {
        key: DayKey { office: 1, day },
        counter: 0,
        start: 108 + 2 * visit,
        units: 2,
    };
    ReservationId::new(seat, slot, u64::from(visit))
}

fn of_wish(wish: u64, fact: WishFact) -> Fact {
    Fact::Wish {
        wish: WishId(wish),
        fact: Box::new(fact),
    }
}

fn laid(wish: u64) -> Fact {
    let day = DayNumber::from_date(TUESDAY).unwrap();
    let contact = Contact {
        name: format!("Erika {wish}"),
        email: format!("erika{wish}@example.org"),
        phone: None,
        answers: BTreeMap::new(),
        language: "de".into(),
        notify: Notify::Email,
        secret: secret(wish),
    };
    let laid = WishFact::Laid {
        place: Place::at(EVENING),
        wish: Wish {
            services: need(2).services,
            offices: vec![1],
            windows: Windows::ALWAYS,
            from: day,
            until: day,
            notice_minutes: 0,
            auto_accept: false,
            instead_of: None,
        },
        ticket: None,
        contact: Some(Box::new(contact)),
    };
    of_wish(wish, laid)
}

fn offered(wish: u64, number: u8, seat: ReservationId) -> Fact {
    let start = clock(TUESDAY, 9, 0).0;
    let offer = Offer {
        number,
        seat,
        services: need(2).services,
        start,
        end: start + 600_000,
        deadline: (EVENING + ANSWER).0,
    };
    of_wish(wish, WishFact::Offered(offer))
}

fn booked(seat: ReservationId, wish: Option<u64>) -> Fact {
    let start = clock(TUESDAY, 9, 0);
    let contract = Contract {
        origin: seat,
        manage: digest("manage"),
        request: digest("request"),
        sequence: 0,
    };
    let confirmed = Confirmed {
        id: seat,
        services: need(2).services,
        channel: Channel::Agent,
        start,
        end: start + Millis::from_minutes(10),
        secret: digest("hold"),
        contract,
    };
    Fact::Booked(Box::new(Booked {
        confirmed,
        person: erika(),
        idempotency_key: None,
        ticket: None,
        identities: Vec::new(),
        wish: wish.map(WishId),
    }))
}

fn write(data: &Path, at: UnixMillis, facts: &[Fact]) {
    let (ledger, _) = SqliteLedger::open(data, &kleinheim(), OPTIONS).unwrap();
    for fact in facts {
        let fact = fact.clone();
        let record = Record { at, fact };
        assert!(ledger.append(Entry { record, done: None }).is_ok());
    }
}

/// A seat that the first wish declines and the second one accepts; another one that waits for the
/// first one's answer; a third wish that is forgotten; and somebody who has booked by themselves.
fn lived() -> TempDir {
    let data = tempfile::tempdir().unwrap();
    let facts = [
        laid(1),
        laid(2),
        offered(1, 1, seat(0, 0)),
        of_wish(1, WishFact::Declined { number: 1 }),
        offered(2, 1, seat(0, 1)),
        booked(seat(0, 1), Some(2)),
        offered(1, 2, seat(1, 0)),
        laid(3),
        of_wish(
            3,
            WishFact::Ended {
                how: WishEnding::Withdrawn,
            },
        ),
        of_wish(3, WishFact::Forgotten),
        booked(seat(2, 0), None),
    ];
    write(data.path(), EVENING, &facts);
    data
}

#[test]
fn people_read_what_became_of_a_wish() {
    let data = lived();
    let view = "SELECT wish || '|' || offers || '|' || declined || '|' || bookings || '|'
                       || ifnull(ended, '-') FROM wishes";
    let rows = ["1|2|1|0|-", "2|1|0|1|-", "3|0|0|0|withdrawn"];
    assert_eq!(ask::<String>(data.path(), view), rows);
    let wishers = "SELECT wish FROM wishers ORDER BY wish";
    assert_eq!(ask::<u64>(data.path(), wishers), [1, 2]);
    let persons = "SELECT count(*) FROM wish_facts WHERE fact LIKE '%rika%'";
    assert_eq!(ask::<u64>(data.path(), persons), [0]);
    assert_eq!(errors(data.path()), NONE);
}

#[track_caller]
fn assert_found(data: &Path, expected: &str) {
    let errors = errors(data);
    let found = errors.iter().any(|error| error.contains(expected));
    assert!(found, "{expected}: {errors:?}");
}

/// Facts that no wish can have.
#[test]
fn wishes_that_cannot_be_are_found() {
    let mut twice = laid(1);
    if let Fact::Wish { fact, .. } = &mut twice {
        fact.take_contact();
    }
    let told = WishFact::Told { notice: 1 };
    for (fact, expected) in [
        (twice, "wish 1: was laid twice"),
        (
            of_wish(4, told.clone()),
            "wish 4: fact 12 comes before it was laid",
        ),
        (
            of_wish(3, told),
            "wish 3: fact 12 comes after it was forgotten",
        ),
        (
            of_wish(1, WishFact::Lapsed { number: 1 }),
            "wish 1: offer 1 ended twice",
        ),
        (
            of_wish(2, WishFact::Declined { number: 1 }),
            "wish 2: offer 1 ended twice",
        ),
        (
            of_wish(1, WishFact::Lapsed { number: 3 }),
            "wish 1: offer 3 was never made",
        ),
        (offered(1, 1, seat(5, 0)), "wish 1: offer 1 was made twice"),
        (
            offered(2, 2, seat(1, 1)),
            "wish 2: offer 2 was made while its seat was offered to wish 1",
        ),
        (
            offered(2, 2, seat(2, 1)),
            "wish 2: offer 2 was made of a seat that is booked",
        ),
        (
            booked(seat(1, 1), None),
            "wish 1: the seat of offer 2 was booked as",
        ),
    ] {
        let data = lived();
        write(data.path(), EVENING, &[fact]);
        assert_found(data.path(), expected);
        assert_eq!(errors(data.path()).len(), 1, "{expected}");
    }
}

/// Nobody waits any more for an answer that was due: the word of it may come later.
#[test]
fn what_has_passed_its_deadline_stands_in_nobodys_way() {
    for fact in [offered(2, 2, seat(1, 1)), booked(seat(1, 1), None)] {
        let data = lived();
        write(data.path(), EVENING + ANSWER, &[fact]);
        assert_eq!(errors(data.path()), NONE);
    }
    // Unless it was given more time.
    let data = lived();
    let later = EVENING + ANSWER + ANSWER;
    let prolonged = WishFact::Prolonged {
        number: 2,
        deadline: later.0,
    };
    write(data.path(), EVENING, &[of_wish(1, prolonged)]);
    write(data.path(), EVENING + ANSWER, &[booked(seat(1, 1), None)]);
    assert_found(data.path(), "was booked as");
}

#[test]
fn damage_to_the_tables_of_wishes_is_found() {
    for (damage, expected) in [
        (
            "DELETE FROM wish_facts WHERE event = 'declined'",
            "1 facts of wishes are not in their table",
        ),
        (
            "UPDATE wish_facts SET position = 100 WHERE event = 'booked'",
            "1 facts of wishes are not in the ledger",
        ),
        (
            "UPDATE wish_facts SET fact = '{}' WHERE event = 'declined'",
            "fact 4 of a wish cannot be read",
        ),
        (
            "UPDATE wish_facts SET event = 'lapsed' WHERE event = 'declined'",
            "wish 1: fact 4 is not what its row or the ledger says",
        ),
        (
            "UPDATE wish_facts SET wish = 2 WHERE event = 'declined'",
            "wish 2: fact 4 is not what its row or the ledger says",
        ),
        (
            "UPDATE ledger SET reservation = zeroblob(16) WHERE fact = 'booked' AND position = 6",
            "wish 2: fact 6 is not what its row or the ledger says",
        ),
        (
            "DELETE FROM wishers WHERE wish = 1",
            "wish 1: is not forgotten but nobody knows who laid it",
        ),
        (
            "INSERT INTO wishers SELECT 3, contact FROM wishers WHERE wish = 1",
            "wish 3: is forgotten but still knows who laid it",
        ),
        (
            "INSERT INTO wishers SELECT 4, contact FROM wishers WHERE wish = 1",
            "wish 4: was never laid but knows who laid it",
        ),
        (
            "UPDATE wishers SET contact = '{}' WHERE wish = 1",
            "wish 1: who laid it cannot be read",
        ),
    ] {
        let data = lived();
        execute(data.path(), damage);
        assert_found(data.path(), expected);
    }
}
