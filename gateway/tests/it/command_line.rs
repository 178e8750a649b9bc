//! The program by its command line: what it prints, and the exit codes that scripts rely on.

use std::path::Path;
use std::process::Output;

use morgenruh_wire::Offices;
use tempfile::tempdir;

use crate::http::Request;
use crate::support::{Home, Service, output_of, program, run};
use crate::town::Town;

const DUESSELDORF: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/duesseldorf");

#[track_caller]
fn ended(output: &Output, code: i32) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

fn arguments(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

#[test]
fn the_city_that_comes_with_it_is_well() {
    let text = ended(&run(&["check", DUESSELDORF]), 0);
    assert!(
        text.starts_with("ok: Landeshauptstadt Düsseldorf: 4 departments"),
        "{text}"
    );
}

/// Whoever starts from an example starts from something that loads.
#[test]
fn the_examples_are_well_beside_a_city() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/examples");
    let mut checked = 0;
    for example in std::fs::read_dir(examples).unwrap() {
        let server_toml = example.unwrap().path().join("server.toml");
        let dir = tempdir().unwrap();
        copy_folder(Path::new(DUESSELDORF), dir.path());
        std::fs::copy(&server_toml, dir.path().join("server.toml")).unwrap();
        let text = ended(&run(&["check", arguments(dir.path())]), 0);
        assert!(text.starts_with("ok: Landeshauptstadt"), "{text}");
        round_trip(dir.path());
        checked += 1;
    }
    assert_eq!(checked, 2);
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, to) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if path.is_dir() {
            copy_folder(&path, &to);
        } else {
            std::fs::copy(&path, &to).unwrap();
        }
    }
}

#[test]
fn every_mistake_of_a_city_is_told_at_once() {
    let dir = tempdir().unwrap();
    Town::small()
        .with_line("buergeramt/mitte.toml", "unit_minuts = 5")
        .with_line("buergeramt/gross.toml", "hold_minutes = 0")
        .with("server.toml", "[server]\nlisten = 80\n")
        .with("buergeramt/zwei.toml", "number = 9\n")
        .write(dir.path());
    let text = ended(&run(&["check", arguments(dir.path())]), 1);
    for part in [
        "buergeramt/mitte.toml:1: unit_minuts: unknown key; did you mean \"unit_minutes\"?",
        "buergeramt/gross.toml:1: hold_minutes: 0 is not in 1 to 120",
        "server.toml:2: server.listen",
        "buergeramt/zwei.toml",
        "failed:",
    ] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
    // The service says the same and does not start.
    let mut command = program();
    command.args(["serve", "--config", arguments(dir.path())]);
    command.arg("--data").arg(dir.path().join("data"));
    let (code, log) = output_of(command);
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains("did you mean \"unit_minutes\"?"), "{log}");
    assert!(
        !dir.path().join("data").exists(),
        "nothing is made for a city that is not"
    );
}

/// A word that is no level would leave the log silent.
#[test]
fn a_level_of_the_log_that_there_is_not() {
    let dir = tempdir().unwrap();
    let mut command = program();
    command.args(["serve", "--config", DUESSELDORF, "--data"]);
    command.arg(dir.path().join("data"));
    command.env("MORGENRUH_LOG", "warning");
    let (code, log) = output_of(command);
    assert_eq!(code, Some(2), "{log}");
    let said = "MORGENRUH_LOG: \"warning\" is none of error, warn, info, debug";
    assert!(log.contains(said), "{log}");
}

#[test]
fn a_folder_that_is_not_there() {
    let dir = tempdir().unwrap();
    let missing = dir.path().join("missing");
    ended(&run(&["check", arguments(&missing)]), 2);
    ended(&run(&["verify", arguments(&missing)]), 2);
    ended(
        &run(&[
            "serve",
            "--config",
            arguments(&missing),
            "--data",
            arguments(dir.path()),
        ]),
        2,
    );
    ended(
        &run(&["import", "dldb", arguments(&missing), arguments(&missing)]),
        2,
    );
    assert!(!missing.exists(), "looking does not make anything");
}

#[test]
fn usage() {
    for arguments in [
        &[][..],
        &["sreve"],
        &["check"],
        &["serve", "--demo", "0"],
        &["serve", "--listen", "here"],
    ] {
        ended(&run(arguments), 2);
    }
    let help = ended(&run(&["serve", "--help"]), 0);
    for part in [
        "--config",
        "--data",
        "--listen",
        "--admin-listen",
        "--demo",
        "ready listen=",
    ] {
        assert!(help.contains(part), "{part}");
    }
    ended(&run(&["--version"]), 0);
}

