//! The same service on a real Redis and a real PostgreSQL, while these, or the ways to them, fail.
//!
//! A cycle lets people come, does to the servers what comes next in a shuffled list of everything
//! that can go wrong, mends it, and waits until the service is ready again. Then every promise is
//! called in over HTTP, and once the store has followed, the database is held against what people
//! were told: it must agree in every booking.

mod database;
mod disk;
mod kinds;
mod outages;
mod servers;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;

use self::kinds::{Deck, Kill, Kind, Notice, Plan};
use self::outages::Outages;
pub(super) use self::servers::Servers;
use super::cycle::Soak;
use super::desk::Desk;
use super::report::{Figures, Outage};
use super::visitor::Visitor;
use super::{LAST_WORDS, Until, client};
use crate::client::{Ask, Client};
use crate::morning::RunError;
use crate::service::{Process, Ready};

/// Cycles whose history is checked at once.
const CHAPTER_CYCLES: u64 = 18;

/// Cycles after which everything begins anew, with empty servers; a multiple of a chapter.
const ANEW_CYCLES: u64 = 90;

/// How soon the service must have noticed an outage, be ready after it, and have brought everything
/// into the store.
const NOTICED_WITHIN: Duration = Duration::from_secs(10);
const READY_WITHIN: Duration = Duration::from_secs(30);
const STORED_WITHIN: Duration = Duration::from_secs(60);

/// How often it is asked about that.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A bound of the backlog that a rush without a store reaches at once, and the records that one
/// commit may add to it.
const BACKLOG_MAX: u64 = 60;
const BATCH_MAX: u64 = 40;

/// The exit code of a service that cannot start.
const CANNOT_START: i32 = 2;

/// A run, with the servers it runs on.
#[derive(Debug)]
pub(super) struct Production {
    soak: Soak,
    /// `None` while something is done to them.
    servers: Option<Servers>,
    /// `None` when the service has not started, which was noted as a violation.
    serving: Option<Serving>,
    deck: Deck,
    outages: Outages,
    /// Where the servers' data are left when a promise was broken.
    keep_at: PathBuf,
}

/// The service during one life.
#[derive(Debug)]
struct Serving {
    process: Process,
    desk: Arc<Desk>,
    /// The listener of operations.
    admin: Client,
}

/// What the service says of itself to operators.
#[derive(Clone, Debug, Deserialize)]
struct Detail {
    store: Option<StoreDetail>,
}

#[derive(Clone, Debug, Deserialize)]
struct StoreDetail {
    health: String,
    newest: u64,
    backlog: u64,
}

/// Starts servers for a soak.
pub(super) async fn servers() -> Result<Servers, RunError> {
    Ok(spawn_blocking(Servers::start).await.map_err(broken)??)
}

impl Production {
    pub(super) fn new(soak: Soak, servers: Servers, keep_at: PathBuf) -> Self {
        eprintln!("the disk of Redis fills up by {}", servers.disk());
        Self {
            soak,
            servers: Some(servers),
            serving: None,
            deck: Deck::default(),
            outages: Outages::default(),
            keep_at,
        }
    }

    /// Goes on until it is time, or a promise is broken.
    pub(super) async fn cycles(&mut self, until: Until) -> Result<(), RunError> {
        self.launch().await?;
        loop {
            let plan = self.deck.draw(&mut self.soak.dice);
            self.cycle(&plan).await?;
            self.soak.cycle_ends();
            let last = self.soak.is_over(until);
            let ends = |begun: u64, cycles: u64| self.soak.course.cycles - begun >= cycles;
            let anew = ends(self.soak.anew_since, ANEW_CYCLES);
            let chapter = ends(self.soak.chapter_since, CHAPTER_CYCLES);
            self.call_in(last || anew).await?;
            if last || chapter || self.soak.is_broken() {
                self.soak.check_history();
            }
            if self.soak.is_broken() {
                return self.leave();
            }
            if last {
                self.serving = None;
                self.check_completeness();
                return Ok(());
            }
            if anew {
                self.begin_anew().await?;
            } else if chapter {
                self.soak.next_chapter()?;
            }
        }
    }

