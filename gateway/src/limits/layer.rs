//! Around a route: who asks too often is answered before the body is read.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{Action, Standing};
use crate::app::AppState;
use crate::client_address::ClientAddress;
use crate::problem::ApiError;
use crate::service_keys::Caller;

/// Lets a request through, and says in its answer how many may follow.
pub(crate) async fn limit(
    State((app, action)): State<(AppState, Action)>,
    request: Request,
    next: Next,
) -> Response {
    // A wrong key is the handler's to refuse, but it counts: nobody tries many.
    let caller = app.service_keys.caller(request.headers());
    if caller.is_ok_and(|caller| caller != Caller::PUBLIC) {
        return next.run(request).await;
    }
    let trusted = &app.settings.server.trusted_proxies;
    if ClientAddress::is_behind_unnamed(&request, trusted) {
        app.limits.tell_of_proxy();
    }
    let client = ClientAddress::of_request(&request, trusted);
    let standing = match app.limits.check(action, client) {
        Ok(standing) => standing,
        Err(refused) => return ApiError::from(refused).into_response(),
    };
    let mut response = next.run(request).await;
    if let Some(standing) = standing
        && !Standing::is_told(response.headers())
    {
        standing.tell(response.headers_mut());
    }
    response
}
