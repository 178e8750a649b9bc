//! From a command to an exit code.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::agent::{self, AgentOptions, Habits};
use crate::api::Api;
use crate::cli::{AgentArgs, Command, MorningArgs, ReadbackArgs, ServiceArgs, SoakArgs, StormArgs};
use crate::client::{BaseUrl, Client};
use crate::clock;
use crate::morning::{self, ANSWER_WITHIN_S, MorningOptions, RunError, read_city};
use crate::readback;
use crate::record;
use crate::report::{grouped, verdict_line};
use crate::scenario;
use crate::service::interruption;
use crate::soak::{self, SoakOptions, Until};
use crate::storm::Storm;
use crate::verdict::{Conduct, Verdict};

/// The check failed.
const FAILS: u8 = 1;
/// Bad usage, or the service cannot be reached.
const UNUSABLE: u8 = 2;

/// Largest file with a service key, in bytes.
const SERVICE_KEY_BYTES_MAX: u64 = 4096;

/// Runs a command; what it found goes to standard output, everything else to standard error.
pub async fn run(command: Command) -> ExitCode {
    let done = match command {
        Command::Morning(args) => morning(args).await,
        Command::Storm(args) => storm(args).await,
        Command::Readback(args) => read_back(args).await,
        Command::Soak(args) => soak(args).await,
        Command::Agent(args) => agent(args).await,
    };
    match done {
        Ok((text, holds)) => {
            // Standard output may have been closed by its reader; the verdict is then the code.
            drop(io::stdout().write_all(text.as_bytes()));
            if holds {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(FAILS)
            }
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(UNUSABLE)
        }
    }
}

/// What a command says, and whether the service kept its word.
type Done = Result<(String, bool), RunError>;

async fn morning(args: MorningArgs) -> Done {
    let scenario = match &args.scenario {
        Some(path) => read_text(path, scenario::BYTES_MAX)?,
        None => scenario::DEFAULT.to_owned(),
    };
    // Opened before the run: a report that cannot be written must not cost a morning.
    let report_file = args.report.as_deref().map(File::create).transpose()?;
    let api = api(&args.service)?;
    let options = MorningOptions {
        scenario,
        people: args.people,
        speed: args.speed,
        seed: args.seed,
        offices: args.offices,
        bots: args.bots,
        staff: args.admin_url.map(staff),
    };
    let report = morning::run(api, options).await?;
    write_report(report_file, &report)?;
    Ok((report.table(), report.verdict.holds))
}

fn write_report(file: Option<File>, report: &impl Serialize) -> io::Result<()> {
    let Some(mut file) = file else { return Ok(()) };
    let mut json = serde_json::to_vec_pretty(report).map_err(io::Error::other)?;
    json.push(b'\n');
    file.write_all(&json)
}

async fn soak(args: SoakArgs) -> Done {
    let report_file = args.report.as_deref().map(File::create).transpose()?;
    let drawn = clock::now().as_nanosecond() as u64;
    let seed = args.seed.unwrap_or(drawn);
    eprintln!("seed {seed}");
    let options = SoakOptions {
        serve: args.serve,
        config: args.config,
        folder: args.folder,
        until: match args.minutes {
            Some(minutes) => Until::Elapsed(Duration::from_secs(60 * minutes)),
            None => Until::Cycles(args.cycles),
        },
        seed,
        people: args.people,
        production: args.production,
    };
    let report = soak::run(options).await?;
    write_report(report_file, &report)?;
    Ok((report.table(), report.verdict.holds))
}

async fn agent(args: AgentArgs) -> Done {
    let report_file = args.report.as_deref().map(File::create).transpose()?;
    let usual = Habits::default();
    let habits = Habits {
        auto_accept: args
            .auto_accept
            .map_or(usual.auto_accept, |percent| f64::from(percent) / 100.0),
        answer_minutes: args.answer_minutes.map_or(usual.answer_minutes, f64::from),
        ..usual
    };
    let options = AgentOptions {
        serve: args.serve,
        folder: args.folder,
        days: 7 * args.weeks,
        speed: args.speed,
        seed: args.seed,
        habits,
    };
    let report = tokio::select! {
        report = agent::run(options) => report?,
        interrupted = interruption()? => return Err(interrupted.into()),
    };
    write_report(report_file, &report)?;
    Ok((report.table(), report.verdict.holds))
}

async fn storm(args: StormArgs) -> Done {
    let api = api(&args.service)?;
    let city = read_city(&api, &args.offices).await?;
    let duration = Duration::from_secs(args.seconds);
    let storm = Storm::new(Arc::clone(&api), city, &args.record, duration, args.seed)?;
    let aftermath = storm.run(args.clients).await?;
    let measure = api.measure();
    let mut line = format!(
        "storm: {} acknowledged in {:.1} s · {:.0}/s · {} unanswered · {} unexpected",
        grouped(aftermath.acknowledged),
        aftermath.elapsed.as_secs_f64(),
        aftermath.acknowledged as f64 / aftermath.elapsed.as_secs_f64().max(0.001),
        grouped(measure.unanswered_total()),
        grouped(measure.unexpected_total()),
    );
    if aftermath.clients_abandoned > 0 {
        line += " · the service went away";
    }
    if aftermath.clients_sold_out > 0 {
        line += " · sold out";
    }
    line += "\n";
    if measure.unexpected_total() > 0 {
        for example in measure.examples() {
            line += &format!("unexpected: {example}\n");
        }
    }
    Ok((line, measure.unexpected_total() == 0))
}

async fn read_back(args: ReadbackArgs) -> Done {
    let record = record::read(&args.record)?;
    let api = api(&args.service)?;
    let city = read_city(&api, &[]).await?;
    let checked = readback::read_all(&api, record).await;
    let measure = api.measure();
    let conduct = Conduct {
        unexpected_answers: measure.unexpected_total(),
        unanswered: measure.unanswered_total(),
        ..Conduct::default()
    };
    let verdict = Verdict::new(&checked, &city.capacities(), conduct);
    Ok((verdict_line(&verdict) + "\n", verdict.holds))
}

/// Its address for staff needs few connections and no key.
fn staff(base_url: BaseUrl) -> Arc<Api> {
    let client = Client::new(base_url, 1, Duration::from_secs(ANSWER_WITHIN_S));
    Arc::new(Api::new(client))
}

fn api(service: &ServiceArgs) -> Result<Arc<Api>, RunError> {
    let client = Client::new(
        service.base_url.clone(),
        service.connections as usize,
        Duration::from_secs(ANSWER_WITHIN_S),
    );
    let Some(path) = &service.service_key_file else {
        return Ok(Arc::new(Api::new(client)));
    };
    let key = read_text(path, SERVICE_KEY_BYTES_MAX)?;
    let client = client
        .with_service_key(key.trim())
        .map_err(io::Error::other)?;
    Ok(Arc::new(Api::new(client)))
}

/// Reads a text file that must not be larger than `bytes_max`.
fn read_text(path: &Path, bytes_max: u64) -> io::Result<String> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let mut text = String::new();
    let file = File::open(path).map_err(named)?;
    let bytes = file
        .take(bytes_max + 1)
        .read_to_string(&mut text)
        .map_err(named)?;
    if bytes as u64 > bytes_max {
        return Err(named(io::Error::other(format!(
            "larger than {bytes_max} bytes"
        ))));
    }
    Ok(text)
}
