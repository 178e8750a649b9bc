//! How long a server that failed is left alone.

use std::time::{Duration, Instant};

/// After the first failure; it doubles with each further one.
const FIRST: Duration = Duration::from_millis(50);
const MAX: Duration = Duration::from_secs(5);

/// The pause after a failed connection. Nobody sleeps here: who asks too early is told at once,
/// with the reason of the last failure.
#[derive(Debug, Default)]
pub(super) struct Pause {
    failures: u32,
    last: Option<(Instant, String)>,
}

impl Pause {
    /// Why nothing is to be tried now; None when something may be.
    pub(super) fn reason(&self, now: Instant) -> Option<&str> {
        let (until, reason) = self.last.as_ref()?;
        (now < *until).then_some(reason)
    }

    pub(super) fn failed(&mut self, now: Instant, reason: &str) {
        let doubled = FIRST * (1 << self.failures.min(16));
        // Many gateways must not come back in step.
        let share = 0.5 + fastrand::f64() / 2.0;
        self.failures += 1;
        self.last = Some((now + doubled.min(MAX).mul_f64(share), reason.to_owned()));
    }

    pub(super) fn succeeded(&mut self) {
        *self = Pause::default();
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failures > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_up_to_its_bound_and_ends_with_the_first_success() {
        let mut pause = Pause::default();
        let now = Instant::now();
        assert_eq!(pause.reason(now), None);
        pause.failed(now, "away");
        assert_eq!(pause.reason(now + FIRST / 4), Some("away"));
        assert_eq!(pause.reason(now + FIRST), None);
        for _ in 0..40 {
            pause.failed(now, "still away");
        }
        assert_eq!(pause.reason(now + MAX / 4), Some("still away"));
        assert_eq!(pause.reason(now + MAX), None);
        pause.succeeded();
        assert_eq!(pause.reason(now), None);
    }
}
