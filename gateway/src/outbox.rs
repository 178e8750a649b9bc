//! What people are to be told of their wishes, handed over one after the other.
//!
//! The engine remembers what is untold, and the ledger with it: after a crash a letter is sent at
//! least once, and if twice, with the same id. Here only pauses are remembered.

use std::collections::HashMap;
use std::time::Duration;

use morgenruh_engine::rules::catalogue::{Catalogue, Text};
use morgenruh_engine::rules::ids::{Digest, ReservationId};
use morgenruh_engine::rules::need::Services;
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use morgenruh_engine::rules::wish::WishId;
use morgenruh_engine::rules::wish::agent::{Agent, Known, Notice as Untold, Standing, What};
use morgenruh_engine::rules::wish::fact::{Notify, Offer};
use tokio::sync::watch;

use crate::app::App;
use crate::handlers::wish_page::links;
use crate::handlers::wishes::go_on::is_returnable;
use crate::invitation::invitation;
use crate::language::Language;
use crate::post::notice::{Notice, NoticeKind, Visit};
use crate::post::{Sent, backoff};
use crate::{clock, needs};

/// How often it is looked whether there is something to tell.
const LOOK: Duration = Duration::from_millis(250);
/// Wishes with something to tell that are looked at; what is beyond waits for these.
const LOOK_MAX: usize = 50_000;
/// Notices that are handed over between two looks: what is urgent waits for no more than these.
const BATCH_MAX: usize = 16;
/// Failures in a row after which a whole way is left alone for a while.
const FAILURES_MAX: u32 = 3;
/// Longest time for which it is, and after which an offer is tried again: its time is running.
const SHORT_PAUSE_MAX: Millis = Millis(60_000);
/// Ways whose failures are remembered: the mail server, and hosts of webhooks.
const WAYS_MAX: usize = 1_000;

/// A notice by its wish and its number.
type Key = (WishId, u32);

/// A way on which notices leave, by its name.
type Way = Digest;

/// What was tried so far.
#[derive(Default)]
struct Outbox {
    /// Notices that were not taken, or whose success the ledger does not know yet.
    tried: HashMap<Key, Tried>,
    ways: HashMap<Way, Failing>,
}

#[derive(Clone, Copy)]
struct Tried {
    count: u32,
    again_at: UnixMillis,
    /// Nothing is to be sent any more.
    done: bool,
}

#[derive(Clone, Copy)]
struct Failing {
    in_a_row: u32,
    until: UnixMillis,
}

/// Something to tell now.
struct Due {
    wish: WishId,
    notice: Untold,
    known: Known,
}

/// Runs until `stopped` says so; takes this thread. A notice that is being handed over is waited
/// for.
pub(crate) fn run(app: &App, stopped: &watch::Receiver<bool>) {
    let mut outbox = Outbox::default();
    while !*stopped.borrow() {
        // What is told must be remembered: while that cannot be, nothing is.
        let due = if app.engine.ledger_health().is_ready() {
            let now = clock::now();
            app.engine.look_at_wishes(|agent| outbox.due(agent, now))
        } else {
            Vec::new()
        };
        if due.is_empty() {
            std::thread::sleep(LOOK);
        }
        for due in due {
            if *stopped.borrow() {
                return;
            }
            outbox.hand_over(app, &due);
        }
    }
}

impl Outbox {
    /// What can be handed over now, the most urgent first.
    fn due(&mut self, agent: &Agent, now: UnixMillis) -> Vec<Due> {
        let is_untold = |(id, number): &Key| {
            let mut notices = agent.known(*id).into_iter().flat_map(|it| &it.notices);
            notices.any(|notice| notice.number == *number)
        };
        self.tried.retain(|key, _| is_untold(key));
        if self.ways.len() > WAYS_MAX {
            self.ways.clear();
        }
        let is_paused = |key| self.tried.get(&key).is_some_and(|it| it.again_at > now);
        let mut due: Vec<(u8, UnixMillis, WishId, Untold)> = Vec::new();
        for (id, _) in agent.untold(LOOK_MAX) {
            let Some(known) = agent.known(id) else {
                continue;
            };
            let failing = self.ways.get(&way(&known.contact.notify));
            let is_failing = failing.is_some_and(|failing| failing.until > now);
            // While it is being decided about, it is not known what is true of it.
            if is_failing || known.standing == Standing::Deciding {
                continue;
            }
            // What is urgent overtakes what was to be told before.
            let notices = known.notices.iter();
            let notices = notices.filter(|notice| !is_paused((id, notice.number)));
            let first = notices.min_by_key(|notice| (urgency(&notice.what), notice.number));
            if let Some(notice) = first {
                due.push((urgency(&notice.what), notice.at, id, *notice));
            }
        }
        due.sort_unstable_by_key(|(urgency, at, id, _)| (*urgency, *at, *id));
        due.truncate(BATCH_MAX);
        let known = |(_, _, wish, notice)| {
            let known = agent.known(wish)?.clone();
            Some(Due {
                wish,
                notice,
                known,
            })
        };
        due.into_iter().filter_map(known).collect()
    }

