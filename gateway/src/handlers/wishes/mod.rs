//! `/wishes`: what somebody would take, should it become free.

pub(crate) mod go_on;
pub(crate) mod offers;
pub(crate) mod read;
mod show;
pub(crate) mod tickets;

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use morgenruh_engine::rules::ids::{Digest, Secret};
use morgenruh_engine::rules::room::TicketId;
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::rules::wish::agent::{Known, LayRefusal, Standing};
use morgenruh_engine::rules::wish::fact::Contact;
use morgenruh_engine::rules::wish::{Wish, WishId};
use morgenruh_engine::shell::engine::{LayAsk, LayError, WishError};
use morgenruh_engine::shell::ledger::Receipt;
use morgenruh_wire as wire;
use tokio::sync::oneshot;

use super::bookings::{Acknowledged, ledger_away, settled};
use crate::app::{App, AppState};
use crate::caching::NO_STORE;
use crate::clock;
use crate::extract::{Bearer, Json, Segment};
use crate::idempotency::Turn;
use crate::problem::{ApiError, Kind};

pub(crate) use show::{outlook, view, windows};

/// Lay a wish.
///
/// Whatever becomes free and fits is offered to the first wish in line and held for it until the
/// offer's deadline. The answer comes when the wish is durable; `manage_token` is the right to
/// see, change and withdraw it and to answer its offers. One person can have three wishes for a
/// service at once.
#[utoipa::path(
    post, path = "/wishes", operation_id = "lay_wish", tag = "Wishes",
    params(("Idempotency-Key" = Option<String>, Header,
            description = "The same key with the same body gets the same answer, until the service \
                           restarts")),
    request_body = wire::WishRequest,
    responses(
        (status = 201, body = wire::Wish),
        (status = 404, description = "booking-unknown",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 409, description = "wishes-exhausted, wish-exists, booking-cancelled, booking-over, move-refused",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 422, body = wire::Problem, content_type = "application/problem+json"),
        (status = 429, description = "rate-limited: come back after Retry-After",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not kept, or not certain yet: send it again with the same key",
         body = wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn lay(
    State(app): State<AppState>,
    headers: HeaderMap,
    body: Json<wire::WishRequest>,
) -> Result<Response, ApiError> {
    let now = clock::now();
    let caller = app.service_keys.caller(&headers)?;
    let request = Digest::of(&[&body.bytes]);
    let key = match app.idempotency.begin(now, &headers, "wishes", request)? {
        Turn::Work(key) => key,
        Turn::Again(answer) => return Ok(created(&answer)),
    };
    let ask = read::wish(&app, now, caller, &body.value).map(|(wish, contact)| LayAsk {
        wish,
        contact,
        ticket: None,
    });
    let ask = ask.inspect_err(|_| app.idempotency.failed(key))?;
    // On a task of its own: even if this client goes away, the key learns what has become of it.
    let work = tokio::spawn({
        let app = app.clone();
        async move {
            let answer = kept(&app, now, ask).await.and_then(|(id, receipt)| {
                let laid = find(&app, id).ok_or_else(unknown)?;
                let answer = serde_json::to_vec(&laid_view(&app, now, id, &laid));
                Ok((Bytes::from(answer.expect("a wish is always JSON")), receipt))
            });
            match &answer {
                Ok((answer, _)) => app.idempotency.answered(key, answer),
                Err(_) => app.idempotency.failed(key),
            }
            answer
        }
    });
    let (answer, receipt) = in_time(&app, work).await?;
    Ok(Acknowledged::with(receipt, created(&answer)).into_response())
}

/// Waits for a task as long as the settings allow.
async fn in_time<T>(
    app: &App,
    work: tokio::task::JoinHandle<Result<T, ApiError>>,
) -> Result<T, ApiError> {
    let patience = Duration::from_millis(app.settings.ledger.ack_timeout_ms);
    match tokio::time::timeout(patience, work).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(ApiError::new(Kind::Internal, "Try again later.")),
        Err(_) => Err(ApiError::new(
            Kind::ConfirmationPending,
            "It is not certain yet whether this was kept. Send the same request again.",
        )),
    }
}

/// Has the engine keep a wish.
async fn kept(app: &App, now: UnixMillis, ask: LayAsk) -> Result<(WishId, Receipt), ApiError> {
    let (sender, receiver) = oneshot::channel();
    app.engine
        .lay_wish(now, ask, move |outcome| drop(sender.send(outcome)));
    match receiver.await {
        Ok(Ok(laid)) => Ok(laid.into_parts()),
        Ok(Err(error)) => Err(not_laid(error)),
        Err(_) => Err(ledger_away("Send the same request again in a moment.")),
    }
}

/// Lays a wish that comes of a ticket. Asked again with the same ticket, it is the same wish.
pub(crate) async fn lay_with_ticket(
    app: &App,
    now: UnixMillis,
    ticket: TicketId,
    wish: Wish,
    contact: Contact,
) -> Result<(WishId, Option<Receipt>), ApiError> {
    let ask = LayAsk {
        wish,
        contact,
        ticket: Some(ticket),
    };
    let laid = settled(app, |done| app.engine.lay_wish(now, ask, done)).await?;
    match laid {
        Ok(laid) => {
            let (id, receipt) = laid.into_parts();
            Ok((id, Some(receipt)))
        }
        Err(LayError::Refused(LayRefusal::Laid(id))) => Ok((id, None)),
        Err(error) => Err(not_laid(error)),
    }
}

fn not_laid(error: LayError) -> ApiError {
    match error {
        LayError::Refused(LayRefusal::TooMany) => ApiError::new(
            Kind::WishesExhausted,
            "Change or withdraw one of those for the same service.",
        ),
        LayError::Refused(LayRefusal::Full) => {
            ApiError::new(Kind::WishesFull, "Try again on another day.")
        }
        LayError::Refused(LayRefusal::Laid(_)) => {
            ApiError::new(Kind::TicketUsed, "It is a wish already.")
        }
        LayError::Refused(LayRefusal::BroughtForward(_)) => {
            ApiError::new(Kind::WishExists, "Change that one.").at("instead_of")
        }
        LayError::TicketSpent => ApiError::new(
            Kind::TicketUsed,
            "It is becoming a booking, or has become one.",
        ),
        LayError::TicketUnknown => {
            ApiError::new(Kind::TicketInvalid, "The waiting room has forgotten it.")
        }
        LayError::LedgerAway => ledger_away("Nothing was kept; try again in a moment."),
    }
}

/// A wish with the right to it.
fn laid_view(app: &App, now: UnixMillis, id: WishId, known: &Known) -> wire::Wish {
    let mut answer = view(app, now, id, known);
    answer.manage_token = Some(known.contact.secret.to_string());
    answer
}

fn created(answer: &Bytes) -> Response {
    let id = serde_json::from_slice::<Identified>(answer);
    let location = id.ok().and_then(|it| {
        let location = format!("/api/v1/wishes/{}", it.id);
        HeaderValue::try_from(location).ok()
    });
    let json = HeaderValue::from_static("application/json");
    let headers = [(header::CONTENT_TYPE, json)];
    let mut response = (StatusCode::CREATED, headers, [NO_STORE], answer.clone()).into_response();
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

#[derive(serde::Deserialize)]
struct Identified {
    id: String,
}

/// Look at a wish.
///
/// What has become of it, and while it waits, what it can expect.
#[utoipa::path(
    get, path = "/wishes/{id}", operation_id = "wish", tag = "Wishes",
    params(("id" = String, Path, description = "The wish's id")),
    security(("token" = [])),
    responses(
        (status = 200, body = wire::Wish),
        (status = 404, description = "wish-unknown, also for a wrong token",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 429, description = "rate-limited: come back after Retry-After",
         body = wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn look(
    State(app): State<AppState>,
    Segment(id): Segment,
    Bearer(token): Bearer,
) -> Result<Response, ApiError> {
    let (id, secret) = address(&id, &token)?;
    let known = with_secret(&app, id, secret)?;
    let view = view(&app, clock::now(), id, &known);
    Ok(([NO_STORE], axum::Json(view)).into_response())
}

/// Change a wish.
///
/// Whoever takes less than before keeps the place; whoever takes more begins anew, because others
/// have waited for exactly that. `place.kept` says which. While an offer is open or
/// the lottery of its waiting room is being held nothing changes: answer it first, or wait.
#[utoipa::path(
    patch, path = "/wishes/{id}", operation_id = "change_wish", tag = "Wishes",
    params(("id" = String, Path, description = "The wish's id")),
    request_body = wire::WishChange,
    security(("token" = [])),
    responses(
        (status = 200, body = wire::Wish),
        (status = 404, body = wire::Problem, content_type = "application/problem+json"),
        (status = 409, description = "wish-over, wish-pending, move-refused",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 422, body = wire::Problem, content_type = "application/problem+json"),
        (status = 429, description = "rate-limited: come back after Retry-After",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 503, body = wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn change(
    State(app): State<AppState>,
    Segment(id): Segment,
    Bearer(token): Bearer,
    headers: HeaderMap,
    body: Json<wire::WishChange>,
) -> Result<Acknowledged, ApiError> {
    let now = clock::now();
    let caller = app.service_keys.caller(&headers)?;
    let (id, secret) = address(&id, &token)?;
    let known = with_secret(&app, id, secret)?;
    if let Some(refusal) = unchangeable(known.standing) {
        return Err(refusal);
    }
    let wish = read::changed(
        &app,
        now,
        caller,
        (&known.wish, &known.contact),
        &body.value,
    )?;
    let outcome = settled(&app, |done| {
        app.engine.change_wish(now, id, secret, wish, done)
    });
    let (place, receipt) = outcome.await?.map_err(refused)?.into_parts();
    let changed = with_secret(&app, id, secret)?;
    let mut answer = view(&app, now, id, &changed);
    answer.place.kept = Some(place == known.place);
    Ok(Acknowledged::with(receipt, axum::Json(answer)))
}

/// Withdraw a wish.
///
/// What is held for it goes to the next one.
#[utoipa::path(
    delete, path = "/wishes/{id}", operation_id = "withdraw_wish", tag = "Wishes",
    params(("id" = String, Path, description = "The wish's id")),
    security(("token" = [])),
    responses(
        (status = 204, description = "It is over, also if it was before"),
        (status = 404, body = wire::Problem, content_type = "application/problem+json"),
        (status = 409, description = "wish-over: it is a booking; wish-pending",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 429, description = "rate-limited: come back after Retry-After",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 503, body = wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn withdraw(
    State(app): State<AppState>,
    Segment(id): Segment,
    Bearer(token): Bearer,
) -> Result<StatusCode, ApiError> {
    let (id, secret) = address(&id, &token)?;
    withdrawn(&app, id, secret).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a wish.
pub(crate) async fn withdrawn(app: &App, id: WishId, secret: Secret) -> Result<(), ApiError> {
    let now = clock::now();
    let outcome = settled(app, |done| {
        app.engine.withdraw_wish(now, id, secret, done);
    });
    outcome.await?.map_err(refused)
}

/// The wish with this id if the token is its own.
pub(crate) fn with_secret(app: &App, id: WishId, secret: Secret) -> Result<Known, ApiError> {
    let known = app
        .engine
        .look_at_wishes(|agent| agent.with_secret(id, secret).cloned());
    known.ok_or_else(unknown)
}

fn find(app: &App, id: WishId) -> Option<Known> {
    app.engine.look_at_wishes(|agent| agent.known(id).cloned())
}

pub(crate) fn address(id: &str, token: &str) -> Result<(WishId, Secret), ApiError> {
    let parsed = id.parse().ok().zip(token.parse().ok());
    parsed.ok_or_else(unknown)
}

pub(crate) fn unknown() -> ApiError {
    ApiError::new(
        Kind::WishUnknown,
        "The id and the token do not belong to a wish.",
    )
}

/// Of a wish that is on its way to the ledger: until it is there, nobody can look at it.
pub(crate) fn being_written() -> ApiError {
    ApiError::new(
        Kind::ConfirmationPending,
        "It is still being written. Send the same request again.",
    )
}

fn unchangeable(standing: Standing) -> Option<ApiError> {
    match standing {
        Standing::Undrawn | Standing::Waiting | Standing::Asleep => None,
        Standing::Deciding | Standing::Offered(_) => Some(refused(WishError::Pending)),
        over => Some(refused(WishError::Over(over))),
    }
}

fn refused(error: WishError) -> ApiError {
    match error {
        WishError::Unknown => unknown(),
        WishError::Over(Standing::Booked { .. }) => {
            ApiError::new(Kind::WishOver, "It has become a booking.")
        }
        WishError::Over(_) => ApiError::new(Kind::WishOver, "It has ended."),
        WishError::Pending => ApiError::new(
            Kind::WishPending,
            "An offer is open, an answer is being written, or the lottery of its waiting room is \
             being held: look at the wish.",
        ),
        WishError::TooMany => ApiError::new(
            Kind::WishesExhausted,
            "Change or withdraw one of those for the same service.",
        ),
        WishError::LedgerAway => ledger_away("The wish is as it was; try again in a moment."),
    }
}
