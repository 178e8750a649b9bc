//! When somebody could come within a gap.

use super::Gap;
use super::columns::Column;
use crate::rules::time::{DayNumber, UnixMillis};
use crate::rules::wish::NOTICE_STEPS;
use crate::rules::wish::windows::HOURS;

const WEEKDAYS: u8 = 7;

/// The starts in a gap for visits of one length.
pub(super) struct Visits<'g, 'd> {
    gap: &'g Gap<'d>,
    units: u8,
    first: u16,
    last: u16,
    hours_touched: u32,
    ways: Vec<Way>,
}

/// Starts whose visits touch the same hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// Bit 8 is 8:00 to 9:00.
    pub hours: u32,
    /// From now to the latest of the starts, in minutes.
    pub lead_minutes: u32,
}

impl Way {
    /// The lowest of [`NOTICE_STEPS`] for which it is too late.
    pub(super) fn late(self) -> Option<usize> {
        let step = NOTICE_STEPS.partition_point(|minutes| *minutes <= self.lead_minutes);
        (step < NOTICE_STEPS.len()).then_some(step)
    }
}

impl<'g, 'd> Visits<'g, 'd> {
    /// None when no visit of this length can begin in the gap any more.
    pub(super) fn new(gap: &'g Gap<'d>, units: u8) -> Option<Visits<'g, 'd>> {
        if gap.weekday >= WEEKDAYS {
            return None;
        }
        let grid = gap.grid.max(1);
        let first = gap.start.checked_next_multiple_of(grid)?;
        let last = gap.end.checked_sub(u16::from(units))? / grid * grid;
        let mut visits = Visits {
            gap,
            units,
            first,
            last,
            hours_touched: 0,
            ways: Vec::new(),
        };
        visits.find_ways();
        (!visits.ways.is_empty()).then_some(visits)
    }

    pub(super) fn units(&self) -> u8 {
        self.units
    }

    pub(super) fn day(&self) -> DayNumber {
        self.gap.day
    }

    /// Of an hour of the gap's day.
    pub(super) fn column(&self, hour: u16) -> Column {
        Column::hour(u16::from(self.gap.weekday) * HOURS + hour)
    }

    /// All hours that any of the visits touches.
    pub(super) fn hours_touched(&self) -> u32 {
        self.hours_touched
    }

    /// A wish that wants all hours of one of them, and less notice than its lead, fits, unless it
    /// is for something earlier. Ways that let nobody in whom another does not let in are left out.
    pub(super) fn each_way(&self) -> &[Way] {
        &self.ways
    }

    /// Whether some start is early enough and some start late enough, if not the same one.
    pub(super) fn is_in_time(&self, notice_minutes: u32, before: UnixMillis) -> bool {
        self.gap.instant(self.first) < before
            && self.gap.lead_minutes(self.last) >= Some(notice_minutes)
    }

    /// Where a wish begins that wants these hours of the day, of the starts that suit.
    ///
    /// At the gap's first start if it can, else at its last one: then what is left of the gap is in
    /// one piece and serves longer visits than two pieces would. Only who can do neither is put in
    /// between, at the earliest.
    pub(super) fn start_where(
        &self,
        hours: u32,
        notice_minutes: u32,
        before: UnixMillis,
        mut suits: impl FnMut(u16) -> bool,
    ) -> Option<u16> {
        let fits = |start: &u16| {
            self.gap.instant(*start) < before
                && self.gap.lead_minutes(*start) >= Some(notice_minutes)
                && self.hours(*start).is_some_and(|asked| asked & !hours == 0)
        };
        let mut in_order = [self.first, self.last].into_iter().chain(self.starts());
        in_order.find(|start| fits(start) && suits(*start))
    }

    fn starts(&self) -> impl Iterator<Item = u16> {
        (self.first..=self.last).step_by(usize::from(self.gap.grid.max(1)))
    }

    /// The hours that a visit touches.
    fn hours(&self, start: u16) -> Option<u32> {
        let span = usize::from(start)..usize::from(start) + usize::from(self.units);
        let hours = self.gap.hours.get(span)?.iter();
        let is_hour = hours.clone().all(|hour| u16::from(*hour) < HOURS);
        is_hour.then(|| hours.fold(0, |set, hour| set | 1 << hour))
    }

