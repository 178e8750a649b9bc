//! Facts and the tables they make, in one transaction that also moves the watermark.
//!
//! New rows go by `COPY`, which is the shortest way into a table; changes of older bookings are
//! one statement for all that were moved and one for all that were cancelled.

use morgenruh_engine::rules::ids::{Digest, ReservationId};
use morgenruh_engine::rules::need::Services;
use morgenruh_engine::rules::record::{Confirmed, Fact, Position};
use morgenruh_engine::rules::room::TicketId;
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::shell::drain::Placed;
use morgenruh_engine::shell::record_text;
use tokio_postgres::types::Type;

use super::batch::{Change, collapse};
use super::copy::RowsOut;
use super::fault::Fault;
use super::link::Session;
use super::values::{Day, Instant, channel_name, number};
use super::{releases, rooms, wishes};

const ADVANCE: &str = include_str!("sql/advance.sql");
const COPY_FACTS: &str = include_str!("sql/copy_facts.sql");
const COPY_BOOKINGS: &str = include_str!("sql/copy_bookings.sql");
const COPY_PERSONS: &str = include_str!("sql/copy_persons.sql");
const MOVE_BOOKINGS: &str = include_str!("sql/move_bookings.sql");
const CANCEL_BOOKINGS: &str = include_str!("sql/cancel_bookings.sql");
const MOVE_TYPES: [Type; 15] = [
    Type::BYTEA_ARRAY,
    Type::BYTEA_ARRAY,
    Type::BYTEA_ARRAY,
    Type::TEXT_ARRAY,
    Type::INT4_ARRAY,
    Type::INT2_ARRAY,
    Type::TIMESTAMPTZ_ARRAY,
    Type::TIMESTAMPTZ_ARRAY,
    Type::DATE_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::INT8_ARRAY,
    Type::BYTEA_ARRAY,
    Type::INT8_ARRAY,
    Type::TIMESTAMPTZ_ARRAY,
];
const CANCEL_TYPES: [Type; 5] = [
    Type::BYTEA_ARRAY,
    Type::BYTEA_ARRAY,
    Type::TIMESTAMPTZ_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
];
const QUARANTINE: &str = include_str!("sql/quarantine.sql");
const QUARANTINED: &str = "SELECT count(*) FROM quarantine";

