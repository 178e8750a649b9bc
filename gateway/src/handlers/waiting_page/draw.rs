//! The page on which a browser works a draw out again, and the script that does it.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::{Visit, guard, html, no_room, nonce};
use crate::app::AppState;
use crate::extract::Segment;
use crate::language::Language;
use crate::problem::ApiError;

const SCRIPT: &str = include_str!("../../../assets/verify-draw.js");

/// One thing that is worked out again, as the script names it.
struct Step {
    name: &'static str,
    /// Whether it is about the visitor's own ticket.
    own: bool,
    de: &'static str,
    leicht: &'static str,
    en: &'static str,
}

const STEPS: [Step; 7] = [
    Step {
        name: "form",
        own: false,
        de: "Der Beweis ist vollständig",
        leicht: "Alle Angaben sind da",
        en: "The proof is complete",
    },
    Step {
        name: "receipt",
        own: true,
        de: "Ihre Wartenummer war bei der Auslosung dabei",
        leicht: "Ihre Warte-Nummer war bei der Auslosung dabei",
        en: "Your ticket was in the draw",
    },
    Step {
        name: "commitment",
        own: false,
        de: "Geheimnis und Regeln sind die, deren Fingerabdruck vorher veröffentlicht war",
        leicht: "Die geheime Zahl und die Regeln waren vorher schon so",
        en: "Secret and rules are those whose fingerprint was published before",
    },
    Step {
        name: "nonce",
        own: true,
        de: "Ihre Wartenummer wurde aus diesem Geheimnis gemacht",
        leicht: "Ihre Warte-Nummer kommt von dieser geheimen Zahl",
        en: "Your ticket was made from this secret",
    },
    Step {
        name: "root",
        own: false,
        de: "Alle Wartenummern zusammen ergeben die veröffentlichte Wurzel",
        leicht: "Keine Warte-Nummer fehlt und keine ist zu viel",
        en: "All tickets together give the root that is published",
    },
    Step {
        name: "seed",
        own: false,
        de: "Daraus folgt der Startwert der Auslosung",
        leicht: "Damit beginnt die Auslosung",
        en: "The seed of the draw follows from them",
    },
    Step {
        name: "place",
        own: true,
        de: "Ihr ausgeloster Platz",
        leicht: "Ihr Platz aus der Auslosung",
        en: "Your place in the draw",
    },
];

#[derive(Template)]
#[template(path = "draw.html")]
struct Page {
    language: Language,
    path: String,
    room_path: String,
    query: String,
    nonce: String,
    room: String,
    name: String,
    is_drawn: bool,
    has_receipt: bool,
    steps: &'static [Step],
}

/// `GET /warteraum/{room}/auslosung`
pub(crate) async fn page(
    State(app): State<AppState>,
    Segment(name): Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let Some(visit) = Visit::of(&app, &name, &query, &headers) else {
        return no_room(&query);
    };
    let document = &visit.document.room;
    let seq = visit.ticket.as_ref().map(|(ticket, _)| ticket.id.seq);
    let drawn = document.draw.as_ref().filter(|drawn| drawn.seed.is_some());
    let nonce = nonce()?;
    let page = Page {
        language: visit.language,
        path: format!("{}/auslosung", visit.path()),
        room_path: visit.path(),
        query: visit.query(),
        nonce: nonce.clone(),
        room: document.id.clone(),
        name: visit
            .language
            .choose(&document.name.de, &document.name.en)
            .to_owned(),
        is_drawn: drawn.is_some(),
        has_receipt: seq
            .zip(drawn)
            .is_some_and(|(seq, drawn)| seq < drawn.tickets),
        steps: &STEPS,
    };
    let mut response = html(&page)?.into_response();
    guard(response.headers_mut(), &nonce);
    Ok(response)
}

/// `GET /assets/verify-draw.js`
pub(crate) async fn script() -> Response {
    let javascript = HeaderValue::from_static("text/javascript; charset=utf-8");
    let cache = HeaderValue::from_static("public, max-age=300");
    let headers = [
        (header::CONTENT_TYPE, javascript),
        (header::CACHE_CONTROL, cache),
    ];
    (headers, SCRIPT).into_response()
}
