//! Disks that are full or broken, for real: a small disk of its own that is filled to the last
//! byte, and a limit on file sizes, which the system reports as a failed write.
//!
//! The two differ. When the disk is full nothing was written, and whoever waits is told so at
//! once. When a write failed it is unclear what a restart would find, so nobody is told anything
//! until it is certain.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Command;

use morgenruh::clock;
use morgenruh_engine::shell::sqlite::open_database;
use morgenruh_wire::{Booking, Hold};
use tempfile::TempDir;

use crate::citizen::{Citizen, availability, without_token};
use crate::http::{Answer, Request};
use crate::support::{Home, Service, eventually, program, together};
use crate::town::Town;

/// Short waits and a short queue, so that their ends are reached.
const SERVER: &str = "
[ledger]
queue_max = 100
retry_ms = 50
ack_timeout_ms = 500
";

/// A disk of two mebibytes.
struct Disk {
    dir: TempDir,
}

impl Disk {
    /// None where this user may not mount anything.
    fn mount() -> Option<Disk> {
        let dir = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m", "morgenruh-test"])
            .arg(dir.path())
            .output();
        mount
            .is_ok_and(|it| it.status.success())
            .then_some(Disk { dir })
    }

    fn ballast(&self) -> PathBuf {
        self.dir.path().join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(self.dir.path())
            .status();
    }
}

/// How a service is kept from writing.
enum Trouble {
    Full(Disk),
    /// Its files may not grow.
    FileSize,
}

impl Trouble {
    fn start(&self, town: Town) -> Service {
        let home = Home::of(town.server(SERVER));
        match self {
            Trouble::Full(disk) => home.with_data_in(&disk.dir.path().join("data")).start(),
            Trouble::FileSize => self.start_again(home),
        }
    }

    fn start_again(&self, home: Home) -> Service {
        match self {
            Trouble::Full(_) => home.start(),
            Trouble::FileSize => {
                // What is ignored stays ignored in the program: writes fail instead of killing it.
                let mut shell = Command::new("sh");
                shell.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]);
                shell.arg(program().get_program());
                let command = home.command_by(shell);
                home.start_by(command)
            }
        }
    }

    fn begin(&self, service: &Service) {
        match self {
            Trouble::Full(disk) => {
                let mut ballast = File::create(disk.ballast()).unwrap();
                while ballast.write_all(&[0; 1024]).is_ok() {}
            }
            Trouble::FileSize => {
                let log = service.home().data().join("morgenruh.sqlite3-wal");
                limit_file_size(service, &log.metadata().unwrap().len().to_string());
            }
        }
    }

    fn end(&self, service: &Service) {
        match self {
            Trouble::Full(_) => self.make_room(),
            Trouble::FileSize => limit_file_size(service, "unlimited"),
        }
    }

    fn make_room(&self) {
        if let Trouble::Full(disk) = self {
            std::fs::remove_file(disk.ballast()).unwrap();
        }
    }

    /// What somebody is told whose confirmation is the first to meet the trouble.
    fn first_answer(&self) -> &'static str {
        match self {
            Trouble::Full(_) => "ledger-unavailable",
            Trouble::FileSize => "confirmation-pending",
        }
    }
}

fn limit_file_size(service: &Service, bytes: &str) {
    let limit = [
        format!("--pid={}", service.pid()),
        format!("--fsize={bytes}:"),
    ];
    assert!(
        Command::new("prlimit")
            .args(limit)
            .status()
            .unwrap()
            .success()
    );
}

fn full_disk() -> Trouble {
    Disk::mount().map_or_else(
        || {
            // Straight to the stream: what a test prints is shown only when it fails.
            let note = "mounting is not allowed here: a limit on file sizes stands in for the disk";
            let _ = writeln!(io::stderr(), "{note}");
            Trouble::FileSize
        },
        Trouble::Full,
    )
}

#[test]
fn a_full_disk_stops_confirmations_and_nothing_else() {
    an_outage(&full_disk());
}

#[test]
fn failed_writes_stop_confirmations_and_nothing_else() {
    an_outage(&Trouble::FileSize);
}

/// Commits that may still find room in what the log has of the disk already.
const FITTING_MAX: usize = 60;

