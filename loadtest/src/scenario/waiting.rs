//! What a scenario says of waiting rooms: how people wait, and who wants more than a place in line.

use serde::Deserialize;

use super::{Figure, SECONDS_MAX, Scenario, ScenarioError, TRIES_MAX, share, within};

/// Sessions and tickets of each kind of those who are no citizens.
const SESSIONS_MAX: f64 = 1e6;

/// What a citizen does in a waiting room. Its own times (when to ask again, how fast places are
/// called) are the service's, and `--speed` does not change them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiting {
    /// Whoever is to give up does so after one to so many looks at the place.
    pub gives_up_after_looks_max: Figure<u32>,
    /// Share of those who give up without saying so: their place is called for nothing.
    pub silent_share: Figure<f64>,
    /// Goes home when nobody ahead was called for so long, in seconds of the morning.
    pub patience_s: Figure<f64>,
}

/// Sessions that come the moment they can, ask as fast as they may, and try everything too early.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bots {
    pub sessions: Figure<u32>,
    /// Share of those who come when the room opens; the others come at the release.
    pub opening_share: Figure<f64>,
    /// All of them come within this time, in milliseconds as they pass in the run.
    pub within_ms: Figure<f64>,
}

/// Tickets that several clients use at the same time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sharers {
    pub tickets: Figure<u32>,
    /// Clients of each ticket.
    pub clients: Figure<u32>,
    /// Holds that the room allows one pass at once.
    pub holds_per_pass: Figure<u32>,
}

/// Sessions that hold seats and give them back.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Abandoners {
    pub sessions: Figure<u32>,
    /// Seats that each gives back before it leaves one to expire.
    pub rounds: Figure<u32>,
}

impl Scenario {
    pub(super) fn check_waiting(&self) -> Result<(), ScenarioError> {
        let waiting = &self.waiting;
        let looks = f64::from(waiting.gives_up_after_looks_max.value);
        within(
            "waiting.gives_up_after_looks_max",
            looks,
            1.0,
            f64::from(TRIES_MAX),
        )?;
        share("waiting.silent_share", &waiting.silent_share)?;
        within(
            "waiting.patience_s",
            waiting.patience_s.value,
            1.0,
            SECONDS_MAX,
        )?;
        if let Some(bots) = &self.bots {
            sessions("bots.sessions", &bots.sessions)?;
            share("bots.opening_share", &bots.opening_share)?;
            within("bots.within_ms", bots.within_ms.value, 0.0, 60_000.0)?;
        }
        if let Some(sharers) = &self.sharers {
            sessions("sharers.tickets", &sharers.tickets)?;
            within(
                "sharers.clients",
                f64::from(sharers.clients.value),
                1.0,
                1_000.0,
            )?;
            let holds = f64::from(sharers.holds_per_pass.value);
            within("sharers.holds_per_pass", holds, 1.0, 10.0)?;
        }
        if let Some(abandoners) = &self.abandoners {
            sessions("abandoners.sessions", &abandoners.sessions)?;
            let rounds = f64::from(abandoners.rounds.value);
            within("abandoners.rounds", rounds, 0.0, f64::from(TRIES_MAX))?;
        }
        Ok(())
    }
}

fn sessions(key: &str, figure: &Figure<u32>) -> Result<(), ScenarioError> {
    within(key, f64::from(figure.value), 0.0, SESSIONS_MAX)
}
