//! Everybody who waits at one office for visits of one kind, in order.
//!
//! ```text
//!          rows            columns, one bit a row
//! ┌───────┬──────────┬──────┬──────┬─────────┬────────┬────────┐
//! │       │ place,   │ Mo 8 │ Mo 9 │ anytime │ Dec 1  │ Dec 2  │
//! │ chunk │ id, …    │ 0    │ 1    │ 0       │ 1      │ 1      │
//! │       │ 32 bytes │ 1    │ 1    │ 0       │ 0      │ 1      │
//! ├───────┼──────────┼──────┴──────┴─────────┴────────┴────────┤
//! │ chunk │          │
//! ```

use super::columns::{Column, Columns, WORD};
use super::visits::Visits;
use super::{Entry, Rank};
use crate::rules::time::{DayNumber, UnixMillis};
use crate::rules::wish::windows::{HOURS, Windows};
use crate::rules::wish::{NOTICE_STEPS, Place, WishId};

/// Rows of a chunk, at most. Less would mean more columns to find for a gap, more would mean more
/// bits to move for a wish that comes in between.
const CHUNK_ROWS: usize = 4_096;
const CHUNK_WORDS: usize = CHUNK_ROWS / WORD;
/// Neighbours that are no longer than this together become one.
const JOINED_ROWS: usize = CHUNK_ROWS / 2;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// 2000-01-01 as days since 1970.
const EPOCH_DAY: i64 = 10_957;

/// What of a wish is not in the columns.
#[derive(Clone, Copy, Debug)]
struct Row {
    since: i64,
    id: WishId,
    before: UnixMillis,
    position: u32,
    notice_minutes: u32,
}

impl Row {
    fn rank(&self) -> Rank {
        let place = Place {
            since: self.since,
            position: self.position,
        };
        (place, self.id)
    }
}

#[derive(Debug, Default)]
pub(super) struct Line {
    /// In order, none of them empty.
    chunks: Vec<Chunk>,
}

#[derive(Debug, Default)]
struct Chunk {
    /// In order.
    rows: Vec<Row>,
    columns: Columns,
}

impl Line {
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Returns whether it is new; whoever waits already with this rank waits for this from now on.
    pub(super) fn insert(&mut self, entry: &Entry) -> bool {
        let rank = (entry.place, entry.id);
        let is_new = !self.remove(rank);
        let mut at = self.chunk_of(rank);
        match self.chunks.get(at) {
            None => self.chunks.push(Chunk::default()),
            // Whoever comes last, as nearly all do, leaves full chunks behind and not half ones.
            Some(chunk) if chunk.is_full() && chunk.ends_before(rank) => {
                at += 1;
                self.chunks.insert(at, Chunk::default());
            }
            Some(chunk) if chunk.is_full() => {
                let upper = self.chunks[at].split();
                let is_upper = upper.rows[0].rank() < rank;
                self.chunks.insert(at + 1, upper);
                at += usize::from(is_upper);
            }
            Some(_) => {}
        }
        self.chunks[at].insert(entry);
        is_new
    }

    pub(super) fn remove(&mut self, rank: Rank) -> bool {
        let at = self.chunk_of(rank);
        let Some(chunk) = self.chunks.get_mut(at) else {
            return false;
        };
        let Ok(row) = chunk.rows.binary_search_by_key(&rank, Row::rank) else {
            return false;
        };
        chunk.remove(row);
        if chunk.rows.is_empty() {
            self.chunks.remove(at);
        } else {
            self.join(at);
            self.join(at.wrapping_sub(1));
        }
        true
    }

    /// How many rows before this one share an hour with these windows.
    pub(super) fn ahead(&self, rank: Rank, windows: Windows) -> usize {
        let last = self.chunk_of(rank);
        let before = self.chunks.iter().take(last);
        let before = before.map(|chunk| chunk.sharing(chunk.rows.len(), windows));
        let within = self.chunks.get(last).map_or(0, |chunk| {
            let rows = chunk.rows.partition_point(|row| row.rank() < rank);
            chunk.sharing(rows, windows)
        });
        before.sum::<usize>() + within
    }

    /// The chunk in which this rank is, if it is in any.
    fn chunk_of(&self, rank: Rank) -> usize {
        let behind = self
            .chunks
            .partition_point(|chunk| chunk.rows[0].rank() <= rank);
        behind.saturating_sub(1)
    }

    /// Makes one chunk of this one and the next if they are small.
    fn join(&mut self, at: usize) {
        let Some([chunk, next]) = self.chunks.get_mut(at..).and_then(|it| it.get_mut(..2)) else {
            return;
        };
        if chunk.rows.len() + next.rows.len() <= JOINED_ROWS {
            chunk.append(next, 0);
            self.chunks.remove(at + 1);
        }
    }
}

