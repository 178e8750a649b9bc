//! What a citizen's client sends: bodies, paths and query strings.

use axum::body::Body;
use axum::http::{Request, StatusCode, Uri, header};
use jiff::Timestamp;
use morgenruh_engine::rules::ids::HoldToken;
use morgenruh_wire::{Availability, Booking, BookingRequest, Hold, HoldRequest, MoveRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Verdict;
use crate::text::lossy;
use crate::town::{Answer, Town};

/// Longest line of a calendar entry, in bytes (RFC 5545).
const CALENDAR_LINE_BYTES_MAX: usize = 75;

pub(crate) fn hold(data: &[u8]) -> Verdict {
    Town::visit(|town| hold_with(town, data))
}

fn hold_with(town: &Town, data: &[u8]) -> Verdict {
    let body = town.fill(data);
    let is_request = means_the_same_again::<HoldRequest>(&body);
    let answer = town.post("/api/v1/holds", &body);
    assert!(is_request || is_misformed(&answer), "{answer:?}");
    if answer.status == StatusCode::CREATED {
        let hold: Hold = answer.json();
        let token: HoldToken = token_of(&hold).parse().expect("a token can be read");
        assert_eq!(token.id.to_string(), hold.id);
        let lasts = time(&hold.start) < time(&hold.end);
        assert!(lasts && hold.extendable, "{hold:?}");
        let extended = bearing(
            town,
            "POST",
            &format!("/api/v1/holds/{}/extend", hold.id),
            &hold,
        );
        assert_eq!(extended.status, StatusCode::OK);
        let released = bearing(town, "DELETE", &format!("/api/v1/holds/{}", hold.id), &hold);
        assert_eq!(released.status, StatusCode::NO_CONTENT);
    }
    town.audit();
    answer.verdict()
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("times are written in RFC 3339")
}

fn token_of(hold: &Hold) -> &str {
    hold.token
        .as_deref()
        .expect("the first answer has the token")
}

fn bearing(town: &Town, method: &str, path: &str, hold: &Hold) -> Answer {
    with_token(town, method, path, token_of(hold))
}

fn with_token(town: &Town, method: &str, path: &str, token: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Body::empty());
    town.ask(request.expect("the path and the token are ours"))
}

pub(crate) fn booking(data: &[u8]) -> Verdict {
    Town::visit(|town| book_with(town, data))
}

fn book_with(town: &Town, data: &[u8]) -> Verdict {
    let body = town.fill(data);
    let is_request = means_the_same_again::<BookingRequest>(&body);
    let answer = town.post("/api/v1/bookings", &body);
    assert!(is_request || is_misformed(&answer), "{answer:?}");
    if answer.status == StatusCode::CREATED {
        let booking: Booking = answer.json();
        let manage = booking
            .manage_token
            .as_deref()
            .expect("the first answer has the token");
        let path = format!("/api/v1/bookings/{}", booking.id);
        let shown: Booking = with_token(town, "GET", &path, manage).json();
        assert_eq!(
            shown,
            Booking {
                manage_token: None,
                ..booking.clone()
            }
        );
        let again: Booking = town.post("/api/v1/bookings", &body).json();
        assert_eq!(again, booking, "a repetition gets the same answer");
        let calendar = with_token(town, "GET", &format!("{path}/calendar.ics"), manage);
        assert_calendar(&calendar);
    }
    town.audit();
    answer.verdict()
}

fn assert_calendar(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::OK);
    let text = lossy(&answer.body);
    let lines = text.strip_suffix("\r\n").expect("lines end with CR and LF");
    for line in lines.split("\r\n") {
        let fits = line.len() <= CALENDAR_LINE_BYTES_MAX;
        assert!(fits && !line.chars().any(char::is_control), "{line:?}");
    }
}

pub(crate) fn relocation(data: &[u8]) -> Verdict {
    Town::visit(|town| move_with(town, data))
}

