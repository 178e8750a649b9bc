//! Bringing a database to the tables that this program knows.
//!
//! Each step is a transaction of its own; a lock keeps two programs from taking the same one. The
//! tables of a newer program are left as they are.

use tokio_postgres::error::SqlState;

use super::fault::Fault;
use super::link::{Link, Session};
use super::{OpenError, Settings};

const MIGRATIONS: [&str; 7] = [
    include_str!("migrations/0001_tables.sql"),
    include_str!("migrations/0002_views.sql"),
    include_str!("migrations/0003_rooms.sql"),
    include_str!("migrations/0004_releases.sql"),
    include_str!("migrations/0005_wishes.sql"),
    include_str!("migrations/0006_wishes_go_on.sql"),
    include_str!("migrations/0007_wishes_placed.sql"),
];
/// Version of the tables after the last migration.
pub const SCHEMA_VERSION: usize = MIGRATIONS.len();

/// Held while a step is taken; released with its transaction. A number of our own.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7236834590114)";
const HAS_META: &str = "SELECT to_regclass('meta') IS NOT NULL";
const VERSION: &str = "SELECT value::bigint FROM meta WHERE key = 'schema_version'";
const SET_VERSION: &str = "INSERT INTO meta (key, value) VALUES ('schema_version', $1)
     ON CONFLICT (key) DO UPDATE SET value = excluded.value";
const ENCODING: &str = "SELECT current_setting('server_encoding')";
const HAS_EXTENSION: &str = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'btree_gist')";

/// What happened in one step.
enum Step {
    UpToDate,
    Taken,
    Newer(i64),
}

/// Brings the schema up to date.
pub(super) fn migrate(link: &mut Link, settings: &Settings) -> Result<(), OpenError> {
    let failed = |fault: Fault| explain(fault, settings);
    let encoding: String = link
        .with(|session| Ok(session.rows(ENCODING, &[])?[0].get(0)))
        .map_err(failed)?;
    if encoding != "UTF8" {
        return Err(OpenError::Encoding(settings.database.clone(), encoding));
    }
    loop {
        let step = link.transaction(|session| {
            session.run(LOCK)?;
            let version = if session.rows(HAS_META, &[])?[0].get(0) {
                version(session)?
            } else {
                0
            };
            let taken = usize::try_from(version).unwrap_or(usize::MAX);
            let Some(migration) = MIGRATIONS.get(taken) else {
                return Ok(match taken {
                    SCHEMA_VERSION => Step::UpToDate,
                    _ => Step::Newer(version),
                });
            };
            if taken == 0 && !session.rows(HAS_EXTENSION, &[])?[0].get::<_, bool>(0) {
                extend(session)?;
            }
            session.run(migration)?;
            session.execute(SET_VERSION, &[&(taken + 1).to_string()])?;
            Ok(Step::Taken)
        });
        match step.map_err(failed)? {
            Step::Taken => {}
            Step::UpToDate => return Ok(()),
            Step::Newer(version) => {
                return Err(OpenError::Version(settings.database.clone(), version));
            }
        }
    }
}

fn version(session: &mut Session) -> Result<i64, Fault> {
    let rows = session.rows(VERSION, &[])?;
    // Tables without a version are not ours to touch.
    Ok(rows.first().map_or(i64::MAX, |row| row.get(0)))
}

/// The rule that no two bookings overlap compares numbers and times in one index, which this
/// extension of PostgreSQL's own allows.
fn extend(session: &mut Session) -> Result<(), Fault> {
    session.run("CREATE EXTENSION btree_gist")
}

/// What an administrator must do, where that can be told.
fn explain(fault: Fault, settings: &Settings) -> OpenError {
    let (user, database) = (settings.user.clone(), settings.database.clone());
    let sentence = fault.sentence();
    match fault.code() {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) if sentence.contains("extension") => {
            OpenError::ExtensionForbidden { user, database }
        }
        Some(&SqlState::UNDEFINED_FILE | &SqlState::FEATURE_NOT_SUPPORTED)
            if sentence.contains("extension") =>
        {
            OpenError::ExtensionMissing
        }
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => OpenError::Rights {
            user,
            database,
            sentence,
        },
        Some(&SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => {
            OpenError::Password { user, sentence }
        }
        _ => OpenError::Away(fault.into_away()),
    }
}
