//! One run: the real engine and the real scribe over a simulated disk, a clock that can be set,
//! people, and everything that can go wrong.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use morgenruh_engine::rules::calendar::plan;
use morgenruh_engine::rules::catalogue::{Channel, OfficeIndex};
use morgenruh_engine::rules::cells::CounterSet;
use morgenruh_engine::rules::day::{Reservation, State};
use morgenruh_engine::rules::ids::ReservationId;
use morgenruh_engine::rules::need::{Need, Services};
use morgenruh_engine::rules::record::Position;
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use morgenruh_engine::shell::backlog::{Backlog, Bounds, Braked};
use morgenruh_engine::shell::drain::{Drain, Rhythm};
use morgenruh_engine::shell::engine::{Engine, Limits};
use morgenruh_engine::shell::ledger::Ledger;
use morgenruh_engine::shell::scribe::{self, Desk, Scribe};
use morgenruh_engine::shell::stored::Stored;

use crate::chronicle::Chronicle;
use crate::disk::{CrashPoint, Disk, Mishap};
use crate::lobby::Lobby;
use crate::options::{Deed, Options, QUEUE_MAX};
use crate::oracle::{Oracle, Seat, Violation};
use crate::people::Person;
use crate::post::Post;
use crate::tally::Tally;
use crate::town::{DAYS, FIRST_UNIT, Town, UNITS_MAX};
use crate::trace::Trace;
use crate::wishers::Wishers;

/// How far one outage stretches holds.
const STRETCH_MAX: Millis = Millis::from_minutes(30);
/// How far a run goes from its beginning: the visits stay ahead.
const RUN_MAX: Millis = Millis::from_minutes(8 * 60);
/// Steps between two looks at the engine's own books, at one day after the other; what people see
/// is judged in every step.
const AUDIT_EVERY: u64 = 128;
/// Turns after which everything that was asked has been answered, when nothing goes wrong.
const TURNS_MAX: usize = 4_096;

thread_local! {
    /// What the scribe's clock shows; each run has a thread to itself.
    static CLOCK: Cell<UnixMillis> = const { Cell::new(UnixMillis(0)) };
}

pub struct World {
    pub options: Options,
    pub dice: Rng,
    pub engine: Engine,
    pub oracle: Oracle,
    pub chronicle: Chronicle,
    pub lobby: Lobby,
    pub wishers: Wishers,
    pub people: Vec<Person>,
    pub post: Post,
    pub tally: Tally,
    pub trace: Trace,
    desk: Desk,
    /// None only while the service is stopped.
    scribe: Option<Scribe<Braked<Disk>>>,
    drain: Drain<Disk, Disk>,
    backlog: Arc<Backlog>,
    pub disk: Disk,
    now: UnixMillis,
    /// Until then nothing is written and nothing falls due.
    paused: u32,
    full: bool,
    /// Records were refused since the last start because the store was too far behind.
    held_back: bool,
}

/// An engine with its ledger and the way into its store.
struct Service {
    engine: Engine,
    desk: Desk,
    scribe: Scribe<Braked<Disk>>,
    drain: Drain<Disk, Disk>,
    backlog: Arc<Backlog>,
}

fn service(options: &Options, disk: Disk, now: UnixMillis) -> Service {
    let ledger_options = scribe::Options {
        batch_max: options.batch_max,
        queue_max: options.queue_max,
        retry: Duration::ZERO,
        clock: || CLOCK.get(),
    };
    let backlog = Arc::new(Backlog::new(Bounds {
        rest: 0,
        rest_max: Millis(0),
        slow: options.backlog_max / 2,
        max: options.backlog_max,
        pause_max: Duration::from_secs(1),
    }));
    backlog.stored(Position(disk.plates().tables.watermark), now);
    let rhythm = Rhythm {
        batch_max: options.batch_max,
        idle: Duration::ZERO,
        retry: Duration::ZERO,
        retry_max: Duration::ZERO,
        clock: || CLOCK.get(),
    };
    let drain = Drain::new(disk.clone(), disk.clone(), Arc::clone(&backlog), rhythm);
    // A commit that waits is a turn that comes later: here nobody sleeps.
    let journal = Braked::new(disk, Arc::clone(&backlog), |_| ());
    let Ok((desk, scribe)) = scribe::open(journal, ledger_options) else {
        unreachable!("the simulated disk can always be read")
    };
    let mut limits = Limits {
        stretch_max: STRETCH_MAX,
        deadline_queue_max: options.deadlines_max,
        deadlines_max: options.deadlines_max,
        ..Limits::default()
    };
    if let Some(terms) = options.town.wishes {
        (limits.answers, limits.rest) = (terms.answers, terms.rest);
    }
    let catalogue = Arc::new(options.town.catalogue());
    let engine = Engine::new(catalogue, Arc::new(desk.clone()), limits, None, now);
    Service {
        engine,
        desk,
        scribe,
        drain,
        backlog,
    }
}

