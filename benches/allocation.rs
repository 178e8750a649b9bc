//! Giving out seats, and saying what is free: in one process, beside the same work done otherwise.
//!
//! Every side is measured twice. Criterion tells whether one of ours has become slower since the
//! last run; the rounds tell how the sides compare, and only those go into the table.

use std::sync::Arc;
use std::time::Instant;

use criterion::Criterion;
use morgenruh_benches::Effort;
use morgenruh_benches::baselines::{BareBits, GlobalMap, ShardedMap};
use morgenruh_benches::machine::Watch;
use morgenruh_benches::race::{Contender, race};
use morgenruh_benches::rules::{NOW, Rules};
use morgenruh_benches::sides::{Comparison, Side};
use morgenruh_benches::table::Results;
use morgenruh_benches::visits::{DAYS, OFFICES, Taken, Visit, Work};
use morgenruh_benches::whole::{Whole, confirmations};
use morgenruh_engine::rules::room::keys::{KeyRing, SigningKey};
use morgenruh_engine::rules::room::tickets::Ticket;
use morgenruh_engine::rules::room::{RoomId, TicketId};

/// Rounds in which every side takes a turn.
const ROUNDS: usize = 41;
/// How many times as fast as the sharded map on the hot day, with one thread and with two.
const AIM_SHARDED: [f64; 2] = [4.0, 3.0];
/// How many times as fast as the bare bits: not slower than one and a half times.
const AIM_BARE: f64 = 1.0 / 1.5;

fn main() -> std::io::Result<()> {
    let effort = Effort::asked();
    let mut comparisons = comparisons(effort);
    let only = std::env::args()
        .skip(1)
        .rfind(|argument| !argument.starts_with('-'));
    if let Some(only) = &only {
        comparisons
            .retain(|comparison| only.contains(comparison.what) || comparison.what.contains(only));
    }
    criterion(&comparisons);

    let mut watch = Watch::begin();
    let rounds = effort.pick(1, ROUNDS);
    let rows = comparisons
        .iter()
        .flat_map(|it| it.measure(rounds, || watch.look()))
        .collect();
    let results = Results {
        bench: "allocation".to_owned(),
        machine: watch.end()?,
        rows,
    };
    if effort == Effort::Test {
        return Ok(());
    }
    results.print();
    if only.is_some() {
        Ok(())
    } else {
        results.write()
    }
}

fn comparisons(effort: Effort) -> Vec<Comparison> {
    let all_days = usize::from(OFFICES) * usize::from(DAYS);
    let [one, two] = AIM_SHARDED.map(|aim| [Some(aim), Some(AIM_BARE)]);
    let mut comparisons = vec![
        hold_and_release("hold and release, hot day, 1 thread", 1, 1, one, effort),
        hold_and_release("hold and release, hot day, 2 threads", 1, 2, two, effort),
        hold_and_release(
            "hold and release, 1,000 days, 1 thread",
            all_days,
            1,
            [None; 2],
            effort,
        ),
        hold_and_release(
            "hold and release, 1,000 days, 2 threads",
            all_days,
            2,
            [None; 2],
            effort,
        ),
        whole("… whole engine, hot day, 1 thread", 1, 1, effort),
        whole("… whole engine, hot day, 2 threads", 1, 2, effort),
        whole("… whole engine, 1,000 days, 2 threads", all_days, 2, effort),
    ];
    comparisons.push(Comparison {
        what: "confirm, ledger in memory",
        ours: Side::new("whole engine", confirmations),
        beside: Vec::new(),
        count: effort.pick(100, 25_600),
    });
    comparisons.push(starts("what is free on a day", 1, effort));
    comparisons.push(starts("what is free on 60 days", 60, effort));
    comparisons.extend(tokens(effort));
    comparisons
}

