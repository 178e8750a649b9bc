//! The waiting room of a run: what people do before and after its release, and a model that knows
//! only what they were told.
//!
//! The line is drawn once, and a place never changes; nobody is let in before their place is called
//! or staff have preferred them; a pass that was given works until it ends; a ticket and a person
//! book once; and once faults stop, the line moves until everybody was let in or the room is over.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use morgenruh_engine::rules::ids::Digest;
use morgenruh_engine::rules::room::TicketId;
use morgenruh_engine::rules::room::admission::LivePass;
use morgenruh_engine::rules::room::fact::{Ending, RoomFact};
use morgenruh_engine::rules::room::place::Standing;
use morgenruh_engine::rules::room::proof::{self, Beacon};
use morgenruh_engine::rules::room::state::{Counts, JoinRefusal, PassRefusal, Phase, Room};
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use morgenruh_engine::shell::engine::{Engine, ExchangeError, PassInHand};
use morgenruh_engine::shell::rooms::RoomShard;

use crate::options::QUEUE_MAX;
use crate::oracle::{Seat, Violation};
use crate::post::{Letter, News};
use crate::town::{RoomTerms, Town};
use crate::world::World;

const MINUTE: Millis = Millis::from_minutes(1);
/// Minutes without any movement after which a line stands still: a turn, a pass, two holds and what
/// an outage has stretched them by.
const STILL_MAX: usize = 80;
/// Times that the room and its ledger are driven after its end has come.
const ENDS_WITHIN: usize = 10;

/// What somebody has of the room.
#[derive(Clone, Copy, Debug, Default)]
struct Visitor {
    ticket: Option<u32>,
    /// Somebody else's or one's own.
    pass: Option<(u32, u8)>,
    asked: bool,
}

/// What was told of a draw.
#[derive(Clone, Debug, PartialEq)]
struct Draw {
    tickets: u32,
    root: [u8; 32],
    seed: [u8; 32],
}

/// Everything that people know of the room.
#[derive(Default)]
pub struct Lobby {
    visitors: Vec<Visitor>,
    latest: i64,
    commitment: Option<[u8; 32]>,
    draw: Option<Draw>,
    serving: u32,
    ended: Option<Ending>,
    given: BTreeSet<u32>,
    /// Taken after the release, with no crash since.
    late: BTreeSet<u32>,
    places: BTreeMap<u32, u32>,
    preferred: BTreeSet<u32>,
    /// Given up, and those of them that no crash can have brought back.
    left: BTreeSet<u32>,
    surely_left: BTreeSet<u32>,
    /// That certainly are wishes.
    laid: BTreeSet<u32>,
    /// The same of those for which that was asked.
    pub may_be_laid: BTreeSet<u32>,
    /// Tickets that somebody tried to exchange.
    asked: BTreeSet<u32>,
    /// Ends of the passes that were given, by ticket and turn.
    passes: BTreeMap<(u32, u8), i64>,
    /// Tickets with whose holds somebody asked for a booking.
    may_be_spent: BTreeSet<u32>,
    spent: BTreeSet<u32>,
    /// People who asked for a booking with a pass, and those who have one that nobody ended.
    may_have_booked: BTreeSet<usize>,
    has_booked: BTreeSet<usize>,
}

fn wrong<T>(invariant: &str, what: impl std::fmt::Debug) -> Result<T, Violation> {
    Err(Violation(format!("{invariant}: room: {what:?}")))
}

/// What a restart may not change.
pub fn image(room: &Room) -> (u32, u32, usize, Counts, Option<Ending>) {
    let (given, serving) = (room.given(), room.serving());
    (given, serving, room.passes(), room.counts(), room.ended())
}

impl Lobby {
    pub fn new(people: usize) -> Lobby {
        Lobby {
            visitors: vec![Visitor::default(); people],
            ..Lobby::default()
        }
    }

    pub fn clock_shows(&mut self, now: i64) {
        self.latest = self.latest.max(now);
    }

    pub fn crashed(&mut self) {
        self.late.clear();
        self.surely_left.clear();
        for visitor in &mut self.visitors {
            visitor.asked = false;
        }
    }

    /// Of whoever has booked.
    pub fn identities(who: usize) -> Vec<Digest> {
        vec![Digest((who as u128).to_be_bytes())]
    }