/// What `--dump` prints is the same city again.
#[test]
fn a_dump_is_a_configuration() {
    for city in [
        Town::small(),
        Town::small().server("[ledger]\nbatch_max = 7\n"),
    ] {
        let dir = tempdir().unwrap();
        city.write(dir.path());
        round_trip(dir.path());
    }
    round_trip(Path::new(DUESSELDORF));
}

fn round_trip(city: &Path) {
    let dump = |dir: &Path| ended(&run(&["check", "--dump", arguments(dir)]), 0);
    let (text, dir) = (dump(city), tempdir().unwrap());
    for part in text.split("# file: ").skip(1) {
        let (name, content) = part.split_once('\n').unwrap();
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    assert!(dump(dir.path()) == text, "the dump of the dump differs");
}

#[test]
fn the_environment_is_heard_and_checked() {
    let home = Home::of(Town::small());
    let mut command = home.command();
    // Weaker than the command line, stronger than files.
    command.env("MORGENRUH_SERVER_LISTEN", "127.0.0.2:0");
    let service = home.start_by(command);
    assert_eq!(service.public.ip().to_string(), "127.0.0.2");
    assert_eq!(service.admin.ip().to_string(), "127.0.0.1");

    let home = Home::of(Town::small());
    for (name, value, complaint) in [
        (
            "MORGENRUH_SERVER_LISSTEN",
            "127.0.0.1:0",
            "did you mean \"MORGENRUH_SERVER_LISTEN\"?",
        ),
        (
            "MORGENRUH_LEDGER_BATCH_MAX",
            "many",
            "a whole number is expected",
        ),
        (
            "MORGENRUH_LEDGER_QUEUE_MAX",
            "1",
            "1 is not in 100 to 1000000",
        ),
        (
            "MORGENRUH_SERVER_SERVICE_KEYS_FILE",
            "/nowhere/keys",
            "the file of service keys",
        ),
    ] {
        let mut command = home.command();
        command.env(name, value);
        let (code, text) = output_of(command);
        assert_eq!(code, Some(2), "{name}: {text}");
        assert!(text.contains(complaint), "{name}: {text}");
    }
}

/// A key that is not accepted is not shown either.
#[test]
fn a_bad_key_file_is_told_without_its_keys() {
    let dir = tempdir().unwrap();
    let keys = dir.path().join("keys");
    std::fs::write(
        &keys,
        "# fine\nmoonbase one super-secret-super-secret-super-secret\n",
    )
    .unwrap();
    let home = Home::of(Town::small());
    let mut command = home.command();
    command.env("MORGENRUH_SERVER_SERVICE_KEYS_FILE", &keys);
    let (code, text) = output_of(command);
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains("line 2") && !text.contains("super-secret"),
        "{text}"
    );
}

#[test]
fn ready_is_one_line_that_programs_can_read() {
    let service = Service::start();
    let line = format!(
        "ready listen={} admin={} offices=7 recovered_bookings=0\n",
        service.public, service.admin
    );
    assert_eq!(service.ready, line);
}

#[test]
fn verify_finds_what_does_not_agree() {
    let service = Service::start();
    let citizen = service.citizen();
    for day in 1..=3 {
        citizen.book(&citizen.hold("mitte", "pass", &service.town().at(day, "08:00")));
    }
    // While it runs, and after.
    assert_eq!(service.home().verify().live, 3);
    let home = service.stop();
    assert_eq!(home.verify().live, 3);
    for (damage, finding) in [
        (
            "UPDATE bookings SET status = 'cancelled' WHERE day = (SELECT min(day) FROM bookings)",
            "another status",
        ),
        ("DELETE FROM ledger WHERE position = 2", "are missing"),
        (
            "DELETE FROM bookings WHERE day = (SELECT max(day) FROM bookings)",
            "is not in the table",
        ),
        (
            "UPDATE bookings SET counter = counter + 1",
            "does not lie where its row says",
        ),
        (
            "INSERT INTO persons VALUES (x'00', 'n', 'e', NULL, '{}')",
            "belong to no booking",
        ),
    ] {
        let copy = tempdir().unwrap();
        std::fs::copy(
            home.data().join("morgenruh.sqlite3"),
            copy.path().join("morgenruh.sqlite3"),
        )
        .unwrap();
        let database = morgenruh_engine::shell::sqlite::open_database(copy.path()).unwrap();
        database.execute_batch(damage).unwrap();
        drop(database);
        let text = ended(&run(&["verify", arguments(copy.path())]), 1);
        assert!(text.contains(finding), "{damage}: {text}");
    }
    assert_eq!(home.verify().live, 3);
}

