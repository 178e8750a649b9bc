//! The SQLite ledger, as it is, on a disk that loses what was not synced (I2): at whatever moment
//! the power fails, and whatever it takes, the ledger opens, its check finds nothing, and whoever
//! was told "kept" finds it kept. The seeds are fixed; MORGENRUH_TEST_EFFORT brings more of them.

mod judge;
mod life;
mod town;

mod again;
mod faults;
mod power;

use judge::Tally;

fn assert_unbroken(tally: &Tally) {
    println!("{tally:#?}");
    let first: Vec<&String> = tally.broken.iter().take(5).collect();
    let (broken, images) = (tally.broken.len(), tally.images);
    assert!(
        broken == 0,
        "{broken} of {images} are broken, the first: {first:#?}"
    );
}

#[test]
fn whoever_was_told_finds_it_after_a_power_failure() {
    let tally = power::run();
    assert_unbroken(&tally);
    assert!(tally.with_something_to_lose > 0 && tally.unheard > 0 && tally.checkpoints >= 10);
}

#[test]
fn whoever_was_told_finds_it_after_a_second_power_failure() {
    let tally = again::run();
    assert_unbroken(&tally);
    assert!(tally.with_something_to_lose > 0 && tally.unheard > 0);
}

#[test]
fn answers_are_true_whatever_call_fails() {
    let tally = faults::run();
    assert_unbroken(&tally);
    assert!(tally.not_opened > 0 && tally.refused > 0 && tally.unheard > 0);
}
