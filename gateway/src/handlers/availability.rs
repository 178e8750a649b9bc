//! `GET /availability`

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::civil::Date;
use morgenruh_engine::rules::need::NEED_SERVICES_MAX;
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_wire::ServiceQuantity;

use crate::app::{App, AppState};
use crate::availability::{Answer, Question};
use crate::caching::is_known;
use crate::clock;
use crate::needs;
use crate::problem::{ApiError, Kind};
use crate::service_keys::{self, Caller};
use crate::texts;

/// Longest query string, in bytes.
const QUERY_BYTES_MAX: usize = 4_096;

/// Slots that are bookable now.
///
/// Without `office`, all offices that offer the services are asked. What is shown was free a
/// moment ago; only a hold makes it yours.
#[utoipa::path(
    get, path = "/availability", tag = "Availability",
    params(
        ("services" = String, Query, example = "personalausweis:1,reisepass:2",
         description = "Service ids with quantities"),
        ("office" = Option<Vec<String>>, Query, description = "Office ids; repeat the parameter"),
        ("from" = Option<String>, Query, description = "First day; today if absent"),
        ("to" = Option<String>, Query, description = "Last day; two weeks if absent"),
    ),
    responses(
        (status = 200, body = morgenruh_wire::Availability),
        (status = 304, description = "Nothing has changed since the ETag that was sent"),
        (status = 400, body = morgenruh_wire::Problem, content_type = "application/problem+json"),
        (status = 422, body = morgenruh_wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn availability(
    State(app): State<AppState>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let now = clock::now();
    let is_public = !headers.contains_key(service_keys::HEADER);
    if is_public && let Some(answer) = app.availability.known(&app.engine, now, &query) {
        return Ok(respond(&answer, &headers));
    }
    let caller = app.service_keys.caller(&headers)?;
    let question = parse(&app, caller, now, &query)?;
    let answer = app.availability.answer(&app.engine, now, &query, &question);
    Ok(respond(&answer, &headers))
}

fn respond(answer: &Answer, headers: &HeaderMap) -> Response {
    let mut response = if is_known(headers, &answer.etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let json = [(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        )];
        (json, answer.body.clone()).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, answer.etag.clone());
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=1"),
    );
    headers.insert(header::VARY, HeaderValue::from_static(service_keys::HEADER));
    response
}

fn parse(app: &App, caller: Caller, now: UnixMillis, query: &str) -> Result<Question, ApiError> {
    let bad = |field: &'static str, detail: &'static str| {
        ApiError::new(Kind::InvalidQuery, detail).at(field)
    };
    if query.len() > QUERY_BYTES_MAX {
        return Err(ApiError::new(
            Kind::InvalidQuery,
            "The query string is too long.",
        ));
    }
    let (mut services, mut from, mut to) = (None, None, None);
    let mut named = Vec::new();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "services" => services = Some(parse_services(&value)?),
            "office" => named.push(value),
            "from" => from = Some(texts::parse_date(&value).ok_or_else(|| bad("from", DATE))?),
            "to" => to = Some(texts::parse_date(&value).ok_or_else(|| bad("to", DATE))?),
            other => {
                let detail = "Known are services, office, from, and to.";
                return Err(ApiError::new(Kind::InvalidQuery, detail).at(other));
            }
        }
    }
    let services = services.ok_or_else(|| bad("services", "Name at least one service."))?;
    let asked = needs::services(app.catalogue(), &services)?;

    let today = app.engine.date_of(now);
    if from.zip(to).is_some_and(|(from, to)| to < from) {
        return Err(bad("to", "The last day is before the first one."));
    }
    let from = from.map_or(today, |from: Date| from.max(today));
    let days = |count: u16| jiff::Span::new().days(i64::from(count) - 1);
    let limits = &app.settings.availability;
    let to = to.unwrap_or_else(|| from.saturating_add(days(limits.span_days_default)));
    if to > from.saturating_add(days(limits.span_days_max)) {
        return Err(bad("to", "The range is too long; ask for fewer days."));
    }

    let named = (!named.is_empty()).then(|| named.iter().map(|id| &**id));
    let offices = needs::at_offices(app.catalogue(), caller, named, &asked)?;
    Ok(Question {
        caller,
        offices,
        from,
        to,
    })
}

const DATE: &str = "A date is written like 2026-11-24.";

/// `personalausweis:1,reisepass:2`; a quantity of 1 may be left out.
fn parse_services(text: &str) -> Result<Vec<ServiceQuantity>, ApiError> {
    let items = text.split(',').take(NEED_SERVICES_MAX + 1).map(|item| {
        let (id, quantity) = item.split_once(':').unwrap_or((item, "1"));
        let quantity = quantity.parse().ok()?;
        Some(ServiceQuantity {
            id: id.to_owned(),
            quantity,
        })
    });
    items.collect::<Option<_>>().ok_or_else(|| {
        let detail = "Services are written like personalausweis:1,reisepass:2.";
        ApiError::new(Kind::InvalidQuery, detail).at("services")
    })
}
