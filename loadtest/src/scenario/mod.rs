//! The scenario file: who comes, when, for what, and what they do then.
//!
//! A scenario is an argument about a city, so every figure carries a tag and its source beside the
//! value. The file is read strictly: an unknown key is an error, and so is a share outside 0..=1.

mod waiting;

use serde::Deserialize;
use sha2::{Digest, Sha256};

pub use waiting::{Abandoners, Bots, Sharers, Waiting};

/// The scenario used where none is named.
pub const DEFAULT: &str = include_str!("../../../config/scenarios/duesseldorf-morning.toml");

/// Largest scenario file, in bytes.
pub const BYTES_MAX: u64 = 256 * 1024;

/// Phases of the arrival curve.
const PHASES_MAX: usize = 64;
/// Services and offices that a scenario can name, each.
const NAMES_MAX: usize = 1000;
/// Longest think time or phase boundary, in seconds of the morning.
const SECONDS_MAX: f64 = 86_400.0;
/// How often the rate can fall or rise e-fold within a phase: beyond these numbers nobody could
/// tell it from a constant rate or from a single instant, and neither can the arithmetic.
const FOLDS_MIN: f64 = 1e-6;
const FOLDS_MAX: f64 = 500.0;
/// Tries and reloads of one citizen.
const TRIES_MAX: u32 = 10_000;

/// Where a figure comes from.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Tag {
    /// A published figure.
    Evidence,
    /// Arithmetic on evidence.
    Derived,
    /// Chosen, because nobody has published it.
    Assumption,
}

/// A number that says where it comes from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure<T> {
    pub value: T,
    pub tag: Tag,
    pub source: String,
}

/// A morning.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    pub title: String,
    pub version: u32,
    pub people: People,
    /// The arrival curve, in order and without gaps.
    pub phase: Vec<Phase>,
    pub service: Vec<ServiceShare>,
    #[serde(default)]
    pub office: Vec<OfficeWeight>,
    pub need: Need,
    pub behaviour: Behaviour,
    pub waiting: Waiting,
    pub think: Think,
    /// Those who try to get more than their share; nobody, if it is absent.
    #[serde(default)]
    pub bots: Option<Bots>,
    #[serde(default)]
    pub sharers: Option<Sharers>,
    #[serde(default)]
    pub abandoners: Option<Abandoners>,
}

/// How many people come.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct People {
    pub calm: Figure<u32>,
    pub normal: Figure<u32>,
    pub busy: Figure<u32>,
    pub extreme: Figure<u32>,
}

/// A stretch of the arrival curve, in seconds from the release.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    pub from_s: f64,
    pub to_s: f64,
    /// Share of all people who arrive in this phase.
    pub share: Figure<f64>,
    /// Seconds in which the rate falls to 1/e; negative: in which it rises e-fold.
    pub fold_s: Figure<f64>,
}

/// How often a service is wanted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceShare {
    pub id: String,
    pub share: Figure<f64>,
}

/// How much an office is liked, in counters.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfficeWeight {
    pub id: String,
    pub weight: Figure<f64>,
}

/// What a citizen's need looks like.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Need {
    /// Share of needs for one person; the others draw a quantity from two up.
    pub one_person_share: Figure<f64>,
    /// Share of needs with a second service, where the first can be combined.
    pub two_services_share: Figure<f64>,
    /// Share of citizens who look at one office only.
    pub favourite_office_share: Figure<f64>,
    /// Offices that the others compare.
    pub offices_several: Figure<u32>,
}

/// What a citizen does.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Behaviour {
    pub leave_share: Figure<f64>,
    pub hold_expires_share: Figure<f64>,
    pub hold_released_share: Figure<f64>,
    /// Share of bookings that are cancelled during the run.
    pub cancelled_share: Figure<f64>,
    /// Share of confirmations that are sent twice with the same key.
    pub confirm_repeated_share: Figure<f64>,
    pub reload_every_s: Figure<f64>,
    pub reloads_before_release_max: Figure<u32>,
    pub reloads_after_release_max: Figure<u32>,
    pub hold_tries_max: Figure<u32>,
    /// Share of lost races after which an offered alternative is taken.
    pub alternative_share: Figure<f64>,
    /// Exponent of the choice among sorted starts; 1 is every start alike.
    pub early_bias: Figure<f64>,
}

