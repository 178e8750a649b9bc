//! Cells cut into pieces that are long enough for a visit: what a release holds back, and what it
//! makes bookable one by one, are never single units in which nobody has room.

use super::calendar::{Cells, no_cells};
use super::cells::{COUNTERS_MAX, CounterSet};

/// Units of one counter, side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    pub counter: u8,
    pub start: u16,
    pub units: u16,
}

impl Piece {
    /// The first unit behind it.
    pub fn end(self) -> u16 {
        self.start + self.units
    }
}

/// The pieces of these cells, counter by counter, each at least so many units long wherever the
/// cells are: what is left at the end of a run belongs to its last piece.
pub fn pieces(cells: &[CounterSet], units: u8) -> Vec<Piece> {
    let length = u16::from(units.max(1));
    let mut pieces = Vec::new();
    for counter in 0..COUNTERS_MAX {
        let mut open: Option<Piece> = None;
        for (unit, set) in (0u16..).zip(cells) {
            let Some(piece) = &mut open else {
                if set.contains(counter) {
                    open = Some(Piece {
                        counter,
                        start: unit,
                        units: 1,
                    });
                }
                continue;
            };
            if set.contains(counter) {
                piece.units += 1;
                continue;
            }
            cut(*piece, length, &mut pieces);
            open = None;
        }
        if let Some(piece) = open {
            cut(piece, length, &mut pieces);
        }
    }
    pieces
}

fn cut(run: Piece, length: u16, pieces: &mut Vec<Piece>) {
    let count = (run.units / length).max(1);
    for place in 0..count {
        let start = run.start + place * length;
        let is_last = place + 1 == count;
        pieces.push(Piece {
            start,
            units: if is_last { run.end() - start } else { length },
            ..run
        });
    }
}

/// So many percent of these cells, in pieces of at least so many units, spread evenly over counters
/// and hours. `turn` turns the pattern, so that no hour is in it on every day.
pub fn share(cells: &[CounterSet], percent: u8, units: u8, turn: usize) -> Cells {
    let mut chosen = no_cells(u16::try_from(cells.len()).unwrap_or_default());
    let all = pieces(cells, units);
    let percent = usize::from(percent);
    // The pieces go by like the rungs of a ladder, each counter's from another one on.
    let mut passed = 0;
    for of_counter in all.chunk_by(|one, next| one.counter == next.counter) {
        let first = turn
            + of_counter
                .first()
                .map_or(0, |piece| usize::from(piece.counter));
        for place in 0..of_counter.len() {
            let piece = of_counter[(first + place) % of_counter.len()];
            let taken = |count: usize| (count * percent + 50) / 100;
            if taken(passed + 1) > taken(passed) {
                let counter = CounterSet::only(piece.counter);
                for cell in &mut chosen[usize::from(piece.start)..usize::from(piece.end())] {
                    *cell = cell.or(counter);
                }
            }
            passed += 1;
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counters 1 to `counters`, open from `from` to `to`.
    fn open(counters: u8, from: usize, to: usize) -> Cells {
        let mut cells = no_cells(288);
        cells[from..to].fill(CounterSet((1 << counters) - 1));
        cells
    }

    fn count(cells: &[CounterSet]) -> u32 {
        cells.iter().map(|set| u32::from(set.len())).sum()
    }

    #[test]
    fn pieces_are_long_enough_and_leave_nothing_over() {
        let mut cells = open(2, 96, 109);
        cells[100] = CounterSet::only(0);
        let told: Vec<_> = pieces(&cells, 3)
            .into_iter()
            .map(|it| (it.counter, it.start, it.units))
            .collect();
        let first = [(0, 96, 3), (0, 99, 3), (0, 102, 3), (0, 105, 4)];
        assert_eq!(told[..4], first);
        assert_eq!(told[4..], [(1, 96, 4), (1, 101, 3), (1, 104, 5)]);
        assert_eq!(
            pieces(&open(1, 10, 12), 6),
            [Piece {
                counter: 0,
                start: 10,
                units: 2
            }]
        );
    }

    #[test]
    fn a_share_is_as_large_as_it_says_and_each_counter_and_hour_has_some() {
        let cells = open(6, 96, 144);
        for percent in [25, 50, 75] {
            for turn in 0..7 {
                let chosen = share(&cells, percent, 4, turn);
                assert_eq!(count(&chosen) * 100, count(&cells) * u32::from(percent));
                for counter in 0..6 {
                    assert!(chosen.iter().any(|set| set.contains(counter)));
                }
                if percent == 50 {
                    assert!(chosen[96..144].iter().all(|set| set.len() == 3));
                }
            }
        }
        assert_eq!(count(&share(&cells, 1, 4, 0)), 4);
        assert_eq!(count(&share(&no_cells(288), 50, 4, 3)), 0);
    }
}
