//! Starting a server on a port and knowing that it has started.

use std::io;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::home::Home;
use crate::port;
use crate::process::{Process, within};

/// A server that is not ready by then counts as failed. Recovery from a slow disk is included.
const START_WITHIN: Duration = Duration::from_secs(120);

/// Ports on which a start is tried, or times that one port is, when somebody else was quicker.
const STARTS_MAX: usize = 10;

/// Before a port that must be the same is tried again.
const SAME_PORT_EVERY: Duration = Duration::from_millis(200);

/// What it takes to start one kind of server.
pub(crate) trait Launch {
    /// As a message names it.
    const NAME: &'static str;

    /// Writes the settings for these ports and makes way for a start.
    fn settle(&self, ports: Ports);

    /// The server in the foreground, made by [`crate::process::command`]; its output becomes the
    /// log.
    fn command(&self, ports: Ports) -> Command;

    /// Whether the process of this id, and no other server, answers on these ports.
    fn ready(&self, ports: Ports, id: u32) -> bool;
}

/// Where a server listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) plain: u16,
    /// Used only by a server that has a port of its own for TLS.
    pub(crate) tls: u16,
}

impl Ports {
    fn free() -> Self {
        Self {
            plain: port::free(),
            tls: port::free(),
        }
    }
}

enum Failure {
    PortTaken,
    Other(String),
}

/// Starts a server on free ports.
pub(crate) fn anywhere(server: &impl Launch, home: &Home) -> (Process, Ports) {
    first_success(server, home, |_| Ports::free())
}

/// Starts a server again on the ports that it had.
pub(crate) fn again(server: &impl Launch, home: &Home, ports: Ports) -> Process {
    let same = |tried: usize| {
        if tried > 0 {
            thread::sleep(SAME_PORT_EVERY);
        }
        ports
    };
    first_success(server, home, same).0
}

fn first_success<L: Launch>(
    server: &L,
    home: &Home,
    ports: impl Fn(usize) -> Ports,
) -> (Process, Ports) {
    for tried in 0..STARTS_MAX {
        let ports = ports(tried);
        match start(server, home, ports) {
            Ok(process) => return (process, ports),
            Err(Failure::PortTaken) => {}
            Err(Failure::Other(why)) => panic!("{} has not started: {why}", L::NAME),
        }
    }
    panic!("{} has found no free port in {STARTS_MAX} tries", L::NAME)
}

fn start(server: &impl Launch, home: &Home, ports: Ports) -> Result<Process, Failure> {
    server.settle(ports);
    let log = home.log();
    let mut command = server.command(ports);
    command.stdout(log.output()).stderr(log.output());
    let mut process =
        Process::start(command).map_err(|error: io::Error| Failure::Other(error.to_string()))?;
    let mut ready = false;
    let mut ended = None;
    within(START_WITHIN, || {
        ended = process.ended();
        ready = ended.is_none() && server.ready(ports, process.id());
        ready || ended.is_some()
    });
    if ready {
        return Ok(process);
    }
    let lines = log.last_lines();
    match ended {
        Some(_) if lines.to_lowercase().contains("address already in use") => {
            Err(Failure::PortTaken)
        }
        Some(status) => Err(Failure::Other(format!("{status}\n{lines}"))),
        None => Err(Failure::Other(format!("not ready in time\n{lines}"))),
    }
}
