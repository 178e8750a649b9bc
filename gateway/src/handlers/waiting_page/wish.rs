//! A ticket for which nothing is left becomes a wish with one form, and keeps its place.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{FromRequest, RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use morgenruh_engine::rules::catalogue::{Catalogue, Office, RoomPolicy, Service, ServiceIndex};
use morgenruh_engine::rules::time::Millis;
use morgenruh_engine::rules::wish::OFFICES_MAX;
use morgenruh_engine::rules::wish::agent::{Known, Standing};
use morgenruh_engine::rules::wish::fact::Notify;
use morgenruh_wire as wire;

use super::note::{self, Note};
use super::{Visit, no_room};
use crate::app::{App, AppState};
use crate::client_address::ClientAddress;
use crate::extract::{Form, Segment};
use crate::handlers::pages::{as_refused, see_other, with_forms};
use crate::handlers::wish_page::links;
use crate::handlers::wishes::tickets::usable;
use crate::handlers::wishes::{being_written, lay_with_ticket, read};
use crate::language::Language;
use crate::limits::Action;
use crate::needs;
use crate::problem::{ApiError, Kind};
use crate::same_site;
use crate::service_keys::Caller;

/// What is wrong with what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Service,
    Name,
    Email,
    Phone,
    /// There are as many wishes as one person can have.
    TooMany,
    Later,
}

impl Fault {
    fn of(error: &ApiError) -> Fault {
        match error.kind() {
            Kind::NameInvalid => Fault::Name,
            Kind::EmailInvalid => Fault::Email,
            Kind::PhoneInvalid => Fault::Phone,
            Kind::WishesExhausted => Fault::TooMany,
            Kind::UnknownService
            | Kind::ServiceNotOffered
            | Kind::ServicesInvalid
            | Kind::QuantityOutOfRange
            | Kind::InvalidRequest
            | Kind::AnswerInvalid
            | Kind::VisitTooLong => Fault::Service,
            _ => Fault::Later,
        }
    }
}

/// How a seat that becomes free is to become theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Manner {
    /// Proposed, because no seat is lost while somebody is asked.
    #[default]
    AtOnce,
    Ask,
    /// Also about near seats, for whose answer there is little time.
    AskSoon,
}

impl Manner {
    /// As the form sends it; nothing is booked unasked for whoever says nothing.
    fn named(name: &str) -> Manner {
        match name {
            "at-once" => Manner::AtOnce,
            "ask-soon" => Manner::AskSoon,
            _ => Manner::Ask,
        }
    }
}

/// Lengths of time that the form tells, in words.
struct Times {
    /// From how far away on a seat is not near.
    near: String,
    /// The shortest time to answer for seats that are not near; for near ones; for today's.
    answer: String,
    answer_near: String,
    answer_same_day: String,
}

impl Times {
    fn of(app: &App, offices: &[&Office], language: Language) -> Times {
        let agent = &app.settings.agent;
        let notice = offices.iter().map(|office| office.notice_minutes).max();
        let answer = agent.answer_minutes_least(notice.unwrap_or(0));
        Times {
            near: language.span(agent.near_hours * 60),
            answer: language.span(answer),
            answer_near: language.span(agent.answer_minutes_near),
            answer_same_day: language.span(agent.answer_minutes_same_day),
        }
    }
}

/// What somebody has written into the form.
#[derive(Default)]
struct Written {
    service: String,
    name: String,
    email: String,
    phone: String,
    manner: Manner,
}

struct Choice {
    id: String,
    name: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "room_wish.html")]
struct Page {
    language: Language,
    path: String,
    room_path: String,
    query: String,
    name: String,
    services: Vec<Choice>,
    phone_required: bool,
    /// Whether the draw gives the seats to wishes.
    is_lottery: bool,
    /// Whether all that it gives is near: whoever is asked is asked about that as well.
    gives_near: bool,
    times: Times,
    /// Whether what was booked at once can be given back for another one.
    may_return: bool,
    fault: Option<Fault>,
    written: Written,
}

