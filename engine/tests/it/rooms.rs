//! The waiting room as a value: its life, its ceiling, its line, and what comes back after a crash.

use std::collections::HashSet;

use jiff::civil::date;
use morgenruh_engine::rules::catalogue::{Beacons, OfficeIndex, RoomPolicy};
use morgenruh_engine::rules::ids::{Digest, ReservationId};
use morgenruh_engine::rules::room::RoomId;
use morgenruh_engine::rules::room::admission::Stock;
use morgenruh_engine::rules::room::draw::DrawSecret;
use morgenruh_engine::rules::room::fact::{Ending, IdentityKey, RoomFact, RoomRecord};
use morgenruh_engine::rules::room::place::Standing;
use morgenruh_engine::rules::room::plan::{RoomPlan, Terms};
use morgenruh_engine::rules::room::proof::{self, Beacon};
use morgenruh_engine::rules::room::state::{JoinRefusal, PassRefusal, PassUse, Phase, Room};
use morgenruh_engine::rules::time::{DayNumber, Millis, UnixMillis};
use proptest::prelude::*;

const RELEASE: UnixMillis = UnixMillis(1_796_122_800_000);
const OPENING: UnixMillis = UnixMillis(RELEASE.0 - 30 * 60_000);
const CLOSING: UnixMillis = UnixMillis(RELEASE.0 + 120 * 60_000);
const TICK: Millis = Millis(200);
const PLENTY: Stock = Stock {
    seats: 1_000,
    held: 0,
};

fn plan(passes_max: u32) -> RoomPlan {
    RoomPlan {
        id: RoomId {
            number: 1,
            day: DayNumber(9_000),
        },
        name: "hall-2024-08-22".to_owned(),
        opens_at: OPENING,
        release_at: RELEASE,
        closes_at: CLOSING,
        days: vec![(OfficeIndex(0), date(2024, 8, 23))],
        terms: Terms {
            passes_max,
            passes_per_minute: 6_000,
            turn: Millis::from_minutes(5),
            pass: Millis::from_minutes(10),
            holds_per_pass: 1,
            beacons: None,
            policy: RoomPolicy::Line,
        },
    }
}

/// A room and what its ledger has.
struct Hall {
    room: Room,
    now: UnixMillis,
    ledger: Vec<RoomRecord>,
    stock: Stock,
    beacon: Option<Beacon>,
}

impl Hall {
    fn new(passes_max: u32) -> Hall {
        let (secret, key) = (DrawSecret([7; 32]), IdentityKey([8; 32]));
        Hall {
            room: Room::announced(plan(passes_max), secret, key, "the rules".to_owned()),
            now: OPENING,
            ledger: Vec::new(),
            stock: PLENTY,
            beacon: None,
        }
    }

    fn tell(&mut self, fact: RoomFact) {
        if fact.is_strict() {
            self.room.apply(self.now, &fact);
        }
        self.ledger.push(RoomRecord {
            at: self.now,
            room: self.room.plan().id,
            fact,
        });
    }

    fn tick(&mut self) {
        self.now = self.now + TICK;
        for fact in self.room.tick(self.now, self.stock, self.beacon.as_ref()) {
            self.tell(fact);
        }
        if let Some(task) = self.room.draw_task() {
            self.room.install(task.work_out());
        }
    }

    fn until(&mut self, instant: UnixMillis) {
        self.now = instant;
        self.tick();
    }

    fn join(&mut self) -> u32 {
        self.try_join().unwrap()
    }

    /// So many people come.
    fn gather(&mut self, people: u32) {
        for _ in 0..people {
            self.join();
        }
    }

    fn try_join(&mut self) -> Result<u32, JoinRefusal> {
        loop {
            match self.room.join(self.now) {
                Err(JoinRefusal::Later) => self.tick(),
                joined => return joined,
            }
        }
    }

    /// Exchanges a ticket and lets the ledger have the pass.
    fn enter(&mut self, seq: u32) -> Result<u8, PassRefusal> {
        let exchange = self.room.exchange(self.now, seq)?;
        self.tell(RoomFact::Passed {
            seq,
            turn: exchange.pass.turn,
            expires_at: exchange.pass.expires_at.0,
        });
        Ok(exchange.pass.turn)
    }

    fn book(&mut self, seq: u32) {
        self.tell(RoomFact::Spent {
            seq,
            booking: ReservationId::from_bytes([seq as u8; 16]),
            identities: vec![Digest([seq as u8; 16])],
        });
    }

