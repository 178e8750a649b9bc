//! The service `morgenruh`: HTTP in front of the engine.
//!
//! A request runs one way: [`listener`] → [`middleware`] → [`router`] → a handler, which asks the
//! engine and, where something is acknowledged, waits for the ledger's receipt.

pub mod app;
pub mod availability;
mod beacon;
mod caching;
pub mod client_address;
pub mod clock;
mod clockwork;
pub mod commands;
mod contact;
pub mod cookies;
mod extract;
mod handlers;
pub mod idempotency;
pub mod identity;
mod invitation;
mod keeping;
pub mod keys;
mod language;
pub mod limits;
pub mod listener;
pub mod middleware;
mod needs;
pub mod networks;
mod outbox;
pub mod passwords;
pub mod post;
mod problem;
pub mod proof_of_work;
pub mod rooms;
pub mod router;
mod same_site;
mod search;
pub mod service_keys;
pub mod settings;
mod target;
mod texts;
pub mod traffic;