    /// Somebody asks for a wish in place of this ticket, and may have given it up with that.
    pub fn lays(&mut self, ticket: u32) {
        self.left.insert(ticket);
    }

    pub fn drop_ticket(&mut self, who: usize) {
        self.visitors[who].ticket = None;
    }

    /// Somebody asks for a booking of what was held with this ticket.
    pub fn asks_booking(&mut self, who: usize, ticket: u32) {
        self.may_be_spent.insert(ticket);
        self.may_have_booked.insert(who);
    }

    /// When a room is over, as it can be since the last look at it, who has booked is forgotten.
    pub fn booked(&mut self, who: usize, ticket: u32, is_over: bool) -> Result<(), Violation> {
        if !self.spent.insert(ticket) || self.laid.contains(&ticket) {
            return wrong("I7", ("ticket was spent twice", ticket));
        }
        if !self.has_booked.insert(who) && !is_over {
            return wrong("I1", ("person has booked twice", who));
        }
        Ok(())
    }

    /// Whoever asks for the end of a booking may book again.
    pub fn asks_to_leave(&mut self, who: usize) {
        self.has_booked.remove(&who);
    }

    pub fn booked_before(&self, who: usize) -> Result<(), Violation> {
        if !self.may_have_booked.contains(&who) {
            return wrong("I5", ("person never booked", who));
        }
        Ok(())
    }

    pub fn was_spent(&self, ticket: Option<u32>) -> Result<(), Violation> {
        let may_be =
            |ticket| self.may_be_spent.contains(&ticket) || self.may_be_laid.contains(&ticket);
        if !ticket.is_some_and(may_be) {
            return wrong("I5", ("ticket was never spent", ticket));
        }
        Ok(())
    }

    /// A place may be let in: it was called, or preferred.
    fn may_enter(&self, ticket: u32) -> bool {
        let called = self
            .places
            .get(&ticket)
            .is_some_and(|it| *it <= self.serving);
        called || self.preferred.contains(&ticket)
    }
}

impl World {
    pub fn terms(&self) -> Option<RoomTerms> {
        self.options.town.room
    }

    pub fn room(&self) -> Option<Arc<RoomShard>> {
        self.engine.rooms().named(Town::ROOM)
    }

    pub fn ticket_of(&self, who: usize) -> Option<u32> {
        self.lobby.visitors[who].ticket
    }

    /// The place of a ticket, once it is drawn.
    pub fn position_of(&mut self, seq: u32) -> Result<Option<u32>, Violation> {
        if let Some(shard) = self.room() {
            self.ask_for_place(seq, &shard)?;
        }
        Ok(self.lobby.places.get(&seq).copied())
    }

    /// A ticket has become a wish, and nobody is let in with it any more.
    pub fn ticket_is_laid(&mut self, who: usize, seq: u32) -> Result<(), Violation> {
        self.lobby.laid.insert(seq);
        if self.lobby.spent.contains(&seq) {
            return wrong("I7", ("ticket is a booking and a wish", seq));
        }
        if self.dice.bool() && self.lobby.visitors[who].ticket == Some(seq) {
            self.lobby.drop_ticket(who);
        }
        Ok(())
    }

    /// The pass that somebody would show, and its ticket.
    pub fn pass_of(&mut self, who: usize) -> Option<PassInHand> {
        self.terms()?;
        let (seq, turn) = self.lobby.visitors[who].pass?;
        let room = Town::room_id();
        Some(PassInHand {
            ticket: TicketId { room, seq },
            turn,
        })
    }

    /// Somebody was given a seat. The ticket that it counts for.
    pub fn seat_was_given(
        &mut self,
        seat: Seat,
        pass: Option<PassInHand>,
    ) -> Result<Option<u32>, Violation> {
        let Some(terms) = self.terms() else {
            return Ok(None);
        };
        let ended = self
            .room()
            .is_some_and(|room| room.decide(|it| it.ended().is_some()));
        let pass = pass.filter(|_| !ended);
        let guarded = (seat.counter, seat.day) == (0, 0);
        if guarded && !ended && self.now() < terms.closes_at() && pass.is_none() {
            return wrong("I4", (seat, "was given without a pass"));
        }
        let Some(PassInHand { ticket, turn }) = pass else {
            return Ok(None);
        };
        let seq = ticket.seq;
        let lobby = &self.lobby;
        let end = lobby.passes.get(&(seq, turn));
        let is_over = lobby.spent.contains(&seq)
            || lobby.surely_left.contains(&seq)
            || lobby.laid.contains(&seq)
            || end.is_some_and(|end| *end <= self.now().0);
        if is_over || !lobby.asked.contains(&seq) {
            return wrong("I7", (seat, "was given for a pass that is none", seq, turn));
        }
        self.tally.holds_with_pass += 1;
        Ok(Some(seq))
    }

