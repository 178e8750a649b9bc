//! Where a webhook may lead. Whoever names an address could otherwise make us ask machines that
//! only we can reach.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::{Ipv4Net, Ipv6Net};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use url::Url;

use crate::networks::Networks;
use crate::settings;

/// Longest address of a webhook, in bytes.
pub(crate) const URL_BYTES_MAX: usize = 2_048;
/// What every host is reached at that names no port.
const HTTPS_PORT: &str = "443";

/// Why nothing is sent to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadUrl {
    #[error("The address is longer than {URL_BYTES_MAX} bytes.")]
    TooLong,
    #[error("The address is not like https://dienste.example.org/termine, in ASCII.")]
    Malformed,
    #[error("The host of the address is none of those that the operator has named.")]
    NotAllowed,
}

/// Which addresses the operator wants to be reached.
#[derive(Clone, Debug)]
pub(super) struct Destinations {
    hosts: Vec<String>,
    internal: Networks,
    /// Addresses of this machine.
    own: Vec<IpAddr>,
}

impl Destinations {
    pub(super) fn new(settings: &settings::Webhooks) -> Destinations {
        Destinations {
            hosts: settings.hosts.clone(),
            internal: settings.internal_networks.clone(),
            own: settings.allow_http_to.clone(),
        }
    }

    /// Whether there is any.
    pub(super) fn is_empty(&self) -> bool {
        self.hosts.is_empty() && self.own.is_empty()
    }

    /// Checks an address, and looks nothing up. It is compared as it is written: what two readers
    /// of addresses could understand differently is none of the operator's hosts.
    ///
    /// # Errors
    /// [`BadUrl`]
    pub(super) fn check(&self, url: &str) -> Result<(), BadUrl> {
        if url.len() > URL_BYTES_MAX {
            return Err(BadUrl::TooLong);
        }
        let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_plain || url.contains(['\\', '#', '"', '<', '>', '^', '`', '{', '|', '}']) {
            return Err(BadUrl::Malformed);
        }
        let (scheme, rest) = url.split_once("://").ok_or(BadUrl::Malformed)?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let authority = &rest[..end];
        let is_allowed = match scheme {
            "https" => self.is_host(authority) || self.is_own(authority),
            "http" => self.is_own(authority),
            _ => return Err(BadUrl::Malformed),
        };
        if !is_allowed {
            return Err(BadUrl::NotAllowed);
        }
        // Both readers must agree with us. One of them sends it.
        let read = Url::parse(url).map_err(|_| BadUrl::Malformed)?;
        let sent: Uri = url.parse().map_err(|_| BadUrl::Malformed)?;
        let agreed = read.scheme() == scheme
            && read.username().is_empty()
            && read.password().is_none()
            && read.host_str() == sent.host()
            && sent.authority().is_some_and(|it| it.as_str() == authority);
        if agreed {
            Ok(())
        } else {
            Err(BadUrl::Malformed)
        }
    }

    /// `authority` is a host with or without its port.
    fn is_host(&self, authority: &str) -> bool {
        self.hosts
            .iter()
            .any(|host| with_port(host) == with_port(authority))
    }

    /// The same for addresses of this machine, at any port.
    fn is_own(&self, authority: &str) -> bool {
        self.own.iter().any(|own| is_address(authority, *own))
    }

    /// Whether a host of the operator's may be at this address of the network.
    fn permits(&self, address: IpAddr) -> bool {
        is_public(address) || (is_internal(address) && self.internal.contains(address))
    }
}

/// Host and port, both as they are written.
fn with_port(authority: &str) -> (&str, &str) {
    authority
        .rsplit_once(':')
        .unwrap_or((authority, HTTPS_PORT))
}

/// Whether this is that very address, at any port.
fn is_address(authority: &str, own: IpAddr) -> bool {
    let name = match own {
        IpAddr::V4(own) => own.to_string(),
        IpAddr::V6(own) => format!("[{own}]"),
    };
    let port = authority.strip_prefix(&name);
    port.is_some_and(|port| match port.strip_prefix(':') {
        Some(port) => !port.starts_with('0') && port.parse::<u16>().is_ok(),
        None => port.is_empty(),
    })
}

