//! How long a lottery takes: 50,000 wishes, 2,000 seats, from the release to the last offer that is
//! handed to the ledger.
//!
//! The whole engine takes part, over a ledger that keeps everything at once but says so only when
//! it is asked: what is measured is what the engine does, not how long a disk takes. Half of the
//! wishes want to be asked; they name one to ten offices and mixed hours.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;
use morgenruh_benches::Effort;
use morgenruh_benches::machine::Watch;
use morgenruh_benches::table::{Beside, Results, Row};
use morgenruh_benches::town::{self, DEPARTMENT_FILE, Office, PASSPORT, office_file};
use morgenruh_engine::rules::calendar::instant_of;
use morgenruh_engine::rules::catalogue::Catalogue;
use morgenruh_engine::rules::ids::{Digest, Secret};
use morgenruh_engine::rules::need::Services;
use morgenruh_engine::rules::record::Position;
use morgenruh_engine::rules::room::TicketId;
use morgenruh_engine::rules::time::{DayNumber, Millis, UnixMillis};
use morgenruh_engine::rules::wish::Wish;
use morgenruh_engine::rules::wish::fact::{Contact, Notify};
use morgenruh_engine::rules::wish::windows::Windows;
use morgenruh_engine::shell::engine::{Engine, LayAsk, Limits};
use morgenruh_engine::shell::ledger::{Completion, Entry, Health, Ledger};
use morgenruh_engine::shell::rooms::RoomShard;

const AIM_MS: f64 = 200.0;
const WISHES: u32 = 50_000;
const OFFICES: u16 = 10;
/// 40 visits of 15 minutes a counter: 2,000 seats.
const OFFICE: Office = Office {
    counters: 5,
    hours: "08:00-18:00",
};
const ROUNDS: usize = 9;
const ROOM: &str = "verlosung-2026-12-01";
const RELEASED: jiff::civil::Date = jiff::civil::date(2026, 12, 15);
const RELEASE_DAY: jiff::civil::Date = jiff::civil::date(2026, 12, 1);
const RELEASE_MINUTE: u16 = 20 * 60;
/// A wish that was laid at the last moment is waited for.
const SETTLED: Millis = Millis(2_000);

fn main() -> io::Result<()> {
    let effort = Effort::asked();
    let wishes = effort.pick(300, WISHES);
    let mut watch = Watch::begin();
    let mut times: Vec<Duration> = (0..effort.pick(1, ROUNDS))
        .map(|round| {
            watch.look();
            hold_lottery(wishes, round as u64)
        })
        .collect();
    times.sort_unstable();
    let median_ms = times[times.len() / 2].as_secs_f64() * 1e3;
    let results = Results {
        bench: "lottery".to_owned(),
        machine: watch.end()?,
        rows: vec![Row {
            what: format!("lottery, wishes: {wishes}, seats: 2000"),
            ours: median_ms,
            unit: "ms".to_owned(),
            beside: Some(Beside {
                name: "what it may be".to_owned(),
                theirs: AIM_MS,
                ratio: AIM_MS / median_ms,
                aim: Some(1.0),
            }),
        }],
    };
    if effort == Effort::Test {
        return Ok(());
    }
    results.print();
    results.write()
}

/// Lays the wishes, and measures what the release brings about.
fn hold_lottery(wishes: u32, seed: u64) -> Duration {
    let mut dice = Rng::with_seed(seed);
    let ledger = Arc::new(Later::default());
    let release = instant_of(&catalogue().city.zone, RELEASE_DAY, RELEASE_MINUTE);
    let opening = UnixMillis(release.0 - 25 * 60_000);
    let catalogue = Arc::new(catalogue());
    let engine = Engine::new(catalogue, ledger.clone(), Limits::default(), None, opening);
    let mut entropy = dice.fork();
    let secret = [entropy.u8(..); 32];
    engine.announce_rooms(opening, || Some(secret));
    ledger.settle();
    let room = engine.rooms().named(ROOM).expect("it was announced");
    for who in 0..wishes {
        let ticket = join(&engine, &ledger, &room, opening);
        engine.lay_wish(opening, ask(who, ticket, &mut dice), |laid| {
            assert!(laid.is_ok(), "it is laid");
        });
    }
    ledger.settle();
    // The number of tickets is frozen and drawn, each in the ledger first.
    for _ in 0..2 {
        engine.tick_rooms(release);
        ledger.settle();
    }
    let begin = Instant::now();
    engine.tick_rooms(release + SETTLED);
    engine.tick_wishes(release + SETTLED, || dice.u64(..));
    let time = begin.elapsed();
    ledger.settle();
    let (_, seats) = engine.look_at_wishes(|agent| agent.allotted(room.id));
    let most = usize::from(OFFICES) * usize::from(OFFICE.counters) * 40;
    assert!(
        seats.len() == most || seats.len() > wishes as usize / 2,
        "{}",
        seats.len()
    );
    time
}

