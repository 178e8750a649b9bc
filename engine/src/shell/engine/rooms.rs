//! Waiting rooms: announced ahead, joined, drawn, served, ended.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;

use super::Engine;
use crate::rules::catalogue::OfficeIndex;
use crate::rules::day::Day;
use crate::rules::ids::ReservationId;
use crate::rules::record::Fact;
use crate::rules::room::admission::{LivePass, Stock};
use crate::rules::room::draw::DrawSecret;
use crate::rules::room::fact::{IdentityKey, RoomFact, RoomRecord};
use crate::rules::room::plan::{DrawRules, RoomPlan, Terms};
use crate::rules::room::state::{JoinRefusal, PassRefusal, Phase, Room};
use crate::rules::room::{RoomId, TicketId};
use crate::rules::time::{DayNumber, Millis, UnixMillis};
use crate::shell::ledger::NotKept;
use crate::shell::rooms::{RoomShard, Rooms};
use crate::shell::stored::ROOM_PROOF_DAYS;

/// How long before its opening a room is announced, with its commitment.
const ANNOUNCED_AHEAD: Millis = Millis::from_minutes(24 * 60);

/// A number in a room, and what its ticket needs beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    pub ticket: TicketId,
    pub nonce: [u8; 16],
}

/// Why there is no pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeError {
    Refused(PassRefusal),
    /// The ledger cannot keep it now; the place is kept.
    LedgerAway,
}

impl Engine {
    pub fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    /// The rooms whose release is on one of these days, as the configuration has them now.
    fn room_plans(&self, days: &[DayNumber]) -> Vec<RoomPlan> {
        let demo_at = self.demo.as_ref().map(|demo| demo.at);
        let mut plans: BTreeMap<RoomId, RoomPlan> = BTreeMap::new();
        for rule in &self.catalogue.rooms {
            for index in &rule.offices {
                for (day, date) in days.iter().flat_map(|day| self.released_on(*index, *day)) {
                    let waves = self.plan(*index, date).waves;
                    let waves = waves.iter().filter_map(|wave| Some((wave.at, wave.guard?)));
                    for (at, guard) in waves {
                        if guard.room.number != rule.number || guard.room.day != day {
                            continue;
                        }
                        // A demo can come on a day that had its own release: the room is the
                        // demo's.
                        if plans.get(&guard.room).is_some_and(|it| it.release_at != at) {
                            if demo_at != Some(at) {
                                continue;
                            }
                            plans.remove(&guard.room);
                        }
                        let plan = plans.entry(guard.room).or_insert_with(|| RoomPlan {
                            id: guard.room,
                            name: format!("{}-{}", rule.id, day.to_date()),
                            opens_at: UnixMillis(
                                at.0 - Millis::from_minutes(rule.opens_minutes.into()).0,
                            ),
                            release_at: at,
                            closes_at: guard.until,
                            days: Vec::new(),
                            terms: Terms::of(rule),
                        });
                        if !plan.days.contains(&(*index, date)) {
                            plan.days.push((*index, date));
                        }
                    }
                }
            }
        }
        plans.into_values().collect()
    }

    /// The days of an office of which something is released on `day`.
    pub(super) fn released_on(
        &self,
        office: OfficeIndex,
        day: DayNumber,
    ) -> impl Iterator<Item = (DayNumber, Date)> {
        let waves = &self.catalogue.office(office).waves;
        let released = waves
            .iter()
            .map(|wave| wave.schedule.days_of(day.to_date()));
        let mut dates: Vec<Date> = released.flatten().chain(self.demo_date(office)).collect();
        dates.sort_unstable();
        dates.dedup();
        dates.into_iter().map(move |date| (day, date))
    }

