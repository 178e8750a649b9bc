//! Tickets of waiting rooms that become wishes.

use morgenruh_wire::{Booking, Wish};
use serde_json::json;

use crate::citizen::manage;
use crate::http::Request;
use crate::post::{Post, get, send_form};
use crate::production::City;
use crate::support::{Service, eventually};
use crate::town::Town;
use crate::visitor::{Visitor, heading_of};
use crate::waiting_page::PAGE_BYTES_MAX;
use crate::wishes::{address, becomes, lay, look, token, with};

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
        let form = form.expect(200).text();
        assert!(form.len() <= PAGE_BYTES_MAX, "{} bytes", form.len());
        assert!(!form.contains("<script") && form.contains("<select"));
        // One of three ways is proposed.
        assert_eq!(form.matches("type=\"radio\"").count(), 3);
        assert_eq!(form.matches(" checked").count(), 1);
        assert!(form.contains("value=\"at-once\" checked"), "{form}");
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

    assert!(page.text().contains("You will get an e-mail"));
    service.citizen().cancel(&booking).expect(200);
    let letter = post.letter("An appointment is free for you");
    other.until("An appointment is free for you");
    let page = get(&service, &letter.link("/annehmen"));
    send_form(&service, &page, "/annehmen").expect(303);
    post.letter("Your appointment is booked");
    let page = other.until("Your wish for an appointment is fulfilled");
    assert!(page.text().contains(&to) && !page.text().contains("e-mail"));
    service.stop().verify();
}

/// The wish whose page is at this address.
fn wish_at(service: &Service, address: &str) -> Wish {
    let parts = address.strip_prefix("/wunsch/").unwrap();
    let (id, token) = parts.split_once('/').unwrap();
    let token = token.split('?').next().unwrap();
    let request = Request::get(&format!("/api/v1/wishes/{id}")).bearer(token);
    service.send(&request).expect(200).json()
}

#[test]
fn the_form_says_how_a_seat_becomes_theirs() {
    let town = Town::small();
    let at = town.hours_from_now(5);
    let terms = "policy = \"lottery\"\nopens_minutes = 120";
    let (_post, home) = Post::of(town.with_room(&at, "08:00-18:00", terms));
    let service = home.start_demo(3_600);
    let first = Visitor::of(&service);
    let page = first.other().send(Request::get(&first.path("?lang=en")));
    page.expect(200);
    for (choice, auto_accept, notice_minutes) in [
        ("at-once", true, 0),
        // Near seats are for those who say that they answer quickly.
        ("ask", false, 48 * 60),
        ("ask-soon", false, 0),
    ] {
        let mut visitor = first.other();
        visitor.form("ticket");
        let path = visitor.path("/wunsch?lang=en");
        let form = visitor.send(Request::get(&path));
        let text = form.text().replace('\u{a0}', " ");
        for time in [
            "at least 2 days away",
            "at least 1 day",
            "2 hours",
            "30 minutes",
        ] {
            assert!(text.contains(time), "{time}: {text}");
        }
        let mut send = |body: String| {
            let form = Request::post(&path).header("sec-fetch-site", "same-origin");
            let form = form.header("content-type", "application/x-www-form-urlencoded");
            visitor.send(form.bytes(body.as_bytes()))
        };
        // What was chosen stays so while something else is wrong.
        let bad = send(format!("service=pass&name=Erika&email=x&booking={choice}"));
        let kept = format!("value=\"{choice}\" checked");
        assert!(bad.expect(422).text().contains(&kept), "{}", bad.text());
        let email = format!("{choice}%40example.org");
        let laid = send(format!(
            "service=pass&name=Erika&email={email}&booking={choice}"
        ));
        let to = laid.expect(303).header("location").unwrap().to_owned();
        let wish = wish_at(&service, &to);
        assert_eq!(
            (wish.auto_accept, wish.notice_minutes),
            (auto_accept, notice_minutes),
            "{choice}"
        );
    }
}

/// Who were asked about other seats only would get none of these.
#[test]
fn where_all_seats_are_near_whoever_is_asked_is_asked_about_them() {
    let town = Town::small();
    let at = town.hours_from_now(5);
    let terms = "policy = \"lottery\"\nopens_minutes = 120";
    let (_post, home) = Post::of(town.with_room(&at, "08:00-18:00", terms));
    let mut command = home.command();
    command.args(["--demo", "3600"]);
    command.env("MORGENRUH_AGENT_NEAR_HOURS", "96");
    let service = home.start_by(command);
    let mut visitor = Visitor::of(&service);
    visitor.form("ticket");
    let path = visitor.path("/wunsch?lang=en");
    let page = visitor.send(Request::get(&path));
    let choices = |text: &str| text.matches("type=\"radio\"").count();
    assert_eq!(choices(page.expect(200).text()), 2, "{}", page.text());
    let form = Request::post(&path).header("sec-fetch-site", "same-origin");
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    let body = b"service=pass&name=Erika&email=erika%40example.org&booking=ask";
    let laid = visitor.send(form.bytes(body));
    let to = laid.expect(303).header("location").unwrap().to_owned();
    let wish = wish_at(&service, &to);
    assert_eq!((wish.auto_accept, wish.notice_minutes), (false, 0));
}

