//! Load over HTTP/1.1: connections that are kept, one request at a time on each.
//!
//! It reads of an answer what it must, the status and the length, so that the client needs less
//! than the server and the server is what is measured.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::servers::pin_client_thread;

/// Connections at once.
const CONNECTIONS: usize = 64;
/// Longest answer, head and body, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Writes the request of this number into the buffer, which is empty.
pub type WriteRequest = Arc<dyn Fn(u64, &mut Vec<u8>) + Send + Sync>;

/// A request without a body.
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

/// The same from somebody who shows a token.
pub fn get_with_token(path: &str, token: &str) -> Vec<u8> {
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n");
    format!("{head}authorization: Bearer {token}\r\n\r\n").into_bytes()
}

/// A request with a JSON body.
pub fn post(path: &str, json: &str, request: &mut Vec<u8>) {
    use std::io::Write;
    let length = json.len();
    let written = write!(
        request,
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{json}"
    );
    written.expect("memory takes everything");
}

/// Sends the requests numbered `first` to `first + count - 1` and returns how long that took.
///
/// # Errors
/// When a connection breaks, or an answer does not have this status.
pub fn load(
    address: SocketAddr,
    request: &WriteRequest,
    status: u16,
    first: u64,
    count: u64,
) -> io::Result<Duration> {
    let (next, request) = (Arc::new(AtomicU64::new(first)), request.clone());
    // On a thread of its own, because only that one is to stay on its core.
    let client = std::thread::spawn(move || {
        pin_client_thread()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let mut connections = Vec::with_capacity(CONNECTIONS);
            for _ in 0..CONNECTIONS {
                connections.push(Connection::open(address).await?);
            }
            let begin = Instant::now();
            let tasks: Vec<_> = connections
                .into_iter()
                .map(|mut connection| {
                    let (next, request) = (next.clone(), request.clone());
                    tokio::spawn(async move {
                        loop {
                            let number = next.fetch_add(1, Ordering::Relaxed);
                            if number >= first + count {
                                return Ok(());
                            }
                            connection
                                .ask(|buffer| request(number, buffer), status)
                                .await?;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await
                    .map_err(io::Error::other)?
                    .map_err(|error: io::Error| error)?;
            }
            Ok(begin.elapsed())
        })
    });
    client
        .join()
        .map_err(|_| io::Error::other("the client panicked"))?
}

/// Sends one request and returns the body of its answer.
///
/// # Errors
/// As [`load`].
pub fn ask(address: SocketAddr, request: &[u8], status: u16) -> io::Result<Vec<u8>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut connection = Connection::open(address).await?;
        let body = connection
            .ask(|buffer| buffer.extend_from_slice(request), status)
            .await?;
        Ok(body.to_vec())
    })
}

struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            request: Vec::new(),
            answer: vec![0; 64 * 1024],
        })
    }

    /// One request and its answer's body.
    async fn ask(&mut self, write: impl FnOnce(&mut Vec<u8>), status: u16) -> io::Result<&[u8]> {
        self.request.clear();
        write(&mut self.request);
        self.stream.write_all(&self.request).await?;
        let (mut filled, mut whole) = (0, None);
        loop {
            if filled == self.answer.len() {
                if filled >= ANSWER_BYTES_MAX {
                    return Err(io::Error::other("the answer is too long"));
                }
                self.answer.resize(filled * 2, 0);
            }
            let read = self.stream.read(&mut self.answer[filled..]).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            filled += read;
            if whole.is_none() {
                whole = head(&self.answer[..filled])?;
            }
            if let Some(Head {
                status: got,
                body,
                end,
            }) = whole
                && filled >= end
            {
                let body = &self.answer[body..end];
                return if got == status {
                    Ok(body)
                } else {
                    Err(unexpected(got, body))
                };
            }
        }
    }
}

/// Status, and where in the answer its body lies.
#[derive(Clone, Copy)]
struct Head {
    status: u16,
    body: usize,
    end: usize,
}

/// None while the head is incomplete.
fn head(answer: &[u8]) -> io::Result<Option<Head>> {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let bad = || io::Error::other("the answer is not HTTP/1.1 with a length");
    let text = std::str::from_utf8(&answer[..end]).map_err(|_| bad())?;
    let status = text
        .get(9..12)
        .and_then(|status| status.parse().ok())
        .ok_or_else(bad)?;
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length
        .and_then(|length| length.parse().ok())
        .ok_or_else(bad)?;
    Ok(Some(Head {
        status,
        body: end + 4,
        end: end + 4 + length,
    }))
}

fn unexpected(status: u16, body: &[u8]) -> io::Error {
    let start = String::from_utf8_lossy(&body[..body.len().min(400)]);
    io::Error::other(format!("the answer has status {status}: {start}"))
}