impl Chunk {
    /// How many of so many first rows share an hour with these windows.
    fn sharing(&self, rows: usize, windows: Windows) -> usize {
        if windows == Windows::ALWAYS {
            // There is no wish for no hour.
            return rows;
        }
        let mut marks = vec![0_u64; rows.div_ceil(WORD)];
        let hours = windows.week_hours().map(Column::hour);
        for column in hours.chain([Column::ANYTIME]) {
            let bits = self.columns.get(column).unwrap_or_default();
            for (mark, bits) in marks.iter_mut().zip(bits) {
                *mark |= bits;
            }
        }
        if let (Some(last), false) = (marks.last_mut(), rows.is_multiple_of(WORD)) {
            *last &= (1 << (rows % WORD)) - 1;
        }
        marks.iter().map(|mark| mark.count_ones() as usize).sum()
    }

    fn is_full(&self) -> bool {
        self.rows.len() == CHUNK_ROWS
    }

    fn ends_before(&self, rank: Rank) -> bool {
        self.rows.last().is_none_or(|row| row.rank() < rank)
    }

    fn insert(&mut self, entry: &Entry) {
        let row = Row {
            since: entry.place.since,
            id: entry.id,
            before: entry.before,
            position: entry.place.position,
            notice_minutes: entry.notice_minutes,
        };
        let at = self.rows.partition_point(|it| it.rank() < row.rank());
        self.columns.open(at, self.rows.len());
        self.rows.insert(at, row);
        if Windows::ALWAYS.is_within(entry.windows) {
            self.columns.set(Column::ANYTIME, at);
        } else {
            for hour in entry.windows.week_hours() {
                self.columns.set(Column::hour(hour), at);
            }
        }
        let steps = NOTICE_STEPS.partition_point(|minutes| *minutes <= entry.notice_minutes);
        for step in 0..steps {
            self.columns.set(Column::notice(step), at);
        }
        for day in entry.from.0..=last_day(entry).0 {
            self.columns.set(Column::day(DayNumber(day)), at);
        }
    }

    fn remove(&mut self, row: usize) {
        self.rows.remove(row);
        self.columns.close(row);
        // Of a chunk that was much longer only what somebody uses is kept.
        if self.columns.room() > WORD && self.rows.len() <= self.columns.room() / 4 {
            let mut columns = Columns::default();
            columns.append(0, &self.columns, 0, self.rows.len());
            self.columns = columns;
            self.rows.shrink_to(2 * self.rows.len());
        }
    }

    /// Takes the upper half out.
    fn split(&mut self) -> Chunk {
        let mut upper = Chunk::default();
        upper.append(self, CHUNK_WORDS / 2);
        self.rows.truncate(CHUNK_ROWS / 2);
        self.columns.truncate(CHUNK_WORDS / 2);
        upper
    }

    /// Puts the rows of `other`, from a word on, behind its own.
    fn append(&mut self, other: &Chunk, from_word: usize) {
        let rows = &other.rows[from_word * WORD..];
        self.columns
            .append(self.rows.len(), &other.columns, from_word, rows.len());
        self.rows.extend_from_slice(rows);
    }

    /// Marks the rows that fit as far as the columns know. False if there are none.
    fn mark(&self, visits: &Visits<'_, '_>, marks: &mut Marks) -> bool {
        let Some(days) = self.columns.get(Column::day(visits.day())) else {
            return false;
        };
        let words = self.rows.len().div_ceil(WORD);
        let anytime = self.columns.get(Column::ANYTIME);
        marks.fill(0);
        let marks = &mut marks[..words];
        for way in visits.each_way() {
            let mut fits = [0; CHUNK_WORDS];
            let fits = &mut fits[..words];
            let asked = hours_of(way.hours).map(|hour| self.columns.get(visits.column(hour)));
            let is_wanted = asked.clone().all(|hour| hour.is_some());
            if is_wanted {
                fits.fill(u64::MAX);
                asked
                    .flatten()
                    .for_each(|hour| change(fits, hour, |fits, hour| fits & hour));
            }
            match anytime {
                Some(anytime) => change(fits, anytime, |fits, anytime| fits | anytime),
                None if !is_wanted => continue,
                None => {}
            }
            let late = way.late().map(Column::notice);
            if let Some(late) = late.and_then(|late| self.columns.get(late)) {
                change(fits, late, |fits, late| fits & !late);
            }
            change(marks, fits, |marks, fits| marks | fits);
        }
        if !is_any(marks) {
            return false;
        }
        change(marks, days, |marks, days| marks & days);
        is_any(marks)
    }