    fn find_ways(&mut self) {
        let mut all: Vec<Way> = Vec::new();
        for start in self.starts() {
            let Some((hours, lead_minutes)) = self.hours(start).zip(self.gap.lead_minutes(start))
            else {
                continue;
            };
            match all.iter_mut().rfind(|way| way.hours == hours) {
                Some(way) => way.lead_minutes = lead_minutes,
                None => all.push(Way {
                    hours,
                    lead_minutes,
                }),
            }
        }
        let is_covered = |way: &Way, other: &Way| {
            other.hours != way.hours
                && other.hours & !way.hours == 0
                && other.lead_minutes >= way.lead_minutes
        };
        self.hours_touched = all.iter().fold(0, |set, way| set | way.hours);
        self.ways = all.clone();
        self.ways
            .retain(|way| !all.iter().any(|other| is_covered(way, other)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::time::Millis;
    use crate::rules::wish::NOTICE_MINUTES_MAX;

    const NOW: UnixMillis = UnixMillis(1_796_080_000_000);
    const ALWAYS: UnixMillis = UnixMillis(i64::MAX);

    /// From 8:00 on; unit 0 is 8:00 and in half an hour.
    fn gap(hours: &[u8], start: u16, end: u16, grid: u16) -> Gap<'_> {
        Gap {
            office: 1,
            day: DayNumber(9_831),
            weekday: 1,
            counter: 0,
            start,
            end,
            grid,
            hours,
            starts_at: NOW + Millis::from_minutes(30),
            now: NOW,
        }
    }

    fn morning() -> Vec<u8> {
        (0..48u8).map(|unit| 8 + unit / 12).collect()
    }

    fn hours(hours: impl IntoIterator<Item = u8>) -> u32 {
        hours.into_iter().fold(0, |set, hour| set | 1 << hour)
    }

    #[test]
    fn a_gap_is_cut_at_its_ends_first() {
        let morning = morning();
        let gap = gap(&morning, 3, 40, 2);
        let visits = Visits::new(&gap, 3).unwrap();
        let start = |wanted: u32, notice| visits.start_where(wanted, notice, ALWAYS, |_| true);
        assert_eq!(start(hours(8..12), 0), Some(4));
        // The first is too soon, so the last.
        assert_eq!(start(hours(8..12), 51), Some(36));
        assert_eq!(start(hours(9..10), 0), Some(12));
        assert_eq!(start(hours(9..10), 30 + 61), Some(14));
        assert_eq!(start(hours(9..10), 30 + 106), None);
        let before = NOW + Millis::from_minutes(30 + 20);
        assert_eq!(visits.start_where(hours(8..12), 0, before, |_| true), None);
        let before = before + Millis(1);
        assert_eq!(
            visits.start_where(hours(8..12), 0, before, |_| true),
            Some(4)
        );
    }

    #[test]
    fn hours_that_say_nothing_new_are_no_way() {
        let morning = morning();
        let way = |hours, minutes: u32| Way {
            hours,
            lead_minutes: 30 + minutes,
        };
        let whole = gap(&morning, 0, 48, 1);
        let visits = Visits::new(&whole, 3).unwrap();
        let single: Vec<Way> = (0..4u8)
            .map(|nth| way(hours([8 + nth]), 45 + 60 * u32::from(nth)))
            .collect();
        assert_eq!(visits.each_way(), single);
        // Longer than an hour: nobody comes for one hour alone.
        let visits = Visits::new(&whole, 13).unwrap();
        let pairs = [(8..10, 55), (9..11, 115), (10..12, 175)];
        let pairs = pairs.map(|(wanted, minutes)| way(hours(wanted), minutes));
        assert_eq!(visits.each_way(), pairs);
        // More hours, but a later start: good for whoever asks for more notice.
        let short = gap(&morning, 0, 14, 1);
        let visits = Visits::new(&short, 3).unwrap();
        let both = [way(hours([8]), 45), way(hours([8, 9]), 55)];
        assert_eq!(visits.each_way(), both);
    }

    #[test]
    fn what_holds_no_visit_has_none() {
        let morning = morning();
        let none = |gap: Gap<'_>, units| assert!(Visits::new(&gap, units).is_none());
        none(gap(&morning, 0, 2, 1), 3);
        none(gap(&morning, 1, 4, 3), 3);
        none(gap(&morning, 40, 60, 20), 9);
        none(gap(&morning, 5, 2, 1), 0);
        none(gap(&[24; 12], 0, 12, 1), 3);
        let mut over = gap(&morning, 0, 12, 1);
        over.now = over.instant(9) + Millis(1);
        none(over, 3);
        assert!(Visits::new(&gap(&morning, 0, 3, 0), 3).is_some());
    }

    #[test]
    fn a_step_of_notice_is_late_as_soon_as_it_is_more_than_the_lead() {
        let late = |lead_minutes| {
            let way = Way {
                hours: 1,
                lead_minutes,
            };
            way.late().map(|step| NOTICE_STEPS[step])
        };
        assert_eq!(late(0), Some(1));
        assert_eq!(late(119), Some(120));
        assert_eq!(late(120), Some(180));
        assert_eq!(late(NOTICE_MINUTES_MAX), None);
        assert!(NOTICE_STEPS.is_sorted());
    }
}
