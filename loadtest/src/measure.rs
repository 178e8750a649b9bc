//! What was measured: one histogram and one set of counts per kind of call.
//!
//! Latency runs from the instant at which the citizen wanted to send, not from the instant at
//! which the tool got round to it: a slow server must not be able to hide by slowing the questions
//! down (coordinated omission). The time on the wire is kept beside it, so that a reader can tell
//! the service's share from that of the pool and of this tool's own scheduling.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

/// Longest latency that is told apart, in microseconds; longer ones count as this.
const LATENCY_US_MAX: u64 = 120_000_000;

/// Significant decimal digits of a latency.
const DIGITS: u8 = 3;

/// Answers outside the contract that are kept word by word.
const EXAMPLES_MAX: usize = 8;

/// Seconds of which the counts are kept.
const SECONDS_MAX: usize = 24 * 3600;

/// Problem types that are counted apart; further ones are counted together as `other`.
const PROBLEMS_MAX: usize = 64;

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// `GET /offices` and `GET /services`.
    Catalogue,
    /// `GET /availability`.
    Availability,
    /// `POST /holds`.
    Hold,
    /// `DELETE /holds/{id}`.
    Release,
    /// `POST /bookings`.
    Confirm,
    /// `POST /bookings` again with the same key.
    Repeat,
    /// `DELETE /bookings/{id}`.
    Cancel,
    /// `GET /bookings/{id}`.
    ReadBack,
    /// `GET /rooms` and `GET /rooms/{id}`.
    Room,
    /// `POST /rooms/{id}/tickets`.
    Join,
    /// `GET /rooms/{id}/place`.
    Place,
    /// `POST /rooms/{id}/passes`.
    Pass,
    /// `DELETE /rooms/{id}/place`.
    GiveUp,
    /// `GET /rooms/{id}/draw`, and the room's report for staff.
    Proof,
    /// `POST /wishes`.
    Wish,
    /// `GET /wishes/{id}`.
    WishLook,
    /// `DELETE /wishes/{id}`.
    Withdraw,
    /// `POST /wishes/{id}/confirm`.
    StillWish,
    /// `POST /wishes/{id}/return`.
    Return,
    /// `POST /offers/{id}/accept`.
    Accept,
    /// `POST /offers/{id}/decline`.
    Decline,
}

/// Everything that a run measures.
#[derive(Debug)]
pub struct Measure {
    started: Instant,
    calls: BTreeMap<Call, CallMeasure>,
    requests_by_second: Vec<u32>,
    confirms_by_second: Vec<u32>,
    examples: Vec<String>,
}

/// What is known about one kind of call.
#[derive(Debug)]
pub struct CallMeasure {
    pub from_intent: Histogram<u64>,
    pub on_the_wire: Histogram<u64>,
    pub by_class: BTreeMap<&'static str, u64>,
    pub by_problem: BTreeMap<String, u64>,
    pub unanswered: u64,
    pub unexpected: u64,
}

impl Default for CallMeasure {
    fn default() -> Self {
        Self {
            from_intent: histogram(),
            on_the_wire: histogram(),
            by_class: BTreeMap::new(),
            by_problem: BTreeMap::new(),
            unanswered: 0,
            unexpected: 0,
        }
    }
}

/// The instants of one exchange.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// When the citizen wanted to send.
    pub intended: Instant,
    /// When a connection took the request.
    pub sent: Instant,
    /// When the answer had been read.
    pub answered: Instant,
}

impl Measure {
    pub fn new(started: Instant) -> Self {
        Self {
            started,
            calls: BTreeMap::new(),
            requests_by_second: Vec::new(),
            confirms_by_second: Vec::new(),
            examples: Vec::new(),
        }
    }

    /// Counts an answer. `problem` is its problem type where it carries one.
    pub fn answered(&mut self, call: Call, times: Times, status: u16, problem: Option<&str>) {
        let entry = self.calls.entry(call).or_default();
        entry
            .from_intent
            .saturating_record(micros(times.intended, times.answered));
        entry
            .on_the_wire
            .saturating_record(micros(times.sent, times.answered));
        *entry.by_class.entry(class(status)).or_default() += 1;
        if let Some(problem) = problem {
            let known = entry.by_problem.len() < PROBLEMS_MAX;
            let known = known || entry.by_problem.contains_key(problem);
            let name = if known { problem } else { "other" };
            *entry.by_problem.entry(name.to_owned()).or_default() += 1;
        }
        let second = times
            .answered
            .saturating_duration_since(self.started)
            .as_secs() as usize;
        count_second(&mut self.requests_by_second, second);
        if call == Call::Confirm && (200..300).contains(&status) {
            count_second(&mut self.confirms_by_second, second);
        }
    }

