//! `/bookings`: confirm, look, cancel, move.
//!
//! An answer that acknowledges a change can only be made from a receipt of the ledger
//! ([`Acknowledged`]): a handler that has none cannot say that it is done.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use morgenruh_engine::rules::catalogue::Office;
use morgenruh_engine::rules::day::{BookingRefusal, HoldUse};
use morgenruh_engine::rules::ids::{Digest, HoldToken, ReservationId, Secret};
use morgenruh_engine::rules::need::Services;
use morgenruh_engine::rules::record::Person;
use morgenruh_engine::shell::engine::{Booking, ChangeError, ConfirmAsk, ConfirmError};
use morgenruh_engine::shell::ledger::{Durable, Receipt};
use morgenruh_wire::{BookingRequest, MoveRequest};
use tokio::sync::oneshot;

use super::holds::unusable;
use crate::app::{App, AppState};
use crate::caching::NO_STORE;
use crate::clock;
use crate::contact;
use crate::extract::{Json, Segment, bearer};
use crate::idempotency::Turn;
use crate::identity;
use crate::invitation::invitation;
use crate::needs;
use crate::problem::{ApiError, Kind};
use crate::texts;

/// An answer that says: this is done and will not be lost.
pub(crate) struct Acknowledged(Response);

impl Acknowledged {
    pub(crate) fn with(_proof: Receipt, answer: impl IntoResponse) -> Acknowledged {
        let mut response = answer.into_response();
        let (name, value) = NO_STORE;
        response.headers_mut().insert(name, value);
        Acknowledged(response)
    }
}

impl IntoResponse for Acknowledged {
    fn into_response(self) -> Response {
        self.0
    }
}

