//! One office with one counter, a few minutes long, in front of a real engine.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::civil::Date;
use morgenruh_engine::rules::catalogue::{Catalogue, Channel, OfficeIndex};
use morgenruh_engine::rules::cells::CounterSet;
use morgenruh_engine::rules::day::Audit;
use morgenruh_engine::rules::ids::{Digest, HoldToken, ReservationId, Secret};
use morgenruh_engine::rules::need::{Need, Services};
use morgenruh_engine::rules::record::Person;
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use morgenruh_engine::shell::engine::{
    Booking, ChangeError, ConfirmAsk, ConfirmError, Engine, HoldAsk, HoldError, Limits,
};
use morgenruh_engine::shell::ledger::{Durable, Ledger};
use morgenruh_engine::shell::scribe::Options;
use morgenruh_sim::town::{FIRST_UNIT, Town};
use shuttle::rand::{Rng, RngCore, thread_rng};
use shuttle::sync::mpsc::{Receiver, channel};

pub const OFFICE: OfficeIndex = OfficeIndex(0);
/// How long a hold lasts.
pub const HOLD: Millis = Millis::from_minutes(1);
/// Seats of a day.
pub const SEATS: u16 = 2;

/// When each scene begins, the evening before the first day.
pub fn evening() -> UnixMillis {
    Town::begin()
}

/// It never changes, so all schedules share it.
static CATALOGUE: LazyLock<Arc<Catalogue>> = LazyLock::new(|| {
    let town = Town {
        offices: 1,
        counters: 1,
        open: vec![SEATS],
        hold_minutes: 1,
        sealed_minutes: None,
        release: None,
        room: None,
        wishes: None,
    };
    Arc::new(town.catalogue())
});

/// Bounds so small that they are reached.
pub fn ledger_options() -> Options {
    Options {
        batch_max: thread_rng().gen_range(1..=4),
        queue_max: thread_rng().gen_range(3..=8),
        retry: Duration::ZERO,
        clock: evening,
    }
}

pub struct Hall {
    pub engine: Engine,
}

impl Hall {
    pub fn new(ledger: Arc<dyn Ledger>) -> Hall {
        let limits = Limits {
            deadline_queue_max: 4,
            ..Limits::default()
        };
        let catalogue = Arc::clone(&CATALOGUE);
        Hall {
            engine: Engine::new(catalogue, ledger, limits, None, evening()),
        }
    }

    /// The first day with seats, or the one after.
    pub fn date(day: u16) -> Date {
        Town::date(day)
    }

    pub fn need() -> Need {
        Need {
            services: Services::collect([(1, 1)]).expect("one service is not too many"),
            units: 1,
            counters: CounterSet::ALL,
        }
    }

    /// Holds one of the [`SEATS`] of a day.
    pub fn hold(
        &self,
        now: UnixMillis,
        day: u16,
        seat: u16,
    ) -> Result<(HoldToken, UnixMillis), HoldError> {
        let mut secret = [0; 16];
        thread_rng().fill_bytes(&mut secret);
        let secret = Secret(secret);
        let view = self.engine.hold(
            now,
            &HoldAsk {
                office: OFFICE,
                need: Hall::need(),
                start: Town::instant(day, FIRST_UNIT + seat),
                channel: Channel::Public,
                secret: secret.digest(),
                random: thread_rng().next_u64(),
                pass: None,
            },
        )?;
        let token = HoldToken {
            id: view.id,
            secret,
        };
        Ok((token, view.terms.deadline))
    }

    /// Confirms a hold; the answer comes through the channel.
    pub fn confirm(
        &self,
        now: UnixMillis,
        token: HoldToken,
    ) -> Receiver<Result<Durable<Booking>, ConfirmError>> {
        let (tell, told) = channel();
        let ask = ConfirmAsk {
            token,
            person: Person {
                name: String::new(),
                email: String::new(),
                phone: None,
                answers: Default::default(),
            },
            request: Digest::of(&[b"a request"]),
            idempotency_key: None,
            identities: Vec::new(),
        };
        self.engine.confirm(now, ask, move |answer| {
            tell.send(answer).expect("whoever asked waits");
        });
        told
    }

    /// Moves a booking; the answer comes through the channel.
    pub fn move_booking(
        &self,
        booking: ReservationId,
        manage: Secret,
        onto: HoldToken,
    ) -> Receiver<Result<Durable<Booking>, ChangeError>> {
        let (tell, told) = channel();
        let now = evening();
        self.engine
            .move_booking(now, booking, manage, onto, move |answer| {
                tell.send(answer).expect("whoever asked waits");
            });
        told
    }

    /// Counts a day's cells, which checks that they are what its reservations take.
    pub fn audit(&self, day: u16) -> Audit {
        let shard = self.engine.shard(OFFICE, Hall::date(day));
        let shard = shard.expect("the day can be booked");
        shard.decide(|day| day.audit())
    }
}
