//! What the page of a room shows, and in which words.

use askama::Template;
use axum::http::{HeaderMap, header};
use jiff::tz::TimeZone;
use morgenruh_engine::rules::catalogue::{Catalogue, RoomPolicy};
use morgenruh_engine::rules::room::state::Phase;
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_wire as wire;

use super::Visit;
use super::qr::{self, Code};
use super::wish::{self, Stage, Wished};
use crate::app::App;
use crate::handlers::rooms::tickets::place_of;
use crate::language::Language;
use crate::target::Target;
use crate::texts;

/// Names of offices that a page has room for, in bytes: above everything else, and for those who
/// are in. Of others only their number is told.
const NAMED_BYTES_MAX: usize = 120;
const LISTED_BYTES_MAX: usize = 600;
/// A picture of a link that is larger costs the page its size: then there is only the link.
const CODE_BYTES_MAX: usize = 3_600;
/// Shortest time after which a page loads itself again, in seconds.
const REFRESH_S_MIN: u32 = 5;

/// Where a visitor stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Scheduled,
    /// Tickets are given, and this visitor has none yet.
    Open,
    /// With a ticket before the draw.
    Gathered,
    Drawing,
    /// After the draw, without a ticket.
    Late,
    InLine {
        position: String,
        ahead: String,
        eta: Option<String>,
    },
    Called {
        until: Option<String>,
    },
    Inside {
        until: String,
        /// Whether the pass is in this browser.
        here: bool,
    },
    Booked,
    Left,
    UsedUp,
    SoldOut,
    Closed,
    /// It has become a wish.
    Wished(Wished),
}

impl State {
    fn without_ticket(phase: Phase) -> State {
        match phase {
            Phase::Scheduled => State::Scheduled,
            Phase::Gathering => State::Open,
            Phase::Drawing => State::Drawing,
            Phase::Serving | Phase::Paused => State::Late,
            Phase::SoldOut => State::SoldOut,
            Phase::Closed => State::Closed,
        }
    }

    fn is_called(&self) -> bool {
        matches!(self, State::Called { .. })
    }

    /// Whether there is a place in the line that can be taken elsewhere or given up.
    fn is_waiting(&self) -> bool {
        use State::{Called, Drawing, Gathered, InLine, Inside};
        matches!(
            self,
            Gathered | Drawing | InLine { .. } | Called { .. } | Inside { .. }
        )
    }

    /// Whether the number of the ticket can no more be taken for a place.
    fn is_placed(&self) -> bool {
        !matches!(self, State::Gathered | State::Drawing)
    }

    /// Whether a guard in front of another site lets this visitor through.
    fn may_go_on(&self) -> bool {
        use State::{Closed, Inside, SoldOut};
        matches!(self, Inside { here: true, .. } | SoldOut | Closed)
    }

    pub(super) fn is_final(&self) -> bool {
        use State::{Booked, Closed, Left, SoldOut, UsedUp, Wished};
        matches!(self, Booked | Left | UsedUp | SoldOut | Closed | Wished(_))
    }