/// Addresses of IPv4 at which nobody on the internet is.
const NOT_PUBLIC_V4: [(Ipv4Addr, u8); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];
/// All that is public of IPv6 is in here …
const PUBLIC_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// … but these: protocols (Teredo among them), examples, and those with an IPv4 address in them.
const NOT_PUBLIC_V6: [(Ipv6Addr, u8); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|net| within_v4(*net, address)),
        IpAddr::V6(address) => {
            within_v6(PUBLIC_V6, address)
                && !NOT_PUBLIC_V6.iter().any(|net| within_v6(*net, address))
        }
    }
}

/// Whether somebody may own it who is not on the internet: a private or a unique local address.
/// Neither this machine nor its link: there a cloud keeps what is secret.
fn is_internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_private() || within_v4((Ipv4Addr::new(100, 64, 0, 0), 10), address)
        }
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

fn within_v4((network, bits): (Ipv4Addr, u8), address: Ipv4Addr) -> bool {
    Ipv4Net::new(network, bits).is_ok_and(|network| network.contains(&address))
}

fn within_v6((network, bits): (Ipv6Addr, u8), address: Ipv6Addr) -> bool {
    Ipv6Net::new(network, bits).is_ok_and(|network| network.contains(&address))
}

/// Looks a host up once. The connection is made to what was found and looked at, and to nothing
/// else.
pub(super) struct Guard {
    destinations: Arc<Destinations>,
    resolver: DefaultResolver,
}

