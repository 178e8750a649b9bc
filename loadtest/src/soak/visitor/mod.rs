//! Somebody who holds, confirms, moves and cancels without a pause, and forgets nothing.
//!
//! A visitor does one thing at a time. What was not answered is settled before anything else is
//! done: by asking again, and after a crash sometimes by looking first.

mod acts;
mod changes;
mod settle;

use std::sync::Arc;

use morgenruh_wire::{Booking, BookingRequest};

use super::desk::{Desk, Told, Wanted};
use super::stay::Stay;
use super::town::Town;
use crate::api::get;
use crate::client::Ask;
use crate::dice::Dice;

/// Bookings that a visitor keeps at the same time.
const APPOINTMENTS_MAX: usize = 8;

/// How often an unanswered change is asked about again after a restart.
const SETTLE_TRIES_MAX: u32 = 400;

/// Cancelled bookings that have been read back before and are read back again.
const READ_AGAIN: usize = 4;

/// Of so many visitors one is patient.
const PATIENT_EVERY: u32 = 4;

/// Share of confirmations that are repeated after a restart.
const REPEATED_SHARE: f64 = 0.1;

/// A booking as it was last acknowledged.
#[derive(Debug)]
struct Appointment {
    /// How it must read back.
    booking: Booking,
    manage_token: String,
    /// What it was confirmed with, and what was answered then, to the letter.
    request: BookingRequest,
    key: String,
    first: Booking,
    /// Its present seat.
    stay: Stay,
}

impl Appointment {
    fn is_unchanged(&self) -> bool {
        self.booking.sequence == 0
    }
}

/// A change of which nobody knows whether it was done.
#[derive(Debug)]
struct Unclear {
    /// In which life of the process it was asked for.
    life: u32,
    /// When it was asked for the first time, in microseconds of the run.
    since: u64,
    change: Change,
}

#[derive(Debug)]
enum Change {
    Confirm {
        stay: Stay,
        request: BookingRequest,
        key: String,
    },
    Cancel(Box<Appointment>),
    /// Onto the seat of the stay.
    Move(Box<Appointment>, Stay),
}

#[derive(Debug)]
pub(super) struct Visitor {
    number: u32,
    /// Keeps the keys and addresses of runs apart.
    run: u64,
    dice: Dice,
    town: Arc<Town>,
    /// Stays that were begun.
    begun: u32,
    held: Option<Stay>,
    /// Held for someone who makes up their mind late: each with the instant at which they have.
    kept: Vec<(Stay, u64)>,
    appointments: Vec<Appointment>,
    /// Cancelled in this chapter; those before `looked_at` have been read back since.
    cancelled: Vec<Appointment>,
    looked_at: usize,
    unclear: Option<Unclear>,
    /// Stays of this chapter that are over, except the last ones of cancelled bookings.
    over: Vec<Stay>,
}

impl Visitor {
    pub(super) fn new(number: u32, run: u64, town: Arc<Town>) -> Self {
        Self {
            number,
            run,
            dice: Dice::of(run, u64::from(number)),
            town,
            begun: 0,
            held: None,
            kept: Vec::new(),
            appointments: Vec::new(),
            cancelled: Vec::new(),
            looked_at: 0,
            unclear: None,
            over: Vec::new(),
        }
    }

    /// Whether this one keeps some holds until their last moment, and has time for that because
    /// what an outage refuses is soon given up.
    fn is_patient(&self) -> bool {
        self.number.is_multiple_of(PATIENT_EVERY)
    }

    /// Goes on until the process is gone.
    pub(super) async fn live(mut self, desk: Arc<Desk>) -> Self {
        while !desk.is_over() {
            if let Some(unclear) = self.unclear.take() {
                self.settle(&desk, unclear).await;
                if self.unclear.is_some() {
                    desk.breathe().await;
                }
            } else if let Some(stay) = self.decided_late(&desk) {
                self.confirm(&desk, stay, false).await;
            } else if let Some(stay) = self.held.take() {
                self.use_hold(&desk, stay).await;
            } else {
                self.begin(&desk).await;
            }
        }
        self
    }

