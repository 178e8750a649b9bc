//! The facts of a data directory, complete as the ledger was given them, for another ledger to go
//! on from.
//!
//! The table of facts leaves out what the tables of bookings and persons have; here both are put
//! together again, as are bookings and the tickets that they have spent. Of a booking that has
//! moved, the seats in between have no secret of their own any more: they get the one that the
//! booking has now, which is the only one that still counts.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use rusqlite::{Connection, Row};

use super::{reader, releases, rooms, wishes};
use crate::rules::calendar::{UNIT, instant_of};
use crate::rules::catalogue::Channel;
use crate::rules::ids::{Digest, ReservationId};
use crate::rules::need::Services;
use crate::rules::record::{Booked, Confirmed, Contract, Fact, Person, Position, Record};
use crate::rules::room::fact::RoomFact;
use crate::rules::room::{RoomId, TicketId};
use crate::rules::time::{Millis, UnixMillis};
use crate::shell::drain::Placed;

/// Why the facts could not be read, or were not taken.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError<E> {
    #[error("the database cannot be read: {0}")]
    Database(#[from] rusqlite::Error),
    #[error("fact {0} changes a booking that is not there; run `morgenruh verify`")]
    Broken(u64),
    #[error("fact {0} of a waiting room is not in its table; run `morgenruh verify`")]
    RoomFactMissing(u64),
    #[error("fact {0} of a release is not in its table; run `morgenruh verify`")]
    ReleaseFactMissing(u64),
    #[error("fact {0} of a wish is not in its table; run `morgenruh verify`")]
    WishFactMissing(u64),
    #[error(transparent)]
    NotTaken(E),
}

/// What the tables have of a booking beside its facts.
struct Rest {
    channel: Channel,
    secret: Digest,
    manage: Digest,
    request: Digest,
    idempotency_key: Option<Digest>,
    person: Person,
    /// As far as the facts have been followed.
    sequence: u32,
}

/// Calls `take` with every fact behind `after`, oldest first.
///
/// # Errors
/// [`HistoryError`]
pub(super) fn each_fact<E>(
    connection: &Connection,
    zone: &TimeZone,
    after: Position,
    mut take: impl FnMut(Placed) -> Result<(), E>,
) -> Result<(), HistoryError<E>> {
    let mut hand_over = |position: u64, at: UnixMillis, fact: Fact| {
        if position <= after.0 {
            return Ok(());
        }
        let record = Record { at, fact };
        let position = Position(position);
        take(Placed { position, record }).map_err(HistoryError::NotTaken)
    };
    let mut rests = rests(connection)?;
    // The booking of each seat that a booking has had.
    let mut origins: HashMap<ReservationId, ReservationId> = HashMap::new();
    let mut statement = connection.prepare(
        "SELECT position, at_ms, fact, reservation, successor, channel, services, secret,
                deadline_ms, ticket
           FROM ledger ORDER BY position",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let position: u64 = row.get(0)?;
        let broken = || HistoryError::Broken(position);
        let at = UnixMillis(row.get(1)?);
        let name: String = row.get(2)?;
        let in_room = match name.as_str() {
            "booked" | "room" => rooms::at(connection, Position(position))?,
            _ => None,
        };
        if name == "room" {
            let (room, fact) = in_room.ok_or(HistoryError::RoomFactMissing(position))?;
            let fact = Box::new(fact);
            hand_over(position, at, Fact::Room { room, fact })?;
            continue;
        }
        if name == "release" {
            let told = releases::at(connection, Position(position))?;
            let (release, fact) = told.ok_or(HistoryError::ReleaseFactMissing(position))?;
            let fact = Box::new(fact);
            hand_over(position, at, Fact::Release { release, fact })?;
            continue;
        }
        let of_wish = match name.as_str() {
            "booked" | "moved" | "wish" => wishes::at(connection, Position(position))?,
            _ => None,
        };
        if name == "wish" {
            let (wish, fact) = of_wish.ok_or(HistoryError::WishFactMissing(position))?;
            let fact = Box::new(fact);
            hand_over(position, at, Fact::Wish { wish, fact })?;
            continue;
        }
        let wish = of_wish.map(|(wish, _)| wish);
        let id = ReservationId::from_bytes(row.get(3)?);
        let deadline = || row.get(8).map(UnixMillis);
        let fact = match name.as_str() {
            "held" => Fact::Held {
                id,
                services: services(row)?,
                channel: reader::channel(row.get(5)?),
                secret: Digest(row.get(7)?),
                deadline: deadline()?,
                ticket: row.get::<_, Option<[u8; 8]>>(9)?.map(TicketId::from_bytes),
            },
            "extended" => Fact::Extended {
                id,
                deadline: deadline()?,
            },
            "stretched" => Fact::Stretched {
                id,
                deadline: deadline()?,
            },
            "released" => Fact::Released { id },
            "expired" => Fact::Expired { id },
            "rested" => Fact::Rested {
                id,
                until: deadline()?,
            },
            "booked" => {
                origins.insert(id, id);
                let rest = rests.get(&id).ok_or_else(broken)?;
                let (ticket, identities) = spent(in_room);
                Fact::Booked(Box::new(Booked {
                    confirmed: rest.confirmed(zone, id, id, services(row)?),
                    person: rest.person.clone(),
                    idempotency_key: rest.idempotency_key,
                    ticket,
                    identities,
                    wish,
                }))
            }
            "cancelled" => {
                let origin = *origins.get(&id).ok_or_else(broken)?;
                let rest = rests.get_mut(&origin).ok_or_else(broken)?;
                rest.sequence += 1;
                Fact::Cancelled {
                    id,
                    origin,
                    sequence: rest.sequence,
                }
            }
            "moved" => {
                let origin = *origins.get(&id).ok_or_else(broken)?;
                let to = ReservationId::from_bytes(row.get(4)?);
                origins.insert(to, origin);
                let rest = rests.get_mut(&origin).ok_or_else(broken)?;
                rest.sequence += 1;
                Fact::Moved {
                    from: id,
                    to: Box::new(rest.confirmed(zone, to, origin, services(row)?)),
                    wish,
                }
            }
            _ => return Err(broken()),
        };
        hand_over(position, at, fact)?;
    }
    Ok(())
}

