//! How fast confirmations become durable, beside the same promise made by other programs.
//!
//! Everybody syncs to the same disk before they answer, and everybody's clients are the same. A
//! client asks again as soon as it was answered; holds are made before anything is measured.
//!
//! Words on the command line choose among the sides: `-- production "clients: 64"`.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use morgenruh_benches::Effort;
use morgenruh_benches::clients::{Confirm, Round, round};
use morgenruh_benches::confirm::morgenruh::{OPTIONS, Whole};
use morgenruh_benches::confirm::postgres::{self, Way};
use morgenruh_benches::confirm::{production, redis};
use morgenruh_benches::machine::Watch;
use morgenruh_benches::rules::NOW;
use morgenruh_benches::seats::Town;
use morgenruh_benches::sides::{median, median_ratio};
use morgenruh_benches::table::{Beside, Results, Row, folder};
use morgenruh_benches::town::Office;
use morgenruh_engine::shell::sqlite::SqliteLedger;
use morgenruh_production::ledger::ProductionLedger;
use morgenruh_servers::{Postgres, Redis};
use parking_lot::Mutex;
use tokio::runtime::Runtime;

/// Rounds in which every side takes a turn.
const ROUNDS: usize = 7;
/// How long clients ask in a round.
const ROUND: Duration = Duration::from_millis(700);
/// Clients at once, each with how many confirmations a round can need.
const CLIENTS: [(usize, usize); 3] = [(1, 15_000), (64, 150_000), (256, 200_000)];
/// The number of clients for which there are aims.
const AIMED: usize = 64;
/// How many times as fast as PostgreSQL doing the whole job, in its best form.
const AIM_POSTGRES: f64 = 5.0;
/// How many times as fast as Redis doing the whole job, in its best form.
const AIM_REDIS: f64 = 1.0;
/// Numbers of slots that one contender can use, so that several can share a table.
const SLOTS: u64 = 1 << 24;

/// Seats enough for all rounds.
const TOWN: Town = Town {
    offices: 20,
    office: Office {
        counters: 64,
        hours: "00:00-24:00",
    },
    open: (0, 288),
};

fn main() -> io::Result<()> {
    let effort = Effort::asked();
    let arguments = std::env::args().skip(1);
    let only: Vec<String> = arguments.filter(|word| !word.starts_with('-')).collect();
    let home = tempfile::Builder::new()
        .prefix("durable-")
        // PostgreSQL runs as a user of its own when we are root.
        .permissions(Permissions::from_mode(0o755))
        .tempdir_in(folder()?)?;
    let runtime = Arc::new(Runtime::new()?);
    let servers = Servers::start(home.path());
    let ours = Ours::open(home.path())?;
    let mut watch = Watch::begin();
    let (mut rows, mut waits) = (Vec::new(), Vec::new());
    for (clients, claims) in CLIENTS {
        let claims = effort.pick(clients, claims);
        let mut sides = sides(&runtime, &servers, &ours, clients, claims)?;
        sides.retain(|side| {
            let label = format!("{}, clients: {clients}", side.name);
            only.iter().all(|word| label.contains(word))
        });
        let rounds = effort.pick(1, ROUNDS);
        let figures = measure(&sides, rounds, effort, || watch.look())?;
        rows.extend(compare(&figures, clients));
        waits.extend(figures.iter().map(|figures| Waits::of(figures, clients)));
    }
    let results = Results {
        bench: "durable".to_owned(),
        machine: watch.end()?,
        rows,
    };
    if effort == Effort::Test {
        return Ok(());
    }
    results.print();
    print(&waits);
    if only.is_empty() {
        results.write()
    } else {
        Ok(())
    }
}

/// The servers of everybody who needs one.
struct Servers {
    postgres: Postgres,
    redis: Redis,
}

impl Servers {
    fn start(home: &Path) -> Servers {
        let postgres = postgres::options().start(&home.join("postgres"));
        postgres::prepare(&postgres);
        Servers {
            postgres,
            redis: Redis::start(&home.join("redis")),
        }
    }
}

/// Our engine in both of its modes. The servers of the second are its own.
struct Ours {
    embedded: Arc<Whole<SqliteLedger>>,
    production: Arc<Whole<ProductionLedger>>,
    _redis: Redis,
    _postgres: Postgres,
}

