//! `morgenruh keys`: what is to be done with the keys of the waiting room, whether the service runs
//! or not. No key is ever shown.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use morgenruh_engine::rules::room::keys::RingError;
use morgenruh_engine::rules::time::Millis;

use super::configuration::{ConfigurationError, configuration};
use crate::clock;
use crate::keys::file::{KeyFile, RetireError, State};
use crate::keys::place::{self, KeyFileError, Place};
use crate::keys::{fresh, path};

const CHECK_FAILED: u8 = 1;
const NOTHING_DONE: u8 = 2;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    #[error("there is no file with keys {0}: the first start of the service makes it")]
    Missing(PathBuf),
    #[error(transparent)]
    File(#[from] KeyFileError),
    #[error("no new key can be made: {0}")]
    Randomness(std::io::Error),
    #[error("no new key was made: {0}; retire one")]
    Ring(#[from] RingError),
    #[error(transparent)]
    Retire(#[from] RetireError),
}

impl StepError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            StepError::File(KeyFileError::Unwritable(..)) => NOTHING_DONE,
            StepError::File(_) => CHECK_FAILED,
            _ => NOTHING_DONE,
        })
    }
}

/// Prints `id state created_at` of each key. Exit code 0: the file is well, 1: it is not, 2: it
/// cannot be looked for or does not exist.
#[expect(clippy::print_stdout, reason = "the result of the command")]
pub fn list(config: &Path, data: &Path) -> ExitCode {
    let keys = existing(config, data).and_then(|path| Ok(place::read(&path)?.0));
    done(keys.map(|keys| {
        for line in keys.lines() {
            let (id, state) = (line.key.id, line.state.name());
            println!("{id} {state} {}", line.created_at.to_jiff());
        }
    }))
}

/// Lets a new key sign, and retires those that were replaced more than `overlap_hours` ago. Exit
/// code 0: it is done, 1: the file is not well, 2: it is not done for another reason.
#[expect(clippy::print_stdout, reason = "the result of the command")]
pub fn rotate(config: &Path, data: &Path, overlap_hours: u32) -> ExitCode {
    let key = fresh().map_err(StepError::Randomness);
    let overlap = Millis::from_minutes(overlap_hours * 60);
    let rotated = key.and_then(|key| {
        change(config, data, |keys| {
            Ok(keys.rotate(key, clock::now(), overlap)?)
        })
    });
    done(rotated.map(|(keys, retired)| {
        for id in retired {
            println!("key {id} is retired: it was replaced more than {overlap_hours} hours ago");
        }
        for line in keys.lines() {
            match line.state {
                State::Signing => println!("key {} signs from now on", line.key.id),
                State::Verifying => println!("key {} goes on verifying", line.key.id),
            }
        }
    }))
}

/// Forgets a key. Exit codes as for [`rotate`].
#[expect(clippy::print_stdout, reason = "the result of the command")]
pub fn retire(config: &Path, data: &Path, id: u8) -> ExitCode {
    let retired = change(config, data, |keys| Ok(keys.retire(id)?));
    done(retired.map(|_| println!("key {id} is retired: what it has signed counts no more")))
}

/// Where the keys lie, if they do.
fn existing(config: &Path, data: &Path) -> Result<PathBuf, StepError> {
    let (_, settings) = configuration(config)?;
    let path = path(&settings, data);
    match path.try_exists() {
        Ok(false) => Err(StepError::Missing(path)),
        // What else is the matter is said by whoever reads it.
        _ => Ok(path),
    }
}

fn change<T>(
    config: &Path,
    data: &Path,
    change: impl FnOnce(&mut KeyFile) -> Result<T, StepError>,
) -> Result<(KeyFile, T), StepError> {
    let path = existing(config, data)?;
    let locked = Place::lock(&path)?;
    let (mut keys, _) = place::read(&path)?;
    let result = change(&mut keys)?;
    locked.write(&keys)?;
    Ok((keys, result))
}

fn done(result: Result<(), StepError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            error.exit_code()
        }
    }
}
