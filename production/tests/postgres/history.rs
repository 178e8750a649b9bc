//! Histories that an engine could have written, for tests that need many facts.

mod wishes;

use std::collections::{BTreeMap, HashMap};

use fastrand::Rng;
use morgenruh_engine::rules::catalogue::Channel;
use morgenruh_engine::rules::ids::{DayKey, Digest, ReservationId, Seat};
use morgenruh_engine::rules::need::Services;
use morgenruh_engine::rules::record::{
    Booked, Confirmed, Contract, Fact, Person, Position, Record,
};
use morgenruh_engine::rules::release::ReleaseId;
use morgenruh_engine::rules::release::fact::ReleaseFact;
use morgenruh_engine::rules::room::draw::DrawSecret;
use morgenruh_engine::rules::room::fact::{Ending, IdentityKey, RoomFact};
use morgenruh_engine::rules::room::{RoomId, TicketId};
use morgenruh_engine::rules::time::{DayNumber, Millis, UnixMillis};
use morgenruh_engine::rules::wish::WishId;
use morgenruh_engine::shell::drain::Placed;

use crate::server::NOW;
pub(crate) use wishes::of_wish;

/// 2026-12-01
pub(crate) const TODAY: u16 = 9_831;
/// Its first instant in Düsseldorf.
const MIDNIGHT: UnixMillis = UnixMillis(1_796_079_600_000);
const UNIT: Millis = Millis::from_minutes(5);
const DAY_UNITS: i64 = 288;

/// A small town that goes on deciding.
pub(crate) struct History {
    random: Rng,
    now: UnixMillis,
    position: u64,
    town: Town,
    /// Holds that have not ended, in any order.
    holds: Vec<Hold>,
    /// Bookings that are not cancelled, in any order.
    bookings: Vec<Confirmed>,
    /// Counters that are taken, by office, day and unit.
    taken: HashMap<(u16, u16, u16), u64>,
    slots: HashMap<DayKey, u16>,
    /// Of the next hold.
    ticket: Option<TicketId>,
    /// How many there have been.
    wishes: u64,
    /// Those that wait, in any order, and how often each was offered something.
    waiting: Vec<(WishId, u8)>,
    /// Those that are over.
    over: Vec<WishId>,
}

/// How many seats there are.
#[derive(Clone, Copy)]
pub(crate) struct Town {
    pub(crate) offices: u16,
    pub(crate) days: u16,
    pub(crate) counters: u8,
}

#[derive(Clone, Copy)]
struct Hold {
    id: ReservationId,
    services: Services,
    channel: Channel,
    secret: Digest,
    deadline: UnixMillis,
    ticket: Option<TicketId>,
}

impl History {
    pub(crate) fn new(seed: u64, town: Town) -> History {
        History {
            random: Rng::with_seed(seed),
            now: NOW,
            position: 0,
            town,
            holds: Vec::new(),
            bookings: Vec::new(),
            taken: HashMap::new(),
            slots: HashMap::new(),
            ticket: None,
            wishes: 0,
            waiting: Vec::new(),
            over: Vec::new(),
        }
    }

    pub(crate) fn now(&self) -> UnixMillis {
        self.now
    }

    /// The next facts: of a hundred tries 48 begin a hold and 26 make one a booking.
    pub(crate) fn facts(&mut self, count: usize) -> Vec<Placed> {
        let mut facts = Vec::with_capacity(count);
        while facts.len() < count {
            let fact = match self.random.u8(0..100) {
                0..48 => self.hold(),
                48..52 => self.prolong(),
                52..62 => self.give_back(),
                62..88 => self.book(),
                88..94 => self.cancel(),
                _ => self.move_one(),
            };
            let Some(fact) = fact else { continue };
            self.now = self.now + Millis(self.random.i64(0..20));
            facts.push(self.place(fact));
        }
        facts
    }

    /// A fact of the caller's as the next one.
    pub(crate) fn place(&mut self, fact: Fact) -> Placed {
        self.position += 1;
        Placed {
            position: Position(self.position),
            record: Record { at: self.now, fact },
        }
    }

    /// A hold that becomes a booking, in two facts.
    pub(crate) fn booking(&mut self) -> [Fact; 2] {
        let held = std::iter::repeat_with(|| self.hold())
            .take(1_000)
            .flatten()
            .next()
            .expect("the town has room");
        let last = self.holds.len() - 1;
        self.holds.swap(0, last);
        let hold = self.holds.swap_remove(0);
        [held, self.confirm(hold)]
    }

