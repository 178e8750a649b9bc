//! `/admin/releases/{id}/dry-run`: what would come of a release, as far as anybody can say.
//!
//! A prediction without a model of people: so many come, each takes one visit, and a room lets them
//! in at its rate. What it leaves out is said in the answer.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use morgenruh_engine::rules::calendar::UNIT_MINUTES;
use morgenruh_engine::rules::catalogue::{Office, RoomRule};
use morgenruh_engine::rules::cells::CounterSet;
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use morgenruh_engine::shell::engine::{ReleasePlan, ReleaseStanding};
use serde::Serialize;

use super::{policy, release, state};
use crate::app::{App, AppState};
use crate::caching::NO_STORE;
use crate::clock;
use crate::extract::Segment;
use crate::problem::{ApiError, Kind};
use crate::texts;

/// Most people that can be asked about.
const PEOPLE_MAX: u32 = 10_000_000;

#[derive(Serialize)]
struct DryRun {
    id: String,
    policy: &'static str,
    state: &'static str,
    release_at: String,
    dates: Vec<String>,
    /// Shortest visits first.
    seats: Vec<Seats>,
    people: Option<u32>,
    /// Where that number is from.
    people_from: Option<String>,
    /// People whom the room lets in, if it has one.
    people_per_minute: Option<u32>,
    /// Of 100 people who come, with visits of the longest and of the shortest kind.
    served_percent: Option<Between>,
    /// Whether nothing is left, and when after the release; without a time where nobody knows.
    sold_out: Option<bool>,
    sold_out_after_minutes: Option<Between>,
    assumptions: Vec<String>,
}

/// Visits of one length.
#[derive(Serialize)]
struct Seats {
    minutes: u16,
    services: Vec<String>,
    seats: u32,
}

#[derive(Clone, Copy, Serialize)]
struct Between {
    at_least: u32,
    at_most: u32,
}

/// `GET /admin/releases/{id}/dry-run?people=1200`: without a number, that of the last room counts.
pub(crate) async fn dry_run(
    State(app): State<AppState>,
    Segment(id): Segment,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let now = clock::now();
    let plan = release(&app, now, &id)?;
    let people = people(query.as_deref().unwrap_or_default())?;
    let answer = tokio::task::spawn_blocking(move || predict(&app, now, &plan, people)).await;
    let answer = answer.map_err(|_| ApiError::new(Kind::Overloaded, "Ask again in a moment."))?;
    Ok(([NO_STORE], Json(answer)).into_response())
}

fn people(query: &str) -> Result<Option<u32>, ApiError> {
    let mut people = None;
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        let asked = value.parse().ok();
        let asked = asked.filter(|it| (1..=PEOPLE_MAX).contains(it) && key == "people");
        people = Some(asked.ok_or_else(|| {
            let detail = format!("Known is people, 1 to {PEOPLE_MAX}.");
            ApiError::new(Kind::InvalidQuery, detail).at(key)
        })?);
    }
    Ok(people)
}

