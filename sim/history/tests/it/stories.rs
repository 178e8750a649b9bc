//! What can happen to a cell, and what cannot.

use morgenruh_history::Act::{Cancel, Confirm, Hold, Lapse, Release};
use morgenruh_history::{Call, Finding, State, Violation, check};

use crate::{call, open};

#[track_caller]
fn wrong(calls: &[Call<u8>]) -> Violation<u8> {
    check(calls).expect_err("no order explains this")
}

#[test]
fn a_visit_and_the_next_one() {
    let calls = [
        call(1, Hold, 0, 1),
        call(1, Confirm, 2, 3),
        call(1, Cancel, 4, 5),
        call(2, Hold, 6, 7),
        call(2, Release, 8, 9),
        call(3, Hold, 10, 11),
    ];
    assert_eq!(check(&calls), Ok(()));
    assert_eq!(check::<u8>(&[]), Ok(()));
}

#[test]
fn two_overlapping_holds_are_not_both_acknowledged() {
    let violation = wrong(&[call(1, Hold, 0, 3), call(2, Hold, 1, 2)]);
    assert_eq!(violation.at, call(1, Hold, 0, 3));
    // Unless one of them was given back meanwhile.
    let calls = [
        call(1, Hold, 0, 9),
        call(2, Hold, 1, 2),
        call(2, Release, 3, 4),
    ];
    assert_eq!(check(&calls), Ok(()));
}

#[test]
fn a_seat_is_not_booked_twice() {
    wrong(&[
        call(1, Hold, 0, 1),
        call(1, Confirm, 2, 3),
        call(2, Hold, 4, 5),
    ]);
    // Not even if the first hold may have lapsed: it was confirmed.
    wrong(&[
        call(1, Hold, 0, 1),
        open(1, Lapse, 1),
        call(1, Confirm, 2, 3),
        call(2, Hold, 4, 5),
        call(2, Confirm, 6, 7),
    ]);
}

#[test]
fn a_confirmation_does_not_come_after_the_hold_is_over() {
    wrong(&[
        call(1, Hold, 0, 1),
        call(1, Lapse, 2, 3),
        call(1, Confirm, 4, 5),
    ]);
    wrong(&[
        call(1, Hold, 0, 1),
        open(1, Lapse, 2),
        call(2, Hold, 3, 4),
        call(1, Confirm, 5, 6),
    ]);
    wrong(&[call(1, Confirm, 0, 1)]);
}

#[test]
fn a_hold_that_may_have_lapsed_makes_room_or_does_not() {
    let lapsed = [
        call(1, Hold, 0, 1),
        open(1, Lapse, 2),
        call(2, Hold, 3, 4),
        call(2, Confirm, 5, 6),
    ];
    assert_eq!(check(&lapsed), Ok(()));
    let kept = [
        call(1, Hold, 0, 1),
        open(1, Lapse, 2),
        call(1, Confirm, 5, 6),
    ];
    assert_eq!(check(&kept), Ok(()));
    // Not before it was possible.
    let early = [call(1, Hold, 0, 1), open(1, Lapse, 5), call(2, Hold, 2, 3)];
    wrong(&early);
}

/// The answer to a confirmation was lost in a crash; what was seen later tells that it took place,
/// or that it did not.
#[test]
fn an_unanswered_confirmation_explains_what_is_seen_later() {
    let took_place = [
        call(1, Hold, 0, 1),
        open(1, Confirm, 2),
        call(1, Cancel, 7, 8),
        call(2, Hold, 9, 10),
    ];
    assert_eq!(check(&took_place), Ok(()));
    let did_not = [
        call(1, Hold, 0, 1),
        open(1, Confirm, 2),
        open(1, Lapse, 3),
        call(2, Hold, 5, 6),
        call(2, Confirm, 7, 8),
    ];
    assert_eq!(check(&did_not), Ok(()));
    // But not both.
    wrong(&[
        call(1, Hold, 0, 1),
        open(1, Confirm, 2),
        open(1, Lapse, 3),
        call(2, Hold, 5, 6),
        call(1, Cancel, 7, 8),
    ]);
    // And not without a hold.
    wrong(&[open(1, Confirm, 2), call(1, Cancel, 7, 8)]);
}

#[test]
fn a_booking_is_cancelled_once() {
    wrong(&[
        call(1, Hold, 0, 1),
        call(1, Confirm, 2, 3),
        call(1, Cancel, 4, 7),
        call(1, Cancel, 5, 6),
    ]);
}

/// A move within the day: the old cell is given back and the new one taken, in one interval.
#[test]
fn a_move_is_a_confirmation_and_a_cancellation() {
    let old = [
        call(1, Hold, 0, 1),
        call(1, Confirm, 2, 3),
        call(1, Cancel, 6, 9),
        call(3, Hold, 7, 8),
    ];
    let new = [call(2, Hold, 4, 5), call(2, Confirm, 6, 9)];
    assert_eq!((check(&old), check(&new)), (Ok(()), Ok(())));
}

#[test]
fn calls_that_touch_overlap() {
    let calls = [call(1, Hold, 0, 5), call(1, Confirm, 5, 5)];
    assert_eq!(check(&calls), Ok(()));
    let other_way = [call(1, Confirm, 0, 5), call(1, Hold, 5, 6)];
    assert_eq!(check(&other_way), Ok(()));
    wrong(&[call(1, Confirm, 0, 4), call(1, Hold, 5, 6)]);
}

#[test]
#[should_panic(expected = "answered before it was invoked")]
fn time_does_not_run_backwards() {
    let _ = check(&[call(1, Hold, 5, 4)]);
}

/// The violation begins where the cell was free, ends where nothing helps any more, and says so.
#[test]
fn the_violation_is_the_smallest_prefix() {
    let violation = wrong(&[
        call(7, Hold, 0, 1),
        call(7, Release, 2, 3),
        call(1, Hold, 4, 5),
        call(1, Confirm, 6, 7),
        open(1, Cancel, 10),
        call(2, Hold, 12, 13),
        call(1, Cancel, 14, 15),
        call(3, Hold, 16, 17),
    ]);
    let could_be = vec![State::Held(2)];
    assert_eq!(violation.finding, Finding::NoOrder { could_be });
    assert_eq!(
        violation.to_string(),
        "no order explains cancel(1) from 14 to 15: the cell could only be held(2). \
         Since it was last free:\n  \
         hold(1) from 4 to 5\n  \
         confirm(1) from 6 to 7\n  \
         cancel(1) from 10 on, unanswered\n  \
         hold(2) from 12 to 13\n  \
         cancel(1) from 14 to 15"
    );
}
