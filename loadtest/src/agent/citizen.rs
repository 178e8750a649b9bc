//! One person: looks, books what is free, or lays a wish and answers what comes of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use morgenruh_wire::{
    Booking, BookingRequest, HoldRequest, Notify, Person, ServiceQuantity, WishRequest, WishWindow,
};

use super::course::{Booked, How};
use super::fairness::Watched;
use super::habits::Habits;
use super::notebook::Notebook;
use super::plan::Citizen;
use super::stay::Stay;
use super::time::{DAY, HOUR, MINUTE, Second, TownClock, Weeks};
use super::town::{HORIZON_DAYS, OFFICES, SERVICES, Seat};
use crate::api::{Api, Reply};
use crate::measure::Call;

/// Seats that somebody tries to get before they give up for that day.
const TRIES_MAX: u32 = 8;

/// How long somebody thinks between a hold and its confirmation.
const THINKS: Second = 2 * MINUTE;

/// What all people share.
#[derive(Debug)]
pub(super) struct World {
    pub(super) api: Api,
    pub(super) clock: TownClock,
    pub(super) weeks: Weeks,
    pub(super) habits: Habits,
    pub(super) until: Second,
    pub(super) notebook: Notebook,
}

/// How far its clock and ours may be apart, and how long a decision may take that is being written.
const SETTLES: Duration = Duration::from_secs(1);

impl World {
    /// Within so much of the town's time the order of two events is not certain from outside.
    pub(super) fn margin(&self) -> Second {
        self.clock.in_town(SETTLES).max(5 * MINUTE)
    }
}

/// Somebody has a booking.
pub(super) struct Mine {
    pub(super) id: String,
    token: String,
    /// By position in the course.
    pub(super) booking: usize,
    at: Second,
    pub(super) start: Second,
    /// When it is given back because it was booked without asking and does not suit.
    pub(super) regrets_at: Option<Second>,
}

/// Somebody could not go on: the service did not answer as it should, and that is counted.
#[derive(Debug)]
pub(super) struct Stranded(pub(super) &'static str);

pub(super) const UNFORESEEN: Stranded = Stranded("an answer outside of the contract, or none");
pub(super) const UNREADABLE: Stranded = Stranded("an answer that cannot be read");

/// Lives from the first look to the end of the run.
pub(super) async fn live(world: Arc<World>, citizen: Citizen) {
    let visit = Visit {
        world: &world,
        citizen: &citizen,
    };
    if let Err(Stranded(why)) = visit.all().await {
        world.notebook.pages().stranded(why);
    }
}

pub(super) struct Visit<'w> {
    pub(super) world: &'w World,
    pub(super) citizen: &'w Citizen,
}

