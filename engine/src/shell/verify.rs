//! Re-checks a data directory: each seat once, facts and tables agree, counts add up; for waiting
//! rooms see `room_check`, for wishes `wish_check`.
//!
//! What is durable and not in the tables yet is held against the facts before it, but not against
//! the tables.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::sqlite::{DATABASE, each_waiting, releases};
use super::{record_text, room_check, wish_check};
use crate::rules::ids::{DayKey, ReservationId, Seat};
use crate::rules::record::{Fact, Position};

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    pub facts: u64,
    pub booked: u64,
    pub cancelled: u64,
    /// Waiting rooms.
    pub rooms: u64,
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
    let mut history = check.facts()?;
    check.bookings(&history.alive)?;
    check.persons()?;
    check.rooms()?;
    check.releases()?;
    check.wishes()?;
    check.quarantine()?;
    check.waiting(&mut history)?;
    check.errors(history.errors);
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

/// The bookings as the facts made them, one after the other.
#[derive(Default)]
struct History {
    /// By booking id.
    alive: HashMap<ReservationId, Alive>,
    /// The booking id of each reservation that a booking has had.
    origins: HashMap<ReservationId, ReservationId>,
    /// Who has a unit of a counter at this point of the history.
    taken: HashMap<Unit, ReservationId>,
    errors: Vec<String>,
}

impl History {
    fn booked(&mut self, id: ReservationId) {
        let booking = Alive {
            reservation: id,
            cancelled: false,
        };
        if self.alive.insert(id, booking).is_some() {
            self.errors.push(format!("{id:?} was booked twice"));
        }
        self.origins.insert(id, id);
        self.take(id);
    }

    fn cancelled(&mut self, id: ReservationId) {
        let booking = self.origins.get(&id).and_then(|id| self.alive.get_mut(id));
        match booking {
            Some(booking) if !booking.cancelled => {
                booking.cancelled = true;
                self.give_back(id);
            }
            _ => self
                .errors
                .push(format!("{id:?} was cancelled but not booked")),
        }
    }

    fn moved(&mut self, id: ReservationId, successor: Option<ReservationId>) {
        let origin = self.origins.get(&id).copied();
        let booking = origin.and_then(|origin| self.alive.get_mut(&origin));
        match (origin, booking, successor) {
            (_, Some(booking), _) if booking.cancelled => {
                self.errors
                    .push(format!("{id:?} was moved after it was cancelled"));
            }
            (Some(origin), Some(booking), Some(successor)) => {
                booking.reservation = successor;
                self.origins.insert(successor, origin);
                self.give_back(id);
                self.take(successor);
            }
            _ => self.errors.push(format!("{id:?} was moved but not booked")),
        }
    }

    fn take(&mut self, id: ReservationId) {
        let mut other = None;
        for unit in units(id) {
            other = self.taken.insert(unit, id).or(other);
        }
        if let Some(other) = other {
            self.errors
                .push(format!("{id:?} was booked while {other:?} had the seat"));
        }
    }

    fn give_back(&mut self, id: ReservationId) {
        for unit in units(id) {
            self.taken.remove(&unit);
        }
    }
}

/// A unit of a counter.
pub(super) type Unit = (DayKey, u8, u16);

