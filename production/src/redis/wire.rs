//! A socket to Redis on which every exchange has a deadline.

use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Cmd, Parser, RedisResult, Value};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// What is taken from the socket at once, in bytes: a page of the stream is some megabytes.
const READ_BYTES: usize = 64 << 10;

/// An open connection. After a failed exchange it must not be used again: the answer could still
/// come and be taken for that of the next.
pub(super) struct Wire {
    stream: BufReader<Stream>,
    parser: Parser,
}

enum Stream {
    Plain(Socket),
    Encrypted(Box<StreamOwned<ClientConnection, Socket>>),
}

struct Socket {
    tcp: TcpStream,
    until: Instant,
}

impl Wire {
    /// Connects to `host:port`; a handshake of TLS belongs to the first exchange.
    pub(super) fn connect(
        address: &str,
        tls: Option<&Arc<ClientConfig>>,
        timeout: Duration,
    ) -> io::Result<Wire> {
        let tcp = connect(address, timeout)?;
        tcp.set_nodelay(true)?;
        let socket = Socket {
            tcp,
            until: Instant::now(),
        };
        let stream = match tls {
            None => Stream::Plain(socket),
            Some(config) => {
                let client = ClientConnection::new(Arc::clone(config), host(address)?)
                    .map_err(io::Error::other)?;
                Stream::Encrypted(Box::new(StreamOwned::new(client, socket)))
            }
        };
        Ok(Wire {
            stream: BufReader::with_capacity(READ_BYTES, stream),
            parser: Parser::new(),
        })
    }

    /// Sends a command and reads its answer, which may be that Redis refuses.
    pub(super) fn exchange(&mut self, command: &Cmd, until: Instant) -> RedisResult<Value> {
        self.stream.get_mut().socket().until = until;
        let stream = self.stream.get_mut();
        stream.write_all(&command.get_packed_command())?;
        stream.flush()?;
        self.parser.parse_value(&mut self.stream)
    }
}

/// The first of the addresses that answers.
fn connect(address: &str, timeout: Duration) -> io::Result<TcpStream> {
    let mut failure = io::Error::other("the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(tcp) => return Ok(tcp),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn host(address: &str) -> io::Result<ServerName<'static>> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned()).map_err(io::Error::other)
}

impl Stream {
    fn socket(&mut self) -> &mut Socket {
        match self {
            Stream::Plain(socket) => socket,
            Stream::Encrypted(stream) => &mut stream.sock,
        }
    }
}

impl Socket {
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(left)
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.tcp.set_read_timeout(Some(self.left()?))?;
            match self.tcp.read(buffer) {
                // A signal to this process, also that it goes on after a pause.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tcp.set_write_timeout(Some(self.left()?))?;
        self.tcp.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.read(buffer),
            Stream::Encrypted(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.write(bytes),
            Stream::Encrypted(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(socket) => socket.flush(),
            Stream::Encrypted(stream) => stream.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_what_a_certificate_is_for() {
        for (address, expected) in [
            ("redis.example.org:6379", "redis.example.org"),
            ("127.0.0.1:6379", "127.0.0.1"),
            ("[::1]:6379", "::1"),
        ] {
            assert_eq!(host(address).unwrap().to_str(), expected);
        }
        assert!(host(":6379").is_err());
    }
}