/// From before the trouble to after it, with everything that people may try in between.
fn an_outage(trouble: &Trouble) {
    let service = trouble.start(Town::small());
    let (citizen, town) = (service.citizen(), service.town().clone());
    let standing = citizen.book(&citizen.hold("mitte", "pass", &town.at(1, "08:00")));
    let hold = |hour: &str, number: usize| {
        let start = town.at(1, &format!("{hour}:{:02}", number % 12 * 5));
        citizen.hold("gross", "pin", &start)
    };
    let holds: Vec<Hold> = (0..20).map(|number| hold("09", number)).collect();
    let spare: Vec<Hold> = (0..FITTING_MAX).map(|number| hold("10", number)).collect();
    let other_seat = citizen.hold("mitte", "pass", &town.at(2, "08:00"));
    let written = citizen.book(&citizen.hold("mitte", "pass", &town.at(3, "08:00")));

    trouble.begin(&service);
    let mut fitting = 0;
    let mut answers = spare.iter().map(|hold| citizen.try_book(hold));
    let answer = answers.find(|answer| {
        fitting += usize::from(answer.status == 201);
        answer.status != 201
    });
    let answer = answer.expect("the trouble is met at last");
    assert_eq!(
        (answer.status, answer.slug().as_str()),
        (503, trouble.first_answer())
    );
    eventually("readiness turns red", || {
        (readiness(&service).status == 503).then_some(())
    });
    let unavailable = |answer: &Answer| {
        assert_eq!(
            (answer.status, answer.slug().as_str()),
            (503, "ledger-unavailable")
        );
    };
    together(19, |number| {
        unavailable(&citizen.try_book(&holds[number + 1]))
    });
    unavailable(&citizen.cancel(&standing));
    unavailable(&citizen.relocate(&standing, &other_seat));
    nothing_else_stops(&service, &standing);
    a_full_queue_refuses_holds(&service);

    trouble.end(&service);
    eventually("it is ready again", || {
        (readiness(&service).status == 200).then_some(())
    });
    let bookings: Vec<Booking> = holds
        .iter()
        .chain(&spare[..=fitting])
        .map(|hold| {
            citizen
                .insist(&citizen.confirmation(hold))
                .expect(201)
                .json()
        })
        .collect();
    let moved: Booking = citizen.relocate(&standing, &other_seat).expect(200).json();
    citizen.cancel(&written).expect(200);
    let before = shown(&citizen, &town);

    let home = service.stop();
    let counts = home.verify();
    assert_eq!((counts.live, counts.cancelled), (22 + fitting as u64, 1));
    let service = home.start();
    let citizen = service.citizen();
    for booking in &bookings {
        let now: Booking = citizen.look(booking).expect(200).json();
        assert_eq!(now, without_token(booking));
    }
    assert_eq!(citizen.look(&standing).json::<Booking>(), moved);
    assert!(
        shown(&citizen, &town) == before,
        "the restart changed what is free"
    );
}

fn readiness(service: &Service) -> Answer {
    service.send(&Request::get("/readyz"))
}

/// Reads, holds, extensions and releases go on; only operations hear the reason.
fn nothing_else_stops(service: &Service, standing: &Booking) {
    let (citizen, town) = (service.citizen(), service.town());
    assert_eq!(
        citizen.look(standing).json::<Booking>(),
        without_token(standing)
    );
    let start = town.at(6, "08:00");
    assert_eq!(citizen.free("mitte", "pass", town.day(6), &start), 2);
    let hold = citizen.hold("mitte", "pass", &start);
    assert_eq!(citizen.free("mitte", "pass", town.day(6), &start), 1);
    citizen.extend(&hold).expect(200);
    citizen.release(&hold).expect(204);
    assert_eq!(citizen.free("mitte", "pass", town.day(6), &start), 2);

    assert_eq!(service.send(&Request::get("/healthz")).status, 200);
    assert_eq!(service.send(&Request::get("/")).status, 200);
    assert_eq!(readiness(service).text(), "the ledger is away\n");
    let detail = Request::get("/readyz").send(service.admin).unwrap();
    let detail: serde_json::Value = detail.expect(503).json();
    assert_eq!(detail["ledger"]["health"], "away");
    assert!(
        detail["ledger"]["reason"]
            .as_str()
            .is_some_and(|reason| !reason.is_empty()),
        "{detail}"
    );
}

/// What waits to be written has a bound; beyond it holds are refused and leave nothing behind.
fn a_full_queue_refuses_holds(service: &Service) {
    let (citizen, town) = (service.citizen(), service.town());
    let day = town.day(7);
    let mut holds = Vec::new();
    for start in citizen.starts("gross", "pin", day) {
        let answer = citizen.try_hold("gross", "pin", &start.start);
        if answer.status == 503 {
            assert_eq!(answer.slug(), "overloaded");
            assert_eq!(citizen.free("gross", "pin", day, &start.start), 16);
            break;
        }
        holds.push(answer.expect(201).json::<Hold>());
    }
    assert!((50..=200).contains(&holds.len()), "{}", holds.len());
    for hold in holds {
        citizen.release(&hold).expect(204);
    }
    for start in citizen.starts("gross", "pin", day) {
        assert_eq!(start.free, 16);
    }
}

