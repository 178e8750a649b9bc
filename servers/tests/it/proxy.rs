//! Each kind of bad network, in front of a Redis.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use morgenruh_servers::{Mode, Proxy, Redis, scratch};
use tempfile::TempDir;

/// Short, because some tests wait for what does not come.
const PATIENCE: Duration = Duration::from_millis(60);

struct Street {
    redis: Redis,
    proxy: Proxy,
    _dir: TempDir,
}

fn street() -> Street {
    let dir = scratch();
    let redis = Redis::start(dir.path());
    let proxy = Proxy::start(redis.address());
    Street {
        redis,
        proxy,
        _dir: dir,
    }
}

impl Street {
    fn client(&self) -> TcpStream {
        let client = TcpStream::connect(self.proxy.address()).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client
    }
}

fn say(mut client: &TcpStream, request: &str) {
    client
        .write_all(format!("{request}\r\n").as_bytes())
        .unwrap();
}

/// The number that was answered; the kind of failure otherwise.
fn hear(mut client: &TcpStream) -> Result<String, ErrorKind> {
    let mut answer = [0; 32];
    match client.read(&mut answer) {
        Ok(0) => Err(ErrorKind::UnexpectedEof),
        Ok(length) => Ok(String::from_utf8_lossy(&answer[..length]).trim().to_owned()),
        Err(error) => Err(error.kind()),
    }
}

fn count(client: &TcpStream) -> Result<String, ErrorKind> {
    say(client, "INCR n");
    hear(client)
}

#[test]
fn it_passes_delays_and_cuts() {
    let mut street = street();
    let client = street.client();
    assert_eq!(count(&client).unwrap(), ":1");
    assert_eq!(street.proxy.connections(), 1);

    let later = Duration::from_millis(15);
    street.proxy.switch(Mode::Delay(later));
    let since = Instant::now();
    assert_eq!(count(&client).unwrap(), ":2");
    assert!(since.elapsed() >= 2 * later, "once on each way");

    street.proxy.switch(Mode::Cut);
    assert_eq!(hear(&client), Err(ErrorKind::UnexpectedEof));
    let refused = TcpStream::connect(street.proxy.address()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(street.proxy.connections(), 0);

    street.proxy.switch(Mode::Pass);
    let client = street.client();
    assert_eq!(count(&client).unwrap(), ":3");
    street.redis.kill();
    assert_eq!(hear(&client), Err(ErrorKind::UnexpectedEof));
    street.redis.restart();
    assert_eq!(count(&street.client()).unwrap(), ":4");
}

#[test]
fn a_half_closed_one_loses_answers_only() {
    let street = street();
    let client = street.client();
    let quiet = street.client();
    assert_eq!(count(&client).unwrap(), ":1");
    assert_eq!(count(&quiet).unwrap(), ":2");
    street.proxy.switch(Mode::HalfClose);
    assert_eq!(count(&client), Err(ErrorKind::WouldBlock));
    super::soon("the request has come", || {
        street.redis.command(&["GET", "n"]) == "3"
    });
    let newcomer = street.client();
    assert_eq!(count(&newcomer), Err(ErrorKind::WouldBlock));

    street.proxy.switch(Mode::Pass);
    let closed = hear(&client);
    assert_eq!(
        closed,
        Err(ErrorKind::UnexpectedEof),
        "an answer is missing"
    );
    assert_eq!(count(&quiet).unwrap(), ":5", "it has lost nothing");
}

#[test]
fn a_black_hole_swallows_everything() {
    let mut street = street();
    let client = street.client();
    let quiet = street.client();
    assert_eq!(count(&client).unwrap(), ":1");
    assert_eq!(count(&quiet).unwrap(), ":2");
    street.proxy.switch(Mode::BlackHole);
    assert_eq!(count(&client), Err(ErrorKind::WouldBlock));
    let newcomer = street.client();
    assert_eq!(count(&newcomer), Err(ErrorKind::WouldBlock));
    assert_eq!(street.redis.command(&["GET", "n"]), "2");
    street.redis.kill();
    let nothing = hear(&quiet);
    assert_eq!(
        nothing,
        Err(ErrorKind::WouldBlock),
        "nobody tells that it is dead"
    );

    street.redis.restart();
    street.proxy.switch(Mode::Pass);
    for lost in [&client, &newcomer, &quiet] {
        assert!(hear(lost).is_err_and(|kind| kind != ErrorKind::WouldBlock));
    }
    assert_eq!(count(&street.client()).unwrap(), ":3");
}