    /// What comes back from the ledger.
    fn restored(&self) -> Room {
        let (secret, key) = (DrawSecret([7; 32]), IdentityKey([8; 32]));
        let plan = self.room.plan().clone();
        Room::restored(
            plan,
            secret,
            key,
            "the rules".to_owned(),
            self.ledger.iter(),
        )
    }

    fn line(&self) -> Vec<u32> {
        let mut line: Vec<(u32, u32)> = (0..self.room.given())
            .filter_map(|seq| Some((self.room.position_of(seq)?, seq)))
            .collect();
        line.sort_unstable();
        line.into_iter().map(|(_, seq)| seq).collect()
    }
}

#[test]
fn a_room_opens_draws_serves_and_ends() {
    let mut hall = Hall::new(10);
    let early = UnixMillis(OPENING.0 - 1);
    assert_eq!(hall.room.phase(early), Phase::Scheduled);
    let refused = Err(JoinRefusal::NotOpen { opens_at: OPENING });
    assert_eq!(hall.room.join(early), refused);
    assert_eq!(hall.room.phase(OPENING), Phase::Gathering);
    for seq in 0..50 {
        assert_eq!(hall.join(), seq);
    }
    let gathering = hall.room.place(hall.now, 3, 0).standing;
    assert_eq!(gathering, Standing::Gathering);
    assert_eq!(hall.enter(3), Err(PassRefusal::NotYourTurn));
    assert!(
        hall.room.proof().is_none(),
        "the secret is kept until the draw"
    );
    hall.until(RELEASE);
    assert_eq!(hall.room.phase(hall.now), Phase::Serving);
    let proof = hall.room.proof().unwrap();
    assert_eq!(proof.tickets, 50);
    let line = proof::check(&proof).unwrap();
    assert_eq!(line.at(1), Some(hall.line()[0]));
    hall.room.receipt(49).unwrap().check_with(&proof).unwrap();
    assert_eq!(hall.room.receipt(50), None);
    // Whoever comes later stands behind, in the order of arrival.
    let (late, later) = (hall.join(), hall.join());
    assert_eq!(hall.room.position_of(late), Some(51));
    assert_eq!(hall.room.position_of(later), Some(52));
    hall.until(CLOSING);
    assert_eq!(hall.room.ended(), Some(Ending::Closed));
    assert_eq!(
        hall.room.join(hall.now),
        Err(JoinRefusal::Over(Ending::Closed))
    );
}

#[test]
fn coming_during_the_release_is_coming_later() {
    let mut hall = Hall::new(10);
    let before = hall.join();
    // The ledger does not have the draw yet, but the release is over.
    hall.now = RELEASE;
    let after = hall.join();
    hall.tick();
    assert_eq!(hall.room.proof().unwrap().tickets, 1);
    assert_eq!(hall.room.position_of(before), Some(1));
    assert_eq!(hall.room.position_of(after), Some(2));
}

/// Nobody can choose the number of tickets once the beacon is known, and a beacon that does not
/// come is not waited for.
#[test]
fn a_beacon_comes_after_the_tickets_are_counted() {
    let beacons = Beacons {
        source: "the lottery on television".to_owned(),
        fetched: false,
        after_seconds: 30,
        wait_seconds: 90,
    };
    let beacon = Beacon {
        value: vec![1, 2, 3],
        source: "the lottery on television".to_owned(),
        at: "2026-12-01T06:31:00+01:00".to_owned(),
    };
    for beacon in [Some(beacon), None] {
        let mut hall = Hall::new(10);
        hall.room = Room::announced(
            RoomPlan {
                terms: Terms {
                    beacons: Some(beacons.clone()),
                    ..plan(10).terms
                },
                ..plan(10)
            },
            DrawSecret([7; 32]),
            IdentityKey([8; 32]),
            "the rules".to_owned(),
        );
        hall.gather(5);
        assert_eq!(hall.room.drawing(), None);
        hall.until(RELEASE);
        hall.tick();
        let counted = hall.room.drawing().expect("tickets are counted");
        assert_eq!(counted.0, 5);
        let late = hall.join();
        hall.room = hall.restored();
        hall.tick();
        assert_eq!(hall.room.drawing(), Some(counted), "also after a crash");
        assert!(hall.room.drawn().is_none());
        hall.beacon = beacon.clone();
        hall.until(UnixMillis(RELEASE.0 + 91_000));
        hall.tick();
        hall.tick();
        let drawn = hall.room.drawn().expect("the wait is over");
        assert_eq!((drawn.tickets, drawn.root), counted);
        assert_eq!(drawn.beacon, beacon);
        assert_eq!(hall.room.position_of(late), Some(late + 1));
    }
}

