//! What is free goes to the best wishes.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use jiff::civil::Date;

use crate::canary::{Canary, sings};
use crate::rules::calendar::{UNIT, UNIT_MINUTES};
use crate::rules::catalogue::OfficeIndex;
use crate::rules::cells::{COUNTERS_MAX, CounterSet};
use crate::rules::day::{Day, SeatAsk};
use crate::rules::ids::{DayKey, ReservationId, Seat};
use crate::rules::record::Fact;
use crate::rules::room::RoomId;
use crate::rules::time::{DayNumber, UnixMillis};
use crate::rules::wish::WishId;
use crate::rules::wish::agent::{Agent, Match, Standing, need_at};
use crate::rules::wish::fact::{Offer, WishEnding, WishFact};
use crate::rules::wish::index::Gap;
use crate::shell::engine::Engine;
use crate::shell::engine::bookings::{Booking, Fulfilled};
use crate::shell::ledger::Durable;
use crate::shell::shard::Shard;

use super::OfferError;

/// How often days are made that nobody has asked for yet, so that their release is seen.
const DAYS_MADE_MS: i64 = 60_000;

impl Engine {
    /// Sees to it that the days exist on which a release can bring something for a wish.
    pub(super) fn make_days(&self, now: UnixMillis) {
        let minute = now.0.div_euclid(DAYS_MADE_MS);
        let last = {
            let mut watch = self.wishes.watch.lock();
            let last = watch.days_made.replace(minute);
            if last != Some(minute) {
                let later = std::mem::take(&mut watch.later);
                watch.again.extend(later);
            }
            last
        };
        if last == Some(minute) || !self.wishes.any() {
            return;
        }
        for (index, office) in (0u16..).map(OfficeIndex).zip(&self.catalogue.offices) {
            if self.look_at_wishes(|agent| agent.waiting_at(office.number)) == 0 {
                continue;
            }
            let days = self.date_of(now).series(jiff::Span::new().days(1));
            for date in days.take(usize::from(office.horizon_days) + 1) {
                self.shard(index, date);
            }
        }
    }

    /// A wish is new: the days on which something for it is free are looked at again, so that the
    /// best wish gets it, whoever that is.
    pub(super) fn look_for(&self, now: UnixMillis, id: WishId) {
        let known = self.look_at_wishes(|agent| agent.known(id).cloned());
        let Some(known) = known.filter(|known| known.standing == Standing::Waiting) else {
            return;
        };
        for number in &known.wish.offices {
            let Some(office) = self.catalogue.office_by_number(*number) else {
                continue;
            };
            let Some(need) = need_at(&self.catalogue, office, &known.wish.services) else {
                continue;
            };
            let horizon = self.horizon(now, self.catalogue.office(office));
            let first = known.wish.from.to_date().max(self.date_of(now));
            let last = known.wish.until.to_date().min(horizon);
            for date in first
                .series(jiff::Span::new().days(1))
                .take_while(|date| *date <= last)
            {
                let Some(shard) = self.shard(office, date) else {
                    continue;
                };
                if shard.decide(|day| day.has_room_for_wishes(now, &need))
                    && let Some(day) = DayNumber::from_date(date)
                {
                    let key = DayKey {
                        office: *number,
                        day,
                    };
                    self.wishes.watch.lock().again.insert(key);
                }
            }
        }
    }

