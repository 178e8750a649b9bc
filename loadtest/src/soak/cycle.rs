//! The cycles: start, call in, serve, kill.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::cells::{Cell, cells, check_all};
use super::desk::Desk;
use super::faults::Faults;
use super::notebook::Notebook;
use super::report::{Course, Figures};
use super::visitor::Visitor;
use super::{LAST_WORDS, Until, client};
use crate::dice::Dice;
use crate::morning::RunError;
use crate::service::{Process, Program, Ready};

/// Cycles between two looks of `morgenruh verify`.
const VERIFY_EVERY: u64 = 10;

/// Cycles whose history is checked at once.
const CHAPTER_CYCLES: u64 = 100;

/// Cycles after which everything begins anew, with empty data; a multiple of a chapter. Each start
/// reads all that ever was, and here years pass in minutes.
const ANEW_CYCLES: u64 = 500;

/// How often a line of progress is written, in seconds.
const LINE_S: u64 = 5;

/// A run, with everybody who takes part.
#[derive(Debug)]
pub(super) struct Soak {
    pub(super) program: Program,
    pub(super) notebook: Arc<Notebook>,
    pub(super) visitors: Vec<Visitor>,
    pub(super) course: Course,
    pub(super) dice: Dice,
    /// Number of the present life of the process.
    pub(super) life: u32,
    /// The cycle in which the present chapter began.
    pub(super) chapter_since: u64,
    /// The cycle in which the data began.
    pub(super) anew_since: u64,
    /// Bookings that were cancelled before the data began.
    pub(super) cancelled_before: u64,
    pub(super) begun: Instant,
    /// When progress was told last.
    told: Instant,
}

impl Soak {
    pub(super) fn new(
        program: Program,
        notebook: Arc<Notebook>,
        visitors: Vec<Visitor>,
        seed: u64,
    ) -> Self {
        Self {
            program,
            notebook,
            visitors,
            course: Course::new(),
            dice: Dice::new(seed),
            life: 0,
            chapter_since: 0,
            anew_since: 0,
            cancelled_before: 0,
            begun: Instant::now(),
            told: Instant::now(),
        }
    }

    /// Goes on until it is time, or a promise is broken.
    pub(super) async fn cycles(&mut self, until: Until) -> Result<(), RunError> {
        loop {
            let last = self.is_over(until);
            let anew = self.course.cycles - self.anew_since >= ANEW_CYCLES;
            let chapter_ends = self.course.cycles - self.chapter_since >= CHAPTER_CYCLES;
            let faults = Faults::draw(&mut self.dice);
            let Some((process, ready)) = self.start(&faults).await? else {
                self.check_history();
                return Ok(());
            };
            let client = client(ready.public.clone(), self.visitors.len() as u32);
            let desk = Desk::new(client, Arc::clone(&self.notebook), self.life);
            let desk = Arc::new(desk);
            self.count_found(&ready);
            self.call_in(&desk, last || anew).await;
            if last || anew || self.course.cycles.is_multiple_of(VERIFY_EVERY) {
                self.verify()?;
            }
            if last || chapter_ends || self.is_broken() {
                self.check_history();
            }
            if last || self.is_broken() {
                return Ok(process.kill()?);
            }
            if anew {
                process.kill()?;
                self.begin_anew()?;
                continue;
            }
            if chapter_ends {
                self.next_chapter()?;
            }
            self.serve(desk, process, &faults).await?;
            self.cycle_ends();
        }
    }

    /// Counts the cycle, and now and then tells how far it is.
    pub(super) fn cycle_ends(&mut self) {
        self.course.cycles += 1;
        if self.told.elapsed() >= Duration::from_secs(LINE_S) {
            self.told = Instant::now();
            eprintln!("{}", self.course.line(&self.notebook.tally()));
        }
    }

    /// Whether this was the last cycle.
    pub(super) fn is_over(&self, until: Until) -> bool {
        match until {
            Until::Cycles(cycles) => self.course.cycles >= cycles,
            Until::Elapsed(time) => self.begun.elapsed() >= time,
        }
    }

    pub(super) fn is_broken(&self) -> bool {
        self.notebook.tally().violations > 0
    }

    /// Starts the service, however often it is killed meanwhile. `None` when it does not start,
    /// which is noted as a violation.
    async fn start(&mut self, faults: &Faults) -> Result<Option<(Process, Ready)>, RunError> {
        for &after in &faults.starts_cut {
            let process = self.program.start()?;
            sleep(after).await;
            self.event("killed during its start");
            process.kill()?;
            self.course.kills_starting += 1;
        }
        let mut kill_ready = faults.kill_ready;
        loop {
            let Some((process, ready)) = self.launch().await? else {
                return Ok(None);
            };
            if !std::mem::take(&mut kill_ready) {
                return Ok(Some((process, ready)));
            }
            self.event("killed when it was ready");
            process.kill()?;
            self.course.kills += 1;
        }
    }

    /// Starts the service once. `None` when it does not start, which is noted as a violation.
    pub(super) async fn launch(&mut self) -> Result<Option<(Process, Ready)>, RunError> {
        self.life += 1;
        let mut process = self.program.start()?;
        let Some(ready) = process.ready().await else {
            let words = self.program.last_words(LAST_WORDS);
            self.notebook
                .violation(format!("the service does not start again: {words}"));
            return Ok(None);
        };
        self.event("ready");
        self.course.recovered(ready.took);
        Ok(Some((process, ready)))
    }