    /// Announces rooms that open within a day; call it now and then. `random` gives 32 bytes that
    /// nobody can guess, or none. A room whose rules have changed before it opened is announced
    /// anew.
    pub fn announce_rooms(&self, now: UnixMillis, random: impl Fn() -> Option<[u8; 32]>) {
        let today = self.date_of(now);
        let tomorrow = today.saturating_add(jiff::Span::new().days(1));
        let days: Vec<DayNumber> = [today, tomorrow]
            .into_iter()
            .filter_map(DayNumber::from_date)
            .collect();
        for plan in self.room_plans(&days) {
            let rules = DrawRules::of(&plan, &self.catalogue.city.zone).text();
            let is_near = now + ANNOUNCED_AHEAD >= plan.opens_at && now < plan.closes_at;
            // Looked for only when no announcement can come in between.
            if !is_near || !self.rooms.begin_announcing(plan.id) {
                continue;
            }
            let known = self.rooms.get(plan.id);
            let stands = known.is_some_and(|shard| {
                shard.decide(|room| {
                    let is_other = self.demo.is_some() && room.plan().release_at != plan.release_at;
                    let is_begun = room.phase(now) != Phase::Scheduled;
                    !is_other && (is_begun || room.rules() == rules)
                })
            });
            if stands {
                self.rooms.end_announcing(plan.id);
                continue;
            }
            let (Some(secret), Some(identity_key)) = (random(), random()) else {
                self.rooms.end_announcing(plan.id);
                return;
            };
            let (secret, identity_key) = (DrawSecret(secret), IdentityKey(identity_key));
            let fact = Fact::Room {
                room: plan.id,
                fact: Box::new(RoomFact::Announced {
                    secret,
                    identity_key,
                    rules: rules.clone(),
                }),
            };
            let rooms = Arc::clone(&self.rooms);
            self.append_strict((), now, fact, move |outcome| {
                let id = plan.id;
                if outcome.is_ok() {
                    let room = Room::announced(plan, secret, identity_key, rules);
                    rooms.put(Arc::new(RoomShard::new(room)));
                }
                rooms.end_announcing(id);
            });
        }
    }

    /// What time and stock bring about in the rooms; call it a few times a second.
    pub fn tick_rooms(&self, now: UnixMillis) {
        for shard in self.rooms.all() {
            let (days, ended) = shard.decide(|room| (room.plan().days.clone(), room.ended()));
            if ended.is_some() {
                if shard.lift_once() {
                    self.each_day(&days, |day| day.lift(shard.id));
                }
                continue;
            }
            let mut stock = Stock::default();
            self.each_day(&days, |day| {
                let Stock { seats, held } = day.stock(now, shard.id);
                stock.seats = stock.seats.saturating_add(seats);
                stock.held = stock.held.saturating_add(held);
            });
            let beacon = shard.beacon();
            let mut room = shard.lock();
            for fact in room.tick(now, stock, beacon.as_ref()) {
                self.tell(now, &shard, &mut room, fact);
            }
            let task = room.draw_task();
            drop(room);
            if let Some(task) = task {
                let drawn = task.work_out();
                shard.lock().install(drawn);
            }
        }
    }

    fn each_day(&self, days: &[(OfficeIndex, Date)], mut look: impl FnMut(&mut Day)) {
        for (office, date) in days {
            if let Some(shard) = self.shard(*office, *date) {
                shard.decide(&mut look);
            }
        }
    }

    /// Forgets rooms that are long over.
    pub(super) fn retire_rooms(&self, today: DayNumber) {
        let first = i64::from(today.0) - ROOM_PROOF_DAYS;
        self.rooms.drop_before(|id| i64::from(id.day.0) >= first);
    }

    /// Hands a fact of a room to the ledger, in the order in which the room decided. The room is
    /// told what came of a strict one; relaxed ones it has applied already.
    pub(super) fn tell(
        &self,
        now: UnixMillis,
        shard: &Arc<RoomShard>,
        room: &mut Room,
        fact: RoomFact,
    ) {
        let told = Fact::Room {
            room: shard.id,
            fact: Box::new(fact.clone()),
        };
        if !fact.is_strict() {
            // If the queue is full the next start knows less of a no-show.
            self.append(now, told);
            return;
        }
        let settled = Arc::clone(shard);
        let refused = self.try_append_strict(now, told, {
            let fact = fact.clone();
            move |outcome| match outcome {
                Ok(_) => settled.lock().apply(now, &fact),
                Err(NotKept { at }) => settled.lock().refused(at, &fact),
            }
        });
        if refused {
            room.refused(now, &fact);
        }
    }

    /// Gives the next ticket of a room.
    ///
    /// # Errors
    /// [`JoinRefusal`]
    pub fn join(&self, now: UnixMillis, shard: &Arc<RoomShard>) -> Result<Joined, JoinRefusal> {
        let mut room = shard.lock();
        let seq = room.join(now);
        if let Some(fact) = room.reserve(now) {
            self.tell(now, shard, &mut room, fact);
        }
        let seq = seq?;
        Ok(Joined {
            ticket: room.ticket(seq),
            nonce: room.nonce(seq),
        })
    }