impl Visit<'_> {
    async fn all(&self) -> Result<(), Stranded> {
        self.world.clock.reach(self.citizen.at).await;
        let mine = match self.look_and_book().await? {
            Some(mine) => Some(mine),
            None => self.wish().await?,
        };
        match mine {
            Some(mine) => self.cancel(&mine).await,
            None => Ok(()),
        }
    }

    pub(super) fn now(&self) -> Second {
        self.world.clock.now()
    }

    /// Shortly before midnight it is tomorrow.
    fn today(&self) -> i64 {
        (self.now() + HOUR).div_euclid(DAY)
    }

    fn need(&self) -> Vec<ServiceQuantity> {
        let id = SERVICES[self.citizen.service].id.to_owned();
        vec![ServiceQuantity { id, quantity: 1 }]
    }

    fn offices(&self) -> Vec<String> {
        let offices = self.citizen.offices.iter();
        offices
            .map(|office| OFFICES[*office].id.to_owned())
            .collect()
    }

    fn person(&self) -> Person {
        let number = self.citizen.number;
        Person {
            name: format!("Probe {number}"),
            email: format!("probe{number}@example.org"),
            phone: None,
        }
    }

    /// Books the earliest seat that suits, if one is free.
    async fn look_and_book(&self) -> Result<Option<Mine>, Stranded> {
        for _ in 0..TRIES_MAX {
            let Some((office, start)) = self.look().await? else {
                return Ok(None);
            };
            let request = HoldRequest {
                office: Some(office),
                services: self.need(),
                start: Some(start),
                ..HoldRequest::default()
            };
            let hold = match self.world.api.hold(Instant::now(), &request).await {
                Reply::Done(hold) => hold,
                // Somebody else was faster.
                Reply::Refused(_) => continue,
                Reply::Silent | Reply::Unforeseen => return Err(UNFORESEEN),
            };
            let intended = self.world.clock.reach(self.now() + THINKS).await;
            let request = BookingRequest {
                hold: hold.token.unwrap_or_default(),
                person: self.person(),
                answers: Default::default(),
            };
            let key = format!("citizen-{}-{}", self.citizen.number, hold.id);
            let confirm = self
                .world
                .api
                .confirm(Call::Confirm, intended, &request, &key);
            match confirm.await {
                Reply::Done(booking) => {
                    let token = booking.manage_token.clone().unwrap_or_default();
                    let now = self.now();
                    return self.note(&booking, &token, now, How::Found).map(Some);
                }
                Reply::Refused(_) => {}
                Reply::Silent | Reply::Unforeseen => return Err(UNFORESEEN),
            }
        }
        Ok(None)
    }

    /// The earliest start that is free and suits.
    async fn look(&self) -> Result<Option<(String, String)>, Stranded> {
        let (clock, now) = (self.world.clock, self.now());
        let first = self.citizen.days.0.max(self.today());
        let last = self.citizen.days.1.min(now.div_euclid(DAY) + HORIZON_DAYS);
        let (from, to) = (clock.date(first), clock.date(last));
        let (offices, need) = (self.offices(), self.need());
        let seen = self
            .world
            .api
            .availability(Instant::now(), &offices, &need, &from, &to);
        let seen = match seen.await {
            Reply::Done(seen) => seen,
            Reply::Refused(_) => return Ok(None),
            Reply::Silent | Reply::Unforeseen => return Err(UNFORESEEN),
        };
        let mut best: Option<(Second, String, String)> = None;
        for day in seen.days {
            for start in day.starts {
                let at = clock.read(&start.start).ok_or(UNREADABLE)?;
                let suits = self.citizen.likes(self.world.weeks, now, at);
                if suits && best.as_ref().is_none_or(|best| at < best.0) {
                    best = Some((at, day.office.clone(), start.start));
                }
            }
        }
        Ok(best.map(|(_, office, start)| (office, start)))
    }

    /// Writes a booking down.
    pub(super) fn note(
        &self,
        booking: &Booking,
        token: &str,
        at: Second,
        how: How,
    ) -> Result<Mine, Stranded> {
        let seat = seat(self.world.clock, booking).ok_or(UNREADABLE)?;
        let booked = Booked {
            seat,
            at,
            how,
            cancelled: None,
            no_show: self.citizen.no_show,
            in_vain: false,
        };
        let position = self
            .world
            .notebook
            .pages()
            .booked(booked, &booking.id, token);
        Ok(Mine {
            id: booking.id.clone(),
            token: token.to_owned(),
            booking: position,
            at,
            start: seat.start,
            regrets_at: None,
        })
    }

    /// Lays a wish, and stays with it until it is over.
    async fn wish(&self) -> Result<Option<Mine>, Stranded> {
        let citizen = self.citizen;
        let clock = self.world.clock;
        let hours = citizen.hours;
        let any_time = hours.weekdays.is_empty() && (hours.from, hours.to) == (0, 24);
        let weekdays = hours.weekdays.iter().map(|day| (*day).to_owned()).collect();
        let window = WishWindow {
            weekdays: (!hours.weekdays.is_empty()).then_some(weekdays),
            from: format!("{:02}:00", hours.from),
            to: format!("{:02}:00", hours.to),
        };
        let request = WishRequest {
            services: self.need(),
            offices: Some(self.offices()),
            windows: (!any_time).then(|| vec![window]),
            earliest: Some(clock.date(citizen.days.0.max(self.today()))),
            latest: Some(clock.date(citizen.days.1)),
            notice_minutes: self.notice_minutes(),
            auto_accept: citizen.auto_accept,
            instead_of: None,
            person: self.person(),
            answers: Default::default(),
            language: None,
            notify: Some(Notify::Poll),
        };
        let key = format!("citizen-{}-wishes", citizen.number);
        let laid = match self.world.api.wish(Instant::now(), &request, &key).await {
            Reply::Done(laid) => laid,
            Reply::Refused(_) => return Err(Stranded("a wish was refused")),
            Reply::Silent | Reply::Unforeseen => return Err(UNFORESEEN),
        };
        let since = clock.read(&laid.place.since).ok_or(UNREADABLE)?;
        let watched = Watched {
            service: citizen.service,
            offices: citizen.offices,
            hours,
            days: citizen.days,
            notice: Second::from(laid.notice_minutes) * MINUTE,
            auto_accept: citizen.auto_accept,
            waited: Vec::new(),
            given: Vec::new(),
        };
        let number = self.world.notebook.pages().wished(since, watched);
        Stay::new(self, number, &laid).on().await
    }

    /// The notice that they ask for. Whoever is asked leaves it to the service, unless they want to
    /// hear of near seats as well.
    fn notice_minutes(&self) -> Option<u32> {
        let Citizen {
            auto_accept,
            asked_near,
            notice,
            ..
        } = *self.citizen;
        let named = auto_accept || asked_near;
        named.then(|| u32::try_from(notice / MINUTE).unwrap_or(0))
    }

    /// When a booking is cancelled: as planned, or because it does not suit.
    pub(super) fn cancels_at(&self, mine: &Mine) -> Option<Second> {
        let planned = self.citizen.cancels_at(mine.at, mine.start);
        let at = planned.into_iter().chain(mine.regrets_at).min()?;
        (at < mine.start - 10 * MINUTE).then_some(at)
    }

    /// Cancels where that is planned, or where a seat was booked without asking and does not suit.
    async fn cancel(&self, mine: &Mine) -> Result<(), Stranded> {
        let Some(at) = self.cancels_at(mine).filter(|at| *at < self.world.until) else {
            return Ok(());
        };
        let intended = self.world.clock.reach(at).await;
        // Before it is sent: whoever gets the seat gets it later than that.
        let now = self.now();
        match self.world.api.cancel(intended, &mine.id, &mine.token).await {
            Reply::Done(()) => {
                let mut pages = self.world.notebook.pages();
                pages.course.bookings[mine.booking].cancelled = Some(now);
                Ok(())
            }
            // It began meanwhile.
            Reply::Refused(_) => Ok(()),
            Reply::Silent | Reply::Unforeseen => Err(UNFORESEEN),
        }
    }
}

/// By position in `OFFICES`.
pub(super) fn office_number(id: &str) -> Option<usize> {
    OFFICES.iter().position(|office| office.id == id)
}

/// The seat of a booking; `None` for one that is not of this town.
pub(super) fn seat(clock: TownClock, booking: &Booking) -> Option<Seat> {
    let start = clock.read(&booking.start)?;
    let end = clock.read(&booking.end)?;
    Some(Seat {
        office: office_number(&booking.office)?,
        counter: booking.counter,
        start,
        minutes: (end - start) / MINUTE,
    })
}
