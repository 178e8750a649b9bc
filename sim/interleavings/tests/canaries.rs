//! Known bugs are let loose, one after the other, and some schedule has to notice each. They sing
//! in the whole process: hence a binary of its own, with one test.

use std::sync::Arc;

use morgenruh_engine::canary::{Canary, sing};
use morgenruh_engine::shell::scribe::open;
use morgenruh_interleavings::book::Book;
use morgenruh_interleavings::hall::{Hall, OFFICE, ledger_options};
use morgenruh_interleavings::readers::Mistake;
use morgenruh_interleavings::schedules::complaint;
use morgenruh_interleavings::{answers, expiry, ledger, readers};
use shuttle::thread;

/// Schedules in which a bug has to show.
const SCHEDULES: usize = 5_000;

struct Bug {
    /// None when the scene itself has it.
    canary: Option<Canary>,
    scene: fn(),
    /// A part of what the scene then says.
    complaint: &'static str,
}

const BUGS: [Bug; 7] = [
    Bug {
        canary: Some(Canary::AckBeforeDurable),
        scene: ledger::scene,
        complaint: "kept means: in the book",
    },
    Bug {
        canary: Some(Canary::WakeForgotten),
        scene: ledger::scene,
        complaint: "deadlock",
    },
    Bug {
        canary: Some(Canary::EarlyExpiry),
        scene: expiry::scene,
        complaint: "nothing is freed early",
    },
    Bug {
        canary: Some(Canary::AnsweredTwice),
        scene: answers::scene,
        complaint: "an offer is answered once",
    },
    Bug {
        canary: None,
        scene: || readers::scene(Mistake::NotedAfterTheLock),
        complaint: "a reader is not late for ever",
    },
    Bug {
        canary: None,
        scene: || readers::scene(Mistake::NotedAfterTheDays),
        complaint: "a reader is not late for ever",
    },
    Bug {
        canary: None,
        scene: days_locked_as_they_come,
        complaint: "deadlock",
    },
];

/// Two days, locked in both orders: what a move must not do.
fn days_locked_as_they_come() {
    let (desk, _scribe) = open(Book::default(), ledger_options()).expect("the book can be read");
    let hall = Arc::new(Hall::new(Arc::new(desk)));
    let movers = [[0, 1], [1, 0]].map(|days| {
        let hall = Arc::clone(&hall);
        thread::spawn(move || {
            let shard = |day| hall.engine.shard(OFFICE, Hall::date(day));
            let [from, to] = days.map(|day| shard(day).expect("the day can be booked"));
            from.decide(|_| to.decide(|day| day.changes()));
        })
    });
    for mover in movers {
        mover.join().expect("nobody panics");
    }
}

#[test]
fn every_bug_is_noticed() {
    for (place, bug) in BUGS.into_iter().enumerate() {
        sing(bug.canary);
        let told = complaint(SCHEDULES, bug.scene);
        sing(None);
        let told = told.unwrap_or_else(|| panic!("the bug at {place} goes unnoticed"));
        assert!(
            told.contains(bug.complaint),
            "noticed as something else: {told}"
        );
    }
}
