//! Joining, asking for one's place, and leaving.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use morgenruh_engine::rules::room::place::{self, Chance, Standing};
use morgenruh_engine::rules::room::state::JoinRefusal;
use morgenruh_engine::rules::room::tickets::Ticket;
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use morgenruh_engine::shell::rooms::RoomShard;
use morgenruh_wire as wire;

use super::{over, room, verified, with_ticket, with_ticket_or_cookie};
use crate::app::{App, AppState};
use crate::caching::NO_STORE;
use crate::clock;
use crate::extract::{Json as Body, Segment, bearer};
use crate::problem::{ApiError, Kind};
use crate::proof_of_work::Random;
use crate::texts;

/// What to solve before joining.
///
/// In the ALTCHA format, version 1; only for rooms with `proof_of_work`.
#[utoipa::path(
    get, path = "/rooms/{id}/challenge", tag = "Waiting rooms",
    params(("id" = String, Path, description = "The room's id")),
    responses(
        (status = 200, content_type = "application/json"),
        (status = 404, description = "room-unknown, not-found: nothing is asked",
         body = wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn challenge(
    State(app): State<AppState>,
    Segment(id): Segment,
) -> Result<Response, ApiError> {
    let room = room(&app, &id)?;
    let mut random = [0; 20];
    getrandom::fill(&mut random).map_err(|error| {
        tracing::error!(%error, "the system gives no random numbers");
        ApiError::new(Kind::Internal, "Try again later.")
    })?;
    let asked = app.challenges.of(room.id);
    let asked = asked.and_then(|it| it.challenge(clock::now(), &room.name, Random(random)));
    let asked = asked.ok_or_else(|| ApiError::new(Kind::NotFound, "Nothing is asked here."))?;
    Ok(([NO_STORE], Json(asked)).into_response())
}

/// Take a ticket.
///
/// From `opens_at` on. Whoever shows a ticket of this room gets the same one back. The ticket is
/// all there is: it works on every device, and nothing is stored about whoever has it.
#[utoipa::path(
    post, path = "/rooms/{id}/tickets", tag = "Waiting rooms",
    params(("id" = String, Path, description = "The room's id")),
    request_body = wire::TicketRequest,
    responses(
        (status = 201, body = wire::Ticket),
        (status = 200, description = "The ticket that was shown", body = wire::Ticket),
        (status = 403, description = "proof-of-work-required",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 404, description = "room-unknown",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 409, description = "room-not-open, sold-out, room-closed, room-full",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 422, description = "proof-of-work-invalid",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 429, description = "rate-limited: come back after Retry-After",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 503, body = wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn join(
    State(app): State<AppState>,
    Segment(id): Segment,
    headers: HeaderMap,
    body: Body<wire::TicketRequest>,
) -> Result<Response, ApiError> {
    let room = room(&app, &id)?;
    if let Ok(text) = bearer(&headers)
        && let Some(ticket) = verified(&app, &room, text)
    {
        let answer = to_wire(&room, &ticket, text.to_owned());
        return Ok(([NO_STORE], Json(answer)).into_response());
    }
    let (ticket, text) = take(&app, &room, clock::now(), &body.value).await?;
    let answer = to_wire(&room, &ticket, text);
    Ok((StatusCode::CREATED, [NO_STORE], Json(answer)).into_response())
}

/// How long somebody waits while the next numbers are being reserved, and how often that is looked
/// at: the ledger needs some milliseconds for it.
const NUMBERS_WITHIN: Duration = Duration::from_secs(1);
const NUMBERS_LOOK: Duration = Duration::from_millis(10);

/// The next ticket of a room, and its text.
pub(crate) async fn take(
    app: &App,
    room: &Arc<RoomShard>,
    now: UnixMillis,
    request: &wire::TicketRequest,
) -> Result<(Ticket, String), ApiError> {
    // Only a ticket uses a solution up: whoever is refused may come back with it.
    let solved = match app.challenges.of(room.id) {
        Some(asked) => Some(asked.check(now, &room.name, request.proof_of_work.as_deref())?),
        None => None,
    };
    let begin = Instant::now();
    let joined = loop {
        match app.engine.join(now, room) {
            Err(JoinRefusal::Later) if begin.elapsed() < NUMBERS_WITHIN => {
                tokio::time::sleep(NUMBERS_LOOK).await;
            }
            joined => break joined.map_err(|refusal| refused(app, refusal))?,
        }
    };
    if let Some(solved) = solved {
        solved.keep();
    }
    let ticket = Ticket {
        id: joined.ticket,
        issued_at: now,
        nonce: joined.nonce,
    };
    let text = ticket.sign(&app.keys.ring());
    Ok((ticket, text))
}

fn refused(app: &App, refusal: JoinRefusal) -> ApiError {
    let zone = &app.catalogue().city.zone;
    match refusal {
        JoinRefusal::NotOpen { opens_at } => {
            let detail = format!("It opens at {}.", texts::time(zone, opens_at));
            ApiError::new(Kind::RoomNotOpen, detail)
        }
        JoinRefusal::Over(ending) => over(ending),
        JoinRefusal::Later => ApiError::new(Kind::Overloaded, "Ask again in a moment."),
        JoinRefusal::Full => ApiError::new(Kind::RoomFull, "All tickets are given."),
    }
}

fn to_wire(room: &RoomShard, ticket: &Ticket, text: String) -> wire::Ticket {
    wire::Ticket {
        room: room.name.clone(),
        number: ticket.id.seq.saturating_add(1),
        ticket: text,
    }
}

/// Where a ticket stands.
///
/// Without the header, the ticket in the cookie of the room's page counts.
#[utoipa::path(
    get, path = "/rooms/{id}/place", tag = "Waiting rooms",
    params(("id" = String, Path, description = "The room's id")),
    security(("token" = [])),
    responses(
        (status = 200, body = wire::Place),
        (status = 401, body = wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn place(
    State(app): State<AppState>,
    Segment(id): Segment,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (room, ticket) = with_ticket_or_cookie(&app, &id, &headers)?;
    let place = place_of(&app, &room, clock::now(), ticket.id.seq);
    Ok(([NO_STORE], Json(place)).into_response())
}

pub(crate) fn place_of(app: &App, room: &RoomShard, now: UnixMillis, seq: u32) -> wire::Place {
    // Another moment for each ticket and each question.
    let entropy = (seq ^ now.0 as u32).wrapping_mul(0x9e37_79b9) >> 16;
    let (place, phase) = room.decide(|room| (room.place(now, seq, entropy), room.phase(now)));
    let zone = &app.catalogue().city.zone;
    let (standing, position, ahead, until) = in_words(place.standing);
    let seconds = |length: Millis| u32::try_from(length.0 / 1_000).unwrap_or(u32::MAX);
    wire::Place {
        number: seq.saturating_add(1),
        phase: phase.name().to_owned(),
        standing: standing.to_owned(),
        position,
        ahead,
        eta: place.eta.map(|(least, most)| wire::Eta {
            least_s: seconds(least),
            most_s: seconds(most),
        }),
        until: until.map(|until| texts::time(zone, until)),
        chance: chance_name(place.chance).to_owned(),
        poll_after_ms: u32::try_from(place.poll_after.0).unwrap_or(place::POLL_MAX.0 as u32),
    }
}

fn in_words(standing: Standing) -> (&'static str, Option<u32>, Option<u32>, Option<UnixMillis>) {
    match standing {
        Standing::Gathering => ("gathering", None, None, None),
        Standing::InLine { position, ahead } => ("in_line", Some(position), Some(ahead), None),
        Standing::Called { position, until } => ("called", Some(position), Some(0), until),
        Standing::Inside {
            position, until, ..
        } => ("inside", Some(position), Some(0), Some(until)),
        Standing::Booked => ("booked", None, None, None),
        Standing::Left => ("left", None, None, None),
        Standing::UsedUp => ("used_up", None, None, None),
        Standing::Over(_) => ("over", None, None, None),
    }
}

fn chance_name(chance: Chance) -> &'static str {
    match chance {
        Chance::Likely => "likely",
        Chance::Possible => "possible",
        Chance::Unlikely => "unlikely",
        Chance::Gone => "gone",
    }
}

/// Give a place up.
///
/// Its pass ends at once, and the next in line is called. What was held stays held until its own
/// end: release it first.
#[utoipa::path(
    delete, path = "/rooms/{id}/place", tag = "Waiting rooms",
    params(("id" = String, Path, description = "The room's id")),
    security(("token" = [])),
    responses(
        (status = 204, description = "Somebody else has the place"),
        (status = 401, body = wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn leave(
    State(app): State<AppState>,
    Segment(id): Segment,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let (room, ticket) = with_ticket(&app, &id, &headers)?;
    app.engine.leave(clock::now(), &room, ticket.id.seq);
    Ok(StatusCode::NO_CONTENT)
}
