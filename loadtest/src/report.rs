//! The report of a run: a manifest, figures and the verdict, as JSON and as a table for people.
//!
//! The JSON is these structs; fields are only ever added.

use std::collections::BTreeMap;
use std::fmt::Write;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::citizen::{Ending, Story};
use crate::measure::{Call, CallMeasure, Measure};
use crate::room::fairness::Fairness;
use crate::room::watch::Who;
use crate::verdict::Verdict;

/// A run of `morgenruh-loadtest morning`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub manifest: Manifest,
    pub figures: Figures,
    /// One entry for each waiting room that people went through.
    pub fairness: Vec<Fairness>,
    pub verdict: Verdict,
}

/// What was run: enough to run it again and to compare it with another.
#[derive(Clone, Debug, Serialize)]
pub struct Manifest {
    pub tool: &'static str,
    pub tool_version: &'static str,
    pub scenario: String,
    /// SHA-256 of the scenario's text, lowercase hex.
    pub scenario_sha256: String,
    pub seed: u64,
    pub people: u32,
    /// All times of the scenario are divided by this.
    pub speed: f64,
    /// Bound of the connection pool.
    pub connections_max: usize,
    /// `loopback` or `other`: the host itself is nobody's business.
    pub service: &'static str,
    /// RFC 3339.
    pub started_at: String,
    /// The release that the curve is aligned to; absent where everything was open.
    pub release_at: Option<String>,
    /// First and last day that citizens looked at, `YYYY-MM-DD`.
    pub days: [String; 2],
    pub offices: Vec<String>,
    /// Waiting rooms that people went through.
    pub rooms: Vec<String>,
    /// Whatever a reader must know before comparing this run with another.
    pub notes: Vec<String>,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// From the first arrival to the end of the last session, in seconds.
    pub duration_s: f64,
    /// When a bookable start was seen for the first time, in seconds of the run from the announced
    /// release; absent where everything was open or nothing was seen.
    pub first_start_seen_s: Option<f64>,
    pub calls: Vec<CallFigures>,
    /// Answers in the busiest second.
    pub answers_per_s_max: u32,
    /// Confirmations in the busiest second.
    pub confirms_per_s_max: u32,
    /// How many people's sessions ended how.
    pub endings: BTreeMap<Ending, u64>,
    /// The same of everybody else's sessions.
    pub endings_of_others: BTreeMap<Who, BTreeMap<Ending, u64>>,
    /// Share of people with a booking, by tenth of the arrival order, earliest first; 0 to 1.
    /// Informative: without a waiting room the early ones win, and with one those who are there
    /// before the release.
    pub success_by_arrival: Vec<f64>,
    /// The first answers outside the contract, word by word.
    pub unexpected_examples: Vec<String>,
}

/// One kind of call.
#[derive(Clone, Debug, Serialize)]
pub struct CallFigures {
    pub call: Call,
    pub answered: u64,
    pub unanswered: u64,
    pub unexpected: u64,
    /// Answers by status class (`2xx`).
    pub by_class: BTreeMap<&'static str, u64>,
    /// Answers by problem type.
    pub by_problem: BTreeMap<String, u64>,
    /// From the instant the citizen wanted to send to the whole answer.
    pub latency: Quantiles,
    /// From the instant a connection took the request to the whole answer.
    pub on_the_wire: Quantiles,
}

/// Quantiles of a latency, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Quantiles {
    pub p50_ms: f64,
    pub p90_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub max_ms: f64,
}

impl Quantiles {
    fn new(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
        Self {
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: histogram.max() as f64 / 1000.0,
        }
    }
}

impl CallFigures {
    fn new(call: Call, measure: &CallMeasure) -> Self {
        Self {
            call,
            answered: measure.from_intent.len(),
            unanswered: measure.unanswered,
            unexpected: measure.unexpected,
            by_class: measure.by_class.clone(),
            by_problem: measure.by_problem.clone(),
            latency: Quantiles::new(&measure.from_intent),
            on_the_wire: Quantiles::new(&measure.on_the_wire),
        }
    }
}

