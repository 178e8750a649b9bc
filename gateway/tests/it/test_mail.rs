//! `morgenruh test-mail`, as an operator tries their mail server.

use std::process::Command;

use morgenruh_servers::{Mail, MailTls};

use crate::support::{Home, output_of, program};
use crate::town::Town;

const PUBLIC: &str = "[server]\npublic_url = \"https://termine.example.org\"\n";

fn trial(home: &Home, to: &str) -> Command {
    let mut command = program();
    command.args(["test-mail", "--to", to]);
    command.arg("--config").arg(home.config());
    command.stdout(std::process::Stdio::piped());
    command
}

/// What it says on standard output, and how it ends.
fn said(mut command: Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn a_trial_letter_arrives() {
    let dir = morgenruh_servers::scratch();
    let mut mail = Mail::start(&dir.path().join("mail"), MailTls::StartTls);
    let settings = format!(
        "{PUBLIC}[mail]\naddress = \"{}\"\nca_file = \"{}\"\nuser = \"post\"\n\
         from = \"termine@example.org\"\ntimeout_ms = 20000\n",
        mail.address(),
        mail.authority().unwrap().display(),
    );
    let home = Home::of(Town::small().server(&settings));
    let try_it = |to: &str, password: &str| {
        let mut command = trial(&home, to);
        command.env("MORGENRUH_MAIL_PASSWORD", password);
        said(command)
    };
    let (code, text) = try_it("amt@example.org", mail.password());
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(text, "the mail server has taken the letter\n");
    let received = mail.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].to, ["amt@example.org"]);
    let raw = String::from_utf8_lossy(&received[0].raw);
    assert!(raw.contains("Subject: Ein Probebrief\r\n"), "{raw}");

    let (code, text) = try_it("550-gone@example.org", mail.password());
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("refuses the recipient with 550"), "{text}");
    let (code, text) = try_it("amt@example.org", "not this one");
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("535") && !text.contains("not this one"),
        "{text}"
    );
    let (code, text) = try_it("nobody", mail.password());
    assert_eq!(code, Some(1), "{text}");
    mail.stop();
    let (code, text) = try_it("amt@example.org", "any");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("the mail server cannot be used"), "{text}");
}

#[test]
fn without_a_mail_server_nothing_is_tried() {
    let (code, text) = said(trial(&Home::of(Town::small()), "amt@example.org"));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("Set address and from in [mail]"), "{text}");

    let settings = format!(
        "{PUBLIC}[mail]\naddress = \"127.0.0.1:25\"\nfrom = \"a@example.org\"\n\
         user = \"post\"\n"
    );
    let home = Home::of(Town::small().server(&settings));
    let (code, text) = output_of(trial(&home, "amt@example.org"));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("names a user and no password"), "{text}");

    let home = Home::of(Town::small().server("[mail]\nadress = \"\"\n"));
    let (code, text) = said(trial(&home, "amt@example.org"));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("did you mean \"address\"?"), "{text}");
    let mut command = program();
    command.arg("test-mail");
    assert_eq!(said(command).0, Some(2));
}
