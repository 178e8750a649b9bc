//! Letters as a mail server gets them, read by a parser that is not ours.

use mailparse::{MailHeaderMap, ParsedMail, parse_mail};
use morgenruh_servers::{Certificates, Mail, MailTls, Received};
use tempfile::TempDir;

use super::*;
use crate::post::{CannotTell, Sent};

/// Longest line, in bytes without its line break (RFC 5322).
const LINE_BYTES_MAX: usize = 998;
/// More than a server that is well ever takes, in milliseconds.
const TIMEOUT_MS: u64 = 20_000;

/// A mail server, and the settings with which it is found.
struct Office {
    dir: TempDir,
    mail: Mail,
    settings: String,
}

impl Office {
    fn open(tls: MailTls) -> Office {
        let dir = morgenruh_servers::scratch();
        let mail = Mail::start(&dir.path().join("mail"), tls);
        let password = dir.path().join("password");
        std::fs::write(&password, mail.password()).unwrap();
        let encryption = match tls {
            MailTls::Off => "off",
            MailTls::StartTls => "starttls",
            MailTls::Always => "tls",
        };
        let mut settings = format!(
            "[mail]\naddress = \"{}\"\nencryption = \"{encryption}\"\ntimeout_ms = {TIMEOUT_MS}\n\
             from = \"termine@example.org\"\nreply_to = \"amt@example.org\"\n",
            mail.address()
        );
        if let Some(authority) = mail.authority() {
            settings += &format!("ca_file = {}\n", quoted(authority));
        }
        if tls == MailTls::StartTls {
            let password = quoted(&password);
            settings += &format!("user = \"post\"\npassword_file = {password}\n");
        }
        Office {
            dir,
            mail,
            settings,
        }
    }

    fn post(&self) -> Post {
        post(&self.settings).unwrap()
    }

    /// What has come of one notice.
    #[track_caller]
    fn deliver(&self, notice: &Notice) -> Received {
        let before = self.mail.received().len();
        assert_eq!(self.post().send(notice), Sent::Done, "{notice:?}");
        let mut received = self.mail.received();
        assert_eq!(received.len(), before + 1, "{notice:?}");
        received.pop().unwrap()
    }
}

fn text_of(letter: &ParsedMail<'_>, media_type: &str) -> String {
    let part = letter.parts().find(|it| it.ctype.mimetype == media_type);
    let text = part.expect("there is such a part").get_body().unwrap();
    text.replace("\r\n", "\n")
}

fn head(letter: &ParsedMail<'_>, name: &str) -> Option<String> {
    let values = letter.headers.get_all_values(name);
    assert!(values.len() < 2, "{name} twice");
    values.into_iter().next()
}

/// What every letter has, whatever it says.
#[track_caller]
fn is_sound(raw: &[u8]) {
    let text = std::str::from_utf8(raw).unwrap();
    assert!(text.is_ascii(), "servers without 8BITMIME take it as well");
    for line in text.split("\r\n") {
        assert!(line.len() <= LINE_BYTES_MAX, "{} bytes", line.len());
        assert!(!line.contains(['\r', '\n']), "half a line break: {line:?}");
    }
    let letter = parse_mail(raw).unwrap();
    let leaves = letter.parts().filter(|it| it.subparts.is_empty()).count();
    let is_booking = letter.ctype.mimetype == "multipart/mixed";
    assert_eq!(leaves, if is_booking { 3 } else { 2 });
    assert_eq!(head(&letter, "To").as_deref(), Some("erika@example.org"));
    let from = head(&letter, "From").unwrap();
    assert!(from.ends_with(" <termine@example.org>"), "{from}");
    assert_eq!(
        head(&letter, "Reply-To").as_deref(),
        Some("amt@example.org")
    );
    assert_eq!(
        head(&letter, "Auto-Submitted").as_deref(),
        Some("auto-generated")
    );
    assert_eq!(
        head(&letter, "Message-ID").as_deref(),
        Some("<AAAAAAAAAAc-3@example.org>")
    );
    assert_eq!(
        head(&letter, "Date").as_deref(),
        Some("Thu, 24 Dec 2026 05:30:00 +0000")
    );
    assert_eq!(head(&letter, "MIME-Version").as_deref(), Some("1.0"));
    for name in ["Bcc", "Cc", "Sender", "X-Evil"] {
        assert_eq!(head(&letter, name), None);
    }
}