    /// The days that are not as they were when they were last held against the wishes.
    pub(super) fn changed_days(&self, now: UnixMillis) -> Vec<(DayKey, Arc<Shard>)> {
        let mut watch = self.wishes.watch.lock();
        let again = std::mem::take(&mut watch.again);
        // When the clock is set back, what was too soon for somebody is not any more.
        if watch.looked_at.replace(now).is_some_and(|last| now < last) {
            watch.seen.clear();
        }
        let any = self.wishes.any();
        let mut changed = Vec::new();
        // Nobody else waits for the map while a day is waited for.
        let days: Vec<(DayKey, Arc<Shard>)> = if any || !again.is_empty() {
            let days = self.days.iter();
            days.map(|day| (*day.key(), Arc::clone(day.value())))
                .collect()
        } else {
            Vec::new()
        };
        for (key, shard) in days {
            let due = || shard.decide(|day| day.next_change() <= now);
            let same = watch.seen.get(&key) == Some(&shard.changes());
            let seen = same || sings(Canary::FreedUnseen);
            if !seen || again.contains(&key) || due() {
                changed.push((key, shard));
            }
        }
        // Who comes first gets what comes first.
        changed.sort_unstable_by_key(|(key, _)| (key.day, key.office));
        if watch.seen.len() > 2 * self.days.len() + 64 {
            watch.seen.retain(|key, _| self.days.contains_key(key));
        }
        changed
    }

    /// Gives what is free on a day to the best wishes.
    pub(super) fn give_out(
        &self,
        now: UnixMillis,
        key: DayKey,
        shard: &Arc<Shard>,
        random: &mut impl FnMut() -> u64,
    ) {
        let Some(office) = self.catalogue.office_by_number(key.office) else {
            return;
        };
        let date = key.day.to_date();
        let beyond = date > self.horizon(now, self.catalogue.office(office));
        if beyond {
            // It is looked at when it comes within the horizon, which changes nothing about it.
            return;
        }
        let waits = self.look_at_wishes(|agent| agent.waiting_at(key.office)) > 0;
        let changes = if waits {
            self.give_day(now, key, shard, random)
        } else {
            shard.changes()
        };
        self.wishes.watch.lock().seen.insert(key, changes);
    }

    /// Gives what is free on a day to those who come first. Returns how the day was when that was
    /// done: what changes it afterwards has to be looked at.
    pub(super) fn give_day(
        &self,
        now: UnixMillis,
        key: DayKey,
        shard: &Arc<Shard>,
        random: &mut impl FnMut() -> u64,
    ) -> u64 {
        let date = key.day.to_date();
        let mut direct = Vec::new();
        let mut day = shard.lock();
        let mut agent = self.wishes.lock();
        let hours = self.hours(&day, date);
        let mut gaps = gaps(now, &mut day, None);
        while let Some(span) = gaps.pop_first() {
            let gap = Gap {
                office: key.office,
                day: key.day,
                weekday: date.weekday().to_monday_zero_offset().unsigned_abs(),
                counter: span.counter,
                start: span.start,
                end: span.end,
                grid: day.plan().grid,
                hours: &hours,
                starts_at: day.plan().starts_at,
                now,
            };
            let Some(found) = self.best(&agent, &day, &gap) else {
                continue;
            };
            let seat = Seat {
                key,
                counter: span.counter,
                start: found.start,
                units: found.units,
            };
            // What is left of the gap on both sides is looked at again.
            gaps.extend([
                Span {
                    end: seat.start,
                    ..span
                },
                Span {
                    start: seat.end(),
                    ..span
                },
            ]);
            let to = found.wish;
            let given = self.give(
                now,
                shard,
                (&mut day, &mut agent),
                to,
                (seat, None, random()),
            );
            direct.extend(given.ok().filter(|given| given.direct));
        }
        let changes = day.changes();
        drop((agent, day));
        for given in direct {
            self.book_directly(now, given);
        }
        changes
    }

    /// Who gets a gap.
    fn best(&self, agent: &Agent, day: &Day, gap: &Gap<'_>) -> Option<Match> {
        let asked = self.first_to_ask_about(gap.now, day, gap.start..gap.end);
        if asked > gap.start {
            self.wishes.watch.lock().later.insert(DayKey {
                office: gap.office,
                day: gap.day,
            });
        }
        agent.find(gap, asked)
    }