impl Ours {
    fn open(home: &Path) -> io::Result<Ours> {
        let catalogue = TOWN.catalogue();
        let (sqlite, _) = SqliteLedger::open(&home.join("embedded"), &catalogue, OPTIONS)
            .map_err(io::Error::other)?;
        let embedded = Arc::new(Whole::new(TOWN, catalogue, sqlite, NOW, 0));
        let redis = Redis::start(&home.join("ledger"));
        let postgres = postgres::options().start(&home.join("store"));
        let catalogue = TOWN.catalogue();
        let data = home.join("production");
        let (both, _) = production::open(&redis, &postgres, &data, &catalogue)?;
        Ok(Ours {
            embedded,
            production: Arc::new(Whole::new(TOWN, catalogue, both, NOW, 0)),
            _redis: redis,
            _postgres: postgres,
        })
    }
}

/// One who is measured.
struct Side {
    name: String,
    kind: Kind,
    run: Box<dyn Fn(Duration) -> io::Result<Round>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ours,
    Postgres,
    Redis,
}

/// Everybody, with so many clients and claims.
fn sides(
    runtime: &Arc<Runtime>,
    servers: &Servers,
    ours: &Ours,
    clients: usize,
    claims: usize,
) -> io::Result<Vec<Side>> {
    let side = |kind, name: &str| SideOf {
        name: name.to_owned(),
        kind,
        runtime: Arc::clone(runtime),
        clients,
        claims,
    };
    let mut sides = vec![
        side(Kind::Ours, "embedded").of(Arc::clone(&ours.embedded)),
        side(Kind::Ours, "production").of(Arc::clone(&ours.production)),
    ];
    // Nobody uses more connections than there are clients.
    let few = |all: &[usize]| -> Vec<usize> {
        let all: Vec<usize> = all.iter().map(|few| *few.min(&clients)).collect();
        if clients == 1 { vec![1] } else { all }
    };
    // Above all numbers that fewer clients have used.
    let mut first = clients as u64 * SLOTS * 16;
    let mut next = || {
        first += SLOTS;
        first
    };
    for connections in few(&[16, 64]) {
        for (way, name) in [
            (Way::Open, "SKIP LOCKED"),
            (Way::Held, "conditional UPDATE"),
        ] {
            let slots = postgres::Slots::open(&servers.postgres, way, connections, next());
            let name = format!("PostgreSQL, {name}, {connections} conn.");
            let slots = Arc::new(runtime.block_on(slots)?);
            sides.push(side(Kind::Postgres, &name).of(slots));
        }
    }
    for connections in few(&[1, 16]) {
        let slots = redis::Slots::open(&servers.redis, connections, next());
        let name = format!("Redis, Lua, {connections} conn.");
        let slots = Arc::new(runtime.block_on(slots)?);
        sides.push(side(Kind::Redis, &name).of(slots));
    }
    Ok(sides)
}

/// What a side is, but for who it is.
struct SideOf {
    name: String,
    kind: Kind,
    runtime: Arc<Runtime>,
    clients: usize,
    claims: usize,
}

impl SideOf {
    fn of(self, who: Arc<impl Confirm>) -> Side {
        let stock = Arc::new(Mutex::new(Vec::new()));
        let SideOf {
            name,
            kind,
            runtime,
            clients,
            claims,
        } = self;
        let run = move |time| {
            runtime.block_on(async {
                let missing = claims.saturating_sub(stock.lock().len());
                let mut fresh = who.claims(missing).await?;
                stock.lock().append(&mut fresh);
                round(&who, &stock, clients, time).await
            })
        };
        Side {
            name,
            kind,
            run: Box::new(run),
        }
    }
}

/// What came out for one side.
struct Figures {
    name: String,
    kind: Kind,
    rounds: Vec<Round>,
}

impl Figures {
    fn per_s(&self) -> Vec<f64> {
        self.rounds.iter().map(Round::per_s).collect()
    }
}

