//! A waiting room while its ledger is away, slow or damaged: nobody is told what is not kept, and
//! afterwards the line goes on where it was.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

use morgenruh_engine::rules::catalogue::{Channel, OfficeIndex};
use morgenruh_engine::rules::ids::ReservationId;
use morgenruh_engine::rules::room::admission::LivePass;
use morgenruh_engine::rules::room::draw::{DrawSecret, TICKETS_MAX};
use morgenruh_engine::rules::room::fact::{Ending, IdentityKey, RoomFact, RoomRecord};
use morgenruh_engine::rules::room::place::Standing;
use morgenruh_engine::rules::room::plan::DrawRules;
use morgenruh_engine::rules::room::state::{JoinRefusal, PassUse, Phase, Room};
use morgenruh_engine::rules::room::{RoomId, TicketId};
use morgenruh_engine::rules::time::{DayNumber, Millis, UnixMillis};
use morgenruh_engine::shell::engine::{ConfirmError, ExchangeError, HoldError, PassInHand};
use morgenruh_engine::shell::rooms::RoomShard;
use morgenruh_engine::shell::stored::Stored;

use crate::notebook::Notebook;
use crate::room_shell::{MONDAY, NAME, closing, kleinheim, opening, random, release};
use crate::support::{Hall, TUESDAY, clock, digest, need};

struct Evening {
    hall: Hall,
    notebook: Arc<Notebook>,
    now: UnixMillis,
}

impl Evening {
    fn new() -> Evening {
        Evening::from(Stored::default(), opening())
    }

    fn from(stored: Stored, now: UnixMillis) -> Evening {
        let notebook = Arc::new(Notebook::default());
        let hall = Hall::new(kleinheim(2), notebook.clone(), now);
        hall.engine.recover(now, stored).unwrap();
        Evening {
            hall,
            notebook,
            now,
        }
    }

    /// Time is looked at, and nothing of what it brings is kept yet.
    fn tick(&self) {
        self.hall.engine.announce_rooms(self.now, random);
        self.hall.engine.tick(self.now);
        self.hall.engine.tick_rooms(self.now);
    }

    /// The same a few times, and everything is kept.
    fn go_on(&self) {
        for _ in 0..4 {
            self.tick();
            self.notebook.keep();
        }
    }

    fn go_away(&self) {
        self.notebook.go_away(self.now);
    }

    fn room(&self) -> Arc<RoomShard> {
        self.hall.engine.rooms().named(NAME).unwrap()
    }

    fn look<R>(&self, look: impl FnOnce(&mut Room) -> R) -> R {
        self.room().decide(look)
    }

    fn join(&self) -> Result<u32, JoinRefusal> {
        let joined = self.hall.engine.join(self.now, &self.room());
        joined.map(|it| it.ticket.seq)
    }

    fn exchange(&self, seq: u32) -> Receiver<Result<LivePass, ExchangeError>> {
        let (done, answer) = channel();
        let (engine, room) = (&self.hall.engine, self.room());
        engine.exchange(self.now, &room, seq, move |it| {
            let _ = done.send(it);
        });
        answer
    }

    fn pass(&self, seq: u32) -> PassInHand {
        let room = self.room().id;
        PassInHand {
            ticket: TicketId { room, seq },
            turn: 1,
        }
    }

    fn facts(&self) -> Vec<&'static str> {
        let day = DayNumber::from_date(MONDAY).unwrap();
        self.notebook.room_facts(RoomId { number: 7, day })
    }

    fn count(&self, name: &str) -> usize {
        let names = self.facts();
        names.iter().filter(|it| **it == name).count()
    }
}

