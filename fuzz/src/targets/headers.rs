//! Headers that mean something to us, with any value.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};

use crate::Verdict;
use crate::town::Town;

/// More headers in one input are left out.
const HEADERS_MAX: usize = 32;

/// Each line is a header, sent with one request of each kind.
pub(crate) fn headers(data: &[u8]) -> Verdict {
    Town::visit(|town| with_headers(town, data))
}

fn with_headers(town: &Town, data: &[u8]) -> Verdict {
    let data = town.fill(data);
    let lines = data.split(|byte| *byte == b'\n').take(HEADERS_MAX);
    let headers: HeaderMap = lines.filter_map(header_of).collect();
    let body =
        town.fill(br#"{"office":"mitte","services":[{"id":"pin","quantity":1}],"start":"@start"}"#);
    let mut booking_seen = false;
    let hold = format!("/api/v1/holds/{}", town.hold.id);
    let booking = format!("/api/v1/bookings/{}", town.booking.id);
    for (method, path, body) in [
        ("GET", "/", &b""[..]),
        ("GET", "/api/v1/offices", b""),
        ("GET", "/api/v1/availability?services=pass", b""),
        ("POST", "/api/v1/holds", &body),
        ("POST", "/api/v1/holds", &body),
        ("GET", &booking, b""),
        ("POST", &format!("{hold}/extend"), b""),
        ("DELETE", &hold, b""),
        ("DELETE", &booking, b""),
    ] {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .body(Body::from(body.to_vec()))
            .expect("the path is ours");
        if !body.is_empty() {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(header::CONTENT_TYPE, json);
        }
        request.headers_mut().extend(headers.clone());
        let answer = town.ask(request);
        booking_seen |= path == booking && answer.status == StatusCode::OK;
        if answer.status == StatusCode::NOT_MODIFIED {
            assert!(answer.body.is_empty());
            let text = |value: Option<&HeaderValue>| {
                let text = value.and_then(|it| it.to_str().ok());
                text.unwrap_or_default().trim().to_owned()
            };
            let asked = text(headers.get(header::IF_NONE_MATCH));
            let tag = text(answer.headers.get(header::ETAG));
            assert!(asked == "*" || asked.contains(&tag), "{asked}, {tag}");
        }
    }
    town.audit();
    Verdict::taken_if(booking_seen)
}

fn header_of(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    Some((name.try_into().ok()?, HeaderValue::from_bytes(value).ok()?))
}
