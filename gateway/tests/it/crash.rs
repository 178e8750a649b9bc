//! `kill -9` in the middle of a storm: what was acknowledged is there afterwards, and nothing is
//! there twice.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use morgenruh_engine::shell::sqlite::open_database;
use morgenruh_wire::{Booking, Hold};

use crate::citizen::{Citizen, HOLDS, manage, seat, without_token};
use crate::http::Request;
use crate::support::{Home, Service, eventually};
use crate::town::Town;

const ROUNDS: usize = 5;
const PEOPLE: usize = 24;

/// What somebody did during the storm, as far as the service lived to answer.
struct Attempt {
    name: String,
    hold: Hold,
    booking: Option<Booking>,
    /// Asked for after the booking was acknowledged.
    change: Option<Change>,
    /// The answer to the change.
    changed: Option<Booking>,
}

enum Change {
    Cancel,
    Move(Hold),
}

impl Attempt {
    fn citizen(&self, service: &Service) -> Citizen {
        service.citizen().named(&self.name)
    }

    fn confirmation(&self, service: &Service) -> Request {
        self.citizen(service)
            .confirmation(&self.hold)
            .key(&self.name)
    }

    fn change(&self, service: &Service, booking: &Booking) -> Option<Request> {
        Some(match self.change.as_ref()? {
            Change::Cancel => self.citizen(service).cancellation(booking),
            Change::Move(hold) => self.citizen(service).relocation(booking, hold),
        })
    }

    /// The booking as it was last acknowledged.
    fn promise(&self) -> Option<&Booking> {
        self.changed.as_ref().or(self.booking.as_ref())
    }

    fn is_live(&self) -> bool {
        self.promise()
            .is_some_and(|booking| booking.status == "booked")
    }
}

/// Many connections hold, confirm, cancel and move; after a random number of acknowledgements the
/// process is killed. Then it is started on what is left, and every promise is called in. The
/// rounds share one data directory, so later ones recover from what earlier crashes left.
#[test]
fn what_was_acknowledged_survives_kill_9() {
    let mut home = Home::of(Town::small());
    let mut promised: Vec<Attempt> = Vec::new();
    for round in 0..ROUNDS {
        let service = home.start();
        // Older than the first acknowledgement, and the ledger keeps the order.
        let start = service.town().at(1 + round as i32, "08:00");
        let quiet = service.citizen().hold("einzel", "pass", &start);
        let kept = storm(&service, round);
        home = service.kill();

        let service = home.start();
        let live = promised
            .iter()
            .chain(&kept)
            .filter(|attempt| attempt.is_live())
            .count();
        let unclear = kept
            .iter()
            .filter(|attempt| attempt.change.is_some())
            .count();
        assert!(
            service.recovered as usize + unclear >= live,
            "{}",
            service.ready
        );
        promised.extend(call_in(&service, kept));
        check(&service, &promised);
        service.citizen().book(&quiet);
        home = service.kill();

        let counts = home.verify();
        let live = promised.iter().filter(|attempt| attempt.is_live()).count() + round + 1;
        let cancelled = promised.len() + round + 1 - live;
        assert_eq!(
            (counts.live as usize, counts.cancelled as usize),
            (live, cancelled)
        );
    }
}

