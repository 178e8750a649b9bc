//! What docs/OPERATIONS.md and the files in `packaging/` say is true: their settings are those that
//! real servers and the service take, and after the document's own commands everything is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use morgenruh::settings::Settings;
use morgenruh_engine::rules::record::Position;
use morgenruh_production::agreement::Disagreement;
use morgenruh_servers::{Postgres, PostgresOptions, Redis, RedisOptions};
use morgenruh_wire::Booking;

use crate::citizen::Citizen;
use crate::metrics::Metrics;
use crate::production::{City, caught_up};
use crate::support::{Home, Service, output_of};
use crate::town::Town;

const GUIDE: &str = include_str!("../../../docs/OPERATIONS.md");
const ALERTS: &str = include_str!("../../../packaging/alerts.yml");
const REDIS: &str = include_str!("../../../packaging/redis.conf");
/// Says which rights the ledger needs; that each of them is needed is tried there.
const LEDGER: &str = include_str!("../../../production/src/redis/mod.rs");
const UNIT: &str = include_str!("../../../packaging/morgenruh.service");
const NGINX: &str = include_str!("../../../packaging/nginx.conf");

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging")
}

/// The commands of the guide that stand under this name.
#[track_caller]
fn script(name: &str) -> &'static str {
    let begin = format!("\n```sh {name}\n");
    let (_, rest) = GUIDE.split_once(&begin).expect("the guide has it");
    let (script, _) = rest.split_once("\n```\n").expect("it ends");
    script
}

