//! What every mode promises, told once and lived through in each of them; how the production mode
//! starts on servers that do not fit together; and how a city moves into it.
//!
//! Kleinheim and its hall are those of the engine's own tests.

#![expect(clippy::unwrap_used, reason = "a test fails where its helpers fail")]

mod gateways;
mod lives;
mod mode;
mod moving;
mod place;
mod rooms;
mod servers;
mod service;
mod starting;
mod stories;
#[path = "../../../engine/tests/it/support.rs"]
mod support;
mod townhall;
mod wishes;
