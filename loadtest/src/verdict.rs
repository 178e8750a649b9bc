//! The verdict: whether the service kept its word, judged from outside.
//!
//! Pure: it looks at what was acknowledged, at what was read back, and at the offices as announced.
//! It knows nothing of the service's insides, so it cannot share its mistakes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use morgenruh_wire::Booking;
use serde::Serialize;

use crate::record::{Acknowledged, Standing};

/// An acknowledged booking and what the service says of it afterwards.
#[derive(Clone, Debug)]
pub struct Checked {
    pub acknowledged: Acknowledged,
    pub found: Found,
}

/// What reading a booking back gave.
#[derive(Clone, Debug)]
pub enum Found {
    There(Booking),
    Missing,
    /// The service could not be asked; neither kept nor lost.
    Unknown,
}

/// What an office announces about itself, as far as the verdict needs it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Capacity {
    pub counters: u8,
    pub unit_minutes: u16,
}

/// What happened during the run, as far as it concerns the verdict.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conduct {
    /// Answers that the contract does not foresee, 5xx without `Retry-After` among them.
    pub unexpected_answers: u64,
    /// Requests without any answer.
    pub unanswered: u64,
    /// Confirmations repeated with the same key whose answer was a different one.
    pub repeats_unequal: u64,
    /// Confirmations that were not for the seat that had been held.
    pub not_as_held: u64,
    /// Confirmations of which nobody knows whether they took place.
    pub unresolved: u64,
    /// People who were asked for a pass of a waiting room that was not announced when they came.
    pub needs_pass: u64,
    /// Promises of waiting rooms that were broken, one for each way and room.
    pub promises_broken: u64,
}

/// The verdict. Everything but `booked` and `cancelled` must be 0 for it to hold, except
/// `unresolved`, which is a gap in knowledge and already shows in `unanswered`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Whether every promise was kept.
    pub holds: bool,
    /// Acknowledged bookings that were not cancelled.
    pub booked: u64,
    /// Acknowledged cancellations.
    pub cancelled: u64,
    /// Acknowledged bookings that are not there.
    pub lost: u64,
    /// Bookings at a counter that another live booking occupies at the same time.
    pub oversold: u64,
    /// Bookings that start while the office has no counter left for them.
    pub over_capacity: u64,
    /// Bookings that read back differently, are not for the seat that had been held, or whose
    /// services do not fit between start and end.
    pub mismatched: u64,
    /// Repetitions with the same idempotency key that were answered differently.
    pub repeats_unequal: u64,
    /// Answers outside the contract.
    pub unexpected_answers: u64,
    /// Requests without an answer.
    pub unanswered: u64,
    /// Bookings that could not be read back because nobody answered.
    pub unread: u64,
    /// Confirmations of which nobody knows whether they took place.
    pub unresolved: u64,
    /// People who were asked for a pass of a waiting room that was not announced when they came.
    pub needs_pass: u64,
    /// Promises of waiting rooms that were broken, one for each way and room: `fairness` says
    /// which.
    pub promises_broken: u64,
}

impl Verdict {
    /// Judges a run. `offices` may be empty: then capacity and service minutes are not judged.
    pub fn new(
        checked: &[Checked],
        offices: &BTreeMap<String, Capacity>,
        conduct: Conduct,
    ) -> Self {
        let live: Vec<_> = checked
            .iter()
            .map(|checked| &checked.acknowledged)
            .filter(|booking| booking.standing == Standing::Live)
            .collect();
        let count = |wanted: fn(&Checked) -> bool| {
            checked.iter().filter(|checked| wanted(checked)).count() as u64
        };
        let misfits = live
            .iter()
            .filter(|booking| !fits(booking, offices))
            .count() as u64;
        let mut verdict = Self {
            booked: live.len() as u64,
            cancelled: count(|one| one.acknowledged.standing == Standing::Cancelled),
            lost: count(|one| matches!(one.found, Found::Missing)),
            unread: count(|one| matches!(one.found, Found::Unknown)),
            mismatched: count(|one| !agrees(one)) + misfits + conduct.not_as_held,
            oversold: oversold(&live),
            over_capacity: over_capacity(&live, offices),
            repeats_unequal: conduct.repeats_unequal,
            unexpected_answers: conduct.unexpected_answers,
            unanswered: conduct.unanswered,
            unresolved: conduct.unresolved,
            needs_pass: conduct.needs_pass,
            promises_broken: conduct.promises_broken,
            holds: false,
        };
        verdict.holds = verdict.faults() == 0;
        verdict
    }