/// The ticket that a booking has spent, and of whom the room still knows it.
fn spent(in_room: Option<(RoomId, RoomFact)>) -> (Option<TicketId>, Vec<Digest>) {
    match in_room {
        Some((
            room,
            RoomFact::Spent {
                seq, identities, ..
            },
        )) => (Some(TicketId { room, seq }), identities),
        _ => (None, Vec::new()),
    }
}

impl Rest {
    fn confirmed(
        &self,
        zone: &TimeZone,
        id: ReservationId,
        origin: ReservationId,
        services: Services,
    ) -> Confirmed {
        let seat = id.seat();
        let midnight = instant_of(zone, seat.key.day.to_date(), 0);
        let instant = |unit: u16| midnight + Millis(UNIT.0 * i64::from(unit));
        Confirmed {
            id,
            services,
            channel: self.channel,
            start: instant(seat.start),
            end: instant(seat.end()),
            secret: self.secret,
            contract: Contract {
                origin,
                manage: self.manage,
                request: self.request,
                sequence: self.sequence,
            },
        }
    }
}

fn services(row: &Row<'_>) -> rusqlite::Result<Services> {
    Ok(reader::services(row.get_ref(6)?.as_str()?))
}

/// By booking id.
fn rests(connection: &Connection) -> rusqlite::Result<HashMap<ReservationId, Rest>> {
    let mut statement = connection.prepare(
        "SELECT id, channel, secret, manage, request, idempotency_key, name, email, phone, answers
           FROM bookings LEFT JOIN persons ON persons.booking = bookings.id",
    )?;
    let rests = statement.query_map([], |row| {
        let text = |column: usize| {
            let text: rusqlite::Result<Option<String>> = row.get(column);
            text.map(Option::unwrap_or_default)
        };
        let answers: String = text(9)?;
        let rest = Rest {
            channel: reader::channel(row.get(1)?),
            secret: Digest(row.get(2)?),
            manage: Digest(row.get(3)?),
            request: Digest(row.get(4)?),
            idempotency_key: row.get::<_, Option<[u8; 16]>>(5)?.map(Digest),
            person: Person {
                name: text(6)?,
                email: text(7)?,
                phone: row.get(8)?,
                answers: serde_json::from_str(&answers).unwrap_or_default(),
            },
            sequence: 0,
        };
        Ok((ReservationId::from_bytes(row.get(0)?), rest))
    })?;
    rests.collect()
}
