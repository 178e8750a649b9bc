//! Confirm, repeat, cancel, move: what is asked, and what the answer must be.

use morgenruh_history::Act;
use morgenruh_wire::{Booking, BookingRequest, MoveRequest, Person};
use tokio::join;

use super::{Appointment, Change, Unclear, Visitor};
use crate::api::{delete, post};
use crate::citizen::answers;
use crate::client::Ask;
use crate::soak::desk::{Desk, Span, Told, Wanted};
use crate::soak::stay::Stay;

impl Visitor {
    pub(super) async fn confirm(&mut self, desk: &Desk, mut stay: Stay, twice: bool) {
        let places = &self.town.places;
        let place = places
            .iter()
            .find(|place| place.office.id == stay.hold.office);
        let request = BookingRequest {
            hold: stay.token().to_owned(),
            person: Person {
                name: format!("Dauerlauf {}", self.number),
                email: format!("dauerlauf-{:x}-{}@example.org", self.run, stay.who),
                phone: Some("+49 30 23125000".to_owned()),
            },
            answers: place
                .map(|place| answers(&place.office, &stay.hold.services))
                .unwrap_or_default(),
        };
        let key = format!("soak-{:016x}-{:x}", self.run, stay.who);
        let told = if twice {
            self.ask_twice_at_once(desk, &request, &key).await
        } else {
            self.ask_to_confirm(desk, &request, &key).await
        };
        match told {
            Told::Done(first, span) => {
                desk.kept(span.invoked);
                self.booked(desk, stay, request, key, first, span);
            }
            Told::Refused(_, span) => self.expired(desk, stay, span),
            Told::Away { invoked } => {
                let is_urgent = stay.is_in_its_last_moment(invoked);
                stay.stretched(invoked, desk.life);
                if !is_urgent && self.gives_up(desk).await {
                    self.held = Some(stay);
                } else {
                    let change = Change::Confirm { stay, request, key };
                    self.unclear(desk, invoked, change);
                }
            }
            Told::Unclear { invoked } => {
                let change = Change::Confirm { stay, request, key };
                self.unclear(desk, invoked, change);
            }
            Told::Unforeseen => self.over.push(stay),
        }
    }

    /// Whether a change that was certainly not done is left at that.
    async fn gives_up(&mut self, desk: &Desk) -> bool {
        let share = if self.is_patient() {
            GIVE_UP_SHARE_PATIENT
        } else {
            GIVE_UP_SHARE
        };
        let gives_up = self.dice.chance(share);
        if gives_up {
            desk.notebook.count(|tally| tally.given_up += 1);
            desk.breathe().await;
        }
        gives_up
    }

    pub(super) async fn ask_to_confirm(
        &self,
        desk: &Desk,
        request: &BookingRequest,
        key: &str,
    ) -> Told<Booking> {
        let ask = Ask {
            idempotency_key: Some(key),
            ..post("/bookings", request)
        };
        desk.ask(self.number, Wanted::Confirm, &ask).await
    }

    /// A double click.
    async fn ask_twice_at_once(
        &self,
        desk: &Desk,
        request: &BookingRequest,
        key: &str,
    ) -> Told<Booking> {
        let invoked = desk.notebook.clock.now_us();
        let both = join!(
            self.ask_to_confirm(desk, request, key),
            self.ask_to_confirm(desk, request, key)
        );
        match both {
            (Told::Done(one, first), Told::Done(other, second)) => {
                if one != other {
                    self.violation(desk, &format!("one key was answered {one:?} and {other:?}"));
                }
                let returned = first.returned.min(second.returned);
                Told::Done(one, Span { invoked, returned })
            }
            (Told::Done(one, span), _) | (_, Told::Done(one, span)) => {
                Told::Done(one, Span { invoked, ..span })
            }
            (Told::Away { .. }, Told::Away { .. }) => Told::Away { invoked },
            (Told::Unclear { .. } | Told::Away { .. }, _)
            | (_, Told::Unclear { .. } | Told::Away { .. }) => Told::Unclear { invoked },
            (one, _) => one,
        }
    }

    /// A confirmation was acknowledged, asked for first at the beginning of `span`.
    pub(super) fn booked(
        &mut self,
        desk: &Desk,
        mut stay: Stay,
        request: BookingRequest,
        key: String,
        first: Booking,
        span: Span,
    ) {
        if !is_at(&first, &stay) || first.sequence != 0 || first.manage_token.is_none() {
            self.violation(desk, &format!("{:?} was confirmed as {first:?}", stay.hold));
        }
        let late = stay.is_on_borrowed_time(span.returned);
        desk.notebook.count(|tally| {
            tally.confirmed += 1;
            tally.confirmed_late += u64::from(late);
        });
        stay.counter = Some(first.counter);
        stay.note(Act::Confirm, span.invoked, Some(span.returned));
        self.appointments.push(Appointment {
            booking: Booking {
                manage_token: None,
                ..first.clone()
            },
            manage_token: first.manage_token.clone().unwrap_or_default(),
            request,
            key,
            first,
            stay,
        });
    }

    /// The same request with the same key gets the same answer, to the letter.
    pub(super) async fn repeat(&self, desk: &Desk, appointment: &Appointment) {
        let Appointment {
            request,
            key,
            first,
            ..
        } = appointment;
        match self.ask_to_confirm(desk, request, key).await {
            Told::Done(again, _) => {
                desk.notebook.count(|tally| tally.repeated += 1);
                if again != *first {
                    self.violation(desk, &format!("{first:?} was repeated as {again:?}"));
                }
            }
            Told::Refused(slug, _) => {
                self.violation(desk, &format!("{first:?} was repeated as {slug}"));
            }
            Told::Away { .. } | Told::Unclear { .. } | Told::Unforeseen => {}
        }
    }

