//! What the ledger says of itself, all of it as of one moment.

use data_encoding::HEXLOWER;
use morgenruh_engine::rules::record::Position;
use morgenruh_engine::rules::time::UnixMillis;
use redis::Value;

use super::link::{Link, Trouble};
use super::script::Script;
use super::settings::Keys;
use crate::lineage::Lineage;

/// Where the ledger begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamState {
    /// None before the very first start.
    pub lineage: Option<Lineage>,
    /// The oldest record that was not trimmed; None when the stream is empty.
    pub first: Option<Position>,
    /// The newest record that ever was there.
    pub newest: Position,
    /// Its time.
    pub newest_at: UnixMillis,
}

/// The state, and who writes.
pub(super) struct Seen {
    pub(super) state: StreamState,
    /// That of the run which has taken the ledger over last.
    pub(super) session: String,
}

/// Why there is no state.
pub(super) enum NotSeen {
    Trouble(Trouble),
    /// Stream and hash do not fit together.
    Torn(String),
}

/// Asks for the state.
pub(super) struct Look(Script);

impl Look {
    pub(super) fn new() -> Look {
        Look(Script::new(include_str!("state.lua")))
    }

    /// For the owner, what it finds has been synced; others give no session.
    pub(super) fn ask(
        &mut self,
        link: &mut Link,
        keys: &Keys,
        session: &str,
    ) -> Result<Seen, NotSeen> {
        let answer = self.0.run(link, keys, |command| {
            command.arg(session);
        });
        read(answer.map_err(NotSeen::Trouble)?, keys)
    }
}

fn read(answer: Value, keys: &Keys) -> Result<Seen, NotSeen> {
    let torn = |what: &str| NotSeen::Torn(format!("{what}: somebody else has changed them"));
    type Fields = (String, String, String, String, String, String);
    let fields = redis::from_redis_value::<Fields>(answer);
    let (lineage, session, newest, at, last, first) =
        fields.map_err(|error| torn(&error.to_string()))?;
    let Keys { stream, meta } = keys;
    let newest: u64 = match newest.as_str() {
        "" => 0,
        text => text
            .parse()
            .map_err(|_| torn(&format!("`newest` of {meta} is {text:?}")))?,
    };
    let streamed = position(&last).unwrap_or(Position(0));
    if streamed.0 != newest {
        let differ = format!("{stream} ends at {}, but {meta} says {newest}", streamed.0);
        return Err(torn(&differ));
    }
    let state = StreamState {
        lineage: lineage_of(&lineage),
        first: first.parse().ok().map(Position),
        newest: streamed,
        newest_at: UnixMillis(at.parse().unwrap_or_default()),
    };
    Ok(Seen { state, session })
}

fn lineage_of(text: &str) -> Option<Lineage> {
    Lineage::from_bytes(&HEXLOWER.decode(text.as_bytes()).ok()?)
}

/// The position of an entry's id.
pub(super) fn position(id: &str) -> Option<Position> {
    let (position, _) = id.split_once('-')?;
    position.parse().ok().map(Position)
}

/// An id after which the record that follows on this position can come.
pub(super) fn id_of(position: Position) -> String {
    match position.0 {
        // The stream takes no 0-0.
        0 => "0-1".into(),
        number => format!("{number}-0"),
    }
}
