//! Which counter takes the seat: the one on which it leaves the smallest useless gap.

use super::cells::CounterSet;

/// Chooses among `candidates`, counters on which all units of `start..end` are free.
///
/// `free` gives the free counters of a unit and nothing outside the day; the unit before the first
/// is the highest number. `useful_units` is the shortest need of the office: a gap that is shorter
/// holds nobody and is lost capacity.
/// First, counters on which least is lost; among them those with neighbours on both sides, then on
/// one side; then the lowest number.
pub fn best_fit(
    free: impl Fn(u16) -> CounterSet,
    start: u16,
    end: u16,
    candidates: CounterSet,
    useful_units: u8,
) -> Option<u8> {
    let before = |gap: u16| free(start.wrapping_sub(gap + 1));
    let after = |gap: u16| free(end.saturating_add(gap));

    let (open_before, lost_before) = look(&before, useful_units, candidates);
    let (open_after, lost_after) = look(&after, useful_units, candidates);
    let mut best = candidates.without(lost_before.or(lost_after));
    if best.is_empty() {
        if !candidates.has_several() {
            return candidates.first();
        }
        best = losing_least(&before, &after, useful_units, candidates);
    }
    // Chosen without branches: on a busy day nobody could predict them.
    let tight = best.without(open_before.or(open_after));
    let one_side = best.without(open_before.and(open_after));
    let close = if one_side.is_empty() { best } else { one_side };
    let close = if tight.is_empty() { close } else { tight };
    close.first()
}

/// On one side: the candidates that leave a gap there, and those of them that leave a useless one.
fn look(
    side: &impl Fn(u16) -> CounterSet,
    useful_units: u8,
    candidates: CounterSet,
) -> (CounterSet, CounterSet) {
    let open = candidates.and(side(0));
    let useful = (1..u16::from(useful_units)).fold(open, |set, gap| set.and(side(gap)));
    (open, open.without(useful))
}

/// The candidates on which the useless gaps of both sides together are smallest.
fn losing_least(
    before: &impl Fn(u16) -> CounterSet,
    after: &impl Fn(u16) -> CounterSet,
    useful_units: u8,
    candidates: CounterSet,
) -> CounterSet {
    let useful_units = u16::from(useful_units);
    let mut least = (u16::MAX, CounterSet::EMPTY);
    for counter in candidates.iter() {
        let gap = |side: &dyn Fn(u16) -> CounterSet| {
            (0..useful_units)
                .find(|gap| !side(*gap).contains(counter))
                .unwrap_or(0)
        };
        let lost = gap(before) + gap(after);
        if lost < least.0 {
            least = (lost, CounterSet::EMPTY);
        }
        if lost == least.0 {
            least.1 = least.1.or(CounterSet::only(counter));
        }
    }
    least.1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line is a counter, `.` a free unit, `#` a taken one; the seat is units 4..6.
    fn chosen(useful_units: u8, counters: &[&str]) -> Option<u8> {
        let free = |unit: u16| {
            let mut set = CounterSet::EMPTY;
            for (index, row) in counters.iter().enumerate() {
                if row.as_bytes().get(usize::from(unit)) == Some(&b'.') {
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
