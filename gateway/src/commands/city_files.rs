//! The files of a city's folder as texts.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Most files a city can have: an office each, a department each, and room for more.
pub const FILES_MAX: usize = 2000;
/// Largest file, in bytes.
pub const FILE_BYTES_MAX: u64 = 1 << 20;
/// Folders within folders. One more than a city has, so that a misplaced file is seen.
const DEPTH_MAX: usize = 3;

/// Why the files could not be read.
#[derive(Debug)]
pub enum CityFilesError {
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    NotUtf8(PathBuf),
    TooLarge(PathBuf),
    TooMany(PathBuf),
}

impl fmt::Display for CityFilesError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CityFilesError::Io { path, source } => write!(out, "{}: {source}", path.display()),
            CityFilesError::NotUtf8(path) => write!(out, "{}: not UTF-8", path.display()),
            CityFilesError::TooLarge(path) => {
                write!(
                    out,
                    "{}: larger than {FILE_BYTES_MAX} bytes",
                    path.display()
                )
            }
            CityFilesError::TooMany(path) => {
                write!(out, "{}: more than {FILES_MAX} files", path.display())
            }
        }
    }
}

impl std::error::Error for CityFilesError {}

/// All `*.toml` below `dir`, by path relative to it, with `/`. Hidden files and folders are not
/// looked at.
///
/// # Errors
/// The first file that cannot be read, or a bound that is exceeded.
pub fn read_city_files(dir: &Path) -> Result<BTreeMap<String, String>, CityFilesError> {
    let mut files = BTreeMap::new();
    collect(dir, "", DEPTH_MAX, &mut files)?;
    Ok(files)
}

fn collect(
    dir: &Path,
    prefix: &str,
    depth: usize,
    files: &mut BTreeMap<String, String>,
) -> Result<(), CityFilesError> {
    let io = |source| CityFilesError::Io {
        path: dir.to_owned(),
        source,
    };
    for entry in std::fs::read_dir(dir).map_err(io)? {
        let entry = entry.map_err(io)?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name
            .to_str()
            .ok_or_else(|| CityFilesError::NotUtf8(path.clone()))?;
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            if depth > 1 {
                collect(&path, &format!("{prefix}{name}/"), depth - 1, files)?;
            }
        } else if name.ends_with(".toml") {
            if files.len() == FILES_MAX {
                return Err(CityFilesError::TooMany(dir.to_owned()));
            }
            files.insert(format!("{prefix}{name}"), read_text(path, FILE_BYTES_MAX)?);
        }
    }
    Ok(())
}

/// A text file of bounded size.
pub(super) fn read_text(path: PathBuf, bytes_max: u64) -> Result<String, CityFilesError> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(&path)
        .and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes));
    match read {
        Err(source) => Err(CityFilesError::Io { path, source }),
        Ok(length) if length as u64 > bytes_max => Err(CityFilesError::TooLarge(path)),
        Ok(_) => String::from_utf8(bytes).map_err(|_| CityFilesError::NotUtf8(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_toml_files_at_every_level_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("department/deeper")).unwrap();
        std::fs::create_dir_all(dir.path().join(".hidden")).unwrap();
        for name in [
            "city.toml",
            "department/office.toml",
            "department/deeper/lost.toml",
        ] {
            std::fs::write(dir.path().join(name), name).unwrap();
        }
        for name in ["README.md", ".hidden/secret.toml", ".swap.toml"] {
            std::fs::write(dir.path().join(name), "no").unwrap();
        }
        let files = read_city_files(dir.path()).unwrap();
        let names: Vec<_> = files.keys().map(String::as_str).collect();
        let expected = [
            "city.toml",
            "department/deeper/lost.toml",
            "department/office.toml",
        ];
        assert_eq!(names, expected);
        assert!(files.iter().all(|(name, text)| name == text));
    }

    #[test]
    fn refuses_what_is_too_large_or_no_text() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("city.toml");
        std::fs::write(&path, vec![b' '; FILE_BYTES_MAX as usize]).unwrap();
        assert!(read_city_files(dir.path()).is_ok());
        std::fs::write(&path, vec![b' '; FILE_BYTES_MAX as usize + 1]).unwrap();
        assert!(matches!(
            read_city_files(dir.path()),
            Err(CityFilesError::TooLarge(_))
        ));
        std::fs::write(&path, [0xff]).unwrap();
        assert!(matches!(
            read_city_files(dir.path()),
            Err(CityFilesError::NotUtf8(_))
        ));
        let missing = dir.path().join("missing");
        assert!(matches!(
            read_city_files(&missing),
            Err(CityFilesError::Io { .. })
        ));
    }
}
