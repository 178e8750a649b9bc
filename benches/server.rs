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
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use morgenruh::commands::serve;
use morgenruh::listener::Places;
use morgenruh::middleware::Bounds;
use morgenruh::traffic::Traffic;
use morgenruh::{listener, middleware};
use morgenruh_benches::servers::{HOLD_FILE, SPANS, availability_file};
use morgenruh_wire::{Hold, HoldRequest};
use tokio::net::TcpListener;
use tokio::sync::watch;

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
    let mut router = Router::new();
    for days in SPANS {
        let body = Bytes::from(std::fs::read(answers.join(availability_file(days)))?);
        router = router.route(&format!("/{days}"), get(move || async move { json(body) }));
    }
    let hold: Hold = serde_json::from_slice(&std::fs::read(answers.join(HOLD_FILE))?)?;
    let router = router
        .route("/holds", post(echo))
        .with_state(Arc::new(hold));
    let bounds = Bounds {
        timeout: Duration::from_secs(10),
        body_bytes_max: 16_384,
    };
    let templates = SPANS.map(|days| format!("/{days}"));
    let templates = templates.into_iter().chain(["/holds".to_owned()]);
    let counter = Traffic::default().counter("public", templates);
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

fn json(body: Bytes) -> Response {
    let json = [(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    )];
    (json, body).into_response()
}

/// Understands the request and writes an answer as long as the service's.
async fn echo(State(hold): State<Arc<Hold>>, Json(request): Json<HoldRequest>) -> Response {
    std::hint::black_box(request);
    let body = serde_json::to_vec(&*hold).expect("a hold is always JSON");
    (StatusCode::CREATED, json(Bytes::from(body))).into_response()
}
