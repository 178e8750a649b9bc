//! The tables of wishes, and of who has them.

use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::rules::ids::ReservationId;
use crate::rules::record::Position;
use crate::rules::time::UnixMillis;
use crate::rules::wish::WishId;
use crate::rules::wish::fact::{Contact, WishFact, WishRecord};
use crate::shell::stored::REST_MAX;

/// Writes a fact of a wish, within a transaction of the caller's. What it says of a person goes
/// into a table of its own, from which it is erased when the wish is forgotten.
pub(super) fn insert(
    connection: &Connection,
    position: Position,
    at: UnixMillis,
    wish: WishId,
    mut fact: WishFact,
) -> rusqlite::Result<()> {
    if let Some(contact) = fact.take_contact() {
        let insert = "INSERT INTO wishers (wish, contact) VALUES (?1, ?2)";
        let mut statement = connection.prepare_cached(insert)?;
        statement.execute(params![wish.0, json(&*contact)])?;
    }
    if fact == WishFact::Forgotten {
        let mut forget = connection.prepare_cached("DELETE FROM wishers WHERE wish = ?1")?;
        forget.execute([wish.0])?;
    }
    let insert = "INSERT INTO wish_facts (position, at_ms, wish, event, fact)
                  VALUES (?1, ?2, ?3, ?4, ?5)";
    connection.prepare_cached(insert)?.execute(params![
        position.0,
        at.0,
        wish.0,
        fact.name(),
        json(&fact),
    ])?;
    Ok(())
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("numbers and texts are always JSON")
}

/// The facts of wishes that are not forgotten, oldest first.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Vec<WishRecord>> {
    let mut statement = connection.prepare(
        "SELECT at_ms, wish, fact, iif(event = 'laid', contact, NULL)
           FROM wish_facts JOIN wishers USING (wish) ORDER BY position",
    )?;
    let records = statement.query_map([], |row| {
        let at = UnixMillis(row.get(0)?);
        let wish = WishId(row.get(1)?);
        let fact = told(row, 2)?;
        Ok(WishRecord { at, wish, fact })
    })?;
    records.collect()
}

/// The highest number that a wish has had.
pub(super) fn last(connection: &Connection) -> rusqlite::Result<WishId> {
    let question = "SELECT coalesce(max(wish), 0) FROM wish_facts";
    connection.query_one(question, [], |row| row.get(0).map(WishId))
}

/// Seats that were given back, and until when they are for wishes alone.
pub(super) fn rests(
    connection: &Connection,
    now: UnixMillis,
) -> rusqlite::Result<Vec<(ReservationId, UnixMillis)>> {
    let question = "SELECT reservation, deadline_ms FROM ledger
                     WHERE fact = 'rested' AND at_ms >= ?1 AND deadline_ms > ?2";
    let mut statement = connection.prepare(question)?;
    let rests = statement.query_map([now.0.saturating_sub(REST_MAX.0), now.0], |row| {
        let seat = ReservationId::from_bytes(row.get(0)?);
        Ok((seat, UnixMillis(row.get(1)?)))
    })?;
    rests.collect()
}

/// What a fact of the ledger says of a wish, if it says anything, and of whom.
pub(super) fn at(
    connection: &Connection,
    position: Position,
) -> rusqlite::Result<Option<(WishId, WishFact)>> {
    let question = "SELECT wish, fact, iif(event = 'laid', contact, NULL)
                      FROM wish_facts LEFT JOIN wishers USING (wish) WHERE position = ?1";
    let mut statement = connection.prepare_cached(question)?;
    let found = statement.query_one([position.0], |row| {
        let wish = WishId(row.get(0)?);
        Ok((wish, told(row, 1)?))
    });
    found.optional()
}

/// The columns `fact` and `contact`, from this one on.
fn told(row: &Row<'_>, first: usize) -> rusqlite::Result<WishFact> {
    let mut fact: WishFact = parsed(row, first)?;
    if let WishFact::Laid { contact, .. } = &mut fact
        && row.get_ref(first + 1)? != ValueRef::Null
    {
        let known: Contact = parsed(row, first + 1)?;
        *contact = Some(Box::new(known));
    }
    Ok(fact)
}

/// A column that is JSON.
pub(in crate::shell) fn parsed<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })
}
