//! A Redis server that keeps what it acknowledges.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::certificates::Certificates;
use crate::entropy;
use crate::home::Home;
use crate::launch::{self, Launch, Ports};
use crate::process::{self, Process};
use crate::programs;

/// How long an answer to [`Redis::command`] may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What production demands: every write is on disk before it is answered, nothing is evicted.
const SETTINGS: [(&str, &str); 9] = [
    ("bind", "127.0.0.1"),
    ("daemonize", "no"),
    ("save", "\"\""),
    ("appendonly", "yes"),
    ("appendfsync", "always"),
    ("no-appendfsync-on-rewrite", "no"),
    ("aof-load-truncated", "yes"),
    ("maxmemory-policy", "noeviction"),
    ("loglevel", "notice"),
];

/// A Redis server. Dropping it stops it; its directory is the caller's to remove.
///
/// All methods panic when the server does not do as it is told, with the reason.
#[derive(Debug)]
pub struct Redis {
    program: Program,
    ports: Ports,
    process: Option<Process>,
}

/// How a [`Redis`] is to be, if not as production demands.
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    settings: Vec<(String, String)>,
    login: Option<Login>,
    tls: bool,
}

/// Somebody who may use the server, and nobody else may.
#[derive(Clone, Debug)]
struct Login {
    user: String,
    password: String,
    rules: String,
}

#[derive(Debug)]
struct Program {
    home: Home,
    redis_server: PathBuf,
    options: RedisOptions,
    /// Of the user `default`, who is us; `None` when everybody is that user.
    own_password: Option<String>,
    certificates: Option<Certificates>,
}

impl RedisOptions {
    /// One more line of `redis.conf`, which wins over what is there without it:
    /// `set("maxmemory", "8mb")`.
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Only this user may do something, namely what the rules say in the words of `ACL SETUSER`:
    /// `"~morgenruh:* +@stream +ping"`. Without any login everybody may do everything.
    pub fn login(mut self, user: &str, password: &str, rules: &str) -> Self {
        self.login = Some(Login {
            user: user.to_owned(),
            password: password.to_owned(),
            rules: rules.to_owned(),
        });
        self
    }

    /// Clients speak TLS and trust [`Redis::authority`]; they need no certificate of their own.
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Starts a server with its data in `dir`, new or left there by an earlier one.
    ///
    /// # Panics
    /// When it is not ready within two minutes; the message shows the end of its log.
    pub fn start(self, dir: &Path) -> Redis {
        let home = Home::open(dir);
        let certificates = self.tls.then(|| Certificates::of(&home.join("tls")));
        let program = Program {
            redis_server: programs::find("redis-server"),
            own_password: self.login.is_some().then(entropy::password),
            options: self,
            home,
            certificates,
        };
        let (process, ports) = launch::anywhere(&program, &program.home);
        Redis {
            program,
            ports,
            process: Some(process),
        }
    }
}

impl Redis {
    /// A server as production demands it, with its data in `dir`.
    ///
    /// # Panics
    /// As [`RedisOptions::start`].
    pub fn start(dir: &Path) -> Self {
        RedisOptions::default().start(dir)
    }

    /// The port for clients.
    pub fn port(&self) -> u16 {
        match &self.program.certificates {
            Some(_) => self.ports.tls,
            None => self.ports.plain,
        }
    }

