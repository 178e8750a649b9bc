//! Long random lives of a day, each step held against the naive one: who gets which seat, who is
//! refused and why, and that nothing is ever lost or given twice (I1, I3, I6).

use morgenruh_engine::rules::catalogue::Channel;
use morgenruh_engine::rules::cells::CounterSet;
use morgenruh_engine::rules::day::{
    Ask, Begun, BookingRefusal, Day, Expiry, ExtendRefusal, HoldTerms, MoveOutcome, Overlap,
    Reservation, State,
};
use morgenruh_engine::rules::ids::{DayKey, Digest, ReservationId, Seat, Secret};
use morgenruh_engine::rules::need::Need;
use morgenruh_engine::rules::record::{Contract, Position};
use morgenruh_engine::rules::time::{DayNumber, Millis, UnixMillis};
use proptest::prelude::*;

use crate::effort::effort;
use crate::life::{MINUTE, Step, plan, rules, step};
use crate::naive::{COUNTERS, Cell, Naive, Place, Rules, Stage, UNITS};
use crate::support::{EVENING, need, secret};

const EXTENSION: Millis = Millis::from_minutes(7);
const KEY: DayKey = DayKey {
    office: 1,
    day: DayNumber(9_831),
};

/// The day and its naive twin, living the same life.
struct Twins {
    day: Day,
    naive: Naive,
    now: UnixMillis,
    facts: u64,
}

impl Twins {
    fn new(rules: Rules) -> Twins {
        let day = Day::new(KEY, plan(&rules));
        Twins {
            day,
            naive: Naive::new(rules),
            now: EVENING,
            facts: 0,
        }
    }

    fn live(&mut self, step: &Step) {
        if let Step::ClockGoes { minutes } = step {
            self.now = self.now + Millis(minutes * MINUTE);
        }
        if let Step::Reopen { rules } = step {
            // The day keeps its place in time; only its rules change.
            self.naive.rules = Rules::clone(rules);
            self.naive.released = [false; 2];
            self.day.reopen(plan(rules));
        }
        if let Step::Hold { .. } = step {
            return self.hold(step);
        }
        let places = self.naive.places.len();
        let pick = |who: &usize| who.checked_rem(places);
        match step {
            Step::Extend { who, honest } => pick(who).map(|who| self.extend(who, *honest)),
            Step::Release { who, honest } => pick(who).map(|who| self.release(who, *honest)),
            Step::Expire { who } => pick(who).map(|who| self.expire(who)),
            Step::Stretch { who, minutes } => pick(who).map(|who| self.stretch(who, *minutes)),
            Step::Confirm {
                who,
                honest,
                request,
            } => pick(who).map(|who| self.confirm(who, *honest, *request)),
            Step::Cancel { who, honest } => pick(who).map(|who| self.cancel(who, *honest)),
            Step::Move { who, to } => pick(who).zip(pick(to)).map(|(who, to)| self.go(who, to)),
            Step::LedgerSays { who, durable } => pick(who).map(|who| self.settle(who, *durable)),
            Step::ClockMeets { who, offset } => {
                pick(who).map(|who| self.now = self.naive.places[who].deadline + Millis(*offset))
            }
            _ => None,
        };
    }

    fn hold(&mut self, step: &Step) {
        let Step::Hold {
            unit,
            off_grid,
            units,
            counters,
            channel,
            minutes,
        } = *step
        else {
            return;
        };
        let start = self.naive.instant(unit) + Millis(i64::from(off_grid));
        let channel = Channel::EACH[channel];
        let deadline = self.now + Millis(minutes * MINUTE);
        let places = self.naive.places.len();
        let secret = secret(places as u64);
        let ask = Ask {
            start,
            need: Need {
                counters: CounterSet(counters),
                ..need(units)
            },
            channel,
            secret: secret.digest(),
            random: places as u64,
            deadline,
            ticket: None,
        };
        self.naive.release_waves(self.now);
        let units = usize::from(units);
        let expected = self.naive.hold(self.now, start, units, counters, channel);
        match (self.day.hold(self.now, &ask), expected) {
            (Ok(id), Ok((from, candidates))) => {
                let counter = usize::from(id.seat().counter);
                assert_eq!(usize::from(id.seat().start), unit);
                assert!(
                    candidates.contains(&counter),
                    "a counter that is free and qualified"
                );
                assert_eq!(self.day.reservation(id).unwrap().channel, from);
                let lost = |counter: usize| self.naive.lost(from, counter, unit, units);
                let least = candidates.into_iter().map(lost).min();
                assert_eq!(Some(lost(counter)), least, "the least capacity is lost");
                self.naive.sit_down(Place {
                    id,
                    secret,
                    origin: places,
                    counter,
                    start: unit,
                    units,
                    deadline,
                    extended: false,
                    request: 0,
                    stage: Stage::Held,
                });
            }
            (answer, expected) => assert_eq!(answer.err(), expected.err()),
        }
    }

