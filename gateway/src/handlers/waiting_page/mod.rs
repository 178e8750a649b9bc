//! `/warteraum`: the waiting rooms for people. Every page is whole without a script; where one
//! runs, it asks for the place now and then and takes over what has changed.

pub(crate) mod draw;
pub(crate) mod forms;
mod note;
mod qr;
mod view;
pub(crate) mod wish;

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use morgenruh_engine::rules::room::tickets::{Pass, Ticket};
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use morgenruh_engine::shell::rooms::RoomShard;

use self::note::Note;
use self::view::Notice;
use super::pages::html;
use super::rooms::verified;
use crate::app::{App, AppState};
use crate::caching::NO_STORE;
use crate::clock;
use crate::cookies::{Cookies, Purpose};
use crate::extract::Segment;
use crate::language::{Language, parameter};
use crate::middleware::policy_with_script;
use crate::problem::{ApiError, Kind};
use crate::rooms::Rendered;
use crate::target::Target;

/// How long a ticket is remembered after its room is closed: its receipt is asked for later.
pub(crate) const KEPT_AFTER: Millis = Millis::from_minutes(24 * 60);
/// Said by a page that asks for its target to be kept.
pub(crate) const TARGET_PARAMETER: &str = "ziel";

/// Somebody who looks at a room.
struct Visit {
    now: UnixMillis,
    language: Language,
    room: Arc<RoomShard>,
    document: Arc<Rendered>,
    /// The ticket, and its text.
    ticket: Option<(Ticket, String)>,
    /// Whether this browser has a pass of this ticket.
    has_pass: bool,
    /// Where this visitor wanted to go.
    target: Option<Target>,
    /// Whether the page is to load itself again without a script.
    auto: bool,
}

impl Visit {
    /// None when there is no such room.
    fn of(app: &App, name: &str, query: &str, headers: &HeaderMap) -> Option<Visit> {
        let (room, document) = (app.engine.rooms().named(name)?, app.rooms.get(name)?);
        let cookies = Cookies::new(&app.settings.server);
        let tickets = cookies.read(headers, Purpose::Ticket, name);
        let mut tickets = tickets.filter_map(|text| {
            let ticket = verified(app, &room, text)?;
            Some((ticket, text.to_owned()))
        });
        let ticket = tickets.next();
        let ring = app.keys.ring();
        let mut passes = cookies.read(headers, Purpose::Pass, name);
        let has_pass = passes.any(|text| {
            let pass = Pass::verify(text, &ring).ok();
            let own = ticket.as_ref().map(|(ticket, _)| ticket.id);
            pass.is_some_and(|pass| own == Some(pass.ticket))
        });
        Some(Visit {
            now: clock::now(),
            language: Language::of(query),
            target: kept_target(app, name, headers),
            auto: parameter(query, "auto").is_some(),
            room,
            document,
            ticket,
            has_pass,
        })
    }

    fn name(&self) -> &str {
        &self.room.name
    }

    fn path(&self) -> String {
        format!("/warteraum/{}", self.name())
    }

    fn query(&self) -> String {
        format!("?lang={}", self.language.code())
    }

    /// How long the browser keeps what is about this room, in seconds.
    fn kept_s(&self) -> u32 {
        let closes_at = self.room.decide(|room| room.plan().closes_at);
        let kept = (closes_at + KEPT_AFTER - self.now).0 / 1_000;
        u32::try_from(kept).unwrap_or(0)
    }
}

/// The target in the cookie, if it is still allowed.
fn kept_target(app: &App, room: &str, headers: &HeaderMap) -> Option<Target> {
    let cookies = Cookies::new(&app.settings.server);
    let mut kept = cookies.read(headers, Purpose::Target, room);
    kept.find_map(|text| {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let text = std::str::from_utf8(&bytes).ok()?;
        Target::read(text, &app.settings.room.forward_auth_targets)
    })
}

/// `GET /warteraum`
pub(crate) async fn list(
    State(app): State<AppState>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let language = Language::of(query.as_deref().unwrap_or_default());
    let page = view::list(&app, clock::now(), language);
    let cache = HeaderValue::from_static("public, max-age=5");
    Ok(([(header::CACHE_CONTROL, cache)], html(&page)?).into_response())
}

/// `GET /warteraum/{room}`
pub(crate) async fn show(
    State(app): State<AppState>,
    Segment(name): Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let Some(mut visit) = Visit::of(&app, &name, &query, &headers) else {
        return no_room(&query);
    };
    let mut kept = None;
    if let Some(text) = parameter(&query, TARGET_PARAMETER)
        && let Some(target) = Target::read(&text, &app.settings.room.forward_auth_targets)
    {
        let text = BASE64URL_NOPAD.encode(target.address().as_bytes());
        let cookies = Cookies::new(&app.settings.server);
        kept = Some(cookies.set(Purpose::Target, &name, &text, visit.kept_s()));
        visit.target = Some(target);
    }
    let mut response = page(&app, &headers, &visit, None)?;
    if let Some(cookie) = kept {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// The page of a room as this visitor sees it, perhaps with a word about what did not work.
fn page(
    app: &App,
    headers: &HeaderMap,
    visit: &Visit,
    notice: Option<Notice>,
) -> Result<Response, ApiError> {
    let nonce = nonce()?;
    let page = view::page(app, headers, visit, notice, nonce.clone());
    let mut response = html(&page)?.into_response();
    guard(response.headers_mut(), &nonce);
    if visit.auto && !page.state.is_final() {
        let again = format!("{}; url={}{}&auto=1", page.refresh_s, page.path, page.query);
        let again = HeaderValue::try_from(again).expect("ids of rooms are letters, digits and -");
        response.headers_mut().insert(header::REFRESH, again);
    }
    Ok(response)
}

/// What a page carries that is for one visitor and runs a script.
fn guard(headers: &mut HeaderMap, nonce: &str) {
    let (name, value) = NO_STORE;
    headers.insert(name, value);
    headers.insert(header::CONTENT_SECURITY_POLICY, policy_with_script(nonce));
    // Where nothing is encrypted, only the origin tells our forms from those of others.
    let own = HeaderValue::from_static("same-origin");
    headers.insert(header::REFERRER_POLICY, own);
}

fn no_room(query: &str) -> Result<Response, ApiError> {
    let page = note::page(Language::of(query), "/warteraum", Note::NoRoom);
    Ok((StatusCode::NOT_FOUND, [NO_STORE], html(&page)?).into_response())
}

fn nonce() -> Result<String, ApiError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!(%error, "the system gives no random numbers");
        ApiError::new(Kind::Internal, "Try again later.")
    })?;
    Ok(HEXLOWER.encode(&bytes))
}
