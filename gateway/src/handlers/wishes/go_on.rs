//! Wishes that go on: an offer was not answered, or what was booked without asking is given back.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use morgenruh_engine::rules::ids::{ReservationId, Secret};
use morgenruh_engine::rules::time::{DayNumber, UnixMillis};
use morgenruh_engine::rules::wish::WishId;
use morgenruh_engine::rules::wish::agent::{Known, Standing};
use morgenruh_engine::shell::engine::WishError;
use morgenruh_wire as wire;

use super::{address, in_time, refused, view, with_secret};
use crate::app::{App, AppState};
use crate::caching::NO_STORE;
use crate::clock;
use crate::extract::{Bearer, Json, Segment};
use crate::handlers::bookings::{not_changed, settled};
use crate::problem::{ApiError, Kind};

/// Say that a wish still stands.
///
/// A wish that is `asleep`, because nobody answered an offer, gets nothing until then. It waits on
/// at the place that it has from that moment. For a wish that does not sleep nothing changes.
#[utoipa::path(
    post, path = "/wishes/{id}/confirm", operation_id = "confirm_wish", tag = "Wishes",
    params(("id" = String, Path, description = "The wish's id")),
    security(("token" = [])),
    responses(
        (status = 200, body = wire::Wish),
        (status = 404, description = "wish-unknown, also for a wrong token",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 409, description = "wish-over, wish-pending",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 429, description = "rate-limited: come back after Retry-After",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not kept, or not certain yet: send it again",
         body = wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn confirm(
    State(app): State<AppState>,
    Segment(id): Segment,
    Bearer(token): Bearer,
) -> Result<Response, ApiError> {
    let (id, secret) = address(&id, &token)?;
    confirmed(&app, id, secret).await?;
    as_it_is(&app, id, secret)
}

/// Give back what was booked without asking, and wait on.
///
/// The booking is cancelled, and the wish waits for another one at its place. Only while
/// `returnable` says so; each counts as an offer that was not accepted. The booking is named so
/// that the same request, sent again, never gives back the next one.
#[utoipa::path(
    post, path = "/wishes/{id}/return", operation_id = "return_booking", tag = "Wishes",
    params(("id" = String, Path, description = "The wish's id")),
    request_body = wire::WishReturn,
    security(("token" = [])),
    responses(
        (status = 200, description = "It waits, also if it was given back before",
         body = wire::Wish),
        (status = 404, description = "wish-unknown, also for a wrong token; booking-unknown: it does not come of this wish",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 409, description = "wish-over: it cannot be given back for another one, and stands; wish-pending, booking-over",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 422, body = wire::Problem, content_type = "application/problem+json"),
        (status = 429, description = "rate-limited: come back after Retry-After",
         body = wire::Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not given back, or not certain yet: send it again",
         body = wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn give_back(
    State(app): State<AppState>,
    Segment(id): Segment,
    Bearer(token): Bearer,
    body: Json<wire::WishReturn>,
) -> Result<Response, ApiError> {
    let (id, secret) = address(&id, &token)?;
    with_secret(&app, id, secret)?;
    let booking = body.value.booking.parse().map_err(|_| not_of_this_wish())?;
    given_back(&app, id, secret, booking).await?;
    as_it_is(&app, id, secret)
}

fn as_it_is(app: &App, id: WishId, secret: Secret) -> Result<Response, ApiError> {
    let known = with_secret(app, id, secret)?;
    let view = view(app, clock::now(), id, &known);
    Ok(([NO_STORE], axum::Json(view)).into_response())
}

/// Wakes a wish.
pub(crate) async fn confirmed(app: &App, id: WishId, secret: Secret) -> Result<(), ApiError> {
    let now = clock::now();
    let outcome = settled(app, |done| app.engine.confirm_wish(now, id, secret, done));
    outcome.await?.map_err(refused)
}

/// Cancels the booking that a wish has become without asking, and has the wish wait on.
pub(crate) async fn given_back(
    app: &AppState,
    id: WishId,
    secret: Secret,
    booking: ReservationId,
) -> Result<(), ApiError> {
    let now = clock::now();
    let known = with_secret(app, id, secret)?;
    match known.standing {
        Standing::Booked { booking: own, .. } if own == booking => {}
        Standing::Deciding => return Err(refused(WishError::Pending)),
        Standing::Ended(_) => return Err(refused(WishError::Over(known.standing))),
        // It was given back before, and perhaps there is another one by now.
        _ if was_its_own(app, id, secret, booking) => return Ok(()),
        _ => return Err(not_of_this_wish()),
    }
    // Looked at first: nobody loses a booking for nothing.
    if !is_returnable(app, now, id, &known) {
        return Err(ApiError::new(
            Kind::WishOver,
            "The booking stands: it cannot be given back for another one. Perhaps it was asked \
             about, as many as can be were given back, or the last day of the wish is over.",
        ));
    }
    // On a task of its own: even if this client goes away, the second step follows the first.
    let work = tokio::spawn({
        let app = app.clone();
        async move {
            let manage = known.manage_secret();
            let cancelled = settled(&app, |done| app.engine.cancel(now, booking, manage, done));
            cancelled.await?.map_err(not_changed)?;
            let waiting = settled(&app, |done| app.engine.wait_on(now, id, secret, done));
            waiting.await?.map_err(refused)
        }
    });
    in_time(app, work).await
}

/// Whether this booking, or what became of it, was the wish's.
fn was_its_own(app: &App, id: WishId, secret: Secret, booking: ReservationId) -> bool {
    let of = app
        .engine
        .look_at_wishes(|agent| agent.of_offer(booking, secret));
    of.is_some_and(|(of, _)| of == id)
}

/// Whether what a wish has become can be given back for another one, or was and the wish does not
/// wait yet. Locks the wishes and a day: not from within a look at either.
pub(crate) fn is_returnable(app: &App, now: UnixMillis, id: WishId, known: &Known) -> bool {
    let Standing::Booked { booking, .. } = known.standing else {
        return false;
    };
    let today = DayNumber::from_date(app.engine.date_of(now));
    let may = |today| {
        app.engine
            .look_at_wishes(|agent| agent.may_return(id, today))
    };
    if !today.is_some_and(may) {
        return false;
    }
    let booking = app.engine.booking(booking, known.manage_secret());
    booking.is_ok_and(|it| it.cancelled || now < it.confirmed.start)
}

fn not_of_this_wish() -> ApiError {
    let detail = "It does not come of this wish.";
    ApiError::new(Kind::BookingUnknown, detail).at("booking")
}
