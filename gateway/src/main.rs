//! One binary, several roles.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use morgenruh::{clock, commands};

/// Gives out a city's appointments, fairly and provably.
///
/// Exit codes: 0 done, 1 a check failed, 2 bad usage or configuration.
#[derive(Parser)]
#[command(name = "morgenruh", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API and the pages.
    ///
    /// When it is ready, one line goes to standard output:
    /// `ready listen=… admin=… offices=… recovered_bookings=…`. Everything else is log, on standard
    /// error; MORGENRUH_LOG sets its level (error, warn, info, debug). SIGTERM or SIGINT lets
    /// running requests finish and ends the service.
    Serve {
        /// Folder of the city's configuration.
        #[arg(long, env = "MORGENRUH_CONFIG", default_value = "config/duesseldorf")]
        config: PathBuf,
        /// Folder of the data; made if it does not exist.
        #[arg(long, env = "MORGENRUH_DATA", default_value = "data")]
        data: PathBuf,
        /// Address of the public listener; port 0 takes a free one.
        #[arg(long)]
        listen: Option<SocketAddr>,
        /// Address of the listener for staff and operations; port 0 takes a free one.
        #[arg(long)]
        admin_listen: Option<SocketAddr>,
        /// For a first look: release the next sealed day after so many seconds.
        ///
        /// At every office whose slots are sealed until a release, the first day that is still
        /// wholly sealed is released then, instead of at its own time.
        #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "45",
              value_parser = clap::value_parser!(u32).range(1..=3600))]
        demo: Option<u32>,
        /// For rehearsals only: the clock goes so many times as fast.
        ///
        /// Weeks pass in minutes, with everything that happens by the clock. Needs a folder of data
        /// that has none yet, since a restart begins at today again, and the embedded ledger.
        #[arg(long, value_name = "FACTOR",
              value_parser = clap::value_parser!(u32).range(1..=i64::from(clock::SPEED_MAX)))]
        clock_speed: Option<u32>,
    },
    /// Check a city's configuration and report every error at once.
    Check {
        /// Folder of the city's configuration.
        dir: PathBuf,
        /// Print the effective configuration.
        #[arg(long)]
        dump: bool,
    },
    /// Turn somebody else's data into a configuration.
    Import {
        #[command(subcommand)]
        format: Import,
    },
    /// The keys by which the waiting room recognises its tokens.
    ///
    /// The running service takes what is changed within seconds.
    Keys {
        #[command(subcommand)]
        step: KeysStep,
    },
    /// Move the facts of an embedded ledger to the Redis and the PostgreSQL of the configuration.
    ///
    /// Nobody is served meanwhile. What was there stays there untouched, but is not served from any
    /// more. If it is interrupted, the same command goes on.
    MigrateStore {
        /// Folder of the city's configuration, which names both servers.
        #[arg(long, env = "MORGENRUH_CONFIG", default_value = "config/duesseldorf")]
        config: PathBuf,
        /// Folder of the data that the service will use.
        #[arg(long, env = "MORGENRUH_DATA", default_value = "data")]
        data: PathBuf,
        /// Folder of the embedded ledger, if it is another one.
        #[arg(long)]
        from: Option<PathBuf>,
    },
    /// Begin an empty Redis behind the facts that the database has.
    ///
    /// For the day on which a Redis was lost for good. What was acknowledged and had not reached
    /// the database is given up by this.
    RestartLedger {
        /// Folder of the city's configuration, which names both servers.
        #[arg(long, env = "MORGENRUH_CONFIG", default_value = "config/duesseldorf")]
        config: PathBuf,
        /// Folder of the data.
        #[arg(long, env = "MORGENRUH_DATA", default_value = "data")]
        data: PathBuf,
    },
    /// Send a trial letter through the mail server of the configuration.
    ///
    /// It is like any other letter, so what keeps it from arriving keeps them all. Exit codes: 0
    /// the server has taken it, 1 it has not, and why is said, 2 nothing was tried.
    TestMail {
        /// Folder of the city's configuration, which names the server.
        #[arg(long, env = "MORGENRUH_CONFIG", default_value = "config/duesseldorf")]
        config: PathBuf,
        /// Whom to send it to.
        #[arg(long, value_name = "ADDRESS")]
        to: String,
    },
    /// Re-check a data directory: each seat once, facts and tables agree, counts add up.
    ///
    /// Changes nothing; the service may be running.
    Verify {
        /// Folder of the data.
        dir: PathBuf,
    },
    /// Work a room's draw out again: commitment, root, seed, and the line; or a release's drip:
    /// commitment and moments.
    ///
    /// Needs nothing but the document that the room publishes after its draw, or the release when
    /// its drip is over, and no network. Exit
    /// codes: 0 it holds, 1 it does not, 2 a document cannot be read.
    VerifyDraw {
        /// The document, as GET /api/v1/rooms/{id}/draw gives it; - reads it from standard input.
        file: PathBuf,
        /// Tell the place of the ticket with this number.
        #[arg(long, value_name = "NUMBER")]
        ticket: Option<u32>,
        /// Check this receipt of a ticket as well, and tell the ticket's place.
        #[arg(long, value_name = "FILE")]
        receipt: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
enum Import {
    /// A DLDB export, as Berlin and Munich publish them.
    Dldb {
        /// The services file.
        services: PathBuf,
        /// The locations file.
        locations: PathBuf,
        /// Folder to write; must not exist.
        #[arg(long, default_value = "imported")]
        out: PathBuf,
    },
}

#[derive(Subcommand)]
enum KeysStep {
    /// Say which keys there are, without showing them.
    List {
        #[command(flatten)]
        place: KeysPlace,
    },
    /// Let a new key sign; the old one goes on verifying.
    Rotate {
        #[command(flatten)]
        place: KeysPlace,
        /// Retire keys that were replaced longer ago than this.
        #[arg(long, value_name = "HOURS", default_value_t = 48,
              value_parser = clap::value_parser!(u32).range(1..=8760))]
        overlap_hours: u32,
    },
    /// Forget a key at once: what it has signed counts no more.
    Retire {
        /// The key's id, as `list` says it.
        id: u8,
        #[command(flatten)]
        place: KeysPlace,
    },
}

