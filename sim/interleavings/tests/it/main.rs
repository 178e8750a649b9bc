//! Each scene under thousands of schedules; how to replay one is said in `schedules`.

use morgenruh_interleavings::readers::Mistake;
use morgenruh_interleavings::{answers, expiry, ledger, moves, readers, retired, schedules, tally};

/// Of each scene.
const SCHEDULES: usize = 8_000;

/// Tries a scene; all of these `sights` have to be come across.
fn explore(scene: fn(), sights: &[&str]) {
    if !schedules::explore(SCHEDULES, scene) {
        return;
    }
    for sight in sights {
        let times = tally::seen(sight);
        eprintln!("{sight}: {times} times");
        assert!(times > 0, "no schedule saw: {sight}");
    }
}

#[test]
fn every_record_is_given_back_or_answered_once() {
    let sights = [
        "given back",
        "queued",
        "kept",
        "not kept",
        "left without an answer",
    ];
    explore(ledger::scene, &sights);
}

#[test]
fn a_seat_has_one_holder_and_is_freed_in_time() {
    let sights = [
        "held",
        "extended",
        "stretched",
        "released",
        "expired",
        "booked",
        "a hold was taken back",
        "a seat was held again",
    ];
    explore(expiry::scene, &sights);
}

#[test]
fn a_reader_is_not_late_for_ever() {
    let sights = [
        "an answer was still true",
        "a day was still true",
        "a day was read",
    ];
    explore(|| readers::scene(Mistake::None), &sights);
}

#[test]
fn bookings_change_places_without_waiting_for_each_other() {
    let sights = ["a booking was moved", "a booking was not moved"];
    explore(moves::scene, &sights);
}

#[test]
fn a_day_that_was_dropped_never_comes_back_empty() {
    let sights = ["all got the day", "some got the day", "nobody got the day"];
    explore(retired::scene, &sights);
}

#[test]
fn an_offer_is_answered_once() {
    let sights = ["an offer was accepted", "an offer was given up"];
    explore(answers::scene, &sights);
}
