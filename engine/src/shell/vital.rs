//! Threads without which the service must not go on.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, JoinHandle};

/// Runs `work` on a thread of its own and ends the process if it panics.
///
/// Without its ledger or its clockwork the service would look alive while seats stay stuck; after
/// a restart, recovery puts everything right.
///
/// # Errors
/// When the system gives no thread.
pub fn spawn_vital(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.to_owned()).spawn(move || {
        // The panic hook has said what and where.
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            std::process::abort();
        }
    })
}
