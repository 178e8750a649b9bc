//! One clock for the record: microseconds since the run began.

use std::time::Instant;

use jiff::Timestamp;

use crate::clock;

/// When the run began, by the steady clock and by the wall's.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunClock {
    begun: Instant,
    begun_at: Timestamp,
}

impl RunClock {
    pub(super) fn start() -> Self {
        Self {
            begun: Instant::now(),
            begun_at: clock::now(),
        }
    }

    pub(super) fn now_us(self) -> u64 {
        self.begun.elapsed().as_micros() as u64
    }

    /// An instant that the service named; 0 for one before the run.
    pub(super) fn at_us(self, named: Timestamp) -> u64 {
        let since = named.as_microsecond() - self.begun_at.as_microsecond();
        u64::try_from(since).unwrap_or(0)
    }
}
