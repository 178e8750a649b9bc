//! `morgenruh migrate-store` and `morgenruh restart-ledger`: rare and deliberate steps with the
//! servers that keep the facts, while nobody is served.

use std::path::Path;
use std::process::ExitCode;

use morgenruh_engine::rules::catalogue::Catalogue;
use morgenruh_production::ledger::{self, OpenError, Settings};
use morgenruh_production::migrate::{MigrateError, migrate};

use super::configuration::{ConfigurationError, configuration};
use crate::keeping::servers;
use crate::passwords::PasswordError;
use crate::settings::Kind;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    #[error(
        "the configuration names the embedded ledger: set kind = \"redis\" under [ledger] of \
         server.toml, or MORGENRUH_LEDGER_KIND"
    )]
    Embedded,
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Moves the facts of the embedded ledger in `from` to the servers that the configuration names.
/// Exit code 0: they are there, 2: they are where they were.
#[expect(clippy::print_stdout, reason = "the result of the command")]
pub fn migrate_store(config: &Path, data: &Path, from: &Path) -> ExitCode {
    let progress = |facts| eprintln!("{facts} facts are in the database");
    let moved = production(config)
        .and_then(|(catalogue, servers)| Ok(migrate(from, data, &servers, &catalogue, &progress)?));
    done(moved.map(|facts| println!("moved {facts} facts")))
}

/// Begins an empty Redis behind the database. Exit code 0: it can serve, 2: nothing was done.
#[expect(clippy::print_stdout, reason = "the result of the command")]
pub fn restart_ledger(config: &Path, data: &Path) -> ExitCode {
    let restarted = production(config)
        .and_then(|(catalogue, servers)| Ok(ledger::restart_ledger(data, &servers, &catalogue)?));
    done(restarted.map(|position| println!("the ledger goes on behind fact {}", position.0)))
}

fn production(config: &Path) -> Result<(Catalogue, Settings), StepError> {
    let (catalogue, settings) = configuration(config)?;
    if settings.ledger.kind != Kind::Redis {
        return Err(StepError::Embedded);
    }
    Ok((catalogue, servers(&settings)?))
}

fn done(result: Result<(), StepError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}
