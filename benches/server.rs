//! What the HTTP bench starts, so that each side is a process of its own with its own CPU time.
//!
//! ```text
//! bench-server service <config> <data>   the service, as `morgenruh serve` runs it
//! bench-server bare <answers>            handlers that answer with files, in the same frame
//! ```
//!
//! The bare side has the service's own listener and middleware; only the work is missing. Like the
//! service it says `ready listen=…` when it is.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use bytes::Bytes;
use morgenruh::commands::serve;
use morgenruh::listener::Places;
use morgenruh::middleware::Bounds;
use morgenruh::traffic::Traffic;
use morgenruh::{listener, middleware};
use morgenruh_benches::servers::{
    HOLD_FILE, PLACE_FILE, ROOM_FILE, SPANS, TICKET_FILE, availability_file,
};
use morgenruh_wire::{Hold, HoldRequest, Ticket, TicketRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use tokio::sync::watch;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// As long as the service's.
const ETAG: HeaderValue = HeaderValue::from_static("\"0123456789abcdef0123456789abcdef\"");

const ANY_PORT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["service", config, data] => serve::serve(serve::Options {
            config: PathBuf::from(config),
            data: PathBuf::from(data),
            listen: Some(ANY_PORT),
            admin_listen: Some(ANY_PORT),
            demo_s: None,
            clock_speed: 1,
        }),
        ["bare", answers] => match bare(Path::new(answers)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("bench-server: {error}");
                ExitCode::FAILURE
            }
        },
        _ => {
            eprintln!("bench-server service <config> <data> | bare <answers>");
            ExitCode::from(2)
        }
    }
}

#[expect(clippy::print_stdout, reason = "the one line that the bench waits for")]
fn bare(answers: &Path) -> std::io::Result<()> {
    let routes = routes(answers)?;
    let bounds = Bounds {
        timeout: Duration::from_secs(10),
        body_bytes_max: 16_384,
    };
    let templates = routes.iter().map(|(template, _)| template);
    let counter = Traffic::default().counter("public", templates);
    let router = routes
        .into_iter()
        .fold(Router::new(), |router, (template, route)| {
            router.route(&template, route)
        });
    let router = middleware::wrap(router, bounds, counter);

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let socket = TcpListener::bind(ANY_PORT).await?;
        println!("ready listen={}", socket.local_addr()?);
        let options = listener::Options {
            header_timeout: Duration::from_secs(5),
            drain: Duration::ZERO,
        };
        // Nobody says stop: the bench ends the process.
        let (_running, stop) = watch::channel(false);
        listener::serve(socket, router, Places::new(20_000), options, stop).await;
        Ok(())
    })
}

fn routes(answers: &Path) -> std::io::Result<Vec<(String, MethodRouter)>> {
    let read = |file: &str| std::fs::read(answers.join(file));
    let mut routes = Vec::new();
    for days in SPANS {
        let body = Bytes::from(read(&availability_file(days))?);
        let answer = || async move { ([(header::CONTENT_TYPE, JSON)], body) };
        routes.push((format!("/{days}"), get(answer)));
    }
    let hold: Hold = serde_json::from_slice(&read(HOLD_FILE)?)?;
    let ticket: Ticket = serde_json::from_slice(&read(TICKET_FILE)?)?;
    let (room, place) = (
        Bytes::from(read(ROOM_FILE)?),
        Bytes::from(read(PLACE_FILE)?),
    );
    let room = || async move {
        let cache = HeaderValue::from_static("public, max-age=1");
        let headers = [
            (header::CONTENT_TYPE, JSON),
            (header::ETAG, ETAG),
            (header::CACHE_CONTROL, cache),
        ];
        (headers, room)
    };
    let place = || async move { private(place) };
    routes.extend([
        (
            "/holds".to_owned(),
            post(echo::<HoldRequest, _>).with_state(Arc::new(hold)),
        ),
        (
            "/tickets".to_owned(),
            post(echo::<TicketRequest, _>).with_state(Arc::new(ticket)),
        ),
        ("/room".to_owned(), get(room)),
        ("/place".to_owned(), get(place)),
    ]);
    Ok(routes)
}

/// Understands the request and writes an answer as long as the service's.
async fn echo<Q: DeserializeOwned, A: Serialize>(
    State(answer): State<Arc<A>>,
    Json(request): Json<Q>,
) -> Response {
    std::hint::black_box(request);
    let body = serde_json::to_vec(&*answer).expect("an answer is always JSON");
    (StatusCode::CREATED, private(Bytes::from(body))).into_response()
}

/// What is meant for one person.
fn private(body: Bytes) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, JSON),
        (header::CACHE_CONTROL, NO_STORE),
    ];
    (headers, body)
}
