//! The store in PostgreSQL, with a real server.

#![expect(clippy::unwrap_used, reason = "a test fails where its helpers fail")]

mod applying;
mod guide;
mod history;
mod loading;
mod measure;
mod opening;
mod outages;
mod server;
mod town;