fn move_with(town: &Town, data: &[u8]) -> Verdict {
    let body = town.fill(data);
    let is_request = means_the_same_again::<MoveRequest>(&body);
    let manage = town
        .booking
        .manage_token
        .as_deref()
        .expect("it was confirmed a moment ago");
    let request = Request::post(format!("/api/v1/bookings/{}/move", town.booking.id))
        .header(header::AUTHORIZATION, format!("Bearer {manage}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body))
        .expect("the path and the token are ours");
    let answer = town.ask(request);
    assert!(is_request || is_misformed(&answer), "{answer:?}");
    if answer.status == StatusCode::OK {
        let moved: Booking = answer.json();
        assert_eq!(moved.id, town.booking.id, "a booking keeps its id for life");
        assert_eq!((moved.start, moved.sequence), (town.hold.start.clone(), 1));
    }
    town.audit();
    answer.verdict()
}

/// The variable part of every path that has one, with the token that belongs to a hold and with
/// the one that belongs to a booking.
pub(crate) fn path(data: &[u8]) -> Verdict {
    Town::visit(|town| along(town, data))
}

fn along(town: &Town, data: &[u8]) -> Verdict {
    let part = town.fill(data);
    let part = lossy(&part);
    let mut verdict = Verdict::Refused;
    for (method, path) in [
        ("GET", format!("/api/v1/bookings/{part}")),
        ("GET", format!("/api/v1/bookings/{part}/calendar.ics")),
        ("POST", format!("/api/v1/holds/{part}/extend")),
        ("DELETE", format!("/api/v1/holds/{part}")),
        ("DELETE", format!("/api/v1/bookings/{part}")),
        ("GET", format!("/problems/{part}")),
        ("GET", part.clone().into_owned()),
    ] {
        let Ok(uri) = path.parse::<Uri>() else {
            continue;
        };
        let tokens = [&town.hold.token, &town.booking.manage_token];
        for token in tokens.into_iter().flatten() {
            let request = Request::builder()
                .method(method)
                .uri(uri.clone())
                .header(header::AUTHORIZATION, format!("Bearer {token}"));
            let request = request.body(Body::empty());
            let answer = town.ask(request.expect("all parts are well formed"));
            if answer.verdict() == Verdict::Taken {
                verdict = Verdict::Taken;
            }
        }
    }
    town.audit();
    verdict
}

pub(crate) fn availability_query(data: &[u8]) -> Verdict {
    Town::visit(|town| {
        let query = town.fill(data);
        let answer = ask_with_query(town, "/api/v1/availability", &query);
        let Some(answer) = answer.filter(|answer| answer.status == StatusCode::OK) else {
            return Verdict::Refused;
        };
        assert_available(&answer.json());
        let again = ask_with_query(town, "/api/v1/availability", &query);
        assert_eq!(again.map(|answer| answer.body), Some(answer.body));
        Verdict::Taken
    })
}

fn assert_available(available: &Availability) {
    let dates: Vec<_> = available.days.iter().map(|day| &day.date).collect();
    assert!(dates.is_sorted(), "{dates:?}");
    for day in &available.days {
        let starts = day.starts.iter();
        let starts: Vec<Timestamp> = starts.map(|start| time(&start.start)).collect();
        assert!(starts.is_sorted(), "{day:?}");
        for start in &day.starts {
            assert!(start.start.starts_with(&day.date), "{day:?}");
            assert!((1..=2).contains(&start.free), "{day:?}");
        }
    }
}

pub(crate) fn page_query(data: &[u8]) -> Verdict {
    Town::visit(|town| {
        let answer = ask_with_query(town, "/", &town.fill(data));
        let Some(answer) = answer else {
            return Verdict::Refused;
        };
        assert_eq!(answer.status, StatusCode::OK, "the page is for everybody");
        Verdict::Taken
    })
}

/// Asks with the query as it is, or percent-encoded where it cannot stand in an address.
fn ask_with_query(town: &Town, path: &str, query: &[u8]) -> Option<Answer> {
    let plain = std::str::from_utf8(query).ok();
    let plain = plain.and_then(|query| format!("{path}?{query}").parse::<Uri>().ok());
    let encoded = || {
        let query: String = query
            .split(|byte| *byte == b'&')
            .map(|pair| form_urlencoded::byte_serialize(pair).collect::<String>())
            .collect::<Vec<_>>()
            .join("&");
        format!("{path}?{query}").parse::<Uri>().ok()
    };
    let request = Request::get(plain.or_else(encoded)?).body(Body::empty());
    Some(town.ask(request.expect("the address is well formed")))
}

/// Whether the body is what the type says; if so, writing and reading it changes nothing.
fn means_the_same_again<T: Serialize + DeserializeOwned>(body: &[u8]) -> bool {
    let Ok(request) = serde_json::from_slice::<T>(body) else {
        return false;
    };
    let text = serde_json::to_string(&request).expect("what was JSON is JSON");
    let again: T = serde_json::from_str(&text).expect("what we write we can read");
    assert_eq!(serde_json::to_string(&again).ok(), Some(text));
    true
}

fn is_misformed(answer: &Answer) -> bool {
    let known = [StatusCode::BAD_REQUEST, StatusCode::UNPROCESSABLE_ENTITY];
    known.contains(&answer.status) || answer.status == StatusCode::PAYLOAD_TOO_LARGE
}