    fn digest(&self, who: usize, honest: bool) -> Digest {
        let place = &self.naive.places[who];
        if honest {
            place.secret.digest()
        } else {
            Secret([0; 16]).digest()
        }
    }

    fn extend(&mut self, who: usize, honest: bool) {
        let digest = self.digest(who, honest);
        let usable = self.naive.usable(self.now, who, honest);
        let place = &mut self.naive.places[who];
        let answer = self.day.extend(self.now, place.id, digest, EXTENSION);
        if let Err(refusal) = usable {
            return assert_eq!(answer, Err(ExtendRefusal::Unusable(refusal)));
        }
        if place.extended {
            return assert_eq!(answer, Err(ExtendRefusal::AlreadyExtended));
        }
        place.extended = true;
        place.deadline = place.deadline + EXTENSION;
        assert_eq!(answer, Ok(place.deadline));
    }

    fn release(&mut self, who: usize, honest: bool) {
        let digest = self.digest(who, honest);
        let usable = self.naive.usable(self.now, who, honest);
        let id = self.naive.places[who].id;
        let released = self.day.release(self.now, id, digest);
        assert_eq!(released.map(drop), usable);
        if usable.is_ok() {
            self.naive.leave(who, Stage::Gone);
        }
    }

    /// I3: late, never early, and never while the ledger is being asked.
    fn expire(&mut self, who: usize) {
        let place = &self.naive.places[who];
        let answer = self.day.expire(self.now, place.id);
        match place.stage {
            Stage::Held if place.deadline <= self.now => {
                assert_eq!(answer, Expiry::Freed);
                self.naive.leave(who, Stage::Gone);
            }
            Stage::Held | Stage::Confirming { .. } => {
                assert_eq!(answer, Expiry::Later(place.deadline));
            }
            _ => assert_eq!(answer, Expiry::Nothing),
        }
    }

    fn stretch(&mut self, who: usize, minutes: i64) {
        let until = self.now + Millis(minutes * MINUTE);
        let place = &mut self.naive.places[who];
        let answer = self.day.stretch(place.id, until);
        if matches!(place.stage, Stage::Held | Stage::Confirming { .. }) {
            place.deadline = place.deadline.max(until);
            assert_eq!(answer, Some(place.deadline));
        } else {
            assert_eq!(answer, None);
        }
    }

    fn contract(&self, origin: usize, request: u8) -> Contract {
        let Place { id, secret, .. } = &self.naive.places[origin];
        let manage = secret.manage().digest();
        let request = Digest::of(&[&[request]]);
        Contract {
            origin: *id,
            manage,
            request,
            sequence: 0,
        }
    }

    fn confirm(&mut self, who: usize, honest: bool, request: u8) {
        let contract = self.contract(who, request);
        let digest = self.digest(who, honest);
        let usable = self.naive.usable(self.now, who, honest);
        let place = &mut self.naive.places[who];
        let answer = self.day.confirm(self.now, place.id, digest, contract);
        match answer {
            Ok(Begun::Now(confirmed)) => {
                assert_eq!((confirmed.id, usable), (place.id, Ok(())));
                place.stage = Stage::Confirming { moving_from: None };
                place.request = request;
            }
            Ok(Begun::Before(confirmed, _)) => {
                assert_eq!((confirmed.id, place.stage), (place.id, Stage::Booked));
                assert!(
                    honest && place.request == request,
                    "only the same request is repeated"
                );
            }
            Err(refusal) => {
                assert_eq!(Err(refusal), usable);
                let repeated = honest && place.stage == Stage::Booked && place.request == request;
                assert!(!repeated, "a repeated request gets its answer");
            }
        }
    }

    fn manage(&self, who: usize, honest: bool) -> Digest {
        let origin = &self.naive.places[self.naive.places[who].origin];
        if honest {
            origin.secret.manage().digest()
        } else {
            Digest::default()
        }
    }

