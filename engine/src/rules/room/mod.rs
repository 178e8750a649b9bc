//! The waiting room of a release: whoever is there before it is drawn, whoever comes later stands
//! behind the drawn, and nobody gains by coming early or by reloading fast.
//!
//! ```text
//! scheduled ──▶ gathering ──▶ drawing ──▶ serving ⇄ paused
//!                                            └──▶ sold out | closed
//! ```

pub mod admission;
mod bits;
pub mod draw;
pub mod fact;
pub mod fairness;
mod hash;
pub mod keys;
pub mod merkle;
pub mod place;
pub mod plan;
pub mod proof;
pub mod state;
pub mod tickets;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::time::DayNumber;

/// One opening of a waiting room: which room it is, and the day of its release.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RoomId {
    /// Number of the room in the configuration.
    pub number: u16,
    pub day: DayNumber,
}

impl RoomId {
    pub fn to_bits(self) -> u32 {
        u32::from(self.number) << 16 | u32::from(self.day.0)
    }

    pub fn from_bits(bits: u32) -> RoomId {
        RoomId {
            number: (bits >> 16) as u16,
            day: DayNumber(bits as u16),
        }
    }
}

impl fmt::Debug for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "room {} of {}", self.number, self.day.to_date())
    }
}

/// A place in a room: the how manieth ticket it is, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TicketId {
    pub room: RoomId,
    pub seq: u32,
}

impl TicketId {
    /// Number and day of the room, then the ticket's; most significant first.
    pub fn to_bytes(self) -> [u8; 8] {
        let number = u64::from(self.room.to_bits()) << 32 | u64::from(self.seq);
        number.to_be_bytes()
    }

    pub fn from_bytes(bytes: [u8; 8]) -> TicketId {
        let number = u64::from_be_bytes(bytes);
        TicketId {
            room: RoomId::from_bits((number >> 32) as u32),
            seq: number as u32,
        }
    }
}