/// Everything that these records say, within a transaction of the caller's.
pub(super) fn apply(session: &mut Session, records: &[Placed]) -> Result<(), Fault> {
    let changes = collapse(records)?;
    advance(session, records)?;
    session.copy_in(COPY_FACTS, facts(records))?;
    rooms::apply(session, records)?;
    releases::apply(session, records)?;
    wishes::apply(session, records)?;
    let those = |wanted: fn(&Change<'_>) -> bool| -> Vec<&Change<'_>> {
        changes.iter().filter(|change| wanted(change)).collect()
    };
    let made = those(|it| it.made.is_some());
    if !made.is_empty() {
        session.copy_in(COPY_BOOKINGS, bookings(&made))?;
        session.copy_in(COPY_PERSONS, persons(&made))?;
    }
    move_bookings(
        session,
        &those(|it| it.made.is_none() && it.moved.is_some()),
    )?;
    cancel_bookings(
        session,
        &those(|it| it.made.is_none() && it.moved.is_none()),
    )
}

/// Puts a record aside, within a transaction of the caller's; how many there are.
pub(super) fn quarantine(
    session: &mut Session,
    record: &Placed,
    reason: &str,
) -> Result<i64, Fault> {
    advance(session, std::slice::from_ref(record))?;
    // The audit has every fact, unless the fact itself is what the database cannot keep.
    session.run("SAVEPOINT fact")?;
    let fact = facts(std::slice::from_ref(record));
    match session.copy_in(COPY_FACTS, fact) {
        Err(fault) if fault.is_forbidden() => session.run("ROLLBACK TO SAVEPOINT fact")?,
        copied => drop(copied?),
    }
    let Placed { position, record } = record;
    let line = record_text::write(record.at, &record.fact);
    let line = String::from_utf8(line).expect("JSON is UTF-8");
    session.execute(QUARANTINE, &[&number(*position), &reason, &line])?;
    let rows = session.rows(QUARANTINED, &[])?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

/// The row of the watermark is locked until the end: whoever else drains waits here, and then
/// finds it moved.
fn advance(session: &mut Session, records: &[Placed]) -> Result<(), Fault> {
    let (Some(first), Some(last)) = (records.first(), records.last()) else {
        return Ok(());
    };
    let expected = Position(first.position.0.saturating_sub(1));
    let (to, at) = (number(last.position), Instant(last.record.at));
    match session.execute(ADVANCE, &[&to, &at, &number(expected)])? {
        0 => Err(Fault::Lost(format!(
            "the store is not at fact {}: somebody else drains, or an answer was lost",
            expected.0
        ))),
        _ => Ok(()),
    }
}

fn facts(records: &[Placed]) -> bytes::Bytes {
    let mut rows = RowsOut::new(11);
    for Placed { position, record } in records {
        let row = FactRow::of(&record.fact);
        rows.row()
            .big(number(*position))
            .instant(record.at)
            .text(record.fact.name())
            .or_null(record.fact.reservation(), |it, id| it.bytes(&id.to_bytes()))
            .or_null(row.successor, |it, id| it.bytes(&id.to_bytes()))
            .or_null(row.booking, |it, id| it.bytes(&id.to_bytes()))
            .or_null(row.channel, |it, channel| it.text(channel))
            .or_null(row.services, |it, services| it.text(&services.to_string()))
            .or_null(row.secret, |it, secret| it.bytes(&secret.0))
            .or_null(row.deadline, RowsOut::instant)
            .or_null(row.ticket, |it, ticket| it.bytes(&ticket.to_bytes()));
    }
    rows.finish()
}

/// What only some kinds of facts have.
#[derive(Default)]
struct FactRow {
    successor: Option<ReservationId>,
    booking: Option<ReservationId>,
    channel: Option<&'static str>,
    services: Option<Services>,
    secret: Option<Digest>,
    deadline: Option<UnixMillis>,
    ticket: Option<TicketId>,
}

impl FactRow {
    fn of(fact: &Fact) -> FactRow {
        let none = FactRow::default();
        match fact {
            Fact::Held {
                services,
                channel,
                secret,
                deadline,
                ticket,
                ..
            } => FactRow {
                channel: Some(channel_name(*channel)),
                services: Some(*services),
                secret: Some(*secret),
                deadline: Some(*deadline),
                ticket: *ticket,
                ..none
            },
            Fact::Extended { deadline, .. } | Fact::Stretched { deadline, .. } => FactRow {
                deadline: Some(*deadline),
                ..none
            },
            Fact::Rested { until, .. } => FactRow {
                deadline: Some(*until),
                ..none
            },
            Fact::Released { .. }
            | Fact::Expired { .. }
            | Fact::Room { .. }
            | Fact::Wish { .. }
            | Fact::Release { .. } => none,
            Fact::Booked(booked) => FactRow::confirmed(&booked.confirmed),
            Fact::Cancelled { origin, .. } => FactRow {
                booking: Some(*origin),
                ..none
            },
            Fact::Moved { to, .. } => FactRow {
                successor: Some(to.id),
                ..FactRow::confirmed(to)
            },
        }
    }

    fn confirmed(confirmed: &Confirmed) -> FactRow {
        FactRow {
            booking: Some(confirmed.contract.origin),
            channel: Some(channel_name(confirmed.channel)),
            services: Some(confirmed.services),
            ..FactRow::default()
        }
    }
}

fn bookings(made: &[&Change<'_>]) -> bytes::Bytes {
    let mut rows = RowsOut::new(18);
    for change in made {
        let (Some(made), Some(seat)) = (change.made, change.seat()) else {
            continue;
        };
        // A repeated request is recognised by the one that made the booking, wherever it is now.
        let contract = made.booked.confirmed.contract;
        let cancelled = change.cancelled.map(|cancelled| cancelled.at);
        let status = cancelled.map_or("booked", |_| "cancelled");
        let place = seat.id.seat();
        rows.row()
            .bytes(&change.origin.to_bytes())
            .bytes(&seat.id.to_bytes())
            .text(status)
            .text(&seat.id.code())
            .int(i32::from(place.key.office))
            .small(i16::from(place.counter) + 1)
            .during(seat.start, seat.end)
            .int(i32::from(place.key.day.0))
            .text(channel_name(seat.channel))
            .text(&seat.services.to_string())
            .big(i64::from(change.sequence()))
            .bytes(&seat.secret.0)
            .bytes(&contract.manage.0)
            .bytes(&contract.request.0)
            .or_null(made.booked.idempotency_key, |it, key| it.bytes(&key.0))
            .instant(made.at)
            .or_null(cancelled, RowsOut::instant)
            .big(number(change.position));
    }
    rows.finish()
}

fn persons(made: &[&Change<'_>]) -> bytes::Bytes {
    let mut rows = RowsOut::new(5);
    for change in made {
        let Some(person) = change.person() else {
            continue;
        };
        let answers = serde_json::to_string(&person.answers).expect("texts are always JSON");
        rows.row()
            .bytes(&change.origin.to_bytes())
            .text(&person.name)
            .text(&person.email)
            .or_null(person.phone.as_deref(), RowsOut::text)
            .jsonb(&answers);
    }
    rows.finish()
}

fn move_bookings(session: &mut Session, moved: &[&Change<'_>]) -> Result<(), Fault> {
    if moved.is_empty() {
        return Ok(());
    }
    let seats: Vec<&Confirmed> = moved.iter().filter_map(|change| change.moved).collect();
    let places = column(&seats, |seat| seat.id.seat());
    let changed = session.execute_anew(
        MOVE_BOOKINGS,
        &MOVE_TYPES,
        &[
            &ids(moved, |it| it.origin),
            &ids(moved, |it| it.found),
            &ids(&seats, |it| it.id),
            &column(&seats, |it| it.id.code()),
            &column(&places, |it| i32::from(it.key.office)),
            &column(&places, |it| i16::from(it.counter) + 1),
            &column(&seats, |it| Instant(it.start)),
            &column(&seats, |it| Instant(it.end)),
            &column(&places, |it| Day(it.key.day)),
            &column(&seats, |it| channel_name(it.channel)),
            &column(&seats, |it| it.services.to_string()),
            &column(moved, |it| i64::from(it.sequence())),
            &column(&seats, |it| it.secret.0.to_vec()),
            &column(moved, |it| number(it.position)),
            &column(moved, cancelled_at),
        ],
    )?;
    all_found(moved, changed)
}

fn cancel_bookings(session: &mut Session, cancelled: &[&Change<'_>]) -> Result<(), Fault> {
    if cancelled.is_empty() {
        return Ok(());
    }
    let changed = session.execute_anew(
        CANCEL_BOOKINGS,
        &CANCEL_TYPES,
        &[
            &ids(cancelled, |it| it.origin),
            &ids(cancelled, |it| it.found),
            &column(cancelled, cancelled_at),
            &column(cancelled, |it| i64::from(it.sequence())),
            &column(cancelled, |it| number(it.position)),
        ],
    )?;
    all_found(cancelled, changed)
}

fn cancelled_at(change: &&Change<'_>) -> Option<Instant> {
    change.cancelled.map(|cancelled| Instant(cancelled.at))
}

fn ids<S>(rows: &[S], id: impl Fn(&S) -> ReservationId) -> Vec<Vec<u8>> {
    column(rows, |row| id(row).to_bytes().to_vec())
}

fn column<'a, S, T>(rows: &'a [S], value: impl FnMut(&'a S) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// A change of a booking that is not there, or not on that seat, or cancelled, would be lost.
fn all_found(changes: &[&Change<'_>], changed: u64) -> Result<(), Fault> {
    if changed == changes.len() as u64 {
        return Ok(());
    }
    let sentence = match changes {
        [change] => format!(
            "fact {} changes the booking {}, which is not booked on the seat that it names",
            change.position.0, change.origin
        ),
        _ => format!(
            "of {} changed bookings {changed} are booked on the seats that the facts name",
            changes.len()
        ),
    };
    Err(Fault::Forbidden(sentence))
}
