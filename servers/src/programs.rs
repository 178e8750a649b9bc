//! Where the programs of other packages lie, and running those that come to an end.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Where Debian keeps PostgreSQL: one folder a version, each with a `bin`.
const DEBIAN_POSTGRES: &str = "/usr/lib/postgresql";

/// The program of that name on `PATH`.
///
/// # Panics
/// When there is none; the message says what to install.
pub(crate) fn find(name: &str) -> PathBuf {
    on_path(&[name])
        .map(|folder| folder.join(name))
        .unwrap_or_else(|| panic!("`{name}` is not installed; `make packages` installs it"))
}

/// The folder of PostgreSQL's programs, all of one version: from `PATH`, else Debian's newest.
///
/// # Panics
/// When there is none; the message says what to install.
pub(crate) fn postgres_folder() -> PathBuf {
    let programs = ["initdb", "postgres", "psql"];
    on_path(&programs)
        .or_else(|| {
            let versions = fs::read_dir(DEBIAN_POSTGRES).ok()?;
            let folders = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
            let whole = folders.filter(|folder| has_all(folder, &programs));
            whole.max_by_key(|folder| version_of(folder))
        })
        .unwrap_or_else(|| panic!("PostgreSQL is not installed; `make packages` installs it"))
}

/// What the program says on standard output when this text is its input.
///
/// # Panics
/// When it does not go well; the message shows what it said on standard error.
pub(crate) fn run(command: &mut Command, input: &str) -> String {
    let output = finish(command, input);
    let words = [command.get_program()]
        .into_iter()
        .chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    let words = words.join(" ");
    let output = output.unwrap_or_else(|error| panic!("{words}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn finish(command: &mut Command, input: &str) -> io::Result<Output> {
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take().expect("it is piped");
    // A program that fails early does not read it all; it says why itself.
    drop(stdin.write_all(input.as_bytes()));
    drop(stdin);
    child.wait_with_output()
}

/// 15 of `/usr/lib/postgresql/15/bin`.
fn version_of(folder: &Path) -> Option<u32> {
    folder.parent()?.file_name()?.to_str()?.parse().ok()
}

fn on_path(programs: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).find(|folder| has_all(folder, programs))
}

fn has_all(folder: &Path, programs: &[&str]) -> bool {
    programs.iter().all(|name| folder.join(name).is_file())
}
