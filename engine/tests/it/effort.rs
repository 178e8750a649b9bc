//! How hard tests try.

use proptest::test_runner::Config;

/// `cases` cases of a property, times what MORGENRUH_TEST_EFFORT says.
#[expect(clippy::disallowed_methods, reason = "tests may be told to try harder")]
pub(crate) fn effort(cases: u32) -> Config {
    let effort = std::env::var("MORGENRUH_TEST_EFFORT")
        .ok()
        .and_then(|text| text.parse().ok());
    Config {
        cases: cases * effort.unwrap_or(1),
        ..Config::default()
    }
}
