//! What everybody may know of a release.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /api/v1/releases/{id}`: all that an office makes bookable at one minute.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq, ToSchema)]
pub struct ReleaseDocument {
    #[schema(example = "buergerbuero-2026-11-23-0630")]
    pub id: String,
    pub office: String,
    /// `open` for everybody at once, `rush` through a waiting room, `draw` by its lottery, or
    /// `drip` at random seconds.
    pub policy: String,
    /// `due`, `open`, or what staff have made of it: `paused`, `withdrawn`, `published`.
    pub state: String,
    pub release_at: String,
    /// When a drip is over; else the same as `release_at`.
    pub until: String,
    /// The days that are released.
    pub dates: Vec<String>,
    /// The waiting room, if there is one.
    pub room: Option<String>,
    /// Of a drip from its announcement on: how its moments follow from secret and rules.
    pub algorithm: Option<String>,
    /// SHA-256 of the drip's secret followed by `rules`, as lowercase hexadecimal digits.
    pub commitment: Option<String>,
    /// What the secret is committed together with, word for word.
    pub rules: Option<String>,
    /// When the drip is over.
    pub secret: Option<String>,
    /// When the drip is over: what was to open when. What staff have decided is not in it.
    pub moments: Vec<ReleaseMoment>,
}

/// A part of a counter's day, and when it becomes bookable.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq, ToSchema)]
pub struct ReleaseMoment {
    /// Number of the counter.
    pub counter: u8,
    pub start: String,
    pub end: String,
    pub opens_at: String,
}
