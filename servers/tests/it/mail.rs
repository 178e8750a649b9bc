//! The mail server takes letters, refuses whom it should, and keeps both its port and its letters.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use morgenruh_servers::{Mail, MailTls};
use tempfile::tempdir;

/// What it answers to each line; `.` ends a letter.
fn talk(mail: &Mail, lines: &[&str]) -> Vec<String> {
    let mut stream = TcpStream::connect(mail.address()).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let mut answer = || {
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        line.get(..3).unwrap_or_default().to_owned()
    };
    assert_eq!(answer(), "220");
    lines
        .iter()
        .map(|line| {
            write!(stream, "{line}\r\n").unwrap();
            answer()
        })
        .collect()
}

#[test]
fn letters_are_kept_and_some_recipients_refused() {
    let dir = tempdir().unwrap();
    let mut mail = Mail::start(&dir.path().join("mail"), MailTls::Off);
    let answers = talk(
        &mail,
        &[
            "HELO there",
            "MAIL FROM:<a@example.org>",
            "RCPT TO:<550-nobody@example.org>",
            "RCPT TO:<451-busy@example.org>",
            "RCPT TO:<b@example.org>",
            "DATA",
            "Subject: one\r\n\r\ntwo\r\n.",
        ],
    );
    assert_eq!(answers, ["250", "250", "550", "451", "250", "354", "250"]);
    let address = mail.address();
    mail.restart();
    assert_eq!(mail.address(), address);
    talk(
        &mail,
        &[
            "HELO there",
            "MAIL FROM:<a@example.org>",
            "RCPT TO:<554-data-c@example.org>",
            "DATA",
            ".",
        ],
    );
    let received = mail.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].raw, b"Subject: one\r\n\r\ntwo\r\n");
    assert_eq!(received[0].from, "a@example.org");
    assert_eq!(received[0].to, ["b@example.org"]);
    assert!(!received[0].authenticated);
}
