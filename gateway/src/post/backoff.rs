//! When something that could not be handed over is tried again.

use morgenruh_engine::rules::time::Millis;

/// Longest pause after the first try that failed.
pub(crate) const FIRST_PAUSE_MAX: Millis = Millis(10_000);
/// Longest pause after any try: an hour.
pub(crate) const PAUSE_MAX: Millis = Millis::from_minutes(60);

/// The pause after so many failed tries, counted from 1.
///
/// The longest possible pause doubles with each try, and the entropy places it in the upper half,
/// so that what failed together does not come back together.
pub(crate) fn pause(tries: u32, entropy: u64) -> Millis {
    let doublings = tries.saturating_sub(1).min(32);
    let longest = (FIRST_PAUSE_MAX.0 << doublings).min(PAUSE_MAX.0);
    let half = longest / 2;
    let part = entropy % (half.unsigned_abs() + 1);
    Millis(half + i64::try_from(part).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end_at_an_hour() {
        let longest = |tries| pause(tries, 0).0 * 2;
        let doubled = [1, 2, 3, 4].map(longest);
        assert_eq!(doubled, [10_000, 20_000, 40_000, 80_000]);
        for tries in [10, 33, 34, 1_000, u32::MAX] {
            assert_eq!(longest(tries), PAUSE_MAX.0, "{tries}");
        }
        assert_eq!(pause(0, 0), pause(1, 0));
    }

    #[test]
    fn a_pause_is_in_the_upper_half() {
        for tries in 0..40 {
            for entropy in [0, 1, 4_999, 5_000, 5_001, 1_799_999, 1_800_000, u64::MAX] {
                let longest = pause(tries, 0).0 * 2;
                let pause = pause(tries, entropy).0;
                assert!(
                    (longest / 2..=longest).contains(&pause),
                    "{tries} {entropy}"
                );
            }
        }
        assert_eq!(pause(1, 5_000), FIRST_PAUSE_MAX);
        assert_eq!(pause(20, 1_800_000), PAUSE_MAX);
    }
}
