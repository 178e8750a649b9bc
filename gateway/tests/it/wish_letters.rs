//! Wishes by letters: what arrives, where its links lead, and what becomes of it.

use std::io::{Read, Write};
use std::net::TcpListener;

use serde_json::json;

use crate::http::{PATIENCE, Request};
use crate::post::{HOST, Letter, Post, get, send_form};
use crate::support::{Home, Service, eventually};
use crate::town::Town;
use crate::wishes::{NO_NIGHT, becomes, body, lay, look, taken, with};

fn by_mail(service: &Service, days_ahead: i32, name: &str) -> serde_json::Value {
    with(body(service, days_ahead, name), "notify", json!("email"))
}

#[test]
fn an_offer_is_accepted_by_the_link_in_its_letter() {
    let (post, home) = Post::start();
    let service = home.start();
    let (citizen, booking) = taken(&service, 2);
    let wish = lay(&service, &by_mail(&service, 2, "erika"));
    let laid = post.letter("vorgemerkt");
    assert_eq!(laid.to, ["erika@example.org"]);
    get(&service, &laid.wish()).expect(200);

    citizen.cancel(&booking).expect(200);
    let letter = post.letter("Ein Termin ist");
    assert_eq!(
        letter.head("List-Unsubscribe-Post"),
        "List-Unsubscribe=One-Click"
    );
    let page = get(&service, &letter.link("/annehmen"));
    // A mail program that follows links has done nothing.
    get(&service, &letter.link("/ablehnen")).expect(200);
    assert_eq!(look(&service, &wish).status, "offered");
    assert!(page.text().contains("Einzelplatz"), "{}", page.text());
    let sent = send_form(&service, &page, "/annehmen");
    let back = sent.expect(303).header("location").unwrap().to_owned();
    let page = get(&service, &back);
    assert!(
        page.text().contains("Ihr Termin ist gebucht"),
        "{}",
        page.text()
    );
    let booked = look(&service, &wish).booking.unwrap();

    let letter = post.letter("Ihr Termin ist gebucht");
    assert!(
        letter
            .text
            .contains("text/calendar; charset=utf-8; method=PUBLISH")
    );
    assert!(letter.text.contains(&booked.code));
    let page = get(&service, &letter.link("/termin/"));
    assert!(page.expect(200).text().contains(&booked.code));
    // The old letter says what is now, and offers nothing.
    let page = get(&service, &post.letter("Ein Termin ist").link("/annehmen"));
    assert!(page.text().contains("Ihr Termin ist gebucht") && !page.text().contains("<form"));

    let page = get(&service, &letter.link("/termin/"));
    send_form(&service, &page, "/absagen").expect(303);
    let page = get(&service, &letter.link("/termin/"));
    assert!(page.text().contains("abgesagt"), "{}", page.text());
    assert_eq!(post.mail.received().len(), 3);
    service.stop().verify();
}

#[test]
fn what_was_not_told_before_a_crash_is_told_after_it() {
    let (mut post, home) = Post::start();
    let service = home.start();
    let (citizen, booking) = taken(&service, 2);
    let wish = lay(&service, &by_mail(&service, 2, "erika"));
    post.letter("vorgemerkt");
    post.mail.pause();
    citizen.cancel(&booking).expect(200);
    let offered = becomes(&service, &wish, "offered");
    // Somewhere between the offer and the word that it was told.
    let home = service.kill();
    post.mail.resume();
    let service = home.start();
    let letters = post.letters("Ein Termin ist", 1);
    assert_eq!(
        look(&service, &wish).offer.unwrap().id,
        offered.offer.unwrap().id
    );
    let service = service.kill().start();
    lay(&service, &by_mail(&service, 3, "other"));
    let after = post.letters("vorgemerkt", 2);
    assert_eq!(after.len(), 2);
    // Told at least once, and whoever gets it twice can tell.
    let of_wish = |it: &Letter| it.to == ["erika@example.org"];
    let offers = post
        .letters("Ein Termin ist", 1)
        .into_iter()
        .filter(of_wish);
    for letter in offers {
        assert_eq!(letter.head("Message-ID"), letters[0].head("Message-ID"));
        assert!(letter.head("Message-ID").contains(&wish.id));
    }
    post.mail.stop();
}