#[test]
fn every_letter_says_in_three_languages_what_it_is_about() {
    let office = Office::open(MailTls::Off);
    let mut subjects = std::collections::BTreeSet::new();
    for language in LANGUAGES {
        for kind in all_kinds() {
            let goes_on = kind.wish_goes_on();
            let name = kind.name();
            let notice = Notice {
                language,
                ..notice(kind)
            };
            let received = office.deliver(&notice);
            is_sound(&received.raw);
            assert_eq!(received.from, "termine@example.org");
            assert_eq!(received.to, ["erika@example.org"]);
            let letter = parse_mail(&received.raw).unwrap();
            let subject = head(&letter, "Subject").unwrap();
            let (text, html) = (
                text_of(&letter, "text/plain"),
                text_of(&letter, "text/html"),
            );
            let code = language.choose("de", "en");
            assert!(html.contains(&format!("<html lang=\"{code}\">")), "{html}");
            assert!(
                !html.contains("<img") && !html.contains("<script"),
                "{html}"
            );
            assert!(!html.contains("<Mitte>"), "{html}");
            let title = text.lines().nth(2).unwrap();
            assert!(html.contains(&format!(">{title}</h1>")), "{html}");
            assert!(
                text.contains(language.choose("Stadt Ört", "City of Ört")),
                "{text}"
            );
            let (unsubscribe, post) = (
                head(&letter, "List-Unsubscribe"),
                head(&letter, "List-Unsubscribe-Post"),
            );
            let withdraw = "https://termine.example.org/wunsch/AAAAAAAAAAc/ende?token=geheim";
            assert_eq!(unsubscribe, goes_on.then(|| format!("<{withdraw}>")));
            assert_eq!(post.is_some(), goes_on);
            for text in [&text, &html.replace("&amp;", "&")] {
                assert_eq!(text.contains(withdraw), goes_on, "{text}");
                assert!(!text.contains("\n\n\n"), "{text}");
            }
            if name == "wish.ended" || name == "wish.booked" {
                assert!(!text.contains("/wunsch/"), "{text}");
            }
            // Whoever sees only the list of letters learns what is to be done, not what for.
            assert!(!subject.contains("Personalausweis"), "{subject}");
            if name != "wish.ended" && !(language == Language::DeLeicht && name == "wish.booked") {
                assert!(subjects.insert(subject.clone()), "{subject}");
            }
            assert!(subject.chars().count() <= 110, "{subject}");
        }
    }
}

#[test]
fn an_offer_says_when_where_and_until_when() {
    let office = Office::open(MailTls::Off);
    for (language, deadline, when) in [
        (
            Language::De,
            "Donnerstag, 24. Dezember 2026, 7:00 Uhr",
            "Wann: Donnerstag, 24. Dezember 2026, 7:30 Uhr bis 7:45 Uhr",
        ),
        (
            Language::DeLeicht,
            "Donnerstag, 24. Dezember 2026, 7:00 Uhr",
            "Wann: Donnerstag, 24. Dezember 2026, 7:30 Uhr bis 7:45 Uhr",
        ),
        (
            Language::En,
            "Thursday, 24 December 2026, 07:00",
            "When: Thursday, 24 December 2026, 07:30 to 07:45",
        ),
    ] {
        let received = office.deliver(&Notice {
            language,
            ..notice(offered(false))
        });
        let letter = parse_mail(&received.raw).unwrap();
        let subject = head(&letter, "Subject").unwrap();
        assert!(subject.ends_with(deadline), "{subject}");
        let text = text_of(&letter, "text/plain");
        for part in [
            deadline,
            when,
            "Bürgerbüro <Mitte> & mehr, Am Markt 1, 12345 Ört",
            "Personalausweis",
            "\nhttps://termine.example.org/wunsch/AAAAAAAAAAc/angebote/1/annehmen?token=geheim\n",
            "\nhttps://termine.example.org/wunsch/AAAAAAAAAAc/angebote/1/ablehnen?token=geheim\n",
            "\nhttps://termine.example.org/wunsch/AAAAAAAAAAc?token=geheim\n",
        ] {
            assert!(text.contains(part), "no {part} in\n{text}");
        }
    }
}

