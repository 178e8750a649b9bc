//! Many at once in front of the same engine.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use morgenruh_engine::rules::catalogue::OfficeIndex;
use morgenruh_engine::rules::day::{Reservation, State};
use morgenruh_engine::shell::engine::MOVES_MAX;

use crate::engine::{guest, hall};
use crate::support::{EVENING, TUESDAY, WEDNESDAY, clock};

/// I1 with threads: eight people want each of the same seats and confirm what they get.
#[test]
fn of_eight_threads_exactly_one_wins_each_seat() {
    let (hall, notebook) = hall(2);
    let starts = (0..24)
        .map(|seat| clock(TUESDAY, 8, 10 * seat))
        .collect::<Vec<_>>();
    let booked = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for start in starts.iter().cycle().take(20 * starts.len()) {
                    let Ok(token) = hall.hold(EVENING, *start) else {
                        continue;
                    };
                    if token.id.to_bytes()[15] % 2 == 0 {
                        hall.engine.release(EVENING, token).unwrap();
                        continue;
                    }
                    let answer = hall.confirm(EVENING, token, "a request");
                    notebook.keep();
                    answer.recv().unwrap().unwrap();
                    booked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let shard = hall.engine.shard(OfficeIndex(0), TUESDAY).unwrap();
    let audit = shard.decide(|day| day.audit());
    let live = |it: &&Reservation| matches!(it.state, State::Booked(..));
    let live = shard.decide(|day| day.reservations().filter(live).count());
    assert_eq!(booked.into_inner(), live);
    assert_eq!((audit.held, audit.booked), (0, 2 * live as u32));
    assert_eq!(audit.free + audit.booked, 2 * 48);
}

/// Bookings go to and fro between two days, started from both ends at once, while others look at
/// them: nobody waits for ever, and no booking is ever unknown.
#[test]
fn moves_in_both_directions_neither_deadlock_nor_hide_a_booking() {
    let (hall, notebook) = hall(4);
    let days = [TUESDAY, WEDNESDAY];
    let mut guests = Vec::new();
    for number in 0..8 {
        guests.push(guest(&hall, &notebook, clock(days[number % 2], 8, 0)));
    }
    let going = AtomicBool::new(true);
    let (hall, notebook, going) = (&hall, &notebook, &going);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while going.load(Ordering::Relaxed) {
                for guest in &guests {
                    hall.engine.booking(guest.id, guest.manage).unwrap();
                }
                hall.engine.conflicts();
                hall.engine.tick(EVENING);
            }
        });
        let walks = guests.iter().enumerate().map(|(number, guest)| {
            scope.spawn(move || {
                for step in 0..MOVES_MAX as usize {
                    let start = clock(days[(number + step + 1) % 2], 9, 10 * (step as u16 % 6));
                    let token = hall.hold(EVENING, start);
                    // Every counter may be taken for the moment by those who are coming or going.
                    let Ok(token) = token else { continue };
                    let answer = hall.move_to(EVENING, guest.id, guest.manage, token);
                    notebook.keep();
                    answer.recv().unwrap().unwrap();
                }
            })
        });
        for walk in walks.collect::<Vec<_>>() {
            walk.join().unwrap();
        }
        going.store(false, Ordering::Relaxed);
    });
    hall.audit(&days);
    for guest in &guests {
        hall.engine.booking(guest.id, guest.manage).unwrap();
    }
}
