//! Somebody who wants an appointment, and the things such people do.

use std::io;
use std::net::SocketAddr;

use jiff::civil::Date;
use morgenruh_wire::{
    Availability, AvailableStart, Booking, BookingRequest, Hold, HoldRequest, MoveRequest, Person,
    ServiceQuantity,
};

use crate::http::{Answer, Request};
use crate::support::eventually;

pub(crate) const HOLDS: &str = "/api/v1/holds";
pub(crate) const BOOKINGS: &str = "/api/v1/bookings";

#[derive(Clone, Debug)]
pub(crate) struct Citizen {
    to: SocketAddr,
    pub(crate) name: String,
    service_key: Option<&'static str>,
}

impl Citizen {
    pub(crate) fn of(to: SocketAddr) -> Citizen {
        Citizen {
            to,
            name: "Erika Mustermann".to_owned(),
            service_key: None,
        }
    }

    pub(crate) fn named(self, name: &str) -> Citizen {
        Citizen {
            name: name.to_owned(),
            ..self
        }
    }

    /// Comes through another service: the call centre, the desk in the hall, a test.
    pub(crate) fn with_key(self, key: &'static str) -> Citizen {
        Citizen {
            service_key: Some(key),
            ..self
        }
    }

    /// # Errors
    /// When the service has gone away.
    pub(crate) fn try_send(&self, request: Request) -> io::Result<Answer> {
        match self.service_key {
            Some(key) => request.header("x-service-key", key),
            None => request,
        }
        .send(self.to)
    }

    #[track_caller]
    pub(crate) fn send(&self, request: Request) -> Answer {
        self.try_send(request).expect("the service answers")
    }

    /// What is free at an office on a day, and how much of it.
    #[track_caller]
    pub(crate) fn starts(&self, office: &str, services: &str, day: Date) -> Vec<AvailableStart> {
        let answer = self.send(availability(office, services, day));
        let days = answer.expect(200).json::<Availability>().days;
        assert!(
            days.iter()
                .all(|it| it.office == office && it.date == day.to_string())
        );
        days.into_iter().flat_map(|it| it.starts).collect()
    }

    /// Seats free at one start; 0 also when it is not shown.
    #[track_caller]
    pub(crate) fn free(&self, office: &str, services: &str, day: Date, start: &str) -> u8 {
        let starts = self.starts(office, services, day);
        let shown = starts.iter().find(|it| it.start == start);
        shown.map_or(0, |it| it.free)
    }

    #[track_caller]
    pub(crate) fn try_hold(&self, office: &str, service: &str, start: &str) -> Answer {
        self.send(Request::post(HOLDS).json(&seat(office, service, start)))
    }

    #[track_caller]
    pub(crate) fn hold(&self, office: &str, service: &str, start: &str) -> Hold {
        self.try_hold(office, service, start).expect(201).json()
    }

    #[track_caller]
    pub(crate) fn extend(&self, hold: &Hold) -> Answer {
        let path = format!("{HOLDS}/{}/extend", hold.id);
        self.send(Request::post(&path).bearer(token(hold)))
    }

    #[track_caller]
    pub(crate) fn release(&self, hold: &Hold) -> Answer {
        let path = format!("{HOLDS}/{}", hold.id);
        self.send(Request::delete(&path).bearer(token(hold)))
    }

    pub(crate) fn booking_of(&self, hold: &Hold) -> BookingRequest {
        BookingRequest {
            hold: token(hold).to_owned(),
            person: Person {
                name: self.name.clone(),
                email: "erika@example.org".to_owned(),
                phone: None,
            },
            answers: Default::default(),
        }
    }

    pub(crate) fn confirmation(&self, hold: &Hold) -> Request {
        Request::post(BOOKINGS).json(&self.booking_of(hold))
    }

    #[track_caller]
    pub(crate) fn try_book(&self, hold: &Hold) -> Answer {
        self.send(self.confirmation(hold))
    }

    #[track_caller]
    pub(crate) fn book(&self, hold: &Hold) -> Booking {
        self.try_book(hold).expect(201).json()
    }

    /// Sends a request as the API asks: again and again while its outcome is being written.
    #[track_caller]
    pub(crate) fn insist(&self, request: &Request) -> Answer {
        eventually("the outcome is written", || {
            let answer = self.send(request.clone());
            let again = answer.status == 503 && answer.slug() == "confirmation-pending";
            (!again).then_some(answer)
        })
    }

    #[track_caller]
    pub(crate) fn look(&self, booking: &Booking) -> Answer {
        self.send(Request::get(&path(booking)).bearer(manage(booking)))
    }

    pub(crate) fn cancellation(&self, booking: &Booking) -> Request {
        Request::delete(&path(booking)).bearer(manage(booking))
    }

    #[track_caller]
    pub(crate) fn cancel(&self, booking: &Booking) -> Answer {
        self.send(self.cancellation(booking))
    }

    pub(crate) fn relocation(&self, booking: &Booking, to: &Hold) -> Request {
        let body = MoveRequest {
            hold: token(to).to_owned(),
        };
        let request = Request::post(&format!("{}/move", path(booking)));
        request.bearer(manage(booking)).json(&body)
    }

    #[track_caller]
    pub(crate) fn relocate(&self, booking: &Booking, to: &Hold) -> Answer {
        self.send(self.relocation(booking, to))
    }

    #[track_caller]
    pub(crate) fn calendar(&self, booking: &Booking) -> Answer {
        let path = format!("{}/calendar.ics", path(booking));
        self.send(Request::get(&path).bearer(manage(booking)))
    }
}

pub(crate) fn availability(office: &str, services: &str, day: Date) -> Request {
    let query = format!("office={office}&services={services}&from={day}&to={day}");
    Request::get(&format!("/api/v1/availability?{query}"))
}

pub(crate) fn one(service: &str) -> Vec<ServiceQuantity> {
    vec![ServiceQuantity {
        id: service.to_owned(),
        quantity: 1,
    }]
}

/// A request for one person at one start.
pub(crate) fn seat(office: &str, service: &str, start: &str) -> HoldRequest {
    HoldRequest {
        office: Some(office.to_owned()),
        services: one(service),
        start: Some(start.to_owned()),
        ..HoldRequest::default()
    }
}

pub(crate) fn token(hold: &Hold) -> &str {
    hold.token.as_deref().expect("who holds has the token")
}

pub(crate) fn manage(booking: &Booking) -> &str {
    let token = booking.manage_token.as_deref();
    token.expect("who booked has the token")
}

pub(crate) fn path(booking: &Booking) -> String {
    format!("{BOOKINGS}/{}", booking.id)
}

/// What everybody may know of a booking who may look at it.
pub(crate) fn without_token(booking: &Booking) -> Booking {
    Booking {
        manage_token: None,
        ..booking.clone()
    }
}
