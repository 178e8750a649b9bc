//! `/admin/releases`: what staff see of releases, and what they decide. Each decision is a fact of
//! the ledger, with who made it and why.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use morgenruh_engine::rules::catalogue::OfficeIndex;
use morgenruh_engine::rules::cells::CounterSet;
use morgenruh_engine::rules::release::fact::ReleaseFact;
use morgenruh_engine::rules::release::{ReleaseId, Steering};
use morgenruh_engine::rules::time::{DayNumber, UnixMillis};
use morgenruh_engine::shell::engine::{DirectError, ReleasePlan};
use serde::{Deserialize, Serialize};

use super::{policy, release, room_name, state};
use crate::app::{App, AppState};
use crate::caching::NO_STORE;
use crate::clock;
use crate::extract::{Json as Body, Segment};
use crate::handlers::bookings::settled;
use crate::handlers::rooms::staff::spoken;
use crate::problem::{ApiError, Kind};
use crate::texts;

/// Days from today on whose releases are listed: usually, and at most.
const DAYS_USUAL: u16 = 7;
const DAYS_MAX: u16 = 60;

/// What staff see of a release.
#[derive(Serialize)]
struct Row {
    id: String,
    office: String,
    policy: &'static str,
    state: &'static str,
    release_at: String,
    until: String,
    dates: Vec<String>,
    room: Option<String>,
    /// Free seats of the office's shortest visit, side by side; open or not.
    seats: u32,
    /// Of a drip: whether its moments are fixed.
    announced: Option<bool>,
    /// The last thing that was decided about it.
    decision: Option<Decision>,
}

#[derive(Serialize)]
struct Decision {
    at: String,
    event: &'static str,
    by: String,
    reason: String,
}

/// Who decides, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Direction {
    by: String,
    reason: String,
}

/// `GET /admin/releases?days=7`: those of the next days, and all about which something is decided.
pub(crate) async fn list(
    State(app): State<AppState>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let days = days(query.as_deref().unwrap_or_default())?;
    let rows = tokio::task::spawn_blocking(move || rows(&app, clock::now(), days)).await;
    let rows = rows.map_err(|_| ApiError::new(Kind::Overloaded, "Ask again in a moment."))?;
    Ok(([NO_STORE], Json(rows)).into_response())
}

fn days(query: &str) -> Result<u16, ApiError> {
    let mut days = DAYS_USUAL;
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        let asked = value.parse().ok().filter(|it| (1..=DAYS_MAX).contains(it));
        days = asked.filter(|_| key == "days").ok_or_else(|| {
            let detail = format!("Known is days, 1 to {DAYS_MAX}.");
            ApiError::new(Kind::InvalidQuery, detail).at(key)
        })?;
    }
    Ok(days)
}

fn rows(app: &App, now: UnixMillis, days: u16) -> Vec<Row> {
    let engine = &app.engine;
    let Some(today) = DayNumber::from_date(engine.date_of(now)) else {
        return Vec::new();
    };
    let offices = 0..app.catalogue().offices.len();
    let offices = offices.filter_map(|place| u16::try_from(place).ok());
    let mut ids: BTreeSet<ReleaseId> = engine.releases().steered().into_iter().collect();
    for office in offices.map(OfficeIndex) {
        for day in today.0..today.0.saturating_add(days) {
            let plans = engine.releases_on(office, DayNumber(day));
            ids.extend(plans.into_iter().map(|plan| plan.id));
        }
    }
    let plans = ids.into_iter().filter_map(|id| engine.release_plan(id));
    let mut plans: Vec<ReleasePlan> = plans.collect();
    plans.sort_by_key(|plan| (plan.at, plan.id));
    plans.iter().map(|plan| row(app, now, plan)).collect()
}

