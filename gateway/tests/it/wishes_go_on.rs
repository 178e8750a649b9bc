//! Wishes that sleep because nobody answered, and wishes that wait on after what was booked without
//! asking was given back.

use std::process::Command;

use morgenruh_wire::{Booking, Wish, WishBooking};
use serde_json::{Value, json};

use crate::citizen::Citizen;
use crate::http::{Answer, Request};
use crate::metrics::Metrics;
use crate::post::{Post, get, send_form};
use crate::support::{Home, Service, eventually};
use crate::town::Town;
use crate::wishes::{NO_NIGHT, address, becomes, body, lay, look, taken, token, with};

/// An hour passes in less than a second.
const SPEED: &str = "4000";

fn start() -> Service {
    Home::of(Town::small().server(NO_NIGHT)).start()
}

/// A wish for the seats of two days that is booked without asking.
fn unasked(service: &Service, days_ahead: i32, name: &str) -> Value {
    let mut body = body(service, days_ahead, name);
    body["latest"] = json!(service.town().day(days_ahead + 1).to_string());
    with(body, "auto_accept", json!(true))
}

fn confirm(service: &Service, wish: &Wish) -> Answer {
    let path = format!("{}/confirm", address(wish));
    service.send(&Request::post(&path).bearer(token(wish)))
}

fn give_back(service: &Service, wish: &Wish, booking: &str) -> Answer {
    let path = format!("{}/return", address(wish));
    let request = Request::post(&path).json(&json!({ "booking": booking }));
    service.send(&request.bearer(token(wish)))
}

/// What a wish has become, as its owner sees it.
fn booking_of(service: &Service, booked: &WishBooking) -> Booking {
    let path = format!("/api/v1/bookings/{}", booked.booking);
    let request = Request::get(&path).bearer(booked.manage_token.as_deref().unwrap());
    service.send(&request).expect(200).json()
}

/// Cancels it without a word to the wish.
fn cancel(service: &Service, booked: &WishBooking) {
    let path = format!("/api/v1/bookings/{}", booked.booking);
    let request = Request::delete(&path).bearer(booked.manage_token.as_deref().unwrap());
    service.send(&request).expect(200);
}

/// The seats of two days, taken by somebody else.
fn both_taken(service: &Service, days_ahead: i32) -> (Citizen, [Booking; 2]) {
    let (citizen, first) = taken(service, days_ahead);
    let (_, second) = taken(service, days_ahead + 1);
    (citizen, [first, second])
}

/// A service whose clock runs, with a wish that has not answered an offer and sleeps.
pub(crate) fn gone_to_sleep() -> (Service, Wish) {
    let home = Home::of(patient_town().server(NO_NIGHT));
    let mut command = fast(&home);
    command.env("MORGENRUH_AGENT_ANSWER_MINUTES_DISTANT", "60");
    let service = home.start_by(command);
    let wish = lay(&service, &body(&service, 20, "erika"));
    becomes(&service, &wish, "asleep");
    (service, wish)
}

/// A wish that has become a booking without being asked.
pub(crate) fn given_unasked(service: &Service, days_ahead: i32, name: &str) -> Wish {
    let wish = lay(service, &unasked(service, days_ahead, name));
    becomes(service, &wish, "booked");
    wish
}

/// Its booking is cancelled, and the wish does not wait on yet.
pub(crate) fn cancelled(service: &Service, wish: &Wish) {
    cancel(service, &look(service, wish).booking.unwrap());
}

/// With holds that last longer than a moment of a fast clock.
fn patient_town() -> Town {
    Town::small().with_line("buergeramt/einzel.toml", "hold_minutes = 120")
}

fn fast(home: &Home) -> Command {
    let mut command = home.command();
    command.args(["--clock-speed", SPEED]);
    command
}

