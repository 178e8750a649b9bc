//! The entries of a stream, one a line, as a recovery and a drain read them.
//!
//! Whoever can write into the stream can do all sorts of damage; what is not a record stops the
//! reader, and what is one makes an engine that holds together, or none.

use std::sync::Arc;

use morgenruh_engine::rules::record::Position;
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::shell::drain::Placed;
use morgenruh_engine::shell::engine::Engine;
use morgenruh_engine::shell::record_text;
use morgenruh_engine::shell::stored::Remembered;

use crate::Verdict;
use crate::town::{Notebook, Town, limits};

/// The service starts at this instant: 2026-11-23, 06:29:50 UTC.
const NOW: UnixMillis = UnixMillis(1_795_415_390_000);
/// Further lines of an input are left out.
const LINES_MAX: usize = 64;

pub(crate) fn records(data: &[u8]) -> Verdict {
    let mut tail = Vec::new();
    let lines = data.split(|byte| *byte == b'\n').take(LINES_MAX);
    for (position, line) in (1..)
        .map(Position)
        .zip(lines.filter(|line| !line.is_empty()))
    {
        let Ok(record) = record_text::read(line) else {
            return Verdict::Refused;
        };
        let text = record_text::write(record.at, &record.fact);
        let again = record_text::read(&text).expect("what was written is a record");
        assert_eq!(record_text::write(again.at, &again.fact), text);
        tail.push(Placed { position, record });
    }
    let (first, second) = tail.split_at(tail.len() / 2);
    let mut remembered = Remembered::default();
    remembered.follow(first);
    remembered.follow(second);

    let catalogue = Arc::clone(Town::catalogue());
    let engine = Engine::new(catalogue, Arc::<Notebook>::default(), limits(), None, NOW);
    let recovered = engine.recover(NOW, remembered.into_stored(NOW));
    if let Ok(recovered) = &recovered {
        assert!(recovered.conflicts.len() <= recovered.bookings);
        engine.tick(NOW);
        engine.conflicts();
    }
    Verdict::taken_if(recovered.is_ok())
}
