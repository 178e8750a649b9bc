//! The report of a soak: what was done, what was found, and a verdict.
//!
//! The JSON is these structs; fields are only ever added.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::notebook::Tally;
use crate::report::grouped;

/// Longest recovery that is told apart, in microseconds.
const RECOVERY_US_MAX: u64 = 120_000_000;

/// A run of `morgenruh-loadtest soak`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub manifest: Manifest,
    pub figures: Figures,
    pub verdict: Verdict,
}

/// What was run. A seed gives the same plan again, not the same run: the process and the clock
/// have their own will.
#[derive(Clone, Debug, Serialize)]
pub struct Manifest {
    pub tool: &'static str,
    pub tool_version: &'static str,
    pub seed: u64,
    pub people: u32,
    /// Whether the town is the built-in one.
    pub town: &'static str,
    pub offices: Vec<String>,
    /// RFC 3339.
    pub started_at: String,
}

/// What was done and measured.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    pub duration_s: f64,
    pub cycles: u64,
    /// SIGKILL while people were served, or as soon as it was ready.
    pub kills: u64,
    /// SIGKILL during a start.
    pub kills_starting: u64,
    /// SIGSTOP, followed by SIGCONT or SIGKILL.
    pub stops: u64,
    /// How often `morgenruh verify` looked at the data.
    pub verified: u64,
    #[serde(flatten)]
    pub tally: Tally,
    /// Cells whose history was checked, once for each chapter, and the calls on them.
    pub cells_checked: u64,
    pub calls_checked: u64,
    /// From the start of the process until it was ready, in milliseconds.
    pub recovery_p50_ms: f64,
    pub recovery_max_ms: f64,
    /// Live bookings at the end.
    pub live: u64,
    /// Outages by kind; none where there are no servers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outages: Vec<Outage>,
}

/// Outages of one kind.
#[derive(Clone, Debug, Serialize)]
pub struct Outage {
    pub kind: &'static str,
    pub times: u64,
    /// Changes whose acknowledgement somebody waited for when they began.
    pub in_flight: u64,
    /// Changes that were answered with "the ledger is away" from then until the cycle ended.
    pub turned_away: u64,
    /// Questions that got no certain answer in that time.
    pub unanswered: u64,
    /// How often the service was killed as well.
    pub services_killed: u64,
    /// Starts that were tried before it ended, and said why they could not be.
    pub starts_refused: u64,
    /// Longest time from their end until the service was ready, if it lived, in milliseconds.
    pub ready_after_ms_max: u64,
}

impl Outage {
    /// One that begins.
    pub(super) fn of(kind: &'static str, in_flight: u64) -> Self {
        Self {
            kind,
            times: 1,
            in_flight,
            turned_away: 0,
            unanswered: 0,
            services_killed: 0,
            starts_refused: 0,
            ready_after_ms_max: 0,
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.times += other.times;
        self.in_flight += other.in_flight;
        self.turned_away += other.turned_away;
        self.unanswered += other.unanswered;
        self.services_killed += other.services_killed;
        self.starts_refused += other.starts_refused;
        self.ready_after_ms_max = self.ready_after_ms_max.max(other.ready_after_ms_max);
    }
}

/// Whether every promise was kept.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    pub holds: bool,
    pub violations: u64,
    /// The first ones, in words.
    pub findings: Vec<String>,
}

/// What the cycles count beside what visitors do.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) cycles: u64,
    pub(super) kills: u64,
    pub(super) kills_starting: u64,
    pub(super) stops: u64,
    pub(super) verified: u64,
    pub(super) cells_checked: u64,
    pub(super) calls_checked: u64,
    recoveries: Histogram<u64>,
}

impl Course {
    pub(super) fn new() -> Self {
        let recoveries = Histogram::new_with_bounds(1, RECOVERY_US_MAX, 3);
        Self {
            cycles: 0,
            kills: 0,
            kills_starting: 0,
            stops: 0,
            verified: 0,
            cells_checked: 0,
            calls_checked: 0,
            recoveries: recoveries.expect("the bounds are constants that are tried in the tests"),
        }
    }

    pub(super) fn recovered(&mut self, took: Duration) {
        self.recoveries.saturating_record(took.as_micros() as u64);
    }

    /// One line of progress.
    pub(super) fn line(&self, tally: &Tally) -> String {
        format!(
            "cycle {} · {} kills · {} stops · {} acknowledged · {} unanswered · {} violations",
            grouped(self.cycles),
            grouped(self.kills + self.kills_starting),
            grouped(self.stops),
            grouped(tally.acknowledged),
            grouped(tally.unanswered),
            grouped(tally.violations),
        )
    }

