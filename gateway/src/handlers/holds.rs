//! `/holds`: a seat for some minutes.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use morgenruh_engine::rules::catalogue::{Channel, OfficeIndex};
use morgenruh_engine::rules::day::{ExtendRefusal, HoldRefusal, HoldUse, HoldView};
use morgenruh_engine::rules::ids::{Digest, HoldToken, Secret};
use morgenruh_engine::rules::need::Need;
use morgenruh_engine::rules::room::RoomId;
use morgenruh_engine::rules::room::state::PassUse;
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::shell::engine::{HoldAsk, HoldError, PassInHand};
use morgenruh_wire::{Hold, HoldRequest};

use crate::app::{App, AppState};
use crate::caching::NO_STORE;
use crate::clock;
use crate::extract::{Json, Segment, bearer};
use crate::handlers::rooms::passes;
use crate::idempotency::Turn;
use crate::needs;
use crate::problem::{ApiError, Kind};
use crate::search;
use crate::service_keys::Caller;
use crate::texts;

/// Races that the search for the earliest seat may lose before it gives up.
const EARLIEST_TRIES_MAX: usize = 64;
/// Starts passed over because only a pass opens them: a few days of all offices.
const EARLIEST_BARRED_MAX: usize = 10_000;

/// Reserve a seat.
///
/// Either at an office and start, or the earliest that suits. The answer's `token` is the right to
/// use the hold: keep it.
#[utoipa::path(
    post, path = "/holds", tag = "Holds",
    params(("Idempotency-Key" = Option<String>, Header,
            description = "The same key with the same body gets the same answer")),
    request_body = HoldRequest,
    responses(
        (status = 201, body = Hold),
        (status = 403, description = "pass-required, pass-invalid, pass-ended",
         body = morgenruh_wire::Problem, content_type = "application/problem+json"),
        (status = 409, description = "slot-taken (with alternatives), not-released, nothing-free, \
                      holds-max",
         body = morgenruh_wire::Problem, content_type = "application/problem+json"),
        (status = 422, body = morgenruh_wire::Problem, content_type = "application/problem+json"),
        (status = 429, description = "rate-limited: come back after Retry-After",
         body = morgenruh_wire::Problem, content_type = "application/problem+json"),
        (status = 503, body = morgenruh_wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create(
    State(app): State<AppState>,
    body: Json<HoldRequest>,
) -> Result<Response, ApiError> {
    let now = clock::now();
    let caller = app.service_keys.caller(&body.headers)?;
    let request = Digest::of(&[&body.bytes]);
    // Callers of different channels do not share keys.
    let route = match caller.channel {
        Channel::Public => "holds",
        Channel::CallCentre => "holds of the call centre",
        Channel::WalkIn => "holds of the desk",
        Channel::Agent => "offers",
    };
    let key = match app.idempotency.begin(now, &body.headers, route, request)? {
        Turn::Work(key) => key,
        Turn::Again(answer) => return Ok(created(answer)),
    };
    match hold(&app, now, caller, &body.value) {
        Ok(hold) => {
            let answer = Bytes::from(serde_json::to_vec(&hold).expect("a hold is always JSON"));
            app.idempotency.answered(key, &answer);
            Ok(created(answer))
        }
        Err(error) => {
            app.idempotency.failed(key);
            Err(error)
        }
    }
}

fn created(answer: Bytes) -> Response {
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ),
        NO_STORE,
    ];
    (StatusCode::CREATED, headers, answer).into_response()
}

fn hold(
    app: &App,
    now: UnixMillis,
    caller: Caller,
    request: &HoldRequest,
) -> Result<Hold, ApiError> {
    let asked = needs::services(app.catalogue(), &request.services)?;
    let (secret, random) = secret_and_random()?;
    let holder = Holder {
        caller,
        secret,
        random,
        pass: passes::in_hand(app, request.pass.as_deref())?,
    };
    if request.earliest {
        if request.office.is_some() || request.start.is_some() {
            let detail = "With earliest, name offices and windows instead of office and start.";
            return Err(ApiError::new(Kind::InvalidRequest, detail).at("earliest"));
        }
        let windows = search::windows(request.windows.as_deref())?;
        let named = request
            .offices
            .as_ref()
            .map(|ids| ids.iter().map(String::as_str));
        let offices = needs::at_offices(app.catalogue(), caller, named, &asked)?;
        return earliest(app, now, holder, &offices, &windows);
    }
    let (Some(office), Some(start)) = (&request.office, &request.start) else {
        let detail = "Name office and start, or set earliest.";
        return Err(ApiError::new(Kind::InvalidRequest, detail).at("office"));
    };
    if request.offices.is_some() || request.windows.is_some() {
        let detail = "offices and windows go with earliest.";
        return Err(ApiError::new(Kind::InvalidRequest, detail).at("earliest"));
    }
    let office = needs::office(app.catalogue(), caller, office)?;
    let need = needs::at_office(app.catalogue(), office, &asked)?;
    let start = texts::parse_time(start).ok_or_else(|| {
        let detail = "A start is written like 2026-11-24T08:15:00+01:00.";
        ApiError::new(Kind::InvalidRequest, detail).at("start")
    })?;
    let held = hold_at(app, now, holder, office, need, start);
    held.map_err(|error| refusal(app, now, caller, office, &need, start, error))
}

