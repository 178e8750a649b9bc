//! Directories whose names survive a loss of power.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::canary::{Canary, sings};

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
