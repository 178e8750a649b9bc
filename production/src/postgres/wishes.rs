//! The tables of wishes, and of who has them; seats that were given back.

use std::borrow::Cow;
use std::collections::HashSet;

use morgenruh_engine::rules::ids::ReservationId;
use morgenruh_engine::rules::record::Position;
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::rules::wish::WishId;
use morgenruh_engine::rules::wish::fact::{Contact, WishFact, WishRecord};
use morgenruh_engine::shell::drain::Placed;
use morgenruh_engine::shell::stored::{REST_MAX, Remembered};
use tokio_postgres::types::Type;

use super::copy::{RowIn, RowsOut, timestamp};
use super::fault::Fault;
use super::link::Session;
use super::values::number;

const COPY_WISH_FACTS: &str = include_str!("sql/copy_wish_facts.sql");
const COPY_WISHERS: &str = include_str!("sql/copy_wishers.sql");
const FORGET_WISHERS: &str = include_str!("sql/forget_wishers.sql");
const FACTS: &str = "COPY (SELECT at, wish, fact::text,
                                  CASE event WHEN 'laid' THEN contact::text END
                             FROM wish_facts JOIN wishers USING (wish)
                            ORDER BY position) TO STDOUT (FORMAT binary)";
const LAST: &str = "SELECT max(wish) FROM wish_facts";
const FACT_FIELDS: i16 = 4;
const REST_FIELDS: i16 = 2;

/// What a record says of a wish, and of whom.
struct Told<'a> {
    position: Position,
    at: UnixMillis,
    wish: i64,
    fact: Cow<'a, WishFact>,
    contact: Option<Box<Contact>>,
}

impl<'a> Told<'a> {
    fn by(Placed { position, record }: &'a Placed) -> Option<Result<Told<'a>, Fault>> {
        let (wish, mut fact) = record.fact.of_wish()?;
        let Ok(wish) = i64::try_from(wish.0) else {
            let sentence = format!("fact {} is of {wish:?}, which cannot be", position.0);
            return Some(Err(Fault::Forbidden(sentence)));
        };
        let contact = match fact.as_ref() {
            WishFact::Laid { .. } => fact.to_mut().take_contact(),
            _ => None,
        };
        Some(Ok(Told {
            position: *position,
            at: record.at,
            wish,
            fact,
            contact,
        }))
    }
}

/// Everything that these records say of wishes, within a transaction of the caller's. What they say
/// of a person goes into a table of its own; of a wish that they forget nothing of it is kept.
pub(super) fn apply(session: &mut Session, records: &[Placed]) -> Result<(), Fault> {
    let told = records.iter().filter_map(Told::by);
    let told: Vec<Told<'_>> = told.collect::<Result<_, _>>()?;
    if told.is_empty() {
        return Ok(());
    }
    session.copy_in(COPY_WISH_FACTS, facts(&told))?;
    let ends = told.iter().filter(|it| *it.fact == WishFact::Forgotten);
    let forgotten: HashSet<i64> = ends.map(|it| it.wish).collect();
    let mut wishers = RowsOut::new(2);
    let mut laid = false;
    for it in told.iter().filter(|it| !forgotten.contains(&it.wish)) {
        if let Some(contact) = &it.contact {
            let contact = serde_json::to_string(contact).expect("texts are always JSON");
            wishers.row().big(it.wish).jsonb(&contact);
            laid = true;
        }
    }
    if laid {
        session.copy_in(COPY_WISHERS, wishers.finish())?;
    }
    if !forgotten.is_empty() {
        let forgotten: Vec<i64> = forgotten.into_iter().collect();
        session.execute_anew(FORGET_WISHERS, &[Type::INT8_ARRAY], &[&forgotten])?;
    }
    Ok(())
}

fn facts(told: &[Told<'_>]) -> bytes::Bytes {
    let mut rows = RowsOut::new(5);
    for it in told {
        let fact = serde_json::to_string(&it.fact).expect("numbers and texts are always JSON");
        rows.row()
            .big(number(it.position))
            .instant(it.at)
            .big(it.wish)
            .text(it.fact.name())
            .jsonb(&fact);
    }
    rows.finish()
}

/// The facts of wishes that are not forgotten, oldest first; the highest number that one has had;
/// the seats that rest at `now`.
pub(super) fn load(
    session: &mut Session,
    now: UnixMillis,
    into: &mut Remembered,
) -> Result<(), Fault> {
    session.copy_out(FACTS, |message| {
        if let Some(row) = RowIn::of(message, FACT_FIELDS)? {
            into.wish_facts.push(read(row)?);
        }
        Ok(())
    })?;
    let last = session.rows(LAST, &[])?;
    let last: Option<i64> = last.first().and_then(|row| row.get(0));
    into.last_wish = wish_id(last.unwrap_or(0));
    let oldest = UnixMillis(now.0.saturating_sub(REST_MAX.0));
    let rests = format!(
        "COPY (SELECT reservation, deadline
                 FROM facts
                WHERE fact = 'rested'
                  AND at >= timestamptz '2000-01-01 00:00Z' + {} * interval '1 us'
                  AND deadline > timestamptz '2000-01-01 00:00Z' + {} * interval '1 us'
                ORDER BY position) TO STDOUT (FORMAT binary)",
        timestamp(oldest),
        timestamp(now)
    );
    session.copy_out(&rests, |message| {
        if let Some(mut row) = RowIn::of(message, REST_FIELDS)? {
            let seat = ReservationId::from_bytes(row.exactly()?);
            into.rests.push((seat, row.instant()?));
        }
        Ok(())
    })
}

fn read(mut row: RowIn<'_>) -> Result<WishRecord, Fault> {
    let at = row.instant()?;
    let wish = wish_id(row.big()?);
    let damaged = |error| Fault::Lost(format!("a fact of {wish:?} is damaged: {error}"));
    let mut fact: WishFact = serde_json::from_slice(row.bytes()?).map_err(damaged)?;
    if let (WishFact::Laid { contact, .. }, Some(known)) = (&mut fact, row.field()?) {
        // What is wrong with it would be told with a piece of it.
        let known = serde_json::from_slice(known)
            .map_err(|_| Fault::Lost(format!("the contact of {wish:?} is damaged")))?;
        *contact = Some(known);
    }
    Ok(WishRecord { at, wish, fact })
}

/// Numbers come from 1 on; the tables have no others.
fn wish_id(number: i64) -> WishId {
    WishId(u64::try_from(number).unwrap_or(0))
}