/// Bytes that are wrong in the middle of the file, or no database at all.
#[test]
fn verify_and_serve_refuse_a_file_that_is_broken() {
    let home = Home::of(Town::small());
    std::fs::create_dir_all(home.data()).unwrap();
    std::fs::write(
        home.data().join("morgenruh.sqlite3"),
        "not a database ".repeat(1_000),
    )
    .unwrap();
    let text = ended(&run(&["verify", arguments(home.data())]), 2);
    assert!(text.contains("cannot be read"), "{text}");
    let (code, text) = output_of(home.command());
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("cannot be opened"), "{text}");
}

#[test]
fn an_export_becomes_a_city() {
    let dir = tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name)
    };
    let services = write(
        "services.json",
        r#"{ "data": [
            { "id": "1063441", "name": "Personalausweis", "duration": 15, "maxQuantity": 2,
              "leika": "99008001000000", "combinable": ["1063453"], "public": true },
            { "id": "1063453", "name": "Reisepass", "duration": 20, "maxQuantity": 2 } ] }"#,
    );
    let locations = write(
        "locations.json",
        r#"{ "data": [
            { "id": "10489", "name": "Bürgerbüro Ort", "organization": "Stadt Ort",
              "organizationUnit": "Bürgeramt", "public": true, "slotTimeInMinutes": 5,
              "address": { "street": "Weg", "house_number": "1", "postal_code": "10115",
                           "city": "Ort" },
              "services": [ { "service": "1063441", "duration": 15, "maxQuantity": 2 },
                            { "service": "1063453", "duration": 25 } ] } ] }"#,
    );
    let out = dir.path().join("ort");
    let import = || {
        let paths = [&services, &locations, &out].map(|path| arguments(path));
        run(&["import", "dldb", paths[0], paths[1], "--out", paths[2]])
    };
    let text = ended(&import(), 0);
    assert!(
        text.contains("services: 2 of 2") && text.contains("locations: 1 of 1"),
        "{text}"
    );
    assert!(text.contains("ok: Stadt Ort"), "{text}");
    ended(&run(&["check", arguments(&out)]), 0);
    assert!(
        ended(&import(), 2).contains("not empty"),
        "an existing city is not overwritten"
    );
    let rubbish = write("rubbish.json", "{\"data\": 7}");
    let paths = [arguments(&rubbish), arguments(&locations)];
    let text = ended(
        &run(&["import", "dldb", paths[0], paths[1], "--out", "nowhere"]),
        2,
    );
    assert!(text.contains("no DLDB export"), "{text}");
}

/// Weeks in minutes, and never by mistake: not on data that somebody may need, and not where a city
/// keeps its facts.
#[test]
fn a_rehearsal_has_a_fast_clock_and_data_of_its_own() {
    let home = Home::of(Town::small());
    let mut command = home.command();
    command.args(["--clock-speed", "2000"]);
    let service = home.start_by(command);
    let now = |service: &Service| {
        let offices: Offices = service
            .send(&Request::get("/api/v1/offices"))
            .expect(200)
            .json();
        offices.now.parse::<jiff::Timestamp>().unwrap()
    };
    let before = now(&service);
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert!((now(&service) - before).get_seconds() >= 390);
    let ready = Request::get("/readyz").send(service.admin).unwrap();
    let ready: serde_json::Value = ready.expect(200).json();
    assert_eq!(ready["clock_speed"], 2000);

    let home = service.kill();
    assert!(home.log().contains("a rehearsal"), "{}", home.log());
    let mut again = home.command();
    again.args(["--clock-speed", "2000"]);
    let (home, code) = home.try_start_by(again).unwrap_err();
    assert_eq!(code, Some(2));
    assert!(home.log().contains("has some already"), "{}", home.log());

    let home = Home::of(Town::small());
    let mut production = home.command();
    production.env("MORGENRUH_LEDGER_KIND", "redis");
    production.args(["--clock-speed", "2"]);
    let (home, code) = home.try_start_by(production).unwrap_err();
    assert_eq!(code, Some(2));
    assert!(home.log().contains("embedded ledger"), "{}", home.log());
}
