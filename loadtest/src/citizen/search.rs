//! Looking for a start and holding it: reloads, lost races, alternatives.

use std::time::Instant;

use morgenruh_wire::{Availability, AvailableStart, Hold, HoldRequest};

use super::{COME_BACK_MAX, Ended, Ending, Session};
use crate::api::{Refusal, Reply};

/// A start that can be chosen.
pub(super) struct Choice {
    pub(super) office: String,
    pub(super) start: String,
}

impl Session<'_> {
    /// One look at the starts. `None` means: come back later, or nothing readable.
    pub(super) async fn look(&mut self) -> Result<Option<Availability>, Ended> {
        let citizen = &self.citizen;
        let [from, to] = &citizen.days;
        let api = &self.morning.api;
        match api
            .availability(self.next, &citizen.offices, &citizen.need, from, to)
            .await
        {
            Reply::Done(availability) => Ok(Some(availability)),
            Reply::Refused(refusal) => {
                self.come_back(Some(&refusal)).await;
                Ok(None)
            }
            Reply::Silent | Reply::Unforeseen => Err(Ending::Failed),
        }
    }

    /// Reloads until a start can be chosen, within the reloads that this citizen has in them.
    async fn find(&mut self) -> Result<Choice, Ended> {
        let behaviour = &self.morning.scenario.behaviour;
        let every_s = behaviour.reload_every_s.value;
        let mut reloads_before = 0;
        loop {
            let before_release = self.next < self.morning.release;
            let seen = self.look().await?;
            if let Some(choice) = seen.as_ref().and_then(|seen| self.choose(seen)) {
                self.morning.first_start_seen.get_or_init(Instant::now);
                let choose_s = self.morning.scenario.think.choose_s.value;
                let seconds = self.citizen.dice.between(choose_s);
                self.think(seconds).await;
                return Ok(choice);
            }
            let patient = reloads_before < behaviour.reloads_before_release_max.value;
            let sealed = seen.is_some_and(|seen| self.morning.is_sealed(&seen));
            if patient && (before_release || sealed) {
                reloads_before += 1;
                self.think(every_s).await;
            } else if before_release {
                self.watch_the_clock(every_s).await;
                reloads_before = 0;
            } else {
                self.reloads_after += 1;
                if self.reloads_after >= behaviour.reloads_after_release_max.value {
                    return Err(Ending::EmptyHanded);
                }
                self.think(every_s).await;
            }
        }
    }

    /// Stops reloading, and comes back at the release or a moment after it.
    async fn watch_the_clock(&mut self, within_s: f64) {
        let release = self.morning.release;
        let left = release.saturating_duration_since(Instant::now());
        let seconds = within_s * self.citizen.dice.unit();
        self.pause(left + self.morning.scaled(seconds)).await;
    }

    /// Chooses among the sorted starts, the early ones more often.
    pub(super) fn choose(&mut self, availability: &Availability) -> Option<Choice> {
        let mut starts: Vec<(&AvailableStart, &String)> = availability
            .days
            .iter()
            .flat_map(|day| day.starts.iter().map(move |start| (start, &day.office)))
            .filter(|(start, _)| start.free > 0)
            .collect();
        starts.sort_by(|(one, _), (other, _)| one.start.cmp(&other.start));
        let bias = self.morning.scenario.behaviour.early_bias.value;
        let index = (self.citizen.dice.unit().powf(bias) * starts.len() as f64) as usize;
        starts.get(index).map(|&(start, office)| Choice {
            office: office.clone(),
            start: start.start.clone(),
        })
    }

    pub(super) async fn hold(&mut self) -> Result<Hold, Ended> {
        let behaviour = &self.morning.scenario.behaviour;
        let mut choice = self.find().await?;
        let mut lost_races = 0;
        let mut come_backs = 0;
        loop {
            let request = HoldRequest {
                office: Some(choice.office.clone()),
                services: self.citizen.need.clone(),
                start: Some(choice.start.clone()),
                pass: self.pass.clone(),
                ..HoldRequest::default()
            };
            let refusal = match self.morning.api.hold(self.next, &request).await {
                Reply::Done(hold) => {
                    self.held().await?;
                    return Ok(hold);
                }
                Reply::Silent | Reply::Unforeseen => return Err(Ending::Failed),
                Reply::Refused(refusal) => refusal,
            };
            if refusal.is("/problems/pass-required") && self.pass.is_none() {
                return Err(Ending::NeedsPass);
            }
            if refusal.is("/problems/pass-required") {
                // What is left there is another room's.
                come_backs += 1;
                if come_backs >= COME_BACK_MAX {
                    return Err(Ending::EmptyHanded);
                }
                choice = self.find().await?;
                continue;
            }
            if refusal.is("/problems/pass-ended") {
                come_backs += 1;
                if come_backs >= COME_BACK_MAX || !self.exchange().await? {
                    return Err(Ending::EmptyHanded);
                }
                continue;
            }
            if refusal.retry_after.is_none() {
                lost_races += 1;
                if lost_races >= behaviour.hold_tries_max.value {
                    return Err(Ending::EmptyHanded);
                }
                choice = self.after_lost_race(refusal).await?;
                continue;
            }
            come_backs += 1;
            if come_backs >= COME_BACK_MAX {
                return Err(Ending::TurnedAway);
            }
            self.come_back(Some(&refusal)).await;
        }
    }

    /// Takes one of the offered alternatives, or looks again.
    async fn after_lost_race(&mut self, refusal: Refusal) -> Result<Choice, Ended> {
        let scenario = &self.morning.scenario;
        let mut alternatives = refusal
            .problem
            .map(|problem| problem.alternatives)
            .unwrap_or_default();
        let seconds = self.citizen.dice.between(scenario.think.choose_s.value);
        self.think(seconds).await;
        let takes_one = self
            .citizen
            .dice
            .chance(scenario.behaviour.alternative_share.value);
        if !takes_one || alternatives.is_empty() {
            return self.find().await;
        }
        let taken = alternatives.swap_remove(self.citizen.dice.below(alternatives.len()));
        Ok(Choice {
            office: taken.office,
            start: taken.start,
        })
    }
}