    fn heading(&self, language: Language) -> &'static str {
        let (de, leicht, en) = match self {
            State::Scheduled => (
                "Der Warteraum ist noch zu",
                "Der Warte-Raum ist noch zu",
                "The waiting room is not open yet",
            ),
            State::Open => (
                "Der Warteraum ist offen",
                "Der Warte-Raum ist offen",
                "The waiting room is open",
            ),
            State::Gathered => (
                "Sie nehmen an der Auslosung teil",
                "Sie sind bei der Auslosung dabei",
                "You take part in the draw",
            ),
            State::Drawing => (
                "Es wird ausgelost",
                "Wir losen aus",
                "The draw is being made",
            ),
            State::Late => (
                "Sie können sich noch anstellen",
                "Sie können sich noch anstellen",
                "You can still join the line",
            ),
            State::InLine { .. } => ("Sie stehen an", "Sie warten", "You are in line"),
            State::Called { .. } => ("Sie sind dran", "Sie sind dran", "It is your turn"),
            State::Inside { .. } => ("Sie sind drin", "Sie sind drin", "You are in"),
            State::Booked => (
                "Sie haben einen Termin",
                "Sie haben einen Termin",
                "You have an appointment",
            ),
            State::Left => (
                "Sie haben Ihren Platz aufgegeben",
                "Sie warten nicht mehr",
                "You have given your place up",
            ),
            State::UsedUp => (
                "Ihre Wartenummer ist verbraucht",
                "Ihre Warte-Nummer gilt nicht mehr",
                "Your ticket is used up",
            ),
            State::SoldOut => (
                "Alle Termine sind vergeben",
                "Alle Termine sind weg",
                "All appointments are taken",
            ),
            State::Closed => (
                "Der Warteraum ist geschlossen",
                "Der Warte-Raum ist zu",
                "The waiting room is closed",
            ),
            State::Wished(wished) => match wished.stage {
                Stage::Paused => (
                    "Ihr Terminwunsch macht Pause",
                    "Ihr Termin-Wunsch macht Pause",
                    "Your wish for an appointment is paused",
                ),
                Stage::Offered => (
                    "Ein Termin ist für Sie frei",
                    "Ein Termin ist frei für Sie",
                    "An appointment is free for you",
                ),
                Stage::Booked => (
                    "Ihr Terminwunsch ist erfüllt",
                    "Ihr Termin-Wunsch ist erfüllt",
                    "Your wish for an appointment is fulfilled",
                ),
                Stage::Ended => (
                    "Ihr Terminwunsch ist beendet",
                    "Ihr Termin-Wunsch ist zu Ende",
                    "Your wish for an appointment has ended",
                ),
                Stage::Waits { .. } => (
                    "Ihr Terminwunsch ist vorgemerkt",
                    "Wir haben Ihren Termin-Wunsch",
                    "We have your wish for an appointment",
                ),
            },
        };
        language.say(de, leicht, en)
    }
}

/// Why a form was not followed by what was wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    Later,
    Full,
    /// The proof of work is missing or wrong.
    Work,
    /// Called, but the ceiling is reached.
    Crowded,
}

pub(super) struct TicketShown {
    number: String,
    /// For another device.
    link: String,
    code: Option<Code>,
}

#[derive(Template)]
#[template(path = "waiting.html")]
pub(super) struct Page {
    language: Language,
    pub(super) path: String,
    pub(super) query: String,
    nonce: String,
    room: String,
    name: String,
    /// Which offices, days and seats.
    what: String,
    pub(super) state: State,
    heading: &'static str,
    notice: Option<Notice>,
    paused: bool,
    /// What a change of is worth being told: phase, standing, and the order of magnitude.
    band: String,
    chance: String,
    poll_ms: u32,
    pub(super) refresh_s: u32,
    auto: bool,
    /// Whether joining takes a proof of work.
    asks_work: bool,
    opens: String,
    release: String,
    /// Time until the opening or the draw, as HTML.
    left: String,
    ticket: Option<TicketShown>,
    /// Whether the ticket is better turned into a wish.
    may_wish: bool,
    /// Whether the draw gives the seats to wishes, so that a ticket alone brings nothing.
    is_lottery: bool,
    target: Option<Target>,
    offices: Vec<String>,
    offices_more: usize,
    commitment: String,
    rules: String,
    seed: Option<String>,
    has_receipt: bool,
    as_of: String,
}

