//! The command line. Its `--help` is the manual.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::client::BaseUrl;

/// Tries a city's morning before it happens.
///
/// Speaks to a running Morgenruh over its public API only, as citizens' browsers would, and judges
/// from outside whether every promise was kept.
///
/// Exit codes: 0 the verdict holds · 1 it fails · 2 bad usage, or the service cannot be reached.
#[derive(Debug, Parser)]
#[command(name = "morgenruh-loadtest", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Morning(MorningArgs),
    Storm(StormArgs),
    Readback(ReadbackArgs),
    Soak(SoakArgs),
    Agent(AgentArgs),
}

/// Where the service is, and how hard it may be asked.
#[derive(Debug, Args)]
pub struct ServiceArgs {
    /// Base URL of the service, http only: run the tool behind the place where TLS ends.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub base_url: BaseUrl,
    /// Connections open at once; a citizen without one waits, and the wait counts as latency.
    #[arg(long, value_name = "N", default_value_t = 256,
          value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub connections: u32,
    /// File with a service key, sent with every request: one for tests shows offices under test.
    #[arg(long, value_name = "FILE")]
    pub service_key_file: Option<PathBuf>,
}

/// Plays the minutes around a release: people arrive on the scenario's curve whether or not the
/// service keeps up, look, reload, hold, confirm, cancel.
///
/// The curve is aligned to the next release that the service announces within five minutes (or
/// within the curve's own lead). Without one, everything is taken to be open. Afterwards every
/// acknowledged booking is read back. The person data are made up; use a test system, since the
/// bookings stay.
///
/// Where the release has a waiting room, people go through it, and the verdict says whether it was
/// fair. What the room counts (when to ask again, places called a minute, turns, passes) passes as
/// it is, whatever `--speed` says.
#[derive(Debug, Args)]
pub struct MorningArgs {
    #[command(flatten)]
    pub service: ServiceArgs,
    /// People who come [default: the scenario's normal morning].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub people: Option<u32>,
    /// Divides every time of the scenario: 1 is a real morning of 45 minutes, 40 about a minute.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,
    /// Determines who comes when, for what, and what they do.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Another morning than the one built in.
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Writes the report as JSON.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Only these offices.
    #[arg(long, value_name = "ID,ID", value_delimiter = ',')]
    pub offices: Vec<String>,
    /// Sessions of bots, where the scenario has any [default: as many as it says].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub bots: Option<u32>,
    /// The service's address for staff: the waiting rooms' own reports are kept in the report.
    #[arg(long, value_name = "URL")]
    pub admin_url: Option<BaseUrl>,
}

/// Holds and confirms as fast as the service answers, and appends each acknowledged booking to a
/// record, one JSON line each.
///
/// Ends when time is up, when everything is sold out, or, just as cleanly, when the service goes
/// away: then `readback` against the restarted service tells whether it kept its word. A record
/// holds the right to manage its bookings: treat it as a secret.
#[derive(Debug, Args)]
pub struct StormArgs {
    #[command(flatten)]
    pub service: ServiceArgs,
    /// Clients that ask at the same time.
    #[arg(long, value_name = "N", default_value_t = 64,
          value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub clients: u32,
    /// How long, in seconds.
    #[arg(long, value_name = "N", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,
    /// File to which acknowledged bookings are appended.
    #[arg(long, value_name = "FILE")]
    pub record: PathBuf,
    /// Determines which client asks for what.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Only these offices.
    #[arg(long, value_name = "ID,ID", value_delimiter = ',')]
    pub offices: Vec<String>,
}

/// Asks for every booking of a record, and fails if one is missing, changed or given out twice.
#[derive(Debug, Args)]
pub struct ReadbackArgs {
    #[command(flatten)]
    pub service: ServiceArgs,
    /// File that `storm` wrote.
    #[arg(long, value_name = "FILE")]
    pub record: PathBuf,
}

