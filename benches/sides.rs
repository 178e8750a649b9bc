//! Measuring in turns: one round each, again and again, and then the medians.
//!
//! What a shared machine does to one side it does to the other a moment later, so the ratio is
//! taken within each round and the median ratio is the result.

use std::time::Duration;

use crate::table::{Beside, Row};

/// One thing to measure.
pub struct Side {
    pub name: &'static str,
    /// Does it so many times, and says how long that took.
    pub run: Box<dyn Fn(u64) -> Duration>,
}

impl Side {
    pub fn new(name: &'static str, run: impl Fn(u64) -> Duration + 'static) -> Side {
        Side {
            name,
            run: Box::new(run),
        }
    }
}

/// Something of ours and what it is compared with.
pub struct Comparison {
    pub what: &'static str,
    pub ours: Side,
    /// With how many times as fast we want to be.
    pub beside: Vec<(Side, Option<f64>)>,
    /// How often it is done in a round.
    pub count: u64,
}

impl Comparison {
    /// All sides, ours first.
    pub fn sides(&self) -> impl Iterator<Item = &Side> {
        std::iter::once(&self.ours).chain(self.beside.iter().map(|(side, _)| side))
    }

    /// Measures; `between` is called before every round.
    pub fn measure(&self, rounds: usize, mut between: impl FnMut()) -> Vec<Row> {
        let mut times = vec![Vec::new(); 1 + self.beside.len()];
        for round in 0..rounds {
            between();
            // Whoever comes first in a round finds the caches cold, so they take turns in that too.
            let order = (0..times.len()).cycle().skip(round).take(times.len());
            let sides: Vec<&Side> = self.sides().collect();
            for side in order {
                let time = (sides[side].run)(self.count);
                times[side].push(time.as_nanos() as f64 / self.count as f64);
            }
        }
        self.rows(&times)
    }

    fn rows(&self, times: &[Vec<f64>]) -> Vec<Row> {
        let ours = &times[0];
        let row = |beside| Row {
            what: self.what.to_owned(),
            ours: median(ours),
            unit: "ns".to_owned(),
            beside,
        };
        if self.beside.is_empty() {
            return vec![row(None)];
        }
        let beside = self
            .beside
            .iter()
            .zip(&times[1..])
            .map(|((side, aim), theirs)| {
                row(Some(Beside {
                    name: side.name.to_owned(),
                    theirs: median(theirs),
                    ratio: median_ratio(theirs, ours),
                    aim: *aim,
                }))
            });
        beside.collect()
    }
}

/// The middle value; of an even number, the upper one. 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// The median of the ratios of each round.
pub fn median_ratio(above: &[f64], below: &[f64]) -> f64 {
    let ratios: Vec<f64> = above
        .iter()
        .zip(below)
        .map(|(above, below)| above / below)
        .collect();
    median(&ratios)
}
