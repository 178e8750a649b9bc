//! Everything that is refused: with which status and type, at which field, and without a trace.

mod bodies;
mod bookings;
mod holds;
mod people;
mod protocol;
mod queries;
mod visits;

use morgenruh_wire::HoldRequest;

use crate::citizen::{HOLDS, one, seat};
use crate::http::Request;
use crate::support::Service;

/// Status, type and field of a refusal.
type Refusal = (u16, &'static str, Option<&'static str>);

/// Sends every request, each of which must be refused like this, and looks whether any of them
/// left something behind.
#[track_caller]
fn refuse<'a>(
    service: &Service,
    refusal: Refusal,
    cases: impl IntoIterator<Item = (&'a str, Request)>,
) {
    settle(service);
    let before = state(service);
    for (what, request) in cases {
        let answer = service.send(&request);
        let (problem, slug) = (answer.problem(), answer.slug());
        let said = (answer.status, slug.as_str(), problem.field.as_deref());
        assert_eq!(said, refusal, "{what}: {problem:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
        for inside in ["src/", ".rs", "morgenruh_", "SELECT", "panicked"] {
            assert!(
                !problem.detail.contains(inside),
                "{what} tells too much: {problem:?}"
            );
        }
        assert!(
            state(service) == before,
            "{what}: it was refused and did something"
        );
    }
}

/// Holds are written a moment after their answer; once a later confirmation is acknowledged, they
/// are.
#[track_caller]
fn settle(service: &Service) {
    let ask = HoldRequest {
        services: one("pin"),
        earliest: true,
        offices: Some(vec!["gross".to_owned()]),
        ..HoldRequest::default()
    };
    let hold = service.send(&Request::post(HOLDS).json(&ask));
    service.citizen().book(&hold.expect(201).json());
}

/// What is free, and how many facts there are. Only days and offices where time alone changes
/// nothing while a test runs.
fn state(service: &Service) -> (Vec<u8>, u64) {
    let from = service.town().day(1);
    let offices = ["mitte", "einzel", "siegel", "quote", "fragen", "gross"];
    let offices: String = offices.map(|id| format!("&office={id}")).concat();
    let query = format!("services=pass&from={from}{offices}");
    let free = service.send(&Request::get(&format!("/api/v1/availability?{query}")));
    (free.expect(200).body.clone(), service.home().verify().facts)
}

/// A hold that could be had, changed in one respect.
fn hold_with(service: &Service, change: impl FnOnce(&mut HoldRequest)) -> Request {
    let mut request = seat("mitte", "pass", &service.town().at(1, "08:00"));
    change(&mut request);
    Request::post(HOLDS).json(&request)
}
