//! A waiting room in its engine, over a ledger on a real disk: which cells need its passes, what a
//! pass is good for, and that a restart at any point changes nothing that anybody was told.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use jiff::civil::{Date, date};
use morgenruh_engine::rules::calendar::plan;
use morgenruh_engine::rules::catalogue::{
    Beacons, Catalogue, Channel, Hours, OfficeIndex, RoomPolicy, RoomRule, Selector, Text, Wave,
    Weekdays,
};
use morgenruh_engine::rules::cells::CounterSet;
use morgenruh_engine::rules::day::{Ask, Day, HoldRefusal};
use morgenruh_engine::rules::ids::{DayKey, Digest, HoldToken};
use morgenruh_engine::rules::room::admission::{LivePass, Stock};
use morgenruh_engine::rules::room::fact::{Ending, RoomFact};
use morgenruh_engine::rules::room::place::Standing;
use morgenruh_engine::rules::room::proof::Beacon;
use morgenruh_engine::rules::room::state::{
    Counts, JoinRefusal, PassRefusal, PassUse, Phase, Room,
};
use morgenruh_engine::rules::room::{RoomId, TicketId};
use morgenruh_engine::rules::time::{DayNumber, Millis, UnixMillis};
use morgenruh_engine::shell::engine::{
    Booking, ConfirmError, ExchangeError, HoldError, LayAsk, LayError, PassInHand,
};
use morgenruh_engine::shell::rooms::RoomShard;
use morgenruh_engine::shell::sqlite::SqliteLedger;
use morgenruh_engine::shell::verify::verify;
use proptest::prelude::*;
use tempfile::TempDir;

use crate::ledger::OPTIONS;
use crate::support::{HOLD, Hall, TUESDAY, clock, digest, need, office, secret, town};
use crate::wishes::{contact, wish};

pub(crate) const MONDAY: Date = date(2026, 11, 30);
/// Milliseconds; what takes longer never comes.
const PATIENCE: usize = 30_000;
/// Minute of Monday at which Tuesday is released.
const RELEASE_MINUTE: u16 = 20 * 60;
pub(crate) const NAME: &str = "morgen-2026-11-30";
const OFFICE: OfficeIndex = OfficeIndex(0);

pub(crate) fn release() -> UnixMillis {
    clock(MONDAY, 20, 0)
}

pub(crate) fn opening() -> UnixMillis {
    clock(MONDAY, 19, 30)
}

pub(crate) fn closing() -> UnixMillis {
    clock(MONDAY, 22, 0)
}

/// Kleinheim with a release on the evening before, and a room before it.
pub(crate) fn kleinheim(passes_max: u32) -> Catalogue {
    let mut office = office(1, 2);
    let when = Selector {
        counters: CounterSet::ALL,
        weekdays: Weekdays::ALL,
        hours: Hours::ALL_DAY,
    };
    office.waves = vec![Wave::daily(when, 1, RELEASE_MINUTE)];
    let name = "Morgen".to_owned();
    let rule = RoomRule {
        policy: RoomPolicy::Line,
        id: "morgen".into(),
        number: 7,
        department: 0,
        name: Text {
            de: name.clone(),
            en: name,
        },
        at: RELEASE_MINUTE,
        offices: vec![OFFICE],
        opens_minutes: 30,
        closes_minutes: 120,
        passes_max,
        passes_per_minute: 6_000,
        turn_minutes: 5,
        pass_minutes: 10,
        holds_per_pass: 1,
        proof_of_work: 0,
        beacons: None,
    };
    Catalogue {
        rooms: vec![rule],
        ..town(vec![office])
    }
}

/// 32 bytes, others at each call.
pub(crate) fn random() -> Option<[u8; 32]> {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let [one, other] = ["one", "other"].map(|half| digest(&format!("{half} {call}")).0);
    [one, other].concat().try_into().ok()
}

/// What a room says of itself that a restart may not change.
#[derive(Debug, PartialEq)]
struct Image {
    line: Option<Vec<u32>>,
    serving: u32,
    passes: usize,
    counts: Counts,
    ended: Option<Ending>,
    commitment: [u8; 32],
    root: Option<[u8; 32]>,
}

