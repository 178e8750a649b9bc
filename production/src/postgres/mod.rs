//! The store in PostgreSQL: what a city's people can ask questions of, written behind the ledger.
//!
//! Facts and the tables they make change in one transaction together with the watermark, so that
//! each fact is there exactly once, whatever was lost on the way. The database itself forbids two
//! bookings of one counter at the same time: that the engine never makes such a pair is proved
//! elsewhere; here nobody needs to believe it.
//!
//! All calls wait for the server, and none of them for ever: at most the time limit for
//! connecting, and then for each statement its own with [`ANSWER_GRACE`] added. None of them can
//! be made within an async runtime.

mod apply;
mod batch;
mod copy;
mod fault;
mod link;
mod load;
mod names;
mod releases;
mod rooms;
mod schema;
mod values;
mod wishes;

use std::time::Duration;

use morgenruh_engine::rules::catalogue::Catalogue;
use morgenruh_engine::rules::record::Position;
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::shell::drain::{Away, Placed, Store, StoreError};
use morgenruh_engine::shell::stored::Remembered;

use crate::lineage::Lineage;
use crate::password::Password;
use crate::tls::Tls;
use fault::Fault;
use link::{Link, Session};
use values::{Instant, position};

pub use link::ANSWER_GRACE;
pub use schema::SCHEMA_VERSION;

const STATE: &str = include_str!("sql/state.sql");
const BEGIN: &str = "INSERT INTO meta (key, value) VALUES ('lineage', $1) ON CONFLICT DO NOTHING";
const BEGIN_ANEW: &str = "UPDATE meta SET value = $1 WHERE key = 'lineage'";

/// Where the server is, and how long it is waited for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `host:port`
    pub address: String,
    pub user: String,
    pub password: Option<Password>,
    pub database: String,
    pub tls: Tls,
    /// For a connection that is ready, all its hand-shakes included.
    pub connect_timeout: Duration,
    /// For one statement, kept by the server.
    pub statement_timeout: Duration,
}

/// How far a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreState {
    /// None until [`PostgresStore::begin`].
    pub lineage: Option<Lineage>,
    /// Position of the newest fact that is there, and its time; zeros when there is none.
    pub watermark: Position,
    pub watermark_at: UnixMillis,
    /// Facts that were put aside.
    pub quarantined: u64,
}

/// What a store remembers.
#[derive(Debug)]
pub struct Loaded {
    /// How far the store was when this was read: what follows on its watermark is missing.
    pub state: StoreState,
    pub remembered: Remembered,
}

/// Why a database cannot be the store; each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the database cannot be used: {0}")]
    Settings(String),
    #[error(transparent)]
    Away(#[from] Away),
    #[error("PostgreSQL does not let the user {user} in: {sentence}")]
    Password { user: String, sentence: String },
    #[error("the database {0} is encoded in {1}: make one with ENCODING 'UTF8'")]
    Encoding(String, String),
    #[error(
        "the database {0} has schema version {1}, this program knows version {SCHEMA_VERSION}: \
         use the program that wrote it or a newer one"
    )]
    Version(String, i64),
    #[error(
        "the user {user} may not make tables in the database {database} ({sentence}): let an \
         administrator run once: ALTER DATABASE {database} OWNER TO {user}"
    )]
    Rights {
        user: String,
        database: String,
        sentence: String,
    },
    #[error(
        "the user {user} may not add the extension btree_gist to the database {database}: let an \
         administrator run once, in that database: CREATE EXTENSION btree_gist"
    )]
    ExtensionForbidden { user: String, database: String },
    #[error(
        "this PostgreSQL lacks the extension btree_gist: install the package of extensions that \
         belongs to it (postgresql-contrib)"
    )]
    ExtensionMissing,
}

/// The store, over a connection that is made anew when it was lost.
pub struct PostgresStore {
    link: Link,
}

