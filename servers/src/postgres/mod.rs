//! A PostgreSQL server that keeps what it acknowledges.

mod cluster;

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::certificates::Certificates;
use crate::home::Home;
use crate::launch::{self, Launch, Ports};
use crate::process::Process;
use crate::programs;
use cluster::Cluster;

/// The ordinary user, and the name of the database that belongs to it.
const USER: &str = "morgenruh";
const DATABASE: &str = "morgenruh";

/// Who may do everything.
const SUPERUSER: &str = "postgres";

/// Stands for the one in the data, so that everything in it is ours.
const SETTINGS_FILE: &str = "postgresql.conf";

/// How long [`Postgres::sql`] waits for a connection, in seconds.
const CONNECT_WITHIN_S: &str = "10";

/// What production demands, and that a killed server leaves no memory outside of its directory.
const SETTINGS: [(&str, &str); 8] = [
    ("listen_addresses", "127.0.0.1"),
    ("unix_socket_directories", ""),
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    ("dynamic_shared_memory_type", "mmap"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
];

/// A PostgreSQL server with one database and its owner. Dropping it stops it; its directory is the
/// caller's to remove.
///
/// All methods panic when the server does not do as it is told, with the reason.
#[derive(Debug)]
pub struct Postgres {
    program: Program,
    ports: Ports,
    process: Option<Process>,
}

/// How a [`Postgres`] is to be, if not as production demands.
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    settings: Vec<(String, String)>,
    tls: bool,
}

#[derive(Debug)]
struct Program {
    home: Home,
    cluster: Cluster,
    options: PostgresOptions,
    certificates: Option<Certificates>,
}

impl PostgresOptions {
    /// One more setting, which wins over what is there without it: `set("fsync", "off")`.
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Clients may speak TLS and trust [`Postgres::authority`].
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Starts a server with its data in `dir`, new or left there by an earlier one.
    ///
    /// # Panics
    /// When it is not ready within two minutes; the message shows the end of its log.
    pub fn start(self, dir: &Path) -> Postgres {
        let home = Home::open(dir);
        let cluster = Cluster::of(&home);
        let certificates = self.tls.then(|| {
            let folder = home.join("tls");
            let files = Certificates::of(&folder);
            cluster.give(&folder);
            files
        });
        let program = Program {
            home,
            cluster,
            options: self,
            certificates,
        };
        let (process, ports) = launch::anywhere(&program, &program.home);
        Postgres {
            program,
            ports,
            process: Some(process),
        }
    }
}

impl Postgres {
    /// A server as production demands it, with its data in `dir`.
    ///
    /// # Panics
    /// As [`PostgresOptions::start`].
    pub fn start(dir: &Path) -> Self {
        PostgresOptions::default().start(dir)
    }

    /// The port for clients.
    pub fn port(&self) -> u16 {
        self.ports.plain
    }

    /// The address for clients.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port()).into()
    }

    /// The ordinary user to whom the database belongs.
    pub fn user(&self) -> &str {
        USER
    }

    /// Its password.
    pub fn password(&self) -> &str {
        &self.program.cluster.password
    }

    /// A file that holds its password and nothing else, which nobody else may read.
    pub fn password_file(&self) -> PathBuf {
        self.program.cluster.password_file.clone()
    }

    /// The name of the database.
    pub fn database(&self) -> &str {
        DATABASE
    }

    /// The certificate that clients have to trust, as a file in PEM; `None` without TLS.
    pub fn authority(&self) -> Option<&Path> {
        Some(&self.program.certificates.as_ref()?.authority)
    }

    /// Where it keeps everything; its log is the file `log`.
    pub fn dir(&self) -> &Path {
        self.program.home.path()
    }

    /// The id of its first process.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("PostgreSQL runs").id()
    }

    /// Runs statements one by one as [`Self::user`]; one line a row, `|` between columns.
    ///
    /// # Panics
    /// When one of them fails, or nobody answers.
    pub fn sql(&self, statements: &str) -> String {
        self.run_sql(USER, statements)
    }

    /// The same as the superuser, for what the owner of the database may not do: `CHECKPOINT`.
    ///
    /// # Panics
    /// When one of them fails, or nobody answers.
    pub fn sql_as_superuser(&self, statements: &str) -> String {
        self.run_sql(SUPERUSER, statements)
    }

    /// SIGKILL to all its processes. When it returns, none of them is left.
    pub fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
    }

    /// SIGSTOP to all its processes: connections stay open, and nobody answers.
    pub fn pause(&mut self) {
        self.process.as_mut().expect("PostgreSQL runs").pause();
    }

    /// SIGCONT.
    pub fn resume(&mut self) {
        self.process.as_mut().expect("PostgreSQL runs").resume();
    }

    /// Ends it in an orderly way without waiting for its clients.
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop(Signal::INT);
        }
    }

    /// Starts it on the same data and port, having stopped it first if it runs.
    ///
    /// # Panics
    /// As [`PostgresOptions::start`].
    pub fn restart(&mut self) {
        self.stop();
        self.process = Some(launch::again(&self.program, &self.program.home, self.ports));
    }

    fn run_sql(&self, user: &str, statements: &str) -> String {
        let mut psql = Command::new(self.program.cluster.program("psql"));
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1"]);
        psql.args(["-p", &self.port().to_string(), "-U", user, "-d", DATABASE]);
        psql.env("PGPASSWORD", self.password());
        psql.env("PGCONNECT_TIMEOUT", CONNECT_WITHIN_S);
        programs::run(&mut psql, statements).trim_end().to_owned()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Launch for Program {
    const NAME: &'static str = "PostgreSQL";

    fn settle(&self, ports: Ports) {
        self.cluster.clear_away();
        let mut text = String::new();
        let mut line = |key: &str, value: &str| {
            let value = value.replace('\'', "''");
            writeln!(text, "{key} = '{value}'").expect("a text grows");
        };
        for (key, value) in SETTINGS {
            line(key, value);
        }
        line("port", &ports.plain.to_string());
        if let Some(files) = &self.certificates {
            line("ssl", "on");
            line("ssl_cert_file", &files.certificate.display().to_string());
            line("ssl_key_file", &files.key.display().to_string());
        }
        for (key, value) in &self.options.settings {
            line(key, value);
        }
        self.home.write(SETTINGS_FILE, &text);
    }

    fn command(&self, _: Ports) -> Command {
        let mut command = self.cluster.command("postgres");
        command.arg("-D").arg(&self.cluster.data);
        let settings = self.home.join(SETTINGS_FILE);
        command.arg(format!("--config_file={}", settings.display()));
        command
    }

    /// By the file in which it says so itself: the first line is its id, the eighth its state.
    fn ready(&self, _: Ports, id: u32) -> bool {
        let said = fs::read_to_string(self.cluster.state_file()).unwrap_or_default();
        let mut lines = said.lines();
        lines.next() == Some(&id.to_string()) && lines.nth(6).map(str::trim) == Some("ready")
    }
}