    /// Somebody was told that a pass is needed.
    pub fn pass_is_required(&mut self) -> Result<(), Violation> {
        match self.terms() {
            Some(terms) if self.now() < terms.closes_at() => Ok(()),
            terms => wrong("I5", ("nothing needs a pass any more", terms)),
        }
    }

    /// Somebody was told that their pass is none.
    pub fn pass_is_refused(&mut self, who: usize, pass: PassInHand) -> Result<(), Violation> {
        let seq = pass.ticket.seq;
        let lobby = &self.lobby;
        let end = lobby.passes.get(&(seq, pass.turn));
        let is_good = end.is_some_and(|end| lobby.latest < *end)
            && !lobby.left.contains(&seq)
            && !lobby.may_be_spent.contains(&seq)
            && self
                .room()
                .is_some_and(|room| room.decide(|it| it.ended().is_none()));
        if is_good {
            return wrong("I2", ("a pass was forgotten", seq, pass.turn));
        }
        self.lobby.visitors[who].pass = None;
        Ok(())
    }

    /// Somebody does what they can do next in the room.
    pub fn visit(&mut self, who: usize) -> Result<(), Violation> {
        let Some(shard) = self.room() else {
            return Ok(());
        };
        let visitor = self.lobby.visitors[who];
        let chance = self.dice.u32(..100);
        match visitor {
            Visitor { ticket: None, .. } => self.join(who, &shard)?,
            Visitor {
                ticket: Some(seq),
                pass: None,
                asked: false,
            } => match chance {
                0..60 => self.exchange(who, seq, &shard),
                60..63 => {
                    self.leave(seq, &shard);
                    self.lobby.visitors[who] = Visitor::default();
                }
                63..66 => self.lobby.visitors[who].ticket = None,
                _ => self.ask_for_place(seq, &shard)?,
            },
            Visitor {
                ticket: Some(seq),
                pass: Some(pass),
                ..
            } => match chance {
                // A pass is whoever's has it.
                0..20 => {
                    let other = self.dice.usize(..self.people.len());
                    self.lobby.visitors[other].pass = Some(pass);
                }
                20..24 => {
                    self.leave(seq, &shard);
                    self.lobby.visitors[who] = Visitor::default();
                }
                24..34 => self.exchange(who, seq, &shard),
                // One that nobody was given.
                34..40 => {
                    let forged = (self.dice.u32(..4_000), self.dice.u8(..4));
                    self.lobby.visitors[who].pass = Some(forged);
                }
                _ => self.ask_for_place(seq, &shard)?,
            },
            _ => {}
        }
        Ok(())
    }

    fn join(&mut self, who: usize, shard: &Arc<RoomShard>) -> Result<(), Violation> {
        let now = self.now();
        let Some(terms) = self.terms() else {
            return Ok(());
        };
        match self.engine.join(now, shard) {
            Ok(joined) => {
                let seq = joined.ticket.seq;
                if now < terms.opens_at() {
                    return wrong("I4", (seq, "was given before the opening"));
                }
                if !self.lobby.given.insert(seq) {
                    return wrong("I7", ("number was given twice", seq));
                }
                if now >= terms.release_at() {
                    self.lobby.late.insert(seq);
                }
                self.lobby.visitors[who].ticket = Some(seq);
                self.tally.joined += 1;
                self.trace.note("join", who, u64::from(seq));
            }
            Err(JoinRefusal::Later) => {}
            Err(JoinRefusal::NotOpen { opens_at }) if now < opens_at => {}
            Err(JoinRefusal::Over(_)) => {}
            Err(refusal) => return wrong("I5", refusal),
        }
        Ok(())
    }

