//! The report of a rehearsal of the agent: the service's weeks beside the same weeks by hand.
//!
//! The JSON is these structs; fields are only ever added.

use std::fmt::Write;

use serde::Serialize;

use super::habits::Figure;
use super::measures::{Measures, Offers, Spread};
use crate::report::grouped;

/// Share of offers that may be lost: the aim. Düsseldorf's agent loses about 0.3.
pub const LOST_SHARE_AIM: f64 = 0.1;

/// A run of `morgenruh-loadtest agent`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub manifest: Manifest,
    pub service: Measures,
    /// Today's procedure, simulated with the same people; see `by_hand_is`.
    pub by_hand: Measures,
    pub course: CourseFigures,
    pub verdict: Verdict,
}

/// What was run.
#[derive(Clone, Debug, Serialize)]
pub struct Manifest {
    pub tool: &'static str,
    pub tool_version: &'static str,
    pub seed: u64,
    pub days: u32,
    pub speed: u32,
    pub people: u64,
    /// Seats of a working day.
    pub seats_a_day: u32,
    /// What is assumed of people.
    pub habits: Vec<Figure>,
    /// What is assumed of the procedure by hand.
    pub by_hand_is: &'static str,
    /// RFC 3339.
    pub started_at: String,
}

/// How well the tool itself kept up.
#[derive(Clone, Debug, Serialize)]
pub struct CourseFigures {
    pub duration_s: f64,
    pub requests: u64,
    /// From when somebody wanted to accept until it was answered.
    pub accept_p99_ms: f64,
    /// The same in minutes of the town: what it costs those who are just in time.
    pub accept_p99_town_minutes: f64,
}

/// Whether every promise was kept, and whether the aim was reached.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// Every promise was kept, and the aim was reached.
    pub holds: bool,
    pub promises_kept: bool,
    /// Seats with two people, as people saw it and as `morgenruh verify` counts errors.
    pub oversold: u64,
    /// Offers that ended in two ways or before their time, and bookings that were not as promised.
    pub broken: u64,
    /// Wishes behind which a later one with the same windows was served.
    pub passed_over: u64,
    /// Seats that were given to one wish while another with the same windows certainly waited: so
    /// often could somebody have been passed over.
    pub order_compared: u64,
    /// People whom the service did not answer as its contract says.
    pub stranded: u64,
    pub unexpected_answers: u64,
    pub unanswered: u64,
    pub lost_share: Option<f64>,
    pub lost_share_aim: f64,
    pub aim_reached: bool,
    /// The share of wishes without asking at which the aim would be reached with these people.
    pub auto_accept_needed: Option<f64>,
    /// The first findings, in words.
    pub findings: Vec<String>,
}

impl Report {
    /// The report for people.
    pub fn table(&self) -> String {
        let (manifest, service, hand) = (&self.manifest, &self.service, &self.by_hand);
        let mut text = format!(
            "agent · {} days, {} times as fast as life · {} people for {} seats a working day · seed {}\n\
             {:.0} s · {} requests · 99 % of acceptances answered within {:.0} ms, {:.1} min of the town\n\n",
            manifest.days,
            manifest.speed,
            grouped(manifest.people),
            manifest.seats_a_day,
            manifest.seed,
            self.course.duration_s,
            grouped(self.course.requests),
            self.course.accept_p99_ms,
            self.course.accept_p99_town_minutes,
        );
        let _ = writeln!(text, "{:44} {:>14} {:>14}", "", "service", "by hand");
        for (name, of) in rows() {
            let _ = writeln!(text, "{name:44} {:>14} {:>14}", of(service), of(hand));
        }
        text += &format!("\nby hand: {}\n", manifest.by_hand_is);
        text += "people: ";
        let habits = manifest.habits.iter();
        let habits: Vec<_> = habits
            .map(|it| format!("{} {} ({})", it.name, it.value, it.origin))
            .collect();
        text += &habits.join(", ");
        text += "\n\n";
        text + &self.verdict.words(service)
    }
}

