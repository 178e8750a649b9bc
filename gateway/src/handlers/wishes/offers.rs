//! `/offers`: a seat that is held for a wish is accepted or declined.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use morgenruh_engine::rules::ids::{ReservationId, Secret};
use morgenruh_engine::rules::wish::agent::Standing;
use morgenruh_engine::shell::engine::{Booking, ChangeError, OfferError};
use morgenruh_engine::shell::ledger::Receipt;
use morgenruh_wire as wire;

use crate::app::{App, AppState};
use crate::clock;
use crate::extract::{Bearer, Segment};
use crate::handlers::bookings::{self, Acknowledged, ledger_away, not_changed, settled};
use crate::problem::{ApiError, Kind};

/// Accept an offer.
///
/// The answer comes when the booking is durable; asking again gets the same one. For a wish that
/// brings a booking forward it is that booking on its new seat, with the token that it has.
#[utoipa::path(
    post, path = "/offers/{id}/accept", operation_id = "accept_offer", tag = "Wishes",
    params(("id" = String, Path, description = "The offer's id")),
    security(("token" = [])),
    responses(
        (status = 201, body = wire::Booking),
        (status = 200, description = "A booking was brought forward", body = wire::Booking),
        (status = 404, description = "offer-unknown, also for a wrong token",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 409, description = "offer-gone, booking-cancelled, booking-over, too-many-moves",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 429, description = "rate-limited: come back after Retry-After",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not confirmed, or not certain yet: send it again",
         body = wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn accept(
    State(app): State<AppState>,
    Segment(id): Segment,
    Bearer(token): Bearer,
) -> Result<Acknowledged, ApiError> {
    let (seat, secret) = address(&id, &token)?;
    let (booking, receipt) = accepted(&app, seat, secret).await?;
    let mut answer = bookings::to_wire(&app, &booking);
    answer.manage_token = manage_token(&app, seat, secret);
    if answer.manage_token.is_none() {
        return Ok(Acknowledged::with(receipt, axum::Json(answer)));
    }
    let location = format!("/api/v1/bookings/{}", answer.id);
    let location = [(header::LOCATION, location)];
    let answer = (StatusCode::CREATED, location, axum::Json(answer));
    Ok(Acknowledged::with(receipt, answer.into_response()))
}

/// Of the booking that has come of a wish; one that was brought forward has its own.
fn manage_token(app: &App, seat: ReservationId, secret: Secret) -> Option<String> {
    let offered = app
        .engine
        .look_at_wishes(|agent| agent.of_offer(seat, secret));
    let (_, known) = offered?;
    let is_new = known.wish.instead_of.is_none();
    let is_booked = matches!(known.standing, Standing::Booked { .. });
    (is_new && is_booked).then(|| known.manage_secret().to_string())
}

pub(crate) async fn accepted(
    app: &App,
    seat: ReservationId,
    secret: Secret,
) -> Result<(Booking, Receipt), ApiError> {
    let now = clock::now();
    let outcome = settled(app, |done| {
        app.engine.accept_offer(now, seat, secret, done);
    });
    Ok(outcome.await?.map_err(not_answered)?.into_parts())
}

/// Decline an offer.
///
/// It goes to the next wish; this one stays where it is in line, unless it has declined too often.
#[utoipa::path(
    post, path = "/offers/{id}/decline", operation_id = "decline_offer", tag = "Wishes",
    params(("id" = String, Path, description = "The offer's id")),
    security(("token" = [])),
    responses(
        (status = 204, description = "Somebody else is asked"),
        (status = 404, body = wire::Problem, content_type = "application/problem+json"),
        (status = 409, description = "offer-gone",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 429, description = "rate-limited: come back after Retry-After",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 503, body = wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn decline(
    State(app): State<AppState>,
    Segment(id): Segment,
    Bearer(token): Bearer,
) -> Result<StatusCode, ApiError> {
    let (seat, secret) = address(&id, &token)?;
    declined(&app, seat, secret).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn declined(
    app: &App,
    seat: ReservationId,
    secret: Secret,
) -> Result<(), ApiError> {
    let now = clock::now();
    let outcome = settled(app, |done| {
        app.engine.decline_offer(now, seat, secret, done);
    });
    outcome.await?.map_err(not_answered)?;
    Ok(())
}

fn address(id: &str, token: &str) -> Result<(ReservationId, Secret), ApiError> {
    let parsed = id.parse().ok().zip(token.parse().ok());
    parsed.ok_or_else(unknown)
}

fn unknown() -> ApiError {
    ApiError::new(
        Kind::OfferUnknown,
        "The id and the token do not belong to an offer.",
    )
}

fn not_answered(error: OfferError) -> ApiError {
    match error {
        OfferError::Unknown => unknown(),
        OfferError::Gone => ApiError::new(
            Kind::OfferGone,
            "It was declined, or nobody answered in time.",
        ),
        OfferError::Pending => ApiError::new(
            Kind::ConfirmationPending,
            "An answer to it is still being written. Send the same request again.",
        ),
        OfferError::Booking(refusal) => not_changed(ChangeError::Booking(refusal)),
        OfferError::TooManyMoves => not_changed(ChangeError::TooManyMoves),
        OfferError::LedgerAway => ledger_away("The offer is kept; try again in a moment."),
    }
}
