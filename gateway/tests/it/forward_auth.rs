//! A room as the guard in front of another site, asked as proxies ask.

use crate::http::{Answer, Request};
use crate::support::{Home, Service, eventually};
use crate::town::Town;
use crate::visitor::{Visitor, direct};

const SITE: &str = "https://termine.example.org";

fn room(seconds: u32) -> (Service, Visitor) {
    let town = Town::small();
    let at = town.hours_from_now(5);
    let town = town.with_room(&at, "08:00-18:00", "opens_minutes = 120");
    let settings = format!("[room]\nforward_auth_targets = \"{SITE}, http://localhost:9000\"\n");
    let service = Home::of(town.server(&settings)).start_demo(seconds);
    let visitor = Visitor::of(&service);
    (service, visitor)
}

/// As nginx asks, about something at this address.
fn nginx(room: &str, url: &str) -> Request {
    Request::get(&format!("/forward-auth/{room}")).header("x-original-url", url)
}

/// As Traefik and Caddy ask.
fn traefik(room: &str, method: &str, host: &str, uri: &str) -> Request {
    Request::get(&format!("/forward-auth/{room}"))
        .header("x-forwarded-method", method)
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", host)
        .header("x-forwarded-uri", uri)
}

#[track_caller]
fn location(answer: &Answer, status: u16) -> String {
    assert_eq!(
        answer.expect(status).header("cache-control"),
        Some("no-store")
    );
    answer.header("location").unwrap().to_owned()
}

#[test]
fn whoever_has_no_pass_is_sent_to_the_room() {
    let (service, visitor) = room(3_600);
    let page = visitor.path("");
    let site = "ziel=https%3A%2F%2Ftermine.example.org";
    for name in [visitor.room.as_str(), "raum"] {
        let answer = service.send(&nginx(name, &format!("{SITE}/a?b=c&d")));
        assert_eq!(
            location(&answer, 401),
            format!("{page}?{site}%2Fa%3Fb%3Dc%26d")
        );
        let answer = service.send(&traefik(name, "GET", "termine.example.org", "/a?b"));
        assert_eq!(location(&answer, 302), format!("{page}?{site}%2Fa%3Fb"));
        // A form cannot be sent again by going back to it.
        let answer = service.send(&traefik(name, "POST", "termine.example.org", "/a?b"));
        assert_eq!(location(&answer, 302), format!("{page}?{site}%2F"));
        let answer = service.send(&Request::post(&format!("/forward-auth/{name}")));
        assert_eq!(location(&answer, 401), page);
    }
    for url in [
        "https://evil.example/",
        "https://termine.example.org@evil.example/",
        "https://termine.example.org.evil.example/",
        "//evil.example/",
        "http://termine.example.org/",
        "https://termine.example.org\\@evil.example/",
        "https://termine.example.org:8443/",
    ] {
        assert_eq!(
            location(&service.send(&nginx(&visitor.room, url)), 401),
            page,
            "{url}"
        );
    }
    for (host, uri) in [
        ("evil.example", "/"),
        ("termine.example.org@evil.example", "/"),
        ("termine.example.org", "@evil.example/"),
        ("termine.example.org", ".evil.example/"),
    ] {
        let answer = service.send(&traefik(&visitor.room, "GET", host, uri));
        assert_eq!(location(&answer, 302), page, "{host} {uri}");
    }
    let answer = service.send(&Request::get("/forward-auth/nowhere"));
    assert_eq!(
        (answer.status, answer.slug().as_str()),
        (404, "room-unknown")
    );
}

