//! A server as processes: it dies with this process, and only its own ids are ever signalled.
//!
//! `setpriv` asks the kernel to kill the server when the *thread* that started it ends. One thread
//! starts all of them and waits for the next for as long as this process lives, so a test's thread
//! may end before its server, and no end of this process, SIGKILL included, leaves a server behind.
//! PostgreSQL's other processes notice by themselves that the first is gone.
//!
//! A server is its first process and that one's children. While the first is stopped it starts no
//! children and reaps none, so that their ids are certain to be theirs.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::programs;

/// How long a server may take to end by itself before it is killed: it writes its last checkpoint.
const END_WITHIN: Duration = Duration::from_secs(60);

/// How long it may take until a signal has its effect: no process is stopped or killed while it
/// waits for a slow disk.
const SIGNAL_WITHIN: Duration = Duration::from_secs(60);

/// How often somebody looks whether what is awaited has come.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    first: Child,
    paused: Option<Guardian>,
}

/// Kills stopped processes when this process ends: they could not notice it by themselves.
#[derive(Debug)]
struct Guardian(Child);

/// A program that the kernel kills when the thread that starts it ends, however it ends.
///
/// # Panics
/// When `setpriv` of util-linux is not there.
pub fn ends_with_us(program: &Path) -> Command {
    command(program, None)
}

/// The same, run as `user` if one is given.
pub(crate) fn command(program: &Path, user: Option<&str>) -> Command {
    let mut command = Command::new(programs::find("setpriv"));
    command.args(["--pdeathsig", "KILL"]);
    if let Some(user) = user {
        command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
    }
    command.arg("--").arg(program);
    command
}

impl Process {
    /// Starts what [`command`] has made, out of reach of the terminal's Ctrl-C.
    pub(crate) fn start(mut command: Command) -> io::Result<Self> {
        type Order = (Command, Sender<io::Result<Child>>);
        static STARTER: LazyLock<Sender<Order>> = LazyLock::new(|| {
            let (sender, orders) = channel::<Order>();
            thread::spawn(move || {
                for (mut command, answer) in orders {
                    drop(answer.send(command.spawn()));
                }
            });
            sender
        });
        command.process_group(0).stdin(Stdio::null());
        // Messages in English, whoever runs this: some are looked for.
        command.env("LC_ALL", "C");
        let (answer, started) = channel();
        STARTER.send((command, answer)).expect("it never ends");
        let first = started.recv().expect("each order is answered")?;
        Ok(Self {
            first,
            paused: None,
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.first.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.first.try_wait().expect("it is our child")
    }

    /// SIGSTOP to all of it. When it returns, nothing of it runs.
    pub(crate) fn pause(&mut self) {
        if self.paused.is_none() {
            let children = self.freeze();
            for &child in &children {
                send(child, Signal::STOP);
            }
            let stopped = || !children.iter().any(|&child| runs(child));
            assert!(within(SIGNAL_WITHIN, stopped), "not paused in time");
            self.paused = Some(Guardian::over(&children));
        }
    }

    /// SIGCONT to all of it.
    pub(crate) fn resume(&mut self) {
        if self.paused.take().is_some() {
            for child in children_of(self.first_id()) {
                send(child, Signal::CONT);
            }
            send(self.first_id(), Signal::CONT);
        }
    }

    /// SIGKILL to all of it. When it returns, nothing of it is left.
    pub(crate) fn kill(mut self) {
        assert!(self.end(), "killed, but not gone in time");
    }

    /// Asks it with a signal to end, and waits until it has; kills it when it takes too long.
    pub(crate) fn stop(mut self, signal: Signal) {
        self.resume();
        send(self.first_id(), signal);
        // If it does not end by itself, the drop kills it.
        within(END_WITHIN, || self.ended().is_some());
    }

    /// Kills it; whether nothing is left of it.
    fn end(&mut self) -> bool {
        if self.ended().is_some() {
            return true;
        }
        let children = self.freeze();
        for &child in &children {
            send(child, Signal::KILL);
        }
        self.first.kill().expect("it is our child");
        self.first.wait().expect("it is our child");
        self.paused = None;
        within(SIGNAL_WITHIN, || {
            children.iter().all(|&child| stat(child).is_none())
        })
    }

    /// Stops the first process and says which children it has; no others come or go from then on.
    fn freeze(&self) -> Vec<Pid> {
        send(self.first_id(), Signal::STOP);
        within(SIGNAL_WITHIN, || !runs(self.first_id()));
        children_of(self.first_id())
    }

    /// Not reaped before it is dropped, so the id is still its own.
    fn first_id(&self) -> Pid {
        Pid::from_child(&self.first)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Whoever is unwinding must not panic again.
        let _gone: bool = self.end();
    }
}

impl Guardian {
    /// A shell that waits for the end of a pipe, which comes when this process ends.
    fn over(stopped: &[Pid]) -> Self {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "read -r _; kill -KILL \"$@\"", "guardian"]);
        shell.args(stopped.iter().map(|id| id.as_raw_nonzero().to_string()));
        shell.process_group(0).stdin(Stdio::piped());
        shell.stdout(Stdio::null()).stderr(Stdio::null());
        Self(shell.spawn().expect("every system has /bin/sh"))
    }
}

