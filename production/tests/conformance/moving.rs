//! A city moves from the embedded mode into production, with all that it has lived through.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use jiff::civil::Date;
use morgenruh_engine::rules::ids::HoldToken;
use morgenruh_engine::rules::record::{Fact, Person, Record};
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use morgenruh_engine::shell::drain::Placed;
use morgenruh_engine::shell::engine::ConfirmAsk;
use morgenruh_engine::shell::ledger::Entry;
use morgenruh_engine::shell::stored::Stored;
use morgenruh_production::agreement::Disagreement;
use morgenruh_production::ledger::OpenError;
use morgenruh_production::migrate::{MigrateError, migrate};
use morgenruh_servers::{Mode as Network, scratch};

use crate::mode::{Embedded, Mode};
use crate::place::Place;
use crate::servers::{Servers, starting_a_program, wait_for_locks};
use crate::service::Service;
use crate::support::{EVENING, HOLD, Hall, THURSDAY, TUESDAY, WEDNESDAY, clock, digest};
use crate::townhall::{Townhall, kleinheim, seen, told};

const DAYS: [Date; 3] = [TUESDAY, WEDNESDAY, THURSDAY];
/// When what was held in the evening has expired.
const LATER: UnixMillis = UnixMillis(EVENING.0 + HOLD.0 + 1_000);

/// People who have booked; texts as people write them.
fn person(number: usize) -> Person {
    let names = [
        "Jürgen Öztürk-Weiß",
        "Zoë \"Zo\" O'Brien",
        "Łukasz Ångström\\",
        "田中 花子",
    ];
    let answer = |question: &str, answer: &str| (question.to_owned(), answer.to_owned());
    let answers = match number % 3 {
        0 => BTreeMap::new(),
        1 => [answer("anlass", "Führerschein für Großmutter 🚗")].into(),
        _ => [answer("anlass", ""), answer("größe", "{\"m\": 1.80}\n")].into(),
    };
    Person {
        name: names[number % names.len()].into(),
        email: format!("person-{number}@example.org"),
        phone: number.is_multiple_of(2).then(|| format!("0211 {number}")),
        answers,
    }
}

fn confirm(hall: &Hall, token: HoldToken, number: usize) {
    let (done, answer) = std::sync::mpsc::channel();
    let request = digest(&format!("request {number}"));
    let ask = ConfirmAsk {
        token,
        person: person(number),
        request,
        idempotency_key: (number % 3 != 1).then_some(request),
        identities: Vec::new(),
    };
    let done = move |outcome| drop(done.send(outcome));
    hall.engine.confirm(LATER, ask, done);
    told(answer).unwrap();
}

/// Bookings that stay, that move up to three times, and that are cancelled in between; holds that
/// live, are extended, stretched, given back and expired.
fn rich_history(hall: &Townhall<Embedded>) -> Vec<HoldToken> {
    let Townhall { hall, ledger, .. } = hall;
    hall.hold(EVENING, clock(TUESDAY, 11, 0)).unwrap();
    hall.engine.tick(LATER);
    let hold = |day, minute| hall.hold(LATER, clock(day, 8, minute)).unwrap();
    let bookings: Vec<HoldToken> = (0..30)
        .map(|number| {
            let token = hold(TUESDAY, number / 2 * 10);
            confirm(hall, token, usize::from(number));
            token
        })
        .collect();
    for (number, HoldToken { id, secret }) in (0..).zip(&bookings) {
        let manage = secret.manage();
        for step in 0..number % 4 {
            let day = DAYS[usize::from((step + 1) % 3)];
            let to = hold(day, number / 2 * 10);
            told(hall.move_to(LATER, *id, manage, to)).unwrap();
        }
        if number % 5 == 0 {
            told(hall.cancel(LATER, *id, manage)).unwrap();
        }
    }
    let [_lives, extended, stretched, released] =
        [180, 190, 200, 210].map(|minute| hold(THURSDAY, minute));
    hall.engine.extend(LATER, extended).unwrap();
    hall.engine.release(LATER, released).unwrap();
    let fact = Fact::Stretched {
        id: stretched.id,
        deadline: LATER + Millis::from_minutes(45),
    };
    let record = Record { at: LATER, fact };
    let entry = Entry { record, done: None };
    assert!(ledger.append(entry).is_ok());
    bookings
}

