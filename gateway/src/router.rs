//! The table of contents of the service: which address answers what.

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, any, get, post};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use crate::app::AppState;
use crate::handlers::waiting_page::forms;
use crate::handlers::{
    availability, bookings, catalogue, documentation, forward_auth, health, holds, metrics,
    releases, rooms, start_page, waiting_page, wish_page, wishes,
};
use crate::limits::{self, Action};
use crate::middleware::{self, Bounds};
use crate::problem::{ApiError, Kind};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Morgenruh",
        description = "Gives out a city's appointments, fairly and provably.\n\nThe usual course: \
                       look at the catalogue, ask for availability, hold a seat, turn the hold \
                       into a booking. Errors are problems (RFC 9457) with stable types.",
        license(name = "EUPL-1.2", identifier = "EUPL-1.2"),
    ),
    modifiers(&Security),
    tags(
        (name = "Catalogue", description = "Offices and services"),
        (name = "Availability", description = "What is bookable"),
        (name = "Holds", description = "A seat for some minutes"),
        (name = "Bookings", description = "A seat for good"),
        (name = "Wishes", description = "A place in line for what becomes free"),
        (name = "Waiting rooms", description = "A place in line before a release"),
    )
)]
struct Document;

struct Security;

impl Modify for Security {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_with(Default::default);
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "A hold's `token`, a booking's or a wish's `manage_token`, or a room's `ticket`",
            ))
            .build();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

/// The API below `/api/v1` and its description. Without an app there are no limits to put around
/// anything, and the description is all that is of use.
fn api(app: Option<&AppState>) -> (Router<AppState>, utoipa::openapi::OpenApi) {
    let limited = |action, call: UtoipaMethodRouter<AppState>| {
        let Some(app) = app else { return call };
        let (schemas, paths, methods) = call;
        let limit = from_fn_with_state((app.clone(), action), limits::limit);
        (schemas, paths, methods.route_layer(limit))
    };
    let calls = [
        // Catalogue
        routes!(catalogue::offices),
        routes!(catalogue::services),
        // Citizens
        routes!(availability::availability),
        routes!(releases::show),
        limited(Action::Hold, routes!(holds::create)),
        routes!(holds::extend),
        routes!(holds::release),
        limited(Action::Book, routes!(bookings::confirm)),
        routes!(bookings::show, bookings::cancel),
        routes!(bookings::relocate),
        routes!(bookings::calendar),
        limited(Action::Wish, routes!(wishes::lay)),
        limited(
            Action::Wish,
            routes!(wishes::look, wishes::change, wishes::withdraw),
        ),
        limited(Action::Wish, routes!(wishes::go_on::confirm)),
        limited(Action::Wish, routes!(wishes::go_on::give_back)),
        limited(Action::Book, routes!(wishes::offers::accept)),
        limited(Action::Wish, routes!(wishes::offers::decline)),
        // People who wait
        routes!(rooms::list),
        routes!(rooms::show),
        limited(Action::Join, routes!(rooms::tickets::join)),
        routes!(rooms::tickets::challenge),
        routes!(rooms::tickets::place, rooms::tickets::leave),
        routes!(rooms::passes::exchange),
        limited(Action::Wish, routes!(wishes::tickets::lay)),
        routes!(rooms::events::follow),
        routes!(rooms::proofs::draw),
        routes!(rooms::proofs::receipt),
    ];
    let api = OpenApiRouter::with_openapi(Document::openapi());
    let api = calls
        .into_iter()
        .fold(api, |api, call| api.routes(below(call)));
    api.split_for_parts()
}

/// The call below `/api/v1`. A nested router would take that off every request on its way in, for
/// some percent of what an answer costs.
fn below(
    (schemas, mut paths, methods): UtoipaMethodRouter<AppState>,
) -> UtoipaMethodRouter<AppState> {
    let calls = std::mem::take(&mut paths.paths).into_iter();
    paths.paths = calls
        .map(|(path, call)| (format!("/api/v1{path}"), call))
        .collect();
    (schemas, paths, methods)
}

/// The OpenAPI document, as JSON.
pub fn openapi() -> String {
    let (_, document) = api(None);
    document
        .to_pretty_json()
        .expect("a description of types is always JSON")
}

