//! A small town: its catalogue, and facts about its seats that could have happened.

use fastrand::Rng;
use jiff::tz::TimeZone;
use morgenruh_engine::rules::catalogue::{Catalogue, Channel, City, Department, Service, Text};
use morgenruh_engine::rules::holidays::Land;
use morgenruh_engine::rules::ids::{DayKey, Digest, ReservationId, Seat};
use morgenruh_engine::rules::need::Services;
use morgenruh_engine::rules::record::{Booked, Confirmed, Contract, Fact, Person, Record};
use morgenruh_engine::rules::time::{DayNumber, Millis, UnixMillis};

/// The evening on which everything happens.
pub(crate) const EVENING: UnixMillis = UnixMillis(1_796_061_600_000);
/// The day after it, 2026-12-01.
const TOMORROW: DayNumber = DayNumber(9_831);
/// More than anybody writes, so that a booking takes pages of its own.
const ANSWER_BYTES_MAX: usize = 9_000;

pub(crate) fn kleinheim() -> Catalogue {
    let text = |text: &str| Text {
        de: text.into(),
        en: text.into(),
    };
    Catalogue {
        city: City {
            id: "kleinheim".into(),
            name: text("Kleinheim"),
            land: Land::Nw,
            zone_name: "UTC".into(),
            zone: TimeZone::UTC,
        },
        departments: vec![Department {
            id: "rathaus".into(),
            name: text("Rathaus"),
        }],
        services: vec![Service {
            id: "reisepass".into(),
            number: 1,
            department: 0,
            name: text("Reisepass"),
            minutes: 10,
            quantity_max: 4,
            combines_with: vec![],
            leika: vec![],
        }],
        offices: vec![],
        rooms: Vec::new(),
    }
}

/// What people do, drawn from a seed. What was refused, or nobody has heard of, is not built on.
pub(crate) struct Crowd {
    random: Rng,
    free: Vec<Seat>,
    held: Vec<ReservationId>,
    booked: Vec<Contract>,
    /// Where the bookings are now.
    seats: Vec<ReservationId>,
}

impl Crowd {
    pub(crate) fn new(seed: u64) -> Crowd {
        let mut random = Rng::with_seed(seed);
        let mut free = Vec::new();
        for office in 1..=3 {
            for day in 0..4 {
                for counter in 0..6 {
                    let key = DayKey {
                        office,
                        day: DayNumber(TOMORROW.0 + day),
                    };
                    free.extend((96..144).step_by(2).map(|start| Seat {
                        key,
                        counter,
                        start,
                        units: 2,
                    }));
                }
            }
        }
        random.shuffle(&mut free);
        Crowd {
            random,
            free,
            held: Vec::new(),
            booked: Vec::new(),
            seats: Vec::new(),
        }
    }

    /// Between one and so many records that arrive together.
    pub(crate) fn rush(&mut self, records_max: usize) -> Vec<Record> {
        let records = self.random.usize(1..=records_max);
        (0..records).map(|_| self.record()).collect()
    }

    fn record(&mut self) -> Record {
        let fact = match self.random.u8(0..12) {
            0..4 => self.hold(),
            4..8 => self.book(),
            8 => self.held(|id, _| Fact::Extended {
                id,
                deadline: EVENING + Millis::from_minutes(20),
            }),
            9 => self.held(|id, crowd| {
                crowd.held.pop();
                crowd.free.insert(0, id.seat());
                Fact::Released { id }
            }),
            10 => self.cancel(),
            _ => self.go(),
        };
        let at = EVENING + Millis(self.random.i64(0..1_000));
        Record { at, fact }
    }

    /// A fact about the newest hold, or a new one.
    fn held(&mut self, fact: impl FnOnce(ReservationId, &mut Crowd) -> Fact) -> Fact {
        match self.held.last().copied() {
            Some(id) => fact(id, self),
            None => self.hold(),
        }
    }

    fn hold(&mut self) -> Fact {
        let seat = self.free.pop().expect("there are more seats than people");
        let id = ReservationId::new(seat, 0, self.random.u64(..));
        self.held.push(id);
        Fact::Held {
            id,
            services: services(),
            channel: Channel::Public,
            secret: self.digest(),
            deadline: EVENING + Millis::from_minutes(10),
            ticket: None,
        }
    }

    fn book(&mut self) -> Fact {
        let Some(id) = self.held.pop() else {
            return self.hold();
        };
        let contract = Contract {
            origin: id,
            manage: self.digest(),
            request: self.digest(),
            sequence: 0,
        };
        let bytes = self.random.usize(0..ANSWER_BYTES_MAX);
        let answer: String = (0..bytes).map(|_| self.random.alphanumeric()).collect();
        Fact::Booked(Box::new(Booked {
            confirmed: confirmed(id, contract),
            person: Person {
                name: "Erika Mustermann".into(),
                email: "erika@example.org".into(),
                phone: None,
                answers: [("anlass".to_owned(), answer)].into(),
            },
            idempotency_key: Some(self.digest()),
            ticket: None,
            identities: Vec::new(),
            wish: None,
        }))
    }

    fn cancel(&mut self) -> Fact {
        let Some((contract, id)) = self.booking() else {
            return self.book();
        };
        Fact::Cancelled {
            id,
            origin: contract.origin,
            sequence: contract.sequence + 1,
        }
    }

    fn go(&mut self) -> Fact {
        if self.held.is_empty() {
            return self.hold();
        }
        let Some((contract, from)) = self.booking() else {
            return self.book();
        };
        let contract = Contract {
            sequence: contract.sequence + 1,
            ..contract
        };
        let to = self.held.pop().expect("looked at above");
        let to = Box::new(confirmed(to, contract));
        Fact::Moved {
            from,
            to,
            wish: None,
        }
    }

    /// Takes a booking that somebody has been told of; until its next fact is told of, nobody else
    /// takes it.
    fn booking(&mut self) -> Option<(Contract, ReservationId)> {
        let which = self.random.usize(0..self.booked.len().max(1));
        (which < self.booked.len()).then(|| {
            (
                self.booked.swap_remove(which),
                self.seats.swap_remove(which),
            )
        })
    }

    fn digest(&mut self) -> Digest {
        Digest(self.random.u128(..).to_ne_bytes())
    }

    /// Somebody was told that this is durable.
    pub(crate) fn told(&mut self, fact: &Fact) {
        match fact {
            Fact::Booked(booked) => self.keep(&booked.confirmed),
            Fact::Moved { from, to, .. } => {
                self.free.insert(0, from.seat());
                self.keep(to);
            }
            Fact::Cancelled { id, .. } => self.free.insert(0, id.seat()),
            _ => {}
        }
    }

    fn keep(&mut self, confirmed: &Confirmed) {
        self.booked.push(confirmed.contract);
        self.seats.push(confirmed.id);
    }
}

fn services() -> Services {
    Services::collect([(1, 1)]).expect("one is not too many")
}

fn confirmed(id: ReservationId, contract: Contract) -> Confirmed {
    let minutes = u32::from(id.seat().start) * 5;
    let day = u32::from(id.seat().key.day.0 - TOMORROW.0);
    let start = EVENING + Millis::from_minutes(2 * 60 + day * 24 * 60 + minutes);
    Confirmed {
        id,
        services: services(),
        channel: Channel::Public,
        start,
        end: start + Millis::from_minutes(10),
        secret: Digest(id.to_bytes()),
        contract,
    }
}
