//! The table of what happened in waiting rooms.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::rules::record::Position;
use crate::rules::room::RoomId;
use crate::rules::room::fact::{RoomFact, RoomRecord};
use crate::rules::time::UnixMillis;
use crate::shell::stored::ROOM_PROOF_DAYS;

/// Writes a fact of a room, within a transaction of the caller's. Of whoever booked nothing is kept
/// from the end of the room on, however late the booking comes.
pub(super) fn insert(
    connection: &Connection,
    position: Position,
    at: UnixMillis,
    room: RoomId,
    mut fact: RoomFact,
) -> rusqlite::Result<()> {
    match &mut fact {
        RoomFact::Ended { .. } => forget(connection, room)?,
        RoomFact::Spent { identities, .. } if has_ended(connection, room)? => identities.clear(),
        _ => {}
    }
    let insert = "INSERT INTO room_facts (position, at_ms, room, day, event, fact)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    connection.prepare_cached(insert)?.execute(params![
        position.0,
        at.0,
        room.to_bits(),
        room.day.0,
        fact.name(),
        serde_json::to_string(&fact).expect("numbers and texts are always JSON"),
    ])?;
    Ok(())
}

fn has_ended(connection: &Connection, room: RoomId) -> rusqlite::Result<bool> {
    let question = "SELECT 1 FROM room_facts WHERE day = ?1 AND room = ?2 AND event = 'ended'";
    let mut statement = connection.prepare_cached(question)?;
    statement.exists((room.day.0, room.to_bits()))
}

/// Takes who booked out of the facts of a room.
fn forget(connection: &Connection, room: RoomId) -> rusqlite::Result<()> {
    let forget = "UPDATE room_facts SET fact = json_remove(fact, '$.identities')
                   WHERE day = ?1 AND room = ?2 AND event = 'spent'";
    let mut statement = connection.prepare_cached(forget)?;
    statement.execute((room.day.0, room.to_bits()))?;
    Ok(())
}

/// What still matters on this day, counted as [`DayNumber`](crate::rules::time::DayNumber)s are;
/// oldest first.
pub(super) fn read(connection: &Connection, today: i64) -> rusqlite::Result<Vec<RoomRecord>> {
    let mut statement = connection.prepare(
        "SELECT room, fact, at_ms FROM room_facts
          WHERE day >= ?1
             OR (day >= ?2 AND event IN ('announced', 'drawn', 'allotted', 'ended'))
          ORDER BY position",
    )?;
    let records = statement.query_map([today - 2, today - ROOM_PROOF_DAYS], |row| {
        let at = UnixMillis(row.get(2)?);
        let (room, fact) = told(row, 0)?;
        Ok(RoomRecord { at, room, fact })
    })?;
    records.collect()
}

/// What a fact of the ledger says about a room, if it says anything.
pub(super) fn at(
    connection: &Connection,
    position: Position,
) -> rusqlite::Result<Option<(RoomId, RoomFact)>> {
    let question = "SELECT room, fact FROM room_facts WHERE position = ?1";
    let mut statement = connection.prepare_cached(question)?;
    statement
        .query_one([position.0], |row| told(row, 0))
        .optional()
}

/// The columns `room` and `fact`, from this one on.
pub(in crate::shell) fn told(row: &Row<'_>, first: usize) -> rusqlite::Result<(RoomId, RoomFact)> {
    let room = RoomId::from_bits(row.get(first)?);
    let fact = serde_json::from_str(row.get_ref(first + 1)?.as_str()?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(first + 1, Type::Text, Box::new(error))
    })?;
    Ok((room, fact))
}