impl Page {
    fn of(app: &App, visit: &Visit, fault: Option<Fault>, written: Written) -> Page {
        let language = visit.language;
        let catalogue = app.catalogue();
        let offices = offices(app, visit);
        let document = &visit.document.room;
        Page {
            language,
            path: format!("{}/wunsch", visit.path()),
            room_path: visit.path(),
            query: visit.query(),
            name: language
                .choose(&document.name.de, &document.name.en)
                .to_owned(),
            services: served(catalogue, &offices)
                .map(|service| Choice {
                    id: service.id.clone(),
                    name: language
                        .choose(&service.name.de, &service.name.en)
                        .to_owned(),
                    chosen: service.id == written.service,
                })
                .collect(),
            is_lottery: visit
                .room
                .decide(|room| room.plan().terms.policy == RoomPolicy::Lottery),
            gives_near: gives_near(app, visit),
            times: Times::of(app, &offices, language),
            may_return: app.settings.agent.offers_max > 1,
            phone_required: offices.iter().any(|office| office.phone_required),
            fault,
            written,
        }
    }
}

/// Whether a lottery gives out nothing but near seats: who were asked about others only would get
/// none of them.
fn gives_near(app: &App, visit: &Visit) -> bool {
    let near = Millis::from_minutes(app.settings.agent.near_hours * 60);
    visit.room.decide(|room| {
        let plan = room.plan();
        let near = app.engine.date_of(plan.release_at + near);
        let is_lottery = plan.terms.policy == RoomPolicy::Lottery;
        is_lottery && plan.days.iter().all(|(_, date)| *date <= near)
    })
}

/// Whether a ticket here can become a wish by the form: there is a place, a way to write, and
/// something to wish for.
pub(super) fn is_possible(app: &App, visit: &Visit) -> bool {
    let usable = |id| usable(&visit.room, visit.now, id).is_ok();
    let ticket = visit.ticket.as_ref();
    let catalogue = app.catalogue();
    app.post.check(&Notify::Email).is_ok()
        && ticket.is_some_and(|(ticket, _)| usable(ticket.id))
        && served(catalogue, &offices(app, visit)).next().is_some()
}

/// What a ticket has become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wished {
    /// The page of the wish.
    pub(super) link: String,
    pub(super) stage: Stage,
}

/// How far the wish has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Waits {
        /// Whether a letter will tell of what there is for them.
        by_email: bool,
    },
    Paused,
    Offered,
    Booked,
    Ended,
}

impl Stage {
    fn of(known: &Known) -> Stage {
        match known.standing {
            Standing::Undrawn | Standing::Waiting | Standing::Deciding => Stage::Waits {
                by_email: known.contact.notify == Notify::Email,
            },
            Standing::Asleep => Stage::Paused,
            Standing::Offered(_) => Stage::Offered,
            Standing::Booked { .. } => Stage::Booked,
            Standing::Ended(_) => Stage::Ended,
        }
    }
}

/// The wish that this ticket has become.
pub(super) fn of_ticket(app: &App, visit: &Visit) -> Option<Wished> {
    let (ticket, _) = visit.ticket.as_ref()?;
    app.engine.look_at_wishes(|agent| {
        let id = agent.of_ticket(ticket.id)?;
        let known = agent.known(id)?;
        Some(Wished {
            link: links::wish(id, known.contact.secret, visit.language, ""),
            stage: Stage::of(known),
        })
    })
}

/// Its page.
fn link(app: &App, visit: &Visit) -> Option<String> {
    of_ticket(app, visit).map(|wished| wished.link)
}

/// The page of the room.
fn room(visit: &Visit) -> String {
    format!("{}{}", visit.path(), visit.query())
}

/// The offices of the room.
fn offices<'a>(app: &'a App, visit: &Visit) -> Vec<&'a Office> {
    let catalogue = app.catalogue();
    let ids = visit.document.room.offices.iter();
    let office = |id: &String| Some(catalogue.office(catalogue.office_by_id(id)?));
    ids.filter_map(office).collect()
}

/// Whether an office serves this and asks nothing that this form does not.
fn serves(office: &Office, service: ServiceIndex) -> bool {
    let asks = office.questions.iter().any(|question| {
        let is_meant = question.services.is_empty() || question.services.contains(&service);
        question.required && is_meant
    });
    office.offer(service).is_some() && !asks
}

/// What any of these offices serves.
fn served<'c>(
    catalogue: &'c Catalogue,
    offices: &'c [&Office],
) -> impl Iterator<Item = &'c Service> {
    let all = (0..).map(ServiceIndex).zip(&catalogue.services);
    let some = all.filter(|(index, _)| offices.iter().any(|office| serves(office, *index)));
    some.map(|(_, service)| service)
}

