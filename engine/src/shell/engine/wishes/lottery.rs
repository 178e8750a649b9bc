//! The lottery of a room: its seats go to the wishes in the order of the draw, all at once.

use std::sync::Arc;

use super::give_out::Source;
use crate::rules::ids::DayKey;
use crate::rules::room::fact::Allotment;
use crate::rules::time::{DayNumber, Millis, UnixMillis};
use crate::shell::engine::Engine;
use crate::shell::rooms::RoomShard;

/// After the release a wish that was laid just before it may still be on its way to the ledger.
const SETTLED: Millis = Millis(2_000);

impl Engine {
    /// Holds the lotteries that are due.
    pub(super) fn hold_lotteries(&self, now: UnixMillis, random: &mut impl FnMut() -> u64) {
        for shard in self.rooms.all() {
            let due = shard.decide(|room| {
                let is_settled = now >= room.plan().release_at + SETTLED;
                let is_drawn = room.drawn().is_some();
                (is_settled && is_drawn && room.awaits_lottery()).then(|| room.plan().days.clone())
            });
            let Some(days) = due else {
                continue;
            };
            let mut days: Vec<DayKey> = days
                .iter()
                .filter_map(|(office, date)| {
                    Some(DayKey {
                        office: self.catalogue.office(*office).number,
                        day: DayNumber::from_date(*date)?,
                    })
                })
                .collect();
            // Whoever comes first gets what comes first.
            days.sort_unstable_by_key(|key| (key.day, key.office));
            if self.hold_lottery(now, &shard, &days, random) == 0 {
                self.end_lottery(now, &shard, &days);
            }
        }
    }

    /// Gives out what is there; how many got something. After a crash it goes on where it was.
    fn hold_lottery(
        &self,
        now: UnixMillis,
        room: &RoomShard,
        days: &[DayKey],
        random: &mut impl FnMut() -> u64,
    ) -> usize {
        let (Some(first), Some(last)) = (days.first(), days.last()) else {
            return 0;
        };
        let mut pool = self.look_at_wishes(|agent| agent.lottery(room.id, first.day, last.day));
        let mut given = 0;
        for key in days {
            let office = self.catalogue.office_by_number(key.office);
            let shard = office.and_then(|office| self.shard(office, key.day.to_date()));
            let (Some(shard), false) = (shard, pool.is_empty()) else {
                continue;
            };
            let mut source = Source::Lottery {
                room: room.id,
                pool: &mut pool,
            };
            given += self.give_day(now, *key, &shard, &mut source, random);
        }
        given
    }

    /// Nobody gets anything any more: the ledger is told who got what.
    fn end_lottery(&self, now: UnixMillis, shard: &Arc<RoomShard>, days: &[DayKey]) {
        let (deciding, seats) = self.look_at_wishes(|agent| agent.allotted(shard.id));
        if deciding {
            return;
        }
        // Somebody can have got a seat of another day meanwhile.
        let here = seats
            .into_iter()
            .filter(|(_, seat)| days.contains(&seat.day_key()));
        let seats = here
            .map(|(position, seat)| Allotment { position, seat })
            .collect();
        let mut room = shard.lock();
        if let Some(fact) = room.allot(seats) {
            self.tell(now, shard, &mut room, fact);
        }
    }
}