#[test]
fn who_does_not_answer_is_reminded_and_then_asked_whether_they_still_wait() {
    let (post, home) = Post::of(patient_town());
    let mut command = fast(&home);
    command.env("MORGENRUH_AGENT_ANSWER_MINUTES_DISTANT", "480");
    let service = home.start_by(command);
    let (citizen, [first, second]) = both_taken(&service, 20);
    let mut wide = with(body(&service, 20, "erika"), "notify", json!("email"));
    wide["latest"] = json!(service.town().day(21).to_string());
    let wish = lay(&service, &wide);
    citizen.cancel(&first).expect(200);
    let offer = becomes(&service, &wish, "offered").offer.unwrap();
    let reminder = offer.reminder.expect("it waits for long");
    assert!(reminder < offer.deadline && offer.start > offer.deadline);

    let reminded = post.letter("Der Termin ist noch");
    assert!(reminded.link("/annehmen").contains(&offer.id));
    let open = look(&service, &wish);
    assert_eq!(open.status, "offered");
    assert_eq!(open.offer.unwrap().reminder, None);

    let asleep = becomes(&service, &wish, "asleep");
    assert_eq!((asleep.offers_lost, asleep.outlook.is_some()), (1, true));
    assert!(asleep.place.since > wish.place.since);
    assert_eq!(Metrics::of(&service).value("morgenruh_wishes_asleep"), 1.0);
    let lapsed = post.letter("Ein Angebot ist abgelaufen");
    let late = get(&service, &reminded.link("/annehmen"));
    assert!(late.text().contains("Dieses Angebot gilt nicht mehr"));
    citizen.cancel(&second).expect(200);
    for (lang, question) in [
        ("", "Möchten Sie weiter Angebote bekommen?"),
        ("?lang=de-leicht", "Möchten Sie weiter Angebote bekommen?"),
        ("?lang=en", "Do you still want to be offered appointments?"),
    ] {
        let page = get(&service, &format!("{}{lang}", lapsed.wish()));
        assert!(
            page.expect(200).text().contains(question),
            "{}",
            page.text()
        );
    }
    // Looking has changed nothing.
    assert_eq!(look(&service, &wish).status, "asleep");

    let page = get(&service, &lapsed.wish());
    let back = send_form(&service, &page, "/weiter");
    assert_eq!(back.expect(303).header("location"), Some(&*lapsed.wish()));
    // Sent twice, it is the same; while the next offer is being written, it is asked to wait.
    eventually("it is confirmed again", || {
        let again = send_form(&service, &page, "/weiter");
        (again.status != 409).then(|| again.expect(303).status)
    });
    let offer = becomes(&service, &wish, "offered").offer.unwrap();
    assert_eq!(offer.start, second.start);
    service.stop().verify();
}

#[test]
fn a_wish_that_does_not_sleep_is_confirmed_as_it_is() {
    let service = start();
    let wish = lay(&service, &body(&service, 2, "erika"));
    let confirmed: Wish = confirm(&service, &wish).expect(200).json();
    assert_eq!(confirmed.place, wish.place);
    becomes(&service, &wish, "offered");
    confirm(&service, &wish).expect(200);
    let withdraw = Request::delete(&address(&wish)).bearer(token(&wish));
    service.send(&withdraw).expect(204);
    let over = confirm(&service, &wish);
    assert_eq!((over.status, over.slug().as_str()), (409, "wish-over"));
}

#[test]
fn what_was_booked_unasked_is_given_back_for_another_one() {
    let service = start();
    let (citizen, [first, second]) = both_taken(&service, 4);
    let wish = lay(&service, &unasked(&service, 4, "erika"));
    citizen.cancel(&first).expect(200);
    let booked = becomes(&service, &wish, "booked");
    assert!(booked.returnable);
    let made = booked.booking.unwrap();
    assert_eq!(booking_of(&service, &made).start, first.start);

    for wrong in [&*second.id, "x", ""] {
        let answer = give_back(&service, &wish, wrong);
        let told = (answer.status, answer.slug());
        assert_eq!(told, (404, "booking-unknown".to_owned()), "{wrong}");
    }
    let waits: Wish = give_back(&service, &wish, &made.booking).expect(200).json();
    assert_eq!((waits.status.as_str(), waits.offers_lost), ("waiting", 1));
    assert_eq!(waits.place, wish.place);
    assert_eq!(booking_of(&service, &made).status, "cancelled");
    give_back(&service, &wish, &made.booking).expect(200);

    citizen.cancel(&second).expect(200);
    let next = becomes(&service, &wish, "booked").booking.unwrap();
    // An answer that was lost on its way costs nobody what has come of it.
    let again: Wish = give_back(&service, &wish, &made.booking).expect(200).json();
    assert_eq!(again.booking.as_ref(), Some(&next));
    let stands = booking_of(&service, &next);
    assert_eq!((&*stands.status, stands.start), ("booked", second.start));
    let returned = Metrics::of(&service).find("morgenruh_offers_total", &[("outcome", "returned")]);
    assert_eq!(returned, Some(1.0));
    service.stop().verify();
}

