//! Re-checks what a data directory says about waiting rooms: a room is drawn once, only numbers
//! that were reserved get passes, a ticket is spent once, and who booked is forgotten at the end.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, Row};

use super::sqlite::rooms::told;
use crate::rules::ids::ReservationId;
use crate::rules::room::RoomId;
use crate::rules::room::fact::RoomFact;

/// The rooms as their facts made them, one after the other.
#[derive(Default)]
struct Rooms {
    rooms: HashMap<RoomId, Room>,
    errors: Vec<String>,
}

#[derive(Default)]
struct Room {
    /// Numbers below it may be given.
    reserved: u32,
    is_drawn: bool,
    has_ended: bool,
    knows_who_booked: bool,
    spent: HashSet<u32>,
}

impl Rooms {
    fn happened(&mut self, id: RoomId, fact: &RoomFact) {
        let room = self.rooms.entry(id).or_default();
        let error = match fact {
            // Its rules have changed before it opened, or it was for a first look.
            RoomFact::Announced { .. } => {
                *room = Room::default();
                None
            }
            RoomFact::Reserved { upto, .. } => {
                let before = std::mem::replace(&mut room.reserved, *upto);
                (*upto < before).then(|| format!("reserved numbers fell from {before} to {upto}"))
            }
            RoomFact::Drawn { .. } => {
                let again = std::mem::replace(&mut room.is_drawn, true);
                again.then(|| "was drawn twice".into())
            }
            RoomFact::Passed { seq, .. } => (*seq >= room.reserved)
                .then(|| format!("ticket {seq} has a pass but its number was never reserved")),
            RoomFact::Spent {
                seq, identities, ..
            } => {
                room.knows_who_booked |= !identities.is_empty();
                (!room.spent.insert(*seq)).then(|| format!("ticket {seq} was spent twice"))
            }
            RoomFact::Ended { .. } => {
                room.has_ended = true;
                None
            }
            _ => None,
        };
        self.errors.extend(error.map(|it| format!("{id:?}: {it}")));
    }

    fn finish(mut self) -> (u64, Vec<String>) {
        for (id, room) in &self.rooms {
            if room.has_ended && room.knows_who_booked {
                self.errors
                    .push(format!("{id:?}: has ended but still knows who booked"));
            }
        }
        (self.rooms.len() as u64, self.errors)
    }
}

/// How many rooms there are, and what is wrong with them.
///
/// # Errors
/// When the tables cannot be read.
pub(super) fn check(connection: &Connection) -> rusqlite::Result<(u64, Vec<String>)> {
    let mut rooms = Rooms::default();
    // Tables that an older program has written and no newer one has opened since.
    if !connection.table_exists(None, "room_facts")? {
        return Ok(rooms.finish());
    }
    let mut statement = connection.prepare(
        "SELECT position, room_facts.room, room_facts.fact, day, event, ledger.fact, reservation
           FROM room_facts LEFT JOIN ledger USING (position) ORDER BY position",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let position: i64 = row.get(0)?;
        let Ok((id, fact)) = told(row, 1) else {
            rooms
                .errors
                .push(format!("fact {position} of a waiting room cannot be read"));
            continue;
        };
        if !agrees(row, id, &fact)? {
            let error = format!("{id:?}: fact {position} is not what its row or the ledger says");
            rooms.errors.push(error);
        }
        rooms.happened(id, &fact);
    }
    let lost = "SELECT count(*) FROM ledger
                 WHERE fact = 'room' AND position NOT IN (SELECT position FROM room_facts)";
    let lost: u64 = connection.query_one(lost, [], |row| row.get(0))?;
    if lost > 0 {
        let error = format!("{lost} facts of waiting rooms are not in their table");
        rooms.errors.push(error);
    }
    Ok(rooms.finish())
}

/// Whether the columns beside a fact, and the ledger, say the same as the fact.
fn agrees(row: &Row<'_>, id: RoomId, fact: &RoomFact) -> rusqlite::Result<bool> {
    let named =
        row.get::<_, i64>(3)? == i64::from(id.day.0) && row.get_ref(4)?.as_str()? == fact.name();
    let (kind, subject): (Option<String>, Option<Vec<u8>>) = (row.get(5)?, row.get(6)?);
    let (kind, subject) = (kind.unwrap_or_default(), subject.unwrap_or_default());
    let placed = match fact {
        RoomFact::Spent { booking, .. } => {
            kind == "booked" && subject == ReservationId::to_bytes(*booking)
        }
        _ => kind == "room" && subject == id.to_bits().to_be_bytes(),
    };
    Ok(named && placed)
}
