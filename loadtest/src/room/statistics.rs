//! Three questions to counts and ranks: do they have to do with each other, do they differ more
//! than chance lets them, and how often does chance do that.

use serde::Serialize;

/// Groups of people by arrival.
const GROUPS_MAX: usize = 10;
/// Expected in each cell, at least: below that the approximation by chi-squared is not a good one.
const EXPECTED_MIN: f64 = 5.0;
/// Intervals into which lots are counted, at most.
const LOT_BINS_MAX: usize = 20;

/// How much two orders have to do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Correlation {
    /// Spearman's, from -1 to 1.
    pub coefficient: f64,
    /// How often two orders that have nothing to do with each other look at least like this.
    pub p: f64,
}

/// How far counts are from what was to be expected.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Deviation {
    /// Pearson's.
    pub chi_squared: f64,
    pub degrees_of_freedom: u32,
    /// How often chance alone deviates at least as much.
    pub p: f64,
}

impl Deviation {
    fn new(chi_squared: f64, degrees_of_freedom: usize) -> Self {
        let degrees_of_freedom = u32::try_from(degrees_of_freedom).unwrap_or(u32::MAX);
        Self {
            chi_squared,
            degrees_of_freedom,
            p: beyond(degrees_of_freedom, chi_squared),
        }
    }
}

/// Of `places[i]`, the place of the i-th to come, counted from 1 and each given once.
pub fn rank_correlation(places: &[u32]) -> Option<Correlation> {
    let count = places.len() as f64;
    if count < 3.0 {
        return None;
    }
    let squares: f64 = (1..)
        .zip(places)
        .map(|(arrival, &place)| (f64::from(arrival) - f64::from(place)).powi(2))
        .sum();
    let coefficient = 1.0 - 6.0 * squares / (count * (count * count - 1.0));
    let z = coefficient * (count - 1.0).sqrt();
    Some(Correlation {
        coefficient,
        p: beyond(1, z * z),
    })
}

/// Whether numbers from 0 to 1 come up equally often everywhere.
pub fn uniformity(numbers: &[f64]) -> Option<Deviation> {
    let bins = (numbers.len() / 10).min(LOT_BINS_MAX);
    if bins < 2 {
        return None;
    }
    let mut counts = vec![0.0; bins];
    for number in numbers {
        let bin = (number * bins as f64) as usize;
        counts[bin.min(bins - 1)] += 1.0;
    }
    let expected = numbers.len() as f64 / bins as f64;
    let squares = counts
        .iter()
        .map(|count| (count - expected).powi(2) / expected);
    Some(Deviation::new(squares.sum(), bins - 1))
}

/// Whether those who came early succeeded as often as those who came late. None where all did,
/// where nobody did, or where they are too few.
pub fn homogeneity(succeeded: &[bool]) -> Option<Deviation> {
    let all = succeeded.len() as f64;
    let successes = succeeded.iter().filter(|it| **it).count() as f64;
    let rarer = successes.min(all - successes);
    let groups = GROUPS_MAX.min((rarer / EXPECTED_MIN) as usize);
    if groups < 2 {
        return None;
    }
    let share = successes / all;
    let squares = groups_of(succeeded, groups).map(|group| {
        let people = group.len() as f64;
        let successes = group.iter().filter(|it| **it).count() as f64;
        (successes - people * share).powi(2) / (people * share * (1.0 - share))
    });
    Some(Deviation::new(squares.sum(), groups - 1))
}

/// Parts of equal size, up to one, in order.
pub fn groups_of<T>(all: &[T], groups: usize) -> impl Iterator<Item = &[T]> {
    (0..groups).map(move |group| {
        let from = all.len() * group / groups;
        &all[from..all.len() * (group + 1) / groups]
    })
}

/// How often a normal variable around 0 is at least so far above it.
pub fn above(distance: f64, variance: f64) -> f64 {
    if variance <= 0.0 {
        return if distance > 0.0 { 0.0 } else { 1.0 };
    }
    let both = beyond(1, distance * distance / variance);
    if distance > 0.0 {
        both / 2.0
    } else {
        1.0 - both / 2.0
    }
}

