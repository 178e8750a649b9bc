//! The keys of the waiting room, changed by hand while the service runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::support::{Home, Service, eventually, output_of, program};
use crate::town::Town;

impl Home {
    fn keys_file(&self) -> PathBuf {
        self.data().join("room.keys")
    }

    /// What `morgenruh keys` says to these arguments, and its exit code.
    fn keys(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = program();
        command.arg("keys").args(arguments);
        command.arg("--config").arg(self.config());
        command.arg("--data").arg(self.data());
        let output = command.output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        self.assert_silent(&text);
        (output.status.code(), text)
    }

    /// No key shows in a text.
    #[track_caller]
    fn assert_silent(&self, text: &str) {
        let file = fs::read_to_string(self.keys_file()).unwrap_or_default();
        let keys = file.lines().filter(|line| !line.starts_with('#'));
        for key in keys.filter_map(|line| line.split_whitespace().nth(3)) {
            assert!(!text.contains(&key[..8.min(key.len())]), "{text}");
        }
    }
}

/// The lines of `keys list` without the times.
fn states(list: &str) -> Vec<String> {
    let words = |line: &str| {
        let mut words = line.split_whitespace();
        format!("{} {}", words.next().unwrap(), words.next().unwrap())
    };
    list.lines().map(words).collect()
}

fn logged(service: &Service, what: &str) {
    eventually(what, || service.home().log().contains(what).then_some(()));
}

#[test]
fn the_first_start_makes_a_key_and_the_second_finds_it() {
    let service = Service::start();
    let path = service.home().keys_file();
    let made = fs::read_to_string(&path).unwrap();
    assert!(made.starts_with("# The keys by which"), "{made}");
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let (code, text) = service.home().keys(&["list"]);
    assert_eq!(
        (code, states(&text)),
        (Some(0), vec!["1 signing".to_owned()])
    );
    let home = service.stop();
    home.assert_silent(&home.log());
    let home = home.start().stop();
    assert_eq!(fs::read_to_string(&path).unwrap(), made);
    assert_eq!(home.log().matches("made a key").count(), 1);
}

#[test]
fn a_running_service_takes_changed_keys_and_keeps_them_when_they_turn_bad() {
    let service = Service::start();
    let home = service.home();
    let (code, text) = home.keys(&["rotate"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(text, "key 1 goes on verifying\nkey 2 signs from now on\n");
    logged(&service, "signer=2 keys=[2, 1]");

    let good = fs::read_to_string(home.keys_file()).unwrap();
    fs::write(home.keys_file(), good.replace("verifying", "retired")).unwrap();
    logged(&service, "line 6: the state is `signing` or `verifying`");
    let (code, text) = home.keys(&["rotate"]);
    assert_eq!(code, Some(1), "{text}");
    fs::write(home.keys_file(), good).unwrap();
    eventually("the good keys are taken again", || {
        let log = home.log();
        (log.matches("took the changed keys").count() == 2).then_some(())
    });

    let (code, text) = home.keys(&["retire", "1"]);
    assert_eq!(code, Some(0), "{text}");
    logged(&service, "signer=2 keys=[2]");
    let (code, text) = home.keys(&["list"]);
    assert_eq!(
        (code, states(&text)),
        (Some(0), vec!["2 signing".to_owned()])
    );
    home.assert_silent(&home.log());
    service.stop();
}

#[test]
fn what_cannot_be_done_is_said_and_changes_nothing() {
    let home = Home::of(Town::small());
    let (code, text) = home.keys(&["list"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains("the first start of the service makes it"),
        "{text}"
    );
    assert!(!home.data().exists(), "looking makes nothing");

    let home = home.start().stop();
    let before = fs::read(home.keys_file()).unwrap();
    for (arguments, reason) in [
        (&["retire", "1"][..], "key 1 signs: rotate first"),
        (&["retire", "9"], "there is no key 9"),
        (&["retire", "256"], "256"),
        (&["rotate", "--overlap-hours", "0"], "1..=8760"),
        (&["turn"], "turn"),
        (&[], "Usage: morgenruh keys"),
    ] {
        let (code, text) = home.keys(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {text}");
        assert!(text.contains(reason), "{arguments:?}: {text}");
    }
    assert_eq!(fs::read(home.keys_file()).unwrap(), before);
}

/// As with the keys of SSH: what everybody can read is no secret, and is not used as one.
#[test]
fn a_file_that_others_can_read_is_refused() {
    let home = Service::start().stop();
    fs::set_permissions(home.keys_file(), PermissionsExt::from_mode(0o644)).unwrap();
    let (code, text) = home.keys(&["list"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("chmod 600"), "{text}");
    let (code, log) = output_of(home.command());
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains("chmod 600"), "{log}");
    fs::set_permissions(home.keys_file(), PermissionsExt::from_mode(0o600)).unwrap();
    home.start().stop();
}

#[test]
fn the_configuration_can_name_another_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys of the room");
    let server_toml = format!("[room]\nkeys_file = {:?}\n", path.to_str().unwrap());
    let home = Home::of(Town::small().server(&server_toml)).start().stop();
    assert!(!home.keys_file().exists());
    let (code, text) = home.keys(&["rotate"]);
    assert_eq!(code, Some(0), "{text}");
    let keys = fs::read_to_string(path).unwrap();
    assert_eq!(
        keys.lines().filter(|line| !line.starts_with('#')).count(),
        2
    );
}
