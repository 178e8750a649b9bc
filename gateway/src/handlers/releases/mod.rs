//! `/releases`: what becomes bookable when, and how anybody can check a drip.

pub(crate) mod forecast;
pub(crate) mod staff;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use dashmap::DashMap;
use data_encoding::HEXLOWER;
use morgenruh_engine::rules::calendar::plan;
use morgenruh_engine::rules::catalogue::RoomPolicy;
use morgenruh_engine::rules::release::Steering;
use morgenruh_engine::rules::release::drip::ALGORITHM;
use morgenruh_engine::rules::room::RoomId;
use morgenruh_engine::rules::time::{DayNumber, Millis, UnixMillis};
use morgenruh_engine::shell::engine::ReleasePlan;
use morgenruh_wire::{ReleaseDocument, ReleaseMoment};

use crate::app::{App, AppState};
use crate::clock;
use crate::extract::Segment;
use crate::problem::{ApiError, Kind};
use crate::texts;

/// Any cache may answer for this long.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=1");
/// So long a rendered document is good for.
const KEPT: Millis = Millis(1_000);
/// Rendered documents that are kept; when there are more, all are made anew.
const DOCUMENTS_MAX: usize = 1_024;
/// Days for which a release that is over can be looked up, and those for which one to come can.
const DAYS_BACK: u16 = 31;
const DAYS_AHEAD: u16 = 400;

/// Documents that were rendered a moment ago: however many ask for one, it is made once a second.
#[derive(Default)]
pub struct ReleaseDocuments {
    rendered: DashMap<String, (UnixMillis, Bytes)>,
}

impl ReleaseDocuments {
    fn known(&self, name: &str, now: UnixMillis) -> Option<Bytes> {
        let known = self.rendered.get(name)?;
        let (at, body) = &*known;
        let age = now - *at;
        (Millis(0) <= age && age < KEPT).then(|| body.clone())
    }

    fn keep(&self, name: String, now: UnixMillis, body: &Bytes) {
        if self.rendered.len() >= DOCUMENTS_MAX {
            self.rendered.clear();
        }
        self.rendered.insert(name, (now, body.clone()));
    }
}

/// A release.
///
/// When a drip is over its secret is published with the moments that follow from it:
/// `docs/FAIRNESS.md` says how, and `morgenruh verify-draw` works them out again.
#[utoipa::path(
    get, path = "/releases/{id}", operation_id = "show_release", tag = "Availability",
    params(("id" = String, Path, description = "Office, date and time: `buergerbuero-2026-11-23-0630`")),
    responses(
        (status = 200, body = morgenruh_wire::ReleaseDocument),
        (status = 404, description = "release-unknown",
         body = morgenruh_wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show(
    State(app): State<AppState>,
    Segment(id): Segment,
) -> Result<Response, ApiError> {
    let now = clock::now();
    let body = match app.releases.known(&id, now) {
        Some(body) => body,
        None => rendered(&app, now, id).await?,
    };
    let json = HeaderValue::from_static("application/json");
    let headers = [(header::CONTENT_TYPE, json), (header::CACHE_CONTROL, CACHE)];
    Ok((headers, body).into_response())
}

/// Rendered beside the requests: the days and the moments of a release can be many.
async fn rendered(app: &AppState, now: UnixMillis, name: String) -> Result<Bytes, ApiError> {
    let app = Arc::clone(app);
    let task = tokio::task::spawn_blocking(move || {
        let document = document(&app, now, &release(&app, now, &name)?);
        let body = serde_json::to_vec(&document).expect("a release is always JSON");
        let body = Bytes::from(body);
        app.releases.keep(name, now, &body);
        Ok(body)
    });
    let busy = |_| ApiError::new(Kind::Overloaded, "Ask again in a moment.");
    task.await.map_err(busy)?
}

/// The release with this name, if it is not too far away.
fn release(app: &App, now: UnixMillis, name: &str) -> Result<ReleasePlan, ApiError> {
    let unknown = || {
        let detail = "Releases are named like buergerbuero-2026-11-23-0630.";
        ApiError::new(Kind::ReleaseUnknown, detail)
    };
    let today = DayNumber::from_date(app.engine.date_of(now)).ok_or_else(unknown)?;
    let days = today.0.saturating_sub(DAYS_BACK)..=today.0.saturating_add(DAYS_AHEAD);
    let plan = app.engine.release_named(name);
    plan.filter(|plan| days.contains(&plan.id.day.0))
        .ok_or_else(unknown)
}

fn policy(app: &App, plan: &ReleasePlan) -> &'static str {
    let rule = |room: RoomId| app.catalogue().room_by_number(room.number);
    match plan.room {
        Some(room) if rule(room).is_some_and(|it| it.policy == RoomPolicy::Lottery) => "draw",
        Some(_) => "rush",
        None if plan.drip > Millis(0) => "drip",
        None => "open",
    }
}

fn state(steering: Steering, is_open: bool) -> &'static str {
    match steering {
        Steering::Due if is_open => "open",
        steering => steering.name(),
    }
}

fn room_name(app: &App, plan: &ReleasePlan) -> Option<String> {
    let room = app.engine.rooms().get(plan.room?)?;
    Some(room.name.clone())
}

fn document(app: &App, now: UnixMillis, release: &ReleasePlan) -> ReleaseDocument {
    let catalogue = app.catalogue();
    let zone = &catalogue.city.zone;
    let course = app.engine.releases().course(release.id);
    // By the clock alone, so that whoever asks makes no days.
    let is_open = release.until() <= now;
    let announced = course.announced.as_ref();
    let drips = announced.filter(|_| release.drip > Millis(0));
    let published = drips.filter(|_| release.until() <= now);
    let mut moments = Vec::new();
    if published.is_some() {
        let office = catalogue.office(release.office);
        for (date, of_day) in app.engine.moments(release) {
            let day = plan(catalogue, office, date);
            moments.extend(of_day.into_iter().map(|moment| ReleaseMoment {
                counter: moment.piece.counter + 1,
                start: texts::time(zone, day.instant(moment.piece.start)),
                end: texts::time(zone, day.instant(moment.piece.end())),
                opens_at: texts::time(zone, moment.at),
            }));
        }
    }
    ReleaseDocument {
        id: release.name.clone(),
        office: catalogue.office(release.office).id.clone(),
        policy: policy(app, release).to_owned(),
        state: state(course.steering, is_open).to_owned(),
        release_at: texts::time(zone, release.at),
        until: texts::time(zone, release.until()),
        dates: release.days.iter().map(ToString::to_string).collect(),
        room: room_name(app, release),
        algorithm: drips.map(|_| ALGORITHM.to_owned()),
        commitment: drips.map(|it| HEXLOWER.encode(&it.secret.commitment(&it.rules))),
        rules: drips.map(|it| it.rules.clone()),
        secret: published.map(|it| HEXLOWER.encode(&it.secret.0)),
        moments,
    }
}