#[test]
fn letters_say_what_can_be_done_by_whoever_did_not_answer_or_was_not_asked() {
    let office = Office::open(MailTls::Off);
    let mut unasked = booked(false);
    if let NoticeKind::Booked { give_back, .. } = &mut unasked {
        *give_back = Some("/wunsch/AAAAAAAAAAc/geheim/zurueckgeben".to_owned());
    }
    let lapsed = NoticeKind::Lapsed { visit: visit() };
    let wish = "https://termine.example.org/wunsch/AAAAAAAAAAc";
    for (kind, subject, parts) in [
        (
            offered(true),
            "Der Termin ist noch für Sie frei: bitte antworten Sie bis Donnerstag, 24. Dezember",
            [
                "noch nicht geantwortet".to_owned(),
                format!("\n{wish}/angebote/1/annehmen?token=geheim\n"),
            ],
        ),
        (
            lapsed,
            "Ein Angebot ist abgelaufen: Warten Sie weiter?",
            [
                "Ihr Wunsch macht Pause".to_owned(),
                format!("Ja, ich warte weiter:\n{wish}?token=geheim\n"),
            ],
        ),
        (
            unasked,
            "Ihr Termin ist gebucht",
            [
                "Ihr Platz in der Reihe bleibt".to_owned(),
                format!("zurückgeben und weiter warten:\n{wish}/geheim/zurueckgeben\n"),
            ],
        ),
    ] {
        let received = office.deliver(&notice(kind));
        is_sound(&received.raw);
        let letter = parse_mail(&received.raw).unwrap();
        let told = head(&letter, "Subject").unwrap();
        assert!(told.starts_with(subject), "{told}");
        let text = text_of(&letter, "text/plain");
        for part in parts {
            assert!(text.contains(&part), "no {part} in\n{text}");
        }
    }
}

#[test]
fn a_booking_comes_with_its_calendar_entry() {
    let office = Office::open(MailTls::Off);
    let kind = booked(false);
    let NoticeKind::Booked { calendar, .. } = &kind else {
        unreachable!("it is one")
    };
    let entry = calendar.1.clone();
    let received = office.deliver(&notice(kind));
    let letter = parse_mail(&received.raw).unwrap();
    let part = letter
        .parts()
        .find(|it| it.ctype.mimetype == "text/calendar");
    let part = part.unwrap();
    assert_eq!(part.ctype.params["method"], "PUBLISH");
    assert_eq!(part.ctype.charset, "utf-8");
    let disposition = part.get_content_disposition();
    assert_eq!(disposition.params["filename"], "termin.ics");
    let text = part.get_body().unwrap();
    assert_eq!(text, entry);
    let calendar: Calendar = text.parse().unwrap();
    assert_eq!(calendar.components.len(), 1);
    let event = calendar.components[0].as_event().unwrap();
    assert_eq!(event.get_uid(), Some("booking@ort.morgenruh"));
    let text = text_of(&letter, "text/plain");
    assert!(text.contains("Terminnummer: MR-1234\n"), "{text}");
    assert!(text.contains("https://termine.example.org/termin/BOOKING?token=geheim\n"));
}