/// As for `serve`, so that both mean the same file.
#[derive(Args)]
struct KeysPlace {
    /// Folder of the city's configuration.
    #[arg(long, env = "MORGENRUH_CONFIG", default_value = "config/duesseldorf")]
    config: PathBuf,
    /// Folder of the data.
    #[arg(long, env = "MORGENRUH_DATA", default_value = "data")]
    data: PathBuf,
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve {
            config,
            data,
            listen,
            admin_listen,
            demo,
            clock_speed,
        } => {
            let demo_s = demo;
            commands::serve::serve(commands::serve::Options {
                config,
                data,
                listen,
                admin_listen,
                demo_s,
                clock_speed: clock_speed.unwrap_or(1),
            })
        }
        Command::Check { dir, dump } => commands::check::check(&dir, dump),
        Command::Import {
            format:
                Import::Dldb {
                    services,
                    locations,
                    out,
                },
        } => commands::import::import_dldb(&services, &locations, &out),
        Command::Keys { step } => match step {
            KeysStep::List { place } => commands::keys::list(&place.config, &place.data),
            KeysStep::Rotate {
                place,
                overlap_hours,
            } => commands::keys::rotate(&place.config, &place.data, overlap_hours),
            KeysStep::Retire { id, place } => {
                commands::keys::retire(&place.config, &place.data, id)
            }
        },
        Command::MigrateStore { config, data, from } => {
            let from = from.as_ref().unwrap_or(&data);
            commands::store::migrate_store(&config, &data, from)
        }
        Command::RestartLedger { config, data } => commands::store::restart_ledger(&config, &data),
        Command::TestMail { config, to } => commands::test_mail::test_mail(&config, &to),
        Command::Verify { dir } => commands::verify::verify(&dir),
        Command::VerifyDraw {
            file,
            ticket,
            receipt,
        } => commands::verify_draw::verify_draw(&file, ticket, receipt.as_deref()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