    /// What was done and measured.
    pub(super) fn figures(&self) -> Figures {
        Figures {
            outages: self.outages.list(),
            ..self.soak.figures()
        }
    }

    /// A run in which something on the list never happened has proved nothing about it.
    fn check_completeness(&self) {
        for kind in self.outages.missing() {
            let what = format!("never happened: {kind}; more cycles are needed");
            self.soak.notebook.violation(what);
        }
    }

    async fn cycle(&mut self, plan: &Plan) -> Result<(), RunError> {
        let kind = plan.kind;
        if kind == Kind::BacklogFull {
            self.start_with_short_backlog().await?;
        }
        let Some(Serving {
            process,
            desk,
            admin,
        }) = self.serving.take()
        else {
            return Ok(());
        };
        desk.open_again();
        let people = self.soak.open(&desk);
        sleep(plan.before).await;
        let mut outage = Outage::of(kind.name(), desk.in_flight());
        let before = self.soak.notebook.tally();
        self.note(plan);

        let mut alive = Some((process, people));
        self.begin(plan, &desk, &admin, &mut alive).await?;
        if alive.is_none() && plan.start_meanwhile {
            outage.starts_refused += u64::from(self.start_in_vain(kind).await?);
        }
        self.with_servers(move |servers| servers.mend(kind)).await?;
        self.soak.event("mended");
        if alive.is_some() {
            outage.ready_after_ms_max = self.expect_ready(kind, &desk).await;
            sleep(plan.after).await;
            if plan.kill == Some(Kill::Afterwards) {
                self.kill(&desk, &mut alive).await?;
            }
        }
        match alive {
            Some((process, people)) => {
                self.soak.close(&desk, people).await?;
                self.serving = Some(Serving {
                    process,
                    desk,
                    admin,
                });
            }
            None => {
                outage.services_killed = 1;
                self.set_environment();
                self.launch().await?;
            }
        }
        let after = self.soak.notebook.tally();
        outage.turned_away = after.turned_away - before.turned_away;
        outage.unanswered = after.unanswered - before.unanswered;
        self.outages.count(kind, outage);
        Ok(())
    }

    /// Lets it go wrong and last, with the service's own death where the plan says so.
    async fn begin(
        &mut self,
        plan: &Plan,
        desk: &Desk,
        admin: &Client,
        alive: &mut Option<(Process, JoinSet<Visitor>)>,
    ) -> Result<(), RunError> {
        let kind = plan.kind;
        let at_once = plan.kill == Some(Kill::AtOnce);
        if at_once && plan.service_first {
            self.kill(desk, alive).await?;
        }
        self.with_servers(move |servers| servers.begin(kind))
            .await?;
        if at_once {
            self.kill(desk, alive).await?;
        }
        if alive.is_some() {
            self.expect_notice(kind, desk, admin).await;
        }
        sleep(plan.lasts).await;
        if plan.kill == Some(Kill::Meanwhile) {
            self.kill(desk, alive).await?;
        }
        Ok(())
    }

    fn note(&self, plan: &Plan) {
        let line = json!({ "life": self.soak.life, "outage": plan.kind.name(),
                           "plan": format!("{plan:?}") });
        self.soak.notebook.write(line);
        let cycle = self.soak.course.cycles + 1;
        let kill = match plan.kill {
            None => "",
            Some(Kill::AtOnce) => ", the service at once",
            Some(Kill::Meanwhile) => ", the service killed meanwhile",
            Some(Kill::Afterwards) => ", the service killed afterwards",
        };
        eprintln!("{cycle}: {}{kill}", plan.kind);
    }