    fn hand_over(&mut self, app: &App, due: &Due) {
        let key = (due.wish, due.notice.number);
        let tried = self.tried.get(&key).copied();
        if tried.is_none_or(|tried| !tried.done) {
            let way = way(&due.known.contact.notify);
            if self
                .ways
                .get(&way)
                .is_some_and(|it| it.until > clock::now())
            {
                return;
            }
            match notice(app, due) {
                // It has become untrue meanwhile.
                None => {}
                Some(notice) => match app.post.send(&notice) {
                    Sent::Done => {
                        tracing::debug!(notice = notice.id, kind = notice.kind.name(), "told");
                        self.ways.remove(&way);
                    }
                    Sent::Refused(reason) => {
                        let kind = notice.kind.name();
                        tracing::warn!(notice = notice.id, kind, reason, "nobody takes a notice");
                        self.ways.remove(&way);
                    }
                    Sent::Later(reason) => {
                        self.later(due, way, &notice, &reason);
                        return;
                    }
                },
            }
        }
        let now = clock::now();
        // Until the ledger knows it, it is not sent again but told again that it was.
        let done = Tried {
            count: 0,
            again_at: now + Millis(1_000),
            done: true,
        };
        self.tried.insert(key, done);
        app.engine.told(now, due.wish, due.notice);
    }

    /// It is tried again: this notice after a pause, and all others of the same way too when
    /// nothing gets through there.
    fn later(&mut self, due: &Due, way: Way, notice: &Notice, reason: &str) {
        let key = (due.wish, due.notice.number);
        let now = clock::now();
        let entropy = getrandom::u64().unwrap_or_default();
        let count = self.tried.get(&key).map_or(0, |tried| tried.count);
        let count = count.saturating_add(1);
        let pause = match due.notice.what {
            What::Offered(_) | What::Reminded(_) => {
                backoff::pause(count, entropy).min(SHORT_PAUSE_MAX)
            }
            _ => backoff::pause(count, entropy),
        };
        let tried = Tried {
            count,
            again_at: now + pause,
            done: false,
        };
        self.tried.insert(key, tried);
        let failing = self.ways.entry(way).or_insert(Failing {
            in_a_row: 0,
            until: now,
        });
        failing.in_a_row = failing.in_a_row.saturating_add(1);
        if failing.in_a_row >= FAILURES_MAX {
            let further = failing.in_a_row - FAILURES_MAX + 1;
            let pause = backoff::pause(further, entropy).min(SHORT_PAUSE_MAX);
            failing.until = now + pause;
        }
        let (kind, pause_ms) = (notice.kind.name(), pause.0);
        tracing::warn!(notice = notice.id, kind, reason, pause_ms, "a notice waits");
    }
}

/// What is answered comes first, then what somebody relies on.
fn urgency(what: &What) -> u8 {
    match what {
        What::Offered(_) | What::Reminded(_) => 0,
        What::Booked { .. } => 1,
        What::Laid | What::Lapsed(_) | What::Ended(_) => 2,
    }
}

fn way(notify: &Notify) -> Way {
    match notify {
        Notify::Email | Notify::Poll => Digest::of(&[b"mail"]),
        Notify::Webhook(url) => {
            let url = url::Url::parse(url).ok();
            let host = url.as_ref().and_then(url::Url::host_str);
            Digest::of(&[b"webhook", host.unwrap_or_default().as_bytes()])
        }
    }
}

