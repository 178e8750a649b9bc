//! The state of a disk after so many changes: what is durable, and what is only read.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::content::Content;
use crate::loss::{Loss, Part};
use crate::operation::{FileNumber, Operation};

/// A disk at one ordinal. It can be turned forward, lose its power, and be written out.
#[derive(Clone, Debug, Default)]
pub struct Platter {
    ordinal: u64,
    /// One more than the highest number of a file.
    files_end: u64,
    files: BTreeMap<FileNumber, Content>,
    names: BTreeMap<PathBuf, Entry<FileNumber>>,
    /// Below the watched one, which itself is always there.
    directories: BTreeMap<PathBuf, Entry<()>>,
}

/// What a name stands for.
#[derive(Clone, Debug)]
struct Entry<T> {
    durable: Option<T>,
    /// By ordinal, since the directory was last synced.
    changes: Vec<(u64, Option<T>)>,
}

impl<T: Copy> Entry<T> {
    fn new() -> Entry<T> {
        Entry {
            durable: None,
            changes: Vec::new(),
        }
    }

    fn read(&self) -> Option<T> {
        self.after(&Loss::Nothing)
    }

    fn sync(&mut self) {
        self.durable = self.read();
        self.changes.clear();
    }

    fn after(&self, loss: &Loss) -> Option<T> {
        let mut changes = self.changes.iter().rev();
        let kept = changes.find(|(ordinal, _)| loss.keeps(*ordinal, Part::Entry));
        kept.map_or(self.durable, |(_, stands_for)| *stands_for)
    }
}

impl Platter {
    fn add_directory(&mut self, path: &Path) {
        let durable = Some(());
        let changes = Vec::new();
        self.directories
            .insert(path.to_owned(), Entry { durable, changes });
    }

    fn add_file(&mut self, path: PathBuf, bytes: Vec<u8>) {
        let file = self.next_file();
        self.files_end = file.0 + 1;
        self.files.insert(file, Content::durable(bytes));
        let durable = Some(file);
        let changes = Vec::new();
        self.names.insert(path, Entry { durable, changes });
    }

    /// How many changes there have been.
    pub fn ordinal(&self) -> u64 {
        self.ordinal
    }

    pub(crate) fn next_file(&self) -> FileNumber {
        FileNumber(self.files_end)
    }

    /// The files as they are read, by name.
    pub(crate) fn read(&self) -> impl Iterator<Item = (&Path, FileNumber, &[u8])> {
        self.names.iter().filter_map(|(path, entry)| {
            let file = entry.read()?;
            Some((path.as_path(), file, self.files.get(&file)?.read()))
        })
    }

    /// Turns the disk one change forward.
    pub fn apply(&mut self, operation: &Operation) {
        let ordinal = self.ordinal;
        self.ordinal += 1;
        match operation {
            Operation::Created { path, file } => {
                self.files_end = self.files_end.max(file.0 + 1);
                self.files.insert(*file, Content::default());
                self.rename(path, Some(*file));
                for directory in directories_of(path) {
                    let entry = self.directories.entry(directory).or_insert_with(Entry::new);
                    if entry.read().is_none() {
                        entry.changes.push((ordinal, Some(())));
                    }
                }
            }
            Operation::Deleted { path } => self.rename(path, None),
            Operation::Written {
                file,
                offset,
                bytes,
            } => self.content(*file).write(ordinal, *offset, bytes),
            Operation::Truncated { file, length } => self.content(*file).truncate(ordinal, *length),
            Operation::Synced { file } => self.content(*file).sync(),
            Operation::Forgotten { file } => self.content(*file).forget(),
            Operation::DirectorySynced { path, directories } => {
                for directory in directories {
                    self.add_directory(directory);
                }
                let within = |name: &Path| name.parent() == Some(path);
                for (_, entry) in self.names.iter_mut().filter(|(name, _)| within(name)) {
                    entry.sync();
                }
            }
        }
    }

    fn rename(&mut self, path: &Path, stands_for: Option<FileNumber>) {
        let ordinal = self.ordinal - 1;
        let entry = self.names.entry(path.to_owned()).or_insert_with(Entry::new);
        entry.changes.push((ordinal, stands_for));
    }

    fn content(&mut self, file: FileNumber) -> &mut Content {
        self.files.entry(file).or_default()
    }

