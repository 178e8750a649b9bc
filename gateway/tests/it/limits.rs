//! Who asks too often is told when to come back, and nobody else notices. The limits are small
//! here and refill slowly, so that what is counted does not depend on how fast the machine is.

use crate::http::{Answer, Request, talk};
use crate::metrics::Metrics;
use crate::support::{Home, Service};
use crate::town::{CALL_CENTRE_KEY, Town};

const LIMITS: &str = "
[limits]
holds_per_minute = 1
holds_burst = 5
bookings_per_minute = 1
bookings_burst = 3
wishes_per_minute = 1
wishes_burst = 4
keys_max = 1000
exempt = \"192.0.2.0/24\"
";

/// A service with these limits, and with the tests as its proxy if that is asked for.
fn service(trusted_proxies: &str) -> Service {
    let server = format!("[server]\ntrusted_proxies = \"{trusted_proxies}\"\n{LIMITS}");
    Home::of(Town::small().server(&server)).start()
}

/// A hold for which there is no office: it counts, and nothing comes of it.
fn ask() -> Request {
    let services = r#"[{"id":"pass","quantity":1}]"#;
    let body = format!(
        r#"{{"office":"nowhere","services":{services},"start":"2026-11-24T08:15:00+01:00"}}"#
    );
    Request::post("/api/v1/holds").text(&body)
}

fn ask_for(client: &str) -> Request {
    ask().header("x-forwarded-for", client)
}

#[track_caller]
fn expect_refused(answer: &Answer, limit: &str) {
    assert_eq!(
        (answer.status, answer.slug().as_str()),
        (429, "rate-limited")
    );
    answer.problem();
    let retry_after: u32 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=63).contains(&retry_after), "{retry_after}");
    let left = format!("\"{limit}\";r=0;t={retry_after}");
    assert_eq!(answer.header("ratelimit"), Some(left.as_str()));
}

/// How many of the clients behind our proxy are let through. They share a few connections.
fn let_through(service: &Service, clients: &[String]) -> usize {
    /// Fits into the buffers in between.
    const QUESTIONS_MAX: usize = 200;
    let mut through = 0;
    for clients in clients.chunks(QUESTIONS_MAX) {
        let mut text = String::new();
        for client in clients {
            let request = ask_for(client);
            let head = request.head().replace("connection: close\r\n", "");
            text.push_str(&head);
            text.push_str(std::str::from_utf8(request.content()).unwrap());
        }
        text.push_str(&Request::get("/healthz").head());
        let heard = talk(service.public, text.as_bytes()).unwrap();
        let heard = String::from_utf8(heard).unwrap();
        let count = |status: &str| heard.matches(&format!("HTTP/1.1 {status} ")).count();
        assert_eq!(count("422") + count("429"), clients.len(), "{heard}");
        through += count("422");
    }
    through
}

#[test]
fn after_the_burst_there_is_a_pause() {
    let service = service("");
    for left in (0..5).rev() {
        let answer = service.send(&ask());
        assert_eq!(
            (answer.status, answer.slug().as_str()),
            (422, "unknown-office")
        );
        assert_eq!(
            answer.header("ratelimit-policy"),
            Some("\"holds\";q=5;w=300")
        );
        let said = answer.header("ratelimit").unwrap();
        assert!(
            said.starts_with(&format!("\"holds\";r={left};t=")),
            "{said}"
        );
    }
    for _ in 0..3 {
        expect_refused(&service.send(&ask()), "holds");
    }
    // Everything else goes on as before, bookings up to a limit of their own.
    service.send(&Request::get("/api/v1/offices")).expect(200);
    let booking = r#"{"hold":"x","person":{"name":"E","email":"e@example.org"}}"#;
    let booking = Request::post("/api/v1/bookings").text(booking);
    for _ in 0..3 {
        service.send(&booking).expect(404);
    }
    expect_refused(&service.send(&booking), "bookings");

    let metrics = Metrics::of(&service);
    let refused = |limit| metrics.find("morgenruh_requests_refused_total", &[("limit", limit)]);
    let counts = ["holds", "bookings", "joins", "holds-wide"].map(refused);
    assert_eq!(counts, [Some(3.0), Some(1.0), Some(0.0), Some(0.0)]);
}