pub(super) fn page(
    app: &App,
    headers: &HeaderMap,
    visit: &Visit,
    notice: Option<Notice>,
    nonce: String,
) -> Page {
    let (language, now) = (visit.language, visit.now);
    let city = app.catalogue();
    let zone = &city.city.zone;
    let (phase, opens_at, release_at, is_lottery) = visit.room.decide(|room| {
        let plan = room.plan();
        let is_lottery = plan.terms.policy == RoomPolicy::Lottery;
        (room.phase(now), plan.opens_at, plan.release_at, is_lottery)
    });
    let document = &visit.document.room;
    let seq = visit.ticket.as_ref().map(|(ticket, _)| ticket.id.seq);
    let place = seq.map(|seq| place_of(app, &visit.room, now, seq));
    let state = match wish::of_ticket(app, visit) {
        Some(wished) => State::Wished(wished),
        None => state(visit, phase, place.as_ref(), |at| language.time(zone, at)),
    };
    let chance = place
        .as_ref()
        .map_or_else(String::new, |place| place.chance.clone());
    let little_is_left = match &state {
        state if is_lottery && state.is_waiting() => true,
        State::InLine { .. } => ["unlikely", "gone"].contains(&chance.as_str()),
        state => matches!(state, State::SoldOut | State::Closed | State::UsedUp),
    };
    let all: Vec<&str> = document
        .offices
        .iter()
        .filter_map(|id| office(city, language, id))
        .collect();
    let shown = within(&all, LISTED_BYTES_MAX);
    let poll_ms = place
        .as_ref()
        .map_or(document.poll_after_ms, |place| place.poll_after_ms);
    let is_before = matches!(phase, Phase::Scheduled | Phase::Gathering);
    let seats = is_before.then_some(document.seats_free);
    let begins_at = if phase == Phase::Scheduled {
        opens_at
    } else {
        release_at
    };
    let drawn = document.draw.as_ref();
    Page {
        path: visit.path(),
        query: visit.query(),
        nonce,
        room: document.id.clone(),
        name: language
            .choose(&document.name.de, &document.name.en)
            .to_owned(),
        what: what(language, &all, &document.dates, seats),
        heading: state.heading(language),
        notice,
        paused: phase == Phase::Paused && !state.is_final(),
        band: band(phase, place.as_ref()),
        chance,
        poll_ms,
        refresh_s: poll_ms.div_ceil(1_000).max(REFRESH_S_MIN),
        auto: visit.auto,
        asks_work: document.proof_of_work,
        opens: format!(
            "{}, {}",
            language.date(zone, opens_at),
            language.time(zone, opens_at)
        ),
        release: language.time(zone, release_at),
        left: left(language, (begins_at - now).0 / 1_000),
        ticket: visit
            .ticket
            .as_ref()
            .filter(|_| phase != Phase::Scheduled)
            .map(|(ticket, text)| {
                let lang = match language {
                    Language::De => String::new(),
                    _ => visit.query(),
                };
                let link = format!("{}{}/weiter/{text}{lang}", base(app, headers), visit.path());
                TicketShown {
                    number: language.number(ticket.id.seq.saturating_add(1)),
                    code: qr::code(&link).filter(|code| code.path.len() <= CODE_BYTES_MAX),
                    link,
                }
            }),
        is_lottery: is_lottery && state.is_waiting(),
        may_wish: little_is_left && wish::is_possible(app, visit),
        target: visit.target.clone(),
        offices: all[..shown].iter().map(|name| (*name).to_owned()).collect(),
        offices_more: all.len() - shown,
        commitment: document.commitment.clone(),
        rules: document.rules.clone(),
        seed: drawn.and_then(|drawn| drawn.seed.clone()),
        has_receipt: seq
            .zip(drawn)
            .is_some_and(|(seq, drawn)| seq < drawn.tickets && drawn.seed.is_some()),
        as_of: language.time(zone, now),
        state,
        language,
    }
}

