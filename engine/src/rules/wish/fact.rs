//! What the ledger keeps of wishes.
//!
//! A wish is these facts in their order. Only the first one says anything about a person, and what
//! it says is erased when the wish has ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Place, Wish, WishId, text_id, text_services};
use crate::rules::ids::{ReservationId, Secret};
use crate::rules::need::Services;
use crate::rules::record::Person;
use crate::rules::room::TicketId;
use crate::rules::time::UnixMillis;

/// Something that happened to a wish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum WishFact {
    Laid {
        place: Place,
        wish: Wish,
        /// Of a waiting room that it comes from. While that is not drawn, the place is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ticket: Option<TicketId>,
        /// None when the wish has ended and its person is forgotten.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        contact: Option<Box<Contact>>,
    },
    /// It is another wish from now on, at this place.
    Changed {
        place: Place,
        wish: Wish,
    },
    /// Its waiting room is drawn, and if that gives its seats out by lottery this is over: the wish
    /// stands at this place, also when nobody remembers the room any more.
    Placed {
        place: Place,
    },
    /// A seat is held for it. Kept before anybody is told.
    Offered(Offer),
    /// The offer waits longer: whoever it is for was told late.
    Prolonged {
        number: u8,
        deadline: i64,
    },
    Declined {
        number: u8,
    },
    /// Nobody answered in time: the wish sleeps until somebody says that it still stands.
    Lapsed {
        number: u8,
    },
    /// Whoever laid it still wishes: it waits again.
    Confirmed,
    /// An offer is still open, and time to answer it is running out.
    Reminded {
        number: u8,
    },
    /// A seat that was booked without asking is given back, its booking is cancelled: the wish
    /// waits again. It counts as an offer that was not accepted.
    Returned {
        number: u8,
    },
    /// An offer, or a seat that was not asked about, is a booking. Written with the booking, in one
    /// fact.
    Booked {
        #[serde(with = "text_id")]
        booking: ReservationId,
        /// The seat, which for a booking that has moved is not its id.
        #[serde(with = "text_id")]
        seat: ReservationId,
    },
    /// A notice has been handed over, so that it is not sent again.
    Told {
        notice: u32,
    },
    Ended {
        how: WishEnding,
    },
    /// The wish has ended and everybody was told: who laid it is erased.
    Forgotten,
}

/// A hold that was made for a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// The how manieth of its wish, from 1.
    pub number: u8,
    #[serde(with = "text_id")]
    pub seat: ReservationId,
    #[serde(with = "text_services")]
    pub services: Services,
    /// When the visit starts, in milliseconds since 1970.
    pub start: i64,
    pub end: i64,
    /// Until when it can be accepted.
    pub deadline: i64,
}

/// Why a wish is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WishEnding {
    /// Whoever laid it does not want it any more.
    Withdrawn,
    /// Its last day is over.
    Outdated,
    /// So many offers were declined or not answered that others come first.
    UsedUp,
    /// Another wish of the same person became a booking for the same service.
    Merged,
    /// The booking that it was to bring forward is cancelled, or its time has come.
    Overtaken,
}

impl WishEnding {
    pub fn name(self) -> &'static str {
        match self {
            WishEnding::Withdrawn => "withdrawn",
            WishEnding::Outdated => "outdated",
            WishEnding::UsedUp => "used_up",
            WishEnding::Merged => "merged",
            WishEnding::Overtaken => "overtaken",
        }
    }
}

/// Whom a wish is for, and how they are told. Leaves the engine only into the ledger and into what
/// is sent to them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    pub name: String,
    pub email: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Answers to the offices' questions, by question id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub answers: BTreeMap<String, String>,
    /// As addresses name it: `de`, `de-leicht`, `en`.
    pub language: String,
    pub notify: Notify,
    /// The right to manage the wish. Kept as it is, because every letter carries it.
    #[serde(with = "text_secret")]
    pub secret: Secret,
}

impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Contact([REDACTED])")
    }
}

impl Contact {
    /// The person of the booking that comes of the wish.
    pub fn person(&self) -> Person {
        Person {
            name: self.name.clone(),
            email: self.email.clone(),
            phone: self.phone.clone(),
            answers: self.answers.clone(),
        }
    }

    /// The secret of the hold with this number, from which the booking's manage secret follows.
    pub fn hold_secret(&self, offer: u8) -> Secret {
        self.secret.of_offer(offer)
    }
}

/// How somebody hears of an offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Notify {
    Email,
    /// A service that stands between, at this address.
    Webhook(String),
    /// They look for themselves.
    Poll,
}

impl WishFact {
    /// Whether somebody is told that this is done, so that it must be durable before.
    pub fn is_strict(&self) -> bool {
        match self {
            WishFact::Laid { .. }
            | WishFact::Changed { .. }
            | WishFact::Offered(_)
            | WishFact::Declined { .. }
            | WishFact::Confirmed
            | WishFact::Returned { .. }
            | WishFact::Booked { .. } => true,
            WishFact::Ended { how } => *how == WishEnding::Withdrawn,
            WishFact::Placed { .. }
            | WishFact::Prolonged { .. }
            | WishFact::Reminded { .. }
            | WishFact::Lapsed { .. }
            | WishFact::Told { .. }
            | WishFact::Forgotten => false,
        }
    }

    /// The word for it in tables.
    pub fn name(&self) -> &'static str {
        match self {
            WishFact::Laid { .. } => "laid",
            WishFact::Changed { .. } => "changed",
            WishFact::Placed { .. } => "placed",
            WishFact::Offered(_) => "offered",
            WishFact::Prolonged { .. } => "prolonged",
            WishFact::Declined { .. } => "declined",
            WishFact::Lapsed { .. } => "lapsed",
            WishFact::Confirmed => "confirmed",
            WishFact::Reminded { .. } => "reminded",
            WishFact::Returned { .. } => "returned",
            WishFact::Booked { .. } => "booked",
            WishFact::Told { .. } => "told",
            WishFact::Ended { .. } => "ended",
            WishFact::Forgotten => "forgotten",
        }
    }

    /// Takes out who laid the wish.
    pub fn take_contact(&mut self) -> Option<Box<Contact>> {
        match self {
            WishFact::Laid { contact, .. } => contact.take(),
            _ => None,
        }
    }
}

/// When a fact became true, and of which wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WishRecord {
    pub at: UnixMillis,
    pub wish: WishId,
    pub fact: WishFact,
}

mod text_secret {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::rules::ids::Secret;

    pub(super) fn serialize<S: Serializer>(secret: &Secret, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(secret)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