    /// Everything that happens in a room of today, with as many bookings.
    pub(crate) fn room(&mut self, number: u16, bookings: u32) -> Vec<Placed> {
        let day = DayNumber(TODAY);
        let room = RoomId { number, day };
        let secret = DrawSecret([0x5e; 32]);
        let (by, reason) = ("anna".to_owned(), "Feueralarm".to_owned());
        let rules = "Wer um 6:30 Uhr da ist, nimmt teil. 🎟\n".to_owned();
        let expires_at = self.now.0 + 600_000;
        let happened = [
            RoomFact::Announced {
                secret,
                identity_key: IdentityKey([0x1d; 32]),
                rules,
            },
            RoomFact::Reserved {
                upto: 1 + bookings,
                given: 0,
            },
            RoomFact::Drawn {
                tickets: 1 + bookings,
                beacon: None,
            },
            RoomFact::Called { upto: 1 + bookings },
            RoomFact::Paused { by, reason },
        ];
        let mut facts: Vec<Fact> = happened.map(|fact| in_room(room, fact)).into();
        for seq in 0..bookings {
            let passed = RoomFact::Passed {
                seq,
                turn: 0,
                expires_at,
            };
            facts.push(in_room(room, passed));
            self.ticket = Some(TicketId { room, seq });
            facts.extend(self.booking());
        }
        facts.push(in_room(room, RoomFact::Missed { seq: bookings }));
        let how = Ending::SoldOut;
        facts.push(in_room(room, RoomFact::Ended { how }));
        facts.into_iter().map(|fact| self.place(fact)).collect()
    }

    /// A drip of today that is announced and then paused.
    pub(crate) fn release(&mut self, office: u16) -> Vec<Placed> {
        let release = ReleaseId {
            office,
            day: DayNumber(TODAY),
            minute: 390,
        };
        let (by, reason) = ("anna".to_owned(), "Feueralarm".to_owned());
        let happened = [
            ReleaseFact::Announced {
                secret: DrawSecret([0x5e; 32]),
                rules: "{}".to_owned(),
            },
            ReleaseFact::Paused {
                since: 0,
                by,
                reason,
            },
        ];
        let facts = happened.map(|fact| Fact::Release {
            release,
            fact: Box::new(fact),
        });
        facts.into_iter().map(|fact| self.place(fact)).collect()
    }

    fn hold(&mut self) -> Option<Fact> {
        let Town {
            offices,
            days,
            counters,
        } = self.town;
        let key = DayKey {
            office: self.random.u16(1..=offices),
            day: DayNumber(TODAY + self.random.u16(0..days)),
        };
        let units = self.random.u8(1..=4);
        let start = self.random.u16(96..200);
        let counter = self.random.u8(0..counters);
        let seat = Seat {
            key,
            counter,
            start,
            units,
        };
        if self.is_taken(seat) {
            return None;
        }
        self.take(seat, true);
        let slot = self.slots.entry(key).or_default();
        let id = ReservationId::new(seat, *slot, self.random.u64(..));
        *slot = (*slot + 1) % 32_768;
        let services = (0..self.random.u8(1..=2)).map(|place| (10 + u16::from(place), 1 + place));
        let hold = Hold {
            id,
            services: Services::collect(services).unwrap(),
            channel: Channel::EACH[self.random.usize(0..3)],
            secret: self.digest(),
            deadline: self.now + Millis::from_minutes(10),
            ticket: self.ticket.take(),
        };
        self.holds.push(hold);
        Some(Fact::Held {
            id,
            services: hold.services,
            channel: hold.channel,
            secret: hold.secret,
            deadline: hold.deadline,
            ticket: hold.ticket,
        })
    }

    fn prolong(&mut self) -> Option<Fact> {
        let place = self.any(self.holds.len())?;
        let hold = &mut self.holds[place];
        hold.deadline = hold.deadline + Millis::from_minutes(5);
        let (id, deadline) = (hold.id, hold.deadline);
        Some(if self.random.bool() {
            Fact::Extended { id, deadline }
        } else {
            Fact::Stretched { id, deadline }
        })
    }

