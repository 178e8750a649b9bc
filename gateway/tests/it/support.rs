//! The real program, started on free ports in a folder of its own, and stopped by its own id.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::citizen::Citizen;
use crate::http::{Answer, PATIENCE, Request};
use crate::town::{CALL_CENTRE_KEY, TEST_KEY, Town, WALK_IN_KEY};

/// Pause between two looks at something that is going to happen.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The program without anything of ours in its environment.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_morgenruh"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MORGENRUH_") {
            command.env_remove(name);
        }
    }
    command
}

pub(crate) fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

/// Where a service lives: its configuration, its data, its log. Outlives the process.
#[derive(Debug)]
pub(crate) struct Home {
    dir: TempDir,
    /// Elsewhere when the test brings a disk of its own.
    data: PathBuf,
    pub(crate) town: Town,
}

impl Home {
    pub(crate) fn of(town: Town) -> Home {
        let dir = tempfile::tempdir().unwrap();
        town.write(&dir.path().join("city"));
        let keys = format!(
            "call-centre d115 {CALL_CENTRE_KEY}\nwalk-in desk {WALK_IN_KEY}\ntest tests {TEST_KEY}\n"
        );
        std::fs::write(dir.path().join("keys"), keys).unwrap();
        let data = dir.path().join("data");
        Home { dir, data, town }
    }

    pub(crate) fn with_data_in(self, data: &Path) -> Home {
        Home {
            data: data.to_owned(),
            ..self
        }
    }

    /// The same data under another configuration.
    pub(crate) fn with_town(self, town: Town) -> Home {
        town.write(&self.dir.path().join("city"));
        Home { town, ..self }
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("city")
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// The command that serves this home.
    pub(crate) fn command(&self) -> Command {
        self.command_by(program())
    }

    /// The same, started by `launcher`, whose last argument is the program. Ports are free ones
    /// unless an argument says otherwise: the environment is weaker.
    pub(crate) fn command_by(&self, mut launcher: Command) -> Command {
        let dir = self.dir.path();
        launcher.arg("serve").stdout(Stdio::piped());
        launcher.arg("--config").arg(self.config());
        launcher.arg("--data").arg(&self.data);
        launcher.env("MORGENRUH_SERVER_LISTEN", "127.0.0.1:0");
        launcher.env("MORGENRUH_SERVER_ADMIN_LISTEN", "127.0.0.1:0");
        launcher.env("MORGENRUH_SERVER_SERVICE_KEYS_FILE", dir.join("keys"));
        // The tests are a whole town behind one address.
        if self.town.has_no_limits() {
            launcher.env("MORGENRUH_LIMITS_EXEMPT", "127.0.0.0/8");
        }
        // What is given back is free at once, unless it is about that.
        if !self.town.has_wishes() {
            launcher.env("MORGENRUH_AGENT_REST_MINUTES_MIN", "0");
            launcher.env("MORGENRUH_AGENT_REST_MINUTES_MAX", "0");
        }
        launcher
    }

    pub(crate) fn start(self) -> Service {
        let command = self.command();
        self.start_by(command)
    }

    /// With a release in so many seconds.
    pub(crate) fn start_demo(self, seconds: u32) -> Service {
        let mut command = self.command();
        command.arg("--demo").arg(seconds.to_string());
        self.start_by(command)
    }

    pub(crate) fn start_by(self, command: Command) -> Service {
        self.try_start_by(command).unwrap_or_else(|(home, code)| {
            panic!("it ended with {code:?}; its log:\n{}", home.log())
        })
    }

    /// The running service, or the exit code of one that would not start.
    pub(crate) fn try_start_by(self, mut command: Command) -> Result<Service, (Home, Option<i32>)> {
        let log = self.dir.path().join("log");
        let log = File::options().create(true).append(true).open(log).unwrap();
        let mut child = command.stderr(log).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut ready = String::new();
        stdout.read_line(&mut ready).unwrap();
        let word = |name: &str| {
            let mut words = ready.split_whitespace();
            words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        };
        let (Some(listen), Some(admin)) = (word("listen"), word("admin")) else {
            let _ = child.kill();
            let code = child.wait().unwrap().code();
            return Err((self, code));
        };
        Ok(Service {
            public: listen.parse().unwrap(),
            admin: admin.parse().unwrap(),
            recovered: word("recovered_bookings").unwrap().parse().unwrap(),
            ready: ready.clone(),
            child,
            home: Some(self),
        })
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// What `morgenruh verify` counts beside rooms; the test fails when it finds an error.
    #[track_caller]
    pub(crate) fn verify(&self) -> Counts {
        let output = program().arg("verify").arg(&self.data).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{text}");
        let numbers: Vec<u64> = text
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        let [facts, live, cancelled, _rooms, 0] = numbers[..] else {
            panic!("{text}")
        };
        Counts {
            facts,
            live,
            cancelled,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) facts: u64,
    pub(crate) live: u64,
    pub(crate) cancelled: u64,
}

/// A running service. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// Bookings that it found at its start.
    pub(crate) recovered: u64,
    /// The line by which it said that it is ready.
    pub(crate) ready: String,
    child: Child,
    home: Option<Home>,
}

impl Service {
    /// The small town with its defaults.
    pub(crate) fn start() -> Service {
        Home::of(Town::small()).start()
    }

    pub(crate) fn home(&self) -> &Home {
        self.home.as_ref().expect("only stopping takes it")
    }

    pub(crate) fn town(&self) -> &Town {
        &self.home().town
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn citizen(&self) -> Citizen {
        Citizen::of(self.public)
    }

    #[track_caller]
    pub(crate) fn send(&self, request: &Request) -> Answer {
        request.send(self.public).expect("the service answers")
    }

    /// `kill -9`; what is left is what was on the disk.
    pub(crate) fn kill(mut self) -> Home {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.home.take().expect("it was running")
    }

    pub(crate) fn signal(&self, name: &str) {
        let arguments = [format!("-{name}"), self.pid().to_string()];
        assert!(
            Command::new("kill")
                .args(arguments)
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for the process to end by itself.
    pub(crate) fn ended(mut self) -> (ExitStatus, Home) {
        let child = &mut self.child;
        let status = eventually("the service ends", || child.try_wait().unwrap());
        (status, self.home.take().expect("it was running"))
    }

    /// Asks it to stop, as an operator would.
    pub(crate) fn stop(self) -> Home {
        self.signal("TERM");
        let (status, home) = self.ended();
        assert_eq!(status.code(), Some(0), "{}", home.log());
        home
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(home) = &self.home
            && std::thread::panicking()
        {
            eprintln!("log of the service:\n{}", home.log());
        }
    }
}

/// Waits until `look` sees what it looks for.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "not within {PATIENCE:?}: {what}"
        );
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Does something `count` times at the same moment.
pub(crate) fn together<T: Send>(count: usize, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let (barrier, act) = (&Barrier::new(count), &act);
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..count)
            .map(|number| {
                scope.spawn(move || {
                    barrier.wait();
                    act(number)
                })
            })
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// What a process that should end at once says and how it ends.
pub(crate) fn output_of(mut command: Command) -> (Option<i32>, String) {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let status = eventually("the process ends", || child.try_wait().unwrap());
    let mut text = String::new();
    child
        .stderr
        .take()
        .expect("it is piped")
        .read_to_string(&mut text)
        .unwrap();
    (status.code(), text)
}
