//! Whether a waiting room kept its promises, judged by what its visitors saw.
//!
//! Pure, as [`crate::verdict`] is. What a promise leaves to chance is judged by how often a fair
//! room looks at least like this: below [`CONSPICUOUS_P`] the report says so, below [`UNFAIR_P`]
//! the verdict fails. A fair room fails at one of the four tests once in 2,500 mornings.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::proof::{self, Proof};
use super::statistics::{
    Correlation, Deviation, above, groups_of, homogeneity, rank_correlation, uniformity,
};
use super::watch::{Watched, Who};
use super::{Hall, Look};

/// What is less likely than this in a fair room is pointed at.
pub const CONSPICUOUS_P: f64 = 0.01;
/// What is less likely than this in a fair room breaks its promise.
pub const UNFAIR_P: f64 = 0.0001;

/// Bots may win so much more than their share of tickets, in parts of all seats.
const BOTS_MORE: f64 = 0.01;
/// The public document is at most so much older than what it says, in milliseconds.
const DOCUMENT_AGE_MS: u64 = 2_000;
/// How exactly a ticket's time of arrival is known, in seconds: times in answers have no fractions,
/// and that is how the two clocks are compared.
const CLOCK_S: i64 = 2;

/// What is known of a room when everybody has gone home.
#[derive(Debug)]
pub struct Known {
    pub tickets: Vec<Watched>,
    pub looks: Vec<Look>,
    /// The proof; `None` where there is none although tickets were drawn.
    pub proof: Option<Proof>,
    /// The room's own report, for staff; `None` where it could not be asked for.
    pub own_report: Option<serde_json::Value>,
    /// Holds of one ticket that the room allows at once.
    pub holds_max: u32,
}

/// How a room did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Fairness {
    pub room: String,
    /// Tickets that were taken here, and by whom.
    pub tickets: BTreeMap<Who, u64>,
    /// Tickets that were drawn, those of others included.
    pub drawn: u32,
    /// Whether everything that was published fits together, worked out independently.
    pub proof_holds: bool,
    pub arrival_and_place: Option<Correlation>,
    pub lots: Option<Deviation>,
    /// Humans in the draw who wanted a seat to the end, by tenth of their arrival, earliest first.
    pub humans_by_arrival: Vec<Tenth>,
    pub success_by_arrival: Option<Deviation>,
    /// Bots among those in the draw who wanted a seat to the end.
    pub bots: Option<Bots>,
    /// The same among those who came after the release, where the first to come is the first.
    pub bots_after_release: Option<Bots>,
    /// Tickets of this run that were called and never exchanged.
    pub no_shows: u64,
    /// Tickets that staff called out of their turn; absent where staff's report was not asked for.
    pub exceptions: Option<u64>,
    /// Exchanges that were tried before the turn, and refused.
    pub early_refused: u64,
    /// Passes that were given before the turn.
    pub early_passes: u64,
    pub second_passes: u64,
    /// Answers by which a place had got worse.
    pub worse_places: u64,
    /// Seats that were held without a pass.
    pub without_pass: u64,
    /// Holds of one ticket at once, at most.
    pub holds_at_once: u32,
    /// What the room says of itself to staff.
    pub own_report: Option<serde_json::Value>,
    /// Below [`CONSPICUOUS_P`], in words.
    pub conspicuous: Vec<String>,
    /// Promises that were broken, in words.
    pub broken: Vec<String>,
}

/// A tenth of people.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Tenth {
    pub people: u64,
    pub booked: u64,
}

/// What bots got among others.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Bots {
    /// Tickets of those who wanted a seat to the end, and of bots among them.
    pub tickets: u64,
    pub tickets_of_bots: u64,
    pub seats: u64,
    pub seats_of_bots: u64,
    /// How often bots win at least so many seats in a draw that favours them by one percentage
    /// point, which is as much as it may.
    pub p: f64,
}