    /// Exchanges a ticket for a pass. `done` is called once, when the ledger has the pass or it is
    /// clear that there is none. However often it is asked for, a ticket has one live pass.
    pub fn exchange(
        &self,
        now: UnixMillis,
        shard: &Arc<RoomShard>,
        seq: u32,
        done: impl FnOnce(Result<LivePass, ExchangeError>) + Send + 'static,
    ) {
        let mut room = shard.lock();
        let exchange = match room.exchange(now, seq) {
            Ok(exchange) => exchange,
            Err(refusal) => {
                drop(room);
                return done(Err(ExchangeError::Refused(refusal)));
            }
        };
        if exchange.durable {
            drop(room);
            return done(Ok(exchange.pass));
        }
        let fact = RoomFact::Passed {
            seq,
            turn: exchange.pass.turn,
            expires_at: exchange.pass.expires_at.0,
        };
        let told = Fact::Room {
            room: shard.id,
            fact: Box::new(fact.clone()),
        };
        let settled = Arc::clone(shard);
        self.append_strict(room, now, told, move |outcome| match outcome {
            Ok(_) => {
                let pass = {
                    let mut room = settled.lock();
                    room.apply(now, &fact);
                    let pass = room.pass(seq);
                    pass.filter(|pass| pass.turn == exchange.pass.turn)
                };
                // Should it have ended on its way, asking again tells how.
                done(pass.ok_or(ExchangeError::LedgerAway));
            }
            Err(NotKept { at }) => {
                settled.lock().refused(at, &fact);
                done(Err(ExchangeError::LedgerAway));
            }
        });
    }

    /// Gives a place up; what was held with its pass stays held until its own end.
    pub fn leave(&self, now: UnixMillis, shard: &Arc<RoomShard>, seq: u32) {
        let mut room = shard.lock();
        if let Some(fact) = room.leave(now, seq) {
            self.tell(now, shard, &mut room, fact);
        }
    }

    /// What staff decide: pause, resume, prefer a ticket, end. `done` is called once, with whether
    /// the ledger has it.
    pub fn direct(
        &self,
        now: UnixMillis,
        shard: &Arc<RoomShard>,
        fact: RoomFact,
        done: impl FnOnce(bool) + Send + 'static,
    ) {
        let told = Fact::Room {
            room: shard.id,
            fact: Box::new(fact.clone()),
        };
        let settled = Arc::clone(shard);
        self.append_strict((), now, told, move |outcome| {
            if outcome.is_ok() {
                settled.lock().apply(now, &fact);
            }
            done(outcome.is_ok());
        });
    }

    /// Puts rooms back. Holds and bookings are there already.
    pub(in crate::shell) fn recover_rooms(&self, records: &[RoomRecord]) {
        let mut rooms: BTreeMap<RoomId, Vec<&RoomRecord>> = BTreeMap::new();
        for record in records {
            let facts = rooms.entry(record.room).or_default();
            if matches!(record.fact, RoomFact::Announced { .. }) {
                // An earlier announcement did not stand, and nothing could follow on it.
                facts.clear();
            }
            facts.push(record);
        }
        for (id, facts) in rooms {
            let Some((first, others)) = facts.split_first() else {
                continue;
            };
            let RoomFact::Announced {
                secret,
                identity_key,
                rules,
            } = &first.fact
            else {
                continue;
            };
            let Some(plan) = self.announced_plan(id, rules) else {
                continue;
            };
            let others = others.iter().copied();
            let room = Room::restored(plan, *secret, *identity_key, rules.clone(), others);
            self.rooms.put(Arc::new(RoomShard::new(room)));
        }
    }

    /// The plan of a room that was announced: its times are those of the announcement, all else is
    /// as the configuration has it.
    fn announced_plan(&self, id: RoomId, rules: &str) -> Option<RoomPlan> {
        let announced = DrawRules::read(rules)?;
        let now = self.room_plans(&[id.day]).into_iter();
        let configured = now.into_iter().find(|plan| plan.id == id);
        let rule = self.catalogue.room_by_number(id.number);
        let (opens_at, release_at, closes_at) = announced.times()?;
        Some(RoomPlan {
            id,
            name: announced.room,
            opens_at,
            release_at,
            closes_at,
            days: configured.map_or_else(Vec::new, |plan| plan.days),
            terms: rule.map_or_else(Terms::none, Terms::of),
        })
    }

    /// The pass that a hold was made with.
    pub fn ticket_of(&self, id: ReservationId) -> Option<TicketId> {
        let (shard, _) = self.existing(id)?;
        shard.decide(|day| day.reservation(id)?.ticket)
    }
}
