//! Wishes by letters: what arrives, where its links lead, and what becomes of it.

use std::io::{Read, Write};
use std::net::TcpListener;

use morgenruh_servers::{Mail, MailTls, Received};
use morgenruh_wire::{Booking, Wish};
use serde_json::json;
use tempfile::TempDir;

use crate::citizen::manage;
use crate::http::{Answer, PATIENCE, Request};
use crate::support::{Home, Service, eventually};
use crate::town::Town;
use crate::visitor::{Visitor, heading_of};
use crate::wishes::{NO_NIGHT, becomes, body, lay, look, taken, with};

const HOST: &str = "https://termine.example.org";

/// The small town and a mail server of its own.
struct Post {
    mail: Mail,
    _dir: TempDir,
}

impl Post {
    fn start() -> (Post, Home) {
        Post::of(Town::small())
    }

    fn of(town: Town) -> (Post, Home) {
        let dir = morgenruh_servers::scratch();
        let mail = Mail::start(&dir.path().join("mail"), MailTls::Off);
        let settings = format!(
            "[server]\npublic_url = \"{HOST}\"\n{NO_NIGHT}[mail]\naddress = \"{}\"\n\
             encryption = \"off\"\nfrom = \"termine@example.org\"\n",
            mail.address(),
        );
        let home = Home::of(town.server(&settings));
        (Post { mail, _dir: dir }, home)
    }

    /// All letters with this in their subject, so many at least.
    #[track_caller]
    fn letters(&self, subject: &str, least: usize) -> Vec<Letter> {
        eventually(subject, || {
            let all = self.mail.received();
            let all = all.iter().map(Letter::read);
            let some: Vec<Letter> = all.filter(|it| it.subject().contains(subject)).collect();
            (some.len() >= least).then_some(some)
        })
    }

    #[track_caller]
    fn letter(&self, subject: &str) -> Letter {
        self.letters(subject, 1).remove(0)
    }
}

/// A letter, readable.
#[derive(Debug)]
struct Letter {
    to: Vec<String>,
    text: String,
}

impl Letter {
    fn read(received: &Received) -> Letter {
        let text = String::from_utf8_lossy(&received.raw);
        // As it is written when it is more than ASCII.
        let text = text.replace("=\r\n", "").replace("=3D", "=");
        Letter {
            to: received.to.clone(),
            text,
        }
    }

    #[track_caller]
    fn head(&self, name: &str) -> &str {
        let mut lines = self.text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.unwrap_or_default()
    }

    fn subject(&self) -> &str {
        self.head("Subject")
    }

    /// The first link that leads to such a page of ours, as a path.
    #[track_caller]
    fn link(&self, what: &str) -> String {
        let link = self.links().find(|link| link.contains(what));
        link.unwrap_or_else(|| panic!("{what}: {}", self.text))
    }

    /// The link to the page of the wish.
    #[track_caller]
    fn wish(&self) -> String {
        let plain = |link: &String| link.starts_with("/wunsch/") && link.matches('/').count() == 3;
        self.links().find(plain).expect("letters lead to the wish")
    }

    fn links(&self) -> impl Iterator<Item = String> {
        let links = self.text.split(HOST).skip(1).map(|rest| {
            let end = rest.find(|it: char| it.is_whitespace() || "<>\"".contains(it));
            &rest[..end.unwrap_or(rest.len())]
        });
        links.map(|link| link.replace("&amp;", "&"))
    }
}

fn get(service: &Service, path: &str) -> Answer {
    let answer = service.send(&Request::get(path));
    for (name, value) in [
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-robots-tag", "noindex"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{path}");
    }
    assert!(!answer.text().contains("<script"), "{path}");
    answer
}

