//! Asking the service during one life of its process, with a record of every word.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use morgenruh_wire::Problem;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::notebook::{Notebook, Tally};
use crate::api::{excerpt, retry_after};
use crate::client::{Answer, Ask, Client};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Hold,
    Extend,
    Release,
    Confirm,
    Cancel,
    Move,
    Look,
}

impl Wanted {
    /// Whether somebody waits for its acknowledgement.
    fn is_change(self) -> bool {
        matches!(self, Wanted::Confirm | Wanted::Cancel | Wanted::Move)
    }
}

/// From before the question left until the whole answer was there, in microseconds of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) invoked: u64,
    pub(super) returned: u64,
}

/// What became of a question.
#[derive(Clone, Debug)]
pub(super) enum Told<T> {
    Done(T, Span),
    /// An ordinary no, by its slug.
    Refused(String, Span),
    /// It was certainly not done and will not be: the ledger is away.
    Away {
        invoked: u64,
    },
    /// Nobody knows whether it was done.
    Unclear {
        invoked: u64,
    },
    /// Outside the contract; already noted as a violation.
    Unforeseen,
}

/// The service during one life of its process.
#[derive(Debug)]
pub(super) struct Desk {
    client: Client,
    pub(super) notebook: Arc<Notebook>,
    /// Number of this life.
    pub(super) life: u32,
    over: AtomicBool,
    /// Changes that are asked for and not answered yet.
    in_flight: AtomicU64,
    /// What was answered before this instant, in microseconds of the run, is in the ledger: a
    /// change that was asked for later has been acknowledged.
    kept_until: AtomicU64,
}

impl Desk {
    pub(super) fn new(client: Client, notebook: Arc<Notebook>, life: u32) -> Self {
        Self {
            client,
            notebook,
            life,
            over: AtomicBool::new(false),
            in_flight: AtomicU64::new(0),
            kept_until: AtomicU64::new(0),
        }
    }

    /// The process is gone, or it is time to go: nobody asks for anything new.
    pub(super) fn close(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// People may come again, in the same life.
    pub(super) fn open_again(&self) {
        self.over.store(false, Ordering::Relaxed);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// A change was asked for the first time at `invoked`, and acknowledged.
    pub(super) fn kept(&self, invoked: u64) {
        self.kept_until.fetch_max(invoked, Ordering::Relaxed);
    }

    pub(super) fn kept_until(&self) -> u64 {
        self.kept_until.load(Ordering::Relaxed)
    }

    /// Changes whose acknowledgement somebody waits for.
    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Asks, and reads the answer as JSON; an answer without a body reads as null.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        visitor: u32,
        wanted: Wanted,
        ask: &Ask<'_>,
    ) -> Told<T> {
        let body = ask.body.as_deref().map(String::from_utf8_lossy);
        let line = json!({
            "visitor": visitor, "life": self.life, "asks": ask.method.as_str(), "at": ask.path,
            "key": ask.idempotency_key, "token": ask.bearer, "body": body,
        });
        let invoked = self.notebook.write(line);
        let waits = wanted.is_change();
        self.in_flight
            .fetch_add(u64::from(waits), Ordering::Relaxed);
        let answer = self.client.call(ask).await;
        self.in_flight
            .fetch_sub(u64::from(waits), Ordering::Relaxed);
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let line = json!({ "visitor": visitor, "hears": "nothing",
                                   "because": error.to_string() });
                self.notebook.write(line);
                self.count(|tally| &mut tally.unanswered);
                return Told::Unclear { invoked };
            }
        };
        let line = json!({
            "visitor": visitor, "hears": answer.status.as_u16(),
            "body": String::from_utf8_lossy(&answer.body),
        });
        let span = Span {
            invoked,
            returned: self.notebook.write(line),
        };
        self.judge(visitor, wanted, ask, &answer, span)
    }

    fn judge<T: DeserializeOwned>(
        &self,
        visitor: u32,
        wanted: Wanted,
        ask: &Ask<'_>,
        answer: &Answer,
        span: Span,
    ) -> Told<T> {
        let body: &[u8] = match answer.body.as_ref() {
            [] => b"null",
            body => body,
        };
        if answer.status.is_success()
            && let Ok(value) = serde_json::from_slice(body)
        {
            self.count(|tally| &mut tally.acknowledged);
            return Told::Done(value, span);
        }
        let problem: Option<Problem> = serde_json::from_slice(body).ok();
        let slug = problem
            .as_ref()
            .and_then(|problem| problem.type_.strip_prefix("/problems/"))
            .unwrap_or_default();
        let may_be_done = answer.status.as_u16() == 503 || slug == "request-in-progress";
        if may_be_done && retry_after(answer).is_some() {
            let invoked = span.invoked;
            if slug == "ledger-unavailable" && wanted.is_change() {
                self.count(|tally| &mut tally.turned_away);
                return Told::Away { invoked };
            }
            self.count(|tally| &mut tally.unanswered);
            return Told::Unclear { invoked };
        }
        if is_foreseen(wanted, slug) {
            self.count(|tally| &mut tally.refused);
            return Told::Refused(slug.to_owned(), span);
        }
        let (path, status) = (&ask.path, answer.status.as_u16());
        let said = excerpt(&answer.body);
        self.violation(
            visitor,
            &format!("{wanted:?} at {path} was answered with {status} {said}"),
        );
        Told::Unforeseen
    }

    /// Whether the service says that it is ready.
    pub(super) async fn is_ready(&self) -> bool {
        let ask = Ask {
            path: "/readyz".to_owned(),
            ..Ask::default()
        };
        let answer = self.client.call(&ask).await;
        answer.is_ok_and(|answer| answer.status.is_success())
    }

    pub(super) fn violation(&self, visitor: u32, what: &str) {
        let life = self.life;
        self.notebook
            .violation(format!("visitor {visitor}, life {life}: {what}"));
    }

    fn count(&self, which: impl FnOnce(&mut Tally) -> &mut u64) {
        self.notebook.count(|tally| {
            tally.requests += 1;
            *which(tally) += 1;
        });
    }

    /// Waits a moment before a question is asked again.
    pub(super) async fn breathe(&self) {
        tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
    }
}

/// Pause before a question that was not answered is asked again, in milliseconds.
const PAUSE_MS: u64 = 5;

/// Whether the contract foresees this no. Whether it was in time is judged by who asked.
fn is_foreseen(wanted: Wanted, slug: &str) -> bool {
    match wanted {
        Wanted::Hold => matches!(
            slug,
            "slot-taken" | "nothing-free" | "not-released" | "start-too-soon" | "office-closed"
        ),
        Wanted::Extend => matches!(slug, "hold-expired" | "already-extended"),
        Wanted::Release | Wanted::Confirm => slug == "hold-expired",
        Wanted::Move => matches!(slug, "hold-expired" | "too-many-moves"),
        Wanted::Cancel | Wanted::Look => false,
    }
}
