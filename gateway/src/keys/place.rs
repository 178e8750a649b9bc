//! Where the file with the keys of the waiting room lies. Whoever changes it writes a whole new one
//! in its place, so that nobody ever reads half of it.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use super::file::{BadKeys, KeyFile};

/// Longest file, in bytes: many times what eight keys need.
const FILE_BYTES_MAX: u64 = 16_384;
/// The mode of a new file: its owner alone.
const MODE: u32 = 0o600;
/// Set in the mode of a file that somebody else can use.
const OTHERS: u32 = 0o077;

/// Why there are no keys, or why they could not be changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFileError {
    #[error("the file with keys {0} cannot be read: {1}")]
    Unreadable(PathBuf, io::Error),
    #[error("others can use the file with keys {0}: `chmod 600 {0}` keeps it to its owner")]
    Open(PathBuf),
    #[error("the file with keys {0}: {1}")]
    Bad(PathBuf, BadKeys),
    #[error("the file with keys {0} is longer than {FILE_BYTES_MAX} bytes or no text")]
    Unfit(PathBuf),
    #[error("the file with keys {0} cannot be written: {1}")]
    Unwritable(PathBuf, io::Error),
}

impl KeyFileError {
    pub(super) fn unwritable(path: &Path, error: io::Error) -> KeyFileError {
        KeyFileError::Unwritable(path.to_owned(), error)
    }
}

/// By which one version of the file is told from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: u64,
    bytes: u64,
    mode: u32,
    modified_at: (i64, i64),
}

impl Stamp {
    pub(crate) fn of(path: &Path) -> io::Result<Stamp> {
        fs::metadata(path).map(|metadata| Stamp::from(&metadata))
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Stamp {
        Stamp {
            inode: metadata.ino(),
            bytes: metadata.size(),
            mode: metadata.mode(),
            modified_at: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// The keys in this file, and which version of it they are from.
///
/// # Errors
/// [`KeyFileError`]
pub(crate) fn read(path: &Path) -> Result<(KeyFile, Stamp), KeyFileError> {
    let unreadable = |error| KeyFileError::Unreadable(path.to_owned(), error);
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.mode() & OTHERS != 0 {
        return Err(KeyFileError::Open(path.to_owned()));
    }
    let unfit = || KeyFileError::Unfit(path.to_owned());
    let mut bytes = Vec::new();
    let mut bounded = file.take(FILE_BYTES_MAX + 1);
    bounded.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(unfit());
    }
    let text = String::from_utf8(bytes).map_err(|_| unfit())?;
    let keys = KeyFile::parse(&text).map_err(|bad| KeyFileError::Bad(path.to_owned(), bad))?;
    Ok((keys, Stamp::from(&metadata)))
}

/// Where the file lies or will lie. Nobody else writes it as long as this is there.
pub(crate) struct Place {
    path: PathBuf,
    /// Locked, and unlocked by being closed.
    folder: File,
}

impl Place {
    /// Waits until nobody else is about to write the file.
    ///
    /// # Errors
    /// [`KeyFileError::Unwritable`]
    pub(crate) fn lock(path: &Path) -> Result<Place, KeyFileError> {
        let locked = || {
            // A link stays one: what it leads to is replaced.
            let path = match path.canonicalize() {
                Err(error) if error.kind() == ErrorKind::NotFound => std::path::absolute(path)?,
                path => path?,
            };
            let folder = File::open(path.parent().unwrap_or(&path))?;
            folder.lock()?;
            Ok(Place { path, folder })
        };
        locked().map_err(|error| KeyFileError::unwritable(path, error))
    }

    pub(crate) fn exists(&self) -> bool {
        // Anything but its absence is found out by reading it.
        !matches!(fs::metadata(&self.path), Err(error) if error.kind() == ErrorKind::NotFound)
    }

    /// Writes the file, whole or not at all, and durably.
    ///
    /// # Errors
    /// [`KeyFileError::Unwritable`]
    pub(crate) fn write(&self, keys: &KeyFile) -> Result<(), KeyFileError> {
        self.replace(keys.text().as_bytes())
            .map_err(|error| KeyFileError::unwritable(&self.path, error))
    }

    fn replace(&self, text: &[u8]) -> io::Result<()> {
        let mut new = self.path.clone().into_os_string();
        new.push(".new");
        // Left by somebody whose power failed.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(MODE).open(&new)?;
        if let Ok(old) = fs::metadata(&self.path)
            && old.uid() != file.metadata()?.uid()
        {
            // An administrator changes the keys of a service that runs as somebody else.
            fchown(&file, Some(old.uid()), Some(old.gid()))?;
        }
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        self.folder.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use morgenruh_engine::rules::room::keys::KEY_BYTES;
    use morgenruh_engine::rules::time::UnixMillis;

    use super::*;

    fn keys(seed: u8) -> KeyFile {
        let bytes: [u8; KEY_BYTES] = std::array::from_fn(|position| seed + position as u8);
        KeyFile::new(bytes, UnixMillis(0))
    }

    #[test]
    fn only_the_owner_can_read_what_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        let mode = || fs::metadata(&path).unwrap().mode() & 0o777;
        // Somebody was interrupted and left a file that everybody can read.
        fs::write(dir.path().join("keys.new"), "half").unwrap();
        let place = Place::lock(&path).unwrap();
        assert!(!place.exists());
        place.write(&keys(1)).unwrap();
        assert!(place.exists());
        assert_eq!(mode(), 0o600);
        let (_, stamp) = read(&path).unwrap();
        place.write(&keys(1)).unwrap();
        assert_ne!(Stamp::of(&path).unwrap(), stamp, "it is another file");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        for open in [0o640, 0o604, 0o620, 0o601] {
            fs::set_permissions(&path, PermissionsExt::from_mode(open)).unwrap();
            let refused = read(&path).unwrap_err().to_string();
            assert!(refused.contains("chmod 600"), "{open:o}: {refused}");
        }
    }

    #[test]
    fn a_link_to_the_file_stays_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("keys"), dir.path().join("link"));
        Place::lock(&path).unwrap().write(&keys(1)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        Place::lock(&link).unwrap().write(&keys(2)).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let (file, _) = read(&path).unwrap();
        assert_eq!(file.text(), keys(2).text());
    }

    #[test]
    fn a_file_that_is_huge_or_no_text_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        for content in [&vec![b'#'; 16_385][..], b"\xff"] {
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
            assert!(matches!(read(&path), Err(KeyFileError::Unfit(_))));
        }
        fs::remove_file(&path).unwrap();
        assert!(matches!(read(&path), Err(KeyFileError::Unreadable(..))));
        let nowhere = dir.path().join("missing").join("keys");
        assert!(Place::lock(&nowhere).is_err());
    }
}
