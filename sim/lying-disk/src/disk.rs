//! A watched directory: the record of its changes, and the calls in it that are to fail.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::fault::{Failure, Fault};
use crate::operation::{FileNumber, Operation};
use crate::platter::Platter;
use crate::vfs;

/// All that are watched now, for those who only have a path.
static WATCHED: RwLock<Vec<Arc<Watched>>> = RwLock::new(Vec::new());

/// A directory that is watched until this is dropped.
pub struct LyingDisk(Arc<Watched>);

/// What a disk was at first, and what has happened to it since.
#[derive(Clone, Debug)]
pub struct Record {
    pub first: Platter,
    pub operations: Vec<Operation>,
}

impl Record {
    /// The disk at each ordinal, the first and the last included.
    pub fn platters(&self, mut look: impl FnMut(&Platter)) {
        let mut platter = self.first.clone();
        look(&platter);
        for operation in &self.operations {
            platter.apply(operation);
            look(&platter);
        }
    }
}

pub(crate) struct Watched {
    root: PathBuf,
    state: Mutex<State>,
}

struct State {
    record: Record,
    names: BTreeMap<PathBuf, FileNumber>,
    files_end: u64,
    /// Writes, syncs and truncations so far.
    calls: u64,
    faults: Vec<Fault>,
}

/// Writes a disk out into a directory and watches it from then on. Only files that are opened
/// afterwards are seen.
///
/// # Errors
/// When the directory cannot be written.
pub fn watch(root: &Path, platter: Platter) -> io::Result<LyingDisk> {
    vfs::register();
    let root = root.canonicalize()?;
    platter.write_to(&root)?;
    let names = platter
        .read()
        .map(|(path, file, _)| (path.to_owned(), file))
        .collect();
    let state = State {
        names,
        files_end: platter.next_file().0,
        record: Record {
            first: platter,
            operations: Vec::new(),
        },
        calls: 0,
        faults: Vec::new(),
    };
    let watched = Arc::new(Watched {
        root,
        state: Mutex::new(state),
    });
    WATCHED.write().push(Arc::clone(&watched));
    Ok(LyingDisk(watched))
}

impl Drop for LyingDisk {
    fn drop(&mut self) {
        WATCHED
            .write()
            .retain(|watched| !Arc::ptr_eq(watched, &self.0));
    }
}

impl LyingDisk {
    /// How many changes there have been.
    pub fn ordinal(&self) -> u64 {
        self.0.state.lock().record.ordinal()
    }

    /// How many calls there have been that can be made to fail.
    pub fn calls(&self) -> u64 {
        self.0.state.lock().calls
    }

    /// From now on these calls fail, and no others.
    pub fn fail(&self, faults: Vec<Fault>) {
        self.0.state.lock().faults = faults;
    }

    /// What has happened so far.
    pub fn record(&self) -> Record {
        self.0.state.lock().record.clone()
    }

    /// Somebody has synced a directory without SQLite. Directories that are not watched are
    /// ignored.
    pub fn directory_synced(path: &Path) {
        let Ok(path) = path.canonicalize() else {
            return;
        };
        for watched in WATCHED.read().iter() {
            if let Ok(path) = path.strip_prefix(&watched.root) {
                watched.directory_synced(path);
            }
        }
    }
}

impl Record {
    fn ordinal(&self) -> u64 {
        self.first.ordinal() + self.operations.len() as u64
    }
}

impl Watched {
    /// The watched directory in which a path lies, and the rest of the path.
    pub(crate) fn find(path: &Path) -> Option<(Arc<Watched>, PathBuf)> {
        let all = WATCHED.read();
        all.iter().find_map(|watched| {
            let path = path.strip_prefix(&watched.root).ok()?;
            Some((Arc::clone(watched), path.to_owned()))
        })
    }

    /// A file was opened. One that nobody has seen is new.
    pub(crate) fn opened(&self, path: PathBuf) -> FileNumber {
        let mut state = self.state.lock();
        if let Some(file) = state.names.get(&path) {
            return *file;
        }
        let file = FileNumber(state.files_end);
        state.files_end += 1;
        state.names.insert(path.clone(), file);
        state.happened(Operation::Created { path, file });
        file
    }

    pub(crate) fn deleted(&self, path: PathBuf) {
        let mut state = self.state.lock();
        if state.names.remove(&path).is_some() {
            state.happened(Operation::Deleted { path });
        }
    }

    pub(crate) fn directory_synced(&self, path: &Path) {
        let within = fs::read_dir(self.root.join(path))
            .into_iter()
            .flatten()
            .flatten();
        let directories = within
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| path.join(entry.file_name()))
            .collect();
        let path = path.to_owned();
        self.happened(Operation::DirectorySynced { path, directories });
    }

    pub(crate) fn happened(&self, operation: Operation) {
        self.state.lock().happened(operation);
    }

    /// Counts a call; says how it is to fail, if it is.
    pub(crate) fn call(&self) -> Option<Failure> {
        let mut state = self.state.lock();
        let call = state.calls;
        state.calls += 1;
        let mut faults = state.faults.iter();
        faults
            .find(|fault| fault.calls.contains(&call))
            .map(|fault| fault.failure)
    }
}

impl State {
    fn happened(&mut self, operation: Operation) {
        self.record.operations.push(operation);
    }
}
