//! The plan of a run: what every citizen wants and will do, drawn from the seed before it starts.
//!
//! What depends on answers (which start, which alternative) is drawn later from the citizen's own
//! dice, so that one citizen's luck never shifts another's.

use std::collections::BTreeMap;
use std::ops::Range;

use morgenruh_wire::{Person, ServiceQuantity};

use crate::arrivals::Curve;
use crate::city::{City, Target};
use crate::dice::Dice;
use crate::room::watch::Who;
use crate::scenario::{Figure, Scenario};

/// Sets a citizen's dice apart from those of the arrival curve.
const CITIZENS: u64 = 0x6369_7469_7a65_6e73;

/// Sets the dice of everybody else apart from theirs.
const OTHERS: u64 = 0x6f74_6865_7273;

/// What a citizen will do once a seat is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Look once and leave; in a waiting room, give up after some looks.
    Leave,
    /// Hold a seat and never come back.
    LetExpire,
    /// Hold a seat and give it back.
    GiveBack,
    /// Book, and keep it.
    Keep,
    /// Book, and cancel afterwards.
    Cancel,
}

/// One citizen before the morning.
#[derive(Clone, Debug)]
pub struct Citizen {
    /// Place in the order of arrival, from 0.
    pub index: u32,
    /// Seconds of the morning from the release.
    pub arrives_s: f64,
    pub need: Vec<ServiceQuantity>,
    pub offices: Vec<String>,
    /// First and last day that this citizen looks at, `YYYY-MM-DD`.
    pub days: [String; 2],
    pub intent: Intent,
    pub confirms_twice: bool,
    pub who: Who,
    pub dice: Dice,
}

impl Citizen {
    /// Whether this one takes whatever suits, to the end.
    pub fn seeks(&self) -> bool {
        matches!(self.who, Who::Human | Who::Bot)
            && matches!(self.intent, Intent::Keep | Intent::Cancel)
    }

    /// The person who books. Names and addresses are made up; `run` keeps runs apart.
    pub fn person(&self, run: &str) -> Person {
        Person {
            name: format!("Lasttest {}", self.index),
            email: format!("lasttest-{run}-{}@example.org", self.index),
            // One for each: a waiting room knows people by it. All begin like those that nobody
            // has.
            phone: Some(format!("+49 30 23125{:06}", self.index)),
        }
    }
}

/// All citizens in the order of their arrival, and what the reader of a report must know.
#[derive(Clone, Debug)]
pub struct Plan {
    pub citizens: Vec<Citizen>,
    pub notes: Vec<String>,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
#[error("nothing in the scenario can be booked at these offices; write one for this city")]
pub struct NothingToDo;

impl Plan {
    /// Draws `people` citizens.
    pub fn new(
        scenario: &Scenario,
        city: &City,
        target: &Target,
        people: u32,
        seed: u64,
    ) -> Result<Self, NothingToDo> {
        let wants = Wants::new(scenario, city, target)?;
        let arrivals = Curve::new(&scenario.phase).plan(people, &mut Dice::new(seed));
        let citizens = arrivals.into_iter().zip(0..).map(|(arrives_s, index)| {
            let mut dice = Dice::of(seed ^ CITIZENS, u64::from(index));
            let (need, offices) = wants.draw(&mut dice);
            let days = target
                .days(&offices)
                .unwrap_or_default()
                .map(|day| day.to_string());
            let intent = draw_intent(scenario, &mut dice);
            let confirms_twice = dice.chance(scenario.behaviour.confirm_repeated_share.value);
            Citizen {
                index,
                arrives_s,
                need,
                offices,
                days,
                intent,
                confirms_twice,
                who: Who::Human,
                dice,
            }
        });
        Ok(Self {
            citizens: citizens.collect(),
            notes: wants.notes,
        })
    }