/// Runs commands of the guide as an administrator would; what they print.
#[track_caller]
fn administer(home: &Home, backup: &Path, postgres: Option<&Postgres>, name: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_morgenruh"));
    let folder = program.parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(folder).chain(std::env::split_paths(&path));
    let mut command = Command::new("sh");
    command.args(["-euc", script(name)]);
    command.env("PATH", std::env::join_paths(path).unwrap());
    command.env("CONFIG", home.data().with_file_name("city"));
    command.env("DATA", home.data()).env("BACKUP", backup);
    if let Some(postgres) = postgres {
        command.env("PGHOST", "127.0.0.1").env("PGUSER", "postgres");
        command.env("PGPORT", postgres.port().to_string());
        command.env("PGPASSWORD", postgres.password());
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn book(service: &Service, time: &str) -> Booking {
    let citizen = service.citizen();
    citizen.book(&citizen.hold("mitte", "pass", &service.town().at(1, time)))
}

#[track_caller]
fn has(service: &Service, bookings: &[&Booking]) {
    for booking in bookings {
        Citizen::of(service.public).look(booking).expect(200);
    }
}

/// Why it does not start.
#[track_caller]
fn refusal(home: &Home) -> String {
    let (code, text) = output_of(home.command());
    assert_eq!(code, Some(2), "{text}");
    text
}

#[test]
fn an_embedded_backup_can_be_restored() {
    let backup = tempfile::tempdir().unwrap();
    let service = Service::start();
    let before = [book(&service, "08:00"), book(&service, "09:00")];
    let said = administer(service.home(), backup.path(), None, "embedded-backup");
    assert!(
        said.contains("2 live bookings") && said.contains(" 0 errors"),
        "{said}"
    );
    let after = book(&service, "10:00");

    let home = service.kill();
    fs::rename(home.data(), home.data().with_file_name("damaged")).unwrap();
    administer(&home, backup.path(), None, "embedded-restore");
    let service = home.start();
    assert_eq!(service.recovered, 2);
    has(&service, &[&before[0], &before[1]]);
    service.citizen().look(&after).expect(404);
    book(&service, "10:00");
}

/// The database is lost after its nightly backup; what it lacks is still in Redis.
#[test]
fn a_restored_database_gets_what_it_lacks_from_redis() {
    let backup = tempfile::tempdir().unwrap();
    let city = City::start();
    let service = city.home("").start();
    let mut bookings = vec![book(&service, "08:00")];
    caught_up(&service);
    administer(
        service.home(),
        backup.path(),
        Some(&city.postgres),
        "database-backup",
    );
    bookings.push(book(&service, "09:00"));
    let cancelled = book(&service, "10:00");
    service.citizen().cancel(&cancelled).expect(200);
    caught_up(&service);

    let home = service.stop();
    let admin = |name| administer(&home, backup.path(), Some(&city.postgres), name);
    let mut dropdb = Command::new("psql");
    dropdb.args([
        "-XAtq",
        "-h",
        "127.0.0.1",
        "-U",
        "postgres",
        "-d",
        "template1",
    ]);
    dropdb.args(["-p", &city.postgres.port().to_string()]);
    dropdb.args(["-c", "DROP DATABASE morgenruh WITH (FORCE)"]);
    dropdb.env("PGPASSWORD", city.postgres.password());
    assert!(dropdb.status().unwrap().success());
    admin("database-restore");
    let whole = |watermark: u32, bookings: u32| {
        let said = admin("database-check");
        let row = said.lines().nth(2).unwrap_or_default();
        let values: Vec<&str> = row.split('|').map(str::trim).collect();
        let [watermark, bookings] = [watermark, bookings].map(|number| number.to_string());
        assert_eq!(values, [&watermark, "t", &bookings, "0", "t"], "{said}");
    };
    whole(2, 1);

    let service = home.start();
    has(&service, &bookings.iter().collect::<Vec<_>>());
    caught_up(&service);
    bookings.push(book(&service, "10:00"));
    caught_up(&service);
    let booked = "SELECT count(*) FROM bookings WHERE status = 'booked'";
    assert_eq!(city.postgres.sql(booked), "3");
    assert_eq!(city.postgres.sql("SELECT position FROM watermark"), "9");
}

/// A copy of a Redis that has gone on since is recognised; without any copy the database is what
/// the city goes on from.
#[test]
fn a_lost_redis_is_begun_again_behind_the_database() {
    let nowhere = Path::new("nowhere");
    let mut city = City::start();
    let service = city.home("").start();
    let first = book(&service, "08:00");
    let copy = city.redis.dir().join("copy");
    copy_folder(&city.redis.dir().join("appendonlydir"), &copy);
    let second = book(&service, "09:00");
    caught_up(&service);
    let home = service.stop();

    city.redis.stop();
    let file = city.redis.dir().join("appendonlydir");
    fs::remove_dir_all(&file).unwrap();
    copy_folder(&copy, &file);
    city.redis.restart();
    let said = refusal(&home);
    assert!(said.contains("were acknowledged"), "{said}");

    city.redis.stop();
    fs::remove_dir_all(&file).unwrap();
    city.redis.restart();
    let said = refusal(&home);
    assert!(said.contains("the Redis is empty"), "{said}");
    // As it would be in the service's environment.
    let said = administer(&home, nowhere, None, "redis-restart");
    assert_eq!(said, "the ledger goes on behind fact 4\n");
    let service = home.start();
    has(&service, &[&first, &second]);
    book(&service, "10:00");
    caught_up(&service);
    assert_eq!(city.postgres.sql("SELECT position FROM watermark"), "6");
}

#[test]
fn a_redis_can_move_with_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let mut city = City::start();
    let service = city.home("").start();
    let booking = book(&service, "08:00");
    let home = service.stop();
    city.redis.stop();
    let there = dir.path().join("redis");
    fs::create_dir(&there).unwrap();
    copy_folder(
        &city.redis.dir().join("appendonlydir"),
        &there.join("appendonlydir"),
    );
    let elsewhere = Redis::start(&there);
    let mut command = home.command();
    command.env("MORGENRUH_REDIS_ADDRESS", elsewhere.address().to_string());
    let service = home.start_by(command);
    has(&service, &[&booking]);
    book(&service, "09:00");
}

#[track_caller]
fn copy_folder(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(status.unwrap().success());
}

#[test]
fn the_embedded_ledger_can_become_redis_and_postgresql() {
    let service = Service::start();
    let booking = book(&service, "08:00");
    let home = service.stop();
    let city = City::start();
    let home = home.with_town(Town::small().server(&city.settings("")));
    let said = administer(&home, Path::new("nowhere"), None, "migrate");
    assert_eq!(said, "moved 2 facts\n");
    let service = home.start();
    assert_eq!(service.recovered, 1);
    has(&service, &[&booking]);
    caught_up(&service);
    let home = service.stop();
    let mut command = home.command();
    command.env("MORGENRUH_LEDGER_KIND", "sqlite");
    let (code, said) = output_of(command);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("were moved to a Redis"), "{said}");
}

