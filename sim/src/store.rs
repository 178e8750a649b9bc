//! The store behind the ledger: tables that are written in transactions, always a prefix of the
//! facts. They forbid two bookings on one seat at any point of the history.

use std::collections::HashMap;

use morgenruh_engine::canary::{Canary, sings};
use morgenruh_engine::rules::ids::{DayKey, ReservationId};
use morgenruh_engine::rules::record::{Fact, Position};
use morgenruh_engine::shell::drain::{Away, Placed, Store, StoreError, Tail};
use morgenruh_engine::shell::stored::Remembered;

use crate::disk::{CrashPoint, Disk};

/// What survives of the tables.
#[derive(Default)]
pub struct Tables {
    pub remembered: Remembered,
    pub watermark: u64,
    /// Who has a unit of a counter.
    taken: HashMap<(DayKey, u8, u16), ReservationId>,
    quarantined: u64,
}

impl Tables {
    fn apply(&mut self, records: &[Placed]) -> Result<(), StoreError> {
        for placed in records {
            let (given_up, taken) = match &placed.record.fact {
                Fact::Booked(booked) => (None, Some(booked.confirmed.id)),
                Fact::Cancelled { id, .. } => (Some(*id), None),
                Fact::Moved { from, to, .. } => (Some(*from), Some(to.id)),
                _ => (None, None),
            };
            for unit in given_up.into_iter().flat_map(units) {
                self.taken.remove(&unit);
            }
            for (id, unit) in taken
                .iter()
                .flat_map(|id| units(*id).map(move |it| (*id, it)))
            {
                if let Some(other) = self.taken.insert(unit, id) {
                    let overlap = format!("fact {:?} overlaps {other:?}", placed.position);
                    return Err(StoreError::Forbidden(overlap));
                }
            }
        }
        self.remembered.follow(records);
        Ok(())
    }
}

fn units(id: ReservationId) -> impl Iterator<Item = (DayKey, u8, u16)> {
    let seat = id.seat();
    (seat.start..seat.end()).map(move |unit| (seat.key, seat.counter, unit))
}

fn no_power() -> Away {
    Away("the power is off".into())
}

impl Tail for Disk {
    fn after(&mut self, position: Position, max: usize) -> Result<Vec<Placed>, Away> {
        Ok(self.plates().after(position.0, max))
    }

    fn trim(&mut self, watermark: Position) -> Result<(), Away> {
        self.plates().trim(watermark.0);
        Ok(())
    }
}

impl Store for Disk {
    fn watermark(&mut self) -> Result<Position, Away> {
        let plates = self.plates();
        if !plates.has_power() {
            return Err(no_power());
        }
        Ok(Position(plates.tables.watermark))
    }

    fn apply(&mut self, records: &[Placed]) -> Result<(), StoreError> {
        let mut plates = self.plates();
        let last = records.last().map_or(0, |placed| placed.position.0);
        if plates.reaches(CrashPoint::InStore) || !plates.has_power() {
            return Err(no_power().into());
        }
        if sings(Canary::WatermarkAhead) && plates.is_armed(CrashPoint::BeforeWatermark) {
            plates.tables.watermark = last;
        }
        if plates.reaches(CrashPoint::BeforeWatermark) {
            // Rows and watermark are one transaction.
            return Err(no_power().into());
        }
        plates.tables.apply(records)?;
        plates.tables.watermark = last;
        Ok(())
    }

    fn quarantine(&mut self, record: &Placed, _: &str) -> Result<u64, Away> {
        let mut plates = self.plates();
        plates.tables.watermark = record.position.0;
        plates.tables.quarantined += 1;
        Ok(plates.tables.quarantined)
    }
}
