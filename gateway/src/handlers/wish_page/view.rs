//! What the page of a wish shows, and in which words.

use askama::Template;
use jiff::tz::TimeZone;
use morgenruh_engine::rules::time::{DayNumber, UnixMillis};
use morgenruh_engine::rules::wish::agent::{Known, Standing};
use morgenruh_engine::rules::wish::fact::{Notify, Offer};
use morgenruh_engine::rules::wish::{Wish, WishId};
use morgenruh_engine::shell::engine::Booking;
use morgenruh_wire as wire;

use super::links;
use crate::app::App;
use crate::handlers::wishes;
use crate::language::Language;
use crate::outbox::{services, to_the_minute, visit_at};
use crate::post::endings;
use crate::post::notice::Visit;
use crate::problem::Kind;

/// Names of offices that are told; of others only their number is.
const OFFICES_NAMED_MAX: usize = 6;

/// Names and values.
pub(super) type Facts = Vec<(&'static str, String)>;

/// Where a wish is in its life, as its page tells it.
pub(super) enum State {
    /// There is none with this address, or none any more.
    Unknown,
    Waiting {
        outlook: wire::Outlook,
        auto_accept: bool,
        /// Whether it gets nothing until somebody says that it still stands.
        is_asleep: bool,
    },
    Pending,
    Offered {
        offer: String,
        deadline: String,
    },
    Booked {
        /// Where the booking is looked at; None for one that was brought forward.
        link: Option<String>,
        /// The booking, if it can be given back for another one.
        returnable: Option<String>,
        is_cancelled: bool,
    },
    Ended {
        why: &'static str,
    },
}

impl State {
    fn of(app: &App, now: UnixMillis, id: WishId, known: &Known, language: Language) -> State {
        let zone = &app.catalogue().city.zone;
        match known.standing {
            Standing::Undrawn | Standing::Waiting | Standing::Asleep => State::Waiting {
                outlook: wishes::outlook(app, now, id, known.place, &known.wish),
                auto_accept: known.wish.auto_accept,
                is_asleep: known.standing == Standing::Asleep,
            },
            Standing::Deciding => State::Pending,
            Standing::Offered(offer) => State::Offered {
                offer: offer.seat.to_string(),
                deadline: language.moment(zone, to_the_minute(UnixMillis(offer.deadline))),
            },
            Standing::Booked { booking, .. } => {
                let manage = known.manage_secret();
                let is_new = known.wish.instead_of.is_none();
                let made = app.engine.booking(booking, manage);
                State::Booked {
                    link: is_new.then(|| links::booking(booking, manage, language, "")),
                    returnable: wishes::go_on::is_returnable(app, now, id, known)
                        .then(|| booking.to_string()),
                    is_cancelled: made.is_ok_and(|made| made.cancelled),
                }
            }
            Standing::Ended(how) => State::Ended {
                why: endings::why(language, how),
            },
        }
    }

    /// Whether there is a wish that can be taken back.
    fn goes_on(&self) -> bool {
        matches!(
            self,
            State::Waiting { .. } | State::Pending | State::Offered { .. }
        )
    }

    fn heading(&self, language: Language) -> &'static str {
        let (de, leicht, en) = match self {
            State::Unknown => (
                "Diesen Wunsch kennen wir nicht",
                "Diesen Wunsch kennen wir nicht",
                "We do not know this wish",
            ),
            State::Waiting {
                is_asleep: true, ..
            } => (
                "Ihr Terminwunsch macht Pause",
                "Ihr Termin-Wunsch macht Pause",
                "Your wish for an appointment is paused",
            ),
            State::Waiting { .. } => (
                "Ihr Terminwunsch ist vorgemerkt",
                "Wir haben Ihren Termin-Wunsch",
                "We have your wish for an appointment",
            ),
            State::Pending => (
                "Einen Moment bitte",
                "Einen Moment bitte",
                "One moment please",
            ),
            State::Offered { .. } => (
                "Ein Termin ist für Sie frei",
                "Ein Termin ist frei für Sie",
                "An appointment is free for you",
            ),
            State::Booked {
                is_cancelled: true, ..
            } => (
                "Ihr Termin ist abgesagt",
                "Ihr Termin ist abgesagt",
                "Your appointment is cancelled",
            ),
            State::Booked { .. } => (
                "Ihr Termin ist gebucht",
                "Sie haben einen Termin",
                "Your appointment is booked",
            ),
            State::Ended { .. } => (
                "Ihr Terminwunsch ist beendet",
                "Ihr Termin-Wunsch ist zu Ende",
                "Your wish for an appointment has ended",
            ),
        };
        language.say(de, leicht, en)
    }
}