    fn give_back(&mut self) -> Option<Fact> {
        let place = self.any(self.holds.len())?;
        let id = self.holds.swap_remove(place).id;
        self.take(id.seat(), false);
        Some(if self.random.bool() {
            Fact::Released { id }
        } else {
            Fact::Expired { id }
        })
    }

    fn book(&mut self) -> Option<Fact> {
        let place = self.any(self.holds.len())?;
        let hold = self.holds.swap_remove(place);
        Some(self.confirm(hold))
    }

    fn confirm(&mut self, hold: Hold) -> Fact {
        let contract = Contract {
            origin: hold.id,
            manage: self.digest(),
            request: self.digest(),
            sequence: 0,
        };
        let confirmed = confirmed(hold, contract);
        self.bookings.push(confirmed.clone());
        let identities = hold.ticket.map_or_else(Vec::new, |_| vec![self.digest()]);
        let answers = (0..self.random.usize(0..3)).map(|it| (format!("q{it}"), "\"ja\"\n".into()));
        let person = Person {
            name: format!("Zoë Müller-{}", self.random.u32(..)),
            email: format!("zoe{}@example.org", self.random.u16(..)),
            phone: self.random.bool().then(|| "+49 211 1".into()),
            answers: answers.collect::<BTreeMap<String, String>>(),
        };
        Fact::Booked(Box::new(Booked {
            confirmed,
            person,
            idempotency_key: self.random.bool().then(|| self.digest()),
            ticket: hold.ticket,
            identities,
            wish: None,
        }))
    }

    fn cancel(&mut self) -> Option<Fact> {
        let place = self.any(self.bookings.len())?;
        let booking = self.bookings.swap_remove(place);
        self.take(booking.id.seat(), false);
        Some(Fact::Cancelled {
            id: booking.id,
            origin: booking.contract.origin,
            sequence: booking.contract.sequence + 1,
        })
    }

    fn move_one(&mut self) -> Option<Fact> {
        let hold = self.any(self.holds.len())?;
        self.move_to(hold)
    }

    fn move_to(&mut self, hold: usize) -> Option<Fact> {
        let place = self.any(self.bookings.len())?;
        let hold = self.holds.swap_remove(hold);
        let from = self.bookings[place].id;
        self.take(from.seat(), false);
        let contract = Contract {
            sequence: self.bookings[place].contract.sequence + 1,
            request: self.digest(),
            ..self.bookings[place].contract
        };
        self.bookings[place] = confirmed(hold, contract);
        Some(Fact::Moved {
            from,
            to: Box::new(self.bookings[place].clone()),
            wish: None,
        })
    }

    fn any(&mut self, len: usize) -> Option<usize> {
        (len > 0).then(|| self.random.usize(0..len))
    }

    fn digest(&mut self) -> Digest {
        Digest(self.random.u128(..).to_be_bytes())
    }

    fn is_taken(&self, seat: Seat) -> bool {
        units(seat).any(|unit| {
            let taken = self.taken.get(&unit).copied().unwrap_or(0);
            taken & (1 << seat.counter) != 0
        })
    }

    fn take(&mut self, seat: Seat, taken: bool) {
        for unit in units(seat) {
            let set = self.taken.entry(unit).or_default();
            if taken {
                *set |= 1 << seat.counter;
            } else {
                *set &= !(1 << seat.counter);
            }
        }
    }
}

pub(crate) fn in_room(room: RoomId, fact: RoomFact) -> Fact {
    let fact = Box::new(fact);
    Fact::Room { room, fact }
}

fn units(seat: Seat) -> impl Iterator<Item = (u16, u16, u16)> {
    (seat.start..seat.end()).map(move |unit| (seat.key.office, seat.key.day.0, unit))
}

fn confirmed(hold: Hold, contract: Contract) -> Confirmed {
    let seat = hold.id.seat();
    Confirmed {
        id: hold.id,
        services: hold.services,
        channel: hold.channel,
        start: starts_at(seat, seat.start),
        end: starts_at(seat, seat.end()),
        secret: hold.secret,
        contract,
    }
}

/// When a unit of a day begins; there is no change of the clocks in the days of these tests.
fn starts_at(seat: Seat, unit: u16) -> UnixMillis {
    let days = i64::from(seat.key.day.0) - i64::from(TODAY);
    MIDNIGHT + Millis(UNIT.0 * (days * DAY_UNITS + i64::from(unit)))
}
