//! The waiting room of the town hall: one counter's worth of arithmetic, and honest unless told
//! otherwise. The draw is written once more here, by `docs/FAIRNESS.md`.

use std::collections::BTreeSet;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use morgenruh_loadtest::clock;
use morgenruh_wire::{Pass, Place, Problem, Room, RoomDraw, Rooms, Ticket};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::town::{Fault, answer, problem, text};

pub(crate) const ID: &str = "rathaus-2026-11-23";
const SECRET: [u8; 32] = [7; 32];
const RULES: &str = "the rules";
/// Places that are called each time somebody looks.
const CALLED_A_LOOK: u32 = 2;
/// People who have passes or are called, at once.
const INSIDE_MAX: u32 = 40;

pub(crate) struct Hall {
    pub(crate) fault: Fault,
    pub(crate) release_at: Timestamp,
    given: u32,
    /// Places by number of the ticket, once they are drawn.
    drawn: Option<Vec<u32>>,
    serving: u32,
    /// Tickets that were called and are done.
    done: u32,
    passes: u32,
    /// Tickets that have a hold, and tickets that became a booking.
    holding: BTreeSet<u32>,
    spent: BTreeSet<u32>,
    pub(crate) over: bool,
}

/// The number of the ticket of a pass.
fn number_on(pass: &str) -> u32 {
    pass.split('.')
        .next()
        .and_then(|it| it.parse().ok())
        .unwrap()
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let hash = parts
        .iter()
        .fold(Sha256::new(), |hash, part| hash.chain_update(part));
    hash.finalize().into()
}

