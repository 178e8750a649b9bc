//! `/wunsch` and `/termin`: where the links in letters lead. The address carries the right to what
//! is shown, so nothing of it is kept by caches or told to other sites, and no script runs. Loading
//! a page does nothing: mail programs look at links before people do.

pub(crate) mod booking;
pub(crate) mod links;
mod view;

use std::str::FromStr;

use askama::Template;
use axum::extract::{FromRequestParts, Path, RawQuery, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use morgenruh_engine::rules::ids::{ReservationId, Secret};
use morgenruh_engine::rules::wish::WishId;
use morgenruh_engine::rules::wish::agent::{Known, Standing};

use self::links::OFFER_PARAMETER;
use self::view::{Notice, Page, Question};
use super::pages::{as_refused, html, see_other};
use super::wishes::{go_on, offers, with_secret, withdrawn};
use crate::app::{App, AppState};
use crate::caching::NO_STORE;
use crate::clock;
use crate::extract::Form;
use crate::language::{Language, parameter};
use crate::problem::{ApiError, Kind};
use crate::same_site;

/// What mail providers send for somebody who presses their button (RFC 8058).
const ONE_CLICK: &[u8] = b"List-Unsubscribe";
/// What every page of these carries, beside what all have.
const HEADERS: [(HeaderName, HeaderValue); 2] = [
    NO_STORE,
    (
        HeaderName::from_static("x-robots-tag"),
        HeaderValue::from_static("noindex"),
    ),
];

/// Somebody who looks at a wish; whoever names none sees a page that says so.
pub(crate) struct Visit {
    language: Language,
    id: WishId,
    secret: Secret,
    known: Known,
}

impl FromRequestParts<AppState> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Visit, Response> {
        let language = Language::of(parts.uri.query().unwrap_or_default());
        let unknown = || not_found(&Page::unknown(language, "/"));
        let (id, secret) = named(parts, app).await.ok_or_else(unknown)?;
        Ok(Visit {
            language,
            id,
            secret,
            known: with_secret(app, id, secret).map_err(|_| unknown())?,
        })
    }
}

impl Visit {
    fn page(&self, app: &App, notice: Option<Notice>) -> Page {
        let wish = (self.id, &self.known);
        Page::of(app, clock::now(), wish, self.language, notice)
    }

    fn back(&self) -> Response {
        to(&links::wish(self.id, self.secret, self.language, ""))
    }

    /// To the page when something was done, and otherwise the page as it is by now, with what went
    /// wrong if it does not say so itself.
    fn told<T>(
        &self,
        app: &App,
        outcome: Result<T, ApiError>,
        notice: impl FnOnce(Kind) -> Option<Notice>,
    ) -> Result<Response, ApiError> {
        let Err(error) = outcome else {
            return Ok(self.back());
        };
        let Some(notice) = notice(error.kind()) else {
            return Ok(self.back());
        };
        let known = with_secret(app, self.id, self.secret)?;
        let wish = (self.id, &known);
        let page = Page::of(app, clock::now(), wish, self.language, Some(notice));
        Ok(as_refused(error, shown(&page)?))
    }
}

/// A form that was sent from one of our pages.
pub(crate) struct Ours;

impl FromRequestParts<AppState> for Ours {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Ours, ApiError> {
        ours(app, &parts.headers).map(|()| Ours)
    }
}

/// `GET /wunsch/{id}/{token}`
pub(crate) async fn show(State(app): State<AppState>, visit: Visit) -> Result<Response, ApiError> {
    shown(&visit.page(&app, None))
}

/// `GET /wunsch/{id}/{token}/annehmen` and `/ablehnen`: the page, where the offer can be answered
/// if it still stands.
pub(crate) async fn show_offer(
    State(app): State<AppState>,
    visit: Visit,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let asked = parameter(&query.unwrap_or_default(), OFFER_PARAMETER);
    let stands = match visit.known.standing {
        Standing::Offered(offer) => asked == Some(offer.seat.to_string()),
        // What has come of it is said anyway.
        Standing::Booked { .. } | Standing::Deciding => true,
        Standing::Undrawn | Standing::Waiting | Standing::Asleep | Standing::Ended(_) => false,
    };
    let notice = (!stands).then_some(Notice::Gone);
    shown(&visit.page(&app, notice))
}

