//! The pages of the waiting rooms, as a browser without scripts sees them.

use std::collections::BTreeSet;

use data_encoding::{BASE64, HEXLOWER};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::http::{Answer, Request};
use crate::support::{Home, Service, eventually};
use crate::town::Town;
use crate::visitor::{Visitor, direct, heading_of};

/// The script of a page, in bytes.
const SCRIPT_BYTES_MAX: usize = 3 * 1024;
/// Everything that a page needs arrives before the other side has acknowledged anything.
pub(crate) const PAGE_BYTES_MAX: usize = 14 * 1024;
const LANGUAGES: [&str; 3] = ["de", "de-leicht", "en"];

/// A room from which tickets can be taken, and that draws in so many seconds.
fn room(seconds: u32, hours: &str, terms: &str) -> (Service, Visitor) {
    let town = Town::small();
    let at = town.hours_from_now(5);
    let service = Home::of(town.with_room(&at, hours, terms)).start_demo(seconds);
    let visitor = Visitor::of(&service);
    (service, visitor)
}

/// One that draws in an hour, and is open.
fn open_room() -> (Service, Visitor) {
    room(3_600, "08:00-18:00", "opens_minutes = 120")
}

/// A page must be whole, small and of good form.
#[track_caller]
fn check(answer: &Answer) {
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let html = answer.text();
    // The head of the answer is less than 1 KB.
    assert!(html.len() + 1_024 < PAGE_BYTES_MAX, "{} bytes", html.len());
    for foreign in [
        "src=", "@import", "url(", "<iframe", "onclick", "onload", "{{", "{%",
    ] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    let count = |tag: &str| html.matches(tag).count();
    assert!(html.starts_with("<!doctype html>"));
    assert_eq!((count("<h1"), count("<main"), count("<title>")), (1, 1, 1));
    for tag in [
        "p", "details", "summary", "form", "button", "dl", "svg", "a", "span", "div", "code",
    ] {
        let opened = count(&format!("<{tag}>")) + count(&format!("<{tag} "));
        assert_eq!(opened, count(&format!("</{tag}>")), "{tag}");
    }
    let ids = attributes(html, "id");
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len(), "an id twice");
    assert!(
        !html.contains("<Raum>") && !html.contains("<Room>"),
        "names are text"
    );
    // Whatever runs is marked, and nothing else can run.
    let policy = answer.header("content-security-policy").unwrap();
    let nonces = attributes(html, "nonce");
    assert_eq!(nonces.len(), count("<script"));
    let script = html.split("<script").nth(1).unwrap_or_default();
    let script = script.split_once('>').map_or("", |(_, rest)| rest);
    let script = script.split("</script>").next().unwrap_or_default();
    assert!(
        script.len() < SCRIPT_BYTES_MAX || script.contains("solve("),
        "{}",
        script.len()
    );
    for nonce in nonces {
        assert!(nonce.len() == 32 && policy.contains(&format!("script-src 'nonce-{nonce}';")));
    }
    for part in [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
}

fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    let parts = html.split(&start).skip(1);
    parts.filter_map(|part| part.split('"').next()).collect()
}

/// The page in all languages; what is said must differ.
#[track_caller]
fn check_languages(visitor: &mut Visitor) {
    let mut headings = Vec::new();
    for lang in LANGUAGES {
        let answer = visitor.page(lang);
        check(answer.expect(200));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let html = answer.text();
        let begin = if lang == "en" {
            "<html lang=\"en\""
        } else {
            "<html lang=\"de\""
        };
        assert!(html.contains(begin));
        headings.push(heading_of(html).to_owned());
        for link in attributes(html, "action")
            .iter()
            .chain(&attributes(html, "href"))
        {
            let of_pages = link.starts_with("/warteraum")
                && !link.ends_with("?lang=de")
                && !link.ends_with("?lang=de-leicht")
                && !link.ends_with("?lang=en");
            assert!(
                !of_pages || link.contains(&format!("?lang={lang}")),
                "{lang}: {link}"
            );
        }
    }
    assert_ne!(headings[0], headings[2]);
}