fn measure(
    sides: &[Side],
    rounds: usize,
    effort: Effort,
    mut between: impl FnMut(),
) -> io::Result<Vec<Figures>> {
    let mut figures: Vec<Figures> = sides
        .iter()
        .map(|side| Figures {
            name: side.name.clone(),
            kind: side.kind,
            rounds: Vec::new(),
        })
        .collect();
    for round in 0..rounds {
        between();
        // Whoever comes first finds the caches cold, so they take turns in that too.
        for side in (0..sides.len()).cycle().skip(round).take(sides.len()) {
            let done = (sides[side].run)(effort.pick(Duration::from_secs(10), ROUND))?;
            figures[side].rounds.push(done);
        }
    }
    Ok(figures)
}

/// Ours beside all others; the aims are about the best of each kind.
fn compare(figures: &[Figures], clients: usize) -> Vec<Row> {
    let ours = figures.iter().filter(|it| it.kind == Kind::Ours);
    let others = || figures.iter().filter(|it| it.kind != Kind::Ours);
    let best = |kind: Kind| {
        let rate = |figures: &&Figures| median(&figures.per_s());
        let of_kind = others().filter(|it| it.kind == kind);
        of_kind.max_by(|one, other| rate(one).total_cmp(&rate(other)))
    };
    let best = [Kind::Postgres, Kind::Redis].map(best);
    let aim = |theirs: &Figures| {
        let is_best = best
            .iter()
            .flatten()
            .any(|best| std::ptr::eq(*best, theirs));
        (is_best && clients == AIMED).then_some(match theirs.kind {
            Kind::Redis => AIM_REDIS,
            _ => AIM_POSTGRES,
        })
    };
    let row = |ours: &Figures, theirs: &Figures| Row {
        what: format!("confirm, {}, clients: {clients}", ours.name),
        ours: median(&ours.per_s()),
        unit: "per s".to_owned(),
        beside: Some(Beside {
            name: theirs.name.clone(),
            theirs: median(&theirs.per_s()),
            ratio: median_ratio(&ours.per_s(), &theirs.per_s()),
            aim: aim(theirs),
        }),
    };
    ours.flat_map(|ours| others().map(move |theirs| (ours, theirs)))
        .map(|(ours, theirs)| row(ours, theirs))
        .collect()
}

/// How long clients waited, in all rounds together.
struct Waits {
    name: String,
    clients: usize,
    per_s: f64,
    /// Half of them, 99 % of them, and all of them.
    ms: [f64; 3],
    /// At the end of the rounds: how many records the store lacked, and how long it needed.
    behind: Option<(f64, f64)>,
}

impl Waits {
    fn of(figures: &Figures, clients: usize) -> Waits {
        let waits = figures.rounds.iter().flat_map(|round| &round.waits);
        let mut ms: Vec<f64> = waits.map(|wait| wait.as_secs_f64() * 1_000.0).collect();
        ms.sort_by(f64::total_cmp);
        let share = |share: f64| {
            let place = (ms.len() as f64 * share) as usize;
            ms.get(place)
                .or_else(|| ms.last())
                .copied()
                .unwrap_or_default()
        };
        let rounds = figures.rounds.iter();
        let behind: Vec<f64> = rounds.clone().map(|round| round.behind as f64).collect();
        let caught_up: Vec<f64> = rounds.map(|round| round.caught_up.as_secs_f64()).collect();
        let behind = (median(&behind), median(&caught_up));
        Waits {
            name: figures.name.clone(),
            clients,
            per_s: median(&figures.per_s()),
            ms: [0.5, 0.99, 1.0].map(share),
            behind: (behind.0 > 0.0).then_some(behind),
        }
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the result of a bench is what it prints"
)]
fn print(waits: &[Waits]) {
    println!(
        "\n{:<7} {:<42} {:>10} {:>10} {:>10} {:>10}",
        "clients", "how long each waits", "per s", "p50", "p99", "longest"
    );
    for Waits {
        name,
        clients,
        per_s,
        ms: [half, most, all],
        behind,
    } in waits
    {
        let behind = behind.map_or(String::new(), |(records, seconds)| {
            format!("   then {records:.0} records behind, caught up in {seconds:.2} s")
        });
        println!(
            "{clients:<7} {name:<42} {per_s:>10.0} {half:>7.2} ms {most:>7.2} ms {all:>7.2} ms\
             {behind}"
        );
    }
}
