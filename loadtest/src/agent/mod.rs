//! `morgenruh-loadtest agent`: weeks of wishes in minutes, beside the same weeks by hand.
//!
//! The service is started with a faster clock ([`SPEED_MAX`](crate::cli::AGENT_SPEED_MAX)) and a
//! small town. People come whether or not it keeps up, book what is free, lay wishes where nothing
//! is, answer what they are offered as people do, cancel, and stay away. Then the same people go
//! through today's procedure, which is simulated, and both are measured alike.
//!
//! What is assumed of people stands in [`Habits`], each figure with where it comes from, and in the
//! report. No figure was chosen for the result: where the aim is not reached, the report says so.

mod citizen;
mod course;
mod fairness;
mod habits;
mod manual;
mod measures;
mod notebook;
mod plan;
mod report;
mod stay;
mod time;
mod town;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use self::citizen::{World, live, seat};
use self::course::Course;
pub use self::habits::{Figure, Habits};
pub use self::measures::{Measures, Offers, Spread};
use self::notebook::{Notebook, Pages};
use self::plan::citizens;
pub use self::report::{CourseFigures, LOST_SHARE_AIM, Manifest, Report, Verdict};
use self::time::{DAY, Second, TownClock};
use crate::api::{Api, Reply};
use crate::client::Client;
use crate::folder::Folder;
use crate::measure::Call;
pub use crate::morning::RunError;
use crate::service::{Program, beside_us};

/// Time to answer an offer of a seat that is a week away, in minutes.
const DISTANT: &str = "MORGENRUH_AGENT_ANSWER_MINUTES_DISTANT";
const TWO_DAYS: u32 = 2 * 24 * 60;

/// How long an answer is waited for, in seconds.
const ANSWER_WITHIN_S: u64 = 20;

/// Connections open at once.
const CONNECTIONS_MAX: usize = 64;

/// Lines of the service's log that are shown when it does not start.
const LAST_WORDS: usize = 5;

const BY_HAND_IS: &str = "staff enter what was cancelled on the next working morning; the first wish \
    that it suits gets a mail and two days to confirm; what suits none is for whoever looks next \
    (assumed; the two days are Düsseldorf's)";

/// What to run.
#[derive(Clone, Debug)]
pub struct AgentOptions {
    /// The service's program; `None`: the one beside this tool.
    pub serve: Option<PathBuf>,
    /// An empty or new folder for configuration, data and log, which stays; `None`: one that is
    /// removed if every promise was kept.
    pub folder: Option<PathBuf>,
    pub days: u32,
    /// How many times as fast as life.
    pub speed: u32,
    pub seed: u64,
    pub habits: Habits,
}

/// Runs the weeks and judges them. Whoever drops it leaves no process behind.
///
/// # Errors
/// [`RunError`] when there was no run: the service does not start, or files cannot be written.
pub async fn run(options: AgentOptions) -> Result<Report, RunError> {
    let folder = Folder::new("morgenruh-agent-", options.folder.as_deref())?;
    let config = folder.path().join("town");
    town::write(&config)?;
    let serve = match &options.serve {
        Some(serve) => serve.clone(),
        None => beside_us()?,
    };
    let program = Program {
        serve,
        config,
        data: folder.path().join("data"),
        log: folder.path().join("log"),
        arguments: vec!["--clock-speed".to_owned(), options.speed.to_string()],
        // As Düsseldorf gives them, and as the procedure by hand does.
        environment: vec![(DISTANT, TWO_DAYS.to_string())],
    };
    let report = play(&options, &program).await?;
    folder.leave(report.verdict.promises_kept);
    Ok(report)
}

async fn play(options: &AgentOptions, program: &Program) -> Result<Report, RunError> {
    let begun = Instant::now();
    let started_at = crate::clock::now().to_string();
    let named = |error: io::Error| {
        let serve = program.serve.display();
        io::Error::new(error.kind(), format!("{serve}: {error}"))
    };
    let mut process = program.start().map_err(named)?;
    let Some(ready) = process.ready().await else {
        return Err(RunError::Unreachable(program.last_words(LAST_WORDS)));
    };
    let answer_within = Duration::from_secs(ANSWER_WITHIN_S);
    let api = Api::new(Client::new(ready.public, CONNECTIONS_MAX, answer_within));
    let clock = TownClock::start(&api, options.speed).await?;
    let weeks = clock.weeks();
    let from = clock.now();
    let until = from + Second::from(options.days) * DAY;
    let people = citizens(&options.habits, options.seed, weeks, (from, until));
    let world = Arc::new(World {
        api,
        clock,
        weeks,
        habits: options.habits.clone(),
        until,
        notebook: Notebook::default(),
    });
    let mut living = JoinSet::new();
    for citizen in people.clone() {
        living.spawn(live(Arc::clone(&world), citizen));
    }
    tell_progress(&world, options.days).await;
    while let Some(lived) = living.join_next().await {
        lived.map_err(io::Error::other)?;
    }
    call_in(&world).await;
    process.kill()?;
    let errors = program.verify()?.errors;

    let by_hand = manual::play(&options.habits, weeks, &people, (from, until));
    let manifest = Manifest {
        tool: env!("CARGO_PKG_NAME"),
        tool_version: env!("CARGO_PKG_VERSION"),
        seed: options.seed,
        days: options.days,
        speed: options.speed,
        people: people.len() as u64,
        seats_a_day: town::visits_a_day() as u32,
        habits: options.habits.figures(),
        by_hand_is: BY_HAND_IS,
        started_at,
    };
    let pages = world.notebook.pages();
    let service = Measures::of(&pages.course, until);
    let verdict = judge(&world, &pages, &service, errors);
    Ok(Report {
        manifest,
        by_hand: Measures::of(&by_hand, until),
        course: course_figures(&world.api, begun.elapsed(), options.speed),
        verdict,
        service,
    })
}