impl Figures {
    /// Gathers what a run measured. `stories` may come in any order.
    pub fn new(measure: &Measure, stories: &[Story], duration_s: f64) -> Self {
        let mut endings = BTreeMap::new();
        let mut endings_of_others: BTreeMap<Who, BTreeMap<Ending, u64>> = BTreeMap::new();
        for story in stories {
            let of = match story.who {
                Who::Human => &mut endings,
                who => endings_of_others.entry(who).or_default(),
            };
            *of.entry(story.ending).or_default() += 1;
        }
        let people: Vec<_> = stories.iter().filter(|it| it.who == Who::Human).collect();
        Self {
            duration_s,
            first_start_seen_s: None,
            calls: measure
                .calls()
                .map(|(call, measure)| CallFigures::new(call, measure))
                .collect(),
            answers_per_s_max: measure.answers_per_s_max(),
            confirms_per_s_max: measure.confirms_per_s_max(),
            endings,
            endings_of_others,
            success_by_arrival: success_by_arrival(&people),
            unexpected_examples: measure.examples().to_vec(),
        }
    }
}

fn success_by_arrival(stories: &[&Story]) -> Vec<f64> {
    let mut tenths = vec![(0u64, 0u64); 10];
    for story in stories {
        let tenth = story.index as usize * 10 / stories.len();
        if let Some((people, booked)) = tenths.get_mut(tenth) {
            *people += 1;
            *booked += u64::from(story.acknowledged.is_some());
        }
    }
    tenths
        .into_iter()
        .map(|(people, booked)| booked as f64 / people.max(1) as f64)
        .collect()
}

/// The figures of each kind of call as a table.
pub fn call_table(calls: &[CallFigures]) -> String {
    let mut table = format!(
        "{:<14}{:>9}  {:>9}{:>9}{:>9}{:>9}{:>9}  {:>9}{:>9}\n",
        "call", "answers", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms", "wire p50", "p99"
    );
    for call in calls {
        let (all, wire) = (&call.latency, &call.on_the_wire);
        writeln!(
            table,
            "{:<14}{:>9}  {:>9.1}{:>9.1}{:>9.1}{:>9.1}{:>9.1}  {:>9.1}{:>9.1}",
            name(call.call),
            grouped(call.answered),
            all.p50_ms,
            all.p90_ms,
            all.p99_ms,
            all.p999_ms,
            all.max_ms,
            wire.p50_ms,
            wire.p99_ms,
        )
        .expect("writing to a String cannot fail");
    }
    table
}

impl Report {
    /// The report for people.
    pub fn table(&self) -> String {
        let (manifest, figures) = (&self.manifest, &self.figures);
        let mut text = format!(
            "{} · {} people · speed {} · seed {}\n",
            manifest.scenario,
            grouped(u64::from(manifest.people)),
            manifest.speed,
            manifest.seed
        );
        for note in &manifest.notes {
            text += &format!("note: {note}\n");
        }
        text += "\n";
        text += &call_table(&figures.calls);
        text += &format!(
            "\nlatency counts from the instant a citizen wanted to send; \"wire\" from a \
             connection's\n\n{:.0} s · at most {} answers/s, {} confirmations/s\n",
            figures.duration_s,
            grouped(u64::from(figures.answers_per_s_max)),
            grouped(u64::from(figures.confirms_per_s_max))
        );
        if let Some(seconds) = figures.first_start_seen_s {
            text += &format!("first start seen {seconds:+.2} s from the announced release\n");
        }
        text += &format!("people: {}\n", listed(&figures.endings));
        for (who, endings) in &figures.endings_of_others {
            text += &format!("{}s: {}\n", name(who), listed(endings));
        }
        let problems = problems(&figures.calls);
        if !problems.is_empty() {
            text += &format!("problems: {problems}\n");
        }
        let tenths: Vec<_> = figures
            .success_by_arrival
            .iter()
            .map(|share| format!("{:.0}", share * 100.0))
            .collect();
        text += &format!("booked by tenth of arrival, %: {}\n", tenths.join(" "));
        for example in &figures.unexpected_examples {
            text += &format!("unexpected: {example}\n");
        }
        for fairness in &self.fairness {
            text += "\n";
            text += &fairness.text();
        }
        text + "\n" + &verdict_line(&self.verdict) + "\n"
    }
}