#[test]
fn the_same_notice_is_the_same_letter() {
    let office = Office::open(MailTls::Off);
    for kind in [|| offered(false), || booked(true)] {
        let [first, second] = [kind(), kind()].map(|kind| office.deliver(&notice(kind)).raw);
        assert_eq!(first, second);
    }
    let other = Notice {
        id: "AAAAAAAAAAc-4".to_owned(),
        ..notice(offered(false))
    };
    let letter = office.deliver(&other).raw;
    let id = head(&parse_mail(&letter).unwrap(), "Message-ID");
    assert_eq!(id.as_deref(), Some("<AAAAAAAAAAc-4@example.org>"));
}

#[test]
fn no_text_gets_into_the_head() {
    let office = Office::open(MailTls::Off);
    let evil = "a\r\nBcc: x@y.example\r\nX-Evil: 1\r\n\r\n<b onclick=\"x\">\u{0}\r\n.\r\nQUIT";
    let evil = || evil.to_owned();
    let hostile = || Visit {
        office: evil(),
        address: evil(),
        services: evil(),
        ..visit()
    };
    for kind in [
        NoticeKind::Laid { services: evil() },
        NoticeKind::Offered {
            deadline: AT,
            visit: hostile(),
            accept: evil(),
            decline: evil(),
            again: true,
        },
        NoticeKind::Booked {
            booking: evil(),
            code: evil(),
            visit: hostile(),
            calendar: ("PUBLISH", evil()),
            manage: evil(),
            brought_forward: false,
            give_back: Some(evil()),
        },
        NoticeKind::Lapsed { visit: hostile() },
    ] {
        let received = office.deliver(&Notice {
            id: format!("AAAAAAAAAAc-3>\r\n{}", ""),
            wish: evil(),
            manage: evil(),
            withdraw: evil(),
            ..notice(kind)
        });
        is_sound(&received.raw);
        let letter = parse_mail(&received.raw).unwrap();
        let html = text_of(&letter, "text/html");
        assert!(!html.contains("<b onclick"), "{html}");
        let text = text_of(&letter, "text/plain");
        assert!(
            !text.contains("\nBcc:") && !text.contains("\nX-Evil"),
            "{text}"
        );
    }
    for email in [
        "a@b.example\r\nBcc: x@y.example",
        "a@b.example>\r\nRCPT TO:<x@y.example",
        "a@b.example, x@y.example",
        "<x@y.example> a@b.example",
        "",
    ] {
        let notice = Notice {
            email: email.to_owned(),
            ..notice(offered(false))
        };
        let sent = office.post().send(&notice);
        assert!(matches!(sent, Sent::Refused(_)), "{email:?}: {sent:?}");
    }
    assert_eq!(office.mail.received().len(), 4);
}

#[test]
fn the_name_of_a_host_may_have_letters_of_any_kind() {
    let office = Office::open(MailTls::Off);
    let received = office.deliver(&Notice {
        email: "erika@b\u{fc}rger.example".to_owned(),
        ..notice(offered(false))
    });
    assert_eq!(received.to, ["erika@xn--brger-kva.example"]);
}

