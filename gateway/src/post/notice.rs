//! What is to be told, to whom. Made from a wish by whoever has something to tell.

use std::fmt;

use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::rules::wish::fact::{Notify, WishEnding};

use crate::language::Language;

/// One thing that somebody is to be told.
pub(crate) struct Notice {
    /// The same notice has the same id after a crash, and no other one has it: `WISH-3`. Letters,
    /// digits, `-`, `_` and `.` only.
    pub(crate) id: String,
    pub(crate) kind: NoticeKind,
    pub(crate) language: Language,
    pub(crate) to: Notify,
    /// Where letters go; the person's name is not needed to tell them anything.
    pub(crate) email: String,
    /// The wish's id.
    pub(crate) wish: String,
    /// When it became true.
    pub(crate) at: UnixMillis,
    /// Where the wish is looked at and changed: a path of ours, from `/` on.
    pub(crate) manage: String,
    /// What ends the wish with one `POST` and no question, as RFC 8058 asks; a path of ours.
    pub(crate) withdraw: String,
}

/// What has happened.
pub(crate) enum NoticeKind {
    /// The wish is kept.
    Laid {
        /// The services, in the notice's language.
        services: String,
    },
    /// A seat is held for it.
    Offered {
        /// Until when it can be accepted.
        deadline: UnixMillis,
        visit: Visit,
        /// Paths of ours to pages that ask before they do anything: mail programs look at links.
        accept: String,
        decline: String,
        /// It was told before, and nobody has answered yet.
        again: bool,
    },
    /// An offer or a seat that was not asked about is a booking.
    Booked {
        booking: String,
        code: String,
        visit: Visit,
        /// As `invitation` makes it: the method and the text.
        calendar: (&'static str, String),
        /// Where the booking is looked at and cancelled; a path of ours.
        manage: String,
        /// It has come in the place of a later one.
        brought_forward: bool,
        /// Where it can be given back for another one: a path of ours to a page that asks first.
        give_back: Option<String>,
    },
    /// An offer was not answered in time; the wish sleeps until somebody says that it still stands.
    Lapsed { visit: Visit },
    /// The wish is over without a booking.
    Ended { how: WishEnding },
    /// Nothing: an operator tries whether letters arrive.
    Trial,
}

/// When and where somebody would come, and what for.
pub(crate) struct Visit {
    pub(crate) start: UnixMillis,
    pub(crate) end: UnixMillis,
    /// In the notice's language.
    pub(crate) office: String,
    pub(crate) address: String,
    pub(crate) services: String,
}

impl NoticeKind {
    /// The word for it in webhooks and in the log.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            NoticeKind::Laid { .. } => "wish.laid",
            NoticeKind::Offered { again: false, .. } => "wish.offered",
            NoticeKind::Offered { again: true, .. } => "wish.reminded",
            NoticeKind::Booked { .. } => "wish.booked",
            NoticeKind::Lapsed { .. } => "wish.lapsed",
            NoticeKind::Ended { .. } => "wish.ended",
            NoticeKind::Trial => "trial",
        }
    }

    /// Whether there still is a wish that could be withdrawn.
    pub(crate) fn wish_goes_on(&self) -> bool {
        match self {
            NoticeKind::Laid { .. } | NoticeKind::Offered { .. } | NoticeKind::Lapsed { .. } => {
                true
            }
            NoticeKind::Booked { .. } | NoticeKind::Ended { .. } | NoticeKind::Trial => false,
        }
    }
}

impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Notice({} {})", self.id, self.kind.name())
    }
}