#[test]
fn an_outage_at_any_point_delays_and_forgets_nothing() {
    let mut evening = Evening::new();
    // Not announced: nobody sees a commitment that could be another one tomorrow.
    evening.go_away();
    evening.tick();
    assert!(evening.hall.engine.rooms().named(NAME).is_none());
    evening.notebook.come_back();
    for _ in 0..3 {
        evening.tick();
    }
    assert_eq!(evening.count("announced"), 1, "one is on its way already");
    assert!(evening.hall.engine.rooms().named(NAME).is_none());
    evening.notebook.keep();
    let commitment = evening.look(|room| room.commitment());

    // Numbers that are not reserved are not given.
    evening.go_away();
    evening.tick();
    assert_eq!(evening.join(), Err(JoinRefusal::Later));
    evening.notebook.come_back();
    evening.go_on();
    assert_eq!(evening.join(), Ok(0));
    // Those that are reserved are given also while it is away.
    evening.go_away();
    let mut given = 1;
    while let Ok(seq) = evening.join() {
        assert_eq!(seq, given);
        given += 1;
    }
    assert!(given > 1_000, "{given}");
    evening.notebook.come_back();
    evening.go_on();

    // The draw: not made, then on its way, then there, once.
    evening.now = release();
    evening.go_away();
    for _ in 0..3 {
        evening.tick();
    }
    assert_eq!(evening.look(|room| room.phase(release())), Phase::Drawing);
    assert!(evening.look(|room| room.drawn().is_none() && room.proof().is_none()));
    let late = evening.join().unwrap();
    evening.notebook.come_back();
    for _ in 0..3 {
        evening.tick();
    }
    assert_eq!(evening.count("drawn"), 1);
    // While it is on its way the ledger refuses once more.
    evening.notebook.refuse(evening.now);
    assert!(evening.look(|room| room.drawn().is_none()));
    evening.tick();
    evening.notebook.keep();
    evening.tick();
    let drawn = evening.look(|room| room.drawn().map(|it| it.tickets));
    assert_eq!(drawn, Some(late), "whoever came during the outage is late");
    assert_eq!(evening.look(|room| room.commitment()), commitment);

    // Nobody is called while it is away.
    evening.notebook.refuse(evening.now);
    assert_eq!(evening.look(|room| room.serving()), 0);
    evening.go_away();
    evening.tick();
    assert_eq!(evening.look(|room| room.serving()), 0);
    evening.notebook.come_back();
    evening.go_on();
    assert_eq!(evening.look(|room| room.serving()), 2);

    // A pass that is not kept is none, and its place is kept.
    let first = evening.look(|room| room.drawn().and_then(|it| it.line.at(1)).unwrap());
    evening.go_away();
    let refused = evening.exchange(first).recv().unwrap();
    assert_eq!(refused.unwrap_err(), ExchangeError::LedgerAway);
    let standing = evening.look(|room| room.place(release(), first, 0).standing);
    assert!(matches!(standing, Standing::Called { until: Some(_), .. }));
    evening.notebook.come_back();
    let [one, other] = [(); 2].map(|()| evening.exchange(first));
    assert_eq!(one.try_recv(), Err(TryRecvError::Empty));
    let start = clock(TUESDAY, 8, 0);
    let hold = || {
        let (office, pass) = (OfficeIndex(0), Some(evening.pass(first)));
        let hall = &evening.hall;
        hall.hold_as(evening.now, office, start, need(2), Channel::Public, pass)
    };
    assert_eq!(hold().unwrap_err(), HoldError::Pass(PassUse::Ended));
    evening.notebook.keep();
    let [one, other] = [one, other].map(|answer| answer.recv().unwrap().unwrap());
    assert_eq!((one.turn, other.turn), (1, 1));
    assert_eq!(
        evening.look(|room| (room.passes(), room.counts().passes)),
        (1, 1)
    );

    // A booking that is not kept spends nothing and claims nobody.
    let token = hold().unwrap();
    let confirm = |request| {
        let who = vec![digest("Erika")];
        evening.hall.confirm_as(evening.now, token, request, who)
    };
    let answer = confirm("one");
    evening.notebook.refuse(evening.now);
    assert_eq!(
        answer.recv().unwrap().unwrap_err(),
        ConfirmError::LedgerAway
    );
    assert!(evening.look(|room| room.booking_of(&[digest("Erika")]).is_none()));
    assert_eq!(hold().unwrap_err(), HoldError::Pass(PassUse::HoldsMax));
    let answer = confirm("two");
    evening.notebook.keep();
    assert!(answer.recv().unwrap().is_ok());
    assert_eq!(
        evening.look(|room| (room.passes(), room.counts().booked)),
        (0, 1)
    );

    // A room does not end in secret.
    evening.now = closing();
    evening.go_away();
    evening.tick();
    assert_eq!(evening.look(|room| room.ended()), None);
    evening.notebook.come_back();
    evening.tick();
    evening.tick();
    assert_eq!(evening.count("ended"), 1);
    assert_eq!(evening.look(|room| room.ended()), None);
    evening.notebook.keep();
    assert_eq!(evening.look(|room| room.ended()), Some(Ending::Closed));
    // Nor twice, whoever else ends it.
    let how = Ending::SoldOut;
    let room = evening.room();
    let end = RoomFact::Ended { how };
    evening.hall.engine.direct(evening.now, &room, end, |_| ());
    evening.notebook.keep();
    assert_eq!(evening.look(|room| room.ended()), Some(Ending::Closed));
}

