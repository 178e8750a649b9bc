//! The one place that asks what time it is.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use morgenruh_engine::rules::time::UnixMillis;

/// Fastest pace of a rehearsal: a week in a minute.
pub const SPEED_MAX: u32 = 10_000;

/// Set once, before anybody asks; never set where people are served.
static REHEARSAL: OnceLock<Rehearsal> = OnceLock::new();

/// A clock that ran away from the wall's at a known moment.
#[derive(Debug)]
struct Rehearsal {
    speed: u32,
    began: Instant,
    began_at: UnixMillis,
}

impl Rehearsal {
    fn at(&self, elapsed: Duration) -> UnixMillis {
        let millis = elapsed.as_micros() * u128::from(self.speed) / 1_000;
        let millis = i64::try_from(millis).unwrap_or(i64::MAX);
        UnixMillis(self.began_at.0.saturating_add(millis))
    }
}

/// The wall clock, or in a rehearsal one that is faster. Deadlines outlive restarts, so they cannot
/// be counted on a monotonic one.
pub fn now() -> UnixMillis {
    match REHEARSAL.get() {
        None => wall(),
        Some(rehearsal) => rehearsal.at(rehearsal.began.elapsed()),
    }
}

/// How many times as fast as life the clock goes: 1 outside of rehearsals.
pub(crate) fn speed() -> u32 {
    REHEARSAL.get().map_or(1, |rehearsal| rehearsal.speed)
}

/// From now on the clock goes `speed` times as fast, for as long as this process lives.
///
/// Deadlines, rests, days and what is kept for a time follow it. What waits for machines does not:
/// time limits of requests, the ledger's commits and retries, limits by network, fetching a beacon.
/// Those take longer on this clock, so a draw seldom gets its beacon, a webhook is signed with a
/// time that its receiver may refuse, and a seat given back may reach the public before the wishes
/// when nothing rests.
pub(crate) fn rehearse(speed: u32) {
    REHEARSAL.get_or_init(|| Rehearsal {
        speed,
        began: Instant::now(),
        began_at: wall(),
    });
}

#[expect(clippy::disallowed_methods, reason = "everybody else asks here")]
fn wall() -> UnixMillis {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMillis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_of_a_rehearsal_takes_a_minute() {
        let rehearsal = Rehearsal {
            speed: SPEED_MAX,
            began: Instant::now(),
            began_at: UnixMillis(1_000),
        };
        assert_eq!(rehearsal.at(Duration::ZERO), UnixMillis(1_000));
        // A tenth of a millisecond is a second.
        assert_eq!(rehearsal.at(Duration::from_micros(100)), UnixMillis(2_000));
        let minute = rehearsal.at(Duration::from_secs(60));
        assert_eq!(minute, UnixMillis(1_000 + 600_000_000));
    }
}