    /// Where a marked row would begin, of the starts that suit, if it really fits.
    fn start(
        &self,
        row: usize,
        visits: &Visits<'_, '_>,
        suits: impl FnMut(u16) -> bool,
    ) -> Option<u16> {
        let Row {
            notice_minutes,
            before,
            ..
        } = self.rows[row];
        // First what is in the row: if the columns have let too many pass, it is for this.
        if !visits.is_in_time(notice_minutes, before) {
            return None;
        }
        let hours = if self.columns.contains(Column::ANYTIME, row) {
            u32::MAX
        } else {
            hours_of(visits.hours_touched())
                .filter(|hour| self.columns.contains(visits.column(*hour), row))
                .fold(0, |set, hour| set | 1 << hour)
        };
        visits.start_where(hours, notice_minutes, before, suits)
    }
}

type Marks = [u64; CHUNK_WORDS];

/// Looks through a line for those who fit into a gap, in order.
pub(super) struct Search<'s, 'd> {
    line: &'s Line,
    visits: &'s Visits<'s, 'd>,
    /// Chunks that were marked.
    chunks: usize,
    /// The word of the last of them that is looked at.
    word: usize,
    /// Of that chunk: the rows that are still to be looked at.
    marks: Marks,
    head: Option<(Rank, u16)>,
    /// Of the head, in the last chunk that was marked.
    row: usize,
}

impl<'s, 'd> Search<'s, 'd> {
    pub(super) fn new(line: &'s Line, visits: &'s Visits<'s, 'd>) -> Search<'s, 'd> {
        Search {
            line,
            visits,
            chunks: 0,
            word: CHUNK_WORDS,
            marks: [0; CHUNK_WORDS],
            head: None,
            row: 0,
        }
    }

    pub(super) fn units(&self) -> u8 {
        self.visits.units()
    }

    /// The first who fits, and where they begin; none if somebody with this rank comes before.
    pub(super) fn head(&mut self, limit: Option<Rank>) -> Option<(Rank, u16)> {
        while self.head.is_none() {
            if self.word == CHUNK_WORDS && !self.mark(limit) {
                return None;
            }
            self.head = self.next_marked();
        }
        self.head
            .filter(|(rank, _)| limit.is_none_or(|limit| *rank < limit))
    }

    /// Another start for the head.
    pub(super) fn elsewhere(&self, suits: impl FnMut(u16) -> bool) -> Option<u16> {
        let chunk = self.line.chunks.get(self.chunks.checked_sub(1)?)?;
        chunk.start(self.row, self.visits, suits)
    }

    /// Goes on behind the head.
    pub(super) fn skip(&mut self) {
        self.head = None;
    }

    /// Marks the next chunk in which anybody may fit. False when there is none before the limit.
    fn mark(&mut self, limit: Option<Rank>) -> bool {
        while let Some(chunk) = self.line.chunks.get(self.chunks) {
            if limit.is_some_and(|limit| limit < chunk.rows[0].rank()) {
                return false;
            }
            self.chunks += 1;
            if chunk.mark(self.visits, &mut self.marks) {
                self.word = 0;
                return true;
            }
        }
        false
    }

    fn next_marked(&mut self) -> Option<(Rank, u16)> {
        let chunk = &self.line.chunks[self.chunks - 1];
        while let Some(word) = self.marks.get_mut(self.word) {
            while *word != 0 {
                let row = self.word * WORD + word.trailing_zeros() as usize;
                *word &= *word - 1;
                if let Some(start) = chunk.start(row, self.visits, |_| true) {
                    self.row = row;
                    return Some((chunk.rows[row].rank(), start));
                }
            }
            self.word += 1;
        }
        None
    }
}

/// The last day on which a wish can fit.
///
/// Whoever waits for something earlier than a booking would otherwise be looked at for every seat
/// after it. A day more than that of the booking in UTC, because no clock is a day ahead of it.
fn last_day(entry: &Entry) -> DayNumber {
    let booked = entry.before.0.div_euclid(DAY_MS) - EPOCH_DAY;
    let day = booked.saturating_add(1).clamp(0, i64::from(u16::MAX));
    entry.until.min(DayNumber(day as u16))
}

fn hours_of(set: u32) -> impl Iterator<Item = u16> + Clone {
    (0..HOURS).filter(move |hour| set >> hour & 1 == 1)
}

fn is_any(marks: &[u64]) -> bool {
    marks.iter().any(|word| *word != 0)
}

fn change(words: &mut [u64], by: &[u64], how: impl Fn(u64, u64) -> u64) {
    for (word, by) in words.iter_mut().zip(by) {
        *word = how(*word, *by);
    }
}
