//! The other side: what the database says of everything that people were told.

use std::collections::BTreeMap;

use jiff::Timestamp;
use morgenruh_servers::Postgres;
use morgenruh_wire::Booking;

/// Bookings that are named in a finding; of others it says how many.
const NAMED_MAX: usize = 5;

const BOOKINGS: &str = "
    SELECT encode(bookings.id, 'base64'), status, offices.id, counter,
           extract(epoch FROM lower(during))::bigint, extract(epoch FROM upper(during))::bigint,
           sequence, code
      FROM bookings LEFT JOIN offices ON offices.number = bookings.office;";

const COUNTS: &str = "
    SELECT (SELECT position FROM watermark),
           (SELECT count(*) FROM facts),
           (SELECT coalesce(min(position), 1) FROM facts),
           (SELECT coalesce(max(position), 0) FROM facts),
           (SELECT count(*) FROM quarantine),
           (SELECT count(*) FROM persons);";

/// A booking as both sides know it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    status: String,
    office: String,
    counter: u8,
    /// Seconds since the epoch.
    start: i64,
    end: i64,
    sequence: u32,
    code: String,
}

/// The database at one moment.
#[derive(Debug)]
pub(super) struct Database {
    bookings: BTreeMap<String, Row>,
    pub(super) watermark: u64,
    facts: u64,
    first: u64,
    newest: u64,
    quarantined: u64,
    persons: u64,
}

impl Database {
    /// `None` when an answer is not what was asked for.
    pub(super) fn read(postgres: &Postgres) -> Option<Self> {
        let bookings = postgres.sql(BOOKINGS);
        let rows: Option<_> = bookings.lines().map(row).collect();
        let counts = postgres.sql(COUNTS);
        let counts: Option<Vec<u64>> = counts.split('|').map(|text| text.parse().ok()).collect();
        let [watermark, facts, first, newest, quarantined, persons] = counts?[..] else {
            return None;
        };
        Some(Self {
            bookings: rows?,
            watermark,
            facts,
            first,
            newest,
            quarantined,
            persons,
        })
    }

    /// Compares it with what people were told: what is live, what of the cancelled is remembered,
    /// and how many were cancelled in all. Returns what does not agree, in words.
    pub(super) fn compare<'a>(
        &self,
        told: impl Iterator<Item = &'a Booking>,
        live: u64,
        cancelled: u64,
    ) -> Vec<String> {
        let mut findings = Vec::new();
        for booking in told {
            let expected = expected(booking);
            let found = self.bookings.get(&booking.id);
            if expected.as_ref() != found {
                findings.push(format!("{booking:?} is {found:?} in the database"));
            }
        }
        let booked = self.bookings.values().filter(|row| row.status == "booked");
        let counted = booked.count() as u64;
        let all = self.bookings.len() as u64;
        if (counted, all - counted) != (live, cancelled) {
            findings.push(format!(
                "{live} live and {cancelled} cancelled were told, the database has {counted} and {}",
                all - counted
            ));
        }
        if self.persons != all {
            let persons = self.persons;
            findings.push(format!("{all} bookings of {persons} persons"));
        }
        if (self.first, self.newest, self.facts) != (1, self.watermark, self.watermark) {
            findings.push(format!(
                "facts {} to {}, {} of them, under the watermark {}",
                self.first, self.newest, self.facts, self.watermark
            ));
        }
        if self.quarantined > 0 {
            findings.push(format!("{} facts in quarantine", self.quarantined));
        }
        if findings.len() > NAMED_MAX {
            let more = findings.len() - NAMED_MAX;
            findings.truncate(NAMED_MAX);
            findings.push(format!("and {more} further findings in the database"));
        }
        findings
    }
}

fn row(line: &str) -> Option<(String, Row)> {
    let mut columns = line.split('|');
    let mut column = || columns.next();
    let id = column()?.replace('+', "-").replace('/', "_");
    let row = Row {
        status: column()?.to_owned(),
        office: column()?.to_owned(),
        counter: column()?.parse().ok()?,
        start: column()?.parse().ok()?,
        end: column()?.parse().ok()?,
        sequence: column()?.parse().ok()?,
        code: column()?.to_owned(),
    };
    Some((id.trim_end_matches('=').to_owned(), row))
}

fn expected(booking: &Booking) -> Option<Row> {
    let second = |text: &str| text.parse().ok().map(|time: Timestamp| time.as_second());
    Some(Row {
        status: booking.status.clone(),
        office: booking.office.clone(),
        counter: booking.counter,
        start: second(&booking.start)?,
        end: second(&booking.end)?,
        sequence: booking.sequence,
        code: booking.code.clone(),
    })
}
