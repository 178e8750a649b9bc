//! `/rooms`: the waiting rooms before releases.

pub(crate) mod events;
pub(crate) mod passes;
pub(crate) mod proofs;
pub(crate) mod staff;
pub(crate) mod tickets;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{BufMut, BytesMut};
use morgenruh_engine::rules::room::fact::Ending;
use morgenruh_engine::rules::room::tickets::Ticket;
use morgenruh_engine::shell::rooms::RoomShard;

use crate::app::{App, AppState};
use crate::caching::is_known;
use crate::cookies::{Cookies, Purpose};
use crate::extract::{Segment, bearer};
use crate::problem::{ApiError, Kind};

/// Any cache may answer for this long.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=1");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// All waiting rooms.
#[utoipa::path(
    get, path = "/rooms", operation_id = "rooms", tag = "Waiting rooms",
    responses((status = 200, body = morgenruh_wire::Rooms))
)]
pub(crate) async fn list(State(app): State<AppState>) -> Response {
    let mut body = BytesMut::from(&b"{\"rooms\":["[..]);
    for (place, document) in app.rooms.all().iter().enumerate() {
        if place > 0 {
            body.put_u8(b',');
        }
        body.extend_from_slice(&document.body);
    }
    body.extend_from_slice(b"]}");
    let headers = [(header::CONTENT_TYPE, JSON), (header::CACHE_CONTROL, CACHE)];
    (headers, body.freeze()).into_response()
}

/// A waiting room.
///
/// The same for everybody, and cacheable for a second. `tickets` and `serving` only rise; a ticket
/// whose position is not above `serving` may be exchanged for a pass.
#[utoipa::path(
    get, path = "/rooms/{id}", operation_id = "room", tag = "Waiting rooms",
    params(("id" = String, Path, description = "The room's id")),
    responses(
        (status = 200, body = morgenruh_wire::Room),
        (status = 304, description = "Unchanged since the ETag of If-None-Match"),
        (status = 404, description = "room-unknown",
         body = morgenruh_wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show(
    State(app): State<AppState>,
    Segment(id): Segment,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let document = app.rooms.get(&id).ok_or_else(unknown)?;
    let mut response = if is_known(&headers, &document.etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, JSON)], document.body.clone()).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, document.etag.clone());
    headers.insert(header::CACHE_CONTROL, CACHE);
    Ok(response)
}

pub(crate) fn room(app: &App, name: &str) -> Result<Arc<RoomShard>, ApiError> {
    app.engine.rooms().named(name).ok_or_else(unknown)
}

/// The room with this name and the ticket that a request shows, which must be one of it.
pub(crate) fn with_ticket(
    app: &App,
    name: &str,
    headers: &HeaderMap,
) -> Result<(Arc<RoomShard>, Ticket), ApiError> {
    let text = bearer(headers)?;
    let room = room(app, name)?;
    let ticket = verified(app, &room, text).ok_or_else(|| {
        ApiError::new(
            Kind::TicketInvalid,
            "Join the room again to get another one.",
        )
    })?;
    Ok((room, ticket))
}

/// The same, or with the ticket in the cookie: only for what changes nothing, because browsers send
/// cookies along whoever asks them to.
fn with_ticket_or_cookie(
    app: &App,
    name: &str,
    headers: &HeaderMap,
) -> Result<(Arc<RoomShard>, Ticket), ApiError> {
    if !headers.contains_key(header::AUTHORIZATION)
        && let Some(room) = app.engine.rooms().named(name)
    {
        let cookies = Cookies::new(&app.settings.server);
        let mut kept = cookies.read(headers, Purpose::Ticket, name);
        if let Some(ticket) = kept.find_map(|text| verified(app, &room, text)) {
            return Ok((room, ticket));
        }
    }
    with_ticket(app, name, headers)
}

/// The ticket of a text, if it is a genuine one of this room.
pub(crate) fn verified(app: &App, room: &RoomShard, text: &str) -> Option<Ticket> {
    let ticket = Ticket::verify(text, &app.keys.ring()).ok()?;
    (ticket.id.room == room.id).then_some(ticket)
}

fn unknown() -> ApiError {
    ApiError::new(
        Kind::RoomUnknown,
        "See /api/v1/rooms for those that there are.",
    )
}

fn over(ending: Ending) -> ApiError {
    match ending {
        Ending::SoldOut => ApiError::new(Kind::SoldOut, "Everything is taken."),
        Ending::Closed => ApiError::new(Kind::RoomClosed, "What is left is open to everybody."),
    }
}
