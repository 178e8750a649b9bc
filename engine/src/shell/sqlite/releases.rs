//! The table of what was decided about releases.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::rules::record::Position;
use crate::rules::release::ReleaseId;
use crate::rules::release::fact::{ReleaseFact, ReleaseRecord};
use crate::rules::time::UnixMillis;
use crate::shell::stored::RELEASE_KEPT_DAYS;

/// Writes a fact of a release, within a transaction of the caller's.
pub(super) fn insert(
    connection: &Connection,
    position: Position,
    at: UnixMillis,
    release: ReleaseId,
    fact: &ReleaseFact,
) -> rusqlite::Result<()> {
    let insert = "INSERT INTO release_facts (position, at_ms, release, day, event, fact)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    connection.prepare_cached(insert)?.execute(params![
        position.0,
        at.0,
        release.to_bits(),
        release.day.0,
        fact.name(),
        serde_json::to_string(fact).expect("texts are always JSON"),
    ])?;
    Ok(())
}

/// What still matters on this day, counted as [`DayNumber`](crate::rules::time::DayNumber)s are;
/// oldest first.
pub(super) fn read(connection: &Connection, today: i64) -> rusqlite::Result<Vec<ReleaseRecord>> {
    let mut statement = connection.prepare(
        "SELECT release, fact, at_ms FROM release_facts WHERE day >= ?1 ORDER BY position",
    )?;
    let records = statement.query_map([today - RELEASE_KEPT_DAYS], |row| {
        let at = UnixMillis(row.get(2)?);
        let (release, fact) = told(row, 0)?;
        Ok(ReleaseRecord { at, release, fact })
    })?;
    records.collect()
}

/// What a fact of the ledger says about a release, if it says anything.
pub(super) fn at(
    connection: &Connection,
    position: Position,
) -> rusqlite::Result<Option<(ReleaseId, ReleaseFact)>> {
    let question = "SELECT release, fact FROM release_facts WHERE position = ?1";
    let mut statement = connection.prepare_cached(question)?;
    statement
        .query_one([position.0], |row| told(row, 0))
        .optional()
}

/// The columns `release` and `fact`, from this one on.
pub(in crate::shell) fn told(
    row: &Row<'_>,
    first: usize,
) -> rusqlite::Result<(ReleaseId, ReleaseFact)> {
    let release = ReleaseId::from_bits(row.get(first)?);
    let fact = serde_json::from_str(row.get_ref(first + 1)?.as_str()?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(first + 1, Type::Text, Box::new(error))
    })?;
    Ok((release, fact))
}
