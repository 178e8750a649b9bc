//! The ledger in a real Redis: what it keeps, what it refuses, and what it says then.

#![expect(clippy::unwrap_used, reason = "a test fails where its helpers fail")]

mod access;
mod append;
mod guarantees;
mod lost;
mod owner;
mod storm;
mod tail;
mod town;
