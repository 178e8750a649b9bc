//! The journal that a scribe writes into: one call of a script for each batch.
//!
//! Nothing that Redis says is believed before the connection has passed its checks and the stream
//! has shown that it still has what was acknowledged. If it has not, or somebody else has taken
//! over, nothing is written any more until the gateway is started again: to go on would make
//! facts that contradict acknowledged ones.
//!
//! An answer that does not come leaves the batch *unclear*: it may be in the stream, or still on
//! its way to it. It cannot come later than a retry and be doubled, because the script compares
//! the newest position with the one that the batch was made for, and it cannot come after a
//! restart of ours, because the script compares the session.

use std::io;
use std::path::{Path, PathBuf};

use morgenruh_engine::rules::record::Position;
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::shell::record_text;
use morgenruh_engine::shell::scribe::{Failure, Journal, Kept};
use redis::Value;

use super::acknowledged::Acknowledged;
use super::guarantees::Warnings;
use super::link::{Link, Trouble};
use super::owner::{self, NotTaken, Token};
use super::script::Script;
use super::settings::{Keys, Settings};
use super::state::{Look, NotSeen, Seen, StreamState, id_of};
use crate::lineage::Lineage;
use crate::tls::TlsError;

/// Text of the records in one call of the script, in bytes; the record that reaches it is the last.
/// Redis does nothing else meanwhile.
const CALL_BYTES_MAX: usize = 8 << 20;
/// Records in one entry of the stream. Each entry costs Redis as much as some dozen records in it;
/// whoever reads or trims the stream handles whole ones.
const ENTRY_RECORDS_MAX: u64 = 128;

/// The codes with which Redis refuses a call before it has done anything.
const REFUSALS: [&str; 12] = [
    "BUSY",
    "CLUSTERDOWN",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "MOVED",
    "NOAUTH",
    "NOPERM",
    "NOREPLICAS",
    "NOSCRIPT",
    "OOM",
    "READONLY",
];

/// Why the ledger cannot be opened or begun.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the data directory {0} cannot be used: {1}")]
    Directory(PathBuf, io::Error),
    /// Nothing answers, or it does not keep what it acknowledges.
    #[error("{0}")]
    Away(String),
    #[error("another gateway serves this city from this Redis; stop it first")]
    Held,
    /// What was acknowledged is not there.
    #[error("{0}")]
    Lost(String),
    #[error("there is a ledger in this Redis already")]
    Begun,
}

/// The ledger of a city in Redis, which this process alone may write.
pub struct RedisJournal {
    link: Link,
    keys: Keys,
    session: Token,
    acknowledged: Acknowledged,
    /// What was acknowledged by this process or found at its start.
    durable: Position,
    /// The connection on which the stream was last compared with it.
    compared: u64,
    /// Why nothing is written any more.
    ended: Option<String>,
    append: Script,
    look: Look,
}

impl RedisJournal {
    /// Connects and takes the ledger of a city over. While another gateway holds it, this waits
    /// up to 20 seconds. `data` is the directory in which the gateway remembers who it is.
    ///
    /// # Errors
    /// [`OpenError`]
    pub fn open(settings: &Settings, city: &str, data: &Path) -> Result<RedisJournal, OpenError> {
        let unusable = |error| OpenError::Directory(data.to_owned(), error);
        let owner = owner::of(data).map_err(unusable)?;
        let session = Token::random().map_err(unusable)?;
        let acknowledged = Acknowledged::open(data).map_err(unusable)?;
        let mut journal = RedisJournal {
            link: Link::new(settings.clone())?,
            keys: Keys::of(city),
            session,
            acknowledged,
            durable: Position(0),
            compared: 0,
            ended: None,
            append: Script::new(include_str!("append.lua")),
            look: Look::new(),
        };
        journal.compared = journal.link.ready().map_err(OpenError::Away)?;
        let RedisJournal { link, keys, .. } = &mut journal;
        owner::take(link, keys, owner, session).map_err(|error| match error {
            NotTaken::Held => OpenError::Held,
            NotTaken::Trouble(trouble) => OpenError::Away(trouble.into_reason()),
        })?;
        let state = journal.see().map_err(OpenError::Away)?.state;
        // An empty Redis is a matter for whoever knows the store.
        if state.lineage.is_some() {
            journal.compare_with_file(state.newest)?;
        }
        journal.durable = state.newest;
        Ok(journal)
    }

    /// What Redis is not, although it should be; always empty with strict durability.
    pub fn warnings(&self) -> Warnings {
        self.link.warnings().clone()
    }

