//! Starting `bench-server`, and what it costs.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::machine::resident_bytes;

/// Ranges of availability that are asked for, in days.
pub const SPANS: [u16; 3] = [1, 14, 60];
/// In the folder of answers: what the service says to somebody who holds a seat.
pub const HOLD_FILE: &str = "hold.json";
/// About a waiting room, to everybody.
pub const ROOM_FILE: &str = "room.json";
/// To somebody who joins it.
pub const TICKET_FILE: &str = "ticket.json";
/// To somebody who asks for their place in it.
pub const PLACE_FILE: &str = "place.json";

/// In the folder of answers: what the service says is free on so many days.
pub fn availability_file(days: u16) -> String {
    format!("availability-{days}.json")
}

/// The core of the servers; clients have the next one.
const SERVER_CORE: &str = "0";
const CLIENT_CORE: &str = "1";
/// Ticks of a process's CPU time in a second, on every Linux that is in use.
const TICKS_PER_S: u64 = 100;

/// A running server; it ends with this value.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    /// Starts the program and waits until it is ready.
    ///
    /// # Errors
    /// When it ends before it is ready, or cannot be started at all.
    pub fn start(program: &Path, arguments: &[&str]) -> io::Result<Server> {
        // Without `taskset` the system decides where it runs; the table says so.
        let mut command = if can_pin() {
            let mut command = Command::new("taskset");
            command.args(["-c", SERVER_CORE]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.args(arguments).env("MORGENRUH_LOG", "warn");
        // All clients of a bench have one address.
        command.env("MORGENRUH_LIMITS_EXEMPT", "127.0.0.0/8");
        command.env("MORGENRUH_AGENT_REST_MINUTES_MIN", "0");
        command.env("MORGENRUH_AGENT_REST_MINUTES_MAX", "0");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        match address(&mut child) {
            Ok(address) => Ok(Server { child, address }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// CPU time of all its threads so far, to a hundredth of a second.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // After the name in brackets, user and system time are the 12th and 13th words.
        let words = stat
            .rsplit_once(')')
            .map(|(_, rest)| rest.split_whitespace().skip(11).take(2));
        let ticks = words.into_iter().flatten().map(|word| word.parse::<u64>());
        let ticks = ticks.sum::<Result<u64, _>>().map_err(io::Error::other)?;
        Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_S))
    }

    /// What it has in memory now, in bytes.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn resident_bytes(&self) -> io::Result<f64> {
        resident_bytes(&self.child.id().to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads `ready listen=<address> …`.
fn address(child: &mut Child) -> io::Result<SocketAddr> {
    let output = child
        .stdout
        .take()
        .ok_or_else(|| io::Error::other("it has no output"))?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let word = line
        .split_whitespace()
        .find_map(|word| word.strip_prefix("listen="));
    let address = word.and_then(|word| word.parse().ok());
    address.ok_or_else(|| io::Error::other(format!("the server is not ready: {line:?}")))
}

/// Whether servers and clients get a core each.
pub fn can_pin() -> bool {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let taskset = Command::new("taskset")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    cores > 1 && taskset.is_ok_and(|status| status.success())
}

/// Lets this process, and each that it starts from now on, have so many files open.
///
/// # Errors
/// When the system allows fewer.
pub fn open_files(count: u64) -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= count) {
        return Ok(());
    }
    let raised = Rlimit {
        current: Some(count),
        ..limit
    };
    setrlimit(Resource::Nofile, raised).map_err(|error| {
        io::Error::other(format!(
            "it takes {count} open files, see `ulimit -Hn`: {error}"
        ))
    })
}

/// Keeps the calling thread on the core of the clients, if that is possible.
pub fn pin_client_thread() -> io::Result<()> {
    if !can_pin() {
        return Ok(());
    }
    let thread = std::fs::read_link("/proc/thread-self")?;
    let thread = thread
        .file_name()
        .ok_or_else(|| io::Error::other("this thread has no number"))?;
    let mut pin = Command::new("taskset");
    pin.args(["-c", "-p", CLIENT_CORE])
        .arg(thread)
        .stdout(Stdio::null());
    pin.status().map(|_| ())
}
