//! `morgenruh-loadtest morning`: the whole run, from the catalogue to the verdict.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::api::{Api, Reply};
use crate::arrivals::Curve;
use crate::citizen::{Ending, Morning, Story, live, share};
use crate::city::{City, CityError, Target};
use crate::clock;
use crate::parties::{Party, Rogues};
use crate::plan::{NothingToDo, Plan};
use crate::progress::Progress;
use crate::readback;
use crate::report::{Figures, Manifest, Report};
use crate::room::fairness::{Fairness, Known};
use crate::room::{self, Hall};
use crate::scenario::{self, Scenario, ScenarioError};
use crate::verdict::{Conduct, Verdict};

/// How long a citizen waits for an answer, in seconds. A page that takes longer has been closed.
pub const ANSWER_WITHIN_S: u64 = 30;

/// A release that is further away is not waited for, in seconds, unless the curve itself begins
/// earlier than that.
const RELEASE_WITHIN_S: f64 = 300.0;

/// After the last session the public document is looked at once more, so much later, in
/// milliseconds: it lags behind what it says.
const LAST_LOOK_MS: u64 = 2_500;

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct MorningOptions {
    /// The scenario's text.
    pub scenario: String,
    /// `None`: the scenario's normal morning.
    pub people: Option<u32>,
    /// All times of the scenario are divided by this.
    pub speed: f64,
    pub seed: u64,
    /// Restricts the run to these offices; empty means all.
    pub offices: Vec<String>,
    /// Sessions of bots; `None`: as many as the scenario says.
    pub bots: Option<u32>,
    /// The service's address for staff, if the rooms' own reports are to be asked for.
    pub staff: Option<Arc<Api>>,
}

