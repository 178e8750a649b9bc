//! Reproducible chance: SplitMix64.
//!
//! A load test needs speed and a seed that means the same on every machine and in every version,
//! not secrecy; ten lines give that without a dependency whose stream may change.

/// A stream of pseudo-random numbers that a seed determines.
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A stream of its own for the `index`-th citizen: what one does never shifts another.
    pub fn of(seed: u64, index: u64) -> Self {
        let mut dice = Self::new(seed ^ index.wrapping_mul(0xd134_2543_de82_ef95));
        dice.word();
        dice
    }

    pub fn word(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// Evenly between 0 (included) and 1 (excluded).
    pub fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Evenly between the two.
    pub fn between(&mut self, [least, most]: [f64; 2]) -> f64 {
        least + (most - least) * self.unit()
    }

    /// True with this probability.
    pub fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// Evenly below `count`; 0 if `count` is 0.
    pub fn below(&mut self, count: usize) -> usize {
        ((self.unit() * count as f64) as usize).min(count.saturating_sub(1))
    }

    /// An index in proportion to the weights; `None` if there is no weight at all.
    pub fn weighted(&mut self, weights: &[f64]) -> Option<usize> {
        let mut left = self.unit() * weights.iter().sum::<f64>();
        let mut last = None;
        for (index, &weight) in weights.iter().enumerate() {
            if weight > 0.0 {
                last = Some(index);
                if left < weight {
                    break;
                }
                left -= weight;
            }
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first outputs for seed 0 are published with the algorithm.
    #[test]
    fn the_stream_is_splitmix64() {
        let mut dice = Dice::new(0);
        assert_eq!(dice.word(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(dice.word(), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn weights_are_proportions() {
        let mut dice = Dice::new(1);
        let mut hits = [0u32; 3];
        for _ in 0..10_000 {
            hits[dice.weighted(&[1.0, 0.0, 3.0]).unwrap()] += 1;
        }
        assert_eq!(hits[1], 0);
        assert!((2300..2700).contains(&hits[0]), "{hits:?}");
        assert_eq!(dice.weighted(&[]), None);
        assert_eq!(dice.weighted(&[0.0]), None);
        assert_eq!(dice.below(0), 0);
    }
}
