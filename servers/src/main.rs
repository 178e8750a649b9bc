//! Runs a program beside a Redis and a PostgreSQL of its own, and ends them after it.
//!
//! The program learns from its environment where they are. Signals that are meant for it are passed
//! on; the servers do not see them, so that it can finish its work first. Whatever ends this
//! program ends all three.

use std::env;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};

use morgenruh_servers::{Postgres, Redis, ends_with_us};
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "usage: morgenruh-servers run --data DIR -- COMMAND [ARGUMENT…]";

/// What a shell answers for a program that was not found.
const NOT_STARTED: u8 = 127;

/// What a shell adds to the number of the signal that ended a program.
const SIGNALLED: i32 = 128;

struct Arguments {
    data: PathBuf,
    program: PathBuf,
    arguments: Vec<OsString>,
}

fn main() -> ExitCode {
    let Some(arguments) = Arguments::read(env::args_os().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    // What the servers' failures say is for whoever has called us.
    std::panic::set_hook(Box::new(|info| {
        eprintln!("{}", info.payload_as_str().unwrap_or("failed"));
    }));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime on this thread needs nothing that can be missing");
    runtime.block_on(run(&arguments))
}

impl Arguments {
    fn read(mut words: impl Iterator<Item = OsString>) -> Option<Self> {
        let mut word = |wanted: Option<&str>| {
            let word = words.next()?;
            wanted.is_none_or(|wanted| word == wanted).then_some(word)
        };
        word(Some("run"))?;
        word(Some("--data"))?;
        let data = word(None)?.into();
        word(Some("--"))?;
        let program = word(None)?.into();
        let arguments = words.collect();
        Some(Self {
            data,
            program,
            arguments,
        })
    }
}

async fn run(arguments: &Arguments) -> ExitCode {
    // From here on nobody who interrupts us leaves the servers half started.
    let mut interrupt = signal(SignalKind::interrupt()).expect("SIGINT can be caught");
    let mut terminate = signal(SignalKind::terminate()).expect("so can SIGTERM");
    let redis = Redis::start(&arguments.data.join("redis"));
    let postgres = Postgres::start(&arguments.data.join("postgres"));
    eprintln!("redis {}, postgres {}", redis.address(), postgres.address());

    let mut command = ends_with_us(&arguments.program);
    command.args(&arguments.arguments);
    command.env("MORGENRUH_LEDGER_KIND", "redis");
    command.env("MORGENRUH_REDIS_ADDRESS", redis.address().to_string());
    command.env("MORGENRUH_POSTGRES_ADDRESS", postgres.address().to_string());
    command.env("MORGENRUH_POSTGRES_USER", postgres.user());
    command.env("MORGENRUH_POSTGRES_DATABASE", postgres.database());
    command.env("MORGENRUH_POSTGRES_PASSWORD_FILE", postgres.password_file());
    // This thread starts it and lives until the end, which the program is bound to.
    let mut child = match tokio::process::Command::from(command).spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("{}: {error}", arguments.program.display());
            return ExitCode::from(NOT_STARTED);
        }
    };
    loop {
        let id = child.id();
        let signal = tokio::select! {
            status = child.wait() => return code(status.expect("it is our child")),
            _ = interrupt.recv() => Signal::INT,
            _ = terminate.recv() => Signal::TERM,
        };
        let id = id.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let id = id.expect("it has an id until it was waited for");
        // Not reaped before it was waited for, so the id is its own.
        if let Err(error) = kill_process(id, signal) {
            eprintln!("{signal:?} was not passed on: {error}");
        }
    }
}

fn code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .or_else(|| Some(SIGNALLED + status.signal()?))
        .and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}
