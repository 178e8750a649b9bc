//! Every target over every input of its corpus, and over inputs made from them by damage.
//!
//! The seed is fresh in every run and printed; `MORGENRUH_TEST_SEED` sets it, and
//! `MORGENRUH_TEST_EFFORT` multiplies the time. An input that fails is printed as well: put it
//! into the corpus under a name that says what is the matter with it.

#![expect(clippy::unwrap_used, reason = "a test fails where its helpers fail")]

mod damage;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use damage::Damage;
use morgenruh_fuzz::{TARGETS, Target, Verdict};

/// Time for each target's damaged inputs. All together are to stay below a quarter of a minute.
const TARGET_TIME: Duration = Duration::from_millis(600);
/// Files of one corpus, so that it stays something to read.
const CORPUS_FILES_MAX: usize = 48;
/// Largest file of a corpus, in bytes.
const CORPUS_FILE_BYTES_MAX: u64 = 8 * 1024;

fn corpus_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// Name and bytes of each input, in the order of names.
fn corpus(target: &Target) -> Vec<(String, Vec<u8>)> {
    let dir = fs::read_dir(corpus_dir().join(target.name)).unwrap();
    let paths = dir.map(|entry| entry.unwrap().path());
    let mut inputs: Vec<_> = paths
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            (name.to_owned(), fs::read(&path).unwrap())
        })
        .collect();
    inputs.sort();
    inputs
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable} is a whole number, not {text:?}")))
}

/// Feeds one input; if it fails, tells which.
fn feed(target: &Target, name: &str, input: &[u8]) -> Option<Verdict> {
    let fed = catch_unwind(AssertUnwindSafe(|| (target.feed)(input)));
    if fed.is_err() {
        eprintln!(
            "{} fails with {name}, {} bytes:\n{}",
            target.name,
            input.len(),
            input.escape_ascii()
        );
    }
    fed.ok()
}

#[test]
fn every_target_has_a_corpus_and_a_program() {
    let mut folders: Vec<_> = fs::read_dir(corpus_dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    let mut names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    names.sort();
    assert_eq!(folders, names);
    let manifest = fs::read_to_string(corpus_dir().with_file_name("Cargo.toml")).unwrap();
    for target in TARGETS {
        let files = fs::read_dir(corpus_dir().join(target.name)).unwrap();
        let lengths: Vec<u64> = files
            .map(|file| file.unwrap().metadata().unwrap().len())
            .collect();
        assert!(
            (1..=CORPUS_FILES_MAX).contains(&lengths.len()),
            "{}",
            target.name
        );
        assert!(
            lengths
                .iter()
                .all(|length| *length <= CORPUS_FILE_BYTES_MAX),
            "{}",
            target.name
        );
        let program = format!("name = \"{}\"\n", target.name);
        assert!(manifest.contains(&program), "{}", target.name);
    }
}

#[test]
fn every_input_of_the_corpus_is_survived_and_some_are_taken() {
    let mut failed = Vec::new();
    for target in TARGETS {
        let mut taken = 0;
        for (name, input) in corpus(target) {
            match feed(target, &name, &input) {
                Some(Verdict::Taken) => taken += 1,
                Some(Verdict::Refused) => {}
                None => failed.push(format!("{}/{name}", target.name)),
            }
        }
        assert!(taken > 0, "{} takes nothing", target.name);
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn damaged_inputs_are_survived() {
    let seed = number("MORGENRUH_TEST_SEED").unwrap_or_else(|| fastrand::u64(..));
    let effort = u32::try_from(number("MORGENRUH_TEST_EFFORT").unwrap_or(1)).unwrap();
    eprintln!("MORGENRUH_TEST_SEED={seed}");
    for (target, salt) in TARGETS.iter().zip(0u64..) {
        let inputs: Vec<_> = corpus(target).into_iter().map(|(_, input)| input).collect();
        let mut damage = Damage::new(seed.wrapping_add(salt), &inputs);
        let end = Instant::now() + TARGET_TIME * effort;
        let (mut fed, mut taken) = (0, 0);
        while Instant::now() < end {
            let input = damage.next();
            let name = format!("input {fed} of seed {seed}");
            let verdict = feed(target, &name, &input);
            taken += usize::from(verdict.expect(target.name) == Verdict::Taken);
            fed += 1;
        }
        eprintln!("{:<20} {fed:>7} inputs, {taken:>7} taken", target.name);
    }
}
