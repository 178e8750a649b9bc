//! What a command works with: the city of a folder, and the settings of this machine.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use morgenruh_engine::rules::catalogue::Catalogue;
use morgenruh_engine::rules::catalogue::load::load;
use morgenruh_engine::rules::catalogue::reader::ConfigError;

use super::city_files::{CityFilesError, read_city_files};
use crate::settings::{SERVER_FILE, Settings};

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConfigurationError {
    #[error("{0}")]
    Files(#[from] CityFilesError),
    #[error("the configuration has {} errors:{}", .0.len(), lines(.0))]
    Mistakes(Vec<ConfigError>),
}

fn lines(errors: &[ConfigError]) -> String {
    errors.iter().fold(String::new(), |mut text, error| {
        let _ = write!(text, "\n  {error}");
        text
    })
}

/// The configuration in `dir` as it holds here: the environment wins over files.
///
/// # Errors
/// [`ConfigurationError`]
pub(super) fn configuration(dir: &Path) -> Result<(Catalogue, Settings), ConfigurationError> {
    let files = read_city_files(dir)?;
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    city_and_settings(&files, &environment).map_err(ConfigurationError::Mistakes)
}

/// The city and the settings beside it, or the mistakes of both.
pub(super) fn city_and_settings(
    files: &BTreeMap<String, String>,
    environment: &BTreeMap<String, String>,
) -> Result<(Catalogue, Settings), Vec<ConfigError>> {
    let server_toml = files.get(SERVER_FILE).map(String::as_str);
    match (load(files), Settings::load(server_toml, environment)) {
        (Ok(catalogue), Ok(settings)) => Ok((catalogue, settings)),
        (catalogue, settings) => {
            let mut errors = catalogue.err().unwrap_or_default();
            errors.extend(settings.err().unwrap_or_default());
            errors.sort();
            errors.dedup();
            Err(errors)
        }
    }
}
