//! Did coming early help? What a room can say about itself when its release is over.
//!
//! That the line is right is proven by the draw alone. This looks at the same from outside, as
//! somebody would who trusts no proof: a fair line has nothing to do with arrival, so whoever came
//! first was called as often as whoever came last.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::draw::{Line, lot};

/// Fewer tickets than this say nothing either way.
const TICKETS_MIN: u32 = 100;
/// What is less likely than this in a fair room is conspicuous. Three things are looked at, so a
/// fair room is suspected after one release in 333.
const CONSPICUOUS_BELOW: f64 = 0.001;
const LOT_BINS_MAX: u32 = 100;
/// Tickets in each bin of lots, at least, so that the approximation by chi-squared is good.
const TICKETS_PER_BIN_MIN: u32 = 10;
/// Groups of tickets by arrival.
const DECILES: usize = 10;

/// How it went with a drawn ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its turn had not come when the room ended, or its owner had left before.
    NotCalled,
    /// Its turn came and nobody took it.
    NoShow,
    /// It was exchanged for a pass, and nothing came of that.
    Passed,
    /// It was exchanged for a pass, and an appointment came of that.
    Booked,
}

/// A room's release, looked at from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FairnessReport {
    /// Number of tickets that were drawn.
    pub tickets: u32,
    /// Spearman's rank correlation of arrival and place in the line: 1 if the line was by arrival,
    /// about 0 if it had nothing to do with it. None for fewer than two tickets.
    pub arrival_and_place: Option<Correlation>,
    /// Whether all lots came up equally often. None for too few tickets.
    pub lots: Option<Deviation>,
    /// By arrival, the earliest tenth first.
    pub deciles: Vec<Decile>,
    /// Whether those of each decile were called equally often. None if all were, or nobody.
    pub called_by_arrival: Option<Deviation>,
    /// Whether those of each decile booked equally often, which is up to them as well. None if all
    /// did, or nobody.
    pub booked_by_arrival: Option<Deviation>,
    /// Tickets whose turn came and was not taken.
    pub no_shows: u32,
    /// Tickets that somebody was allowed to prefer.
    pub exceptions: u32,
    pub verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Correlation {
    /// From -1 to 1.
    pub coefficient: f64,
    /// How often a fair line is at least as far from 0, from 0 to 1.
    pub p_value: f64,
}

/// How far counts are from what was to be expected, by Pearson's chi-squared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deviation {
    pub chi_squared: f64,
    pub degrees_of_freedom: u32,
    /// How often a fair room deviates at least as much, from 0 to 1.
    pub p_value: f64,
}

/// A tenth of the tickets, by arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Decile {
    /// Number of its first ticket.
    pub first: u32,
    pub tickets: u32,
    /// Tickets whose turn came, with those that nobody took.
    pub called: u32,
    pub no_shows: u32,
    pub booked: u32,
    /// Share of tickets that an appointment came of, from 0 to 1.
    pub booked_rate: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    TooFewTickets,
    Inconspicuous,
    Conspicuous,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::TooFewTickets => "Too few tickets were drawn to say anything.",
            Verdict::Inconspicuous => "Nobody gained or lost by the time of arrival.",
            Verdict::Conspicuous => {
                "So much depended on the time of arrival, or on the lot, as happens in a fair room \
                 less often than once in 333 releases. Check the draw."
            }
        })
    }
}

