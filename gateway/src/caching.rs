//! What caches may keep, and what whoever asks has already.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Of an answer that nobody keeps.
pub(crate) const NO_STORE: (HeaderName, HeaderValue) =
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));

/// Whether whoever asks has the body with this tag (RFC 9110, 13.1.2). Most show the one tag that
/// they were given, and proxies that compress mark it as weak.
pub(crate) fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let mut shown = headers.get_all(header::IF_NONE_MATCH).iter();
    shown.any(|shown| shown == tag || names(shown.as_bytes(), tag.as_bytes()))
}

/// Whether a list names a tag, which has neither commas nor quotes within its own.
fn names(list: &[u8], tag: &[u8]) -> bool {
    let mut tags = list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    list.trim_ascii() == b"*" || tags.any(|shown| opaque(shown) == opaque(tag))
}

fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_however_it_is_shown() {
        let tag = HeaderValue::from_static("\"0123456789abcdef\"");
        for (shown, expected) in [
            (&["\"0123456789abcdef\""][..], true),
            (&["W/\"0123456789abcdef\""], true),
            (&["\"a,b\", \"0123456789abcdef\""], true),
            (&["\"a\" ,W/\"0123456789abcdef\" , \"b\""], true),
            (&["\"a\"", "\"0123456789abcdef\""], true),
            (&["*"], true),
            (&[" * "], true),
            (&[], false),
            (&[""], false),
            (&["\"\""], false),
            (&["W/"], false),
            (&["0123456789abcdef"], false),
            (&["w/\"0123456789abcdef\""], false),
            (&["\"0123456789abcde\""], false),
            (&["\"*\""], false),
        ] {
            let mut headers = HeaderMap::new();
            for shown in shown {
                headers.append(header::IF_NONE_MATCH, HeaderValue::from_static(shown));
            }
            assert_eq!(is_known(&headers, &tag), expected, "{shown:?}");
        }
    }
}
