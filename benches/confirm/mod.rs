//! Ways to make a confirmation durable: ours, and those of comparable programs.

mod pool;

pub mod morgenruh;
pub mod postgres;
pub mod production;
pub mod redis;
