//! As much HTTP/1.1 as the tests need: a request a connection, and bytes exactly as they are
//! written, because half of what is tested here is what no decent client library would send.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use morgenruh_wire::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A service that says nothing for so long hangs, and the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: String,
    path: String,
    host: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    pub(crate) fn new(method: &str, path: &str) -> Request {
        Request {
            method: method.to_owned(),
            path: path.to_owned(),
            host: "test".to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }

    pub(crate) fn get(path: &str) -> Request {
        Request::new("GET", path)
    }

    pub(crate) fn post(path: &str) -> Request {
        Request::new("POST", path)
    }

    pub(crate) fn delete(path: &str) -> Request {
        Request::new("DELETE", path)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Request {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Names another host than `test`.
    pub(crate) fn at_host(self, host: &str) -> Request {
        let host = host.to_owned();
        Request { host, ..self }
    }

    pub(crate) fn bearer(self, token: &str) -> Request {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With an Idempotency-Key that is the same for the same name.
    pub(crate) fn key(self, name: &str) -> Request {
        self.header("idempotency-key", &format!("the-key-of-{name:->8}"))
    }

    pub(crate) fn json(self, body: &impl Serialize) -> Request {
        self.text(&serde_json::to_string(body).unwrap())
    }

    /// A body that claims to be JSON.
    pub(crate) fn text(self, body: &str) -> Request {
        self.bytes(body.as_bytes())
    }

    pub(crate) fn bytes(self, body: &[u8]) -> Request {
        self.header("content-type", "application/json").body(body)
    }

    /// A body that claims nothing.
    pub(crate) fn body(mut self, body: &[u8]) -> Request {
        self.body = Some(body.to_owned());
        self
    }

    /// The head as it goes over the wire; the body follows.
    pub(crate) fn head(&self) -> String {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n",
            self.method, self.path, self.host
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head + "\r\n"
    }

    pub(crate) fn content(&self) -> &[u8] {
        self.body.as_deref().unwrap_or_default()
    }

    /// Sends it on a connection of its own.
    ///
    /// # Errors
    /// When the service is not there, or goes away before it has answered.
    pub(crate) fn send(&self, to: SocketAddr) -> io::Result<Answer> {
        let bytes = [self.head().as_bytes(), self.content()].concat();
        let raw = talk(to, &bytes)?;
        Answer::parse(&raw).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// Says `bytes` and listens until the other side is done.
///
/// # Errors
/// When nobody is there. Who hangs up early has still said something: that is returned.
pub(crate) fn talk(to: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = connect(to)?;
    let _ = stream.write_all(bytes);
    let mut heard = Vec::new();
    match stream.read_to_end(&mut heard) {
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock) => {
            panic!("the service neither answered nor hung up within {PATIENCE:?}")
        }
        _ => Ok(heard),
    }
}

pub(crate) fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(to)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// None when the bytes are not one whole answer.
    pub(crate) fn parse(raw: &[u8]) -> Option<Answer> {
        let end = raw.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&raw[..end]).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?;
        let headers = lines.filter_map(|line| line.split_once(": "));
        // Some servers write the names in capitals.
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value));
        // Two answers are the same also when the second is a second later.
        let headers = headers.filter(|(name, _)| name != "date");
        let answer = Answer {
            status: status.parse().ok()?,
            headers: headers
                .map(|(name, value)| (name, value.to_owned()))
                .collect(),
            body: raw[end + 4..].to_owned(),
        };
        let length = answer.header("content-length");
        let length = length.map_or(Ok(answer.body.len()), str::parse);
        (length == Ok(answer.body.len())).then_some(answer)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(known, _)| known == name);
        header.map(|(_, value)| value.as_str())
    }

    /// All values of a header that can come more than once.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let headers = self.headers.iter().filter(move |(known, _)| known == name);
        headers.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("every answer is UTF-8")
    }

    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> &Answer {
        assert_eq!(self.status, status, "{self:?}: {}", self.text());
        self
    }

    #[track_caller]
    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The problem, which must be well-formed and agree with the status line.
    #[track_caller]
    pub(crate) fn problem(&self) -> Problem {
        let media_type = self.header("content-type");
        assert_eq!(
            media_type,
            Some("application/problem+json"),
            "{}",
            self.text()
        );
        let problem: Problem = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem.status, self.status);
        assert!(!problem.title.is_empty() && !problem.detail.is_empty());
        if self.status == 503 {
            let retry_after = self.header("retry-after").map(str::parse::<u32>);
            assert!(matches!(retry_after, Some(Ok(1..))), "{problem:?}");
        }
        problem
    }

    /// The last part of the problem's type.
    #[track_caller]
    pub(crate) fn slug(&self) -> String {
        let problem = self.problem();
        let slug = problem.type_.strip_prefix("/problems/");
        slug.expect("types are relative addresses").to_owned()
    }
}
