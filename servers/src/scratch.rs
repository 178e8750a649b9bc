//! A place for the servers of one test.

use std::env;
use std::path::PathBuf;

use tempfile::TempDir;

/// Where Linux keeps files in memory.
const MEMORY: &str = "/dev/shm";

/// Memory that must be free there, in bytes: a dozen servers and something to spare.
const FREE_BYTES_MIN: u64 = 1 << 30;

/// A temporary directory, in memory where there is room.
///
/// A killed server loses nothing there that it had written, as on a disk, and a sync costs nothing:
/// right for tests, wrong for measurements. As with every temporary directory, it stays when this
/// process is killed.
///
/// # Panics
/// When none can be made.
pub fn scratch() -> TempDir {
    let free = rustix::fs::statvfs(MEMORY).map(|stat| stat.f_bavail * stat.f_frsize);
    let place = match free {
        Ok(bytes) if bytes >= FREE_BYTES_MIN => PathBuf::from(MEMORY),
        _ => env::temp_dir(),
    };
    tempfile::Builder::new()
        .prefix("morgenruh-")
        .tempdir_in(&place)
        .unwrap_or_else(|error| panic!("{}: {error}", place.display()))
}
