//! Fetching the public random value for a draw, where the configuration names an address.
//!
//! It is asked for only a while after the release, so that what comes was published after the last
//! ticket was taken. Whatever goes wrong, the draw does not wait longer than its rules say.

use std::time::Duration;

use data_encoding::HEXLOWER;
use morgenruh_engine::rules::room::proof::{BEACON_BYTES_MAX, Beacon, NAME_BYTES_MAX};
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use morgenruh_engine::shell::rooms::RoomShard;
use serde::Deserialize;
use tokio::sync::watch;

use crate::app::App;
use crate::{clock, texts};

/// How often it is looked whether a draw waits for a value.
const LOOK: Duration = Duration::from_millis(500);
/// Time for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// The part of an answer that counts, as drand and others that speak like it give it.
#[derive(Deserialize)]
struct Answer {
    randomness: String,
    #[serde(default)]
    round: Option<u64>,
}

/// Runs until `stopped` says so; takes this thread.
pub(crate) fn run(app: &App, stopped: &watch::Receiver<bool>) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(ANSWER_WITHIN))
        .max_redirects(0)
        .build()
        .into();
    while !*stopped.borrow() {
        std::thread::sleep(LOOK);
        for room in app.engine.rooms().all() {
            let now = clock::now();
            let Some(address) = wanted(&room, now) else {
                continue;
            };
            match fetch(&agent, &address) {
                Ok((value, source)) => {
                    let at = texts::time(&app.catalogue().city.zone, clock::now());
                    room.set_beacon(Beacon { value, source, at });
                    tracing::info!(room = room.name, "the beacon for the draw has come");
                }
                Err(reason) => {
                    tracing::warn!(room = room.name, reason, "the beacon cannot be fetched");
                }
            }
        }
    }
}

/// Where to ask for the value of a room whose draw waits for it.
fn wanted(room: &RoomShard, now: UnixMillis) -> Option<String> {
    if room.beacon().is_some() {
        return None;
    }
    room.decide(|room| {
        let plan = room.plan();
        let beacons = plan.terms.beacons.as_ref().filter(|it| it.fetched)?;
        let after = Millis(i64::from(beacons.after_seconds) * 1_000);
        let is_time = now >= plan.release_at + after && room.drawn().is_none();
        is_time.then(|| beacons.source.clone())
    })
}

/// The value, and where anybody can look it up.
fn fetch(agent: &ureq::Agent, address: &str) -> Result<(Vec<u8>, String), String> {
    let mut response = agent.get(address).call().map_err(|it| it.to_string())?;
    let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
    let body = body.read_to_vec().map_err(|it| it.to_string())?;
    read(&body, address).ok_or_else(|| "its answer has no \"randomness\" in hexadecimal".to_owned())
}

fn read(body: &[u8], address: &str) -> Option<(Vec<u8>, String)> {
    let Answer { randomness, round } = serde_json::from_slice(body).ok()?;
    let value = HEXLOWER.decode(randomness.as_bytes()).ok()?;
    let source = match round {
        Some(round) => format!("{address} round {round}"),
        None => address.to_owned(),
    };
    let is_usable = (1..=BEACON_BYTES_MAX).contains(&value.len()) && source.len() <= NAME_BYTES_MAX;
    is_usable.then_some((value, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hexadecimal_randomness_is_taken() {
        let read = |body: &str| read(body.as_bytes(), "https://beacon.example.org/latest");
        let (value, source) = read(r#"{"round": 7, "randomness": "00ff", "more": 1}"#).unwrap();
        assert_eq!(value, [0, 255]);
        assert_eq!(source, "https://beacon.example.org/latest round 7");
        assert!(read(r#"{"randomness": "00ff"}"#).is_some());
        for body in [
            "",
            "00ff",
            r#"{"randomness": ""}"#,
            r#"{"randomness": "xy"}"#,
            "[]",
        ] {
            assert_eq!(read(body), None, "{body}");
        }
    }
}