/// What is asked before it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Withdraw,
    GiveBack,
}

impl Question {
    /// Whether there is anything of which this can be asked.
    fn is_about(self, state: &State) -> bool {
        match (self, state) {
            (Question::Withdraw, state) => state.goes_on(),
            (
                Question::GiveBack,
                State::Booked {
                    returnable,
                    is_cancelled,
                    ..
                },
            ) => returnable.is_some() && !is_cancelled,
            (Question::GiveBack, _) => false,
        }
    }

    fn path(self) -> &'static str {
        match self {
            Question::Withdraw => "/zuruecknehmen",
            Question::GiveBack => "/zurueckgeben",
        }
    }

    fn heading(self, language: Language) -> &'static str {
        match self {
            Question::Withdraw => language.say(
                "Möchten Sie Ihren Terminwunsch löschen?",
                "Möchten Sie Ihren Termin-Wunsch löschen?",
                "Do you want to delete your wish?",
            ),
            Question::GiveBack => language.say(
                "Möchten Sie diesen Termin zurückgeben?",
                "Möchten Sie diesen Termin zurückgeben?",
                "Do you want to give this appointment back?",
            ),
        }
    }
}

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    Later,
    /// The offer that was answered is over.
    Gone,
    /// The booking cannot be brought forward any more.
    Stays,
    /// What was asked for, or something else, is on its way to the ledger.
    Pending,
    /// The booking cannot be given back any more.
    Kept,
}

impl Notice {
    /// What is to be said of a refusal, if the page does not say so itself.
    pub(super) fn of(refused: Kind) -> Option<Notice> {
        match refused {
            Kind::OfferGone | Kind::OfferUnknown => Some(Notice::Gone),
            Kind::BookingOver
            | Kind::BookingCancelled
            | Kind::BookingUnknown
            | Kind::TooManyMoves => Some(Notice::Stays),
            Kind::ConfirmationPending | Kind::WishPending => Some(Notice::Pending),
            Kind::WishOver => None,
            _ => Some(Notice::Later),
        }
    }

    /// The same where a booking was to be given back.
    pub(super) fn of_return(refused: Kind) -> Option<Notice> {
        match refused {
            Kind::WishOver | Kind::BookingOver | Kind::BookingUnknown => Some(Notice::Kept),
            refused => Notice::of(refused),
        }
    }
}

#[derive(Template)]
#[template(path = "wish.html")]
pub(super) struct Page {
    language: Language,
    /// Without the language.
    path: String,
    /// The page of the wish.
    wish_path: String,
    query: String,
    heading: &'static str,
    notice: Option<Notice>,
    pub(super) state: State,
    /// What is wished for, offered or booked.
    facts: Facts,
    by_email: bool,
    asks: Option<Question>,
}

impl Page {
    pub(super) fn unknown(language: Language, path: &str) -> Page {
        Page {
            language,
            path: path.to_owned(),
            wish_path: path.to_owned(),
            query: format!("?lang={}", language.code()),
            heading: State::Unknown.heading(language),
            notice: None,
            state: State::Unknown,
            facts: Vec::new(),
            by_email: false,
            asks: None,
        }
    }

    pub(super) fn of(
        app: &App,
        now: UnixMillis,
        (id, known): (WishId, &Known),
        language: Language,
        notice: Option<Notice>,
    ) -> Page {
        let state = State::of(app, now, id, known, language);
        let is_said = matches!((&state, notice), (State::Pending, Some(Notice::Pending)));
        let notice = notice.filter(|_| !is_said);
        let path = format!("/wunsch/{id}/{}", known.contact.secret);
        let catalogue = app.catalogue();
        let facts = match known.standing {
            Standing::Offered(Offer {
                seat, start, end, ..
            }) => {
                let times = (UnixMillis(start), UnixMillis(end));
                let services = &known.wish.services;
                visit(
                    app,
                    language,
                    &visit_at(catalogue, language, seat, times, services),
                )
            }
            Standing::Booked { .. } => match app.engine.booking_of_wish(id) {
                Some(booking) => booked(app, language, &booking),
                None => Vec::new(),
            },
            _ => wished(app, language, &known.wish),
        };
        Page {
            language,
            wish_path: path.clone(),
            path,
            query: format!("?lang={}", language.code()),
            heading: state.heading(language),
            notice,
            state,
            facts,
            by_email: known.contact.notify == Notify::Email,
            asks: None,
        }
    }

