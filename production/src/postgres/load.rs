//! What the store remembers, read as fast as it comes.

use morgenruh_engine::rules::day::{HoldTerms, Reservation, State};
use morgenruh_engine::rules::ids::{Digest, ReservationId};
use morgenruh_engine::rules::record::{Contract, Position};
use morgenruh_engine::rules::room::TicketId;
use morgenruh_engine::rules::time::{DayNumber, UnixMillis};
use morgenruh_engine::shell::stored::{HOLD_LIFE_MAX, HoldFact, Remembered, RememberedKey};

use super::copy::{RowIn, timestamp};
use super::fault::Fault;
use super::link::Session;
use super::values::{channel, position};
use super::{releases, rooms, wishes};

/// Bookings between two reports of progress.
const PROGRESS_EVERY: u64 = 100_000;
/// From 1970-01-01 to 2000-01-01.
const EPOCH_DAYS: i64 = 10_957;
const DAY_MS: i64 = 86_400_000;

const BOOKING_FIELDS: i16 = 12;
const FACT_FIELDS: i16 = 9;

/// The bookings, rooms, releases and wishes that still matter, and the newest facts about holds.
/// `written` is the time of the newest fact, `now` that of the clock: the earlier of both decides,
/// so that a clock that is ahead hides no booking. Two days back covers yesterday in every time
/// zone.
pub(super) fn load(
    session: &mut Session,
    now: UnixMillis,
    written: UnixMillis,
    progress: &dyn Fn(u64),
) -> Result<Remembered, Fault> {
    let mut remembered = Remembered::default();
    let earlier = now.min(written);
    let today = earlier.0.div_euclid(DAY_MS) - EPOCH_DAYS;
    let first_day = u16::try_from((today - 2).max(0)).unwrap_or(u16::MAX);
    remembered.first_day = DayNumber(first_day);
    let bookings = format!(
        "COPY (SELECT id, reservation, status, channel, services, sequence, secret, manage,
                      request, idempotency_key, booked_at, position
                 FROM bookings WHERE day >= date '2000-01-01' + {first_day}) TO STDOUT (FORMAT binary)"
    );
    session.copy_out(&bookings, |message| {
        if let Some(row) = RowIn::of(message, BOOKING_FIELDS)? {
            read_booking(row, &mut remembered)?;
            let bookings = remembered.bookings.len() as u64;
            if bookings.is_multiple_of(PROGRESS_EVERY) {
                progress(bookings);
            }
        }
        Ok(())
    })?;
    progress(remembered.bookings.len() as u64);

    let oldest = UnixMillis(now.0.saturating_sub(HOLD_LIFE_MAX.0));
    let facts = format!(
        "COPY (SELECT at, fact, reservation, successor, channel, services, secret, deadline,
                      ticket
                 FROM facts WHERE at >= timestamptz '2000-01-01 00:00Z' + {} * interval '1 us'
                              AND fact NOT IN ('room', 'release', 'wish')
                ORDER BY position) TO STDOUT (FORMAT binary)",
        timestamp(oldest)
    );
    session.copy_out(&facts, |message| {
        if let Some(row) = RowIn::of(message, FACT_FIELDS)? {
            remembered.hold_facts.push(hold_fact(row)?);
        }
        Ok(())
    })?;
    remembered.room_facts = rooms::load(session, today)?;
    remembered.release_facts = releases::load(session, today)?;
    wishes::load(session, earlier, &mut remembered)?;
    Ok(remembered)
}

fn read_booking(mut row: RowIn<'_>, into: &mut Remembered) -> Result<(), Fault> {
    let origin = ReservationId::from_bytes(row.exactly()?);
    let id = ReservationId::from_bytes(row.exactly()?);
    let is_cancelled = row.bytes()? == b"cancelled";
    let channel = channel(row.text()?);
    // What is not services with quantities counts as none: the seat matters more.
    let services = row.text()?.parse().unwrap_or_default();
    let sequence = u32::try_from(row.big()?).unwrap_or(u32::MAX);
    let secret = Digest(row.exactly()?);
    let contract = Box::new(Contract {
        origin,
        sequence,
        manage: Digest(row.exactly()?),
        request: Digest(row.exactly()?),
    });
    let key = row.exactly_or_null()?.map(Digest);
    let at = row.instant()?;
    let position: Position = position(row.big()?);
    let request = contract.request;
    into.idempotency_keys
        .extend(key.map(|key| RememberedKey { key, request, at }));
    into.bookings.push(Reservation {
        id,
        services,
        channel,
        secret,
        ticket: None,
        state: if is_cancelled {
            State::Cancelled(contract, position)
        } else {
            State::Booked(contract, position)
        },
    });
    Ok(())
}

fn hold_fact(mut row: RowIn<'_>) -> Result<(UnixMillis, HoldFact), Fault> {
    let at = row.instant()?;
    let fact = row.text()?;
    let id = ReservationId::from_bytes(row.exactly()?);
    let said = match fact {
        "held" => {
            row.field()?;
            let channel = channel(row.text()?);
            let services = row.text()?.parse().unwrap_or_default();
            let secret = Digest(row.exactly()?);
            let terms = HoldTerms {
                deadline: row.instant()?,
                extended: false,
            };
            let hold = Reservation {
                id,
                services,
                channel,
                secret,
                ticket: row.exactly_or_null()?.map(TicketId::from_bytes),
                state: State::Held(terms),
            };
            HoldFact::Made(hold, terms)
        }
        "extended" | "stretched" => {
            for _unused in 0..4 {
                row.field()?;
            }
            HoldFact::Prolonged {
                id,
                deadline: row.instant()?,
                extended: fact == "extended",
            }
        }
        _ => {
            let successor = row.exactly_or_null()?;
            HoldFact::Ended(id, successor.map(ReservationId::from_bytes))
        }
    };
    Ok((at, said))
}