    pub(super) async fn cancel(&mut self, desk: &Desk, appointment: Appointment) {
        match self.ask_to_cancel(desk, &appointment).await {
            Told::Done(answer, span) => {
                desk.kept(span.invoked);
                self.ended(desk, appointment, answer, span);
            }
            Told::Away { invoked } => {
                if self.gives_up(desk).await {
                    self.appointments.push(appointment);
                } else {
                    self.unclear(desk, invoked, Change::Cancel(Box::new(appointment)));
                }
            }
            Told::Unclear { invoked } => {
                self.unclear(desk, invoked, Change::Cancel(Box::new(appointment)));
            }
            Told::Refused(..) | Told::Unforeseen => self.over.push(appointment.stay),
        }
    }

    pub(super) async fn ask_to_cancel(
        &self,
        desk: &Desk,
        appointment: &Appointment,
    ) -> Told<Booking> {
        let ask = Ask {
            bearer: Some(&appointment.manage_token),
            ..delete(&format!("/bookings/{}", appointment.booking.id))
        };
        desk.ask(self.number, Wanted::Cancel, &ask).await
    }

    /// A cancellation was acknowledged.
    pub(super) fn ended(
        &mut self,
        desk: &Desk,
        mut appointment: Appointment,
        answer: Booking,
        span: Span,
    ) {
        let expected = Booking {
            status: "cancelled".to_owned(),
            sequence: appointment.booking.sequence + 1,
            ..appointment.booking.clone()
        };
        if answer != expected {
            self.violation(desk, &format!("{expected:?} was answered as {answer:?}"));
        }
        desk.notebook.count(|tally| tally.cancelled += 1);
        appointment.booking = expected;
        let stay = &mut appointment.stay;
        stay.note(Act::Cancel, span.invoked, Some(span.returned));
        self.cancelled.push(appointment);
    }

    pub(super) async fn relocate(&mut self, desk: &Desk, appointment: Appointment, stay: Stay) {
        match self.ask_to_move(desk, &appointment, &stay).await {
            Told::Done(answer, span) => {
                desk.kept(span.invoked);
                self.moved(desk, appointment, stay, answer, span);
            }
            told => self.not_moved(desk, appointment, stay, told).await,
        }
    }

    /// A move that was refused or not answered.
    pub(super) async fn not_moved(
        &mut self,
        desk: &Desk,
        appointment: Appointment,
        mut stay: Stay,
        told: Told<Booking>,
    ) {
        match told {
            Told::Away { invoked } => {
                stay.stretched(invoked, desk.life);
                if !self.gives_up(desk).await {
                    self.unclear(desk, invoked, Change::Move(Box::new(appointment), stay));
                    return;
                }
                self.held = Some(stay);
            }
            Told::Unclear { invoked } => {
                self.unclear(desk, invoked, Change::Move(Box::new(appointment), stay));
                return;
            }
            Told::Refused(slug, _) if slug == "too-many-moves" => self.held = Some(stay),
            Told::Refused(_, span) => self.expired(desk, stay, span),
            Told::Done(..) | Told::Unforeseen => self.over.push(stay),
        }
        self.appointments.push(appointment);
    }

    pub(super) async fn ask_to_move(
        &self,
        desk: &Desk,
        appointment: &Appointment,
        stay: &Stay,
    ) -> Told<Booking> {
        let request = MoveRequest {
            hold: stay.token().to_owned(),
        };
        let ask = Ask {
            bearer: Some(&appointment.manage_token),
            ..post(
                &format!("/bookings/{}/move", appointment.booking.id),
                &request,
            )
        };
        desk.ask(self.number, Wanted::Move, &ask).await
    }

    /// A move was acknowledged: in one instant the new seat is booked and the old one free.
    pub(super) fn moved(
        &mut self,
        desk: &Desk,
        mut appointment: Appointment,
        mut stay: Stay,
        answer: Booking,
        span: Span,
    ) {
        let before = &appointment.booking;
        let follows = answer.id == before.id && answer.sequence == before.sequence + 1;
        if !follows || !is_at(&answer, &stay) {
            let hold = &stay.hold;
            self.violation(
                desk,
                &format!("{before:?} moved onto {hold:?} is {answer:?}"),
            );
        }
        desk.notebook.count(|tally| tally.moved += 1);
        stay.counter = Some(answer.counter);
        stay.note(Act::Confirm, span.invoked, Some(span.returned));
        appointment.booking = answer;
        let mut old = std::mem::replace(&mut appointment.stay, stay);
        old.note(Act::Cancel, span.invoked, Some(span.returned));
        self.over.push(old);
        self.appointments.push(appointment);
    }

    fn unclear(&mut self, desk: &Desk, since: u64, change: Change) {
        self.unclear = Some(Unclear {
            life: desk.life,
            since,
            change,
        });
    }
}

/// Share of changes that are not asked for again once the service has said that they were not done.
/// Whoever goes on asking does nothing else until the outage ends.
const GIVE_UP_SHARE: f64 = 0.3;
const GIVE_UP_SHARE_PATIENT: f64 = 0.95;

/// Whether a live booking is for the seat that was held.
pub(super) fn is_at(booking: &Booking, stay: &Stay) -> bool {
    let hold = &stay.hold;
    booking.status == "booked"
        && booking.office == hold.office
        && booking.start == hold.start
        && booking.end == hold.end
        && booking.services == hold.services
        && stay
            .counter
            .is_none_or(|counter| counter == booking.counter)
}