/// Everything on the public listener.
pub fn public(app: AppState) -> Router {
    let (api, document) = api(Some(&app));
    let of_wishes = |page: MethodRouter<AppState>| {
        let state = (app.clone(), Action::Wish);
        page.route_layer(from_fn_with_state(state, limits::limit))
    };
    let pages = [
        ("/", get(start_page::start_page)),
        ("/api/docs", get(documentation::page)),
        ("/api/openapi.json", get(documentation::openapi)),
        ("/problems/{slug}", get(documentation::problem)),
        ("/assets/verify-draw.js", get(waiting_page::draw::script)),
        ("/warteraum", get(waiting_page::list)),
        ("/warteraum/{room}", get(waiting_page::show)),
        ("/warteraum/{room}/auslosung", get(waiting_page::draw::page)),
        ("/warteraum/{room}/ticket", post(forms::join)),
        ("/warteraum/{room}/eintreten", post(forms::enter)),
        ("/warteraum/{room}/verlassen", post(forms::leave)),
        (
            "/warteraum/{room}/wunsch",
            get(waiting_page::wish::form).post(waiting_page::wish::lay),
        ),
        (
            "/warteraum/{room}/weiter/{ticket}",
            get(forms::offer).post(forms::adopt),
        ),
        ("/wunsch/{id}/{token}", of_wishes(get(wish_page::show))),
        (
            "/wunsch/{id}/{token}/annehmen",
            of_wishes(get(wish_page::show_offer).post(wish_page::accept)),
        ),
        (
            "/wunsch/{id}/{token}/ablehnen",
            of_wishes(get(wish_page::show_offer).post(wish_page::decline)),
        ),
        (
            "/wunsch/{id}/{token}/weiter",
            of_wishes(post(wish_page::confirm)),
        ),
        (
            "/wunsch/{id}/{token}/zurueckgeben",
            of_wishes(get(wish_page::ask_to_give_back).post(wish_page::give_back)),
        ),
        // Mail providers send what many people ask for from few addresses, but they do not look.
        (
            "/wunsch/{id}/{token}/zuruecknehmen",
            of_wishes(get(wish_page::ask_to_withdraw)).post(wish_page::withdraw),
        ),
        ("/termin/{id}/{token}", get(wish_page::booking::show)),
        (
            "/termin/{id}/{token}/termin.ics",
            get(wish_page::booking::calendar),
        ),
        (
            "/termin/{id}/{token}/absagen",
            post(wish_page::booking::cancel),
        ),
        ("/forward-auth/{room}", any(forward_auth::ask)),
        ("/healthz", get(health::healthz)),
        ("/readyz", get(health::readyz)),
    ];
    let calls: Vec<String> = document.paths.paths.into_keys().collect();
    finished("public", (api, calls), pages, app)
}

/// Everything on the listener for staff and operations.
pub fn admin(app: AppState) -> Router {
    let pages = [
        ("/healthz", get(health::healthz)),
        ("/readyz", get(health::readyz_in_detail)),
        ("/metrics", get(metrics::metrics)),
        ("/admin/conflicts", get(health::conflicts)),
        ("/admin/releases", get(releases::staff::list)),
        (
            "/admin/releases/{id}/dry-run",
            get(releases::forecast::dry_run),
        ),
        (
            "/admin/releases/{id}/publish",
            post(releases::staff::publish),
        ),
        ("/admin/releases/{id}/pause", post(releases::staff::pause)),
        ("/admin/releases/{id}/resume", post(releases::staff::resume)),
        (
            "/admin/releases/{id}/withdraw",
            post(releases::staff::withdraw),
        ),
        ("/admin/rooms", get(rooms::staff::list)),
        ("/admin/rooms/{id}/report", get(rooms::staff::report)),
        ("/admin/rooms/{id}/pause", post(rooms::staff::pause)),
        ("/admin/rooms/{id}/resume", post(rooms::staff::resume)),
        ("/admin/rooms/{id}/close", post(rooms::staff::close)),
        ("/admin/rooms/{id}/prefer", post(rooms::staff::prefer)),
        ("/admin/rooms/{id}/beacon", post(rooms::staff::beacon)),
    ];
    finished("admin", (Router::new(), Vec::new()), pages, app)
}

/// A router with further pages, and all that is around them. Takes the templates of the routes
/// that it has already: requests are counted by them.
fn finished<const PAGES: usize>(
    listener: &'static str,
    (mut router, mut templates): (Router<AppState>, Vec<String>),
    pages: [(&'static str, MethodRouter<AppState>); PAGES],
    app: AppState,
) -> Router {
    for (template, page) in pages {
        router = router.route(template, page);
        templates.push(template.to_owned());
    }
    let counter = app.traffic.counter(listener, templates);
    let bounds = bounds(&app);
    middleware::wrap(with_fallbacks(router).with_state(app), bounds, counter)
}

fn with_fallbacks(router: Router<AppState>) -> Router<AppState> {
    router
        .fallback(|| async { ApiError::new(Kind::NotFound, "See /api/docs.") })
        .method_not_allowed_fallback(|| async {
            ApiError::new(Kind::MethodNotAllowed, "See /api/docs.")
        })
}

fn bounds(app: &AppState) -> Bounds {
    let server = &app.settings.server;
    Bounds {
        timeout: std::time::Duration::from_millis(server.request_timeout_ms),
        body_bytes_max: server.body_bytes_max,
    }
}
