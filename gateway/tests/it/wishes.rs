//! Wishes over the API: laid, offered, accepted, declined, changed, withdrawn.

use morgenruh_wire::{Booking, Wish};
use serde_json::{Value, json};

use crate::citizen::{Citizen, manage};
use crate::http::{Answer, Request};
use crate::support::{Home, Service, eventually};
use crate::town::Town;

pub(crate) const WISHES: &str = "/api/v1/wishes";
/// Offers that do not depend on the hour at which a test runs.
pub(crate) const NO_NIGHT: &str = "[agent]\nnight_from_hour = 0\nnight_until_hour = 0\n";

fn start() -> Service {
    Home::of(Town::small().server(NO_NIGHT)).start()
}

/// A wish for the one seat of that day at the office that has no other.
pub(crate) fn body(service: &Service, days_ahead: i32, name: &str) -> Value {
    let day = service.town().day(days_ahead).to_string();
    json!({
        "services": [{ "id": "pass", "quantity": 1 }],
        "offices": ["einzel"],
        "earliest": day,
        "latest": day,
        "person": { "name": name, "email": format!("{name}@example.org") },
        "notify": "poll",
    })
}

pub(crate) fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

#[track_caller]
pub(crate) fn lay(service: &Service, body: &Value) -> Wish {
    let answer = service.send(&Request::post(WISHES).json(body));
    answer.expect(201).json()
}

pub(crate) fn token(wish: &Wish) -> &str {
    let token = wish.manage_token.as_deref();
    token.expect("who laid it has the token")
}

pub(crate) fn address(wish: &Wish) -> String {
    format!("{WISHES}/{}", wish.id)
}

#[track_caller]
pub(crate) fn look(service: &Service, wish: &Wish) -> Wish {
    let request = Request::get(&address(wish)).bearer(token(wish));
    service.send(&request).expect(200).json()
}

#[track_caller]
pub(crate) fn becomes(service: &Service, wish: &Wish, status: &str) -> Wish {
    eventually(status, || {
        let now = look(service, wish);
        (now.status == status).then_some(now)
    })
}

fn answer(service: &Service, wish: &Wish, what: &str) -> Answer {
    let offered = look(service, wish).offer.expect("something is offered");
    let path = format!("/api/v1/offers/{}/{what}", offered.id);
    service.send(&Request::post(&path).bearer(token(wish)))
}

/// Somebody has the one seat of that day.
pub(crate) fn taken(service: &Service, days_ahead: i32) -> (Citizen, Booking) {
    let citizen = service.citizen();
    let start = service.town().at(days_ahead, "08:00");
    let booking = citizen.book(&citizen.hold("einzel", "pass", &start));
    (citizen, booking)
}

