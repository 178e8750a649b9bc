//! The table of what happened in waiting rooms.

use std::borrow::Cow;
use std::collections::BTreeSet;

use morgenruh_engine::rules::record::{Fact, Position};
use morgenruh_engine::rules::room::RoomId;
use morgenruh_engine::rules::room::fact::{RoomFact, RoomRecord};
use morgenruh_engine::rules::time::{DayNumber, UnixMillis};
use morgenruh_engine::shell::drain::Placed;
use morgenruh_engine::shell::stored::ROOM_PROOF_DAYS;
use tokio_postgres::types::Type;

use super::copy::{RowIn, RowsOut};
use super::fault::Fault;
use super::link::Session;
use super::values::{Day, number};

const COPY_ROOM_FACTS: &str = include_str!("sql/copy_room_facts.sql");
const ENDED_ROOMS: &str = include_str!("sql/ended_rooms.sql");
const FORGET_WHO_BOOKED: &str = include_str!("sql/forget_who_booked.sql");
const ROOM_TYPES: [Type; 2] = [Type::INT4_ARRAY, Type::DATE_ARRAY];
const FIELDS: i16 = 4;

/// What a record says about a room.
struct Told<'a> {
    position: Position,
    at: UnixMillis,
    room: RoomId,
    fact: Cow<'a, RoomFact>,
}

impl<'a> Told<'a> {
    fn by(Placed { position, record }: &'a Placed) -> Option<Told<'a>> {
        let (room, fact) = match &record.fact {
            Fact::Room { room, fact } => (*room, Cow::Borrowed(fact.as_ref())),
            Fact::Booked(booked) => {
                let (room, spent) = booked.spent()?;
                (room, Cow::Owned(spent))
            }
            _ => return None,
        };
        Some(Told {
            position: *position,
            at: record.at,
            room,
            fact,
        })
    }

    /// Whether somebody may have to be forgotten now.
    fn concerns_people(&self) -> bool {
        matches!(
            self.fact.as_ref(),
            RoomFact::Spent { .. } | RoomFact::Ended { .. }
        )
    }
}

/// Everything that these records say about rooms, within a transaction of the caller's. Of whoever
/// booked nothing is kept from the end of a room on, however late the booking comes.
pub(super) fn apply(session: &mut Session, records: &[Placed]) -> Result<(), Fault> {
    let told: Vec<Told<'_>> = records.iter().filter_map(Told::by).collect();
    if told.is_empty() {
        return Ok(());
    }
    session.copy_in(COPY_ROOM_FACTS, rows(&told))?;
    let concerned = told.iter().filter(|it| it.concerns_people());
    let rooms: BTreeSet<RoomId> = concerned.map(|it| it.room).collect();
    if rooms.is_empty() {
        return Ok(());
    }
    let numbers: Vec<i32> = rooms.iter().map(|it| i32::from(it.number)).collect();
    let days: Vec<Day> = rooms.iter().map(|it| Day(it.day)).collect();
    if !session.rows(ENDED_ROOMS, &[&numbers, &days])?.is_empty() {
        session.execute_anew(FORGET_WHO_BOOKED, &ROOM_TYPES, &[&numbers, &days])?;
    }
    Ok(())
}

fn rows(told: &[Told<'_>]) -> bytes::Bytes {
    let mut rows = RowsOut::new(6);
    for it in told {
        let fact = serde_json::to_string(&it.fact).expect("numbers and texts are always JSON");
        rows.row()
            .big(number(it.position))
            .instant(it.at)
            .int(i32::from(it.room.number))
            .int(i32::from(it.room.day.0))
            .text(it.fact.name())
            .jsonb(&fact);
    }
    rows.finish()
}

/// What still matters on this day, counted as [`DayNumber`]s are; oldest first.
pub(super) fn load(session: &mut Session, today: i64) -> Result<Vec<RoomRecord>, Fault> {
    let day = |days_back: i64| (today - days_back).clamp(0, i64::from(u16::MAX));
    let facts = format!(
        "COPY (SELECT at, room, day - date '2000-01-01', fact::text
                 FROM room_facts
                WHERE day >= date '2000-01-01' + {}
                   OR day >= date '2000-01-01' + {}
                      AND event IN ('announced', 'drawn', 'allotted', 'ended')
                ORDER BY position) TO STDOUT (FORMAT binary)",
        day(2),
        day(ROOM_PROOF_DAYS)
    );
    let mut records = Vec::new();
    session.copy_out(&facts, |message| {
        if let Some(row) = RowIn::of(message, FIELDS)? {
            records.push(read(row)?);
        }
        Ok(())
    })?;
    Ok(records)
}

fn read(mut row: RowIn<'_>) -> Result<RoomRecord, Fault> {
    let at = row.instant()?;
    let (room, day) = (row.int()?, row.int()?);
    let damaged = |why: String| Fault::Lost(format!("a fact of a waiting room is damaged: {why}"));
    let small = |number: i32| u16::try_from(number).map_err(|error| damaged(error.to_string()));
    let room = RoomId {
        number: small(room)?,
        day: DayNumber(small(day)?),
    };
    let fact = serde_json::from_str(row.text()?).map_err(|error| damaged(error.to_string()))?;
    Ok(RoomRecord { at, room, fact })
}
