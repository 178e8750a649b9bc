//! The record of all visitors, cell by cell.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use morgenruh_history::{Call, check};

use super::stay::Stay;

/// Length of a cell, in seconds. Every seat begins and ends on this grid.
const CELL_S: i64 = 300;

/// One counter for one cell's time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    pub(super) office: String,
    pub(super) counter: u8,
    start: Timestamp,
}

impl std::fmt::Display for Cell {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Cell {
            office,
            counter,
            start,
        } = self;
        write!(out, "{office}, counter {counter}, {start}")
    }
}

/// The cells of a seat between two times as the API writes them; none where they are no times.
pub(super) fn cells(
    office: &str,
    counter: u8,
    start: &str,
    end: &str,
) -> impl Iterator<Item = Cell> {
    let second = |text: &str| text.parse().ok().map(|time: Timestamp| time.as_second());
    let (start, end) = second(start).zip(second(end)).unwrap_or((0, 0));
    (start..end)
        .step_by(CELL_S as usize)
        .filter_map(move |second| {
            Some(Cell {
                office: office.to_owned(),
                counter,
                start: Timestamp::from_second(second).ok()?,
            })
        })
}

/// What was found when the history was checked.
#[derive(Clone, Debug, Default)]
pub(super) struct Checked {
    pub(super) cells: u64,
    pub(super) calls: u64,
    pub(super) violations: Vec<String>,
}

/// Looks for an order of the calls on every cell. Stays at an unknown counter are left out: they
/// were never confirmed, and nothing else was promised.
pub(super) fn check_all<'a>(stays: impl Iterator<Item = &'a Stay>) -> Checked {
    let mut by_cell: BTreeMap<Cell, Vec<Call<u64>>> = BTreeMap::new();
    let mut tokens = HashMap::new();
    for stay in stays {
        let Some(counter) = stay.counter else {
            continue;
        };
        tokens.insert(stay.who, &stay.hold.id);
        let hold = &stay.hold;
        for cell in cells(&hold.office, counter, &hold.start, &hold.end) {
            by_cell.entry(cell).or_default().extend(stay.calls());
        }
    }
    let mut checked = Checked::default();
    for (cell, calls) in &by_cell {
        checked.cells += 1;
        checked.calls += calls.len() as u64;
        if let Err(violation) = check(calls) {
            let mut names = violation
                .calls
                .iter()
                .map(|call| call.who)
                .collect::<Vec<_>>();
            names.sort_unstable();
            names.dedup();
            let names = names
                .iter()
                .map(|who| format!("\n  {who} is hold {}", tokens[who]));
            let names: String = names.collect();
            checked
                .violations
                .push(format!("{cell}: {violation}{names}"));
        }
    }
    checked
}

#[cfg(test)]
mod tests {
    use morgenruh_history::Act;
    use morgenruh_wire::Hold;

    use super::super::clock::RunClock;
    use super::super::desk::Span;
    use super::*;

    fn stay(who: u64, start: &str, end: &str, held: [u64; 2], counter: Option<u8>) -> Stay {
        let time = |clock: &str| format!("2099-11-24T{clock}:00+01:00");
        let hold = Hold {
            id: format!("hold-{who}"),
            office: "bilk".to_owned(),
            services: Vec::new(),
            start: time(start),
            end: time(end),
            expires_at: time("00:00"),
            extendable: true,
            token: None,
        };
        let [invoked, returned] = held;
        let held = Span { invoked, returned };
        let mut stay = Stay::new(who, hold, held, 0, RunClock::start());
        stay.counter = counter;
        stay
    }

    #[test]
    fn a_seat_is_the_cells_between_its_times() {
        let start = "2026-11-24T08:15:00+01:00";
        let all: Vec<_> = cells("bilk", 3, start, "2026-11-24T07:30:00Z").collect();
        assert_eq!(all.len(), 3);
        assert_eq!(all[2].to_string(), "bilk, counter 3, 2026-11-24T07:25:00Z");
        assert_eq!(cells("bilk", 3, start, "soon").count(), 0);
    }

    #[test]
    fn seats_that_share_a_cell_share_its_history() {
        let first = stay(1, "08:00", "08:15", [0, 1], Some(1));
        let overlapping = stay(2, "08:10", "08:20", [2, 3], Some(1));
        let elsewhere = stay(3, "08:10", "08:20", [2, 3], Some(2));
        let unknown = stay(4, "08:10", "08:20", [2, 3], None);
        let fine = check_all([&first, &elsewhere, &unknown].into_iter());
        assert_eq!((fine.cells, fine.calls, fine.violations.len()), (5, 10, 0));
        let twice = check_all([&first, &overlapping].into_iter());
        assert_eq!(twice.violations.len(), 1);
        assert!(twice.violations[0].contains("1 is hold hold-1"));
    }

    #[test]
    fn a_hold_that_a_crash_may_have_lost_makes_room() {
        let mut first = stay(1, "08:00", "08:15", [10, 20], Some(1));
        let second = stay(2, "08:00", "08:15", [60, 70], Some(1));
        first.crashed(1, 50, 0);
        assert_eq!(check_all([&first, &second].into_iter()).violations.len(), 3);
        first.crashed(0, 50, 30);
        assert_eq!(check_all([&first, &second].into_iter()).violations.len(), 3);
        first.crashed(0, 50, 15);
        assert!(first.may_be_lost() && first.may_be_over(50) && !first.may_be_over(49));
        assert_eq!(check_all([&first, &second].into_iter()).violations.len(), 0);
        first.note(Act::Confirm, 80, Some(90));
        assert_eq!(check_all([&first, &second].into_iter()).violations.len(), 3);
    }
}
