//! Whether the service is alive, and whether it can acknowledge.

use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::tz::TimeZone;
use morgenruh_engine::shell::backlog::Backlog;
use morgenruh_engine::shell::ledger::Health;
use morgenruh_production::ledger::ProductionLedger;
use serde::Serialize;
use serde_json::json;

use crate::app::AppState;
use crate::{clock, texts};

/// What operators see of readiness.
#[derive(Serialize)]
struct Detail {
    stopping: bool,
    /// Only in a rehearsal: how many times as fast the clock goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_speed: Option<u32>,
    ledger: Part<LedgerInDetail>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<Part<StoreInDetail>>,
}

/// One of the servers that something is kept in.
#[derive(Serialize)]
struct Part<T> {
    kind: &'static str,
    #[serde(flatten)]
    health: HealthInWords,
    #[serde(flatten)]
    detail: T,
}

#[derive(Serialize)]
#[serde(tag = "health", rename_all = "lowercase")]
enum HealthInWords {
    Ready,
    Away { since: String, reason: String },
}

#[derive(Serialize)]
struct LedgerInDetail {
    durability: &'static str,
    /// What is not kept although it was acknowledged, one sentence each.
    findings: Vec<String>,
}

/// Counts are of records.
#[derive(Serialize)]
struct StoreInDetail {
    newest: u64,
    watermark: u64,
    backlog: u64,
    backlog_slow: u64,
    backlog_max: u64,
    lag_ms: i64,
    quarantined: u64,
}

impl HealthInWords {
    fn of(health: Health, zone: &TimeZone) -> HealthInWords {
        match health {
            Health::Ready => HealthInWords::Ready,
            Health::Away { since, reason } => HealthInWords::Away {
                since: texts::time(zone, since),
                reason,
            },
        }
    }
}

impl StoreInDetail {
    fn of(backlog: &Backlog) -> StoreInDetail {
        let bounds = backlog.bounds();
        StoreInDetail {
            newest: backlog.newest().0,
            watermark: backlog.watermark().0,
            backlog: backlog.records(),
            backlog_slow: bounds.slow,
            backlog_max: bounds.max,
            lag_ms: backlog.lag(clock::now()).0,
            quarantined: backlog.quarantined(),
        }
    }
}

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

/// `GET /readyz` on the listener of operations: the same with reasons, and how the store follows,
/// where there is one. That the store is away is no reason for red: see `[store]`.
pub(crate) async fn readyz_in_detail(State(app): State<AppState>) -> Response {
    let health = app.engine.ledger_health();
    let stopping = app.stopping.load(Ordering::Acquire);
    let status = if health.is_ready() && !stopping {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let zone = &app.catalogue().city.zone;
    let production = app.production.as_deref();
    let ledger = Part {
        kind: app.settings.ledger.kind.name(),
        health: HealthInWords::of(health, zone),
        detail: LedgerInDetail {
            durability: app.settings.durability(),
            findings: production
                .map(ProductionLedger::warnings)
                .unwrap_or_default(),
        },
    };
    let store = production.map(|ledger| {
        let backlog = ledger.backlog();
        Part {
            kind: "postgres",
            health: HealthInWords::of(backlog.store_health(), zone),
            detail: StoreInDetail::of(backlog),
        }
    });
    let detail = Detail {
        stopping,
        clock_speed: Some(clock::speed()).filter(|speed| *speed > 1),
        ledger,
        store,
    };
    (status, Json(detail)).into_response()
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
