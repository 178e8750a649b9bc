//! What the ledger keeps of a release: the secret of its drip, and what staff decided.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ReleaseId, Steering};
use crate::rules::room::draw::DrawSecret;
use crate::rules::time::UnixMillis;

/// Something that happened to a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum ReleaseFact {
    /// The moments of the drip are fixed: only now may the commitment be shown.
    Announced {
        #[serde(with = "hex_secret")]
        secret: DrawSecret,
        /// What the secret is committed together with, word for word.
        rules: String,
    },
    /// All of it opens now.
    Published { by: String, reason: String },
    /// Nothing more opens until it goes on. The instant, in milliseconds since 1970, is that of
    /// the clock: what had opened by then stays open.
    Paused {
        #[serde(default)]
        since: i64,
        by: String,
        reason: String,
    },
    /// It goes by its own time again.
    Resumed { by: String, reason: String },
    /// All of it is sealed again.
    Withdrawn { by: String, reason: String },
}

impl ReleaseFact {
    /// The word for it in tables.
    pub fn name(&self) -> &'static str {
        match self {
            ReleaseFact::Announced { .. } => "announced",
            ReleaseFact::Published { .. } => "published",
            ReleaseFact::Paused { .. } => "paused",
            ReleaseFact::Resumed { .. } => "resumed",
            ReleaseFact::Withdrawn { .. } => "withdrawn",
        }
    }

    /// Who decided it, and why, if anybody did.
    pub fn words(&self) -> Option<(&str, &str)> {
        match self {
            ReleaseFact::Announced { .. } => None,
            ReleaseFact::Published { by, reason }
            | ReleaseFact::Paused { by, reason, .. }
            | ReleaseFact::Resumed { by, reason }
            | ReleaseFact::Withdrawn { by, reason } => Some((by, reason)),
        }
    }

    /// What it makes of a release, if it decides anything.
    pub fn steering(&self) -> Option<Steering> {
        Some(match self {
            ReleaseFact::Announced { .. } => return None,
            ReleaseFact::Published { .. } => Steering::Open,
            ReleaseFact::Paused { since, .. } => Steering::Paused {
                since: UnixMillis(*since),
            },
            ReleaseFact::Resumed { .. } => Steering::Due,
            ReleaseFact::Withdrawn { .. } => Steering::Sealed,
        })
    }
}

/// When the fact became true, and of which release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseRecord {
    pub at: UnixMillis,
    pub release: ReleaseId,
    pub fact: ReleaseFact,
}

mod hex_secret {
    use super::{Deserialize, Deserializer, DrawSecret, HEXLOWER, Serializer};

    pub(super) fn serialize<S: Serializer>(secret: &DrawSecret, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&HEXLOWER.encode(&secret.0))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<DrawSecret, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = HEXLOWER.decode(text.as_bytes());
        let bytes = bytes.ok().and_then(|bytes| bytes.try_into().ok());
        let wrong = || serde::de::Error::custom("a secret has 64 hexadecimal digits");
        bytes.map(DrawSecret).ok_or_else(wrong)
    }
}
