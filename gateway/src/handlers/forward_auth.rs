//! `/forward-auth`: a room as the guard in front of a site that is not ours. A proxy asks here
//! about each request to it, and lets through whoever has a pass.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use morgenruh_engine::rules::room::place::Standing;
use morgenruh_engine::rules::room::state::Phase;
use morgenruh_engine::rules::room::tickets::Pass;
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::shell::rooms::RoomShard;

use super::waiting_page::TARGET_PARAMETER;
use crate::app::{App, AppState};
use crate::caching::NO_STORE;
use crate::clock;
use crate::cookies::{Cookies, Purpose};
use crate::extract::{Segment, bearer};
use crate::problem::{ApiError, Kind};
use crate::target::Target;

/// `GET /forward-auth/{room}`, for any method of the request that it is about.
///
/// `{room}` is the id of one room, or that of a rule: then the room that it has open now, and
/// everybody passes while there is none. 204 lets through. Otherwise the answer is 302 where the
/// proxy hands it on to the visitor (Traefik, Caddy), and 401 where it does not (nginx); both name
/// the room's page as `Location`.
pub(crate) async fn ask(
    State(app): State<AppState>,
    Segment(name): Segment,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let now = clock::now();
    let Some(room) = guard(&app, &name, now)? else {
        return Ok(let_through());
    };
    if room.decide(|room| room.ended()).is_some() || has_pass(&app, &room, now, &headers) {
        return Ok(let_through());
    }
    let mut page = format!("/warteraum/{}", room.name);
    if let Some(target) = Target::asked(&headers, &app.settings.room.forward_auth_targets) {
        let target = form_urlencoded::byte_serialize(target.address().as_bytes());
        page.extend(["?", TARGET_PARAMETER, "="]);
        page.extend(target);
    }
    let status = if headers.contains_key("x-forwarded-uri") {
        StatusCode::FOUND
    } else {
        StatusCode::UNAUTHORIZED
    };
    let page = HeaderValue::try_from(page).expect("what is encoded is ASCII");
    Ok((status, [(header::LOCATION, page), NO_STORE]).into_response())
}

/// The room that stands guard now; None when none does.
fn guard(app: &App, name: &str, now: UnixMillis) -> Result<Option<Arc<RoomShard>>, ApiError> {
    if let Some(room) = app.engine.rooms().named(name) {
        return Ok(Some(room));
    }
    let rules = &app.catalogue().rooms;
    let rule = rules.iter().find(|rule| rule.id == name);
    let rule = rule.ok_or_else(|| {
        ApiError::new(
            Kind::RoomUnknown,
            "See /api/v1/rooms for those that there are.",
        )
    })?;
    let mut rooms = app.engine.rooms().all().into_iter();
    Ok(rooms.find(|room| {
        let phase = room.decide(|room| room.phase(now));
        let is_open = !matches!(phase, Phase::Scheduled | Phase::SoldOut | Phase::Closed);
        room.id.number == rule.number && is_open
    }))
}

/// Whether the request shows a pass of this room that is live.
fn has_pass(app: &App, room: &RoomShard, now: UnixMillis, headers: &HeaderMap) -> bool {
    let cookies = Cookies::new(&app.settings.server);
    let ring = app.keys.ring();
    let shown = cookies.read(headers, Purpose::Pass, &room.name);
    let mut shown = shown.chain(bearer(headers).ok());
    shown.any(|text| {
        let Ok(pass) = Pass::verify(text, &ring) else {
            return false;
        };
        let stands = || room.decide(|room| room.place(now, pass.ticket.seq, 0).standing);
        pass.ticket.room == room.id
            && matches!(stands(), Standing::Inside { turn, .. } if turn == pass.turn)
    })
}

fn let_through() -> Response {
    (StatusCode::NO_CONTENT, [NO_STORE]).into_response()
}