/// `units` units on any counter.
pub fn need(units: u16) -> Need {
    Need {
        services: Services::collect([(1, 1)]).unwrap_or_default(),
        units: units as u8,
        counters: CounterSet::ALL,
    }
}

impl World {
    pub fn new(seed: u64, loud: bool) -> World {
        let mut dice = Rng::with_seed(seed);
        let options = Options::draw(&mut dice);
        let disk = Disk::default();
        disk.plates().restart(&mut dice);
        let now = Town::begin();
        CLOCK.set(now);
        let service = service(&options, disk.clone(), now);
        let mut world = World {
            oracle: Oracle::new(options.town.clone()),
            chronicle: Chronicle::default(),
            lobby: Lobby::new(options.people),
            wishers: Wishers::default(),
            people: vec![Person::default(); options.people],
            post: Post::new(disk.clone()),
            tally: Tally::default(),
            trace: Trace::new(loud),
            options,
            dice,
            engine: service.engine,
            desk: service.desk,
            scribe: Some(service.scribe),
            drain: service.drain,
            backlog: service.backlog,
            disk,
            now,
            paused: 0,
            full: false,
            held_back: false,
        };
        world.set_clock(now);
        world
    }

    pub fn now(&self) -> UnixMillis {
        self.now
    }

    /// The first phase: everything can go wrong, and nothing may be wrong.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn live(&mut self) -> Result<(), Violation> {
        for _ in 0..self.options.steps {
            self.step()?;
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), Violation> {
        self.tally.steps += 1;
        self.trace.next(self.now);
        let pass = Millis(i64::from(self.dice.u32(..=self.options.pace_ms)));
        self.set_clock((self.now + pass).min(Town::begin() + RUN_MAX));
        self.paused = self.paused.saturating_sub(1);
        match self.options.deed(&mut self.dice) {
            Deed::Person => {
                let who = self.dice.usize(..self.people.len());
                self.act(who)?;
            }
            Deed::Read => self.read()?,
            Deed::Tick if self.paused == 0 => self.tick(),
            Deed::Turn if self.paused == 0 => self.turn()?,
            Deed::Drain => {
                for _ in 0..self.dice.usize(1..8) {
                    self.drain()?;
                }
            }
            Deed::Crash => self.crash()?,
            Deed::Restart => self.restart()?,
            Deed::Mishap => {
                let mishap = Mishap::EACH[self.dice.usize(..Mishap::EACH.len())];
                let calls = self.dice.u64(1..6);
                self.disk.plates().trap(calls, mishap);
            }
            Deed::Outage => {
                self.full = !self.full;
                self.tally.outages += u64::from(self.full);
                self.disk.plates().fill(self.full);
            }
            Deed::Jump => self.jump(),
            Deed::Herd => {
                self.tally.herds += 1;
                let seat = self.any_seat();
                for who in 0..self.people.len() {
                    self.ask_for_hold(who, seat)?;
                }
            }
            Deed::MassCancel => {
                for who in 0..self.people.len() {
                    self.ask_to_cancel(who);
                }
            }
            Deed::Reopen => self.reopen(),
            Deed::Visit => {
                let who = self.dice.usize(..self.people.len());
                self.visit(who)?;
            }
            Deed::TickRooms if self.paused == 0 => self.tick_rooms()?,
            Deed::Staff => self.staff()?,
            Deed::Pause => self.paused = self.dice.u32(1..100),
            Deed::Wish => {
                let who = self.dice.usize(..self.people.len());
                self.wish(who)?;
            }
            Deed::TickWishes if self.paused == 0 => self.tick_wishes()?,
            Deed::Letters => self.hand_over()?,
            Deed::Decide => self.decide()?,
            Deed::Announce => self.announce()?,
            Deed::Calm if !self.full => self.calm()?,
            Deed::Tick | Deed::Turn | Deed::TickRooms | Deed::TickWishes | Deed::Calm => {}
        }
        if self.tally.steps.is_multiple_of(AUDIT_EVERY) {
            let turn = (self.tally.steps / AUDIT_EVERY) as u16 % (self.options.town.offices * DAYS);
            self.audit_day(turn / DAYS, turn % DAYS);
            self.look_at_wishes(false)?;
        }
        self.hear()
    }