#[test]
fn nobody_loses_a_booking_that_cannot_be_given_back() {
    let service = start();
    // Whoever was asked has said yes.
    let asked = lay(&service, &body(&service, 2, "erika"));
    let offer = becomes(&service, &asked, "offered").offer.unwrap();
    let accept = Request::post(&format!("/api/v1/offers/{}/accept", offer.id));
    service.send(&accept.bearer(token(&asked))).expect(201);
    let booked = look(&service, &asked);
    assert!(!booked.returnable);
    let booked = booked.booking.unwrap();
    let refused = give_back(&service, &asked, &booked.booking);
    assert_eq!(
        (refused.status, refused.slug().as_str()),
        (409, "wish-over")
    );
    assert_eq!(booking_of(&service, &booked).status, "booked");

    // As many as can be: with another one the wish would be over.
    let home = service.stop();
    let mut command = home.command();
    command.env("MORGENRUH_AGENT_OFFERS_MAX", "1");
    let service = home.start_by(command);
    let unasked = with(body(&service, 3, "hans"), "auto_accept", json!(true));
    let wish = lay(&service, &unasked);
    let booked = becomes(&service, &wish, "booked");
    assert!(!booked.returnable);
    let booked = booked.booking.unwrap();
    let refused = give_back(&service, &wish, &booked.booking);
    assert_eq!(
        (refused.status, refused.slug().as_str()),
        (409, "wish-over")
    );
    assert_eq!(booking_of(&service, &booked).status, "booked");
    service.stop().verify();
}

/// The service died after it had cancelled the booking, and before the wish waited on.
#[test]
fn giving_back_goes_on_after_a_crash_between_its_steps() {
    let service = start();
    let (citizen, [first, second]) = both_taken(&service, 4);
    let wish = lay(&service, &unasked(&service, 4, "erika"));
    citizen.cancel(&first).expect(200);
    let booked = becomes(&service, &wish, "booked").booking.unwrap();
    cancel(&service, &booked);
    let service = service.kill().start();
    let between = look(&service, &wish);
    assert_eq!(
        (between.status.as_str(), between.returnable),
        ("booked", true)
    );
    let path = format!("/wunsch/{}/{}", wish.id, token(&wish));
    let page = get(&service, &path);
    assert!(
        page.text().contains("Ihr Termin ist abgesagt"),
        "{}",
        page.text()
    );
    let waits: Wish = give_back(&service, &wish, &booked.booking)
        .expect(200)
        .json();
    assert_eq!(
        (waits.status.as_str(), &waits.place),
        ("waiting", &wish.place)
    );
    let service = service.kill().start();
    assert_eq!(look(&service, &wish).status, "waiting");
    service.citizen().cancel(&second).expect(200);
    becomes(&service, &wish, "booked");
    service.stop().verify();
}

#[test]
fn a_letter_leads_to_the_page_that_gives_back_what_was_booked_unasked() {
    let (post, home) = Post::start();
    let service = home.start();
    let (citizen, [first, second]) = both_taken(&service, 4);
    let wish = with(unasked(&service, 4, "erika"), "notify", json!("email"));
    let wish = lay(&service, &wish);
    citizen.cancel(&first).expect(200);
    let booked = becomes(&service, &wish, "booked").booking.unwrap();
    let letter = post.letter("Ihr Termin ist gebucht");
    let path = letter.link("/zurueckgeben");
    for (lang, question) in [
        ("de", "Möchten Sie diesen Termin zurückgeben?"),
        ("de-leicht", "Sie behalten Ihren Platz."),
        ("en", "Do you want to give this appointment back?"),
    ] {
        let asked = get(&service, &format!("{path}?lang={lang}"));
        assert!(
            asked.expect(200).text().contains(question),
            "{}",
            asked.text()
        );
    }
    // A mail program that follows links has done nothing.
    assert_eq!(booking_of(&service, &booked).status, "booked");
    let page = get(&service, path.strip_suffix("/zurueckgeben").unwrap());
    assert!(page.text().contains(&format!("href=\"{path}?lang=de\"")));
    let foreign = Request::post(&path)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "cross-site");
    assert_eq!(service.send(&foreign.bytes(b"")).slug(), "cross-site");

    let asked = get(&service, &path);
    for _ in 0..2 {
        send_form(&service, &asked, "/zurueckgeben").expect(303);
    }
    let page = get(&service, path.strip_suffix("/zurueckgeben").unwrap());
    assert!(page.text().contains("buchen wir ihn"), "{}", page.text());
    assert_eq!(booking_of(&service, &booked).status, "cancelled");
    citizen.cancel(&second).expect(200);
    let next = becomes(&service, &wish, "booked").booking.unwrap();
    // The same form, sent once more from a page that was left open.
    send_form(&service, &asked, "/zurueckgeben").expect(303);
    assert_eq!(booking_of(&service, &next).status, "booked");
    // Who cancels can wait on as well.
    cancel(&service, &next);
    let page = get(&service, path.strip_suffix("/zurueckgeben").unwrap());
    assert!(page.text().contains("Weiter warten"), "{}", page.text());
    send_form(&service, &page, "/zurueckgeben").expect(303);
    assert_eq!(look(&service, &wish).status, "waiting");
    service.stop().verify();
}