#[test]
fn a_cancelled_seat_becomes_a_wishers_booking() {
    let service = start();
    let (citizen, booking) = taken(&service, 2);
    let request = Request::post(WISHES).json(&body(&service, 2, "first"));
    let laid = service.send(&request.clone().key("the-first-wish-of-this-test"));
    let first: Wish = laid.expect(201).json();
    assert_eq!(
        laid.header("location"),
        Some(format!("{WISHES}/{}", first.id).as_str())
    );
    assert_eq!(laid.header("cache-control"), Some("no-store"));
    let again = service.send(&request.key("the-first-wish-of-this-test"));
    assert_eq!(again.expect(201).json::<Wish>(), first);
    let second = lay(&service, &body(&service, 2, "second"));
    assert_eq!(
        (first.status.as_str(), &first.offices),
        ("waiting", &vec!["einzel".to_owned()])
    );
    let shown = look(&service, &second);
    assert_eq!(shown.outlook.as_ref().unwrap().ahead, 1);
    assert_eq!(shown.manage_token, None);
    let wider = shown.wider.unwrap();
    assert_eq!((wider.offices.unwrap().ahead, wider.hours), (0, None));

    citizen.cancel(&booking).expect(200);
    let offered = becomes(&service, &first, "offered");
    let offer = offered.offer.unwrap();
    assert_eq!(
        (offer.office.as_str(), &offer.start),
        ("einzel", &booking.start)
    );
    assert_eq!(look(&service, &second).status, "waiting");
    let day = service.town().day(2);
    assert_eq!(citizen.free("einzel", "pass", day, &booking.start), 0);

    // It goes on to the next one.
    answer(&service, &first, "decline").expect(204);
    becomes(&service, &second, "offered");
    let declined = look(&service, &first);
    assert_eq!(
        (declined.status.as_str(), declined.offers_lost),
        ("waiting", 1)
    );
    let offer = look(&service, &second).offer.unwrap();
    let accept = Request::post(&format!("/api/v1/offers/{}/accept", offer.id));
    let accept = accept.bearer(token(&second));
    let accepted = service.send(&accept);
    let booked: Booking = accepted.expect(201).json();
    assert_eq!(
        (booked.office.as_str(), &booked.start, booked.sequence),
        ("einzel", &booking.start, 0)
    );
    assert_eq!(service.send(&accept).expect(201).json::<Booking>(), booked);
    let now = becomes(&service, &second, "booked").booking.unwrap();
    assert_eq!((&now.booking, &now.code), (&booked.id, &booked.code));
    assert_eq!(now.manage_token.as_deref(), Some(manage(&booked)));
    citizen.look(&booked).expect(200);
    citizen.cancel(&booked).expect(200);
    service.stop().verify();
}

#[test]
fn what_cannot_be_wished_for_is_told_by_its_field() {
    let service = start();
    let good = body(&service, 2, "erika");
    let day = |days: i32| json!(service.town().day(days).to_string());
    let window = |from: &str, to: &str| json!([{ "from": from, "to": to }]);
    let too_many = json!(vec!["einzel"; 65]);
    for (field, value, slug, at) in [
        ("services", json!([]), "services-invalid", "services"),
        (
            "services",
            json!([{ "id": "nix", "quantity": 1 }]),
            "unknown-service",
            "services[0].id",
        ),
        (
            "services",
            json!([{ "id": "pin", "quantity": 1 }]),
            "service-not-offered",
            "services",
        ),
        (
            "services",
            json!([{ "id": "pass", "quantity": 9 }]),
            "quantity-out-of-range",
            "services",
        ),
        ("offices", json!([]), "invalid-request", "offices"),
        ("offices", json!(["nirgends"]), "unknown-office", "offices"),
        ("offices", json!(["probe"]), "unknown-office", "offices"),
        ("offices", too_many, "invalid-request", "offices"),
        (
            "offices",
            json!(["fragen"]),
            "phone-invalid",
            "person.phone",
        ),
        ("windows", json!([]), "window-invalid", "windows"),
        (
            "windows",
            window("08:30", "12:00"),
            "window-invalid",
            "windows",
        ),
        (
            "windows",
            window("12:00", "08:00"),
            "window-invalid",
            "windows",
        ),
        (
            "windows",
            window("08:00", "25:00"),
            "window-invalid",
            "windows",
        ),
        (
            "windows",
            json!([{ "weekdays": [], "from": "08:00", "to": "09:00" }]),
            "window-invalid",
            "windows",
        ),
        (
            "windows",
            json!([{ "weekdays": ["mo"], "from": "08:00", "to": "09:00" }]),
            "window-invalid",
            "windows",
        ),
        ("earliest", json!("tomorrow"), "window-invalid", "earliest"),
        ("earliest", day(-1), "window-invalid", "earliest"),
        ("earliest", day(3), "window-invalid", "latest"),
        ("latest", day(1), "window-invalid", "latest"),
        ("latest", day(367), "window-invalid", "latest"),
        (
            "notice_minutes",
            json!(43_201),
            "window-invalid",
            "notice_minutes",
        ),
        ("language", json!("fr"), "invalid-request", "language"),
        (
            "answers",
            json!({ "farbe": "rot" }),
            "answer-invalid",
            "answers.farbe",
        ),
        (
            "person",
            json!({ "name": "", "email": "a@b.de" }),
            "name-invalid",
            "person.name",
        ),
        (
            "person",
            json!({ "name": "A", "email": "a" }),
            "email-invalid",
            "person.email",
        ),
        ("notify", json!("email"), "notify-refused", "notify"),
        (
            "notify",
            json!({ "webhook": "https://127.0.0.1/" }),
            "notify-refused",
            "notify",
        ),
    ] {
        let bad = with(good.clone(), field, value.clone());
        let answer = service.send(&Request::post(WISHES).json(&bad));
        let told = (answer.status, answer.slug(), answer.problem().field);
        assert_eq!(
            told,
            (422, slug.to_owned(), Some(at.to_owned())),
            "{field} {value}"
        );
    }
    for (field, value) in [
        ("notify", json!("letter")),
        ("instead_of", json!("x")),
        ("wish", json!(1)),
        ("auto_accept", json!("yes")),
    ] {
        let bad = with(good.clone(), field, value);
        let answer = service.send(&Request::post(WISHES).json(&bad));
        assert_eq!(
            (answer.status, answer.slug().as_str()),
            (422, "invalid-request")
        );
    }
    // Nobody can be told by e-mail here, and that is what is usual.
    let mut usual = good.clone();
    usual.as_object_mut().unwrap().remove("notify");
    let answer = service.send(&Request::post(WISHES).json(&usual));
    assert_eq!(
        (answer.status, answer.slug().as_str()),
        (422, "notify-refused")
    );
    for _ in 0..3 {
        lay(&service, &good);
    }
    let answer = service.send(&Request::post(WISHES).json(&good));
    assert_eq!(
        (answer.status, answer.slug().as_str()),
        (409, "wishes-exhausted")
    );
}