fn row(app: &App, now: UnixMillis, plan: &ReleasePlan) -> Row {
    let zone = &app.catalogue().city.zone;
    let course = app.engine.releases().course(plan.id);
    let standing = app.engine.release_standing(now, plan);
    let policy = policy(app, plan);
    Row {
        id: plan.name.clone(),
        office: app.catalogue().office(plan.office).id.clone(),
        policy,
        state: state(course.steering, standing.is_open),
        release_at: texts::time(zone, plan.at),
        until: texts::time(zone, plan.until()),
        dates: plan.days.iter().map(ToString::to_string).collect(),
        room: room_name(app, plan),
        seats: standing.seats(standing.useful_units, CounterSet::ALL),
        announced: (policy == "drip").then_some(course.announced.is_some()),
        decision: course.decision.as_ref().map(|decision| Decision {
            at: texts::time(zone, decision.at),
            event: decision.event,
            by: decision.by.clone(),
            reason: decision.reason.clone(),
        }),
    }
}

/// `POST /admin/releases/{id}/publish`: all of it opens now.
pub(crate) async fn publish(
    State(app): State<AppState>,
    Segment(id): Segment,
    body: Body<Direction>,
) -> Result<StatusCode, ApiError> {
    let (now, plan, by, reason) = asked(&app, &id, &body.value)?;
    if plan.room.is_some() && now < plan.at {
        return Err(refused(
            "Its waiting room lets people in at its time, not before.",
        ));
    }
    decided(&app, now, &plan, ReleaseFact::Published { by, reason }).await
}

/// `POST /admin/releases/{id}/pause`: nothing more of it opens until it goes on.
pub(crate) async fn pause(
    State(app): State<AppState>,
    Segment(id): Segment,
    body: Body<Direction>,
) -> Result<StatusCode, ApiError> {
    let (now, plan, by, reason) = asked(&app, &id, &body.value)?;
    if app.engine.release_standing(now, &plan).is_open {
        return Err(refused("All of it is open. Withdraw it to seal it again."));
    }
    let steering = app.engine.releases().course(plan.id).steering;
    if steering == Steering::Sealed {
        return Err(refused("It is withdrawn already."));
    }
    let since = now.0;
    decided(&app, now, &plan, ReleaseFact::Paused { since, by, reason }).await
}

/// `POST /admin/releases/{id}/resume`: it goes by its own time again.
pub(crate) async fn resume(
    State(app): State<AppState>,
    Segment(id): Segment,
    body: Body<Direction>,
) -> Result<StatusCode, ApiError> {
    let (now, plan, by, reason) = asked(&app, &id, &body.value)?;
    let steering = app.engine.releases().course(plan.id).steering;
    if !matches!(steering, Steering::Paused { .. } | Steering::Sealed) {
        return Err(refused("It is neither paused nor withdrawn."));
    }
    decided(&app, now, &plan, ReleaseFact::Resumed { by, reason }).await
}

/// `POST /admin/releases/{id}/withdraw`: it is sealed again, unless somebody has one of its seats.
pub(crate) async fn withdraw(
    State(app): State<AppState>,
    Segment(id): Segment,
    body: Body<Direction>,
) -> Result<StatusCode, ApiError> {
    let (now, plan, by, reason) = asked(&app, &id, &body.value)?;
    decided(&app, now, &plan, ReleaseFact::Withdrawn { by, reason }).await
}

fn asked(
    app: &App,
    id: &str,
    direction: &Direction,
) -> Result<(UnixMillis, ReleasePlan, String, String), ApiError> {
    let now = clock::now();
    let plan = release(app, now, id)?;
    let (by, reason) = spoken(&direction.by, &direction.reason)?;
    Ok((now, plan, by, reason))
}

fn refused(detail: &'static str) -> ApiError {
    ApiError::new(Kind::ReleaseRefused, detail)
}

async fn decided(
    app: &App,
    now: UnixMillis,
    plan: &ReleasePlan,
    fact: ReleaseFact,
) -> Result<StatusCode, ApiError> {
    let engine = &app.engine;
    match settled(app, |done| engine.direct_release(now, plan, fact, done)).await? {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(DirectError::Busy) => Err(ApiError::new(
            Kind::InProgress,
            "Something else is being decided about it.",
        )),
        Err(DirectError::Taken) => Err(ApiError::new(
            Kind::ReleaseTaken,
            "Nothing was sealed: whoever was told that a seat is theirs keeps it.",
        )),
        Err(DirectError::LedgerAway) => Err(ApiError::new(
            Kind::LedgerUnavailable,
            "Nothing was changed.",
        )),
    }
}
