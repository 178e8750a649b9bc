//! `/admin/rooms`: what staff see of waiting rooms, and what they decide. Each decision is a fact
//! of the ledger, with who made it and why. A beacon is none: it is noted, and a fact with the draw
//! that it is taken for.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use morgenruh_engine::rules::room::fact::{Ending, RoomFact};
use morgenruh_engine::rules::room::proof::{BEACON_BYTES_MAX, Beacon, NAME_BYTES_MAX};
use morgenruh_engine::shell::rooms::RoomShard;
use serde::{Deserialize, Serialize};

use super::{room, verified};
use crate::app::AppState;
use crate::caching::NO_STORE;
use crate::clock;
use crate::extract::{Json as Body, Segment};
use crate::handlers::bookings::settled;
use crate::problem::{ApiError, Kind};
use crate::texts;

/// Longest name and reason, in characters.
const WORDS_CHARS_MAX: usize = 240;

/// What staff see of a room beside its public document.
#[derive(Serialize)]
struct RoomInDetail {
    #[serde(flatten)]
    room: morgenruh_wire::Room,
    passes: usize,
    passes_max: u32,
    /// Called places that are waited for.
    awaited: usize,
    booked: u32,
    missed: u32,
    lapsed: u32,
    left: u32,
    preferred: u32,
    beacon: Option<Beacon>,
}

/// Who decides, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Direction {
    by: String,
    reason: String,
    /// Of a ticket, or its number: only to prefer it.
    #[serde(default)]
    ticket: Option<String>,
    #[serde(default)]
    number: Option<u32>,
}

/// A public random value.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BeaconBody {
    /// Lowercase hexadecimal digits.
    value: String,
    source: String,
}

/// `GET /admin/rooms`
pub(crate) async fn list(State(app): State<AppState>) -> Response {
    let rooms: Vec<RoomInDetail> = app
        .engine
        .rooms()
        .all()
        .iter()
        .filter_map(|shard| {
            let document = app.rooms.get(&shard.name)?;
            let beacon = shard.beacon();
            Some(shard.decide(|room| {
                let counts = room.counts();
                RoomInDetail {
                    room: document.room.clone(),
                    passes: room.passes(),
                    passes_max: room.plan().terms.passes_max,
                    awaited: room.awaited(),
                    booked: counts.booked,
                    missed: counts.missed,
                    lapsed: counts.lapsed,
                    left: counts.left,
                    preferred: counts.preferred,
                    beacon,
                }
            }))
        })
        .collect();
    ([NO_STORE], Json(rooms)).into_response()
}

/// `GET /admin/rooms/{id}/report`: whether it mattered when somebody came.
pub(crate) async fn report(
    State(app): State<AppState>,
    Segment(id): Segment,
) -> Result<Response, ApiError> {
    let room = room(&app, &id)?;
    let task = room.decide(|room| room.report_task());
    let task = task.ok_or_else(|| ApiError::new(Kind::NotDrawn, "Come back after the draw."))?;
    let report = tokio::task::spawn_blocking(|| task.work_out()).await;
    let report = report.map_err(|_| ApiError::new(Kind::Overloaded, "Ask again in a moment."))?;
    Ok(([NO_STORE], Json(report)).into_response())
}

/// `POST /admin/rooms/{id}/pause`: nobody is called or let in; passes stay as they are.
pub(crate) async fn pause(
    State(app): State<AppState>,
    Segment(id): Segment,
    body: Body<Direction>,
) -> Result<StatusCode, ApiError> {
    let room = room(&app, &id)?;
    let (by, reason) = words(&body.value)?;
    decided(&app, &room, RoomFact::Paused { by, reason }).await
}

/// `POST /admin/rooms/{id}/resume`
pub(crate) async fn resume(
    State(app): State<AppState>,
    Segment(id): Segment,
    body: Body<Direction>,
) -> Result<StatusCode, ApiError> {
    let room = room(&app, &id)?;
    let (by, reason) = words(&body.value)?;
    decided(&app, &room, RoomFact::Resumed { by, reason }).await
}