fn predict(app: &App, now: UnixMillis, plan: &ReleasePlan, asked: Option<u32>) -> DryRun {
    let catalogue = app.catalogue();
    let office = catalogue.office(plan.office);
    let standing = app.engine.release_standing(now, plan);
    let seats = seats(app, office, &standing);
    let last = last_room(app, plan);
    let people = asked.or_else(|| last.as_ref().map(|(_, people)| *people));
    let people_from = match (asked, last) {
        (Some(_), _) => Some("query".to_owned()),
        (None, last) => last.map(|(room, _)| room),
    };
    let rule = plan
        .room
        .and_then(|room| catalogue.room_by_number(room.number));
    let rate = rule.map(let_in);
    // The longest visit leaves room for the fewest people.
    let fewest = seats.iter().map(|it| it.seats).min().unwrap_or(0);
    let most = seats.iter().map(|it| it.seats).max().unwrap_or(0);
    let served = people.map(|people| Between {
        at_least: percent(fewest, people),
        at_most: percent(most, people),
    });
    let sold_out = people.map(|people| people >= most);
    let drip_minutes = u32::try_from(plan.drip.0 / 60_000).unwrap_or_default();
    let minutes = |seats: u32| rate.map_or(0, |rate| seats.div_ceil(rate.max(1)));
    let knows_when = sold_out == Some(true) && (rate.is_some() || drip_minutes > 0);
    DryRun {
        id: plan.name.clone(),
        policy: policy(app, plan),
        state: state(
            app.engine.releases().course(plan.id).steering,
            standing.is_open,
        ),
        release_at: texts::time(&catalogue.city.zone, plan.at),
        dates: plan.days.iter().map(ToString::to_string).collect(),
        people,
        people_from,
        people_per_minute: rate,
        served_percent: served,
        sold_out,
        sold_out_after_minutes: knows_when.then(|| Between {
            at_least: minutes(fewest).max(drip_minutes),
            at_most: minutes(most).max(drip_minutes),
        }),
        assumptions: assumptions(plan, rule, office),
        seats,
    }
}

/// By length of a visit of one person with one service.
fn seats(app: &App, office: &Office, standing: &ReleaseStanding) -> Vec<Seats> {
    let mut lengths: BTreeMap<u16, (Vec<String>, CounterSet)> = BTreeMap::new();
    for offer in &office.offers {
        let minutes = offer.minutes.next_multiple_of(office.unit_minutes);
        let service = app.catalogue().service(offer.service).id.clone();
        let (services, counters) = lengths.entry(minutes).or_default();
        services.push(service);
        *counters = counters.or(offer.counters);
    }
    let lengths = lengths.into_iter().map(|(minutes, (services, counters))| {
        let units = u8::try_from(minutes / UNIT_MINUTES).unwrap_or(u8::MAX);
        Seats {
            minutes,
            services,
            seats: standing.seats(units, counters),
        }
    });
    lengths.collect()
}

/// The last drawn room of the same number, and how many came.
fn last_room(app: &App, plan: &ReleasePlan) -> Option<(String, u32)> {
    let own = plan.room?;
    let rooms = app.engine.rooms().all().into_iter().rev();
    let mut same = rooms.filter(|room| room.id.number == own.number && room.id.day < own.day);
    same.find_map(|room| {
        let came = room.decide(|room| room.drawn().is_some().then(|| room.given()));
        came.map(|people| (room.name.clone(), people))
    })
}

/// How many a room lets in a minute when each keeps a pass for as long as it lasts.
fn let_in(rule: &RoomRule) -> u32 {
    let by_passes = rule.passes_max / u32::from(rule.pass_minutes.max(1));
    rule.passes_per_minute.min(by_passes.max(1))
}

fn percent(seats: u32, people: u32) -> u32 {
    let percent = u64::from(seats) * 100 / u64::from(people.max(1));
    u32::try_from(percent.min(100)).unwrap_or(100)
}

fn assumptions(plan: &ReleasePlan, rule: Option<&RoomRule>, office: &Office) -> Vec<String> {
    let mut assumptions = vec![
        "Each comes for one visit of one person, all for the longest one or all for the shortest."
            .to_owned(),
        "Everybody takes what is there: nobody looks for another day, and no hold falls back."
            .to_owned(),
    ];
    match rule {
        Some(rule) => {
            assumptions.push(format!(
                "Each pass is kept for all of its {} minutes, and {} are live at once.",
                rule.pass_minutes, rule.passes_max
            ));
            if rule.offices.len() > 1 {
                let all = "Everybody in the waiting room comes for this office, and none for its \
                           others.";
                assumptions.push(all.to_owned());
            }
        }
        None if plan.drip > Millis(0) => assumptions
            .push("What drips is taken as it comes: it lasts for as long as the drip.".to_owned()),
        None => assumptions.push(format!(
            "Without a waiting room at {} nobody knows how fast seats are taken.",
            office.id
        )),
    }
    assumptions
}