    async fn kill(
        &mut self,
        desk: &Desk,
        alive: &mut Option<(Process, JoinSet<Visitor>)>,
    ) -> Result<(), RunError> {
        match alive.take() {
            Some((process, people)) => self.soak.kill(desk, process, people).await,
            None => Ok(()),
        }
    }

    /// Starts the service and compares what it found with what was promised.
    async fn launch(&mut self) -> Result<(), RunError> {
        let Some((process, ready)) = self.soak.launch().await? else {
            return Ok(());
        };
        self.soak.count_found(&ready);
        let Ready { public, admin, .. } = ready;
        let public = client(public, self.soak.visitors.len() as u32);
        let desk = Desk::new(public, Arc::clone(&self.soak.notebook), self.soak.life);
        self.serving = Some(Serving {
            process,
            desk: Arc::new(desk),
            admin: client(admin, 1),
        });
        Ok(())
    }

    async fn start_with_short_backlog(&mut self) -> Result<(), RunError> {
        let Some(Serving { process, desk, .. }) = self.serving.take() else {
            return Ok(());
        };
        let people = self.soak.open(&desk);
        self.soak.kill(&desk, process, people).await?;
        self.set_environment();
        self.soak.program.environment.extend([
            (
                "MORGENRUH_STORE_BACKLOG_SLOW",
                (BACKLOG_MAX / 2).to_string(),
            ),
            ("MORGENRUH_STORE_BACKLOG_MAX", BACKLOG_MAX.to_string()),
            ("MORGENRUH_LEDGER_BATCH_MAX", BATCH_MAX.to_string()),
        ]);
        self.launch().await
    }

    fn set_environment(&mut self) {
        if let Some(servers) = &self.servers {
            self.soak.program.environment = super::no_rest();
            let environment = servers.environment();
            self.soak.program.environment.extend(environment);
        }
    }

    /// While an outage lasts a service either starts, or says in one sentence why it cannot.
    /// Returns whether it refused.
    async fn start_in_vain(&mut self, kind: Kind) -> Result<bool, RunError> {
        self.soak.life += 1;
        let mut process = self.soak.program.start()?;
        if process.ready().await.is_some() {
            self.soak.event("ready in spite of the outage, and killed");
            process.kill()?;
            return Ok(false);
        }
        let code = process.exit_code().await?;
        let words = self.soak.program.last_words(1);
        let names_it = ["Redis", "database", "PostgreSQL"];
        if code != Some(CANNOT_START) || !names_it.iter().any(|name| words.contains(name)) {
            let words = self.soak.program.last_words(LAST_WORDS);
            let what = format!("{kind}: a start ended with {code:?} and said: {words}");
            self.soak.notebook.violation(what);
        }
        self.soak.event("does not start");
        Ok(true)
    }

    async fn expect_notice(&self, kind: Kind, desk: &Desk, admin: &Client) {
        let since = Instant::now();
        while since.elapsed() < NOTICED_WITHIN {
            let noticed = match kind.notice() {
                Notice::Nothing => true,
                Notice::Ledger => !desk.is_ready().await,
                Notice::Store => {
                    let store = store(admin).await;
                    store.is_some_and(|store| store.health == "away") && desk.is_ready().await
                }
            };
            if noticed {
                if kind == Kind::BacklogFull {
                    self.expect_bound(admin).await;
                }
                return;
            }
            sleep(LOOK_EVERY).await;
        }
        self.soak
            .notebook
            .violation(format!("{kind}: not noticed within {NOTICED_WITHIN:?}"));
    }

    async fn expect_bound(&self, admin: &Client) {
        let backlog = store(admin).await.map(|store| store.backlog);
        let bound = BACKLOG_MAX..BACKLOG_MAX + BATCH_MAX;
        if !backlog.is_some_and(|backlog| bound.contains(&backlog)) {
            let what = format!("a backlog of {backlog:?}, the bound is {BACKLOG_MAX}");
            self.soak.notebook.violation(what);
        }
    }