#[test]
fn offers_are_declined_and_wishes_withdrawn_by_links() {
    let (post, home) = Post::start();
    let service = home.start();
    let (citizen, booking) = taken(&service, 2);
    let english = with(by_mail(&service, 2, "erika"), "language", json!("en"));
    let first = lay(&service, &english);
    let second = lay(&service, &by_mail(&service, 2, "hans"));
    citizen.cancel(&booking).expect(200);
    let letter = post.letter("An appointment is free for you");
    let page = get(&service, &letter.link("/ablehnen"));
    assert!(page.text().contains("<html lang=\"en\">"));
    let foreign = Request::post(&letter.link("/ablehnen"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "cross-site");
    assert_eq!(service.send(&foreign.bytes(b"")).slug(), "cross-site");
    send_form(&service, &page, "/ablehnen").expect(303);
    becomes(&service, &second, "offered");
    let page = get(&service, &letter.link("/annehmen"));
    assert!(
        page.text().contains("This offer is over"),
        "{}",
        page.text()
    );

    // The button of a mail provider, which comes from nowhere and follows nowhere.
    let unsubscribe = letter.head("List-Unsubscribe");
    let unsubscribe = unsubscribe.trim_matches(['<', '>']);
    let path = unsubscribe.strip_prefix(HOST).unwrap();
    let asked = get(&service, path);
    assert!(asked.text().contains("Do you want to delete your wish?"));
    assert_eq!(look(&service, &first).status, "waiting");
    let one_click = Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "cross-site")
        .bytes(b"List-Unsubscribe=One-Click");
    for _ in 0..2 {
        service.send(&one_click).expect(200);
    }
    let ended = look(&service, &first);
    assert_eq!(
        (ended.status.as_str(), ended.ended.as_deref()),
        ("ended", Some("withdrawn"))
    );
    assert!(get(&service, path).text().contains("has ended"));

    // What is held for a wish goes on when it is withdrawn.
    let letter = post.letter("Ein Termin ist");
    let asked = get(&service, &letter.link("/zuruecknehmen"));
    send_form(&service, &asked, "/zuruecknehmen").expect(303);
    let day = service.town().day(2);
    assert_eq!(look(&service, &second).status, "ended");
    // It rests: whoever is quick has no advantage.
    assert_eq!(citizen.free("einzel", "pass", day, &booking.start), 0);
    service.stop().verify();
}

#[test]
fn wrong_addresses_lead_nowhere() {
    let (post, home) = Post::start();
    let service = home.start();
    let wish = lay(&service, &by_mail(&service, 2, "erika"));
    let path = post.letter("vorgemerkt").wish();
    let (_, token) = path.rsplit_once('/').unwrap();
    let other = "AAAAAAAAAAAAAAAAAAAAAA";
    let wrong = path.replace(token, other);
    for path in [
        wrong.clone(),
        format!("{wrong}/annehmen"),
        format!("{wrong}/zuruecknehmen"),
        format!("/wunsch/x/{token}"),
        format!("/termin/{other}/{token}"),
        format!("/termin/x/{other}/termin.ics"),
    ] {
        let page = get(&service, &path);
        assert!(
            page.expect(404).text().contains("kennen wir nicht"),
            "{path}"
        );
    }
    for path in [
        format!("{wrong}/annehmen"),
        format!("{wrong}/ablehnen"),
        format!("{wrong}/zuruecknehmen"),
        format!("/termin/{other}/{token}/absagen"),
    ] {
        let form = Request::post(&path).bytes(b"List-Unsubscribe=One-Click");
        service.send(&form).expect(404);
    }
    becomes(&service, &wish, "offered");
}