impl Drop for Guardian {
    /// Killed while its pipe is still open, it kills nobody.
    fn drop(&mut self) {
        self.0.kill().expect("it is our child");
        self.0.wait().expect("it is our child");
    }
}

/// A process that is not there any more needs no signal.
fn send(id: Pid, signal: Signal) {
    match kill_process(id, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => panic!("signal {signal:?} to process {id:?}: {error}"),
    }
}

/// Waits until it has come; `false` when it has not in that time.
pub(crate) fn within(time: Duration, mut come: impl FnMut() -> bool) -> bool {
    let since = Instant::now();
    while !come() {
        if since.elapsed() > time {
            return false;
        }
        thread::sleep(LOOK_EVERY);
    }
    true
}

/// Whether some process has this folder as its current one.
pub(crate) fn someone_works_in(folder: &Path) -> bool {
    all().any(|id| {
        let current = fs::read_link(format!("/proc/{}/cwd", id.as_raw_nonzero()));
        current.is_ok_and(|current| current == folder)
    })
}

/// Whether this process listens on this port of some address.
pub(crate) fn listens(id: u32, port: u16) -> bool {
    let sockets = fs::read_to_string("/proc/net/tcp").expect("every Linux has it");
    let port = format!(":{port:04X}");
    let listening: Vec<String> = sockets
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            // 0A is what listens; the tenth field is the socket's inode.
            let ours = fields.get(1)?.ends_with(&port) && *fields.get(3)? == "0A";
            ours.then(|| format!("socket:[{}]", fields.get(9).unwrap_or(&"")))
        })
        .collect();
    let Ok(files) = fs::read_dir(format!("/proc/{id}/fd")) else {
        return false;
    };
    files.flatten().any(|file| {
        let target = fs::read_link(file.path()).unwrap_or_default();
        listening
            .iter()
            .any(|socket| target.as_os_str() == socket.as_str())
    })
}

fn children_of(parent: Pid) -> Vec<Pid> {
    let parent = parent.as_raw_nonzero().get();
    all()
        .filter(|&id| stat(id).is_some_and(|stat| stat.parent == parent))
        .collect()
}

fn all() -> impl Iterator<Item = Pid> {
    let processes = fs::read_dir("/proc").expect("every Linux has /proc");
    processes.filter_map(|entry| {
        let id = entry.ok()?.file_name().to_str()?.parse().ok()?;
        Pid::from_raw(id)
    })
}

fn runs(id: Pid) -> bool {
    stat(id).is_some_and(|stat| !matches!(stat.state, 'T' | 't'))
}

struct Stat {
    /// As `ps` shows it: `T` is stopped, `t` stopped under a tracer.
    state: char,
    parent: i32,
}

/// What the kernel says of a process; `None` when it is gone, or waits for nothing but its reaping.
fn stat(id: Pid) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{}/stat", id.as_raw_nonzero())).ok()?;
    // The name before it is in brackets and may hold anything.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    (!matches!(state, 'Z' | 'X')).then_some(Stat { state, parent })
}