fn state(
    visit: &Visit,
    phase: Phase,
    place: Option<&wire::Place>,
    time: impl Fn(UnixMillis) -> String,
) -> State {
    let language = visit.language;
    let Some(place) = place else {
        return State::without_ticket(phase);
    };
    let number = |number: Option<u32>| language.number(number.unwrap_or(0));
    let until = place.until.as_deref().and_then(texts::parse_time).map(time);
    match place.standing.as_str() {
        "booked" => State::Booked,
        "left" => State::Left,
        "used_up" => State::UsedUp,
        "over" if phase == Phase::SoldOut => State::SoldOut,
        "over" => State::Closed,
        "in_line" => State::InLine {
            position: number(place.position),
            ahead: number(place.ahead),
            eta: place.eta.as_ref().map(|eta| in_about(language, eta)),
        },
        "called" => State::Called { until },
        "inside" => State::Inside {
            until: until.unwrap_or_default(),
            here: visit.has_pass,
        },
        _ if phase == Phase::Scheduled => State::Scheduled,
        _ if phase == Phase::Gathering => State::Gathered,
        _ => State::Drawing,
    }
}

/// The script makes the same of what the API answers.
fn band(phase: Phase, place: Option<&wire::Place>) -> String {
    let Some(place) = place else {
        return phase.name().to_owned();
    };
    let far = place.ahead.map_or(0, |ahead| ahead.to_string().len());
    format!("{} {} {far}", phase.name(), place.standing)
}

fn in_about(language: Language, eta: &wire::Eta) -> String {
    if eta.most_s <= 60 {
        return language
            .choose("weniger als eine Minute", "less than a minute")
            .to_owned();
    }
    let least = (eta.least_s / 60).max(1);
    let most = eta.most_s.div_ceil(60).max(least + 1);
    match language {
        Language::En => format!("about {least} to {most} minutes"),
        Language::De | Language::DeLeicht => format!("etwa {least} bis {most} Minuten"),
    }
}

/// Time that is left, which the script counts down where it is minutes.
fn left(language: Language, seconds: i64) -> String {
    let seconds = seconds.max(0);
    if seconds > 2 * 3_600 {
        let hours = seconds / 3_600;
        return format!("{hours} {}", language.choose("Stunden", "hours"));
    }
    let words = match language {
        Language::En => ["less than a minute", "one minute", "# minutes"],
        Language::De | Language::DeLeicht => {
            ["weniger als einer Minute", "einer Minute", "# Minuten"]
        }
    };
    let minutes = if seconds < 60 { 0 } else { (seconds + 59) / 60 };
    let text = words[usize::try_from(minutes.min(2)).unwrap_or(0)];
    let text = text.replace('#', &minutes.to_string());
    format!(
        "<span data-left=\"{seconds}\" data-words=\"{}\">{text}</span>",
        words.join("|")
    )
}

/// Like "3 Dienststellen, 27. November 2026, bis zu 80 Termine". Few offices are named; how many
/// seats there are is of interest until they are given out.
fn what(language: Language, offices: &[&str], dates: &[String], seats: Option<u32>) -> String {
    let are_named = within(offices, NAMED_BYTES_MAX) == offices.len();
    let mut parts = match (offices.len(), language) {
        _ if are_named => offices.iter().map(|name| (*name).to_owned()).collect(),
        (1, Language::En) => vec!["1 office".to_owned()],
        (1, Language::DeLeicht) => vec!["1 Stelle".to_owned()],
        (1, Language::De) => vec!["1 Dienststelle".to_owned()],
        (count, Language::En) => vec![format!("{count} offices")],
        (count, Language::DeLeicht) => vec![format!("{count} Stellen")],
        (count, Language::De) => vec![format!("{count} Dienststellen")],
    };
    let date = |date: &str| {
        let date = texts::parse_date(date)?.to_zoned(TimeZone::UTC).ok()?;
        Some(language.date(&TimeZone::UTC, date.timestamp().into()))
    };
    let (first, last) = (dates.first(), dates.last().filter(|_| dates.len() > 1));
    let dates = [first, last]
        .into_iter()
        .flatten()
        .filter_map(|it| date(it));
    let dates: Vec<String> = dates.collect();
    parts.push(dates.join(" – "));
    if let Some(seats) = seats.filter(|seats| *seats > 0) {
        let seats = language.number(seats);
        parts.push(match language {
            Language::En => format!("up to {seats} appointments"),
            Language::De | Language::DeLeicht => format!("bis zu {seats} Termine"),
        });
    }
    parts.retain(|part| !part.is_empty());
    parts.join(", ")
}

