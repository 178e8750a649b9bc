//! What people write about themselves: what cannot be kept, and what must be.

use morgenruh_engine::shell::sqlite::open_database;
use morgenruh_wire::{BookingRequest, Hold, Person};

use super::refuse;
use crate::citizen::BOOKINGS;
use crate::http::Request;
use crate::support::Service;

/// A confirmation at the office that asks most, changed in one respect.
fn with(service: &Service, hold: &Hold, change: impl FnOnce(&mut BookingRequest)) -> Request {
    let mut request = service.citizen().booking_of(hold);
    request.person.phone = Some("+49 211 891".to_owned());
    request
        .answers
        .insert("kennzeichen".to_owned(), "D-AB 123".to_owned());
    change(&mut request);
    Request::post(BOOKINGS).json(&request)
}

#[test]
fn persons_that_nobody_could_reach() {
    let service = Service::start();
    let start = service.town().at(1, "08:00");
    let hold = service.citizen().hold("fragen", "pass", &start);
    let with = |change: &dyn Fn(&mut Person)| with(&service, &hold, |it| change(&mut it.person));

    let long = "x".repeat(121);
    let turned = "\u{202e}akirE";
    let names = [
        "", "   ", "a\nb", "a\0", "a\u{85}b", turned, "\u{2066}", &long,
    ];
    let names = names.map(|text| (text, with(&|it| it.name = text.to_owned())));
    refuse(&service, (422, "name-invalid", Some("person.name")), names);

    let long = format!("{}@example.org", "x".repeat(250));
    let two = "e@x.org\r\nBcc: y@z.org";
    let emails = [
        "",
        "erika",
        "@x.org",
        "erika@",
        "e@localhost",
        two,
        "e e@x.org",
        "e@@x.org",
        &long,
    ];
    let emails = emails.map(|text| (text, with(&|it| it.email = text.to_owned())));
    refuse(
        &service,
        (422, "email-invalid", Some("person.email")),
        emails,
    );

    let long = "1".repeat(21);
    let phones = ["", "ruf an", "12", "123\n45", "１２３４５", &long];
    let phones = phones.map(|text| (text, with(&|it| it.phone = Some(text.to_owned()))));
    let phone = (422, "phone-invalid", Some("person.phone"));
    refuse(&service, phone, phones);
    refuse(
        &service,
        phone,
        [("required here", with(&|it| it.phone = None))],
    );
    service.send(&with(&|_| {})).expect(201);
}

#[test]
fn answers_that_were_not_asked_for() {
    let service = Service::start();
    let hold = service
        .citizen()
        .hold("fragen", "pass", &service.town().at(1, "08:00"));
    let answered = |id: &str, answer: &str| {
        with(&service, &hold, |it| {
            drop(it.answers.insert(id.to_owned(), answer.to_owned()))
        })
    };
    let plate = ["", " ", "12345678901", "a\tb"].map(|it| (it, answered("kennzeichen", it)));
    refuse(
        &service,
        (422, "answer-invalid", Some("answers.kennzeichen")),
        plate,
    );
    let none = [("none", with(&service, &hold, |it| it.answers.clear()))];
    refuse(
        &service,
        (422, "answer-invalid", Some("answers.kennzeichen")),
        none,
    );
    let unasked = [("unasked", answered("alter", "7"))];
    refuse(
        &service,
        (422, "answer-invalid", Some("answers.alter")),
        unasked,
    );

    // Who comes for something else is not asked for the plate.
    let other = service
        .citizen()
        .hold("fragen", "pin", &service.town().at(1, "09:00"));
    service
        .send(&with(&service, &other, |it| it.answers.clear()))
        .expect(201);
    service.send(&with(&service, &hold, |_| {})).expect(201);
}

/// Names from everywhere are names.
#[test]
fn names_of_real_people_are_kept_as_they_are() {
    let service = Service::start();
    let names = [
        "Zoë Müller-Lüdenscheidt",
        "王小明",
        "محمد",
        "O’Brien'; DROP TABLE",
        "<b>Ä</b>",
    ];
    for (number, name) in names.into_iter().enumerate() {
        let (citizen, day) = (service.citizen().named(name), number as i32 + 1);
        citizen.book(&citizen.hold("gross", "pin", &service.town().at(day, "08:00")));
    }
    let home = service.stop();
    let database = open_database(home.data()).unwrap();
    let mut kept = database
        .prepare("SELECT name FROM appointments ORDER BY code")
        .unwrap();
    let kept = kept.query_map([], |row| row.get(0)).unwrap();
    let mut kept: Vec<String> = kept.map(Result::unwrap).collect();
    kept.sort_unstable();
    let mut names = names.map(str::to_owned);
    names.sort_unstable();
    assert_eq!(kept, names);
}