/// How often chi-squared with so many degrees of freedom is `x` or more.
fn beyond(degrees_of_freedom: u32, x: f64) -> f64 {
    let a = f64::from(degrees_of_freedom) / 2.0;
    let x = x / 2.0;
    if x <= 0.0 {
        return 1.0;
    }
    // Beyond any doubt, and beyond what the sum below can hold.
    if x > 500.0 + 2.0 * a {
        return 0.0;
    }
    // The lower incomplete gamma function as a series of terms of one sign.
    let mut term = (a * x.ln() - x - ln_gamma_of_half(degrees_of_freedom + 2)).exp();
    let (mut below, mut n) = (0.0, a);
    while term > below * f64::EPSILON {
        below += term;
        n += 1.0;
        term *= x / n;
    }
    (1.0 - below).clamp(0.0, 1.0)
}

/// The logarithm of gamma(`halves` / 2).
fn ln_gamma_of_half(halves: u32) -> f64 {
    let (first, ln_gamma) = if halves.is_multiple_of(2) {
        (2, 0.0)
    } else {
        (1, std::f64::consts::PI.sqrt().ln())
    };
    let factors = (first..halves).step_by(2);
    ln_gamma
        + factors
            .map(|half| (f64::from(half) / 2.0).ln())
            .sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;

    /// Critical values as every table of chi-squared has them.
    #[test]
    fn chance_is_as_the_tables_say() {
        for (degrees_of_freedom, x, p) in [
            (1, 3.841, 0.05),
            (1, 6.635, 0.01),
            (2, 9.210, 0.01),
            (9, 16.919, 0.05),
            (9, 21.666, 0.01),
            (19, 36.191, 0.01),
            (9, 4.168, 0.90),
        ] {
            let ours = beyond(degrees_of_freedom, x);
            assert!((ours - p).abs() < 1e-4, "{degrees_of_freedom} {x}: {ours}");
        }
        for (distance, p) in [(1.645, 0.05), (-1.645, 0.95), (2.326, 0.01), (0.0, 0.5)] {
            let ours = above(distance * 2.0, 4.0);
            assert!((ours - p).abs() < 1e-4, "{distance}: {ours}");
        }
        assert_eq!((above(1.0, 0.0), above(0.0, 0.0)), (0.0, 1.0));
        assert_eq!(beyond(9, 0.0), 1.0);
        assert_eq!(beyond(9, 1e9), 0.0);
        assert!(beyond(9, 900.0) < 1e-9);
    }

    #[test]
    fn an_order_of_arrival_is_found_and_chance_is_not() {
        let first_come: Vec<u32> = (1..=200).collect();
        let found = rank_correlation(&first_come).unwrap();
        assert!((found.coefficient - 1.0).abs() < 1e-9 && found.p < 1e-9);
        let last_come: Vec<u32> = (1..=200).rev().collect();
        assert!((rank_correlation(&last_come).unwrap().coefficient + 1.0).abs() < 1e-9);
        let mut dice = Dice::new(1);
        let mut drawn = first_come;
        drawn.sort_by_cached_key(|_| dice.word());
        assert!(rank_correlation(&drawn).unwrap().p > 0.01);
        assert_eq!(rank_correlation(&[1, 2]), None);
    }

    #[test]
    fn early_winners_are_found_and_lucky_ones_are_not() {
        let mut dice = Dice::new(2);
        let lucky: Vec<bool> = (0..1000).map(|_| dice.chance(0.3)).collect();
        assert!(homogeneity(&lucky).unwrap().p > 0.01);
        let early: Vec<bool> = (0..1000).map(|it| it < 300).collect();
        assert!(homogeneity(&early).unwrap().p < 1e-9);
        assert_eq!(homogeneity(&[true; 100]), None);
        let few: Vec<bool> = (0..100).map(|it| it < 9).collect();
        assert_eq!(homogeneity(&few), None);
    }

    #[test]
    fn loaded_lots_are_found() {
        let mut dice = Dice::new(3);
        let fair: Vec<f64> = (0..2000).map(|_| dice.unit()).collect();
        assert!(uniformity(&fair).unwrap().p > 0.01);
        let loaded: Vec<f64> = fair.iter().map(|lot| lot * lot).collect();
        assert!(uniformity(&loaded).unwrap().p < 1e-9);
        assert_eq!(uniformity(&fair[..19]), None);
    }
}
