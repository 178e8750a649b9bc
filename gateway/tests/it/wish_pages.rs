//! The pages of wishes where something does not go as it usually does.

use morgenruh_wire::Wish;
use serde_json::json;

use crate::http::{Answer, Request};
use crate::post::{get, send_form};
use crate::production::City;
use crate::support::{Home, Service};
use crate::town::Town;
use crate::wishes::{NO_NIGHT, becomes, body, lay, look, token, with};
use crate::wishes_go_on::given_unasked;

fn start() -> Service {
    Home::of(Town::small().server(NO_NIGHT)).start()
}

fn path(wish: &Wish) -> String {
    format!("/wunsch/{}/{}", wish.id, token(wish))
}

/// What a provider sends for somebody who presses its button.
fn one_click(service: &Service, wish: &Wish) -> Answer {
    let path = format!("{}/zuruecknehmen", path(wish));
    let request = Request::post(&path).header("content-type", "application/x-www-form-urlencoded");
    let request = request.header("sec-fetch-site", "cross-site");
    service.send(&request.bytes(b"List-Unsubscribe=One-Click"))
}

/// Whoever presses twice is not told that it failed while it is about to succeed.
#[test]
fn an_answer_that_is_being_written_is_no_failure() {
    let mut city = City::start();
    let home = city.home(NO_NIGHT);
    let mut command = home.command();
    command.env("MORGENRUH_REDIS_ANSWER_TIMEOUT_MS", "500");
    command.env("MORGENRUH_LEDGER_ACK_TIMEOUT_MS", "200");
    let service = home.start_by(command);
    let wish = lay(&service, &body(&service, 2, "erika"));
    becomes(&service, &wish, "offered");
    let page = get(&service, &format!("{}?lang=en", path(&wish)));
    city.redis.pause();
    for _ in 0..2 {
        let told = send_form(&service, &page, "/annehmen");
        let said = told.expect(503).text().matches("is being written down");
        assert_eq!(said.count(), 1, "{}", told.text());
        assert!(!told.text().contains("did not work"), "{}", told.text());
        assert!(told.header("retry-after").is_some());
    }
    city.redis.resume();
    becomes(&service, &wish, "booked");
    send_form(&service, &page, "/annehmen").expect(303);
}

#[test]
fn whoever_gives_a_booking_back_too_late_is_told_that_it_stands() {
    let service = start();
    let wish = given_unasked(&service, 4, "erika");
    let pages = ["de", "de-leicht", "en"].map(|lang| {
        let path = format!("{}/zurueckgeben?lang={lang}", path(&wish));
        get(&service, &path)
    });
    // With as few offers there is no other one to wait for.
    let home = service.stop();
    let mut command = home.command();
    command.env("MORGENRUH_AGENT_OFFERS_MAX", "1");
    let service = home.start_by(command);
    for (page, told) in pages.iter().zip([
        "kann nicht mehr zurückgegeben werden",
        "Sie können diesen Termin nicht mehr zurückgeben.",
        "can no longer be given back",
    ]) {
        let stays = send_form(&service, page, "/zurueckgeben");
        assert!(stays.expect(409).text().contains(told), "{}", stays.text());
        assert!(stays.text().contains("role=\"alert\""));
    }
    assert_eq!(look(&service, &wish).status, "booked");
    service.stop().verify();
}

/// The button of a mail provider, which follows nowhere: what is over is what it wants.
#[test]
fn a_button_pressed_after_the_end_is_answered_as_before() {
    let service = start();
    let booked = given_unasked(&service, 4, "erika");
    one_click(&service, &booked).expect(200);
    assert_eq!(look(&service, &booked).status, "booked");
    let wish = with(
        body(&service, 8, "hans"),
        "windows",
        json!([{ "from": "20:00", "to": "21:00" }]),
    );
    let wish = lay(&service, &wish);
    for _ in 0..2 {
        one_click(&service, &wish).expect(200);
    }
    assert_eq!(look(&service, &wish).status, "ended");
}

#[test]
fn a_form_that_is_too_large_is_a_problem_of_a_type() {
    let service = start();
    let wish = lay(&service, &body(&service, 2, "erika"));
    for form in ["annehmen", "ablehnen", "zurueckgeben", "zuruecknehmen"] {
        let request = Request::post(&format!("{}/{form}", path(&wish)));
        let large = request.header("sec-fetch-site", "same-origin");
        let answer = service.send(&large.bytes(&[b'a'; 20_000]));
        let told = (answer.status, answer.slug());
        assert_eq!(told, (413, "body-too-large".to_owned()), "{form}");
    }
    assert!(look(&service, &wish).ended.is_none());
}
