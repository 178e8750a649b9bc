//! Bookings that cannot be seen or changed.

use morgenruh_wire::Booking;
use serde_json::json;

use super::refuse;
use crate::citizen::{BOOKINGS, manage, path, token};
use crate::http::Request;
use crate::support::Service;

#[test]
fn bookings_of_other_people() {
    let service = Service::start();
    let (citizen, town) = (service.citizen(), service.town());
    let book = |time: &str| citizen.book(&citizen.hold("mitte", "pass", &town.at(1, time)));
    let [booking, other] = ["08:00", "09:00"].map(book);
    let hold = citizen.hold("mitte", "pass", &town.at(1, "11:00"));
    let ids = [&booking.id, &hold.id, "AAAAAAAAAAAAAAAAAAAAAA", "x"];
    let calls = ids.map(|id| {
        let path = format!("{BOOKINGS}/{id}");
        [
            Request::get(&path),
            Request::delete(&path),
            Request::get(&format!("{path}/calendar.ics")),
            Request::post(&format!("{path}/move")).json(&json!({ "hold": token(&hold) })),
        ]
    });
    let calls = calls.concat();
    for token in [manage(&other), "rubbish", token(&hold), &"A".repeat(5_000)] {
        let cases = calls.iter().map(|call| (token, call.clone().bearer(token)));
        refuse(&service, (404, "booking-unknown", None), cases);
    }
    let cases = calls.iter().map(|call| ("no token", call.clone()));
    refuse(&service, (401, "token-missing", None), cases);

    // Nobody can find out which bookings there are.
    let ask = |id: &str| Request::get(&format!("{BOOKINGS}/{id}")).bearer(manage(&other));
    assert_eq!(
        service.send(&ask(ids[0])).body,
        service.send(&ask(ids[2])).body
    );
    citizen.relocate(&booking, &hold).expect(200);
}

#[test]
fn a_cancelled_booking_does_not_move() {
    let service = Service::start();
    let (citizen, town) = (service.citizen(), service.town());
    let booking = citizen.book(&citizen.hold("mitte", "pass", &town.at(1, "08:00")));
    citizen.cancel(&booking).expect(200);
    let hold = citizen.hold("mitte", "pass", &town.at(1, "09:00"));
    let cases = [("move", citizen.relocation(&booking, &hold))];
    refuse(&service, (409, "booking-cancelled", None), cases);
    citizen.book(&hold);
}

#[test]
fn a_booking_moves_sixteen_times() {
    let service = Service::start();
    let (citizen, town) = (service.citizen(), service.town());
    let starts: Vec<String> = (1..=18).map(|day| town.at(day, "08:00")).collect();
    let booking = citizen.book(&citizen.hold("einzel", "pass", &starts[0]));
    for start in &starts[1..17] {
        citizen
            .relocate(&booking, &citizen.hold("einzel", "pass", start))
            .expect(200);
    }
    let hold = citizen.hold("einzel", "pass", &starts[17]);
    let cases = [("once more", citizen.relocation(&booking, &hold))];
    refuse(&service, (409, "too-many-moves", None), cases);
    let now: Booking = citizen.look(&booking).json();
    assert_eq!(
        (&now.id, &now.start, now.sequence),
        (&booking.id, &starts[16], 16)
    );
    assert_eq!(path(&now), path(&booking));
    let service = service.kill().start();
    assert_eq!(service.citizen().look(&booking).json::<Booking>(), now);
}