/// Sends the form with this action, as a browser would from our page.
fn send_form(service: &Service, page: &Answer, action: &str) -> Answer {
    let form = page.text().split("<form ").skip(1);
    let mut form = form.map(|rest| rest.split("</form>").next().unwrap_or_default());
    let form = form
        .find(|form| form.contains(action))
        .expect("the page has the form");
    let between = |text: &str, from: &str| {
        let (_, rest) = text.split_once(from)?;
        Some(rest.split('"').next().unwrap_or_default().to_owned())
    };
    let to = between(form, "action=\"").unwrap();
    let mut fields = String::new();
    if let (Some(name), Some(value)) = (between(form, " name=\""), between(form, " value=\"")) {
        fields = format!("{name}={value}");
    }
    let request = Request::post(&to)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "same-origin");
    service.send(&request.bytes(fields.as_bytes()))
}

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

/// A room with one seat, two tickets, and a booking on the one that was called.
fn sold_out(service: &Service) -> (Visitor, Visitor, Booking) {
    let first = Visitor::of(service);
    let mut visitors = [first.clone(), first.other()];
    for visitor in &mut visitors {
        visitor.form("ticket");
    }
    let early = Request::post(&format!("/api/v1/rooms/{}/wishes", first.room));
    let early = early.bearer(visitors[0].token("ticket").unwrap());
    let date = first.document().dates.remove(0);
    let early = service.send(&early.json(&room_wish(&date, "early")));
    assert_eq!((early.status, early.slug().as_str()), (409, "not-drawn"));
    let called = eventually("one is called", || {
        let mut pages = visitors.iter_mut().map(|it| it.page("en"));
        pages.position(|page| heading_of(page.text()) == "It is your turn")
    });
    let [one, two] = visitors;
    let (mut inside, mut other) = if called == 0 { (one, two) } else { (two, one) };
    inside.form("eintreten");
    let citizen = service.citizen();
    let start = &citizen.starts("raum", "pass", date.parse().unwrap())[0].start;
    let hold = json!({
        "office": "raum",
        "start": start,
        "services": [{ "id": "pass", "quantity": 1 }],
        "pass": inside.token("pass"),
    });
    let hold = Request::post("/api/v1/holds").json(&hold);
    let booking = citizen.book(&service.send(&hold).expect(201).json());
    other.until("All appointments are taken");
    (inside, other, booking)
}

/// A wish for the one seat that is released.
fn room_wish(date: &str, name: &str) -> serde_json::Value {
    json!({
        "services": [{ "id": "pass", "quantity": 1 }],
        "offices": ["raum"],
        "earliest": date,
        "latest": date,
        "person": { "name": name, "email": format!("{name}@example.org") },
        "notify": "poll",
    })
}

fn town_with_room() -> Town {
    let town = Town::small();
    let at = town.hours_from_now(5);
    town.with_room(&at, "08:00-08:15", "")
}

#[test]
fn a_ticket_becomes_a_wish_on_the_page_of_its_room() {
    let (post, home) = Post::of(town_with_room());
    let service = home.start_demo(4);
    let (mut inside, mut other, booking) = sold_out(&service);
    let path = other.path("/wunsch?lang=en");
    let page = other.page("en");
    assert!(page.text().contains(&path), "{}", page.text());
    assert!(!inside.page("en").text().contains("/wunsch"));
    assert!(!other.other().page("en").text().contains("/wunsch"));
    for lang in ["de", "de-leicht", "en"] {
        let form = other.send(Request::get(&other.path(&format!("/wunsch?lang={lang}"))));
        assert!(form.expect(200).text().len() < 13 * 1024);
        assert!(!form.text().contains("<script") && form.text().contains("<select"));
    }
    let mut send = |body: &[u8], site: &str| {
        let form = Request::post(&path).header("sec-fetch-site", site);
        let form = form.header("content-type", "application/x-www-form-urlencoded");
        other.send(form.bytes(body))
    };
    let whole = b"service=pass&name=Erika+%3CMuster%3E&email=erika%40example.org";
    assert_eq!(send(whole, "cross-site").slug(), "cross-site");
    let bad = send(
        b"service=pass&name=Erika+%3CMuster%3E&email=erika",
        "same-origin",
    );
    let told = bad.expect(422).text();
    assert!(told.contains("Please give an e-mail address") && !told.contains("<Muster>"));
    assert_eq!(send(b"", "same-origin").status, 422);
    let laid = send(whole, "same-origin");
    let to = laid.expect(303).header("location").unwrap().to_owned();
    // Sent twice, it is the same wish.
    let again = send(whole, "same-origin");
    assert_eq!(again.expect(303).header("location"), Some(to.as_str()));
    assert!(
        get(&service, &to)
            .expect(200)
            .text()
            .contains("Wishes before yours")
    );
    let page = other.until("We have your wish for an appointment");
    assert!(page.text().contains(&to), "{}", page.text());
    assert_eq!(post.letter("We have your wish").to, ["erika@example.org"]);

    service.citizen().cancel(&booking).expect(200);
    let letter = post.letter("An appointment is free for you");
    let page = get(&service, &letter.link("/annehmen"));
    send_form(&service, &page, "/annehmen").expect(303);
    post.letter("Your appointment is booked");
    service.stop().verify();
}