    fn exchange(&mut self, who: usize, seq: u32, shard: &Arc<RoomShard>) {
        self.lobby.asked.insert(seq);
        self.lobby.visitors[who].asked = true;
        let post = self.post.clone();
        self.engine
            .exchange(self.now(), shard, seq, move |outcome| {
                post.send(Letter {
                    who,
                    question: u64::from(seq),
                    news: News::Passed(outcome),
                });
            });
        self.trace.note("exchange", who, u64::from(seq));
    }

    pub fn hears_of_pass(
        &mut self,
        who: usize,
        seq: u32,
        outcome: Result<LivePass, ExchangeError>,
    ) -> Result<(), Violation> {
        self.lobby.visitors[who].asked = false;
        // The number that is called now, as everybody can read it.
        self.look_at_room()?;
        if let Some(shard) = self.room() {
            self.ask_for_place(seq, &shard)?;
        }
        let lobby = &mut self.lobby;
        match outcome {
            Ok(pass) => {
                if lobby.laid.contains(&seq) {
                    return wrong("I7", (seq, "is a wish and a pass", pass));
                }
                if !lobby.may_enter(seq) {
                    return wrong("I4", (seq, "was let in before its turn"));
                }
                let end = pass.expires_at.0;
                let known = *lobby.passes.entry((seq, pass.turn)).or_insert(end);
                if known != end || pass.turn == 0 || pass.turn > 2 {
                    return wrong("I8", (seq, "has two passes", pass, known));
                }
                if lobby.visitors[who].ticket == Some(seq) {
                    lobby.visitors[who].pass = Some((seq, pass.turn));
                }
                self.tally.passes += 1;
                self.trace.note("pass", who, u64::from(seq));
            }
            Err(ExchangeError::Refused(refusal)) => {
                let wrongly = match refusal {
                    PassRefusal::Unknown => true,
                    PassRefusal::Booked => !lobby.may_be_spent.contains(&seq),
                    PassRefusal::UsedUp => {
                        !lobby.passes.contains_key(&(seq, 1)) && !lobby.asked.contains(&seq)
                    }
                    _ => false,
                };
                if wrongly {
                    return wrong("I2", (seq, refusal));
                }
                let gone = matches!(
                    refusal,
                    PassRefusal::Booked | PassRefusal::Left | PassRefusal::UsedUp
                );
                if gone && lobby.visitors[who].ticket == Some(seq) {
                    lobby.visitors[who] = Visitor::default();
                }
                self.tally.not_your_turn += u64::from(refusal == PassRefusal::NotYourTurn);
            }
            Err(ExchangeError::LedgerAway) => self.tally.passes_refused += 1,
        }
        Ok(())
    }

    fn leave(&mut self, seq: u32, shard: &Arc<RoomShard>) {
        self.engine.leave(self.now(), shard, seq);
        self.lobby.left.insert(seq);
        self.lobby.surely_left.insert(seq);
        self.trace.note("leave", 0, u64::from(seq));
    }

    /// A place never changes.
    fn ask_for_place(&mut self, seq: u32, shard: &Arc<RoomShard>) -> Result<(), Violation> {
        let now = self.now();
        let (standing, position, tickets) = shard.decide(|room| {
            let standing = room.place(now, seq, 0).standing;
            let tickets = room.drawn().map(|drawn| drawn.tickets);
            (standing, room.position_of(seq), tickets)
        });
        if let (Some(position), Some(tickets)) = (position, tickets) {
            let known = *self.lobby.places.entry(seq).or_insert(position);
            if known != position {
                return wrong("I4", (seq, "has moved from", known, "to", position));
            }
            if self.lobby.late.contains(&seq) && position <= tickets {
                return wrong("I4", (seq, "came late and was drawn", position));
            }
        }
        if self.lobby.spent.contains(&seq) && standing != Standing::Booked {
            return wrong("I2", (seq, "has booked, but is", standing));
        }
        Ok(())
    }

