//! What the forms of the pages do. Each ends with a redirect to the page, so that loading it again
//! sends nothing twice.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, Path, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use morgenruh_wire::TicketRequest;

use super::note::{self, Note};
use super::view::Notice;
use super::{Visit, no_room, page};
use crate::app::{App, AppState};
use crate::client_address::ClientAddress;
use crate::cookies::{Cookies, Purpose};
use crate::extract::{Form, Segment};
use crate::handlers::pages::{as_refused, see_other, with_forms};
use crate::handlers::rooms::passes::enter as exchange;
use crate::handlers::rooms::tickets::{place_of, take};
use crate::handlers::rooms::verified;
use crate::limits::Action;
use crate::problem::{ApiError, Kind};
use crate::same_site;

/// `POST /warteraum/{room}/ticket`
pub(crate) async fn join(
    State(app): State<AppState>,
    Segment(name): Segment,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let headers = request.headers().clone();
    let Some(visit) = visit(&app, &name, &query, &headers)? else {
        return no_room(&query);
    };
    if visit.ticket.is_some() {
        return Ok(back(&visit, []));
    }
    let client = ClientAddress::of_request(&request, &app.settings.server.trusted_proxies);
    if let Err(refused) = app.limits.check(Action::Join, client) {
        return told(&app, &headers, &visit, refused.into());
    }
    let Form(body) = Form::from_request(request, &()).await?;
    let mut fields = form_urlencoded::parse(&body);
    let work = fields.find(|(name, _)| name == "proof_of_work");
    let asked = TicketRequest {
        proof_of_work: work.map(|(_, value)| value.into_owned()),
    };
    match take(&app, &visit.room, visit.now, &asked).await {
        Ok((_, text)) => {
            let cookies = Cookies::new(&app.settings.server);
            let ticket = cookies.set(Purpose::Ticket, &name, &text, visit.kept_s());
            Ok(back(&visit, [ticket]))
        }
        Err(error) => told(&app, &headers, &visit, error),
    }
}

/// `POST /warteraum/{room}/eintreten`
pub(crate) async fn enter(
    State(app): State<AppState>,
    Segment(name): Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let Some(visit) = visit(&app, &name, &query, &headers)? else {
        return no_room(&query);
    };
    let Some((ticket, _)) = &visit.ticket else {
        return Ok(back(&visit, []));
    };
    match exchange(&app, &visit.room, ticket).await {
        Ok((text, _)) => {
            let cookies = Cookies::new(&app.settings.server);
            // Not only until it expires: with a hold it lives on.
            let pass = cookies.set(Purpose::Pass, &name, &text, visit.kept_s());
            Ok(back(&visit, [pass]))
        }
        Err(error) => told(&app, &headers, &visit, error),
    }
}

/// `POST /warteraum/{room}/verlassen`
///
/// The ticket stays in the browser: it says that its place was given up, and has its receipt.
pub(crate) async fn leave(
    State(app): State<AppState>,
    Segment(name): Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let Some(visit) = visit(&app, &name, &query, &headers)? else {
        return no_room(&query);
    };
    if let Some((ticket, _)) = &visit.ticket {
        app.engine.leave(visit.now, &visit.room, ticket.id.seq);
    }
    let cookies = Cookies::new(&app.settings.server);
    Ok(back(&visit, [cookies.clear(Purpose::Pass, &name)]))
}

/// `GET /warteraum/{room}/weiter/{ticket}`: the link for another device.
///
/// Asks first. Anybody can send a link to anybody, and lead a browser to it: whoever took over a
/// stranger's ticket unasked would lose their own, and show the stranger what becomes of it.
pub(crate) async fn offer(
    State(app): State<AppState>,
    parts: Result<Path<(String, String)>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (name, text) = both(parts)?;
    let query = query.unwrap_or_default();
    let Some(visit) = Visit::of(&app, &name, &query, &headers) else {
        return no_room(&query);
    };
    let Some(offered) = verified(&app, &visit.room, &text) else {
        return noted(&visit, StatusCode::NOT_FOUND, Note::NoTicket);
    };
    let own = visit.ticket.as_ref().map(|(own, _)| own.id);
    if own == Some(offered.id) {
        // Nothing changes: its pass is still in this browser.
        return Ok(back(&visit, []));
    }
    let number = |seq: u32| visit.language.number(seq.saturating_add(1));
    let note = Note::Offered {
        own: own.map(|own| number(own.seq)),
        offered: number(offered.id.seq),
        ticket: text,
    };
    noted(&visit, StatusCode::OK, note)
}

/// `POST /warteraum/{room}/weiter/{ticket}`: also in place of a ticket that is there.
pub(crate) async fn adopt(
    State(app): State<AppState>,
    parts: Result<Path<(String, String)>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (name, text) = both(parts)?;
    let query = query.unwrap_or_default();
    let Some(visit) = visit(&app, &name, &query, &headers)? else {
        return no_room(&query);
    };
    if verified(&app, &visit.room, &text).is_none() {
        return noted(&visit, StatusCode::NOT_FOUND, Note::NoTicket);
    }
    Ok(kept(&app, &visit, &text))
}

/// Whoever sends a form of ours; None when there is no such room.
fn visit(
    app: &App,
    name: &str,
    query: &str,
    headers: &HeaderMap,
) -> Result<Option<Visit>, ApiError> {
    same_site::check(headers, app.settings.server.public_url.as_deref())?;
    Ok(Visit::of(app, name, query, headers))
}

fn both(
    parts: Result<Path<(String, String)>, PathRejection>,
) -> Result<(String, String), ApiError> {
    parts
        .map(|Path(parts)| parts)
        .map_err(|_| ApiError::new(Kind::NotFound, "See /api/docs."))
}

/// Remembers a ticket, and forgets the pass of another one.
fn kept(app: &App, visit: &Visit, text: &str) -> Response {
    let cookies = Cookies::new(&app.settings.server);
    let ticket = cookies.set(Purpose::Ticket, visit.name(), text, visit.kept_s());
    back(visit, [ticket, cookies.clear(Purpose::Pass, visit.name())])
}

/// To the page, where the address bar says nothing secret.
fn back<const COOKIES: usize>(visit: &Visit, cookies: [HeaderValue; COOKIES]) -> Response {
    let mut response = see_other(&format!("{}{}", visit.path(), visit.query()));
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

fn noted(visit: &Visit, status: StatusCode, note: Note) -> Result<Response, ApiError> {
    let page = note::page(visit.language, &visit.path(), note);
    with_forms(status, &page)
}

fn is_called(app: &App, visit: &Visit) -> bool {
    let ticket = visit.ticket.as_ref();
    ticket.is_some_and(|(ticket, _)| {
        place_of(app, &visit.room, visit.now, ticket.id.seq).standing == "called"
    })
}

/// The page, with what went wrong where it does not say so itself.
fn told(
    app: &App,
    headers: &HeaderMap,
    visit: &Visit,
    error: ApiError,
) -> Result<Response, ApiError> {
    let notice = match error.kind() {
        Kind::NotYourTurn if is_called(app, visit) => Notice::Crowded,
        Kind::RoomFull => Notice::Full,
        Kind::ProofOfWorkRequired | Kind::ProofOfWorkInvalid => Notice::Work,
        Kind::NotYourTurn
        | Kind::RoomNotOpen
        | Kind::RoomClosed
        | Kind::SoldOut
        | Kind::TicketUsed
        | Kind::TicketInvalid => return Ok(back(visit, [])),
        _ => Notice::Later,
    };
    let page = page(app, headers, visit, Some(notice))?;
    Ok(as_refused(error, page))
}