/// Laying, looking, changing, withdrawing and the page of a letter share one limit, which is not
/// that of bookings.
#[test]
fn wishes_have_a_limit_of_their_own() {
    let service = service("");
    let wish = "/api/v1/wishes/nowhere";
    let page = Request::get("/wunsch/nowhere/nothing");
    let each = [
        Request::post("/api/v1/wishes").text("{"),
        Request::get(wish).bearer("x"),
        Request::post("/api/v1/offers/nowhere/decline").bearer("x"),
        page.clone(),
    ];
    for (request, status) in each.iter().zip([400, 404, 404, 404]) {
        let answer = service.send(request);
        let policy = answer.expect(status).header("ratelimit-policy");
        assert_eq!(policy, Some("\"wishes\";q=4;w=240"));
    }
    expect_refused(&service.send(&Request::get(wish).bearer("x")), "wishes");
    expect_refused(&service.send(&page), "wishes");
    let confirm = Request::post("/wunsch/nowhere/nothing/weiter").text("");
    expect_refused(&service.send(&confirm), "wishes");
    let withdraw = "/wunsch/nowhere/nothing/zuruecknehmen";
    expect_refused(&service.send(&Request::get(withdraw)), "wishes");
    // Mail providers withdraw for many people from one address.
    let one_click = Request::post(withdraw).bytes(b"List-Unsubscribe=One-Click");
    service.send(&one_click).expect(404);
    let booking = r#"{"hold":"x","person":{"name":"E","email":"e@example.org"}}"#;
    let booking = Request::post("/api/v1/bookings").text(booking);
    service.send(&booking).expect(404);

    let metrics = Metrics::of(&service);
    let refused = |limit| metrics.find("morgenruh_requests_refused_total", &[("limit", limit)]);
    let counts = ["wishes", "bookings", "wishes-wide"].map(refused);
    assert_eq!(counts, [Some(4.0), Some(0.0), Some(0.0)]);
}

/// It is refused before anybody looks at what it says.
#[test]
fn a_refusal_does_not_read_the_body() {
    let service = service("");
    for _ in 0..5 {
        service
            .send(&Request::post("/api/v1/holds").text("{"))
            .expect(400);
    }
    let mut head = Request::post("/api/v1/holds").text("").head();
    head = head.replace("content-length: 0", "content-length: 15000");
    let heard = talk(service.public, head.as_bytes()).unwrap();
    expect_refused(&Answer::parse(&heard).unwrap(), "holds");
}

#[test]
fn behind_a_proxy_of_ours_everybody_has_a_bucket() {
    let service = service("127.0.0.1");
    for client in ["198.51.100.1", "203.0.113.5, 198.51.100.2", "2001:db8::1"] {
        for _ in 0..5 {
            service.send(&ask_for(client)).expect(422);
        }
        expect_refused(&service.send(&ask_for(client)), "holds");
    }
    // What a client writes in front of it, and another spelling, change nothing.
    for client in [
        "203.0.113.6,198.51.100.1",
        "::ffff:198.51.100.1",
        "[2001:db8::2]:77",
    ] {
        expect_refused(&service.send(&ask_for(client)), "holds");
    }
}

#[test]
fn from_strangers_the_header_means_nothing() {
    let service = service("10.0.0.0/8");
    for number in 0..5 {
        service
            .send(&ask_for(&format!("198.51.100.{number}")))
            .expect(422);
    }
    for client in ["198.51.100.9", "192.0.2.1", "10.0.0.1", "127.0.0.2", ""] {
        expect_refused(&service.send(&ask_for(client)), "holds");
    }
    // Perhaps it is a proxy that somebody has forgotten. No address gets into the log.
    let log = service.home().log();
    assert_eq!(log.matches("X-Forwarded-For").count(), 1, "{log}");
    assert!(
        !log.contains("198.51.100") && !log.contains("192.0.2"),
        "{log}"
    );
}

#[test]
fn ten_thousand_addresses_of_one_network_share_a_bucket() {
    let service = service("127.0.0.1");
    let clients: Vec<String> = (1..=10_000)
        .map(|number| format!("2001:db8:1:2:{number:x}::{number:x}"))
        .collect();
    assert_eq!(let_through(&service, &clients), 5);
}

#[test]
fn who_is_exempt_is_not_counted() {
    let service = service("127.0.0.1");
    for _ in 0..20 {
        let answer = service.send(&ask_for("192.0.2.77"));
        assert_eq!(answer.expect(422).header("ratelimit"), None);
    }
}

#[test]
fn a_service_key_has_no_limit_and_a_guess_has() {
    let service = service("");
    for _ in 0..20 {
        let answer = service.send(&ask().header("x-service-key", CALL_CENTRE_KEY));
        assert_eq!(answer.expect(422).header("ratelimit"), None);
    }
    for _ in 0..5 {
        service
            .send(&ask().header("x-service-key", "guess"))
            .expect(401);
    }
    expect_refused(
        &service.send(&ask().header("x-service-key", "guess")),
        "holds",
    );
}

/// More networks than there is room for: memory stays where it is, and those that were known
/// keep what they had.
#[test]
fn what_is_remembered_is_bounded() {
    let service = service("127.0.0.1");
    let clients: Vec<String> = (0..3_000_u32)
        .map(|number| format!("11.0.{}.{}", number / 250, number % 250))
        .collect();
    assert_eq!(let_through(&service, &clients), 1_000 + 5);
    let metrics = Metrics::of(&service);
    let keys = metrics.find("morgenruh_limit_keys", &[("limit", "holds")]);
    assert_eq!(keys, Some(1_000.0));
    assert_eq!(metrics.value("morgenruh_limit_keys_max"), 1_000.0);
    for _ in 0..4 {
        service.send(&ask_for("11.0.0.1")).expect(422);
    }
    expect_refused(&service.send(&ask_for("11.0.0.1")), "holds");
}