fn image(room: &Room) -> Image {
    let drawn = room.drawn();
    Image {
        line: drawn.map(|it| (1..=it.tickets).filter_map(|at| it.line.at(at)).collect()),
        serving: room.serving(),
        passes: room.passes(),
        counts: room.counts(),
        ended: room.ended(),
        commitment: room.commitment(),
        root: drawn.map(|it| it.root),
    }
}

/// An engine, its data directory, and what the clock shows.
struct Evening {
    data: TempDir,
    catalogue: fn() -> Catalogue,
    hall: Hall,
    ledger: Arc<SqliteLedger>,
    now: UnixMillis,
    given: HashSet<u32>,
}

impl Evening {
    /// At the opening of the room.
    fn of(catalogue: fn() -> Catalogue) -> Evening {
        let data = tempfile::tempdir().unwrap();
        let mut evening = Evening::in_(data, catalogue, UnixMillis(opening().0 - 30_000));
        evening.until("it is announced", |_| true);
        evening.now = opening();
        evening
    }

    fn in_(data: TempDir, catalogue: fn() -> Catalogue, now: UnixMillis) -> Evening {
        let (ledger, stored) = SqliteLedger::open(data.path(), &catalogue(), OPTIONS).unwrap();
        let ledger = Arc::new(ledger);
        let hall = Hall::new(catalogue(), ledger.clone(), now);
        hall.engine.recover(now, stored).unwrap();
        Evening {
            data,
            catalogue,
            hall,
            ledger,
            now,
            given: HashSet::new(),
        }
    }

    /// Stops and starts again from what is on the disk; nothing may be different.
    fn restart(self) -> Evening {
        // What is on its way still becomes durable, and is told.
        self.ledger.close();
        let before = self.room().decide(|room| image(room));
        let given = self.room().decide(|room| room.given());
        let Evening {
            data,
            catalogue,
            hall,
            ledger,
            now,
            given: all,
        } = self;
        drop((hall, ledger));
        let evening = Evening {
            given: all,
            ..Evening::in_(data, catalogue, now)
        };
        let room = evening.room();
        assert_eq!(room.decide(|room| image(room)), before);
        assert!(room.decide(|room| room.given()) >= given);
        evening
    }

    fn room(&self) -> Arc<RoomShard> {
        self.hall.engine.rooms().named(NAME).unwrap()
    }