/// A figure of a course, as it is shown.
type Shown = fn(&Measures) -> String;

fn rows() -> [(&'static str, Shown); 23] {
    [
        ("found free and booked", |it| grouped(it.found)),
        ("wishes", |it| grouped(it.wishes)),
        ("  that became a booking", |it| grouped(it.wishes_met)),
        ("  that still wait at the end", |it| {
            grouped(it.wishes_waiting)
        }),
        ("    of them asleep", |it| grouped(it.wishes_asleep)),
        ("  wait until booked, median (p90)", |it| {
            hours(it.wish_wait_hours)
        }),
        ("seats cancelled", |it| grouped(it.freed)),
        ("  that reached somebody", |it| {
            percent(it.freed_reached_share)
        }),
        ("  until taken, median (p90)", |it| {
            hours(it.freed_to_taken_hours)
        }),
        ("  minutes that nobody had in the end", |it| {
            percent(it.idle_share)
        }),
        ("offers that were answered or lapsed", |it| {
            grouped(it.offers.ended())
        }),
        ("  accepted", |it| grouped(it.offers.accepted)),
        ("  declined", |it| grouped(it.offers.declined)),
        ("  answered too late", |it| grouped(it.offers.late)),
        ("  never looked at", |it| grouped(it.offers.unseen)),
        ("  lost", |it| percent(it.offers.lost_share())),
        ("    for a seat of the same day", |it| {
            lost(it.offers_same_day)
        }),
        ("    within 48 hours", |it| lost(it.offers_near)),
        ("    later", |it| lost(it.offers_far)),
        ("booked without asking (cancelled again)", |it| {
            format!("{} ({})", grouped(it.unasked), it.unasked_cancelled)
        }),
        ("lost, of all that wishes were given", |it| {
            percent(it.lost_share)
        }),
        ("  with what was booked unasked in vain", |it| {
            percent(it.in_vain_share)
        }),
        ("nobody came (minutes)", |it| {
            format!("{} ({})", grouped(it.no_shows), grouped(it.no_show_minutes))
        }),
    ]
}

fn none() -> String {
    "-".to_owned()
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(none, |share| format!("{:.1} %", share * 100.0))
}

fn lost(offers: Offers) -> String {
    match offers.lost_share() {
        None => none(),
        share => format!("{} of {}", percent(share), grouped(offers.ended())),
    }
}

fn hours(spread: Option<Spread>) -> String {
    spread.map_or_else(none, |it| format!("{:.1} h ({:.0})", it.p50, it.p90))
}

impl Verdict {
    fn words(&self, service: &Measures) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            let _ = writeln!(text, "broken: {finding}");
        }
        if !self.aim_reached {
            let _ = writeln!(
                text,
                "the aim of less than {:.0} % lost is not reached: it depends on how many wishes are \
                 booked without asking, and on how people answer.",
                self.lost_share_aim * 100.0,
            );
            if let Some(needed) = self.auto_accept_needed {
                let _ = writeln!(
                    text,
                    "of those who were asked {} was lost. If they went on like that, {:.0} % of what \
                     wishes get would have to be booked without asking.",
                    percent(service.offers.lost_share()),
                    needed * 100.0,
                );
            }
        }
        let holds = if self.holds { "holds" } else { "FAILS" };
        let _ = writeln!(
            text,
            "verdict: {holds} · {} oversold · {} broken · {} passed over in {} cases · {} stranded · \
             {} unexpected · {} unanswered · {} lost (aim: under {:.0} %)",
            self.oversold,
            self.broken,
            self.passed_over,
            self.order_compared,
            self.stranded,
            self.unexpected_answers,
            self.unanswered,
            percent(self.lost_share),
            self.lost_share_aim * 100.0,
        );
        text
    }
}
