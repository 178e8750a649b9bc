//! What a waiting room with a million people costs in memory, from the first ticket to the line.
//!
//! Measured as what the process has more of (its resident set) after everybody has joined, and
//! after the draw. Drawing needs more for a moment (`DRAW_BYTES_PER_TICKET`).

use std::hint::black_box;
use std::io;

use morgenruh_benches::Effort;
use morgenruh_benches::machine::{Watch, resident_bytes};
use morgenruh_benches::table::{Beside, Results, Row};
use morgenruh_engine::rules::catalogue::{OfficeIndex, RoomPolicy};
use morgenruh_engine::rules::room::RoomId;
use morgenruh_engine::rules::room::admission::Stock;
use morgenruh_engine::rules::room::draw::DrawSecret;
use morgenruh_engine::rules::room::fact::IdentityKey;
use morgenruh_engine::rules::room::plan::{RoomPlan, Terms};
use morgenruh_engine::rules::room::state::{JoinRefusal, Room};
use morgenruh_engine::rules::time::{DayNumber, Millis, UnixMillis};

/// For everybody who waits, in megabytes.
const AIM_MB: f64 = 16.0;
const PEOPLE: u32 = 1_000_000;
const OPENING: UnixMillis = UnixMillis(1_796_121_000_000);
const RELEASE: UnixMillis = UnixMillis(OPENING.0 + 30 * 60_000);
const STOCK: Stock = Stock {
    seats: 1_000,
    held: 0,
};

fn main() -> io::Result<()> {
    let effort = Effort::asked();
    let people = effort.pick(5_000, PEOPLE);
    let mut watch = Watch::begin();
    watch.look();
    let before = resident_mb()?;
    let mut room = announced();
    join(&mut room, people);
    let joined = resident_mb()? - before;
    tick(&mut room, RELEASE);
    if let Some(task) = room.draw_task() {
        room.install(task.work_out());
    }
    let drawn = resident_mb()? - before;
    let line = room.drawn().map_or(0, |drawn| drawn.line.len());
    assert!(line == people && black_box(&room).serving() == 0);
    let row = |what: &str, megabytes: f64| Row {
        what: format!("{what}, people: {people}"),
        ours: megabytes,
        unit: "MB".to_owned(),
        beside: Some(Beside {
            name: "what it may be".to_owned(),
            theirs: AIM_MB,
            ratio: AIM_MB / megabytes.max(0.1),
            aim: Some(1.0),
        }),
    };
    let results = Results {
        bench: "rooms".to_owned(),
        machine: watch.end()?,
        rows: vec![row("waiting", joined), row("drawn", drawn)],
    };
    if effort == Effort::Test {
        return Ok(());
    }
    results.print();
    results.write()
}

fn announced() -> Room {
    let plan = RoomPlan {
        id: RoomId {
            number: 1,
            day: DayNumber(9_831),
        },
        name: "andrang-2026-12-01".to_owned(),
        opens_at: OPENING,
        release_at: RELEASE,
        closes_at: RELEASE + Millis::from_minutes(120),
        days: vec![(OfficeIndex(0), jiff::civil::date(2026, 12, 24))],
        terms: Terms {
            passes_max: 200,
            passes_per_minute: 600,
            turn: Millis::from_minutes(5),
            pass: Millis::from_minutes(10),
            holds_per_pass: 1,
            beacons: None,
            policy: RoomPolicy::Line,
        },
    };
    let (secret, key) = (DrawSecret([7; 32]), IdentityKey([8; 32]));
    Room::announced(plan, secret, key, "the rules".to_owned())
}

fn join(room: &mut Room, people: u32) {
    let mut joined = 0;
    while joined < people {
        match room.join(OPENING) {
            Ok(_) => joined += 1,
            Err(JoinRefusal::Later) => tick(room, OPENING),
            Err(refusal) => panic!("nobody gets a ticket: {refusal:?}"),
        }
    }
}

/// Everything that time brings about is in the ledger at once.
fn tick(room: &mut Room, now: UnixMillis) {
    for fact in room.tick(now, STOCK, None) {
        if fact.is_strict() {
            room.apply(now, &fact);
        }
    }
}

fn resident_mb() -> io::Result<f64> {
    Ok(resident_bytes("self")? / 1e6)
}
