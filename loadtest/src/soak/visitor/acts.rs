//! What a visitor does next, and what is done with a hold.

use hyper::Method;
use morgenruh_history::Act;
use morgenruh_wire::{Hold, HoldRequest};

use super::{APPOINTMENTS_MAX, Visitor};
use crate::api::{delete, get, post};
use crate::client::Ask;
use crate::soak::desk::{Desk, Span, Told, Wanted};
use crate::soak::stay::Stay;

/// Starts early in the day are wanted more: the exponent of the choice.
const EARLY_BIAS: f64 = 3.0;

/// Share of holds that are meant for moving a booking.
const HOLD_TO_MOVE_SHARE: f64 = 0.3;

/// What is done with a hold, in proportion.
const CONFIRM: f64 = 0.5;
const CONFIRM_TWICE_AT_ONCE: f64 = 0.06;
const EXTEND: f64 = 0.1;
const RELEASE: f64 = 0.14;
const LET_EXPIRE: f64 = 0.02;
const MOVE: f64 = 0.4;
const KEEP: f64 = 0.01;

/// Holds that a patient visitor keeps for long.
const KEPT_MAX: usize = 64;

/// How long before its end a hold is used that was kept for long, in microseconds.
const LATE_US: [f64; 2] = [20_000.0, 500_000.0];

/// What is done without a hold, in proportion.
const HOLD: f64 = 0.6;
const CANCEL: f64 = 0.15;
const LOOK: f64 = 0.1;
const REPEAT: f64 = 0.1;

/// The same, for somebody who has as many bookings as one can keep.
const CANCEL_WHEN_FULL: f64 = 1.2;

impl Visitor {
    /// Does something without a hold.
    pub(super) async fn begin(&mut self, desk: &Desk) {
        let some = if self.appointments.is_empty() {
            0.0
        } else {
            1.0
        };
        let cancel = if self.appointments.len() < APPOINTMENTS_MAX {
            CANCEL
        } else {
            CANCEL_WHEN_FULL
        };
        let weights = [HOLD, cancel * some, LOOK * some, REPEAT * some];
        let index = self.dice.below(self.appointments.len());
        match self.dice.weighted(&weights) {
            Some(1) => {
                let appointment = self.appointments.swap_remove(index);
                self.cancel(desk, appointment).await;
            }
            Some(2) => self.look_at(desk, &self.appointments[index]).await,
            Some(3) if self.appointments[index].is_unchanged() => {
                self.repeat(desk, &self.appointments[index]).await;
            }
            _ => self.hold(desk).await,
        }
    }

    /// Does something with a hold.
    pub(super) async fn use_hold(&mut self, desk: &Desk, stay: Stay) {
        let moves = self.movable_onto(&stay.hold);
        let room = self.appointments.len() < APPOINTMENTS_MAX;
        let weights = [
            if room { CONFIRM } else { 0.0 },
            if room { CONFIRM_TWICE_AT_ONCE } else { 0.0 },
            if stay.hold.extendable { EXTEND } else { 0.0 },
            RELEASE,
            LET_EXPIRE,
            if moves.is_some() { MOVE } else { 0.0 },
            if self.is_patient() && self.kept.len() < KEPT_MAX {
                KEEP
            } else {
                0.0
            },
        ];
        match (self.dice.weighted(&weights), moves) {
            (Some(0), _) => self.confirm(desk, stay, false).await,
            (Some(1), _) => self.confirm(desk, stay, true).await,
            (Some(2), _) => self.extend(desk, stay).await,
            (Some(4), _) => self.over.push(stay),
            (Some(6), _) => {
                let margin = self.dice.between(LATE_US) as u64;
                let decided = stay.shortly_before_its_end(margin);
                self.kept.push((stay, decided));
            }
            (Some(5), Some(index)) => {
                let appointment = self.appointments.swap_remove(index);
                self.relocate(desk, appointment, stay).await;
            }
            _ => self.release(desk, stay).await,
        }
    }

    /// A hold that is used at the last moment, if there is one by now.
    pub(super) fn decided_late(&mut self, desk: &Desk) -> Option<Stay> {
        let now = desk.notebook.clock.now_us();
        let index = self.kept.iter().position(|(_, at)| *at <= now)?;
        Some(self.kept.swap_remove(index).0)
    }