    /// Calls in every promise after a restart: settles what was not answered, reads back what must
    /// be there, and what must be cancelled. `everything`: also what was read back before.
    pub(super) async fn call_in(mut self, desk: Arc<Desk>, everything: bool) -> Self {
        let mut tries = 0;
        while let Some(unclear) = self.unclear.take() {
            self.settle(&desk, unclear).await;
            tries += 1;
            if tries > SETTLE_TRIES_MAX {
                self.violation(&desk, "a change is not answered after a restart");
                break;
            }
            if self.unclear.is_some() {
                desk.breathe().await;
            }
        }
        for index in 0..self.appointments.len() {
            self.look_at(&desk, &self.appointments[index]).await;
            if self.appointments[index].is_unchanged() && self.dice.chance(REPEATED_SHARE) {
                self.repeat(&desk, &self.appointments[index]).await;
            }
        }
        let again = if everything {
            self.looked_at
        } else {
            READ_AGAIN.min(self.looked_at)
        };
        for index in 0..again {
            let index = if everything {
                index
            } else {
                self.dice.below(self.looked_at)
            };
            self.look_at(&desk, &self.cancelled[index]).await;
        }
        for appointment in &self.cancelled[self.looked_at..] {
            self.look_at(&desk, appointment).await;
        }
        self.looked_at = self.cancelled.len();
        self
    }

    /// The process of this life was killed; see [`Stay::crashed`].
    pub(super) fn crashed(&mut self, life: u32, killed_at: u64, kept_until: u64) {
        let unclear = self.unclear.as_mut().map(|unclear| &mut unclear.change);
        let unclear = match unclear {
            Some(Change::Confirm { stay, .. } | Change::Move(_, stay)) => Some(stay),
            _ => None,
        };
        let kept = self.kept.iter_mut().map(|(stay, _)| stay);
        let held = self.held.iter_mut().chain(kept);
        for stay in held.chain(unclear).chain(&mut self.over) {
            stay.crashed(life, killed_at, kept_until);
        }
    }

    /// Bookings of this chapter that must be there as cancelled ones.
    pub(super) fn cancelled_bookings(&self) -> impl Iterator<Item = &Booking> {
        self.cancelled
            .iter()
            .map(|appointment| &appointment.booking)
    }

    /// Bookings that must be there.
    pub(super) fn live_bookings(&self) -> impl Iterator<Item = &Booking> {
        self.appointments
            .iter()
            .map(|appointment| &appointment.booking)
    }

    /// Whether the answer to a change is missing.
    pub(super) fn is_unclear(&self) -> bool {
        self.unclear.is_some()
    }

    /// Everything that the history of this chapter consists of.
    pub(super) fn stays(&self) -> impl Iterator<Item = &Stay> {
        let booked = self.appointments.iter().chain(&self.cancelled);
        let booked = booked.map(|appointment| &appointment.stay);
        let kept = self.kept.iter().map(|(stay, _)| stay);
        self.over.iter().chain(booked).chain(&self.held).chain(kept)
    }

    /// Forgets what is over: its history has been checked.
    pub(super) fn next_chapter(&mut self) {
        self.over.clear();
        self.cancelled.clear();
        self.looked_at = 0;
    }

    /// Forgets everything: so does the service.
    pub(super) fn begin_anew(&mut self) {
        self.next_chapter();
        self.appointments.clear();
        self.held = None;
        self.kept.clear();
        self.unclear = None;
    }

    /// Reads a booking back and compares it to the letter.
    async fn look_at(&self, desk: &Desk, appointment: &Appointment) {
        if let Told::Done(booking, _) = self.look(desk, appointment).await {
            desk.notebook.count(|tally| tally.read_back += 1);
            if booking != appointment.booking {
                let expected = &appointment.booking;
                self.violation(desk, &format!("{expected:?} reads back as {booking:?}"));
            }
        }
    }

    async fn look(&self, desk: &Desk, appointment: &Appointment) -> Told<Booking> {
        let ask = Ask {
            bearer: Some(&appointment.manage_token),
            ..get(&format!("/bookings/{}", appointment.booking.id))
        };
        desk.ask(self.number, Wanted::Look, &ask).await
    }

    fn violation(&self, desk: &Desk, what: &str) {
        desk.violation(self.number, what);
    }
}
