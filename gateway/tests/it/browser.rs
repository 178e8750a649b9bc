//! The pages of a waiting room in a real browser: what their script does, what people with other
//! ways of using it are told, and that nothing is needed but the pages.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::post::Post;
use crate::support::{Home, Service};
use crate::town::Town;
use crate::visitor::Visitor;
use crate::wishes::token;
use crate::wishes_go_on::{cancelled, given_unasked, gone_to_sleep};

/// Where the packages of the script are installed, and the script with them.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser");
/// What the browser is called.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

#[test]
fn a_browser_waits_from_the_ticket_to_the_pass() {
    run("waiting.mjs", "", 40);
}

#[test]
fn a_browser_computes_for_its_ticket() {
    run(
        "work.mjs",
        "opens_minutes = 120\nproof_of_work = 2000",
        3_600,
    );
}

/// Pages that lead on: the form with three ways to get a seat, a wish that sleeps, one that was
/// booked unasked, and one whose booking was cancelled.
#[test]
fn everybody_can_read_and_use_the_pages_of_wishes() {
    let town = Town::small();
    let at = town.hours_from_now(5);
    let terms = "policy = \"lottery\"\nopens_minutes = 120";
    let (_post, home) = Post::of(town.with_room(&at, "08:00-18:00", terms));
    let service = home.start_demo(3_600);
    let room = Visitor::of(&service);
    look(&service, &[room.path("")]);

    let (service, asleep) = gone_to_sleep();
    let page = |wish: &morgenruh_wire::Wish| format!("/wunsch/{}/{}", wish.id, token(wish));
    let booked = given_unasked(&service, 22, "hans");
    let given_up = given_unasked(&service, 24, "anna");
    cancelled(&service, &given_up);
    let pages = [
        page(&asleep),
        page(&booked),
        format!("{}/zurueckgeben", page(&booked)),
        page(&given_up),
    ];
    look(&service, &pages);
}

/// Has the browser look at these pages.
#[track_caller]
fn look(service: &Service, paths: &[String]) {
    let mut command = Command::new("node");
    command.current_dir(&*INSTALLED).arg("wishes.mjs");
    command
        .arg(format!("http://{}", service.public))
        .args(paths);
    told(command.env("CHROMIUM", browser()));
}

#[track_caller]
fn told(command: &mut Command) {
    let output = command.output().expect("node is there: make packages");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// A script with the room of a service that draws in so many seconds.
#[track_caller]
fn run(script: &str, terms: &str, seconds: u32) {
    let town = Town::small();
    let at = town.hours_from_now(5);
    let service = Home::of(town.with_room(&at, "08:00-18:00", terms)).start_demo(seconds);
    let visitor = Visitor::of(&service);
    let mut command = Command::new("node");
    command.current_dir(&*INSTALLED).arg(script);
    command.arg(format!("http://{}", service.public));
    command.arg(&visitor.room).env("CHROMIUM", browser());
    told(&mut command);
}

/// The packages of the lock file, which npm checks by their digests.
static INSTALLED: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    std::fs::create_dir_all(&folder).unwrap();
    for name in [
        "package.json",
        "package-lock.json",
        "waiting.mjs",
        "wishes.mjs",
        "work.mjs",
    ] {
        std::fs::copy(Path::new(FOLDER).join(name), folder.join(name)).unwrap();
    }
    let mut command = Command::new("npm");
    command.current_dir(&folder);
    command.args([
        "ci",
        "--prefer-offline",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
    ]);
    let output = command.output().expect("npm is there: make packages");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    folder
});

fn browser() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places =
        std::env::split_paths(&path).flat_map(|dir| BROWSERS.map(|name| dir.join(name)));
    places
        .find(|place| place.is_file())
        .expect("Chromium is there: make packages")
}
