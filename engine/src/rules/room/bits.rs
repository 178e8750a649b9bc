//! One bit a ticket: all that is remembered of somebody who waits.

/// A set of small numbers that grows with the largest of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Bits {
    words: Vec<u64>,
}

impl Bits {
    pub(super) fn contains(&self, number: u32) -> bool {
        let word = self.words.get(number as usize / 64);
        word.is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Returns whether it is new.
    pub(super) fn insert(&mut self, number: u32) -> bool {
        let place = number as usize / 64;
        if place >= self.words.len() {
            self.words.resize(place + 1, 0);
        }
        let bit = 1 << (number % 64);
        let is_new = self.words[place] & bit == 0;
        self.words[place] |= bit;
        is_new
    }
}
