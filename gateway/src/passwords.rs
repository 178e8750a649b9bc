//! What proves to Redis and PostgreSQL who we are. It comes from a file of its own or from the
//! environment, and goes nowhere but to the server: no dump, log or error shows it.

use std::env::{self, VarError};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use morgenruh_production::password::Password;

/// Longest password, in bytes.
const PASSWORD_BYTES_MAX: u64 = 4096;
/// Set in the mode of a file that everybody can read.
const OTHERS_READ: u32 = 0o004;

/// Why there is no password where one is named.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("the file with a password {0} cannot be read: {1}")]
    Unreadable(PathBuf, io::Error),
    #[error("the file {0} should hold a password of at most {PASSWORD_BYTES_MAX} bytes: it {1}")]
    Unfit(PathBuf, &'static str),
    #[error("the variable {0} holds something that is not text")]
    NotText(&'static str),
}

/// The password of this variable, if it holds one, else that of the file, if one is named.
///
/// # Errors
/// [`PasswordError`]
pub(crate) fn password(
    variable: &'static str,
    file: Option<&Path>,
) -> Result<Option<Password>, PasswordError> {
    match env::var(variable) {
        Ok(text) if !text.is_empty() => Ok(Some(Password::new(text))),
        Ok(_) | Err(VarError::NotPresent) => file.map(from_file).transpose(),
        Err(VarError::NotUnicode(_)) => Err(PasswordError::NotText(variable)),
    }
}

fn from_file(path: &Path) -> Result<Password, PasswordError> {
    let unreadable = |error| PasswordError::Unreadable(path.to_owned(), error);
    let unfit = |reason| PasswordError::Unfit(path.to_owned(), reason);
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode();
    let mut bytes = Vec::new();
    let mut bounded = file.take(PASSWORD_BYTES_MAX + 1);
    bounded.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > PASSWORD_BYTES_MAX {
        return Err(unfit("is longer"));
    }
    let text = String::from_utf8(bytes).map_err(|_| unfit("is not text"))?;
    // An editor's last line end is not meant.
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(unfit("is empty"));
    }
    if mode & OTHERS_READ != 0 {
        tracing::warn!(
            file = %path.display(),
            "everybody on this machine can read the file with the password: `chmod o-r` keeps it"
        );
    }
    Ok(Password::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_password_without_its_line_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        for (text, password) in [
            ("secret", Some("secret")),
            ("two words \n", Some("two words ")),
            ("windows\r\n", Some("windows")),
            ("", None),
            ("\n", None),
        ] {
            std::fs::write(&path, text).unwrap();
            let read = from_file(&path);
            assert_eq!(read.as_ref().ok().map(Password::reveal), password);
        }
        std::fs::write(&path, "x".repeat(4097)).unwrap();
        let error = from_file(&path).unwrap_err().to_string();
        assert!(error.ends_with("it is longer"), "{error}");
        std::fs::write(&path, b"\xff").unwrap();
        assert!(from_file(&path).is_err());
        assert!(from_file(&dir.path().join("missing")).is_err());
    }
}
