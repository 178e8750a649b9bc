//! `/`: what this is, which offices take part, when slots are released next.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use jiff::civil::Date;
use morgenruh_engine::rules::catalogue::Text;
use morgenruh_engine::rules::time::UnixMillis;

use crate::app::{App, AppState};
use crate::clock;
use crate::needs;
use crate::problem::{ApiError, Kind};
use crate::service_keys::Caller;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    De,
    DeLeicht,
    En,
}

impl Language {
    /// From `?lang=`; German where that says nothing we know.
    fn of(query: &str) -> Language {
        let lang = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "lang");
        match lang.as_ref().map(|(_, value)| &**value) {
            Some("en") => Language::En,
            Some("de-leicht") => Language::DeLeicht,
            _ => Language::De,
        }
    }

    fn choose(self, text: &Text) -> &str {
        match self {
            Language::De | Language::DeLeicht => &text.de,
            Language::En => &text.en,
        }
    }
}

#[derive(Template)]
#[template(path = "start.html")]
struct Page {
    language: Language,
    city: String,
    next: Option<NextRelease>,
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
                    name: language.choose(&office.name).to_owned(),
                    address: office.address.clone(),
                    services: office.offers.len(),
                    release: release.map_or_else(String::new, |at| {
                        let (date, time) = date_and_time(app, at, language);
                        format!("{date}, {time}")
                    }),
                }
            });
            Department {
                name: language.choose(&department.name).to_owned(),
                offices: offices.collect(),
            }
        });
    Page {
        language,
        city: language.choose(&catalogue.city.name).to_owned(),
        next: soonest.map(|at| {
            let (date, time) = date_and_time(app, at, language);
            NextRelease {
                date,
                time,
                soon: (at - now).0 < 600_000,
                offices: releases
                    .iter()
                    .filter(|(_, release)| *release == Some(at))
                    .count(),
            }
        }),
        departments: departments
            .filter(|department| !department.offices.is_empty())
            .collect(),
    }
}

const MONTHS: [&str; 12] = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
];

/// In words for people; seconds only where there are some (a demo).
fn date_and_time(app: &App, at: UnixMillis, language: Language) -> (String, String) {
    let zoned = at.to_jiff().to_zoned(app.catalogue().city.zone.clone());
    let seconds = zoned.second() != 0;
    let date: Date = zoned.date();
    match language {
        Language::En => (
            date.strftime("%-d %B %Y").to_string(),
            zoned
                .strftime(if seconds { "%H:%M:%S" } else { "%H:%M" })
                .to_string(),
        ),
        Language::De | Language::DeLeicht => {
            let month = usize::try_from(date.month())
                .ok()
                .and_then(|it| MONTHS.get(it - 1));
            let time = zoned.strftime(if seconds {
                "%-H:%M:%S Uhr"
            } else {
                "%-H:%M Uhr"
            });
            let month = month.copied().unwrap_or_default();
            (
                format!("{}. {month} {}", date.day(), date.year()),
                time.to_string(),
            )
        }
    }
}