#[test]
fn a_wish_that_needs_no_question_is_booked_and_told() {
    let (post, home) = Post::start();
    let service = home.start();
    let (citizen, booking) = taken(&service, 2);
    let mut simple = with(by_mail(&service, 2, "erika"), "auto_accept", json!(true));
    simple["language"] = json!("de-leicht");
    let wish = lay(&service, &simple);
    let laid = post.letter("Wir haben Ihren Termin-Wunsch");
    let page = get(&service, &laid.wish());
    assert!(
        page.text().contains("Dann buchen wir ihn"),
        "{}",
        page.text()
    );
    citizen.cancel(&booking).expect(200);
    let booked = becomes(&service, &wish, "booked").booking.unwrap();
    let letter = post.letter("Sie haben einen Termin");
    assert!(letter.text.contains(&booked.code));
    assert_eq!(post.mail.received().len(), 2);
}

#[test]
fn a_mail_server_that_is_down_takes_nobodys_time() {
    let (mut post, home) = Post::start();
    let service = home.start();
    let (citizen, booking) = taken(&service, 2);
    let wish = lay(&service, &by_mail(&service, 2, "erika"));
    post.letter("vorgemerkt");
    post.mail.stop();
    citizen.cancel(&booking).expect(200);
    becomes(&service, &wish, "offered");
    let metrics = || {
        let answer = Request::get("/metrics").send(service.admin).unwrap();
        answer.text().to_owned()
    };
    eventually("the failure is noted", || {
        let log = service.home().log();
        log.contains("a notice waits").then_some(())
    });
    assert!(
        metrics().contains("morgenruh_notices_waiting 1\n"),
        "{}",
        metrics()
    );
    assert!(!service.home().log().contains("erika@"));
    post.mail.restart();
    let letter = post.letter("Ein Termin ist");
    assert!(letter.head("Message-ID").contains(&wish.id));
    eventually("it is told", || {
        metrics()
            .contains("morgenruh_notices_waiting 0\n")
            .then_some(())
    });
}

/// Takes one request, answers it, and gives it back as text.
fn take(listener: &TcpListener, status: &str) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut received = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&received).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.split("content-length: ").nth(1);
            let length = length.and_then(|rest| rest.lines().next()?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).unwrap();
                return text;
            }
        }
        let mut part = [0; 4096];
        let count = stream.read(&mut part).unwrap();
        assert!(count > 0, "{text}");
        received.extend_from_slice(&part[..count]);
    }
}

#[test]
fn another_service_is_told_by_a_webhook() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/termine", listener.local_addr().unwrap());
    let settings = format!(
        "[server]\npublic_url = \"{HOST}\"\n{NO_NIGHT}\
         [webhooks]\nallow_http_to = \"127.0.0.1\"\n"
    );
    let home = Home::of(Town::small().server(&settings));
    let mut command = home.command();
    command.env(
        "MORGENRUH_WEBHOOKS_SECRETS",
        format!("whsec_{}=", "A".repeat(43)),
    );
    let service = home.start_by(command);
    let (citizen, booking) = taken(&service, 2);
    let wish = with(
        body(&service, 2, "erika"),
        "notify",
        json!({ "webhook": url }),
    );
    let wish = lay(&service, &wish);
    let id = |text: &str| {
        let line = text
            .lines()
            .find(|line| line.to_lowercase().starts_with("webhook-id"));
        line.expect("it has an id").to_owned()
    };
    // What is not taken comes again, and is the same.
    let first = take(&listener, "503 Service Unavailable");
    let again = take(&listener, "204 No Content");
    assert!(
        first.contains("wish.laid") && id(&first) == id(&again),
        "{first} {again}"
    );
    citizen.cancel(&booking).expect(200);
    let offered = take(&listener, "204 No Content");
    assert!(
        offered.contains("wish.offered") && offered.contains(&wish.id),
        "{offered}"
    );
    assert!(!offered.contains("erika"), "{offered}");
    service.stop().verify();
}
