//! The lottery of a room: its seats go to the wishes in the order of the draw, all at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::give_out::{NotGiven, Span, gaps};
use crate::canary::{Canary, sings};
use crate::rules::ids::{DayKey, Seat};
use crate::rules::room::fact::Allotment;
use crate::rules::room::state::Phase;
use crate::rules::time::{DayNumber, Millis, UnixMillis};
use crate::rules::wish::WishId;
use crate::rules::wish::agent::Agent;
use crate::rules::wish::index::Suits;
use crate::rules::wish::windows::HOURS;
use crate::shell::engine::Engine;
use crate::shell::rooms::RoomShard;
use crate::shell::shard::{DayGuard, Shard};

/// After the release a wish that was laid just before it may still be on its way to the ledger.
const SETTLED: Millis = Millis(2_000);

impl Engine {
    /// Holds the lotteries that are due.
    pub(super) fn hold_lotteries(&self, now: UnixMillis, random: &mut impl FnMut() -> u64) {
        for shard in self.rooms.all() {
            let due = shard.decide(|room| {
                let is_settled = now >= room.plan().release_at + SETTLED;
                let is_serving = room.phase(now) == Phase::Serving;
                let is_due = is_settled && is_serving && room.awaits_lottery();
                is_due.then(|| room.plan().days.clone())
            });
            let Some(days) = due else {
                continue;
            };
            let days: Vec<DayKey> = days
                .iter()
                .filter_map(|(office, date)| {
                    Some(DayKey {
                        office: self.catalogue.office(*office).number,
                        day: DayNumber::from_date(*date)?,
                    })
                })
                .collect();
            if self.hold_lottery(now, &shard, &days, random) {
                self.end_lottery(now, &shard);
            }
        }
    }

    /// Each place in turn gets the earliest seat that fits its wish; whether nobody does any more.
    /// After a crash it goes on where it was. It waits until its seats are released, and until the
    /// ledger knows of every wish as it was at the draw.
    ///
    /// All days are locked, in the order of their keys, until everybody had their turn: nobody else
    /// decides about these seats anyway.
    fn hold_lottery(
        &self,
        now: UnixMillis,
        room: &RoomShard,
        days: &[DayKey],
        random: &mut impl FnMut() -> u64,
    ) -> bool {
        let mut keys = days.to_vec();
        keys.sort_unstable();
        let shards: Vec<(DayKey, Arc<Shard>)> = keys
            .into_iter()
            .filter_map(|key| {
                let office = self.catalogue.office_by_number(key.office)?;
                Some((key, self.shard(office, key.day.to_date())?))
            })
            .collect();
        let mut halls: Vec<Hall<'_>> = shards
            .iter()
            .map(|(key, shard)| {
                let mut day = shard.lock();
                let date = key.day.to_date();
                Hall {
                    key: *key,
                    shard,
                    weekday: u16::from(date.weekday().to_monday_zero_offset().unsigned_abs()),
                    hours: self.hours(&day, date),
                    gaps: gaps(now, &mut day, Some(room.id)),
                    has_released: day.has_released(now, room.id),
                    is_to_release: day.is_to_release(now, room.id),
                    asked: self.first_to_ask_about(now, &day, 0..day.plan().units),
                    day,
                }
            })
            .collect();
        let is_paused = halls.iter().any(|hall| hall.is_to_release);
        if is_paused || !halls.iter().any(|hall| hall.has_released) {
            return false;
        }
        // Whoever comes first gets what comes first.
        halls.sort_by_key(|hall| (hall.key.day, hall.key.office));
        let mut agent = self.wishes.lock();
        if agent.allotted(room.id).0 {
            return false;
        }
        let (mut is_over, mut direct) = (true, Vec::new());
        let places = if sings(Canary::LotteryCutShort) {
            1
        } else {
            usize::MAX
        };
        for id in agent.drawn(room.id).into_iter().take(places) {
            let Some((nth, seat)) = best(&agent, &halls, now, id) else {
                continue;
            };
            let Hall {
                shard, day, gaps, ..
            } = &mut halls[nth];
            let offered = (seat, Some(room.id), random());
            let got = match self.give(now, shard, (day, &mut agent), id, offered) {
                Ok(got) => got,
                Err(NotGiven::Unfit) => continue,
                Err(NotGiven::LedgerAway) => {
                    // Nobody behind them goes first.
                    is_over = false;
                    break;
                }
            };
            take(gaps, seat);
            is_over = false;
            direct.extend(Some(got).filter(|got| got.direct));
        }
        drop((agent, halls));
        for got in direct {
            self.book_directly(now, got);
        }
        is_over || sings(Canary::LotteryCutShort)
    }

