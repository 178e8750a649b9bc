//! What surrounds the rules: locks, deadlines, the ledger, recovery.

pub mod directory;
pub mod engine;
pub mod ledger;
pub mod recovery;
pub mod scribe;
pub mod shard;
pub mod sqlite;
pub mod stored;
mod sync;
pub mod verify;
pub mod vital;
