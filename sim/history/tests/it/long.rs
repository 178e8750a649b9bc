//! Long histories: they cost as much as their parts, and what can no longer matter is forgotten.

use morgenruh_history::Act::{self, Cancel, Confirm, Hold, Lapse, Release};
use morgenruh_history::{Call, Finding, OPEN_MAX, check};

fn at(who: u32, act: Act, invoked: u64, returned: Option<u64>) -> Call<u32> {
    Call {
        who,
        act,
        invoked,
        returned,
    }
}

/// Thousands of visits, each of which may have lapsed, was asked to cancel without an answer, or
/// shares its time with an unanswered hold: far more unanswered calls than can be open.
#[test]
fn unanswered_calls_do_not_pile_up() {
    let mut calls = Vec::new();
    for visit in 0..20_000 {
        let start = 100 * u64::from(visit);
        calls.push(at(visit, Hold, start, Some(start + 20)));
        calls.push(at(1_000_000 + visit, Hold, start + 5, None));
        calls.push(at(visit, Lapse, start + 30, None));
        if visit % 3 == 0 {
            continue;
        }
        calls.push(at(
            visit,
            Confirm,
            start + 30,
            (visit % 3 == 1).then_some(start + 40),
        ));
        calls.push(at(visit, Cancel, start + 50, None));
    }
    assert_eq!(check(&calls), Ok(()));
    let late = 100 * 20_000;
    calls.push(at(1, Cancel, late, Some(late + 1)));
    let violation = check(&calls).expect_err("the first visit is long over");
    assert_eq!(violation.at.who, 1);
}

/// One visitor who comes again and again under the same name is decided too, as long as fewer
/// unanswered calls than the bound could still explain something.
#[test]
fn a_name_that_returns_is_decided_until_the_bound() {
    let visits = |count: usize| {
        let times = |visit: usize| 10 * visit as u64;
        let visit = |start: u64| {
            [
                at(1, Hold, start, Some(start + 1)),
                at(1, Lapse, start + 2, None),
                at(1, Release, start + 3, Some(start + 4)),
            ]
        };
        (0..count)
            .flat_map(|number| visit(times(number)))
            .collect::<Vec<_>>()
    };
    assert_eq!(check(&visits(OPEN_MAX - 1)), Ok(()));
    let violation = check(&visits(2 * OPEN_MAX)).expect_err("too much is open");
    assert_eq!(violation.finding, Finding::Undecided);
}

/// As many as can be open at once take and return the same cell; whoever's hold is answered last
/// has seen all others come and go.
#[test]
fn a_crowd_at_one_cell() {
    let crowd = OPEN_MAX as u32 - 1;
    let mut calls = Vec::new();
    for who in 0..crowd {
        let answered = 1000 + 10 * u64::from(who);
        calls.push(at(who, Hold, 0, Some(answered)));
        calls.push(at(who, Release, answered + 1, Some(answered + 2)));
    }
    assert_eq!(check(&calls), Ok(()));
    calls.push(at(crowd, Hold, 0, Some(1)));
    assert!(check(&calls).is_err(), "nobody ever gave this one back");
}
