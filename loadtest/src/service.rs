//! The service as a process: started, stopped, killed by its own id, and checked on disk.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::client::BaseUrl;

/// A start that takes longer counts as failed, in seconds.
const START_WITHIN_S: u64 = 60;

/// How often, and how many times, one looks whether a process that gave up has ended.
const EXIT_LOOK_EVERY: Duration = Duration::from_millis(10);
const EXIT_LOOKS: u32 = 500;

/// What is needed to start it.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) serve: PathBuf,
    pub(crate) config: PathBuf,
    pub(crate) data: PathBuf,
    /// What it says on standard error is appended here.
    pub(crate) log: PathBuf,
    /// Arguments beside those that say where everything lies.
    pub(crate) arguments: Vec<String>,
    /// Settings beside those of the configuration.
    pub(crate) environment: Vec<(&'static str, String)>,
}

/// A process that was started. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// The line by which it says that it is ready; `None` when it ended before.
    ready: Option<oneshot::Receiver<String>>,
    begun: Instant,
}

/// What it said when it was ready.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    pub(crate) public: BaseUrl,
    pub(crate) admin: BaseUrl,
    /// From the start of the process until it was ready.
    pub(crate) took: Duration,
    /// Live bookings that it found.
    pub(crate) bookings: u64,
}

/// What `morgenruh verify` counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) live: u64,
    pub(crate) cancelled: u64,
    pub(crate) errors: u64,
    /// Everything that it printed.
    pub(crate) text: String,
}

impl Program {
    /// Starts the service on free ports.
    pub(crate) fn start(&self) -> io::Result<Process> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = self.command("serve");
        command.arg("--config").arg(&self.config);
        command.arg("--data").arg(&self.data);
        command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        command.args(&self.arguments);
        let begun = Instant::now();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn()?;
        let stdout = child.stdout.take().expect("it is piped");
        let (sender, ready) = oneshot::channel();
        // Ends with the process, whose end closes the pipe.
        thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(stdout).read_line(&mut line);
            if read.is_ok_and(|bytes| bytes > 0) {
                drop(sender.send(line));
            }
        });
        Ok(Process {
            child,
            ready: Some(ready),
            begun,
        })
    }

    /// Lets `morgenruh verify` look at the data.
    pub(crate) fn verify(&self) -> io::Result<Counts> {
        let output = self.command("verify").arg(&self.data).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Counts::read(&text).ok_or_else(|| io::Error::other(format!("verify says {text:?}")))
    }

    /// The program without anything of ours in its environment.
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(&self.serve);
        command.arg(name).stdin(Stdio::null());
        for (key, _) in std::env::vars_os() {
            if key.to_string_lossy().starts_with("MORGENRUH_") {
                command.env_remove(key);
            }
        }
        // All its people live at one address.
        command.env("MORGENRUH_LIMITS_EXEMPT", "127.0.0.0/8");
        let environment = self.environment.iter();
        command.envs(environment.map(|(key, value)| (key, value)));
        command
    }

    /// The last lines of its log.
    pub(crate) fn last_words(&self, lines: usize) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let all: Vec<_> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

impl Process {
    /// Waits until it is ready; `None` when it ends, or is not ready in time.
    pub(crate) async fn ready(&mut self) -> Option<Ready> {
        let line = self.ready.take()?;
        let line = timeout(Duration::from_secs(START_WITHIN_S), line).await;
        let took = self.begun.elapsed();
        let line = line.ok()?.ok()?;
        let word = |name: &str| {
            let mut words = line.split_whitespace();
            words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        };
        Some(Ready {
            public: format!("http://{}", word("listen")?).parse().ok()?,
            admin: format!("http://{}", word("admin")?).parse().ok()?,
            took,
            bookings: word("recovered_bookings")?.parse().ok()?,
        })
    }

    /// The code with which it ends by itself, within a few seconds.
    pub(crate) async fn exit_code(&mut self) -> io::Result<Option<i32>> {
        for _ in 0..EXIT_LOOKS {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.code());
            }
            sleep(EXIT_LOOK_EVERY).await;
        }
        Ok(None)
    }

    /// SIGSTOP: it keeps its connections and does nothing.
    pub(crate) fn stop(&self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub(crate) fn go_on(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        // Not reaped before it is dropped or killed, so the id is still its own.
        let id = Pid::from_child(&self.child);
        Ok(kill_process(id, signal)?)
    }

    /// SIGKILL, and waits until nothing is left of it.
    pub(crate) fn kill(mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Counts {
    fn read(text: &str) -> Option<Self> {
        let last = text.lines().last()?;
        let mut parts = last.split(", ").map(|part| {
            let (number, what) = part.split_once(' ')?;
            Some((number.parse().ok()?, what))
        });
        let (_, "facts") = parts.next()?? else {
            return None;
        };
        let (live, "live bookings") = parts.next()?? else {
            return None;
        };
        let (cancelled, "cancelled") = parts.next()?? else {
            return None;
        };
        let (_, "waiting rooms") = parts.next()?? else {
            return None;
        };
        let (errors, "errors") = parts.next()?? else {
            return None;
        };
        Some(Self {
            live,
            cancelled,
            errors,
            text: text.to_owned(),
        })
    }
}

/// Waits for SIGINT or SIGTERM. Whoever lets go then leaves no process behind: what is dropped is
/// killed.
pub(crate) fn interruption() -> io::Result<impl Future<Output = io::Error>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        io::Error::new(io::ErrorKind::Interrupted, "interrupted")
    })
}

/// The service's program beside this one.
pub(crate) fn beside_us() -> io::Result<PathBuf> {
    let us = std::env::current_exe()?;
    Ok(us.with_file_name("morgenruh"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_verify_counts_is_read() {
        let text = "error: a seat\n\
                    12 facts, 3 live bookings, 4 cancelled, 0 waiting rooms, 1 errors\n";
        let counts = Counts::read(text).unwrap();
        assert_eq!((counts.live, counts.cancelled, counts.errors), (3, 4, 1));
        assert!(Counts::read("the data cannot be read").is_none());
        assert!(Counts::read("").is_none());
    }
}
