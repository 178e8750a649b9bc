//! Wishes: what somebody would take, and how a seat that becomes free finds the one who is next.
//!
//! ```text
//!            change                      decline
//!            ┌──┐        ┌─────────────────────────────────┐
//!  lay ──▶ waiting ──seat──▶ deciding ──durable──▶ offered ──accept──▶ booked
//!           ▲  ▲  │                                  │  │                │
//!   confirm │  │  └── withdraw, outdated ──▶ ended ◀─┘  │ lapse          │
//!         asleep ◀──────────────────────────────────────┘                │
//!              └───────────────────────── give back ─────────────────────┘
//! ```
//!
//! With `auto_accept` a seat becomes a booking at once, and whoever gives it back waits on at the
//! same place. Whoever lets an offer lapse gets nothing more until they say that they still wish.
//! The rules know no clock and no ledger: who holds the agent decides alone, and what is decided is
//! a [`WishFact`](fact::WishFact).

pub mod agent;
pub mod answer;
pub mod change;
pub mod fact;
pub mod index;
pub mod pace;
pub mod tally;
pub mod windows;

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use self::windows::Windows;
use super::ids::{Malformed, ReservationId};
use super::need::Services;
use super::time::{DayNumber, UnixMillis};

/// Offices that one wish can name.
pub const OFFICES_MAX: usize = 64;
/// Days from the first to the last day of a wish.
pub const SPAN_DAYS_MAX: u16 = 366;
/// Longest notice that a wish can ask for, in minutes.
pub const NOTICE_MINUTES_MAX: u32 = 30 * DAY;
/// Notices that wishes are found by, in minutes, ascending: what people choose, and enough between.
pub const NOTICE_STEPS: [u32; 21] = [
    1,
    30,
    60,
    2 * 60,
    3 * 60,
    4 * 60,
    6 * 60,
    8 * 60,
    12 * 60,
    18 * 60,
    DAY,
    36 * 60,
    2 * DAY,
    3 * DAY,
    4 * DAY,
    5 * DAY,
    7 * DAY,
    10 * DAY,
    14 * DAY,
    21 * DAY,
    NOTICE_MINUTES_MAX,
];
const DAY: u32 = 24 * 60;

/// The notice that is at least as long and one of [`NOTICE_STEPS`], or none at all; of more than
/// [`NOTICE_MINUTES_MAX`] there is none.
pub fn usual_notice(minutes: u32) -> Option<u32> {
    if minutes == 0 {
        return Some(0);
    }
    let mut steps = NOTICE_STEPS.into_iter();
    steps.find(|step| minutes <= *step)
}

/// Names a wish: they are counted from 1, and no number is given twice.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WishId(pub u64);

impl fmt::Display for WishId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0.to_be_bytes()))
    }
}

impl fmt::Debug for WishId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wish {}", self.0)
    }
}

impl FromStr for WishId {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<WishId, Malformed> {
        // Checked first so that a huge text costs nothing.
        if text.len() != 11 {
            return Err(Malformed);
        }
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes());
        let bytes = bytes.ok().and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(|it| WishId(u64::from_be_bytes(it)))
            .ok_or(Malformed)
    }
}

/// Where a wish stands among all others; the smallest is first.
///
/// A wish counts from when it was laid. One that was a ticket of a waiting room counts from that
/// room's release, among the others of that moment by its position in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// Milliseconds since 1970.
    pub since: i64,
    /// Position in the line of a waiting room; 0 for everybody else.
    pub position: u32,
}

impl Place {
    pub fn at(now: UnixMillis) -> Place {
        Place {
            since: now.0,
            position: 0,
        }
    }
}

/// What somebody would take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    #[serde(with = "text_services")]
    pub services: Services,
    /// Numbers of the offices, ascending, 1 to [`OFFICES_MAX`].
    pub offices: Vec<u16>,
    pub windows: Windows,
    /// First day.
    pub from: DayNumber,
    /// Last day, at most [`SPAN_DAYS_MAX`] after the first one.
    pub until: DayNumber,
    /// How long before its start an offer must come at the latest, in minutes.
    pub notice_minutes: u32,
    /// The first seat that fits is booked without asking.
    pub auto_accept: bool,
    /// The booking that an earlier seat is wished for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<Instead>,
}

/// A booking that moves when something earlier becomes free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instead {
    /// The booking's id for life.
    #[serde(with = "text_id")]
    pub booking: ReservationId,
}

pub(super) mod text_services {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::rules::need::Services;

    pub(in crate::rules) fn serialize<S: Serializer>(
        services: &Services,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(services)
    }

    pub(in crate::rules) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Services, D::Error> {
        let text = String::deserialize(from)?;
        text.parse()
            .map_err(|_| serde::de::Error::custom("not services with quantities"))
    }
}

pub(super) mod text_id {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::rules::ids::ReservationId;

    pub(in crate::rules) fn serialize<S: Serializer>(
        id: &ReservationId,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(in crate::rules) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<ReservationId, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
