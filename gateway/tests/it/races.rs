//! Everybody at once: what must happen once happens once, whoever is fastest.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use morgenruh_wire::{Booking, Hold};

use crate::citizen::{HOLDS, seat, without_token};
use crate::http::Request;
use crate::support::{Service, together};

const CROWD: usize = 500;

/// An impatient citizen, or a browser that sends everything several times.
#[test]
fn one_hold_confirmed_500_times_is_one_booking() {
    let service = Service::start();
    let start = service.town().at(1, "08:00");
    let citizen = service.citizen();
    let hold = citizen.hold("mitte", "pass", &start);
    let request = citizen.confirmation(&hold).key("one-and-the-same");

    let answers = together(CROWD, |_| citizen.insist(&request));

    let bookings: Vec<Booking> = answers
        .iter()
        .map(|answer| answer.expect(201).json())
        .collect();
    assert!(bookings.iter().all(|booking| *booking == bookings[0]));
    assert_eq!(
        citizen.free("mitte", "pass", service.town().day(1), &start),
        1
    );
    assert_eq!(service.stop().verify().live, 1);
}

/// A hold that is asked for a hundred times with one key is one hold. Whoever comes while the
/// first is being worked on is told so.
#[test]
fn one_key_takes_one_seat() {
    let service = Service::start();
    let start = service.town().at(1, "08:00");
    for round in 0..10 {
        let key = format!("key-{round}");
        let ask = Request::post(HOLDS)
            .json(&seat("gross", "pass", &start))
            .key(&key);

        let answers = together(100, |_| service.send(&ask));

        let mut tokens = HashSet::new();
        for answer in answers {
            match answer.status {
                201 => drop(tokens.insert(answer.json::<Hold>().token)),
                _ => assert_eq!(
                    (answer.status, answer.slug().as_str()),
                    (409, "request-in-progress")
                ),
            }
        }
        assert_eq!(tokens.len(), 1);
        let free = service
            .citizen()
            .free("gross", "pass", service.town().day(1), &start);
        assert_eq!(free, 15 - round);
    }
}

/// The same hold, but everybody gives another name: one of them gets it.
#[test]
fn one_hold_confirmed_by_500_people_is_one_booking() {
    let service = Service::start();
    let start = service.town().at(1, "08:00");
    let hold = service.citizen().hold("mitte", "pass", &start);

    let answers = together(CROWD, |number| {
        let citizen = service.citizen().named(&format!("Person {number}"));
        citizen.insist(&citizen.confirmation(&hold))
    });

    let (booked, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 201);
    assert_eq!(booked.len(), 1);
    for answer in refused {
        assert_eq!((answer.status, answer.slug().as_str()), (409, "hold-used"));
    }
    assert_eq!(service.stop().verify().live, 1);
}

/// The morning at its worst: one seat, and everybody saw it.
#[test]
fn one_seat_wanted_by_500_citizens_goes_to_one() {
    let service = Service::start();
    let start = service.town().at(1, "08:00");

    let answers = together(CROWD, |number| {
        let citizen = service.citizen().named(&format!("Person {number}"));
        let answer = citizen.try_hold("einzel", "pass", &start);
        match answer.status {
            201 => citizen.try_book(&answer.json()),
            _ => answer,
        }
    });

    let (booked, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 201);
    assert_eq!(booked.len(), 1);
    for answer in refused {
        assert_eq!((answer.status, answer.slug().as_str()), (409, "slot-taken"));
    }
    assert_eq!(
        service
            .citizen()
            .starts("einzel", "pass", service.town().day(1))
            .len(),
        0
    );
    assert_eq!(service.stop().verify().live, 1);
}

/// Holds and confirmations of a crowd at an office with two counters: no seat is left out and no
/// seat is given twice.
#[test]
fn a_whole_day_is_given_out_exactly_once() {
    let service = Service::start();
    let day = service.town().day(1);
    let starts = service.citizen().starts("mitte", "pass", day);
    // Those that lie on the grid of visits: two counters, forty visits each.
    let starts: Vec<_> = starts.iter().step_by(3).collect();
    assert_eq!(starts.len(), 40);

    let bookings = together(200, |number| {
        let citizen = service.citizen();
        let answer = citizen.try_hold("mitte", "pass", &starts[number % starts.len()].start);
        (answer.status == 201).then(|| citizen.book(&answer.json()))
    });

    let bookings: Vec<Booking> = bookings.into_iter().flatten().collect();
    let seats: HashSet<(u8, &str)> = bookings
        .iter()
        .map(|booking| (booking.counter, booking.start.as_str()))
        .collect();
    let codes: HashSet<&str> = bookings
        .iter()
        .map(|booking| booking.code.as_str())
        .collect();
    assert_eq!((bookings.len(), seats.len(), codes.len()), (80, 80, 80));
    assert_eq!(service.citizen().starts("mitte", "pass", day).len(), 0);
    assert_eq!(service.stop().verify().live, 80);
}

