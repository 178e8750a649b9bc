//! What is measured, for a Prometheus that comes by: `GET /metrics` in the OpenMetrics format.
//!
//! Everything but the requests is looked up when it is asked for. No label names a person, a
//! reservation or anything else that a request brings.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use morgenruh_engine::rules::wish::agent::Agent;
use morgenruh_engine::shell::backlog::Backlog;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::app::{App, AppState};
use crate::clock;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /metrics`
pub(crate) async fn metrics(State(app): State<AppState>) -> Response {
    let mut registry = Registry::with_prefix("morgenruh");
    service(&mut registry, &app);
    limits(&mut registry, &app);
    ledger(&mut registry, &app);
    rooms(&mut registry, &app);
    wishes(&mut registry, &app);
    if let Some(production) = &app.production {
        store(&mut registry, production.backlog());
    }
    let mut text = String::new();
    encode(&mut text, &registry).expect("writing to a string cannot fail");
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response()
}

fn service(registry: &mut Registry, app: &App) {
    let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "The program", build);
    registry.register_with_unit(
        "http_request_duration",
        "Time from the head of a request to its answer",
        Unit::Seconds,
        app.traffic.durations().clone(),
    );
    let connections = Family::<[(&str, &str); 1], Gauge>::default();
    let open = [("public", &app.public_places), ("admin", &app.admin_places)];
    for (listener, places) in open {
        let taken = i64::try_from(places.taken()).unwrap_or(i64::MAX);
        connections
            .get_or_create(&[("listener", listener)])
            .set(taken);
    }
    registry.register("connections", "Open connections", connections);
    gauge(
        registry,
        "connections_max",
        "Connections that each listener has room for",
        app.settings.server.connections_max as u64,
    );
}

fn limits(registry: &mut Registry, app: &App) {
    let refused = Family::<[(&str, &str); 1], Counter>::default();
    let keys = Family::<[(&str, &str); 1], Gauge>::default();
    for count in app.limits.counts() {
        let limit = [("limit", count.limit)];
        refused.get_or_create(&limit).inc_by(count.refused);
        let kept = i64::try_from(count.keys).unwrap_or(i64::MAX);
        keys.get_or_create(&limit).set(kept);
    }
    let help = "Requests that a limit has answered with 429";
    registry.register("requests_refused", help, refused);
    registry.register(
        "limit_keys",
        "Networks and passes that a limit remembers",
        keys,
    );
    gauge(
        registry,
        "limit_keys_max",
        "Networks and passes that each limit has room for",
        app.settings.limits.keys_max as u64,
    );
}

/// Of each room that is not long over, by its id.
fn rooms(registry: &mut Registry, app: &App) {
    type ByRoom = Family<[(&'static str, String); 1], Gauge>;
    let [tickets, serving, passes, awaited, booked, missed, seats]: [ByRoom; 7] =
        Default::default();
    for shard in app.engine.rooms().all() {
        let label = [("room", shard.name.clone())];
        let set = |family: &ByRoom, value: u64| {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            family.get_or_create(&label).set(value);
        };
        shard.decide(|room| {
            let counts = room.counts();
            set(&tickets, room.given().into());
            set(&serving, room.serving().into());
            set(&passes, room.passes() as u64);
            set(&awaited, room.awaited() as u64);
            set(&booked, counts.booked.into());
            set(&missed, counts.missed.into());
            set(&seats, room.stock().seats.into());
        });
    }
    registry.register(
        "room_tickets",
        "Tickets that a waiting room has given",
        tickets,
    );
    registry.register("room_serving", "Places that were called", serving);
    registry.register("room_passes", "Passes that are live", passes);
    registry.register("room_awaited", "Called places that are waited for", awaited);
    registry.register("room_booked", "Tickets that became bookings", booked);
    registry.register("room_missed", "Called places that nobody came for", missed);
    registry.register("room_seats_free", "Free seats of the shortest visit", seats);
}

fn wishes(registry: &mut Registry, app: &App) {
    let look = |agent: &Agent| (agent.tally(), agent.outcomes());
    let (tally, outcomes) = app.engine.look_at_wishes(look);
    let ended = Family::<[(&str, &str); 1], Counter>::default();
    for (outcome, count) in [
        ("accepted", outcomes.accepted),
        ("declined", outcomes.declined),
        ("lapsed", outcomes.lapsed),
        ("direct", outcomes.direct),
        ("returned", outcomes.returned),
    ] {
        ended.get_or_create(&[("outcome", outcome)]).inc_by(count);
    }
    for (name, help, value) in [
        ("wishes_open", "Wishes that are not over", tally.open),
        (
            "wishes_asleep",
            "Those that get nothing until somebody says that they still stand",
            tally.asleep,
        ),
        (
            "offers_open",
            "Seats that are held for a wish until it is answered",
            tally.offers,
        ),
        (
            "notices_waiting",
            "Wishes of which somebody is still to be told something",
            tally.untold,
        ),
    ] {
        gauge(registry, name, help, value as u64);
    }
    let help = "Offers that have ended, and seats that were booked for a wish without asking or then \
                given back";
    registry.register("offers", help, ended);
    let oldest = tally
        .untold_since
        .map_or(0, |since| (clock::now() - since).0);
    registry.register_with_unit(
        "notices_oldest_age",
        "Age of the oldest notice that is still to be handed over",
        Unit::Seconds,
        ConstGauge::new(oldest.max(0) as f64 / 1_000.0),
    );
}

fn ledger(registry: &mut Registry, app: &App) {
    let kind = Info::new([
        ("kind", app.settings.ledger.kind.name()),
        ("durability", app.settings.durability()),
    ]);
    registry.register("ledger", "What acknowledged facts are kept in", kind);
    let ready = app.engine.ledger_health().is_ready();
    let help = "Whether confirmations can be made durable now";
    gauge(registry, "ledger_ready", help, u64::from(ready));
    let production = app.production.as_deref();
    let findings = production.map_or(0, |ledger| ledger.warnings().len());
    let help = "What the ledger does not keep although it should; /readyz says what";
    gauge(registry, "ledger_findings", help, findings as u64);
}

fn store(registry: &mut Registry, backlog: &Backlog) {
    let bounds = backlog.bounds();
    let reachable = u64::from(backlog.store_health().is_ready());
    for (name, help, value) in [
        ("store_reachable", "Whether the store answers", reachable),
        (
            "ledger_newest_position",
            "Position of the newest durable record",
            backlog.newest().0,
        ),
        (
            "store_watermark_position",
            "Position of the newest record that the store has",
            backlog.watermark().0,
        ),
        (
            "store_backlog_records",
            "Records that the store does not have yet",
            backlog.records(),
        ),
        (
            "store_backlog_slow_records",
            "Backlog at which commits slow down",
            bounds.slow,
        ),
        (
            "store_backlog_max_records",
            "Backlog at which confirmations are refused",
            bounds.max,
        ),
        (
            "store_quarantined_records",
            "Records that the store refused and keeps apart: a person has to look at them",
            backlog.quarantined(),
        ),
    ] {
        gauge(registry, name, help, value);
    }
    let lag_s = backlog.lag(clock::now()).0 as f64 / 1_000.0;
    registry.register_with_unit(
        "store_lag",
        "Age of the oldest record that the store does not have yet",
        Unit::Seconds,
        ConstGauge::new(lag_s),
    );
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: u64) {
    registry.register(name, help, ConstGauge::new(value));
}