/// How many names fit into so many bytes.
fn within(names: &[&str], bytes_max: usize) -> usize {
    let mut bytes = 0;
    let fits = names.iter().take_while(|name| {
        bytes += name.len();
        bytes <= bytes_max
    });
    fits.count()
}

fn office<'c>(city: &'c Catalogue, language: Language, id: &str) -> Option<&'c str> {
    let office = city.office(city.office_by_id(id)?);
    Some(language.choose(&office.name.de, &office.name.en))
}

/// Where this service is for the visitor's other devices.
fn base(app: &App, headers: &HeaderMap) -> String {
    if let Some(url) = &app.settings.server.public_url {
        return url.clone();
    }
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    format!("http://{}", host.unwrap_or_default())
}

#[derive(Template)]
#[template(path = "rooms.html")]
pub(super) struct List {
    language: Language,
    path: &'static str,
    query: String,
    city: String,
    rooms: Vec<Row>,
}

struct Row {
    id: String,
    name: String,
    release: String,
    heading: &'static str,
}

/// The rooms that there are.
pub(super) fn list(app: &App, now: UnixMillis, language: Language) -> List {
    let city = &app.catalogue().city;
    let rooms = app.rooms.all().into_iter().filter_map(|document| {
        let shard = app.engine.rooms().named(&document.room.id)?;
        let (phase, at) = shard.decide(|room| (room.phase(now), room.plan().release_at));
        let name = &document.room.name;
        Some(Row {
            id: document.room.id.clone(),
            name: language.choose(&name.de, &name.en).to_owned(),
            release: format!(
                "{}, {}",
                language.date(&city.zone, at),
                language.time(&city.zone, at)
            ),
            heading: State::without_ticket(phase).heading(language),
        })
    });
    List {
        language,
        path: "/warteraum",
        query: format!("?lang={}", language.code()),
        city: language.choose(&city.name.de, &city.name.en).to_owned(),
        rooms: rooms.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_while_there_is_room() {
        let names = ["a".repeat(300), "b".repeat(300), "c".to_owned()];
        let names = names.each_ref().map(String::as_str);
        assert_eq!(within(&names, LISTED_BYTES_MAX), 2);
        assert_eq!(within(&names, 299), 0);
        assert_eq!(within(&[], 0), 0);
        let dates = ["2026-12-24".to_owned()];
        let words = |offices: &[&str]| what(Language::De, offices, &dates, Some(1_300));
        assert_eq!(
            words(&["Mitte"]),
            "Mitte, 24. Dezember 2026, bis zu 1.300 Termine"
        );
        assert_eq!(
            words(&names),
            "3 Dienststellen, 24. Dezember 2026, bis zu 1.300 Termine"
        );
        let dates = ["2026-12-23".to_owned(), "2026-12-24".to_owned()];
        let words = what(Language::En, &names[..1], &dates, None);
        assert_eq!(words, "1 office, 23 December 2026 – 24 December 2026");
    }

    #[test]
    fn waits_are_told_as_ranges() {
        let told = |least_s, most_s| in_about(Language::De, &wire::Eta { least_s, most_s });
        assert_eq!(told(0, 60), "weniger als eine Minute");
        assert_eq!(told(20, 61), "etwa 1 bis 2 Minuten");
        assert_eq!(told(240, 420), "etwa 4 bis 7 Minuten");
        assert!(left(Language::En, 59).ends_with(">less than a minute</span>"));
        assert!(left(Language::En, 60).ends_with(">one minute</span>"));
        assert!(left(Language::En, 61).ends_with(">2 minutes</span>"));
        assert_eq!(left(Language::En, 7_201), "2 hours");
    }
}
