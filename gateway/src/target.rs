//! Where visitors of a guarded site wanted to go, and are led back to. Only to origins that the
//! configuration names: whatever else a request says is not believed.

use axum::http::HeaderMap;

/// Longest address that is kept, in bytes.
const TARGET_BYTES_MAX: usize = 1_024;

/// An address at one of the origins that are allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    address: String,
    origin_bytes: usize,
}

impl Target {
    /// The target of a text, if its origin is one of those that are allowed.
    pub(crate) fn read(text: &str, allowed: &[String]) -> Option<Target> {
        // What browsers would drop or turn into something else is in no honest address.
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(&byte);
        if text.len() > TARGET_BYTES_MAX || !text.bytes().all(is_plain) {
            return None;
        }
        let (scheme, rest) = text.split_once("://")?;
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let origin = normal(scheme, authority)?;
        let is_same = |other: &&String| {
            let other = other.split_once("://");
            other.and_then(|(scheme, host)| normal(scheme, host)) == Some(origin.clone())
        };
        let origin = allowed.iter().find(is_same)?;
        // With a slash behind it, nothing can be read as a part of the host any more.
        let slash = if path.starts_with('/') { "" } else { "/" };
        Some(Target {
            address: format!("{origin}{slash}{path}"),
            origin_bytes: origin.len(),
        })
    }

    /// What a proxy asks about, from the headers of Traefik and Caddy or from nginx's
    /// `X-Original-URL`.
    pub(crate) fn asked(headers: &HeaderMap, allowed: &[String]) -> Option<Target> {
        if let Some(url) = only(headers, "x-original-url") {
            return Target::read(url, allowed);
        }
        let proto = only(headers, "x-forwarded-proto")?;
        let host = only(headers, "x-forwarded-host")?;
        let uri = only(headers, "x-forwarded-uri").filter(|uri| uri.starts_with('/'))?;
        // Whoever sent a form cannot send it again by following a link.
        let method = only(headers, "x-forwarded-method")?;
        let uri = if ["GET", "HEAD"].contains(&method) {
            uri
        } else {
            "/"
        };
        Target::read(&format!("{proto}://{host}{uri}"), allowed)
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Host and port, for people.
    pub(crate) fn host(&self) -> &str {
        let origin = &self.address[..self.origin_bytes];
        origin.split_once("://").map_or(origin, |(_, host)| host)
    }
}

/// Scheme and host as they are compared: in small letters, with the port.
fn normal(scheme: &str, host: &str) -> Option<(String, String)> {
    let scheme = scheme.to_ascii_lowercase();
    let port = match scheme.as_str() {
        "https" => ":443",
        "http" => ":80",
        _ => return None,
    };
    let host = host.to_ascii_lowercase();
    // The colons within `[::1]` are none before a port.
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.ends_with(']'));
    let host = if has_port { host } else { host + port };
    Some((scheme, host))
}