    /// The oldest change that a power failure could take; the ordinal when there is none.
    pub fn unsynced(&self) -> u64 {
        let contents = self.files.values().filter_map(Content::unsynced);
        let names = self
            .names
            .values()
            .filter_map(|entry| entry.changes.first());
        let directories = self
            .directories
            .values()
            .filter_map(|entry| entry.changes.first());
        contents
            .chain(names.map(|(ordinal, _)| *ordinal))
            .chain(directories.map(|(ordinal, _)| *ordinal))
            .min()
            .unwrap_or(self.ordinal)
    }

    /// The system gives up writing what is not synced. It is read until the power fails, and no
    /// later sync writes it.
    pub fn forget(&mut self) {
        self.files.values_mut().for_each(Content::forget);
    }

    /// What a machine finds after it lost its power now. All of it is durable.
    pub fn power_failure(&self, loss: &Loss) -> Platter {
        let mut found = Platter {
            ordinal: self.ordinal,
            ..Platter::default()
        };
        for (path, entry) in &self.directories {
            if self.is_found(path, loss) && entry.after(loss).is_some() {
                found.add_directory(path);
            }
        }
        for (path, entry) in &self.names {
            if self.is_found(path, loss)
                && let Some(file) = entry.after(loss)
                && let Some(content) = self.files.get(&file)
            {
                found.add_file(path.clone(), content.after(loss));
            }
        }
        found
    }

    /// Whether the way that leads to a name is still there.
    fn is_found(&self, path: &Path, loss: &Loss) -> bool {
        directories_of(path).all(|directory| {
            let entry = self.directories.get(&directory);
            entry.is_some_and(|entry| entry.after(loss).is_some())
        })
    }

    /// Writes the files out as they are read.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn write_to(&self, root: &Path) -> io::Result<()> {
        for (path, entry) in &self.directories {
            if entry.read().is_some() {
                fs::create_dir_all(root.join(path))?;
            }
        }
        for (path, _, bytes) in self.read() {
            fs::write(root.join(path), bytes)?;
        }
        Ok(())
    }
}

/// The directories between the watched one and a path.
fn directories_of(path: &Path) -> impl Iterator<Item = PathBuf> {
    let above = path.ancestors().skip(1);
    above
        .filter(|above| !above.as_os_str().is_empty())
        .map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(operations: &[Operation]) -> Platter {
        let mut platter = Platter::default();
        operations
            .iter()
            .for_each(|operation| platter.apply(operation));
        platter
    }

    fn names(platter: &Platter) -> Vec<String> {
        platter
            .read()
            .map(|(path, ..)| path.display().to_string())
            .collect()
    }

    fn created(path: &str, file: u64) -> Operation {
        Operation::Created {
            path: path.into(),
            file: FileNumber(file),
        }
    }

    fn directory_synced(path: &str, directories: &[&str]) -> Operation {
        Operation::DirectorySynced {
            path: path.into(),
            directories: directories.iter().map(PathBuf::from).collect(),
        }
    }

    /// The file is synced and so is the directory it lies in, but not that directory's own entry.
    #[test]
    fn a_file_is_lost_with_its_directory() {
        let file = FileNumber(0);
        let mut operations = vec![
            created("data/a", 0),
            Operation::Synced { file },
            directory_synced("data", &[]),
        ];
        let found =
            |operations: &[Operation]| names(&after(operations).power_failure(&Loss::Everything));
        assert_eq!(found(&operations), [""; 0]);
        operations.push(directory_synced("", &["data"]));
        assert_eq!(found(&operations), ["data/a"]);
    }

    /// The old file is still there under its name, with its own content, or the new one.
    #[test]
    fn a_name_stands_for_what_its_directory_last_knew() {
        let written = |file, bytes: &[u8]| Operation::Written {
            file: FileNumber(file),
            offset: 0,
            bytes: bytes.to_vec(),
        };
        let mut operations = vec![
            created("a", 0),
            written(0, b"old"),
            directory_synced("", &[]),
        ];
        operations.push(Operation::Synced {
            file: FileNumber(0),
        });
        operations.push(Operation::Deleted { path: "a".into() });
        operations.push(created("a", 1));
        operations.push(written(1, b"new"));
        let platter = after(&operations);
        assert_eq!((platter.unsynced(), platter.ordinal()), (4, 7));
        let found = |loss: &Loss| {
            let found = platter.power_failure(loss);
            found.read().map(|(.., bytes)| bytes.to_vec()).next()
        };
        assert_eq!(found(&Loss::Everything), Some(b"old".to_vec()));
        let since = |ordinal| {
            found(&Loss::Since {
                ordinal,
                sectors: 0,
            })
        };
        assert_eq!(since(5), None);
        assert_eq!(since(6), Some(vec![]));
        assert_eq!(found(&Loss::Nothing), Some(b"new".to_vec()));
    }
}
