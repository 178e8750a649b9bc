//! The newest position that was acknowledged, in a small file beside the gateway.
//!
//! The store lags behind, so it cannot tell after a restart whether Redis still has everything
//! that somebody was told. This file can. It is overwritten in place before each acknowledgement
//! and never synced: after a loss of power it says something older, and then finds out less.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use morgenruh_engine::rules::record::Position;

/// Name of the file in the data directory.
const FILE: &str = "redis-acknowledged";

/// Position and the beginning of the run's id, twice: where the two differ, the file was torn.
const BYTES: usize = 32;
const HALF: usize = BYTES / 2;

/// What was acknowledged last, and by which run of Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Newest {
    pub(super) position: Position,
    run: [u8; 8],
}

impl Newest {
    /// Whether this run has acknowledged it.
    pub(super) fn is_of(&self, run: &str) -> bool {
        self.run == shortened(run)
    }
}

pub(super) struct Acknowledged {
    path: PathBuf,
    file: File,
    newest: Option<Newest>,
    has_failed: bool,
}

impl Acknowledged {
    /// The file of a data directory, made when there is none yet.
    pub(super) fn open(data: &Path) -> io::Result<Acknowledged> {
        let path = data.join(FILE);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        let mut bytes = [0; BYTES];
        let newest = match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => read(&bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(error) => return Err(error),
        };
        Ok(Acknowledged {
            path,
            file,
            newest,
            has_failed: false,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// None when nothing is known.
    pub(super) fn newest(&self) -> Option<&Newest> {
        self.newest.as_ref()
    }

    /// Keeps what is about to be acknowledged. The acknowledgement does not depend on it, so a
    /// failure is only told, once.
    pub(super) fn set(&mut self, position: Position, run: &str) {
        let newest = Newest {
            position,
            run: shortened(run),
        };
        if self.newest.as_ref() == Some(&newest) {
            return;
        }
        let mut bytes = [0; BYTES];
        for half in bytes.chunks_exact_mut(HALF) {
            half[..8].copy_from_slice(&position.0.to_le_bytes());
            half[8..].copy_from_slice(&newest.run);
        }
        self.newest = Some(newest);
        if let Err(error) = self.file.write_all_at(&bytes, 0)
            && !self.has_failed
        {
            self.has_failed = true;
            tracing::warn!(path = %self.path.display(), %error, "cannot be written");
        }
    }
}

fn read(bytes: &[u8; BYTES]) -> Option<Newest> {
    let (first, second) = bytes.split_at(HALF);
    let (position, run) = first.split_at(8);
    let position = u64::from_le_bytes(position.try_into().expect("it is split after 8 bytes"));
    let run = run.try_into().expect("the other half of 16 bytes");
    (first == second && position > 0).then_some(Newest {
        position: Position(position),
        run,
    })
}

/// The beginning of a run's id, or as much of it as there is.
fn shortened(run: &str) -> [u8; 8] {
    let mut bytes = [0; 8];
    for (to, from) in bytes.iter_mut().zip(run.bytes()) {
        *to = from;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_was_acknowledged_is_known_after_a_restart() {
        let data = tempfile::tempdir().unwrap();
        let mut acknowledged = Acknowledged::open(data.path()).unwrap();
        assert_eq!(acknowledged.newest(), None);
        for position in [1, 500] {
            acknowledged.set(Position(position), "0123456789abcdef");
        }
        let again = Acknowledged::open(data.path()).unwrap();
        let newest = again.newest().unwrap();
        assert_eq!(newest.position, Position(500));
        assert!(newest.is_of("0123456789abcdef") && !newest.is_of("1123456789abcdef"));
    }

    #[test]
    fn a_torn_or_empty_file_says_nothing() {
        let data = tempfile::tempdir().unwrap();
        let mut acknowledged = Acknowledged::open(data.path()).unwrap();
        acknowledged.set(Position(500), "run");
        let path = data.path().join(FILE);
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(Acknowledged::open(data.path()).unwrap().newest(), None);
            let mut altered = whole.clone();
            altered[cut] ^= 1;
            fs::write(&path, altered).unwrap();
            assert_eq!(Acknowledged::open(data.path()).unwrap().newest(), None);
        }
        fs::write(&path, [0; BYTES]).unwrap();
        assert_eq!(Acknowledged::open(data.path()).unwrap().newest(), None);
    }
}