    /// Staff decide something, or the public random value comes.
    pub fn staff(&mut self) -> Result<(), Violation> {
        let Some(shard) = self.room() else {
            return Ok(());
        };
        let (by, reason) = ("Ruhl".to_owned(), "Übung".to_owned());
        let fact = match self.dice.u8(..8) {
            0 | 1 => RoomFact::Paused { by, reason },
            2..=4 => RoomFact::Resumed { by, reason },
            5 => {
                let all: Vec<u32> = self.lobby.given.iter().copied().collect();
                if all.is_empty() {
                    return Ok(());
                }
                let seq = all[self.dice.usize(..all.len())];
                let is_lottery = self.terms().is_some_and(|terms| terms.is_lottery);
                if is_lottery || !shard.decide(|room| room.may_prefer(seq)) {
                    return Ok(());
                }
                self.lobby.preferred.insert(seq);
                RoomFact::Preferred { seq, by, reason }
            }
            6 => {
                let value = self.dice.u64(..).to_be_bytes().to_vec();
                let (source, at) = ("Los".to_owned(), "heute".to_owned());
                if self.now() >= shard.decide(|room| room.plan().release_at) {
                    shard.set_beacon(Beacon { value, source, at });
                }
                return Ok(());
            }
            _ => return Ok(()),
        };
        self.tally.staff_decisions += 1;
        self.engine.direct(self.now(), &shard, fact, |_| ());
        Ok(())
    }

    /// The engine looks at what time brings about in the rooms.
    pub fn tick_rooms(&mut self) -> Result<(), Violation> {
        let calls = Cell::new(self.dice.u64(..));
        let random = || {
            calls.set(
                calls
                    .get()
                    .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                    .wrapping_add(1),
            );
            let half = Digest::of(&[&calls.get().to_be_bytes()]).0;
            [half, half].concat().try_into().ok()
        };
        // It works out whole days, and is called now and then only.
        if self.room().is_none() || self.dice.u8(..16) == 0 {
            self.engine.announce_rooms(self.now(), random);
        }
        self.engine.tick_rooms(self.now());
        self.look_at_room()
    }

    /// What everybody can read, and what it may not say.
    pub fn look_at_room(&mut self) -> Result<(), Violation> {
        let Some(terms) = self.terms() else {
            return Ok(());
        };
        let Some(shard) = self.room() else {
            if self.lobby.commitment.is_some() {
                return wrong("I2", "it was announced and is not there");
            }
            return Ok(());
        };
        let now = self.now();
        let lobby = &mut self.lobby;
        let strict = self.options.queue_max >= QUEUE_MAX;
        shard.decide(|room| {
            let commitment = room.commitment();
            if *lobby.commitment.get_or_insert(commitment) != commitment {
                return wrong("I2", "another secret than was committed to");
            }
            if room.serving() < lobby.serving {
                return wrong("I4", ("fewer are called", lobby.serving, room.serving()));
            }
            lobby.serving = room.serving();
            if lobby.ended.is_some() && room.ended() != lobby.ended {
                return wrong("I2", ("it is over", lobby.ended, room.ended()));
            }
            lobby.ended = room.ended();
            if lobby.given.last().is_some_and(|last| *last >= room.given()) {
                return wrong("I7", ("numbers were forgotten", room.given()));
            }
            let inside = room.passes() + room.awaited();
            if strict && inside > terms.passes_max as usize {
                return wrong("I11", ("too many inside", inside, terms));
            }
            let Some(drawn) = room.drawn() else {
                return match &lobby.draw {
                    Some(draw) => wrong("I2", ("a draw was forgotten", draw)),
                    None => Ok(()),
                };
            };
            let draw = Draw {
                tickets: drawn.tickets,
                root: drawn.root,
                seed: drawn.seed,
            };
            match &lobby.draw {
                Some(known) if *known == draw => Ok(()),
                Some(known) => wrong("I4", ("it was drawn twice", known, draw)),
                None => {
                    if lobby.latest < room.plan().release_at.0 {
                        return wrong("I4", ("it was drawn early", now));
                    }
                    let proof = room.proof();
                    let line = proof.as_ref().map(proof::check);
                    if !matches!(&line, Some(Ok(line)) if *line == drawn.line) {
                        return wrong("I4", "the proof is of another line");
                    }
                    lobby.draw = Some(draw);
                    self.tally.draws += 1;
                    Ok(())
                }
            }
        })
    }