/// Our rules beside the sharded map and the bare bits, of which `aims` are, and the global map.
fn hold_and_release(
    what: &'static str,
    days: usize,
    threads: usize,
    aims: [Option<f64>; 2],
    effort: Effort,
) -> Comparison {
    let Work { taken, visits } = Work::new(days, threads);
    let [aim_sharded, aim_bare] = aims;
    Comparison {
        what,
        ours: racing("rules behind a lock", Rules::new, &taken, &visits),
        beside: vec![
            (
                racing("DashMap with rollback", ShardedMap::new, &taken, &visits),
                aim_sharded,
            ),
            (
                racing("one Mutex<HashMap>", GlobalMap::new, &taken, &visits),
                None,
            ),
            (
                racing("bare lock and bit test", BareBits::new, &taken, &visits),
                aim_bare,
            ),
        ],
        count: effort.pick(64, 30_000),
    }
}

fn whole(what: &'static str, days: usize, threads: usize, effort: Effort) -> Comparison {
    let Work { taken, visits } = Work::new(days, threads);
    Comparison {
        what,
        ours: racing("whole engine", Whole::new, &taken, &visits),
        beside: Vec::new(),
        count: effort.pick(64, 30_000),
    }
}

fn racing<C: Contender + 'static>(
    name: &'static str,
    open: impl Fn(&[Vec<Taken>]) -> C,
    taken: &[Vec<Taken>],
    visits: &[Vec<Visit>],
) -> Side {
    let (contender, visits) = (open(taken), visits.to_vec());
    Side::new(name, move |count| race(&contender, &visits, count))
}

fn starts(what: &'static str, days: usize, effort: Effort) -> Comparison {
    let rules = Rules::new(&Work::new(days, 1).taken);
    let ours = Side::new("rules behind a lock", move |count| {
        let begin = Instant::now();
        for _ in 0..count {
            std::hint::black_box(rules.starts());
        }
        begin.elapsed()
    });
    Comparison {
        what,
        ours,
        beside: Vec::new(),
        count: effort.pick(1, 20_000 / days as u64),
    }
}

/// Tickets of the waiting room: signed once for everybody who comes, verified with every look.
fn tokens(effort: Effort) -> [Comparison; 2] {
    let (id, bytes) = (1, std::array::from_fn(|position| position as u8));
    let ring = Arc::new(KeyRing::new(&[SigningKey { id, bytes }], id).expect("one key is a ring"));
    let ticket = |seq| Ticket {
        id: TicketId {
            room: RoomId::from_bits(1),
            seq,
        },
        issued_at: NOW,
        nonce: [7; 16],
    };
    let texts: Vec<String> = (0..1_000).map(|seq| ticket(seq).sign(&ring)).collect();
    let signing = Arc::clone(&ring);
    let sign = move |count| {
        let begin = Instant::now();
        for seq in 0..count {
            std::hint::black_box(ticket(seq as u32).sign(&signing));
        }
        begin.elapsed()
    };
    let verify = move |count| {
        let begin = Instant::now();
        for text in texts.iter().cycle().take(count as usize) {
            std::hint::black_box(Ticket::verify(text, &ring)).expect("we have signed it");
        }
        begin.elapsed()
    };
    [
        ("sign a ticket", Side::new("tickets", sign)),
        ("verify a ticket", Side::new("tickets", verify)),
    ]
    .map(|(what, ours)| Comparison {
        what,
        ours,
        beside: Vec::new(),
        count: effort.pick(100, 100_000),
    })
}

/// Under `cargo test` this runs each side once.
fn criterion(comparisons: &[Comparison]) {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(std::time::Duration::from_millis(200))
        .measurement_time(std::time::Duration::from_millis(1_000))
        .configure_from_args();
    for comparison in comparisons {
        let mut group = criterion.benchmark_group(comparison.what);
        for side in comparison.sides() {
            group.bench_function(side.name, |bencher| {
                bencher.iter_custom(|count| (side.run)(count))
            });
        }
        group.finish();
    }
    criterion.final_summary();
}
