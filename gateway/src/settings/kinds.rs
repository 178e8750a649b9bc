//! Kinds of values that only settings have, and shorthands for the others.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use morgenruh_engine::rules::catalogue::reader::kinds::{self, Read};
use morgenruh_engine::rules::catalogue::reader::{Entry, Fault, Layers, Lookup};

use crate::contact::is_email;
use crate::networks::{Networks, NetworksError};

/// Longest path, in characters.
const PATH_CHARS_MAX: usize = 4096;
/// Longest list of networks, in characters.
const NETWORKS_CHARS_MAX: usize = 4096;
/// Longest host and port, in characters.
const ENDPOINT_CHARS_MAX: usize = 260;
/// Longest web address of a service, in characters.
const ORIGIN_CHARS_MAX: usize = 270;
/// Longest list of them, in characters.
const ORIGINS_CHARS_MAX: usize = 4096;
/// Longest e-mail address, in characters.
const EMAIL_CHARS_MAX: usize = 254;
/// Longest list of hosts or addresses, in characters.
const HOSTS_CHARS_MAX: usize = 4096;

pub(super) fn number<T>(layers: &Layers<'_, '_>, key: &'static str, min: u32, max: u32) -> T
where
    T: TryFrom<u32> + Default,
{
    let number = layers.need(key, kinds::integer(min..=max)).unwrap_or(min);
    T::try_from(number).unwrap_or_default()
}

pub(super) fn size(layers: &Layers<'_, '_>, key: &'static str, min: u32, max: u32) -> usize {
    number(layers, key, min, max)
}

pub(super) fn flag(layers: &Layers<'_, '_>, key: &'static str) -> bool {
    layers.need(key, kinds::flag).unwrap_or_default()
}

/// A text of at most so many characters; None when it is empty.
pub(super) fn text(layers: &Layers<'_, '_>, key: &'static str, chars_max: usize) -> Option<String> {
    let text = layers.need(key, kinds::text(0..=chars_max));
    text.filter(|text| !text.is_empty())
}

/// None when it is empty.
pub(super) fn path(layers: &Layers<'_, '_>, key: &'static str) -> Option<PathBuf> {
    text(layers, key, PATH_CHARS_MAX).map(PathBuf::from)
}

/// An address of this machine to listen on.
pub(super) fn address(entry: &Entry) -> Read<SocketAddr> {
    let text = kinds::text(1..=64)(entry)?;
    text.parse().map_err(|_| {
        vec![Fault::new(format!(
            "{text:?} is not an address and port like 127.0.0.1:8080"
        ))]
    })
}

/// Scheme, host and port of a web address, without anything behind them; None when it is empty.
pub(super) fn origin(entry: &Entry) -> Read<Option<String>> {
    let text = kinds::text(0..=ORIGIN_CHARS_MAX)(entry)?;
    if text.is_empty() {
        return Ok(None);
    }
    if is_origin(&text) {
        return Ok(Some(text));
    }
    Err(vec![Fault::new(format!(
        "{text:?} is not like https://termine.example.org, with nothing behind the host and port"
    ))])
}

/// Several of them with commas between; empty: none.
pub(super) fn origins(entry: &Entry) -> Read<Vec<String>> {
    let text = kinds::text(0..=ORIGINS_CHARS_MAX)(entry)?;
    let parts = text.split(',').map(str::trim);
    let origins: Vec<String> = parts
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect();
    match origins.iter().find(|origin| !is_origin(origin)) {
        None => Ok(origins),
        Some(other) => Err(vec![Fault::new(format!(
            "{other:?} is not like https://termine.example.org, with nothing behind the host and port"
        ))]),
    }
}

fn is_origin(text: &str) -> bool {
    let schemes = [("https://", ":443"), ("http://", ":80")];
    schemes.iter().any(|(scheme, its_port)| {
        let host = text.strip_prefix(scheme).unwrap_or_default();
        is_endpoint(host) || is_endpoint(&format!("{host}{its_port}"))
    })
}

/// Networks with commas between.
pub(super) fn networks(entry: &Entry) -> Read<Networks> {
    let text = kinds::text(0..=NETWORKS_CHARS_MAX)(entry)?;
    text.parse()
        .map_err(|error: NetworksError| vec![Fault::new(error.to_string())])
}

/// Where a server is: the name of a host, or its address, and a port.
pub(super) fn endpoint(entry: &Entry) -> Read<String> {
    let text = kinds::text(1..=ENDPOINT_CHARS_MAX)(entry)?;
    if is_endpoint(&text) {
        return Ok(text);
    }
    // Not quoted: whoever takes this for a URL may have written a password into it.
    Err(vec![Fault::new(
        "is not a host and port like db.example.org:5432",
    )])
}

/// The same; None when it is empty.
pub(super) fn optional_endpoint(entry: &Entry) -> Read<Option<String>> {
    match kinds::text(0..=ENDPOINT_CHARS_MAX)(entry)?.as_str() {
        "" => Ok(None),
        _ => endpoint(entry).map(Some),
    }
}

/// Where letters come from or are answered to, in ASCII; None when it is empty.
pub(super) fn email(entry: &Entry) -> Read<Option<String>> {
    let text = kinds::text(0..=EMAIL_CHARS_MAX)(entry)?;
    if text.is_empty() {
        return Ok(None);
    }
    if text.is_ascii() && is_email(&text) {
        return Ok(Some(text));
    }
    Err(vec![Fault::new(format!(
        "{text:?} is not an address like termine@example.org"
    ))])
}

/// Names of hosts with commas between, each as a browser would write it, and with a port if it is
/// not 443; empty: none.
pub(super) fn hosts(entry: &Entry) -> Read<Vec<String>> {
    listed(entry, |host| {
        let (name, port) = match host.split_once(':') {
            Some((name, port)) => (name, port.parse::<u16>().is_ok_and(|port| port > 0)),
            None => (host, true),
        };
        let is_name = matches!(
            url::Host::parse(name),
            Ok(url::Host::Domain(domain)) if domain == name
        );
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:".contains(&byte);
        let is_host = is_name && port && !name.ends_with('.') && host.bytes().all(plain);
        is_host.then(|| host.to_owned()).ok_or_else(|| {
            format!("{host:?} is not the name of a host like dienste.example.org, in small letters")
        })
    })
}

/// Addresses of this machine with commas between; empty: none.
pub(super) fn loopbacks(entry: &Entry) -> Read<Vec<IpAddr>> {
    listed(entry, |text| {
        let address = text.parse::<IpAddr>().ok();
        let address = address.filter(IpAddr::is_loopback);
        address.ok_or_else(|| format!("{text:?} is not an address of this machine like 127.0.0.1"))
    })
}

fn listed<T>(entry: &Entry, read: impl Fn(&str) -> Result<T, String>) -> Read<Vec<T>> {
    let text = kinds::text(0..=HOSTS_CHARS_MAX)(entry)?;
    let parts = text.split(',').map(str::trim);
    let values = parts.filter(|part| !part.is_empty()).map(read);
    values
        .collect::<Result<_, _>>()
        .map_err(|reason| vec![Fault::new(reason)])
}

fn is_endpoint(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let is_name = |host: &str| {
        !host.is_empty()
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    };
    let port_is_one = port.parse::<u16>().is_ok_and(|port| port > 0);
    port_is_one && (is_name(host) || text.parse::<SocketAddr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        for text in [
            "https://termine.example.org",
            "https://termine.example.org:8443",
            "http://127.0.0.1:8080",
            "http://[::1]",
        ] {
            assert!(is_origin(text), "{text}");
        }
        for text in [
            "termine.example.org",
            "https://",
            "https://termine.example.org/",
            "https://termine.example.org/termine",
            "HTTPS://termine.example.org",
            "ftp://termine.example.org",
            "https://somebody@termine.example.org",
            "https://a:b:c",
        ] {
            assert!(!is_origin(text), "{text}");
        }
    }

    #[test]
    fn hosts_and_ports() {
        for text in [
            "127.0.0.1:1",
            "[::1]:6379",
            "redis:6379",
            "db-1.example.org:65535",
        ] {
            assert!(is_endpoint(text), "{text}");
        }
        for text in [
            "redis",
            "redis:",
            ":6379",
            "redis:0",
            "redis:65536",
            "::1:6379",
            "redis://redis:6379",
            "user@redis:6379",
        ] {
            assert!(!is_endpoint(text), "{text}");
        }
    }
}