/// Think times in seconds, drawn evenly between the two.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Think {
    pub choose_s: Figure<[f64; 2]>,
    pub form_s: Figure<[f64; 2]>,
    pub cancel_after_s: Figure<[f64; 2]>,
}

/// Why a scenario cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    #[error("the scenario is not what the format asks for: {0}")]
    Format(#[from] toml::de::Error),
    #[error("{key}: {reason}")]
    Value { key: String, reason: String },
}

impl Scenario {
    /// Reads a scenario and checks every figure against its bounds.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text)?;
        scenario.check_phases()?;
        scenario.check_choices()?;
        scenario.check_behaviour()?;
        scenario.check_waiting()?;
        Ok(scenario)
    }

    fn check_phases(&self) -> Result<(), ScenarioError> {
        within("phase", self.phase.len() as f64, 1.0, PHASES_MAX as f64)?;
        let mut end_s = None;
        for phase in &self.phase {
            within("phase.from_s", phase.from_s, -SECONDS_MAX, SECONDS_MAX)?;
            within("phase.to_s", phase.to_s, -SECONDS_MAX, SECONDS_MAX)?;
            share("phase.share", &phase.share)?;
            if !phase.fold_s.value.is_finite() || phase.fold_s.value == 0.0 {
                return Err(wrong("phase.fold_s", "must be a number other than 0"));
            }
            if phase.from_s >= phase.to_s || end_s.is_some_and(|end_s| end_s != phase.from_s) {
                return Err(wrong(
                    "phase",
                    "phases must follow each other without a gap",
                ));
            }
            let folds = (phase.to_s - phase.from_s) / phase.fold_s.value.abs();
            within("phase: its length in fold_s", folds, FOLDS_MIN, FOLDS_MAX)?;
            end_s = Some(phase.to_s);
        }
        let sum: f64 = self.phase.iter().map(|phase| phase.share.value).sum();
        if (sum - 1.0).abs() > 1e-6 {
            return Err(wrong(
                "phase.share",
                format!("the shares add up to {sum}, not to 1"),
            ));
        }
        Ok(())
    }

    fn check_choices(&self) -> Result<(), ScenarioError> {
        within("service", self.service.len() as f64, 1.0, NAMES_MAX as f64)?;
        within("office", self.office.len() as f64, 0.0, NAMES_MAX as f64)?;
        for service in &self.service {
            share(&format!("service {}", service.id), &service.share)?;
        }
        if self
            .service
            .iter()
            .map(|service| service.share.value)
            .sum::<f64>()
            <= 0.0
        {
            return Err(wrong("service", "somebody must want something"));
        }
        for office in &self.office {
            within(
                &format!("office {}", office.id),
                office.weight.value,
                0.0,
                1e6,
            )?;
        }
        share("need.one_person_share", &self.need.one_person_share)?;
        share("need.two_services_share", &self.need.two_services_share)?;
        share(
            "need.favourite_office_share",
            &self.need.favourite_office_share,
        )?;
        within(
            "need.offices_several",
            f64::from(self.need.offices_several.value),
            1.0,
            100.0,
        )
    }

    fn check_behaviour(&self) -> Result<(), ScenarioError> {
        let behaviour = &self.behaviour;
        for (key, figure) in [
            ("behaviour.leave_share", &behaviour.leave_share),
            (
                "behaviour.hold_expires_share",
                &behaviour.hold_expires_share,
            ),
            (
                "behaviour.hold_released_share",
                &behaviour.hold_released_share,
            ),
            ("behaviour.cancelled_share", &behaviour.cancelled_share),
            (
                "behaviour.confirm_repeated_share",
                &behaviour.confirm_repeated_share,
            ),
            ("behaviour.alternative_share", &behaviour.alternative_share),
        ] {
            share(key, figure)?;
        }
        let never_confirmed = behaviour.leave_share.value
            + behaviour.hold_expires_share.value
            + behaviour.hold_released_share.value;
        within(
            "behaviour: leave, expire and release together",
            never_confirmed,
            0.0,
            1.0,
        )?;
        for (key, figure) in [
            (
                "behaviour.reloads_before_release_max",
                &behaviour.reloads_before_release_max,
            ),
            (
                "behaviour.reloads_after_release_max",
                &behaviour.reloads_after_release_max,
            ),
            ("behaviour.hold_tries_max", &behaviour.hold_tries_max),
        ] {
            within(key, f64::from(figure.value), 1.0, f64::from(TRIES_MAX))?;
        }
        within(
            "behaviour.reload_every_s",
            behaviour.reload_every_s.value,
            0.1,
            SECONDS_MAX,
        )?;
        within(
            "behaviour.early_bias",
            behaviour.early_bias.value,
            0.1,
            100.0,
        )?;
        for (key, figure) in [
            ("think.choose_s", &self.think.choose_s),
            ("think.form_s", &self.think.form_s),
            ("think.cancel_after_s", &self.think.cancel_after_s),
        ] {
            let [least, most] = figure.value;
            within(key, least, 0.0, SECONDS_MAX)?;
            within(key, most, least, SECONDS_MAX)?;
        }
        Ok(())
    }
}

