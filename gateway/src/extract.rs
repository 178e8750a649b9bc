//! Reading requests, with a problem type for every way in which that fails.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use crate::problem::{ApiError, Kind};

/// A JSON body, its bytes as they came, and the headers that came with it: whoever reads the whole
/// request need not copy them.
pub(crate) struct Json<T> {
    pub(crate) value: T,
    pub(crate) bytes: Bytes,
    pub(crate) headers: HeaderMap,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(mut request: Request, state: &S) -> Result<Json<T>, ApiError> {
        if !is_json(request.headers()) {
            let detail = "Send Content-Type: application/json.";
            return Err(ApiError::new(Kind::UnsupportedMediaType, detail));
        }
        let headers = std::mem::take(request.headers_mut());
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(unreadable)?;
        let value = serde_json::from_slice(&bytes).map_err(|error| {
            use serde_json::error::Category;
            let kind = match error.classify() {
                Category::Data => Kind::InvalidRequest,
                Category::Syntax | Category::Eof | Category::Io => Kind::MalformedJson,
            };
            ApiError::new(kind, error.to_string())
        })?;
        Ok(Json {
            value,
            bytes,
            headers,
        })
    }
}

/// What a form of a page sends.
pub(crate) struct Form(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Form, ApiError> {
        let body = Bytes::from_request(request, state).await;
        body.map(Form)
            .map_err(|_| ApiError::new(Kind::BodyTooLarge, "Send the page's own form."))
    }
}

/// The one variable part of a path. What is not text is not an address of ours.
pub(crate) struct Segment(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Segment, ApiError> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(part)| Segment(part))
            .map_err(|_| ApiError::new(Kind::NotFound, "See /api/docs."))
    }
}

/// The token of `Authorization: Bearer …`, looked for before a body is read.
pub(crate) struct Bearer(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Bearer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Bearer, ApiError> {
        bearer(&parts.headers).map(|token| Bearer(token.to_owned()))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = media_type.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

fn unreadable(rejection: BytesRejection) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::new(
            Kind::BodyTooLarge,
            "See body_bytes_max in the documentation.",
        );
    }
    ApiError::new(
        Kind::MalformedJson,
        "The body ended before it was complete.",
    )
}

/// The token itself.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let value = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let token = value.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    token.ok_or_else(|| ApiError::new(Kind::TokenMissing, "Send Authorization: Bearer <token>."))
}
