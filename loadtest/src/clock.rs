//! What time it is, and waiting for an instant.
//!
//! The runtime's timer has a grain of a millisecond and always rounds up, which would add one to
//! two milliseconds of this tool's own to every latency. So it is woken by that much early: then a
//! person comes a hair too soon, and what counts as latency is the service's.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::time::sleep_until;

/// Twice the timer's grain, in milliseconds: its own rounding and that of the system call below.
const EARLY_MS: u64 = 2;

/// The wall clock, for comparing with the times that the service announces.
#[expect(clippy::disallowed_methods, reason = "everybody else asks here")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Waits for `planned`, and returns the instant from which latency counts: `planned`, or now where
/// the timer was early. Being late is never forgiven.
pub async fn reach(planned: Instant) -> Instant {
    let early = Duration::from_millis(EARLY_MS);
    sleep_until(planned.checked_sub(early).unwrap_or(planned).into()).await;
    planned.min(Instant::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_is_late_without_saying_so() {
        let past = Instant::now() - Duration::from_millis(50);
        assert_eq!(reach(past).await, past);
        let planned = Instant::now() + Duration::from_millis(20);
        let reached = reach(planned).await;
        assert!(reached <= planned && planned - reached <= Duration::from_millis(EARLY_MS));
    }
}