#[test]
fn the_ceiling_holds_and_freed_places_are_called_at_once() {
    let mut hall = Hall::new(3);
    hall.gather(10);
    hall.until(RELEASE);
    hall.tick();
    assert_eq!(hall.room.serving(), 3);
    let line = hall.line();
    for seq in &line[..3] {
        assert_eq!(hall.enter(*seq), Ok(1));
        assert_eq!(hall.enter(*seq), Ok(1), "it is the same pass");
    }
    assert_eq!(hall.room.passes(), 3);
    assert_eq!(hall.enter(line[3]), Err(PassRefusal::NotYourTurn));
    hall.tick();
    assert_eq!(
        hall.room.serving(),
        3,
        "nobody is called while all are inside"
    );
    let left = hall.room.leave(hall.now, line[0]).unwrap();
    hall.tell(left);
    hall.book(line[1]);
    hall.tick();
    assert_eq!(hall.room.serving(), 5);
    assert_eq!(hall.enter(line[0]), Err(PassRefusal::Left));
    assert_eq!(hall.enter(line[1]), Err(PassRefusal::Booked));
}

#[test]
fn a_place_that_nobody_takes_goes_to_the_next() {
    let mut hall = Hall::new(1);
    hall.gather(3);
    hall.until(RELEASE);
    hall.tick();
    let line = hall.line();
    assert_eq!(hall.room.serving(), 1);
    hall.until(hall.now + Millis::from_minutes(5));
    assert_eq!(hall.room.counts().missed, 1);
    hall.tick();
    assert_eq!(hall.room.serving(), 2);
    // Late, but nobody is inside and one is waited for.
    assert_eq!(hall.enter(line[0]), Err(PassRefusal::Full));
    hall.enter(line[1]).unwrap();
    hall.book(line[1]);
    assert_eq!(hall.enter(line[0]), Ok(1), "late is not too late");
}

/// Asked for twice, refused once, asked for again: what the ledger has kept counts.
#[test]
fn a_pass_ends_when_the_ledger_says() {
    let mut hall = Hall::new(1);
    let seq = hall.join();
    hall.until(RELEASE);
    hall.tick();
    let first = hall.room.exchange(hall.now, seq).unwrap().pass.expires_at;
    let fact = RoomFact::Passed {
        seq,
        turn: 1,
        expires_at: first.0,
    };
    hall.room.refused(hall.now, &fact);
    hall.now = hall.now + Millis::from_minutes(1);
    let second = hall.room.exchange(hall.now, seq).unwrap().pass.expires_at;
    assert_ne!(first, second);
    hall.tell(fact);
    for room in [&hall.room, &hall.restored()] {
        assert_eq!(room.pass(seq).unwrap().expires_at, first);
    }
}

/// The line fills each free place within a moment: without that, late would be never.
#[test]
fn whoever_came_late_is_let_in_before_others_are_called() {
    let mut hall = Hall::new(1);
    hall.gather(4);
    hall.until(RELEASE);
    hall.tick();
    let line = hall.line();
    hall.until(hall.now + Millis::from_minutes(5));
    hall.tick();
    assert_eq!(hall.room.serving(), 2);
    assert_eq!(hall.enter(line[0]), Err(PassRefusal::Full));
    hall.enter(line[1]).unwrap();
    hall.book(line[1]);
    hall.tick();
    assert_eq!(hall.room.serving(), 2, "nobody else is called");
    assert_eq!(hall.room.awaited(), 1);
    assert_eq!(hall.enter(line[0]), Ok(1));
    hall.book(line[0]);
    hall.tick();
    assert_eq!(hall.room.serving(), 3);
    // Somebody who asks and stays away does not keep the others for a whole turn.
    hall.until(hall.now + Millis::from_minutes(5));
    hall.tick();
    assert_eq!(hall.room.serving(), 4);
    assert_eq!(hall.enter(line[2]), Err(PassRefusal::Full));
    hall.enter(line[3]).unwrap();
    hall.book(line[3]);
    hall.tick();
    assert_eq!(hall.room.awaited(), 1);
    hall.until(hall.now + Millis::from_minutes(1));
    assert_eq!((hall.room.awaited(), hall.room.counts().missed), (0, 2));
    assert_eq!(hall.enter(line[2]), Ok(1));
}

