//! Data directories: their names survive a loss of power, and each serves one process.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::canary::{Canary, sings};

/// Name of the file whose lock keeps a second process away.
const LOCK: &str = "lock";

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("the data directory {0} cannot be used: {1}")]
    Unusable(PathBuf, io::Error),
    #[error("the data directory {0} is in use by another process")]
    InUse(PathBuf),
}

/// Creates the directory where it is missing and keeps it for this process, until the file is
/// closed.
///
/// # Errors
/// [`LockError`]
pub fn lock(data: &Path) -> Result<File, LockError> {
    let unusable = |error| LockError::Unusable(data.to_owned(), error);
    create(data).map_err(unusable)?;
    let lock = File::create(data.join(LOCK)).map_err(unusable)?;
    lock.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => LockError::InUse(data.to_owned()),
        TryLockError::Error(error) => unusable(error),
    })?;
    Ok(lock)
}

/// Creates a directory, with those above it that are missing, and makes all their names durable:
/// a name is safe once the directory in which it stands is synced.
///
/// Each time all the way up, because the start that created them may have lost its power before
/// it came to this. Where this program may not look or write it has created nothing.
///
/// # Errors
/// Those of the file system.
pub fn create(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    if sings(Canary::DirectoryNotSynced) {
        return Ok(());
    }
    for above in path.canonicalize()?.ancestors().skip(1) {
        match File::open(above).and_then(|directory| directory.sync_all()) {
            Ok(()) => {}
            Err(error) if is_not_ours(&error) => break,
            Err(error) => return Err(error),
        }
        #[cfg(feature = "canaries")]
        observer::tell(above);
    }
    Ok(())
}

fn is_not_ours(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
    )
}

/// For a disk under test, which sees what SQLite does and cannot see this.
#[cfg(feature = "canaries")]
pub mod observer {
    use std::path::Path;
    use std::sync::OnceLock;

    static OBSERVER: OnceLock<fn(&Path)> = OnceLock::new();

    /// Calls this after every sync of a directory from now on. Only the first observer is heard.
    pub fn observe(observer: fn(&Path)) {
        OBSERVER.get_or_init(|| observer);
    }

    pub(super) fn tell(directory: &Path) {
        if let Some(observer) = OBSERVER.get() {
            observer(directory);
        }
    }
}
