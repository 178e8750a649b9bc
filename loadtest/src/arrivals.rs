//! The arrival curve: at which second of the morning each person comes.
//!
//! Within a phase the rate is an exponential, so both the people expected in any interval and the
//! instant of the p-th person have a closed form. Arrivals are planned before the run and never
//! wait for an answer: that is what makes the load open-loop.

use crate::dice::Dice;
use crate::scenario::Phase;

/// A validated arrival curve.
#[derive(Clone, Debug)]
pub struct Curve {
    stretches: Vec<Stretch>,
}

#[derive(Clone, Debug)]
struct Stretch {
    from_s: f64,
    to_s: f64,
    share: f64,
    fold_s: f64,
}

impl Stretch {
    /// Share of this stretch's people who have come by `at_s`, 0 to 1.
    fn come_by(&self, at_s: f64) -> f64 {
        let at_s = at_s.clamp(self.from_s, self.to_s);
        let done = 1.0 - (-(at_s - self.from_s) / self.fold_s).exp();
        let whole = 1.0 - (-(self.to_s - self.from_s) / self.fold_s).exp();
        done / whole
    }

    /// The instant by which `part` of this stretch's people have come, in seconds.
    fn instant_of(&self, part: f64) -> f64 {
        let whole = 1.0 - (-(self.to_s - self.from_s) / self.fold_s).exp();
        let at_s = self.from_s - self.fold_s * (1.0 - part * whole).ln();
        at_s.clamp(self.from_s, self.to_s)
    }
}

impl Curve {
    /// Builds the curve from the phases of a checked scenario.
    pub fn new(phases: &[Phase]) -> Self {
        let stretches = phases
            .iter()
            .map(|phase| Stretch {
                from_s: phase.from_s,
                to_s: phase.to_s,
                share: phase.share.value,
                fold_s: phase.fold_s.value,
            })
            .collect();
        Self { stretches }
    }

    /// When the first person can come, in seconds from the release.
    pub fn from_s(&self) -> f64 {
        self.stretches.first().map_or(0.0, |stretch| stretch.from_s)
    }

    /// When the last person has come, in seconds from the release.
    pub fn to_s(&self) -> f64 {
        self.stretches.last().map_or(0.0, |stretch| stretch.to_s)
    }

    /// Share of all people who come between two instants, 0 to 1.
    pub fn share_between(&self, from_s: f64, to_s: f64) -> f64 {
        self.stretches
            .iter()
            .map(|stretch| stretch.share * (stretch.come_by(to_s) - stretch.come_by(from_s)))
            .sum()
    }

    /// The instants at which `people` come, ascending, in seconds from the release.
    ///
    /// The p-th person is drawn from the p-th of `people` equal parts of the curve, so every run
    /// meets the shares to the person and seeds differ only in the order of milliseconds.
    pub fn plan(&self, people: u32, dice: &mut Dice) -> Vec<f64> {
        (0..people)
            .map(|person| self.instant_of((f64::from(person) + dice.unit()) / f64::from(people)))
            .collect()
    }

    fn instant_of(&self, mut part: f64) -> f64 {
        for stretch in &self.stretches {
            if part < stretch.share {
                return stretch.instant_of(part / stretch.share);
            }
            part -= stretch.share;
        }
        self.to_s()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{DEFAULT, Scenario};

    fn curve() -> Curve {
        Curve::new(&Scenario::parse(DEFAULT).unwrap().phase)
    }

    #[test]
    fn the_shares_are_met_to_the_person() {
        let plan = curve().plan(6500, &mut Dice::new(1));
        let come = |from_s: f64, to_s: f64| {
            plan.iter()
                .filter(|at_s| (from_s..to_s).contains(at_s))
                .count() as i64
        };
        for (from_s, to_s, people) in [
            (-900.0, 0.0, 2275),
            (0.0, 10.0, 975),
            (10.0, 60.0, 1625),
            (60.0, 300.0, 975),
            (300.0, 1800.1, 650),
        ] {
            assert!(
                (come(from_s, to_s) - people).abs() <= 1,
                "{from_s} to {to_s}"
            );
        }
        assert!(plan.is_sorted());
    }

    /// The published curve for 6,500 people, sampled: people who come within the second.
    #[test]
    fn the_curve_is_the_published_one_within_one_percent() {
        for (second, people) in [
            (-900.0, 0.229),
            (-300.0, 2.787),
            (-60.0, 7.576),
            (-1.0, 9.687),
            (0.0, 234.956),
            (1.0, 182.984),
            (5.0, 67.316),
            (10.0, 65.679),
            (30.0, 33.721),
            (59.0, 12.826),
            (60.0, 9.358),
            (120.0, 5.676),
            (299.0, 1.277),
            (300.0, 1.367),
            (900.0, 0.412),
            (1799.0, 0.068),
        ] {
            let ours = 6500.0 * curve().share_between(second, second + 1.0);
            assert!(
                (ours / people - 1.0).abs() < 0.01,
                "second {second}: {ours} for {people}"
            );
        }
    }

    #[test]
    fn a_seed_gives_one_plan() {
        assert_eq!(
            curve().plan(100, &mut Dice::new(7)),
            curve().plan(100, &mut Dice::new(7))
        );
        assert_ne!(
            curve().plan(100, &mut Dice::new(7)),
            curve().plan(100, &mut Dice::new(8))
        );
    }
}
