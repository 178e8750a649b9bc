//! The JSON of the public HTTP API, version 1.
//!
//! Requests refuse unknown fields; answers may grow fields, so clients must ignore what they do
//! not know. Times are RFC 3339 with the office's offset, dates are `YYYY-MM-DD`.

mod releases;
mod wishes;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use releases::{ReleaseDocument, ReleaseMoment};
pub use wishes::{
    InsteadOf, Notify, Outlook, Wider, Wish, WishBooking, WishChange, WishOffer, WishPlace,
    WishRequest, WishReturn, WishWindow,
};

/// A text for people, in every language the catalogue carries.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq, ToSchema)]
pub struct Text {
    /// German.
    pub de: String,
    /// English.
    pub en: String,
}

/// `GET /api/v1/offices`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Offices {
    /// Server time when the list was made.
    #[schema(example = "2026-11-23T06:29:10+01:00")]
    pub now: String,
    pub offices: Vec<Office>,
}

/// A place with counters and opening hours.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Office {
    #[schema(example = "bilk")]
    pub id: String,
    pub name: Text,
    #[schema(example = "einwohnerwesen")]
    pub department: String,
    #[schema(example = "Brunnenstraße 1, 40223 Düsseldorf")]
    pub address: String,
    /// `live`, or `test` for callers that may see offices under test.
    pub status: String,
    /// Length of a unit, the grid of this office's day, in minutes.
    pub unit_minutes: u16,
    /// How long a hold lasts before it is extended or confirmed, in minutes.
    pub hold_minutes: u16,
    /// Earliest bookable start counted from now, in minutes.
    pub notice_minutes: u32,
    /// Last bookable day counted from today, in days.
    pub horizon_days: u16,
    /// Number of counters: no more seats than this can overlap.
    pub counters: u8,
    pub services: Vec<Offer>,
    pub questions: Vec<Question>,
    /// The next moment at which sealed units of this office become bookable.
    pub next_release: Option<Release>,
}

/// A service as one office offers it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Offer {
    #[schema(example = "personalausweis")]
    pub id: String,
    /// Minutes per person at this office.
    pub minutes: u16,
    /// Largest quantity in one booking at this office.
    pub quantity_max: u8,
}

/// Something an office asks at booking.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Question {
    pub id: String,
    pub label: Text,
    pub required: bool,
    /// Longest answer, in characters.
    pub chars_max: u16,
    /// Asked only when one of these services is booked; empty means always.
    pub services: Vec<String>,
}

/// A moment at which sealed units become bookable.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq, ToSchema)]
pub struct Release {
    #[schema(example = "2026-11-23T06:30:00+01:00")]
    pub at: String,
    /// The day whose units are released.
    #[schema(example = "2026-12-21")]
    pub date: String,
}

/// `GET /api/v1/services`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Services {
    pub services: Vec<Service>,
}

/// What a citizen comes for.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Service {
    #[schema(example = "personalausweis")]
    pub id: String,
    pub name: Text,
    pub department: String,
    /// Usual minutes per person; an office may differ.
    pub minutes: u16,
    /// Usual largest quantity in one booking.
    pub quantity_max: u8,
    /// Services that may be booked together with this one.
    pub combines_with: Vec<String>,
    /// LeiKa keys, 14 digits each.
    pub leika: Vec<String>,
}

/// `GET /api/v1/availability`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Availability {
    /// One entry per office and day in the asked range on which the office is open, days first.
    pub days: Vec<AvailableDay>,
}

/// What is bookable at one office on one day.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AvailableDay {
    pub office: String,
    #[schema(example = "2026-11-24")]
    pub date: String,
    /// Present when units of this day are still sealed: the next release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_until: Option<String>,
    pub starts: Vec<AvailableStart>,
}

/// A slot: a start at which the whole need fits.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AvailableStart {
    #[schema(example = "2026-11-24T08:15:00+01:00")]
    pub start: String,
    /// Seats free at this start.
    pub free: u8,
}

/// A service and how many people need it.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceQuantity {
    #[schema(example = "personalausweis")]
    pub id: String,
    #[schema(minimum = 1)]
    pub quantity: u8,
}

/// `POST /api/v1/holds`: either `office` and `start`, or `earliest: true`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub office: Option<String>,
    pub services: Vec<ServiceQuantity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "2026-11-24T08:15:00+01:00")]
    pub start: Option<String>,
    /// Take the earliest seat anywhere in `offices` (absent: all) and `windows` (absent: any).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub earliest: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offices: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<Vec<Window>>,
    /// The `pass` of a waiting room, where seats are released through one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass: Option<String>,
}

/// Times of the week that suit the citizen.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// `mon` … `sun`; absent means every day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekdays: Option<Vec<String>>,
    /// Earliest start, `HH:MM`.
    #[schema(example = "08:00")]
    pub from: String,
    /// The start must be before this, `HH:MM`, up to `24:00`.
    #[schema(example = "12:00")]
    pub to: String,
}

/// A seat reserved until `expires_at`.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq, ToSchema)]
pub struct Hold {
    pub id: String,
    pub office: String,
    pub services: Vec<ServiceQuantity>,
    pub start: String,
    pub end: String,
    pub expires_at: String,
    /// Whether the hold can still be extended once.
    pub extendable: bool,
    /// The right to use this hold. Only in the answer that created it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// `POST /api/v1/bookings`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BookingRequest {
    /// The `token` of a live hold.
    pub hold: String,
    pub person: Person,
    /// Answers to the office's questions, by question id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub answers: BTreeMap<String, String>,
}

