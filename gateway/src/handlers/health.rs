//! Whether the service is alive, and whether it can acknowledge.

use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use morgenruh_engine::shell::ledger::Health;
use serde_json::json;

use crate::app::AppState;
use crate::texts;

/// `GET /healthz`: the process answers.
pub(crate) async fn healthz() -> &'static str {
    "alive\n"
}

/// `GET /readyz`: confirmations can be made durable now. The reason of an outage goes only to the
/// log and to the listener of operations.
pub(crate) async fn readyz(State(app): State<AppState>) -> Response {
    if app.stopping.load(Ordering::Acquire) {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    match app.engine.ledger_health() {
        Health::Ready => (StatusCode::OK, "ready\n").into_response(),
        Health::Away { .. } => {
            (StatusCode::SERVICE_UNAVAILABLE, "the ledger is away\n").into_response()
        }
    }
}

/// `GET /readyz` on the listener of operations: the same with the reason.
pub(crate) async fn readyz_in_detail(State(app): State<AppState>) -> Response {
    match app.engine.ledger_health() {
        Health::Ready => Json(json!({ "ledger": "ready" })).into_response(),
        Health::Away { since, reason } => {
            let since = texts::time(&app.catalogue().city.zone, since);
            let body = json!({ "ledger": "away", "since": since, "reason": reason });
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
    }
}

/// `GET /admin/conflicts`: bookings and holds that no longer lie in the opening hours.
pub(crate) async fn conflicts(State(app): State<AppState>) -> Response {
    let zone = &app.catalogue().city.zone;
    let conflicts: Vec<_> = app
        .engine
        .conflicts()
        .into_iter()
        .map(|id| {
            let seat = id.seat();
            let office = app.catalogue().office_by_number(seat.key.office);
            let office = office.map(|office| app.catalogue().office(office).id.as_str());
            let start = app
                .engine
                .start_of(id)
                .map(|start| texts::time(zone, start));
            json!({ "reservation": id.to_string(), "code": id.code(), "office": office,
                    "counter": seat.counter + 1, "start": start })
        })
        .collect();
    Json(json!({ "conflicts": conflicts })).into_response()
}
