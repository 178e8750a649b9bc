//! What people do, and where each figure comes from.

use serde::Serialize;

/// What is assumed of people. Shares are between 0 and 1.
///
/// *Published* is what a city or a study has said. *Derived* is arithmetic on that. Everything else
/// is an assumption: replace it by what your own service logs.
#[derive(Clone, Debug)]
pub struct Habits {
    /// Derived: people who want something, for each seat that there is. In Düsseldorf 1,400 wishes
    /// and 2,200 seats a working day, of which 600 went to wishes: (2,200 - 600 + 1,400) / 2,200.
    pub demand: f64,
    /// Published: bookings that are cancelled.
    pub cancelled: f64,
    /// Assumed: of them, those within two days before the appointment; the rest at any time.
    pub cancelled_late: f64,
    /// Assumed, within the 5 to 26 % that cities publish: bookings to which nobody comes.
    pub no_show: f64,
    /// Derived: offers that nobody looks at. With `declined`, these people lose about 30 % of what
    /// they are offered where they have two days to answer, as Düsseldorf's do.
    pub never_look: f64,
    /// Derived: offers that would not be looked at, or too late, and are because somebody is told of
    /// them once more. Text messages that remind of appointments lower the missed ones from 32 to 21
    /// in a hundred (Gurol-Urganci and others 2013, Cochrane review).
    pub reminded: f64,
    /// Derived, see `never_look`: offers that do not suit, of those that are looked at.
    pub declined: f64,
    /// Assumed: of those that do not suit, where the wish is given up as well.
    pub gives_up: f64,
    /// Assumed: median of the time until an offer is answered, in minutes of being awake. The times
    /// are log-normal.
    pub answer_minutes: f64,
    /// Assumed: how far the times spread, the standard deviation of their logarithm.
    pub answer_spread: f64,
    /// Derived: wishes whose first seat is to be booked without asking, where the form proposes it.
    /// Assumed are four in ten where everybody has to tick it. A choice that is preselected is made
    /// more often by 0.68 standard deviations (Jachimowicz, Duncan, Weber, Johnson 2019: 58 studies,
    /// 73,675 people; 0.53 to 0.83): the normal distribution up to -0.25 + 0.68.
    pub auto_accept: f64,
    /// Assumed: of the others, those who want to be asked about near seats too, although they have
    /// little time to answer. They are no faster than anybody else.
    pub asked_near: f64,
    /// Assumed: people who need to know a day before; the others an hour.
    pub a_day_before: f64,
    /// Assumed: people who can only come from some day on.
    pub not_yet: f64,
    /// Assumed: people who accept twice, or accept and decline at the same moment.
    pub confused: f64,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            demand: 1.36,
            cancelled: 0.13,
            cancelled_late: 0.5,
            no_show: 0.12,
            never_look: 0.12,
            reminded: 0.33,
            declined: 0.15,
            gives_up: 0.5,
            answer_minutes: 180.0,
            answer_spread: 1.4,
            auto_accept: 0.67,
            asked_near: 0.15,
            a_day_before: 0.5,
            not_yet: 0.2,
            confused: 0.04,
        }
    }
}

/// A figure that a run rests on.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    pub name: &'static str,
    pub value: f64,
    /// `published`, `derived` or `assumed`.
    pub origin: &'static str,
}

impl Habits {
    /// All of them, for the report.
    pub fn figures(&self) -> Vec<Figure> {
        let figure = |(name, value, origin)| Figure {
            name,
            value,
            origin,
        };
        let all = [
            ("demand", self.demand, "derived"),
            ("cancelled", self.cancelled, "published"),
            ("cancelled_late", self.cancelled_late, "assumed"),
            ("no_show", self.no_show, "assumed"),
            ("never_look", self.never_look, "derived"),
            ("reminded", self.reminded, "derived"),
            ("declined", self.declined, "derived"),
            ("gives_up", self.gives_up, "assumed"),
            ("answer_minutes", self.answer_minutes, "assumed"),
            ("answer_spread", self.answer_spread, "assumed"),
            ("auto_accept", self.auto_accept, "derived"),
            ("asked_near", self.asked_near, "assumed"),
            ("a_day_before", self.a_day_before, "assumed"),
            ("not_yet", self.not_yet, "assumed"),
            ("confused", self.confused, "assumed"),
        ];
        all.map(figure).to_vec()
    }
}
