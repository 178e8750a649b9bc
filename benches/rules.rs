//! The rules of the engine behind a lock: what corresponds to the baselines.

use jiff::civil::Date;
use morgenruh_engine::rules::calendar::{UNIT, plan};
use morgenruh_engine::rules::catalogue::{Catalogue, Channel, OfficeIndex};
use morgenruh_engine::rules::day::{Ask, Day, HoldTerms, Reservation, State};
use morgenruh_engine::rules::ids::{DayKey, ReservationId, Seat};
use morgenruh_engine::rules::need::Need;
use morgenruh_engine::rules::time::{DayNumber, Millis, UnixMillis};
use parking_lot::Mutex;

use crate::race::Contender;
use crate::town;
use crate::visits::{DAYS, OFFICE, OFFICES, Taken, VISIT_UNITS, Visit};

/// 18:00 on the evening before the first day.
pub const NOW: UnixMillis = UnixMillis(1_796_061_600_000);
const FIRST_DAY: Date = jiff::civil::date(2026, 12, 1);
/// When the holds of a bench would end.
const DEADLINE: UnixMillis = UnixMillis(NOW.0 + Millis::from_minutes(120).0);
/// When what was taken before would end.
const NEVER: UnixMillis = UnixMillis(i64::MAX);

/// The city of the visits, and where in it a day lies: first the first day of every office, then
/// the second …
pub struct City {
    pub catalogue: Catalogue,
    pub need: Need,
}

impl City {
    pub fn new() -> City {
        let catalogue = town::catalogue(&town::files(&[OFFICE; OFFICES as usize]));
        let need = town::passport(&catalogue);
        assert_eq!(
            u16::from(need.units),
            VISIT_UNITS,
            "a passport takes three units"
        );
        City { catalogue, need }
    }

    pub fn place(&self, day: usize) -> (OfficeIndex, Date) {
        let (office, days) = (day as u16 % OFFICES, day as u16 / OFFICES);
        assert!(days < DAYS, "the offices do not book further ahead");
        let date = FIRST_DAY.saturating_add(jiff::Span::new().days(i64::from(days)));
        (OfficeIndex(office), date)
    }

    pub fn key(&self, day: usize) -> DayKey {
        let (office, date) = self.place(day);
        let day = DayNumber::from_date(date).expect("it is in this century");
        DayKey {
            office: self.catalogue.office(office).number,
            day,
        }
    }
}

impl Default for City {
    fn default() -> City {
        City::new()
    }
}

/// Takes the seats of those who came before.
pub fn take_before(day: &mut Day, key: DayKey, need: Need, taken: &[Taken]) {
    for (slot, it) in (0u16..).zip(taken) {
        let seat = Seat {
            key,
            counter: it.counter,
            start: it.start,
            units: need.units,
        };
        let earlier = Reservation {
            id: ReservationId::new(seat, slot, 0),
            services: need.services,
            channel: Channel::Public,
            secret: Default::default(),
            ticket: None,
            state: State::Held(HoldTerms {
                deadline: NEVER,
                extended: false,
            }),
        };
        day.restore(earlier).expect("no two of them overlap");
    }
}

/// Days, each behind a lock, and when they start.
pub struct Rules {
    need: Need,
    days: Vec<(UnixMillis, Mutex<Day>)>,
}

impl Rules {
    pub fn new(taken: &[Vec<Taken>]) -> Rules {
        let city = City::new();
        let day = |(position, taken): (usize, &Vec<Taken>)| {
            let (office, date) = city.place(position);
            let plan = plan(&city.catalogue, city.catalogue.office(office), date);
            let (key, midnight) = (city.key(position), plan.starts_at);
            let mut day = Day::new(key, plan);
            take_before(&mut day, key, city.need, taken);
            (midnight, Mutex::new(day))
        };
        let days = taken.iter().enumerate().map(day).collect();
        Rules {
            need: city.need,
            days,
        }
    }

    /// Reads what is free on all days; the number of starts.
    pub fn starts(&self) -> usize {
        let starts = |day: &Mutex<Day>| day.lock().starts(NOW, Channel::Public, &self.need);
        self.days
            .iter()
            .map(|(_, day)| starts(day).starts.len())
            .sum()
    }
}

impl Contender for Rules {
    fn hold_and_release(&self, visit: &Visit) -> bool {
        let (midnight, day) = &self.days[visit.day];
        let ask = Ask {
            start: *midnight + Millis(UNIT.0 * i64::from(visit.start)),
            need: self.need,
            channel: Channel::Public,
            secret: visit.digest,
            random: visit.random,
            deadline: DEADLINE,
            ticket: None,
        };
        let held = day.lock().hold(NOW, &ask);
        let Ok(id) = held else {
            return false;
        };
        let released = day.lock().release(NOW, id, visit.digest);
        assert_eq!(released, Ok(None), "nobody else gives it back");
        true
    }
}
