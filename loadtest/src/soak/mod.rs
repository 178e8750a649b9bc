//! `morgenruh-loadtest soak`: a service that is killed again and again, and must not lose a word.
//!
//! A cycle starts the service on the data that is there, calls in every promise, lets people hold,
//! confirm, move and cancel, and kills the process while they do. Everybody keeps a record of what
//! was asked and answered. After a chapter of cycles all records together are held against the
//! rules, cell by cell ([`morgenruh_history`]): whatever the crashes and pauses did, there must be
//! one order of events that explains every answer.

mod cells;
mod clock;
mod cycle;
mod desk;
mod faults;
mod notebook;
mod production;
mod report;
mod stay;
mod town;
mod visitor;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use self::cycle::Soak;
use self::notebook::Notebook;
pub use self::notebook::Tally;
use self::production::{Production, Servers};
pub use self::report::{Figures, Manifest, Outage, Report, Verdict};
use self::town::Town;
use self::visitor::Visitor;
use crate::api::Api;
use crate::client::{BaseUrl, Client};
use crate::folder::Folder;
use crate::morning::RunError;
use crate::service::{Program, beside_us, interruption};

/// How long an answer is waited for, in seconds; longer than any stop.
const ANSWER_WITHIN_S: u64 = 20;

/// Lines of the service's log that are shown when it does not start.
const LAST_WORDS: usize = 5;

/// What to run.
#[derive(Clone, Debug)]
pub struct SoakOptions {
    /// The service's program; `None`: the one beside this tool.
    pub serve: Option<PathBuf>,
    /// Folder of a city's configuration; `None`: the built-in town.
    pub config: Option<PathBuf>,
    /// An empty or new folder for data, log and record, which stays; `None`: one that is removed
    /// if the verdict holds.
    pub folder: Option<PathBuf>,
    pub until: Until,
    pub seed: u64,
    /// Visitors at the same time.
    pub people: u32,
    /// On Redis and PostgreSQL, which are started for it and fail in turn.
    pub production: bool,
}

/// When a soak ends; sooner if a promise is broken.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    Cycles(u64),
    Elapsed(Duration),
}

/// Runs a soak and judges it.
///
/// # Errors
/// [`RunError`] when there was no run: the service does not start at all, or files cannot be
/// written.
pub async fn run(options: SoakOptions) -> Result<Report, RunError> {
    let folder = Folder::new("morgenruh-soak-", options.folder.as_deref())?;
    let begun_at = crate::clock::now();
    let mut program = program(&options, folder.path())?;
    let servers = match options.production {
        true => Some(production::servers().await?),
        false => None,
    };
    if let Some(servers) = &servers {
        program.environment.extend(servers.environment());
    }
    let notebook = Arc::new(Notebook::new(folder.path().join("record.jsonl"))?);
    let town = Arc::new(read_town(&program).await?);
    let offices = town.places.iter().map(|place| place.office.id.clone());
    let manifest = Manifest {
        tool: env!("CARGO_PKG_NAME"),
        tool_version: env!("CARGO_PKG_VERSION"),
        seed: options.seed,
        people: options.people,
        town: match options.config {
            Some(_) => "named",
            None => "built in",
        },
        offices: offices.collect(),
        started_at: begun_at.to_string(),
    };
    let visitors = (0..options.people)
        .map(|number| Visitor::new(number, options.seed, Arc::clone(&town)))
        .collect();
    let soak = Soak::new(program, Arc::clone(&notebook), visitors, options.seed);
    let keep_at = folder.path().join("servers");
    let figures = tokio::select! {
        ended = cycles(soak, servers, keep_at, options.until) => ended?,
        interrupted = interruption()? => return Err(interrupted.into()),
    };
    notebook.flush()?;

    let violations = notebook.tally().violations;
    let verdict = Verdict {
        holds: violations == 0,
        violations,
        findings: notebook.findings(),
    };
    let report = Report {
        manifest,
        figures,
        verdict,
    };
    folder.leave(report.verdict.holds);
    Ok(report)
}

async fn cycles(
    mut soak: Soak,
    servers: Option<Servers>,
    keep_at: PathBuf,
    until: Until,
) -> Result<Figures, RunError> {
    let Some(servers) = servers else {
        soak.cycles(until).await?;
        return Ok(soak.figures());
    };
    let mut production = Production::new(soak, servers, keep_at);
    production.cycles(until).await?;
    Ok(production.figures())
}

fn program(options: &SoakOptions, folder: &Path) -> io::Result<Program> {
    let config = match &options.config {
        Some(config) => config.clone(),
        None => {
            let config = folder.join("town");
            town::write(&config)?;
            config
        }
    };
    let serve = match &options.serve {
        Some(serve) => serve.clone(),
        None => beside_us()?,
    };
    Ok(Program {
        serve,
        config,
        data: folder.join("data"),
        log: folder.join("log"),
        arguments: Vec::new(),
        environment: no_rest(),
    })
}

/// What is cancelled is free for the next visitor at once.
fn no_rest() -> Vec<(&'static str, String)> {
    let keys = [
        "MORGENRUH_AGENT_REST_MINUTES_MIN",
        "MORGENRUH_AGENT_REST_MINUTES_MAX",
    ];
    keys.map(|key| (key, "0".to_owned())).to_vec()
}

/// Starts the service for the first time, to see what can be booked.
async fn read_town(program: &Program) -> Result<Town, RunError> {
    let named = |error: io::Error| {
        let serve = program.serve.display();
        io::Error::new(error.kind(), format!("{serve}: {error}"))
    };
    let mut process = program.start().map_err(named)?;
    let Some(ready) = process.ready().await else {
        return Err(RunError::Unreachable(program.last_words(LAST_WORDS)));
    };
    let town = Town::read(&Api::new(client(ready.public, 1))).await?;
    process.kill()?;
    Ok(town)
}

fn client(base: BaseUrl, people: u32) -> Client {
    // A double click needs two.
    let connections_max = 2 * people as usize;
    Client::new(base, connections_max, Duration::from_secs(ANSWER_WITHIN_S))
}