#[test]
fn before_it_opens_a_room_says_when() {
    let town = Town::small();
    let at = town.hours_from_now(5);
    let service = Home::of(town.with_room(&at, "08:00-18:00", "")).start();
    let mut visitor = Visitor::of(&service);
    check_languages(&mut visitor);
    let page = visitor.page("en");
    assert_eq!(heading_of(page.text()), "The waiting room is not open yet");
    let what = "Office &#60;Room&#62;, ";
    for part in ["in 4 hours", what, ", up to 40 appointments"] {
        assert!(page.text().contains(part), "{part}: {}", page.text());
    }
    assert!(page.text().contains(&visitor.document().commitment));
    assert!(!page.text().contains("<form"));
    // Whoever sends the form all the same is told the same.
    visitor.form("ticket");
    assert!(visitor.cookies.is_empty());
    let list = visitor.send(Request::get("/warteraum?lang=en"));
    check(list.expect(200));
    let start = visitor.send(Request::get("/?lang=en"));
    let links = |page: &Answer, link: &str| attributes(page.text(), "href").contains(&link);
    assert!(links(&list, &visitor.path("?lang=en")) && links(&start, "/warteraum?lang=en"));
}

/// However long everything is that a city can name.
#[test]
fn the_page_of_a_room_with_long_names_is_small() {
    let long = |letter: &str| letter.repeat(160);
    let beacon = format!("beacon = \"{}\"", "b".repeat(200));
    let town = Town::small();
    let at = town.hours_from_now(5);
    let town = town
        .with_room(
            &at,
            "08:00-18:00",
            &format!("opens_minutes = 120\n{beacon}"),
        )
        .replacing(
            "buergeramt.toml",
            "\"raum\"\n            number",
            &format!("\"{}\"\n            number", "r".repeat(40)),
        )
        .replacing("buergeramt.toml", "Freischaltung & mehr", &long("ä"))
        .replacing("buergeramt/raum.toml", "Amt <Raum>", &long("ü"))
        .server(&format!(
            "[server]\npublic_url = \"https://{}.example\"\n",
            "t".repeat(60)
        ));
    let service = Home::of(town).start_demo(3_600);
    let mut visitor = Visitor::of(&service);
    check_languages(&mut visitor);
    visitor.form("ticket");
    check_languages(&mut visitor);
}

