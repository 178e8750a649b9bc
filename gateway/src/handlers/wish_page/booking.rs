//! The page of a booking that has come of a wish.

use askama::Template;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use morgenruh_engine::rules::ids::{ReservationId, Secret};
use morgenruh_engine::shell::engine::Booking;

use super::view::{Facts, booked};
use super::{HEADERS, Ours, links, named, not_found, shown, to};
use crate::app::{App, AppState};
use crate::clock;
use crate::handlers::bookings::{not_changed, settled};
use crate::handlers::pages::as_refused;
use crate::invitation::invitation;
use crate::language::Language;
use crate::problem::{ApiError, Kind};

/// What a booking has come to.
enum Stage {
    Unknown,
    Booked,
    /// Its time has come.
    Over,
    Cancelled,
}

#[derive(Template)]
#[template(path = "booking.html")]
struct Page {
    language: Language,
    path: String,
    query: String,
    heading: &'static str,
    /// Whether something did not work.
    failed: bool,
    stage: Stage,
    facts: Facts,
}

/// Somebody who looks at a booking; whoever names none sees a page that says so.
pub(crate) struct Visit {
    language: Language,
    id: ReservationId,
    manage: Secret,
    booking: Booking,
}

impl FromRequestParts<AppState> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Visit, Response> {
        let language = Language::of(parts.uri.query().unwrap_or_default());
        let unknown = || {
            let path = "/".to_owned();
            not_found(&Page::of(language, path, Stage::Unknown, Vec::new()))
        };
        let (id, manage) = named(parts, app).await.ok_or_else(unknown)?;
        let booking = app.engine.booking(id, manage);
        Ok(Visit {
            language,
            id,
            manage,
            booking: booking.map_err(|_| unknown())?,
        })
    }
}

impl Visit {
    fn page(&self, app: &App) -> Page {
        let stage = match &self.booking {
            booking if booking.cancelled => Stage::Cancelled,
            booking if booking.confirmed.start <= clock::now() => Stage::Over,
            _ => Stage::Booked,
        };
        let path = format!("/termin/{}/{}", self.id, self.manage);
        let facts = booked(app, self.language, &self.booking);
        Page::of(self.language, path, stage, facts)
    }
}

impl Page {
    fn of(language: Language, path: String, stage: Stage, facts: Facts) -> Page {
        let (de, leicht, en) = match stage {
            Stage::Unknown => (
                "Diesen Termin kennen wir nicht",
                "Diesen Termin kennen wir nicht",
                "We do not know this appointment",
            ),
            Stage::Booked => ("Ihr Termin", "Ihr Termin", "Your appointment"),
            Stage::Over => (
                "Dieser Termin ist vorbei",
                "Dieser Termin ist vorbei",
                "This appointment is over",
            ),
            Stage::Cancelled => (
                "Ihr Termin ist abgesagt",
                "Ihr Termin ist abgesagt",
                "Your appointment is cancelled",
            ),
        };
        Page {
            language,
            path,
            query: format!("?lang={}", language.code()),
            heading: language.say(de, leicht, en),
            failed: false,
            stage,
            facts,
        }
    }
}

/// `GET /termin/{id}/{token}`
pub(crate) async fn show(State(app): State<AppState>, visit: Visit) -> Result<Response, ApiError> {
    shown(&visit.page(&app))
}

/// `GET /termin/{id}/{token}/termin.ics`
pub(crate) async fn calendar(State(app): State<AppState>, visit: Visit) -> Response {
    let (method, text) = invitation(app.catalogue(), &visit.booking, clock::now());
    let media_type = format!("text/calendar; charset=utf-8; method={method}");
    let attachment = HeaderValue::from_static("attachment; filename=\"termin.ics\"");
    let headers = [(header::CONTENT_DISPOSITION, attachment)];
    let media_type = [(header::CONTENT_TYPE, media_type)];
    (HEADERS, headers, media_type, text).into_response()
}

/// `POST /termin/{id}/{token}/absagen`
pub(crate) async fn cancel(
    State(app): State<AppState>,
    _: Ours,
    visit: Visit,
) -> Result<Response, ApiError> {
    let now = clock::now();
    let outcome = settled(&app, |done| {
        app.engine.cancel(now, visit.id, visit.manage, done);
    });
    let outcome = outcome.await.and_then(|it| it.map_err(not_changed));
    if let Err(error) = outcome {
        if error.kind() == Kind::BookingUnknown {
            return Err(error);
        }
        let mut page = visit.page(&app);
        page.failed = true;
        return Ok(as_refused(error, shown(&page)?));
    }
    Ok(to(&links::booking(
        visit.id,
        visit.manage,
        visit.language,
        "",
    )))
}