#[test]
fn what_is_refused_for_good_is_not_tried_again() {
    let mut office = Office::open(MailTls::Off);
    let sent = |post: &Post, local: &str| {
        post.send(&Notice {
            email: format!("{local}@example.org"),
            ..notice(offered(false))
        })
    };
    let post = office.post();
    for (local, expected) in [
        (
            "550-gone",
            Sent::Refused("the mail server refuses the recipient with 550".to_owned()),
        ),
        (
            "451-busy",
            Sent::Later("the mail server refuses the recipient with 451".to_owned()),
        ),
        // We may not write to anybody: an operator has to say who we are.
        (
            "554-5.7.1-relay",
            Sent::Later("the mail server refuses the recipient with 554 5.7".to_owned()),
        ),
        (
            "550-5.1.1-gone",
            Sent::Refused("the mail server refuses the recipient with 550".to_owned()),
        ),
        (
            "554-data-long",
            Sent::Refused("the mail server refuses the letter with 554".to_owned()),
        ),
        (
            "452-data-full",
            Sent::Later("the mail server refuses the letter with 452".to_owned()),
        ),
    ] {
        assert_eq!(sent(&post, local), expected);
    }
    assert!(office.mail.received().is_empty());

    office.mail.stop();
    assert!(matches!(sent(&post, "erika"), Sent::Later(_)));
    office.mail.restart();
    assert_eq!(sent(&post, "erika"), Sent::Done);
    // It takes connections and says nothing.
    let hasty = office.settings.replace(&TIMEOUT_MS.to_string(), "1000");
    office.mail.pause();
    let told = sent(&super::post(&hasty).unwrap(), "erika");
    assert!(matches!(told, Sent::Later(_)), "{told:?}");
    office.mail.resume();
    assert_eq!(sent(&post, "erika"), Sent::Done);
}

#[test]
fn a_server_with_tls_is_checked_before_it_gets_the_password() {
    for tls in [MailTls::StartTls, MailTls::Always] {
        let office = Office::open(tls);
        let received = office.deliver(&notice(offered(false)));
        assert_eq!(received.authenticated, tls == MailTls::StartTls);

        // Somebody else's authority.
        let other = Certificates::of(&office.dir.path().join("other"));
        let settings = office.settings.replace(
            &quoted(office.mail.authority().unwrap()),
            &quoted(&other.authority),
        );
        let sent = post(&settings).unwrap().send(&notice(offered(false)));
        let Sent::Later(reason) = sent else {
            panic!("{tls:?}: {sent:?}")
        };
        assert!(reason.contains("invalid peer certificate"), "{reason}");

        assert_eq!(office.mail.received().len(), 1);
    }
}

#[test]
fn a_password_that_can_be_mended_is_no_reason_to_give_a_letter_up() {
    let office = Office::open(MailTls::StartTls);
    std::fs::write(office.dir.path().join("password"), "wrong").unwrap();
    let sent = office.post().send(&notice(offered(false)));
    let Sent::Later(reason) = sent else {
        panic!("{sent:?}")
    };
    let is_told = reason.contains("535") && !reason.contains("wrong");
    assert!(is_told, "{reason}");
    assert!(office.mail.received().is_empty());
}

/// Whoever stands between could take the offer of encryption away.
#[test]
fn a_server_without_tls_gets_nothing_where_it_is_wanted() {
    let office = Office::open(MailTls::Off);
    let settings = office.settings.replace("\"off\"", "\"starttls\"");
    let other = Certificates::of(&office.dir.path().join("other"));
    let settings = format!("{settings}ca_file = {}\n", quoted(&other.authority));
    let sent = post(&settings).unwrap().send(&notice(offered(false)));
    assert!(matches!(sent, Sent::Later(_)), "{sent:?}");
    assert!(office.mail.received().is_empty());
}

#[test]
fn without_a_server_nobody_is_told_by_mail() {
    let post = post("").unwrap();
    assert_eq!(post.check(&Notify::Email), Err(CannotTell::NoMail));
    assert!(matches!(post.send(&notice(offered(false))), Sent::Later(_)));
    assert_eq!(post.check(&Notify::Poll), Ok(()));
    let poll = Notice {
        to: Notify::Poll,
        ..notice(offered(false))
    };
    assert_eq!(post.send(&poll), Sent::Done);
}

#[test]
fn a_user_needs_a_password() {
    let settings =
        "[mail]\naddress = \"127.0.0.1:25\"\nfrom = \"a@example.org\"\nuser = \"post\"\n";
    assert!(matches!(post(settings), Err(PostError::NoMailPassword)));
}