/// From the ticket to the pass, and out again, with forms alone.
#[test]
fn a_room_works_without_a_script() {
    let (service, mut one) = room(10, "08:00-18:00", "passes_max = 1");
    let (mut two, mut late) = (one.other(), one.other());
    check_languages(&mut one);
    let page = one.page("en");
    assert_eq!(heading_of(page.text()), "The waiting room is open");
    let answer = one.form("ticket");
    let cookie = answer.header("set-cookie").unwrap();
    for attribute in ["Path=/", "HttpOnly", "SameSite=Lax"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    // However often it is sent, a browser has one ticket.
    let ticket = one.token("ticket").unwrap().to_owned();
    one.form("ticket");
    assert_eq!(one.token("ticket"), Some(ticket.as_str()));
    two.form("ticket");
    one.until_tickets(2);
    check_languages(&mut one);
    assert_eq!(
        heading_of(one.page("en").text()),
        "You take part in the draw"
    );

    // One of both is called, the other one waits behind.
    let (mut first, mut second) = eventually("somebody is called", || {
        let headings = [&mut one, &mut two].map(|it| heading_of(it.page("en").text()).to_owned());
        match [headings[0].as_str(), headings[1].as_str()] {
            ["It is your turn", "You are in line"] => Some((one.clone(), two.clone())),
            ["You are in line", "It is your turn"] => Some((two.clone(), one.clone())),
            _ => None,
        }
    });
    check_languages(&mut first);
    check_languages(&mut second);
    let title = first.page("de");
    assert!(title.text().contains("<title>● Sie sind dran"));
    check_languages(&mut late);
    assert_eq!(
        heading_of(late.page("en").text()),
        "You can still join the line"
    );
    // Not yet: the page says so itself.
    second.form("eintreten");
    assert_eq!(second.token("pass"), None);

    direct(&service, &first.room, "pause");
    eventually("it is told", || {
        let page = first.page("en");
        page.text()
            .contains("Nobody is let in for the moment")
            .then_some(())
    });
    check_languages(&mut first);
    check_languages(&mut second);
    direct(&service, &first.room, "resume");

    first.form("eintreten");
    let page = first.until("You are in");
    assert!(page.text().contains("Office &#60;Room&#62;") && page.text().contains("/api/docs"));
    check_languages(&mut first);
    // Elsewhere the pass can be had as well: it is the same one.
    let mut elsewhere = first.clone();
    elsewhere.cookies.retain(|name, _| name.contains("ticket"));
    assert!(elsewhere.page("en").text().contains("Go on here"));
    elsewhere.form("eintreten");
    assert_eq!(elsewhere.token("pass"), first.token("pass"));

    first.form("verlassen");
    assert_eq!(first.token("pass"), None);
    first.until("You have given your place up");
    check_languages(&mut first);
    second.until("It is your turn");

    let page = second.page("en");
    let draw = second.document().draw.unwrap();
    assert!(page.text().contains(&draw.seed.unwrap()));
    for link in attributes(page.text(), "href") {
        if link.starts_with('/') && !link.contains("/weiter/") {
            let answer = second.send(Request::get(&link.replace("&amp;", "&")));
            assert_eq!(answer.status, 200, "{link}");
        }
    }
    for lang in LANGUAGES {
        let path = second.path(&format!("/auslosung?lang={lang}"));
        check(second.send(Request::get(&path)).expect(200));
    }
    direct(&service, &first.room, "close");
    second.until("The waiting room is closed");
    check_languages(&mut second);
    check_languages(&mut late);
}

#[test]
fn what_is_sold_out_is_said_at_once() {
    let (service, mut visitor) = room(4, "08:00-08:15", "");
    let mut other = visitor.other();
    visitor.form("ticket");
    other.form("ticket");
    // There is one seat, so one of them is called.
    let (mut visitor, mut other) = eventually("one is called", || {
        let [one, two] = [&mut visitor, &mut other].map(|it| it.page("en"));
        let is_called = |page: &Answer| heading_of(page.text()) == "It is your turn";
        match (is_called(&one), is_called(&two)) {
            (true, false) => Some((visitor.clone(), other.clone())),
            (false, true) => Some((other.clone(), visitor.clone())),
            _ => None,
        }
    });
    visitor.form("eintreten");
    let date = visitor.document().dates[0].parse().unwrap();
    let citizen = service.citizen();
    let pass = visitor.token("pass").unwrap();
    let starts = citizen.starts("raum", "pass", date);
    let hold = Request::post("/api/v1/holds").json(&serde_json::json!({
        "office": "raum",
        "start": starts[0].start,
        "services": [{ "id": "pass", "quantity": 1 }],
        "pass": pass,
    }));
    let hold: morgenruh_wire::Hold = service.send(&hold).expect(201).json();
    citizen.book(&hold);
    visitor.until("You have an appointment");
    check_languages(&mut visitor);
    other.until("All appointments are taken");
    check_languages(&mut other);
    check_languages(&mut other.other());
}

/// A form that a page of somebody else sends does nothing, whatever cookies come along.
#[test]
fn forms_of_other_sites_are_refused() {
    let (_service, mut visitor) = open_room();
    let mut send = |form: &str, headers: &[(&str, &str)]| {
        let mut request = Request::post(&visitor.path(form));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        visitor.send(request)
    };
    for form in ["/ticket", "/eintreten", "/verlassen", "/weiter/x"] {
        for headers in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
            &[("sec-fetch-site", "cross-site"), ("origin", "http://test")],
        ] {
            assert_eq!(
                send(form, headers).slug(),
                "cross-site",
                "{form} {headers:?}"
            );
        }
    }
    eventually("the form is taken", || {
        let answer = send("/ticket", &[("origin", "http://test")]);
        (answer.status == 303).then_some(())
    });
    visitor.until_tickets(1);
}