/// A line for each week.
async fn tell_progress(world: &World, days: u32) {
    let begun = world.until - Second::from(days) * DAY;
    for week in 1..=days / 7 {
        world
            .clock
            .reach(begun + Second::from(week) * 7 * DAY)
            .await;
        let pages = world.notebook.pages();
        eprintln!(
            "week {week} · {} bookings · {} wishes · {} offers",
            pages.course.bookings.len(),
            pages.course.wishes.len(),
            pages.course.offers.len()
        );
    }
}

/// Looks at every booking that is still to come: it must be what somebody was told.
async fn call_in(world: &World) {
    let promises = world.notebook.pages().promises.clone();
    for promise in promises {
        let booked = world.notebook.pages().course.bookings[promise.booking].clone();
        // Days that are over are not remembered for long.
        if booked.seat.start <= world.clock.now() {
            continue;
        }
        let told = match world.api.read_back(&promise.id, &promise.token).await {
            Reply::Done(told) => told,
            Reply::Refused(_) => {
                let mut pages = world.notebook.pages();
                pages.broken(|| format!("the booking {} is gone", promise.id));
                continue;
            }
            // Counted already.
            Reply::Silent | Reply::Unforeseen => continue,
        };
        let cancelled = told.status == "cancelled";
        let same = seat(world.clock, &told) == Some(booked.seat);
        if !same || cancelled != booked.cancelled.is_some() {
            let mut pages = world.notebook.pages();
            pages.broken(|| format!("the booking {} is not as it was told", told.code));
        }
    }
}

fn judge(world: &World, pages: &Pages, service: &Measures, errors: u64) -> Verdict {
    let order = fairness::judge(&pages.watched, world.margin());
    let (twice, twice_words) = oversold(&pages.course);
    let measure = world.api.measure();
    let mut findings = pages.told.clone();
    findings.extend(order.words);
    findings.extend(twice_words);
    if errors > 0 {
        findings.push(format!("morgenruh verify finds {errors} errors"));
    }
    if measure.unexpected_total() > 0 {
        findings.extend(measure.examples().iter().cloned());
    }
    let aim_reached = service.lost_share.is_none_or(|it| it < LOST_SHARE_AIM);
    let oversold = twice + errors;
    let wrong = [
        oversold,
        pages.broken,
        order.passed_over,
        pages.stranded,
        measure.unexpected_total(),
        measure.unanswered_total(),
    ];
    let promises_kept = wrong.iter().all(|count| *count == 0);
    Verdict {
        holds: aim_reached && promises_kept,
        promises_kept,
        oversold,
        broken: pages.broken,
        passed_over: order.passed_over,
        order_compared: order.compared,
        stranded: pages.stranded,
        unexpected_answers: measure.unexpected_total(),
        unanswered: measure.unanswered_total(),
        lost_share: service.lost_share,
        lost_share_aim: LOST_SHARE_AIM,
        aim_reached,
        auto_accept_needed: service.unasked_needed(LOST_SHARE_AIM),
        findings,
    }
}

/// Live bookings that share a counter and a moment.
fn oversold(course: &Course) -> (u64, Vec<String>) {
    let live = course.bookings.iter().filter(|it| it.cancelled.is_none());
    let live: Vec<_> = live.collect();
    let mut words = Vec::new();
    for (index, one) in live.iter().enumerate() {
        for other in &live[index + 1..] {
            if one.seat.overlaps(other.seat) {
                words.push(format!("two people at {:?}", one.seat));
            }
        }
    }
    (words.len() as u64, words)
}

fn course_figures(api: &Api, duration: Duration, speed: u32) -> CourseFigures {
    let measure = api.measure();
    let accepts = measure.calls().find(|(call, _)| *call == Call::Accept);
    let p99_us = accepts.map_or(0, |(_, it)| it.from_intent.value_at_quantile(0.99));
    let answers = measure.calls().flat_map(|(_, it)| it.by_class.values());
    CourseFigures {
        duration_s: duration.as_secs_f64(),
        requests: answers.sum(),
        accept_p99_ms: p99_us as f64 / 1_000.0,
        accept_p99_town_minutes: p99_us as f64 / 60_000_000.0 * f64::from(speed),
    }
}