/// What a ledger has of the room when these facts follow on its announcement.
fn stored(facts: Vec<RoomFact>) -> Stored {
    let evening = Evening::new();
    evening.go_on();
    let rules = evening.look(|room| room.rules().to_owned());
    assert!(DrawRules::read(&rules).is_some());
    let announced = RoomFact::Announced {
        secret: DrawSecret([1; 32]),
        identity_key: IdentityKey([2; 32]),
        rules,
    };
    let facts = [vec![announced], facts].concat().into_iter();
    let room = evening.room().id;
    let at = opening();
    Stored {
        room_facts: facts.map(|fact| RoomRecord { at, room, fact }).collect(),
        ..Stored::default()
    }
}

/// After a crash the first thing told is which numbers nobody knows of: what was called or
/// reserved before that would be lost with the next crash.
#[test]
fn after_a_crash_nothing_happens_before_the_ledger_knows_what_is_unsure() {
    let given = RoomFact::Reserved {
        upto: 3_072,
        given: 0,
    };
    let evening = Evening::from(stored(vec![given]), opening());
    evening.go_away();
    evening.tick();
    assert_eq!(evening.join(), Err(JoinRefusal::Later));
    assert!(evening.facts().is_empty());
    evening.notebook.come_back();
    assert_eq!(evening.join(), Err(JoinRefusal::Later));
    evening.tick();
    evening.tick();
    assert_eq!(evening.join(), Err(JoinRefusal::Later));
    assert_eq!(evening.facts(), ["unsure"]);
    evening.notebook.refuse(evening.now);
    evening.go_on();
    assert_eq!(evening.facts()[..2], ["unsure", "reserved"]);
    assert_eq!(evening.join(), Ok(3_072), "numbers never repeat");
}

/// Facts that no room could have told, in any order: nothing panics, nothing runs for ever, and
/// nothing is drawn twice.
#[test]
fn a_damaged_ledger_makes_no_impossible_room() {
    let draw = |tickets| RoomFact::Drawn {
        tickets,
        beacon: None,
    };
    let pass = |seq, turn, expires_at| RoomFact::Passed {
        seq,
        turn,
        expires_at,
    };
    let booking = ReservationId::from_bytes([9; 16]);
    let spent = |seq| RoomFact::Spent {
        seq,
        booking,
        identities: Vec::new(),
    };
    let reserved = |upto, given| RoomFact::Reserved { upto, given };
    let (most, all) = (u32::MAX, TICKETS_MAX);
    let facts = vec![
        RoomFact::Called { upto: 7 },
        pass(3, 1, i64::MAX),
        reserved(10, 0),
        draw(5),
        draw(6),
        draw(most),
        reserved(most, most),
        reserved(3, 9),
        RoomFact::Unsure { from: 9, upto: 2 },
        RoomFact::Unsure {
            from: 0,
            upto: most,
        },
        RoomFact::Called { upto: 8 },
        RoomFact::Called { upto: most },
        pass(most, 1, 0),
        pass(all, 1, 0),
        pass(1, 0, i64::MIN),
        pass(2, 255, 0),
        RoomFact::Missed { seq: most },
        RoomFact::Lapsed { seq: most, turn: 9 },
        RoomFact::Left { seq: most },
        spent(most),
        spent(1),
        spent(1),
    ];
    let mut evening = Evening::from(stored(facts), release() + Millis(1));
    let drawn = evening.look(|room| room.drawn().map(|it| it.tickets));
    assert_eq!(drawn, Some(5));
    evening.go_on();
    let joined = evening.join().unwrap();
    assert!((10..1_000_000).contains(&joined), "{joined}");
    evening.look(|room| {
        for seq in [0, 1, 9, joined, all, most] {
            let place = room.place(release(), seq, 0);
            assert!(place.poll_after >= Millis(1_000));
        }
    });
    evening.now = closing();
    evening.go_on();
    assert!(evening.look(|room| room.ended()).is_some());
}

/// A thousand ticks of an outage leave nothing behind.
#[test]
fn a_long_outage_while_serving_fills_nothing() {
    let mut evening = Evening::new();
    evening.go_on();
    let seq = evening.join().unwrap();
    evening.now = release();
    evening.go_on();
    evening.notebook.fill(true);
    evening.go_away();
    let before = evening.facts().len();
    for _ in 0..1_000 {
        evening.now = evening.now + Millis(200);
        evening.tick();
        drop(evening.exchange(seq));
    }
    assert_eq!(evening.facts().len(), before);
    assert_eq!(evening.look(|room| (room.passes(), room.awaited())), (0, 1));
    evening.notebook.fill(false);
    evening.notebook.come_back();
    let answer = evening.exchange(seq);
    evening.notebook.keep();
    assert_eq!(answer.recv().unwrap().unwrap().turn, 1);
}