/// Who comes. Write-only: the public API never gives it back.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Person {
    #[schema(example = "Erika Mustermann")]
    pub name: String,
    #[schema(example = "erika@example.org")]
    pub email: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

/// A confirmed seat.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq, ToSchema)]
pub struct Booking {
    pub id: String,
    /// Short reference for the visit, unique within office and day.
    #[schema(example = "K7M-4QX")]
    pub code: String,
    /// `booked` or `cancelled`.
    pub status: String,
    pub office: String,
    /// The counter's number at the office.
    pub counter: u8,
    pub services: Vec<ServiceQuantity>,
    pub start: String,
    pub end: String,
    /// Rises with every move and with the cancellation (RFC 5545 SEQUENCE).
    pub sequence: u32,
    /// The right to see, move and cancel this booking. Only in the answer that confirmed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manage_token: Option<String>,
}

/// `POST /api/v1/bookings/{id}/move`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveRequest {
    /// The `token` of a live hold on the new seat.
    pub hold: String,
}

/// `GET /api/v1/rooms`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Rooms {
    /// Earliest release first.
    pub rooms: Vec<Room>,
}

/// A waiting room, as everybody sees it. The same for everybody, so any cache may keep it for a
/// second.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq, ToSchema)]
pub struct Room {
    #[schema(example = "buergerbuero-2026-12-24")]
    pub id: String,
    pub name: Text,
    /// `scheduled`, `gathering`, `drawing`, `serving`, `paused`, `sold_out` or `closed`.
    pub phase: String,
    /// From when on tickets are given.
    pub opens_at: String,
    /// All tickets taken until then are drawn.
    pub release_at: String,
    pub closes_at: String,
    /// Where seats are released.
    pub offices: Vec<String>,
    /// The days that are released.
    pub dates: Vec<String>,
    /// Tickets that were given.
    pub tickets: u32,
    /// Places up to this one were called.
    pub serving: u32,
    /// Free seats of the shortest visit, and seats that are reserved and can fall back.
    pub seats_free: u32,
    pub seats_held: u32,
    /// SHA-256 of the draw's secret followed by `rules`, as lowercase hexadecimal digits.
    pub commitment: String,
    /// What the secret is committed together with, word for word.
    pub rules: String,
    /// What is drawn, from the moment on at which it cannot change any more.
    pub draw: Option<RoomDraw>,
    /// Whether joining needs a proof of work: see `/rooms/{id}/challenge`.
    pub proof_of_work: bool,
    /// When to ask for this document again, in milliseconds.
    pub poll_after_ms: u32,
}

/// The outcome of a draw, as far as everybody needs it.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq, ToSchema)]
pub struct RoomDraw {
    /// Tickets that took part; places behind are in the order of arrival.
    pub tickets: u32,
    pub root: String,
    /// Once the draw is made.
    pub seed: Option<String>,
}

/// `POST /api/v1/rooms/{id}/tickets`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TicketRequest {
    /// The solution of a challenge, in the ALTCHA format, where the room asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof_of_work: Option<String>,
}

/// A place in a waiting room.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq, ToSchema)]
pub struct Ticket {
    pub room: String,
    /// The how manieth ticket of the room it is. Not its place: that is drawn.
    pub number: u32,
    /// The right to this place, on every device that has it.
    pub ticket: String,
}

/// `GET /api/v1/rooms/{id}/place`.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq, ToSchema)]
pub struct Place {
    pub number: u32,
    /// The phase of the room.
    pub phase: String,
    /// `gathering`, `in_line`, `called`, `inside`, `booked`, `left`, `used_up` or `over`.
    pub standing: String,
    /// Counted from 1, once tickets are drawn.
    pub position: Option<u32>,
    /// People who are called before.
    pub ahead: Option<u32>,
    /// In about how many seconds the place is called.
    pub eta: Option<Eta>,
    /// Called: the ticket is waited for until then. Inside: the pass ends then.
    pub until: Option<String>,
    /// How likely it is that something is left: `likely`, `possible`, `unlikely` or `gone`.
    pub chance: String,
    /// When to ask again, in milliseconds.
    pub poll_after_ms: u32,
}

/// A range, in seconds.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq, ToSchema)]
pub struct Eta {
    pub least_s: u32,
    pub most_s: u32,
}

/// `POST /api/v1/rooms/{id}/passes`.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq, ToSchema)]
pub struct Pass {
    /// Goes into `pass` of `POST /holds`.
    pub pass: String,
    /// Until then a hold must begin.
    pub expires_at: String,
    /// The how manieth pass of this ticket.
    pub turn: u8,
}

/// Every error: RFC 9457 `application/problem+json`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Stable identifier, e.g. `/problems/slot-taken`.
    #[serde(rename = "type")]
    #[schema(example = "/problems/slot-taken")]
    pub type_: String,
    pub title: String,
    pub status: u16,
    pub detail: String,
    /// Which field of the request is meant, as a path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// With `slot-taken`: the nearest starts that were free a moment ago.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Alternative>,
    /// With `pass-required`: the waiting room whose pass is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// With `not-your-turn`: where the ticket stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// A start near the one that was asked for.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Alternative {
    pub office: String,
    pub start: String,
}
