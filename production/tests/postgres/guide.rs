//! What docs/STORE.md says about the tables is true.

use morgenruh_engine::shell::drain::Store;

use crate::history::{History, Town};
use crate::server::Server;
use crate::town;

const GUIDE: &str = include_str!("../../../docs/STORE.md");
/// How the secrets of rooms begin.
const SECRET: &str = "5e5e5e5e";
const TOWN: Town = Town {
    offices: 3,
    days: 4,
    counters: 5,
};

fn filled() -> Server {
    let server = Server::start();
    let mut store = server.store();
    store.name_numbers(&town::catalogue(TOWN)).unwrap();
    let mut history = History::new(7, TOWN);
    store.apply(&history.facts(600)).unwrap();
    store.apply(&history.room(1, 5)).unwrap();
    store.apply(&history.release(1)).unwrap();
    store.apply(&history.wishes(200)).unwrap();
    let mut open = history.room(2, 3);
    open.pop();
    store.apply(&open).unwrap();
    server
}

/// The lines of the section that begins with a heading in which this name stands.
fn section(name: &str) -> impl Iterator<Item = &'static str> {
    let heading = format!("`{name}`");
    let lines = GUIDE.lines();
    let mut lines = lines.skip_while(move |it| !(it.starts_with("###") && it.contains(&heading)));
    lines.next();
    lines.take_while(|line| !line.starts_with('#'))
}

#[test]
fn every_column_is_explained_and_every_explanation_has_a_column() {
    let server = filled();
    let columns = server.postgres.sql(
        "SELECT table_name, column_name FROM information_schema.columns
          WHERE table_schema = 'public' ORDER BY table_name, ordinal_position",
    );
    let columns: Vec<(&str, &str)> = columns
        .lines()
        .filter_map(|it| it.split_once('|'))
        .collect();
    assert!(columns.len() > 80, "{columns:?}");
    for (table, column) in &columns {
        let explained = section(table)
            .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
            .any(|names| names.split(", ").any(|name| name == format!("`{column}`")));
        assert!(explained, "{table}.{column} is not explained");
    }
    for line in GUIDE.lines().filter(|line| line.starts_with("| `")) {
        for name in line
            .split(" | ")
            .next()
            .into_iter()
            .flat_map(|it| it.split(", "))
        {
            let name = name.trim_matches(['|', '`', ' ']);
            assert!(
                columns.iter().any(|(_, it)| *it == name),
                "there is no {name}"
            );
        }
    }
}

#[test]
fn every_question_has_an_answer() {
    let server = filled();
    let mut questions = 0;
    for block in GUIDE.split("```sql\n").skip(1) {
        let question = block.split("```").next().unwrap();
        let answer = server.postgres.sql(question);
        assert!(answer.lines().count() > 1, "{question}{answer}");
        questions += 1;
    }
    assert_eq!(questions, 8);
}

/// Whoever may read the views and these tables cannot read who comes, nor what a draw follows from.
#[test]
fn who_evaluates_sees_no_personal_data() {
    let server = filled();
    let from = GUIDE.find("GRANT SELECT").unwrap();
    let grant = &GUIDE[from..from + GUIDE[from..].find(';').unwrap()];
    server
        .postgres
        .sql_as_superuser("CREATE ROLE auswertung LOGIN");
    server.postgres.sql(grant);
    let granted = "SELECT string_agg(table_name, ' ' ORDER BY table_name)
                     FROM information_schema.role_table_grants WHERE grantee = 'auswertung'";
    let granted = server.postgres.sql(granted);
    for table in granted.split(' ') {
        let question = format!("SET ROLE auswertung; SELECT * FROM {table}");
        let rows = server.postgres.sql_as_superuser(&question);
        assert!(!rows.is_empty(), "{table}");
        assert!(
            !rows.contains("example.org") && !rows.contains("Zoë") && !rows.contains(SECRET),
            "{table}"
        );
    }
    for withheld in [
        "persons",
        "quarantine",
        "room_facts",
        "release_facts",
        "wishers",
    ] {
        assert!(granted.split(' ').all(|it| it != withheld));
    }
    let secrets = format!("SELECT count(*) FROM room_facts WHERE fact::text LIKE '%{SECRET}%'");
    assert_eq!(server.postgres.sql(&secrets), "2");
}

