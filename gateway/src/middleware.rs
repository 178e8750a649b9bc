//! What happens to every request, whatever it asks: a time limit, a last resort for bugs, the
//! headers that each answer carries, and a count.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;

use crate::problem::{ApiError, Kind};
use crate::traffic::Counter;

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

/// The policy of a page with a script that this nonce marks, which may ask us and nobody else.
pub(crate) fn policy_with_script(nonce: &str) -> HeaderValue {
    let text = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; connect-src 'self'; \
         style-src 'self' 'unsafe-inline'; img-src 'self'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    );
    HeaderValue::try_from(text).expect("a nonce is letters and digits")
}

/// Bounds of a single request.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub timeout: Duration,
    pub body_bytes_max: usize,
}

/// What the outermost layer knows.
struct Frame {
    timeout: Duration,
    counter: Counter,
}

/// Puts the common layers around a router.
pub fn wrap(router: Router, bounds: Bounds, counter: Counter) -> Router {
    let frame = Frame {
        timeout: bounds.timeout,
        counter,
    };
    router
        .layer(DefaultBodyLimit::max(bounds.body_bytes_max))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(Arc::new(frame), around))
}

async fn around(State(frame): State<Arc<Frame>>, request: Request, next: Next) -> Response {
    let begin = Instant::now();
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let mut response = match tokio::time::timeout(frame.timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = "Send the request faster, or try again in a moment.";
            ApiError::new(Kind::TimedOut, detail).into_response()
        }
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        // A page that needs another policy has said so.
        headers.entry(name).or_insert(value);
    }
    let template = matched.as_ref().map(MatchedPath::as_str);
    let status = response.status();
    frame
        .counter
        .count(template, &method, status, begin.elapsed());
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

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::StatusCode;
    use axum::routing::get;
    use tower::Service;

    use super::*;
    use crate::traffic::Traffic;

    async fn ask(path: &str) -> (StatusCode, Response) {
        let router = Router::new()
            .route(
                "/panic",
                get(|| async { panic!("secret of the house") as &str }),
            )
            .route("/sleep", get(std::future::pending::<&str>))
            .route("/well", get(|| async { "well" }));
        let bounds = Bounds {
            timeout: Duration::from_millis(10),
            body_bytes_max: 1024,
        };
        let counter = Traffic::default().counter("public", ["/panic", "/sleep", "/well"]);
        let mut router = wrap(router, bounds, counter);
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.call(request).await.unwrap();
        (response.status(), response)
    }

    /// No known request reaches this; if one ever does, it harms nobody else and tells nothing.
    #[tokio::test]
    async fn a_panic_is_an_answer_without_its_reason() {
        let (status, response) = ask("/panic").await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(
            response
                .headers()
                .contains_key(header::CONTENT_SECURITY_POLICY)
        );
        let body = to_bytes(response.into_body(), 4096).await.unwrap();
        let text = std::str::from_utf8(&body).unwrap();
        assert!(text.contains("/problems/internal-error"), "{text}");
        assert!(
            !text.contains("secret") && !text.contains("middleware"),
            "{text}"
        );
        assert_eq!(ask("/well").await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn what_takes_too_long_is_ended() {
        let (status, response) = ask("/sleep").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key(header::RETRY_AFTER));
    }
}
