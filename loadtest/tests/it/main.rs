//! The whole tool against a town hall of one office that can break its word on purpose.
//!
//! A verdict that never fails proves nothing. So each way of breaking the word is planted once,
//! and the run must name it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there"
)]

mod hall;
mod town;

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use morgenruh_loadtest::api::Api;
use morgenruh_loadtest::client::Client;
use morgenruh_loadtest::morning::{self, MorningOptions, read_city};
use morgenruh_loadtest::report::Report;
use morgenruh_loadtest::storm::Storm;
use morgenruh_loadtest::verdict::{Checked, Found};
use morgenruh_loadtest::{readback, record, scenario};
use town::{Fault, open, open_with_hall};

fn connect(base: &str) -> Arc<Api> {
    Arc::new(Api::new(Client::new(
        base.parse().unwrap(),
        32,
        Duration::from_secs(5),
    )))
}

/// The same people, with bots, shared tickets and holds for nothing beside them.
async fn queue(fault: Fault) -> Report {
    let base = open_with_hall(fault, SignedDuration::from_millis(1_500));
    let rush = include_str!("../../../config/scenarios/duesseldorf-rush.toml");
    let fewer = rush.replace("tickets = { value = 40", "tickets = { value = 12");
    let options = MorningOptions {
        scenario: fewer.replace("sessions = { value = 40", "sessions = { value = 12"),
        people: Some(200),
        speed: 2000.0,
        seed: 1,
        bots: Some(60),
        ..MorningOptions::default()
    };
    morning::run(connect(&base), options).await.unwrap()
}

async fn breaks(fault: Fault, words: &str) {
    let report = queue(fault).await;
    assert!(!report.verdict.holds, "{}", report.table());
    let broken = &report.fairness[0].broken;
    assert!(
        broken.iter().any(|it| it.contains(words)),
        "{}",
        report.table()
    );
}

async fn play(base: &str) -> Report {
    let repeated = "confirm_repeated_share = { value = 0.";
    let scenario = scenario::DEFAULT.replace(&format!("{repeated}05"), &format!("{repeated}5"));
    let options = MorningOptions {
        scenario,
        people: Some(200),
        speed: 2000.0,
        seed: 1,
        ..MorningOptions::default()
    };
    morning::run(connect(base), options).await.unwrap()
}

async fn play_with(fault: Fault) -> Report {
    play(&open(fault, SignedDuration::from_millis(600))).await
}

/// 32 seats, 200 people: the seats go, most people go home without one, every promise is kept.
#[tokio::test]
async fn an_honest_town_hall_passes() {
    let report = play_with(Fault::None).await;
    let verdict = &report.verdict;
    assert!(verdict.holds, "{}", report.table());
    assert!((15..=32).contains(&verdict.booked), "{}", report.table());
    assert_eq!(report.manifest.offices, ["bilk"]);
    assert!(report.manifest.release_at.is_some());
    assert_eq!(report.figures.endings.values().sum::<u64>(), 200);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["manifest"]["service"], "loopback");
    assert!(json["figures"]["calls"][0]["latency"]["p99_ms"].is_number());
}

#[tokio::test]
async fn a_seat_given_out_twice_is_found() {
    let report = play_with(Fault::SellsTwice).await;
    assert!(!report.verdict.holds);
    assert!(report.verdict.oversold > 0, "{}", report.table());
    assert!(report.verdict.over_capacity > 0, "{}", report.table());
}

#[tokio::test]
async fn a_forgotten_booking_is_found() {
    let report = play_with(Fault::Forgets).await;
    assert!(!report.verdict.holds);
    assert!(report.verdict.lost > 0, "{}", report.table());
}

#[tokio::test]
async fn a_key_that_is_ignored_is_found() {
    let report = play_with(Fault::IgnoresKeys).await;
    assert!(report.verdict.repeats_unequal > 0, "{}", report.table());
}

#[tokio::test]
async fn an_error_of_the_service_is_found() {
    let report = play_with(Fault::Stumbles).await;
    assert!(!report.verdict.holds);
    assert!(report.verdict.unexpected_answers > 0, "{}", report.table());
}

#[tokio::test]
async fn without_a_release_everything_is_open_and_the_report_says_so() {
    let report = play(&open(Fault::None, SignedDuration::ZERO)).await;
    assert!(report.verdict.holds, "{}", report.table());
    assert!(
        report
            .manifest
            .notes
            .iter()
            .any(|note| note.contains("everything is open"))
    );
}

#[tokio::test]
async fn an_honest_waiting_room_passes() {
    let report = queue(Fault::None).await;
    assert!(report.verdict.holds, "{}", report.table());
    let fairness = &report.fairness[0];
    assert!(
        fairness.proof_holds && fairness.drawn > 60,
        "{}",
        report.table()
    );
    assert!(fairness.early_refused > 0, "{}", report.table());
    assert_eq!(report.manifest.rooms, [hall::ID]);
    assert_eq!(report.figures.endings.values().sum::<u64>(), 200);
}

#[tokio::test]
async fn a_line_by_arrival_is_found() {
    breaks(Fault::FirstCome, "elsewhere than the draw says").await;
}

#[tokio::test]
async fn a_place_that_gets_worse_is_found() {
    breaks(Fault::SendsBack, "made a place worse").await;
}

#[tokio::test]
async fn a_pass_before_the_turn_is_found() {
    breaks(Fault::LetsIn, "before the turn").await;
}

#[tokio::test]
async fn a_second_pass_is_found() {
    breaks(Fault::CopiesPasses, "live one").await;
}

#[tokio::test]
async fn holds_without_number_are_found() {
    breaks(Fault::HoldsMore, "holds at once").await;
}

#[tokio::test]
async fn a_seat_without_a_pass_is_found() {
    breaks(Fault::NeedsNoPass, "without a pass").await;
}

#[tokio::test]
async fn another_secret_is_found() {
    breaks(Fault::ChangesTheSecret, "root should be").await;
}

/// What a storm recorded is there afterwards; against another town hall it is not.
#[tokio::test]
async fn a_storm_leaves_a_record_that_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.jsonl");
    let api = connect(&open(Fault::None, SignedDuration::ZERO));
    let city = read_city(&api, &[]).await.unwrap();
    let storm = Storm::new(Arc::clone(&api), city, &path, Duration::from_secs(20), 1).unwrap();
    let aftermath = storm.run(4).await.unwrap();
    assert_eq!(
        (aftermath.acknowledged, aftermath.clients_sold_out),
        (32, 4)
    );

    let recorded = record::read(&path).unwrap();
    assert_eq!(recorded.len(), 32);
    let missing = |checked: Vec<Checked>| {
        checked
            .iter()
            .filter(|one| matches!(one.found, Found::Missing))
            .count()
    };
    assert_eq!(missing(readback::read_all(&api, recorded.clone()).await), 0);
    let other = connect(&open(Fault::None, SignedDuration::ZERO));
    assert_eq!(missing(readback::read_all(&other, recorded).await), 32);
}
