//! Requests that are wrong as HTTP: addresses, methods, and messages that two readers could read
//! differently. What is unclear is refused outright, and the connection with it.

use std::io::{Read, Write};
use std::net::Shutdown;

use super::{refuse, state};
use crate::citizen::{BOOKINGS, HOLDS, seat};
use crate::http::{Answer, Request, connect, talk};
use crate::support::Service;

#[test]
fn addresses_that_are_not() {
    let service = Service::start();
    let addresses = [
        "/api",
        "/api/",
        "/api/v1",
        "/api/v2/offices",
        "/api/v1/offices/",
        "/api/v1/offices;x=1",
        "/API/V1/OFFICES",
        "//api/v1/offices",
        "/api/v1/../../offices",
        "/../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/api/v1/%6fffices%00",
        "/api/v1/holds/a/b/c",
        "/api/v1/bookings/%ff",
        "/api/v1/bookings/%c3%28/calendar.ics",
        "/problems/%ff",
        "/problems/nothing",
        "/problems/..%2f",
        "/admin",
        "/admin/conflicts",
        "/.env",
        "/favicon.ico",
    ];
    let cases = addresses.map(|address| (address, Request::get(address)));
    refuse(&service, (404, "not-found", None), cases);
}

#[test]
fn methods_that_are_not() {
    let service = Service::start();
    let calls = [
        ("POST", "/"),
        ("TRACE", "/"),
        ("TRACE", "/api/v1/offices"),
        ("DELETE", "/api/v1/offices"),
        ("CONNECT", "/api/v1/services"),
        ("BREW", "/api/v1/services"),
        ("GET", HOLDS),
        ("PUT", HOLDS),
        ("OPTIONS", HOLDS),
        ("PATCH", BOOKINGS),
        ("GET", "/api/v1/holds/x/extend"),
    ];
    let cases = calls.map(|(method, address)| (method, Request::new(method, address)));
    refuse(&service, (405, "method-not-allowed", None), cases);
    let allowed = service.send(&Request::new("PUT", HOLDS));
    assert_eq!(allowed.header("allow"), Some("POST"));
}

/// A second request is hidden behind each of these. At most one answer comes back, and it is no.
#[test]
fn messages_that_two_readers_could_read_differently() {
    let service = Service::start();
    let before = state(&service);
    let body = good(&service);
    let length = body.len();
    let hidden = "GET /api/v1/offices HTTP/1.1\r\nhost: x\r\n\r\n";
    let post = |headers: &str| {
        let head = "POST /api/v1/holds HTTP/1.1\r\nhost: x\r\ncontent-type: application/json";
        format!("{head}\r\n{headers}\r\n\r\n{body}{hidden}")
    };
    let get = |headers: &str| format!("GET / HTTP/1.1\r\nhost: x\r\n{headers}\r\n\r\n{hidden}");
    let lengths = format!("content-length: {length}\r\ncontent-length: 5");
    let flood: Vec<String> = (0..200).map(|number| format!("x-{number}: y")).collect();
    let old = "POST /api/v1/holds HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    for (what, raw) in [
        ("two lengths", post(&lengths)),
        (
            "a list of lengths",
            post(&format!("content-length: 5, {length}")),
        ),
        (
            "a length with a sign",
            post(&format!("content-length: +{length}")),
        ),
        ("a negative length", post("content-length: -1")),
        (
            "a length beyond all numbers",
            post("content-length: 99999999999999999999"),
        ),
        (
            "an unknown encoding",
            post("transfer-encoding: chunked, gzip"),
        ),
        ("chunks before their time", format!("{old}{hidden}")),
        (
            "a blank before the colon",
            post(&format!("content-length : {length}")),
        ),
        ("a folded header", get("x: a\r\n content-length: 5")),
        ("NUL in a header", get("x: a\0b")),
        ("half a line break", get("x: a\rb: c")),
        ("200 headers", get(&flood.join("\r\n"))),
        (
            "a head of 20 KB",
            get(&format!("x: {}", "y".repeat(20_000))),
        ),
        (
            "an address of 70 KB",
            format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "y".repeat(70_000)),
        ),
        (
            "a version that is not",
            format!("GET / HTTP/3.0\r\nhost: x\r\n\r\n{hidden}"),
        ),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        ("TLS", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}".to_owned()),
    ] {
        let heard = String::from_utf8(talk(service.public, raw.as_bytes()).unwrap()).unwrap();
        let statuses: Vec<&str> = heard
            .split("HTTP/1.1 ")
            .skip(1)
            .filter_map(|answer| answer.get(..3))
            .collect();
        assert!(statuses.len() <= 1, "{what}: more than one answer: {heard}");
        assert!(
            statuses.iter().all(|status| status.starts_with('4')),
            "{what}: {heard}"
        );
    }
    assert!(state(&service) == before);
    service.send(&Request::get("/healthz")).expect(200);
}