    /// Ticks until the room is as it should be.
    #[track_caller]
    fn until(&mut self, what: &str, is_so: impl Fn(&mut Room) -> bool) {
        for _ in 0..PATIENCE {
            self.hall.engine.announce_rooms(self.now, random);
            self.hall.engine.tick(self.now);
            self.hall.engine.tick_rooms(self.now);
            let room = self.hall.engine.rooms().named(NAME);
            if room.is_some_and(|room| room.decide(&is_so)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("never: {what}");
    }

    fn join(&mut self) -> u32 {
        let room = self.room();
        for _ in 0..PATIENCE {
            match self.hall.engine.join(self.now, &room) {
                Ok(joined) => {
                    let seq = joined.ticket.seq;
                    assert!(self.given.insert(seq), "{seq} was given twice");
                    return seq;
                }
                Err(JoinRefusal::Later) => self.until("a moment passes", |_| true),
                Err(refusal) => panic!("{refusal:?}"),
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("nobody gets a ticket");
    }

    fn release(&mut self) {
        self.now = release();
        self.until("it is drawn", |room| room.drawn().is_some());
    }

    fn called(&mut self, seq: u32) {
        self.until("the ticket is called", |room| {
            let standing = room.place(release(), seq, 0).standing;
            matches!(standing, Standing::Called { .. })
        });
    }

    fn exchange(&self, seq: u32) -> Result<LivePass, ExchangeError> {
        let (done, answer) = channel();
        let (engine, room) = (&self.hall.engine, self.room());
        engine.exchange(self.now, &room, seq, move |it| done.send(it).unwrap());
        answer.recv().unwrap()
    }

    fn enter(&mut self, seq: u32) -> PassInHand {
        self.called(seq);
        let pass = self.exchange(seq).unwrap();
        pass_of(self.room().id, seq, pass.turn)
    }

    fn hold(
        &self,
        hour: u16,
        minute: u16,
        pass: Option<PassInHand>,
    ) -> Result<HoldToken, HoldError> {
        self.hold_through(Channel::Public, hour, minute, pass)
    }

    fn hold_through(
        &self,
        channel: Channel,
        hour: u16,
        minute: u16,
        pass: Option<PassInHand>,
    ) -> Result<HoldToken, HoldError> {
        let start = clock(TUESDAY, hour, minute);
        self.hall
            .hold_as(self.now, OFFICE, start, need(2), channel, pass)
    }

    fn book(&self, token: HoldToken, who: &str) -> Result<Booking, ConfirmError> {
        let request = format!("{who} {:?}", token.id);
        let identities = vec![digest(who)];
        let answer = self.hall.confirm_as(self.now, token, &request, identities);
        let booking = answer.recv().unwrap();
        booking.map(|it| it.into_parts().0)
    }

    fn direct(&self, fact: RoomFact) {
        let (done, answer) = channel();
        let (engine, room) = (&self.hall.engine, self.room());
        engine.direct(self.now, &room, fact, move |it| done.send(it).unwrap());
        assert!(answer.recv().unwrap());
    }
}

fn pass_of(room: RoomId, seq: u32, turn: u8) -> PassInHand {
    let ticket = TicketId { room, seq };
    PassInHand { ticket, turn }
}

fn words() -> (String, String) {
    ("Ruhl".to_owned(), "eine Probe".to_owned())
}

#[test]
fn the_cells_of_a_release_need_a_pass_until_the_room_is_over() {
    let mut evening = Evening::of(|| kleinheim(2));
    let seq = evening.join();
    let sealed = evening.hold(8, 0, None).unwrap_err();
    assert!(matches!(
        sealed,
        HoldError::Refused(HoldRefusal::Sealed { .. })
    ));
    evening.release();
    let room = evening.room().id;
    let required = HoldError::Refused(HoldRefusal::PassRequired { room });
    // Other channels get no way around the line when they compete with everybody.
    for channel in [Channel::Public, Channel::CallCentre, Channel::WalkIn] {
        let refused = evening.hold_through(channel, 8, 0, None).unwrap_err();
        assert_eq!(refused, required, "{channel:?}");
    }
    let other = RoomId { number: 8, ..room };
    let refused = evening.hold(8, 0, Some(pass_of(other, 0, 1))).unwrap_err();
    assert_eq!(refused, HoldError::Pass(PassUse::Ended));
    let never = evening.hold(8, 0, Some(pass_of(room, seq, 1))).unwrap_err();
    assert_eq!(never, HoldError::Pass(PassUse::Ended));
    let pass = evening.enter(seq);
    let held = evening.hold(8, 0, Some(pass)).unwrap();
    let full = evening.hold(8, 10, Some(pass)).unwrap_err();
    assert_eq!(full, HoldError::Pass(PassUse::HoldsMax));
    evening.hall.engine.release(evening.now, held).unwrap();
    // A hold that fails is not counted.
    let off_grid = clock(TUESDAY, 8, 0) + Millis(1);
    let hold = |start| {
        let hall = &evening.hall;
        hall.hold_as(
            evening.now,
            OFFICE,
            start,
            need(2),
            Channel::Public,
            Some(pass),
        )
    };
    assert!(hold(off_grid).is_err());
    assert!(hold(clock(TUESDAY, 8, 0)).is_ok());
    // Nothing is free any more without one, also not a minute before the end.
    evening.now = UnixMillis(closing().0 - 1);
    assert_eq!(evening.hold(9, 0, None).unwrap_err(), required);
    let (by, reason) = words();
    evening.direct(RoomFact::Paused { by, reason });
    evening.direct(RoomFact::Ended {
        how: Ending::Closed,
    });
    evening.until("it is over", |room| room.ended().is_some());
    evening.until("its days know", |_| true);
    evening.hold(9, 0, None).unwrap();
    // An old pass does no harm.
    evening.hold(9, 10, Some(pass)).unwrap();
    evening.hall.audit(&[TUESDAY]);
}

#[test]
fn a_room_whose_time_is_over_needs_no_pass_even_if_nobody_ends_it() {
    let mut evening = Evening::of(|| kleinheim(2));
    evening.release();
    evening.now = closing();
    evening.hold(9, 0, None).unwrap();
}

#[test]
fn a_ticket_becomes_one_pass_one_hold_one_booking() {
    let mut evening = Evening::of(|| kleinheim(3));
    let [one, other, third] = [(); 3].map(|()| evening.join());
    evening.release();
    let pass = evening.enter(one);
    assert_eq!(evening.exchange(one).unwrap().turn, pass.turn);
    assert_eq!(evening.room().decide(|room| room.passes()), 1);
    let token = evening.hold(8, 0, Some(pass)).unwrap();
    let booking = evening.book(token, "Erika").unwrap();
    // The same request gets the same answer, and it is still one booking.
    assert_eq!(evening.book(token, "Erika").unwrap(), booking);
    let spent = ExchangeError::Refused(PassRefusal::Booked);
    assert_eq!(evening.exchange(one).unwrap_err(), spent);
    let used = evening.hold(8, 10, Some(pass)).unwrap_err();
    assert_eq!(used, HoldError::Pass(PassUse::Ended));

    // With another ticket the same person gets no second one, but keeps the hold.
    let pass = evening.enter(other);
    let token = evening.hold(8, 10, Some(pass)).unwrap();
    assert_eq!(
        evening.book(token, "Erika").unwrap_err(),
        ConfirmError::BookedBefore
    );
    // After cancelling the first one it is theirs.
    let manage = evening.hall.cancel(
        evening.now,
        booking.confirmed.id,
        secret_of(&evening, booking.confirmed.id),
    );
    manage.recv().unwrap().unwrap();
    evening.book(token, "Erika").unwrap();

    // Moving a booking onto a seat of the release is a turn as well.
    let pass = evening.enter(third);
    let token = evening.hold(11, 0, Some(pass)).unwrap();
    let mine = evening.hold(11, 20, None);
    assert!(mine.is_err(), "there is no way around");
    let counts = evening.room().decide(|room| room.counts());
    assert_eq!((counts.passes, counts.booked), (3, 2));
    evening.hall.engine.release(evening.now, token).unwrap();
    assert_eq!(evening.room().decide(|room| room.passes()), 1);
    evening.ledger.close();
    assert_eq!(verify(evening.data.path()).unwrap().errors, [] as [&str; 0]);
}

/// Of a hold that was made as the n-th of the hall.
fn secret_of(
    evening: &Evening,
    id: morgenruh_engine::rules::ids::ReservationId,
) -> morgenruh_engine::rules::ids::Secret {
    let began = UnixMillis(opening().0 - 30_000).0.unsigned_abs() << 16;
    (began..began + 1_000)
        .map(|number| secret(number).manage())
        .find(|manage| evening.hall.engine.booking(id, *manage).is_ok())
        .unwrap()
}

#[test]
fn a_booking_that_moves_into_the_release_uses_the_pass_up() {
    // The second office releases nothing late.
    let mut evening = Evening::of(|| {
        let mut catalogue = kleinheim(2);
        catalogue.offices.push(office(2, 1));
        catalogue
    });
    let seq = evening.join();
    evening.release();
    let start = clock(TUESDAY, 8, 0);
    let elsewhere = evening
        .hall
        .hold_at(evening.now, OfficeIndex(1), start, need(2));
    let elsewhere = elsewhere.unwrap();
    evening.book(elsewhere, "Erika").unwrap();
    let pass = evening.enter(seq);
    let token = evening.hold(8, 0, Some(pass)).unwrap();
    let manage = elsewhere.secret.manage();
    let moved = evening
        .hall
        .move_to(evening.now, elsewhere.id, manage, token);
    moved.recv().unwrap().unwrap();
    let left = ExchangeError::Refused(PassRefusal::Left);
    assert_eq!(evening.exchange(seq).unwrap_err(), left);
    assert_eq!(evening.room().decide(|room| room.passes()), 0);
    let evening = evening.restart();
    assert_eq!(evening.exchange(seq).unwrap_err(), left);
}

/// I2, I9 for a room: announced, gathering, released, drawn, serving, paused, inside, ended.
#[test]
fn a_restart_at_any_point_changes_nothing() {
    let mut evening = Evening::of(|| kleinheim(3)).restart();
    assert_eq!(
        evening.room().decide(|room| room.phase(opening())),
        Phase::Gathering
    );
    for _ in 0..5 {
        evening.join();
    }
    evening = evening.restart();
    for _ in 0..5 {
        evening.join();
    }
    evening = evening.restart();
    evening.release();
    let drawn = evening.room().decide(|room| image(room));
    evening = evening.restart();
    let late = evening.join();
    let position = evening.room().decide(|room| room.position_of(late));
    assert_eq!(
        position,
        Some(late + 1),
        "whoever comes later stands behind"
    );
    evening = evening.restart();
    evening.until("all are called", |room| room.serving() == room.given());

    let seq = 0;
    let pass = evening.enter(seq);
    evening = evening.restart();
    assert_eq!(evening.exchange(seq).unwrap().turn, pass.turn);
    let token = evening.hold(8, 0, Some(pass)).unwrap();
    evening = evening.restart();
    let full = evening.hold(8, 10, Some(pass)).unwrap_err();
    assert_eq!(full, HoldError::Pass(PassUse::HoldsMax), "the hold counts");
    assert_eq!(evening.hall.engine.ticket_of(token.id), Some(pass.ticket));
    evening.book(token, "Erika").unwrap();
    evening = evening.restart();
    let spent = ExchangeError::Refused(PassRefusal::Booked);
    assert_eq!(evening.exchange(seq).unwrap_err(), spent);
    let pass = evening.enter(1);
    let token = evening.hold(9, 0, Some(pass)).unwrap();
    let before = evening.book(token, "Erika").unwrap_err();
    assert_eq!(before, ConfirmError::BookedBefore);

    let (by, reason) = words();
    evening.direct(RoomFact::Paused { by, reason });
    evening = evening.restart();
    assert_eq!(
        evening.room().decide(|room| room.phase(release())),
        Phase::Paused
    );
    let paused = ExchangeError::Refused(PassRefusal::Paused);
    assert_eq!(evening.exchange(2).unwrap_err(), paused);
    let (by, reason) = words();
    evening.direct(RoomFact::Resumed { by, reason });
    evening.now = closing();
    evening.until("it is over", |room| room.ended() == Some(Ending::Closed));
    evening = evening.restart();
    let now = evening.room().decide(|room| image(room));
    assert_eq!((now.line, now.root), (drawn.line, drawn.root));
    evening.until("its days know", |_| true);
    evening.hold(11, 0, None).unwrap();
    evening.ledger.close();
    assert_eq!(verify(evening.data.path()).unwrap().errors, [] as [&str; 0]);
}

/// Numbers that may have been given before a crash stand in the line, but nobody waits for them,
/// and whoever does have one of them is let in before others are called.
#[test]
fn numbers_that_nobody_has_do_not_stall_the_line() {
    let mut evening = Evening::of(|| kleinheim(1));
    let early: Vec<u32> = (0..3).map(|_| evening.join()).collect();
    evening = evening.restart();
    let mut sure: Vec<u32> = (0..3).map(|_| evening.join()).collect();
    evening.release();
    sure.sort_by_key(|seq| evening.room().decide(|room| room.position_of(*seq)));
    // Nobody moves the clock by a turn: only those who are there are waited for.
    for seq in sure {
        evening.called(seq);
        let mut tries = 0;
        while evening.exchange(seq).is_err() {
            evening.until("a moment passes", |_| true);
            tries += 1;
            assert!(tries < 100, "whoever is there is let in");
        }
        evening.hall.engine.leave(evening.now, &evening.room(), seq);
    }
    evening.until("all are called", |room| room.serving() == room.given());
    for seq in early {
        evening.exchange(seq).unwrap();
        evening.hall.engine.leave(evening.now, &evening.room(), seq);
    }
}

/// A room that has not opened has no numbers to lose.
#[test]
fn a_restart_on_the_evening_before_makes_no_numbers() {
    let before = UnixMillis(opening().0 - 3_600_000);
    let data = tempfile::tempdir().unwrap();
    let mut evening = Evening::in_(data, || kleinheim(1), before);
    evening.until("it is announced", |_| true);
    for _ in 0..3 {
        evening = evening.restart();
        evening.until("a moment passes", |_| true);
    }
    assert_eq!(evening.room().decide(|room| room.given()), 0);
}

/// Between the release and a draw that waits for its beacon a crash lets nobody into it who came
/// later.
#[test]
fn whoever_comes_while_the_draw_waits_stands_behind_also_after_a_crash() {
    let mut evening = Evening::of(|| {
        let mut catalogue = kleinheim(2);
        catalogue.rooms[0].beacons = Some(Beacons {
            source: "the evening news".into(),
            fetched: false,
            after_seconds: 0,
            wait_seconds: 60,
        });
        catalogue
    });
    let early = evening.join();
    evening.now = release();
    evening.until("it waits", |room| room.phase(release()) == Phase::Drawing);
    let late = evening.join();
    evening = evening.restart();
    let room = evening.room();
    let value = vec![7; 32];
    let beacon = Beacon {
        value,
        source: "the evening news".into(),
        at: "20:00".into(),
    };
    assert!(room.set_beacon(beacon.clone()) && !room.set_beacon(beacon));
    evening.until("it is drawn", |room| room.drawn().is_some());
    let drawn = evening
        .room()
        .decide(|room| room.drawn().map(|it| it.tickets));
    assert_eq!(drawn, Some(1));
    let position = |seq| evening.room().decide(|room| room.position_of(seq));
    assert_eq!(position(early), Some(1));
    assert_eq!(position(late), Some(2));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// What is left, counted once more cell by cell.
    #[test]
    fn the_stock_is_what_a_child_would_count(
        holds in prop::collection::vec((0u16..46, 1u8..6), 0..40),
        ended in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        useful in 1u16..4,
        minutes in 0i64..800,
    ) {
        let mut catalogue = kleinheim(1);
        catalogue.offices[0].offers[0].minutes = useful * 5;
        let office = &catalogue.offices[0];
        let key = DayKey { office: 1, day: DayNumber::from_date(TUESDAY).unwrap() };
        let mut day = Day::new(key, plan(&catalogue, office, TUESDAY));
        let room = RoomId { number: 7, day: DayNumber::from_date(MONDAY).unwrap() };
        let begin = release();
        let mut held = Vec::new();
        for (number, (unit, units)) in holds.into_iter().enumerate() {
            let ask = Ask {
                start: clock(TUESDAY, 8, 0) + Millis::from_minutes(5 * u32::from(unit)),
                need: need(units),
                channel: Channel::Public,
                secret: secret(number as u64).digest(),
                random: number as u64,
                deadline: begin + HOLD,
                ticket: Some(TicketId { room, seq: 0 }),
            };
            if let Ok(id) = day.hold(begin, &ask) {
                held.push((id, number as u64));
            }
        }
        for index in ended {
            if !held.is_empty() {
                let (id, number) = held.swap_remove(index.index(held.len()));
                day.release(begin, id, secret(number).digest()).unwrap();
            }
        }
        let now = clock(TUESDAY, 0, 0) + Millis::from_minutes(minutes as u32);
        let mut seats = 0;
        for counter in 0..2u8 {
            let mut gap = 0;
            for unit in 96..144u16 {
                let is_taken = held.iter().any(|(id, _)| {
                    let seat = id.seat();
                    seat.counter == counter && (seat.start..seat.end()).contains(&unit)
                });
                let starts = Millis::from_minutes(u32::from(unit) * 5);
                let is_over = clock(TUESDAY, 0, 0) + starts < now;
                gap = if is_taken || is_over { 0 } else { gap + 1 };
                if gap == useful {
                    seats += 1;
                    gap = 0;
                }
            }
        }
        let stock = Stock { seats, held: held.len() as u32 };
        prop_assert_eq!(day.stock(now, room), stock);
        let other = RoomId { number: 8, ..room };
        prop_assert!(day.stock(now, other).is_gone());
    }
}

#[test]
fn a_pass_that_comes_after_its_ticket_has_left_opens_nothing() {
    let mut evening = Evening::of(|| kleinheim(1));
    let [one, other] = [(); 2].map(|()| evening.join());
    evening.release();
    let first = evening.room().decide(|room| {
        if room.position_of(one) == Some(1) {
            one
        } else {
            other
        }
    });
    evening.called(first);
    let room = evening.room();
    let (done, answer) = channel();
    let engine = &evening.hall.engine;
    engine.exchange(evening.now, &room, first, move |it| done.send(it).unwrap());
    engine.leave(evening.now, &room, first);
    let _ = answer.recv().unwrap();
    let pass = pass_of(room.id, first, 1);
    let ended = evening.hold(8, 0, Some(pass)).unwrap_err();
    assert_eq!(ended, HoldError::Pass(PassUse::Ended));
    let second = one + other - first;
    evening.enter(second);
    assert_eq!(evening.room().decide(|room| room.passes()), 1);
    evening.restart();
}

#[test]
fn an_identity_is_known_by_any_of_its_digests() {
    let mut evening = Evening::of(|| kleinheim(2));
    let [one, other] = [(); 2].map(|()| evening.join());
    evening.release();
    let (first, second) = (evening.enter(one), evening.enter(other));
    let [first, second] = [(first, 0), (second, 10)]
        .map(|(pass, minute)| evening.hold(8, minute, Some(pass)).unwrap());
    let [phone, mail]: [Digest; 2] = ["phone", "mail"].map(digest);
    // Both at the same moment: one of them is refused whether or not the other is written yet.
    let hall = &evening.hall;
    let both = vec![phone, mail];
    let won = hall.confirm_as(evening.now, first, "first", both);
    let lost = hall.confirm_as(evening.now, second, "second", vec![mail]);
    assert!(won.recv().unwrap().is_ok());
    assert_eq!(
        lost.recv().unwrap().unwrap_err(),
        ConfirmError::BookedBefore
    );
}

/// However many holds a pass may have: one of them becomes the booking.
#[test]
fn a_pass_with_several_holds_is_one_booking() {
    let mut evening = Evening::of(|| {
        let mut catalogue = kleinheim(1);
        catalogue.rooms[0].holds_per_pass = 2;
        catalogue
    });
    let seq = evening.join();
    evening.release();
    let pass = evening.enter(seq);
    let [one, other] = [0, 10].map(|minute| evening.hold(8, minute, Some(pass)).unwrap());
    let confirm = |token, who| {
        let hall = &evening.hall;
        hall.confirm_as(evening.now, token, who, vec![digest(who)])
    };
    let (first, second) = (confirm(one, "Erika"), confirm(other, "Max"));
    assert!(first.recv().unwrap().is_ok());
    let refused = second.recv().unwrap().unwrap_err();
    assert_eq!(refused, ConfirmError::PassSpent);
    let refused = confirm(other, "Max").recv().unwrap().unwrap_err();
    assert_eq!(refused, ConfirmError::PassSpent);
    evening.ledger.close();
    assert_eq!(verify(evening.data.path()).unwrap().errors, [] as [&str; 0]);
}

#[test]
fn a_ticket_becomes_a_booking_or_a_wish() {
    let mut evening = Evening::of(|| kleinheim(2));
    let (first, second) = (evening.join(), evening.join());
    evening.release();
    let lay = |evening: &Evening, seq: u32| {
        let ticket = TicketId {
            room: evening.room().id,
            seq,
        };
        let ask = LayAsk {
            wish: wish(),
            contact: contact(seq.into()),
            ticket: Some(ticket),
        };
        let (done, answer) = channel();
        let told = move |it: Result<_, LayError>| done.send(it.map(|_| ())).unwrap();
        evening.hall.engine.lay_wish(evening.now, ask, told);
        answer.recv().unwrap()
    };
    let pass = evening.enter(first);
    let held = evening.hold(8, 0, Some(pass)).unwrap();
    evening.book(held, "Erika").unwrap();
    assert_eq!(lay(&evening, first), Err(LayError::TicketSpent));
    // Whoever holds a seat is told to give it back first; this one finds a way around that.
    let pass = evening.enter(second);
    let held = evening.hold(9, 0, Some(pass)).unwrap();
    assert_eq!(lay(&evening, second), Ok(()));
    let refused = evening.book(held, "Max").map(|_| ());
    assert_eq!(refused, Err(ConfirmError::PassSpent));
}
