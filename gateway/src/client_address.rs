//! Who asks: the address of the client, also where proxies of ours stand in between.
//!
//! Whoever is connected to us can write anything into `X-Forwarded-For`. So it is read only when
//! the peer is one of `trusted_proxies`, and from the right: each proxy of ours has appended whom
//! it was talking to, and the first of them that is not ours is the client.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName};

use crate::networks::Networks;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The upper 96 bits of IPv6 addresses behind which a NAT64 hides IPv4 (RFC 6052).
const NAT64: u128 = 0x0064_ff9b << 96;

/// The other end of the connection that a request came by. The listener says it.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// The address of a client; IPv4 that is written as IPv6 is IPv4 again.
///
/// Nothing that prints values prints it: no log has addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(IpAddr);

impl ClientAddress {
    pub fn of(address: IpAddr) -> ClientAddress {
        let IpAddr::V6(wide) = address.to_canonical() else {
            return ClientAddress(address.to_canonical());
        };
        let bits = wide.to_bits();
        let low = bits as u32;
        if bits - u128::from(low) == NAT64 {
            return ClientAddress(IpAddr::V4(Ipv4Addr::from_bits(low)));
        }
        ClientAddress(IpAddr::V6(wide))
    }

    /// Whoever sent a request with these headers, which came from `peer`.
    pub fn behind(peer: IpAddr, headers: &HeaderMap, trusted: &Networks) -> ClientAddress {
        let mut client = ClientAddress::of(peer);
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        let mut hops = hops.map(<[u8]>::trim_ascii).filter(|hop| !hop.is_empty());
        // The head of a request is bounded, and so is this walk.
        while trusted.contains(client.0) {
            // After rubbish nobody knows more than the last proxy that is ours.
            let Some(next) = hops.next().and_then(parse) else {
                break;
            };
            client = ClientAddress::of(next);
        }
        client
    }

    /// The same of a whole request. One that came by no listener of ours has the address 0.0.0.0.
    pub fn of_request(request: &Request, trusted: &Networks) -> ClientAddress {
        let peer = request.extensions().get::<Peer>();
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        ClientAddress::behind(peer, request.headers(), trusted)
    }

    /// Whether a request seems to come by a proxy of ours that is not named: by a machine nearby
    /// that says for whom it asks.
    pub fn is_behind_unnamed(request: &Request, trusted: &Networks) -> bool {
        let Some(Peer(peer)) = request.extensions().get() else {
            return false;
        };
        let ClientAddress(peer) = ClientAddress::of(peer.ip());
        let is_near = match peer {
            IpAddr::V4(peer) => peer.is_loopback() || peer.is_private(),
            IpAddr::V6(peer) => peer.is_loopback() || peer.is_unique_local(),
        };
        is_near && !trusted.contains(peer) && request.headers().contains_key(FORWARDED_FOR)
    }

    pub fn ip(self) -> IpAddr {
        self.0
    }
}

impl fmt::Debug for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientAddress(…)")
    }
}

/// An address as proxies write it: perhaps with a port, in brackets, in quotes.
fn parse(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?;
    let unquoted = text.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    let text = unquoted.unwrap_or(text);
    let bracketed = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let address = bracketed.unwrap_or(text).parse();
    let with_port = || text.parse().map(|it: SocketAddr| it.ip());
    address.or_else(|_| with_port()).ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(peer: &str, headers: &[&str], expected: &str) {
        let trusted = "10.0.0.0/8, fd00::/8, 127.0.0.1".parse().unwrap();
        let headers = headers
            .iter()
            .map(|value| HeaderValue::from_bytes(value.as_bytes()).unwrap())
            .map(|value| (FORWARDED_FOR, value));
        let headers = headers.collect();
        let client = ClientAddress::behind(peer.parse().unwrap(), &headers, &trusted);
        assert_eq!(client.ip(), expected.parse::<IpAddr>().unwrap());
    }

    #[test]
    fn without_a_proxy_of_ours_the_header_means_nothing() {
        check("192.0.2.1", &[], "192.0.2.1");
        check("192.0.2.1", &["198.51.100.1"], "192.0.2.1");
        check("192.0.2.1", &["10.0.0.1", "127.0.0.1"], "192.0.2.1");
        check("2001:db8::1", &["198.51.100.1"], "2001:db8::1");
    }

    #[test]
    fn the_first_from_the_right_that_is_not_ours_is_the_client() {
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &["198.51.100.1"], "198.51.100.1");
        check("10.0.0.1", &["203.0.113.9, 198.51.100.1"], "198.51.100.1");
        let through_three = "203.0.113.9,198.51.100.1, 10.0.0.3 ,fd00::2";
        check("127.0.0.1", &[through_three], "198.51.100.1");
        check(
            "10.0.0.1",
            &["203.0.113.9", "198.51.100.1", "10.0.0.2"],
            "198.51.100.1",
        );
        check("10.0.0.1", &["10.0.0.2, 10.0.0.3"], "10.0.0.2");
        check("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1");
    }

    #[test]
    fn addresses_come_in_many_forms() {
        for (written, expected) in [
            ("198.51.100.1:4711", "198.51.100.1"),
            ("\"198.51.100.1\"", "198.51.100.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("\"[2001:db8::1]:443\"", "2001:db8::1"),
            ("::ffff:198.51.100.1", "198.51.100.1"),
            ("[::ffff:c633:6401]:1", "198.51.100.1"),
            ("64:ff9b::198.51.100.1", "198.51.100.1"),
            ("64:ff9b:1::198.51.100.1", "64:ff9b:1::c633:6401"),
            (" , ,198.51.100.1, ,", "198.51.100.1"),
        ] {
            check("10.0.0.1", &[written], expected);
        }
    }

    #[test]
    fn behind_rubbish_stands_the_proxy_that_passed_it_on() {
        for rubbish in [
            "unknown",
            "_hidden",
            "198.51.100",
            "198.51.100.256",
            "198.51.100.1:99999",
            "[2001:db8::1",
            "fe80::1%eth0",
            "\"",
            "198.51.100.1;10.0.0.2",
            "é",
        ] {
            check("10.0.0.1", &[rubbish], "10.0.0.1");
            let further = format!("203.0.113.9, {rubbish}, 10.0.0.2");
            check("10.0.0.1", &[&further], "10.0.0.2");
        }
        check("10.0.0.1", &["", ","], "10.0.0.1");
    }

    #[test]
    fn no_log_shows_it() {
        let client = ClientAddress::of("198.51.100.1".parse().unwrap());
        assert!(!format!("{client:?}").contains("198"));
    }
}