#[test]
fn a_pass_lapses_once_and_comes_back_once() {
    let mut hall = Hall::new(1);
    let seq = hall.join();
    hall.until(RELEASE);
    hall.tick();
    assert_eq!(hall.enter(seq), Ok(1));
    assert_eq!(hall.room.begin_hold(hall.now, seq, 1), Ok(()));
    assert_eq!(
        hall.room.begin_hold(hall.now, seq, 1),
        Err(PassUse::HoldsMax)
    );
    hall.until(hall.now + Millis::from_minutes(11));
    assert_eq!(hall.room.passes(), 1, "what is held keeps its pass");
    hall.room.count_hold(seq, false);
    hall.tick();
    assert_eq!(hall.room.passes(), 0);
    assert_eq!(hall.room.begin_hold(hall.now, seq, 1), Err(PassUse::Ended));
    assert_eq!(hall.enter(seq), Ok(2));
    assert_eq!(hall.room.begin_hold(hall.now, seq, 1), Err(PassUse::Ended));
    hall.until(hall.now + Millis::from_minutes(11));
    assert_eq!(hall.enter(seq), Err(PassRefusal::UsedUp));
}

#[test]
fn what_the_ledger_refuses_has_not_happened() {
    let mut hall = Hall::new(2);
    let seq = hall.join();
    hall.now = RELEASE;
    let facts = hall.room.tick(hall.now, PLENTY, None);
    let draw = facts.iter().find(|it| matches!(it, RoomFact::Drawn { .. }));
    hall.room.refused(hall.now, draw.unwrap());
    assert!(hall.room.draw_task().is_none());
    hall.tick();
    hall.tick();
    let exchange = hall.room.exchange(hall.now, seq).unwrap();
    let fact = RoomFact::Passed {
        seq,
        turn: 1,
        expires_at: exchange.pass.expires_at.0,
    };
    assert_eq!(hall.room.begin_hold(hall.now, seq, 1), Err(PassUse::Ended));
    // As long as one of two tries is on its way, nobody else is called for this place.
    hall.room.exchange(hall.now, seq).unwrap();
    hall.room.refused(hall.now, &fact);
    assert_eq!(hall.room.passes(), 1);
    hall.room.refused(hall.now, &fact);
    assert_eq!(hall.room.passes(), 0);
    assert_eq!(hall.enter(seq), Ok(1));
}

#[test]
fn sold_out_is_said_when_nothing_can_fall_back() {
    let mut hall = Hall::new(2);
    let seq = hall.join();
    hall.until(RELEASE);
    hall.tick();
    hall.enter(seq).unwrap();
    hall.stock = Stock { seats: 0, held: 1 };
    hall.tick();
    assert_eq!(hall.room.phase(hall.now), Phase::Serving);
    hall.stock = Stock::default();
    hall.tick();
    assert_eq!(hall.room.phase(hall.now), Phase::SoldOut);
    assert_eq!(
        hall.room.begin_hold(hall.now, seq, 1),
        Err(PassUse::Over(Ending::SoldOut))
    );
}

#[test]
fn nobody_is_called_for_seats_that_are_not_there() {
    let mut hall = Hall::new(100);
    hall.gather(50);
    hall.stock = Stock { seats: 4, held: 0 };
    hall.until(RELEASE);
    (0..20).for_each(|_| hall.tick());
    assert_eq!(hall.room.serving(), 4);
}

#[test]
fn one_person_books_once_until_the_room_ends() {
    let mut hall = Hall::new(2);
    let seq = hall.join();
    hall.until(RELEASE);
    hall.book(seq);
    let (mine, other) = (Digest([seq as u8; 16]), Digest([99; 16]));
    assert!(hall.room.booking_of(&[other, mine]).is_some());
    assert!(hall.room.booking_of(&[other]).is_none());
    let back = hall.restored();
    assert!(back.booking_of(&[mine]).is_some());
    hall.room
        .disclaim(ReservationId::from_bytes([seq as u8; 16]));
    assert!(hall.room.booking_of(&[mine]).is_none());
    hall.until(CLOSING);
    assert!(hall.restored().booking_of(&[mine]).is_none());
}