    /// The first of these units about whose start there is time to ask somebody; behind the last
    /// one if there is none. The later the start, the more time there is.
    pub(super) fn first_to_ask_about(&self, now: UnixMillis, day: &Day, units: Range<u16>) -> u16 {
        let zone = &self.catalogue.city.zone;
        let terms = &self.limits.answers;
        let answerable = |unit: u16| {
            let start = day.plan().instant(unit);
            let last = UnixMillis(start.0 - day.plan().notice.0);
            terms.deadline(zone, now, start, last).is_some()
        };
        let (mut asked, mut behind) = (units.start, units.end);
        if answerable(asked) {
            return asked;
        }
        while asked < behind {
            let middle = asked + (behind - asked) / 2;
            if answerable(middle) {
                behind = middle;
            } else {
                asked = middle + 1;
            }
        }
        asked
    }

    /// Holds a seat for a wish, and offers it if the wish wants to be asked.
    pub(super) fn give(
        &self,
        now: UnixMillis,
        shard: &Arc<Shard>,
        (day, agent): (&mut Day, &mut Agent),
        id: WishId,
        (seat, room, random): (Seat, Option<RoomId>, u64),
    ) -> Result<Given, NotGiven> {
        let known = agent.known(id).ok_or(NotGiven::Unfit)?;
        let before = known.standing;
        let (services, direct) = (known.wish.services, known.wish.auto_accept);
        let (start, end) = (
            day.plan().instant(seat.start),
            day.plan().instant(seat.end()),
        );
        let last = UnixMillis(start.0 - day.plan().notice.0);
        let zone = &self.catalogue.city.zone;
        let deadline = self.limits.answers.deadline(zone, now, start, last);
        let deadline = if direct { Some(last) } else { deadline };
        let deadline = deadline.ok_or(NotGiven::Unfit)?;
        let secret = |number| known.contact.hold_secret(number);
        let secret = secret(known.offers.saturating_add(1));
        let ask = SeatAsk {
            seat,
            services,
            secret: secret.digest(),
            random,
            deadline,
            room,
        };
        let held = day.hold_for_wish(now, &ask);
        let reservation = held.map_err(|_| NotGiven::Unfit)?;
        let Some(number) = agent.decide(id) else {
            day.forget(reservation);
            return Err(NotGiven::Unfit);
        };
        let given = Given {
            wish: id,
            seat: reservation,
            direct,
            before,
        };
        if direct {
            return Ok(given);
        }
        let fact = WishFact::Offered(Offer {
            number,
            seat: reservation,
            services,
            start: start.0,
            end: end.0,
            deadline: deadline.0,
        });
        let told = Fact::Wish {
            wish: id,
            fact: Box::new(fact.clone()),
        };
        let wishes = Arc::clone(&self.wishes);
        let catalogue = Arc::clone(&self.catalogue);
        let settled = Arc::clone(shard);
        let refused = self.try_append_strict(now, told, move |outcome| {
            let mut agent = wishes.lock();
            if outcome.is_ok() {
                agent.apply(&catalogue, now, id, &fact);
            } else {
                agent.undo(id, before);
            }
            let standing = agent.known(id).map(|known| known.standing);
            drop(agent);
            let is_offered = matches!(
                standing,
                Some(Standing::Offered(offer)) if offer.seat == reservation
            );
            if !is_offered {
                settled.decide(|day| day.forget(reservation));
                wishes.add_fresh(id);
            }
        });
        if refused {
            // The day is as it was, and must be looked at all the same.
            self.wishes.watch.lock().again.insert(seat.key);
            day.forget(reservation);
            agent.undo(id, before);
            return Err(NotGiven::LedgerAway);
        }
        Ok(given)
    }

