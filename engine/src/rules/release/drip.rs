//! A drip: pieces of a release become bookable one by one at random seconds across a window, so
//! that whoever camps in front of the page gains nothing.
//!
//! The moments follow from a secret that is committed to a day ahead and published when the window
//! is over: nobody can know them before, and everybody can check them after. `docs/FAIRNESS.md`
//! says exactly what is hashed.

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::rules::calendar::{DayPlan, PlannedWave};
use crate::rules::pieces::{Piece, pieces};
use crate::rules::room::draw::DrawSecret;
use crate::rules::time::{Millis, UnixMillis};

/// Names what is hashed and how. Another way would have another name.
pub const ALGORITHM: &str = "morgenruh-drip-v1";
/// Longest window.
pub const DRIP_MINUTES_MAX: u16 = 12 * 60;
/// How long before its window a drip is announced.
pub const ANNOUNCED_AHEAD: Millis = Millis::from_minutes(24 * 60);

/// A piece of a release, and when it becomes bookable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub at: UnixMillis,
    pub piece: Piece,
}

/// What the secret is committed together with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DripRules {
    pub algorithm: String,
    pub office: String,
    pub release: String,
    pub release_at: String,
    pub window_seconds: u32,
}

impl DripRules {
    /// As they are published: JSON, in the order of the fields.
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("numbers and texts are always JSON")
    }

    /// The rules of a text that was published.
    pub fn read(text: &str) -> Option<DripRules> {
        serde_json::from_str(text).ok()
    }
}

/// How many seconds after the release a piece becomes bookable: `counter` is the counter's number,
/// `start` the start of the piece as it is published.
pub fn offset_seconds(
    secret: &DrawSecret,
    window_seconds: u32,
    office: &str,
    counter: u8,
    start: &str,
) -> u32 {
    let mut keyed =
        Hmac::<Sha256>::new_from_slice(&secret.0).expect("keys of any length are taken");
    keyed.update(format!("{office} {counter} {start}").as_bytes());
    let hash: [u8; 32] = keyed.finalize().into_bytes().into();
    let [a, b, c, d, e, f, g, h, ..] = hash;
    let number = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    let offset = number % u64::from(window_seconds.max(1));
    u32::try_from(offset).expect("smaller than the window")
}

/// The moments of a wave, soonest first. Its pieces are as long as the office's shortest visit.
pub fn moments(
    secret: &DrawSecret,
    office: &str,
    zone: &TimeZone,
    plan: &DayPlan,
    wave: &PlannedWave,
) -> Vec<Moment> {
    let window_seconds = u32::try_from(wave.drip.0 / 1_000).unwrap_or_default();
    let moment = |piece: Piece| {
        let start = written(zone, plan.instant(piece.start));
        let counter = piece.counter + 1;
        let offset = offset_seconds(secret, window_seconds, office, counter, &start);
        Moment {
            at: wave.at + Millis(1_000 * i64::from(offset)),
            piece,
        }
    };
    let pieces = pieces(&wave.cells, plan.useful_units);
    let mut moments: Vec<Moment> = pieces.into_iter().map(moment).collect();
    moments.sort_by_key(|moment| moment.at);
    moments
}

/// An instant as rules and moments have it: local, with its offset.
pub fn written(zone: &TimeZone, at: UnixMillis) -> String {
    let zoned = at.to_jiff().to_zoned(zone.clone());
    zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked out with another program: the format is a promise to whoever checks a drip.
    #[test]
    fn an_offset_is_what_anybody_works_out() {
        let secret = DrawSecret([7; 32]);
        let start = "2026-12-24T08:00:00+01:00";
        let offset = offset_seconds(&secret, 1_800, "buergerbuero", 3, start);
        assert_eq!(offset, 67);
        let other = offset_seconds(&secret, 1_800, "buergerbuero", 4, start);
        assert_ne!(offset, other);
    }

    #[test]
    fn rules_come_back_as_they_were() {
        let rules = DripRules {
            algorithm: ALGORITHM.to_owned(),
            office: "buergerbuero".to_owned(),
            release: "buergerbuero-2026-12-01-0630".to_owned(),
            release_at: "2026-12-01T06:30:00+01:00".to_owned(),
            window_seconds: 1_800,
        };
        assert_eq!(DripRules::read(&rules.text()), Some(rules));
    }
}
