//! The page of a booking that has come of a wish.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use morgenruh_engine::rules::ids::{ReservationId, Secret};
use morgenruh_engine::shell::engine::Booking;

use super::view::{Facts, booked, say};
use super::{HEADERS, Parts, both, links, ours};
use crate::app::{App, AppState};
use crate::clock;
use crate::handlers::bookings::{not_changed, settled};
use crate::handlers::waiting_page::html;
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

struct Visit {
    language: Language,
    id: ReservationId,
    manage: Secret,
    booking: Booking,
}

impl Visit {
    /// None when there is no such booking.
    fn of(app: &App, parts: Parts, query: &str) -> Option<Visit> {
        let (id, manage) = both(parts)?;
        Some(Visit {
            language: Language::of(query),
            id,
            manage,
            booking: app.engine.booking(id, manage).ok()?,
        })
    }

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
            heading: say(language, de, leicht, en),
            failed: false,
            stage,
            facts,
        }
    }
}

/// `GET /termin/{id}/{token}`
pub(crate) async fn show(
    State(app): State<AppState>,
    parts: Parts,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let Some(visit) = Visit::of(&app, parts, &query) else {
        return unknown(&query);
    };
    Ok((HEADERS, html(&visit.page(&app))?).into_response())
}

/// `GET /termin/{id}/{token}/termin.ics`
pub(crate) async fn calendar(
    State(app): State<AppState>,
    parts: Parts,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let Some(visit) = Visit::of(&app, parts, &query) else {
        return unknown(&query);
    };
    let (method, text) = invitation(app.catalogue(), &visit.booking, clock::now());
    let media_type = format!("text/calendar; charset=utf-8; method={method}");
    let attachment = HeaderValue::from_static("attachment; filename=\"termin.ics\"");
    let headers = [(header::CONTENT_DISPOSITION, attachment)];
    let media_type = [(header::CONTENT_TYPE, media_type)];
    Ok((HEADERS, headers, media_type, text).into_response())
}

/// `POST /termin/{id}/{token}/absagen`
pub(crate) async fn cancel(
    State(app): State<AppState>,
    parts: Parts,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    ours(&app, &headers)?;
    let query = query.unwrap_or_default();
    let Some(visit) = Visit::of(&app, parts, &query) else {
        return unknown(&query);
    };
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
        let status = error.into_response().status();
        return Ok((status, HEADERS, html(&page)?).into_response());
    }
    let to = links::booking(visit.id, visit.manage, visit.language, "");
    let to = HeaderValue::try_from(to).expect("ids and tokens are letters, digits, - and _");
    Ok((StatusCode::SEE_OTHER, HEADERS, [(header::LOCATION, to)]).into_response())
}

fn unknown(query: &str) -> Result<Response, ApiError> {
    let language = Language::of(query);
    let page = Page::of(language, "/".to_owned(), Stage::Unknown, Vec::new());
    Ok((StatusCode::NOT_FOUND, HEADERS, html(&page)?).into_response())
}
