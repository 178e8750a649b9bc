//! Holds that cannot be used: not one's own, not any more, not twice.

use morgenruh_wire::{Booking, Hold};
use serde_json::json;

use super::refuse;
use crate::citizen::{BOOKINGS, Citizen, HOLDS, manage, path, seat, token};
use crate::http::Request;
use crate::support::Service;
use crate::town::CALL_CENTRE_KEY;

/// Somebody with a hold in each of the states that it can be in.
struct Holder {
    service: Service,
    citizen: Citizen,
    live: Hold,
    other: Hold,
    released: Hold,
    used: Hold,
    booking: Booking,
}

impl Holder {
    fn start() -> Holder {
        let service = Service::start();
        let citizen = service.citizen();
        let hold = |time: &str| citizen.hold("mitte", "pass", &service.town().at(1, time));
        let [live, other, released, used] = ["08:00", "09:00", "10:00", "11:00"].map(hold);
        citizen.release(&released).expect(204);
        Holder {
            booking: citizen.book(&used),
            live,
            other,
            released,
            used,
            citizen,
            service,
        }
    }

    /// The id of one hold with the secret of another.
    fn forged(&self) -> String {
        let (id, secret) = (token(&self.live), token(&self.other));
        format!("{}{}", &id[..22], &secret[22..])
    }

    fn book(&self, token: &str) -> Request {
        let mut body = self.citizen.booking_of(&self.live);
        body.hold = token.to_owned();
        Request::post(BOOKINGS).json(&body)
    }

    fn relocate(&self, token: &str) -> Request {
        let request = Request::post(&format!("{}/move", path(&self.booking)));
        request
            .bearer(manage(&self.booking))
            .json(&json!({ "hold": token }))
    }
}

fn release(hold: &Hold, token: &str) -> Request {
    Request::delete(&format!("{HOLDS}/{}", hold.id)).bearer(token)
}

fn extend(hold: &Hold, token: &str) -> Request {
    Request::post(&format!("{HOLDS}/{}/extend", hold.id)).bearer(token)
}

#[test]
fn holds_of_other_people() {
    let holder = Holder::start();
    let (live, forged) = (&holder.live, holder.forged());
    let by_token = [
        ("release: rubbish", release(live, "rubbish")),
        ("release: another's", release(live, token(&holder.other))),
        ("release: forged", release(live, &forged)),
        (
            "release: a booking's",
            release(&holder.used, manage(&holder.booking)),
        ),
        ("extend: zeros", extend(live, &"A".repeat(43))),
        ("extend: forged", extend(live, &forged)),
    ];
    refuse(&holder.service, (404, "hold-unknown", None), by_token);
    let by_field = [
        ("book: nothing", holder.book("")),
        ("book: rubbish", holder.book("rubbish")),
        ("book: huge", holder.book(&"A".repeat(10_000))),
        ("book: forged", holder.book(&forged)),
        ("move: rubbish", holder.relocate("rubbish")),
        ("move: forged", holder.relocate(&forged)),
    ];
    refuse(
        &holder.service,
        (404, "hold-unknown", Some("hold")),
        by_field,
    );
    let bare = Request::delete(&format!("{HOLDS}/{}", live.id));
    let nobody = [
        ("no token", bare.clone()),
        (
            "an empty one",
            bare.clone().header("authorization", "Bearer"),
        ),
        ("another scheme", bare.header("authorization", "Basic eDp5")),
    ];
    refuse(&holder.service, (401, "token-missing", None), nobody);
    holder.citizen.book(live);
}

/// One bit of a token is as good as all of them.
#[test]
fn tokens_with_a_letter_changed() {
    let holder = Holder::start();
    let whole = token(&holder.live);
    // The last letter carries bits that are not part of the token; it is left out.
    let changed = (0..whole.len() - 1).map(|position| {
        let letter = if whole[position..].starts_with('A') {
            "B"
        } else {
            "A"
        };
        [&whole[..position], letter, &whole[position + 1..]].concat()
    });
    for changed in changed {
        let answer = holder.service.send(&holder.book(&changed));
        assert!(
            matches!(answer.status, 404 | 409),
            "{changed}: {}",
            answer.text()
        );
        assert!(["hold-unknown", "hold-expired"].contains(&answer.slug().as_str()));
    }
    assert_eq!(holder.service.home().verify().live, 1);
    holder.citizen.book(&holder.live);
}