/// `POST /wunsch/{id}/{token}/annehmen`
pub(crate) async fn accept(
    State(app): State<AppState>,
    _: Ours,
    visit: Visit,
    Form(body): Form,
) -> Result<Response, ApiError> {
    let Some(seat) = id_in(&body, OFFER_PARAMETER) else {
        return Ok(visit.back());
    };
    let outcome = offers::accepted(&app, seat, visit.secret).await;
    visit.told(&app, outcome, Notice::of)
}

/// `POST /wunsch/{id}/{token}/ablehnen`
pub(crate) async fn decline(
    State(app): State<AppState>,
    _: Ours,
    visit: Visit,
    Form(body): Form,
) -> Result<Response, ApiError> {
    let Some(seat) = id_in(&body, OFFER_PARAMETER) else {
        return Ok(visit.back());
    };
    let outcome = offers::declined(&app, seat, visit.secret).await;
    visit.told(&app, outcome, Notice::of)
}

/// `POST /wunsch/{id}/{token}/weiter`: the wish still stands.
pub(crate) async fn confirm(
    State(app): State<AppState>,
    _: Ours,
    visit: Visit,
) -> Result<Response, ApiError> {
    let outcome = go_on::confirmed(&app, visit.id, visit.secret).await;
    visit.told(&app, outcome, Notice::of)
}

/// `GET /wunsch/{id}/{token}/zurueckgeben`: asks first.
pub(crate) async fn ask_to_give_back(
    State(app): State<AppState>,
    visit: Visit,
) -> Result<Response, ApiError> {
    shown(&visit.page(&app, None).asking(Question::GiveBack))
}

/// `POST /wunsch/{id}/{token}/zurueckgeben`
pub(crate) async fn give_back(
    State(app): State<AppState>,
    _: Ours,
    visit: Visit,
    Form(body): Form,
) -> Result<Response, ApiError> {
    let Some(booking) = id_in(&body, links::BOOKING_PARAMETER) else {
        return Ok(visit.back());
    };
    let outcome = go_on::given_back(&app, visit.id, visit.secret, booking).await;
    visit.told(&app, outcome, Notice::of_return)
}

/// `GET /wunsch/{id}/{token}/zuruecknehmen`: asks first.
pub(crate) async fn ask_to_withdraw(
    State(app): State<AppState>,
    visit: Visit,
) -> Result<Response, ApiError> {
    shown(&visit.page(&app, None).asking(Question::Withdraw))
}

/// `POST /wunsch/{id}/{token}/zuruecknehmen`, from our page or from a mail provider.
pub(crate) async fn withdraw(
    State(app): State<AppState>,
    visit: Visit,
    headers: HeaderMap,
    Form(body): Form,
) -> Result<Response, ApiError> {
    let one_click = body.windows(ONE_CLICK.len()).any(|part| part == ONE_CLICK);
    if !one_click {
        ours(&app, &headers)?;
    }
    let outcome = withdrawn(&app, visit.id, visit.secret).await;
    // A provider follows nowhere, and what is over is what it wanted.
    let is_over = |error: &ApiError| error.kind() == Kind::WishOver;
    if one_click && outcome.as_ref().map_or_else(is_over, |()| true) {
        return Ok((StatusCode::OK, HEADERS).into_response());
    }
    visit.told(&app, outcome, Notice::of)
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

/// The two parts of an address that name something and give the right to it.
async fn named<Id: FromStr>(parts: &mut Parts, app: &AppState) -> Option<(Id, Secret)> {
    let path = Path::<(String, String)>::from_request_parts(parts, app).await;
    let Path((id, secret)) = path.ok()?;
    id.parse().ok().zip(secret.parse().ok())
}

/// The offer or the booking that a form is about.
fn id_in(body: &[u8], parameter: &str) -> Option<ReservationId> {
    let mut fields = form_urlencoded::parse(body);
    let (_, id) = fields.find(|(name, _)| name == parameter)?;
    id.parse().ok()
}

fn shown(page: &impl Template) -> Result<Response, ApiError> {
    Ok((HEADERS, html(page)?).into_response())
}

fn not_found(page: &impl Template) -> Response {
    let page = shown(page).map(|page| (StatusCode::NOT_FOUND, page));
    page.into_response()
}

fn to(address: &str) -> Response {
    (HEADERS, see_other(address)).into_response()
}
