//! Servers whose parent is killed.
//!
//! The parent is this test program once more, with one test of it that otherwise does nothing.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use morgenruh_servers::{Postgres, Redis, scratch};

/// Makes the parent of it: the directory for its servers.
const PARENT: &str = "MORGENRUH_TEST_PARENT";

/// Servers started by threads that have ended, one of them paused.
#[test]
fn parent() {
    let Some(dir) = env::var_os(PARENT).map(PathBuf::from) else {
        return;
    };
    let (redis, postgres, mut paused) = thread::scope(|scope| {
        let redis = scope.spawn(|| Redis::start(&dir.join("redis")));
        let postgres = scope.spawn(|| Postgres::start(&dir.join("postgres")));
        let paused = scope.spawn(|| Postgres::start(&dir.join("paused")));
        (
            redis.join().unwrap(),
            postgres.join().unwrap(),
            paused.join().unwrap(),
        )
    });
    let family = |postgres: &Postgres| {
        let all = postgres.sql("SELECT string_agg(pid::text, ' ') FROM pg_stat_activity");
        format!("{} {all}", postgres.pid())
    };
    let all = [family(&postgres), family(&paused)].join(" ");
    paused.pause();
    println!("\nservers {} {all}", redis.pid());
    thread::sleep(super::SOON);
}

#[test]
fn a_killed_parent_leaves_nothing_behind() {
    let dir = scratch();
    let mut parent = Command::new(env::current_exe().unwrap())
        .args(["--exact", "orphans::parent", "--nocapture"])
        .env(PARENT, dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(parent.stdout.take().unwrap());
    let servers = said.lines().find_map(|line| {
        let line = line.unwrap();
        Some(line.strip_prefix("servers ")?.to_owned())
    });
    let servers = servers.unwrap();
    let servers: Vec<_> = servers.split(' ').collect();
    assert!(servers.len() > 10, "{servers:?}");
    let living = || servers.iter().filter(|id| super::lives(id)).count();
    assert!(living() > 10);
    parent.kill().unwrap();
    parent.wait().unwrap();
    super::soon("all have ended", || living() == 0);
    for name in ["postgres", "paused"] {
        let again = Postgres::start(&dir.path().join(name));
        assert_eq!(again.sql("SELECT 1"), "1");
    }
}