/// Turn a hold into a booking.
///
/// The answer comes when the booking is durable. Sending the same request again gets the same
/// answer; `manage_token` is the right to see, move and cancel the booking.
#[utoipa::path(
    post, path = "/bookings", tag = "Bookings",
    params(("Idempotency-Key" = Option<String>, Header,
            description = "The same key with the same body gets the same answer")),
    request_body = BookingRequest,
    responses(
        (status = 201, body = morgenruh_wire::Booking),
        (status = 403, description = "pass-ended: its ticket has become a booking or a wish",
         body = morgenruh_wire::Problem, content_type = "application/problem+json"),
        (status = 404, description = "hold-unknown",
         body = morgenruh_wire::Problem, content_type = "application/problem+json"),
        (status = 409, description = "hold-expired, hold-used, booked-before",
         body = morgenruh_wire::Problem, content_type = "application/problem+json"),
        (status = 422, body = morgenruh_wire::Problem, content_type = "application/problem+json"),
        (status = 429, description = "rate-limited: come back after Retry-After",
         body = morgenruh_wire::Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not confirmed, or not certain yet: send it again",
         body = morgenruh_wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn confirm(
    State(app): State<AppState>,
    body: Json<BookingRequest>,
) -> Result<Acknowledged, ApiError> {
    let now = clock::now();
    let token: HoldToken = body.value.hold.parse().map_err(|_| {
        ApiError::new(Kind::HoldUnknown, "The token does not belong to a hold.").at("hold")
    })?;
    let catalogue = app.catalogue();
    let office = catalogue.office_by_number(token.id.day_key().office);
    let services = office.and_then(|_| app.engine.services_of(token.id));
    let (Some(office), Some(services)) = (office, services) else {
        return Err(unusable(HoldUse::Gone).at("hold"));
    };
    let person = contact::check(
        catalogue,
        &[catalogue.office(office)],
        &services,
        &body.value.person,
        &body.value.answers,
    )?;
    let request = Digest::of(&[&body.bytes]);
    let key = match app
        .idempotency
        .begin(now, &body.headers, "bookings", request)?
    {
        Turn::Work(key) => key,
        Turn::Again(_) => unreachable!("answers with a manage token are not kept"),
    };
    // From here the engine recognises a repetition by itself, even if this client goes away.
    app.idempotency.ask_again(key);

    let identities = identities(&app, &token, &person, &services);
    let ask = ConfirmAsk {
        token,
        person,
        request,
        idempotency_key: key,
        identities,
    };
    let outcome = settled(&app, |done| app.engine.confirm(now, ask, done)).await;
    let outcome = outcome.and_then(|outcome| outcome.map_err(not_confirmed));
    // While it is unclear whether something was done, the key stays with this request.
    let is_certain = |error: &ApiError| error.kind() != Kind::ConfirmationPending;
    if outcome.as_ref().is_err_and(is_certain) {
        app.idempotency.failed(key);
    }
    let (booking, receipt) = outcome?.into_parts();
    let mut answer = to_wire(&app, &booking);
    answer.manage_token = Some(token.secret.manage().to_string());
    let location = format!("/api/v1/bookings/{}", answer.id);
    let answer = (
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        axum::Json(answer),
    );
    Ok(Acknowledged::with(receipt, answer))
}

/// What recognises the person in the waiting room that the hold came from.
fn identities(app: &App, token: &HoldToken, person: &Person, services: &Services) -> Vec<Digest> {
    let ticket = app.engine.ticket_of(token.id);
    let room = ticket.and_then(|ticket| app.engine.rooms().get(ticket.room));
    let Some(room) = room else {
        return Vec::new();
    };
    let key = room.decide(|room| room.identity_key());
    identity::identities(&key.0, room.id.to_bits(), person, services)
}

fn not_confirmed(error: ConfirmError) -> ApiError {
    match error {
        ConfirmError::Hold(reason) => unusable(reason).at("hold"),
        ConfirmError::BookedBefore => ApiError::new(
            Kind::BookedBefore,
            "With this address or number there is a booking for the same service already.",
        ),
        ConfirmError::PassSpent => ApiError::new(
            Kind::PassEnded,
            "Its ticket has become a booking or a wish.",
        ),
        ConfirmError::LedgerAway => ledger_away("Your hold is kept; try again in a moment."),
    }
}

/// Look at a booking.
#[utoipa::path(
    get, path = "/bookings/{id}", tag = "Bookings",
    params(("id" = String, Path, description = "The booking's id")),
    security(("token" = [])),
    responses(
        (status = 200, body = morgenruh_wire::Booking),
        (status = 404, description = "booking-unknown, also for a wrong token",
         body = morgenruh_wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show(
    State(app): State<AppState>,
    Segment(id): Segment,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let booking = find(&app, &id, &headers)?;
    Ok(([NO_STORE], axum::Json(to_wire(&app, &booking))).into_response())
}

/// Cancel a booking.
///
/// The answer comes when the cancellation is durable; the seat is free for others then.
#[utoipa::path(
    delete, path = "/bookings/{id}", tag = "Bookings",
    params(("id" = String, Path, description = "The booking's id")),
    security(("token" = [])),
    responses(
        (status = 200, body = morgenruh_wire::Booking),
        (status = 404, body = morgenruh_wire::Problem, content_type = "application/problem+json"),
        (status = 409, description = "booking-over",
         body = morgenruh_wire::Problem, content_type = "application/problem+json"),
        (status = 503, body = morgenruh_wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn cancel(
    State(app): State<AppState>,
    Segment(id): Segment,
    headers: HeaderMap,
) -> Result<Acknowledged, ApiError> {
    let (id, manage) = address(&id, &headers)?;
    let now = clock::now();
    let outcome = settled(&app, |done| app.engine.cancel(now, id, manage, done)).await?;
    acknowledge_change(&app, outcome)
}

/// Move a booking onto a held seat.
///
/// The old seat is kept until the new one is durable; the booking keeps its id and its token and
/// gets the code of the new seat.
#[utoipa::path(
    post, path = "/bookings/{id}/move", tag = "Bookings",
    params(("id" = String, Path, description = "The booking's id")),
    request_body = MoveRequest,
    security(("token" = [])),
    responses(
        (status = 200, body = morgenruh_wire::Booking),
        (status = 404, body = morgenruh_wire::Problem, content_type = "application/problem+json"),
        (status = 409, description = "hold-expired, hold-used, booking-cancelled, booking-over, move-refused, too-many-moves",
         body = morgenruh_wire::Problem, content_type = "application/problem+json"),
        (status = 503, body = morgenruh_wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn relocate(
    State(app): State<AppState>,
    Segment(id): Segment,
    body: Json<MoveRequest>,
) -> Result<Acknowledged, ApiError> {
    let (id, manage) = address(&id, &body.headers)?;
    let token: HoldToken = body.value.hold.parse().map_err(|_| {
        ApiError::new(Kind::HoldUnknown, "The token does not belong to a hold.").at("hold")
    })?;
    let booking = app.engine.booking(id, manage).map_err(|_| unknown())?;
    fits(&app, &booking, token)?;
    let now = clock::now();
    let outcome = settled(&app, |done| {
        app.engine.move_booking(now, id, manage, token, done)
    });
    acknowledge_change(&app, outcome.await?)
}

/// A booking moves to another time or place, not to another purpose, and not past the questions
/// that an office asks.
fn fits(app: &App, booking: &Booking, token: HoldToken) -> Result<(), ApiError> {
    let Some(services) = app.engine.services_of(token.id) else {
        return Err(unusable(HoldUse::Gone).at("hold"));
    };
    let refused = |detail| Err(ApiError::new(Kind::MoveRefused, detail).at("hold"));
    if !same_services(services, booking.confirmed.services) {
        return refused("Hold a seat for the same services.");
    }
    let catalogue = app.catalogue();
    let office = |id: ReservationId| {
        let index = catalogue.office_by_number(id.day_key().office)?;
        Some(catalogue.office(index))
    };
    let (old, new) = (office(booking.confirmed.id), office(token.id));
    if let (Some(old), Some(new)) = (old, new)
        && asks_more(old, new)
    {
        return refused("That office asks for more; book there and cancel this booking.");
    }
    Ok(())
}

/// Whether they are the same in any order.
pub(crate) fn same_services(one: Services, other: Services) -> bool {
    let sorted = |services: Services| {
        let mut items: Vec<_> = services.iter().collect();
        items.sort_unstable();
        items
    };
    sorted(one) == sorted(other)
}

/// Whether an office asks for more than whoever booked at the other one had to answer.
pub(crate) fn asks_more(old: &Office, new: &Office) -> bool {
    old.number != new.number
        && (new.phone_required && !old.phone_required
            || new.questions.iter().any(|question| question.required))
}

/// The booking as a calendar entry.
///
/// Of a cancelled booking: the entry's cancellation.
#[utoipa::path(
    get, path = "/bookings/{id}/calendar.ics", tag = "Bookings",
    params(("id" = String, Path, description = "The booking's id")),
    security(("token" = [])),
    responses(
        (status = 200, body = String, content_type = "text/calendar"),
        (status = 404, body = morgenruh_wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn calendar(
    State(app): State<AppState>,
    Segment(id): Segment,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let booking = find(&app, &id, &headers)?;
    let (method, text) = invitation(app.catalogue(), &booking, clock::now());
    let media_type = format!("text/calendar; charset=utf-8; method={method}");
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"termin.ics\"".into(),
        ),
    ];
    Ok((headers, [NO_STORE], text).into_response())
}

pub(crate) fn unknown() -> ApiError {
    ApiError::new(
        Kind::BookingUnknown,
        "The id and the token do not belong to a booking.",
    )
}

fn address(id: &str, headers: &HeaderMap) -> Result<(ReservationId, Secret), ApiError> {
    let manage = bearer(headers)?.parse().map_err(|_| unknown())?;
    Ok((id.parse().map_err(|_| unknown())?, manage))
}

fn find(app: &App, id: &str, headers: &HeaderMap) -> Result<Booking, ApiError> {
    let (id, manage) = address(id, headers)?;
    app.engine.booking(id, manage).map_err(|_| unknown())
}

/// Waits for the ledger's word, for as long as the settings allow.
pub(crate) async fn settled<T: Send + 'static>(
    app: &App,
    ask: impl FnOnce(Box<dyn FnOnce(T) + Send>),
) -> Result<T, ApiError> {
    let (sender, receiver) = oneshot::channel();
    // Nobody listens any more when the client has gone; what was decided stands all the same.
    ask(Box::new(move |outcome| drop(sender.send(outcome))));
    let patience = Duration::from_millis(app.settings.ledger.ack_timeout_ms);
    match tokio::time::timeout(patience, receiver).await {
        Ok(Ok(outcome)) => Ok(outcome),
        Ok(Err(_)) => Err(ledger_away("Send the same request again in a moment.")),
        Err(_) => Err(ApiError::new(
            Kind::ConfirmationPending,
            "It is not certain yet whether this was kept. Send the same request again.",
        )),
    }
}

pub(crate) fn ledger_away(detail: &'static str) -> ApiError {
    ApiError::new(Kind::LedgerUnavailable, detail)
}

fn acknowledge_change(
    app: &App,
    outcome: Result<Durable<Booking>, ChangeError>,
) -> Result<Acknowledged, ApiError> {
    let (booking, receipt) = outcome.map_err(not_changed)?.into_parts();
    Ok(Acknowledged::with(
        receipt,
        axum::Json(to_wire(app, &booking)),
    ))
}

pub(crate) fn not_changed(error: ChangeError) -> ApiError {
    match error {
        ChangeError::Hold(reason) => unusable(reason).at("hold"),
        ChangeError::LedgerAway => ledger_away("Your booking stands; try again in a moment."),
        ChangeError::TooManyMoves => ApiError::new(Kind::TooManyMoves, "Cancel it and book anew."),
        ChangeError::Booking(BookingRefusal::Cancelled) => ApiError::new(
            Kind::BookingCancelled,
            "A cancelled booking cannot be moved.",
        ),
        ChangeError::Booking(BookingRefusal::Over) => {
            ApiError::new(Kind::BookingOver, "It can be changed until it starts.")
        }
        ChangeError::Booking(BookingRefusal::Unknown) => unknown(),
        ChangeError::Booking(BookingRefusal::Pending | BookingRefusal::MovedTo(_)) => {
            ApiError::new(
                Kind::ConfirmationPending,
                "Another change is still being written.",
            )
        }
    }
}

pub(crate) fn to_wire(app: &App, booking: &Booking) -> morgenruh_wire::Booking {
    let catalogue = app.catalogue();
    let zone = &catalogue.city.zone;
    let confirmed = &booking.confirmed;
    let seat = confirmed.id.seat();
    let office = catalogue.office_by_number(seat.key.office);
    morgenruh_wire::Booking {
        id: confirmed.contract.origin.to_string(),
        code: confirmed.id.code(),
        status: if booking.cancelled {
            "cancelled"
        } else {
            "booked"
        }
        .to_owned(),
        office: office.map_or_else(String::new, |office| catalogue.office(office).id.clone()),
        counter: seat.counter + 1,
        services: needs::to_wire(catalogue, confirmed.services),
        start: texts::time(zone, confirmed.start),
        end: texts::time(zone, confirmed.end),
        sequence: confirmed.contract.sequence,
        manage_token: None,
    }
}
