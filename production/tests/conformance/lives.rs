//! Random lives of two halls: one is stopped and started again at any time, the other one never.
//! Both tell everybody the same, and what comes back is what is there (I2, I9).

use std::fmt::Debug;

use jiff::civil::Date;
use morgenruh_engine::rules::catalogue::{Catalogue, Channel, OfficeIndex};
use morgenruh_engine::rules::ids::{HoldToken, ReservationId};
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use morgenruh_engine::shell::engine::HoldAsk;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::mode::{Embedded, Mode, Production, ProductionBehind};
use crate::support::{
    EVENING, Hall, THURSDAY, TUESDAY, WEDNESDAY, clock, need, office, secret, town,
};
use crate::townhall::{Townhall, seen, told};

const DAYS: [Date; 3] = [TUESDAY, WEDNESDAY, THURSDAY];

#[derive(Clone, Copy, Debug)]
enum Step {
    Hold {
        office: u16,
        day: usize,
        ten_minutes: u16,
        units: u8,
    },
    Extend(usize),
    Release(usize),
    Confirm(usize),
    Cancel(usize),
    Move {
        booking: usize,
        to: usize,
    },
    TimeGoesOn {
        minutes: u32,
    },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0usize..32;
    prop_oneof![
        10 => (0u16..2, 0usize..3, 0u16..6, 1u8..5).prop_map(|(office, day, ten_minutes, units)| {
            Step::Hold { office, day, ten_minutes, units }
        }),
        2 => who.clone().prop_map(Step::Extend),
        2 => who.clone().prop_map(Step::Release),
        6 => who.clone().prop_map(Step::Confirm),
        2 => who.clone().prop_map(Step::Cancel),
        6 => (who.clone(), who).prop_map(|(booking, to)| Step::Move { booking, to }),
        2 => (1u32..12).prop_map(|minutes| Step::TimeGoesOn { minutes }),
        2 => Just(Step::Restart),
    ]
}

fn kleinheim() -> Catalogue {
    town(vec![office(1, 2), office(2, 1)])
}

/// In the hall that is restarted, and in the steady one.
type Both<T> = [T; 2];

struct Life<M> {
    restarted: Townhall<M>,
    steady: Townhall<Embedded>,
    now: UnixMillis,
    /// Everything that was ever held.
    tokens: Vec<Both<HoldToken>>,
    /// Distinguishes one hold from the next.
    asked: u64,
}

impl<M: Mode> Life<M> {
    fn begin() -> Life<M> {
        Life {
            restarted: Townhall::of(M::anew(), kleinheim(), EVENING).0,
            steady: Townhall::of(Embedded::anew(), kleinheim(), EVENING).0,
            now: EVENING,
            tokens: Vec::new(),
            asked: 0,
        }
    }

    fn live(mut self, step: Step) -> Life<M> {
        let pick = |who: usize| {
            who.checked_rem(self.tokens.len())
                .map(|who| self.tokens[who])
        };
        let now = self.now;
        match step {
            Step::Hold {
                office,
                day,
                ten_minutes,
                units,
            } => {
                let start = clock(DAYS[day], 8, 10 * ten_minutes);
                self.hold(OfficeIndex(office), start, units);
            }
            Step::Extend(who) => {
                if let Some(who) = pick(who) {
                    self.both(who, |hall, token| hall.engine.extend(now, token));
                }
            }
            Step::Release(who) => {
                if let Some(who) = pick(who) {
                    self.both(who, |hall, token| hall.engine.release(now, token));
                }
            }
            Step::Confirm(who) => {
                if let Some(who) = pick(who) {
                    self.both(who, |hall, token| {
                        told(hall.confirm(now, token, "a request"))
                    });
                }
            }
            Step::Cancel(who) => {
                if let Some(who) = pick(who) {
                    self.both(who, |hall, HoldToken { id, secret }| {
                        told(hall.cancel(now, id, secret.manage()))
                    });
                }
            }
            Step::Move { booking, to } => {
                if let (Some([a, b]), Some([c, d])) = (pick(booking), pick(to)) {
                    self.both([(a, c), (b, d)], |hall, (HoldToken { id, secret }, to)| {
                        told(hall.move_to(now, id, secret.manage(), to))
                    });
                }
            }
            Step::TimeGoesOn { minutes } => {
                self.now = now + Millis::from_minutes(minutes);
                self.tick();
            }
            Step::Restart => return self.restart(),
        }
        self
    }

