//! A mode and the engine that works on it.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use morgenruh_engine::rules::catalogue::{Catalogue, OfficeIndex};
use morgenruh_engine::rules::day::{Audit, BookingRefusal, Reservation, State};
use morgenruh_engine::rules::ids::{HoldToken, ReservationId};
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::shell::engine::{Booking, Engine, HoldError};
use morgenruh_engine::shell::recovery::Recovered;

use crate::mode::{Closing, Mode};
use crate::support::{Answer, EVENING, Hall, office, town};

pub(crate) struct Townhall<M> {
    pub(crate) mode: M,
    pub(crate) hall: Hall,
    pub(crate) ledger: Arc<dyn Closing>,
}

/// One office with two counters.
pub(crate) fn kleinheim() -> Catalogue {
    town(vec![office(1, 2)])
}

impl<M: Mode> Townhall<M> {
    pub(crate) fn open() -> Townhall<M> {
        Townhall::recover(M::anew(), EVENING).0
    }

    /// Kleinheim, as it was left.
    pub(crate) fn recover(mode: M, now: UnixMillis) -> (Townhall<M>, Recovered) {
        Townhall::of(mode, kleinheim(), now)
    }

    pub(crate) fn of(
        mut mode: M,
        mut catalogue: Catalogue,
        now: UnixMillis,
    ) -> (Townhall<M>, Recovered) {
        let (ledger, stored) = mode.open(&mut catalogue).unwrap();
        let hall = Hall::new(catalogue, ledger.clone(), now);
        let recovered = hall.engine.recover(now, stored).unwrap();
        (Townhall { mode, hall, ledger }, recovered)
    }

    /// Stops and starts again from what was kept.
    pub(crate) fn restart(self, now: UnixMillis) -> (Townhall<M>, Recovered) {
        Townhall::recover(self.close(), now)
    }

    pub(crate) fn close(self) -> M {
        let Townhall { mode, hall, ledger } = self;
        ledger.close();
        drop((hall, ledger));
        mode.check();
        mode
    }

    pub(crate) fn book(&self, start: UnixMillis) -> HoldToken {
        let token = self.hold(start);
        told(self.hall.confirm(EVENING, token, "a request")).unwrap();
        token
    }

    /// A seat, as soon as there is room in the queues: the ledger's, and that of the deadlines.
    pub(crate) fn hold(&self, start: UnixMillis) -> HoldToken {
        loop {
            match self.hall.hold(EVENING, start) {
                Err(HoldError::Overloaded) => self.hall.engine.tick(EVENING),
                held => return held.unwrap(),
            }
        }
    }

    pub(crate) fn go(&self, booking: HoldToken, start: UnixMillis) -> Booking {
        let token = self.hold(start);
        let manage = booking.secret.manage();
        told(self.hall.move_to(EVENING, booking.id, manage, token)).unwrap()
    }

    pub(crate) fn cancel(&self, booking: HoldToken) -> Booking {
        let manage = booking.secret.manage();
        told(self.hall.cancel(EVENING, booking.id, manage)).unwrap()
    }

    pub(crate) fn see(&self, booking: HoldToken) -> Result<Booking, BookingRefusal> {
        let manage = booking.secret.manage();
        self.hall.engine.booking(booking.id, manage)
    }
}

/// What somebody is told in the end.
pub(crate) fn told<E: Debug>(answer: Answer<Booking, E>) -> Result<Booking, E> {
    let outcome = answer
        .recv_timeout(Duration::from_secs(60))
        .expect("an answer comes");
    outcome.map(|durable| durable.into_parts().0)
}

/// What a day is to those outside: a signpost is only the way that it shows.
pub(crate) type Seen = (
    Vec<(ReservationId, Option<ReservationId>, Option<Reservation>)>,
    Audit,
);

/// These days of all offices.
pub(crate) fn seen(engine: &Engine, days: &[Date]) -> Vec<Seen> {
    let offices = (0..engine.catalogue().offices.len()).map(|office| OfficeIndex(office as u16));
    let days = offices.flat_map(|office| days.iter().map(move |day| (office, *day)));
    days.map(|(office, day)| {
        let shard = engine.shard(office, day).unwrap();
        shard.decide(|day| {
            let mut reservations: Vec<_> = day.reservations().map(seen_reservation).collect();
            reservations.sort_unstable_by_key(|(id, ..)| *id);
            (reservations, day.audit())
        })
    })
    .collect()
}

fn seen_reservation(
    it: &Reservation,
) -> (ReservationId, Option<ReservationId>, Option<Reservation>) {
    match it.state {
        State::Moved { to, .. } => (it.id, Some(to), None),
        _ => (it.id, None, Some(it.clone())),
    }
}
