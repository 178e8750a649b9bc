//! HTTP/1.1 over a bounded pool of keep-alive connections.
//!
//! The pool is the tool's only door, so its bound is the number of sockets that the run opens. A
//! request that has to wait for a connection waits on the citizen's time: the callers measure from
//! the instant at which they wanted to send.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A connection that has been idle for longer is not used again, in milliseconds: the server may
/// be about to close it.
const IDLE_MS_MAX: u64 = 2_000;

/// Where the service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    host: String,
    port: u16,
    authority: String,
    prefix: String,
}

/// Why an address is not one that this tool can load.
#[derive(Debug, thiserror::Error)]
pub enum BaseUrlError {
    #[error("not a URL such as http://127.0.0.1:8080")]
    NotAUrl,
    #[error("only http:// is spoken; run the tool behind the place where TLS ends")]
    NotHttp,
}

impl std::str::FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, BaseUrlError> {
        let uri: Uri = text.parse().map_err(|_| BaseUrlError::NotAUrl)?;
        match uri.scheme_str() {
            Some("http") => {}
            Some(_) => return Err(BaseUrlError::NotHttp),
            None => return Err(BaseUrlError::NotAUrl),
        }
        let authority = uri.authority().ok_or(BaseUrlError::NotAUrl)?;
        Ok(Self {
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(80),
            authority: authority.as_str().to_owned(),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl BaseUrl {
    fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self
                .host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Ask<'a> {
    pub method: Method,
    /// Path and query below the base URL, percent-encoded.
    pub path: String,
    pub bearer: Option<&'a str>,
    pub idempotency_key: Option<&'a str>,
    pub body: Option<Bytes>,
}

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// When the request was handed to a connection.
    pub sent: Instant,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    #[error("no connection: {0}")]
    Connect(#[source] std::io::Error),
    #[error("the connection broke: {0}")]
    Broken(#[source] hyper::Error),
    #[error("the answer could not be read: {0}")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the request cannot be written as HTTP: {0}")]
    Request(#[from] hyper::http::Error),
    #[error("no answer within {0} ms")]
    Late(u128),
}

/// The pool.
#[derive(Debug)]
pub struct Client {
    base: BaseUrl,
    connections_max: usize,
    permits: Semaphore,
    idle: Mutex<Vec<Idle>>,
    answer_within: Duration,
    service_key: Option<HeaderValue>,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<Full<Bytes>>,
    since: Instant,
}

impl Client {
    /// A pool of at most `connections_max` connections, whose requests give up after
    /// `answer_within`.
    pub fn new(base: BaseUrl, connections_max: usize, answer_within: Duration) -> Self {
        Self {
            base,
            connections_max,
            permits: Semaphore::new(connections_max),
            idle: Mutex::new(Vec::new()),
            answer_within,
            service_key: None,
        }
    }

    /// Sends a service key with every request: with one for tests, offices under test are there.
    pub fn with_service_key(self, key: &str) -> Result<Self, hyper::http::Error> {
        let mut key = HeaderValue::from_str(key)?;
        key.set_sensitive(true);
        Ok(Self {
            service_key: Some(key),
            ..self
        })
    }

    /// Bound of the pool.
    pub fn connections_max(&self) -> usize {
        self.connections_max
    }

    /// Whether the service runs on this machine: a report says no more than that about the host.
    pub fn is_loopback(&self) -> bool {
        self.base.is_loopback()
    }

    /// Sends one request and reads the whole answer.
    pub async fn call(&self, ask: &Ask<'_>) -> Result<Answer, NoAnswer> {
        let _permit = self
            .permits
            .acquire()
            .await
            .expect("the semaphore is never closed");
        timeout(self.answer_within, self.exchange(ask))
            .await
            .unwrap_or_else(|_| Err(NoAnswer::Late(self.answer_within.as_millis())))
    }

    /// A kept connection may have been closed by the server in the meantime. A request that never
    /// left, or that may be sent twice, then gets a fresh connection; anything else is reported.
    async fn exchange(&self, ask: &Ask<'_>) -> Result<Answer, NoAnswer> {
        let may_repeat = ask.method != Method::POST || ask.idempotency_key.is_some();
        if let Some(mut sender) = self.take_idle() {
            let sent = Instant::now();
            match sender.try_send_request(self.request(ask)?).await {
                Ok(response) => return self.finish(sender, response, sent).await,
                Err(mut unsent) => {
                    if unsent.take_message().is_none() && !may_repeat {
                        return Err(NoAnswer::Broken(unsent.into_error()));
                    }
                }
            }
        }
        let mut sender = self.connect().await?;
        let sent = Instant::now();
        let response = sender
            .send_request(self.request(ask)?)
            .await
            .map_err(NoAnswer::Broken)?;
        self.finish(sender, response, sent).await
    }

    fn take_idle(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.lock().expect("no holder of this lock panics");
        let fresh = |kept: &Idle| kept.since.elapsed() < Duration::from_millis(IDLE_MS_MAX);
        while let Some(kept) = idle.pop() {
            if !fresh(&kept) {
                idle.clear();
                return None;
            }
            if kept.sender.is_ready() {
                return Some(kept.sender);
            }
        }
        None
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, NoAnswer> {
        let stream = TcpStream::connect((self.base.host.as_str(), self.base.port))
            .await
            .map_err(NoAnswer::Connect)?;
        stream.set_nodelay(true).map_err(NoAnswer::Connect)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(NoAnswer::Broken)?;
        tokio::spawn(connection);
        Ok(sender)
    }

    fn request(&self, ask: &Ask<'_>) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(format!("{}{}", self.base.prefix, ask.path))
            .header(HOST, &self.base.authority);
        if let Some(token) = ask.bearer {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(key) = &self.service_key {
            request = request.header("x-service-key", key);
        }
        if let Some(key) = ask.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if ask.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request.body(Full::new(ask.body.clone().unwrap_or_default()))
    }

    async fn finish(
        &self,
        sender: SendRequest<Full<Bytes>>,
        response: hyper::Response<hyper::body::Incoming>,
        sent: Instant,
    ) -> Result<Answer, NoAnswer> {
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(NoAnswer::Body)?
            .to_bytes();
        if !sender.is_closed() {
            let kept = Idle {
                sender,
                since: Instant::now(),
            };
            self.idle
                .lock()
                .expect("no holder of this lock panics")
                .push(kept);
        }
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
            sent,
        })
    }
}

#[cfg(test)]
pub(crate) mod stub {
    //! A server of a few lines that answers every request with the same bytes.

    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    /// Starts it, and returns its base URL. It closes each connection after `answers` answers.
    pub(crate) fn serve(answer: String, answers: usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let answer = answer.clone();
                thread::spawn(move || {
                    let mut request = [0; 4096];
                    for _ in 0..answers {
                        if stream.read(&mut request).unwrap_or(0) == 0 {
                            return;
                        }
                        stream.write_all(answer.as_bytes()).unwrap();
                    }
                });
            }
        });
        base
    }

    /// An answer with a JSON body.
    pub(crate) fn json(status: &str, head: &str, body: &str) -> String {
        format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{head}\r\n{body}",
            body.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(base: &str) -> Client {
        Client::new(base.parse().unwrap(), 2, Duration::from_secs(5))
    }

    fn get(path: &str) -> Ask<'static> {
        Ask {
            path: path.to_owned(),
            ..Ask::default()
        }
    }

    #[test]
    fn addresses_are_read() {
        let base: BaseUrl = "http://127.0.0.1:8080/".parse().unwrap();
        assert_eq!(
            (base.host.as_str(), base.port, base.prefix.as_str()),
            ("127.0.0.1", 8080, "")
        );
        assert!(base.is_loopback());
        let base: BaseUrl = "http://termine.example/test".parse().unwrap();
        assert_eq!((base.port, base.prefix.as_str()), (80, "/test"));
        assert!(!base.is_loopback());
        assert!("http://[::1]:80".parse::<BaseUrl>().unwrap().is_loopback());
        assert!(matches!(
            "https://a.example".parse::<BaseUrl>(),
            Err(BaseUrlError::NotHttp)
        ));
        assert!(matches!(
            "a.example:80".parse::<BaseUrl>(),
            Err(BaseUrlError::NotAUrl)
        ));
    }

    #[tokio::test]
    async fn a_connection_serves_many_requests_and_a_closed_one_is_replaced() {
        let base = stub::serve(stub::json("200 OK", "", "ja"), 3);
        let client = client(&base);
        for _ in 0..10 {
            let answer = client.call(&get("/api/v1/offices")).await.unwrap();
            assert_eq!(
                (answer.status, answer.body.as_ref()),
                (StatusCode::OK, b"ja".as_slice())
            );
        }
        assert!(client.idle.lock().unwrap().len() <= 2);
    }

    #[tokio::test]
    async fn a_server_that_is_away_is_an_error() {
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", free.local_addr().unwrap());
        drop(free);
        assert!(matches!(
            client(&base).call(&get("/")).await,
            Err(NoAnswer::Connect(_))
        ));
    }
}
