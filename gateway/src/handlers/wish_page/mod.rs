//! `/wunsch` and `/termin`: where the links in letters lead. The address carries the right to what
//! is shown, so nothing of it is kept by caches or told to other sites, and no script runs. Loading
//! a page does nothing: mail programs look at links before people do.

pub(crate) mod booking;
pub(crate) mod links;
mod view;

use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use morgenruh_engine::rules::ids::{ReservationId, Secret};
use morgenruh_engine::rules::wish::WishId;
use morgenruh_engine::rules::wish::agent::{Known, Standing};

use self::links::OFFER_PARAMETER;
use self::view::{Notice, Page};
use super::waiting_page::html;
use super::wishes::{offers, with_secret, withdrawn};
use crate::app::{App, AppState};
use crate::clock;
use crate::language::{Language, parameter};
use crate::problem::{ApiError, Kind};
use crate::same_site;

/// What mail providers send for somebody who presses their button (RFC 8058).
const ONE_CLICK: &[u8] = b"List-Unsubscribe";
/// What every page of these carries, beside what all have.
const HEADERS: [(HeaderName, HeaderValue); 2] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        HeaderName::from_static("x-robots-tag"),
        HeaderValue::from_static("noindex"),
    ),
];

/// The two parts of an address that name something and give the right to it.
type Parts = Result<Path<(String, String)>, PathRejection>;

/// Somebody who looks at a wish.
struct Visit {
    language: Language,
    id: WishId,
    secret: Secret,
    known: Known,
}

impl Visit {
    /// None when there is no such wish.
    fn of(app: &App, parts: Parts, query: &str) -> Option<Visit> {
        let (id, secret) = both(parts)?;
        Some(Visit {
            language: Language::of(query),
            id,
            secret,
            known: with_secret(app, id, secret).ok()?,
        })
    }

    fn page(&self, app: &App, notice: Option<Notice>) -> Page {
        let wish = (self.id, &self.known);
        Page::of(app, clock::now(), wish, self.language, notice)
    }

    /// To the page, so that loading it again sends nothing twice.
    fn back(&self) -> Response {
        let to = links::wish(self.id, self.secret, self.language, "");
        let to = HeaderValue::try_from(to).expect("ids and tokens are letters, digits, - and _");
        (StatusCode::SEE_OTHER, HEADERS, [(header::LOCATION, to)]).into_response()
    }

    /// The page as it is by now, with what went wrong.
    fn told(&self, app: &App, error: ApiError) -> Result<Response, ApiError> {
        let notice = match error.kind() {
            Kind::OfferGone | Kind::OfferUnknown => Notice::Gone,
            Kind::BookingOver
            | Kind::BookingCancelled
            | Kind::BookingUnknown
            | Kind::TooManyMoves => Notice::Stays,
            Kind::WishOver => return Ok(self.back()),
            _ => Notice::Later,
        };
        let known = with_secret(app, self.id, self.secret)?;
        let wish = (self.id, &known);
        let page = Page::of(app, clock::now(), wish, self.language, Some(notice));
        let error = error.into_response();
        let mut response = (error.status(), HEADERS, html(&page)?).into_response();
        if let Some(later) = error.headers().get(header::RETRY_AFTER) {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, later.clone());
        }
        Ok(response)
    }
}

/// `GET /wunsch/{id}/{token}`
pub(crate) async fn show(
    State(app): State<AppState>,
    parts: Parts,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let Some(visit) = Visit::of(&app, parts, &query) else {
        return unknown(&query);
    };
    Ok((HEADERS, html(&visit.page(&app, None))?).into_response())
}