    /// The second phase: nothing goes wrong any more, and everything must come right.
    ///
    /// # Errors
    /// What did not.
    pub fn settle(&mut self) -> Result<(), Violation> {
        self.options.lost_answers = 0;
        self.full = false;
        {
            let mut plates = self.disk.plates();
            plates.fill(false);
            plates.trap(u64::MAX / 2, Mishap::Refused);
        }
        for _ in 0..4 {
            self.answer_everybody()?;
            for who in 0..self.people.len() {
                self.resolve(who);
                self.hear()?;
            }
        }
        self.answer_everybody()?;
        if let Some(who) = self.people.iter().position(Person::waits) {
            return Err(Violation(format!("I5: person {who} was never answered")));
        }
        self.settle_releases()?;
        self.settle_room()?;
        self.settle_wishes()?;
        // Past every deadline, then again for those that an outage has stretched.
        let holds = i64::from(self.options.town.hold_minutes) * 2 * 60_000;
        for pass in [holds, STRETCH_MAX.0, holds] {
            let latest = self.now.max(self.chronicle.latest());
            self.set_clock(latest + Millis(pass + 2_000));
            self.tick();
            self.turn()?;
            self.hear()?;
        }
        self.oracle.ticked(self.now.0);
        for who in 0..self.people.len() {
            self.people[who].forget_hold();
            self.look(who)?;
        }
        self.look_at_kept()?;
        self.audit();
        self.read_everything()?;
        self.catch_up()?;
        self.chronicle.judge()?;
        self.tally.histories += 1;
        self.everything_is_forgotten()
    }

    /// Whether the ledger takes what it is told.
    pub fn is_ready(&self) -> bool {
        self.desk.health().is_ready()
    }

    /// For a room that is being settled.
    pub fn tick_all(&mut self) {
        self.tick();
    }

    pub fn write(&mut self) -> Result<(), Violation> {
        self.drain()?;
        self.turn()?;
        self.hear()
    }

    fn answer_everybody(&mut self) -> Result<(), Violation> {
        for _ in 0..TURNS_MAX {
            let writes = self.disk.plates().facts();
            self.drain()?;
            self.turn()?;
            self.hear()?;
            let idle = self.disk.plates().facts() == writes;
            if idle && self.desk.health().is_ready() {
                break;
            }
        }
        Ok(())
    }

    /// Brings the next facts into the store.
    fn drain(&mut self) -> Result<(), Violation> {
        let moved = self.drain.turn().unwrap_or(0);
        self.tally.drained += moved as u64;
        if self.backlog.quarantined() > 0 {
            return Err(Violation("I1: the store refused a fact".into()));
        }
        Ok(())
    }

    /// I10: in the end the store has every fact, and says what the engine says.
    fn catch_up(&mut self) -> Result<(), Violation> {
        while self.backlog.records() > 0 {
            let before = self.backlog.records();
            self.drain()?;
            if self.backlog.records() == before {
                return Err(Violation("I10: the store does not catch up".into()));
            }
        }
        let booked = |reservations: Vec<Reservation>| -> BTreeSet<ReservationId> {
            let booked = reservations
                .into_iter()
                .filter(|it| matches!(it.state, State::Booked(..)));
            booked.map(|booking| booking.id).collect()
        };
        let stored = self.disk.plates().stored(self.now).bookings;
        if booked(stored) != booked(self.engine_state()) {
            return Err(Violation("I10: the store and the engine differ".into()));
        }
        Ok(())
    }

    pub fn set_clock(&mut self, now: UnixMillis) {
        self.now = now;
        CLOCK.set(now);
        self.oracle.clock_shows(now.0);
        self.chronicle.clock_shows(now.0);
        self.lobby.clock_shows(now.0);
    }

    fn tick(&mut self) {
        let away = !self.desk.health().is_ready();
        if away {
            self.oracle.outage(self.now.0);
        }
        self.engine.tick(self.now);
        if !away {
            self.oracle.ticked(self.now.0);
        }
        self.trace.note("tick", usize::from(away), 0);
    }

    fn turn(&mut self) -> Result<(), Violation> {
        let mishaps_before = self.disk.plates().mishaps;
        let written = self.scribe.as_mut().is_some_and(Scribe::turn);
        if !self.desk.health().is_ready() {
            self.oracle.outage(self.now.0);
        }
        let (facts, mishaps) = {
            let plates = self.disk.plates();
            (plates.facts(), plates.mishaps)
        };
        let is_held_back = !written && self.backlog.records() >= self.options.backlog_max;
        self.held_back |= is_held_back;
        self.tally.held_back += u64::from(is_held_back);
        if mishaps > mishaps_before {
            let waits = self.people.iter().any(Person::waits);
            self.tally.refused_commits += u64::from(!waits);
            self.tally.unclear_commits += u64::from(waits);
        }
        self.trace.note("turn", usize::from(written), facts as u64);
        self.look_at_releases()?;
        self.watch_wishes()
    }

