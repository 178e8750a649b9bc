//! Facts and the tables they make.

use jiff::tz::TimeZone;
use rusqlite::{CachedStatement, Connection, params};

use super::{releases, rooms, wishes};
use crate::rules::ids::ReservationId;
use crate::rules::need::Services;
use crate::rules::record::{Booked, Confirmed, Fact, Position};
use crate::rules::room::TicketId;
use crate::rules::time::UnixMillis;
use crate::shell::scribe::Kept;

/// Position and time of the newest fact in the tables.
pub(super) fn newest(connection: &Connection) -> rusqlite::Result<(Position, UnixMillis)> {
    let newest = "SELECT position, at_ms FROM ledger ORDER BY position DESC LIMIT 1";
    let mut statement = connection.prepare_cached(newest)?;
    let mut rows = statement.query([])?;
    match rows.next()? {
        Some(row) => Ok((Position(row.get(0)?), UnixMillis(row.get(1)?))),
        None => Ok((Position(0), UnixMillis(0))),
    }
}

/// The table of all facts, for many that follow on each other: they are mostly holds, of which
/// looking for the statement would be a good part of the work.
pub(super) struct LedgerTable<'c>(CachedStatement<'c>);

impl LedgerTable<'_> {
    pub(super) fn of(connection: &Connection) -> rusqlite::Result<LedgerTable<'_>> {
        let insert = "INSERT INTO ledger (position, at_ms, fact, reservation, successor, channel,
                                          services, secret, deadline_ms, ticket)
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        connection.prepare_cached(insert).map(LedgerTable)
    }

    fn insert(&mut self, row: &LedgerRow) -> rusqlite::Result<()> {
        self.0.execute(params![
            row.position.0,
            row.at.0,
            row.fact,
            row.subject,
            row.successor.map(ReservationId::to_bytes),
            row.channel,
            row.services.map(|services| services.to_string()),
            row.secret,
            row.deadline.map(|deadline| deadline.0),
            row.ticket,
        ])?;
        Ok(())
    }
}

/// Writes a fact and what it changes, within a transaction of the caller's.
pub(super) fn insert(
    connection: &Connection,
    ledger: &mut LedgerTable<'_>,
    zone: &TimeZone,
    &Kept { position, at, fact }: &Kept<'_>,
) -> rusqlite::Result<()> {
    let mut row = LedgerRow::of(position, at, fact);
    match fact {
        Fact::Held {
            services,
            channel,
            secret,
            deadline,
            ticket,
            ..
        } => {
            row.ticket = ticket.map(TicketId::to_bytes);
            row.services = Some(*services);
            row.channel = Some(*channel as u8);
            row.secret = Some(secret.0);
            row.deadline = Some(*deadline);
        }
        Fact::Extended { deadline, .. } | Fact::Stretched { deadline, .. } => {
            row.deadline = Some(*deadline);
        }
        Fact::Released { .. } | Fact::Expired { .. } => {}
        Fact::Booked(booked) => {
            row.services = Some(booked.confirmed.services);
            insert_booking(connection, zone, position, at, booked)?;
            if let Some((room, spent)) = booked.spent() {
                rooms::insert(connection, position, at, room, spent)?;
            }
        }
        Fact::Rested { until, .. } => row.deadline = Some(*until),
        Fact::Wish { wish, .. } => row.subject = wish.0.to_be_bytes().into(),
        Fact::Cancelled {
            origin, sequence, ..
        } => {
            let cancel = "UPDATE bookings SET status = 'cancelled', sequence = ?2, position = ?3
                           WHERE id = ?1";
            let mut statement = connection.prepare_cached(cancel)?;
            statement.execute(params![origin.to_bytes(), sequence, position.0])?;
        }
        Fact::Moved { to, .. } => {
            row.services = Some(to.services);
            move_booking(connection, zone, position, to)?;
        }
        Fact::Room { room, fact } => {
            row.subject = room.to_bits().to_be_bytes().into();
            rooms::insert(connection, position, at, *room, (**fact).clone())?;
        }
        Fact::Release { release, fact } => {
            row.subject = release.to_bytes().into();
            releases::insert(connection, position, at, *release, fact)?;
        }
    }
    if let Some((wish, fact)) = fact.of_wish() {
        wishes::insert(connection, position, at, wish, fact.into_owned())?;
    }
    ledger.insert(&row)
}