    /// Draws others who want what people want. They have no curve: they come when they are sent.
    pub fn others(
        scenario: &Scenario,
        city: &City,
        target: &Target,
        who: Who,
        indices: Range<u32>,
        seed: u64,
    ) -> Result<Vec<Citizen>, NothingToDo> {
        let wants = Wants::new(scenario, city, target)?;
        let others = indices.map(|index| {
            let mut dice = Dice::of(seed ^ OTHERS, u64::from(index));
            let (need, offices) = wants.draw(&mut dice);
            let days = target.days(&offices).unwrap_or_default();
            Citizen {
                index,
                arrives_s: 0.0,
                need,
                offices,
                days: days.map(|day| day.to_string()),
                intent: Intent::Keep,
                confirms_twice: false,
                who,
                dice,
            }
        });
        Ok(others.collect())
    }
}

fn draw_intent(scenario: &Scenario, dice: &mut Dice) -> Intent {
    let behaviour = &scenario.behaviour;
    let mut lot = dice.unit();
    let mut falls_to = |share: &Figure<f64>| {
        lot -= share.value;
        lot < 0.0
    };
    if falls_to(&behaviour.leave_share) {
        Intent::Leave
    } else if falls_to(&behaviour.hold_expires_share) {
        Intent::LetExpire
    } else if falls_to(&behaviour.hold_released_share) {
        Intent::GiveBack
    } else if dice.chance(behaviour.cancelled_share.value) {
        Intent::Cancel
    } else {
        Intent::Keep
    }
}

/// What can be wanted in this city, with the scenario's shares.
struct Wants<'a> {
    scenario: &'a Scenario,
    city: &'a City,
    offices: Vec<&'a String>,
    services: Vec<&'a str>,
    shares: Vec<f64>,
    weights: BTreeMap<&'a str, f64>,
    notes: Vec<String>,
}

impl<'a> Wants<'a> {
    fn new(
        scenario: &'a Scenario,
        city: &'a City,
        target: &'a Target,
    ) -> Result<Self, NothingToDo> {
        let offered = |id: &str| {
            target
                .offices
                .keys()
                .any(|office| city.serves(office, &one(id)))
        };
        let (known, unknown): (Vec<_>, Vec<_>) = scenario
            .service
            .iter()
            .partition(|service| offered(&service.id));
        if known.is_empty() {
            return Err(NothingToDo);
        }
        let mut notes = Vec::new();
        if !unknown.is_empty() {
            let names: Vec<_> = unknown.iter().map(|service| service.id.as_str()).collect();
            let share: f64 = unknown.iter().map(|service| service.share.value).sum();
            notes.push(format!(
                "{:.0} % of the mix is not offered here and is spread over the rest: {}",
                share * 100.0,
                names.join(", ")
            ));
        }
        let mut weights: BTreeMap<&str, f64> = city
            .offices
            .values()
            .map(|office| (office.id.as_str(), f64::from(office.counters)))
            .collect();
        for office in &scenario.office {
            match weights.get_mut(office.id.as_str()) {
                Some(weight) => *weight = office.weight.value,
                None => notes.push(format!("there is no office {:?} to weigh here", office.id)),
            }
        }
        Ok(Self {
            scenario,
            city,
            offices: target.offices.keys().collect(),
            services: known.iter().map(|service| service.id.as_str()).collect(),
            shares: known.iter().map(|service| service.share.value).collect(),
            weights,
            notes,
        })
    }

    fn draw(&self, dice: &mut Dice) -> (Vec<ServiceQuantity>, Vec<String>) {
        let drawn = dice
            .weighted(&self.shares)
            .and_then(|index| self.services.get(index));
        let mut need = one(drawn
            .or_else(|| self.services.first())
            .copied()
            .unwrap_or_default());
        self.draw_quantity(&mut need, dice);
        self.draw_second(&mut need, dice);
        let offices = self.draw_offices(&need, dice);
        (need, offices)
    }

    fn draw_quantity(&self, need: &mut [ServiceQuantity], dice: &mut Dice) {
        if dice.chance(self.scenario.need.one_person_share.value) {
            return;
        }
        let Some(part) = need.first_mut() else { return };
        let most = self
            .offices
            .iter()
            .filter_map(|&office| self.city.offices.get(office))
            .flat_map(|office| &office.services)
            .filter(|offer| offer.id == part.id)
            .map(|offer| offer.quantity_max)
            .max();
        let further = dice.below(usize::from(most.unwrap_or(1)).saturating_sub(1));
        if most.is_some_and(|most| most >= 2) {
            part.quantity = 2 + u8::try_from(further).unwrap_or(0);
        }
    }