    /// Nobody gets anything any more: the ledger is told who got what.
    fn end_lottery(&self, now: UnixMillis, shard: &Arc<RoomShard>) {
        let (deciding, seats) = self.look_at_wishes(|agent| agent.allotted(shard.id));
        if deciding {
            return;
        }
        let mut room = shard.lock();
        let allotment = |(seq, seat)| {
            let position = room.position_of(seq)?;
            Some(Allotment { position, seat })
        };
        let mut seats: Vec<Allotment> = seats.into_iter().filter_map(allotment).collect();
        seats.sort_unstable_by_key(|allotment| allotment.position);
        if let Some(fact) = room.allot(seats) {
            self.tell(now, shard, &mut room, fact);
        }
    }
}

/// A day of the lottery, and what is left of it.
struct Hall<'s> {
    key: DayKey,
    shard: &'s Arc<Shard>,
    /// Monday is 0.
    weekday: u16,
    /// By unit, the hour on the clock.
    hours: Vec<u8>,
    gaps: BTreeSet<Span>,
    has_released: bool,
    is_to_release: bool,
    /// The first unit about whose start there is time to ask somebody.
    asked: u16,
    day: DayGuard<'s>,
}

/// The earliest seat that fits the wish, and on which of the days it is.
fn best(agent: &Agent, halls: &[Hall<'_>], now: UnixMillis, id: WishId) -> Option<(usize, Seat)> {
    let known = agent.known(id)?;
    let mut best: Option<(usize, Seat)> = None;
    for (nth, hall) in halls.iter().enumerate() {
        if best.is_some_and(|(_, seat)| seat.key.day < hall.key.day) {
            break;
        }
        let wish = &known.wish;
        let is_day = wish.from <= hall.key.day && hall.key.day <= wish.until;
        let mut needs = known.needs().filter(|_| is_day);
        let Some((_, units, counters)) = needs.find(|(office, ..)| *office == hall.key.office)
        else {
            continue;
        };
        let plan = hall.day.plan();
        let notice = Millis::from_minutes(wish.notice_minutes);
        let fits = |start: u16| {
            let span = usize::from(start)..usize::from(start + u16::from(units));
            let at = |hour: &u8| hall.weekday * HOURS + u16::from(*hour);
            let in_window = |hour: &u8| wish.windows.contains(at(hour));
            (wish.auto_accept || start >= hall.asked)
                && hall.hours[span].iter().all(in_window)
                && plan.instant(start) >= now + notice
                && agent.may_have(id, hall.key, start) == Suits::Yes
        };
        for gap in &hall.gaps {
            if best.is_some_and(|(_, seat)| seat.start < gap.start) {
                break;
            }
            if !counters.contains(gap.counter) {
                continue;
            }
            let Some(last) = gap.end.checked_sub(u16::from(units)) else {
                continue;
            };
            let first = gap.start.next_multiple_of(plan.grid);
            let mut starts = (first..=last).step_by(usize::from(plan.grid));
            let Some(start) = starts.find(|start| fits(*start)) else {
                continue;
            };
            // Of offices the first one is better, of its counters the one with the lower number.
            let is_better = |(of, seat): (usize, Seat)| {
                start < seat.start || (of, start) == (nth, seat.start) && gap.counter < seat.counter
            };
            if best.is_none_or(is_better) {
                let seat = Seat {
                    key: hall.key,
                    counter: gap.counter,
                    start,
                    units,
                };
                best = Some((nth, seat));
            }
        }
    }
    best
}

/// Takes a seat out of the gap in which it lies.
fn take(gaps: &mut BTreeSet<Span>, seat: Seat) {
    let is_around = |gap: &&Span| {
        gap.counter == seat.counter && gap.start <= seat.start && seat.end() <= gap.end
    };
    let Some(gap) = gaps.iter().find(is_around).copied() else {
        return;
    };
    gaps.remove(&gap);
    let pieces = [
        Span {
            end: seat.start,
            ..gap
        },
        Span {
            start: seat.end(),
            ..gap
        },
    ];
    gaps.extend(pieces.into_iter().filter(|piece| piece.start < piece.end));
}
