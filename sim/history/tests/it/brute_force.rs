//! The search against a judge that cannot be wrong: it tries every order of every choice of
//! unanswered calls.

use morgenruh_history::{Act, Call, State, check};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

const CALLS_MAX: usize = 6;

/// Whether some order of all answered and any unanswered calls, of which `left` are still to be
/// done, follows the rules from `state` on.
fn has_an_order(state: State<u8>, left: &mut Vec<Call<u8>>) -> bool {
    if left.iter().all(|call| call.returned.is_none()) {
        return true;
    }
    (0..left.len()).any(|index| {
        let next = left.remove(index);
        let in_time = left
            .iter()
            .all(|other| other.returned.is_none_or(|at| at >= next.invoked));
        let after = state.after(next.act, next.who).filter(|_| in_time);
        let found = after.is_some_and(|state| has_an_order(state, left));
        left.insert(index, next);
        found
    })
}

prop_compose! {
    fn any_call(instants: u64)(
        who in 0..3u8,
        act in select(&[Act::Hold, Act::Confirm, Act::Release, Act::Cancel, Act::Lapse][..]),
        invoked in 0..instants,
        takes in of(0..instants / 2),
    ) -> Call<u8> {
        Call { who, act, invoked, returned: takes.map(|time| invoked + time) }
    }
}

/// What a cell that follows the rules would tell, with intervals drawn around what it did and
/// some answers lost: most of these have an order.
fn likely_calls() -> impl Strategy<Value = Vec<Call<u8>>> {
    let step = (any::<prop::sample::Index>(), 0..3u8, 0..4u64, of(0..4u64));
    vec(step, 1..=CALLS_MAX).prop_map(|steps| {
        let acts = [
            Act::Hold,
            Act::Confirm,
            Act::Release,
            Act::Cancel,
            Act::Lapse,
        ];
        let mut state = State::Free;
        let mut calls = Vec::new();
        for (at, (choice, who, before, after)) in steps.into_iter().enumerate() {
            let at = 3 * at as u64 + 4;
            let who = match state {
                State::Free => who,
                State::Held(holder) | State::Booked(holder) => holder,
            };
            let possible: Vec<_> = acts
                .iter()
                .filter_map(|&act| Some((act, state.after(act, who)?)))
                .collect();
            let (act, next) = *choice.get(&possible);
            state = next;
            let returned = after.map(|after| at + after);
            calls.push(Call {
                who,
                act,
                invoked: at - before,
                returned,
            });
        }
        calls
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn any_history_is_judged_as_by_trying_everything(calls in vec(any_call(12), 0..=CALLS_MAX)) {
        let expected = has_an_order(State::Free, &mut calls.clone());
        prop_assert_eq!(check(&calls).is_ok(), expected);
    }

    #[test]
    fn what_a_cell_tells_has_an_order(calls in likely_calls()) {
        prop_assert!(has_an_order(State::Free, &mut calls.clone()));
        prop_assert_eq!(check(&calls), Ok(()));
    }

    /// One time of a history that has an order is changed: sometimes it still has one.
    #[test]
    fn a_history_with_a_wrong_time_is_judged_as_by_trying_everything(
        calls in likely_calls(), which in any::<prop::sample::Index>(), shift in -9..9i64,
    ) {
        let mut calls = calls;
        let index = which.index(calls.len());
        let call = &mut calls[index];
        call.invoked = call.invoked.saturating_add_signed(shift);
        call.returned = call.returned.map(|at| at.saturating_add_signed(shift).max(call.invoked));
        let expected = has_an_order(State::Free, &mut calls.clone());
        prop_assert_eq!(check(&calls).is_ok(), expected);
    }
}
