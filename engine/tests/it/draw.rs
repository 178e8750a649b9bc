//! Others work the draw out again: the page of Python in `docs/FAIRNESS.md`, and the script that
//! runs in the browser. Neither shares a line with the engine, nor a hash function.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use morgenruh_engine::rules::room::draw::{DrawSecret, Line, Nonces, leaf};
use morgenruh_engine::rules::room::merkle::Tree;
use morgenruh_engine::rules::room::proof::{Beacon, Proof, Receipt, check};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;

const ROOM: &str = "bürgerbüro-2026-12-24";
const RULES: &str = r#"{"algorithm":"morgenruh-draw-v1","beacon":"none","room":"für alle"}"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn document() -> String {
    fs::read_to_string(root().join("docs/FAIRNESS.md")).unwrap()
}

/// The blocks of the document in this language.
fn blocks<'a>(document: &'a str, language: &str) -> Vec<&'a str> {
    let begins = format!("```{language}\n");
    let blocks = document.split(begins.as_str()).skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap())
        .collect()
}

fn tree(nonces: &Nonces, tickets: u32) -> Tree {
    let mut tree = Tree::new();
    (0..tickets).for_each(|seq| tree.push(nonces.leaf(seq)));
    tree
}

/// A room that was drawn, its line, and the receipts of these tickets.
fn drawn(tickets: u32, beacon: Option<&[u8]>, seqs: &[u32]) -> (Proof, Line, Vec<Receipt>) {
    let secret = DrawSecret([0xc5; 32]);
    let nonces = Nonces::new(&secret, ROOM);
    let tree = tree(&nonces, tickets);
    let beacon = beacon.map(|value| Beacon {
        value: value.to_vec(),
        source: "a test".to_owned(),
        at: "2026-12-24T06:30:00+01:00".to_owned(),
    });
    let proof = Proof::new(&secret, ROOM, RULES, &tree, beacon);
    let line = check(&proof).unwrap();
    let receipt = |seq: &u32| Receipt::new(&nonces, ROOM, &tree, *seq).unwrap();
    let receipts = seqs.iter().map(receipt).collect();
    (proof, line, receipts)
}

/// Somebody else's check of a draw.
struct Other {
    program: &'static str,
    script: String,
    dir: TempDir,
}

impl Other {
    fn python() -> Other {
        let document = document();
        let [script] = blocks(&document, "python")[..] else {
            panic!("the document has one page of Python");
        };
        Other::new("python3", "check.py", script)
    }

    /// Prints what Python prints, from what the script of the page finds.
    fn browser() -> Other {
        let script = fs::read_to_string(root().join("gateway/assets/verify-draw.js")).unwrap();
        let calls_it = r#"
            import { readFileSync } from "node:fs";
            const [proof, receipt] = process.argv.slice(2)
                .map((path) => JSON.parse(readFileSync(path, "utf8")));
            const steps = await verifyDraw(proof, receipt);
            const failed = steps.find((step) => !step.holds);
            if (failed) {
                console.error(`${failed.step} does not hold`);
                process.exit(1);
            }
            console.log(receipt ? steps.at(-1).place : steps.map((it) => it.step).join(" "));
        "#;
        Other::new("node", "check.mjs", &(script + calls_it))
    }

    fn new(program: &'static str, name: &str, script: &str) -> Other {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(name), script).unwrap();
        Other {
            program,
            script: name.to_owned(),
            dir,
        }
    }

    /// What it prints, or why it says that something does not hold.
    fn check(&self, proof: &Value, receipt: Option<&Value>) -> Result<String, String> {
        let mut command = Command::new(self.program);
        command.current_dir(&self.dir).arg(&self.script);
        let documents = [("proof.json", Some(proof)), ("receipt.json", receipt)];
        for (name, document) in documents {
            if let Some(document) = document {
                fs::write(self.dir.path().join(name), document.to_string()).unwrap();
                command.arg(name);
            }
        }
        let output = command.output();
        let output = output.unwrap_or_else(|error| {
            panic!("{} is needed, see `make packages`: {error}", self.program)
        });
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
        if output.status.success() {
            Ok(text(output.stdout))
        } else {
            Err(text(output.stderr))
        }
    }
}

fn json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

fn read<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_vectors_of_the_document_are_ours() {
    let document = document();
    let [proof, receipt] = blocks(&document, "json")[..] else {
        panic!("the document has a proof and a receipt");
    };
    let (proof, receipt): (Proof, Receipt) = (read(proof), read(receipt));
    let line = check(&proof).unwrap();
    assert_eq!(receipt.check_with(&proof), Ok(()));
    assert_eq!(line.position_of(receipt.seq), Some(1));

    let nonces = Nonces::new(&proof.secret(), &proof.room);
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    for seq in 0..5 {
        let nonce = nonces.of(seq);
        assert_eq!(leaf(seq, nonce), nonces.leaf(seq));
        let row = format!(
            "| {seq} | `{}` | `{}` |",
            hex(&nonce),
            hex(&nonces.leaf(seq))
        );
        assert!(document.contains(&row), "{row}");
    }
    for (tickets, beacon) in [(0, None), (1, None), (5, None), (5, proof.beacon.clone())] {
        let name = if beacon.is_some() { "a0 to bf" } else { "none" };
        let tree = tree(&nonces, tickets);
        let drawn = Proof::new(&proof.secret(), &proof.room, &proof.rules, &tree, beacon);
        let line = check(&drawn).unwrap();
        let line: Vec<String> = (1..=tickets)
            .map(|position| line.at(position).unwrap().to_string())
            .collect();
        let line = if line.is_empty() {
            "empty".to_owned()
        } else {
            line.join(" ")
        };
        let (root, seed) = (hex(&drawn.root), hex(&drawn.seed));
        let row = format!("| {tickets} | {name} | `{root}` | `{seed}` | {line} |");
        assert!(document.contains(&row), "{row}");
        assert!(document.contains(&hex(&drawn.commitment)));
    }
}

