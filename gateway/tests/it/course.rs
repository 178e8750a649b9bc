//! The usual course of an appointment, from the first look to the end.

use morgenruh_wire::{Booking, Hold, HoldRequest, ServiceQuantity};

use crate::citizen::{HOLDS, manage, one, path, seat, token, without_token};
use crate::http::Request;
use crate::support::Service;

#[test]
fn an_appointment_from_the_first_look_to_the_end() {
    let service = Service::start();
    let (citizen, day) = (service.citizen(), service.town().day(1));
    let start = service.town().at(1, "08:00");
    assert_eq!(citizen.free("mitte", "pass", day, &start), 2);

    let hold = citizen.hold("mitte", "pass", &start);
    assert_eq!(
        (hold.start.as_str(), &hold.end),
        (start.as_str(), &service.town().at(1, "08:15"))
    );
    assert_eq!(
        (hold.office.as_str(), &hold.services),
        ("mitte", &one("pass"))
    );
    assert_eq!(citizen.free("mitte", "pass", day, &start), 1);

    let extended: Hold = citizen.extend(&hold).expect(200).json();
    assert!(hold.extendable && !extended.extendable && extended.token.is_none());
    assert!(extended.expires_at > hold.expires_at);
    assert_eq!(citizen.extend(&hold).slug(), "already-extended");

    let answer = citizen.try_book(&hold);
    let booking: Booking = answer.expect(201).json();
    assert_eq!(answer.header("location"), Some(path(&booking).as_str()));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let facts = (
        booking.status.as_str(),
        booking.office.as_str(),
        booking.sequence,
    );
    assert_eq!(facts, ("booked", "mitte", 0));
    assert_eq!((&booking.start, &booking.end), (&hold.start, &hold.end));
    assert_eq!(citizen.try_book(&hold), answer);
    assert_eq!(
        citizen.look(&booking).expect(200).json::<Booking>(),
        without_token(&booking)
    );
    assert_eq!(citizen.free("mitte", "pass", day, &start), 1);

    let cancelled: Booking = citizen.cancel(&booking).expect(200).json();
    assert_eq!(
        (cancelled.status.as_str(), cancelled.sequence),
        ("cancelled", 1)
    );
    assert_eq!(
        citizen.cancel(&booking).expect(200).json::<Booking>(),
        cancelled
    );
    assert_eq!(citizen.look(&booking).json::<Booking>(), cancelled);
    assert_eq!(citizen.free("mitte", "pass", day, &start), 2);
    assert_eq!(citizen.try_book(&hold).slug(), "hold-used");
}

#[test]
fn a_released_hold_is_free_at_once() {
    let service = Service::start();
    let (citizen, start) = (service.citizen(), service.town().at(1, "08:00"));
    let hold = citizen.hold("einzel", "pass", &start);
    assert_eq!(
        citizen.try_hold("einzel", "pass", &start).slug(),
        "slot-taken"
    );
    citizen.release(&hold).expect(204);
    let next = citizen.hold("einzel", "pass", &start);
    assert_eq!(citizen.try_book(&hold).slug(), "hold-expired");
    citizen.book(&next);
}

/// A request that is sent twice because its answer was lost takes one seat.
#[test]
fn a_repeated_request_gets_the_same_answer() {
    let service = Service::start();
    let (citizen, start) = (service.citizen(), service.town().at(1, "08:00"));
    let ask = Request::post(HOLDS)
        .json(&seat("mitte", "pass", &start))
        .key("8c7e-1");
    let held = citizen.send(ask.clone());
    assert_eq!(citizen.send(ask), held);
    assert_eq!(
        citizen.free("mitte", "pass", service.town().day(1), &start),
        1
    );
    let hold: Hold = held.expect(201).json();
    // The same key on another call is another key.
    let confirm = citizen.confirmation(&hold).key("8c7e-1");
    let booked = citizen.send(confirm.clone());
    assert_eq!(citizen.send(confirm), booked);
    booked.expect(201);
    assert_eq!(service.stop().verify().live, 1);
}