pub(super) fn units(id: ReservationId) -> impl Iterator<Item = Unit> {
    let seat = id.seat();
    (seat.start..seat.end()).map(move |unit| (seat.key, seat.counter, unit))
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

    fn errors(&mut self, errors: Vec<String>) {
        for error in errors {
            self.error(error);
        }
    }

    /// Follows the ledger from its first fact and says which bookings must exist.
    fn facts(&mut self) -> rusqlite::Result<History> {
        let mut history = History::default();
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
                    let before = position.saturating_sub(1);
                    let missing = format!("facts {expected} to {before} are missing");
                    history.errors.push(missing);
                    expected = position;
                }
                let fact = row.get_ref(1)?.as_str()?;
                if matches!(fact, "room" | "wish" | "release") {
                    continue;
                }
                let id = ReservationId::from_bytes(row.get(2)?);
                match fact {
                    "booked" => history.booked(id),
                    "cancelled" => history.cancelled(id),
                    "moved" => {
                        let successor: Option<[u8; 16]> = row.get(3)?;
                        history.moved(id, successor.map(ReservationId::from_bytes));
                    }
                    _ => {}
                }
            }
        }
        self.findings.facts = expected;
        self.errors(std::mem::take(&mut history.errors));
        Ok(history)
    }

    /// Goes on with the facts that are not in the tables yet.
    fn waiting(&mut self, history: &mut History) -> rusqlite::Result<()> {
        if !self.connection.table_exists(None, "tail")? {
            return Ok(());
        }
        let before = self.findings.facts;
        let mut facts = before;
        let mut findings = (self.findings.booked, self.findings.cancelled);
        each_waiting(&self.connection, Position(before), |position, line| {
            facts += 1;
            if position.0 != facts {
                let missing = format!("facts {facts} to {} are missing", position.0 - 1);
                history.errors.push(missing);
                facts = position.0;
            }
            match record_text::read(line.as_bytes()).map(|record| record.fact) {
                Ok(Fact::Booked(booked)) => {
                    history.booked(booked.confirmed.id);
                    findings.0 += 1;
                }
                Ok(Fact::Cancelled { id, .. }) => {
                    history.cancelled(id);
                    findings.0 = findings.0.saturating_sub(1);
                    findings.1 += 1;
                }
                Ok(Fact::Moved { from, to, .. }) => history.moved(from, Some(to.id)),
                Ok(_) => {}
                Err(error) => {
                    let error = format!("fact {facts} is {error}");
                    history.errors.push(error);
                }
            }
        })?;
        self.findings.facts = facts;
        (self.findings.booked, self.findings.cancelled) = findings;
        Ok(())
    }

    fn quarantine(&mut self) -> rusqlite::Result<()> {
        if !self.connection.table_exists(None, "quarantine")? {
            return Ok(());
        }
        let question = "SELECT position, reason FROM quarantine ORDER BY position";
        let mut errors = Vec::new();
        {
            let mut statement = self.connection.prepare(question)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (position, reason): (u64, String) = (row.get(0)?, row.get(1)?);
                errors.push(format!("fact {position} is in quarantine: {reason}"));
            }
        }
        self.errors(errors);
        Ok(())
    }

    /// Holds the table of bookings against the facts, and every live seat against all others.
    fn bookings(&mut self, facts: &HashMap<ReservationId, Alive>) -> rusqlite::Result<()> {
        let mut alive: HashMap<_, _> = facts.iter().collect();
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
        self.errors(errors);
        Ok(())
    }

    fn rooms(&mut self) -> rusqlite::Result<()> {
        let (rooms, errors) = room_check::check(&self.connection)?;
        self.findings.rooms = rooms;
        for error in errors {
            self.error(error);
        }
        Ok(())
    }

    /// What was decided about releases is in its table, and the ledger says so too.
    fn releases(&mut self) -> rusqlite::Result<()> {
        if !self.connection.table_exists(None, "release_facts")? {
            return Ok(());
        }
        let mut errors = Vec::new();
        {
            let mut statement = self.connection.prepare(
                "SELECT position, release, release_facts.fact, day, event, ledger.fact, reservation
                   FROM release_facts LEFT JOIN ledger USING (position) ORDER BY position",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let position: i64 = row.get(0)?;
                let Ok((release, fact)) = releases::told(row, 1) else {
                    errors.push(format!("fact {position} of a release cannot be read"));
                    continue;
                };
                let (kind, subject): (Option<String>, Option<Vec<u8>>) = (row.get(5)?, row.get(6)?);
                let agrees = row.get::<_, i64>(3)? == i64::from(release.day.0)
                    && row.get_ref(4)?.as_str()? == fact.name()
                    && kind.as_deref() == Some("release")
                    && subject.as_deref() == Some(&release.to_bytes());
                if !agrees {
                    errors.push(format!(
                        "{release:?}: fact {position} is not what its row or the ledger says"
                    ));
                }
            }
        }
        let lost = "SELECT count(*) FROM ledger
                     WHERE fact = 'release' AND position NOT IN (SELECT position FROM release_facts)";
        let lost: u64 = self.connection.query_one(lost, [], |row| row.get(0))?;
        if lost > 0 {
            errors.push(format!("{lost} facts of releases are not in their table"));
        }
        self.errors(errors);
        Ok(())
    }

    fn wishes(&mut self) -> rusqlite::Result<()> {
        let errors = wish_check::check(&self.connection)?;
        self.errors(errors);
        Ok(())
    }

    /// Everybody has a booking, and every booking that is still to come has somebody.
    fn persons(&mut self) -> rusqlite::Result<()> {
        let orphans = "SELECT count(*) FROM persons WHERE booking NOT IN (SELECT id FROM bookings)";
        let strangers = "SELECT count(*) FROM bookings
                          WHERE status = 'booked' AND id NOT IN (SELECT booking FROM persons)
                            AND start_ms > (SELECT max(at_ms) FROM ledger)";
        for (question, finding) in [
            (orphans, "persons belong to no booking"),
            (
                strangers,
                "bookings that are still to come belong to nobody",
            ),
        ] {
            let count: u64 = self.connection.query_one(question, [], |row| row.get(0))?;
            if count > 0 {
                self.error(format!("{count} {finding}"));
            }
        }
        Ok(())
    }
}
