//! `morgenruh verify-draw`: was this room drawn, did this release drip as was promised?

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use data_encoding::HEXLOWER;
use morgenruh_engine::rules::release::drip;
use morgenruh_engine::rules::release::proof::DripProof;
use morgenruh_engine::rules::room::draw::Line;
use morgenruh_engine::rules::room::proof::{Allotted, Proof, Receipt, Step};
use serde::Deserialize;
use serde::de::DeserializeOwned;

const DOES_NOT_HOLD: u8 = 1;
const CANNOT_READ: u8 = 2;
/// Longest document that is read, in bytes: the drip of a city's longest week, and more than rules
/// with every character escaped.
const DOCUMENT_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Stands for standard input.
const STANDARD_INPUT: &str = "-";

/// Works a draw out again from its document and prints each step, with the place of the ticket that
/// has this number, and whether the receipt is one of this draw. Asks nobody and no configuration.
///
/// Exits with 0 if all of it holds, 1 if something does not, 2 if a document cannot be read.
pub fn verify_draw(proof: &Path, ticket: Option<u32>, receipt: Option<&Path>) -> ExitCode {
    let read = read_any(proof).and_then(|proof| {
        Ok((
            proof,
            receipt.map(|path| parsed(path, &text(path)?)).transpose()?,
        ))
    });
    let (proof, receipt) = match read {
        Ok(documents) => documents,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            return ExitCode::from(CANNOT_READ);
        }
    };
    let out = &mut io::stdout().lock();
    let reported = match &proof {
        Document::Draw(proof) => report(proof, ticket, receipt.as_ref(), out),
        Document::Drip(proof) => report_drip(proof, out),
    };
    match reported {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(DOES_NOT_HOLD),
        Err(_) => ExitCode::from(CANNOT_READ),
    }
}

/// What can be checked: the draw of a room, or the drip of a release.
enum Document {
    Draw(Box<Proof>),
    Drip(Box<DripProof>),
}

fn read_any(path: &Path) -> Result<Document, String> {
    #[derive(Deserialize)]
    struct Named {
        algorithm: Option<String>,
    }
    let text = text(path)?;
    let named: Option<Named> = serde_json::from_slice(&text).ok();
    let algorithm = named.and_then(|named| named.algorithm);
    if algorithm.as_deref() == Some(drip::ALGORITHM) {
        return Ok(Document::Drip(Box::new(parsed(path, &text)?)));
    }
    Ok(Document::Draw(Box::new(parsed(path, &text)?)))
}

fn parsed<T: DeserializeOwned>(path: &Path, text: &[u8]) -> Result<T, String> {
    serde_json::from_slice(text).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{} cannot be read: {error}", path.display())
}

fn text(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: io::Error| unreadable(path, &error);
    let source: Box<dyn Read> = if path.as_os_str() == STANDARD_INPUT {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(path).map_err(failed)?)
    };
    let mut text = Vec::new();
    let mut source = source.take(DOCUMENT_BYTES_MAX + 1);
    source.read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > DOCUMENT_BYTES_MAX {
        let reason = format!("longer than {DOCUMENT_BYTES_MAX} bytes");
        return Err(unreadable(path, &reason));
    }
    Ok(text)
}

/// Whether the moments of a drip are those that were committed to.
fn report_drip(proof: &DripProof, out: &mut impl Write) -> io::Result<bool> {
    writeln!(out, "drip, {} moments", proof.moments.len())?;
    match proof.check() {
        Ok(()) => {
            writeln!(
                out,
                "holds  commitment: secret and rules give {}",
                proof.commitment
            )?;
            writeln!(
                out,
                "holds  moments: each is at the second that the secret gives"
            )?;
            writeln!(out, "the drip holds")?;
            Ok(true)
        }
        Err(fault) => {
            writeln!(out, "FAILS  {fault}")?;
            writeln!(out, "the drip does not hold")?;
            Ok(false)
        }
    }
}

/// Whether everything holds.
fn report(
    proof: &Proof,
    ticket: Option<u32>,
    receipt: Option<&Receipt>,
    out: &mut impl Write,
) -> io::Result<bool> {
    writeln!(out, "room {:?}, {} tickets", proof.room, proof.tickets)?;
    let is_told = |step: &Step| *step != Step::Outcome || proof.outcome.is_some();
    for step in Step::ALL.into_iter().filter(is_told) {
        let (name, found) = told(step, proof);
        if let Err(fault) = step.check(proof) {
            writeln!(out, "FAILS  {name}: {fault}")?;
            writeln!(out, "the draw does not hold")?;
            return Ok(false);
        }
        writeln!(out, "holds  {name}: {found}")?;
    }
    if let Some(receipt) = receipt {
        let seq = receipt.seq;
        if let Err(fault) = receipt.check_with(proof) {
            writeln!(out, "FAILS  receipt: {fault}")?;
            writeln!(out, "the draw holds, and the receipt is none of it")?;
            return Ok(false);
        }
        writeln!(out, "holds  receipt: ticket {seq} is under the root")?;
    }
    let line = Line::draw(&proof.seed, proof.tickets);
    let receipt = receipt.map(|receipt| receipt.seq);
    for seq in ticket
        .into_iter()
        .chain(receipt.filter(|seq| Some(*seq) != ticket))
    {
        match line.position_of(seq) {
            Some(position) => {
                writeln!(out, "ticket {seq} has place {position} of {}", line.len())?;
                if let Some(outcome) = &proof.outcome {
                    write_seat(position, outcome, out)?;
                }
            }
            None => writeln!(
                out,
                "ticket {seq} was not drawn: it comes behind all who were"
            )?,
        }
    }
    writeln!(out, "the draw holds")?;
    Ok(true)
}

/// What a place got, and which seats went to places behind it: only whoever has it knows whether
/// one of them would have fitted.
fn write_seat(position: u32, outcome: &[Allotted], out: &mut impl Write) -> io::Result<()> {
    if let Some(seat) = outcome.iter().find(|it| it.position == position) {
        return writeln!(out, "place {position} got {}", seat.words());
    }
    let behind = outcome.iter().filter(|it| it.position > position);
    writeln!(out, "place {position} got no seat; behind it went")?;
    for seat in behind {
        writeln!(out, "  place {}: {}", seat.position, seat.words())?;
    }
    Ok(())
}

/// What a step is called, and what it found if it holds.
fn told(step: Step, proof: &Proof) -> (&'static str, String) {
    let hex = |bytes: &[u8]| HEXLOWER.encode(bytes);
    match step {
        Step::Form => ("algorithm", proof.algorithm.clone()),
        Step::Commitment => (
            "commitment",
            format!("secret and rules give {}", hex(&proof.commitment)),
        ),
        Step::Root => (
            "root",
            format!("the {} tickets give {}", proof.tickets, hex(&proof.root)),
        ),
        Step::Seed => {
            let beacon = proof.beacon.as_ref().map_or_else(
                || "no beacon".to_owned(),
                |beacon| {
                    let value = hex(&beacon.value);
                    format!("beacon {value} of {:?}, {:?},", beacon.at, beacon.source)
                },
            );
            let seed = hex(&proof.seed);
            ("seed", format!("secret, root and {beacon} give {seed}"))
        }
        Step::Outcome => {
            let seats = proof.outcome.as_ref().map_or(0, Vec::len);
            ("outcome", format!("{seats} seats went to one place each"))
        }
    }
}
