//! A lottery on a real ledger: seats go to wishes in the order of the draw, what is left is open to
//! everybody, and a restart in the middle changes nothing that anybody was told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use morgenruh_engine::rules::catalogue::{Catalogue, RoomPolicy};
use morgenruh_engine::rules::need::Services;
use morgenruh_engine::rules::release::fact::ReleaseFact;
use morgenruh_engine::rules::room::TicketId;
use morgenruh_engine::rules::room::proof::{self, ProofFault};
use morgenruh_engine::rules::room::state::Phase;
use morgenruh_engine::rules::time::{DayNumber, Millis, UnixMillis};
use morgenruh_engine::rules::wish::agent::Standing;
use morgenruh_engine::rules::wish::fact::{Contact, Notify};
use morgenruh_engine::rules::wish::windows::Windows;
use morgenruh_engine::rules::wish::{Place, Wish, WishId};
use morgenruh_engine::shell::engine::{Engine, LayAsk, WishError};
use morgenruh_engine::shell::rooms::RoomShard;
use morgenruh_engine::shell::sqlite::SqliteLedger;
use morgenruh_engine::shell::verify::verify;
use tempfile::TempDir;

use crate::ledger::OPTIONS;
use crate::room_shell::{NAME, kleinheim, opening, random, release};
use crate::support::{Hall, TUESDAY, clock, secret};

const PATIENCE: Duration = Duration::from_secs(20);
/// Of the one office, on Monday evening.
const RELEASE: &str = "buergerbuero-1-2026-11-30-2000";
const SECOND: Millis = Millis(1_000);

/// Two counters from 8 to 12 o'clock: 48 visits of ten minutes.
fn town() -> Catalogue {
    let mut town = kleinheim(10);
    town.rooms[0].policy = RoomPolicy::Lottery;
    town
}

struct Evening {
    data: TempDir,
    hall: Hall,
    ledger: Arc<SqliteLedger>,
    now: UnixMillis,
}

impl Evening {
    fn recover(data: TempDir, now: UnixMillis) -> Evening {
        let (ledger, stored) = SqliteLedger::open(data.path(), &town(), OPTIONS).unwrap();
        let ledger = Arc::new(ledger);
        let hall = Hall::new(town(), ledger.clone(), now);
        hall.engine.recover(now, stored).unwrap();
        Evening {
            data,
            hall,
            ledger,
            now,
        }
    }

    fn restart(self) -> Evening {
        let Evening {
            data,
            hall,
            ledger,
            now,
        } = self;
        ledger.close();
        drop((hall, ledger));
        assert_eq!(verify(data.path()).unwrap().errors, [] as [&str; 0]);
        Evening::recover(data, now)
    }

    fn engine(&self) -> &Engine {
        &self.hall.engine
    }

    fn room(&self) -> Arc<RoomShard> {
        self.engine().rooms().named(NAME).unwrap()
    }

    /// Time goes on until this has come about.
    fn until(&mut self, is_so: impl Fn(&Evening) -> bool) {
        let mut entropy = 0;
        for _ in 0..5_000 {
            self.engine().announce_rooms(self.now, random);
            self.engine().tick_rooms(self.now);
            self.engine().tick_wishes(self.now, || {
                entropy += 1;
                entropy
            });
            if is_so(self) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
            self.now = self.now + Millis(20);
        }
        panic!("it does not come about");
    }

