//! The public document as it changes, for those who stay connected.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::unknown;
use crate::app::AppState;
use crate::extract::Segment;
use crate::problem::{ApiError, Kind};

/// Nothing comes more often.
const EVENT_EVERY: Duration = Duration::from_secs(1);
/// A comment goes out when nothing else does, so that nobody between takes the connection for dead:
/// `packaging/nginx.conf` does after 15 s.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Follow a waiting room.
///
/// Server-sent events: each `room` event carries the document of the room, at most one a second.
/// Everybody shares the same bytes. When too many listen, ask for the document instead.
#[utoipa::path(
    get, path = "/rooms/{id}/events", tag = "Waiting rooms",
    params(("id" = String, Path, description = "The room's id")),
    responses(
        (status = 200, content_type = "text/event-stream"),
        (status = 404, body = morgenruh_wire::Problem, content_type = "application/problem+json"),
        (status = 503, description = "too-many-listeners",
         body = morgenruh_wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn follow(
    State(app): State<AppState>,
    Segment(id): Segment,
) -> Result<Response, ApiError> {
    let documents = app.rooms.follow(&id).ok_or_else(unknown)?;
    let listener = Arc::clone(&app.rooms.listeners).try_acquire_owned();
    let listener = listener.map_err(|_| {
        ApiError::new(
            Kind::TooManyListeners,
            "Ask for the document now and then instead.",
        )
    })?;
    // The first one goes out at once.
    let begin = (documents, listener, true);
    let events = stream::unfold(begin, |(mut documents, listener, first)| async move {
        if !first {
            tokio::time::sleep(EVENT_EVERY).await;
            // No more versions: the room is long over.
            documents.changed().await.ok()?;
        }
        let event = {
            let document = documents.borrow_and_update();
            let body = std::str::from_utf8(&document.body).unwrap_or_default();
            Event::default().event("room").data(body)
        };
        Some((Ok::<_, Infallible>(event), (documents, listener, false)))
    });
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT));
    // A proxy that collects an answer before it sends it on would keep the events to itself.
    let at_once = [("x-accel-buffering", "no")];
    Ok((at_once, events).into_response())
}
