//! Citizens hold, extend, release and confirm the same two seats while the clock goes over their
//! deadlines and a scribe answers: each seat has one holder at a time, none is freed early, none
//! stays taken for ever, and everybody who waits for an answer gets one.

use std::sync::Arc;

use morgenruh_engine::rules::day::HoldRefusal;
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use morgenruh_engine::shell::engine::HoldError;
use morgenruh_engine::shell::scribe::open;
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::atomic::{AtomicI64, Ordering};
use shuttle::thread;

use crate::book::Book;
use crate::hall::{HOLD, Hall, SEATS, evening, ledger_options};
use crate::witness::Witness;

const CITIZENS: usize = 2;
const HOLDS_EACH: usize = 2;
const TICKS: usize = 3;
const FATES_MAX: usize = 3;
/// Past every deadline, however far an outage has stretched it.
const LATER: Millis = Millis::from_minutes(180);

/// Milliseconds since the evening, as the citizens and the clockwork read them.
struct Clock(AtomicI64);

impl Clock {
    fn now(&self) -> UnixMillis {
        evening() + Millis(self.0.load(Ordering::SeqCst))
    }
}

pub fn scene() {
    let book = Book::default();
    book.draw_fates(FATES_MAX);
    let (desk, scribe) = open(book, ledger_options()).expect("the book can be read");
    let scribe = thread::spawn(move || scribe.run());
    let witness = Witness::new(desk.clone());
    let hall = Arc::new(Hall::new(Arc::new(witness.clone())));
    let clock = Arc::new(Clock(AtomicI64::new(0)));
    let citizens: Vec<_> = (0..CITIZENS)
        .map(|_| (Arc::clone(&hall), Arc::clone(&clock)))
        .map(|(hall, clock)| thread::spawn(move || citizen(&hall, &clock)))
        .collect();
    let clockwork = {
        let (hall, clock) = (Arc::clone(&hall), Arc::clone(&clock));
        thread::spawn(move || clockwork(&hall, &clock))
    };
    clockwork.join().expect("the clockwork does not panic");
    let told = citizens.into_iter().map(|citizen| citizen.join());
    let told: usize = told.map(|told| told.expect("no citizen panics")).sum();
    hall.engine.tick(evening() + LATER);

    assert_eq!(witness.judge().len(), told, "booked is who was told so");
    let audit = hall.audit(0);
    assert_eq!(usize::try_from(audit.booked), Ok(told));
    assert_eq!(audit.held, 0, "after their deadlines no holds are left");
    assert_eq!(audit.free + audit.booked, u32::from(SEATS));
    desk.close();
    scribe.join().expect("the scribe does not panic");
}

/// Returns how many bookings this one was promised.
fn citizen(hall: &Hall, clock: &Clock) -> usize {
    let mut awaited = Vec::new();
    for _ in 0..HOLDS_EACH {
        let seat = thread_rng().gen_range(0..SEATS);
        let token = match hall.hold(clock.now(), 0, seat) {
            Ok((token, _)) => token,
            Err(HoldError::Refused(HoldRefusal::Taken) | HoldError::Overloaded) => continue,
            Err(other) => panic!("nothing else is in the way: {other:?}"),
        };
        match thread_rng().gen_range(0..4) {
            0 => drop(hall.engine.release(clock.now(), token)),
            1 => {}
            extends => {
                if extends == 2 {
                    let _ = hall.engine.extend(clock.now(), token);
                }
                awaited.push(hall.confirm(clock.now(), token));
            }
        }
    }
    let answers = awaited.into_iter().map(|answer| answer.recv());
    let answers = answers.map(|answer| answer.expect("whoever asked is told"));
    answers.filter(Result::is_ok).count()
}

/// Lets the time go on and expires what is due, around the deadlines.
fn clockwork(hall: &Hall, clock: &Clock) {
    let mut instants: Vec<i64> = (0..TICKS)
        .map(|_| {
            let holds = thread_rng().gen_range(1..=2);
            HOLD.0 * holds + [-3_000, -1, 0, 1][thread_rng().gen_range(0..4)]
        })
        .collect();
    instants.sort_unstable();
    for instant in instants {
        clock.0.store(instant, Ordering::SeqCst);
        hall.engine.tick(clock.now());
    }
}