#[test]
fn only_who_laid_a_wish_gets_to_it() {
    let service = start();
    let (citizen, booking) = taken(&service, 2);
    let wish = lay(&service, &body(&service, 2, "erika"));
    citizen.cancel(&booking).expect(200);
    let offer = becomes(&service, &wish, "offered").offer.unwrap();
    let accept = format!("/api/v1/offers/{}/accept", offer.id);
    let decline = format!("/api/v1/offers/{}/decline", offer.id);
    let other = lay(&service, &body(&service, 3, "other"));
    let confirm = format!("{}/confirm", address(&wish));
    let give_back = Request::post(&format!("{}/return", address(&wish)));
    let give_back = give_back.json(&json!({ "booking": offer.id }));
    for (request, slug) in [
        (Request::get(&address(&wish)), "wish-unknown"),
        (Request::delete(&address(&wish)), "wish-unknown"),
        (
            Request::new("PATCH", &address(&wish)).text("{}"),
            "wish-unknown",
        ),
        (Request::post(&confirm), "wish-unknown"),
        (give_back, "wish-unknown"),
        (Request::post(&accept), "offer-unknown"),
        (Request::post(&decline), "offer-unknown"),
    ] {
        let without = service.send(&request);
        assert_eq!(
            (without.status, without.slug().as_str()),
            (401, "token-missing")
        );
        for token in [token(&other), "x", "AAAAAAAAAAAAAAAAAAAAAA"] {
            let answer = service.send(&request.clone().bearer(token));
            assert_eq!((answer.status, answer.slug().as_str()), (404, slug));
        }
    }
    assert_eq!(look(&service, &wish).status, "offered");
}

