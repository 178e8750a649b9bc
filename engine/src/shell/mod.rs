//! What surrounds the rules: locks, deadlines, the ledger, recovery.

pub mod engine;
pub mod ledger;
pub mod recovery;
pub mod shard;
pub mod sqlite;
pub mod verify;
pub mod vital;