    /// A booking that could move onto the seat.
    fn movable_onto(&self, hold: &Hold) -> Option<usize> {
        self.appointments.iter().position(|appointment| {
            let booking = &appointment.booking;
            booking.office == hold.office && booking.services == hold.services
        })
    }

    async fn hold(&mut self, desk: &Desk) {
        let town = self.town.clone();
        let mut place = &town.places[self.dice.below(town.places.len())];
        let mut services = place.needs[self.dice.below(place.needs.len())].clone();
        let index = self.dice.below(self.appointments.len());
        if let Some(appointment) = self.appointments.get(index)
            && self.dice.chance(HOLD_TO_MOVE_SHARE)
        {
            let same = |office: &str| office == appointment.booking.office;
            let there = town.places.iter().find(|place| same(&place.office.id));
            place = there.unwrap_or(place);
            services.clone_from(&appointment.booking.services);
        }
        let starts = &place.days[self.dice.below(place.days.len())];
        let early = self.dice.unit().powf(EARLY_BIAS);
        let start = starts[(early * starts.len() as f64) as usize].clone();
        let request = HoldRequest {
            office: Some(place.office.id.clone()),
            services,
            start: Some(start),
            ..HoldRequest::default()
        };
        let ask = post("/holds", &request);
        if let Told::Done(hold, span) = desk.ask(self.number, Wanted::Hold, &ask).await {
            self.held(desk, &request, hold, span);
        }
    }

    fn held(&mut self, desk: &Desk, request: &HoldRequest, hold: Hold, span: Span) {
        let as_asked = request.office.as_ref() == Some(&hold.office)
            && request.start.as_ref() == Some(&hold.start)
            && request.services == hold.services
            && hold.token.is_some();
        if !as_asked {
            self.violation(desk, &format!("{request:?} got {hold:?}"));
        }
        self.begun += 1;
        let who = u64::from(self.number) << 32 | u64::from(self.begun);
        let counter = self.town.only_counter(&hold.office);
        let mut stay = Stay::new(who, hold, span, desk.life, desk.notebook.clock);
        stay.counter = counter;
        self.held = Some(stay);
    }

    async fn extend(&mut self, desk: &Desk, mut stay: Stay) {
        let token = stay.token().to_owned();
        let ask = Ask {
            bearer: Some(&token),
            method: Method::POST,
            ..get(&format!("/holds/{}/extend", stay.hold.id))
        };
        match desk.ask(self.number, Wanted::Extend, &ask).await {
            Told::Done(hold, span) => {
                if stay.would_shrink(&hold, desk.notebook.clock) {
                    let before = &stay.hold;
                    self.violation(desk, &format!("{before:?} was extended to {hold:?}"));
                }
                stay.extended(&hold, span.returned, desk.life, desk.notebook.clock);
                self.held = Some(stay);
            }
            Told::Refused(slug, _) if slug == "already-extended" => {
                stay.hold.extendable = false;
                self.held = Some(stay);
            }
            Told::Refused(_, span) => self.expired(desk, stay, span),
            Told::Away { .. } | Told::Unclear { .. } => self.held = Some(stay),
            Told::Unforeseen => self.over.push(stay),
        }
    }

    async fn release(&mut self, desk: &Desk, mut stay: Stay) {
        let ask = Ask {
            bearer: Some(stay.token()),
            ..delete(&format!("/holds/{}", stay.hold.id))
        };
        match desk.ask::<()>(self.number, Wanted::Release, &ask).await {
            Told::Done((), span) => {
                stay.note(Act::Release, span.invoked, Some(span.returned));
                self.over.push(stay);
            }
            Told::Refused(_, span) => self.expired(desk, stay, span),
            Told::Away { invoked } | Told::Unclear { invoked } => {
                stay.note(Act::Release, invoked, None);
                self.over.push(stay);
            }
            Told::Unforeseen => self.over.push(stay),
        }
    }

    /// The service says that a hold is over; whether it may say so is another question.
    pub(super) fn expired(&mut self, desk: &Desk, stay: Stay, span: Span) {
        if !stay.may_be_over(span.returned) {
            self.violation(desk, &format!("{:?} ended too early", stay.hold));
        }
        if stay.may_be_lost() {
            desk.notebook.count(|tally| tally.holds_lost += 1);
        }
        self.over.push(stay);
    }
}
