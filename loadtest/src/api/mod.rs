//! The public API as a citizen's browser calls it: typed, measured, and judged.
//!
//! Every answer is held against the contract. What the contract foresees (a lost race, an expired
//! hold, a refusal that says when to come back) is an ordinary reply; anything else is counted as
//! unexpected and fails the verdict.

mod rooms;
mod wishes;

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Method;
use hyper::header::RETRY_AFTER;
use morgenruh_wire::{
    Availability, Booking, BookingRequest, Hold, HoldRequest, Offices, Problem, ServiceQuantity,
    Services,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::{Answer, Ask, Client};
use crate::measure::{Call, Measure, Times};

/// Longest `Retry-After` that is obeyed, in seconds; a longer one is cut to this.
const RETRY_AFTER_S_MAX: u64 = 30;

/// Characters of an unexpected answer that are kept.
const EXCERPT_CHARS_MAX: usize = 200;

/// What became of a call.
#[derive(Debug)]
pub enum Reply<T> {
    Done(T),
    /// An ordinary no.
    Refused(Refusal),
    /// No answer at all; already counted.
    Silent,
    /// An answer outside the contract; already counted.
    Unforeseen,
}

/// An ordinary no.
#[derive(Debug)]
pub struct Refusal {
    pub status: u16,
    pub problem: Option<Box<Problem>>,
    /// With 429 and 503: how long the service asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// Whether the problem's type is this one.
    pub fn is(&self, type_: &str) -> bool {
        self.problem
            .as_ref()
            .is_some_and(|problem| problem.type_ == type_)
    }
}

/// The API of one service, with the measurements of everything that was asked.
#[derive(Debug)]
pub struct Api {
    client: Client,
    measure: Mutex<Measure>,
}

impl Api {
    pub fn new(client: Client) -> Self {
        Self {
            client,
            measure: Mutex::new(Measure::new(Instant::now())),
        }
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Starts the measurements anew, as of `started`.
    pub fn restart_measure(&self, started: Instant) {
        *self.measure() = Measure::new(started);
    }

    /// The measurements so far. Hold the guard for no longer than a look.
    pub fn measure(&self) -> MutexGuard<'_, Measure> {
        self.measure.lock().expect("no holder of this lock panics")
    }

    pub async fn offices(&self) -> Reply<Offices> {
        self.typed(Call::Catalogue, Instant::now(), get("/offices"))
            .await
    }

    pub async fn services(&self) -> Reply<Services> {
        self.typed(Call::Catalogue, Instant::now(), get("/services"))
            .await
    }

    /// Starts for a need at these offices between two dates, both included.
    pub async fn availability(
        &self,
        intended: Instant,
        offices: &[String],
        services: &[ServiceQuantity],
        from: &str,
        to: &str,
    ) -> Reply<Availability> {
        let services: Vec<_> = services
            .iter()
            .map(|need| format!("{}:{}", need.id, need.quantity))
            .collect();
        let offices: String = offices
            .iter()
            .map(|office| format!("office={office}&"))
            .collect();
        let path = format!(
            "/availability?{offices}services={}&from={from}&to={to}",
            services.join(",")
        );
        self.typed(Call::Availability, intended, get(&path)).await
    }

    pub async fn hold(&self, intended: Instant, request: &HoldRequest) -> Reply<Hold> {
        self.typed(Call::Hold, intended, post("/holds", request))
            .await
    }

    pub async fn release(&self, intended: Instant, hold: &Hold) -> Reply<()> {
        let ask = Ask {
            bearer: hold.token.as_deref(),
            ..delete(&format!("/holds/{}", hold.id))
        };
        self.empty(Call::Release, intended, ask).await
    }

    /// Confirms a hold; `call` tells the first time from a repetition.
    pub async fn confirm(
        &self,
        call: Call,
        intended: Instant,
        request: &BookingRequest,
        key: &str,
    ) -> Reply<Booking> {
        let ask = Ask {
            idempotency_key: Some(key),
            ..post("/bookings", request)
        };
        self.typed(call, intended, ask).await
    }

    pub async fn cancel(&self, intended: Instant, id: &str, manage_token: &str) -> Reply<()> {
        let ask = Ask {
            bearer: Some(manage_token),
            ..delete(&format!("/bookings/{id}"))
        };
        self.empty(Call::Cancel, intended, ask).await
    }

    pub async fn read_back(&self, id: &str, manage_token: &str) -> Reply<Booking> {
        let ask = Ask {
            bearer: Some(manage_token),
            ..get(&format!("/bookings/{id}"))
        };
        self.typed(Call::ReadBack, Instant::now(), ask).await
    }

    async fn typed<T: DeserializeOwned>(
        &self,
        call: Call,
        intended: Instant,
        ask: Ask<'_>,
    ) -> Reply<T> {
        match self.ask(call, intended, ask).await {
            Reply::Done(answer) => match serde_json::from_slice(&answer.body) {
                Ok(value) => Reply::Done(value),
                Err(error) => {
                    self.measure()
                        .unexpected(call, format!("unreadable answer: {error}"));
                    Reply::Unforeseen
                }
            },
            Reply::Refused(refusal) => Reply::Refused(refusal),
            Reply::Silent => Reply::Silent,
            Reply::Unforeseen => Reply::Unforeseen,
        }
    }

    async fn empty(&self, call: Call, intended: Instant, ask: Ask<'_>) -> Reply<()> {
        match self.ask(call, intended, ask).await {
            Reply::Done(_) => Reply::Done(()),
            Reply::Refused(refusal) => Reply::Refused(refusal),
            Reply::Silent => Reply::Silent,
            Reply::Unforeseen => Reply::Unforeseen,
        }
    }

    async fn ask(&self, call: Call, intended: Instant, ask: Ask<'_>) -> Reply<Answer> {
        let answer = match self.client.call(&ask).await {
            Ok(answer) => answer,
            Err(error) => {
                self.measure().unanswered(call, &error.to_string());
                return Reply::Silent;
            }
        };
        let status = answer.status.as_u16();
        let problem: Option<Box<Problem>> = match answer.status.is_success() {
            true => None,
            false => serde_json::from_slice(&answer.body).ok(),
        };
        let type_ = problem.as_ref().map(|problem| problem.type_.as_str());
        let times = Times {
            intended,
            sent: answer.sent,
            answered: Instant::now(),
        };
        let retry_after = retry_after(&answer);
        let mut measure = self.measure();
        measure.answered(call, times, status, type_);
        if is_done(call, status) {
            return Reply::Done(answer);
        }
        if is_foreseen(
            call,
            status,
            type_.unwrap_or_default(),
            retry_after.is_some(),
        ) {
            return Reply::Refused(Refusal {
                status,
                problem,
                retry_after,
            });
        }
        measure.unexpected(call, format!("{status} {}", excerpt(&answer.body)));
        Reply::Unforeseen
    }
}

fn is_done(call: Call, status: u16) -> bool {
    match call {
        Call::Catalogue | Call::Availability | Call::ReadBack => status == 200,
        Call::Room | Call::Place | Call::Pass | Call::Proof => status == 200,
        Call::Join => matches!(status, 200 | 201),
        Call::GiveUp => status == 204,
        Call::Hold | Call::Confirm | Call::Repeat => status == 201,
        Call::Release | Call::Cancel => matches!(status, 200 | 204),
        Call::Wish => status == 201,
        Call::WishLook | Call::StillWish | Call::Return => status == 200,
        Call::Accept => matches!(status, 200 | 201),
        Call::Decline | Call::Withdraw => status == 204,
    }
}

/// Whether the contract foresees this no: a race that somebody else won, a time that has passed
/// in the meantime, or a refusal that says when to come back.
fn is_foreseen(call: Call, status: u16, type_: &str, says_when: bool) -> bool {
    let problem = type_.strip_prefix("/problems/").unwrap_or_default();
    match (call, status, problem) {
        (_, 429 | 503, _) | (_, 409, "request-in-progress") => says_when,
        (Call::Hold, 409, "slot-taken" | "nothing-free" | "not-released") => true,
        (Call::Hold, 422, "start-too-soon" | "start-in-past") => true,
        (Call::Hold, 403, "pass-required" | "pass-ended") => true,
        (Call::Hold, 409, "holds-max") => true,
        (Call::Confirm, 409, "booked-before") => true,
        // A service without waiting rooms.
        (Call::Room, 404, _) => true,
        (Call::Join, 409, "room-not-open" | "sold-out" | "room-closed" | "room-full") => true,
        (Call::Pass, 425, "not-your-turn") => true,
        (Call::Pass, 409, "ticket-used" | "sold-out" | "room-closed") => true,
        (Call::Proof, 409, "not-drawn") => true,
        (Call::Confirm, 409, "hold-expired") | (Call::Confirm, 404, "hold-unknown") => true,
        (Call::Release, 404 | 409, _) => true,
        (Call::Cancel, 409, "booking-cancelled") => true,
        // Three days after the booking its wish is forgotten: it can be cancelled, no more.
        (Call::Return, 404, "wish-unknown") => true,
        // It began while this was on its way.
        (Call::Cancel | Call::Return, 409, "booking-over") => true,
        (Call::ReadBack, 404, _) => true,
        (Call::Accept | Call::Decline, 409, "offer-gone") => true,
        (Call::Withdraw | Call::StillWish | Call::Return, 409, "wish-over" | "wish-pending") => {
            true
        }
        _ => false,
    }
}

pub(crate) fn retry_after(answer: &Answer) -> Option<Duration> {
    let seconds: u64 = answer
        .headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds.min(RETRY_AFTER_S_MAX)))
}

