//! The table of what was decided about releases.

use morgenruh_engine::rules::record::{Fact, Position};
use morgenruh_engine::rules::release::ReleaseId;
use morgenruh_engine::rules::release::fact::{ReleaseFact, ReleaseRecord};
use morgenruh_engine::rules::time::{DayNumber, UnixMillis};
use morgenruh_engine::shell::drain::Placed;
use morgenruh_engine::shell::stored::RELEASE_KEPT_DAYS;

use super::copy::{RowIn, RowsOut};
use super::fault::Fault;
use super::link::Session;
use super::values::number;

const COPY_RELEASE_FACTS: &str = include_str!("sql/copy_release_facts.sql");
const FIELDS: i16 = 5;

/// What a record says about a release.
struct Told<'a> {
    position: Position,
    at: UnixMillis,
    release: ReleaseId,
    fact: &'a ReleaseFact,
}

impl<'a> Told<'a> {
    fn by(Placed { position, record }: &'a Placed) -> Option<Told<'a>> {
        let Fact::Release { release, fact } = &record.fact else {
            return None;
        };
        Some(Told {
            position: *position,
            at: record.at,
            release: *release,
            fact,
        })
    }
}

/// Everything that these records say about releases, within a transaction of the caller's.
pub(super) fn apply(session: &mut Session, records: &[Placed]) -> Result<(), Fault> {
    let told: Vec<Told<'_>> = records.iter().filter_map(Told::by).collect();
    if told.is_empty() {
        return Ok(());
    }
    let mut rows = RowsOut::new(7);
    for it in told {
        let fact = serde_json::to_string(it.fact).expect("texts are always JSON");
        rows.row()
            .big(number(it.position))
            .instant(it.at)
            .int(i32::from(it.release.office))
            .int(i32::from(it.release.day.0))
            .int(i32::from(it.release.minute))
            .text(it.fact.name())
            .jsonb(&fact);
    }
    session.copy_in(COPY_RELEASE_FACTS, rows.finish())?;
    Ok(())
}

/// What still matters on this day, counted as [`DayNumber`]s are; oldest first.
pub(super) fn load(session: &mut Session, today: i64) -> Result<Vec<ReleaseRecord>, Fault> {
    let facts = format!(
        "COPY (SELECT at, office, day - date '2000-01-01', minute, fact::text
                 FROM release_facts WHERE day >= date '2000-01-01' + {}
                ORDER BY position) TO STDOUT (FORMAT binary)",
        (today - RELEASE_KEPT_DAYS).clamp(0, i64::from(u16::MAX))
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

fn read(mut row: RowIn<'_>) -> Result<ReleaseRecord, Fault> {
    let at = row.instant()?;
    let numbers = [row.int()?, row.int()?, row.int()?];
    let damaged = |why: String| Fault::Lost(format!("a fact of a release is damaged: {why}"));
    let small = |number: i32| u16::try_from(number).map_err(|error| damaged(error.to_string()));
    let [office, day, minute] = numbers.map(small);
    let release = ReleaseId {
        office: office?,
        day: DayNumber(day?),
        minute: minute?,
    };
    let fact = serde_json::from_str(row.text()?).map_err(|error| damaged(error.to_string()))?;
    Ok(ReleaseRecord { at, release, fact })
}