/// `GET /warteraum/{room}/wunsch`
pub(crate) async fn form(
    State(app): State<AppState>,
    Segment(name): Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let Some(visit) = Visit::of(&app, &name, &query, &headers) else {
        return no_room(&query);
    };
    if !is_possible(&app, &visit) || link(&app, &visit).is_some() {
        return Ok(see_other(&room(&visit)));
    }
    with_forms(
        StatusCode::OK,
        &Page::of(&app, &visit, None, Written::default()),
    )
}

/// `POST /warteraum/{room}/wunsch`
pub(crate) async fn lay(
    State(app): State<AppState>,
    Segment(name): Segment,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let headers = request.headers().clone();
    same_site::check(&headers, app.settings.server.public_url.as_deref())?;
    let Some(visit) = Visit::of(&app, &name, &query, &headers) else {
        return no_room(&query);
    };
    if let Some(link) = link(&app, &visit) {
        return Ok(see_other(&link));
    }
    let ticket = visit.ticket.as_ref().map(|(ticket, _)| ticket.id);
    let Some(ticket) = ticket.filter(|_| is_possible(&app, &visit)) else {
        return Ok(see_other(&room(&visit)));
    };
    let client = ClientAddress::of_request(&request, &app.settings.server.trusted_proxies);
    let limited = app.limits.check(Action::Wish, client);
    let Form(body) = Form::from_request(request, &()).await?;
    let written = written(&body);
    let laid = match limited {
        Err(refused) => Err(refused.into()),
        Ok(_) => match read::wish(
            &app,
            visit.now,
            Caller::PUBLIC,
            &wished(&app, &visit, &written),
        ) {
            Ok((wish, contact)) => lay_with_ticket(&app, visit.now, ticket, wish, contact).await,
            Err(error) => Err(error),
        },
    };
    let link = laid.and_then(|_| link(&app, &visit).ok_or_else(being_written));
    match link {
        Ok(link) => Ok(see_other(&link)),
        Err(error) if error.kind() == Kind::ConfirmationPending => {
            let page = note::page(visit.language, &visit.path(), Note::Moment);
            Ok(as_refused(error, with_forms(StatusCode::OK, &page)?))
        }
        Err(error) => {
            let page = Page::of(&app, &visit, Some(Fault::of(&error)), written);
            Ok(as_refused(error, with_forms(StatusCode::OK, &page)?))
        }
    }
}

fn written(body: &[u8]) -> Written {
    let mut written = Written {
        manner: Manner::Ask,
        ..Written::default()
    };
    for (name, value) in form_urlencoded::parse(body) {
        let value = value.into_owned();
        match &*name {
            "service" => written.service = value,
            "name" => written.name = value,
            "email" => written.email = value,
            "phone" => written.phone = value,
            "booking" => written.manner = Manner::named(&value),
            _ => {}
        }
    }
    written
}

/// The wish of the form: at the offices of the room, as many as a wish can have, at any time.
fn wished(app: &App, visit: &Visit, written: &Written) -> wire::WishRequest {
    let catalogue = app.catalogue();
    let service = vec![wire::ServiceQuantity {
        id: written.service.clone(),
        quantity: 1,
    }];
    let asked = needs::services(catalogue, &service).ok();
    let service_index = asked.and_then(|asked| asked.first().map(|(index, _)| *index));
    let offices = offices(app, visit).into_iter();
    let offices = offices.filter(|it| service_index.is_some_and(|index| serves(it, index)));
    let phone = Some(written.phone.clone()).filter(|phone| !phone.trim().is_empty());
    let asks_soon = match written.manner {
        Manner::AtOnce => false,
        Manner::Ask => gives_near(app, visit),
        Manner::AskSoon => true,
    };
    wire::WishRequest {
        services: service,
        offices: Some(offices.take(OFFICES_MAX).map(|it| it.id.clone()).collect()),
        windows: None,
        earliest: None,
        latest: None,
        notice_minutes: asks_soon.then_some(0),
        auto_accept: written.manner == Manner::AtOnce,
        instead_of: None,
        person: wire::Person {
            name: written.name.clone(),
            email: written.email.clone(),
            phone,
        },
        answers: BTreeMap::new(),
        language: Some(visit.language.code().to_owned()),
        notify: Some(wire::Notify::Email),
    }
}
