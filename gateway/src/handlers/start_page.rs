//! `/`: what this is, which offices take part, when slots are released next.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use morgenruh_engine::rules::time::UnixMillis;

use crate::app::{App, AppState};
use crate::clock;
use crate::language::Language;
use crate::needs;
use crate::problem::{ApiError, Kind};
use crate::service_keys::Caller;

#[derive(Template)]
#[template(path = "start.html")]
struct Page {
    language: Language,
    path: &'static str,
    city: String,
    next: Option<NextRelease>,
    /// Whether there are waiting rooms.
    rooms: bool,
    departments: Vec<Department>,
}

struct NextRelease {
    date: String,
    time: String,
    /// Whether it is so near that seconds matter.
    soon: bool,
    offices: usize,
}

struct Department {
    name: String,
    offices: Vec<Office>,
}

struct Office {
    name: String,
    address: String,
    services: usize,
    /// Date and time of the next release; empty where all is open.
    release: String,
}

/// `GET /`
pub(crate) async fn start_page(
    State(app): State<AppState>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let language = Language::of(query.as_deref().unwrap_or_default());
    let page = page(&app, clock::now(), language);
    let html = page.render().map_err(|error| {
        tracing::error!(%error, "the start page cannot be rendered");
        ApiError::new(Kind::Internal, "Try again later.")
    })?;
    let cache = [(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=5"),
    )];
    Ok((cache, Html(html)).into_response())
}

fn page(app: &App, now: UnixMillis, language: Language) -> Page {
    let catalogue = app.catalogue();
    let zone = &catalogue.city.zone;
    let offices = needs::offices(catalogue, Caller::PUBLIC);
    let releases: Vec<_> = offices
        .iter()
        .map(|index| {
            (
                *index,
                app.engine.next_release(now, *index).map(|(at, _)| at),
            )
        })
        .collect();
    let soonest = releases.iter().filter_map(|(_, at)| *at).min();
    let departments = catalogue
        .departments
        .iter()
        .enumerate()
        .map(|(position, department)| {
            let offices = releases
                .iter()
                .filter(|(index, _)| catalogue.office(*index).department == position);
            let offices = offices.map(|(index, release)| {
                let office = catalogue.office(*index);
                Office {
                    name: language.choose(&office.name.de, &office.name.en).to_owned(),
                    address: office.address.clone(),
                    services: office.offers.len(),
                    release: release.map_or_else(String::new, |at| {
                        format!("{}, {}", language.date(zone, at), language.time(zone, at))
                    }),
                }
            });
            Department {
                name: language
                    .choose(&department.name.de, &department.name.en)
                    .to_owned(),
                offices: offices.collect(),
            }
        });
    let city = &catalogue.city.name;
    Page {
        language,
        path: "/",
        city: language.choose(&city.de, &city.en).to_owned(),
        rooms: !app.rooms.is_empty(),
        next: soonest.map(|at| NextRelease {
            date: language.date(zone, at),
            time: language.time(zone, at),
            soon: (at - now).0 < 600_000,
            offices: releases
                .iter()
                .filter(|(_, release)| *release == Some(at))
                .count(),
        }),
        departments: departments
            .filter(|department| !department.offices.is_empty())
            .collect(),
    }
}