/// A length and chunks at once: either it is refused, or it is read by the chunks and the
/// connection ends there (RFC 9112, 6.1).
#[test]
fn a_length_and_chunks_hide_nothing() {
    let service = Service::start();
    let body = good(&service);
    let hidden = "GET /api/v1/offices HTTP/1.1\r\nhost: x\r\n\r\n";
    for headers in [
        "content-length: 5\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 5",
    ] {
        let raw = format!(
            "POST /api/v1/holds HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{headers}\
             \r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n{hidden}",
            body.len(),
        );
        let heard = String::from_utf8(talk(service.public, raw.as_bytes()).unwrap()).unwrap();
        assert_eq!(heard.matches("HTTP/1.1 ").count(), 1, "{heard}");
    }
}

/// Chunked bodies are read to their end and no further.
#[test]
fn chunked_bodies() {
    let service = Service::start();
    let body = good(&service);
    let say = |rest: &str| {
        let head = "POST /api/v1/holds HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                    content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
        let heard = talk(service.public, format!("{head}{rest}").as_bytes()).unwrap();
        Answer::parse(&heard)
    };
    let before = state(&service);
    let chunk = format!("1000\r\n{}\r\n", "y".repeat(4_096));
    for (what, rest, status) in [
        ("no number", "zz\r\nx\r\n0\r\n\r\n".to_owned(), 400),
        (
            "a number beyond all",
            "ffffffffffffffffff\r\nx\r\n0\r\n\r\n".to_owned(),
            400,
        ),
        ("no end", chunk.repeat(10), 413),
        (
            "longer than it says",
            format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len() - 7),
            400,
        ),
        (
            "a long remark",
            format!("1;{}\r\n{{\r\n0\r\n\r\n", "x".repeat(100_000)),
            400,
        ),
    ] {
        if let Some(answer) = say(&rest) {
            assert_eq!(answer.status, status, "{what}: {}", answer.text());
        }
        assert!(state(&service) == before, "{what}");
    }
    let (first, second) = body.split_at(10);
    let two = format!(
        "a\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        second.len()
    );
    say(&two).unwrap().expect(201);
}

/// Good requests with bytes changed, left out, doubled and cut off, the same ones every time: the
/// service says no, or understands something harmless, and goes on.
#[test]
fn rubbish() {
    let service = Service::start();
    let body = good(&service);
    let hold = Request::post(HOLDS).text(&body);
    let hold = [hold.head().as_bytes(), hold.content()].concat();
    let see = Request::get("/api/v1/availability?services=pass:1&office=mitte").head();
    let mut dice = 7_u64;
    let mut roll = |sides: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (dice >> 33) as usize % sides
    };
    for round in 0..400 {
        let mut bytes = if round % 2 == 0 {
            hold.clone()
        } else {
            see.clone().into_bytes()
        };
        for _ in 0..=roll(3) {
            let at = roll(bytes.len());
            match roll(5) {
                0 => bytes[at] = roll(256) as u8,
                1 if bytes.len() > 1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, b"\0\r\n:\" %{\xff"[roll(9)]),
                3 => bytes.extend_from_within(..at),
                _ => bytes.truncate(at + 1),
            }
        }
        let heard = talk_briefly(&service, &bytes);
        let text = String::from_utf8_lossy(&heard);
        for answer in text.split("HTTP/1.1 ").skip(1) {
            assert!(matches!(&answer[..1], "2" | "4"), "round {round}: {text}");
        }
    }
    assert!(
        !service.home().log().contains("panicked"),
        "{}",
        service.home().log()
    );
    service.send(&Request::get("/readyz")).expect(200);
    service.stop().verify();
}

/// Says something and hangs up on its side, so that nobody waits for the rest of it.
fn talk_briefly(service: &Service, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(service.public).unwrap();
    let mut heard = Vec::new();
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.read_to_end(&mut heard);
    heard
}

/// The body of a hold that could be had.
fn good(service: &Service) -> String {
    let start = service.town().at(1, "08:00");
    serde_json::to_string(&seat("mitte", "pass", &start)).unwrap()
}