/// Writes a fact and nothing of what it changes.
pub(super) fn insert_alone(
    connection: &Connection,
    &Kept { position, at, fact }: &Kept<'_>,
) -> rusqlite::Result<()> {
    LedgerTable::of(connection)?.insert(&LedgerRow::of(position, at, fact))
}

struct LedgerRow {
    position: Position,
    at: UnixMillis,
    fact: &'static str,
    /// The reservation, the room, the release or the wish.
    subject: Vec<u8>,
    successor: Option<ReservationId>,
    channel: Option<u8>,
    services: Option<Services>,
    secret: Option<[u8; 16]>,
    deadline: Option<UnixMillis>,
    ticket: Option<[u8; 8]>,
}

impl LedgerRow {
    fn of(position: Position, at: UnixMillis, fact: &Fact) -> LedgerRow {
        LedgerRow {
            position,
            at,
            fact: fact.name(),
            subject: fact
                .reservation()
                .map_or_else(Vec::new, |id| id.to_bytes().into()),
            successor: match fact {
                Fact::Moved { to, .. } => Some(to.id),
                _ => None,
            },
            channel: None,
            services: None,
            secret: None,
            deadline: None,
            ticket: None,
        }
    }
}

fn insert_booking(
    connection: &Connection,
    zone: &TimeZone,
    position: Position,
    at: UnixMillis,
    booked: &Booked,
) -> rusqlite::Result<()> {
    let Confirmed { id, contract, .. } = booked.confirmed;
    let insert = "INSERT INTO bookings (id, reservation, status, code, office, day, counter,
                                        start_unit, units, starts_at, start_ms, end_ms,
                                        channel, services, sequence, secret, manage, request,
                                        idempotency_key, booked_at_ms, position)
                  VALUES (?1, ?2, 'booked', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,
                          ?15, ?16, ?17, ?18, ?19, ?20)";
    let seat = id.seat();
    connection.prepare_cached(insert)?.execute(params![
        contract.origin.to_bytes(),
        id.to_bytes(),
        id.code(),
        seat.key.office,
        seat.key.day.0,
        seat.counter + 1,
        seat.start,
        seat.units,
        local(zone, booked.confirmed.start),
        booked.confirmed.start.0,
        booked.confirmed.end.0,
        booked.confirmed.channel as u8,
        booked.confirmed.services.to_string(),
        contract.sequence,
        booked.confirmed.secret.0,
        contract.manage.0,
        contract.request.0,
        booked.idempotency_key.map(|key| key.0),
        at.0,
        position.0,
    ])?;
    let person = &booked.person;
    let answers = serde_json::to_string(&person.answers).expect("texts are always JSON");
    let insert = "INSERT INTO persons (booking, name, email, phone, answers)
                  VALUES (?1, ?2, ?3, ?4, ?5)";
    connection.prepare_cached(insert)?.execute(params![
        contract.origin.to_bytes(),
        person.name,
        person.email,
        person.phone,
        answers,
    ])?;
    Ok(())
}

/// The request stays the one that made the booking: its repetition is recognised by it.
fn move_booking(
    connection: &Connection,
    zone: &TimeZone,
    position: Position,
    to: &Confirmed,
) -> rusqlite::Result<()> {
    let update = "UPDATE bookings
                     SET reservation = ?2, code = ?3, office = ?4, day = ?5, counter = ?6,
                         start_unit = ?7, units = ?8, starts_at = ?9, start_ms = ?10, end_ms = ?11,
                         channel = ?12, services = ?13, sequence = ?14, secret = ?15, position = ?16
                   WHERE id = ?1";
    let seat = to.id.seat();
    connection.prepare_cached(update)?.execute(params![
        to.contract.origin.to_bytes(),
        to.id.to_bytes(),
        to.id.code(),
        seat.key.office,
        seat.key.day.0,
        seat.counter + 1,
        seat.start,
        seat.units,
        local(zone, to.start),
        to.start.0,
        to.end.0,
        to.channel as u8,
        to.services.to_string(),
        to.contract.sequence,
        to.secret.0,
        position.0,
    ])?;
    Ok(())
}

/// As people of the city write it, with the offset that tells the two hours of autumn apart.
fn local(zone: &TimeZone, instant: UnixMillis) -> String {
    let zoned = instant.to_jiff().to_zoned(zone.clone());
    zoned.strftime("%Y-%m-%d %H:%M %:z").to_string()
}
