//! How long a start takes: from what the ledger remembers to an engine that serves.
//!
//! The start is that of a process that was stopped: its servers run, and what they have lies in the
//! memory of the machine. Most bookings were made the day before, so that their holds need not be
//! looked at. In production the database lacks the newest facts, as it does when it was away at the
//! end.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use morgenruh_benches::Effort;
use morgenruh_benches::confirm::morgenruh::{Behind, OPTIONS, Whole};
use morgenruh_benches::confirm::{postgres, production};
use morgenruh_benches::machine::Watch;
use morgenruh_benches::rules::NOW;
use morgenruh_benches::seats::Town;
use morgenruh_benches::sides::median;
use morgenruh_benches::table::{Beside, Results, Row, folder};
use morgenruh_benches::town::Office;
use morgenruh_benches::visits::{CLOSES, OPENS};
use morgenruh_engine::rules::catalogue::Catalogue;
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::shell::sqlite::SqliteLedger;
use morgenruh_engine::shell::stored::Stored;
use morgenruh_servers::Redis;
use tokio::runtime::Runtime;

const ROUNDS: usize = 5;
/// Live bookings, and those of them that the store does not have: each is two facts.
const BOOKINGS: u64 = 1_000_000;
const TAIL_BOOKINGS: u64 = 5_000;
/// In seconds.
const AIM_S: f64 = 3.0;
/// When most bookings were made.
const YESTERDAY: UnixMillis = UnixMillis(NOW.0 - 24 * 3_600_000);
/// How often somebody looks whether the store has caught up.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// 40 offices with 60 days of 512 seats each.
const TOWN: Town = Town {
    offices: 40,
    office: Office {
        counters: 16,
        hours: "08:00-16:00",
    },
    open: (OPENS, CLOSES),
};

fn main() -> io::Result<()> {
    let effort = Effort::asked();
    let home = tempfile::Builder::new()
        .prefix("recovery-")
        // PostgreSQL runs as a user of its own when we are root.
        .permissions(Permissions::from_mode(0o755))
        .tempdir_in(folder()?)?;
    let mut watch = Watch::begin();
    let runtime = Runtime::new()?;
    let mut rows = Vec::new();
    for (mode, starts) in [
        ("embedded", embedded(&runtime, home.path(), effort)?),
        ("production", in_production(&runtime, home.path(), effort)?),
    ] {
        watch.look();
        let bookings = effort.pick(TAIL_BOOKINGS, BOOKINGS);
        rows.extend(table(
            &format!("start, {mode}, bookings: {bookings}"),
            &starts,
        ));
    }
    let results = Results {
        bench: "recovery".to_owned(),
        machine: watch.end()?,
        rows,
    };
    if effort == Effort::Test {
        return Ok(());
    }
    results.print();
    results.write()
}

/// How long one start took.
struct Start {
    /// Until the ledger had said what it remembers.
    ledger: Duration,
    /// Until the engine had put it back.
    engine: Duration,
}

fn embedded(runtime: &Runtime, home: &Path, effort: Effort) -> io::Result<Vec<Start>> {
    let data = home.join("embedded");
    let open = |catalogue: &Catalogue| {
        SqliteLedger::open(&data, catalogue, OPTIONS).map_err(io::Error::other)
    };
    let bookings = effort.pick(TAIL_BOOKINGS, BOOKINGS);
    let catalogue = TOWN.catalogue();
    let (ledger, _) = open(&catalogue)?;
    let whole = Whole::new(TOWN, catalogue, ledger, YESTERDAY, 0);
    runtime.block_on(whole.book(bookings))?;
    drop(whole);
    let rounds = 0..effort.pick(1, ROUNDS);
    rounds
        .map(|_| Ok(start(bookings, open)?.0))
        .collect::<io::Result<Vec<Start>>>()
}

fn in_production(runtime: &Runtime, home: &Path, effort: Effort) -> io::Result<Vec<Start>> {
    let redis = Redis::start(&home.join("redis"));
    let mut postgres = postgres::options().start(&home.join("postgres"));
    let data = home.join("production");
    let mut bookings = effort.pick(0, BOOKINGS - TAIL_BOOKINGS);
    let catalogue = TOWN.catalogue();
    let (ledger, _) = production::open(&redis, &postgres, &data, &catalogue)?;
    let whole = Whole::new(TOWN, catalogue, ledger, YESTERDAY, 0);
    runtime.block_on(whole.book(bookings))?;
    catch_up(&whole);
    drop(whole);
    let mut starts = Vec::new();
    for _ in 0..effort.pick(1, ROUNDS) {
        let open = |catalogue: &Catalogue| production::open(&redis, &postgres, &data, catalogue);
        let (_, whole) = start(bookings, open)?;
        catch_up(&whole);
        postgres.stop();
        runtime.block_on(whole.book(TAIL_BOOKINGS))?;
        bookings += TAIL_BOOKINGS;
        drop(whole);
        postgres.restart();
        // Read once, as by a service that was there before.
        postgres.sql_as_superuser("VACUUM (ANALYZE)");
        let open = |catalogue: &Catalogue| production::open(&redis, &postgres, &data, catalogue);
        starts.push(start(bookings, open)?.0);
    }
    Ok(starts)
}

/// Waits until the store has everything.
fn catch_up(whole: &Whole<impl Behind>) {
    while whole.ledger.behind() > 0 {
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Opens a ledger with so many bookings and puts them back.
fn start<L: Behind>(
    bookings: u64,
    open: impl Fn(&Catalogue) -> io::Result<(L, Stored)>,
) -> io::Result<(Start, Whole<L>)> {
    let catalogue = TOWN.catalogue();
    let begin = Instant::now();
    let (ledger, stored) = open(&catalogue)?;
    let opened = begin.elapsed();
    let whole = Whole::new(TOWN, catalogue, ledger, NOW, bookings);
    let recovered = whole.engine.recover(NOW, stored);
    let start = Start {
        ledger: opened,
        engine: begin.elapsed() - opened,
    };
    let recovered = recovered.map_err(io::Error::other)?;
    assert_eq!(
        recovered.bookings as u64, bookings,
        "each was confirmed, and none ended"
    );
    Ok((start, whole))
}

fn table(what: &str, starts: &[Start]) -> Vec<Row> {
    let row = |part: &str, seconds: &dyn Fn(&Start) -> f64| Row {
        what: format!("{what}: {part}"),
        ours: median(&starts.iter().map(seconds).collect::<Vec<f64>>()),
        unit: "s".to_owned(),
        beside: None,
    };
    let mut all = row("all", &|it| (it.ledger + it.engine).as_secs_f64());
    all.beside = Some(Beside {
        name: "the aim".to_owned(),
        theirs: AIM_S,
        ratio: AIM_S / all.ours,
        aim: Some(1.0),
    });
    vec![
        row("ledger", &|it| it.ledger.as_secs_f64()),
        row("engine", &|it| it.engine.as_secs_f64()),
        all,
    ]
}
