//! Offices differ: who sees them, whose seats are whose, and what happens when their rules change.

use morgenruh_wire::{Booking, Offices, Services};
use serde_json::{Value, json};

use crate::citizen::{Citizen, without_token};
use crate::http::Request;
use crate::support::Service;
use crate::town::{CALL_CENTRE_KEY, OFFICE_ON_TRIAL, TEST_KEY, Town, WALK_IN_KEY};

#[test]
fn the_catalogue_shows_what_there_is() {
    let service = Service::start();
    let offices = |citizen: Citizen| -> Vec<(String, String)> {
        let answer = citizen.send(Request::get("/api/v1/offices"));
        let offices = answer.expect(200).json::<Offices>().offices;
        offices
            .into_iter()
            .map(|office| (office.id, office.status))
            .collect()
    };
    let public = offices(service.citizen());
    assert_eq!(public.len(), 7);
    assert!(
        public
            .iter()
            .all(|(id, status)| status == "live" && id != "aus" && id != "probe")
    );
    let tested = offices(service.citizen().with_key(TEST_KEY));
    assert_eq!(tested.len(), 8);
    assert!(tested.contains(&("probe".to_owned(), "test".to_owned())));
    assert_eq!(offices(service.citizen().with_key(CALL_CENTRE_KEY)), public);

    let answer = service.send(&Request::get("/api/v1/services"));
    let services = answer.expect(200).json::<Services>().services;
    let find = |id: &str| services.iter().find(|service| service.id == id).unwrap();
    assert_eq!(find("pass").combines_with, ["pin"]);
    assert_eq!(
        find("pin").combines_with,
        ["pass"],
        "what combines does so mutually"
    );
}

/// An office on trial exists for whoever tests it, and one that is switched off for nobody.
#[test]
fn offices_open_step_by_step() {
    let service = Service::start();
    let start = service.town().at(1, "08:00");
    let tester = service.citizen().with_key(TEST_KEY);
    let booking = tester.book(&tester.hold("probe", "pass", &start));
    assert_eq!(
        tester.free("probe", "pass", service.town().day(1), &start),
        0
    );
    for citizen in [
        service.citizen(),
        service.citizen().with_key(CALL_CENTRE_KEY),
    ] {
        assert_eq!(
            citizen.try_hold("probe", "pass", &start).slug(),
            "unknown-office"
        );
        assert_eq!(
            citizen.try_hold("aus", "pass", &start).slug(),
            "unknown-office"
        );
    }
    assert_eq!(
        tester.try_hold("aus", "pass", &start).slug(),
        "unknown-office"
    );
    // Who has the token needs no key.
    service.citizen().look(&booking).expect(200);

    // Taken out of the roll-out again: nobody books there, and what was booked stands.
    let closed = OFFICE_ON_TRIAL.replace("status = \"test\"", "status = \"off\"");
    let service = service
        .stop()
        .with_town(Town::small().with("buergeramt/probe.toml", &closed));
    let service = service.start();
    let tester = service.citizen().with_key(TEST_KEY);
    assert_eq!(
        tester.try_hold("probe", "pass", &start).slug(),
        "unknown-office"
    );
    assert_eq!(service.recovered, 1);
    service.citizen().cancel(&booking).expect(200);
}

/// Opening hours that change under a booking: it stands, somebody is told, and the seat is not
/// given out again.
#[test]
fn changed_opening_hours_drop_no_booking() {
    let service = Service::start();
    let (citizen, start) = (service.citizen(), service.town().at(1, "08:00"));
    let booking = citizen.book(&citizen.hold("mitte", "pass", &start));
    let conflicts = |service: &Service| -> Vec<Value> {
        let answer = Request::get("/admin/conflicts")
            .send(service.admin)
            .unwrap();
        let list: Value = answer.expect(200).json();
        list["conflicts"].as_array().unwrap().clone()
    };
    assert_eq!(conflicts(&service), [] as [Value; 0]);

    let later =
        "opening = [{ weekdays = \"mon-sun\", hours = [\"12:00-18:00\"], on_holidays = true }]";
    let town = Town::small().with_line("buergeramt/mitte.toml", later);
    let service = service.stop().with_town(town).start();
    let [conflict] = &conflicts(&service)[..] else {
        panic!("one")
    };
    assert_eq!(
        (&conflict["code"], &conflict["start"]),
        (&json!(booking.code), &json!(start))
    );
    let citizen = service.citizen();
    assert_eq!(
        citizen.look(&booking).json::<Booking>(),
        without_token(&booking)
    );
    assert_eq!(
        citizen.try_hold("mitte", "pass", &start).slug(),
        "office-closed"
    );
    let moved = citizen.hold("mitte", "pass", &service.town().at(1, "12:00"));
    citizen.relocate(&booking, &moved).expect(200);
    assert_eq!(conflicts(&service), [] as [Value; 0]);
}

#[test]
fn a_channel_uses_its_own_quota_first() {
    let service = Service::start();
    let (day, start) = (service.town().day(1), service.town().at(1, "08:00"));
    let (citizen, operator) = (
        service.citizen(),
        service.citizen().with_key(CALL_CENTRE_KEY),
    );
    let desk = service.citizen().with_key(WALK_IN_KEY);
    let free = |citizen: &Citizen| citizen.free("quote", "pass", day, &start);
    assert_eq!((free(&citizen), free(&operator), free(&desk)), (1, 2, 2));

    let own = operator.hold("quote", "pass", &start);
    assert_eq!((free(&citizen), free(&operator), free(&desk)), (1, 1, 2));
    assert_eq!(operator.book(&own).counter, 2);
    let public = operator.hold("quote", "pass", &start);
    assert_eq!((free(&citizen), free(&operator), free(&desk)), (0, 0, 1));
    assert_eq!(
        citizen.try_hold("quote", "pass", &start).slug(),
        "slot-taken"
    );
    assert_eq!(
        operator.try_hold("quote", "pass", &start).slug(),
        "slot-taken"
    );
    assert_eq!(desk.book(&desk.hold("quote", "pass", &start)).counter, 3);

    operator.release(&public).expect(204);
    assert_eq!(
        citizen.book(&citizen.hold("quote", "pass", &start)).counter,
        1
    );
}
