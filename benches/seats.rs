//! Every seat of a town, one after the other, and the holds on them.
//!
//! One seat after the other goes to another office, and an office's seats are taken from its first
//! day on, start by start: a rush.

use jiff::civil::Date;
use morgenruh_engine::rules::calendar::UNIT;
use morgenruh_engine::rules::catalogue::{Catalogue, Channel, OfficeIndex};
use morgenruh_engine::rules::ids::{Digest, HoldToken, Secret};
use morgenruh_engine::rules::need::Need;
use morgenruh_engine::rules::record::Person;
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use morgenruh_engine::shell::engine::{ConfirmAsk, Engine, HoldAsk, HoldError};

use crate::town::{self, Office};
use crate::visits::VISIT_UNITS;

/// The first day whose seats are taken, the day after [`NOW`](crate::rules::NOW).
const FIRST_DAY: Date = jiff::civil::date(2026, 12, 1);
/// Days on which seats are taken; the clocks change on none of them.
const DAYS: u64 = 60;

/// Offices that are all alike.
#[derive(Clone, Copy, Debug)]
pub struct Town {
    pub offices: u16,
    pub office: Office,
    /// First open unit of the office, and the first one after the last.
    pub open: (u16, u16),
}

impl Town {
    pub fn catalogue(&self) -> Catalogue {
        let offices = vec![self.office; usize::from(self.offices)];
        town::catalogue(&town::files(&offices))
    }

    /// How many seats it has.
    pub fn seats(&self) -> u64 {
        u64::from(self.offices) * u64::from(self.office.counters) * self.visits() * DAYS
    }

    /// Visits that a counter has in a day.
    fn visits(&self) -> u64 {
        let (opens, closes) = self.open;
        u64::from((closes - opens) / VISIT_UNITS)
    }

    /// Where the seat of this number is: its office, its day counted from the first, its start.
    fn place(&self, seat: u64) -> (OfficeIndex, u64, u16) {
        assert!(seat < self.seats(), "the town has no more seats");
        let office = seat % u64::from(self.offices);
        let visit = seat / u64::from(self.offices) / u64::from(self.office.counters);
        let (day, visit) = (visit / self.visits(), visit % self.visits());
        let start = self.open.0 + visit as u16 * VISIT_UNITS;
        (OfficeIndex(office as u16), day, start)
    }

    /// Holds the seat of this number, and says how it is confirmed.
    ///
    /// # Errors
    /// [`HoldError::Overloaded`], and nothing else while each seat is taken once.
    pub fn hold(
        &self,
        engine: &Engine,
        now: UnixMillis,
        need: Need,
        seat: u64,
    ) -> Result<ConfirmAsk, HoldError> {
        let (office, day, start) = self.place(seat);
        let zone = &engine.catalogue().city.zone;
        let date = FIRST_DAY.saturating_add(jiff::Span::new().days(day as i64));
        let midnight = date.to_zoned(zone.clone()).expect("it is in this century");
        let midnight = UnixMillis(midnight.timestamp().as_millisecond());
        let mut secret = [7; 16];
        secret[..8].copy_from_slice(&seat.to_be_bytes());
        let secret = Secret(secret);
        let ask = HoldAsk {
            office,
            need,
            start: midnight + Millis(UNIT.0 * i64::from(start)),
            channel: Channel::Public,
            secret: secret.digest(),
            random: seat,
            pass: None,
        };
        let hold = engine.hold(now, &ask)?;
        let token = HoldToken {
            id: hold.id,
            secret,
        };
        Ok(ConfirmAsk {
            token,
            person: person(seat),
            request: Digest::of(&[&token.id.to_bytes()]),
            idempotency_key: Some(Digest::of(&[&seat.to_be_bytes()])),
            identities: Vec::new(),
        })
    }
}

/// Somebody who comes, the same for whoever keeps them.
pub fn person(number: u64) -> Person {
    Person {
        name: format!("Erika Mustermann-{number}"),
        email: format!("erika.mustermann.{number}@example.org"),
        phone: Some(format!("+49 211 {number:07}")),
        answers: Default::default(),
    }
}