/// In an order that does not depend on where they were kept.
fn sorted(stored: &Stored) -> (Vec<String>, String, Vec<String>) {
    let mut bookings: Vec<_> = stored.bookings.iter().map(|it| format!("{it:?}")).collect();
    let keys = stored.idempotency_keys.iter();
    let mut keys: Vec<_> = keys.map(|it| format!("{it:?}")).collect();
    bookings.sort_unstable();
    keys.sort_unstable();
    (bookings, format!("{:?}", stored.holds), keys)
}

pub(crate) fn start_move(source: &Embedded, place: &Place) -> Result<u64, MigrateError> {
    let catalogue = place.named(kleinheim());
    let (from, data) = (source.data.path(), place.data.path());
    wait_for_locks();
    migrate(from, data, &place.settings(), &catalogue, &|_| {})
}

#[test]
fn everything_moves() {
    let hall = Townhall::<Embedded>::open();
    let bookings = rich_history(&hall);
    let mut source = hall.close();
    let (ledger, stored) = source.open(&mut kleinheim()).unwrap();
    let remembered = sorted(&stored);
    assert_eq!((stored.bookings.len(), stored.holds.len()), (30, 3));
    let hall = Hall::new(kleinheim(), ledger.clone(), LATER);
    hall.engine.recover(LATER, stored).unwrap();
    let days = seen(&hall.engine, &DAYS);
    let shown: Vec<_> = bookings
        .iter()
        .map(|it| hall.engine.booking(it.id, it.secret.manage()).unwrap())
        .collect();
    drop((hall, ledger));
    let facts = source.records();

    let place = Place::on(Servers::shared());
    assert_eq!(start_move(&source, &place).unwrap(), facts.len() as u64);
    let refused = source.open(&mut kleinheim()).err().unwrap();
    assert!(refused.contains("were moved to a Redis"), "{refused}");
    assert_eq!(start_move(&source, &place).unwrap(), facts.len() as u64);
    assert_facts(&place, &facts);
    assert_persons(&place, &facts);

    let mut catalogue = kleinheim();
    let (ledger, stored) = place.open(&mut catalogue).unwrap();
    assert_eq!(sorted(&stored), remembered);
    let ledger = Arc::new(ledger);
    // Other ids than those that were given out.
    let hall = Hall::new(catalogue, ledger.clone(), LATER + Millis(1));
    hall.engine.recover(LATER, stored).unwrap();
    assert_eq!(seen(&hall.engine, &DAYS), days);
    for (booking, shown) in bookings.iter().zip(&shown) {
        let found = hall.engine.booking(booking.id, booking.secret.manage());
        assert_eq!(found.as_ref(), Ok(shown));
    }
    // Of these one has stayed where it was, one has moved once, and the last one twice.
    let [_, moved, gone, _, stayed] = bookings[..5] else {
        panic!("five bookings")
    };
    confirm(&hall, stayed, 4);
    let to = hall.hold(LATER, clock(THURSDAY, 10, 0)).unwrap();
    let again = told(hall.move_to(LATER, moved.id, moved.secret.manage(), to)).unwrap();
    assert_eq!(again.confirmed.contract.sequence, 2);
    told(hall.cancel(LATER, gone.id, gone.secret.manage())).unwrap();
    ledger.close();
    drop((hall, ledger));
    let counted = place.sql("SELECT count(*), max(position) FROM facts");
    let newest = facts.len() + 3;
    assert_eq!(counted, format!("{newest}|{newest}"));
    // A live booking less than before.
    let live = shown.iter().filter(|it| !it.cancelled).count();
    assert_eq!(Service::start(&place).unwrap().found, live - 1);
}

