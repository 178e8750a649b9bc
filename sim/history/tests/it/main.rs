//! Histories that have an order and histories that have none; and, for all small ones, the same
//! answer as trying every order.

mod brute_force;
mod long;
mod stories;

use morgenruh_history::{Act, Call};

/// An answered call.
fn call(who: u8, act: Act, invoked: u64, returned: u64) -> Call<u8> {
    Call {
        who,
        act,
        invoked,
        returned: Some(returned),
    }
}

/// A call whose answer never came.
fn open(who: u8, act: Act, invoked: u64) -> Call<u8> {
    Call {
        who,
        act,
        invoked,
        returned: None,
    }
}
