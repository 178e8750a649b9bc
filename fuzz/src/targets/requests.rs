//! Whole requests as they come over a connection, read by the same parser as in service.

use std::cell::Cell;
use std::convert::Infallible;

use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tower::Service;

use crate::Verdict;
use crate::text::filled;
use crate::town::{Answer, Town};

/// Room for what is on its way in one direction, in bytes.
const PIPE_BYTES: usize = 64 * 1024;
/// Largest request head, in bytes, as the listener has it.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// More of an answer is not looked at, in bytes.
const ANSWERS_BYTES_MAX: u64 = 16 << 20;

/// The bytes of one connection; `@length` is the number of bytes after the first empty line.
pub(crate) fn requests(data: &[u8]) -> Verdict {
    Town::visit(|town| connection(town, data))
}

fn connection(town: &Town, data: &[u8]) -> Verdict {
    let data = town.fill(data);
    let data = filled(&data, &[("@length", body_length(&data).to_string())]);
    let (answered, done) = (Cell::new(0), Cell::new(false));
    let service = service_fn(|request: Request<Incoming>| async {
        let response = answer(town, request).await;
        answered.set(answered.get() + 1);
        done.set(done.get() || response.status().is_success());
        Ok::<Response, Infallible>(response)
    });
    let (ours, theirs) = duplex(PIPE_BYTES);
    let mut http = http1::Builder::new();
    // A client that has nothing more to say still gets its answers.
    http.max_buf_size(HEAD_BYTES_MAX).half_close(true);
    let serving = http.serve_connection(TokioIo::new(theirs), service);
    let (read, mut write) = tokio::io::split(ours);
    let asking = async {
        // The service may hang up before it has read everything.
        let _ = write.write_all(&data).await;
        let _ = write.shutdown().await;
    };
    let mut answers = Vec::new();
    let listening = async {
        let _ = read.take(ANSWERS_BYTES_MAX).read_to_end(&mut answers).await;
    };
    let _ = town.run(async { tokio::join!(serving, asking, listening) });
    let is_http = answers.starts_with(b"HTTP/1.");
    assert!(is_http || answered.get() == 0, "{}", answers.escape_ascii());
    town.audit();
    Verdict::taken_if(done.get())
}

/// What the router says, checked before the connection writes it.
async fn answer(town: &Town, request: Request<Incoming>) -> Response {
    let method = request.method().clone();
    let response = town.router.clone().call(request.map(Body::new)).await;
    let answer = Answer::of(response.unwrap_or_else(|never| match never {})).await;
    town.look_at(&method, &answer);
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}

fn body_length(data: &[u8]) -> usize {
    let after = |gap: &[u8]| {
        let at = data.windows(gap.len()).position(|window| window == gap)?;
        Some(data.len() - at - gap.len())
    };
    after(b"\r\n\r\n").or_else(|| after(b"\n\n")).unwrap_or(0)
}