    /// Counts a request that got no answer.
    pub fn unanswered(&mut self, call: Call, reason: &str) {
        self.calls.entry(call).or_default().unanswered += 1;
        self.example(format!("{call:?}: {reason}"));
    }

    /// Counts an answer that the contract does not foresee.
    pub fn unexpected(&mut self, call: Call, what: String) {
        self.calls.entry(call).or_default().unexpected += 1;
        self.example(format!("{call:?}: {what}"));
    }

    fn example(&mut self, text: String) {
        if self.examples.len() < EXAMPLES_MAX && !self.examples.contains(&text) {
            self.examples.push(text);
        }
    }

    /// The kinds of call that occurred.
    pub fn calls(&self) -> impl Iterator<Item = (Call, &CallMeasure)> {
        self.calls.iter().map(|(&call, measure)| (call, measure))
    }

    /// Answers to this kind of call whose status is in this class (`2xx`).
    pub fn count(&self, call: Call, class: &str) -> u64 {
        self.calls
            .get(&call)
            .and_then(|entry| entry.by_class.get(class))
            .copied()
            .unwrap_or(0)
    }

    pub fn unanswered_total(&self) -> u64 {
        self.calls.values().map(|entry| entry.unanswered).sum()
    }

    pub fn unexpected_total(&self) -> u64 {
        self.calls.values().map(|entry| entry.unexpected).sum()
    }

    /// Answers in the busiest second.
    pub fn answers_per_s_max(&self) -> u32 {
        self.requests_by_second.iter().copied().max().unwrap_or(0)
    }

    /// Confirmations in the busiest second.
    pub fn confirms_per_s_max(&self) -> u32 {
        self.confirms_by_second.iter().copied().max().unwrap_or(0)
    }

    /// The first answers outside the contract, word by word.
    pub fn examples(&self) -> &[String] {
        &self.examples
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, DIGITS)
        .expect("the bounds and digits are within what the format allows")
}

fn micros(from: Instant, to: Instant) -> u64 {
    let micros = to
        .saturating_duration_since(from)
        .max(Duration::from_micros(1))
        .as_micros();
    u64::try_from(micros).unwrap_or(u64::MAX)
}

fn class(status: u16) -> &'static str {
    match status {
        100..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}

fn count_second(counts: &mut Vec<u32>, second: usize) {
    let second = second.min(SECONDS_MAX - 1);
    if counts.len() <= second {
        counts.resize(second + 1, 0);
    }
    if let Some(count) = counts.get_mut(second) {
        *count = count.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_runs_from_the_intent() {
        let started = Instant::now();
        let mut measure = Measure::new(started);
        let times = Times {
            intended: started,
            sent: started + Duration::from_millis(40),
            answered: started + Duration::from_millis(50),
        };
        measure.answered(Call::Confirm, times, 201, None);
        measure.answered(Call::Confirm, times, 409, Some("/problems/hold-expired"));
        let (_, confirm) = measure.calls().next().unwrap();
        assert!((49_900..50_100).contains(&confirm.from_intent.max()));
        assert!((9_900..10_100).contains(&confirm.on_the_wire.max()));
        assert_eq!(measure.count(Call::Confirm, "2xx"), 1);
        assert_eq!(measure.confirms_per_s_max(), 1);
        assert_eq!(measure.answers_per_s_max(), 2);
        assert_eq!(confirm.by_problem["/problems/hold-expired"], 1);
    }

    #[test]
    fn problem_types_are_bounded() {
        let mut measure = Measure::new(Instant::now());
        let now = Instant::now();
        let times = Times {
            intended: now,
            sent: now,
            answered: now,
        };
        for number in 0..1000 {
            measure.answered(Call::Hold, times, 409, Some(&format!("/problems/{number}")));
        }
        let (_, hold) = measure.calls().next().unwrap();
        assert!(hold.by_problem.len() <= PROBLEMS_MAX + 1);
        assert_eq!(hold.by_problem["other"], 1000 - PROBLEMS_MAX as u64);
    }
}