/// What is free on the days of the story. The day on which the queue was filled is left out: that
/// a hold was given back is only noted when there is room for the note, and a restart that finds
/// none keeps the seat until the hold's deadline.
fn shown(citizen: &Citizen, town: &Town) -> Vec<String> {
    let asked = ["mitte", "gross"]
        .into_iter()
        .flat_map(|office| (1..=6).map(move |day| availability(office, "pin", town.day(day))));
    asked
        .map(|request| citizen.send(request).expect(200).text().to_owned())
        .collect()
}

/// Killed or stopped while the disk is full, and started again before anybody has made room: it
/// says what is wrong instead of serving half, or has found room by tidying its own log; with room
/// it has everything.
#[test]
fn a_restart_on_a_full_disk_waits_for_room() {
    let Trouble::Full(disk) = full_disk() else {
        return;
    };
    let trouble = Trouble::Full(disk);
    let mut service = trouble.start(Town::small());
    let citizen = service.citizen();
    let standing = citizen.book(&citizen.hold("mitte", "pass", &service.town().at(1, "08:00")));
    for end in [Service::kill, Service::stop] {
        let citizen = service.citizen();
        let hold = citizen.hold("einzel", "pass", &service.town().at(1, "08:00"));
        trouble.begin(&service);
        citizen.try_book(&hold).expect(503);
        let home = end(service);

        let command = home.command();
        let home = match home.try_start_by(command) {
            Ok(service) => service.stop(),
            Err((home, code)) => {
                let log = home.log();
                let last = log.lines().last().unwrap_or_default();
                assert!(code == Some(2) && last.contains("full"), "{code:?} {log}");
                home
            }
        };
        trouble.make_room();
        service = home.start();
        let citizen = service.citizen();
        assert_eq!(
            citizen.look(&standing).json::<Booking>(),
            without_token(&standing)
        );
        // Written before the disk was full or not: its holder gives it back, or it is gone.
        assert!(matches!(citizen.release(&hold).status, 204 | 409));
    }
    assert_eq!(service.stop().verify().live, 1);
}

/// A hold that would have ended while nothing could be confirmed has time afterwards.
#[test]
fn an_outage_is_not_the_citizens_fault() {
    let trouble = Trouble::FileSize;
    let service = trouble.start(Town::small());
    let hold = service
        .citizen()
        .hold("einzel", "pass", &service.town().at(1, "08:00"));
    let deadline = clock::now().0 + 2_000;
    let home = service.stop();
    let database = open_database(home.data()).unwrap();
    database
        .execute("UPDATE ledger SET deadline_ms = ?1", [deadline])
        .unwrap();
    drop(database);

    let service = trouble.start_again(home);
    let citizen = service.citizen();
    let other = citizen.hold("mitte", "pass", &service.town().at(1, "08:00"));
    eventually("the hold is written", || {
        (service.home().verify().facts == 2).then_some(())
    });
    trouble.begin(&service);
    assert_eq!(citizen.try_book(&other).slug(), "confirmation-pending");
    assert!(
        clock::now().0 < deadline,
        "too slow a machine for this story"
    );
    eventually("the hold would have ended", || {
        (clock::now().0 > deadline + 1_500).then_some(())
    });
    assert_eq!(citizen.try_book(&hold).slug(), "ledger-unavailable");
    trouble.end(&service);
    eventually("it is ready again", || {
        (readiness(&service).status == 200).then_some(())
    });
    citizen.book(&hold);
    citizen.insist(&citizen.confirmation(&other)).expect(201);
    assert_eq!(service.stop().verify().live, 2);
}

/// Killed while nobody knows whether a confirmation was kept: after the restart it is known, and
/// the repeated request hears it.
#[test]
fn an_unclear_confirmation_is_settled_by_a_restart() {
    let trouble = Trouble::FileSize;
    let service = trouble.start(Town::small());
    let citizen = service.citizen();
    let hold = citizen.hold("einzel", "pass", &service.town().at(1, "08:00"));
    let request = citizen.confirmation(&hold).key("unclear");
    // Written after the hold, so the hold is written when this is acknowledged.
    citizen.book(&citizen.hold("mitte", "pass", &service.town().at(1, "08:00")));
    trouble.begin(&service);
    assert_eq!(citizen.send(request.clone()).slug(), "confirmation-pending");
    // Neither taken back nor given away while it is unclear.
    assert_eq!(citizen.send(request.clone()).slug(), "confirmation-pending");
    let other = citizen.hold("mitte", "pass", &service.town().at(1, "09:00"));
    let reused = citizen.send(citizen.confirmation(&other).key("unclear"));
    assert_eq!(reused.slug(), "idempotency-key-reused");
    assert_eq!(citizen.release(&hold).slug(), "confirmation-pending");

    let service = service.kill().start();
    let citizen = service.citizen();
    let booking: Booking = citizen.send(request).expect(201).json();
    assert_eq!(
        citizen.look(&booking).json::<Booking>(),
        without_token(&booking)
    );
    assert_eq!(service.stop().verify().live, 2);
}
