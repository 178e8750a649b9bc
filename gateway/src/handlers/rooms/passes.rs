//! Exchanging a ticket whose turn has come for the right to hold seats.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use morgenruh_engine::rules::room::TicketId;
use morgenruh_engine::rules::room::admission::LivePass;
use morgenruh_engine::rules::room::state::PassRefusal;
use morgenruh_engine::rules::room::tickets::{Pass, Ticket};
use morgenruh_engine::shell::engine::{ExchangeError, PassInHand};
use morgenruh_engine::shell::rooms::RoomShard;
use morgenruh_wire as wire;

use super::tickets::place_of;
use super::{over, with_ticket};
use crate::app::{App, AppState};
use crate::caching::NO_STORE;
use crate::clock;
use crate::extract::Segment;
use crate::handlers::bookings::settled;
use crate::problem::{ApiError, Kind};
use crate::texts;

/// Exchange a ticket for a pass.
///
/// When its place is called, and again for as long as the pass is live: it is the same pass then.
/// A pass that has ended without a booking can be had once more.
#[utoipa::path(
    post, path = "/rooms/{id}/passes", tag = "Waiting rooms",
    params(("id" = String, Path, description = "The room's id")),
    security(("token" = [])),
    responses(
        (status = 200, body = wire::Pass),
        (status = 401, body = wire::Problem, content_type = "application/problem+json"),
        (status = 404, description = "room-unknown",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 409, description = "ticket-used, sold-out, room-closed",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 425, description = "not-your-turn, with the place and when to ask again",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 503, body = wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn exchange(
    State(app): State<AppState>,
    Segment(id): Segment,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (room, ticket) = with_ticket(&app, &id, &headers)?;
    let (text, pass) = enter(&app, &room, &ticket).await?;
    let answer = wire::Pass {
        pass: text,
        expires_at: texts::time(&app.catalogue().city.zone, pass.expires_at),
        turn: pass.turn,
    };
    Ok(([NO_STORE], Json(answer)).into_response())
}

/// The pass of a ticket whose turn has come, and its text.
pub(crate) async fn enter(
    app: &App,
    room: &Arc<RoomShard>,
    ticket: &Ticket,
) -> Result<(String, LivePass), ApiError> {
    let now = clock::now();
    let seq = ticket.id.seq;
    let outcome = settled(app, |done| app.engine.exchange(now, room, seq, done)).await?;
    let pass = outcome.map_err(|error| match error {
        ExchangeError::LedgerAway => ApiError::new(
            Kind::LedgerUnavailable,
            "Your place is kept; try again in a moment.",
        ),
        ExchangeError::Refused(refusal) => refused(app, room, seq, refusal),
    })?;
    let token = Pass {
        ticket: ticket.id,
        turn: pass.turn,
        expires_at: pass.expires_at,
    };
    Ok((token.sign(&app.keys.ring()), pass))
}

fn refused(app: &App, room: &RoomShard, seq: u32, refusal: PassRefusal) -> ApiError {
    let later = |detail| {
        let place = place_of(app, room, clock::now(), seq);
        ApiError::new(Kind::NotYourTurn, detail).with_place(place)
    };
    match refusal {
        PassRefusal::Unknown => ApiError::new(Kind::TicketInvalid, "Join the room again."),
        PassRefusal::NotYourTurn => later("Others are called before."),
        PassRefusal::Paused => later("Nobody is let in for the moment; your place is kept."),
        PassRefusal::Full => later("Others took your turn meanwhile; you are let in next."),
        PassRefusal::Booked => ApiError::new(Kind::TicketUsed, "It has become a booking."),
        PassRefusal::Left => ApiError::new(Kind::TicketUsed, "Its place was given up."),
        PassRefusal::UsedUp => ApiError::new(
            Kind::TicketUsed,
            "Both of its passes ended without a booking.",
        ),
        PassRefusal::Over(ending) => over(ending),
    }
}

/// The pass that a request shows, if it shows one.
///
/// # Errors
/// `pass-invalid` when it is none of ours.
pub(crate) fn in_hand(app: &App, text: Option<&str>) -> Result<Option<PassInHand>, ApiError> {
    let Some(text) = text else {
        return Ok(None);
    };
    let pass = Pass::verify(text, &app.keys.ring());
    let pass = pass.map_err(|_| {
        ApiError::new(Kind::PassInvalid, "Exchange your ticket for another one.").at("pass")
    })?;
    let TicketId { room, seq } = pass.ticket;
    app.limits
        .by_pass(u64::from(room.to_bits()) << 32 | u64::from(seq))?;
    Ok(Some(PassInHand {
        ticket: pass.ticket,
        turn: pass.turn,
    }))
}
