//! What the ledger has, or refuses, and what becomes of the room by it.

use std::collections::HashMap;

use super::super::admission::LivePass;
use super::super::fact::RoomFact;
use super::{Room, Stage};
use crate::rules::time::UnixMillis;

impl Room {
    /// The ledger has the fact, or it is one of which nobody is told.
    pub fn apply(&mut self, at: UnixMillis, fact: &RoomFact) {
        self.changes += 1;
        match fact {
            RoomFact::Announced { .. } => {}
            RoomFact::Reserved { upto, .. } => {
                self.reserved = self.reserved.max(*upto);
                self.marks.reserving = false;
            }
            RoomFact::Unsure { from, upto } => {
                self.given = self.given.max(*upto);
                self.unsure.push(*from..*upto);
                self.newly_unsure = 0..0;
                self.marks.unsure = false;
            }
            RoomFact::Drawn { .. } | RoomFact::Frozen { .. }
                if matches!(self.stage, Stage::Decided { .. } | Stage::Drawn(_)) => {}
            RoomFact::Frozen { tickets } => {
                self.given = self.given.max(*tickets);
                self.frozen = Some(*tickets);
                self.is_frozen = true;
                self.marks.freezing = false;
            }
            RoomFact::Drawn { tickets, beacon } => {
                self.given = self.given.max(*tickets);
                self.stage = Stage::Decided {
                    tickets: *tickets,
                    beacon: beacon.clone(),
                };
            }
            RoomFact::Called { upto } => {
                let called = self.serving() + 1..=*upto;
                self.given = self.given.max(*upto);
                let awaited: Vec<u32> = called
                    .filter_map(|position| self.at(position))
                    .filter(|seq| self.is_awaited(*seq))
                    .collect();
                let deadline = at + self.plan.terms.turn;
                self.admission.called(*upto, awaited.into_iter(), deadline);
                self.serving_since.get_or_insert(at);
                self.marks.calling = false;
            }
            RoomFact::Passed {
                seq,
                turn,
                expires_at,
            } => {
                self.given = self.given.max(seq.saturating_add(1));
                let pass = LivePass {
                    turn: *turn,
                    expires_at: UnixMillis(*expires_at),
                    holds: 0,
                    durable: true,
                    tries: 0,
                };
                let had = self.had.get_mut(usize::from(turn.saturating_sub(1)));
                if had.is_some_and(|had| had.insert(*seq)) {
                    self.counts.passes += 1;
                    // It can have ended while it was on its way.
                    let over = self.left.contains(*seq) || self.spent.contains(*seq);
                    if !over && self.ended.is_none() {
                        self.admission.give(*seq, pass);
                    }
                }
            }
            RoomFact::Missed { seq } => {
                self.admission.no_longer_awaited(*seq);
                self.counts.missed += 1;
            }
            RoomFact::Lapsed { seq, .. } => {
                self.admission.end_pass(*seq);
                self.counts.lapsed += 1;
            }
            RoomFact::Left { seq } => {
                self.counts.left += u32::from(self.left.insert(*seq));
                self.admission.no_longer_awaited(*seq);
                self.admission.end_pass(*seq);
            }
            RoomFact::Preferred { seq, .. } => {
                self.counts.preferred += u32::from(self.preferred.insert(*seq));
            }
            RoomFact::Paused { .. } => self.paused = true,
            RoomFact::Resumed { .. } => self.paused = false,
            RoomFact::Spent {
                seq,
                booking,
                identities,
            } => {
                self.counts.booked += u32::from(self.spent.insert(*seq));
                self.spending.remove(seq);
                self.admission.no_longer_awaited(*seq);
                self.admission.end_pass(*seq);
                self.claim(identities, *booking);
            }
            RoomFact::Allotted { seats } => self.allotted = Some(seats.clone()),
            RoomFact::Ended { how } => {
                self.ended.get_or_insert(*how);
                self.admission.end();
                self.identities = HashMap::new();
            }
        }
    }

    /// The ledger has refused the fact: as if it had never been thought of.
    pub fn refused(&mut self, now: UnixMillis, fact: &RoomFact) {
        match fact {
            RoomFact::Reserved { .. } => self.marks.reserving = false,
            RoomFact::Unsure { .. } => self.marks.unsure = false,
            RoomFact::Frozen { .. } => self.marks.freezing = false,
            RoomFact::Drawn { .. } => self.stage = Stage::Open,
            RoomFact::Called { .. } => {
                self.marks.calling = false;
                self.admission.is_calling(0);
            }
            RoomFact::Allotted { .. } => self.marks.allotting = false,
            RoomFact::Ended { .. } => self.marks.ending = false,
            RoomFact::Passed { seq, .. } => {
                let deadline = now + self.plan.terms.turn;
                self.admission.take_back(*seq, deadline);
            }
            _ => {}
        }
    }
}
