//! Two days of wishes, with the clock ten thousand times as fast.

use std::path::PathBuf;

use morgenruh_loadtest::agent::{self, AgentOptions, Habits, Report};

/// More people cancel than in life, so that two days have something to give out.
fn two_days() -> Report {
    let options = AgentOptions {
        serve: Some(PathBuf::from(env!("CARGO_BIN_EXE_morgenruh"))),
        folder: None,
        days: 2,
        speed: 10_000,
        seed: 1,
        habits: Habits {
            cancelled: 0.4,
            cancelled_late: 0.0,
            ..Habits::default()
        },
    };
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    runtime.block_on(agent::run(options)).unwrap()
}

/// Whether the aim is reached depends on people; whether promises are kept does not.
#[test]
fn two_days_of_wishes_keep_every_promise() {
    let report = two_days();
    let (service, told) = (&report.service, report.table());
    assert!(report.verdict.promises_kept, "{told}");
    assert!(service.wishes > 0 && report.by_hand.found > 0, "{told}");
    assert!(service.offers.ended() + service.unasked > 0, "{told}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["verdict"]["oversold"], 0);
    assert!(json["service"]["lost_share"].is_number());
}