fn join(engine: &Engine, ledger: &Later, room: &Arc<RoomShard>, now: UnixMillis) -> TicketId {
    loop {
        if let Ok(joined) = engine.join(now, room) {
            return joined.ticket;
        }
        // The next numbers have to be reserved.
        engine.tick_rooms(now);
        ledger.settle();
    }
}

fn ask(who: u32, ticket: TicketId, dice: &mut Rng) -> LayAsk {
    let mut offices: Vec<u16> = (1..=OFFICES).collect();
    dice.shuffle(&mut offices);
    offices.truncate(dice.usize(1..=offices.len()));
    offices.sort_unstable();
    let from = dice.u8(8..17);
    let windows = match dice.u8(0..3) {
        0 => Windows::ALWAYS,
        _ => (0..7).fold(Windows::NEVER, |windows, day| {
            windows.with(day, from, from + 3)
        }),
    };
    let day = DayNumber::from_date(RELEASED).expect("it is in this century");
    LayAsk {
        wish: Wish {
            services: Services::collect([(1, 1)]).expect("it is one"),
            offices,
            windows,
            from: day,
            until: day,
            notice_minutes: 0,
            auto_accept: dice.bool(),
            instead_of: None,
        },
        contact: Contact {
            name: "Erika Mustermann".to_owned(),
            email: format!("erika.{who}@example.org"),
            phone: None,
            answers: BTreeMap::new(),
            language: "de".to_owned(),
            notify: Notify::Email,
            secret: Secret(Digest::of(&[&who.to_be_bytes()]).0),
        },
        ticket: Some(ticket),
    }
}

fn catalogue() -> Catalogue {
    let mut files = town::files(&[OFFICE; OFFICES as usize]);
    let room = r#"
        [[room]]
        id = "verlosung"
        number = 1
        name = { de = "Verlosung", en = "Lottery" }
        at = "20:00"
        policy = "lottery"
    "#;
    let department = files.entry(DEPARTMENT_FILE.to_owned()).or_default();
    assert!(department.contains(PASSPORT), "everybody comes for it");
    department.push_str(room);
    for number in 1..=OFFICES {
        let wave = "\n        [[wave]]\n        days_ahead = 14\n        at = \"20:00\"\n";
        files.entry(office_file(number)).or_default().push_str(wave);
    }
    town::catalogue(&files)
}

/// Keeps everything at once, and says so when it is asked to.
#[derive(Default)]
struct Later {
    waiting: Mutex<(u64, Vec<(Position, Completion)>)>,
}

impl Later {
    fn settle(&self) {
        loop {
            let waiting = {
                let mut inside = self.waiting.lock().expect("nobody panics with it");
                std::mem::take(&mut inside.1)
            };
            if waiting.is_empty() {
                return;
            }
            for (position, done) in waiting {
                done(Ok(position));
            }
        }
    }
}

impl Ledger for Later {
    fn append(&self, entry: Entry) -> Result<(), Entry> {
        let mut inside = self.waiting.lock().expect("nobody panics with it");
        inside.0 += 1;
        let position = Position(inside.0);
        inside.1.extend(entry.done.map(|done| (position, done)));
        Ok(())
    }

    fn health(&self) -> Health {
        Health::Ready
    }
}
