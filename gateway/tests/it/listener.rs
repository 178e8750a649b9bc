//! Clients that are slow on purpose: each is let go in time, and honest ones are served meanwhile.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::http::{Answer, Request, connect};
use crate::support::{Home, Service, eventually};
use crate::town::Town;

const HEADER_TIMEOUT: Duration = Duration::from_millis(400);
const REQUEST_TIMEOUT: Duration = Duration::from_millis(1_000);
/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(4);
/// Pause between two bytes of a client that dribbles.
const DRIBBLE: Duration = Duration::from_millis(50);

const SERVER: &str = "
[ledger]
ack_timeout_ms = 500

[server]
connections_max = 16
header_timeout_ms = 400
request_timeout_ms = 1000
drain_ms = 600
";

fn service() -> Service {
    Home::of(Town::small().server(SERVER)).start()
}

/// Listens until the service hangs up, which must be in its time; returns what it said.
fn until_let_go(stream: &mut TcpStream, since: Instant, after: Duration) -> Vec<u8> {
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard);
    let took = since.elapsed();
    assert!(
        (after..after + SLACK).contains(&took),
        "let go after {took:?}"
    );
    heard
}

/// Sends one byte after the other, whatever happens; ends when nobody listens any more.
fn dribble(stream: &TcpStream, bytes: impl Iterator<Item = u8>) {
    let mut stream = stream;
    for byte in bytes {
        if stream.write_all(&[byte]).is_err() {
            return;
        }
        std::thread::sleep(DRIBBLE);
    }
}

#[test]
fn who_says_nothing_is_let_go() {
    let service = service();
    let since = Instant::now();
    let mut silent = connect(service.public).unwrap();
    assert_eq!(until_let_go(&mut silent, since, HEADER_TIMEOUT), b"");
}

#[test]
fn who_never_ends_a_head_is_let_go() {
    let service = service();
    let since = Instant::now();
    let mut stream = connect(service.public).unwrap();
    std::thread::scope(|scope| {
        let writer = stream.try_clone().unwrap();
        let head = b"GET / HTTP/1.1\r\n"
            .iter()
            .chain(b"x-a: b\r\n".iter().cycle());
        scope.spawn(move || dribble(&writer, head.copied().take(600)));
        let heard = until_let_go(&mut stream, since, HEADER_TIMEOUT);
        assert!(heard.is_empty() || heard.starts_with(b"HTTP/1.1 4"));
    });
}

#[test]
fn who_never_ends_a_body_is_told_and_let_go() {
    let service = service();
    let since = Instant::now();
    let mut stream = connect(service.public).unwrap();
    let head = "POST /api/v1/holds HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                content-length: 10000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    std::thread::scope(|scope| {
        let writer = stream.try_clone().unwrap();
        scope.spawn(move || dribble(&writer, std::iter::repeat_n(b' ', 600)));
        let heard = until_let_go(&mut stream, since, REQUEST_TIMEOUT);
        let answer = Answer::parse(&heard).expect("it is told why");
        assert_eq!((answer.status, answer.slug().as_str()), (503, "timed-out"));
    });
}

#[test]
fn who_has_no_further_question_is_let_go() {
    let service = service();
    let mut stream = connect(service.public).unwrap();
    let ask = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    for _ in 0..3 {
        stream.write_all(ask).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        eventually("the answer is complete", || {
            let mut part = [0; 1024];
            let length = stream.read(&mut part).unwrap();
            part[..length].ends_with(b"alive\n").then_some(())
        });
    }
    assert_eq!(
        until_let_go(&mut stream, Instant::now(), HEADER_TIMEOUT / 2),
        b""
    );
}

/// Asks for more than fits into the buffers in between and reads none of it.
#[test]
fn who_does_not_read_is_let_go() {
    let service = service();
    let mut stream = connect(service.public).unwrap();
    stream.set_nonblocking(true).unwrap();
    let questions = "GET /api/docs HTTP/1.1\r\nhost: x\r\n\r\n".repeat(400_000);
    let mut unsaid = questions.as_bytes();
    let since = Instant::now();
    eventually("it is let go", || match stream.write(unsaid) {
        Ok(length) => {
            unsaid = &unsaid[length..];
            None
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(_) => Some(()),
    });
    let took = since.elapsed();
    assert!(
        (HEADER_TIMEOUT..HEADER_TIMEOUT + SLACK).contains(&took),
        "let go after {took:?}"
    );
    service.send(&Request::get("/healthz")).expect(200);
}

/// As many connections as are allowed, minus one, are held by people who mean no good.
#[test]
fn honest_clients_are_served_meanwhile() {
    let service = service();
    std::thread::scope(|scope| {
        let (address, until) = (service.public, Instant::now() + 3 * HEADER_TIMEOUT);
        for _ in 0..15 {
            scope.spawn(move || {
                while Instant::now() < until {
                    let mut silent = connect(address).unwrap();
                    let _ = silent.read(&mut [0]);
                }
            });
        }
        let citizen = service.citizen();
        let mut slowest = Duration::ZERO;
        while Instant::now() < until {
            let since = Instant::now();
            citizen.starts("mitte", "pass", service.town().day(1));
            slowest = slowest.max(since.elapsed());
        }
        assert!(slowest < HEADER_TIMEOUT + SLACK, "{slowest:?}");
    });
}

/// Beyond the bound the next one waits in the kernel's queue, and is served as soon as one goes.
#[test]
fn connections_have_a_bound() {
    let patient = SERVER.replace("header_timeout_ms = 400", "header_timeout_ms = 60000");
    let service = Home::of(Town::small().server(&patient)).start();
    let ask = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut answer = [0; 12];
    let mut open: Vec<TcpStream> = (0..16)
        .map(|_| {
            let mut stream = connect(service.public).unwrap();
            stream.write_all(ask).unwrap();
            stream.read_exact(&mut answer).unwrap();
            stream
        })
        .collect();
    let mut waiting = connect(service.public).unwrap();
    waiting.write_all(ask).unwrap();
    waiting.set_read_timeout(Some(HEADER_TIMEOUT)).unwrap();
    let refused = waiting.read_exact(&mut answer).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WouldBlock);
    // Operations have a listener of their own, which the crowd cannot fill.
    Request::get("/healthz")
        .send(service.admin)
        .unwrap()
        .expect(200);
    open.pop();
    waiting.set_read_timeout(Some(SLACK)).unwrap();
    waiting.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

/// The end does not wait for clients that never finish.
#[test]
fn stopping_has_a_bound() {
    let slow = SERVER.replace("request_timeout_ms = 1000", "request_timeout_ms = 60000");
    let service = Home::of(Town::small().server(&slow)).start();
    let mut stream = connect(service.public).unwrap();
    let head = "POST /api/v1/holds HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                content-length: 10\r\nexpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    stream.read_exact(&mut [0; 25]).unwrap();
    let since = Instant::now();
    service.signal("TERM");
    let (status, home) = service.ended();
    assert!(since.elapsed() < SLACK, "{:?}", since.elapsed());
    assert_eq!(status.code(), Some(0), "{}", home.log());
    assert!(home.log().contains("drained=false"), "{}", home.log());
}