/// Who is to get a seat, and with which rights.
#[derive(Clone, Copy)]
struct Holder {
    caller: Caller,
    /// Will prove the right to the hold.
    secret: Secret,
    /// Entropy for the id of the one hold that comes of all tries.
    random: u64,
    pass: Option<PassInHand>,
}

fn hold_at(
    app: &App,
    now: UnixMillis,
    holder: Holder,
    office: OfficeIndex,
    need: Need,
    start: UnixMillis,
) -> Result<Hold, HoldError> {
    let Holder {
        caller,
        secret,
        random,
        pass,
    } = holder;
    let channel = caller.channel;
    let ask = HoldAsk {
        office,
        need,
        start,
        channel,
        secret: secret.digest(),
        random,
        pass,
    };
    let view = app.engine.hold(now, &ask)?;
    let token = HoldToken {
        id: view.id,
        secret,
    }
    .to_string();
    Ok(Hold {
        token: Some(token),
        ..to_wire(app, &view)
    })
}

fn to_wire(app: &App, view: &HoldView) -> Hold {
    let catalogue = app.catalogue();
    let zone = &catalogue.city.zone;
    let office = catalogue.office_by_number(view.id.day_key().office);
    Hold {
        id: view.id.to_string(),
        office: office.map_or_else(String::new, |office| catalogue.office(office).id.clone()),
        services: needs::to_wire(catalogue, view.services),
        start: texts::time(zone, view.start),
        end: texts::time(zone, view.end),
        expires_at: texts::time(zone, view.terms.deadline),
        extendable: !view.terms.extended,
        token: None,
    }
}

pub(crate) fn secret() -> Result<Secret, ApiError> {
    random_bytes().map(Secret)
}

/// A secret, and entropy for an id. The system is asked once for both: that is most of what they
/// cost.
fn secret_and_random() -> Result<(Secret, u64), ApiError> {
    let bytes: [u8; 24] = random_bytes()?;
    let (mut secret, mut random) = ([0; 16], [0; 8]);
    secret.copy_from_slice(&bytes[..16]);
    random.copy_from_slice(&bytes[16..]);
    Ok((Secret(secret), u64::from_ne_bytes(random)))
}

fn random_bytes<const LENGTH: usize>() -> Result<[u8; LENGTH], ApiError> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!(%error, "the system gives no random numbers");
        ApiError::new(Kind::Internal, "Try again later.")
    })?;
    Ok(bytes)
}

/// Takes the earliest seat that suits, over all these offices.
fn earliest(
    app: &App,
    now: UnixMillis,
    holder: Holder,
    offices: &[(OfficeIndex, Need)],
    windows: &search::Windows,
) -> Result<Hold, ApiError> {
    let nothing = || ApiError::new(Kind::NothingFree, "Widen the search, or try again later.");
    let none =
        |guarded: Option<RoomId>| guarded.map_or_else(nothing, |room| pass_required(app, room));
    let catalogue = app.catalogue();
    let last = offices
        .iter()
        .map(|(office, _)| app.engine.horizon(now, catalogue.office(*office)));
    let last = last.max().ok_or_else(nothing)?;
    let (mut tries, mut barred, mut guarded) = (0, 0, None);
    for date in app.engine.date_of(now).series(jiff::Span::new().days(1)) {
        if date > last {
            return Err(none(guarded));
        }
        for (start, office, need) in
            search::candidates(app, now, holder.caller, offices, windows, date)
        {
            match hold_at(app, now, holder, office, need, start) {
                Ok(hold) => return Ok(hold),
                Err(HoldError::Overloaded) => return Err(overloaded()),
                Err(HoldError::Pass(reason)) => return Err(no_pass(reason)),
                Err(HoldError::Refused(HoldRefusal::PassRequired { room })) => {
                    guarded = Some(room);
                    barred += 1;
                }
                Err(_) => tries += 1,
            }
            if tries >= EARLIEST_TRIES_MAX || barred >= EARLIEST_BARRED_MAX {
                return Err(none(guarded));
            }
        }
    }
    Err(none(guarded))
}

fn overloaded() -> ApiError {
    ApiError::new(
        Kind::Overloaded,
        "Nothing was reserved. Try again in a moment.",
    )
}

