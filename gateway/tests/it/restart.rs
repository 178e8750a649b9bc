//! Stopped and started again, in good order or not: holds, deadlines, running requests, and the
//! folder and ports that only one process may have.

use std::io::{Read, Write};

use morgenruh::clock;
use morgenruh_engine::shell::sqlite::open_database;
use morgenruh_wire::{Booking, Hold};

use crate::http::{Answer, connect};
use crate::support::{Home, Service, eventually, output_of};
use crate::town::Town;

/// Nobody waits for a hold to be written; a moment later it is, and then it survives too.
#[test]
fn a_hold_survives_with_its_deadline() {
    let service = Service::start();
    let start = service.town().at(1, "08:00");
    let citizen = service.citizen();
    let hold = citizen.hold("einzel", "pass", &start);
    let extended: Hold = citizen.extend(&hold).expect(200).json();
    let home = service.home();
    eventually("both facts are written", || {
        (home.verify().facts == 2).then_some(())
    });

    let service = service.kill().start();
    let citizen = service.citizen();
    assert_eq!(
        citizen.free("einzel", "pass", service.town().day(1), &start),
        0
    );
    assert_eq!(citizen.extend(&hold).slug(), "already-extended");
    assert_eq!(citizen.book(&hold).start, extended.start);
    assert_eq!(service.kill().verify().live, 1);
}

/// A deadline that passes while nobody is there: the seat is free before the first request.
#[test]
fn a_hold_that_ended_during_the_outage_is_free() {
    let service = Service::start();
    let start = service.town().at(1, "08:00");
    let hold = service.citizen().hold("einzel", "pass", &start);
    let home = service.stop();
    set_deadline(&home, clock::now().0 - 1_000);

    let service = home.start();
    let citizen = service.citizen();
    assert_eq!(
        citizen.free("einzel", "pass", service.town().day(1), &start),
        1
    );
    assert_eq!(citizen.try_book(&hold).slug(), "hold-expired");
    citizen.hold("einzel", "pass", &start);
}

/// Late, never early: until its deadline a hold is nobody else's, afterwards it cannot be used,
/// and then the seat comes back by itself.
#[test]
fn a_hold_ends_at_its_deadline_and_not_before() {
    let service = Service::start();
    let start = service.town().at(1, "08:00");
    let hold = service.citizen().hold("einzel", "pass", &start);
    let home = service.stop();
    let deadline = clock::now().0 + 1_500;
    set_deadline(&home, deadline);

    let service = home.start();
    let citizen = service.citizen();
    let next = eventually("the seat comes back", || {
        let answer = citizen.try_hold("einzel", "pass", &start);
        match answer.status {
            201 => Some(answer),
            _ => {
                assert_eq!(answer.slug(), "slot-taken");
                None
            }
        }
    });
    assert!(clock::now().0 >= deadline);
    assert_eq!(citizen.try_book(&hold).slug(), "hold-expired");
    assert_eq!(citizen.release(&hold).slug(), "hold-expired");
    citizen.book(&next.json());
    assert_eq!(service.stop().verify().live, 1);
}

/// Minutes pass faster in a table.
fn set_deadline(home: &Home, deadline_ms: i64) {
    let database = open_database(home.data()).unwrap();
    let changed = database
        .execute("UPDATE ledger SET deadline_ms = ?1", [deadline_ms])
        .unwrap();
    assert_eq!(changed, 1);
}

/// SIGTERM: nobody new is let in, whoever has begun is served, and then it ends well.
#[test]
fn running_requests_finish_when_it_stops() {
    let service = Service::start();
    let citizen = service.citizen();
    let hold = citizen.hold("einzel", "pass", &service.town().at(1, "08:00"));
    let request = citizen.confirmation(&hold).header("expect", "100-continue");
    let mut idle = connect(service.public).unwrap();
    let mut running = connect(service.public).unwrap();
    running.write_all(request.head().as_bytes()).unwrap();
    // Said by a handler that has begun to read the body.
    let mut go_on = [0; 25];
    running.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");

    service.signal("TERM");
    eventually("nobody new is let in", || {
        connect(service.public).is_err().then_some(())
    });
    running.write_all(request.content()).unwrap();
    let mut answer = Vec::new();
    running.read_to_end(&mut answer).unwrap();
    let booking: Booking = Answer::parse(&answer).unwrap().expect(201).json();

    assert_eq!(
        idle.read(&mut [0]).unwrap(),
        0,
        "nobody waits for the silent"
    );
    let (status, home) = service.ended();
    assert_eq!(status.code(), Some(0), "{}", home.log());
    let service = home.start();
    assert_eq!(service.recovered, 1);
    service.citizen().look(&booking).expect(200);
}

/// Two processes on one data directory would give every seat twice.
#[test]
fn a_second_process_on_the_same_data_is_refused() {
    let service = Service::start();
    let (code, text) = output_of(service.home().command());
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("in use by another process"), "{text}");
    service
        .citizen()
        .hold("mitte", "pass", &service.town().at(1, "08:00"));
}

#[test]
fn a_port_that_is_taken_is_said() {
    let service = Service::start();
    let home = Home::of(Town::small());
    for (option, address) in [
        ("--listen", service.public),
        ("--admin-listen", service.admin),
    ] {
        let mut command = home.command();
        command.arg(option).arg(address.to_string());
        let (code, text) = output_of(command);
        assert_eq!(code, Some(2), "{text}");
        assert!(
            text.contains(&format!("cannot listen on {address}")),
            "{text}"
        );
    }
}