/// What may happen in a room, by numbers that a test makes up.
#[derive(Clone, Copy, Debug)]
enum Act {
    Join,
    Wait(u16),
    Enter(u16),
    Leave(u16),
    Book(u16),
    Hold(u16),
    Release(u16),
    Stock(u8, u8),
    Refuse,
    Crash,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => Just(Act::Join),
        6 => (1..900u16).prop_map(Act::Wait),
        8 => any::<u16>().prop_map(Act::Enter),
        1 => any::<u16>().prop_map(Act::Leave),
        3 => any::<u16>().prop_map(Act::Book),
        3 => any::<u16>().prop_map(Act::Hold),
        2 => any::<u16>().prop_map(Act::Release),
        1 => (1..40u8, 0..9u8).prop_map(|(seats, held)| Act::Stock(seats, held)),
        1 => Just(Act::Refuse),
        1 => Just(Act::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// I4, I7, I9 and the ceiling, whatever happens in whichever order.
    #[test]
    fn the_line_is_kept_whatever_happens(acts in prop::collection::vec(act(), 1..200)) {
        let mut hall = Hall::new(4);
        hall.until(UnixMillis(RELEASE.0 - 60_000));
        let mut line: Option<Vec<u32>> = None;
        let mut given: HashSet<u32> = HashSet::new();
        let mut holds: Vec<u32> = Vec::new();
        let mut booked: HashSet<u32> = HashSet::new();
        let mut serving = 0;
        for act in acts {
            let some = |number: u16, hall: &Hall| u32::from(number) % hall.room.given().max(1);
            match act {
                Act::Join => {
                    if let Ok(seq) = hall.try_join() {
                        prop_assert!(given.insert(seq), "numbers never repeat");
                    }
                }
                Act::Wait(ticks) => {
                    hall.now = hall.now + Millis(i64::from(ticks) * 1_000);
                    hall.tick();
                }
                Act::Enter(number) => {
                    let seq = some(number, &hall);
                    let position = hall.room.position_of(seq);
                    if hall.enter(seq).is_ok() {
                        prop_assert!(position.unwrap() <= hall.room.serving());
                        prop_assert!(!booked.contains(&seq), "a spent ticket opens nothing");
                    }
                }
                Act::Leave(number) => {
                    let seq = some(number, &hall);
                    if let Some(fact) = hall.room.leave(hall.now, seq) {
                        hall.tell(fact);
                    }
                }
                Act::Hold(number) => {
                    let seq = some(number, &hall);
                    if hall.room.begin_hold(hall.now, seq, 1).is_ok() {
                        holds.push(seq);
                    }
                }
                Act::Release(number) if !holds.is_empty() => {
                    let seq = holds.swap_remove(usize::from(number) % holds.len());
                    hall.room.count_hold(seq, false);
                }
                Act::Book(number) if !holds.is_empty() => {
                    let seq = holds.swap_remove(usize::from(number) % holds.len());
                    hall.book(seq);
                    booked.insert(seq);
                }
                Act::Stock(seats, held) => {
                    hall.stock = Stock { seats: seats.into(), held: held.into() };
                }
                Act::Refuse => {
                    hall.now = hall.now + TICK;
                    for fact in hall.room.tick(hall.now, hall.stock, None) {
                        if fact.is_strict() {
                            hall.room.refused(hall.now, &fact);
                        } else {
                            hall.tell(fact);
                        }
                    }
                }
                Act::Crash => {
                    let again = hall.restored();
                    prop_assert_eq!(again.serving(), hall.room.serving());
                    prop_assert_eq!(again.passes(), hall.room.passes());
                    prop_assert_eq!(again.counts(), hall.room.counts());
                    prop_assert_eq!(again.ended(), hall.room.ended());
                    prop_assert!(again.given() >= hall.room.given());
                    hall.room = again;
                    for seq in &holds {
                        hall.room.count_hold(*seq, true);
                    }
                }
                _ => {}
            }
            prop_assert!(hall.room.passes() + hall.room.awaited() <= 4, "the ceiling");
            prop_assert!(hall.room.serving() >= serving, "the number never goes back");
            serving = hall.room.serving();
            if hall.room.drawn().is_some() {
                let now = hall.line();
                if let Some(before) = &line {
                    prop_assert_eq!(&now[..before.len()], &before[..], "the line only grows");
                }
                let tickets = hall.room.given() as usize;
                let all: HashSet<u32> = now.iter().copied().collect();
                prop_assert_eq!(all.len(), tickets, "everybody has one place");
                line = Some(now);
            }
        }
        // Once faults stop, a called line moves on by itself.
        if hall.room.ended().is_none() && hall.room.given() > 0 {
            hall.stock = PLENTY;
            hall.now = hall.now.max(RELEASE);
            let before = hall.room.serving();
            for _ in 0..20 {
                hall.now = hall.now + Millis::from_minutes(1);
                hall.tick();
                if hall.room.ended().is_some() {
                    break;
                }
            }
            let all = hall.room.serving() == hall.room.given();
            prop_assert!(all || hall.room.serving() > before || hall.room.ended().is_some());
        }
    }
}