    /// Once faults stop: as long as something is free, whoever waits is let in, one after the
    /// other; then the room is over and nothing needs a pass.
    pub fn settle_room(&mut self) -> Result<(), Violation> {
        let Some(terms) = self.terms() else {
            return Ok(());
        };
        self.drive_room()?;
        if let Some(shard) = self.room() {
            let (by, reason) = ("Ruhl".to_owned(), "weiter".to_owned());
            let fact = RoomFact::Resumed { by, reason };
            self.engine.direct(self.now(), &shard, fact, |_| ());
        }
        let mut still = 0;
        let mut before = (0, 0, 0);
        while self.now() + MINUTE < terms.closes_at() {
            let next = self.now() + MINUTE;
            self.set_clock(next);
            self.drive_room()?;
            let Some(shard) = self.room() else {
                return wrong("I5", "it is never announced");
            };
            let (phase, passes, awaited) =
                shard.decide(|room| (room.phase(next), room.passes(), room.awaited()));
            if matches!(phase, Phase::SoldOut | Phase::Closed) {
                break;
            }
            let waiting = self.everybody_asks(&shard)?;
            if next < terms.release_at() {
                continue;
            }
            let now = (self.lobby.serving, waiting, passes + awaited);
            // What was given while the clock was ahead is good until then.
            let ends = self.lobby.passes.values().copied().max();
            let is_good = ends.is_some_and(|end| next.0 < end);
            still = if now == before && !is_good {
                still + 1
            } else {
                0
            };
            before = now;
            if terms.is_lottery {
                continue;
            }
            let nobody = waiting == 0 && passes + awaited == 0;
            if nobody {
                self.tally.lines_drained += 1;
                break;
            }
            if still > STILL_MAX {
                return wrong("I5", ("the line stands still", now, phase));
            }
        }
        let end = self.now().max(terms.closes_at()) + MINUTE;
        self.set_clock(end);
        // What became unsure, the number of tickets, the draw and the end follow on each other,
        // each when the ledger has the one before.
        let has_ended = |world: &World| {
            let room = world.room();
            room.is_some_and(|room| room.decide(|it| it.ended().is_some()))
        };
        for _ in 0..ENDS_WITHIN {
            self.drive_room()?;
            if has_ended(self) {
                break;
            }
        }
        let ended = has_ended(self);
        if !ended && self.room().is_some() {
            return wrong("I5", "it never ends");
        }
        self.tally.rooms_ended += u64::from(ended);
        Ok(())
    }

    /// Whoever waits asks for a pass and, having one, goes home. How many still wait.
    fn everybody_asks(&mut self, shard: &Arc<RoomShard>) -> Result<usize, Violation> {
        for who in 0..self.people.len() {
            let visitor = self.lobby.visitors[who];
            match (visitor.ticket, visitor.pass) {
                (Some(seq), Some(_)) => {
                    self.leave(seq, shard);
                    self.lobby.visitors[who] = Visitor::default();
                }
                (Some(seq), None) => self.exchange(who, seq, shard),
                _ => {}
            }
        }
        self.drive_room()?;
        let waiting = self.lobby.visitors.iter();
        Ok(waiting.filter(|it| it.ticket.is_some()).count())
    }

    fn drive_room(&mut self) -> Result<(), Violation> {
        for _ in 0..4 {
            self.tick_all();
            self.tick_rooms()?;
            if self.terms().is_some_and(|terms| terms.is_lottery) {
                self.tick_wishes()?;
            }
            self.write()?;
        }
        Ok(())
    }

    /// Both engines, put together from the same memory, know the same rooms.
    pub fn room_image(engine: &Engine) -> Option<(u32, u32, usize, Counts, Option<Ending>)> {
        let room = engine.rooms().named(Town::ROOM)?;
        Some(room.decide(|room| image(room)))
    }
}

impl RoomTerms {
    pub fn release_at(&self) -> UnixMillis {
        Town::begin() + Millis::from_minutes(u32::from(self.release_minutes))
    }

    pub fn opens_at(&self) -> UnixMillis {
        let before = Millis::from_minutes(u32::from(self.opens_minutes));
        UnixMillis(self.release_at().0 - before.0)
    }

    pub fn closes_at(&self) -> UnixMillis {
        self.release_at() + Millis::from_minutes(u32::from(self.closes_minutes))
    }
}
