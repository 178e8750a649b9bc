//! Where the data, the log and the record of a service of our own lie.

use std::io;
use std::path::{Path, PathBuf};

/// Where everything lies.
#[derive(Debug)]
pub(crate) enum Folder {
    Named(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Folder {
    /// The named folder, which must be new or empty and stays, or a temporary one.
    pub(crate) fn new(prefix: &str, named: Option<&Path>) -> io::Result<Self> {
        let Some(path) = named else {
            return Ok(Folder::Temporary(
                tempfile::Builder::new().prefix(prefix).tempdir()?,
            ));
        };
        std::fs::create_dir_all(path)?;
        if std::fs::read_dir(path)?.next().is_some() {
            return Err(io::Error::other(format!("{} is not empty", path.display())));
        }
        Ok(Folder::Named(path.to_owned()))
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Folder::Named(path) => path,
            Folder::Temporary(folder) => folder.path(),
        }
    }

    /// Removes a temporary folder, unless somebody will want to look at it.
    pub(crate) fn leave(self, holds: bool) {
        match self {
            Folder::Temporary(folder) if !holds => {
                eprintln!(
                    "data, log and record are kept in {}",
                    folder.keep().display()
                );
            }
            Folder::Temporary(_) | Folder::Named(_) => {}
        }
    }
}
