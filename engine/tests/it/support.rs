//! Kleinheim: a town with as many offices as a test needs and everything else at its plainest,
//! and a hall in which people hold, confirm, cancel and move.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use morgenruh_engine::rules::calendar::instant_of;
use morgenruh_engine::rules::catalogue::{
    Catalogue, Channel, City, Counter, Department, Hours, Offer, Office, OfficeIndex, Opening,
    Selector, Service, ServiceIndex, Status, Text, Weekdays,
};
use morgenruh_engine::rules::cells::CounterSet;
use morgenruh_engine::rules::holidays::Land;
use morgenruh_engine::rules::ids::{Digest, HoldToken, ReservationId, Secret};
use morgenruh_engine::rules::need::{Need, Services};
use morgenruh_engine::rules::record::Person;
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use morgenruh_engine::shell::engine::{
    Booking, ChangeError, ConfirmAsk, ConfirmError, Engine, HoldAsk, HoldError, Limits, PassInHand,
};
use morgenruh_engine::shell::ledger::{Durable, Ledger};

/// The only service of the town.
pub(crate) const PASSPORT: ServiceIndex = ServiceIndex(0);
pub(crate) const TUESDAY: Date = date(2026, 12, 1);
pub(crate) const WEDNESDAY: Date = date(2026, 12, 2);
pub(crate) const THURSDAY: Date = date(2026, 12, 3);
/// The evening before, when most tests begin.
pub(crate) const EVENING: UnixMillis = UnixMillis(1_796_061_600_000);
/// How long a hold lasts in the town.
pub(crate) const HOLD: Millis = Millis::from_minutes(10);

pub(crate) fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

pub(crate) fn clock(day: Date, hour: u16, minute: u16) -> UnixMillis {
    instant_of(&berlin(), day, hour * 60 + minute)
}

