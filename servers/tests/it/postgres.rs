//! PostgreSQL, started, killed, paused and restarted.

use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use morgenruh_servers::{Postgres, PostgresOptions, scratch};

#[test]
fn what_it_committed_is_there_after_a_kill() {
    let dir = scratch();
    let mut postgres = Postgres::start(dir.path());
    postgres.sql("CREATE TABLE facts (n int); INSERT INTO facts VALUES (1), (2);");
    let port = postgres.port();
    postgres.kill();
    assert!(TcpStream::connect(postgres.address()).is_err());
    postgres.restart();
    assert_eq!(postgres.port(), port);
    assert_eq!(
        postgres.sql("SELECT n, -n FROM facts ORDER BY n"),
        "1|-1\n2|-2"
    );
    postgres.pause();
    postgres.kill();
    super::occupy(postgres.address());
    postgres.restart();
    assert_eq!(postgres.sql("SELECT count(*) FROM facts"), "2");
}

#[test]
fn it_is_set_up_to_keep_what_it_acknowledges() {
    let dir = scratch();
    let postgres = PostgresOptions::default()
        .set("application_name", "it's quoted")
        .set("synchronous_commit", "off")
        .start(dir.path());
    let setting = |key: &str| postgres.sql(&format!("SHOW {key}"));
    assert_eq!(setting("fsync"), "on");
    assert_eq!(setting("synchronous_commit"), "off");
    assert_eq!(setting("server_encoding"), "UTF8");
    assert_eq!(setting("lc_collate"), "C");
    assert_eq!(setting("max_connections"), "100");
    assert_eq!(
        postgres.sql("SELECT current_user, current_database()"),
        "morgenruh|morgenruh"
    );
    assert_eq!(
        postgres.sql("SELECT usesuper FROM pg_user WHERE usename = current_user"),
        "f"
    );
    postgres.sql_as_superuser("CHECKPOINT");
    let file = postgres.password_file();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), postgres.password());
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

/// A client is in the middle of a statement, so one of the server's processes is its own.
#[test]
fn a_paused_one_answers_when_it_goes_on() {
    let dir = scratch();
    let mut postgres = Postgres::start(dir.path());
    let mut psql = Command::new("psql")
        .args([
            "-XAtq",
            "-h",
            "127.0.0.1",
            "-p",
            &postgres.port().to_string(),
        ])
        .args(["-U", postgres.user(), "-d", postgres.database(), "-c"])
        .arg("SELECT pg_sleep(0.05); SELECT 'awake';")
        .env("PGPASSWORD", postgres.password())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    super::soon("it has begun", || {
        postgres.sql(sleeping) == "1" || psql.try_wait().unwrap().is_some()
    });
    postgres.pause();
    postgres.pause();
    postgres.resume();
    let output = psql.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("awake"));
    assert_eq!(postgres.sql("SELECT 1"), "1");
}

#[test]
fn two_stand_side_by_side_and_one_speaks_tls() {
    let (one, other) = (scratch(), scratch());
    let one = PostgresOptions::default().tls().start(one.path());
    let other = Postgres::start(other.path());
    one.sql("CREATE TABLE facts ()");
    assert_eq!(other.sql("SELECT to_regclass('facts') IS NULL"), "t");
    let tls = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(one.sql(tls), "t");
    assert_eq!(other.sql(tls), "f");
    assert!(one.authority().is_some_and(std::path::Path::exists));
}

#[test]
#[should_panic(expected = "unrecognized configuration parameter")]
fn one_that_does_not_start_says_why() {
    let dir = scratch();
    PostgresOptions::default()
        .set("nonsense", "1")
        .start(dir.path());
}