    fn jump(&mut self) {
        let reach = Millis::from_minutes(40).0;
        let to = self.now.0 + self.dice.i64(-reach..=reach);
        let end = Town::begin() + RUN_MAX;
        let to = UnixMillis(to.clamp(Town::begin().0 - reach, end.0));
        self.tally.clock_set_back += u64::from(to < self.now);
        self.tally.clock_set_ahead += u64::from(to > self.now);
        self.set_clock(to);
    }

    fn reopen(&mut self) {
        if self.options.town.release.is_some() {
            // Hours change with a restart only, and then nothing that was decided is lost.
            return;
        }
        self.tally.reopenings += 1;
        self.options.town.reopen(&mut self.dice);
        self.oracle.reopened(self.options.town.clone());
        let catalogue = self.options.town.catalogue();
        for (office, day) in self.days() {
            let index = OfficeIndex(office);
            if let Some(shard) = self.engine.shard(index, Town::date(day)) {
                let plan = plan(&catalogue, catalogue.office(index), Town::date(day));
                shard.decide(|day| day.reopen(plan));
            }
        }
    }

    /// Stopped and started again in good order: nobody may notice.
    fn restart(&mut self) -> Result<(), Violation> {
        self.desk.close();
        if let Some(scribe) = self.scribe.take() {
            scribe.run();
        }
        self.held_back |= self.backlog.records() >= self.options.backlog_max;
        self.watch_wishes()?;
        self.hear()?;
        // A hold's end is left out when the queue is full or the disk is away.
        let all_written = self.disk.plates().mishaps == 0 && self.options.queue_max >= QUEUE_MAX;
        let in_order = all_written && !self.held_back && self.desk_was_emptied();
        self.power_returns(in_order)
    }

    /// Whether the last thing the ledger heard of was written: no refusal, nobody unanswered.
    fn desk_was_emptied(&self) -> bool {
        !self.full && !self.people.iter().any(Person::waits) && !self.wishers.waits()
    }

    fn crash(&mut self) -> Result<(), Violation> {
        let index = self.dice.usize(..CrashPoint::EACH.len());
        let point = CrashPoint::EACH[index];
        match point {
            CrashPoint::AtRest => {}
            CrashPoint::InStore | CrashPoint::BeforeWatermark => {
                self.disk.plates().arm(point);
                self.drain()?;
            }
            CrashPoint::BetweenAcks => {
                self.post.last_letters(Some(self.dice.usize(..3)));
                self.turn()?;
            }
            CrashPoint::InRecovery => {
                self.disk.plates().cut_power();
                self.power_returns(false)?;
                // The second failure comes before the recovery has finished.
            }
            CrashPoint::AfterRecovery => {
                self.disk.plates().cut_power();
                self.power_returns(false)?;
                let durable = self.dice.bool();
                self.disk.plates().arm(if durable {
                    CrashPoint::BeforeAck
                } else {
                    CrashPoint::BeforeDurable
                });
                self.turn()?;
            }
            _ => {
                self.disk.plates().arm(point);
                self.turn()?;
            }
        }
        let reached = !self.disk.plates().has_power();
        let waited = self.people.iter().any(Person::is_in_flight);
        let durable = matches!(point, CrashPoint::BeforeAck | CrashPoint::BetweenAcks);
        self.tally.durable_not_acknowledged += u64::from(reached && waited && durable);
        let recovery = matches!(point, CrashPoint::InRecovery | CrashPoint::AfterRecovery);
        self.tally.crashes_in_recovery += u64::from(recovery);
        self.tally.crashes[index] += 1;
        self.trace.note("crash", index, 0);
        self.disk.plates().cut_power();
        // What was sent before the failure is heard.
        self.hear()?;
        self.power_returns(false)
    }