impl Bots {
    fn new(seekers: &[&Watched]) -> Option<Self> {
        let count = |wanted: fn(&Watched) -> bool| {
            seekers.iter().filter(|ticket| wanted(ticket)).count() as u64
        };
        let tickets = count(|_| true);
        let tickets_of_bots = count(|it| it.who == Who::Bot);
        if tickets_of_bots == 0 || tickets < 2 {
            return None;
        }
        let seats = count(|it| it.bookings > 0);
        // Seats are drawn among tickets without putting any back.
        let (all, won) = (tickets as f64, seats as f64);
        let share = tickets_of_bots as f64 / all;
        let variance = won * share * (1.0 - share) * (all - won) / (all - 1.0);
        let seats_of_bots = count(|it| it.bookings > 0 && it.who == Who::Bot);
        let more = seats_of_bots as f64 - won * (share + BOTS_MORE);
        Some(Self {
            tickets,
            tickets_of_bots,
            seats,
            seats_of_bots,
            p: above(more, variance),
        })
    }
}

impl Fairness {
    /// Judges what was seen of a room.
    pub fn new(hall: &Hall, known: &Known) -> Self {
        let mut fairness = Self {
            room: hall.id.clone(),
            own_report: known.own_report.clone(),
            exceptions: known
                .own_report
                .as_ref()
                .and_then(|report| report.get("exceptions")?.as_u64()),
            ..Self::default()
        };
        for ticket in &known.tickets {
            *fairness.tickets.entry(ticket.who).or_default() += 1;
            fairness.early_refused += ticket.early_refused;
            fairness.second_passes += ticket.second_passes;
            fairness.worse_places += ticket.worse;
            fairness.without_pass += ticket.without_pass;
            fairness.holds_at_once = fairness.holds_at_once.max(ticket.holds_max);
        }
        let serving = known
            .looks
            .iter()
            .map(|look| look.serving)
            .max()
            .unwrap_or(0);
        let called = |it: &&Watched| it.position.is_some_and(|position| position <= serving);
        let never_came = |it: &&Watched| it.passes.is_empty();
        let no_shows = known.tickets.iter().filter(called).filter(never_came);
        fairness.no_shows = no_shows.count() as u64;
        fairness.early_passes = early_passes(known, |_| None);
        fairness.judge_draw(hall, known);
        fairness.judge_success(known);
        fairness.judge_promises(known);
        fairness.judge_own_report(known);
        fairness
    }

    fn judge_draw(&mut self, hall: &Hall, known: &Known) {
        let Some(proof) = &known.proof else {
            let waited = known.tickets.iter().any(|ticket| ticket.position.is_some());
            if waited {
                self.broken.push("there is no proof of the draw".to_owned());
            }
            return;
        };
        self.drawn = proof.tickets;
        let line = match proof::line(proof) {
            Ok(line) => line,
            Err(complaint) => return self.broken.push(complaint),
        };
        self.proof_holds = true;
        let same = proof.room == hall.id
            && proof.commitment == hall.before.commitment
            && proof.rules == hall.before.rules;
        if !same {
            let what = "commitment and rules are not those that were published before";
            self.broken.push(what.to_owned());
        }
        let drawn = |number: u32| number <= proof.tickets;
        let place = |number: u32| {
            let drawn = line.places.get(number.checked_sub(1)? as usize);
            Some(drawn.copied().unwrap_or(number))
        };
        self.early_passes = early_passes(known, place);
        let misplaced = known.tickets.iter().filter(|ticket| {
            let told = ticket.position;
            told.is_some() && told != place(ticket.number)
        });
        self.breaks(misplaced.count(), "stand elsewhere than the draw says");
        let apart_s = |at: jiff::Timestamp| at.as_second() - hall.release_at.as_second();
        let left_out = known
            .tickets
            .iter()
            .filter(|it| apart_s(it.came_at) < -CLOCK_S && !drawn(it.number));
        self.breaks(left_out.count(), "were taken in time and not drawn");
        let let_in = known
            .tickets
            .iter()
            .filter(|it| apart_s(it.asked_at) > CLOCK_S && drawn(it.number));
        self.breaks(let_in.count(), "were taken too late and drawn");

        self.arrival_and_place = rank_correlation(&line.places);
        self.lots = uniformity(&line.lots);
        self.suspect(
            self.arrival_and_place.map(|it| it.p),
            "places depend on the arrival",
        );
        self.suspect(
            self.lots.map(|it| it.p),
            "some lots come up more often than others",
        );
    }

