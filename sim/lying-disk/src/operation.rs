//! What can happen to a disk, in the order in which it did.

use std::path::PathBuf;

/// One change. Paths are relative to the watched directory.
#[derive(Clone, Debug)]
pub enum Operation {
    /// A name for a new, empty file.
    Created {
        path: PathBuf,
        file: FileNumber,
    },
    Deleted {
        path: PathBuf,
    },
    Written {
        file: FileNumber,
        offset: usize,
        bytes: Vec<u8>,
    },
    Truncated {
        file: FileNumber,
        length: usize,
    },
    Synced {
        file: FileNumber,
    },
    /// A sync failed, and the system has thrown away what it could not write: it is still read,
    /// but no later sync will write it.
    Forgotten {
        file: FileNumber,
    },
    /// The names in a directory are durable, those of the named directories among them.
    DirectorySynced {
        path: PathBuf,
        directories: Vec<PathBuf>,
    },
}

/// Tells files apart that have had the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileNumber(pub u64);
