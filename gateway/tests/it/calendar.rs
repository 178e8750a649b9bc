//! The booking in people's calendars, read as strictly as RFC 5545 allows a reader to be.

use std::collections::BTreeMap;

use morgenruh_wire::{Booking, Hold, HoldRequest};

use crate::citizen::{Citizen, HOLDS, one, seat};
use crate::http::Request;
use crate::support::Service;

/// A calendar keeps one entry that follows the booking, and takes it out at the end.
#[test]
fn the_calendar_entry_follows_the_booking() {
    let service = Service::start();
    let (citizen, town) = (service.citizen(), service.town());
    let ask = |day, time| HoldRequest {
        services: [one("pass"), one("pin")].concat(),
        ..seat("mitte", "pass", &town.at(day, time))
    };
    let hold = |day, time| -> Hold {
        citizen
            .send(Request::post(HOLDS).json(&ask(day, time)))
            .expect(201)
            .json()
    };
    let booking = citizen.book(&hold(1, "08:00"));
    let first = entry(&citizen, &booking, "PUBLISH");
    let title = "Termin: Pass; beantragen, ändern, PIN setzen, wenn die alte vergessen, gesperrt \
                 oder überhaupt nie zugestellt worden ist";
    assert_eq!(first.value("SUMMARY"), title);
    assert_eq!(
        first.value("LOCATION"),
        "Bürgerbüro Mitte, Am Markt 1, 12345 Kleinstadt"
    );
    assert!(first.value("DESCRIPTION").contains(&booking.code));
    assert_eq!(
        (first.value("SEQUENCE"), first.value("STATUS")),
        ("0", "CONFIRMED")
    );

    let moved: Booking = citizen
        .relocate(&booking, &hold(2, "09:00"))
        .expect(200)
        .json();
    let second = entry(&citizen, &with_token(moved, &booking), "PUBLISH");
    citizen.cancel(&booking).expect(200);
    let now: Booking = citizen.look(&booking).json();
    let third = entry(&citizen, &with_token(now, &booking), "CANCEL");

    assert_eq!(
        (second.value("SEQUENCE"), second.value("STATUS")),
        ("1", "CONFIRMED")
    );
    assert_eq!(
        (third.value("SEQUENCE"), third.value("STATUS")),
        ("2", "CANCELLED")
    );
    for later in [second, third] {
        assert_eq!(later.value("UID"), first.value("UID"));
        assert_ne!(later.value("DTSTART"), first.value("DTSTART"));
    }
}

/// The booking as it is now, with the token of its first answer.
fn with_token(now: Booking, first: &Booking) -> Booking {
    Booking {
        manage_token: first.manage_token.clone(),
        ..now
    }
}

/// The booking's calendar file, which must agree with the booking.
fn entry(citizen: &Citizen, booking: &Booking, method: &str) -> Calendar {
    let answer = citizen.calendar(booking);
    let media_type = format!("text/calendar; charset=utf-8; method={method}");
    assert_eq!(
        answer.expect(200).header("content-type"),
        Some(media_type.as_str())
    );
    let calendar = Calendar::parse(answer.text());
    assert_eq!(
        (calendar.value("METHOD"), calendar.value("VERSION")),
        (method, "2.0")
    );
    for (property, time) in [("DTSTART", &booking.start), ("DTEND", &booking.end)] {
        let instant: jiff::Timestamp = time.parse().unwrap();
        assert_eq!(
            calendar.value(property),
            instant.strftime("%Y%m%dT%H%M%SZ").to_string()
        );
    }
    assert!(!calendar.value("PRODID").is_empty() && !calendar.value("DTSTAMP").is_empty());
    calendar
}

/// Longest line, in octets, without its line break.
const LINE_OCTETS_MAX: usize = 75;

/// The properties of a file with one event; texts without their escapes.
#[derive(Debug)]
struct Calendar(BTreeMap<String, String>);

impl Calendar {
    #[track_caller]
    fn parse(text: &str) -> Calendar {
        let text = text.strip_suffix("\r\n").expect("the last line ends too");
        for line in text.split("\r\n") {
            assert!(
                line.len() <= LINE_OCTETS_MAX,
                "{} octets: {line}",
                line.len()
            );
            assert!(!line.contains(['\r', '\n']), "half a line break: {line:?}");
        }
        let unfolded = text.replace("\r\n ", "").replace("\r\n\t", "");
        let lines: Vec<(&str, &str)> = unfolded
            .split("\r\n")
            .map(|line| line.split_once(':').expect("a line is name:value"))
            .collect();
        let [
            ("BEGIN", "VCALENDAR"),
            ..,
            ("END", "VEVENT"),
            ("END", "VCALENDAR"),
        ] = lines[..]
        else {
            panic!("{unfolded}")
        };
        let mut properties = BTreeMap::new();
        for (name, value) in lines {
            let name = name.split(';').next().expect("split gives something");
            let before = properties.insert(name.to_owned(), unescape(value));
            assert!(
                before.is_none() || name == "BEGIN" || name == "END",
                "{name} twice"
            );
        }
        Calendar(properties)
    }

    #[track_caller]
    fn value(&self, name: &str) -> &str {
        self.0
            .get(name)
            .unwrap_or_else(|| panic!("no {name}: {self:?}"))
    }
}

fn unescape(value: &str) -> String {
    let mut text = String::new();
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('n' | 'N') => text.push('\n'),
                Some(escaped @ ('\\' | ';' | ',')) => text.push(escaped),
                other => panic!("\\{other:?} is no escape: {value}"),
            },
            plain => text.push(plain),
        }
    }
    text
}