/// The value of a header that is there once.
fn only<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    value.to_str().ok()
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn allowed() -> Vec<String> {
        let origins = [
            "https://termine.example.org",
            "http://127.0.0.1:8080",
            "https://xn--dsseldorf-q9a.example",
            "http://[::1]",
        ];
        origins.map(str::to_owned).to_vec()
    }

    fn read(text: &str) -> Option<String> {
        let target = Target::read(text, &allowed())?;
        Some(target.address().to_owned())
    }

    #[test]
    fn what_is_allowed_keeps_its_path() {
        for (text, address) in [
            (
                "https://termine.example.org",
                "https://termine.example.org/",
            ),
            (
                "https://termine.example.org/a?b=c",
                "https://termine.example.org/a?b=c",
            ),
            (
                "https://termine.example.org?b",
                "https://termine.example.org/?b",
            ),
            (
                "HTTPS://Termine.Example.ORG:443/A",
                "https://termine.example.org/A",
            ),
            ("http://127.0.0.1:8080//x", "http://127.0.0.1:8080//x"),
            ("http://[::1]:80/", "http://[::1]/"),
            (
                "https://xn--dsseldorf-q9a.example/%C3%BC",
                "https://xn--dsseldorf-q9a.example/%C3%BC",
            ),
            (
                "https://termine.example.org/?to=https://evil.example/@x",
                "https://termine.example.org/?to=https://evil.example/@x",
            ),
        ] {
            assert_eq!(read(text).as_deref(), Some(address), "{text}");
        }
    }

    #[test]
    fn nobody_is_led_elsewhere() {
        for text in [
            "",
            "/",
            "//evil.example",
            "//termine.example.org",
            "termine.example.org",
            "https:termine.example.org",
            "https:/termine.example.org/",
            "https:///termine.example.org",
            "https://",
            "https://evil.example",
            "https://evil.example/https://termine.example.org",
            "http://termine.example.org",
            "ftp://termine.example.org/",
            "javascript://termine.example.org/%0aalert(1)",
            "javascript:alert(1)//https://termine.example.org",
            "data:text/html,https://termine.example.org/",
            "https://termine.example.org@evil.example/",
            "https://termine.example.org:443@evil.example/",
            "https://somebody@termine.example.org/",
            "https://somebody:secret@termine.example.org/",
            "https://termine.example.org.evil.example/",
            "https://eviltermine.example.org/",
            "https://termine.example.org.",
            "https://termine.example.org:8443/",
            "https://termine.example.org:/",
            "https://termine.example.org:443:443/",
            "https://termine.example.org\\.evil.example/",
            "https:\\\\termine.example.org/",
            "https://termine.example.org/\\evil.example",
            "https://termine.example.org#@evil.example/",
            "https://termine.example.org/#x",
            "https://termine.example.org/\r\nset-cookie: a=b",
            "https://termine.example.org/\u{0}",
            "https://termine.example.org/\t",
            " https://termine.example.org/",
            "https://termine.example.org/ ",
            "https://termine%2eexample.org/",
            "https://düsseldorf.example/",
            "https://xn--dsseldorf-q9b.example/",
            "https://termine。example.org/",
            "http://127.0.0.1/",
            "http://127.1:8080/",
            "http://0x7f000001:8080/",
            "http://[::1]:8080/",
            "http://[::1]@evil.example/",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
        let long = format!(
            "https://termine.example.org/{}",
            "a".repeat(TARGET_BYTES_MAX)
        );
        assert_eq!(read(&long), None);
        assert_eq!(Target::read("https://termine.example.org/", &[]), None);
    }

    fn asked(headers: &[(&'static str, &str)]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).unwrap();
            map.append(HeaderName::from_static(name), value);
        }
        let target = Target::asked(&map, &allowed())?;
        Some(target.address().to_owned())
    }

    #[test]
    fn proxies_say_what_was_asked_for() {
        let traefik = [
            ("x-forwarded-method", "GET"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "termine.example.org"),
            ("x-forwarded-uri", "/a?b"),
        ];
        assert_eq!(
            asked(&traefik).as_deref(),
            Some("https://termine.example.org/a?b")
        );
        let mut form = traefik;
        form[0].1 = "POST";
        assert_eq!(
            asked(&form).as_deref(),
            Some("https://termine.example.org/")
        );
        for (position, value) in [
            (1, "http"),
            (1, "https://evil.example/?"),
            (2, "evil.example"),
            (2, "termine.example.org@evil.example"),
            (2, "termine.example.org, evil.example"),
            (3, "@evil.example/"),
            (3, ".evil.example/"),
            (3, "//evil.example\\"),
            (3, ""),
        ] {
            let mut headers = traefik;
            headers[position].1 = value;
            assert_eq!(asked(&headers), None, "{value}");
        }
        for missing in 0..traefik.len() {
            let mut headers = traefik.to_vec();
            let twice = headers.remove(missing);
            assert_eq!(asked(&headers), None);
            headers.extend([twice, twice]);
            assert_eq!(asked(&headers), None);
        }
        let nginx = ("x-original-url", "https://termine.example.org/a");
        assert_eq!(
            asked(&[nginx]).as_deref(),
            Some("https://termine.example.org/a")
        );
        let other = ("x-original-url", "https://evil.example/");
        assert_eq!(asked(&[other]), None);
        assert_eq!(asked(&[nginx, other]), None);
    }

    #[test]
    fn people_see_the_host() {
        let target = Target::read("http://127.0.0.1:8080/a:b/c", &allowed()).unwrap();
        assert_eq!(target.host(), "127.0.0.1:8080");
    }
}
