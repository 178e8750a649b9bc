//! The fairness of a room in words for people.

use super::fairness::{Bots, Fairness};
use super::statistics::{Correlation, Deviation};
use crate::report::{grouped, name};

impl Fairness {
    /// For people: a line for each thing that was looked at.
    pub fn text(&self) -> String {
        let taken: Vec<_> = self
            .tickets
            .iter()
            .map(|(who, count)| format!("{} {}s", grouped(*count), name(who)))
            .collect();
        let mut lines = vec![format!(
            "room {}: {} · {} tickets drawn · proof {}",
            self.room,
            taken.join(", "),
            grouped(self.drawn.into()),
            if self.proof_holds { "holds" } else { "is none" }
        )];
        if let Some(found) = self.arrival_and_place {
            let Correlation { coefficient, p } = found;
            lines.push(format!(
                "arrival and place: correlation {coefficient:+.3}, p {p:.3}"
            ));
        }
        if let Some(found) = self.lots {
            lines.push(format!("lots: {}", deviation(found)));
        }
        let tenths = self.humans_by_arrival.iter();
        if tenths.clone().all(|tenth| tenth.people > 0) && !self.humans_by_arrival.is_empty() {
            let shares: Vec<_> = tenths
                .map(|it| format!("{:.0}", it.booked as f64 / it.people as f64 * 100.0))
                .collect();
            let shares = shares.join(" ");
            lines.push(format!(
                "humans in the draw who booked, by tenth of arrival, %: {shares}"
            ));
        }
        if let Some(found) = self.success_by_arrival {
            lines.push(format!("their arrival: {}", deviation(found)));
        }
        for (bots, what) in [
            (self.bots, "bots in the draw"),
            (
                self.bots_after_release,
                "bots after the release, first come first served",
            ),
        ] {
            if let Some(bots) = bots {
                lines.push(format!("{what}: {}", bots.text()));
            }
        }
        let exceptions = match self.exceptions {
            Some(exceptions) => format!(" · {exceptions} exceptions"),
            None => String::new(),
        };
        lines.push(format!(
            "{} no-shows{exceptions} · exchanges before the turn: {} refused, {} granted · \
             {} second passes · {} places got worse · {} seats without a pass · at most {} holds \
             of a ticket at once",
            grouped(self.no_shows),
            grouped(self.early_refused),
            self.early_passes,
            self.second_passes,
            self.worse_places,
            self.without_pass,
            self.holds_at_once
        ));
        lines.extend(
            self.conspicuous
                .iter()
                .map(|it| format!("conspicuous: {it}")),
        );
        lines.extend(self.broken.iter().map(|it| format!("BROKEN: {it}")));
        lines.join("\n  ") + "\n"
    }
}

impl Bots {
    fn text(&self) -> String {
        let share = |part: u64, of: u64| part as f64 / of.max(1) as f64 * 100.0;
        format!(
            "{:.1} % of {} tickets, {:.1} % of {} seats, p {:.3}",
            share(self.tickets_of_bots, self.tickets),
            grouped(self.tickets),
            share(self.seats_of_bots, self.seats),
            grouped(self.seats),
            self.p
        )
    }
}

fn deviation(found: Deviation) -> String {
    format!(
        "chi-squared {:.1} of {}, p {:.3}",
        found.chi_squared, found.degrees_of_freedom, found.p
    )
}