    /// Books a seat for a wish that does not want to be asked.
    pub(super) fn book_directly(&self, now: UnixMillis, given: Given) {
        let Given {
            wish: id,
            seat,
            before,
            ..
        } = given;
        let Some(known) = self.look_at_wishes(|agent| agent.known(id).cloned()) else {
            return;
        };
        let hold = known.contact.hold_secret(known.offers.saturating_add(1));
        let wishes = Arc::clone(&self.wishes);
        let shard = self.existing(seat).map(|(shard, _)| shard);
        // It can have been moved since the wish was last told when it is.
        let instead = known.wish.instead_of.map(|instead| instead.booking);
        let starts = instead.map(|booking| (booking, self.booking_start(booking)));
        let refused = move |outcome: Result<Durable<Booking>, OfferError>| {
            let Err(error) = outcome else {
                return;
            };
            if let Some(shard) = shard {
                shard.decide(|day| day.forget(seat));
            }
            let mut agent = wishes.lock();
            agent.undo(id, before);
            if let Some((booking, start)) = starts {
                agent.booking_starts(booking, start);
            }
            if matches!(error, OfferError::Booking(_) | OfferError::TooManyMoves) {
                agent.end_soon(id, WishEnding::Overtaken);
            }
            drop(agent);
            wishes.add_fresh(id);
        };
        let fulfilled = Fulfilled {
            wish: id,
            accepted: false,
        };
        if let Some(instead) = known.wish.instead_of {
            let held = (seat, hold.digest());
            self.bring_forward(now, fulfilled, instead.booking, held, refused);
        } else {
            self.book_for_wish(now, fulfilled, &known.contact, seat, hold, refused);
        }
    }

    /// By unit, the hour that the clock on the wall shows.
    pub(super) fn hours(&self, day: &Day, date: Date) -> Vec<u8> {
        let plan = day.plan();
        let units = plan.units;
        const PER_HOUR: u16 = 60 / UNIT_MINUTES;
        if units == 24 * PER_HOUR {
            return (0..units).map(|unit| (unit / PER_HOUR) as u8).collect();
        }
        // The clocks change on this day.
        let zone = &self.catalogue.city.zone;
        let shown = |unit: u16| {
            let time = zone.to_datetime(plan.instant(unit).to_jiff());
            debug_assert_eq!(time.date(), date);
            time.hour().unsigned_abs()
        };
        (0..units).map(shown).collect()
    }
}

/// A seat that somebody gets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    pub(super) wish: WishId,
    pub(super) seat: ReservationId,
    /// Whether it is booked without asking.
    pub(super) direct: bool,
    /// How the wish stood before.
    before: Standing,
}

/// Why a wish was given nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotGiven {
    /// There is no time to ask, or the seat is not free.
    Unfit,
    /// The ledger takes nothing just now: it is tried again.
    LedgerAway,
}

/// Free units in a row on one counter. The earliest is first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) start: u16,
    pub(super) counter: u8,
    pub(super) end: u16,
}

/// What is free for wishes and not too soon; of a room's day only what it is before.
pub(super) fn gaps(now: UnixMillis, day: &mut Day, room: Option<RoomId>) -> BTreeSet<Span> {
    let mut free = day.free_for_wishes(now, room);
    for (cell, own) in free
        .iter_mut()
        .zip(room.map(|it| day.cells_of(it)).into_iter().flatten())
    {
        *cell = cell.and(own);
    }
    let plan = day.plan();
    let earliest = now + plan.notice;
    // Starts lie behind both: what has begun is nobody's.
    let behind = (earliest.0 - plan.starts_at.0).max(now.0 + 1 - plan.starts_at.0);
    let units = (behind.max(0) + UNIT.0 - 1) / UNIT.0;
    let first = u16::try_from(units).unwrap_or(u16::MAX);
    let mut gaps = BTreeSet::new();
    let any = free
        .iter()
        .fold(CounterSet::EMPTY, |set, cells| set.or(*cells));
    for counter in (0..COUNTERS_MAX).filter(|counter| any.contains(*counter)) {
        let mut begin = None;
        for unit in first..=plan.units {
            let cell = free.get(usize::from(unit)).copied();
            let is_free = cell.unwrap_or(CounterSet::EMPTY).contains(counter);
            match (begin, is_free) {
                (None, true) => begin = Some(unit),
                (Some(start), false) => {
                    gaps.insert(Span {
                        counter,
                        start,
                        end: unit,
                    });
                    begin = None;
                }
                _ => {}
            }
        }
    }
    gaps
}
