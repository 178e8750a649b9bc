//! A mail server that keeps what it takes, and refuses whom it is told to refuse.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::certificates::Certificates;
use crate::entropy;
use crate::home::Home;
use crate::launch::{self, Launch, Ports};
use crate::process::{self, Process};
use crate::programs;

/// What aiosmtpd asks about each command; a module of Python that lies in the server's directory.
const HANDLER: &str = include_str!("mail_handler.py");
/// Name of that module and of the class in it.
const HANDLER_FILE: &str = "mail_handler.py";
const HANDLER_CLASS: &str = "mail_handler.Keeper";

/// How clients are to encrypt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MailTls {
    #[default]
    Off,
    /// It takes nothing before they have.
    StartTls,
    Always,
}

/// A running mail server on 127.0.0.1. Dropping it ends it.
///
/// Every recipient is taken, but `550-…@`, `451-…@` and the like, which are refused with that code,
/// `554-5.7.1-…@` also with the longer one; `554-data-…@` is refused once the letter is there.
/// After STARTTLS it lets in the user `post` with [`password`](Mail::password); with TLS from the
/// first byte on it asks nobody.
#[derive(Debug)]
pub struct Mail {
    process: Option<Process>,
    program: Program,
    ports: Ports,
}

#[derive(Debug)]
struct Program {
    home: Home,
    aiosmtpd: PathBuf,
    tls: MailTls,
    certificates: Option<Certificates>,
    password: String,
}

/// A letter as it came over the wire.
#[derive(Clone, Debug)]
pub struct Received {
    pub from: String,
    pub to: Vec<String>,
    /// Whether the sender had proved who it is.
    pub authenticated: bool,
    pub raw: Vec<u8>,
}

impl Mail {
    /// Starts a server with this directory.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(dir: &Path, tls: MailTls) -> Mail {
        let home = Home::open(dir);
        let certificates = match tls {
            MailTls::Off => None,
            MailTls::StartTls | MailTls::Always => Some(Certificates::of(&home.join("tls"))),
        };
        let program = Program {
            aiosmtpd: programs::find("aiosmtpd"),
            tls,
            certificates,
            password: entropy::password(),
            home,
        };
        let (process, ports) = launch::anywhere(&program, &program.home);
        Mail {
            process: Some(process),
            program,
            ports,
        }
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports.plain))
    }

    pub fn password(&self) -> &str {
        &self.program.password
    }

    /// The file of the authority that has signed its certificate, if it has one.
    pub fn authority(&self) -> Option<&Path> {
        let certificates = self.program.certificates.as_ref();
        certificates.map(|files| files.authority.as_path())
    }

    /// All that it has taken, oldest first.
    ///
    /// # Panics
    /// When what it has kept cannot be read.
    pub fn received(&self) -> Vec<Received> {
        let kept = fs::read_dir(self.program.letters()).expect("the folder is the server's own");
        let mut files: Vec<PathBuf> = kept
            .map(|entry| entry.expect("it can be listed").path())
            .filter(|path| path.extension().is_some_and(|it| it == "letter"))
            .collect();
        files.sort();
        files.iter().map(|file| read(file)).collect()
    }

    /// Ends it; what it has taken stays.
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop(Signal::INT);
        }
    }

    /// Starts it again on its port.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        self.stop();
        self.process = Some(launch::again(&self.program, &self.program.home, self.ports));
    }

    /// Stops it in the middle of whatever it does, until it is resumed: whoever asks it waits.
    pub fn pause(&mut self) {
        if let Some(process) = &mut self.process {
            process.pause();
        }
    }

    pub fn resume(&mut self) {
        if let Some(process) = &mut self.process {
            process.resume();
        }
    }
}

impl Drop for Mail {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Program {
    fn letters(&self) -> PathBuf {
        self.home.join("letters")
    }
}

impl Launch for Program {
    const NAME: &'static str = "the mail server";

    fn settle(&self, _: Ports) {
        self.home.write(HANDLER_FILE, HANDLER);
        fs::create_dir_all(self.letters()).expect("a server's directory can be written");
    }

    fn command(&self, ports: Ports) -> Command {
        let mut command = process::command(&self.aiosmtpd, None);
        command.env("PYTHONPATH", self.home.path());
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        let endpoint = format!("127.0.0.1:{}", ports.plain);
        command.args(["--nosetuid", "--smtputf8", "--listen", &endpoint]);
        command.args(["--class", HANDLER_CLASS]);
        if let Some(files) = &self.certificates {
            let (certificate, key) = match self.tls {
                MailTls::Always => ("--smtpscert", "--smtpskey"),
                MailTls::Off | MailTls::StartTls => ("--tlscert", "--tlskey"),
            };
            command.arg(certificate).arg(&files.certificate);
            command.arg(key).arg(&files.key);
        }
        command.arg(self.letters()).arg(&self.password);
        command
    }

    fn ready(&self, ports: Ports, id: u32) -> bool {
        process::listens(id, ports.plain)
    }
}

/// A letter behind a head of lines: who, to whom, and an empty one.
fn read(file: &Path) -> Received {
    let kept = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let end = kept.windows(2).position(|pair| pair == b"\n\n");
    let (head, raw) = kept.split_at(end.expect("the head ends") + 2);
    let head = std::str::from_utf8(head).expect("the head is text");
    let values = |name: &str| {
        let lines = head.lines().filter_map(|line| line.strip_prefix(name));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    Received {
        from: values("from ").concat(),
        to: values("to "),
        authenticated: !values("authenticated").is_empty(),
        raw: raw.to_owned(),
    }
}
