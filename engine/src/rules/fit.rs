//! Which counter takes the seat: the one on which it leaves the smallest useless gap.

use super::cells::CounterSet;

/// Chooses among `candidates`, counters on which all units of `start..end` are free.
///
/// `free` gives the free counters of a unit and nothing outside the day; the unit before the first
/// is the highest number. `useful_units` is the shortest need of the office: a gap that is shorter
/// holds nobody and is lost capacity.
/// First, counters on which least is lost; among them those with neighbours on both sides, then on
/// one side; then the lowest number.
#[inline]
pub fn best_fit(
    free: impl Fn(usize) -> CounterSet + Copy,
    start: usize,
    end: usize,
    candidates: CounterSet,
    useful_units: u8,
) -> Option<u8> {
    if candidates.is_empty() {
        return None;
    }
    let (before, after) = sides(free, start, end, candidates, useful_units);
    let mut best = candidates.without(before.useless.or(after.useless));
    if best.is_empty() {
        best = losing_least(free, start, end, candidates, useful_units);
    }
    let best = best.without(before.open.and(after.open)).or_else(best);
    let best = best.without(before.open.or(after.open)).or_else(best);
    best.first()
}

/// Before and after the seat.
#[inline]
fn sides(
    free: impl Fn(usize) -> CounterSet + Copy,
    start: usize,
    end: usize,
    candidates: CounterSet,
    useful_units: u8,
) -> (
    Side<impl Fn(usize) -> CounterSet>,
    Side<impl Fn(usize) -> CounterSet>,
) {
    let before = move |gap: usize| free(start.wrapping_sub(gap + 1));
    let after = move |gap: usize| free(end + gap);
    (
        Side::look(before, candidates, useful_units),
        Side::look(after, candidates, useful_units),
    )
}

/// One side of the seat.
struct Side<F> {
    /// The free counters, by distance from the seat.
    free: F,
    /// The candidates that leave a gap here.
    open: CounterSet,
    /// Those of them whose gap is useless.
    useless: CounterSet,
}

impl<F: Fn(usize) -> CounterSet> Side<F> {
    #[inline]
    fn look(free: F, candidates: CounterSet, useful_units: u8) -> Side<F> {
        let open = candidates.and(free(0));
        let useful = (1..usize::from(useful_units)).fold(open, |set, gap| set.and(free(gap)));
        let useless = open.without(useful);
        Side {
            free,
            open,
            useless,
        }
    }

    /// The candidates by how many units are lost here, from none on.
    #[inline]
    fn losing(&self, candidates: CounterSet, useful_units: u8) -> impl Iterator<Item = CounterSet> {
        let none = candidates.without(self.useless);
        let useless = candidates.and(self.useless);
        let some = (1..usize::from(useful_units)).scan(useless, |longer, gap| {
            let losing = longer.without((self.free)(gap));
            *longer = longer.without(losing);
            Some(losing)
        });
        std::iter::once(none).chain(some)
    }
}

/// The candidates on which the useless gaps of both sides together are smallest, if something is
/// lost on all of them.
#[cold]
fn losing_least(
    free: impl Fn(usize) -> CounterSet + Copy,
    start: usize,
    end: usize,
    candidates: CounterSet,
    useful_units: u8,
) -> CounterSet {
    let (before, after) = sides(free, start, end, candidates, useful_units);
    let mut least = (usize::MAX, CounterSet::EMPTY);
    for (lost_before, some) in before.losing(candidates, useful_units).enumerate() {
        for (lost_after, both) in after.losing(some, useful_units).enumerate() {
            let lost = lost_before + lost_after;
            if lost < least.0 && !both.is_empty() {
                least = (lost, both);
            } else if lost == least.0 {
                least.1 = least.1.or(both);
            }
        }
    }
    least.1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line is a counter, `.` a free unit, `#` a taken one; the seat is units 4..6.
    fn chosen(useful_units: u8, counters: &[&str]) -> Option<u8> {
        let free = |unit: usize| {
            let mut set = CounterSet::EMPTY;
            for (index, row) in counters.iter().enumerate() {
                if row.as_bytes().get(unit) == Some(&b'.') {
                    set = set.or(CounterSet::only(index as u8));
                }
            }
            set
        };
        let candidates = free(4).and(free(5));
        best_fit(free, 4, 6, candidates, useful_units)
    }

    #[test]
    fn a_seat_goes_where_it_fits_tightest() {
        assert_eq!(chosen(1, &["..........", "...#..#..."]), Some(1));
        assert_eq!(chosen(1, &["..........", "...#......"]), Some(1));
        assert_eq!(chosen(1, &["..........", ".........."]), Some(0));
        assert_eq!(
            chosen(1, &["....##....", "..........", "....#....."]),
            Some(1)
        );
        assert_eq!(chosen(1, &["####.#####"]), None);
    }

    #[test]
    fn a_gap_that_serves_nobody_is_avoided() {
        // Tight on the left but one useless unit on the right, against roomy on both sides.
        assert_eq!(chosen(2, &["...#...#..", ".........."]), Some(1));
        // Nothing better: the gap is accepted.
        assert_eq!(chosen(2, &["...#...#.."]), Some(0));
        // Something is lost on both: the smaller loss is taken, not the lower number.
        assert_eq!(chosen(4, &["#.....####", "..#...####"]), Some(1));
        // Where one unit serves somebody, the tight side wins.
        assert_eq!(chosen(1, &["...#...#..", ".........."]), Some(0));
    }
}
