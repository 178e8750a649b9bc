//! A town with a mail server, the letters that arrive there, and the pages that they lead to.

use morgenruh_servers::{Mail, MailTls, Received};
use tempfile::TempDir;

use crate::http::{Answer, Request};
use crate::support::{Home, Service, eventually};
use crate::town::Town;
use crate::wishes::NO_NIGHT;

pub(crate) const HOST: &str = "https://termine.example.org";

/// The small town and a mail server of its own.
pub(crate) struct Post {
    pub(crate) mail: Mail,
    _dir: TempDir,
}

impl Post {
    pub(crate) fn start() -> (Post, Home) {
        Post::of(Town::small())
    }

    pub(crate) fn of(town: Town) -> (Post, Home) {
        Post::with(town, "")
    }

    /// With more settings of the machine.
    pub(crate) fn with(town: Town, more: &str) -> (Post, Home) {
        let dir = morgenruh_servers::scratch();
        let mail = Mail::start(&dir.path().join("mail"), MailTls::Off);
        let settings = format!(
            "[server]\npublic_url = \"{HOST}\"\n{NO_NIGHT}[mail]\naddress = \"{}\"\n\
             encryption = \"off\"\nfrom = \"termine@example.org\"\n{more}",
            mail.address(),
        );
        let home = Home::of(town.server(&settings));
        (Post { mail, _dir: dir }, home)
    }

    /// All letters with this in their subject, so many at least.
    #[track_caller]
    pub(crate) fn letters(&self, subject: &str, least: usize) -> Vec<Letter> {
        eventually(subject, || {
            let all = self.mail.received();
            let all = all.iter().map(Letter::read);
            let some: Vec<Letter> = all.filter(|it| it.subject().contains(subject)).collect();
            (some.len() >= least).then_some(some)
        })
    }

    #[track_caller]
    pub(crate) fn letter(&self, subject: &str) -> Letter {
        self.letters(subject, 1).remove(0)
    }
}

/// A letter, readable.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) to: Vec<String>,
    pub(crate) text: String,
}

impl Letter {
    fn read(received: &Received) -> Letter {
        let text = String::from_utf8_lossy(&received.raw);
        // As it is written when it is more than ASCII.
        let text = text.replace("=\r\n", "").replace("=3D", "=");
        Letter {
            to: received.to.clone(),
            text,
        }
    }

    #[track_caller]
    pub(crate) fn head(&self, name: &str) -> &str {
        let mut lines = self.text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.unwrap_or_default()
    }

    fn subject(&self) -> &str {
        self.head("Subject")
    }

    /// The first link that leads to such a page of ours, as a path.
    #[track_caller]
    pub(crate) fn link(&self, what: &str) -> String {
        let link = self.links().find(|link| link.contains(what));
        link.unwrap_or_else(|| panic!("{what}: {}", self.text))
    }

    /// The link to the page of the wish.
    #[track_caller]
    pub(crate) fn wish(&self) -> String {
        let plain = |link: &String| link.starts_with("/wunsch/") && link.matches('/').count() == 3;
        self.links().find(plain).expect("letters lead to the wish")
    }

    fn links(&self) -> impl Iterator<Item = String> {
        let links = self.text.split(HOST).skip(1).map(|rest| {
            let end = rest.find(|it: char| it.is_whitespace() || "<>\"".contains(it));
            &rest[..end.unwrap_or(rest.len())]
        });
        links.map(|link| link.replace("&amp;", "&"))
    }
}

pub(crate) fn get(service: &Service, path: &str) -> Answer {
    let answer = service.send(&Request::get(path));
    for (name, value) in [
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-robots-tag", "noindex"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{path}");
    }
    assert!(!answer.text().contains("<script"), "{path}");
    answer
}

/// Sends the form with this action, as a browser would from our page.
pub(crate) fn send_form(service: &Service, page: &Answer, action: &str) -> Answer {
    let form = page.text().split("<form ").skip(1);
    let mut form = form.map(|rest| rest.split("</form>").next().unwrap_or_default());
    let form = form
        .find(|form| form.contains(action))
        .expect("the page has the form");
    let between = |text: &str, from: &str| {
        let (_, rest) = text.split_once(from)?;
        Some(rest.split('"').next().unwrap_or_default().to_owned())
    };
    let to = between(form, "action=\"").unwrap();
    let mut fields = String::new();
    if let (Some(name), Some(value)) = (between(form, " name=\""), between(form, " value=\"")) {
        fields = format!("{name}={value}");
    }
    let request = Request::post(&to)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "same-origin");
    service.send(&request.bytes(fields.as_bytes()))
}