/// `POST /admin/rooms/{id}/close`: the room ends; what is left is open to everybody.
pub(crate) async fn close(
    State(app): State<AppState>,
    Segment(id): Segment,
    body: Body<Direction>,
) -> Result<StatusCode, ApiError> {
    let room = room(&app, &id)?;
    let (by, reason) = words(&body.value)?;
    if room.decide(|room| room.drawn().is_none()) {
        return Err(ApiError::new(Kind::NotDrawn, "A room ends after its draw."));
    }
    decided(&app, &room, RoomFact::Paused { by, reason }).await?;
    let how = Ending::Closed;
    let ended = decided(&app, &room, RoomFact::Ended { how }).await;
    ended.map_err(|error| match error.kind() {
        Kind::LedgerUnavailable => ApiError::new(
            Kind::LedgerUnavailable,
            "It is paused, and has not ended: close it again, or resume it.",
        ),
        _ => error,
    })
}

/// `POST /admin/rooms/{id}/prefer`: a ticket may be exchanged before its turn.
pub(crate) async fn prefer(
    State(app): State<AppState>,
    Segment(id): Segment,
    body: Body<Direction>,
) -> Result<StatusCode, ApiError> {
    let room = room(&app, &id)?;
    let (by, reason) = words(&body.value)?;
    let Direction { ticket, number, .. } = &body.value;
    let seq = match (ticket, number) {
        (Some(text), None) => verified(&app, &room, text).map(|ticket| ticket.id.seq),
        (None, Some(number)) => number.checked_sub(1),
        _ => None,
    };
    let seq = seq.filter(|seq| room.decide(|room| room.may_prefer(*seq)));
    let seq = seq.ok_or_else(|| {
        let detail = "Name a ticket or a number of this room that waits and was not preferred yet.";
        ApiError::new(Kind::TicketInvalid, detail).at("ticket")
    })?;
    decided(&app, &room, RoomFact::Preferred { seq, by, reason }).await
}

/// `POST /admin/rooms/{id}/beacon`: the public random value for the draw. The first one counts.
pub(crate) async fn beacon(
    State(app): State<AppState>,
    Segment(id): Segment,
    body: Body<BeaconBody>,
) -> Result<StatusCode, ApiError> {
    let room = room(&app, &id)?;
    let BeaconBody { value, source } = body.value;
    let invalid = |detail, field| ApiError::new(Kind::InvalidRequest, detail).at(field);
    let value = HEXLOWER
        .decode(value.as_bytes())
        .ok()
        .filter(|it| (1..=BEACON_BYTES_MAX).contains(&it.len()));
    let value =
        value.ok_or_else(|| invalid("1 to 512 bytes as lowercase hexadecimal digits.", "value"))?;
    if !(1..=NAME_BYTES_MAX).contains(&source.len()) || source.chars().any(char::is_control) {
        return Err(invalid("Say where anybody can look it up.", "source"));
    }
    let now = clock::now();
    let (waits, comes_late) = room.decide(|room| {
        let waits = room.plan().terms.beacons.is_some() && room.drawn().is_none();
        (waits, now >= room.plan().release_at)
    });
    if !waits || !comes_late {
        let detail = "A beacon is taken from the release until the draw, where the rules say so.";
        return Err(ApiError::new(Kind::BeaconRefused, detail));
    }
    let at = texts::time(&app.catalogue().city.zone, now);
    if room.set_beacon(Beacon { value, source, at }) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::new(Kind::BeaconRefused, "There is one already."))
    }
}

async fn decided(
    app: &AppState,
    room: &Arc<RoomShard>,
    fact: RoomFact,
) -> Result<StatusCode, ApiError> {
    if let Some(ending) = room.decide(|room| room.ended()) {
        return Err(super::over(ending));
    }
    let now = clock::now();
    if settled(app, |done| app.engine.direct(now, room, fact, done)).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::new(
            Kind::LedgerUnavailable,
            "Nothing was changed.",
        ))
    }
}

fn words(direction: &Direction) -> Result<(String, String), ApiError> {
    spoken(&direction.by, &direction.reason)
}

/// Who decides and why, as the ledger keeps it.
pub(crate) fn spoken(by: &str, reason: &str) -> Result<(String, String), ApiError> {
    let checked = |text: &str, field: &'static str| {
        let text = text.trim();
        let is_plain = !text.is_empty()
            && text.chars().count() <= WORDS_CHARS_MAX
            && !text.chars().any(char::is_control);
        let detail = "Use 1 to 240 characters, without control characters.";
        let invalid = || ApiError::new(Kind::InvalidRequest, detail).at(field);
        is_plain.then(|| text.to_owned()).ok_or_else(invalid)
    };
    Ok((checked(by, "by")?, checked(reason, "reason")?))
}
