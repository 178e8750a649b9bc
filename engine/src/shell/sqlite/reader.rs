//! What a data directory remembers, read once at the start.

use rusqlite::{Connection, Row};

use super::{releases, rooms, wishes};
use crate::rules::catalogue::Channel;
use crate::rules::day::{HoldTerms, Reservation, State};
use crate::rules::ids::{Digest, ReservationId};
use crate::rules::need::Services;
use crate::rules::record::{Contract, Position};
use crate::rules::room::TicketId;
use crate::rules::time::{DayNumber, UnixMillis};
use crate::shell::stored::{HoldFact, RememberedKey, Stored, live_holds};

pub(super) fn read(connection: &Connection, now: UnixMillis) -> rusqlite::Result<Stored> {
    let mut stored = Stored {
        holds: holds(connection, now)?,
        ..Stored::default()
    };
    // By the ledger's own time where that is earlier: a clock that is ahead at the start must not
    // hide a booking. Two days back covers yesterday in every time zone.
    let written = connection.query_one("SELECT max(at_ms) FROM ledger", [], |row| {
        row.get::<_, Option<i64>>(0)
    })?;
    let now_ms = written.map_or(now.0, |written| written.min(now.0));
    let today = now_ms.div_euclid(86_400_000) - days_to_epoch();
    stored.room_facts = rooms::read(connection, today)?;
    stored.release_facts = releases::read(connection, today)?;
    stored.wish_facts = wishes::read(connection)?;
    stored.last_wish = wishes::last(connection)?;
    stored.rests = wishes::rests(connection, UnixMillis(now_ms))?;
    let mut statement = connection.prepare(
        "SELECT id, reservation, status, channel, services, sequence, secret, manage, request,
                position, idempotency_key, booked_at_ms
           FROM bookings WHERE day >= ?1",
    )?;
    let first_day = u16::try_from((today - 2).max(0)).unwrap_or(u16::MAX);
    stored.first_day = DayNumber(first_day);
    let mut rows = statement.query([first_day])?;
    while let Some(row) = rows.next()? {
        let booking = booking(row)?;
        if let Some(key) = row.get::<_, Option<[u8; 16]>>(10)? {
            stored.idempotency_keys.push(RememberedKey {
                key: Digest(key),
                request: contract(&booking.state).map_or_else(Digest::default, |it| it.request),
                at: UnixMillis(row.get(11)?),
            });
        }
        stored.bookings.push(booking);
    }
    stored
        .idempotency_keys
        .sort_unstable_by_key(|known| known.at);
    Ok(stored)
}

/// Days from 1970-01-01 to the first [`DayNumber`].
fn days_to_epoch() -> i64 {
    let epoch = DayNumber(0).to_date();
    i64::from(
        jiff::civil::date(1970, 1, 1)
            .until(epoch)
            .map_or(0, |span| span.get_days()),
    )
}

fn contract(state: &State) -> Option<&Contract> {
    match state {
        State::Booked(contract, _) | State::Cancelled(contract, _) => Some(contract),
        _ => None,
    }
}

fn booking(row: &Row<'_>) -> rusqlite::Result<Reservation> {
    let contract = Box::new(Contract {
        origin: ReservationId::from_bytes(row.get(0)?),
        sequence: row.get(5)?,
        manage: Digest(row.get(7)?),
        request: Digest(row.get(8)?),
    });
    let position = Position(row.get(9)?);
    let cancelled = row.get_ref(2)?.as_str()? == "cancelled";
    Ok(Reservation {
        id: ReservationId::from_bytes(row.get(1)?),
        channel: channel(row.get(3)?),
        services: services(row.get_ref(4)?.as_str()?),
        secret: Digest(row.get(6)?),
        ticket: None,
        state: if cancelled {
            State::Cancelled(contract, position)
        } else {
            State::Booked(contract, position)
        },
    })
}

fn holds(connection: &Connection, now: UnixMillis) -> rusqlite::Result<Vec<Reservation>> {
    let mut statement = connection.prepare(
        "SELECT fact, reservation, successor, channel, services, secret, deadline_ms, at_ms,
                ticket
           FROM ledger WHERE fact NOT IN ('room', 'wish', 'release') ORDER BY position DESC",
    )?;
    let facts = statement.query_map([], |row| Ok((UnixMillis(row.get(7)?), hold_fact(row)?)))?;
    live_holds(facts, now)
}

fn hold_fact(row: &Row<'_>) -> rusqlite::Result<HoldFact> {
    let id = ReservationId::from_bytes(row.get(1)?);
    let deadline = || row.get(6).map(UnixMillis);
    Ok(match row.get_ref(0)?.as_str()? {
        "held" => {
            let terms = HoldTerms {
                deadline: deadline()?,
                extended: false,
            };
            let hold = Reservation {
                id,
                channel: channel(row.get(3)?),
                services: services(row.get_ref(4)?.as_str()?),
                secret: Digest(row.get(5)?),
                ticket: row.get::<_, Option<[u8; 8]>>(8)?.map(TicketId::from_bytes),
                state: State::Held(terms),
            };
            HoldFact::Made(hold, terms)
        }
        fact @ ("extended" | "stretched") => HoldFact::Prolonged {
            id,
            deadline: deadline()?,
            extended: fact == "extended",
        },
        _ => {
            let successor: Option<[u8; 16]> = row.get(2)?;
            HoldFact::Ended(id, successor.map(ReservationId::from_bytes))
        }
    })
}

pub(super) fn channel(number: u8) -> Channel {
    Channel::EACH
        .get(usize::from(number))
        .copied()
        .unwrap_or(Channel::Public)
}

/// What is not services with quantities counts as none: the seat matters more.
pub(super) fn services(text: &str) -> Services {
    text.parse().unwrap_or_default()
}