/// Goes on until the service dies; returns everything that was held.
fn storm(service: &Service, round: usize) -> Vec<Attempt> {
    let enough = 20 + usize::from(RandomState::new().hash_one(round) as u8);
    let acknowledged = AtomicUsize::new(0);
    let attempts = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for person in 0..PEOPLE {
            let (acknowledged, attempts) = (&acknowledged, &attempts);
            scope.spawn(move || {
                for number in 0.. {
                    let name = format!("Person-{round}-{person}-{number}");
                    let Some(attempt) = attempt(service, name, person, number) else {
                        return;
                    };
                    attempts.lock().unwrap().push(attempt);
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        eventually("enough is acknowledged", || {
            (acknowledged.load(Ordering::Relaxed) >= enough).then_some(())
        });
        service.signal("KILL");
    });
    attempts.into_inner().unwrap()
}

/// One visit to the service; None when it was dead before anything was held. Every person has a
/// day of their own, and a second one to move to.
fn attempt(service: &Service, name: String, person: usize, number: usize) -> Option<Attempt> {
    let citizen = service.citizen().named(&name);
    let time = format!("{:02}:{:02}", 8 + number / 12 % 10, number % 12 * 5);
    let hold = |days_ahead: usize| {
        let start = service.town().at(days_ahead as i32, &time);
        let ask = Request::post(HOLDS).json(&seat("gross", "pin", &start));
        let answer = citizen.try_send(ask).ok()?;
        Some(answer.expect(201).json::<Hold>())
    };
    let mut attempt = Attempt {
        hold: hold(1 + person)?,
        name,
        booking: None,
        change: None,
        changed: None,
    };
    let booked = citizen.try_send(attempt.confirmation(service));
    attempt.booking = booked.ok().map(|answer| answer.expect(201).json());
    let Some(booking) = &attempt.booking else {
        return Some(attempt);
    };
    attempt.change = match number % 4 {
        1 => Some(Change::Cancel),
        3 => hold(1 + (person + PEOPLE / 2) % PEOPLE).map(Change::Move),
        _ => None,
    };
    if let Some(change) = attempt.change(service, booking) {
        let changed = citizen.try_send(change);
        attempt.changed = changed.ok().map(|answer| answer.expect(200).json());
    }
    Some(attempt)
}

/// Repeats every request of the storm, as clients do that heard nothing. Who had an answer gets
/// the same one; who had none gets one now, unless a hold itself was lost with the crash.
fn call_in(service: &Service, kept: Vec<Attempt>) -> Vec<Attempt> {
    kept.into_iter()
        .filter_map(|attempt| settle(service, attempt))
        .collect()
}

fn settle(service: &Service, mut attempt: Attempt) -> Option<Attempt> {
    let citizen = attempt.citizen(service);
    if attempt.change.is_none() {
        let again = citizen.send(attempt.confirmation(service));
        if attempt.booking.is_none() && again.status != 201 {
            assert_eq!(again.slug(), "hold-expired");
            return None;
        }
        let again: Booking = again.expect(201).json();
        assert!(attempt.booking.is_none_or(|before| before == again));
        attempt.booking = Some(again);
        let other = citizen
            .clone()
            .named("Somebody Else")
            .confirmation(&attempt.hold);
        let refused = citizen.send(other.key(&attempt.name));
        assert_eq!(
            (refused.status, refused.slug().as_str()),
            (422, "idempotency-key-reused")
        );
    }
    let booking = attempt.booking.as_ref()?;
    if let Some(change) = attempt.change(service, booking) {
        let again = citizen.send(change);
        if again.status == 200 {
            let again: Booking = again.json();
            assert!(attempt.changed.is_none_or(|before| before == again));
            attempt.changed = Some(again);
        } else {
            assert!(
                attempt.changed.is_none(),
                "it was acknowledged: {}",
                again.text()
            );
            assert_eq!(again.slug(), "hold-expired");
        }
    }
    Some(attempt)
}

fn check(service: &Service, promised: &[Attempt]) {
    let names = names_in(service.home());
    let mut seats = HashSet::new();
    for attempt in promised {
        let booking = attempt.booking.as_ref().expect("it was acknowledged");
        let expected = without_token(attempt.promise().expect("it was acknowledged"));
        let now: Booking = attempt.citizen(service).look(booking).expect(200).json();
        assert_eq!(now, expected);
        assert!(!manage(booking).is_empty() && names.contains(&attempt.name));
        if attempt.is_live() {
            assert!(
                seats.insert((now.office, now.counter, now.start)),
                "a seat for two"
            );
        }
    }
}

/// Who has or had an appointment, according to the table that people read.
fn names_in(home: &Home) -> HashSet<String> {
    let database = open_database(home.data()).unwrap();
    let mut names = database.prepare("SELECT name FROM appointments").unwrap();
    let names = names.query_map([], |row| row.get(0)).unwrap();
    names.map(Result::unwrap).collect()
}
