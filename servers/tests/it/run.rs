//! The program that runs another beside its servers.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use morgenruh_servers::scratch;
use rustix::process::{Pid, Signal, kill_process};

fn run(data: &Path, script: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_morgenruh-servers"))
        .args(["run", "--data"])
        .arg(data)
        .args(["--", "sh", "-c", script])
        .current_dir(data)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn servers(data: &Path) -> Vec<String> {
    let files = ["redis/redis.pid", "postgres/data/postmaster.pid"];
    let first_lines = files.iter().filter_map(|file| {
        let text = fs::read_to_string(data.join(file)).ok()?;
        Some(text.lines().next()?.to_owned())
    });
    first_lines.collect()
}

#[test]
fn the_program_finds_its_servers_and_they_are_kept() {
    let dir = scratch();
    let script = "\
        set -e
        test \"$MORGENRUH_LEDGER_KIND\" = redis
        redis-cli -p \"${MORGENRUH_REDIS_ADDRESS#127.0.0.1:}\" INCR runs
        export PGPASSWORD=$(cat \"$MORGENRUH_POSTGRES_PASSWORD_FILE\")
        psql -XAtq -h 127.0.0.1 -p \"${MORGENRUH_POSTGRES_ADDRESS#127.0.0.1:}\" \\
            -U \"$MORGENRUH_POSTGRES_USER\" -d \"$MORGENRUH_POSTGRES_DATABASE\" \\
            -c 'CREATE TABLE IF NOT EXISTS runs (n serial)' \\
            -c 'INSERT INTO runs DEFAULT VALUES RETURNING n'
        exit 7";
    for run_number in ["1", "2"] {
        let output = run(dir.path(), script).wait_with_output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(7), "{told}");
        assert_eq!(said, format!("{run_number}\n{run_number}\n"), "{told}");
        assert!(told.contains("redis 127.0.0.1:"), "{told}");
        assert!(!servers(dir.path()).iter().any(|id| super::lives(id)));
    }
}

/// The program ends in its own time, with the servers still there.
#[test]
fn signals_reach_the_program() {
    let dir = scratch();
    let script = "\
        trap 'redis-cli -p \"${MORGENRUH_REDIS_ADDRESS#127.0.0.1:}\" PING; exit 0' TERM
        touch ready
        while :; do sleep 0.01; done";
    let child = run(dir.path(), script);
    super::soon("it is ready", || dir.path().join("ready").exists());
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"PONG\n");
}

#[test]
fn killed_it_leaves_nothing_behind() {
    let dir = scratch();
    let mut child = run(dir.path(), "echo $$ > program; exec sleep 1000");
    let program = dir.path().join("program");
    let read = || fs::read_to_string(&program).unwrap_or_default();
    super::soon("it is ready", || read().ends_with('\n'));
    let mut all = servers(dir.path());
    all.push(read().trim().to_owned());
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|id| super::lives(id)));
    child.kill().unwrap();
    child.wait().unwrap();
    super::soon("all have ended", || !all.iter().any(|id| super::lives(id)));
    let output = run(dir.path(), "true").wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
}
