//! When a room is open, for which days, and under which terms.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::RoomId;
use super::proof::ALGORITHM;
use crate::rules::catalogue::{Beacons, OfficeIndex, RoomPolicy, RoomRule};
use crate::rules::time::{Millis, UnixMillis};

/// One opening of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomPlan {
    pub id: RoomId,
    /// The id for people and addresses, like `buergerbuero-2026-12-24`.
    pub name: String,
    /// From when on tickets are given.
    pub opens_at: UnixMillis,
    /// When the tickets taken until then are drawn.
    pub release_at: UnixMillis,
    /// When the room ends at the latest.
    pub closes_at: UnixMillis,
    /// What is released.
    pub days: Vec<(OfficeIndex, Date)>,
    pub terms: Terms,
}

/// How many are let in, how fast, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Passes that are live at once, never more.
    pub passes_max: u32,
    pub passes_per_minute: u32,
    /// How long a called place waits for its ticket.
    pub turn: Millis,
    /// How long a pass lasts.
    pub pass: Millis,
    /// Holds that one pass can have at once.
    pub holds_per_pass: u8,
    pub beacons: Option<Beacons>,
    pub policy: RoomPolicy,
}

impl Terms {
    /// Those of a room that the configuration does not have any more: nobody is let in.
    pub fn none() -> Terms {
        Terms {
            passes_max: 0,
            passes_per_minute: 0,
            turn: Millis(0),
            pass: Millis(0),
            holds_per_pass: 0,
            beacons: None,
            policy: RoomPolicy::Line,
        }
    }

    pub fn of(rule: &RoomRule) -> Terms {
        Terms {
            passes_max: rule.passes_max,
            passes_per_minute: rule.passes_per_minute,
            turn: Millis::from_minutes(u32::from(rule.turn_minutes)),
            pass: Millis::from_minutes(u32::from(rule.pass_minutes)),
            holds_per_pass: rule.holds_per_pass,
            beacons: rule.beacons.clone(),
            policy: rule.policy,
        }
    }
}

/// What the secret is committed together with. Its text is published before the room opens, and
/// whoever checks the draw hashes it word for word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrawRules {
    pub algorithm: String,
    /// `none`, or where the public random value comes from and what happens if it does not come.
    pub beacon: String,
    pub closes_at: String,
    pub opens_at: String,
    /// `lottery` where seats are given out in the order of the draw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    pub release_at: String,
    pub room: String,
}

impl DrawRules {
    /// The rules of a room that is about to be announced.
    pub fn of(plan: &RoomPlan, zone: &TimeZone) -> DrawRules {
        let time = |at: UnixMillis| {
            let zoned = at.to_jiff().to_zoned(zone.clone());
            zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
        };
        let beacon = match &plan.terms.beacons {
            None => "none".to_owned(),
            Some(beacons) if beacons.fetched => format!(
                "the first value that is had from {} later than {} seconds after the release; if \
                 there is none {} seconds after the release, the draw is made without",
                beacons.source, beacons.after_seconds, beacons.wait_seconds
            ),
            Some(beacons) => format!(
                "{}; if there is none {} seconds after the release, the draw is made without",
                beacons.source, beacons.wait_seconds
            ),
        };
        DrawRules {
            algorithm: ALGORITHM.to_owned(),
            beacon,
            closes_at: time(plan.closes_at),
            opens_at: time(plan.opens_at),
            policy: (plan.terms.policy == RoomPolicy::Lottery).then(|| "lottery".to_owned()),
            release_at: time(plan.release_at),
            room: plan.name.clone(),
        }
    }

    /// As they are published: JSON, in the order of the fields.
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("texts are always JSON")
    }

    /// The rules of a text that was published.
    pub fn read(text: &str) -> Option<DrawRules> {
        serde_json::from_str(text).ok()
    }

    /// When the room opens, releases and closes.
    pub fn times(&self) -> Option<(UnixMillis, UnixMillis, UnixMillis)> {
        let time = |text: &str| text.parse::<jiff::Timestamp>().ok().map(UnixMillis::from);
        Some((
            time(&self.opens_at)?,
            time(&self.release_at)?,
            time(&self.closes_at)?,
        ))
    }
}
