//! Re-checks a data directory: each seat once, facts and tables agree, counts add up.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::sqlite::DATABASE;
use crate::rules::ids::{ReservationId, Seat};

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    pub facts: u64,
    pub booked: u64,
    pub cancelled: u64,
    /// Each is one sentence; empty when all is well.
    pub errors: Vec<String>,
}

/// Errors listed before the rest is only counted.
const ERRORS_MAX: usize = 1_000;

/// Checks the database in `data` without changing it; the service may be running.
///
/// # Errors
/// When the database cannot be read at all.
pub fn verify(data: &Path) -> rusqlite::Result<Findings> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(data.join(DATABASE), flags)?;
    // One snapshot for all questions.
    connection.execute_batch("BEGIN")?;
    let mut check = Check {
        connection,
        findings: Findings::default(),
    };
    check.file()?;
    let alive = check.facts()?;
    check.bookings(alive)?;
    check.persons()?;
    Ok(check.findings)
}

struct Check {
    connection: Connection,
    findings: Findings,
}

/// What the facts say about a booking, by its id.
struct Alive {
    reservation: ReservationId,
    cancelled: bool,
}

impl Check {
    fn error(&mut self, error: String) {
        if self.findings.errors.len() < ERRORS_MAX {
            self.findings.errors.push(error);
        }
    }

    fn file(&mut self) -> rusqlite::Result<()> {
        let verdict: String =
            self.connection
                .query_one("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if verdict != "ok" {
            self.error(format!("the file is damaged: {verdict}"));
        }
        Ok(())
    }

    /// Follows the ledger from its first fact and says which bookings must exist.
    fn facts(&mut self) -> rusqlite::Result<HashMap<ReservationId, Alive>> {
        let mut errors = Vec::new();
        // By booking id; and the booking id of each reservation that a booking has had.
        let mut alive: HashMap<ReservationId, Alive> = HashMap::new();
        let mut origins: HashMap<ReservationId, ReservationId> = HashMap::new();
        let mut expected = 0;
        {
            let mut statement = self.connection.prepare(
                "SELECT position, fact, reservation, successor FROM ledger ORDER BY position",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let position: u64 = row.get(0)?;
                expected += 1;
                if position != expected {
                    errors.push(format!("facts {expected} to {} are missing", position - 1));
                    expected = position;
                }
                let id = ReservationId::from_bytes(row.get(2)?);
                match row.get_ref(1)?.as_str()? {
                    "booked" => {
                        let before = alive.insert(
                            id,
                            Alive {
                                reservation: id,
                                cancelled: false,
                            },
                        );
                        if before.is_some() {
                            errors.push(format!("{id:?} was booked twice"));
                        }
                        origins.insert(id, id);
                    }
                    "cancelled" => match origins.get(&id).and_then(|id| alive.get_mut(id)) {
                        Some(booking) if !booking.cancelled => booking.cancelled = true,
                        _ => errors.push(format!("{id:?} was cancelled but not booked")),
                    },
                    "moved" => {
                        let origin = origins.get(&id).copied();
                        let booking = origin.and_then(|origin| alive.get_mut(&origin));
                        let successor: Option<[u8; 16]> = row.get(3)?;
                        match (origin, booking, successor.map(ReservationId::from_bytes)) {
                            (_, Some(booking), _) if booking.cancelled => {
                                errors.push(format!("{id:?} was moved after it was cancelled"));
                            }
                            (Some(origin), Some(booking), Some(successor)) => {
                                booking.reservation = successor;
                                origins.insert(successor, origin);
                            }
                            _ => errors.push(format!("{id:?} was moved but not booked")),
                        }
                    }
                    _ => {}
                }
            }
        }
        self.findings.facts = expected;
        for error in errors {
            self.error(error);
        }
        Ok(alive)
    }

    /// Holds the table of bookings against the facts, and every live seat against all others.
    fn bookings(&mut self, mut alive: HashMap<ReservationId, Alive>) -> rusqlite::Result<()> {
        let mut errors = Vec::new();
        let mut seats: Vec<Seat> = Vec::new();
        {
            let mut statement = self.connection.prepare(
                "SELECT id, reservation, status, office, day, counter, start_unit, units
                   FROM bookings",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let id = ReservationId::from_bytes(row.get(0)?);
                let reservation = ReservationId::from_bytes(row.get(1)?);
                let cancelled = row.get_ref(2)?.as_str()? == "cancelled";
                let seat = reservation.seat();
                let address: [i64; 5] = [
                    row.get(3)?,
                    row.get(4)?,
                    row.get(5)?,
                    row.get(6)?,
                    row.get(7)?,
                ];
                let named = [
                    i64::from(seat.key.office),
                    i64::from(seat.key.day.0),
                    i64::from(seat.counter) + 1,
                    i64::from(seat.start),
                    i64::from(seat.units),
                ];
                if address != named {
                    errors.push(format!("{reservation:?} does not lie where its row says"));
                }
                match alive.remove(&id) {
                    None => errors.push(format!("{id:?} is in the table but was never booked")),
                    Some(fact) if fact.reservation != reservation => {
                        errors.push(format!("{id:?} is at another seat than its facts say"));
                    }
                    Some(fact) if fact.cancelled != cancelled => {
                        errors.push(format!("{id:?} has another status than its facts say"));
                    }
                    Some(_) => {}
                }
                if cancelled {
                    self.findings.cancelled += 1;
                } else {
                    self.findings.booked += 1;
                    seats.push(seat);
                }
            }
        }
        for id in alive.into_keys() {
            errors.push(format!("{id:?} was booked but is not in the table"));
        }
        seats.sort_unstable_by_key(|seat| (seat.key, seat.counter, seat.start));
        for pair in seats.windows(2) {
            if let [first, second] = pair
                && first.overlaps(*second)
            {
                errors.push(format!("one seat, two bookings: {first:?} and {second:?}"));
            }
        }
        for error in errors {
            self.error(error);
        }
        Ok(())
    }

    fn persons(&mut self) -> rusqlite::Result<()> {
        let orphans: u64 = self.connection.query_one(
            "SELECT count(*) FROM persons WHERE booking NOT IN (SELECT id FROM bookings)",
            [],
            |row| row.get(0),
        )?;
        if orphans > 0 {
            self.error(format!("{orphans} persons belong to no booking"));
        }
        Ok(())
    }
}
