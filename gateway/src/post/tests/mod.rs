//! Notices on real ways: a mail server, and receivers of webhooks, each a real one of its own.

mod letters;
mod webhooks;

use std::collections::BTreeMap;
use std::path::Path;

use icalendar::{Calendar, Component, Event};
use jiff::tz::TimeZone;
use morgenruh_engine::rules::catalogue::{City, Text};
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::rules::wish::fact::{Notify, WishEnding};

use super::notice::{Notice, NoticeKind, Visit};
use super::{Post, PostError};
use crate::language::Language;
use crate::settings::Settings;

/// 2026-12-24 at 6:30 in Düsseldorf.
const AT: UnixMillis = UnixMillis(1_798_090_200_000);
const LANGUAGES: [Language; 3] = [Language::De, Language::DeLeicht, Language::En];
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn post(settings: &str) -> Result<Post, PostError> {
    let text = format!("[server]\npublic_url = \"https://termine.example.org\"\n{settings}");
    let settings = Settings::load(Some(&text), &BTreeMap::new()).unwrap();
    Post::new(&settings, &city())
}

fn city() -> City {
    City {
        id: "ort".to_owned(),
        name: Text {
            de: "Stadt Ört".to_owned(),
            en: "City of Ört".to_owned(),
        },
        land: morgenruh_engine::rules::holidays::Land::Nw,
        zone_name: "Europe/Berlin".to_owned(),
        zone: TimeZone::get("Europe/Berlin").unwrap(),
    }
}

fn notice(kind: NoticeKind) -> Notice {
    Notice {
        id: "AAAAAAAAAAc-3".to_owned(),
        kind,
        language: Language::De,
        to: Notify::Email,
        email: "erika@example.org".to_owned(),
        wish: "AAAAAAAAAAc".to_owned(),
        at: AT,
        manage: "/wunsch/AAAAAAAAAAc?token=geheim".to_owned(),
        withdraw: "/wunsch/AAAAAAAAAAc/ende?token=geheim".to_owned(),
    }
}

fn visit() -> Visit {
    Visit {
        start: UnixMillis(AT.0 + 3_600_000),
        end: UnixMillis(AT.0 + 3_600_000 + 900_000),
        office: "Bürgerbüro <Mitte> & mehr".to_owned(),
        address: "Am Markt 1, 12345 Ört".to_owned(),
        services: "Personalausweis".to_owned(),
    }
}

fn offered(again: bool) -> NoticeKind {
    NoticeKind::Offered {
        deadline: UnixMillis(AT.0 + 1_800_000),
        visit: visit(),
        accept: "/wunsch/AAAAAAAAAAc/angebote/1/annehmen?token=geheim".to_owned(),
        decline: "/wunsch/AAAAAAAAAAc/angebote/1/ablehnen?token=geheim".to_owned(),
        again,
    }
}

fn booked(brought_forward: bool) -> NoticeKind {
    let mut event = Event::new();
    event.uid("booking@ort.morgenruh");
    event.summary("Termin: Personalausweis beantragen, ändern und wieder zurückgeben, mit Foto");
    let mut calendar = Calendar::empty();
    calendar.push(event.done());
    NoticeKind::Booked {
        booking: "BOOKING".to_owned(),
        code: "MR-1234".to_owned(),
        visit: visit(),
        calendar: ("PUBLISH", calendar.to_string()),
        manage: "/termin/BOOKING?token=geheim".to_owned(),
        brought_forward,
        give_back: None,
    }
}

fn all_kinds() -> Vec<NoticeKind> {
    let endings = [
        WishEnding::Withdrawn,
        WishEnding::Outdated,
        WishEnding::UsedUp,
        WishEnding::Merged,
        WishEnding::Overtaken,
    ];
    let ended = endings.map(|how| NoticeKind::Ended { how });
    let laid = NoticeKind::Laid {
        services: "Personalausweis".to_owned(),
    };
    let lapsed = NoticeKind::Lapsed { visit: visit() };
    let first = [
        laid,
        offered(false),
        offered(true),
        booked(false),
        booked(true),
        lapsed,
    ];
    let all = first.into_iter().chain(ended);
    all.chain([NoticeKind::Trial]).collect()
}

fn quoted(path: &Path) -> String {
    toml::Value::from(path.to_str().unwrap()).to_string()
}
