//! What the ledger keeps of a waiting room.
//!
//! A room is its rules, its secret and these facts in their order: applied to a room that was just
//! announced, they give the room back. None says anything about a person.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::draw::{DrawSecret, TICKETS_MAX};
use super::proof::Beacon;
use crate::rules::ids::{Digest, ReservationId};
use crate::rules::time::UnixMillis;

/// Something that happened in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum RoomFact {
    /// The room exists: only now may its commitment be shown.
    Announced {
        #[serde(with = "hex_secret")]
        secret: DrawSecret,
        /// For recognising people who book twice; never published.
        #[serde(with = "hex_key")]
        identity_key: IdentityKey,
        /// What the secret is committed together with, word for word.
        rules: String,
    },
    /// Numbers below `upto` may be given; `given` of them were by then.
    Reserved {
        upto: u32,
        given: u32,
    },
    /// After a restart nobody knows whether these numbers were given. They count as given, but
    /// nobody waits for them.
    Unsure {
        from: u32,
        upto: u32,
    },
    /// So many tickets were given by the release, and are drawn. Kept while the draw waits, so that
    /// a restart lets nobody into it who came later; published with their root before a beacon is
    /// known.
    Frozen {
        tickets: u32,
    },
    /// The draw, of these first tickets. It follows from nothing else, and there is only one.
    Drawn {
        tickets: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        beacon: Option<Beacon>,
    },
    /// Places up to this one may be exchanged for passes.
    Called {
        upto: u32,
    },
    /// A ticket was exchanged for a pass, the how manieth of this ticket.
    Passed {
        seq: u32,
        turn: u8,
        expires_at: i64,
    },
    /// A place was called and nobody came in time.
    Missed {
        seq: u32,
    },
    /// A pass ended without a booking.
    Lapsed {
        seq: u32,
        turn: u8,
    },
    /// Somebody gave a place up.
    Left {
        seq: u32,
    },
    /// A ticket may be exchanged before its place is called.
    Preferred {
        seq: u32,
        by: String,
        reason: String,
    },
    Paused {
        by: String,
        reason: String,
    },
    Resumed {
        by: String,
        reason: String,
    },
    /// A ticket's pass became a booking. Written with the booking, in one fact.
    Spent {
        seq: u32,
        #[serde(with = "text_id")]
        booking: ReservationId,
        /// Of whoever booked, under a key that ends with the room.
        #[serde(default, skip_serializing_if = "Vec::is_empty", with = "hex_digests")]
        identities: Vec<Digest>,
    },
    /// The lottery is over: who got which seat, by position in the line.
    Allotted {
        seats: Vec<Allotment>,
    },
    /// Nobody is called any more; who booked is forgotten.
    Ended {
        how: Ending,
    },
}

/// A seat that went to a place in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allotment {
    pub position: u32,
    #[serde(with = "text_id")]
    pub seat: ReservationId,
}

/// Why a room is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Nothing is free, and nothing is held that could fall back.
    SoldOut,
    /// Its time was over.
    Closed,
}

impl Ending {
    pub fn name(self) -> &'static str {
        match self {
            Ending::SoldOut => "sold_out",
            Ending::Closed => "closed",
        }
    }
}

/// Makes digests of people that mean nothing to anybody else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IdentityKey(pub [u8; 32]);

impl std::fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdentityKey([REDACTED])")
    }
}

impl RoomFact {
    /// Whether somebody is told that this is done, so that it must be durable before.
    pub fn is_strict(&self) -> bool {
        !matches!(
            self,
            RoomFact::Missed { .. } | RoomFact::Lapsed { .. } | RoomFact::Left { .. }
        )
    }

