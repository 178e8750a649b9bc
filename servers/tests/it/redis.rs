//! Redis, started, killed, paused and restarted.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use morgenruh_servers::{Redis, RedisOptions, scratch};

#[test]
fn what_it_acknowledged_is_there_after_a_kill() {
    let dir = scratch();
    let mut redis = Redis::start(dir.path());
    assert_eq!(redis.command(&["PING"]), "PONG");
    let id = redis.command(&["XADD", "ledger", "*", "fact", "1"]);
    let port = redis.port();
    redis.kill();
    assert!(TcpStream::connect(redis.address()).is_err());
    redis.restart();
    assert_eq!(redis.port(), port);
    assert_eq!(redis.command(&["XLEN", "ledger"]), "1");
    let all = redis.command(&["XRANGE", "ledger", "-", "+"]);
    assert_eq!(all, format!("{id}\nfact\n1"));
    redis.stop();
    super::occupy(redis.address());
    redis.restart();
    assert_eq!(redis.port(), port);
    assert_eq!(redis.command(&["XLEN", "ledger"]), "1");
}

#[test]
fn it_is_set_up_to_keep_what_it_acknowledges() {
    let dir = scratch();
    let redis = RedisOptions::default()
        .set("maxmemory", "8mb")
        .set("appendfsync", "everysec")
        .start(dir.path());
    let setting = |key: &str| redis.command(&["CONFIG", "GET", key]);
    assert_eq!(setting("appendonly"), "appendonly\nyes");
    assert_eq!(setting("save"), "save\n");
    assert_eq!(setting("maxmemory-policy"), "maxmemory-policy\nnoeviction");
    assert_eq!(setting("maxmemory"), "maxmemory\n8388608");
    assert_eq!(setting("appendfsync"), "appendfsync\neverysec");
    assert!(redis.command(&["NONSENSE"]).starts_with("-ERR"));
}

#[test]
fn a_paused_one_answers_when_it_goes_on() {
    let dir = scratch();
    let mut redis = Redis::start(dir.path());
    let mut client = TcpStream::connect(redis.address()).unwrap();
    client
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    redis.pause();
    client.write_all(b"PING\r\n").unwrap();
    let mut answer = [0; 7];
    let error = client.read(&mut answer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    redis.resume();
    client.set_read_timeout(Some(super::SOON)).unwrap();
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+PONG\r\n");
    redis.pause();
    redis.kill();
    redis.restart();
    assert_eq!(redis.command(&["PING"]), "PONG");
}

/// Asked through Debian's own client, which knows TLS.
#[test]
fn with_a_login_and_tls_it_knows_its_clients() {
    let dir = scratch();
    let redis = RedisOptions::default()
        .login("clerk", "secret", "~ledger +@all")
        .tls()
        .start(dir.path());
    let ask = |login: &[&str], words: &[&str]| {
        let mut client = Command::new("redis-cli");
        client.args(["--tls", "-p", &redis.port().to_string(), "--cacert"]);
        client
            .arg(redis.authority().unwrap())
            .args(login)
            .args(words);
        let output = client.output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let clerk = ["--user", "clerk", "--pass", "secret", "--no-auth-warning"];
    assert_eq!(ask(&clerk, &["SET", "ledger", "1"]), "OK");
    assert!(ask(&clerk, &["SET", "other", "1"]).starts_with("NOPERM"));
    assert!(ask(&[], &["GET", "ledger"]).starts_with("NOAUTH"));
    assert_eq!(redis.command(&["GET", "ledger"]), "1");
}

#[test]
fn two_stand_side_by_side() {
    let (one, other) = (scratch(), scratch());
    let (one, other) = (Redis::start(one.path()), Redis::start(other.path()));
    one.command(&["SET", "fact", "1"]);
    assert_eq!(other.command(&["GET", "fact"]), "");
}

#[test]
#[should_panic(expected = "is in use")]
fn two_do_not_share_a_directory() {
    let dir = scratch();
    let _one = Redis::start(dir.path());
    let _other = Redis::start(dir.path());
}

#[test]
#[should_panic(expected = "Bad directive")]
fn one_that_does_not_start_says_why() {
    let dir = scratch();
    RedisOptions::default()
        .set("nonsense", "1")
        .start(dir.path());
}
