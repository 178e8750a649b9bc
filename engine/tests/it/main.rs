//! The engine from outside: one binary for all integration tests.

#![expect(clippy::unwrap_used, reason = "a test fails where its helpers fail")]

mod calendar;
mod catalogue;
mod day;
mod drain;
mod draw;
mod effort;
mod engine;
mod ledger;
mod life;
mod lottery;
mod naive;
mod notebook;
mod releases;
mod room_config;
mod room_lines;
mod room_outage;
mod room_shell;
mod rooms;
mod rooms_kept;
mod support;
mod threads;
mod wish_index;
mod wishes;
mod wishes_go_on;
mod wishes_kept;