#[test]
fn a_lottery_gives_its_seat_to_a_wish() {
    let town = Town::small();
    let at = town.hours_from_now(5);
    let town = town.with_room(&at, "08:00-08:15", "policy = \"lottery\"");
    let (post, home) = Post::of(town);
    let service = home.start_demo(6);
    let mut visitor = Visitor::of(&service);
    visitor.form("ticket");
    let page = visitor.page("en");
    assert!(
        page.text()
            .contains("without a wish your ticket gets nothing"),
        "{}",
        page.text()
    );
    let date = visitor.document().dates.remove(0);
    let mut body = with(room_wish(&date, "erika"), "auto_accept", json!(true));
    body["notify"] = json!("email");
    let request = Request::post(&format!("/api/v1/rooms/{}/wishes", visitor.room));
    let request = request.bearer(visitor.token("ticket").unwrap());
    let wish: Wish = service.send(&request.json(&body)).expect(201).json();
    assert_eq!(wish.status, "undrawn");
    let letter = post.letter("Ihr Termin ist gebucht");
    let code = becomes(&service, &wish, "booked").booking.unwrap().code;
    let page = get(&service, &letter.link("/termin/"));
    assert!(page.expect(200).text().contains(&code));
    service.stop().verify();
}

#[test]
fn a_ticket_keeps_its_place_as_a_wish() {
    let (_post, home) = Post::of(town_with_room());
    let service = home.start_demo(4);
    let date = Visitor::of(&service).document().dates.remove(0);
    let room_wish = |name| room_wish(&date, name);
    let late = lay(&service, &room_wish("late"));
    let (inside, other, booking) = sold_out(&service);
    let lay_with = |visitor: &Visitor, body: &serde_json::Value| {
        let path = format!("/api/v1/rooms/{}/wishes", visitor.room);
        let request = Request::post(&path).bearer(visitor.token("ticket").unwrap());
        service.send(&request.json(body))
    };
    let used = lay_with(&inside, &room_wish("inside"));
    assert_eq!((used.status, used.slug().as_str()), (409, "ticket-used"));
    let instead = with(
        room_wish("erika"),
        "instead_of",
        json!({ "booking": booking.id, "manage_token": manage(&booking) }),
    );
    assert_eq!(
        lay_with(&other, &instead).problem().field.as_deref(),
        Some("instead_of")
    );
    let nobody = Request::post(&format!("/api/v1/rooms/{}/wishes", other.room)).bearer("x");
    assert_eq!(
        service.send(&nobody.json(&room_wish("x"))).slug(),
        "ticket-invalid"
    );
    let wish: Wish = lay_with(&other, &room_wish("erika")).expect(201).json();
    let again: Wish = lay_with(&other, &room_wish("erika")).expect(200).json();
    assert_eq!(
        (&again.id, &again.manage_token),
        (&wish.id, &wish.manage_token)
    );
    assert!(
        wish.place.position.is_some_and(|position| position == 2),
        "{wish:?}"
    );
    assert_eq!(look(&service, &late).status, "waiting");
    service.citizen().cancel(&booking).expect(200);
    becomes(&service, &late, "offered");
    service.stop().verify();
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
