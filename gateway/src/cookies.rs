//! Cookies that carry tokens of the waiting room. They are for the server alone: no script reads
//! them, no other site makes a browser send them along with a change.
//!
//! What is kept in them are our own tokens, ids of rooms and addresses as base64url, which need no
//! quoting.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::settings::Server;

/// What a browser only takes over TLS, for the whole host and for no other host of the domain.
const HOST_PREFIX: &str = "__Host-";

/// How cookies are named and guarded, which depends on how citizens reach the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookies {
    over_tls: bool,
}

/// What there is a cookie for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Ticket,
    Pass,
    /// Where somebody wanted to go who was sent to wait.
    Target,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Purpose::Ticket => "ticket",
            Purpose::Pass => "pass",
            Purpose::Target => "target",
        }
    }
}

impl Cookies {
    pub fn new(server: &Server) -> Cookies {
        let url = server.public_url.as_deref();
        Cookies {
            over_tls: url.is_some_and(|url| url.starts_with("https://")),
        }
    }

    /// The values of the cookie for the room with this id. Mostly there is one; where somebody else
    /// could plant another beside it, the caller takes the one that verifies.
    pub fn read<'h>(
        self,
        headers: &'h HeaderMap,
        purpose: Purpose,
        room: &str,
    ) -> impl Iterator<Item = &'h str> + use<'h> {
        let name = self.name(purpose, room);
        let lists = headers.get_all(header::COOKIE).iter();
        let pairs = lists.filter_map(|list| list.to_str().ok());
        pairs
            .flat_map(|list| list.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(move |(its_name, _)| *its_name == name)
            .map(|(_, value)| value)
    }

    /// The header `Set-Cookie` for a token, which is forgotten after so many seconds.
    pub fn set(self, purpose: Purpose, room: &str, token: &str, max_age_s: u32) -> HeaderValue {
        let name = self.name(purpose, room);
        let secure = if self.over_tls { "; Secure" } else { "" };
        let text =
            format!("{name}={token}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}");
        HeaderValue::try_from(text).expect("tokens and ids of rooms are letters, digits, - and _")
    }

    /// The header `Set-Cookie` that makes the browser forget it.
    pub fn clear(self, purpose: Purpose, room: &str) -> HeaderValue {
        self.set(purpose, room, "", 0)
    }

    fn name(self, purpose: Purpose, room: &str) -> String {
        let prefix = if self.over_tls { HOST_PREFIX } else { "" };
        format!("{prefix}mr-{}-{room}", purpose.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: &str = "buergerbuero-2026-12-24";
    const TLS: Cookies = Cookies { over_tls: true };
    const PLAIN: Cookies = Cookies { over_tls: false };

    fn headers(lists: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for list in lists {
            headers.append(header::COOKIE, HeaderValue::from_static(list));
        }
        headers
    }

    fn tickets(cookies: Cookies, lists: &[&'static str]) -> Vec<String> {
        let headers = headers(lists);
        let values = cookies.read(&headers, Purpose::Ticket, ROOM);
        values.map(str::to_owned).collect()
    }

    #[test]
    fn cookies_are_guarded_as_well_as_the_connection_allows() {
        assert_eq!(
            TLS.set(Purpose::Ticket, ROOM, "AQEF-_", 7_200),
            "__Host-mr-ticket-buergerbuero-2026-12-24=AQEF-_; Path=/; Max-Age=7200; HttpOnly; \
             SameSite=Lax; Secure"
        );
        assert_eq!(
            PLAIN.set(Purpose::Pass, ROOM, "AQIF", 600),
            "mr-pass-buergerbuero-2026-12-24=AQIF; Path=/; Max-Age=600; HttpOnly; SameSite=Lax"
        );
        assert_eq!(
            PLAIN.clear(Purpose::Pass, ROOM),
            "mr-pass-buergerbuero-2026-12-24=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
        );
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        assert_eq!(tickets(TLS, &[]), [""; 0]);
        let list = "a=b; __Host-mr-ticket-buergerbuero-2026-12-24=one; c";
        assert_eq!(tickets(TLS, &[list]), ["one"]);
        // Over TLS only a cookie counts that nobody else in the domain can have set.
        assert_eq!(tickets(PLAIN, &[list]), [""; 0]);
        let planted = "mr-ticket-buergerbuero-2026-12-24=two";
        assert_eq!(tickets(TLS, &[planted]), [""; 0]);
        assert_eq!(tickets(PLAIN, &[planted, "x", planted]), ["two", "two"]);
        for other in [
            "mr-pass-buergerbuero-2026-12-24=1",
            "mr-ticket-buergerbuero-2026-12-25=1",
            "MR-ticket-buergerbuero-2026-12-24=1",
            "xmr-ticket-buergerbuero-2026-12-24=1",
            "mr-ticket-buergerbuero-2026-12-24",
            ";;=;= ;",
        ] {
            assert_eq!(tickets(PLAIN, &[other]), [""; 0], "{other}");
        }
    }

    #[test]
    fn what_is_set_is_read() {
        for cookies in [TLS, PLAIN] {
            let set = cookies.set(Purpose::Ticket, ROOM, "AQEF-_", 1);
            let (pair, _) = set.to_str().unwrap().split_once(';').unwrap();
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_str(pair).unwrap());
            headers.append(header::COOKIE, HeaderValue::from_bytes(b"\xff=1").unwrap());
            let mut values = cookies.read(&headers, Purpose::Ticket, ROOM);
            assert_eq!((values.next(), values.next()), (Some("AQEF-_"), None));
        }
    }
}