impl Guard {
    pub(super) fn new(destinations: Arc<Destinations>) -> Guard {
        Guard {
            destinations,
            resolver: DefaultResolver::default(),
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard")
    }
}

impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.resolver.resolve(uri, config, timeout)?;
        // A name must not lead where only an address does.
        let literal = uri.host().unwrap_or_default();
        let literal = literal.trim_start_matches('[').trim_end_matches(']');
        let named: Option<IpAddr> = literal.parse().ok();
        let is_permitted = |address: IpAddr| match named {
            Some(named) => named == address && self.destinations.own.contains(&address),
            None => self.destinations.permits(address),
        };
        // One that is not permitted spoils them all: nobody needs such a host.
        if found.iter().all(|address| is_permitted(address.ip())) {
            Ok(found)
        } else {
            Err(ureq::Error::Io(std::io::Error::new(
                std::io::ErrorKind::PermissionDenied,
                "its host is at an address that is not to be reached",
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destinations() -> Destinations {
        Destinations {
            hosts: vec![
                "dienste.example.org".to_owned(),
                "xn--mnchen-3ya.de:8443".to_owned(),
            ],
            internal: "10.1.0.0/16, fd00::/8, 127.0.0.0/8, 169.254.0.0/16, fe80::/10"
                .parse()
                .unwrap(),
            own: vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
        }
    }

    #[test]
    fn only_the_hosts_of_the_operator_are_reached() {
        let destinations = destinations();
        for url in [
            "https://dienste.example.org",
            "https://dienste.example.org/",
            "https://dienste.example.org:443/a/b?c=d&e=%20",
            "https://dienste.example.org?c=@d",
            "https://xn--mnchen-3ya.de:8443/",
            "https://127.0.0.1:8443/",
            "http://127.0.0.1/",
            "http://127.0.0.1:8080/a",
            "http://[::1]:8080/a",
        ] {
            assert_eq!(destinations.check(url), Ok(()), "{url}");
        }
        for url in HOSTILE {
            assert!(destinations.check(url).is_err(), "{url}");
        }
        let long = format!("https://dienste.example.org/{}", "a".repeat(URL_BYTES_MAX));
        assert_eq!(destinations.check(&long), Err(BadUrl::TooLong));
    }

    /// Each has deceived somebody.
    const HOSTILE: [&str; 76] = [
        // Other hosts, and those that look like one of ours.
        "https://example.org/",
        "https://evil.example/",
        "https://dienste.example.org.evil.example/",
        "https://evil.example/dienste.example.org",
        "https://evil.example?dienste.example.org",
        "https://evildienste.example.org/",
        "https://a.dienste.example.org/",
        "https://dienste.example.org./",
        "https://dienste.example.org.:443/",
        "https://DIENSTE.example.org/",
        "https://dienste.example.org%2e/",
        "https://dienste%2eexample.org/",
        "https://dienste.example.org%00.evil.example/",
        "https://dienste.example.org%20/",
        "https://dienste.example.org\u{3002}evil.example/",
        "https://dienste\u{ff0e}example.org/",
        "https://d\u{456}enste.example.org/",
        "https://dienste.example.org\u{ad}/",
        "https://dienste.example.org\u{200b}/",
        "https://m\u{fc}nchen.de:8443/",
        "https://xn--mnchen-3ya.de/",
        "https://xn--mnchen-3ya.de:443/",
        // Ports.
        "https://dienste.example.org:80/",
        "https://dienste.example.org:8443/",
        "https://dienste.example.org:/",
        "https://dienste.example.org:0443/",
        "https://dienste.example.org:443:443/",
        "https://dienste.example.org:-443/",
        "https://dienste.example.org:65979/",
        "http://127.0.0.1:0080/",
        "http://127.0.0.1:65536/",
        "http://127.0.0.1:/",
        // Somebody before an at sign.
        "https://dienste.example.org@evil.example/",
        "https://dienste.example.org:443@evil.example/",
        "https://evil.example@dienste.example.org/",
        "https://a:b@dienste.example.org/",
        "https://@dienste.example.org/",
        "https://dienste.example.org%40evil.example/",
        // What readers of addresses understand differently.
        "https://dienste.example.org\\@evil.example/",
        "https:\\\\dienste.example.org/",
        "https:/dienste.example.org/",
        "https:dienste.example.org/",
        "https:///dienste.example.org/",
        "//dienste.example.org/",
        "https://evil.example#@dienste.example.org/",
        "https://dienste.example.org#evil.example",
        "https://dienste.example.org/#a",
        "https://dienste.example.org/\r\nHost: evil.example",
        "https://dienste.example.org/\t",
        " https://dienste.example.org/",
        "https://dienste.example.org/ ",
        "https://dienste.example.org /",
        "https://dienste.example.org/a b",
        "HTTPS://dienste.example.org/",
        "",
        "https://",
        // Other schemes, and no encryption.
        "http://dienste.example.org/",
        "ftp://dienste.example.org/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "javascript://dienste.example.org/%0aalert(1)",
        // This machine and its neighbours by other names.
        "http://localhost/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://127.0.0.1./",
        "http://127.0.0.2/",
        "http://0.0.0.0/",
        "http://[::ffff:127.0.0.1]/",
        "http://[0:0:0:0:0:0:0:1]/",
        "http://[::1%25lo]/",
        "http://[::]/",
        "http://169.254.169.254/latest/meta-data/",
        "https://10.1.0.1/",
    ];

    #[test]
    fn hosts_are_not_where_only_we_can_go() {
        let destinations = destinations();
        let permits = |address: &str| destinations.permits(address.parse().unwrap());
        for address in [
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.32.0.1",
            "192.167.1.1",
            "223.255.255.255",
            "2a00:1450:4001::1",
            "2620:fe::fe",
            // Named by the operator.
            "10.1.2.3",
            "fd12::1",
        ] {
            assert!(permits(address), "{address}");
        }
        for address in [
            "0.0.0.0",
            "10.2.0.1",
            "100.64.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            // Not even where the operator has named them.
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "fe80::1",
            "::1",
            "::",
            // An address of IPv4 within.
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "fc00::1",
            "fec0::1",
            "ff02::1",
            "100::1",
        ] {
            assert!(!permits(address), "{address}");
        }
    }
}
