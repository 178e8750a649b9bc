//! What surrounds the rules: locks, deadlines, the ledger, recovery.

pub mod backlog;
pub mod directory;
pub mod drain;
pub mod engine;
pub mod ledger;
pub mod record_text;
pub mod recovery;
pub mod releases;
mod room_check;
pub mod rooms;
pub mod scribe;
pub mod shard;
pub mod sqlite;
pub mod stored;
mod sync;
pub mod verify;
pub mod vital;
mod wish_check;
pub mod wishes;