    fn faults(&self) -> u64 {
        self.lost
            + self.oversold
            + self.over_capacity
            + self.mismatched
            + self.repeats_unequal
            + self.unexpected_answers
            + self.unanswered
            + self.unread
            + self.needs_pass
            + self.promises_broken
    }
}

/// Whether what was read back is what was promised.
fn agrees(checked: &Checked) -> bool {
    let Found::There(booking) = &checked.found else {
        return true;
    };
    let promised = &checked.acknowledged;
    let status = match promised.standing {
        Standing::Live => booking.status == "booked",
        Standing::Cancelled => booking.status == "cancelled",
        Standing::Open => matches!(booking.status.as_str(), "booked" | "cancelled"),
    };
    status
        && booking.id == promised.id
        && booking.office == promised.office
        && booking.counter == promised.counter
        && booking
            .start
            .parse()
            .is_ok_and(|start: Timestamp| start == promised.start)
        && booking
            .end
            .parse()
            .is_ok_and(|end: Timestamp| end == promised.end)
}

/// Whether the seat is as long as its services take, rounded up to the office's grid.
fn fits(booking: &Acknowledged, offices: &BTreeMap<String, Capacity>) -> bool {
    let Some(office) = offices.get(&booking.office) else {
        return true;
    };
    if booking.service_minutes == 0 || office.unit_minutes == 0 {
        return true;
    }
    let units = booking
        .service_minutes
        .div_ceil(u32::from(office.unit_minutes));
    let seconds = i64::from(units) * i64::from(office.unit_minutes) * 60;
    booking.end.as_second() - booking.start.as_second() == seconds
}

/// Bookings that start at a counter which a live booking still occupies.
fn oversold(live: &[&Acknowledged]) -> u64 {
    let mut seats: BTreeMap<(&str, u8), Vec<(Timestamp, Timestamp)>> = BTreeMap::new();
    for booking in live {
        let at = (booking.office.as_str(), booking.counter);
        seats
            .entry(at)
            .or_default()
            .push((booking.start, booking.end));
    }
    let mut twice = 0;
    for spans in seats.values_mut() {
        spans.sort_unstable();
        let mut occupied_until = Timestamp::MIN;
        for &(start, end) in spans.iter() {
            twice += u64::from(start < occupied_until);
            occupied_until = occupied_until.max(end);
        }
    }
    twice
}

/// Bookings that start while as many others are running as the office has counters.
fn over_capacity(live: &[&Acknowledged], offices: &BTreeMap<String, Capacity>) -> u64 {
    let mut changes: BTreeMap<&str, Vec<(Timestamp, i32)>> = BTreeMap::new();
    for booking in live {
        let changes = changes.entry(booking.office.as_str()).or_default();
        changes.push((booking.start, 1));
        changes.push((booking.end, -1));
    }
    let mut over = 0;
    for (office, changes) in &mut changes {
        let Some(capacity) = offices.get(*office) else {
            continue;
        };
        // A seat that ends makes room for one that starts at the same instant: -1 sorts before 1.
        changes.sort_unstable();
        let mut running = 0;
        for &(_, change) in changes.iter() {
            running += change;
            over += u64::from(change > 0 && running > i32::from(capacity.counters));
        }
    }
    over
}

#[cfg(test)]
mod tests {
    use super::*;

    fn booking(office: &str, counter: u8, start: &str, end: &str) -> Acknowledged {
        let time = |clock: &str| format!("2026-11-24T{clock}:00+01:00").parse().unwrap();
        Acknowledged {
            id: format!("{office}-{counter}-{start}"),
            manage_token: "t".to_owned(),
            office: office.to_owned(),
            counter,
            start: time(start),
            end: time(end),
            service_minutes: 15,
            standing: Standing::Live,
        }
    }