/// The same facts about the same seats at the same times.
fn assert_facts(place: &Place, facts: &[Placed]) {
    let hex = |bytes: [u8; 16]| bytes.map(|byte| format!("{byte:02x}")).concat();
    let line = |Placed { position, record }: &Placed| {
        let successor = match &record.fact {
            Fact::Moved { to, .. } => hex(to.id.to_bytes()),
            _ => String::new(),
        };
        let (name, id) = (
            record.fact.name(),
            record.fact.reservation().map(|id| hex(id.to_bytes())),
        );
        let id = id.unwrap_or_default();
        format!("{}|{}|{name}|{id}|{successor}", position.0, record.at.0)
    };
    let lines: Vec<String> = facts.iter().map(line).collect();
    let kept = place.sql(
        "SELECT position, (extract(epoch FROM at) * 1000)::bigint, fact,
                encode(reservation, 'hex'), encode(successor, 'hex')
           FROM facts ORDER BY position",
    );
    assert_eq!(kept.lines().collect::<Vec<_>>(), lines);
}

fn assert_persons(place: &Place, facts: &[Placed]) {
    let booked = facts.iter().filter_map(|placed| match &placed.record.fact {
        Fact::Booked(booked) => Some(&booked.person),
        _ => None,
    });
    let mut expected: Vec<_> = booked
        .map(|person| {
            let phone = person.phone.as_deref();
            serde_json::json!([person.name, person.email, phone, person.answers])
        })
        .collect();
    let kept = place.sql("SELECT json_build_array(name, email, phone, answers) FROM persons");
    let mut kept: Vec<serde_json::Value> = kept
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for persons in [&mut expected, &mut kept] {
        persons.sort_unstable_by_key(|person| person[1].to_string());
    }
    assert_eq!(kept, expected);
}

/// People hold a seat and give it back, so many times.
fn hold_and_release(hall: &Townhall<Embedded>, times: usize) {
    for _ in 0..times {
        let token = hall.hold(clock(TUESDAY, 8, 0));
        hall.hall.engine.release(EVENING, token).unwrap();
    }
}

/// PostgreSQL dies after the first batch. Nobody is served from half a move, the old directory goes
/// on serving, and what it is told meanwhile moves as well.
#[test]
fn an_interrupted_move_goes_on_where_it_stopped() {
    let hall = Townhall::<Embedded>::open();
    let first = hall.book(clock(TUESDAY, 9, 0));
    hold_and_release(&hall, 4_000);
    hall.go(first, clock(WEDNESDAY, 9, 0));
    let source = hall.close();

    let mut place = Place::on(Arc::new(Servers::own()));
    let (settings, catalogue) = (place.settings(), place.named(kleinheim()));
    let servers = RefCell::new(Arc::get_mut(&mut place.servers).unwrap());
    let dies = |_| servers.borrow_mut().postgres.kill();
    let (from, data) = (source.data.path(), place.data.path());
    wait_for_locks();
    let died = migrate(from, data, &settings, &catalogue, &dies);
    assert!(matches!(died, Err(MigrateError::History(_))), "{died:?}");
    let starting = starting_a_program();
    servers.into_inner().postgres.restart();
    drop(starting);

    let watermark = place.store_state().watermark;
    assert_eq!(watermark.0, 4_000);
    let refused = Service::start(&place).err().unwrap();
    let expected = Disagreement::LedgerEmpty { watermark };
    assert!(
        matches!(&refused, OpenError::Disagreement(found) if *found == expected),
        "{refused}"
    );
    let (hall, recovered) = Townhall::recover(source, LATER);
    assert_eq!(recovered.bookings, 1);
    hall.go(first, clock(THURSDAY, 9, 0));
    let source = hall.close();
    let facts = source.records();
    assert_eq!(start_move(&source, &place).unwrap(), facts.len() as u64);
    assert_facts(&place, &facts);
    let service = Service::start(&place).unwrap();
    assert_eq!(service.found, 1);
    let shown = service.hall.engine.booking(first.id, first.secret.manage());
    assert_eq!(shown.unwrap().confirmed.start, clock(THURSDAY, 9, 0));
}