impl PostgresStore {
    /// Connects and brings the tables up to date.
    ///
    /// # Errors
    /// [`OpenError`]; a database that a newer program has written is left as it is.
    pub fn open(settings: &Settings) -> Result<PostgresStore, OpenError> {
        let mut link = Link::new(settings).map_err(OpenError::Settings)?;
        schema::migrate(&mut link, settings)?;
        Ok(PostgresStore { link })
    }

    /// How far it is.
    ///
    /// # Errors
    /// [`Away`]
    pub fn state(&mut self) -> Result<StoreState, Away> {
        self.link.with(state).map_err(Fault::into_away)
    }

    /// Marks an empty store as one that belongs to this lineage.
    ///
    /// # Errors
    /// [`Away`], also when it belongs to another one.
    pub fn begin(&mut self, lineage: Lineage) -> Result<(), Away> {
        let begin = |session: &mut Session| {
            session.execute(BEGIN, &[&lineage.to_string()])?;
            state(session)
        };
        let state = self.link.with(begin).map_err(Fault::into_away)?;
        if state.lineage == Some(lineage) {
            return Ok(());
        }
        Err(Away("the database belongs to another ledger".into()))
    }

    /// Marks the store as one that goes on with another ledger.
    ///
    /// # Errors
    /// [`Away`]
    pub fn begin_anew(&mut self, lineage: Lineage) -> Result<(), Away> {
        let begin = |session: &mut Session| session.execute(BEGIN_ANEW, &[&lineage.to_string()]);
        self.link.with(begin).map_err(Fault::into_away)?;
        Ok(())
    }

    /// Reads what an engine goes on from; `progress` is told the number of bookings now and then.
    ///
    /// # Errors
    /// [`Away`]
    pub fn load(&mut self, now: UnixMillis, progress: &dyn Fn(u64)) -> Result<Loaded, Away> {
        let load = |session: &mut Session| {
            // One view of all tables, should somebody still be writing.
            session.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")?;
            // The time limit is one for an answer, and all rows together are one statement.
            session.run("SET LOCAL statement_timeout = 0; SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on")?;
            let state = state(session)?;
            let remembered = load::load(session, now, state.watermark_at, progress)?;
            Ok(Loaded { state, remembered })
        };
        self.link.transaction(load).map_err(Fault::into_away)
    }

    /// Writes the names of departments, offices and services beside their numbers, for people who
    /// read the tables.
    ///
    /// # Errors
    /// [`Away`]
    pub fn name_numbers(&mut self, catalogue: &Catalogue) -> Result<(), Away> {
        let write = |session: &mut Session| names::write(session, catalogue);
        self.link.transaction(write).map_err(Fault::into_away)
    }
}

impl Store for PostgresStore {
    fn watermark(&mut self) -> Result<Position, Away> {
        self.state().map(|state| state.watermark)
    }

    fn apply(&mut self, records: &[Placed]) -> Result<(), StoreError> {
        let apply = |session: &mut Session| apply::apply(session, records);
        let applied = self.link.transaction(apply);
        applied.map_err(Fault::into_store_error)
    }

    fn quarantine(&mut self, record: &Placed, reason: &str) -> Result<u64, Away> {
        let aside = |session: &mut Session| apply::quarantine(session, record, reason);
        let count = self.link.transaction(aside).map_err(Fault::into_away)?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

fn state(session: &mut Session) -> Result<StoreState, Fault> {
    let rows = session.rows(STATE, &[])?;
    let row = rows
        .first()
        .ok_or_else(|| Fault::Lost("the table watermark is empty".into()))?;
    let lineage: Option<&str> = row.get("lineage");
    let quarantined: i64 = row.get("quarantined");
    Ok(StoreState {
        lineage: lineage.and_then(|text| text.parse().ok()),
        watermark: position(row.get("position")),
        watermark_at: row.get::<_, Instant>("at").0,
        quarantined: u64::try_from(quarantined).unwrap_or(0),
    })
}
