//! Short pages about a room: that there is none, or that two tickets meet.

use askama::Template;

use crate::language::Language;

pub(super) enum Note {
    NoRoom,
    /// The link for another device has no ticket of the room in it.
    NoTicket,
    /// It has another one than this device.
    Other {
        own: String,
        offered: String,
        ticket: String,
    },
}

impl Note {
    fn heading(&self, language: Language) -> &'static str {
        match self {
            Note::NoRoom => match language {
                Language::De => "Diesen Warteraum gibt es nicht",
                Language::DeLeicht => "Diesen Warte-Raum gibt es nicht",
                Language::En => "There is no such waiting room",
            },
            Note::NoTicket => match language {
                Language::De => "Das ist keine Wartenummer",
                Language::DeLeicht => "Das ist keine Warte-Nummer",
                Language::En => "This is not a ticket",
            },
            Note::Other { .. } => match language {
                Language::De => "Zwei Wartenummern",
                Language::DeLeicht => "Zwei Warte-Nummern",
                Language::En => "Two tickets",
            },
        }
    }
}

#[derive(Template)]
#[template(path = "room_note.html")]
pub(super) struct NotePage {
    language: Language,
    path: String,
    query: String,
    heading: &'static str,
    note: Note,
}

pub(super) fn page(language: Language, path: &str, note: Note) -> NotePage {
    NotePage {
        language,
        path: path.to_owned(),
        query: format!("?lang={}", language.code()),
        heading: note.heading(language),
        note,
    }
}