/// The notice as it is sent; None when there is nothing to say any more.
fn notice(app: &App, due: &Due) -> Option<Notice> {
    let Due {
        wish,
        notice,
        known,
    } = due;
    let contact = &known.contact;
    let language = Language::named(&contact.language).unwrap_or(Language::De);
    let catalogue = app.catalogue();
    let link = |what: &str| links::wish(*wish, contact.secret, language, what);
    let kind = match notice.what {
        // It says that the wish stands.
        What::Laid if known.standing.is_over() => return None,
        // It asks whether it still does.
        What::Lapsed(_) if known.standing != Standing::Asleep => return None,
        What::Laid => NoticeKind::Laid {
            services: services(catalogue, language, &known.wish.services),
        },
        What::Offered(made) | What::Reminded(made) => {
            // As it is now: it may wait longer than it was to at first.
            let open = match known.standing {
                Standing::Offered(open) if open.number == made.number => open,
                _ => return None,
            };
            NoticeKind::Offered {
                deadline: to_the_minute(app.engine.deadline_if_told(clock::now(), open, *notice)),
                visit: visit(catalogue, language, &open),
                accept: links::answer(*wish, contact.secret, language, "annehmen", open.seat),
                decline: links::answer(*wish, contact.secret, language, "ablehnen", open.seat),
                again: matches!(notice.what, What::Reminded(_)),
            }
        }
        What::Lapsed(offer) => NoticeKind::Lapsed {
            visit: visit(catalogue, language, &offer),
        },
        What::Booked { .. } => booked(app, due, language)?,
        What::Ended(how) => NoticeKind::Ended { how },
    };
    Some(Notice {
        id: format!("{wish}-{}", notice.number),
        kind,
        language,
        to: contact.notify.clone(),
        email: contact.email.clone(),
        wish: wish.to_string(),
        at: notice.at,
        manage: link(""),
        withdraw: link("/zuruecknehmen"),
    })
}

/// A deadline as it is told to people: not later than it is.
pub(crate) fn to_the_minute(deadline: UnixMillis) -> UnixMillis {
    UnixMillis(deadline.0 - deadline.0.rem_euclid(60_000))
}

fn booked(app: &App, due: &Due, language: Language) -> Option<NoticeKind> {
    let catalogue = app.catalogue();
    let booking = app.engine.booking_of_wish(due.wish)?;
    let confirmed = &booking.confirmed;
    let origin = confirmed.contract.origin;
    let brought_forward = due.known.wish.instead_of.is_some();
    let manage = if brought_forward {
        // Whoever had it before has its token.
        links::wish(due.wish, due.known.contact.secret, language, "")
    } else {
        links::booking(origin, due.known.manage_secret(), language, "")
    };
    let returnable = is_returnable(app, clock::now(), due.wish, &due.known);
    let secret = due.known.contact.secret;
    Some(NoticeKind::Booked {
        booking: origin.to_string(),
        code: confirmed.id.code(),
        visit: visit_at(
            catalogue,
            language,
            confirmed.id,
            (confirmed.start, confirmed.end),
            &confirmed.services,
        ),
        calendar: invitation(catalogue, &booking, due.notice.at),
        manage,
        brought_forward,
        give_back: returnable.then(|| links::wish(due.wish, secret, language, "/zurueckgeben")),
    })
}

fn visit(catalogue: &Catalogue, language: Language, offer: &Offer) -> Visit {
    let times = (UnixMillis(offer.start), UnixMillis(offer.end));
    visit_at(catalogue, language, offer.seat, times, &offer.services)
}

pub(crate) fn visit_at(
    catalogue: &Catalogue,
    language: Language,
    seat: ReservationId,
    (start, end): (UnixMillis, UnixMillis),
    booked: &Services,
) -> Visit {
    let office = catalogue.office_by_number(seat.day_key().office);
    let office = office.map(|index| catalogue.office(index));
    Visit {
        start,
        end,
        office: office.map_or_else(String::new, |it| named(language, &it.name)),
        address: office.map_or_else(String::new, |it| it.address.clone()),
        services: services(catalogue, language, booked),
    }
}

fn named(language: Language, name: &Text) -> String {
    language.choose(&name.de, &name.en).to_owned()
}

/// Services in words, like "2 × Pass, PIN".
pub(crate) fn services(catalogue: &Catalogue, language: Language, services: &Services) -> String {
    let items = needs::to_wire(catalogue, *services).into_iter();
    let names = items.map(|item| {
        let index = catalogue.service_by_id(&item.id);
        let name = index.map(|index| named(language, &catalogue.service(index).name));
        let name = name.unwrap_or(item.id);
        match item.quantity {
            1 => name,
            quantity => format!("{quantity} × {name}"),
        }
    });
    names.collect::<Vec<_>>().join(", ")
}