/// The views say of every hold how it ended, and of every booking what its facts say.
#[test]
fn views_and_facts_agree() {
    let server = filled();
    let sql = |question: &str| server.postgres.sql(question);
    for (one, other) in [
        (
            "SELECT count(*) FROM holds",
            "SELECT count(*) FROM facts WHERE fact = 'held'",
        ),
        (
            "SELECT count(*) FROM holds WHERE ended_by = 'expired'",
            "SELECT count(*) FROM facts WHERE fact = 'expired'",
        ),
        (
            "SELECT count(*) FROM holds WHERE ended_by IN ('booked', 'moved')",
            // What is held for a wish is an offer and no hold.
            "SELECT count(*) FROM facts WHERE fact IN ('booked', 'moved')
                AND position NOT IN (SELECT position FROM wish_facts)",
        ),
        (
            "SELECT count(*) FROM cancellations",
            "SELECT count(*) FROM facts WHERE fact = 'cancelled'",
        ),
        (
            "SELECT count(DISTINCT booking) FROM booking_services",
            "SELECT count(*) FROM appointments",
        ),
        (
            "SELECT sum(booked) FROM rooms",
            "SELECT count(*) FROM room_facts JOIN facts USING (position) JOIN facts AS held
                ON held.reservation = facts.booking AND held.fact = 'held'
              WHERE event = 'spent' AND facts.fact = 'booked'
                AND ticket_room(held.ticket) = room AND ticket_day(held.ticket) = day
                AND ticket_number(held.ticket) = (room_facts.fact ->> 'seq')::bigint",
        ),
        (
            "SELECT count(*) FROM room_facts WHERE event <> 'spent'",
            "SELECT count(*) FROM facts WHERE fact = 'room'",
        ),
        (
            "SELECT count(*) FROM wish_facts WHERE event <> 'booked'",
            "SELECT count(*) FROM facts WHERE fact = 'wish'",
        ),
        (
            "SELECT count(*) FROM wishes WHERE booked_at IS NOT NULL",
            "SELECT count(*) FROM wish_facts JOIN facts USING (position)
              WHERE event = 'booked' AND channel = 'agent'
                AND facts.fact IN ('booked', 'moved')",
        ),
        (
            "SELECT sum(offers) FROM wishes",
            "SELECT count(*) FROM wish_facts WHERE event = 'offered'",
        ),
        (
            "SELECT count(*) FROM wishers",
            "SELECT count(DISTINCT wish) FROM wish_facts
              WHERE wish NOT IN (SELECT wish FROM wish_facts WHERE event = 'forgotten')",
        ),
        (
            "SELECT count(*) FROM release_facts",
            "SELECT count(*) FROM facts WHERE fact = 'release'",
        ),
        (
            "SELECT count(*) FROM bookings",
            "SELECT count(*) FROM bookings
              WHERE lower(during) = reservation_starts_at(reservation)
                AND day = reservation_day(reservation)
                AND counter = reservation_counter(reservation)
                AND office = reservation_office(reservation)
                AND (lower(during) AT TIME ZONE city_zone())::date = day",
        ),
    ] {
        let (left, right) = (sql(one), sql(other));
        assert_eq!(left, right, "{one}");
        assert_ne!(left, "0", "{one}");
    }
    let appointment = "SELECT department, office, services FROM appointments
                        WHERE services LIKE '%,%' AND office = 'Bürgerbüro 1' LIMIT 1";
    let appointment = sql(appointment);
    let names = "Einwohnerwesen|Bürgerbüro 1|1 × Personalausweis, 2 × Reisepass";
    assert_eq!(appointment, names);
}