    fn power_returns(&mut self, in_order: bool) -> Result<(), Violation> {
        for person in &mut self.people {
            person.connection_lost();
        }
        self.wishers.connection_lost();
        self.disk.plates().restart(&mut self.dice);
        self.full = false;
        let away = [0, 1_000, 60_000, 15 * 60_000][self.dice.usize(..4)];
        self.set_clock((self.now + Millis(away)).min(Town::begin() + RUN_MAX));
        self.lobby.crashed();
        if !in_order {
            self.oracle.crashed(self.now.0);
            self.chronicle.crashed(self.now.0);
        }
        self.post = Post::new(self.disk.clone());
        let service = service(&self.options, self.disk.clone(), self.now);
        let stored = self.disk.plates().stored(self.now);
        let twin = self.options.twins.then(|| stored.clone());
        let rests = stored.rests.clone();
        (self.engine, self.desk) = (service.engine, service.desk);
        (self.scribe, self.drain) = (Some(service.scribe), service.drain);
        (self.backlog, self.held_back) = (service.backlog, false);
        let recovered = self.engine.recover(self.now, stored);
        recovered.map_err(|error| Violation(format!("I2: the engine cannot recover: {error}")))?;
        if let Some(stored) = twin {
            self.compare_with_twin(stored)?;
        }
        self.audit();
        self.look_at_room()?;
        self.releases_recovered()?;
        self.wishes_recovered(&rests)?;
        // Nothing overdue may be served after a recovery.
        self.oracle.ticked(self.now.0);
        self.trace
            .note("recovered", 0, self.disk.plates().facts() as u64);
        Ok(())
    }

    /// The same memory makes the same engine.
    fn compare_with_twin(&mut self, stored: Stored) -> Result<(), Violation> {
        self.tally.twin_recoveries += 1;
        let twin = service(&self.options, Disk::default(), self.now).engine;
        let recovered = twin.recover(self.now, stored);
        let rooms = World::room_image(&twin) == World::room_image(&self.engine);
        let wishes = World::wish_image(&twin) == World::wish_image(&self.engine);
        if recovered.is_err()
            || !rooms
            || !wishes
            || self.reservations(&twin) != self.engine_state()
        {
            return Err(Violation("I9: one memory, two different recoveries".into()));
        }
        Ok(())
    }

    /// What the engine thinks, for whoever looks for the cause of a violation.
    pub fn engine_state(&self) -> Vec<Reservation> {
        self.reservations(&self.engine)
    }

    fn reservations(&self, engine: &Engine) -> Vec<Reservation> {
        let shards = self
            .days()
            .filter_map(|(office, day)| engine.shard(OfficeIndex(office), Town::date(day)));
        shards
            .flat_map(|shard| shard.decide(|day| day.reservations().cloned().collect::<Vec<_>>()))
            .collect()
    }

    fn audit(&self) {
        for (office, day) in self.days() {
            self.audit_day(office, day);
        }
    }

    fn audit_day(&self, office: u16, day: u16) {
        if let Some(shard) = self.engine.shard(OfficeIndex(office), Town::date(day)) {
            shard.decide(|day| day.audit());
        }
    }

    pub fn days(&self) -> impl Iterator<Item = (u16, u16)> + use<> {
        let offices = self.options.town.offices;
        (0..offices).flat_map(|office| (0..DAYS).map(move |day| (office, day)))
    }

    /// Somewhere where somebody could want to go; the counter is anybody's guess.
    pub fn any_seat(&mut self) -> Seat {
        let units = self.dice.u16(1..=3);
        Seat {
            office: self.dice.u16(..self.options.town.offices),
            day: self.dice.u16(..DAYS),
            counter: 0,
            start: FIRST_UNIT + self.dice.u16(..=UNITS_MAX - units),
            units,
        }
    }

    fn read(&mut self) -> Result<(), Violation> {
        self.tally.reads += 1;
        let Seat {
            office, day, units, ..
        } = self.any_seat();
        self.read_day(office, day, units)
    }

    fn read_everything(&mut self) -> Result<(), Violation> {
        for (office, day) in self.days() {
            self.read_day(office, day, 1)?;
        }
        Ok(())
    }

    fn read_day(&mut self, office: u16, day: u16, units: u16) -> Result<(), Violation> {
        let (index, date) = (OfficeIndex(office), Town::date(day));
        self.see_rests(office, day);
        let starts = self
            .engine
            .starts(self.now, index, date, Channel::Public, &need(units));
        let starts = starts.map_or_else(Vec::new, |starts| starts.starts);
        let mut free = [0u16; UNITS_MAX as usize];
        for start in &starts {
            if let Some(seats) = free.get_mut(usize::from(start.unit - FIRST_UNIT)) {
                *seats = u16::from(start.seats);
            }
        }
        for unit in 0..=UNITS_MAX - units {
            let seat = Seat {
                office,
                day,
                counter: 0,
                start: FIRST_UNIT + unit,
                units,
            };
            self.oracle
                .read(self.now.0, seat, free[usize::from(unit)])?;
        }
        self.trace
            .note("read", usize::from(office), starts.len() as u64);
        Ok(())
    }
}