#[test]
fn a_ticket_goes_to_another_device() {
    let (_service, mut visitor) = open_room();
    visitor.form("ticket");
    let page = visitor.page("en");
    let links = attributes(page.text(), "href");
    let link = links.iter().find(|link| link.contains("/weiter/")).unwrap();
    let path = link
        .strip_prefix("http://test")
        .expect("the host that was asked");
    assert!(
        page.text()
            .contains("<svg role=\"img\" aria-label=\"The same link as a QR code\"")
    );

    let (path, _) = path
        .split_once("?lang=en")
        .expect("the language goes along");

    // Nobody has a ticket because somebody has led them to a link.
    let mut device = visitor.other();
    for (lang, heading) in [
        ("de", "Hier weiterwarten?"),
        ("de-leicht", "Möchten Sie hier weiter warten?"),
        ("en", "Go on waiting here?"),
    ] {
        let answer = device.send(Request::get(&format!("{path}?lang={lang}")));
        check(answer.expect(200));
        assert_eq!(heading_of(answer.text()), heading);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"));
        let form = format!("{path}?lang={lang}");
        assert_eq!(attributes(answer.text(), "action"), [form.as_str()]);
        assert_eq!(device.token("ticket"), None);
    }
    let foreign = Request::post(path).header("sec-fetch-site", "cross-site");
    assert_eq!(device.send(foreign).slug(), "cross-site");
    assert_eq!(device.token("ticket"), None);
    let answer = device.send(Request::post(path).header("sec-fetch-site", "same-origin"));
    assert_eq!(
        answer.expect(303).header("location"),
        Some(device.path("?lang=de").as_str())
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(device.token("ticket"), visitor.token("ticket"));
    // One's own link changes nothing.
    let answer = device.send(Request::get(path));
    assert_eq!(answer.expect(303).header("set-cookie"), None);

    // What is there is not replaced unasked either.
    let mut third = visitor.other();
    third.form("ticket");
    let own = third.token("ticket").unwrap().to_owned();
    for lang in LANGUAGES {
        let answer = third.send(Request::get(&format!("{path}?lang={lang}")));
        check(answer.expect(200));
        assert_eq!(third.token("ticket"), Some(own.as_str()));
    }
    third.send(Request::post(path).header("sec-fetch-site", "same-origin"));
    assert_eq!(third.token("ticket"), visitor.token("ticket"));

    let other = &path[..path.len() - 1];
    for (method, ending) in [("GET", ""), ("POST", ""), ("GET", "AA"), ("GET", "%00")] {
        let answer = third.send(Request::new(method, &format!("{other}{ending}")));
        check(answer.expect(404));
        assert!(answer.header("set-cookie").is_none());
    }
}

/// A script that polls cannot read the cookie, and need not. What changes something needs more.
#[test]
fn the_cookie_shows_a_place_and_changes_nothing() {
    let (service, mut visitor) = open_room();
    let api = |what: &str| format!("/api/v1/rooms/{}/{what}", visitor.room);
    let (place, receipt) = (api("place"), api("receipt"));
    let passes = api("passes");
    assert_eq!(visitor.send(Request::get(&place)).slug(), "token-missing");
    visitor.form("ticket");
    let seen: Value = visitor.send(Request::get(&place)).expect(200).json();
    assert_eq!(
        (&seen["number"], &seen["standing"]),
        (&1.into(), &"gathering".into())
    );
    assert_eq!(visitor.send(Request::get(&receipt)).slug(), "not-drawn");
    assert_eq!(
        visitor.send(Request::delete(&place)).slug(),
        "token-missing"
    );
    assert_eq!(visitor.send(Request::post(&passes)).slug(), "token-missing");
    // Who shows a token means that one.
    let wrong = visitor.send(Request::get(&place).bearer("x"));
    assert_eq!(wrong.slug(), "ticket-invalid");
    // A cookie of ours counts beside one that somebody has planted.
    let name = format!("mr-ticket-{}", visitor.room);
    let both = format!(
        "{name}=planted; {name}={}",
        visitor.token("ticket").unwrap()
    );
    service
        .send(&Request::get(&place).header("cookie", &both))
        .expect(200);
}

#[test]
fn a_page_reloads_itself_only_when_it_was_asked_to() {
    let (_service, mut visitor) = open_room();
    let page = visitor.page("en");
    assert!(page.header("refresh").is_none() && !page.text().contains("http-equiv"));
    let links = attributes(page.text(), "href");
    let auto = links.iter().find(|link| link.contains("auto=1")).unwrap();
    let page = visitor.send(Request::get(&auto.replace("&amp;", "&")));
    let refresh = page.header("refresh").unwrap();
    let expected = format!("; url={}", visitor.path("?lang=en&auto=1"));
    let seconds: u32 = refresh
        .strip_suffix(expected.as_str())
        .unwrap()
        .parse()
        .unwrap();
    assert!((5..=60).contains(&seconds), "{refresh}");
}

/// A browser that does not compute is told what is missing.
#[test]
fn a_proof_of_work_is_asked_for() {
    let terms = "opens_minutes = 120\nproof_of_work = 1000";
    let (_service, mut visitor) = room(3_600, "08:00-18:00", terms);
    for lang in LANGUAGES {
        let answer = visitor.page(lang);
        check(&answer);
        assert!(
            answer
                .text()
                .contains("<input type=\"hidden\" name=\"proof_of_work\">")
        );
        let path = visitor.path(&format!("/ticket?lang={lang}"));
        let empty = Request::post(&path).body(b"proof_of_work=");
        let wrong = Request::post(&path).body(b"proof_of_work=eA%3D%3D");
        for (form, status) in [(Request::post(&path), 403), (empty, 422), (wrong, 422)] {
            let answer = visitor.send(form);
            check(answer.expect(status));
            assert!(answer.text().contains("JavaScript") && visitor.cookies.is_empty());
        }
    }
    let large = Request::post(&visitor.path("/ticket")).body(&[b'x'; 20_000]);
    assert_eq!(visitor.send(large).slug(), "body-too-large");
}

/// Whoever is told to come back has not computed in vain.
#[test]
fn a_ticket_that_is_refused_uses_no_solution_up() {
    let town = Town::small();
    let at = town.hours_from_now(5);
    let town = town.with_room(&at, "08:00-18:00", "proof_of_work = 1000");
    let service = Home::of(town).start();
    let room = format!("/api/v1/rooms/{}", Visitor::of(&service).room);
    let asked = service.send(&Request::get(&format!("{room}/challenge")));
    let mut solution: Value = asked.expect(200).json();
    let salt = solution["salt"].as_str().unwrap();
    let solves = |number: &u32| {
        let hash = Sha256::digest(format!("{salt}{number}"));
        solution["challenge"] == HEXLOWER.encode(&hash)
    };
    let number = (0..=1_000).find(solves).unwrap();
    solution["number"] = number.into();
    let payload = BASE64.encode(solution.to_string().as_bytes());
    let join = Request::post(&format!("{room}/tickets"));
    let join = join.json(&serde_json::json!({ "proof_of_work": payload }));
    for _ in 0..2 {
        assert_eq!(service.send(&join).slug(), "room-not-open");
    }
}

#[test]
fn an_unknown_room_has_a_page() {
    let (_service, mut visitor) = open_room();
    for room in ["nowhere", "raum", "raum-1999-12-24", "%3Cb%3E"] {
        for path in ["", "/auslosung"] {
            let answer = visitor.send(Request::get(&format!("/warteraum/{room}{path}?lang=en")));
            check(answer.expect(404));
            assert_eq!(heading_of(answer.text()), "There is no such waiting room");
        }
    }
}

#[test]
fn the_script_that_checks_a_draw_is_served() {
    let service = Service::start();
    let answer = service.send(&Request::get("/assets/verify-draw.js"));
    let media_type = answer.expect(200).header("content-type");
    assert_eq!(media_type, Some("text/javascript; charset=utf-8"));
    assert!(answer.text().contains("export async function verifyDraw"));
    let list = service.send(&Request::get("/warteraum"));
    check(list.expect(200));
    assert_eq!(heading_of(list.text()), "Warteräume");
}
