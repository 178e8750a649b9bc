//! Wishes: what somebody would take, should it become free.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Person, ServiceQuantity};

/// `POST /api/v1/wishes`, and without `instead_of` `POST /api/v1/rooms/{id}/wishes`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WishRequest {
    pub services: Vec<ServiceQuantity>,
    /// Absent: all that offer these services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offices: Option<Vec<String>>,
    /// Absent: any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<Vec<WishWindow>>,
    /// First day; absent: today.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "2026-11-24")]
    pub earliest: Option<String>,
    /// Last day, at most 366 days after today; absent: 90 days after the first, and with
    /// `instead_of` at most the day of the booking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "2026-12-18")]
    pub latest: Option<String>,
    /// How long before its start an offer must come at the latest, up to 43200; lengthened to one
    /// of the usual notices. Absent: 0 with `auto_accept`, or when `latest` is nearer; otherwise
    /// two days as the service is shipped, because whoever is asked about a nearer seat has only
    /// a short time to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice_minutes: Option<u32>,
    /// The first seat that fits is booked without asking: nothing is lost because nobody looked in
    /// time, and seats of the same day can be had. Forms do well to propose it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub auto_accept: bool,
    /// The booking that is to become an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<InsteadOf>,
    pub person: Person,
    /// Answers to the questions of all these offices, by question id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub answers: BTreeMap<String, String>,
    /// Of what is sent: `de`, `de-leicht` or `en`; absent: `de`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// How to tell of an offer; absent: by e-mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<Notify>,
}

/// Hours of the week in which a whole visit may lie.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WishWindow {
    /// `mon` … `sun`; absent means every day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekdays: Option<Vec<String>>,
    /// A full hour.
    #[schema(example = "08:00")]
    pub from: String,
    /// A full hour, up to `24:00`.
    #[schema(example = "12:00")]
    pub to: String,
}

/// A booking and the right to move it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InsteadOf {
    /// The booking's id.
    pub booking: String,
    pub manage_token: String,
}

/// How somebody hears of what becomes of a wish: `"email"`, `"poll"`, or `{"webhook": address}`.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Notify {
    Email,
    /// They look for themselves.
    Poll,
    /// A service that stands between, at this address.
    #[schema(example = "https://dienste.example.org/termine")]
    Webhook(String),
}

/// `PATCH /api/v1/wishes/{id}`: what is absent stays as it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WishChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<Vec<ServiceQuantity>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offices: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<Vec<WishWindow>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "2026-11-24")]
    pub earliest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "2026-12-18")]
    pub latest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice_minutes: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_accept: Option<bool>,
}

/// `POST /api/v1/wishes/{id}/return`: what is given back for another one.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WishReturn {
    /// The id of the booking that the wish has become.
    pub booking: String,
}

/// A wish and what has become of it. Whoever laid it is not given back.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, ToSchema)]
pub struct Wish {
    pub id: String,
    /// The right to see, change and withdraw this wish and to answer its offers. Only in the answer
    /// that laid it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manage_token: Option<String>,
    /// `undrawn` (its waiting room is still to be drawn), `waiting`, `asleep` (an offer was not
    /// answered: it gets nothing until it is confirmed or changed), `pending` (an answer, an offer
    /// or its end is being written: ask again in a moment), `offered`, `booked` or `ended`.
    pub status: String,
    /// When it got there.
    pub status_since: String,
    pub services: Vec<ServiceQuantity>,
    pub offices: Vec<String>,
    /// Those hours in which a visit may lie, day by day.
    pub windows: Vec<WishWindow>,
    #[schema(example = "2026-11-24")]
    pub earliest: String,
    #[schema(example = "2026-12-18")]
    pub latest: String,
    pub notice_minutes: u32,
    pub auto_accept: bool,
    /// The id of the booking that is to become an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,
    pub language: String,
    pub notify: Notify,
    pub place: WishPlace,
    /// Offers that were declined, not answered or given back, and how many end the wish.
    pub offers_lost: u8,
    pub offers_max: u8,
    /// With `offered`: what is held for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<WishOffer>,
    /// With `booked`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booking: Option<WishBooking>,
    /// With `booked`: whether it can be given back, so that the wish waits on for another one at
    /// its place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub returnable: bool,
    /// With `ended`: `withdrawn`, `outdated` (its last day is over), `used_up` (too many offers
    /// were not accepted), `merged` (another wish of the same person became a booking for the same
    /// service) or `overtaken` (the booking to bring forward is over or cancelled).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// What it can expect while it waits, or would if it did not sleep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlook: Option<Outlook>,
    /// What it could expect if it took more, from a new place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wider: Option<Wider>,
}

/// Where a wish stands among all others.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq, ToSchema)]
pub struct WishPlace {
    /// Earlier is better.
    pub since: String,
    /// Among those of one waiting room, whose `since` is the same: its position there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    /// Only in the answer to a change: whether the wish still has the place that it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<bool>,
}

/// A seat that is held for a wish.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq, ToSchema)]
pub struct WishOffer {
    /// For `POST /api/v1/offers/{id}/accept` and `/decline`.
    pub id: String,
    pub office: String,
    pub start: String,
    pub end: String,
    /// Until when it can be accepted.
    pub deadline: String,
    /// When we tell of it once more; whoever tells people themselves does well to do it then.
    /// Absent: we have done so, or it does not wait long enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminder: Option<String>,
}

/// What has come of a wish.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq, ToSchema)]
pub struct WishBooking {
    /// The booking's id.
    pub booking: String,
    /// The right to see, move and cancel it; absent for one that was brought forward, which keeps
    /// its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manage_token: Option<String>,
    /// As it was when it was made.
    #[schema(example = "K7M-4QX")]
    pub code: String,
}

/// What somebody who waits can expect. An estimate, not a promise.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, ToSchema)]
pub struct Outlook {
    /// Wishes that come before it; at the office where there are fewest.
    pub ahead: usize,
    /// Seats a day that went to wishes at its offices in the last two weeks.
    pub seats_a_day: f64,
    /// About how many days until it is its turn, where anything is known.
    pub days: Option<f64>,
}

/// The outlook of a wish that takes more. Absent: it does so already.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, ToSchema)]
pub struct Wider {
    /// Of all offices that offer its services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offices: Option<Outlook>,
    /// Of all hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Outlook>,
}
