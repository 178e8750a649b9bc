//! Who may come in, and over what.

use std::time::{Duration, Instant};

use morgenruh_engine::rules::record::Position;
use morgenruh_engine::shell::drain::Tail;
use morgenruh_engine::shell::scribe::Journal;
use morgenruh_production::password::Password;
use morgenruh_production::redis::{OpenError, RedisJournal, RedisTail, Settings};
use morgenruh_production::tls::Tls;
use morgenruh_servers::{Redis, RedisOptions, scratch};

use crate::town::{CITY, Town, begun, impatient, refused, write};

/// As the documentation of the module gives them.
const RIGHTS: &str = "~morgenruh:* +info +config|get +script|load +evalsha +time +select \
                      +hmget +hset +hdel +exists +xadd +xtrim +xrange +xinfo|stream";

fn login(rules: &str) -> Town {
    Town::with(RedisOptions::default().login("morgenruh", "secret", rules))
}

fn as_morgenruh(town: &Town) -> Settings {
    Settings {
        user: Some("morgenruh".into()),
        password: Some(Password::new("secret")),
        ..town.settings()
    }
}

fn away(settings: &Settings) -> String {
    let data = scratch();
    match RedisJournal::open(settings, CITY, data.path()) {
        Err(OpenError::Away(reason)) => reason,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it may come in"),
    }
}

#[test]
fn the_least_rights_are_enough() {
    let town = login(RIGHTS);
    let mut settings = as_morgenruh(&town);
    settings.database = 1;
    let mut journal = begun(&settings, &town.data());
    write(&mut journal, 0, 1..=20_000).unwrap();
    let mut tail = RedisTail::open(&settings, CITY).unwrap();
    tail.trim(Position(20_000)).unwrap();
    assert_eq!(tail.after(Position(20_000), 1).unwrap().len(), 0);
}

/// Each of them is needed: without it something says so, before anything is half done.
#[test]
fn a_missing_right_is_named() {
    for right in RIGHTS.split(' ').skip(1) {
        let town = login(&RIGHTS.replace(&format!(" {right}"), ""));
        let mut settings = as_morgenruh(&town);
        settings.database = 1;
        let attempt = || -> Result<(), String> {
            let mut journal = RedisJournal::open(&settings, CITY, &town.data())
                .map_err(|error| error.to_string())?;
            let begun = journal.begin(crate::town::LINEAGE);
            begun.map_err(|error| error.to_string())?;
            journal.newest().map_err(|error| error.to_string())?;
            write(&mut journal, 0, 1..=20_000).map_err(|error| error.to_string())?;
            let mut tail = RedisTail::open(&settings, CITY).unwrap();
            tail.after(Position(0), 1).map_err(|error| error.0)?;
            tail.trim(Position(20_000)).map_err(|error| error.0)
        };
        let reason = attempt().expect_err(right);
        assert!(is_of_rights(&reason), "{right}: {reason}");
    }
}

/// Redis says it in another way outside of a script, within one, and of keys.
fn is_of_rights(reason: &str) -> bool {
    [
        "NOPERM",
        "can't run this command",
        "can't access",
        "+config|get",
    ]
    .iter()
    .any(|words| reason.contains(words))
}

#[test]
fn a_wrong_or_missing_password_is_refused() {
    let town = login(RIGHTS);
    let mut settings = as_morgenruh(&town);
    settings.password = Some(Password::new("guessed"));
    let reason = away(&settings);
    assert!(reason.contains("WRONGPASS"), "{reason}");
    assert!(!reason.contains("guessed"));
    settings.password = None;
    let reason = away(&settings);
    assert!(reason.contains("NOAUTH"), "{reason}");
    assert!(!format!("{:?}", as_morgenruh(&town)).contains("secret"));
}

/// The right is taken away while we are connected.
#[test]
fn a_right_that_is_taken_away_refuses_the_batch() {
    let town = login(RIGHTS);
    let mut journal = begun(&as_morgenruh(&town), &town.data());
    write(&mut journal, 0, [1]).unwrap();
    for right in ["-xadd", "-hset"] {
        town.redis.command(&["ACL", "SETUSER", "morgenruh", right]);
        let reason = refused(write(&mut journal, 1, [2]));
        assert!(is_of_rights(&reason), "{reason}");
    }
    for right in ["+xadd", "+hset"] {
        town.redis.command(&["ACL", "SETUSER", "morgenruh", right]);
    }
    assert_eq!(write(&mut journal, 1, [2]), Ok(()));
}

#[test]
fn encrypted_with_an_authority_of_its_own() {
    let town = Town::with(RedisOptions::default().tls());
    let authority = town.redis.authority().unwrap().to_owned();
    let mut settings = impatient(&town.redis.address().to_string());
    let ca_file = Some(authority.clone());
    settings.tls = Tls::On { ca_file };
    let mut journal = begun(&settings, &town.data());
    write(&mut journal, 0, 1..=5_000).unwrap();
    let mut tail = RedisTail::open(&settings, CITY).unwrap();
    assert_eq!(tail.after(Position(0), 9_999).unwrap().len(), 5_000);

    let other = Town::with(RedisOptions::default().tls());
    settings.address = other.redis.address().to_string();
    let reason = away(&settings);
    assert!(reason.contains("certificate"), "{reason}");

    settings.tls = Tls::Off;
    away(&settings);
    let plain = Town::new();
    settings.address = plain.redis.address().to_string();
    let ca_file = Some(authority);
    settings.tls = Tls::On { ca_file };
    away(&settings);
    let ca_file = Some(plain.redis.dir().join("redis.conf"));
    settings.tls = Tls::On { ca_file };
    let unusable = RedisTail::open(&settings, CITY);
    assert!(unusable.is_err(), "no certificate is in that file");
}

/// Who asks while a pause lasts is told at once; nobody waits for the network each time.
#[test]
fn a_server_that_is_away_costs_little_time() {
    let place = scratch();
    let mut redis = Redis::start(place.path());
    let mut journal = begun(&impatient(&redis.address().to_string()), place.path());
    redis.pause();
    let begun = Instant::now();
    let mut calls = 0;
    while begun.elapsed() < Duration::from_secs(3) {
        assert!(write(&mut journal, 0, []).is_err());
        calls += 1;
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(calls > 100, "{calls}");
    redis.resume();
    crate::town::write_when_back(&mut journal, 0, 1);
}