    fn cancel(&mut self, who: usize, honest: bool) {
        let manage = self.manage(who, honest);
        let answer = self.day.cancel(self.naive.places[who].id, manage);
        match (self.naive.booking(who, honest), answer) {
            (Ok(Stage::Booked), Ok(Begun::Now(_))) => {
                self.naive.places[who].stage = Stage::Cancelling;
            }
            (Ok(Stage::Cancelled), Ok(Begun::Before(..))) => {}
            (Ok(_), answer) => assert_eq!(answer, Err(BookingRefusal::Pending)),
            (Err(refusal), answer) => assert_eq!(answer, Err(refusal)),
        }
    }

    /// A move within the day: both first steps, or neither.
    fn go(&mut self, who: usize, to: usize) {
        let manage = self.manage(who, true);
        let (from_id, to_id) = (self.naive.places[who].id, self.naive.places[to].id);
        let out = self.day.move_out(from_id, manage);
        match self.naive.booking(who, true) {
            Ok(Stage::Booked) => assert!(out.is_ok()),
            Ok(Stage::Cancelled) => assert_eq!(out, Err(BookingRefusal::Cancelled)),
            Ok(_) => assert_eq!(out, Err(BookingRefusal::Pending)),
            Err(refusal) => assert_eq!(out, Err(refusal)),
        }
        let Ok(contract) = out else { return };
        let usable = self.naive.usable(self.now, to, true);
        let contract = Contract {
            request: Digest::of(&[b"move"]),
            ..contract
        };
        let digest = self.digest(to, true);
        match self.day.confirm(self.now, to_id, digest, contract) {
            Ok(Begun::Now(_)) => {
                assert_eq!(usable, Ok(()));
                let moving_from = Some(who);
                let origin = self.naive.places[who].origin;
                self.naive.places[who].stage = Stage::Moving;
                let place = &mut self.naive.places[to];
                (place.stage, place.origin) = (Stage::Confirming { moving_from }, origin);
                // No request of a confirm is the request of a move.
                place.request = u8::MAX;
            }
            Ok(Begun::Before(..)) => self.day.settle_move(from_id, to_id, MoveOutcome::Refused),
            Err(refusal) => {
                assert_eq!(Err(refusal), usable);
                self.day.settle_move(from_id, to_id, MoveOutcome::Refused);
            }
        }
    }

    fn settle(&mut self, who: usize, durable: bool) {
        self.facts += u64::from(durable);
        let position = Position(self.facts);
        let Place { id, stage, .. } = self.naive.places[who].clone();
        match (stage, durable) {
            (Stage::Confirming { moving_from }, true) => {
                self.day.confirm_durable(id, position);
                self.naive.places[who].stage = Stage::Booked;
                if let Some(from) = moving_from {
                    self.arrive(from, who, position);
                }
            }
            (Stage::Confirming { moving_from }, false) => {
                let deadline = self.now + EXTENSION;
                self.day.confirm_refused(id, deadline);
                let place = &mut self.naive.places[who];
                (place.stage, place.deadline) = (Stage::Held, place.deadline.max(deadline));
                if let Some(from) = moving_from {
                    let from_id = self.naive.places[from].id;
                    self.naive.places[who].origin = who;
                    self.day.settle_move(from_id, id, MoveOutcome::Refused);
                    self.naive.places[from].stage = Stage::Booked;
                }
            }
            (Stage::Cancelling, true) => {
                self.day.cancel_durable(id, position);
                self.naive.leave(who, Stage::Cancelled);
            }
            (Stage::Cancelling, false) => {
                self.day.cancel_refused(id);
                self.naive.places[who].stage = Stage::Booked;
            }
            _ => {}
        }
    }

    fn arrive(&mut self, from: usize, to: usize, position: Position) {
        let (from_id, to_id) = (self.naive.places[from].id, self.naive.places[to].id);
        let origin = self.naive.places[from].origin;
        self.day.redirect(self.naive.places[origin].id, to_id);
        self.day
            .settle_move(from_id, to_id, MoveOutcome::Durable(position));
        self.naive.leave(
            from,
            if origin == from {
                Stage::MovedTo(to)
            } else {
                Stage::Gone
            },
        );
        if self.naive.places[origin].stage != Stage::Gone {
            self.naive.places[origin].stage = Stage::MovedTo(to);
        }
    }

