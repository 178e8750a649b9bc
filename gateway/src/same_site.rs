//! Whether a form was sent from a page of ours. Cookies tell who somebody is; that they wanted what
//! is sent, only where it was sent from.

use axum::http::{HeaderMap, header};

use crate::problem::{ApiError, Kind};

/// What browsers say about where a request comes from, except where it is not encrypted.
pub(crate) const FETCH_SITE: &str = "sec-fetch-site";

/// # Errors
/// `cross-site` when a page of somebody else has sent it.
pub(crate) fn check(headers: &HeaderMap, public_url: Option<&str>) -> Result<(), ApiError> {
    let is_ours = match headers.get(FETCH_SITE) {
        // "none": the person did it, and no page.
        Some(site) => [&b"same-origin"[..], b"none"].contains(&site.as_bytes()),
        None => is_our_origin(headers, public_url),
    };
    if is_ours {
        return Ok(());
    }
    Err(ApiError::new(
        Kind::CrossSite,
        "Open the page and send it from there.",
    ))
}

/// Programs that are no browsers name no origin, and have no cookies that anybody could use.
fn is_our_origin(headers: &HeaderMap, public_url: Option<&str>) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    let host = headers.get(header::HOST).and_then(|it| it.to_str().ok());
    let its_host = origin.split_once("://").map(|(_, host)| host);
    public_url == Some(origin) || (its_host.is_some() && its_host == host)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn is_let_in(headers: &[(&'static str, &'static str)], public_url: Option<&str>) -> bool {
        let headers = headers.iter().map(|(name, value)| {
            let value = HeaderValue::from_static(value);
            (HeaderName::from_static(name), value)
        });
        check(&headers.collect(), public_url).is_ok()
    }

    #[test]
    fn only_our_own_pages_send_forms() {
        let host = ("host", "termine.example.org");
        for (headers, expected) in [
            (vec![host, (FETCH_SITE, "same-origin")], true),
            (vec![host, (FETCH_SITE, "none")], true),
            (vec![host, (FETCH_SITE, "same-site")], false),
            (vec![host, (FETCH_SITE, "cross-site")], false),
            (vec![host, (FETCH_SITE, "")], false),
            // The word of a newer browser counts for more than the origin.
            (
                vec![
                    host,
                    (FETCH_SITE, "cross-site"),
                    ("origin", "https://termine.example.org"),
                ],
                false,
            ),
            (vec![host], true),
            (vec![host, ("origin", "https://termine.example.org")], true),
            (vec![host, ("origin", "https://evil.example")], false),
            (
                vec![host, ("origin", "https://termine.example.org.evil.example")],
                false,
            ),
            (
                vec![host, ("origin", "https://termine.example.org:8443")],
                false,
            ),
            (vec![host, ("origin", "null")], false),
            (vec![host, ("origin", "termine.example.org")], false),
            (vec![("origin", "https://evil.example")], false),
            (vec![("origin", "null")], false),
        ] {
            assert_eq!(is_let_in(&headers, None), expected, "{headers:?}");
        }
        // Behind a proxy that names another host.
        let url = Some("https://termine.example.org");
        let inner = ("host", "127.0.0.1:8080");
        assert!(is_let_in(
            &[inner, ("origin", "https://termine.example.org")],
            url
        ));
        assert!(!is_let_in(
            &[inner, ("origin", "http://termine.example.org")],
            url
        ));
    }
}