/// The verdict in one line: what was booked, then every way of breaking the word, then what else
/// went wrong if it did.
pub fn verdict_line(verdict: &Verdict) -> String {
    let mut line = format!(
        "verdict: {} · {} booked · {} cancelled · {} oversold · {} over capacity · {} lost",
        if verdict.holds { "holds" } else { "FAILS" },
        grouped(verdict.booked),
        grouped(verdict.cancelled),
        grouped(verdict.oversold),
        grouped(verdict.over_capacity),
        grouped(verdict.lost),
    );
    for (count, what) in [
        (verdict.mismatched, "mismatched"),
        (verdict.repeats_unequal, "repeats answered differently"),
        (verdict.unexpected_answers, "unexpected answers"),
        (verdict.unanswered, "unanswered"),
        (verdict.unread, "not read back"),
        (verdict.unresolved, "confirmations unresolved"),
        (verdict.needs_pass, "asked for a pass of no known room"),
        (verdict.promises_broken, "promises of a waiting room broken"),
    ] {
        if count > 0 {
            line += &format!(" · {} {what}", grouped(count));
        }
    }
    line
}

/// As the JSON has it, in words.
pub fn name(kind: impl Serialize) -> String {
    serde_json::to_value(kind)
        .ok()
        .and_then(|value| value.as_str().map(|text| text.replace('_', " ")))
        .unwrap_or_default()
}

fn listed(endings: &BTreeMap<Ending, u64>) -> String {
    let value = serde_json::to_value(endings).unwrap_or_default();
    let pairs = value.as_object().into_iter().flatten();
    let parts: Vec<_> = pairs
        .map(|(ending, count)| {
            format!(
                "{} {}",
                grouped(count.as_u64().unwrap_or(0)),
                ending.replace('_', " ")
            )
        })
        .collect();
    parts.join(" · ")
}

fn problems(calls: &[CallFigures]) -> String {
    let parts: Vec<_> = calls
        .iter()
        .flat_map(|call| {
            call.by_problem
                .iter()
                .map(|(type_, count)| format!("{} {} {}", grouped(*count), name(call.call), type_))
        })
        .collect();
    parts.join(" · ")
}

/// A number with a comma before every three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::measure::Times;

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1842, "1,842"),
            (1234567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn quantiles_stand_in_their_columns() {
        let start = Instant::now();
        let mut measure = Measure::new(start);
        for ms in 1..=1000 {
            let answered = start + Duration::from_millis(ms);
            let times = Times {
                intended: start,
                sent: answered - Duration::from_millis(1),
                answered,
            };
            measure.answered(Call::ReadBack, times, 200, None);
        }
        let figures = Figures::new(&measure, &[], 1.0);
        let table = call_table(&figures.calls);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].chars().count(), lines[1].chars().count());
        let row: Vec<_> = lines[1].split_whitespace().collect();
        assert_eq!(row[..3], ["read", "back", "1,000"]);
        let value = |index: usize| row[index].parse::<f64>().unwrap();
        assert!((499.0..502.0).contains(&value(3)), "{table}");
        assert!((989.0..992.0).contains(&value(5)), "{table}");
        assert!((999.0..1002.0).contains(&value(7)), "{table}");
        assert!((0.9..1.1).contains(&value(8)), "{table}");
    }

    #[test]
    fn the_verdict_is_one_line() {
        let verdict = Verdict {
            holds: true,
            booked: 1842,
            cancelled: 210,
            ..Verdict::default()
        };
        assert_eq!(
            verdict_line(&verdict),
            "verdict: holds · 1,842 booked · 210 cancelled · 0 oversold · 0 over capacity · 0 lost"
        );
        let verdict = Verdict {
            lost: 1,
            unanswered: 2,
            ..Verdict::default()
        };
        assert!(verdict_line(&verdict).ends_with("1 lost · 2 unanswered"));
        assert!(verdict_line(&verdict).starts_with("verdict: FAILS"));
    }

    #[test]
    fn success_is_told_by_tenths_of_the_arrival_order() {
        let story = |index, ending| Story {
            index,
            who: Who::Human,
            ending,
            acknowledged: None,
            repeat_unequal: false,
            not_as_held: false,
            unresolved: false,
        };
        let mut stories: Vec<_> = (0..20)
            .map(|index| story(index, Ending::EmptyHanded))
            .collect();
        let line = r#"{"id":"a","manage_token":"t","office":"bilk","counter":1,
            "start":"2026-11-24T07:15:00Z","end":"2026-11-24T07:30:00Z"}"#;
        stories[0].acknowledged = serde_json::from_str(line).ok();
        let figures = Figures::new(&Measure::new(Instant::now()), &stories, 1.0);
        assert_eq!(figures.success_by_arrival[..2], [0.5, 0.0]);
        assert_eq!(figures.endings[&Ending::EmptyHanded], 20);
    }
}
