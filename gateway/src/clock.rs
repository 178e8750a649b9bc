//! The one place that asks what time it is.

use std::time::{SystemTime, UNIX_EPOCH};

use morgenruh_engine::rules::time::UnixMillis;

/// The wall clock. Deadlines outlive restarts, so they cannot be counted on a monotonic one.
#[expect(clippy::disallowed_methods, reason = "everybody else asks here")]
pub fn now() -> UnixMillis {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMillis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
