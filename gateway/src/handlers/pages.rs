//! What the pages for people have in common.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use crate::caching::NO_STORE;
use crate::problem::{ApiError, Kind};

pub(super) fn html(page: &impl Template) -> Result<Html<String>, ApiError> {
    page.render().map(Html).map_err(|error| {
        tracing::error!(%error, "a page cannot be rendered");
        ApiError::new(Kind::Internal, "Try again later.")
    })
}

/// A page with forms for one visitor.
pub(super) fn with_forms(status: StatusCode, page: &impl Template) -> Result<Response, ApiError> {
    let headers = [
        NO_STORE,
        // Where nothing is encrypted, only the origin tells our forms from those of others.
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("same-origin"),
        ),
    ];
    Ok((status, headers, html(page)?).into_response())
}

/// To a page of ours, so that loading it again sends nothing twice. Its address is of ids, tokens
/// and our own words.
pub(super) fn see_other(address: &str) -> Response {
    let to = HeaderValue::try_from(address).expect("ids and tokens are letters, digits, - and _");
    let headers = [(header::LOCATION, to), NO_STORE];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// A page that says that something was refused, answered as programs are.
pub(super) fn as_refused(error: ApiError, mut page: Response) -> Response {
    let error = error.into_response();
    *page.status_mut() = error.status();
    if let Some(later) = error.headers().get(header::RETRY_AFTER) {
        let headers = page.headers_mut();
        headers.insert(header::RETRY_AFTER, later.clone());
    }
    page
}