/// What is there already is not ours to write to, and the old directory goes on serving.
#[test]
fn a_move_wants_empty_servers() {
    let hall = Townhall::<Embedded>::open();
    hall.book(clock(TUESDAY, 9, 0));
    let source = hall.close();
    let mut place = Place::on(Servers::shared());
    let service = Service::start(&place).unwrap();
    service.book([0]);
    service.stop();
    let refused = start_move(&source, &place).unwrap_err();
    assert!(
        matches!(refused, MigrateError::NotEmpty("Redis")),
        "{refused}"
    );
    place.city += "-2";
    let refused = start_move(&source, &place).unwrap_err();
    assert!(
        matches!(refused, MigrateError::NotEmpty("database")),
        "{refused}"
    );
    let counted = place.sql("SELECT count(*) FROM facts");
    assert_eq!(counted, "2");
    assert_eq!(Townhall::recover(source, EVENING).1.bookings, 1);
}

/// A name that was mistyped, and a directory that somebody still serves from.
#[test]
fn a_move_wants_a_directory_that_has_served_and_does_not() {
    let place = Place::on(Servers::shared());
    let nowhere = Embedded { data: scratch() };
    let refused = start_move(&nowhere, &place).unwrap_err().to_string();
    assert!(
        refused.contains("is this the right data directory?"),
        "{refused}"
    );
    let hall = Townhall::<Embedded>::open();
    let refused = start_move(&hall.mode, &place).unwrap_err().to_string();
    assert!(
        refused.contains("is in use by another process"),
        "{refused}"
    );
    assert_eq!(Service::start(&place).unwrap().found, 0);
}

/// The gateway's directory may be the one that is being left.
#[test]
fn a_move_can_stay_in_its_directory() {
    let hall = Townhall::<Embedded>::open();
    let booked = hall.book(clock(TUESDAY, 9, 0));
    let source = hall.close();
    let place = Place::on(Servers::shared());
    let (data, catalogue) = (source.data.path(), place.named(kleinheim()));
    wait_for_locks();
    let moved = migrate(data, data, &place.settings(), &catalogue, &|_| {});
    assert_eq!(moved.unwrap(), 2);
    let service = Service::start_from(&place, data).unwrap();
    let manage = booked.secret.manage();
    assert!(service.hall.engine.booking(booked.id, manage).is_ok());
}

/// Somebody has begun the Redis behind half a move. The rest of it would come too late.
#[test]
fn a_redis_that_was_begun_too_early_is_refused() {
    let hall = Townhall::<Embedded>::open();
    hold_and_release(&hall, 4_000);
    let source = hall.close();
    let place = Place::on(Servers::shared());
    let catalogue = place.named(kleinheim());
    let (from, data) = (source.data.path(), place.data.path());
    let breaks = |_| place.store_way.switch(Network::Cut);
    wait_for_locks();
    assert!(migrate(from, data, &place.settings(), &catalogue, &breaks).is_err());
    place.store_way.switch(Network::Pass);
    place.restart_ledger().unwrap();
    let refused = start_move(&source, &place).unwrap_err();
    assert!(
        matches!(refused, MigrateError::NotEmpty("Redis")),
        "{refused}"
    );
    assert_eq!(Townhall::recover(source, EVENING).1.bookings, 0);
}

/// How fast: with small numbers at each run of the tests, with large ones on demand.
///
/// `MORGENRUH_MEASURE=1 cargo test --release -p morgenruh-production --test conformance a_second --
/// --nocapture`
#[test]
fn facts_a_second() {
    let is_asked_for = std::env::var_os("MORGENRUH_MEASURE").is_some();
    let hall = Townhall::<Embedded>::open();
    hold_and_release(&hall, if is_asked_for { 100_000 } else { 500 });
    let source = hall.close();
    let place = Place::on(Servers::shared());
    let begun = Instant::now();
    let facts = start_move(&source, &place).unwrap();
    let took = begun.elapsed();
    let a_second = facts as f64 / took.as_secs_f64();
    println!("moved {facts} facts in {took:?}: {a_second:.0} a second");
}