    fn hold(&mut self, office: OfficeIndex, start: UnixMillis, units: u8) {
        self.asked += 1;
        let secret = secret(self.asked);
        let ask = HoldAsk {
            office,
            need: need(units),
            start,
            channel: Channel::Public,
            secret: secret.digest(),
            random: self.asked,
            pass: None,
        };
        let held = self.both([(); 2], |hall, ()| hall.engine.hold(self.now, &ask));
        let tokens = held.map(|holds| {
            holds.map(|hold| HoldToken {
                id: hold.id,
                secret,
            })
        });
        self.tokens.extend(tokens);
    }

    /// Does the same in both halls, which have to answer the same. What was given, if anything was.
    fn both<W, T: Debug, E: Debug>(
        &self,
        [who, twin]: Both<W>,
        ask: impl Fn(&Hall, W) -> Result<T, E>,
    ) -> Option<Both<T>> {
        let answer = ask(&self.restarted.hall, who);
        let steady = ask(&self.steady.hall, twin);
        assert_eq!(unslotted(&answer), unslotted(&steady));
        Some([answer.ok()?, steady.ok()?])
    }

    fn tick(&self) {
        self.restarted.hall.engine.tick(self.now);
        self.steady.hall.engine.tick(self.now);
    }

    fn restart(mut self) -> Life<M> {
        self.tick();
        let mode = self.restarted.close();
        let (restarted, recovered) = Townhall::of(mode, kleinheim(), self.now);
        assert_eq!(recovered.conflicts, []);
        let [comes_back, is_there] = [&restarted.hall, &self.steady.hall].map(|hall| {
            seen(&hall.engine, &DAYS)
                .into_iter()
                .map(|(reservations, audit)| {
                    let mut reservations: Vec<_> = reservations.iter().map(unslotted).collect();
                    reservations.sort_unstable();
                    (reservations, audit)
                })
        });
        assert!(comes_back.eq(is_there));
        self.restarted = restarted;
        self
    }
}

/// As it is shown, but for where its day keeps a reservation, which its id says as well: a restart
/// frees the places of what is over.
fn unslotted(shown: &impl Debug) -> String {
    const ID_LENGTH: usize = 22;
    let shown = format!("{shown:?}");
    let mut parts = shown.split("reservation ");
    let mut unslotted = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (id, rest) = part.split_at(ID_LENGTH);
        let mut bytes = id.parse::<ReservationId>().unwrap().to_bytes();
        bytes[8..10].fill(0);
        unslotted += &format!("{}{rest}", ReservationId::from_bytes(bytes));
    }
    unslotted
}

/// As many cases of a property, times what MORGENRUH_TEST_EFFORT says.
fn restarts_change_nothing<M: Mode>(cases: u32) {
    let effort = std::env::var("MORGENRUH_TEST_EFFORT").ok();
    let effort: Option<u32> = effort.and_then(|text| text.parse().ok());
    let mut runner = TestRunner::new(Config::with_cases(cases * effort.unwrap_or(1)));
    let steps = prop::collection::vec(step(), 1..120);
    let lived = runner.run(&steps, |steps| {
        let begun = Life::<M>::begin();
        let life = steps.into_iter().fold(begun, Life::live);
        let last = life.restart();
        last.restarted.close();
        last.steady.close();
        Ok(())
    });
    if let Err(failed) = lived {
        panic!("{failed}");
    }
}

#[test]
fn embedded() {
    restarts_change_nothing::<Embedded>(12);
}

#[test]
fn production() {
    restarts_change_nothing::<Production>(6);
}

#[test]
fn production_with_its_store_behind() {
    restarts_change_nothing::<ProductionBehind>(6);
}