pub(crate) fn town(offices: Vec<Office>) -> Catalogue {
    let text = |text: &str| Text {
        de: text.into(),
        en: text.into(),
    };
    Catalogue {
        city: City {
            id: "kleinheim".into(),
            name: text("Kleinheim"),
            land: Land::Nw,
            zone_name: "Europe/Berlin".into(),
            zone: berlin(),
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
        offices,
        rooms: Vec::new(),
    }
}

/// An office that is open from 8 to 12 on every day, holidays included, and releases nothing late.
pub(crate) fn office(number: u16, counters: u8) -> Office {
    let all = (0..counters).fold(CounterSet::EMPTY, |set, it| set.or(CounterSet::only(it)));
    let name = format!("Bürgerbüro {number}");
    Office {
        id: format!("buergerbuero-{number}"),
        number,
        department: 0,
        name: Text {
            de: name.clone(),
            en: name,
        },
        address: "Markt 1".into(),
        status: Status::Live,
        unit_minutes: 5,
        hold_minutes: 10,
        notice_minutes: 0,
        horizon_days: 60,
        phone_required: false,
        questions: vec![],
        offers: vec![Offer {
            service: PASSPORT,
            minutes: 10,
            quantity_max: 4,
            counters: all,
        }],
        counters: (1..=counters)
            .map(|number| Counter {
                number,
                name: String::new(),
            })
            .collect(),
        opening: vec![Opening {
            when: Selector {
                counters: all,
                weekdays: Weekdays::ALL,
                hours: Hours { from: 480, to: 720 },
            },
            every_weeks: 1,
            valid_from: None,
            valid_until: None,
            on_holidays: true,
        }],
        closures: vec![],
        quotas: vec![],
        waves: vec![],
    }
}

/// Any counter, for this many units.
pub(crate) fn need(units: u8) -> Need {
    let services = Services::collect([(1, 1)]).unwrap();
    Need {
        services,
        units,
        counters: CounterSet::ALL,
    }
}

pub(crate) fn secret(number: u64) -> Secret {
    Secret(Digest::of(&[b"test", &number.to_be_bytes()]).0)
}

pub(crate) fn digest(text: &str) -> Digest {
    Digest::of(&[text.as_bytes()])
}

pub(crate) fn erika() -> Person {
    Person {
        name: "Erika Mustermann".into(),
        email: "erika@example.org".into(),
        phone: None,
        answers: [("anlass".to_owned(), "Reise".to_owned())].into(),
    }
}

/// What somebody is told in the end.
pub(crate) type Answer<T, E> = Receiver<Result<Durable<T>, E>>;

/// People in front of an engine.
pub(crate) struct Hall {
    pub engine: Engine,
    /// Distinguishes one hold from the next.
    holds: AtomicU64,
}

impl Hall {
    pub(crate) fn new(catalogue: Catalogue, ledger: Arc<dyn Ledger>, now: UnixMillis) -> Hall {
        let limits = Limits {
            stretch_max: Millis::from_minutes(60),
            ..Limits::default()
        };
        Hall::within(catalogue, ledger, limits, now)
    }

    pub(crate) fn within(
        catalogue: Catalogue,
        ledger: Arc<dyn Ledger>,
        limits: Limits,
        now: UnixMillis,
    ) -> Hall {
        let engine = Engine::new(Arc::new(catalogue), ledger, limits, None, now);
        // Not from 0 again after a restart, since ids and secrets are made from it.
        Hall {
            engine,
            holds: AtomicU64::new(now.0.unsigned_abs() << 16),
        }
    }

    /// Two units at the first office.
    pub(crate) fn hold(&self, now: UnixMillis, start: UnixMillis) -> Result<HoldToken, HoldError> {
        self.hold_at(now, OfficeIndex(0), start, need(2))
    }

    pub(crate) fn hold_at(
        &self,
        now: UnixMillis,
        office: OfficeIndex,
        start: UnixMillis,
        need: Need,
    ) -> Result<HoldToken, HoldError> {
        self.hold_as(now, office, start, need, Channel::Public, None)
    }

    /// Through any channel, with the pass of a waiting room or without.
    pub(crate) fn hold_as(
        &self,
        now: UnixMillis,
        office: OfficeIndex,
        start: UnixMillis,
        need: Need,
        channel: Channel,
        pass: Option<PassInHand>,
    ) -> Result<HoldToken, HoldError> {
        let random = self.holds.fetch_add(1, Ordering::Relaxed);
        let secret = secret(random);
        let ask = HoldAsk {
            office,
            need,
            start,
            channel,
            secret: secret.digest(),
            random,
            pass,
        };
        self.engine.hold(now, &ask).map(|hold| HoldToken {
            id: hold.id,
            secret,
        })
    }

    pub(crate) fn confirm(
        &self,
        now: UnixMillis,
        token: HoldToken,
        request: &str,
    ) -> Answer<Booking, ConfirmError> {
        self.confirm_as(now, token, request, Vec::new())
    }

    /// By somebody whom a waiting room would recognise.
    pub(crate) fn confirm_as(
        &self,
        now: UnixMillis,
        token: HoldToken,
        request: &str,
        identities: Vec<Digest>,
    ) -> Answer<Booking, ConfirmError> {
        let (done, answer) = channel();
        let request = digest(request);
        let ask = ConfirmAsk {
            token,
            person: erika(),
            request,
            idempotency_key: Some(request),
            identities,
        };
        self.engine
            .confirm(now, ask, move |outcome| drop(done.send(outcome)));
        answer
    }

    pub(crate) fn cancel(
        &self,
        now: UnixMillis,
        id: ReservationId,
        manage: Secret,
    ) -> Answer<Booking, ChangeError> {
        let (done, answer) = channel();
        self.engine
            .cancel(now, id, manage, move |outcome| drop(done.send(outcome)));
        answer
    }

    pub(crate) fn move_to(
        &self,
        now: UnixMillis,
        id: ReservationId,
        manage: Secret,
        token: HoldToken,
    ) -> Answer<Booking, ChangeError> {
        let (done, answer) = channel();
        self.engine
            .move_booking(now, id, manage, token, move |outcome| {
                drop(done.send(outcome))
            });
        answer
    }

    /// Seats of two units that the first office offers from the start of an hour.
    pub(crate) fn seats(&self, now: UnixMillis, start: UnixMillis) -> u8 {
        let date = self.engine.date_of(start);
        let shard = self.engine.shard(OfficeIndex(0), date).unwrap();
        let unit = shard.decide(|day| day.plan().unit_at(start)).unwrap();
        let starts = self
            .engine
            .starts(now, OfficeIndex(0), date, Channel::Public, &need(2));
        let starts = starts.unwrap().starts;
        starts
            .iter()
            .find(|start| start.unit == unit)
            .map_or(0, |start| start.seats)
    }

    /// Checks every day on which somebody has reserved something.
    pub(crate) fn audit(&self, days: &[Date]) {
        for office in 0..self.engine.catalogue().offices.len() {
            for day in days {
                let shard = self.engine.shard(OfficeIndex(office as u16), *day).unwrap();
                shard.decide(|day| day.audit());
            }
        }
    }
}