    /// The address for clients.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port()).into()
    }

    /// The certificate that clients have to trust, as a file in PEM; `None` without TLS.
    pub fn authority(&self) -> Option<&Path> {
        Some(&self.program.certificates.as_ref()?.authority)
    }

    /// Where it keeps everything; its log is the file `log`.
    pub fn dir(&self) -> &Path {
        self.program.home.path()
    }

    /// The id of its process.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("Redis runs").id()
    }

    /// Asks one thing: `command(&["XLEN", "ledger"])`.
    ///
    /// Texts and numbers come as they are, a list as lines, nothing as an empty text, and an error
    /// with its minus sign: `-ERR unknown command …`.
    ///
    /// # Panics
    /// When no answer comes within ten seconds, as while it is paused.
    pub fn command(&self, words: &[&str]) -> String {
        self.program
            .ask(self.ports, words)
            .unwrap_or_else(|error| panic!("Redis: {}: {error}", words.join(" ")))
    }

    /// SIGKILL. When it returns, nothing of the server is left but its directory.
    pub fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
    }

    /// SIGSTOP: connections stay open, and nobody answers.
    pub fn pause(&mut self) {
        self.process.as_mut().expect("Redis runs").pause();
    }

    /// SIGCONT.
    pub fn resume(&mut self) {
        self.process.as_mut().expect("Redis runs").resume();
    }

    /// SIGTERM, and waits until it has ended.
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop(Signal::TERM);
        }
    }

    /// Starts it on the same data and port, having stopped it first if it runs.
    ///
    /// # Panics
    /// As [`RedisOptions::start`].
    pub fn restart(&mut self) {
        self.stop();
        self.process = Some(launch::again(&self.program, &self.program.home, self.ports));
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Launch for Program {
    const NAME: &'static str = "Redis";

    fn settle(&self, ports: Ports) {
        let mut text = String::new();
        let mut line = |key: &str, value: &str| {
            writeln!(text, "{key} {value}").expect("a text grows");
        };
        for (key, value) in SETTINGS {
            line(key, value);
        }
        line("port", &ports.plain.to_string());
        line("dir", &quoted(self.home.path()));
        line("pidfile", &quoted(&self.home.join("redis.pid")));
        if let Some(files) = &self.certificates {
            line("tls-port", &ports.tls.to_string());
            line("tls-auth-clients", "no");
            line("tls-ca-cert-file", &quoted(&files.authority));
            line("tls-cert-file", &quoted(&files.certificate));
            line("tls-key-file", &quoted(&files.key));
        }
        if let (Some(login), Some(own)) = (&self.options.login, &self.own_password) {
            let Login {
                user,
                password,
                rules,
            } = login;
            line("user", &format!("default on >{own} ~* &* +@all"));
            line("user", &format!("{user} on >{password} {rules}"));
        }
        for (key, value) in &self.options.settings {
            line(key, value);
        }
        self.home.write("redis.conf", &text);
    }

    fn command(&self, _: Ports) -> Command {
        let mut command = process::command(&self.redis_server, None);
        command.arg(self.home.join("redis.conf"));
        command
    }

    fn ready(&self, ports: Ports, id: u32) -> bool {
        let answer = |words: &[&str]| self.ask(ports, words).unwrap_or_default();
        let itself = format!("process_id:{id}");
        // While it loads its data it refuses a ping.
        answer(&["PING"]) == "PONG"
            && answer(&["INFO", "server"])
                .lines()
                .any(|line| line == itself)
    }
}

impl Program {
    /// Asks on the plain port, which is there beside the one for TLS.
    fn ask(&self, ports: Ports, words: &[&str]) -> io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, ports.plain))?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        let mut answers = BufReader::new(stream.try_clone()?);
        if let Some(password) = &self.own_password {
            stream.write_all(&request(&["AUTH", password]))?;
            read_answer(&mut answers)?;
        }
        stream.write_all(&request(words))?;
        read_answer(&mut answers)
    }
}

/// A path as the configuration file wants it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn request(words: &[&str]) -> Vec<u8> {
    let mut text = format!("*{}\r\n", words.len());
    for word in words {
        write!(text, "${}\r\n{word}\r\n", word.len()).expect("a text grows");
    }
    text.into_bytes()
}

fn read_answer(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let line = line.trim_end();
    let kind = line.chars().next();
    let rest = line.get(1..).unwrap_or_default();
    let length = || rest.parse::<i64>().map_err(io::Error::other);
    match kind {
        Some('+' | ':') => Ok(rest.to_owned()),
        Some('-') => Ok(line.to_owned()),
        Some('$') => match usize::try_from(length()?) {
            Ok(length) => {
                let mut text = vec![0; length + "\r\n".len()];
                stream.read_exact(&mut text)?;
                text.truncate(length);
                Ok(String::from_utf8_lossy(&text).into_owned())
            }
            Err(_) => Ok(String::new()),
        },
        Some('*') => {
            let parts: io::Result<Vec<_>> = (0..length()?).map(|_| read_answer(stream)).collect();
            Ok(parts?.join("\n"))
        }
        Some(_) => Err(io::Error::other(format!("not an answer: {line}"))),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
