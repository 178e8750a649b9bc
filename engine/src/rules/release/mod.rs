//! Releases: all that an office makes bookable at one minute, and what staff decide about it.
//!
//! ```text
//! due ──its time──▶ open
//!  │ ▲                ▲
//!  │ └─resume─ paused │ publish, from anywhere
//!  └─withdraw─▶ sealed┘
//! ```

pub mod drip;
pub mod fact;
pub mod proof;

use std::fmt;

use super::time::{DayNumber, UnixMillis};

/// A release: whose, on which day, at which minute of that day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReleaseId {
    /// Number of the office in the configuration.
    pub office: u16,
    pub day: DayNumber,
    /// Wall-clock minute of the day.
    pub minute: u16,
}

impl ReleaseId {
    /// Office, day and minute, 2 bytes each; most significant first.
    pub fn to_bytes(self) -> [u8; 6] {
        let mut bytes = [0; 6];
        bytes.copy_from_slice(&self.to_bits().to_be_bytes()[2..]);
        bytes
    }

    pub fn to_bits(self) -> u64 {
        u64::from(self.office) << 32 | u64::from(self.day.0) << 16 | u64::from(self.minute)
    }

    pub fn from_bits(bits: u64) -> ReleaseId {
        ReleaseId {
            office: (bits >> 32) as u16,
            day: DayNumber((bits >> 16) as u16),
            minute: bits as u16,
        }
    }

    /// The id for people and addresses, like `buergerbuero-2026-12-24-0630`.
    pub fn name(self, office: &str) -> String {
        let (hour, minute) = (self.minute / 60, self.minute % 60);
        format!("{office}-{}-{hour:02}{minute:02}", self.day.to_date())
    }
}

impl fmt::Debug for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReleaseId { office, minute, .. } = self;
        let day = self.day.to_date();
        write!(f, "release of office {office} on {day}, minute {minute}")
    }
}

/// What has been decided about a release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Steering {
    /// It opens by its own time.
    #[default]
    Due,
    /// What was due by then is open, and nothing opens until it goes on.
    Paused { since: UnixMillis },
    /// Nothing of it is open.
    Sealed,
    /// All of it is open.
    Open,
}

impl Steering {
    pub fn name(self) -> &'static str {
        match self {
            Steering::Due => "due",
            Steering::Paused { .. } => "paused",
            Steering::Sealed => "withdrawn",
            Steering::Open => "published",
        }
    }
}