    /// Compares what a start has found with what was promised.
    pub(super) fn count_found(&self, ready: &Ready) {
        let unclear = self.visitors.iter().filter(|one| one.is_unclear()).count() as u64;
        let live = self.live();
        if ready.bookings.abs_diff(live) > unclear {
            let found = ready.bookings;
            let what = format!("{found} bookings were found, {live} promised, {unclear} unclear");
            self.notebook.violation(what);
        }
    }

    /// Holds the service to its word, from both sides: what was promised is there, and nothing
    /// else is.
    pub(super) async fn call_in(&mut self, desk: &Arc<Desk>, everything: bool) {
        if !desk.is_ready().await {
            self.notebook.violation("/readyz is not green".to_owned());
        }
        let mut asking = JoinSet::new();
        for visitor in std::mem::take(&mut self.visitors) {
            asking.spawn(visitor.call_in(Arc::clone(desk), everything));
        }
        self.visitors = asking.join_all().await;
        self.look_for_seats_for_two();
    }

    /// What was done and measured.
    pub(super) fn figures(&self) -> Figures {
        let tally = self.notebook.tally();
        self.course
            .figures(tally, self.live(), self.begun.elapsed())
    }

    pub(super) fn live(&self) -> u64 {
        let live = self.visitors.iter().flat_map(Visitor::live_bookings);
        live.count() as u64
    }

    fn look_for_seats_for_two(&self) {
        let mut taken: BTreeMap<Cell, &str> = BTreeMap::new();
        for booking in self.visitors.iter().flat_map(Visitor::live_bookings) {
            let (start, end) = (&booking.start, &booking.end);
            for cell in cells(&booking.office, booking.counter, start, end) {
                if let Some(other) = taken.insert(cell.clone(), &booking.id) {
                    let id = &booking.id;
                    self.notebook
                        .violation(format!("{cell} is booked by {other} and {id}"));
                }
            }
        }
    }

    /// Lets `morgenruh verify` look at the data, and compares what it counts.
    fn verify(&mut self) -> Result<(), RunError> {
        let counts = self.program.verify()?;
        self.course.verified += 1;
        let cancelled = self.notebook.tally().cancelled - self.cancelled_before;
        let expected = (self.live(), cancelled);
        if (counts.live, counts.cancelled) != expected || counts.errors > 0 {
            let (live, cancelled) = expected;
            let text = &counts.text;
            self.notebook.violation(format!(
                "{live} live and {cancelled} cancelled are promised, verify says: {text}"
            ));
        }
        Ok(())
    }

    /// Lets everybody come, and kills the service under them.
    async fn serve(
        &mut self,
        desk: Arc<Desk>,
        process: Process,
        faults: &Faults,
    ) -> Result<(), RunError> {
        let people = self.open(&desk);
        sleep(faults.served).await;
        if let Some(stop) = faults.stop {
            self.event("stopped");
            process.stop()?;
            self.course.stops += 1;
            sleep(stop.lasts).await;
            if let Some(then) = stop.then {
                self.event("goes on");
                process.go_on()?;
                sleep(then).await;
            }
        }
        self.kill(&desk, process, people).await
    }

    /// Lets everybody come.
    pub(super) fn open(&mut self, desk: &Arc<Desk>) -> JoinSet<Visitor> {
        let mut people = JoinSet::new();
        for visitor in std::mem::take(&mut self.visitors) {
            people.spawn(visitor.live(Arc::clone(desk)));
        }
        people
    }

    /// Kills the service under those who have come.
    pub(super) async fn kill(
        &mut self,
        desk: &Desk,
        process: Process,
        people: JoinSet<Visitor>,
    ) -> Result<(), RunError> {
        let killed_at = self.event("killed");
        process.kill()?;
        self.course.kills += 1;
        self.close(desk, people).await?;
        for visitor in &mut self.visitors {
            visitor.crashed(self.life, killed_at, desk.kept_until());
        }
        Ok(())
    }

    /// Lets everybody finish what they are about, and go.
    pub(super) async fn close(
        &mut self,
        desk: &Desk,
        people: JoinSet<Visitor>,
    ) -> Result<(), RunError> {
        desk.close();
        self.visitors = people.join_all().await;
        Ok(self.notebook.flush()?)
    }

    /// Notes what happens to the process, and returns when.
    pub(super) fn event(&self, what: &str) -> u64 {
        self.notebook
            .write(json!({ "life": self.life, "process": what }))
    }

    pub(super) fn check_history(&mut self) {
        let checked = check_all(self.visitors.iter().flat_map(Visitor::stays));
        self.course.cells_checked += checked.cells;
        self.course.calls_checked += checked.calls;
        for violation in checked.violations {
            self.notebook.violation(violation);
        }
    }

    /// What has been checked need not be remembered; what goes on is taken along.
    pub(super) fn next_chapter(&mut self) -> io::Result<()> {
        self.chapter_since = self.course.cycles;
        for visitor in &mut self.visitors {
            visitor.next_chapter();
        }
        self.notebook.next_chapter()
    }

    /// Nobody has a booking, and nothing is on disk.
    pub(super) fn begin_anew(&mut self) -> io::Result<()> {
        std::fs::remove_dir_all(&self.program.data)?;
        self.anew_since = self.course.cycles;
        self.cancelled_before = self.notebook.tally().cancelled;
        for visitor in &mut self.visitors {
            visitor.begin_anew();
        }
        self.next_chapter()
    }
}
