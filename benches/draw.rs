//! How long the draw of a waiting room takes, and what memory: while tickets are taken, at the
//! release, and for whoever works it out again from nothing.
//!
//! The work is hashing, so beside it stands bare hashing: as many blocks, one after the other.

use std::fs;
use std::hint::black_box;
use std::io;
use std::process::Command;
use std::time::Instant;

use morgenruh_benches::Effort;
use morgenruh_benches::machine::Watch;
use morgenruh_benches::sides::{median, median_ratio};
use morgenruh_benches::table::{Beside, Results, Row};
use morgenruh_engine::rules::room::draw::{DRAW_BYTES_PER_TICKET, DrawSecret, Line, Nonces};
use morgenruh_engine::rules::room::merkle::Tree;
use morgenruh_engine::rules::room::proof::{Proof, Receipt, check};
use sha2::{Digest, Sha256};

const ROOM: &str = "buergerbuero-2026-12-24";
const RULES: &str = r#"{"algorithm":"morgenruh-draw-v1","beacon":"none"}"#;
const SECRET: DrawSecret = DrawSecret([7; 32]);
/// Tickets, and rounds in which both sides take a turn.
const SIZES: [(u32, usize); 3] = [(100_000, 21), (1_000_000, 9), (10_000_000, 3)];
/// Blocks hashed for a ticket while it is taken: two for its nonce, one each for its leaf and the
/// hash of that, and about two for a node.
const BLOCKS_TAKEN: u32 = 6;
/// Proofs of inclusion in a round.
const RECEIPTS: u32 = 1_000;
/// Makes this program tell how much memory a draw of so many tickets takes.
const MEMORY: &str = "--memory";
/// For a million tickets from nothing, in milliseconds.
const AIM_MS: f64 = 400.0;

fn main() -> io::Result<()> {
    let effort = Effort::asked();
    let only: Option<u32> = std::env::args().skip(1).find_map(|it| it.parse().ok());
    if let Some(tickets) = only
        && std::env::args().nth(1).as_deref() == Some(MEMORY)
    {
        return tell_drawing_kb(tickets);
    }
    let mut watch = Watch::begin();
    let mut rows = Vec::new();
    for (tickets, rounds) in effort.pick(&[(1_000, 1)][..], &SIZES) {
        if only.is_none_or(|only| only == *tickets) {
            rows.extend(draw(*tickets, *rounds, &mut watch)?);
        }
    }
    let results = Results {
        bench: "draw".to_owned(),
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

fn draw(tickets: u32, rounds: usize, watch: &mut Watch) -> io::Result<Vec<Row>> {
    let mut times: [Vec<f64>; 7] = Default::default();
    let [
        tree_ms,
        tree_bare,
        root_ms,
        line_ms,
        line_bare,
        all_ms,
        receipt_ms,
    ] = &mut times;
    let nonces = Nonces::new(&SECRET, ROOM);
    let tree = fed(&nonces, tickets);
    let proof = Proof::new(&SECRET, ROOM, RULES, &tree, None);
    for _ in 0..rounds {
        watch.look();
        tree_ms.push(timed(|| fed(&nonces, tickets)));
        tree_bare.push(timed(|| bare(tickets * BLOCKS_TAKEN)));
        root_ms.push(timed(|| tree.root()));
        line_ms.push(timed(|| Line::draw(&proof.seed, tickets)));
        line_bare.push(timed(|| bare(tickets)));
        all_ms.push(timed(|| check(&proof)));
        receipt_ms.push(timed(|| receipts(&nonces, &tree)) / f64::from(RECEIPTS));
    }
    let what = |part: &str| format!("{} tickets: {part}", thousands(tickets));
    let row = |part: &str, ours: f64, unit: &str| Row {
        what: what(part),
        ours,
        unit: unit.to_owned(),
        beside: None,
    };
    let beside = |part, ours: &[f64], bare: &[f64]| Row {
        beside: Some(Beside {
            name: "bare SHA-256, as many blocks".to_owned(),
            theirs: median(bare),
            ratio: median_ratio(bare, ours),
            aim: None,
        }),
        ..row(part, median(ours), "ms")
    };
    let mut all = row("all from nothing", median(all_ms), "ms");
    if tickets == 1_000_000 {
        all.beside = Some(Beside {
            name: "the aim".to_owned(),
            theirs: AIM_MS,
            ratio: AIM_MS / all.ours,
            aim: Some(1.0),
        });
    }
    let drawing = drawing_kb(tickets)?;
    let bound = f64::from(tickets) * DRAW_BYTES_PER_TICKET as f64 / 1024.0;
    let mut memory = row("memory while drawing", drawing, "KiB");
    memory.beside = Some(Beside {
        name: "its bound".to_owned(),
        theirs: bound,
        ratio: bound / drawing,
        aim: None,
    });
    Ok(vec![
        beside("taken, into the tree", tree_ms, tree_bare),
        row("root of the tree", median(root_ms) * 1e6, "ns"),
        beside("line drawn", line_ms, line_bare),
        all,
        row("one receipt and its check", median(receipt_ms) * 1e6, "ns"),
        row("memory of the tree", tree.bytes() as f64 / 1024.0, "KiB"),
        memory,
    ])
}

fn fed(nonces: &Nonces, tickets: u32) -> Tree {
    let mut tree = Tree::new();
    (0..tickets).for_each(|seq| tree.push(nonces.leaf(seq)));
    tree
}

/// So many messages of one block.
fn bare(messages: u32) {
    let mut text = [0; 40];
    for number in 0..messages {
        text[..4].copy_from_slice(&number.to_be_bytes());
        black_box(Sha256::digest(text));
    }
}

/// Of tickets from all over the tree.
fn receipts(nonces: &Nonces, tree: &Tree) {
    for number in 0..RECEIPTS {
        let seq = number.wrapping_mul(0x9e37_79b1) % tree.len();
        let receipt = Receipt::new(nonces, ROOM, tree, seq).expect("the ticket is in the tree");
        assert_eq!(receipt.check(), Ok(()));
    }
}

/// In milliseconds.
fn timed<T>(work: impl FnOnce() -> T) -> f64 {
    let begin = Instant::now();
    black_box(work());
    begin.elapsed().as_secs_f64() * 1_000.0
}

/// By how much a process becomes larger while it draws, at most, in KiB. Asks one of its own: in
/// this one there is memory left from before.
fn drawing_kb(tickets: u32) -> io::Result<f64> {
    let mut child = Command::new(std::env::current_exe()?);
    let output = child.args([MEMORY, &tickets.to_string()]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().map_err(io::Error::other)
}

#[expect(clippy::print_stdout, reason = "the process that asks reads it")]
fn tell_drawing_kb(tickets: u32) -> io::Result<()> {
    let before = status_kb("VmRSS:")?;
    black_box(Line::draw(&[7; 32], tickets));
    println!("{}", status_kb("VmHWM:")? - before);
    Ok(())
}

fn status_kb(field: &str) -> io::Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let value = status.lines().find_map(|line| line.strip_prefix(field));
    let value = value.and_then(|value| value.trim().trim_end_matches(" kB").parse().ok());
    value.ok_or_else(|| io::Error::other(format!("the kernel does not say {field}")))
}

fn thousands(number: u32) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<_> = groups.map(|group| String::from_utf8_lossy(group)).collect();
    groups.join(",")
}
