//! One file for each sort of outside bytes.

mod city;
mod draw;
mod export;
mod forwarded;
mod headers;
mod ids;
mod ledger;
mod opening;
mod proof_of_work;
mod requests;
mod scenario;
mod stream;
pub(crate) mod tokens;
mod visits;

use crate::{Target, Verdict};

/// All doors.
pub const TARGETS: &[Target] = &[
    target("reservation_id", ids::reservation_id),
    target("hold_token", ids::hold_token),
    target("secret", ids::secret),
    target("ticket", tokens::ticket),
    target("pass", tokens::pass),
    target("room_keys", tokens::keys),
    target("ledger_rows", ledger::rows),
    target("ledger_file", ledger::file),
    target("stream_records", stream::records),
    target("hold_body", visits::hold),
    target("booking_body", visits::booking),
    target("move_body", visits::relocation),
    target("visit_path", visits::path),
    target("availability_query", visits::availability_query),
    target("page_query", visits::page_query),
    target("headers", headers::headers),
    target("forwarded_for", forwarded::forwarded_for),
    target("proof_of_work", proof_of_work::proof_of_work),
    target("requests", requests::requests),
    target("city", city::city),
    target("settings", city::settings),
    target("service_keys", city::service_keys),
    target("dldb_export", export::dldb_export),
    target("scenario", scenario::scenario),
    target("opening", opening::opening),
    target("draw_proof", draw::proof),
    target("draw_receipt", draw::receipt),
];

const fn target(name: &'static str, feed: fn(&[u8]) -> Verdict) -> Target {
    Target { name, feed }
}