    fn draw_second(&self, need: &mut Vec<ServiceQuantity>, dice: &mut Dice) {
        if !dice.chance(self.scenario.need.two_services_share.value) {
            return;
        }
        let combines = need
            .first()
            .and_then(|first| self.city.combines.get(&first.id));
        let Some(combines) = combines else { return };
        let shares: Vec<f64> = self
            .services
            .iter()
            .zip(&self.shares)
            .map(|(&id, &share)| {
                let mut both = need.clone();
                both.extend(one(id));
                let wanted = combines.contains(id) && need.iter().all(|part| part.id != id);
                let served = || {
                    self.offices
                        .iter()
                        .any(|office| self.city.serves(office, &both))
                };
                if wanted && served() { share } else { 0.0 }
            })
            .collect();
        if let Some(&second) = dice
            .weighted(&shares)
            .and_then(|index| self.services.get(index))
        {
            need.extend(one(second));
        }
    }

    /// Favourite offices in the order of liking, in proportion to their weights.
    fn draw_offices(&self, need: &[ServiceQuantity], dice: &mut Dice) -> Vec<String> {
        let several = self.scenario.need.offices_several.value as usize;
        let favourite = dice.chance(self.scenario.need.favourite_office_share.value);
        let mut serving: Vec<_> = self
            .offices
            .iter()
            .copied()
            .filter(|office| self.city.serves(office, need))
            .collect();
        let mut chosen = Vec::new();
        while chosen.len() < if favourite { 1 } else { several } && !serving.is_empty() {
            let weight = |office: &&String| self.weights.get(office.as_str()).copied();
            let weights: Vec<f64> = serving
                .iter()
                .map(|office| weight(office).unwrap_or(1.0))
                .collect();
            let index = dice.weighted(&weights).unwrap_or(0);
            chosen.push(serving.swap_remove(index).clone());
        }
        chosen
    }
}

fn one(id: &str) -> Vec<ServiceQuantity> {
    vec![ServiceQuantity {
        id: id.to_owned(),
        quantity: 1,
    }]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::city::tests::duesseldorf;
    use crate::scenario::DEFAULT;

    fn plan(people: u32, seed: u64) -> Plan {
        let scenario = Scenario::parse(DEFAULT).unwrap();
        let city = duesseldorf(&[]).unwrap();
        let target = city.target(Duration::from_secs(300)).unwrap();
        Plan::new(&scenario, &city, &target, people, seed).unwrap()
    }

    #[test]
    fn everybody_wants_something_that_an_office_offers() {
        let city = duesseldorf(&[]).unwrap();
        let plan = plan(2000, 1);
        for citizen in &plan.citizens {
            assert!(!citizen.offices.is_empty(), "{citizen:?}");
            for office in &citizen.offices {
                assert!(city.serves(office, &citizen.need), "{citizen:?}");
                assert_ne!(office, "kfz", "its release is another one");
            }
        }
        assert!(
            plan.notes[0].contains("60 % of the mix"),
            "{:?}",
            plan.notes
        );
        assert!(plan.citizens.iter().any(|citizen| citizen.need.len() == 2));
        assert!(
            plan.citizens
                .iter()
                .any(|citizen| citizen.offices.len() == 2)
        );
        assert!(
            plan.citizens
                .iter()
                .any(|citizen| citizen.need[0].quantity == 2)
        );
    }

    #[test]
    fn intents_follow_their_shares() {
        let plan = plan(10_000, 2);
        let share = |intent| {
            let count = plan
                .citizens
                .iter()
                .filter(|citizen| citizen.intent == intent)
                .count();
            count as f64 / 10_000.0
        };
        assert!((share(Intent::Leave) - 0.10).abs() < 0.01);
        assert!((share(Intent::LetExpire) - 0.12).abs() < 0.01);
        assert!((share(Intent::Cancel) - 0.75 * 0.13).abs() < 0.01);
    }

    #[test]
    fn a_seed_gives_one_plan() {
        let needs = |seed| format!("{:?}", plan(200, seed).citizens);
        assert_eq!(needs(3), needs(3));
        assert_ne!(needs(3), needs(4));
    }
}