    fn join(&self) -> TicketId {
        let room = self.room();
        for _ in 0..5_000 {
            if let Ok(joined) = self.engine().join(self.now, &room) {
                return joined.ticket;
            }
            self.engine().tick_rooms(self.now);
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("there are no tickets");
    }

    fn lay(&self, who: u64, ticket: TicketId, auto_accept: bool) -> WishId {
        let (done, answer) = channel();
        let ask = LayAsk {
            wish: Wish {
                services: Services::collect([(1, 1)]).unwrap(),
                offices: vec![1],
                windows: Windows::ALWAYS,
                from: DayNumber::from_date(TUESDAY).unwrap(),
                until: DayNumber::from_date(TUESDAY).unwrap(),
                notice_minutes: 0,
                auto_accept,
                instead_of: None,
            },
            contact: Contact {
                name: "Erika".into(),
                email: format!("erika{who}@example.org"),
                phone: None,
                answers: BTreeMap::new(),
                language: "de".into(),
                notify: Notify::Poll,
                secret: secret(who),
            },
            ticket: Some(ticket),
        };
        let told = move |outcome| drop(done.send(outcome));
        self.engine().lay_wish(self.now, ask, told);
        let laid = answer.recv_timeout(PATIENCE).unwrap();
        laid.unwrap().into_parts().0
    }

    fn direct(&self, fact: ReleaseFact) {
        let plan = self.engine().release_named(RELEASE).expect("it is there");
        let (done, answer) = channel();
        let told = move |outcome| done.send(outcome).unwrap();
        self.engine().direct_release(self.now, &plan, fact, told);
        assert_eq!(answer.recv_timeout(PATIENCE).unwrap(), Ok(()));
    }

    /// The wish wants to be told an hour before.
    fn change(&self, id: WishId, who: u64) -> Result<(), WishError> {
        let known = self
            .engine()
            .look_at_wishes(|agent| agent.known(id).cloned());
        let mut wish = known.unwrap().wish;
        wish.notice_minutes = 60;
        let (done, answer) = channel();
        let told = move |outcome: Result<_, _>| done.send(outcome.map(|_| ())).unwrap();
        self.engine()
            .change_wish(self.now, id, secret(who), wish, told);
        answer.recv_timeout(PATIENCE).unwrap()
    }

    /// Of those that are not over, by ticket.
    fn places(&self, people: &[(TicketId, WishId)]) -> Vec<Option<Place>> {
        let engine = self.engine();
        let place = |(_, id): &(TicketId, WishId)| {
            engine.look_at_wishes(|agent| {
                let known = agent.known(*id).unwrap();
                (!known.standing.is_over()).then_some(known.place)
            })
        };
        people.iter().map(place).collect()
    }

    fn standing(&self, id: WishId) -> Standing {
        let agent = self.engine();
        agent.look_at_wishes(|agent| agent.known(id).unwrap().standing)
    }
}

#[test]
fn seats_go_to_wishes_in_the_order_of_the_draw() {
    let mut evening = Evening::recover(tempfile::tempdir().unwrap(), opening());
    evening.until(|it| it.engine().rooms().named(NAME).is_some());
    // 60 people for 48 seats. Every second one wants to be asked.
    let people: Vec<(TicketId, WishId)> = (0..60)
        .map(|who| {
            let ticket = evening.join();
            (ticket, evening.lay(who, ticket, who % 2 == 0))
        })
        .collect();
    let undrawn = people
        .iter()
        .all(|(_, id)| evening.standing(*id) == Standing::Undrawn);
    assert!(undrawn);
    let mut evening = evening.restart();
    evening.now = release();
    evening.until(|it| it.room().decide(|room| room.drawn().is_some()));
    assert_eq!(evening.hall.seats(evening.now, clock(TUESDAY, 8, 0)), 2);
    // Nobody gets anything by themselves while the draw decides.
    assert!(
        evening
            .hall
            .hold(evening.now, clock(TUESDAY, 8, 0))
            .is_err()
    );
    evening.now = evening.now + SECOND + SECOND;
    evening.until(|it| it.room().decide(|room| room.allotted().is_some()));
    let room = evening.room();
    let positions: Vec<u32> = people
        .iter()
        .map(|(ticket, _)| room.decide(|room| room.position_of(ticket.seq).unwrap()))
        .collect();
    // The restart has left numbers behind that nobody has.
    let mut order = positions.clone();
    order.sort_unstable();
    for ((_, id), position) in people.iter().zip(&positions) {
        let has_seat = matches!(
            evening.standing(*id),
            Standing::Offered(_) | Standing::Booked { .. }
        );
        assert_eq!(has_seat, order[..48].contains(position));
    }
    let allotted = room.decide(|room| room.allotted().unwrap().to_vec());
    let served: Vec<u32> = allotted.iter().map(|it| it.position).collect();
    assert_eq!(served, order[..48]);
    // The earlier the place, the earlier the seat.
    assert!(allotted.is_sorted_by_key(|it| it.seat.seat().start));
    evening.until(|it| it.room().decide(|room| room.ended().is_some()));
    let proof = room.decide(|room| room.proof().unwrap());
    let line = proof::check(&proof).unwrap();
    for (place, given) in order.iter().zip(proof.outcome.as_deref().unwrap()) {
        assert_eq!(*place, given.position);
        assert!(given.position <= line.len());
    }
    let mut damaged = proof.clone();
    damaged.outcome.as_mut().unwrap().swap(0, 1);
    assert_eq!(proof::check(&damaged).err(), Some(ProofFault::Outcome));
    let mut doubled = proof;
    let outcome = doubled.outcome.as_mut().unwrap();
    let (start, counter) = (outcome[2].start, outcome[2].counter);
    (outcome[5].start, outcome[5].counter) = (start, counter);
    assert_eq!(proof::check(&doubled).err(), Some(ProofFault::Outcome));
    let places = evening.places(&people);
    let mut evening = evening.restart();
    assert_eq!(evening.places(&people), places);
    let kept = evening
        .room()
        .decide(|room| room.allotted().unwrap().to_vec());
    assert_eq!(kept, allotted);
    // An offer that is declined goes to the next place.
    let asked = people
        .iter()
        .zip(&positions)
        .find_map(|((_, id), position)| match evening.standing(*id) {
            Standing::Offered(offer) => Some((*id, offer, *position)),
            _ => None,
        });
    let (id, offer, _) = asked.unwrap();
    let who = people.iter().position(|(_, it)| *it == id).unwrap() as u64;
    let (done, answer) = channel();
    let told = move |outcome| {
        let _ = done.send(outcome);
    };
    evening
        .engine()
        .decline_offer(evening.now, offer.seat, secret(who), told);
    assert_eq!(answer.recv_timeout(PATIENCE).unwrap(), Ok(id));
    let next = positions.iter().position(|it| *it == order[48]).unwrap();
    evening.until(|it| it.standing(people[next].1) != Standing::Waiting);
    evening.hall.audit(&[TUESDAY]);
}

#[test]
fn what_is_left_of_a_lottery_is_open_to_everybody() {
    let mut evening = Evening::recover(tempfile::tempdir().unwrap(), opening());
    evening.until(|it| it.engine().rooms().named(NAME).is_some());
    let ticket = evening.join();
    let id = evening.lay(1, ticket, true);
    let nobody = evening.join();
    evening.now = release() + SECOND + SECOND;
    evening.until(|it| it.room().decide(|room| room.ended().is_some()));
    assert!(matches!(evening.standing(id), Standing::Booked { .. }));
    let phase = evening.room().decide(|room| room.phase(evening.now));
    assert_eq!(phase, Phase::Closed);
    evening.until(|it| it.hall.hold(it.now, clock(TUESDAY, 8, 0)).is_ok());
    // Whoever had a ticket and no wish can still lay one; it keeps its place.
    let late = evening.lay(2, nobody, true);
    evening.until(|it| matches!(it.standing(late), Standing::Booked { .. }));
    evening.hall.audit(&[TUESDAY]);
    evening.restart();
}

#[test]
fn a_lottery_waits_for_its_release() {
    let mut evening = Evening::recover(tempfile::tempdir().unwrap(), opening());
    evening.until(|it| it.engine().rooms().named(NAME).is_some());
    let ticket = evening.join();
    let id = evening.lay(1, ticket, true);
    let (by, reason) = ("anna".to_owned(), "Feueralarm".to_owned());
    let paused = ReleaseFact::Paused {
        since: evening.now.0,
        by: by.clone(),
        reason: reason.clone(),
    };
    evening.direct(paused);
    evening.now = release() + SECOND + SECOND;
    evening.until(|it| it.room().decide(|room| room.drawn().is_some()));
    let later = evening.now + SECOND;
    evening.until(|it| it.now > later);
    let room = evening.room();
    assert!(room.decide(|room| room.awaits_lottery()));
    assert_eq!(evening.standing(id), Standing::Undrawn);
    // From the draw on nobody changes what they are drawn for.
    assert_eq!(evening.change(id, 1), Err(WishError::Pending));
    evening.direct(ReleaseFact::Resumed { by, reason });
    evening.until(|it| it.room().decide(|room| room.allotted().is_some()));
    assert!(matches!(evening.standing(id), Standing::Booked { .. }));
    evening.hall.audit(&[TUESDAY]);
}
