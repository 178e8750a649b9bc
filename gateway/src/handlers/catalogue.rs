//! `GET /offices` and `GET /services`

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use morgenruh_engine::rules::catalogue::{self as rules, Catalogue, OfficeIndex, ServiceIndex};
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_wire::{Offer, Office, Offices, Question, Release, Service, Services, Text};

use crate::app::{App, AppState};
use crate::clock;
use crate::needs;
use crate::problem::ApiError;
use crate::texts;

/// The offices, what they offer, and when they release slots next.
#[utoipa::path(
    get, path = "/offices", tag = "Catalogue",
    responses((status = 200, body = Offices)),
)]
pub(crate) async fn offices(
    State(app): State<AppState>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let caller = app.service_keys.caller(&headers)?;
    let now = clock::now();
    let seen = needs::offices(app.catalogue(), caller);
    let offices = seen
        .into_iter()
        .map(|index| office(&app, now, index))
        .collect();
    let now = texts::time(&app.catalogue().city.zone, now);
    Ok(cacheable(axum::Json(Offices { now, offices })))
}

/// The services of the city.
#[utoipa::path(
    get, path = "/services", tag = "Catalogue",
    responses((status = 200, body = Services)),
)]
pub(crate) async fn services(State(app): State<AppState>) -> Response {
    let catalogue = app.catalogue();
    let services = catalogue
        .services
        .iter()
        .map(|it| service(catalogue, it))
        .collect();
    cacheable(axum::Json(Services { services }))
}

fn cacheable(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=5"),
    );
    headers.insert(
        header::VARY,
        HeaderValue::from_static(crate::service_keys::HEADER),
    );
    response
}

fn office(app: &App, now: UnixMillis, index: OfficeIndex) -> Office {
    let catalogue = app.catalogue();
    let office = catalogue.office(index);
    let next_release = app.engine.next_release(now, index);
    Office {
        id: office.id.clone(),
        name: text(&office.name),
        department: catalogue.departments[office.department].id.clone(),
        address: office.address.clone(),
        status: match office.status {
            rules::Status::Off => "off",
            rules::Status::Test => "test",
            rules::Status::Live => "live",
        }
        .to_owned(),
        unit_minutes: office.unit_minutes,
        hold_minutes: office.hold_minutes,
        notice_minutes: office.notice_minutes,
        horizon_days: office.horizon_days,
        counters: u8::try_from(office.counters.len()).unwrap_or(u8::MAX),
        services: office
            .offers
            .iter()
            .map(|offer| Offer {
                id: id(catalogue, offer.service),
                minutes: offer.minutes,
                quantity_max: offer.quantity_max,
            })
            .collect(),
        questions: office
            .questions
            .iter()
            .map(|question| Question {
                id: question.id.clone(),
                label: text(&question.label),
                required: question.required,
                chars_max: question.chars_max,
                services: question
                    .services
                    .iter()
                    .map(|it| id(catalogue, *it))
                    .collect(),
            })
            .collect(),
        next_release: next_release.map(|(at, date)| Release {
            at: texts::time(&catalogue.city.zone, at),
            date: date.to_string(),
        }),
    }
}

fn service(catalogue: &Catalogue, service: &rules::Service) -> Service {
    Service {
        id: service.id.clone(),
        name: text(&service.name),
        department: catalogue.departments[service.department].id.clone(),
        minutes: service.minutes,
        quantity_max: service.quantity_max,
        combines_with: service
            .combines_with
            .iter()
            .map(|it| id(catalogue, *it))
            .collect(),
        leika: service.leika.clone(),
    }
}

fn id(catalogue: &Catalogue, service: ServiceIndex) -> String {
    catalogue.service(service).id.clone()
}

pub(crate) fn text(text: &rules::Text) -> Text {
    Text {
        de: text.de.clone(),
        en: text.en.clone(),
    }
}