fn refusal(
    app: &App,
    now: UnixMillis,
    caller: Caller,
    office: OfficeIndex,
    need: &Need,
    start: UnixMillis,
    error: HoldError,
) -> ApiError {
    let zone = &app.catalogue().city.zone;
    let refused = match error {
        HoldError::Overloaded => return overloaded(),
        HoldError::BeyondHorizon { last } => {
            let detail = format!("The last bookable day is {last}.");
            return ApiError::new(Kind::BeyondHorizon, detail).at("start");
        }
        HoldError::Pass(reason) => return no_pass(reason),
        HoldError::Refused(refused) => refused,
    };
    match refused {
        HoldRefusal::OffGrid => {
            let minutes = app.catalogue().office(office).unit_minutes;
            let detail = format!("Slots of this office start every {minutes} minutes.");
            ApiError::new(Kind::StartOffGrid, detail).at("start")
        }
        HoldRefusal::Past => ApiError::new(Kind::StartInPast, "Choose a later one.").at("start"),
        HoldRefusal::TooSoon { earliest } => {
            let detail = format!("The earliest is {}.", texts::time(zone, earliest));
            ApiError::new(Kind::StartTooSoon, detail).at("start")
        }
        HoldRefusal::Closed => {
            let detail = "No counter for these services is open for all of that time.";
            ApiError::new(Kind::OfficeClosed, detail).at("start")
        }
        HoldRefusal::Sealed { until } => {
            let detail = match until {
                Some(until) => format!("They are released at {}.", texts::time(zone, until)),
                None => "When they are released is not known yet.".to_owned(),
            };
            ApiError::new(Kind::NotReleased, detail).at("start")
        }
        HoldRefusal::PassRequired { room } => pass_required(app, room),
        HoldRefusal::Taken => {
            let others = search::alternatives(app, now, caller, office, need, start);
            ApiError::new(Kind::SlotTaken, "Choose another one.").or_else_at(others)
        }
        HoldRefusal::Full => ApiError::new(Kind::NothingFree, "Choose another day."),
    }
}

fn pass_required(app: &App, room: RoomId) -> ApiError {
    let detail = "These seats are for those whose turn has come in the waiting room.";
    let room = app.engine.rooms().get(room);
    let error = ApiError::new(Kind::PassRequired, detail).at("pass");
    match room {
        Some(room) => error.in_room(room.name.clone()),
        None => error,
    }
}

fn no_pass(reason: PassUse) -> ApiError {
    match reason {
        PassUse::HoldsMax => ApiError::new(Kind::HoldsMax, "Release what you hold first."),
        PassUse::Ended | PassUse::Over(_) => {
            ApiError::new(Kind::PassEnded, "Exchange your ticket again.").at("pass")
        }
    }
}

/// Extend a hold.
///
/// Once per hold, by the office's hold time.
#[utoipa::path(
    post, path = "/holds/{id}/extend", tag = "Holds",
    params(("id" = String, Path, description = "The hold's id")),
    security(("token" = [])),
    responses(
        (status = 200, body = Hold),
        (status = 404, body = morgenruh_wire::Problem, content_type = "application/problem+json"),
        (status = 409, description = "hold-expired, hold-used, already-extended",
         body = morgenruh_wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn extend(
    State(app): State<AppState>,
    Segment(id): Segment,
    headers: HeaderMap,
) -> Result<axum::Json<Hold>, ApiError> {
    let token = token(&id, &headers)?;
    let view = app
        .engine
        .extend(clock::now(), token)
        .map_err(|refusal| match refusal {
            ExtendRefusal::Unusable(reason) => unusable(reason),
            ExtendRefusal::AlreadyExtended => {
                ApiError::new(Kind::AlreadyExtended, "A hold can be extended once.")
            }
        })?;
    Ok(axum::Json(to_wire(&app, &view)))
}

/// Give a held seat back.
#[utoipa::path(
    delete, path = "/holds/{id}", tag = "Holds",
    params(("id" = String, Path, description = "The hold's id")),
    security(("token" = [])),
    responses(
        (status = 204, description = "The seat is free again"),
        (status = 404, body = morgenruh_wire::Problem, content_type = "application/problem+json"),
        (status = 409, body = morgenruh_wire::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn release(
    State(app): State<AppState>,
    Segment(id): Segment,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let token = token(&id, &headers)?;
    app.engine.release(clock::now(), token).map_err(unusable)?;
    Ok(StatusCode::NO_CONTENT)
}

/// The hold's token, which must be the one of the hold in the path.
fn token(id: &str, headers: &HeaderMap) -> Result<HoldToken, ApiError> {
    let token: HoldToken = bearer(headers)?
        .parse()
        .map_err(|_| unusable(HoldUse::Foreign))?;
    if token.id.to_string() != id {
        return Err(unusable(HoldUse::Foreign));
    }
    Ok(token)
}

/// Why a hold cannot be used, for whoever tried.
pub(crate) fn unusable(reason: HoldUse) -> ApiError {
    match reason {
        HoldUse::Gone => ApiError::new(
            Kind::HoldExpired,
            "It has expired or was released. Choose a new slot.",
        ),
        HoldUse::Foreign => {
            ApiError::new(Kind::HoldUnknown, "The token does not belong to a hold.")
        }
        HoldUse::Spent => ApiError::new(
            Kind::HoldUsed,
            "A hold becomes one booking, with one request.",
        ),
        HoldUse::Pending => ApiError::new(
            Kind::ConfirmationPending,
            "Send the same request again in a moment.",
        ),
    }
}
