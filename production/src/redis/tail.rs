//! Reading the stream, on a connection of its own: for the drain and for a recovery.

use morgenruh_engine::rules::record::Position;
use morgenruh_engine::shell::drain::{Away, Placed, Tail};
use morgenruh_engine::shell::record_text;
use redis::{Cmd, Value, cmd};

use super::link::Link;
use super::settings::{Keys, Settings};
use super::state::{Look, NotSeen, position};
use crate::tls::TlsError;

/// Entries that are asked for at once; each has up to some hundred records.
const PAGE_MAX: usize = 64;
/// Records that have to be there to be trimmed: each trim is a sync of Redis' file.
const TRIM_STEP: u64 = 10_000;
/// Entries that one call trims; Redis does nothing else meanwhile.
const TRIM_CALL_MAX: u64 = 1_000;
/// Calls in a row, when a long outage of the store has left much to trim.
const TRIM_CALLS_MAX: u32 = 10_000;

/// An entry: its id, and its fields and values in turn.
type Entry = (String, Vec<Vec<u8>>);

/// The ledger as it is read.
pub struct RedisTail {
    link: Link,
    keys: Keys,
    look: Look,
    kept_records: u64,
    /// Where the last trim came to.
    trimmed: Position,
}

impl RedisTail {
    /// Connects when it is first asked.
    ///
    /// # Errors
    /// [`TlsError`]
    pub fn open(settings: &Settings, city: &str) -> Result<RedisTail, TlsError> {
        Ok(RedisTail {
            kept_records: settings.kept_records,
            link: Link::new(settings.clone())?,
            keys: Keys::of(city),
            look: Look::new(),
            trimmed: Position(0),
        })
    }

    fn ask(&mut self, command: &Cmd) -> Result<Value, Away> {
        self.link.ready().map_err(Away)?;
        self.link.ask(command).map_err(|trouble| {
            self.link.drop_connection();
            Away(trouble.into_reason())
        })
    }

    /// That nothing follows on a position has to be because it is the newest.
    fn expect_end(&mut self, position: Position) -> Result<(), Away> {
        self.link.ready().map_err(Away)?;
        let seen = self.look.ask(&mut self.link, &self.keys, "");
        let newest = seen
            .map_err(|error| match error {
                NotSeen::Torn(reason) => Away(reason),
                NotSeen::Trouble(trouble) => {
                    self.link.drop_connection();
                    Away(trouble.into_reason())
                }
            })?
            .state
            .newest;
        if newest < position {
            return Err(Away(format!(
                "the Redis has facts up to {}, but the store has them up to {}: it was emptied, \
                 restored from an older state, or is another server",
                newest.0, position.0
            )));
        }
        Ok(())
    }
}

impl Tail for RedisTail {
    fn after(&mut self, position: Position, max: usize) -> Result<Vec<Placed>, Away> {
        let mut records: Vec<Placed> = Vec::new();
        let mut last = position;
        while records.len() < max {
            let mut range = cmd("XRANGE");
            range.arg(&self.keys.stream);
            range.arg(last.0 + 1).arg("+");
            let answer = self.ask(range.arg("COUNT").arg(PAGE_MAX))?;
            let entries = redis::from_redis_value::<Vec<Entry>>(answer)
                .map_err(|error| Away(error.to_string()))?;
            let got = entries.len();
            for entry in &entries {
                if records.len() == max {
                    break;
                }
                decode(last, entry, max, &mut records)?;
                last = records.last().map_or(last, |placed| placed.position);
            }
            if got < PAGE_MAX {
                break;
            }
        }
        if records.is_empty() {
            self.expect_end(position)?;
        }
        Ok(records)
    }

    /// Trims now and then, and keeps the records that settings demand.
    fn trim(&mut self, watermark: Position) -> Result<(), Away> {
        // At least the newest stays, so that the stream shows where it is.
        let kept = self.kept_records.max(1);
        let first_kept = Position((watermark.0 + 1).saturating_sub(kept));
        if first_kept.0 < self.trimmed.0 + TRIM_STEP {
            return Ok(());
        }
        for _ in 0..TRIM_CALLS_MAX {
            let mut trim = cmd("XTRIM");
            trim.arg(&self.keys.stream).arg("MINID").arg("~");
            trim.arg(first_kept.0).arg("LIMIT").arg(TRIM_CALL_MAX);
            let trimmed = self.ask(&trim)?;
            if matches!(trimmed, Value::Int(0)) {
                break;
            }
        }
        self.trimmed = first_kept;
        Ok(())
    }
}

/// Adds the records of an entry that come behind a position, the first of which has to follow
/// directly on it, until there are `max`.
fn decode(
    last: Position,
    (id, fields): &Entry,
    max: usize,
    records: &mut Vec<Placed>,
) -> Result<(), Away> {
    let unreadable =
        |why: String| Away(format!("the entry {id} of the Redis is unreadable: {why}"));
    let newest = position(id).ok_or_else(|| unreadable("its id".into()))?;
    let text = match fields.as_slice() {
        [field, text] if field == b"r" => text,
        _ => return Err(unreadable("its fields".into())),
    };
    let lines = text.split(|byte| *byte == b'\n');
    let first = (newest.0 + 1).checked_sub(lines.clone().count() as u64);
    let first = first.ok_or_else(|| unreadable("more records than positions".into()))?;
    if first > last.0 + 1 {
        return Err(Away(format!(
            "the Redis lacks the facts {} to {}: they were trimmed or removed",
            last.0 + 1,
            first - 1
        )));
    }
    let behind = (first..).zip(lines).filter(|(place, _)| *place > last.0);
    for (place, line) in behind.take(max - records.len()) {
        let record = record_text::read(line).map_err(|error| unreadable(error.to_string()))?;
        let position = Position(place);
        records.push(Placed { position, record });
    }
    Ok(())
}