#[test]
fn python_works_out_the_same_line() {
    let python = Other::python();
    // A beacon longer than a block of the hash is hashed before it becomes a key.
    for (tickets, beacon) in [
        (0, None),
        (1, None),
        (300, Some(&[9; 100][..])),
        (1_001, None),
    ] {
        let (proof, line, _) = drawn(tickets, beacon, &[]);
        let theirs = python.check(&json(&proof), None).unwrap();
        let theirs: Vec<u32> = theirs.split_whitespace().map(read::<u32>).collect();
        let ours: Vec<u32> = (1..=tickets).map_while(|place| line.at(place)).collect();
        assert_eq!(theirs, ours);
    }
}

#[test]
fn python_takes_our_receipts() {
    takes_our_receipts(&Other::python());
}

#[test]
fn the_browser_takes_our_receipts_and_finds_the_same_places() {
    takes_our_receipts(&Other::browser());
}

#[track_caller]
fn takes_our_receipts(other: &Other) {
    for (tickets, beacon, seqs) in [
        (1, None, &[0][..]),
        (5, Some(&[1, 2, 3][..]), &[0, 3, 4]),
        (777, Some(&[7; 100]), &[0, 255, 256, 511, 512, 776]),
    ] {
        let (proof, line, receipts) = drawn(tickets, beacon, seqs);
        for receipt in receipts {
            let place = other.check(&json(&proof), Some(&json(&receipt))).unwrap();
            let position = line.position_of(receipt.seq).unwrap();
            assert_eq!(place, position.to_string(), "ticket {}", receipt.seq);
        }
    }
}

#[test]
fn the_browser_needs_no_receipt() {
    for tickets in [0, 2] {
        let (proof, ..) = drawn(tickets, None, &[]);
        let steps = Other::browser().check(&json(&proof), None);
        assert_eq!(steps.as_deref(), Ok("form commitment root seed"));
    }
}

#[test]
fn python_finds_what_does_not_hold() {
    finds_what_does_not_hold(&Other::python());
}

#[test]
fn the_browser_finds_what_does_not_hold() {
    let browser = Other::browser();
    finds_what_does_not_hold(&browser);
    let (proof, _, receipts) = drawn(40, None, &[17]);
    let (mut proof, receipt) = (json(&proof), json(&receipts[0]));
    for malformed in [
        json(&-1),
        json(&1.5),
        json(&(1u32 << 25)),
        json(&"5"),
        Value::Null,
    ] {
        proof["tickets"] = malformed;
        let found = browser.check(&proof, Some(&receipt));
        assert_eq!(found, Err("form does not hold".to_owned()));
    }
    let nothing = browser.check(&Value::Null, None);
    assert_eq!(nothing, Err("form does not hold".to_owned()));
}

#[track_caller]
fn finds_what_does_not_hold(other: &Other) {
    let (proof, _, receipts) = drawn(40, Some(&[1, 2, 3]), &[17, 18]);
    let (proof, receipt) = (json(&proof), json(&receipts[0]));
    let [zeros, nonce] = [json(&"00".repeat(32)), json(&"00".repeat(16))];
    let room = json(&"another-2026-12-24");
    for (field, value) in [
        ("secret", zeros.clone()),
        ("commitment", zeros.clone()),
        ("rules", json(&"other rules")),
        ("root", zeros.clone()),
        ("tickets", json(&41)),
        ("room", room.clone()),
        ("beacon", Value::Null),
        ("seed", zeros.clone()),
        ("algorithm", json(&"another")),
    ] {
        let mut proof = proof.clone();
        proof[field] = value;
        assert!(other.check(&proof, None).is_err(), "{field}");
    }
    for (field, value) in [
        ("room", room),
        ("seq", json(&18)),
        ("seq", json(&40)),
        ("nonce", nonce),
        (
            "leaf",
            json(&receipts[1].leaf.map(|byte| format!("{byte:02x}")).concat()),
        ),
        ("root", zeros),
        ("tickets", json(&39)),
        ("proof", json(&Vec::<String>::new())),
        (
            "proof",
            json(&receipt["proof"].as_array().unwrap()[1..].to_vec()),
        ),
    ] {
        let mut receipt = receipt.clone();
        receipt[field] = value;
        assert!(other.check(&proof, Some(&receipt)).is_err(), "{field}");
    }
    assert!(other.check(&proof, Some(&receipt)).is_ok());
}
