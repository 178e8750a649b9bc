//! Deadlines in a ring of one-second buckets: late, never early.
//!
//! A hold costs one push; a second that passes costs one bucket. What lies further ahead than the
//! ring reaches waits in the last bucket and is filed again when that comes round.

use super::time::UnixMillis;

/// Buckets of one second: a little over an hour.
const BUCKETS: usize = 4_096;

/// Things that fall due.
#[derive(Debug)]
pub struct Wheel<T> {
    buckets: Vec<Vec<(UnixMillis, T)>>,
    /// The second whose bucket is emptied next.
    next_second: i64,
    len: usize,
}

impl<T> Wheel<T> {
    pub fn new(now: UnixMillis) -> Wheel<T> {
        let buckets = std::iter::repeat_with(Vec::new).take(BUCKETS).collect();
        Wheel {
            buckets,
            next_second: second(now),
            len: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn insert(&mut self, due: UnixMillis, item: T) {
        // Rounded up, so that a bucket is only emptied when all in it is due.
        let due_second = due.0.saturating_add(999).div_euclid(1_000);
        let last_second = self.next_second + BUCKETS as i64 - 1;
        let bucket = self.bucket(due_second.clamp(self.next_second, last_second));
        self.buckets[bucket].push((due, item));
        self.len += 1;
    }

    /// Takes out everything due at `now` and hands it to `fire`.
    pub fn advance(&mut self, now: UnixMillis, mut fire: impl FnMut(UnixMillis, T)) {
        let now_second = second(now);
        if now_second + 1 < self.next_second {
            self.turn_back(now_second);
        }
        // After a jump of more than a turn every bucket is emptied once.
        let turns_end = self.next_second + BUCKETS as i64;
        let mut not_yet = Vec::new();
        while self.next_second <= now_second {
            if self.next_second >= turns_end {
                self.next_second = now_second + 1;
                break;
            }
            let bucket = self.bucket(self.next_second);
            for (due, item) in std::mem::take(&mut self.buckets[bucket]) {
                self.len -= 1;
                if due <= now {
                    fire(due, item);
                } else {
                    not_yet.push((due, item));
                }
            }
            self.next_second += 1;
        }
        for (due, item) in not_yet {
            self.insert(due, item);
        }
    }

    /// Files everything anew after the clock was set back; otherwise nothing would fire until it
    /// has caught up, and a seat could stay taken for as long as the clock had been ahead.
    fn turn_back(&mut self, now_second: i64) {
        let items: Vec<_> = self.buckets.iter_mut().flat_map(std::mem::take).collect();
        self.next_second = now_second;
        self.len = 0;
        for (due, item) in items {
            self.insert(due, item);
        }
    }

    fn bucket(&self, second: i64) -> usize {
        second.rem_euclid(BUCKETS as i64) as usize
    }
}

fn second(instant: UnixMillis) -> i64 {
    instant.0.div_euclid(1_000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fired(wheel: &mut Wheel<u32>, now: i64) -> Vec<u32> {
        let mut fired = Vec::new();
        wheel.advance(UnixMillis(now), |due, item| {
            assert!(due.0 <= now, "early");
            fired.push(item);
        });
        fired
    }

    #[test]
    fn nothing_fires_early_and_all_within_a_second() {
        let mut wheel = Wheel::new(UnixMillis(10_000));
        wheel.insert(UnixMillis(12_500), 1);
        assert_eq!(fired(&mut wheel, 12_499), [] as [u32; 0]);
        assert_eq!(fired(&mut wheel, 13_500), [1]);
        assert!(wheel.is_empty());
    }

    #[test]
    fn the_past_fires_at_the_next_advance() {
        let mut wheel = Wheel::new(UnixMillis(10_000));
        wheel.insert(UnixMillis(3), 1);
        assert_eq!(fired(&mut wheel, 10_000), [1]);
    }

    #[test]
    fn a_clock_that_is_set_back_fires_in_its_own_time() {
        let mut wheel = Wheel::new(UnixMillis(10_000_000));
        wheel.insert(UnixMillis(10_500_000), 1);
        assert_eq!(fired(&mut wheel, 9_000_000), [] as [u32; 0]);
        wheel.insert(UnixMillis(9_001_000), 2);
        assert_eq!(fired(&mut wheel, 9_001_000), [2]);
        assert_eq!(fired(&mut wheel, 10_500_000), [1]);
    }

    proptest! {
        #[test]
        fn every_item_fires_once_whatever_the_clock_does(
            dues in prop::collection::vec(0i64..20_000_000, 1..60),
            jumps in prop::collection::vec(-3_000_000i64..9_000_000, 1..40),
        ) {
            let mut wheel = Wheel::new(UnixMillis(1_000_000));
            for (item, due) in dues.iter().enumerate() {
                wheel.insert(UnixMillis(*due), item as u32);
            }
            let mut now = 1_000_000;
            let mut seen = Vec::new();
            for jump in jumps {
                now += jump;
                seen.extend(fired(&mut wheel, now));
            }
            seen.extend(fired(&mut wheel, 40_000_000));
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..dues.len() as u32).collect::<Vec<_>>());
            prop_assert!(wheel.is_empty());
        }
    }
}
