//! A ticket of a waiting room becomes a wish and keeps its place.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use morgenruh_engine::rules::catalogue::RoomPolicy;
use morgenruh_engine::rules::room::TicketId;
use morgenruh_engine::rules::room::place::Standing;
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use morgenruh_engine::shell::rooms::RoomShard;
use morgenruh_wire as wire;

use super::{being_written, find, laid_view, lay_with_ticket, read};
use crate::app::AppState;
use crate::caching::NO_STORE;
use crate::clock;
use crate::extract::{Bearer, Json, Segment};
use crate::handlers::bookings::Acknowledged;
use crate::handlers::rooms::with_ticket;
use crate::handlers::waiting_page;
use crate::problem::{ApiError, Kind};

/// Turn a ticket into a wish.
///
/// From the draw on, also when the room is sold out or closed: the wish has the place of the
/// ticket, before everybody who has come later. The ticket itself is given up. Shown again, it
/// gets the same wish. In a room of the policy `lottery` it is laid before the draw, which then
/// gives the seats to the wishes.
#[utoipa::path(
    post, path = "/rooms/{id}/wishes", operation_id = "wish_with_ticket", tag = "Waiting rooms",
    params(("id" = String, Path, description = "The room's id")),
    request_body = wire::WishRequest,
    security(("token" = [])),
    responses(
        (status = 201, body = wire::Wish),
        (status = 200, description = "The wish that it is already", body = wire::Wish),
        (status = 401, description = "ticket-invalid",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 404, description = "room-unknown",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 409, description = "not-drawn, ticket-used, wishes-exhausted",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 422, body = wire::Problem, content_type = "application/problem+json"),
        (status = 429, description = "rate-limited: come back after Retry-After",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not kept, or not certain yet: send it again",
         body = wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn lay(
    State(app): State<AppState>,
    Segment(room): Segment,
    _: Bearer,
    headers: HeaderMap,
    body: Json<wire::WishRequest>,
) -> Result<Response, ApiError> {
    let now = clock::now();
    let caller = app.service_keys.caller(&headers)?;
    let (room, ticket) = with_ticket(&app, &room, &headers)?;
    let again = app
        .engine
        .look_at_wishes(|agent| agent.of_ticket(ticket.id));
    if let Some(id) = again {
        let known = find(&app, id).ok_or_else(being_written)?;
        let answer = axum::Json(laid_view(&app, now, id, &known));
        return Ok(([NO_STORE], answer).into_response());
    }
    usable(&room, now, ticket.id)?;
    if body.value.instead_of.is_some() {
        let detail = "A ticket is for somebody who has no booking yet.";
        return Err(ApiError::new(Kind::InvalidRequest, detail).at("instead_of"));
    }
    let (wish, contact) = read::wish(&app, now, caller, &body.value)?;
    let (id, receipt) = lay_with_ticket(&app, now, ticket.id, wish, contact).await?;
    let known = find(&app, id).ok_or_else(being_written)?;
    let answer = axum::Json(laid_view(&app, now, id, &known));
    Ok(match receipt {
        Some(receipt) => Acknowledged::with(receipt, (StatusCode::CREATED, answer)).into_response(),
        None => ([NO_STORE], answer).into_response(),
    })
}

/// How long after its room a ticket can become a wish: as long as a browser keeps it. A wish is
/// remembered for longer than that, so that no ticket becomes a second one.
const USABLE_AFTER: Millis = waiting_page::KEPT_AFTER;

/// Whether a ticket has a place that a wish can have.
pub(crate) fn usable(room: &RoomShard, now: UnixMillis, ticket: TicketId) -> Result<(), ApiError> {
    let used = |detail| Err(ApiError::new(Kind::TicketUsed, detail));
    room.decide(|room| {
        let plan = room.plan();
        let is_lottery = plan.terms.policy == RoomPolicy::Lottery;
        let is_over = plan.closes_at + USABLE_AFTER <= now;
        let standing = room.place(now, ticket.seq, 0).standing;
        if !is_lottery && room.position_of(ticket.seq).is_none() {
            let detail = "A ticket can become a wish once its room is drawn.";
            Err(ApiError::new(Kind::NotDrawn, detail))
        } else if is_over {
            used("Its waiting room is over for too long.")
        } else if standing == Standing::Booked {
            used("It has become a booking.")
        } else if room.has_left(ticket.seq) {
            used("It was given up.")
        } else if room.pass(ticket.seq).is_some_and(|pass| pass.holds > 0) {
            used("A seat is held with it: book it or give it back first.")
        } else {
            Ok(())
        }
    })
}
