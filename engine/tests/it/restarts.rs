//! Random lives of an engine on its SQLite ledger, with restarts at any time: what comes back is
//! what was there (I2, I9), and the check of the directory has nothing to say.

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use morgenruh_engine::rules::catalogue::OfficeIndex;
use morgenruh_engine::rules::day::{Audit, Reservation, State};
use morgenruh_engine::rules::ids::{HoldToken, ReservationId};
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use morgenruh_engine::shell::sqlite::{Options, SqliteLedger};
use morgenruh_engine::shell::verify::verify;
use proptest::prelude::*;
use tempfile::TempDir;

use crate::effort::effort;
use crate::support::{
    Answer, EVENING, Hall, THURSDAY, TUESDAY, WEDNESDAY, clock, need, office, town,
};

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

struct Life {
    data: TempDir,
    hall: Hall,
    ledger: Arc<SqliteLedger>,
    now: UnixMillis,
    /// Everything that was ever held.
    tokens: Vec<HoldToken>,
}

/// What a day is to those outside: a signpost is only the way that it shows.
type Seen = (
    Vec<(ReservationId, Option<ReservationId>, Option<Reservation>)>,
    Audit,
);

impl Life {
    fn begin(data: TempDir, now: UnixMillis, tokens: Vec<HoldToken>) -> Life {
        let options = Options {
            batch_max: 16,
            queue_max: 256,
            retry: Duration::from_millis(5),
            clock: || EVENING,
        };
        let city = town(vec![office(1, 2), office(2, 1)]);
        let (ledger, stored) = SqliteLedger::open(data.path(), &city, options).unwrap();
        let ledger = Arc::new(ledger);
        let hall = Hall::new(city, ledger.clone(), now + Millis(tokens.len() as i64));
        let recovered = hall.engine.recover(now, stored).unwrap();
        assert_eq!(recovered.conflicts, []);
        Life {
            data,
            hall,
            ledger,
            now,
            tokens,
        }
    }

    fn live(mut self, step: Step) -> Life {
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
                let held = self
                    .hall
                    .hold_at(now, OfficeIndex(office), start, need(units));
                self.tokens.extend(held);
            }
            Step::Extend(who) => {
                let _ = pick(who).map(|token| self.hall.engine.extend(now, token));
            }
            Step::Release(who) => {
                let _ = pick(who).map(|token| self.hall.engine.release(now, token));
            }
            Step::Confirm(who) => {
                if let Some(token) = pick(who) {
                    wait(self.hall.confirm(now, token, "a request"));
                }
            }
            Step::Cancel(who) => {
                if let Some(HoldToken { id, secret }) = pick(who) {
                    wait(self.hall.cancel(now, id, secret.manage()));
                }
            }
            Step::Move { booking, to } => {
                if let (Some(booking), Some(to)) = (pick(booking), pick(to)) {
                    wait(
                        self.hall
                            .move_to(now, booking.id, booking.secret.manage(), to),
                    );
                }
            }
            Step::TimeGoesOn { minutes } => {
                self.now = now + Millis::from_minutes(minutes);
                self.hall.engine.tick(self.now);
            }
            Step::Restart => return self.restart(),
        }
        self
    }

    fn restart(self) -> Life {
        self.hall.engine.tick(self.now);
        let before = self.see();
        self.ledger.close();
        drop(self.hall);
        drop(self.ledger);
        assert_eq!(verify(self.data.path()).unwrap().errors, [] as [&str; 0]);
        let life = Life::begin(self.data, self.now, self.tokens);
        assert_eq!(life.see(), before);
        life
    }

    fn see(&self) -> Vec<Seen> {
        let offices = (0..2).map(OfficeIndex);
        let days = offices.flat_map(|office| DAYS.map(|day| (office, day)));
        days.map(|(office, day)| {
            let shard = self.hall.engine.shard(office, day).unwrap();
            shard.decide(|day| {
                let mut reservations: Vec<_> = day.reservations().map(seen).collect();
                reservations.sort_unstable_by_key(|(id, ..)| *id);
                (reservations, day.audit())
            })
        })
        .collect()
    }
}

fn seen(it: &Reservation) -> (ReservationId, Option<ReservationId>, Option<Reservation>) {
    match it.state {
        State::Moved { to, .. } => (it.id, Some(to), None),
        _ => (it.id, None, Some(it.clone())),
    }
}

fn wait<T, E>(answer: Answer<T, E>) {
    // Refused or not: what counts is what is there afterwards.
    let _ = answer
        .recv_timeout(Duration::from_secs(20))
        .expect("an answer comes");
}

proptest! {
    #![proptest_config(effort(12))]

    #[test]
    fn a_restart_changes_nothing(steps in prop::collection::vec(step(), 1..120)) {
        let data = tempfile::tempdir().unwrap();
        let mut life = Life::begin(data, EVENING, Vec::new());
        for step in steps {
            life = life.live(step);
        }
        life.restart();
    }
}