pub(crate) fn excerpt(body: &[u8]) -> String {
    String::from_utf8_lossy(body)
        .chars()
        .take(EXCERPT_CHARS_MAX)
        .collect()
}

pub(crate) fn get(path: &str) -> Ask<'static> {
    Ask {
        path: format!("/api/v1{path}"),
        ..Ask::default()
    }
}

pub(crate) fn delete(path: &str) -> Ask<'static> {
    Ask {
        method: Method::DELETE,
        ..get(path)
    }
}

pub(crate) fn post(path: &str, body: &impl Serialize) -> Ask<'static> {
    let body = serde_json::to_vec(body).expect("wire types are plain data");
    Ask {
        method: Method::POST,
        body: Some(Bytes::from(body)),
        ..get(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::stub;

    async fn api(answer: String) -> Api {
        let base = stub::serve(answer, usize::MAX);
        Api::new(Client::new(
            base.parse().unwrap(),
            4,
            Duration::from_secs(5),
        ))
    }

    #[tokio::test]
    async fn a_lost_race_is_an_ordinary_no() {
        let body = r#"{"type":"/problems/slot-taken","title":"t","status":409,"detail":"d",
            "alternatives":[{"office":"bilk","start":"2026-11-24T08:15:00+01:00"}]}"#;
        let api = api(stub::json("409 Conflict", "", body)).await;
        match api.hold(Instant::now(), &HoldRequest::default()).await {
            Reply::Refused(no) if no.is("/problems/slot-taken") => {
                assert_eq!(no.problem.unwrap().alternatives.len(), 1);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(api.measure().unexpected_total(), 0);
        assert_eq!(api.measure().count(Call::Hold, "4xx"), 1);
    }

    #[tokio::test]
    async fn overload_that_says_when_is_foreseen_and_silence_about_it_is_not() {
        let polite = api(stub::json("503 Busy", "retry-after: 2\r\n", "{}")).await;
        match polite.read_back("x", "y").await {
            Reply::Refused(no) => assert_eq!(no.retry_after, Some(Duration::from_secs(2))),
            other => panic!("{other:?}"),
        }
        let rude = api(stub::json("503 Busy", "", "{}")).await;
        assert!(matches!(rude.read_back("x", "y").await, Reply::Unforeseen));
        assert_eq!(rude.measure().unexpected_total(), 1);
        assert!(rude.measure().examples()[0].contains("503"));
    }

    #[tokio::test]
    async fn an_answer_that_is_not_the_contract_is_unexpected() {
        let api = api(stub::json("201 Created", "", r#"{"id":1}"#)).await;
        let reply = api.hold(Instant::now(), &HoldRequest::default()).await;
        assert!(matches!(reply, Reply::Unforeseen));
        assert_eq!(api.measure().unexpected_total(), 1);
    }
}