/// Servers that take the packaged settings are what the service asks for, and the user that is
/// described may do all that it must.
#[test]
fn the_packaged_settings_are_enough() {
    let dir = tempfile::tempdir().unwrap();
    let rights = redis_rights();
    let included = |name: &str| packaging().join(name).canonicalize().unwrap();
    let redis = RedisOptions::default()
        .tls()
        .login("morgenruh", "secret", rights)
        .set("include", included("redis.conf").to_str().unwrap())
        .start(&dir.path().join("redis"));
    let copy = dir.path().join("packaged.conf");
    fs::copy(included("postgresql.conf"), &copy).unwrap();
    let postgres = PostgresOptions::default()
        .tls()
        .set("include", copy.to_str().unwrap())
        .start(&dir.path().join("postgres"));
    assert_eq!(
        redis.command(&["CONFIG", "GET", "maxmemory"]),
        "maxmemory\n1073741824"
    );
    assert_eq!(postgres.sql("SHOW max_wal_size"), "2GB");

    let settings = format!(
        "[ledger]\nkind = \"redis\"\n\
         [redis]\naddress = \"{}\"\nuser = \"morgenruh\"\ntls = true\nca_file = \"{}\"\n\
         [postgres]\naddress = \"{}\"\npassword_file = \"{}\"\ntls = true\nca_file = \"{}\"\n",
        redis.address(),
        redis.authority().unwrap().display(),
        postgres.address(),
        postgres.password_file().display(),
        postgres.authority().unwrap().display(),
    );
    let home = Home::of(Town::small().server(&settings));
    let mut command = home.command();
    command.env("MORGENRUH_REDIS_PASSWORD", "secret");
    let service = home.start_by(command);
    book(&service, "08:00");
    caught_up(&service);
    assert_eq!(
        Metrics::of(&service).value("morgenruh_ledger_findings"),
        0.0
    );
}

/// What the user in redis.conf may do; the guide and the ledger say the same.
fn redis_rights() -> &'static str {
    let line = REDIS
        .lines()
        .find_map(|line| line.split_once("user morgenruh on #DIGEST "));
    let (_, rights) = line.expect("the file shows the user");
    assert!(GUIDE.contains(&format!("'{rights}'")), "{rights}");
    let block = LEDGER.split("```").nth(1).expect("it has a block");
    let needed = block
        .split_whitespace()
        .filter(|it| it.starts_with(['~', '+']));
    assert_eq!(
        rights.split(' ').collect::<Vec<_>>(),
        needed.collect::<Vec<_>>()
    );
    rights
}

/// Names of metrics in a text, without what a histogram adds to them.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    text.split(|it: char| !(it.is_ascii_alphanumeric() || it == '_'))
        .filter(|word| word.starts_with("morgenruh_"))
        .map(|word| {
            let additions = ["_bucket", "_count"];
            let plain = additions.iter().find_map(|it| word.strip_suffix(it));
            plain.unwrap_or(word)
        })
        .collect()
}

