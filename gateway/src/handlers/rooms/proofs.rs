//! What lets anybody check a draw.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::{room, with_ticket_or_cookie};
use crate::app::AppState;
use crate::caching::NO_STORE;
use crate::extract::Segment;
use crate::problem::{ApiError, Kind};

/// The proof of a draw.
///
/// Complete: whoever has this document can work the whole line out again. `docs/FAIRNESS.md` says
/// how, and `morgenruh verify-draw` does it.
#[utoipa::path(
    get, path = "/rooms/{id}/draw", tag = "Waiting rooms",
    params(("id" = String, Path, description = "The room's id")),
    responses(
        (status = 200, description = "See docs/FAIRNESS.md", content_type = "application/json"),
        (status = 409, description = "not-drawn",
         body = morgenruh_wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn draw(
    State(app): State<AppState>,
    Segment(id): Segment,
) -> Result<Response, ApiError> {
    let room = room(&app, &id)?;
    let proof = room.decide(|room| room.proof()).ok_or_else(not_drawn)?;
    let cache = HeaderValue::from_static("public, max-age=60");
    Ok(([(header::CACHE_CONTROL, cache)], Json(proof)).into_response())
}

/// That a ticket took part in the draw.
///
/// Without the header, the ticket in the cookie of the room's page counts.
#[utoipa::path(
    get, path = "/rooms/{id}/receipt", tag = "Waiting rooms",
    params(("id" = String, Path, description = "The room's id")),
    security(("token" = [])),
    responses(
        (status = 200, description = "See docs/FAIRNESS.md", content_type = "application/json"),
        (status = 409, description = "not-drawn, also for tickets that were taken later",
         body = morgenruh_wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn receipt(
    State(app): State<AppState>,
    Segment(id): Segment,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (room, ticket) = with_ticket_or_cookie(&app, &id, &headers)?;
    let receipt = room.decide(|room| room.receipt(ticket.id.seq));
    let receipt = receipt.ok_or_else(not_drawn)?;
    Ok(([NO_STORE], Json(receipt)).into_response())
}

fn not_drawn() -> ApiError {
    ApiError::new(
        Kind::NotDrawn,
        "Tickets are drawn at the release; those taken later stand behind them.",
    )
}