    /// Where the ledger begins and ends.
    ///
    /// # Errors
    /// [`Failure::Refused`] when it cannot be seen.
    pub fn state(&mut self) -> Result<StreamState, Failure> {
        self.ready()?;
        Ok(self.observe()?.state)
    }

    /// Begins the ledger of a city that has never had one.
    ///
    /// # Errors
    /// [`OpenError`]; also [`OpenError::Lost`] when this gateway remembers facts.
    pub fn begin(&mut self, lineage: Lineage) -> Result<(), OpenError> {
        self.compare_with_file(Position(0))?;
        self.begin_at(lineage, Position(0), UnixMillis(0))
    }

    /// Begins the ledger behind a store that has the facts up to this position and time. What was
    /// acknowledged beyond it is given up.
    ///
    /// # Errors
    /// [`OpenError`]
    pub fn begin_at(
        &mut self,
        lineage: Lineage,
        position: Position,
        at: UnixMillis,
    ) -> Result<(), OpenError> {
        self.ready()
            .map_err(|failure| OpenError::Away(failure.to_string()))?;
        let session = self.session.to_text();
        let mut script = Script::new(include_str!("begin.lua"));
        let answer = script.run(&mut self.link, &self.keys, |command| {
            command.arg(&session).arg(lineage.to_string());
            command.arg(position.0).arg(at.0).arg(id_of(position));
        });
        match answer.map_err(|trouble| OpenError::Away(trouble.into_reason()))? {
            Value::Okay => {
                self.durable = position;
                self.acknowledged.set(position, self.link.run());
                Ok(())
            }
            other if kind_of(&other) == "fenced" => Err(OpenError::Held),
            _ => Err(OpenError::Begun),
        }
    }

    fn compare_with_file(&self, newest: Position) -> Result<(), OpenError> {
        match self.acknowledged.newest() {
            Some(known) if known.position > newest => {
                let how = if known.is_of(self.link.run()) {
                    "although it was not restarted since: was it emptied?"
                } else {
                    "and it was restarted since, or is another server; bring back its own data."
                };
                Err(OpenError::Lost(format!(
                    "the Redis has facts up to {}, but those up to {} were acknowledged, {how} If \
                     they are lost for good, remove {}",
                    newest.0,
                    known.position.0,
                    self.acknowledged.path().display()
                )))
            }
            _ => Ok(()),
        }
    }

    /// A connection that passed all checks, on which the stream has what was acknowledged.
    fn ready(&mut self) -> Result<(), Failure> {
        if let Some(reason) = &self.ended {
            return Err(Failure::Refused(reason.clone()));
        }
        let connection = self.link.ready().map_err(Failure::Refused)?;
        if connection != self.compared {
            self.observe()?;
            self.compared = connection;
        }
        Ok(())
    }

    /// The state, if the ledger is still ours and has what was acknowledged.
    fn observe(&mut self) -> Result<Seen, Failure> {
        let seen = self.see().map_err(Failure::Refused)?;
        let newest = seen.state.newest;
        if newest < self.durable {
            return Err(self.end(self.lost(newest)));
        }
        if seen.session != self.session.to_text() {
            return Err(self.end(TAKEN.into()));
        }
        Ok(seen)
    }

    fn see(&mut self) -> Result<Seen, String> {
        self.look
            .ask(&mut self.link, &self.keys, &self.session.to_text())
            .map_err(|error| match error {
                NotSeen::Torn(reason) => reason,
                NotSeen::Trouble(trouble) => {
                    self.link.drop_connection();
                    trouble.into_reason()
                }
            })
    }

    /// Appends what follows directly on `newest`.
    fn append(&mut self, newest: Position, call: &Call) -> Result<(), Failure> {
        let session = self.session.to_text();
        let answer = self.append.run(&mut self.link, &self.keys, |command| {
            command.arg(&session).arg(newest.0).arg(call.at.0);
            for entry in &call.entries {
                command.arg(entry.records).arg(entry.lines.as_slice());
            }
        });
        match answer {
            Ok(Value::Okay) => Ok(()),
            Ok(other) => Err(self.judge(newest, &other)),
            Err(Trouble::Unsent(reason)) => Err(Failure::Refused(reason)),
            // A call without records leaves nothing that could come later.
            Err(Trouble::Unanswered(reason)) if call.records == 0 => Err(Failure::Refused(reason)),
            Err(Trouble::Unanswered(reason)) => Err(Failure::Unclear(reason)),
            Err(Trouble::Denied(reason)) => {
                self.link.drop_connection();
                let code = reason.split(' ').next().unwrap_or_default();
                Err(if REFUSALS.contains(&code) {
                    Failure::Refused(reason)
                } else {
                    Failure::Unclear(reason)
                })
            }
        }
    }

