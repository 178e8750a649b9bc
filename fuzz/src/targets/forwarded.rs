//! Who asks: a peer, and what it says of whom it asks for.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use morgenruh::client_address::ClientAddress;
use morgenruh::networks::Networks;

use crate::Verdict;

/// More headers in one input are left out.
const HEADERS_MAX: usize = 32;

/// The first line is the networks of our proxies, the second the peer's address, and each further
/// one the value of an `X-Forwarded-For`.
pub(crate) fn forwarded_for(data: &[u8]) -> Verdict {
    let mut lines = data.split(|byte| *byte == b'\n');
    let mut text = || std::str::from_utf8(lines.next()?).ok();
    let (Some(Ok(trusted)), Some(Ok(peer))) = (
        text().map(str::parse::<Networks>),
        text().map(str::parse::<IpAddr>),
    ) else {
        return Verdict::Refused;
    };
    assert_eq!(trusted.to_string().parse(), Ok(trusted.clone()));

    let name = HeaderName::from_static("x-forwarded-for");
    let values = lines.take(HEADERS_MAX).map(HeaderValue::from_bytes);
    let headers: HeaderMap = values
        .filter_map(|value| Some((name.clone(), value.ok()?)))
        .collect();
    let client = ClientAddress::behind(peer, &headers, &trusted);
    let plain_peer = ClientAddress::of(peer);
    assert_eq!(ClientAddress::of(client.ip()), client, "it is plain");
    if !trusted.contains(plain_peer.ip()) {
        assert_eq!(client, plain_peer, "strangers are believed nothing");
    }
    // Whatever a client writes itself stands to the left of what our proxies have written.
    if !trusted.contains(client.ip()) && !headers.is_empty() {
        let mut claimed = HeaderMap::new();
        claimed.append(&name, HeaderValue::from_static("203.0.113.77, 10.0.0.1"));
        let own = headers.get_all(&name).iter();
        claimed.extend(own.map(|value| (name.clone(), value.clone())));
        let believed = ClientAddress::behind(peer, &claimed, &trusted);
        assert_eq!(believed, client, "who asks cannot say who they are");
    }
    Verdict::taken_if(client != plain_peer)
}
