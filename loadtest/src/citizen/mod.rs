//! One citizen's morning: wait, look, reload, choose, hold, fill in the form, confirm.
//!
//! The session is closed (a person waits for the page), the arrivals are not. Every number of
//! tries is bounded, so every session ends.

mod booking;
mod line;
mod rogue;
mod search;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use morgenruh_wire::Availability;

pub(crate) use booking::answers;
pub use rogue::share;

use line::InLine;

use crate::api::{Api, Refusal};
use crate::city::City;
use crate::clock;
use crate::plan::{Citizen, Intent};
use crate::record::Acknowledged;
use crate::room::Hall;
use crate::room::watch::Who;
use crate::scenario::Scenario;

/// How often a citizen comes back after 429, 503 or silence within one step.
const COME_BACK_MAX: u32 = 10;

/// Pause before a question that got no answer is asked again, in milliseconds.
const UNANSWERED_PAUSE_MS: u64 = 250;

/// What a session needs to know beside the citizen.
#[derive(Debug)]
pub struct Morning {
    pub api: Arc<Api>,
    pub scenario: Scenario,
    pub city: City,
    /// The waiting rooms of the release.
    pub halls: Vec<Arc<Hall>>,
    /// The instant of the release.
    pub release: Instant,
    /// The same on the service's clock; `None` where everything is open.
    pub release_at: Option<Timestamp>,
    /// When somebody saw a bookable start for the first time.
    pub first_start_seen: OnceLock<Instant>,
    pub speed: f64,
    /// Keeps the idempotency keys and e-mail addresses of runs apart.
    pub run: String,
}

impl Morning {
    /// A time of the morning as it passes in this run.
    fn scaled(&self, seconds: f64) -> Duration {
        Duration::from_secs_f64((seconds / self.speed).max(0.0))
    }

    /// When somebody saw a bookable start for the first time, in seconds from the release as they
    /// pass in this run; negative: before it.
    pub fn first_start_seen_s(&self) -> Option<f64> {
        let seen = *self.first_start_seen.get()?;
        let after = seen.saturating_duration_since(self.release).as_secs_f64();
        let before = self.release.saturating_duration_since(seen).as_secs_f64();
        Some(after - before)
    }

    /// Whether the service says that the release is still to come, whatever our clock says.
    fn is_sealed(&self, seen: &Availability) -> bool {
        let still = |until: &String| {
            let until: Option<Timestamp> = until.parse().ok();
            until
                .zip(self.release_at)
                .is_some_and(|(until, release)| until <= release)
        };
        seen.days
            .iter()
            .any(|day| day.sealed_until.as_ref().is_some_and(still))
    }
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Left after the first look, as planned.
    Left,
    /// Stood in line until nobody was called any more for a long time.
    GaveUp,
    /// Was told in the waiting room that nothing is left.
    SoldOut,
    /// Found nothing, or lost every race.
    EmptyHanded,
    /// The office asks for a pass of the waiting room.
    NeedsPass,
    /// Was told to come back until it gave up.
    TurnedAway,
    /// Took a seat and let it expire, as planned.
    LetExpire,
    /// Took a seat and gave it back, as planned.
    GaveBack,
    /// Confirmed too late.
    HoldExpired,
    /// The waiting room knows of a booking by the same person for the same service.
    BookedBefore,
    /// Got an answer outside the contract, or none.
    Failed,
    Booked,
    Cancelled,
}

/// What is left of a session.
#[derive(Debug)]
pub struct Story {
    pub index: u32,
    pub who: Who,
    pub ending: Ending,
    pub acknowledged: Option<Acknowledged>,
    pub repeat_unequal: bool,
    pub not_as_held: bool,
    pub unresolved: bool,
}

/// Why a step did not succeed; ends the session.
type Ended = Ending;

/// Lives one citizen's morning, which was to begin at `arrives`.
pub async fn live(morning: &Morning, citizen: Citizen, arrives: Instant) -> Story {
    let mut session = Session::new(morning, citizen, arrives);
    let ended = session.run().await;
    session.end(ended)
}

struct Session<'a> {
    morning: &'a Morning,
    citizen: Citizen,
    /// When the citizen wants to send the next request.
    next: Instant,
    reloads_after: u32,
    line: Option<InLine>,
    pass: Option<String>,
    story: Story,
}

impl<'a> Session<'a> {
    fn new(morning: &'a Morning, citizen: Citizen, arrives: Instant) -> Self {
        let story = Story {
            index: citizen.index,
            who: citizen.who,
            ending: Ending::Failed,
            acknowledged: None,
            repeat_unequal: false,
            not_as_held: false,
            unresolved: false,
        };
        Self {
            morning,
            citizen,
            next: arrives,
            reloads_after: 0,
            line: None,
            pass: None,
            story,
        }
    }

    fn end(self, ended: Result<Ending, Ended>) -> Story {
        Story {
            ending: ended.unwrap_or_else(|ended| ended),
            ..self.story
        }
    }

    async fn run(&mut self) -> Result<Ending, Ended> {
        self.queue().await?;
        let ended = match self.citizen.who {
            Who::Abandoner => self.abandon().await,
            _ => self.book().await,
        };
        // Whoever is done without a booking makes room for the next.
        if !matches!(
            ended,
            Ok(Ending::Booked | Ending::Cancelled | Ending::LetExpire)
        ) {
            self.leave_room().await;
        }
        ended
    }

    async fn book(&mut self) -> Result<Ending, Ended> {
        if self.citizen.intent == Intent::Leave {
            self.look().await?;
            return Ok(Ending::Left);
        }
        let hold = self.hold().await?;
        match self.citizen.intent {
            Intent::Leave | Intent::LetExpire => return Ok(Ending::LetExpire),
            Intent::GiveBack => return self.give_back(&hold).await,
            Intent::Keep | Intent::Cancel => {}
        }
        self.confirm(&hold).await?;
        if self.citizen.intent == Intent::Cancel {
            return self.cancel().await;
        }
        Ok(Ending::Booked)
    }

    /// Thinks for a time of the morning, and then wants to send.
    async fn think(&mut self, seconds: f64) {
        match self.citizen.who {
            Who::Human => self.pause(self.morning.scaled(seconds)).await,
            // Programs do not.
            _ => self.next = Instant::now(),
        }
    }

    async fn pause(&mut self, time: Duration) {
        self.next = clock::reach(Instant::now() + time).await;
    }

    /// Waits as long as the service asks, plus a little of one's own.
    async fn come_back(&mut self, refusal: Option<&Refusal>) {
        let asked = refusal.and_then(|refusal| refusal.retry_after);
        let least = asked.unwrap_or(Duration::from_millis(UNANSWERED_PAUSE_MS));
        let jitter = self.morning.scaled(self.citizen.dice.unit());
        self.pause(least + jitter).await;
    }
}