    /// What it means that the script has not written.
    fn judge(&mut self, newest: Position, answer: &Value) -> Failure {
        match (kind_of(answer), detail_of(answer)) {
            ("fenced", _) => self.end(TAKEN.into()),
            ("gone", _) => self.end(self.lost(Position(0))),
            ("refused", why) => {
                self.link.drop_connection();
                Failure::Refused(format!("Redis refuses to write: {why}"))
            }
            ("newest", found) => {
                let found = Position(found.parse().unwrap_or(0));
                if found < newest {
                    return self.end(self.lost(found));
                }
                Failure::Unclear(format!(
                    "the Redis has facts up to {}, {} were known: an earlier try may have been \
                     written",
                    found.0, newest.0
                ))
            }
            _ => Failure::Unclear(format!("Redis answers with something else: {answer:?}")),
        }
    }

    fn lost(&self, newest: Position) -> String {
        format!(
            "the Redis has facts up to {}, but those up to {} were acknowledged: it was emptied, \
             restored from an older state, or is another server. Bring its own data back and \
             start again",
            newest.0, self.durable.0
        )
    }

    fn end(&mut self, reason: String) -> Failure {
        tracing::error!("{reason}");
        self.link.drop_connection();
        self.ended = Some(reason.clone());
        Failure::Refused(reason)
    }

    fn acknowledge(&mut self, newest: Position) {
        self.durable = newest;
        self.acknowledged.set(newest, self.link.run());
    }
}

const TAKEN: &str = "another gateway has taken the ledger of this city over; this one writes \
                     nothing any more";

/// What one call of the script appends.
struct Call {
    entries: Vec<Lines>,
    /// In all entries, and their bytes.
    records: u64,
    bytes: usize,
    /// Time of the last record.
    at: UnixMillis,
}

/// An entry of the stream: records as lines.
#[derive(Default)]
struct Lines {
    records: u64,
    lines: Vec<u8>,
}

impl Call {
    const EMPTY: Call = Call {
        entries: Vec::new(),
        records: 0,
        bytes: 0,
        at: UnixMillis(0),
    };

    fn add(&mut self, record: &Kept<'_>) {
        let is_full = |entry: &Lines| entry.records == ENTRY_RECORDS_MAX;
        if self.entries.last().is_none_or(is_full) {
            self.entries.push(Lines::default());
        }
        if let Some(Lines { records, lines }) = self.entries.last_mut() {
            let before = lines.len();
            if *records > 0 {
                lines.push(b'\n');
            }
            record_text::append(lines, record.at, record.fact);
            *records += 1;
            self.bytes += lines.len() - before;
        }
        self.records += 1;
        self.at = record.at;
    }
}

impl Journal for RedisJournal {
    fn newest(&mut self) -> Result<(Position, UnixMillis), Failure> {
        let state = self.state()?;
        if state.lineage.is_none() {
            return Err(Failure::Refused("there is no ledger in this Redis".into()));
        }
        self.acknowledge(state.newest);
        Ok((state.newest, state.newest_at))
    }

    fn write(&mut self, records: &[Kept<'_>]) -> Result<(), Failure> {
        self.ready()?;
        let Some(last) = records.last() else {
            return self.append(self.durable, &Call::EMPTY);
        };
        let mut newest = Position(records[0].position.0 - 1);
        let mut call = Call::EMPTY;
        let mut calls = 0;
        for record in records {
            if call.bytes >= CALL_BYTES_MAX {
                self.append(newest, &call).map_err(after(calls))?;
                newest = Position(newest.0 + call.records);
                call = Call::EMPTY;
                calls += 1;
            }
            call.add(record);
        }
        self.append(newest, &call).map_err(after(calls))?;
        self.acknowledge(last.position);
        Ok(())
    }
}

/// A refusal after other calls of the same batch were written is none of the whole batch.
fn after(calls: u32) -> impl Fn(Failure) -> Failure {
    move |failure| match failure {
        Failure::Refused(reason) if calls > 0 => Failure::Unclear(reason),
        other => other,
    }
}

/// The first word of an answer that is not `OK`.
fn kind_of(answer: &Value) -> &str {
    word(answer, 0)
}

fn detail_of(answer: &Value) -> &str {
    word(answer, 1)
}

fn word(answer: &Value, place: usize) -> &str {
    let words = match answer {
        Value::Array(words) => words.as_slice(),
        _ => &[],
    };
    match words.get(place) {
        Some(Value::BulkString(bytes)) => std::str::from_utf8(bytes).unwrap_or_default(),
        _ => "",
    }
}