#[test]
fn every_metric_is_explained_and_every_alert_is_about_one() {
    let city = City::start();
    let service = city.home("").start();
    book(&service, "08:00");
    let metrics = Metrics::of(&service);
    let exposed: BTreeSet<String> = metrics.names().collect();
    let rows = GUIDE
        .lines()
        .filter_map(|line| line.strip_prefix("| `morgenruh_"));
    let explained: BTreeSet<String> = rows
        .filter_map(|row| Some(format!("morgenruh_{}", row.split_once('`')?.0)))
        // Those of waiting rooms are there where there is a room: see `rooms.rs`.
        .filter(|name| !name.starts_with("morgenruh_room_"))
        .collect();
    assert_eq!(exposed, explained);
    for text in [GUIDE, ALERTS] {
        let of_rooms = |name: &&str| name.starts_with("morgenruh_room_");
        for name in metrics_in(text).into_iter().filter(|it| !of_rooms(it)) {
            assert!(exposed.contains(name), "{name} does not exist");
        }
    }
}

#[test]
fn every_alert_says_what_to_do() {
    let alerts: Vec<&str> = ALERTS
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    let explained: Vec<&str> = GUIDE
        .lines()
        .filter_map(|line| line.strip_prefix("**Morgenruh")?.split_once('.'))
        .map(|(name, _)| name)
        .collect();
    let names: Vec<&str> = alerts
        .iter()
        .map(|name| &name["Morgenruh".len()..])
        .collect();
    assert_eq!(names, explained);
}

#[test]
fn every_disagreement_is_explained() {
    let (newest, watermark, first) = (Position(1), Position(2), Position(3));
    for disagreement in [
        Disagreement::LedgerEmpty { watermark },
        Disagreement::LedgerUnmarked,
        Disagreement::StoreEmpty { first, newest },
        Disagreement::Strangers,
        Disagreement::TailLost { newest, watermark },
        Disagreement::Gap { watermark, first },
    ] {
        let sentence = disagreement.to_string();
        let (beginning, _) = sentence.split_once(':').expect("then it says what to do");
        let beginning = beginning.replace(|it: char| it.is_ascii_digit(), "…");
        assert!(GUIDE.contains(&format!("`{beginning}`")), "{beginning}");
    }
}

/// A name that the service does not know would stop it.
#[test]
fn every_variable_is_known() {
    let mut texts = vec![GUIDE.to_owned()];
    for file in [
        "morgenruh.service",
        "morgenruh.service.d/production.conf",
        "Containerfile",
    ] {
        texts.push(fs::read_to_string(packaging().join(file)).unwrap());
    }
    let words = texts
        .iter()
        .flat_map(|text| text.split(|it: char| !(it.is_ascii_uppercase() || it == '_')));
    let named: BTreeMap<String, String> = words
        .filter(|word| word.starts_with("MORGENRUH_"))
        .map(|name| (name.to_owned(), String::new()))
        .collect();
    assert!(named.len() >= 6, "{named:?}");
    let mistakes = Settings::load(None, &named).err().unwrap_or_default();
    for mistake in mistakes {
        let text = mistake.to_string();
        assert!(!text.contains("unknown"), "{text}");
    }
}

/// Whoever waits for somebody waits longer than that one takes.
#[test]
fn the_time_limits_fit_together() {
    let defaults = Settings::load(None, &BTreeMap::new()).unwrap().server;
    let seconds = |text: &str, key: &str| -> u64 {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(key));
        let digits = line.expect("it is set").trim_start_matches([' ', '=']);
        let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    };
    let stop_ms = seconds(UNIT, "TimeoutStopSec") * 1_000;
    assert!(stop_ms >= defaults.stop_notice_ms + defaults.drain_ms + 30_000);
    let files = seconds(UNIT, "LimitNOFILE");
    assert!(files > 2 * defaults.connections_max as u64);
    let read_ms = seconds(NGINX, "proxy_read_timeout") * 1_000;
    assert!(read_ms > defaults.request_timeout_ms);
    let idle_ms = seconds(NGINX, "keepalive_timeout") * 1_000;
    assert!(idle_ms < defaults.header_timeout_ms);
    let body = seconds(NGINX, "client_max_body_size") * 1_024;
    assert_eq!(body, defaults.body_bytes_max as u64);
}
