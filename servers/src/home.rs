//! The directory of one server: its data, its settings, its log, and a lock.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Lines of a log that a message shows.
const LAST_LINES_MAX: usize = 20;

/// A server's directory while this value lives. Nobody else's server runs in it meanwhile.
#[derive(Debug)]
pub(crate) struct Home {
    path: PathBuf,
    _lock: File,
}

impl Home {
    /// Makes the directory if there is none.
    pub(crate) fn open(path: &Path) -> Self {
        let opened = || {
            fs::create_dir_all(path)?;
            let path = fs::canonicalize(path)?;
            let lock = File::create(path.join("lock"))?;
            Ok((path, lock))
        };
        let (path, lock) =
            opened().unwrap_or_else(|error: std::io::Error| panic!("{}: {error}", path.display()));
        match lock.try_lock() {
            Ok(()) => Self { path, _lock: lock },
            Err(TryLockError::WouldBlock) => panic!("{} is in use", path.display()),
            Err(TryLockError::Error(error)) => panic!("{}: {error}", path.display()),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.join(name);
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// The log, to which one more run of the server is about to be appended.
    pub(crate) fn log(&self) -> Log {
        let path = self.join("log");
        let opened = || {
            let file = File::options().create(true).append(true).open(&path)?;
            let begun_at = file.metadata()?.len();
            Ok((file, begun_at))
        };
        let (file, begun_at) =
            opened().unwrap_or_else(|error: std::io::Error| panic!("{}: {error}", path.display()));
        Log {
            path,
            file,
            begun_at,
        }
    }
}

/// What one run of a server says.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    /// Where in the file this run begins, in bytes.
    begun_at: u64,
}

impl Log {
    /// Another handle on the file, to become a process's output.
    pub(crate) fn output(&self) -> File {
        self.file.try_clone().expect("an open file can be shared")
    }

    /// The last lines that this run has said.
    pub(crate) fn last_lines(&self) -> String {
        let read = || {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(self.begun_at))?;
            let mut said = Vec::new();
            file.read_to_end(&mut said)?;
            Ok(said)
        };
        let said = read().unwrap_or_else(|error: std::io::Error| error.to_string().into_bytes());
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<_> = said.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES_MAX)..].join("\n")
    }
}
