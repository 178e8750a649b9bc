//! Columns of bits: for each thing that a wish can want, one bit a row that says who does.

use crate::rules::time::DayNumber;
use crate::rules::wish::NOTICE_STEPS;
use crate::rules::wish::windows::WEEK_HOURS;

/// Rows that share a word.
pub(super) const WORD: usize = u64::BITS as usize;

/// What a column says of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column(usize);

impl Column {
    /// They would come at any hour of the week. Those are in no column of a single hour.
    pub(super) const ANYTIME: Column = Column(WEEK_HOURS as usize);

    /// They would come at this hour of the week.
    pub(super) fn hour(week_hour: u16) -> Column {
        Column(usize::from(week_hour))
    }

    /// They ask for at least this step of [`NOTICE_STEPS`].
    pub(super) fn notice(step: usize) -> Column {
        Column(Column::ANYTIME.0 + 1 + step)
    }

    /// They would come on this day.
    pub(super) fn day(day: DayNumber) -> Column {
        Column(Column::FIRST_DAY + usize::from(day.0))
    }

    const FIRST_DAY: usize = Column::ANYTIME.0 + 1 + NOTICE_STEPS.len();
}

/// The columns that some rows use; those that nobody uses take no memory.
#[derive(Debug, Default)]
pub(super) struct Columns {
    /// Where each column lies that is not of a day.
    places: Vec<Option<u32>>,
    /// Where each day's column lies, from `days_from` on.
    day_places: Vec<Option<u32>>,
    days_from: usize,
    /// Words that each column has room for.
    stride: usize,
    /// Column after column. Behind the last row every bit is 0.
    words: Vec<u64>,
}

impl Columns {
    /// The bits of a column, lowest row first.
    #[inline]
    pub(super) fn get(&self, column: Column) -> Option<&[u64]> {
        let place = match column.0.checked_sub(Column::FIRST_DAY) {
            None => self.places.get(column.0),
            Some(day) => self.day_places.get(day.wrapping_sub(self.days_from)),
        };
        let begin = (*place?)? as usize * self.stride;
        Some(&self.words[begin..begin + self.stride])
    }

    #[inline]
    pub(super) fn contains(&self, column: Column, row: usize) -> bool {
        let words = self.get(column);
        words.is_some_and(|words| words[row / WORD] >> (row % WORD) & 1 == 1)
    }

    /// Rows for which there is room.
    pub(super) fn room(&self) -> usize {
        self.stride * WORD
    }

    /// Lets a row in that is in no column; the ones from there on move up.
    pub(super) fn open(&mut self, row: usize, rows: usize) {
        if rows == self.room() {
            self.widen((2 * self.stride).max(1));
        }
        if row < rows {
            for words in self.words.chunks_exact_mut(self.stride) {
                open(words, row);
            }
        }
    }

    /// Takes a row out; the ones behind it move down.
    pub(super) fn close(&mut self, row: usize) {
        for words in self.words.chunks_exact_mut(self.stride) {
            close(words, row);
        }
    }

    pub(super) fn set(&mut self, column: Column, row: usize) {
        self.of(column)[row / WORD] |= 1 << (row % WORD);
    }

    /// Puts the rows of `other`, from a word on, behind these `rows`.
    pub(super) fn append(&mut self, rows: usize, other: &Columns, from_word: usize, others: usize) {
        let words = (rows + others).div_ceil(WORD);
        if words > self.stride {
            self.widen(words.next_power_of_two());
        }
        let (place, shift) = (rows / WORD, rows % WORD);
        for column in other.used() {
            let bits = other.get(column).unwrap_or_default();
            for (nth, word) in bits[from_word..].iter().enumerate() {
                if *word == 0 {
                    continue;
                }
                let own = &mut self.of(column)[place + nth..];
                own[0] |= word << shift;
                if shift > 0 && word >> (WORD - shift) != 0 {
                    own[1] |= word >> (WORD - shift);
                }
            }
        }
    }

    /// Forgets every row from a word on.
    pub(super) fn truncate(&mut self, from_word: usize) {
        for words in self.words.chunks_exact_mut(self.stride) {
            words[from_word..].fill(0);
        }
    }

    /// The columns that there are.
    fn used(&self) -> impl Iterator<Item = Column> {
        let first_day = Column::FIRST_DAY + self.days_from;
        let others = self.places.iter().enumerate();
        let days = self.day_places.iter().enumerate();
        others
            .chain(days.map(move |(nth, place)| (first_day + nth, place)))
            .filter(|(_, place)| place.is_some())
            .map(|(number, _)| Column(number))
    }

