//! The record of acknowledged bookings: what the service promised, kept outside the service.
//!
//! As a file it is one JSON line for each acknowledgement, written after the answer came and
//! before the next question, so that it never claims what was not promised.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use jiff::Timestamp;
use morgenruh_wire::Booking;
use serde::{Deserialize, Serialize};

/// Longest line of a record, in bytes.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// Lines of a record.
const LINES_MAX: usize = 10_000_000;

/// What is known to be true of an acknowledged booking.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It must be there.
    #[default]
    Live,
    /// Its cancellation was acknowledged: it must read back as cancelled.
    Cancelled,
    /// A cancellation was asked for and not answered: both are true to the promise.
    Open,
}

/// A booking that the service acknowledged.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Acknowledged {
    pub id: String,
    pub manage_token: String,
    pub office: String,
    pub counter: u8,
    /// First instant of the seat, RFC 3339.
    pub start: Timestamp,
    /// First instant after the seat, RFC 3339.
    pub end: Timestamp,
    /// Minutes that the booked services take, where the catalogue told; 0 where it did not.
    #[serde(default)]
    pub service_minutes: u32,
    #[serde(default)]
    pub standing: Standing,
}

/// Why an answer is no acknowledgement.
#[derive(Debug, thiserror::Error)]
pub enum NotAcknowledged {
    #[error("the confirmation carries no manage_token")]
    NoToken,
    #[error("{0} is no time")]
    Time(String),
}

impl Acknowledged {
    /// What a confirmation promised.
    pub fn new(booking: Booking, service_minutes: u32) -> Result<Self, NotAcknowledged> {
        let time = |text: &str| {
            text.parse()
                .map_err(|_| NotAcknowledged::Time(text.to_owned()))
        };
        Ok(Self {
            start: time(&booking.start)?,
            end: time(&booking.end)?,
            manage_token: booking.manage_token.ok_or(NotAcknowledged::NoToken)?,
            id: booking.id,
            office: booking.office,
            counter: booking.counter,
            service_minutes,
            standing: Standing::Live,
        })
    }
}

/// A record being written.
#[derive(Debug)]
pub struct Record {
    file: File,
}

impl Record {
    /// Opens a record and goes on at its end.
    pub fn append(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: OpenOptions::new().create(true).append(true).open(path)?,
        })
    }

    /// Writes one line in one call, so that an end of this tool leaves whole lines.
    pub fn write(&mut self, booking: &Acknowledged) -> io::Result<()> {
        let mut line = serde_json::to_vec(booking)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.file.flush()
    }
}

/// Reads a record. A last line without its end was being written when the tool died: nothing is
/// known to have been promised by it, so it is left out.
pub fn read(path: &Path) -> io::Result<Vec<Acknowledged>> {
    let mut reader = BufReader::new(File::open(path)?);
    let mut bookings = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        reader.read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Ok(bookings);
        }
        if line.len() > LINE_BYTES_MAX || bookings.len() == LINES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the record is too long",
            ));
        }
        bookings.push(serde_json::from_slice(&line)?);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_up_to_its_last_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.jsonl");
        let booking = Acknowledged {
            id: "a".to_owned(),
            manage_token: "t".to_owned(),
            office: "bilk".to_owned(),
            counter: 3,
            start: "2026-11-24T08:15:00+01:00".parse().unwrap(),
            end: "2026-11-24T08:30:00+01:00".parse().unwrap(),
            service_minutes: 15,
            standing: Standing::Live,
        };
        for _ in 0..2 {
            Record::append(&path).unwrap().write(&booking).unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(read(&path).unwrap(), vec![booking.clone(), booking.clone()]);
        std::fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        assert_eq!(read(&path).unwrap(), vec![booking]);
        std::fs::write(&path, "{}\n").unwrap();
        assert!(read(&path).is_err());
    }
}