    fn kept(acknowledged: Acknowledged) -> Checked {
        let status = match acknowledged.standing {
            Standing::Cancelled => "cancelled",
            _ => "booked",
        };
        let found = Booking {
            id: acknowledged.id.clone(),
            code: "K7M-4QX".to_owned(),
            status: status.to_owned(),
            office: acknowledged.office.clone(),
            counter: acknowledged.counter,
            services: Vec::new(),
            start: acknowledged.start.to_string(),
            end: acknowledged.end.to_string(),
            sequence: 0,
            manage_token: None,
        };
        Checked {
            acknowledged,
            found: Found::There(found),
        }
    }

    fn judge(checked: &[Checked]) -> Verdict {
        let bilk = Capacity {
            counters: 2,
            unit_minutes: 5,
        };
        Verdict::new(
            checked,
            &BTreeMap::from([("bilk".to_owned(), bilk)]),
            Conduct::default(),
        )
    }

    #[test]
    fn a_morning_without_fault_holds() {
        let verdict = judge(&[
            kept(booking("bilk", 1, "08:00", "08:15")),
            kept(booking("bilk", 1, "08:15", "08:30")),
            kept(booking("bilk", 2, "08:05", "08:20")),
            kept(booking("rath", 1, "08:00", "08:15")),
        ]);
        assert_eq!(
            verdict,
            Verdict {
                holds: true,
                booked: 4,
                ..Verdict::default()
            }
        );
    }

    #[test]
    fn a_planted_double_seat_is_found() {
        let verdict = judge(&[
            kept(booking("bilk", 1, "08:00", "08:15")),
            kept(booking("bilk", 1, "08:10", "08:25")),
        ]);
        assert_eq!((verdict.holds, verdict.oversold), (false, 1));
    }

    /// A long seat that covers two later ones, of which only the first is its neighbour.
    #[test]
    fn a_seat_hidden_behind_another_is_found() {
        let mut long = booking("rath", 1, "08:00", "09:00");
        long.service_minutes = 60;
        let verdict = judge(&[
            kept(long),
            kept(booking("rath", 1, "08:15", "08:30")),
            kept(booking("rath", 1, "08:45", "09:00")),
        ]);
        assert_eq!(verdict.oversold, 2);
    }

    #[test]
    fn a_cancelled_seat_can_be_taken_again() {
        let mut first = booking("bilk", 1, "08:00", "08:15");
        first.standing = Standing::Cancelled;
        let verdict = judge(&[kept(first), kept(booking("bilk", 1, "08:00", "08:15"))]);
        assert_eq!(
            (verdict.holds, verdict.booked, verdict.cancelled),
            (true, 1, 1)
        );
    }

    #[test]
    fn more_bookings_than_counters_are_found() {
        let verdict = judge(&[
            kept(booking("bilk", 1, "08:00", "08:15")),
            kept(booking("bilk", 2, "08:00", "08:15")),
            kept(booking("bilk", 3, "08:10", "08:25")),
        ]);
        assert_eq!((verdict.oversold, verdict.over_capacity), (0, 1));
    }

    #[test]
    fn what_is_lost_or_changed_is_found() {
        let mut lost = kept(booking("bilk", 1, "08:00", "08:15"));
        lost.found = Found::Missing;
        let mut moved = kept(booking("bilk", 1, "09:00", "09:15"));
        moved.acknowledged.counter = 2;
        let short = kept(booking("bilk", 1, "10:00", "10:10"));
        let verdict = judge(&[lost, moved, short]);
        assert_eq!((verdict.lost, verdict.mismatched), (1, 2));

        let mut undead = booking("bilk", 1, "08:00", "08:15");
        let back = kept(undead.clone()).found;
        undead.standing = Standing::Cancelled;
        let verdict = judge(&[Checked {
            acknowledged: undead,
            found: back,
        }]);
        assert_eq!(verdict.mismatched, 1);
    }

    #[test]
    fn an_answer_outside_the_contract_fails_the_verdict() {
        let conduct = Conduct {
            unexpected_answers: 1,
            ..Conduct::default()
        };
        assert!(!Verdict::new(&[], &BTreeMap::new(), conduct).holds);
    }
}