    /// The same, asking first whether that is to be done; if it cannot be, just the page.
    pub(super) fn asking(mut self, question: Question) -> Page {
        if question.is_about(&self.state) {
            self.asks = Some(question);
            self.path.push_str(question.path());
            self.heading = question.heading(self.language);
        }
        self
    }
}

/// What a booking is about.
pub(super) fn booked(app: &App, language: Language, booking: &Booking) -> Facts {
    let confirmed = &booking.confirmed;
    let times = (confirmed.start, confirmed.end);
    let visited = visit_at(
        app.catalogue(),
        language,
        confirmed.id,
        times,
        &confirmed.services,
    );
    let mut facts = visit(app, language, &visited);
    let number = language.say("Terminnummer", "Termin-Nummer", "Appointment number");
    facts.push((number, confirmed.id.code()));
    facts
}

fn visit(app: &App, language: Language, visit: &Visit) -> Facts {
    let zone = &app.catalogue().city.zone;
    let start = language.moment(zone, visit.start);
    let until = language.choose("bis", "to");
    let end = language.time(zone, visit.end);
    vec![
        (
            language.choose("Wann", "When"),
            format!("{start} {until} {end}"),
        ),
        (
            language.choose("Wo", "Where"),
            format!("{}, {}", visit.office, visit.address),
        ),
        (what_for(language), visit.services.clone()),
    ]
}

fn what_for(language: Language) -> &'static str {
    language.choose("Wofür", "What for")
}

/// What somebody would take.
fn wished(app: &App, language: Language, wish: &Wish) -> Facts {
    let catalogue = app.catalogue();
    let office = |number: &u16| {
        let office = catalogue.office(catalogue.office_by_number(*number)?);
        Some(language.choose(&office.name.de, &office.name.en).to_owned())
    };
    let mut offices: Vec<String> = wish.offices.iter().filter_map(office).collect();
    if offices.len() > OFFICES_NAMED_MAX {
        let more = offices.len() - OFFICES_NAMED_MAX;
        offices.truncate(OFFICES_NAMED_MAX);
        offices.push(format!("+ {more}"));
    }
    let date = |day: DayNumber| {
        let at = day.to_date().to_zoned(TimeZone::UTC).ok();
        at.map_or_else(String::new, |at| {
            language.date(&TimeZone::UTC, at.timestamp().into())
        })
    };
    let days = if wish.from == wish.until {
        date(wish.from)
    } else {
        format!("{} – {}", date(wish.from), date(wish.until))
    };
    let mut facts = vec![
        (
            what_for(language),
            services(catalogue, language, &wish.services),
        ),
        (language.choose("Wo", "Where"), offices.join(", ")),
        (language.choose("Tage", "Days"), days),
    ];
    let hours = hours(language, &wishes::windows(wish.windows));
    if !hours.is_empty() {
        facts.push((language.choose("Uhrzeiten", "Hours"), hours));
    }
    facts
}

/// Windows in words; empty for any time.
fn hours(language: Language, windows: &[wire::WishWindow]) -> String {
    let short = |day: &String| match (language, day.as_str()) {
        (Language::En, "mon") => "Mon",
        (Language::En, "tue") => "Tue",
        (Language::En, "wed") => "Wed",
        (Language::En, "thu") => "Thu",
        (Language::En, "fri") => "Fri",
        (Language::En, "sat") => "Sat",
        (Language::En, _) => "Sun",
        (_, "mon") => "Mo",
        (_, "tue") => "Di",
        (_, "wed") => "Mi",
        (_, "thu") => "Do",
        (_, "fri") => "Fr",
        (_, "sat") => "Sa",
        (_, _) => "So",
    };
    let window = |window: &wire::WishWindow| {
        let hours = format!("{}–{}", window.from, window.to);
        let hours = match language {
            Language::En => hours,
            Language::De | Language::DeLeicht => format!("{hours} Uhr"),
        };
        match &window.weekdays {
            None if (&*window.from, &*window.to) == ("00:00", "24:00") => String::new(),
            None => hours,
            Some(days) => {
                let days: Vec<&str> = days.iter().map(short).collect();
                format!("{} {hours}", days.join(", "))
            }
        }
    };
    let words: Vec<String> = windows.iter().map(window).collect();
    words.join("; ")
}
