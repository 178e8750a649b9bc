//! Questions for availability that are not understood, or that nobody can answer.

use super::refuse;
use crate::http::Request;
use crate::support::Service;

fn ask(query: &str) -> Request {
    Request::get(&format!("/api/v1/availability?{query}"))
}

#[test]
fn queries_that_are_not_understood() {
    let service = Service::start();
    let refuse = |field, cases: &[&'static str]| {
        let cases = cases.iter().map(|query| (*query, ask(query)));
        refuse(&service, (400, "invalid-query", field), cases);
    };
    refuse(
        Some("services"),
        &[
            "",
            "services=pass:x",
            "services=pass:256",
            "services=pass:-1",
        ],
    );
    refuse(
        Some("from"),
        &["services=pass&from=morgen", "services=pass&from="],
    );
    refuse(
        Some("to"),
        &[
            "services=pass&to=2027-02-30",
            "services=pass&to=10000-01-01",
        ],
    );
    refuse(Some("to"), &["services=pass&from=2026-12-10&to=2026-12-01"]);
    refuse(Some("sort"), &["services=pass&sort=asc"]);
}

#[test]
fn queries_that_are_too_long() {
    let service = Service::start();
    let (near, far) = (service.town().day(1), service.town().day(63));
    let range = ask(&format!("services=pass&from={near}&to={far}"));
    refuse(
        &service,
        (400, "invalid-query", Some("to")),
        [("63 days", range)],
    );
    let query = ask(&format!("services=pass&office={}", "x".repeat(5_000)));
    refuse(
        &service,
        (400, "invalid-query", None),
        [("5,000 letters", query)],
    );
}

#[test]
fn questions_for_what_is_not_there() {
    let service = Service::start();
    let refuse = |slug, field, cases: &[&'static str]| {
        let cases = cases.iter().map(|query| (*query, ask(query)));
        refuse(&service, (422, slug, Some(field)), cases);
    };
    let offices = [
        "services=pass&office=nirgends",
        "services=pass&office=mitte&office=probe",
    ];
    refuse("unknown-office", "office", &offices);
    refuse(
        "unknown-service",
        "services[0].id",
        &["services=", "services=%00%ff"],
    );
    refuse("service-not-offered", "services", &["services=fund"]);
    refuse(
        "quantity-out-of-range",
        "services",
        &["services=pass:0", "services=pass:3"],
    );
    refuse(
        "services-invalid",
        "services",
        &["services=pass,pass,pass,pass,pass,pass,pass"],
    );
}

/// The past and the far future are understood: there is nothing in them.
#[test]
fn days_on_which_nothing_is() {
    let service = Service::start();
    for range in [
        "from=0001-01-01&to=0001-01-02",
        "from=9999-12-30&to=9999-12-31",
    ] {
        let answer = service.send(&ask(&format!("services=pass&{range}")));
        assert_eq!(answer.expect(200).text(), "{\"days\":[]}");
    }
}
