//! A letter as it goes over the wire. The same notice is the same letter, byte for byte: whoever
//! gets it twice can tell.

use std::time::{Duration, SystemTime};

use askama::Template;
use data_encoding::HEXLOWER;
use lettre::address::Address;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use sha2::{Digest, Sha256};

use super::links::Links;
use super::notice::{Notice, NoticeKind};
use super::words::Words;
use crate::language::Language;

/// Name of the file with which an appointment gets into a calendar.
const CALENDAR_FILE: &str = "termin.ics";
/// Characters of a digest that no text has in it by chance.
const BOUNDARY_CHARS: usize = 40;

#[derive(Template)]
#[template(path = "letter.txt")]
struct PlainText<'w> {
    greeting: &'static str,
    words: &'w Words,
}

#[derive(Template)]
#[template(path = "letter.html")]
struct Html<'w> {
    greeting: &'static str,
    words: &'w Words,
}

/// From where letters come and where answers go.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    pub(super) from: Address,
    pub(super) reply_to: Option<Address>,
}

/// The letter with its head, ready to be handed over.
///
/// # Errors
/// A sentence, when it cannot be made.
pub(super) fn letter(
    notice: &Notice,
    words: &Words,
    sender: &Sender,
    to: Address,
    links: &Links,
) -> Result<Vec<u8>, String> {
    let failed = |error: String| format!("the letter cannot be made: {error}");
    let greeting = words.language.choose("Guten Tag,", "Hello,");
    let text = PlainText { greeting, words }.render();
    let text = text.map_err(|error| failed(error.to_string()))?;
    let html = Html { greeting, words }.render();
    let html = html.map_err(|error| failed(error.to_string()))?;

    let name = Some(words.sender.clone());
    let mut head = lettre::Message::builder()
        .from(Mailbox::new(name, sender.from.clone()))
        .to(Mailbox::new(None, to))
        .subject(words.subject.clone())
        .date(date(notice))
        .message_id(Some(message_id(notice, sender)))
        .raw_header(line("Auto-Submitted", "auto-generated"));
    if let Some(reply_to) = &sender.reply_to {
        head = head.reply_to(Mailbox::new(None, reply_to.clone()));
    }
    if notice.kind.wish_goes_on() {
        let withdraw = format!("<{}>", links.whole(&notice.withdraw));
        head = head
            .raw_header(line("List-Unsubscribe", &withdraw))
            .raw_header(line("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"));
    }

    let [outer, inner] = ["all", "said"].map(|level| boundary(level, &html));
    let said = MultiPart::alternative()
        .boundary(inner)
        .singlepart(SinglePart::plain(text))
        .singlepart(SinglePart::html(html));
    let message = match &notice.kind {
        NoticeKind::Booked { calendar, .. } => {
            let (method, entry) = calendar;
            let media_type = format!("text/calendar; charset=utf-8; method={method}");
            let media_type = ContentType::parse(&media_type);
            let media_type = media_type.map_err(|error| failed(error.to_string()))?;
            let file = Attachment::new(CALENDAR_FILE.to_owned()).body(entry.clone(), media_type);
            let all = MultiPart::mixed().boundary(outer);
            head.multipart(all.multipart(said).singlepart(file))
        }
        NoticeKind::Laid { .. }
        | NoticeKind::Offered { .. }
        | NoticeKind::Lapsed { .. }
        | NoticeKind::Ended { .. }
        | NoticeKind::Trial => head.multipart(said),
    };
    let message = message.map_err(|error| failed(error.to_string()))?;
    Ok(message.formatted())
}

/// A line of the head whose name and value we know to be ASCII.
fn line(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// What stands between the parts of a letter: the same whenever it is made, and not to be met by
/// chance in what it says.
fn boundary(level: &str, html: &str) -> String {
    let digest = Sha256::new().chain_update(level).chain_update(html);
    let mut boundary = HEXLOWER.encode(&digest.finalize());
    boundary.truncate(BOUNDARY_CHARS);
    boundary
}

fn date(notice: &Notice) -> SystemTime {
    let millis = u64::try_from(notice.at.0).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
}

/// What stays the same when the letter is sent again.
fn message_id(notice: &Notice, sender: &Sender) -> String {
    let plain = |it: &char| it.is_ascii_alphanumeric() || "-_.".contains(*it);
    let id: String = notice.id.chars().filter(plain).collect();
    format!("<{id}@{}>", sender.from.domain())
}