    fn check(&mut self) {
        self.naive.release_waves(self.now);
        for channel in Channel::EACH {
            self.check_starts(channel, 1, 7);
            self.check_starts(channel, 3, 6);
        }
        let audit = self.day.audit();
        let (free, held, booked, capacity) = self.naive.count();
        assert_eq!((audit.free, audit.held, audit.booked), (free, held, booked));
        assert_eq!(
            audit.free + audit.held + audit.booked,
            capacity,
            "I6: nothing is lost"
        );
        for place in &self.naive.places {
            let state = self
                .day
                .reservation(place.id)
                .map(|reservation| &reservation.state);
            assert!(agree(place, state), "{:?} is {state:?}", place.stage);
        }
    }

    /// The starts are the naive ones, now and until time alone changes them.
    fn check_starts(&mut self, channel: Channel, units: u8, counters: u64) {
        let need = Need {
            counters: CounterSet(counters),
            ..need(units)
        };
        let answer = self.day.starts(self.now, channel, &need);
        let naive = |now| {
            self.naive
                .starts(now, usize::from(units), counters, channel)
        };
        assert_eq!(answer.starts, naive(self.now));
        assert_eq!(answer.sealed_until, self.naive.next_release());
        assert!(answer.valid_until > self.now);
        assert_eq!(answer.starts, naive(UnixMillis(answer.valid_until.0 - 1)));
    }

    /// A new day into which everything is put back says the same as the old one.
    fn check_restored(&mut self) {
        let mut restored = Day::new(KEY, plan(&self.naive.rules));
        for reservation in self.day.reservations() {
            restored.restore(reservation.clone()).unwrap();
        }
        let need = need(1);
        let now = self.now;
        let before = self.day.starts(now, Channel::Public, &need).starts;
        // A clock that went back seals again what it had released; all else is as it was.
        if self.naive.released == self.naive.rules.waves.map(|at| at <= now) {
            assert_eq!(restored.starts(now, Channel::Public, &need).starts, before);
            assert_eq!(restored.audit(), self.day.audit());
        }
        assert_eq!(restored.conflicts().len(), self.day.conflicts().len());
    }
}

fn agree(place: &Place, state: Option<&State>) -> bool {
    match (place.stage, state) {
        (Stage::Held, Some(State::Held(terms))) => {
            terms.deadline == place.deadline && terms.extended == place.extended
        }
        (Stage::Confirming { .. }, Some(State::Confirming(terms, _))) => {
            terms.deadline == place.deadline
        }
        (Stage::MovedTo(_), Some(State::Moved { .. }))
        | (Stage::Booked, Some(State::Booked(..)))
        | (Stage::Cancelling, Some(State::Cancelling(..)))
        | (Stage::Moving, Some(State::Moving(..)))
        | (Stage::Cancelled, Some(State::Cancelled(..)))
        | (Stage::Gone, None) => true,
        _ => false,
    }
}

proptest! {
    #![proptest_config(effort(300))]

    /// Both twins live the same life and are compared after every step.
    #[test]
    fn a_day_is_what_the_naive_day_is(
        rules in rules(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut twins = Twins::new(rules);
        for step in &steps {
            twins.live(step);
            twins.check();
        }
        twins.check_restored();
    }
}

/// Damaged data: a seat that no office has is an error, not a crash.
#[test]
fn a_seat_that_cannot_be_is_not_restored() {
    let open = Some(Cell {
        channel: Channel::Public,
        wave: None,
    });
    let rules = Rules {
        cells: [[open; UNITS]; COUNTERS],
        waves: [EVENING; 2],
        starts_at: EVENING,
        grid: 1,
        notice: Millis(0),
        useful_units: 1,
    };
    let mut day = Day::new(KEY, plan(&rules));
    for (counter, start, units) in [(64, 0, 1), (255, 0, 1), (0, 19, 2), (0, u16::MAX, 255)] {
        let terms = HoldTerms {
            deadline: EVENING,
            extended: false,
        };
        let reservation = Reservation {
            id: ReservationId::new(
                Seat {
                    key: KEY,
                    counter,
                    start,
                    units,
                },
                0,
                0,
            ),
            services: need(1).services,
            channel: Channel::Public,
            secret: secret(0).digest(),
            ticket: None,
            state: State::Held(terms),
        };
        assert_eq!(day.restore(reservation), Err(Overlap));
    }
    assert_eq!(day.audit().held, 0);
}
