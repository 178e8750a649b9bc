//! `morgenruh verify-draw`: what a draw's document and a receipt are worth, on the command line.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use morgenruh_engine::rules::room::draw::{DrawSecret, Nonces};
use morgenruh_engine::rules::room::merkle::Tree;
use morgenruh_engine::rules::room::proof::{Proof, Receipt, check};
use serde::Serialize;
use tempfile::{TempDir, tempdir};

use crate::support::{program, run};

const ROOM: &str = "buergerbuero-2026-12-24";

/// A room that was drawn, and a folder for its documents.
struct Room {
    proof: Proof,
    nonces: Nonces,
    tree: Tree,
    dir: TempDir,
}

impl Room {
    fn drawn(tickets: u32) -> Room {
        let secret = DrawSecret([3; 32]);
        let nonces = Nonces::new(&secret, ROOM);
        let mut tree = Tree::new();
        (0..tickets).for_each(|seq| tree.push(nonces.leaf(seq)));
        Room {
            proof: Proof::new(&secret, ROOM, "{}", &tree, None),
            nonces,
            tree,
            dir: tempdir().unwrap(),
        }
    }

    fn receipt(&self, seq: u32) -> Receipt {
        Receipt::new(&self.nonces, ROOM, &self.tree, seq).unwrap()
    }

    fn position(&self, seq: u32) -> u32 {
        check(&self.proof).unwrap().position_of(seq).unwrap()
    }

    fn write(&self, name: &str, document: &impl Serialize) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, serde_json::to_string(document).unwrap()).unwrap();
        path
    }
}

fn verify_draw(proof: &Path, more: &[&str]) -> Output {
    let path = proof.to_str().unwrap();
    run(&[&["verify-draw", path][..], more].concat())
}

#[track_caller]
fn ended(output: &Output, code: i32) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}{errors}");
    text + &errors
}

#[test]
fn a_draw_that_holds_is_told_step_by_step() {
    let room = Room::drawn(500);
    let proof = room.write("proof.json", &room.proof);
    let text = ended(&verify_draw(&proof, &["--ticket", "42"]), 0);
    let steps: Vec<&str> = text.lines().filter_map(|it| it.split(':').next()).collect();
    let position = room.position(42);
    let place = format!("ticket 42 has place {position} of 500");
    let expected = [
        "room \"buergerbuero-2026-12-24\", 500 tickets",
        "holds  algorithm",
        "holds  commitment",
        "holds  root",
        "holds  seed",
        place.as_str(),
        "the draw holds",
    ];
    assert_eq!(steps, expected);
}

#[test]
fn a_ticket_that_came_later_stands_behind() {
    let room = Room::drawn(5);
    let proof = room.write("proof.json", &room.proof);
    let text = ended(&verify_draw(&proof, &["--ticket", "5"]), 0);
    assert!(text.contains("ticket 5 was not drawn"), "{text}");
}

#[test]
fn a_receipt_is_checked_and_tells_the_place() {
    let room = Room::drawn(300);
    let proof = room.write("proof.json", &room.proof);
    let receipt = room.write("receipt.json", &room.receipt(299));
    let receipt = receipt.to_str().unwrap();
    let text = ended(&verify_draw(&proof, &["--receipt", receipt]), 0);
    assert!(
        text.contains("holds  receipt: ticket 299 is under the root"),
        "{text}"
    );
    let place = format!("ticket 299 has place {} of 300", room.position(299));
    assert!(text.contains(&place), "{text}");

    let other = Receipt {
        nonce: [0; 16],
        ..room.receipt(17)
    };
    let other = room.write("other.json", &other);
    let text = ended(
        &verify_draw(&proof, &["--receipt", other.to_str().unwrap()]),
        1,
    );
    assert!(
        text.contains("FAILS  receipt: the leaf is not that of"),
        "{text}"
    );
}

#[test]
fn what_does_not_hold_is_named() {
    let mut room = Room::drawn(300);
    room.proof.tickets = 299;
    let proof = room.write("proof.json", &room.proof);
    let text = ended(&verify_draw(&proof, &[]), 1);
    assert!(text.contains("holds  commitment"), "{text}");
    assert!(
        text.contains("FAILS  root: the tickets of this secret have another root"),
        "{text}"
    );
    assert!(text.ends_with("the draw does not hold\n"), "{text}");
}

#[test]
fn what_is_no_draw_is_unusable() {
    let room = Room::drawn(1);
    let text = ended(&verify_draw(&room.dir.path().join("missing.json"), &[]), 2);
    assert!(text.contains("missing.json cannot be read: "), "{text}");
    let receipt = room.write("receipt.json", &room.receipt(0));
    let text = ended(&verify_draw(&receipt, &[]), 2);
    assert!(
        text.contains("receipt.json cannot be read: missing field"),
        "{text}"
    );
    let long = room.write("long.json", &" ".repeat(20_000_000));
    let text = ended(&verify_draw(&long, &[]), 2);
    assert!(text.contains("longer than 16777216 bytes"), "{text}");
}

#[test]
fn a_draw_can_come_through_a_pipe() {
    let room = Room::drawn(3);
    let mut child = program()
        .args(["verify-draw", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let document = serde_json::to_vec(&room.proof).unwrap();
    child.stdin.take().unwrap().write_all(&document).unwrap();
    let text = ended(&child.wait_with_output().unwrap(), 0);
    assert!(text.ends_with("the draw holds\n"), "{text}");
}