/// The page remembers where somebody wanted to go, and believes no address.
#[test]
fn the_way_back_is_kept_and_never_believed() {
    let (service, mut visitor) = room(6);
    let target = format!("{SITE}/a?b");
    let encoded = |text: &str| {
        text.bytes()
            .map(|byte| format!("%{byte:02x}"))
            .collect::<String>()
    };
    let open = |visitor: &mut Visitor, target: &str| {
        let path = visitor.path(&format!("?lang=en&ziel={}", encoded(target)));
        visitor.send(Request::get(&path)).expect(200).clone()
    };
    for nasty in [
        "https://evil.example/",
        "https://termine.example.org@evil.example/",
        "javascript:alert(1)",
        "//evil.example",
        "https:\\\\evil.example",
        "https://termine.example.org/\"><script>",
        "https://termine.example.org/\r\nset-cookie: a=b",
    ] {
        let page = open(&mut visitor, nasty);
        assert!(
            page.header("set-cookie").is_none() && !page.text().contains("evil"),
            "{nasty}"
        );
        assert!(!page.text().contains("alert(1)"), "{nasty}");
    }
    open(&mut visitor, &target);
    assert!(visitor.token("target").is_some());
    // Before there is a pass there is nowhere to go on to.
    assert!(!visitor.page("en").text().contains("Continue to"));
    visitor.form("ticket");
    visitor.until("It is your turn");
    direct(&service, &visitor.room, "close");
    let page = visitor.until("The waiting room is closed");
    let link =
        format!("<a class=\"button\" href=\"{SITE}/a?b\">Continue to termine.example.org</a>");
    assert!(page.text().contains(&link), "{}", page.text());
    // Somebody has planted a cookie.
    let name = format!("mr-target-{}", visitor.room);
    for planted in ["aHR0cHM6Ly9ldmlsLmV4YW1wbGUv", "x", "_w"] {
        visitor.cookies.insert(name.clone(), planted.to_owned());
        assert!(
            !visitor.page("en").text().contains("Continue to"),
            "{planted}"
        );
    }
}

#[test]
fn a_live_pass_opens_the_guard() {
    let (service, mut visitor) = room(5);
    visitor.form("ticket");
    let mut other = visitor.other();
    other.form("ticket");
    visitor.until("It is your turn");
    other.until("It is your turn");
    let ask = |visitor: &Visitor| {
        let path = format!("/forward-auth/{}", visitor.room);
        visitor.clone().send(Request::get(&path)).status
    };
    assert_eq!(ask(&visitor), 401);
    visitor.form("eintreten");
    assert_eq!(ask(&visitor), 204);
    let page = visitor.page("en");
    assert!(
        page.text().contains("/api/docs"),
        "no way back was asked for"
    );
    // The pass counts, not the ticket, and not somebody else's.
    let pass = visitor.token("pass").unwrap().to_owned();
    let ticket = visitor.token("ticket").unwrap().to_owned();
    let path = format!("/forward-auth/{}", visitor.room);
    let with = |token: &str| service.send(&Request::get(&path).bearer(token)).status;
    let forged = pass.replace(&pass[20..24], "AAAA");
    assert_eq!(
        [with(&pass), with(&ticket), with(&forged), with("")],
        [204, 401, 401, 401]
    );
    let name = format!("mr-pass-{}", visitor.room);
    other.cookies.insert(name, ticket);
    assert_eq!(ask(&other), 401);
    // Given up, it ends at once, wherever a copy of it is.
    visitor.form("verlassen");
    assert_eq!(with(&pass), 401);
    direct(&service, &visitor.room, "close");
    eventually("everybody passes", || {
        (ask(&visitor.other()) == 204).then_some(())
    });
    let rule = service.send(&Request::get("/forward-auth/raum"));
    assert_eq!(rule.expect(204).header("location"), None);
}

/// A room that is announced for later guards nothing under its rule's name, and itself under its
/// own.
#[test]
fn before_a_room_opens_its_rule_lets_everybody_pass() {
    let town = Town::small();
    let at = town.hours_from_now(5);
    let service = Home::of(town.with_room(&at, "08:00-18:00", "")).start();
    let visitor = Visitor::of(&service);
    assert_eq!(
        service.send(&Request::get("/forward-auth/raum")).status,
        204
    );
    let path = format!("/forward-auth/{}", visitor.room);
    assert_eq!(service.send(&Request::get(&path)).status, 401);
}