    fn judge_success(&mut self, known: &Known) {
        let mut seekers: Vec<_> = known.tickets.iter().filter(|it| it.seeks).collect();
        seekers.sort_by_key(|ticket| ticket.number);
        let is_drawn = |ticket: &&Watched| ticket.number <= self.drawn;
        let (drawn, late): (Vec<&Watched>, Vec<&Watched>) = seekers.into_iter().partition(is_drawn);
        let humans = drawn.iter().filter(|it| it.who == Who::Human);
        let booked: Vec<bool> = humans.map(|it| it.bookings > 0).collect();
        let tenth = |people: &[bool]| Tenth {
            people: people.len() as u64,
            booked: people.iter().filter(|it| **it).count() as u64,
        };
        self.humans_by_arrival = groups_of(&booked, 10).map(tenth).collect();
        self.success_by_arrival = homogeneity(&booked);
        self.suspect(
            self.success_by_arrival.map(|it| it.p),
            "whether humans in the draw book depends on their arrival",
        );
        self.bots = Bots::new(&drawn);
        self.bots_after_release = Bots::new(&late);
        self.suspect(
            self.bots.map(|it| it.p),
            "bots in the draw won more than their share of tickets and one percentage point",
        );
    }

    fn judge_promises(&mut self, known: &Known) {
        let exceptions = self.exceptions.unwrap_or(0);
        let early = self.early_passes.saturating_sub(exceptions);
        for (count, what) in [
            (early, "passes were given before the turn"),
            (
                self.second_passes,
                "passes were given while the ticket had a live one",
            ),
            (self.worse_places, "answers made a place worse"),
            (self.without_pass, "seats were held without a pass"),
        ] {
            if count > 0 {
                self.broken.push(format!("{count} {what}"));
            }
        }
        let twice = known.tickets.iter().filter(|it| it.bookings > 1);
        self.breaks(twice.count(), "became several bookings");
        if self.holds_at_once > known.holds_max {
            let (many, most) = (self.holds_at_once, known.holds_max);
            self.broken
                .push(format!("one ticket had {many} holds at once, not {most}"));
        }
    }

    /// What the room says of itself must be what follows from its proof and from our bookings.
    fn judge_own_report(&mut self, known: &Known) {
        let Some(report) = &self.own_report else {
            return;
        };
        let theirs = report["arrival_and_place"]["coefficient"].as_f64();
        let ours = self.arrival_and_place.map(|it| it.coefficient);
        let apart = theirs
            .zip(ours)
            .is_some_and(|(it, ours)| (it - ours).abs() > 1e-6);
        if report["tickets"].as_u64() != Some(self.drawn.into()) || apart {
            let what = "the room's own report is not about this draw";
            self.broken.push(what.to_owned());
        }
        let deciles = report["deciles"].as_array();
        let counted: u64 = deciles
            .into_iter()
            .flatten()
            .filter_map(|decile| decile["booked"].as_u64())
            .sum();
        let drawn = known.tickets.iter().filter(|it| it.number <= self.drawn);
        let booked = drawn.filter(|it| it.bookings > 0).count() as u64;
        // Others may have booked as well.
        if counted < booked {
            let what =
                format!("{booked} tickets in the draw were booked with, the room counts {counted}");
            self.broken.push(what);
        }
    }