#[test]
fn a_wish_that_takes_less_keeps_its_place() {
    let service = start();
    let mut wide = body(&service, 2, "erika");
    wide["latest"] = json!(service.town().day(5).to_string());
    let wish = lay(&service, &wide);
    let change = |change: Value| {
        let request = Request::new("PATCH", &address(&wish)).json(&change);
        service.send(&request.bearer(token(&wish)))
    };
    let narrower: Wish = change(json!({
        "latest": service.town().day(3).to_string(),
        "windows": [{ "weekdays": ["mon", "tue"], "from": "08:00", "to": "12:00" }],
        "auto_accept": true,
    }))
    .expect(200)
    .json();
    assert_eq!(narrower.place.kept, Some(true));
    assert_eq!(narrower.place.since, wish.place.since);
    assert!(narrower.auto_accept && narrower.windows.len() == 1);
    assert!(narrower.wider.unwrap().hours.is_some());
    let wider: Wish = change(json!({ "offices": ["einzel", "mitte"] }))
        .expect(200)
        .json();
    assert_eq!(wider.place.kept, Some(false));
    assert_eq!(wider.offices, ["mitte", "einzel"]);
    let refused = change(json!({ "offices": ["fragen"] }));
    assert_eq!(
        (refused.status, refused.slug().as_str()),
        (422, "phone-invalid")
    );
    assert_eq!(change(json!({ "earliest": "x" })).slug(), "window-invalid");
    assert_eq!(change(json!({ "person": {} })).slug(), "invalid-request");

    let withdraw = Request::delete(&address(&wish)).bearer(token(&wish));
    service.send(&withdraw).expect(204);
    service.send(&withdraw).expect(204);
    let ended = look(&service, &wish);
    assert_eq!(
        (ended.status.as_str(), ended.ended.as_deref()),
        ("ended", Some("withdrawn"))
    );
    let over = change(json!({ "auto_accept": false }));
    assert_eq!((over.status, over.slug().as_str()), (409, "wish-over"));
}

#[test]
fn a_booking_is_brought_forward() {
    let service = start();
    let (citizen, early) = taken(&service, 2);
    taken(&service, 3);
    let (_, late) = taken(&service, 4);
    let mut body = body(&service, 2, "erika");
    body["auto_accept"] = json!(true);
    body["instead_of"] = json!({ "booking": late.id, "manage_token": manage(&late) });
    let too_late = with(
        body.clone(),
        "latest",
        json!(service.town().day(5).to_string()),
    );
    let refused = service.send(&Request::post(WISHES).json(&too_late));
    assert_eq!(
        (refused.status, refused.problem().field.as_deref()),
        (422, Some("latest"))
    );
    let other = with(
        body.clone(),
        "services",
        json!([{ "id": "pass", "quantity": 2 }]),
    );
    let refused = service.send(&Request::post(WISHES).json(&other));
    assert_eq!(
        (refused.status, refused.problem().field.as_deref()),
        (422, Some("services"))
    );
    let mut foreign = body.clone();
    foreign["instead_of"]["manage_token"] = json!(manage(&early));
    let refused = service.send(&Request::post(WISHES).json(&foreign));
    assert_eq!(
        (refused.status, refused.slug().as_str()),
        (404, "booking-unknown")
    );

    let wish = lay(&service, &body);
    assert_eq!(wish.instead_of.as_deref(), Some(late.id.as_str()));
    let again = service.send(&Request::post(WISHES).json(&body));
    assert_eq!((again.status, again.slug().as_str()), (409, "wish-exists"));
    // A later last day is one, and nothing that is not earlier comes of it: the fifth day is free.
    let last = service.town().day(5).to_string();
    let change = Request::new("PATCH", &address(&wish)).json(&json!({ "latest": last }));
    let changed: Wish = service
        .send(&change.bearer(token(&wish)))
        .expect(200)
        .json();
    assert_eq!((changed.latest, &*changed.status), (last, "waiting"));
    citizen.cancel(&early).expect(200);
    let booked = becomes(&service, &wish, "booked").booking.unwrap();
    assert_eq!((&booked.booking, &booked.manage_token), (&late.id, &None));
    let moved: Booking = citizen.look(&late).expect(200).json();
    assert_eq!((&moved.start, moved.sequence), (&early.start, 1));
    service.stop().verify();
}