    /// Waits until the service is ready again by itself; returns how long it took, in milliseconds.
    async fn expect_ready(&self, kind: Kind, desk: &Desk) -> u64 {
        let since = Instant::now();
        while !desk.is_ready().await {
            if since.elapsed() > READY_WITHIN {
                self.soak
                    .notebook
                    .violation(format!("{kind}: not ready {READY_WITHIN:?} after its end"));
                break;
            }
            sleep(LOOK_EVERY).await;
        }
        since.elapsed().as_millis() as u64
    }

    /// Holds the service to its word over HTTP, and the database to that of the service.
    async fn call_in(&mut self, everything: bool) -> Result<(), RunError> {
        let Some(Serving { desk, admin, .. }) = &self.serving else {
            return Ok(());
        };
        self.soak.call_in(desk, everything).await;
        let Some(newest) = self.caught_up(admin).await else {
            return Ok(());
        };
        let read = |servers: &mut Servers| Ok(servers.database());
        let database = self.with_servers(read).await?;
        let visitors = &self.soak.visitors;
        let told = visitors.iter().flat_map(|visitor| {
            let cancelled = visitor.cancelled_bookings();
            visitor.live_bookings().chain(cancelled)
        });
        let cancelled = self.soak.notebook.tally().cancelled - self.soak.cancelled_before;
        let findings = match database {
            None => vec!["the database answers something else".to_owned()],
            Some(database) if database.watermark < newest => {
                vec![format!(
                    "the watermark is {} of {newest}",
                    database.watermark
                )]
            }
            Some(database) => database.compare(told, self.soak.live(), cancelled),
        };
        for finding in findings {
            self.soak.notebook.violation(finding);
        }
        self.soak.course.verified += 1;
        Ok(())
    }

    /// Waits until the store has everything that there was when this was asked, and returns the
    /// newest position then.
    async fn caught_up(&self, admin: &Client) -> Option<u64> {
        let since = Instant::now();
        let mut wanted = None;
        while since.elapsed() < STORED_WITHIN {
            if let Some(store) = store(admin).await {
                let wanted = *wanted.get_or_insert(store.newest);
                if store.health == "ready" && store.newest - store.backlog >= wanted {
                    return Some(wanted);
                }
            }
            sleep(LOOK_EVERY).await;
        }
        self.soak.notebook.violation(format!(
            "the store has not followed within {STORED_WITHIN:?}"
        ));
        None
    }

    /// Does something to the servers, which may take its time while people go on.
    async fn with_servers<T: Send + 'static>(
        &mut self,
        what: impl FnOnce(&mut Servers) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, RunError> {
        let Some(mut servers) = self.servers.take() else {
            return Err(std::io::Error::other("the servers are lost").into());
        };
        let doing = spawn_blocking(move || {
            let done = what(&mut servers);
            (servers, done)
        });
        let (servers, done) = doing.await.map_err(broken)?;
        self.servers = Some(servers);
        Ok(done?)
    }

    async fn begin_anew(&mut self) -> Result<(), RunError> {
        self.serving = None;
        self.servers = None;
        self.servers = Some(servers().await?);
        self.set_environment();
        self.soak.begin_anew()?;
        self.launch().await
    }

    fn leave(&mut self) -> Result<(), RunError> {
        self.serving = None;
        if let Some(servers) = self.servers.take() {
            servers.keep(&self.keep_at)?;
        }
        Ok(())
    }
}

async fn store(admin: &Client) -> Option<StoreDetail> {
    let ask = Ask {
        path: "/readyz".to_owned(),
        ..Ask::default()
    };
    let answer = admin.call(&ask).await.ok()?;
    let detail: Detail = serde_json::from_slice(&answer.body).ok()?;
    detail.store
}

/// A server that does not do as it is told, in its own words.
fn broken(error: tokio::task::JoinError) -> std::io::Error {
    std::io::Error::other(error)
}
