//! The data of one PostgreSQL server, and whose it is.
//!
//! Making a cluster takes a second, copying one a few hundredths. So the first that is made stays
//! beside the built programs as a template, and the others are copies of it.

use std::env;
use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{DATABASE, SUPERUSER, USER};
use crate::entropy;
use crate::home::Home;
use crate::process::{self, within};
use crate::programs;

/// The account that Debian's package makes; root may not run a server.
const ACCOUNT: &str = "postgres";

/// How long the processes of a killed server may take to end. If there are some after that, it was
/// not killed, and the new one says so.
const LEFT_BEHIND_WITHIN: Duration = Duration::from_secs(10);

/// Part of a template's name; another number whenever [`Cluster::make`] makes something else.
const TEMPLATE_VERSION: u32 = 2;

/// By this file cargo marks the directory in which it builds.
const BUILD_MARK: &str = "CACHEDIR.TAG";

#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) data: PathBuf,
    pub(super) password_file: PathBuf,
    pub(super) password: String,
    folder_of_programs: PathBuf,
    /// Who runs the server, if not we.
    account: Option<&'static str>,
}

impl Cluster {
    /// The cluster in a server's directory, made when it is missing.
    pub(super) fn of(home: &Home) -> Self {
        let account = rustix::process::geteuid().is_root().then_some(ACCOUNT);
        if account.is_some() {
            open_the_way_to(home.path());
        }
        let mut cluster = Self {
            data: home.join("data"),
            password_file: home.join("password"),
            password: String::new(),
            folder_of_programs: programs::postgres_folder(),
            account,
        };
        // Written last, so that half a cluster is not taken for a whole one.
        if !cluster.password_file.exists() {
            cluster.obtain();
        }
        cluster.password = fs::read_to_string(&cluster.password_file)
            .unwrap_or_else(|error| panic!("{}: {error}", cluster.password_file.display()));
        cluster
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder_of_programs.join(name)
    }

    /// A program of PostgreSQL's, run by whom the data belongs to, in an environment without any
    /// settings for it.
    pub(super) fn command(&self, name: &str) -> Command {
        let mut command = process::command(&self.program(name), self.account);
        for (key, _) in env::vars_os() {
            if key.to_string_lossy().starts_with("PG") {
                command.env_remove(key);
            }
        }
        command.current_dir("/");
        command
    }

    /// Gives a file or folder with all it holds to whoever runs the server.
    pub(super) fn give(&self, path: &Path) {
        if let Some(account) = self.account {
            let owner = format!("{account}:");
            let mut chown = Command::new("chown");
            programs::run(chown.arg("-R").arg(owner).arg(path), "");
        }
    }

    /// Copies the template, or makes a cluster and leaves a copy of it as the template.
    fn obtain(&self) {
        let Some((template, lock)) = self.template() else {
            return self.make();
        };
        lock.lock().expect("an open file can be locked");
        if template.exists() {
            drop(lock);
            copy(&template, self.folder());
        } else {
            self.make();
            let half = template.with_extension("half");
            drop(fs::remove_dir_all(&half));
            fs::create_dir(&half).expect("the folder of the lock can be written");
            copy(self.folder(), &half);
            fs::rename(&half, &template).expect("a folder can be renamed in its place");
        }
    }

    /// Where the template is to be, and the lock for making it; `None` when this program does not
    /// lie where cargo has built it, or may not write there.
    fn template(&self) -> Option<(PathBuf, File)> {
        let program = env::current_exe().ok()?;
        let mut folders = program.ancestors();
        let built = folders.find(|folder| folder.join(BUILD_MARK).exists())?;
        let folder = built.join("tmp");
        fs::create_dir_all(&folder).ok()?;
        let mut postgres = Command::new(self.program("postgres"));
        // `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`
        let version = programs::run(postgres.arg("--version"), "");
        let version = version.split_whitespace().nth(2)?.replace('.', "_");
        let account = self.account.unwrap_or("own");
        let name = format!("postgres_{version}_{account}_{TEMPLATE_VERSION}");
        let lock = File::create(folder.join(format!("{name}.lock"))).ok()?;
        Some((folder.join(name), lock))
    }

    /// A cluster with the superuser, the user and its database; both have the same password.
    ///
    /// It is kept small, because after a kill a server syncs each of its files before it is ready.
    fn make(&self) {
        drop(fs::remove_dir_all(&self.data));
        fs::create_dir(&self.data).expect("a server's directory can be written");
        self.give(&self.data);
        let password = entropy::password();
        let half = self.password_file.with_extension("half");
        write_secret(&half, &password);
        self.give(&half);
        let mut initdb = self.command("initdb");
        initdb.args([
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ]);
        initdb.arg(format!("--username={SUPERUSER}"));
        initdb.arg("--pwfile").arg(&half).arg("-D").arg(&self.data);
        programs::run(&mut initdb, "");
        let mut single = self.command("postgres");
        single.args(["--single", "-c", "exit_on_error=true", "-D"]);
        single.arg(&self.data).arg("template1");
        let statements = format!(
            "CREATE ROLE {USER} LOGIN PASSWORD '{password}'\n\
             ALTER DATABASE postgres RENAME TO {DATABASE}\n\
             ALTER DATABASE {DATABASE} OWNER TO {USER}\n\
             ALTER DATABASE template0 IS_TEMPLATE false\n\
             DROP DATABASE template0\n"
        );
        programs::run(&mut single, &statements);
        fs::rename(&half, &self.password_file).expect("a file can be renamed in its folder");
    }

    fn folder(&self) -> &Path {
        self.data
            .parent()
            .expect("it lies in the server's directory")
    }

    /// Where a running server says who it is and how far.
    pub(super) fn state_file(&self) -> PathBuf {
        self.data.join("postmaster.pid")
    }

    /// Makes way for a new server after one that was killed.
    ///
    /// The new one refuses to start if the id in the old one's file is somebody else's by now, or
    /// that of a process that nobody has reaped. All processes of a server work in its data.
    pub(super) fn clear_away(&self) {
        if within(LEFT_BEHIND_WITHIN, || {
            !process::someone_works_in(&self.data)
        }) {
            drop(fs::remove_file(self.state_file()));
        }
    }
}

/// The account must be able to walk to its data. Directories in `/tmp` and its like are closed to
/// others when they are made, and are opened here; whoever closed another one has meant it.
fn open_the_way_to(path: &Path) {
    let mode = |folder: &Path| {
        fs::metadata(folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .permissions()
            .mode()
    };
    for folder in path.ancestors().filter(|folder| mode(folder) & 0o001 == 0) {
        let temporary = folder
            .parent()
            .is_some_and(|parent| mode(parent) & 0o1000 != 0);
        assert!(
            temporary,
            "as root, PostgreSQL runs as the user `{ACCOUNT}`, who may not enter {}: choose \
             another place for the data, or `chmod o+x` it",
            folder.display()
        );
        fs::set_permissions(folder, Permissions::from_mode(mode(folder) | 0o001))
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    }
}

/// The password comes last: where it is, everything is.
fn copy(from: &Path, to: &Path) {
    drop(fs::remove_dir_all(to.join("data")));
    for name in ["data", "password"] {
        let mut cp = Command::new("cp");
        cp.args(["-a", "--reflink=auto"]);
        programs::run(cp.arg(from.join(name)).arg(to), "");
    }
}

fn write_secret(path: &Path, secret: &str) {
    let written = || {
        let mut options = File::options();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(secret.as_bytes())
    };
    written().unwrap_or_else(|error: std::io::Error| panic!("{}: {error}", path.display()));
}
