//! The allocation engine of Morgenruh.
//!
//! [`rules`] decide: pure functions over plain data. They know no clock, no randomness, no I/O
//! and no threads; time and entropy arrive as arguments, so a run can be replayed and proved.
//! [`shell`] keeps: shards behind locks, deadlines, the durable ledger, recovery.
//!
//! Dependencies point from `shell` to `rules`, never back.

pub mod canary;
pub mod rules;
pub mod shell;