    fn breaks(&mut self, tickets: usize, what: &str) {
        if tickets > 0 {
            self.broken.push(format!("{tickets} tickets {what}"));
        }
    }

    fn suspect(&mut self, p: Option<f64>, what: &str) {
        let Some(p) = p else { return };
        let text = format!("{what}: p {p:.5}");
        if p < UNFAIR_P {
            self.broken.push(text);
        } else if p < CONSPICUOUS_P {
            self.conspicuous.push(text);
        }
    }
}

/// Passes of tickets that the public document had still not called when it must have known of them.
/// Whoever was let in at once may never have been told a place; `drawn` says which it is.
fn early_passes(known: &Known, drawn: impl Fn(u32) -> Option<u32>) -> u64 {
    let is_early = |ticket: &Watched, at: Instant| {
        let known_by = at + Duration::from_millis(DOCUMENT_AGE_MS);
        let look = known.looks.iter().find(|look| look.asked >= known_by);
        let position = ticket.position.or_else(|| drawn(ticket.number));
        look.zip(position)
            .is_some_and(|(look, position)| look.serving < position)
    };
    let tickets = known.tickets.iter();
    let early = tickets.flat_map(|it| it.passes.iter().filter(|pass| is_early(it, pass.at)));
    early.count() as u64
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use jiff::{SignedDuration, Timestamp};
    use morgenruh_wire::{Pass, Room, Text};

    use super::*;
    use crate::dice::Dice;
    use crate::room::proof::tests::drawn;

    const DRAWN: u32 = 600;
    const TICKETS: u32 = 900;
    const SEATS: u32 = 300;

    fn release_at() -> Timestamp {
        "2026-12-24T05:30:00Z".parse().unwrap()
    }

    fn hall() -> Hall {
        let proof = drawn("hall-2026-12-24", DRAWN);
        let text = || Text {
            de: String::new(),
            en: String::new(),
        };
        let before = Room {
            id: proof.room.clone(),
            name: text(),
            phase: "gathering".to_owned(),
            opens_at: String::new(),
            release_at: release_at().to_string(),
            closes_at: String::new(),
            offices: Vec::new(),
            dates: Vec::new(),
            tickets: 0,
            serving: 0,
            seats_free: SEATS,
            seats_held: 0,
            commitment: proof.commitment,
            rules: proof.rules,
            draw: None,
            proof_of_work: false,
            poll_after_ms: 1_000,
        };
        Hall {
            id: before.id.clone(),
            offices: Vec::new(),
            opens: Instant::now(),
            release_at: release_at(),
            clock_ahead_s: 0,
            before,
            looks: Mutex::default(),
            tickets: Mutex::default(),
        }
    }

    fn pass(text: &str) -> Pass {
        Pass {
            pass: text.to_owned(),
            expires_at: "2026-12-24T06:00:00Z".to_owned(),
            turn: 1,
        }
    }

    /// A release as it should be: every third ticket is a bot's, and the first in line book.
    fn honest() -> Known {
        let proof = drawn("hall-2026-12-24", DRAWN);
        let places = proof::line(&proof).unwrap().places;
        let start = Instant::now();
        let tickets = (1..=TICKETS).map(|number| {
            let seconds = if number <= DRAWN { -60 } else { 60 };
            let came_at = release_at() + SignedDuration::from_secs(seconds);
            let who = if number % 3 == 0 {
                Who::Bot
            } else {
                Who::Human
            };
            let mut ticket = Watched::new(number, who, true, came_at, came_at);
            let place = places.get(number as usize - 1).copied().unwrap_or(number);
            ticket.position = Some(place);
            if place <= SEATS {
                ticket.passed(&pass("a"), start, release_at()).unwrap();
                ticket.bookings = 1;
            }
            ticket
        });
        let look = |after_s, serving| Look {
            asked: start + Duration::from_secs(after_s),
            serving,
        };
        Known {
            tickets: tickets.collect(),
            looks: vec![look(0, 0), look(3, SEATS)],
            proof: Some(proof),
            own_report: None,
            holds_max: 1,
        }
    }

    fn broken(change: impl FnOnce(&mut Known)) -> String {
        let mut known = honest();
        change(&mut known);
        Fairness::new(&hall(), &known).broken.join("; ")
    }

    #[test]
    fn an_honest_room_breaks_nothing() {
        let fairness = Fairness::new(&hall(), &honest());
        assert!(fairness.broken.is_empty(), "{}", fairness.text());
        assert!(fairness.proof_holds);
        assert_eq!(fairness.drawn, DRAWN);
        assert_eq!(fairness.humans_by_arrival.len(), 10);
        assert!(fairness.success_by_arrival.unwrap().p > UNFAIR_P);
        let bots = fairness.bots.unwrap();
        assert_eq!(
            (bots.tickets, bots.tickets_of_bots, bots.seats),
            (600, 200, 300)
        );
        assert!(bots.p > CONSPICUOUS_P, "{bots:?}");
        assert_eq!(fairness.bots_after_release.unwrap().seats, 0);
    }

    #[test]
    fn a_line_that_is_not_the_drawn_one_is_found() {
        let swapped = broken(|known| {
            let first = known.tickets[0].position;
            known.tickets[0].position = known.tickets[1].position;
            known.tickets[1].position = first;
        });
        assert!(swapped.contains("2 tickets stand elsewhere"), "{swapped}");
        let other = broken(|known| known.proof = Some(drawn("hall-2026-12-24", DRAWN - 1)));
        assert!(
            other.contains("1 tickets were taken in time and not drawn"),
            "{other}"
        );
        let other = broken(|known| known.proof = Some(drawn("hall-2026-12-24", DRAWN + 1)));
        assert!(
            other.contains("1 tickets were taken too late and drawn"),
            "{other}"
        );
        let other = broken(|known| known.proof = Some(drawn("hall-2026-12-25", DRAWN)));
        assert!(other.contains("published before"), "{other}");
        assert!(broken(|known| known.proof = None).contains("no proof"));
    }

    #[test]
    fn whoever_wins_by_coming_early_is_found() {
        let first_come = broken(|known| {
            for ticket in &mut known.tickets {
                ticket.bookings = u32::from(ticket.number <= SEATS);
            }
        });
        assert!(
            first_come.contains("depends on their arrival"),
            "{first_come}"
        );
        let mut dice = Dice::new(1);
        let bots = broken(|known| {
            for ticket in &mut known.tickets {
                let share = if ticket.who == Who::Bot { 0.7 } else { 0.4 };
                ticket.bookings = u32::from(ticket.number <= DRAWN && dice.chance(share));
            }
        });
        assert!(bots.starts_with("bots in the draw won"), "{bots}");
    }

    #[test]
    fn every_broken_promise_is_named() {
        type Fault = fn(&mut Known);
        let faults: [(Fault, &str); 8] = [
            (
                |it| it.looks[1].serving = SEATS - 1,
                "1 passes were given before the turn",
            ),
            (
                |it| {
                    for ticket in &mut it.tickets {
                        ticket.position = None;
                    }
                    it.looks[1].serving = SEATS - 1;
                },
                "1 passes were given before the turn",
            ),
            (|it| it.tickets[0].second_passes = 1, "live one"),
            (|it| it.tickets[0].worse = 1, "worse"),
            (|it| it.tickets[0].without_pass = 1, "without a pass"),
            (|it| it.tickets[0].bookings = 2, "several bookings"),
            (|it| it.tickets[0].holds_max = 2, "2 holds at once"),
            (
                |it| it.own_report = Some(serde_json::json!({ "tickets": 599 })),
                "not about this draw",
            ),
        ];
        for (fault, word) in faults {
            let told = broken(fault);
            assert!(told.contains(word), "{told}");
        }
    }
}
