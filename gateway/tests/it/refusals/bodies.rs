//! Bodies that are not understood, from a missing bracket to ten megabytes of nothing.

use serde_json::{Value, json};

use super::refuse;
use crate::citizen::{HOLDS, one, seat};
use crate::http::Request;
use crate::support::Service;

fn text(body: &str) -> Request {
    Request::post(HOLDS).text(body)
}

fn bytes(body: &[u8]) -> Request {
    Request::post(HOLDS).bytes(body)
}

fn good(service: &Service) -> Value {
    serde_json::to_value(seat("mitte", "pass", &service.town().at(1, "08:00"))).unwrap()
}

/// A good body with one field changed or added.
fn with(service: &Service, field: &str, value: Value) -> Request {
    let mut body = good(service);
    body[field] = value;
    Request::post(HOLDS).json(&body)
}

#[test]
fn no_json() {
    let service = Service::start();
    let cases = [
        ("empty", text("")),
        ("half", text("{\"services\":")),
        ("a form", text("services=pass")),
        ("more after the end", text("{\"services\":[]}{}")),
        ("beyond all numbers", text("1e400")),
        ("NUL", bytes(b"{\"services\":[]\0}")),
        (
            "not UTF-8",
            bytes(b"{\"office\":\"\xff\xfe\",\"services\":[]}"),
        ),
        (
            "half a surrogate",
            text("{\"office\":\"\\ud800\",\"services\":[]}"),
        ),
        (
            "a line break in a text",
            text("{\"office\":\"a\nb\",\"services\":[]}"),
        ),
        ("noise", bytes(&noise(4_000))),
    ];
    refuse(&service, (400, "malformed-json", None), cases);
}

/// The same noise every time.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(count).collect()
}

#[test]
fn json_of_another_form() {
    let service = Service::start();
    let quantity = |json: &str| {
        text(&format!(
            "{{\"services\":[{{\"id\":\"pass\",\"quantity\":{json}}}]}}"
        ))
    };
    let cases = [
        ("nothing", text("null")),
        ("a list", text("[]")),
        ("a deep list", text(&"[".repeat(8_000))),
        (
            "a deep field",
            text(&format!("{{\"services\":{}", "[".repeat(8_000))),
        ),
        ("a field twice", text("{\"services\":[],\"services\":[]}")),
        ("a field that is not", with(&service, "priority", json!(1))),
        (
            "services in a text",
            with(&service, "services", json!("pass")),
        ),
        ("256 people", quantity("256")),
        ("people that are missing", quantity("-1")),
        ("one person and a half", quantity("1.5")),
        ("everybody", quantity("1e300")),
        ("a name for a number", quantity("\"2\"")),
    ];
    refuse(&service, (422, "invalid-request", None), cases);
}

#[test]
fn fields_that_contradict_each_other() {
    let service = Service::start();
    let start = service.town().at(1, "08:00");
    let starts = [
        ("no time", with(&service, "start", json!("morgen"))),
        ("no offset", with(&service, "start", json!(&start[..19]))),
        (
            "a long time",
            with(&service, "start", json!("2".repeat(10_000))),
        ),
    ];
    refuse(&service, (422, "invalid-request", Some("start")), starts);
    let bare = |mut body: Value| {
        body["services"] = json!(one("pass"));
        Request::post(HOLDS).json(&body)
    };
    let offices = [
        ("neither", bare(json!({}))),
        ("no start", bare(json!({ "office": "mitte" }))),
    ];
    refuse(&service, (422, "invalid-request", Some("office")), offices);
    let earliest = [
        (
            "a start and the earliest",
            with(&service, "earliest", json!(true)),
        ),
        (
            "a start at several offices",
            with(&service, "offices", json!(["mitte"])),
        ),
        ("a start and windows", with(&service, "windows", json!([]))),
    ];
    refuse(
        &service,
        (422, "invalid-request", Some("earliest")),
        earliest,
    );
}

#[test]
fn windows_that_are_none() {
    let service = Service::start();
    let windows = |list: Value| {
        let body = json!({ "services": one("pass"), "earliest": true, "windows": list });
        Request::post(HOLDS).json(&body)
    };
    let window = |from: &str, to: &str| windows(json!([{ "from": from, "to": to }]));
    let weekday = json!([{ "weekdays": ["mo"], "from": "08:00", "to": "09:00" }]);
    let cases = [
        ("none", windows(json!([]))),
        (
            "33",
            windows(json!(vec![json!({ "from": "08:00", "to": "09:00" }); 33])),
        ),
        ("a weekday that is not", windows(weekday)),
        ("an hour alone", window("8", "09:00")),
        ("25 o'clock", window("08:00", "25:00")),
        ("minute 60", window("08:60", "12:00")),
        ("a sign", window("+8:00", "12:00")),
        ("backwards", window("12:00", "08:00")),
        ("no time at all", window("08:00", "08:00")),
    ];
    refuse(&service, (422, "invalid-request", Some("windows")), cases);
}

#[test]
fn bodies_of_another_kind_or_size() {
    let service = Service::start();
    let body = serde_json::to_vec(&good(&service)).unwrap();
    let typed = |media_type: &str| {
        let request = Request::post(HOLDS).header("content-type", media_type);
        request.body(&body)
    };
    let kinds = [
        ("a form", typed("application/x-www-form-urlencoded")),
        ("text", typed("text/plain; charset=utf-8")),
        ("almost JSON", typed("application/jsonp")),
        ("it does not say", Request::post(HOLDS).body(&body)),
    ];
    refuse(&service, (415, "unsupported-media-type", None), kinds);
    let long = format!("{{\"office\":\"{}\"}}", "x".repeat(16_384));
    let sizes = [
        ("a little", text(&long)),
        ("ten megabytes", bytes(&vec![b' '; 10_000_000])),
    ];
    refuse(&service, (413, "body-too-large", None), sizes);
    service
        .send(&typed("Application/JSON; charset=utf-8"))
        .expect(201);
}