/// Two passports and a PIN: one visit at one counter, as long as all of it together.
#[test]
fn several_services_are_one_visit() {
    let service = Service::start();
    let (citizen, town) = (service.citizen(), service.town());
    let list = [("pass", 2), ("pin", 1)];
    let services = list.map(|(id, quantity)| ServiceQuantity {
        id: id.to_owned(),
        quantity,
    });
    let ask = HoldRequest {
        services: services.to_vec(),
        ..seat("mitte", "pass", &town.at(1, "08:00"))
    };
    let hold: Hold = citizen
        .send(Request::post(HOLDS).json(&ask))
        .expect(201)
        .json();
    assert_eq!(
        (&hold.end, &hold.services[..]),
        (&town.at(1, "08:35"), &services[..])
    );
    assert_eq!(citizen.book(&hold).services, services);
    // Whoever needs 35 minutes is not shown a start 30 minutes before somebody else's.
    citizen.hold("mitte", "pass", &town.at(1, "08:35"));
    citizen.hold("mitte", "pass", &town.at(1, "08:30"));
    assert_eq!(
        citizen.free("mitte", "pass:2,pin:1", town.day(1), &town.at(1, "08:00")),
        0
    );
    assert_eq!(
        citizen.free("mitte", "pass:2", town.day(1), &town.at(1, "08:00")),
        1
    );
}

#[test]
fn a_move_keeps_the_booking_and_changes_its_seat() {
    let service = Service::start();
    let (citizen, town) = (service.citizen(), service.town());
    let (old, new) = (town.at(1, "08:00"), town.at(2, "08:00"));
    let first = citizen.hold("einzel", "pass", &old);
    let confirmation = citizen.confirmation(&first).key("once");
    let booking: Booking = citizen.send(confirmation.clone()).expect(201).json();
    let hold = citizen.hold("einzel", "pass", &new);
    assert_eq!(
        citizen.free("einzel", "pass", town.day(1), &old),
        0,
        "kept until it has moved"
    );

    let moved: Booking = citizen.relocate(&booking, &hold).expect(200).json();
    let facts = (
        &moved.id,
        &moved.start,
        moved.status.as_str(),
        moved.sequence,
    );
    assert_eq!(facts, (&booking.id, &new, "booked", 1));
    assert_ne!(moved.code, booking.code);
    assert_eq!(moved.manage_token, None);
    assert_eq!(
        citizen
            .relocate(&booking, &hold)
            .expect(200)
            .json::<Booking>(),
        moved
    );
    assert_eq!(citizen.look(&booking).json::<Booking>(), moved);
    assert_eq!(citizen.free("einzel", "pass", town.day(1), &old), 1);
    assert_eq!(citizen.free("einzel", "pass", town.day(2), &new), 0);

    // To another office, and back to where it began, which is somebody's seat by now.
    let elsewhere: Booking = citizen
        .relocate(&booking, &citizen.hold("mitte", "pass", &old))
        .expect(200)
        .json();
    assert_eq!(
        (elsewhere.office.as_str(), elsewhere.sequence),
        ("mitte", 2)
    );
    let back: Booking = citizen
        .relocate(&booking, &citizen.hold("einzel", "pass", &old))
        .expect(200)
        .json();
    assert_eq!(
        (&back.id, &back.start, back.sequence),
        (&booking.id, &old, 3)
    );

    assert_eq!(citizen.send(confirmation.clone()).slug(), "hold-used");
    let service = service.kill().start();
    let citizen = service.citizen();
    assert_eq!(
        citizen.send(confirmation).slug(),
        "hold-used",
        "also after a restart"
    );
    assert_eq!(citizen.look(&booking).json::<Booking>(), back);
    let cancelled: Booking = citizen.cancel(&booking).expect(200).json();
    assert_eq!(
        (cancelled.status.as_str(), cancelled.sequence),
        ("cancelled", 4)
    );
    assert_eq!(
        citizen.free("einzel", "pass", service.town().day(1), &old),
        1
    );
    assert_eq!(service.stop().verify().live, 0);
}

/// Nobody can make a token of one thing into a token of another.
#[test]
fn tokens_differ_from_ids_and_from_each_other() {
    let service = Service::start();
    let citizen = service.citizen();
    let hold = citizen.hold("mitte", "pass", &service.town().at(1, "08:00"));
    let booking = citizen.book(&hold);
    let (hold_token, manage_token) = (token(&hold), manage(&booking));
    assert!(!hold_token.contains(manage_token) && !manage_token.contains(&booking.id));
    assert!(!path(&booking).contains(manage_token));
}