    /// Whether there can be tickets with its numbers at all.
    pub fn is_possible(&self) -> bool {
        match self {
            RoomFact::Reserved { upto, given } => *upto <= TICKETS_MAX && given <= upto,
            RoomFact::Unsure { upto: number, .. }
            | RoomFact::Called { upto: number }
            | RoomFact::Frozen { tickets: number }
            | RoomFact::Drawn {
                tickets: number, ..
            } => *number <= TICKETS_MAX,
            RoomFact::Passed { seq, .. }
            | RoomFact::Missed { seq }
            | RoomFact::Lapsed { seq, .. }
            | RoomFact::Left { seq }
            | RoomFact::Preferred { seq, .. }
            | RoomFact::Spent { seq, .. } => *seq < TICKETS_MAX,
            RoomFact::Announced { .. }
            | RoomFact::Paused { .. }
            | RoomFact::Resumed { .. }
            | RoomFact::Allotted { .. }
            | RoomFact::Ended { .. } => true,
        }
    }

    /// The word for it in tables.
    pub fn name(&self) -> &'static str {
        match self {
            RoomFact::Announced { .. } => "announced",
            RoomFact::Reserved { .. } => "reserved",
            RoomFact::Unsure { .. } => "unsure",
            RoomFact::Frozen { .. } => "frozen",
            RoomFact::Drawn { .. } => "drawn",
            RoomFact::Called { .. } => "called",
            RoomFact::Passed { .. } => "passed",
            RoomFact::Missed { .. } => "missed",
            RoomFact::Lapsed { .. } => "lapsed",
            RoomFact::Left { .. } => "left",
            RoomFact::Preferred { .. } => "preferred",
            RoomFact::Paused { .. } => "paused",
            RoomFact::Resumed { .. } => "resumed",
            RoomFact::Spent { .. } => "spent",
            RoomFact::Allotted { .. } => "allotted",
            RoomFact::Ended { .. } => "ended",
        }
    }

    /// Whether the fact still matters when its room is over: what proves the draw.
    pub fn outlives_room(&self) -> bool {
        matches!(
            self,
            RoomFact::Announced { .. }
                | RoomFact::Drawn { .. }
                | RoomFact::Allotted { .. }
                | RoomFact::Ended { .. }
        )
    }
}

/// When the fact became true, and in which room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomRecord {
    pub at: UnixMillis,
    pub room: super::RoomId,
    pub fact: RoomFact,
}

mod hex_bytes {
    use super::{Deserialize, Deserializer, HEXLOWER, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&HEXLOWER.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        HEXLOWER
            .decode(text.as_bytes())
            .map_err(serde::de::Error::custom)
    }
}

mod hex_secret {
    use super::{Deserializer, DrawSecret, Serializer, hex_bytes};

    pub(super) fn serialize<S: Serializer>(secret: &DrawSecret, to: S) -> Result<S::Ok, S::Error> {
        hex_bytes::serialize(&secret.0, to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<DrawSecret, D::Error> {
        let bytes = hex_bytes::deserialize(from)?;
        let bytes = bytes.try_into();
        bytes
            .map(DrawSecret)
            .map_err(|_| serde::de::Error::custom("a secret has 32 bytes"))
    }
}

mod hex_key {
    use super::{Deserializer, IdentityKey, Serializer, hex_bytes};

    pub(super) fn serialize<S: Serializer>(key: &IdentityKey, to: S) -> Result<S::Ok, S::Error> {
        hex_bytes::serialize(&key.0, to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<IdentityKey, D::Error> {
        let bytes = hex_bytes::deserialize(from)?.try_into();
        bytes
            .map(IdentityKey)
            .map_err(|_| serde::de::Error::custom("a key has 32 bytes"))
    }
}

mod hex_digests {
    use super::{Deserialize, Deserializer, Digest, HEXLOWER, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(digests: &[Digest], to: S) -> Result<S::Ok, S::Error> {
        let texts: Vec<String> = digests.iter().map(|it| HEXLOWER.encode(&it.0)).collect();
        texts.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Digest>, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        let digest = |text: &String| {
            let bytes = HEXLOWER.decode(text.as_bytes()).ok()?;
            bytes.try_into().ok().map(Digest)
        };
        let digests: Option<Vec<Digest>> = texts.iter().map(digest).collect();
        digests.ok_or_else(|| serde::de::Error::custom("a digest has 32 hexadecimal digits"))
    }
}

mod text_id {
    use super::{Deserialize, Deserializer, ReservationId, Serializer};

    pub(super) fn serialize<S: Serializer>(id: &ReservationId, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<ReservationId, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