    /// The bits of a column, which is made if there is none.
    fn of(&mut self, column: Column) -> &mut [u64] {
        let place = match column.0.checked_sub(Column::FIRST_DAY) {
            None => at(&mut self.places, column.0),
            Some(day) => {
                if self.day_places.is_empty() {
                    self.days_from = day;
                } else if day < self.days_from {
                    let earlier = std::iter::repeat_n(None, self.days_from - day);
                    self.day_places.splice(..0, earlier);
                    self.days_from = day;
                }
                at(&mut self.day_places, day - self.days_from)
            }
        };
        let place = *place.get_or_insert_with(|| {
            let columns = self.words.len() / self.stride;
            self.words.resize(self.words.len() + self.stride, 0);
            u32::try_from(columns).expect("there are fewer days and hours than that")
        });
        let begin = place as usize * self.stride;
        &mut self.words[begin..begin + self.stride]
    }

    fn widen(&mut self, stride: usize) {
        let columns = self.words.len().checked_div(self.stride);
        let mut words = vec![0; columns.unwrap_or(0) * stride];
        let old = self.words.chunks_exact(self.stride.max(1));
        for (new, old) in words.chunks_exact_mut(stride).zip(old) {
            new[..old.len()].copy_from_slice(old);
        }
        self.words = words;
        self.stride = stride;
    }
}

fn at(places: &mut Vec<Option<u32>>, nth: usize) -> &mut Option<u32> {
    if places.len() <= nth {
        places.resize(nth + 1, None);
    }
    &mut places[nth]
}

/// The bits from `row` on move up by one, and its own is 0. The last bit must be 0.
fn open(words: &mut [u64], row: usize) {
    let (place, below) = (row / WORD, (1u64 << (row % WORD)) - 1);
    let word = words[place];
    let mut carry = word >> (WORD - 1);
    words[place] = (word & below) | (word & !below) << 1;
    for word in &mut words[place + 1..] {
        let next = *word >> (WORD - 1);
        *word = *word << 1 | carry;
        carry = next;
    }
}

/// The bits behind `row` move down by one, over its own.
fn close(words: &mut [u64], row: usize) {
    let (place, below) = (row / WORD, (1u64 << (row % WORD)) - 1);
    let mut carry = 0;
    for word in words[place + 1..].iter_mut().rev() {
        let next = *word << (WORD - 1);
        *word = *word >> 1 | carry;
        carry = next;
    }
    let word = words[place];
    words[place] = (word & below) | ((word >> 1 | carry) & !below);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows that are in the column.
    fn rows(columns: &Columns, column: Column, rows: usize) -> Vec<usize> {
        (0..rows)
            .filter(|row| columns.contains(column, *row))
            .collect()
    }

    fn filled(count: usize, column: Column, wanted: impl Fn(usize) -> bool) -> Columns {
        let mut columns = Columns::default();
        for row in 0..count {
            columns.open(row, row);
            if wanted(row) {
                columns.set(column, row);
            }
        }
        columns
    }

    #[test]
    fn rows_move_for_one_that_comes_between_and_back_when_it_goes() {
        let hour = Column::hour(8);
        for at in [0, 1, 62, 63, 64, 127, 128, 191, 192] {
            let mut columns = filled(192, hour, |row| row % 3 == 0);
            columns.open(at, 192);
            let moved: Vec<usize> = (0..192)
                .step_by(3)
                .map(|row| row + usize::from(row >= at))
                .collect();
            assert_eq!(rows(&columns, hour, 193), moved);
            columns.close(at);
            let before: Vec<usize> = (0..192).step_by(3).collect();
            assert_eq!(rows(&columns, hour, 193), before);
        }
    }

    #[test]
    fn days_may_come_in_any_order() {
        let days = [9_900, 9_903, 9_890].map(|day| Column::day(DayNumber(day)));
        let mut columns = Columns::default();
        for (row, day) in days.into_iter().enumerate() {
            columns.open(row, row);
            columns.set(day, row);
        }
        for (row, day) in days.into_iter().enumerate() {
            assert_eq!(rows(&columns, day, 3), [row]);
        }
        assert_eq!(columns.get(Column::day(DayNumber(9_889))), None);
        assert_eq!(columns.get(Column::day(DayNumber(9_891))), None);
        assert_eq!(columns.get(Column::day(DayNumber(9_904))), None);
        assert_eq!(columns.used().count(), 3);
    }

    #[test]
    fn columns_join_at_any_row() {
        let (hour, day) = (Column::hour(8), Column::day(DayNumber(9_900)));
        for own in [0, 1, 63, 64, 65, 130] {
            let mut columns = filled(own, hour, |row| row % 2 == 0);
            let other = filled(200, day, |row| row % 5 == 0);
            columns.append(own, &other, 1, 200 - WORD);
            let count = own + 200 - WORD;
            let expected: Vec<usize> = (0..own).step_by(2).collect();
            assert_eq!(rows(&columns, hour, count), expected);
            let expected: Vec<usize> = (65..200).step_by(5).map(|row| own + row - 64).collect();
            assert_eq!(rows(&columns, day, count), expected);
            columns.truncate(0);
            assert!(rows(&columns, hour, count).is_empty());
        }
    }
}