impl FairnessReport {
    /// Looks at a line that was drawn with this seed, at the fate of each ticket by its number, and
    /// at how many were preferred.
    pub fn new(
        seed: &[u8; 32],
        line: &Line,
        fate: impl Fn(u32) -> Fate,
        exceptions: u32,
    ) -> FairnessReport {
        let deciles = deciles(line.len(), fate);
        let arrival_and_place = arrival_and_place(line);
        let lots = lots(seed, line.len());
        let called_by_arrival = homogeneity(&deciles, |decile| decile.called);
        let booked_by_arrival = homogeneity(&deciles, |decile| decile.booked);
        // Whether somebody books depends on what they want, and those who come early may want
        // something else. Whether they are called depends on the line alone.
        let p_values = [
            arrival_and_place.map(|it| it.p_value),
            lots.map(|it| it.p_value),
            called_by_arrival.map(|it| it.p_value),
        ];
        let conspicuous = |p_value: &f64| *p_value < CONSPICUOUS_BELOW;
        let verdict = if line.len() < TICKETS_MIN {
            Verdict::TooFewTickets
        } else if p_values.iter().flatten().any(conspicuous) {
            Verdict::Conspicuous
        } else {
            Verdict::Inconspicuous
        };
        FairnessReport {
            tickets: line.len(),
            arrival_and_place,
            lots,
            called_by_arrival,
            booked_by_arrival,
            no_shows: deciles.iter().map(|decile| decile.no_shows).sum(),
            deciles,
            exceptions,
            verdict,
        }
    }
}

fn deciles(tickets: u32, fate: impl Fn(u32) -> Fate) -> Vec<Decile> {
    let bound = |decile: usize| (u64::from(tickets) * decile as u64 / DECILES as u64) as u32;
    let decile = |number| {
        let (first, end) = (bound(number), bound(number + 1));
        let mut decile = Decile {
            first,
            tickets: end - first,
            ..Decile::default()
        };
        for fate in (first..end).map(&fate) {
            decile.called += u32::from(fate != Fate::NotCalled);
            decile.no_shows += u32::from(fate == Fate::NoShow);
            decile.booked += u32::from(fate == Fate::Booked);
        }
        decile.booked_rate = f64::from(decile.booked) / f64::from(decile.tickets.max(1));
        decile
    };
    (0..DECILES).map(decile).collect()
}

fn arrival_and_place(line: &Line) -> Option<Correlation> {
    if line.len() < 2 {
        return None;
    }
    // Neither arrivals nor places are shared, so the short form of the formula is exact.
    let distance = |(place, seq): (u32, u32)| u128::from(place.abs_diff(seq)).pow(2);
    let tickets = (0..).zip((1..=line.len()).map_while(|position| line.at(position)));
    let distances: u128 = tickets.map(distance).sum();
    let n = f64::from(line.len());
    let coefficient = 1.0 - 6.0 * distances as f64 / (n * (n * n - 1.0));
    // The square of something normal is something chi-squared.
    let p_value = chi_squared_tail(coefficient * coefficient * (n - 1.0), 1);
    Some(Correlation {
        coefficient,
        p_value,
    })
}

fn lots(seed: &[u8; 32], tickets: u32) -> Option<Deviation> {
    let bins = (tickets / TICKETS_PER_BIN_MIN).min(LOT_BINS_MAX);
    if bins < 2 {
        return None;
    }
    let mut counts = vec![0u32; bins as usize];
    for seq in 0..tickets {
        let [a, b, c, d, ..] = lot(seed, seq);
        let lot = u64::from(u32::from_be_bytes([a, b, c, d]));
        counts[((lot * u64::from(bins)) >> 32) as usize] += 1;
    }
    let expected = f64::from(tickets) / f64::from(bins);
    let chi_squared = counts
        .iter()
        .map(|count| square_off(*count, expected))
        .sum();
    Some(Deviation::new(chi_squared, bins - 1))
}

/// Whether something happened in each decile as often as in the others.
fn homogeneity(deciles: &[Decile], count: impl Fn(&Decile) -> u32) -> Option<Deviation> {
    let sum = |of: &dyn Fn(&Decile) -> u32| f64::from(deciles.iter().map(of).sum::<u32>());
    let (tickets, happened) = (sum(&|decile| decile.tickets), sum(&count));
    if deciles.iter().any(|decile| decile.tickets == 0) || happened == 0.0 || happened == tickets {
        return None;
    }
    let rate = happened / tickets;
    let chi_squared = deciles.iter().map(|decile| {
        let (all, happened) = (decile.tickets, count(decile));
        square_off(happened, f64::from(all) * rate)
            + square_off(all - happened, f64::from(all) * (1.0 - rate))
    });
    Some(Deviation::new(chi_squared.sum(), deciles.len() as u32 - 1))
}

