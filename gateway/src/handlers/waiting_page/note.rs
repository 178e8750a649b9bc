//! Short pages about a room: that there is none, or whether a ticket is to be taken over.

use askama::Template;

use crate::language::Language;

pub(super) enum Note {
    NoRoom,
    /// A wish is on its way to the ledger.
    Moment,
    /// The link for another device has no ticket of the room in it.
    NoTicket,
    /// It has another one than this device, which may have none.
    Offered {
        own: Option<String>,
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
            Note::Moment => match language {
                Language::De | Language::DeLeicht => "Einen Moment bitte",
                Language::En => "One moment please",
            },
            Note::Offered { own: None, .. } => match language {
                Language::De => "Hier weiterwarten?",
                Language::DeLeicht => "Möchten Sie hier weiter warten?",
                Language::En => "Go on waiting here?",
            },
            Note::Offered { .. } => match language {
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
    room_path: String,
    query: String,
    heading: &'static str,
    note: Note,
}

pub(super) fn page(language: Language, path: &str, note: Note) -> NotePage {
    let room_path = path.to_owned();
    NotePage {
        language,
        path: match &note {
            Note::Offered { ticket, .. } => format!("{room_path}/weiter/{ticket}"),
            _ => room_path.clone(),
        },
        room_path,
        query: format!("?lang={}", language.code()),
        heading: note.heading(language),
        note,
    }
}
