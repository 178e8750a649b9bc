//! `[[room]]` in a department's file: what loads, what is said about what does not.

use morgenruh_engine::rules::catalogue::dump::dump;
use morgenruh_engine::rules::catalogue::{Beacons, OfficeIndex};

use crate::catalogue::{Files, complaints, loaded, small_town};

const WAVE: &str = "[[wave]]\ndays_ahead = 3\nat = \"06:30\"\n";
const ROOM: &str = "[[room]]\nid = \"fruehstart\"\nnumber = 1\n\
                    name = { de = \"Frühstart\", en = \"Early Start\" }\nat = \"06:30\"\n";

/// The small town with a release at half past six and these rooms.
fn town(rooms: &str) -> Files {
    let mut files = small_town();
    let mut add = |file: &str, text: &str| {
        files.entry(file.to_owned()).or_default().push_str(text);
    };
    add("amt/rathaus.toml", WAVE);
    add("amt.toml", rooms);
    files
}

#[test]
fn a_room_has_the_defaults_of_the_manual() {
    let city = loaded(&town(ROOM));
    let [room] = &city.rooms[..] else {
        panic!("one room is configured")
    };
    assert_eq!(
        (room.id.as_str(), room.number, room.at),
        ("fruehstart", 1, 390)
    );
    assert_eq!(room.offices, [OfficeIndex(0)]);
    assert_eq!((room.opens_minutes, room.closes_minutes), (30, 120));
    assert_eq!((room.passes_max, room.passes_per_minute), (200, 600));
    assert_eq!((room.turn_minutes, room.pass_minutes), (5, 10));
    assert_eq!((room.holds_per_pass, room.proof_of_work), (1, 0));
    assert_eq!(room.beacons, None);
    let manual = include_str!("../../../config/default.toml");
    for said in [
        "30 and 120.",
        "choose at the same time. 1 to 100000. 200.",
        "who are called. 1 to 100000. 600.",
        "waits for its ticket. 1 to 720. 5.",
        "without a hold. 1 to 720. 10.",
        "at the same time. 1 to 10. 1.",
        "the draw is made without. 1 to 3600. 90.",
    ] {
        assert!(manual.contains(said), "{said}");
    }
}

#[test]
fn a_dump_with_rooms_is_the_same_city() {
    let more = "offices = [\"rathaus\"]\nopens_minutes = 20\ncloses_minutes = 60\n\
                passes_max = 5\npasses_per_minute = 7\nturn_minutes = 2\npass_minutes = 3\n\
                holds_per_pass = 2\nproof_of_work = 9\nbeacon = \"https://beacon.example/\"\n\
                beacon_after_seconds = 10\nbeacon_wait_seconds = 30\n";
    let city = loaded(&town(&format!("{ROOM}{more}")));
    let beacons = Beacons {
        source: "https://beacon.example/".into(),
        fetched: true,
        after_seconds: 10,
        wait_seconds: 30,
    };
    assert_eq!(city.rooms[0].beacons, Some(beacons));
    let dumped = dump(&city);
    let again = loaded(&dumped);
    assert_eq!(format!("{city:#?}"), format!("{again:#?}"));
    assert_eq!(dumped, dump(&again));
}

/// Everything but the words around it.
fn said(rooms: &str) -> Vec<String> {
    let complaints = complaints(&town(rooms));
    let short = |it: &String| {
        let words = it.split_once(": ");
        words.map_or_else(|| it.clone(), |(_, words)| words.to_owned())
    };
    complaints.iter().map(short).collect()
}

#[test]
fn every_mistake_is_named() {
    let changed = |from: &str, to: &str| {
        assert!(ROOM.contains(from));
        said(&ROOM.replace(from, to))
    };
    let with = |line: &str| said(&format!("{ROOM}{line}\n"));
    let only = |said: Vec<String>, start: &str| {
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains(start), "{said:?}");
    };
    only(
        changed("06:30", "07:00"),
        "none of its offices has a wave at this time",
    );
    assert!(
        changed("06:30", "24:00")
            .iter()
            .any(|it| it.contains("write that"))
    );
    for needed in ["id = \"fruehstart\"", "number = 1\n", "at = \"06:30\""] {
        assert!(!changed(needed, "").is_empty(), "{needed}");
    }
    only(changed("number = 1", "number = 0"), "number");
    only(changed("number = 1", "number = 65536"), "number");
    for (key, values) in [
        ("opens_minutes", ["0", "721"]),
        ("closes_minutes", ["0", "721"]),
        ("passes_max", ["0", "100001"]),
        ("passes_per_minute", ["0", "100001"]),
        ("turn_minutes", ["0", "721"]),
        ("pass_minutes", ["0", "721"]),
        ("holds_per_pass", ["0", "11"]),
        ("proof_of_work", ["-1", "10000001"]),
    ] {
        for value in values {
            only(with(&format!("{key} = {value}")), key);
        }
    }
    let waits = "beacon = \"news\"\nbeacon_after_seconds = 0\nbeacon_wait_seconds = ";
    only(with(&format!("{waits}0")), "beacon_wait_seconds");
    only(with(&format!("{waits}3601")), "beacon_wait_seconds");
    only(
        with("beacon_wait_seconds = 5"),
        "is missing: what is said of it is of no use",
    );
    only(with("pass_max = 5"), "unknown key");
    let nearly = with("offices = [\"rathaus\", \"rathas\"]");
    only(nearly, "no office \"rathas\"; did you mean \"rathaus\"?");
    let twice = said(&format!("{ROOM}{ROOM}"));
    for what in [
        "there is a room \"fruehstart\" already",
        "the number is taken by \"fruehstart\"",
        "at this time has the room \"fruehstart\"",
    ] {
        assert!(twice.iter().any(|it| it.contains(what)), "{twice:?}");
    }
    let many: String = (1..=21)
        .map(|number| {
            let room = ROOM.replace("number = 1", &format!("number = {number}"));
            room.replace("fruehstart", &format!("raum-{number}"))
        })
        .collect();
    assert!(said(&many).iter().any(|it| it.contains("20")));
}

/// Without releases there is nothing to wait for.
#[test]
fn a_room_without_a_release_is_a_mistake() {
    let mut files = town(ROOM);
    let office = files.get_mut("amt/rathaus.toml").unwrap();
    *office = office.replace(WAVE, "");
    let complaints = complaints(&files);
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].contains("none of its offices has a wave"));
}