/// SHA-256 of a scenario's text, lowercase hex: names the scenario in a report.
pub fn sha256(text: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

fn share(key: &str, figure: &Figure<f64>) -> Result<(), ScenarioError> {
    within(key, figure.value, 0.0, 1.0)
}

fn within(key: &str, value: f64, least: f64, most: f64) -> Result<(), ScenarioError> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(wrong(
            key,
            format!("{value} is not within {least} and {most}"),
        ))
    }
}

fn wrong(key: &str, reason: impl Into<String>) -> ScenarioError {
    ScenarioError::Value {
        key: key.to_owned(),
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(from: &str, to: &str) -> String {
        let text = DEFAULT.replacen(from, to, 1);
        assert_ne!(text, DEFAULT, "nothing was replaced");
        Scenario::parse(&text).unwrap_err().to_string()
    }

    #[test]
    fn the_default_scenario_is_complete() {
        let scenario = Scenario::parse(DEFAULT).unwrap();
        assert_eq!(scenario.people.busy.value, 6500);
        assert_eq!(scenario.phase.len(), 5);
        let mix: f64 = scenario
            .service
            .iter()
            .map(|service| service.share.value)
            .sum();
        assert!((mix - 1.0).abs() < 1e-9, "the mix adds up to {mix}");
        assert_eq!(sha256(DEFAULT).len(), 64);
    }

    /// A copy that says the same of people, and more of others.
    #[test]
    fn the_rush_is_the_same_morning_with_others() {
        const RUSH: &str = include_str!("../../../config/scenarios/duesseldorf-rush.toml");
        let rush = Scenario::parse(RUSH).unwrap();
        assert_eq!(rush.bots.unwrap().sessions.value, 5000);
        let table = |text: &str| {
            let mut table: toml::Table = text.parse().unwrap();
            for key in ["title", "bots", "sharers", "abandoners"] {
                table.remove(key);
            }
            table
        };
        assert_eq!(table(RUSH), table(DEFAULT));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(refused("leave_share", "leaves").contains("leaves"));
        assert!(refused("value = 0.35", "value = 0.45").contains("add up to 1.1"));
        assert!(refused("from_s = 10", "from_s = 11").contains("without a gap"));
        assert!(refused("value = 4.0", "value = 4e9").contains("in fold_s"));
        assert!(
            refused(
                "leave_share = { value = 0.10",
                "leave_share = { value = 1.1"
            )
            .contains("leave_share")
        );
        assert!(refused("tag = \"derived\"", "tag = \"rumour\"").contains("rumour"));
        assert!(refused("[1.0, 8.0]", "[8.0, 1.0]").contains("choose_s"));
    }
}