#[test]
fn holds_that_are_over() {
    let holder = Holder::start();
    let released = token(&holder.released);
    let elsewhere = format!("{}{}", &token(&holder.live)[..3], "A".repeat(40));
    let by_token = [
        ("release", release(&holder.released, released)),
        ("extend", extend(&holder.released, released)),
    ];
    refuse(&holder.service, (409, "hold-expired", None), by_token);
    let by_field = [
        ("book", holder.book(released)),
        ("book: an office that is not", holder.book(&"A".repeat(43))),
        ("book: a day long ago", holder.book(&elsewhere)),
        ("move", holder.relocate(released)),
    ];
    refuse(
        &holder.service,
        (409, "hold-expired", Some("hold")),
        by_field,
    );
}

#[test]
fn holds_that_are_used_up() {
    let holder = Holder::start();
    let (used, live) = (&holder.used, &holder.live);
    let by_token = [
        ("release", release(used, token(used))),
        ("extend", extend(used, token(used))),
    ];
    refuse(&holder.service, (409, "hold-used", None), by_token);
    let else_ = holder.citizen.clone().named("Somebody Else");
    let by_field = [("book: another name", else_.confirmation(used))];
    refuse(&holder.service, (409, "hold-used", Some("hold")), by_field);
    holder.citizen.extend(live).expect(200);
    // Nobody waits for an extension; once a later booking is durable, it is written as well.
    let later = holder.service.town().at(3, "08:00");
    let later = holder.citizen.hold("mitte", "pass", &later);
    holder.citizen.book(&later);
    let again = [("extend", extend(live, token(live)))];
    refuse(&holder.service, (409, "already-extended", None), again);
}

#[test]
fn idempotency_keys() {
    let service = Service::start();
    let (citizen, town) = (service.citizen(), service.town());
    let ask = |day, time| Request::post(HOLDS).json(&seat("mitte", "pass", &town.at(day, time)));
    let held = service.send(&ask(1, "08:00").key("k1"));
    let hold: Hold = held.expect(201).json();
    let other = citizen.hold("mitte", "pass", &town.at(2, "08:00"));
    let booked = service.send(&citizen.confirmation(&hold).key("k1"));
    booked.expect(201);
    let else_ = citizen.clone().named("Somebody Else");
    let reused = [
        ("hold: another start", ask(1, "09:00").key("k1")),
        (
            "booking: another hold",
            citizen.confirmation(&other).key("k1"),
        ),
        ("booking: another name", else_.confirmation(&hold).key("k1")),
    ];
    refuse(&service, (422, "idempotency-key-reused", None), reused);
    let with = |key: &str| ask(1, "09:00").header("idempotency-key", key);
    let short = "fifteen-letters";
    let long = "k".repeat(201);
    let keys = [
        "",
        short,
        "sixteen letters or more",
        "ein-guter-schlüssel",
        &long,
    ];
    let invalid = keys.map(|key| (key, with(key)));
    refuse(&service, (400, "idempotency-key-invalid", None), invalid);

    assert_eq!(service.send(&ask(1, "08:00").key("k1")), held);
    assert_eq!(service.send(&citizen.confirmation(&hold).key("k1")), booked);
    // A request that was refused has not used its key.
    service.send(&ask(5, "08:00").key("k2")).expect(422);
    service.send(&ask(1, "09:00").key("k2")).expect(201);
}

#[test]
fn service_keys_that_nobody_gave() {
    let service = Service::start();
    let start = service.town().at(1, "08:00");
    let upper = CALL_CENTRE_KEY.to_uppercase();
    for call in [
        Request::post(HOLDS).json(&seat("mitte", "pass", &start)),
        Request::get("/api/v1/availability?services=pass"),
        Request::get("/api/v1/offices"),
    ] {
        let keys = ["", "guess", &CALL_CENTRE_KEY[1..], &upper];
        let cases = keys.map(|key| (key, call.clone().header("x-service-key", key)));
        refuse(&service, (401, "service-key-invalid", None), cases);
    }
}