fn hkdf(info: &[&[u8]]) -> [u8; 32] {
    let mut key = [0; 32];
    let derived = Hkdf::<Sha256>::new(None, &SECRET).expand_multi_info(info, &mut key);
    derived.unwrap();
    key
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn root(tickets: u32) -> [u8; 32] {
    let key = hkdf(&[b"morgenruh nonces v1", ID.as_bytes()]);
    let level = (0..u64::from(tickets)).map(|seq| {
        let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        let mac = mac.chain_update(seq.to_be_bytes()).finalize().into_bytes();
        let leaf = sha256(&[&seq.to_be_bytes(), &mac[..16]]);
        sha256(&[&[0], &leaf])
    });
    // The same tree, from below: whoever has no partner goes up alone.
    let mut level: Vec<[u8; 32]> = level.collect();
    while level.len() > 1 {
        let pairs = level.chunks(2).map(|pair| match pair {
            [left, right] => sha256(&[&[1], left, right]),
            alone => alone[0],
        });
        level = pairs.collect();
    }
    level.first().copied().unwrap_or_else(|| sha256(&[]))
}

fn seed(tickets: u32) -> [u8; 32] {
    let count = u64::from(tickets).to_be_bytes();
    hkdf(&[&root(tickets), &count, ID.as_bytes()])
}

impl Hall {
    pub(crate) fn new(fault: Fault, release_at: Timestamp) -> Hall {
        Hall {
            fault,
            release_at,
            given: 0,
            drawn: None,
            serving: 0,
            done: 0,
            passes: 0,
            holding: BTreeSet::new(),
            spent: BTreeSet::new(),
            over: false,
        }
    }

    /// Draws when it is time, and calls the next.
    fn tick(&mut self) {
        if clock::now() < self.release_at {
            return;
        }
        let count = self.given;
        self.drawn.get_or_insert_with(|| {
            let seed = seed(count);
            let lot = |seq: u32| sha256(&[&seed, &u64::from(seq).to_be_bytes()]);
            let mut line: Vec<u32> = (0..count).collect();
            line.sort_by_key(|seq| lot(*seq));
            let mut places = vec![0; count as usize];
            for (place, seq) in (1..).zip(line) {
                places[seq as usize] = place;
            }
            places
        });
        let most = (self.done + INSIDE_MAX).min(self.given);
        // Who is let in anyhow need not be called.
        let most = if self.fault == Fault::LetsIn {
            10
        } else {
            most
        };
        self.serving = (self.serving + CALLED_A_LOOK).min(most).max(self.serving);
    }

    /// Whether a hold with this pass may begin, or why not.
    pub(crate) fn begins_hold(&mut self, pass: Option<&str>) -> Result<(), (u16, String)> {
        if self.over || self.fault == Fault::NeedsNoPass && pass.is_none() {
            return Ok(());
        }
        let Some(number) = pass.map(number_on) else {
            return Err(problem(403, "pass-required"));
        };
        if self.spent.contains(&number) {
            return Err(problem(403, "pass-ended"));
        }
        let holds_more = self.fault != Fault::HoldsMore;
        if !self.holding.insert(number) && holds_more {
            return Err(problem(409, "holds-max"));
        }
        Ok(())
    }

    pub(crate) fn ends_hold(&mut self, pass: Option<&str>) {
        self.holding.remove(&pass.map_or(0, number_on));
    }

    /// A hold became a booking: there is room for the next.
    pub(crate) fn booked(&mut self, pass: Option<&str>) {
        self.done += 1;
        self.spent.insert(pass.map_or(0, number_on));
    }

    pub(crate) fn answer(&mut self, method: &str, what: &str, ticket: &str) -> (u16, String) {
        self.tick();
        let number: u32 = ticket.parse().unwrap_or(0);
        match (method, what) {
            ("POST", "tickets") => {
                self.given += 1;
                let ticket = Ticket {
                    room: ID.to_owned(),
                    number: self.given,
                    ticket: self.given.to_string(),
                };
                answer(201, &ticket)
            }
            ("GET", "place") => answer(200, &self.place(number)),
            ("DELETE", "place") => {
                self.done += 1;
                (204, String::new())
            }
            ("POST", "passes") => self.pass(number),
            ("GET", "draw") => self.draw(),
            _ => problem(404, "not-found"),
        }
    }

    fn phase(&self) -> &'static str {
        if self.over { "sold_out" } else { "serving" }
    }

    fn position(&self, number: u32) -> Option<u32> {
        let drawn = self.drawn.as_ref()?.get(number as usize - 1).copied();
        match self.fault {
            Fault::FirstCome => Some(number),
            _ => Some(drawn.unwrap_or(number)),
        }
    }

    fn place(&self, number: u32) -> Place {
        let position = self.position(number).filter(|_| !self.over);
        let mut ahead = position.map(|it| (it - 1).saturating_sub(self.serving));
        if self.fault == Fault::SendsBack && number.is_multiple_of(5) {
            ahead = ahead.map(|_| self.serving);
        }
        let standing = match position {
            _ if self.over => "over",
            None => "gathering",
            Some(position) if position <= self.serving => "called",
            Some(_) => "in_line",
        };
        Place {
            number,
            phase: self.phase().to_owned(),
            standing: standing.to_owned(),
            position,
            ahead,
            eta: None,
            until: None,
            chance: "possible".to_owned(),
            poll_after_ms: 50,
        }
    }

    fn pass(&mut self, number: u32) -> (u16, String) {
        if self.over {
            return problem(409, "sold-out");
        }
        if self.spent.contains(&number) {
            return problem(409, "ticket-used");
        }
        let place = self.place(number);
        if place.standing != "called" && self.fault != Fault::LetsIn {
            let problem = Problem {
                type_: "/problems/not-your-turn".to_owned(),
                title: String::new(),
                status: 425,
                detail: String::new(),
                field: None,
                alternatives: Vec::new(),
                room: None,
                place: Some(place),
            };
            return answer(425, &problem);
        }
        self.passes += 1;
        let copy = match self.fault {
            Fault::CopiesPasses => self.passes,
            _ => 0,
        };
        let pass = Pass {
            pass: format!("{number}.{copy}"),
            expires_at: (clock::now() + SignedDuration::from_mins(10)).to_string(),
            turn: 1,
        };
        answer(200, &pass)
    }

    fn draw(&self) -> (u16, String) {
        let Some(drawn) = &self.drawn else {
            return problem(409, "not-drawn");
        };
        let tickets = drawn.len() as u32;
        let secret = match self.fault {
            Fault::ChangesTheSecret => [8; 32],
            _ => SECRET,
        };
        let proof: Value = json!({
            "room": ID,
            "rules": RULES,
            "commitment": hex(&sha256(&[&secret, RULES.as_bytes()])),
            "tickets": tickets,
            "root": hex(&root(tickets)),
            "beacon": null,
            "secret": hex(&secret),
            "seed": hex(&seed(tickets)),
            "algorithm": "morgenruh-draw-v1",
        });
        answer(200, &proof)
    }

    pub(crate) fn room(&mut self) -> Room {
        self.tick();
        let drawn = self.drawn.as_ref().map(|drawn| drawn.len() as u32);
        Room {
            id: ID.to_owned(),
            name: text(),
            phase: self.phase().to_owned(),
            opens_at: (self.release_at - SignedDuration::from_mins(30)).to_string(),
            release_at: self.release_at.to_string(),
            closes_at: (self.release_at + SignedDuration::from_mins(30)).to_string(),
            offices: vec!["bilk".to_owned()],
            dates: vec!["2026-12-21".to_owned()],
            tickets: self.given,
            serving: self.serving,
            seats_free: 32,
            seats_held: 0,
            commitment: hex(&sha256(&[&SECRET, RULES.as_bytes()])),
            rules: RULES.to_owned(),
            draw: drawn.map(|tickets| RoomDraw {
                tickets,
                root: hex(&root(tickets)),
                seed: Some(hex(&seed(tickets))),
            }),
            proof_of_work: false,
            poll_after_ms: 500,
        }
    }

    pub(crate) fn rooms(&mut self) -> Rooms {
        Rooms {
            rooms: vec![self.room()],
        }
    }
}
