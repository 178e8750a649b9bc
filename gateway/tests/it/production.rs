//! The production mode: a real Redis that confirmations wait for, a real PostgreSQL behind it, and
//! what citizens and operators see when either goes away.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use morgenruh_servers::{Postgres, Redis, RedisOptions};
use serde_json::Value;
use tempfile::TempDir;

use crate::http::Request;
use crate::metrics::Metrics;
use crate::support::{Home, Service, eventually, output_of};
use crate::town::Town;

/// Both servers, each with a folder of its own. They end with this value.
pub(crate) struct City {
    pub(crate) redis: Redis,
    pub(crate) postgres: Postgres,
    _dir: TempDir,
}

impl City {
    pub(crate) fn start() -> City {
        City::with(RedisOptions::default())
    }

    fn with(redis: RedisOptions) -> City {
        let dir = tempfile::tempdir().unwrap();
        City {
            redis: redis.start(&dir.path().join("redis")),
            postgres: Postgres::start(&dir.path().join("postgres")),
            _dir: dir,
        }
    }

    /// The small town on these servers, with some settings of `[redis]` and what follows more.
    pub(crate) fn home(&self, more: &str) -> Home {
        Home::of(Town::small().server(&self.settings(more)))
    }

    pub(crate) fn settings(&self, more: &str) -> String {
        format!(
            "[postgres]\naddress = \"{}\"\npassword_file = \"{}\"\n\
             [ledger]\nkind = \"redis\"\n[redis]\naddress = \"{}\"\n{more}",
            self.postgres.address(),
            self.postgres.password_file().display(),
            self.redis.address(),
        )
    }
}

fn detail(service: &Service) -> (u16, Value) {
    let answer = Request::get("/readyz").send(service.admin).unwrap();
    (answer.status, answer.json())
}

fn ready(service: &Service) -> bool {
    service.send(&Request::get("/readyz")).status == 200
}

/// The store has everything that was acknowledged.
pub(crate) fn caught_up(service: &Service) {
    eventually("the store has caught up", || {
        let metrics = Metrics::of(service);
        let behind = metrics.value("morgenruh_store_backlog_records");
        let reachable = metrics.value("morgenruh_store_reachable");
        (behind == 0.0 && reachable == 1.0).then_some(())
    });
}

#[test]
fn a_booking_survives_a_kill() {
    let city = City::start();
    let service = city.home("").start();
    let town = service.town().clone();
    let citizen = service.citizen();
    let booking = citizen.book(&citizen.hold("mitte", "pass", &town.at(1, "08:00")));

    let service = service.kill().start();
    assert_eq!(service.recovered, 1);
    service.citizen().look(&booking).expect(200);
    let log = service.home().log();
    for part in [
        "recovered in ",
        "bookings=1",
        "kind=\"redis\"",
        "durability=\"strict\"",
        &city.redis.address().to_string(),
        &city.postgres.address().to_string(),
    ] {
        assert!(log.contains(part), "{part} in {log}");
    }
    assert!(!log.contains(city.postgres.password()), "{log}");
    caught_up(&service);
    let booked = "SELECT count(*) FROM bookings WHERE status = 'booked'";
    assert_eq!(city.postgres.sql(booked), "1");
}

/// Whoever wants to confirm is told so and when to come back; everybody else notices nothing.
#[test]
fn without_redis_nothing_is_confirmed_and_the_rest_goes_on() {
    let mut city = City::start();
    let service = city.home("").start();
    let town = service.town().clone();
    let citizen = service.citizen();
    let start = town.at(1, "08:00");
    let booking = citizen.book(&citizen.hold("mitte", "pass", &town.at(1, "09:00")));
    let hold = citizen.hold("mitte", "pass", &start);

    city.redis.kill();
    eventually("readiness is red", || (!ready(&service)).then_some(()));
    // Also checks that the answer says when to come back.
    assert_eq!(citizen.try_book(&hold).slug(), "ledger-unavailable");
    let further = citizen.hold("mitte", "pass", &start);
    assert_eq!(citizen.free("mitte", "pass", town.day(1), &start), 0);
    citizen.look(&booking).expect(200);
    let (status, detail) = detail(&service);
    assert_eq!((status, &detail["ledger"]["health"]), (503, &"away".into()));
    assert!(detail["ledger"]["reason"].is_string(), "{detail}");
    assert_eq!(Metrics::of(&service).value("morgenruh_ledger_ready"), 0.0);

    city.redis.restart();
    eventually("readiness is green", || ready(&service).then_some(()));
    citizen.book(&hold);
    citizen.book(&further);
    caught_up(&service);
    assert_eq!(city.postgres.sql("SELECT count(*) FROM bookings"), "3");
    let service = service.stop().start();
    assert_eq!(service.recovered, 3);
}

/// Nobody can know whether Redis has written what it did not answer. Whoever asks again with the
/// same key learns it later, and has one booking.
#[test]
fn a_redis_that_does_not_answer_is_waited_for() {
    let mut city = City::start();
    let home = city.home("");
    let mut command = home.command();
    command.env("MORGENRUH_REDIS_ANSWER_TIMEOUT_MS", "500");
    command.env("MORGENRUH_LEDGER_ACK_TIMEOUT_MS", "200");
    let service = home.start_by(command);
    let town = service.town().clone();
    let citizen = service.citizen();
    let hold = citizen.hold("einzel", "pass", &town.at(1, "08:00"));
    city.redis.pause();
    let request = citizen.confirmation(&hold).key("hold");
    assert_eq!(service.send(&request).slug(), "confirmation-pending");
    eventually("readiness is red", || (!ready(&service)).then_some(()));
    assert_eq!(citizen.free("einzel", "pass", town.day(1), &hold.start), 0);

    city.redis.resume();
    eventually("readiness is green", || ready(&service).then_some(()));
    citizen.insist(&request).expect(201);
    caught_up(&service);
    assert_eq!(city.postgres.sql("SELECT count(*) FROM bookings"), "1");
}