/// The form asks nothing but who they are and what for.
#[test]
fn where_every_service_asks_for_more_there_is_no_form() {
    let town = Town::small();
    let at = town.hours_from_now(5);
    let terms = "policy = \"lottery\"\nopens_minutes = 120";
    let question = "[[question]]\nid = \"grund\"\nlabel = { de = \"Grund\", en = \"Reason\" }\n\
                    required = true\nchars_max = 10\n";
    let town = town.with_room(&at, "08:00-18:00", terms);
    let (_post, home) = Post::of(town.with_more("buergeramt/raum.toml", question));
    let service = home.start_demo(3_600);
    let mut visitor = Visitor::of(&service);
    visitor.form("ticket");
    assert!(!visitor.page("en").text().contains("/wunsch"));
    let form = visitor.send(Request::get(&visitor.path("/wunsch?lang=en")));
    assert_eq!(
        form.expect(303).header("location"),
        Some(visitor.path("?lang=en").as_str())
    );
}

/// A wish can name fewer offices than a room can have.
#[test]
fn a_room_of_very_many_offices_has_a_form_as_well() {
    let town = Town::small();
    let at = town.hours_from_now(5);
    let terms = "policy = \"lottery\"\nopens_minutes = 120";
    let mut town = town.with_room(&at, "08:00-18:00", terms);
    let mut ids = vec!["\"raum\"".to_owned()];
    for number in 100..170 {
        let office = format!(
            "number = {number}\nname = {{ de = \"Amt\", en = \"Office\" }}\naddress = \"Weg\"\n\
             [[counter]]\nnumber = 1\nskills = [\"pass\"]\n\
             [[wave]]\ndays_ahead = 3\nat = \"{at}\"\n"
        );
        town = town.with(&format!("buergeramt/amt-{number}.toml"), &office);
        ids.push(format!("\"amt-{number}\""));
    }
    let offices = format!("offices = [{}]", ids.join(", "));
    let town = town.replacing("buergeramt.toml", "offices = [\"raum\"]", &offices);
    let (_post, home) = Post::of(town);
    let service = home.start_demo(3_600);
    let mut visitor = Visitor::of(&service);
    visitor.form("ticket");
    let form = Request::post(&visitor.path("/wunsch?lang=en"));
    let form = form.header("sec-fetch-site", "same-origin");
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    let body = b"service=pass&name=Erika&email=erika%40example.org&booking=ask-soon";
    let laid = visitor.send(form.bytes(body));
    let to = laid.expect(303).header("location").unwrap().to_owned();
    assert_eq!(wish_at(&service, &to).offices.len(), 64);
}

/// Whoever presses twice is not told that there is no such wish.
#[test]
fn while_a_wish_is_written_down_the_same_form_is_asked_to_wait() {
    let mut city = City::start();
    let town = Town::small();
    let at = town.hours_from_now(5);
    let terms = "policy = \"lottery\"\nopens_minutes = 120";
    let town = town.with_room(&at, "08:00-18:00", terms);
    let (_post, home) = Post::with(town, &city.settings(""));
    let mut command = home.command();
    command.args(["--demo", "3600"]);
    command.env("MORGENRUH_REDIS_ANSWER_TIMEOUT_MS", "500");
    command.env("MORGENRUH_LEDGER_ACK_TIMEOUT_MS", "200");
    let service = home.start_by(command);
    let mut visitor = Visitor::of(&service);
    visitor.form("ticket");
    let date = visitor.document().dates.remove(0);
    let call = Request::post(&format!("/api/v1/rooms/{}/wishes", visitor.room));
    let call = call.bearer(visitor.token("ticket").unwrap());
    let call = call.json(&room_wish(&date, "erika"));

    city.redis.pause();
    for (lang, heading) in [
        ("de", "Einen Moment bitte"),
        ("de-leicht", "Einen Moment bitte"),
        ("en", "One moment please"),
    ] {
        let form = Request::post(&visitor.path(&format!("/wunsch?lang={lang}")));
        let form = form.header("sec-fetch-site", "same-origin");
        let form = form.header("content-type", "application/x-www-form-urlencoded");
        let body = b"service=pass&name=Erika&email=erika%40example.org&booking=ask";
        let page = visitor.send(form.bytes(body));
        assert_eq!(heading_of(page.expect(503).text()), heading);
        assert!(page.header("retry-after").is_some());
    }
    let told = service.send(&call);
    assert_eq!(
        (told.status, told.slug().as_str()),
        (503, "confirmation-pending")
    );

    city.redis.resume();
    let wish: Wish = eventually("it is written", || {
        let answer = service.send(&call);
        (answer.status != 503).then(|| answer.expect(200).json())
    });
    assert_eq!(wish.status, "undrawn");
    let page = visitor.until("We have your wish for an appointment");
    assert!(page.text().contains(&wish.id), "{}", page.text());
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
    let (inside, mut other, booking) = sold_out(&service);
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
    // Who looks by themselves is promised no letter.
    let page = other.until("We have your wish for an appointment");
    assert!(!page.text().contains("e-mail"), "{}", page.text());
    service.citizen().cancel(&booking).expect(200);
    becomes(&service, &late, "offered");
    let withdraw = Request::delete(&address(&wish)).bearer(token(&wish));
    service.send(&withdraw).expect(204);
    other.until("Your wish for an appointment has ended");
    service.stop().verify();
}
