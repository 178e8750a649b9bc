//! What happens to every request, whatever it asks: a time limit, a last resort for bugs, and the
//! headers that each answer carries.

use std::any::Any;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;

use crate::problem::{ApiError, Kind};

const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Bounds of a single request.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub timeout: Duration,
    pub body_bytes_max: usize,
}

/// Puts the common layers around a router.
pub fn wrap(router: Router, bounds: Bounds) -> Router {
    router
        .layer(DefaultBodyLimit::max(bounds.body_bytes_max))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(bounds.timeout, around))
}

async fn around(State(timeout): State<Duration>, request: Request, next: Next) -> Response {
    let mut response = match tokio::time::timeout(timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = "Send the request faster, or try again in a moment.";
            ApiError::new(Kind::TimedOut, detail).into_response()
        }
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, value);
    }
    response
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(panic = text, "a request handler panicked: this is a bug");
    ApiError::new(Kind::Internal, "It has been noted. Try again later.").into_response()
}
