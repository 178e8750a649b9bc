//! What is shown as free, when it changes, and the earliest of it.

use morgenruh::clock;
use morgenruh_wire::{Availability, AvailableDay, Hold, HoldRequest, Window};

use crate::citizen::{HOLDS, availability, one};
use crate::http::Request;
use crate::support::{Home, Service, eventually};
use crate::town::Town;

/// Between two changes an answer is the same bytes under the same tag; after a change of any of
/// its offices it is another one at once.
#[test]
fn availability_is_cached_and_never_stale() {
    let service = Service::start();
    let (citizen, day) = (service.citizen(), service.town().day(1));
    let ask = || availability("mitte", "pass", day);
    let first = citizen.send(ask());
    assert_eq!(
        first.expect(200).header("cache-control"),
        Some("public, max-age=1")
    );
    assert_eq!(citizen.send(ask()), first);
    let tag = first.header("etag").expect("answers have tags").to_owned();
    let again = citizen.send(ask().header("if-none-match", &tag));
    assert_eq!(
        (again.expect(304).header("etag"), again.body.len()),
        (Some(tag.as_str()), 0)
    );
    // As a proxy may show it that has compressed the answer, and beside others.
    for shown in [
        format!("W/{tag}"),
        format!("\"other\", {tag}"),
        "*".to_owned(),
    ] {
        citizen
            .send(ask().header("if-none-match", &shown))
            .expect(304);
    }

    // Of another day of the same office: the answer stands.
    let elsewhere = citizen.hold("mitte", "pass", &service.town().at(2, "08:00"));
    citizen
        .send(ask().header("if-none-match", &tag))
        .expect(304);
    for change in 0..20 {
        let before = citizen.send(ask());
        let start = service.town().at(1, &format!("{:02}:00", 8 + change / 2));
        citizen.hold("mitte", "pass", &start);
        let after = citizen.send(ask().header("if-none-match", before.header("etag").unwrap()));
        after.expect(200);
        assert_ne!(after.body, before.body);
    }
    citizen.release(&elsewhere).expect(204);

    // All of the city is asked, and only one office changed.
    let all = || {
        Request::get(&format!(
            "/api/v1/availability?services=pass&from={day}&to={day}"
        ))
    };
    let before = citizen.send(all());
    citizen.hold("gross", "pass", &service.town().at(1, "08:00"));
    assert_ne!(citizen.send(all()).header("etag"), before.header("etag"));
}

#[test]
fn the_earliest_seat_that_suits() {
    let service = Service::start();
    let (citizen, town) = (service.citizen(), service.town());
    let ask = |offices: Option<&[&str]>, windows: Option<Vec<Window>>| HoldRequest {
        services: one("pass"),
        earliest: true,
        offices: offices.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect()),
        windows,
        ..HoldRequest::default()
    };
    let held = |request: &HoldRequest| -> Hold {
        citizen
            .send(Request::post(HOLDS).json(request))
            .expect(201)
            .json()
    };
    // One seat a day: the earliest of tomorrow is tomorrow's, the next earliest is the day after's.
    let tomorrow_on = |from: &str, to: &str, day: i32| Window {
        weekdays: Some(vec![
            town.day(day).strftime("%a").to_string().to_lowercase(),
        ]),
        from: from.to_owned(),
        to: to.to_owned(),
    };
    let windows = vec![
        tomorrow_on("00:00", "24:00", 1),
        tomorrow_on("08:00", "08:01", 3),
    ];
    let einzel = ask(Some(&["einzel"]), Some(windows));
    for day in [1, 3, 8, 10] {
        let hold = held(&einzel);
        assert_eq!(
            (hold.office.as_str(), &hold.start),
            ("einzel", &town.at(day, "08:00"))
        );
    }
    // Several offices: whoever is first, in the window that suits.
    let both = ask(
        Some(&["einzel", "mitte"]),
        Some(vec![tomorrow_on("08:00", "09:00", 2)]),
    );
    let hold = held(&both);
    assert_eq!(hold.start, town.at(2, "08:00"));
    // Anywhere, any time: what availability shows first, and never an office that is not live.
    let shown = citizen.send(Request::get("/api/v1/availability?services=pass"));
    let shown: Availability = shown.json();
    let first = shown
        .days
        .iter()
        .flat_map(|day| &day.starts)
        .map(|it| &it.start)
        .min()
        .unwrap();
    let hold = held(&ask(None, None));
    assert_eq!(&hold.start, first);
    assert!(hold.office != "aus" && hold.office != "probe");
    let gone = ask(Some(&["einzel", "nirgends"]), None);
    let answer = citizen.send(Request::post(HOLDS).json(&gone));
    assert_eq!(
        (answer.status, answer.slug().as_str()),
        (422, "unknown-office")
    );
}

/// A sealed day opens by the clock alone: not before its instant, and then in every answer, also
/// in those that were kept.
#[test]
fn a_release_opens_the_day_by_itself() {
    let home = Home::of(Town::small());
    let mut command = home.command();
    command.args(["--demo", "3"]);
    let service = home.start_by(command);
    let (citizen, town) = (service.citizen(), service.town());
    let (day, start) = (town.day(4), town.at(4, "08:00"));
    let see = || -> AvailableDay {
        let answer = citizen.send(availability("siegel", "pass", day));
        answer.expect(200).json::<Availability>().days.remove(0)
    };
    let sealed = see();
    let release: jiff::Timestamp = sealed.sealed_until.expect("it is sealed").parse().unwrap();
    assert_eq!(sealed.starts.len(), 0);
    assert_eq!(
        citizen.try_hold("siegel", "pass", &start).slug(),
        "not-released"
    );

    let open = eventually("the day is released", || {
        let seen = see();
        (!seen.starts.is_empty()).then_some(seen)
    });
    // Printed to the second.
    assert!(clock::now().0 >= release.as_millisecond());
    assert_eq!((open.starts.len(), open.sealed_until), (118, None));
    citizen.book(&citizen.hold("siegel", "pass", &start));
    assert_eq!(
        citizen
            .try_hold("siegel", "pass", &town.at(5, "08:00"))
            .slug(),
        "not-released"
    );
}