/// The store is written behind: nobody who books waits for it, and it catches up by itself.
#[test]
fn without_postgresql_bookings_go_on() {
    let mut city = City::start();
    let service = city.home("").start();
    let town = service.town().clone();
    let citizen = service.citizen();
    citizen.book(&citizen.hold("mitte", "pass", &town.at(1, "08:00")));
    caught_up(&service);

    city.postgres.kill();
    for day in 2..=4 {
        citizen.book(&citizen.hold("mitte", "pass", &town.at(day, "08:00")));
    }
    eventually("the store is away", || {
        let metrics = Metrics::of(&service);
        let away = metrics.value("morgenruh_store_reachable") == 0.0;
        let lag = metrics.value("morgenruh_store_lag_seconds");
        (away && lag > 0.0).then_some(())
    });
    let metrics = Metrics::of(&service);
    let behind = metrics.value("morgenruh_store_backlog_records");
    let newest = metrics.value("morgenruh_ledger_newest_position");
    let watermark = metrics.value("morgenruh_store_watermark_position");
    assert!(behind >= 3.0 && newest - watermark == behind);
    assert!(ready(&service));
    let (status, detail) = detail(&service);
    assert_eq!((status, &detail["store"]["health"]), (200, &"away".into()));
    assert!(detail["store"]["reason"].is_string(), "{detail}");
    assert_eq!(detail["store"]["backlog_max"], 1_000_000);
    // The log tells of what lasts longer than a tick of the clockwork.
    let told = |part| service.home().log().contains(part).then_some(());
    eventually("the log tells of the outage", || told("the store is away"));

    city.postgres.restart();
    caught_up(&service);
    assert_eq!(city.postgres.sql("SELECT count(*) FROM bookings"), "4");
    eventually("the log tells of its end", || told("the store is back"));
    let metrics = Metrics::of(&service);
    assert_eq!(metrics.value("morgenruh_store_lag_seconds"), 0.0);
    assert_eq!(metrics.value("morgenruh_store_quarantined_records"), 0.0);
}

/// Beyond its bound the backlog stops confirmations, and they go on when the store is back.
#[test]
fn a_backlog_at_its_bound_turns_readiness_red() {
    let mut city = City::start();
    let store = "[store]\nbacklog_slow = 1\nbacklog_max = 6\n";
    let service = city.home(store).start();
    let town = service.town().clone();
    let citizen = service.citizen();
    city.postgres.kill();
    let mut booked = 0;
    while ready(&service) {
        let hold = citizen.hold("gross", "pass", &town.at(1, "08:00"));
        match citizen.try_book(&hold).status {
            201 => booked += 1,
            _ => eventually("readiness is red", || (!ready(&service)).then_some(())),
        }
        assert!(booked <= 6);
    }
    city.postgres.restart();
    eventually("readiness is green", || ready(&service).then_some(()));
    caught_up(&service);
    citizen.book(&citizen.hold("gross", "pass", &town.at(2, "08:00")));
}

/// A Redis that forgets is refused, unless somebody takes the risk; then everybody is told.
#[test]
fn a_redis_that_forgets_needs_a_word() {
    let city = City::with(RedisOptions::default().set("appendfsync", "everysec"));
    let (code, text) = output_of(city.home("").command());
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("appendfsync"), "{text}");

    let service = city.home("durability = \"relaxed\"\n").start();
    let log = service.home().log();
    assert!(log.contains("WARN") && log.contains("relaxed"), "{log}");
    let (status, detail) = detail(&service);
    assert_eq!(status, 200);
    assert_eq!(detail["ledger"]["durability"], "relaxed");
    let finding = detail["ledger"]["findings"][0].as_str().unwrap_or_default();
    assert!(finding.contains("appendfsync"), "{detail}");
    let metrics = Metrics::of(&service);
    assert!(metrics.value("morgenruh_ledger_findings") >= 1.0);
    let ledger = [("kind", "redis"), ("durability", "relaxed")];
    assert_eq!(metrics.find("morgenruh_ledger_info", &ledger), Some(1.0));
}

#[test]
fn what_is_wrong_at_the_start_is_one_sentence() {
    let mut city = City::start();
    let refused = |home: &Home, variables: &[(&str, &str)], part: &str| {
        let mut command = home.command();
        command.envs(variables.iter().copied());
        let (code, text) = output_of(command);
        assert_eq!(code, Some(2), "{text}");
        let errors: Vec<&str> = text.lines().filter(|line| line.contains("ERROR")).collect();
        assert_eq!(errors.len(), 1, "{text}");
        assert!(errors[0].contains(part), "{part} in {text}");
        assert!(!text.contains("not the password"), "{text}");
    };
    let home = city.home("");
    let wrong = [("MORGENRUH_POSTGRES_PASSWORD", "not the password")];
    refused(&home, &wrong, "password");
    let nowhere = [("MORGENRUH_POSTGRES_PASSWORD_FILE", "missing")];
    refused(&home, &nowhere, "missing");
    let address = city.redis.address().to_string();
    city.redis.kill();
    refused(&home, &[], &address);
    city.redis.restart();

    let copy = home.data().with_file_name("copy");
    std::fs::write(&copy, city.postgres.password()).unwrap();
    std::fs::set_permissions(&copy, Permissions::from_mode(0o644)).unwrap();
    let mut command = home.command();
    command.env("MORGENRUH_POSTGRES_PASSWORD_FILE", &copy);
    let service = home.start_by(command);
    let log = service.home().log();
    assert!(log.contains("can read the file with the password"), "{log}");
}