/// What a count adds to chi-squared.
fn square_off(count: u32, expected: f64) -> f64 {
    let off = f64::from(count) - expected;
    off * off / expected
}

impl Deviation {
    fn new(chi_squared: f64, degrees_of_freedom: u32) -> Deviation {
        Deviation {
            chi_squared,
            degrees_of_freedom,
            p_value: chi_squared_tail(chi_squared, degrees_of_freedom),
        }
    }
}

/// How often chi-squared with so many degrees of freedom, at most [`LOT_BINS_MAX`], is at least
/// `value`.
///
/// The regularised upper incomplete gamma function Q(d/2, x) at half the value, as one less the sum
/// of xᵃ e⁻ˣ / Γ(a + 1) over a = d/2, d/2 + 1, …
fn chi_squared_tail(value: f64, degrees: u32) -> f64 {
    // From here on it is less than the smallest difference from 1, and e⁻ˣ could become 0.
    const NEVER_ABOVE: f64 = 500.0;
    let x = value.max(0.0) / 2.0;
    if x > NEVER_ABOVE {
        return 0.0;
    }
    // Γ is known at 1 and at 3/2.
    let (mut a, mut term) = if degrees.is_multiple_of(2) {
        (0.0, (-x).exp())
    } else {
        (
            0.5,
            (-x).exp() * x.sqrt() * std::f64::consts::FRAC_2_SQRT_PI,
        )
    };
    let mut below = 0.0;
    while a < x || term > f64::EPSILON {
        if a >= f64::from(degrees) / 2.0 {
            below += term;
        }
        a += 1.0;
        term *= x / a;
    }
    (1.0 - below).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICKETS: u32 = 20_000;

    fn drawn() -> ([u8; 32], Line) {
        let seed = [11; 32];
        (seed, Line::draw(&seed, TICKETS))
    }

    /// The first half of the line is called; every tenth of them does not come.
    fn fair_fate(line: &Line) -> impl Fn(u32) -> Fate {
        |seq| match line.position_of(seq) {
            Some(position) if position > TICKETS / 2 => Fate::NotCalled,
            Some(position) if position.is_multiple_of(10) => Fate::NoShow,
            Some(position) if position.is_multiple_of(7) => Fate::Passed,
            _ => Fate::Booked,
        }
    }

    #[test]
    fn the_tail_of_chi_squared_is_that_of_the_tables() {
        // Quantiles as statistics books print them.
        for (value, degrees, tail) in [
            (0.0, 1, 1.0),
            (0.004, 1, 0.95),
            (3.841_459, 1, 0.05),
            (10.827_566, 1, 0.001),
            (5.991_465, 2, 0.05),
            (13.815_511, 2, 0.001),
            (3.325_113, 9, 0.95),
            (16.918_978, 9, 0.05),
            (27.877_165, 9, 0.001),
            (18.307_038, 10, 0.05),
            (77.046_332, 99, 0.95),
            (123.225_221, 99, 0.05),
            (148.230_359, 99, 0.001),
            (1e9, 99, 0.0),
        ] {
            let found = chi_squared_tail(value, degrees);
            let close = (found - tail).abs() < 1e-3 * tail.max(1e-6);
            assert!(close, "{value} with {degrees}: {found}, not {tail}");
        }
        // Closed forms: e^(-x/2) with two degrees, and its neighbour.
        assert!((chi_squared_tail(9.0, 2) - (-4.5f64).exp()).abs() < 1e-15);
        assert!((chi_squared_tail(9.0, 4) - 5.5 * (-4.5f64).exp()).abs() < 1e-15);
    }

    #[test]
    fn a_fair_release_is_inconspicuous() {
        let (seed, line) = drawn();
        let report = FairnessReport::new(&seed, &line, fair_fate(&line), 3);
        assert_eq!(report.verdict, Verdict::Inconspicuous, "{report:?}");
        assert!(report.arrival_and_place.unwrap().coefficient.abs() < 0.03);
        assert_eq!(report.lots.unwrap().degrees_of_freedom, 99);
        assert_eq!((report.no_shows, report.exceptions), (1_000, 3));
        let called: u32 = report.deciles.iter().map(|decile| decile.called).sum();
        assert_eq!(called, TICKETS / 2);
        let firsts = report.deciles.iter().map(|decile| decile.first);
        assert!(firsts.eq((0..10).map(|decile| decile * 2_000)));
    }

    #[test]
    fn being_called_by_arrival_is_conspicuous() {
        let (seed, line) = drawn();
        let fate = |seq| {
            if seq < TICKETS / 2 {
                Fate::Booked
            } else {
                Fate::NotCalled
            }
        };
        let report = FairnessReport::new(&seed, &line, fate, 0);
        assert_eq!(report.verdict, Verdict::Conspicuous);
        assert!(report.called_by_arrival.unwrap().p_value < 1e-9);
        assert_eq!(report.deciles[0].booked_rate, 1.0);
    }

    #[test]
    fn a_line_by_arrival_is_conspicuous() {
        let seed = [11; 32];
        let by_arrival = Line::by_lots(TICKETS, |seq| {
            let mut lot = [0; 32];
            lot[4..8].copy_from_slice(&seq.to_be_bytes());
            lot
        });
        let report = FairnessReport::new(&seed, &by_arrival, |_| Fate::Booked, 0);
        let correlation = report.arrival_and_place.unwrap();
        assert_eq!((correlation.coefficient, correlation.p_value), (1.0, 0.0));
        assert_eq!(report.called_by_arrival, None);
        assert_eq!(report.verdict, Verdict::Conspicuous);
    }

    #[test]
    fn the_coefficient_is_that_of_the_definition() {
        let (_, line) = drawn();
        let mean = f64::from(TICKETS - 1) / 2.0;
        let (mut together, mut alone) = (0.0, 0.0);
        for seq in 0..TICKETS {
            let place = f64::from(line.position_of(seq).unwrap() - 1);
            together += (f64::from(seq) - mean) * (place - mean);
            alone += (f64::from(seq) - mean) * (f64::from(seq) - mean);
        }
        let found = arrival_and_place(&line).unwrap().coefficient;
        assert!((found - together / alone).abs() < 1e-9);
    }

    /// Over many rooms the values are spread as they should be: 5 % of them are below 0.05.
    #[test]
    fn p_values_of_fair_rooms_are_evenly_spread() {
        let mut below = [0; 3];
        for room in 0..400 {
            let seed = lot(&[0; 32], room);
            let line = Line::draw(&seed, 600);
            let called = |seq| match line.position_of(seq) {
                Some(position) if position <= 250 => Fate::Passed,
                _ => Fate::NotCalled,
            };
            let report = FairnessReport::new(&seed, &line, called, 0);
            let p_values = [
                report.arrival_and_place.unwrap().p_value,
                report.lots.unwrap().p_value,
                report.called_by_arrival.unwrap().p_value,
            ];
            for (below, p_value) in below.iter_mut().zip(p_values) {
                *below += u32::from(p_value < 0.05);
            }
        }
        // 20 are expected, with a standard deviation of 4.4.
        assert!(
            below.iter().all(|below| (5..=36).contains(below)),
            "{below:?}"
        );
    }

    #[test]
    fn few_tickets_say_nothing() {
        for tickets in [0, 1, 2, 19, 99] {
            let seed = [1; 32];
            let line = Line::draw(&seed, tickets);
            let report = FairnessReport::new(&seed, &line, |_| Fate::Booked, 0);
            assert_eq!(report.verdict, Verdict::TooFewTickets);
            let text = serde_json::to_string(&report).unwrap();
            assert!(text.contains(r#""verdict":"too_few_tickets""#));
            assert!(!text.contains("NaN"));
        }
    }
}
