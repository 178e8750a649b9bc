//! Visits that cannot be: services, offices and starts.

use morgenruh_wire::ServiceQuantity;
use serde_json::json;

use super::{hold_with, refuse};
use crate::citizen::{HOLDS, one, seat};
use crate::http::Request;
use crate::support::Service;

fn services(list: &[(&str, u8)]) -> Vec<ServiceQuantity> {
    let item = |(id, quantity): &(&str, u8)| ServiceQuantity {
        id: (*id).to_owned(),
        quantity: *quantity,
    };
    list.iter().map(item).collect()
}

#[test]
fn offices_that_are_not_there() {
    let service = Service::start();
    let at = |office: &str| hold_with(&service, |it| it.office = Some(office.to_owned()));
    let cases = [
        ("no office", at("nirgends")),
        ("an empty name", at("")),
        ("another case", at("Mitte")),
        ("under test", at("probe")),
        ("switched off", at("aus")),
    ];
    refuse(&service, (422, "unknown-office", Some("office")), cases);
}

#[test]
fn services_that_do_not_fit() {
    let service = Service::start();
    let seven: &[(&str, u8)] = &[("pass", 1); 7];
    let unknown = ("unknown-service", "services[0].id");
    let second = ("unknown-service", "services[1].id");
    let invalid = ("services-invalid", "services");
    let quantity = ("quantity-out-of-range", "services");
    for (list, (slug, field)) in [
        (&[("passs", 1)][..], unknown),
        (&[("", 1)], unknown),
        (&[("pin", 1), ("pass\0", 1)], second),
        (&[("fund", 1)], ("service-not-offered", "services")),
        (&[], invalid),
        (&[("pass", 1), ("pass", 1)], invalid),
        (seven, invalid),
        (&[("pass", 0)], quantity),
        (&[("pass", 3)], quantity),
        (&[("pass", 255)], quantity),
        (
            &[("pass", 1), ("trauung", 1)],
            ("services-not-combinable", "services"),
        ),
        (&[("umzug", 4)], ("visit-too-long", "services")),
    ] {
        let request = hold_with(&service, |it| it.services = services(list));
        let what = format!("{list:?}");
        refuse(
            &service,
            (422, slug, Some(field)),
            [(what.as_str(), request)],
        );
    }
}

#[test]
fn starts_that_cannot_be_had() {
    let service = Service::start();
    let (citizen, town) = (service.citizen(), service.town());
    let taken = town.at(1, "08:00");
    citizen.book(&citizen.hold("einzel", "pass", &taken));
    let (long_ago, far_ahead) = ("0001-01-01T00:00:00Z", "9999-12-30T08:00:00Z");
    let half_a_second_past = taken.replacen(":00+", ":00.5+", 1);
    for (office, start, status, slug) in [
        ("mitte", town.at(1, "08:02"), 422, "start-off-grid"),
        ("mitte", half_a_second_past, 422, "start-off-grid"),
        ("mitte", town.at(-1, "08:00"), 422, "start-in-past"),
        ("mitte", long_ago.to_owned(), 422, "start-in-past"),
        ("spaet", town.at(1, "08:00"), 422, "start-too-soon"),
        ("mitte", town.at(31, "08:00"), 422, "beyond-horizon"),
        ("mitte", far_ahead.to_owned(), 422, "beyond-horizon"),
        ("mitte", town.at(1, "03:00"), 422, "office-closed"),
        ("mitte", town.at(1, "17:50"), 422, "office-closed"),
        ("mitte", town.at(5, "08:00"), 422, "office-closed"),
        ("siegel", town.at(4, "08:00"), 409, "not-released"),
        ("einzel", taken, 409, "slot-taken"),
    ] {
        let request = Request::post(HOLDS).json(&seat(office, "pass", &start));
        let field = (slug != "slot-taken").then_some("start");
        refuse(&service, (status, slug, field), [(start.as_str(), request)]);
    }
    // One step nearer it can be had.
    citizen.hold("siegel", "pass", &town.at(3, "08:00"));
    citizen.hold("mitte", "pass", &town.at(30, "08:00"));
    citizen.hold("mitte", "pass", &town.at(1, "17:45"));
}

#[test]
fn nothing_that_suits() {
    let service = Service::start();
    let nights = json!([{ "from": "03:00", "to": "04:00" }]);
    let ask = |office: &str| {
        let body = json!({ "services": one("pass"), "earliest": true, "offices": [office],
                           "windows": nights });
        Request::post(HOLDS).json(&body)
    };
    let cases = [("mitte", ask("mitte")), ("siegel", ask("siegel"))];
    refuse(&service, (409, "nothing-free", None), cases);
}

#[test]
fn a_taken_slot_names_the_nearest_others() {
    let service = Service::start();
    let (citizen, town) = (service.citizen(), service.town());
    let start = town.at(1, "12:00");
    citizen.hold("mitte", "pass", &start);
    citizen.hold("mitte", "pass", &start);
    let problem = citizen.try_hold("mitte", "pass", &start).problem();
    let nearest = ["11:40", "11:45", "12:15", "12:20"].map(|time| town.at(1, time));
    for start in &nearest {
        let named = problem
            .alternatives
            .iter()
            .any(|it| it.start == *start && it.office == "mitte");
        assert!(named, "{problem:?}");
        citizen.hold("mitte", "pass", start);
    }
}