/// Why there was no run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    #[error(transparent)]
    City(#[from] CityError),
    #[error(transparent)]
    NothingToDo(#[from] NothingToDo),
    #[error("the service does not give its catalogue: {0}")]
    Unreachable(String),
    #[error(transparent)]
    File(#[from] std::io::Error),
}

/// Runs a morning and judges it.
pub async fn run(api: Arc<Api>, options: MorningOptions) -> Result<Report, RunError> {
    let mut scenario = Scenario::parse(&options.scenario)?;
    if let (Some(bots), Some(sessions)) = (&mut scenario.bots, options.bots) {
        bots.sessions.value = sessions;
    }
    let people = options.people.unwrap_or(scenario.people.normal.value);
    let mut city = read_city(&api, &options.offices).await?;
    city.keep_offering(
        &scenario
            .service
            .iter()
            .map(|service| service.id.as_str())
            .collect(),
    );
    let curve = Curve::new(&scenario.phase);
    let reach_s = RELEASE_WITHIN_S.max(-curve.from_s() / options.speed);
    let target = city.target(Duration::from_secs_f64(reach_s))?;
    let plan = Plan::new(&scenario, &city, &target, people, options.seed)?;
    let timeline = Timeline::new(&curve, &city, &target, options.speed);
    let begun = timeline.instant(curve.from_s());
    let halls = room::halls(&api, &city, &target, timeline.release).await;

    let days = target.days(target.offices.keys()).unwrap_or_default();
    let started_at = clock::now();
    let mut notes = timeline.notes(&target, city.clock_ahead_s);
    notes.extend(plan.notes);
    notes.extend(notes_on(&halls, &scenario, options.speed));
    for note in &notes {
        eprintln!("note: {note}");
    }
    let manifest = Manifest {
        tool: env!("CARGO_PKG_NAME"),
        tool_version: env!("CARGO_PKG_VERSION"),
        scenario: scenario.title.clone(),
        scenario_sha256: scenario::sha256(&options.scenario),
        seed: options.seed,
        people,
        speed: options.speed,
        connections_max: api.client().connections_max(),
        service: if api.client().is_loopback() {
            "loopback"
        } else {
            "other"
        },
        started_at: started_at.to_string(),
        release_at: target.release_at.map(|at| at.to_string()),
        days: days.map(|day| day.to_string()),
        offices: target.offices.keys().cloned().collect(),
        rooms: halls.iter().map(|hall| hall.id.clone()).collect(),
        notes,
    };
    let mut parties: Vec<Party> = plan
        .citizens
        .into_iter()
        .map(|citizen| Party::alone(timeline.instant(citizen.arrives_s), citizen))
        .collect();
    let rogues = Rogues {
        scenario: &scenario,
        city: &city,
        target: &target,
        seed: options.seed,
        opening: halls
            .iter()
            .map(|hall| hall.opens)
            .min()
            .unwrap_or(begun)
            .max(begun),
        release: timeline.release,
    };
    if !halls.is_empty() {
        parties.extend(rogues.parties(people)?);
    }
    parties.sort_by_key(|party| party.comes);
    let morning = Arc::new(Morning {
        api: Arc::clone(&api),
        release: timeline.release,
        release_at: target.release_at,
        first_start_seen: OnceLock::new(),
        speed: options.speed,
        run: format!("{:x}", started_at.as_nanosecond()),
        scenario,
        city,
        halls,
    });
    api.restart_measure(begun);
    let looking = tokio::spawn(room::look_on(Arc::clone(&api), morning.halls.clone()));
    let stories = arrive(&morning, parties).await;
    let duration_s = begun.elapsed().as_secs_f64();
    looking.abort();
    let fairness = fairness(&morning, options.staff.as_deref()).await;
    let verdict = judge(&morning, &stories, &fairness).await;
    let figures = Figures {
        first_start_seen_s: target.release_at.and_then(|_| morning.first_start_seen_s()),
        ..Figures::new(&api.measure(), &stories, duration_s)
    };
    Ok(Report {
        manifest,
        figures,
        fairness,
        verdict,
    })
}

/// Asks the service for its catalogue.
pub async fn read_city(api: &Api, only: &[String]) -> Result<City, RunError> {
    match (api.offices().await, api.services().await) {
        (Reply::Done(offices), Reply::Done(services)) => {
            Ok(City::new(offices, services, only, clock::now())?)
        }
        (Reply::Refused(refusal), _) | (_, Reply::Refused(refusal)) => {
            Err(RunError::Unreachable(format!("status {}", refusal.status)))
        }
        _ => Err(RunError::Unreachable(api.measure().examples().join("; "))),
    }
}

/// Lets everybody come when the plan says so, and waits until the last one has gone home.
async fn arrive(morning: &Arc<Morning>, parties: Vec<Party>) -> Vec<Story> {
    let progress = Progress::start(Arc::clone(&morning.api), parties.len() as u64);
    let mut sessions = JoinSet::new();
    for Party { comes, mut people } in parties {
        let arrives = clock::reach(comes).await;
        progress.arrived();
        let morning = Arc::clone(morning);
        sessions.spawn(async move {
            match (people.pop(), people.is_empty()) {
                (Some(citizen), true) => vec![live(&morning, citizen, arrives).await],
                (last, _) => {
                    people.extend(last);
                    share(&morning, people, arrives).await
                }
            }
        });
    }
    sessions.join_all().await.into_iter().flatten().collect()
}

/// Holds every room against what was seen of it.
async fn fairness(morning: &Morning, staff: Option<&Api>) -> Vec<Fairness> {
    if !morning.halls.is_empty() {
        tokio::time::sleep(Duration::from_millis(LAST_LOOK_MS)).await;
    }
    let mut all = Vec::new();
    for hall in &morning.halls {
        hall.look(&morning.api).await;
        let proof = match morning.api.draw(&hall.id).await {
            Reply::Done(proof) => Some(proof),
            _ => None,
        };
        let own_report = match staff {
            Some(staff) => match staff.own_report(&hall.id).await {
                Reply::Done(report) => Some(report),
                _ => None,
            },
            None => None,
        };
        let (tickets, looks) = hall.seen();
        let sharers = morning.scenario.sharers.as_ref();
        let known = Known {
            tickets,
            looks,
            proof,
            own_report,
            holds_max: sharers.map_or(1, |it| it.holds_per_pass.value),
        };
        all.push(Fairness::new(hall, &known));
    }
    all
}

async fn judge(morning: &Morning, stories: &[Story], fairness: &[Fairness]) -> Verdict {
    let record = stories
        .iter()
        .filter_map(|story| story.acknowledged.clone())
        .collect();
    let checked = readback::read_all(&morning.api, record).await;
    let count =
        |wanted: fn(&Story) -> bool| stories.iter().filter(|story| wanted(story)).count() as u64;
    let measure = morning.api.measure();
    let conduct = Conduct {
        unexpected_answers: measure.unexpected_total(),
        unanswered: measure.unanswered_total(),
        repeats_unequal: count(|story| story.repeat_unequal),
        not_as_held: count(|story| story.not_as_held),
        unresolved: count(|story| story.unresolved),
        needs_pass: count(|story| story.ending == Ending::NeedsPass),
        promises_broken: fairness.iter().map(|it| it.broken.len() as u64).sum(),
    };
    Verdict::new(&checked, &morning.city.capacities(), conduct)
}

fn notes_on(halls: &[Arc<Hall>], scenario: &Scenario, speed: f64) -> Vec<String> {
    let mut notes = Vec::new();
    let rogues =
        scenario.bots.is_some() || scenario.sharers.is_some() || scenario.abandoners.is_some();
    if halls.is_empty() {
        if rogues {
            notes.push("no waiting room: bots, sharers and abandoners stay at home".to_owned());
        }
        return notes;
    }
    let names: Vec<_> = halls.iter().map(|hall| hall.id.as_str()).collect();
    notes.push(format!("people go through {}", names.join(" and ")));
    if speed > 1.0 {
        let what = "what the waiting room counts (when to ask again, places called a minute, turns, \
                    passes) passes as it is; only people's own times are divided";
        notes.push(what.to_owned());
    }
    if halls.iter().any(|hall| hall.before.proof_of_work) {
        let what = "joining costs a proof of work, which this tool does not give: expect refusals";
        notes.push(what.to_owned());
    }
    notes
}

/// Where the seconds of the morning lie in this run.
#[derive(Clone, Debug)]
struct Timeline {
    release: Instant,
    speed: f64,
    /// Seconds of this run for each second of the morning before the release.
    early_scale: f64,
    /// From the beginning of the curve to the release as it should be, in seconds of this run.
    lead_wanted_s: f64,
    /// The same as it is.
    lead_s: f64,
}

impl Timeline {
    fn new(curve: &Curve, city: &City, target: &Target, speed: f64) -> Self {
        let (now, our_now) = (Instant::now(), clock::now());
        let early_s = (-curve.from_s()).max(0.0);
        let lead_wanted_s = early_s / speed;
        let until_release_s = target.release_at.map_or(lead_wanted_s, |at| {
            (at.duration_since(our_now).as_secs_f64() - city.clock_ahead_s as f64).max(0.0)
        });
        let lead_s = until_release_s.min(lead_wanted_s);
        Self {
            release: now + Duration::from_secs_f64(until_release_s),
            speed,
            early_scale: if early_s > 0.0 { lead_s / early_s } else { 0.0 },
            lead_wanted_s,
            lead_s,
        }
    }

    /// The instant of a second of the morning.
    fn instant(&self, at_s: f64) -> Instant {
        if at_s >= 0.0 {
            self.release + Duration::from_secs_f64(at_s / self.speed)
        } else {
            let before = Duration::from_secs_f64(-at_s * self.early_scale);
            self.release.checked_sub(before).unwrap_or(self.release)
        }
    }

    fn notes(&self, target: &Target, clock_ahead_s: i64) -> Vec<String> {
        let mut notes = Vec::new();
        match target.release_at {
            None => notes.push(
                "no release is near: everything is open, and the curve's release is only a time"
                    .to_owned(),
            ),
            Some(at) if self.lead_s < self.lead_wanted_s => notes.push(format!(
                "the release at {at} is near: the early part of the curve, {:.1} s, is compressed \
                 into the {:.1} s that are left",
                self.lead_wanted_s, self.lead_s
            )),
            Some(at) => notes.push(format!("the curve is aligned to the release at {at}")),
        }
        if clock_ahead_s != 0 {
            notes.push(format!(
                "the service's clock is {clock_ahead_s} s ahead of this machine's; corrected"
            ));
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::city::tests::duesseldorf;
    use crate::scenario::DEFAULT;

    fn timeline(release_in_s: Option<i64>, speed: f64) -> Timeline {
        let curve = Curve::new(&Scenario::parse(DEFAULT).unwrap().phase);
        let city = duesseldorf(&[]).unwrap();
        let mut target = city.target(Duration::from_secs(300)).unwrap();
        target.release_at =
            release_in_s.map(|seconds| clock::now() + jiff::SignedDuration::from_secs(seconds));
        Timeline::new(&curve, &city, &target, speed)
    }

    fn seconds(timeline: &Timeline, from_s: f64, to_s: f64) -> f64 {
        timeline
            .instant(to_s)
            .duration_since(timeline.instant(from_s))
            .as_secs_f64()
    }

    #[test]
    fn with_time_enough_the_curve_ends_up_at_the_release() {
        let timeline = timeline(Some(60), 40.0);
        assert!((seconds(&timeline, -900.0, 0.0) - 22.5).abs() < 0.01);
        assert!((seconds(&timeline, 0.0, 1800.0) - 45.0).abs() < 0.01);
        let wait = timeline
            .instant(-900.0)
            .saturating_duration_since(Instant::now());
        assert!((36.0..38.0).contains(&wait.as_secs_f64()), "{wait:?}");
    }

    #[test]
    fn with_too_little_time_the_early_part_is_compressed_and_said_so() {
        let timeline = timeline(Some(9), 40.0);
        assert!((8.5..9.1).contains(&seconds(&timeline, -900.0, 0.0)));
        assert!((seconds(&timeline, 0.0, 1800.0) - 45.0).abs() < 0.01);
        let target = duesseldorf(&[])
            .unwrap()
            .target(Duration::from_secs(300))
            .unwrap();
        assert!(timeline.notes(&target, 0)[0].contains("compressed"));
        assert!(timeline.notes(&target, 7)[1].contains("7 s ahead"));
    }

    #[test]
    fn without_a_release_the_run_makes_its_own() {
        let timeline = timeline(None, 40.0);
        assert!((seconds(&timeline, -900.0, 0.0) - 22.5).abs() < 0.01);
    }
}