/// `GET /wunsch/{id}/{token}/annehmen` and `/ablehnen`: the page, where the offer can be answered
/// if it still stands.
pub(crate) async fn show_offer(
    State(app): State<AppState>,
    parts: Parts,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let Some(visit) = Visit::of(&app, parts, &query) else {
        return unknown(&query);
    };
    let asked = parameter(&query, OFFER_PARAMETER);
    let stands = match visit.known.standing {
        Standing::Offered(offer) => asked == Some(offer.seat.to_string()),
        // What has come of it is said anyway.
        Standing::Booked { .. } | Standing::Deciding => true,
        Standing::Undrawn | Standing::Waiting | Standing::Asleep | Standing::Ended(_) => false,
    };
    let notice = (!stands).then_some(Notice::Gone);
    Ok((HEADERS, html(&visit.page(&app, notice))?).into_response())
}

/// `POST /wunsch/{id}/{token}/annehmen`
pub(crate) async fn accept(
    State(app): State<AppState>,
    parts: Parts,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    ours(&app, &headers)?;
    let query = query.unwrap_or_default();
    let Some(visit) = Visit::of(&app, parts, &query) else {
        return unknown(&query);
    };
    let Some(seat) = offer_in(&body) else {
        return Ok(visit.back());
    };
    match offers::accepted(&app, seat, visit.secret).await {
        Ok(_) => Ok(visit.back()),
        Err(error) => visit.told(&app, error),
    }
}

/// `POST /wunsch/{id}/{token}/ablehnen`
pub(crate) async fn decline(
    State(app): State<AppState>,
    parts: Parts,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    ours(&app, &headers)?;
    let query = query.unwrap_or_default();
    let Some(visit) = Visit::of(&app, parts, &query) else {
        return unknown(&query);
    };
    let Some(seat) = offer_in(&body) else {
        return Ok(visit.back());
    };
    match offers::declined(&app, seat, visit.secret).await {
        Ok(()) => Ok(visit.back()),
        Err(error) => visit.told(&app, error),
    }
}

/// `GET /wunsch/{id}/{token}/zuruecknehmen`: asks first.
pub(crate) async fn ask_to_withdraw(
    State(app): State<AppState>,
    parts: Parts,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let Some(visit) = Visit::of(&app, parts, &query) else {
        return unknown(&query);
    };
    let page = visit.page(&app, None).asking();
    Ok((HEADERS, html(&page)?).into_response())
}

/// `POST /wunsch/{id}/{token}/zuruecknehmen`, from our page or from a mail provider.
pub(crate) async fn withdraw(
    State(app): State<AppState>,
    parts: Parts,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let one_click = body.windows(ONE_CLICK.len()).any(|part| part == ONE_CLICK);
    if !one_click {
        ours(&app, &headers)?;
    }
    let query = query.unwrap_or_default();
    let Some(visit) = Visit::of(&app, parts, &query) else {
        return unknown(&query);
    };
    match withdrawn(&app, visit.id, visit.secret).await {
        // A provider follows nowhere.
        Ok(()) if one_click => Ok((StatusCode::OK, HEADERS).into_response()),
        Ok(()) => Ok(visit.back()),
        Err(error) => visit.told(&app, error),
    }
}

/// Whether a form was sent from one of our pages. They tell nobody where they are, so that without
/// encryption browsers name no origin; but whoever sends it knows the token that is in the address.
fn ours(app: &App, headers: &HeaderMap) -> Result<(), ApiError> {
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
    if origin == Some(b"null") && !headers.contains_key(same_site::FETCH_SITE) {
        return Ok(());
    }
    same_site::check(headers, app.settings.server.public_url.as_deref())
}

fn both<Id: std::str::FromStr>(parts: Parts) -> Option<(Id, Secret)> {
    let Path((id, secret)) = parts.ok()?;
    id.parse().ok().zip(secret.parse().ok())
}

/// The offer that a form is about.
fn offer_in(body: &[u8]) -> Option<ReservationId> {
    let mut fields = form_urlencoded::parse(body);
    let (_, offer) = fields.find(|(name, _)| name == OFFER_PARAMETER)?;
    offer.parse().ok()
}

fn unknown(query: &str) -> Result<Response, ApiError> {
    let page = Page::unknown(Language::of(query), "/");
    Ok((StatusCode::NOT_FOUND, HEADERS, html(&page)?).into_response())
}