    pub(super) fn figures(&self, tally: Tally, live: u64, duration: Duration) -> Figures {
        let ms = |us: u64| us as f64 / 1000.0;
        Figures {
            duration_s: duration.as_secs_f64(),
            cycles: self.cycles,
            kills: self.kills,
            kills_starting: self.kills_starting,
            stops: self.stops,
            verified: self.verified,
            tally,
            cells_checked: self.cells_checked,
            calls_checked: self.calls_checked,
            recovery_p50_ms: ms(self.recoveries.value_at_quantile(0.5)),
            recovery_max_ms: ms(self.recoveries.max()),
            live,
            outages: Vec::new(),
        }
    }
}

impl Report {
    /// The report for people.
    pub fn table(&self) -> String {
        let (manifest, figures, verdict) = (&self.manifest, &self.figures, &self.verdict);
        let tally = &figures.tally;
        let mut text = format!(
            "soak · {} people · {} · seed {}\n\n",
            manifest.people,
            manifest.offices.join(", "),
            manifest.seed
        );
        text += &format!(
            "{} cycles in {:.0} s · {} kills, {} of a start · {} stops · {} times verified\n",
            grouped(figures.cycles),
            figures.duration_s,
            grouped(figures.kills + figures.kills_starting),
            grouped(figures.kills_starting),
            grouped(figures.stops),
            grouped(figures.verified),
        );
        text += &format!(
            "{} requests · {} acknowledged · {} refused · {} unanswered\n",
            grouped(tally.requests),
            grouped(tally.acknowledged),
            grouped(tally.refused),
            grouped(tally.unanswered),
        );
        text += &format!(
            "{} confirmed, {} after their time · {} moved · {} cancelled · {} live at the end\n",
            grouped(tally.confirmed),
            grouped(tally.confirmed_late),
            grouped(tally.moved),
            grouped(tally.cancelled),
            grouped(figures.live),
        );
        text += &format!(
            "{} turned away, {} of them for good · unanswered changes: {} turned out done, {} not · \
             {} holds lost in a crash\n",
            grouped(tally.turned_away),
            grouped(tally.given_up),
            grouped(tally.resolved_done),
            grouped(tally.resolved_undone),
            grouped(tally.holds_lost),
        );
        text += &format!(
            "{} bookings read back · {} confirmations repeated · {} cells with {} calls checked\n",
            grouped(tally.read_back),
            grouped(tally.repeated),
            grouped(figures.cells_checked),
            grouped(figures.calls_checked),
        );
        text += &format!(
            "ready after {:.0} ms (median), {:.0} ms at most\n\n",
            figures.recovery_p50_ms, figures.recovery_max_ms,
        );
        text += &outages(&figures.outages);
        for finding in &verdict.findings {
            text += &format!("violation: {finding}\n");
        }
        let holds = if verdict.holds { "holds" } else { "FAILS" };
        text + &format!(
            "verdict: {holds} · {} violations\n",
            grouped(verdict.violations)
        )
    }
}

/// A line for each kind; nothing where there are none.
fn outages(outages: &[Outage]) -> String {
    if outages.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "{:24} {:>6} {:>10} {:>12} {:>11} {:>7} {:>9} {:>9}\n",
        "outage",
        "times",
        "in flight",
        "turned away",
        "unanswered",
        "killed",
        "no start",
        "back ms"
    );
    for outage in outages {
        text += &format!(
            "{:24} {:>6} {:>10} {:>12} {:>11} {:>7} {:>9} {:>9}\n",
            outage.kind,
            grouped(outage.times),
            grouped(outage.in_flight),
            grouped(outage.turned_away),
            grouped(outage.unanswered),
            grouped(outage.services_killed),
            grouped(outage.starts_refused),
            grouped(outage.ready_after_ms_max),
        );
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_was_done_and_found() {
        let mut course = Course::new();
        course.cycles = 1200;
        course.recovered(Duration::from_millis(12));
        assert!(course.line(&Tally::default()).starts_with("cycle 1,200 · "));
        let report = Report {
            manifest: Manifest {
                tool: "",
                tool_version: "",
                seed: 7,
                people: 16,
                town: "built in",
                offices: vec!["eins".to_owned(), "zwei".to_owned()],
                started_at: String::new(),
            },
            figures: course.figures(Tally::default(), 3, Duration::from_secs(60)),
            verdict: Verdict {
                holds: false,
                violations: 1,
                findings: vec!["a seat for two".to_owned()],
            },
        };
        let table = report.table();
        assert!(table.contains("eins, zwei · seed 7"), "{table}");
        assert!(table.contains("ready after 12 ms"), "{table}");
        assert!(table.ends_with("violation: a seat for two\nverdict: FAILS · 1 violations\n"));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["figures"]["unanswered"], 0);
    }
}