#[test]
fn a_hundred_cancellations_are_one() {
    let service = Service::start();
    let start = service.town().at(1, "08:00");
    let citizen = service.citizen();
    let booking = citizen.book(&citizen.hold("einzel", "pass", &start));
    let request = citizen.cancellation(&booking);

    let answers = together(100, |_| citizen.insist(&request));

    let expected = Booking {
        status: "cancelled".to_owned(),
        sequence: 1,
        ..without_token(&booking)
    };
    for answer in answers {
        assert_eq!(answer.expect(200).json::<Booking>(), expected);
    }
    assert_eq!(
        citizen.free("einzel", "pass", service.town().day(1), &start),
        1
    );
    let counts = service.stop().verify();
    assert_eq!((counts.live, counts.cancelled), (0, 1));
}

/// Two people want to move to the only seat of another day: who does not get it keeps the old one.
#[test]
fn two_moves_to_one_seat_end_with_two_bookings() {
    let service = Service::start();
    let town = service.town();
    let target = town.at(3, "08:00");
    let old: Vec<Booking> = (1..=2)
        .map(|day| {
            let citizen = service.citizen();
            citizen.book(&citizen.hold("einzel", "pass", &town.at(day, "08:00")))
        })
        .collect();

    let answers = together(2, |number| {
        let citizen = service.citizen();
        let answer = citizen.try_hold("einzel", "pass", &target);
        match answer.status {
            201 => citizen.relocate(&old[number], &answer.json()),
            _ => answer,
        }
    });

    let moved = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(moved, 1);
    for (answer, booking) in answers.iter().zip(&old) {
        let now: Booking = service.citizen().look(booking).expect(200).json();
        let start = if answer.status == 200 {
            &target
        } else {
            &booking.start
        };
        assert_eq!((&now.start, now.status.as_str()), (start, "booked"));
    }
    assert_eq!(service.stop().verify().live, 2);
}

/// Two bookings moved onto the same held seat: the hold becomes one of them.
#[test]
fn a_hold_takes_one_booking_only() {
    let service = Service::start();
    let town = service.town();
    let citizen = service.citizen();
    let old: Vec<Booking> = (1..=2)
        .map(|day| citizen.book(&citizen.hold("einzel", "pass", &town.at(day, "08:00"))))
        .collect();
    let hold = citizen.hold("einzel", "pass", &town.at(3, "08:00"));

    let answers = together(2, |number| {
        citizen.insist(&citizen.relocation(&old[number], &hold))
    });

    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    let starts: HashSet<String> = old
        .iter()
        .map(|booking| citizen.look(booking).json::<Booking>().start)
        .collect();
    assert_eq!(starts.len(), 2);
    assert_eq!(service.stop().verify().live, 2);
}

/// A move against a cancellation: whichever is first, no seat stays behind.
#[test]
fn a_move_and_a_cancellation_leave_no_seat_behind() {
    let service = Service::start();
    let town = service.town();
    for round in 1..=10 {
        let citizen = service.citizen();
        let (old, new) = (town.at(2 * round, "08:00"), town.at(2 * round + 1, "08:00"));
        let booking = citizen.book(&citizen.hold("einzel", "pass", &old));
        let hold = citizen.hold("einzel", "pass", &new);

        let answers = together(2, |number| match number {
            0 => citizen.insist(&citizen.relocation(&booking, &hold)),
            _ => citizen.insist(&citizen.cancellation(&booking)),
        });

        answers[1].expect(200);
        let now: Booking = citizen.look(&booking).json();
        assert_eq!(now.status, "cancelled");
        match answers[0].status {
            200 => assert_eq!((&now.start, now.sequence), (&new, 2)),
            _ => {
                assert_eq!(answers[0].slug(), "booking-cancelled");
                assert_eq!((&now.start, now.sequence), (&old, 1));
                citizen.release(&hold).expect(204);
            }
        }
        for (day, start) in [(2 * round, old), (2 * round + 1, new)] {
            assert_eq!(citizen.free("einzel", "pass", town.day(day), &start), 1);
        }
    }
    assert_eq!(service.stop().verify().live, 0);
}

/// Somebody looks again and again while the booking moves from day to day: it is always somewhere.
#[test]
fn a_moving_booking_is_never_out_of_sight() {
    let service = Service::start();
    let (citizen, town) = (service.citizen(), service.town());
    let booking = citizen.book(&citizen.hold("einzel", "pass", &town.at(1, "08:00")));
    let holds: Vec<Hold> = (2..=17)
        .map(|day| citizen.hold("einzel", "pass", &town.at(day, "08:00")))
        .collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut sequence = 0;
                while !done.load(Ordering::Relaxed) {
                    let seen: Booking = citizen.look(&booking).expect(200).json();
                    assert!(seen.sequence >= sequence, "it went back");
                    sequence = seen.sequence;
                }
            });
        }
        for hold in &holds {
            // Sent twice at once, by a nervous browser.
            let request = citizen.relocation(&booking, hold);
            let answers = together(2, |_| citizen.insist(&request));
            assert!(
                answers.iter().all(|answer| answer.status == 200),
                "{answers:?}"
            );
        }
        done.store(true, Ordering::Relaxed);
    });
    let answers = together(2, |number| match number {
        0 => citizen.insist(&citizen.cancellation(&booking)),
        _ => citizen.look(&booking),
    });
    assert!(
        answers.iter().all(|answer| answer.status == 200),
        "{answers:?}"
    );
    assert_eq!(service.stop().verify().live, 0);
}
