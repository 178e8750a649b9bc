//! Which counter takes the seat: the one on which it leaves the smallest useless gap.

use super::cells::CounterSet;

/// Gaps longer than this many units count as equally roomy.
const GAP_LOOK_MAX: u16 = 24;

/// Chooses among `candidates`, counters on which all units of `start..end` are free.
///
/// `free` gives the free counters of a unit and nothing outside the day. `useful_units` is the
/// shortest need of the office: a gap that is shorter holds nobody and is lost capacity.
/// First, counters on which least is lost; among them the tightest fit on both sides, then on one
/// side, then the one with the nearest neighbour; then the lowest number.
pub fn best_fit(
    free: impl Fn(Option<u16>) -> CounterSet,
    start: u16,
    end: u16,
    candidates: CounterSet,
    useful_units: u8,
) -> Option<u8> {
    if candidates.len() <= 1 {
        return candidates.first();
    }
    let before = |gap: u16| free(start.checked_sub(gap + 1));
    let after = |gap: u16| free(end.checked_add(gap));

    let mut best = candidates;
    if useful_units > 1 {
        let lost =
            lost(&before, useful_units, candidates).or(lost(&after, useful_units, candidates));
        best = non_empty(candidates.without(lost))
            .unwrap_or_else(|| losing_least(&before, &after, useful_units, candidates));
    }
    let open_before = best.and(before(0));
    let open_after = best.and(after(0));
    if let Some(tight) = non_empty(best.without(open_before).without(open_after)) {
        return tight.first();
    }
    if let Some(one_side) = non_empty(best.without(open_before.and(open_after))) {
        return one_side.first();
    }
    // Open on both sides everywhere: look outwards for the nearest neighbour.
    let mut roomy = best;
    for gap in 1..GAP_LOOK_MAX {
        let still = roomy.and(before(gap)).and(after(gap));
        if let Some(near) = non_empty(roomy.without(still)) {
            return near.first();
        }
        roomy = still;
    }
    roomy.first()
}

/// The candidates on which one side leaves a gap of 1 to `useful_units - 1` units.
fn lost(side: &impl Fn(u16) -> CounterSet, useful_units: u8, candidates: CounterSet) -> CounterSet {
    let mut still_free = candidates.and(side(0));
    let mut lost = CounterSet::EMPTY;
    for gap in 1..u16::from(useful_units) {
        let longer = still_free.and(side(gap));
        lost = lost.or(still_free.without(longer));
        still_free = longer;
    }
    lost
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

fn non_empty(set: CounterSet) -> Option<CounterSet> {
    (!set.is_empty()).then_some(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line is a counter, `.` a free unit, `#` a taken one; the seat is units 4..6.
    fn chosen(useful_units: u8, counters: &[&str]) -> Option<u8> {
        let free = |unit: Option<u16>| {
            let mut set = CounterSet::EMPTY;
            for (index, row) in counters.iter().enumerate() {
                if unit.and_then(|unit| row.as_bytes().get(usize::from(unit))) == Some(&b'.') {
                    set = set.or(CounterSet::only(index as u8));
                }
            }
            set
        };
        let candidates = free(Some(4)).and(free(Some(5)));
        best_fit(free, 4, 6, candidates, useful_units)
    }

    #[test]
    fn a_seat_goes_where_it_fits_tightest() {
        assert_eq!(chosen(1, &["..........", "...#..#..."]), Some(1));
        assert_eq!(chosen(1, &["..........", "...#......"]), Some(1));
        assert_eq!(
            chosen(1, &["..........", ".#........", "..#......."]),
            Some(2)
        );
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