/// Starts the service itself, kills or stops it while people hold, confirm, move and cancel, and
/// starts it again on what is left: again and again.
///
/// After each start every promise is called in, and at the end there must be one order of events
/// that explains every answer on every seat. It needs no running service and touches none: ports
/// are free ones, and the data are its own.
#[derive(Debug, Args)]
pub struct SoakArgs {
    /// The service's program [default: `morgenruh` beside this one].
    #[arg(long, value_name = "FILE")]
    pub serve: Option<PathBuf>,
    /// Folder of a city's configuration [default: a small town that is built in].
    #[arg(long, value_name = "DIR")]
    pub config: Option<PathBuf>,
    /// How often the service is killed under load.
    #[arg(long, value_name = "N", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub cycles: u64,
    /// Goes on for so many minutes instead.
    #[arg(long, value_name = "N", conflicts_with = "cycles",
          value_parser = clap::value_parser!(u64).range(1..=1440))]
    pub minutes: Option<u64>,
    /// Determines who does what and when the service is killed [default: drawn and printed].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Clients that ask at the same time.
    #[arg(long, value_name = "N", default_value_t = 16,
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub people: u32,
    /// New or empty folder for data, log and record [default: one that is removed if the verdict
    /// holds].
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// Runs it on a Redis and a PostgreSQL of its own, which are killed, stopped, cut off and
    /// filled up in turn: 18 kinds of outages, one a cycle. A run that has not seen each of them
    /// fails, so it takes at least 18 cycles.
    #[arg(long)]
    pub production: bool,
    /// Writes the report as JSON.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// Fastest pace of a rehearsal, as the service has it.
pub const AGENT_SPEED_MAX: u32 = 10_000;

/// Plays weeks of bookings, cancellations, no-shows and wishes against a service with a faster
/// clock, and the same weeks with today's procedure, which is simulated beside it.
///
/// It starts the service itself, in a small town of its own. The report has the same figures of
/// both: what became of freed seats, how long wishes wait, how many offers are lost, what stays
/// idle. It fails if a promise is broken, if a wish is passed over by a later one with the same
/// windows, or if 10 % of what wishes are given is lost, which depends on people: the report says
/// on what.
#[derive(Debug, Args)]
pub struct AgentArgs {
    /// The service's program [default: `morgenruh` beside this one].
    #[arg(long, value_name = "FILE")]
    pub serve: Option<PathBuf>,
    /// How many weeks.
    #[arg(long, value_name = "N", default_value_t = 4,
          value_parser = clap::value_parser!(u32).range(1..=52))]
    pub weeks: u32,
    /// How many times as fast as life: at 10000 a week takes a minute.
    #[arg(long, value_name = "FACTOR", default_value_t = AGENT_SPEED_MAX,
          value_parser = clap::value_parser!(u32).range(2..=i64::from(AGENT_SPEED_MAX)))]
    pub speed: u32,
    /// Determines who wants what, and what they do.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Wishes whose first seat is booked without asking, in percent [default: 67, derived].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub auto_accept: Option<u8>,
    /// Median time until people answer an offer, in minutes [default: 180, assumed].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_080))]
    pub answer_minutes: Option<u32>,
    /// New or empty folder for configuration, data and log [default: one that is removed if every
    /// promise was kept].
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// Writes the report as JSON.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// Slowest and fastest pace of a morning.
const SPEED_BOUNDS: [f64; 2] = [0.01, 10_000.0];

fn speed(text: &str) -> Result<f64, String> {
    let [least, most] = SPEED_BOUNDS;
    match text.parse() {
        Ok(speed) if (least..=most).contains(&speed) => Ok(speed),
        _ => Err(format!("must be a number within {least} and {most}")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
        let cli = Cli::try_parse_from([
            "morgenruh-loadtest",
            "morning",
            "--speed",
            "40",
            "--offices",
            "bilk,rath",
        ]);
        match cli.unwrap().command {
            Command::Morning(args) => {
                assert_eq!(
                    (args.speed, args.offices.len(), args.people),
                    (40.0, 2, None)
                );
            }
            other => panic!("{other:?}"),
        }
        assert!(Cli::try_parse_from(["morgenruh-loadtest", "morning", "--speed", "0"]).is_err());
    }
}
