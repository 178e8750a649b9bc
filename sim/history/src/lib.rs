//! Whether what clients saw of a seat has an order that explains it.
//!
//! Clients ask at the same time and hear back at different times, or never. Their record is right
//! if every call can be given one instant between its invocation and its answer, such that the
//! calls, done one after the other at these instants, follow the rules of a cell: this is
//! linearizability. Cells are independent, so a history is checked cell by cell. A visit of k units
//! is k cells, and each of its calls is a call on each of them.
//!
//! ```text
//! free --hold(w)--> held(w) --confirm(w)--> booked(w) --cancel(w)--> free
//!                   held(w) --release(w), lapse(w)--> free
//! ```
//!
//! How to write things down:
//!
//! * Refusals are left out: they promise nothing. What was answered with success and what was not
//!   answered at all is in the history.
//! * `who` names one visit, from its hold to its end, and not a person who comes twice. The answer
//!   is right with any naming; with this one the search stays small.
//! * A confirmation that was repeated and answered alike is one call, from the first invocation to
//!   the first answer. If the first answer never came, it is answered when a repetition is.
//! * A move is a confirmation on the new cells, in the name of their hold, and a cancellation on
//!   the old ones, both in the interval of the move.
//! * A hold that may have come to its deadline, or been lost in a crash, is followed by a
//!   [`Act::Lapse`] without an answer, invoked when that became possible.
//!
//! The checker knows nothing of the service, so that it cannot share a mistake with it.

mod search;
mod violation;

pub use search::{CONFIGURATIONS_MAX, OPEN_MAX, check};
pub use violation::{Finding, Violation};

/// What was asked of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    Hold,
    Confirm,
    Release,
    Cancel,
    /// A hold ends by itself: its deadline came, or a crash lost it.
    Lapse,
}

/// One call on one cell. Times are of any unit, on one clock for all calls; two calls that share
/// an instant overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<W> {
    pub who: W,
    pub act: Act,
    pub invoked: u64,
    /// When success was answered. `None`: the answer never came, or nobody asked. It may have
    /// happened at any time after `invoked`, or never.
    pub returned: Option<u64>,
}

/// What a cell is at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State<W> {
    Free,
    Held(W),
    Booked(W),
}

impl<W: Copy + Eq> State<W> {
    /// The state after `who` has done `act`; `None` where the rules forbid it.
    pub fn after(self, act: Act, who: W) -> Option<Self> {
        match (self, act) {
            (State::Free, Act::Hold) => Some(State::Held(who)),
            (State::Held(holder), Act::Confirm) if holder == who => Some(State::Booked(who)),
            (State::Held(holder), Act::Release | Act::Lapse) if holder == who => Some(State::Free),
            (State::Booked(holder), Act::Cancel) if holder == who => Some(State::Free),
            _ => None,
        }
    }

    fn holder(self) -> Option<W> {
        match self {
            State::Free => None,
            State::Held(who) | State::Booked(who) => Some(who),
        }
    }

    fn map<V>(self, name: impl FnOnce(W) -> V) -> State<V> {
        match self {
            State::Free => State::Free,
            State::Held(who) => State::Held(name(who)),
            State::Booked(who) => State::Booked(name(who)),
        }
    }
}
