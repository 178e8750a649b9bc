//! The production mode of Morgenruh: a Redis Stream is the ledger that an acknowledgement waits
//! for, PostgreSQL is the store that is written behind it.
//!
//! The rules for both are the engine's (`shell::scribe`, `shell::drain`, `shell::stored`); here is
//! what is particular to these two servers.

pub mod agreement;
pub mod ledger;
pub mod lineage;
pub mod migrate;
pub mod password;
pub mod postgres;
pub mod redis;
pub mod tls;
