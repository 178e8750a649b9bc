//! In a waiting room: a ticket, looks at the place, a pass when it is called.
//!
//! The room's times are the service's and pass as they are. Only the citizen's own are divided by
//! the run's speed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use morgenruh_wire::{HoldRequest, Place};

use super::{COME_BACK_MAX, Ended, Ending, Session};
use crate::api::{Refusal, Reply};
use crate::clock;
use crate::measure::Call;
use crate::plan::Intent;
use crate::room::watch::{Watched, Who};
use crate::room::{Hall, Ticket, lock};

/// Nobody loses patience sooner than this, in seconds as they pass in the run: places are called in
/// the service's own time.
const PATIENCE_S_MIN: f64 = 15.0;

/// A bot tries to hold without a pass at every so many looks.
const PROBE_LOOKS: u32 = 8;

/// What a session has in a waiting room.
#[derive(Clone)]
pub(super) struct InLine {
    hall: Arc<Hall>,
    ticket: String,
    watched: Ticket,
}

impl InLine {
    /// Writes down what happened with the ticket.
    pub(super) fn note<R>(&self, what: impl FnOnce(&mut Watched) -> R) -> R {
        what(&mut lock(&self.watched))
    }
}

impl Session<'_> {
    /// Goes through the waiting room, if there is one for this citizen's offices.
    pub(super) async fn queue(&mut self) -> Result<(), Ended> {
        if self.line.is_none() {
            self.take_ticket().await?;
        }
        match self.line {
            Some(_) => self.wait().await,
            None => Ok(()),
        }
    }

    /// A ticket, if there is a waiting room.
    pub(super) async fn take_ticket(&mut self) -> Result<(), Ended> {
        match self.choose_hall() {
            Some(hall) => self.join(hall).await,
            None => Ok(()),
        }
    }

    /// Where several rooms release at the same time, the larger ones more often.
    fn choose_hall(&mut self) -> Option<Arc<Hall>> {
        let office = self.citizen.offices.first()?;
        let halls = self.morning.halls.iter();
        let halls: Vec<_> = halls.filter(|it| it.offices.contains(office)).collect();
        let seats = halls
            .iter()
            .map(|it| f64::from(it.before.seats_free.max(1)));
        let seats: Vec<f64> = seats.collect();
        let chosen = if halls.len() > 1 {
            self.citizen.dice.weighted(&seats).unwrap_or(0)
        } else {
            0
        };
        halls.get(chosen).map(|hall| Arc::clone(hall))
    }

    async fn join(&mut self, hall: Arc<Hall>) -> Result<(), Ended> {
        // Whoever is there before the door opens waits for that.
        if self.next < hall.opens {
            self.next = clock::reach(hall.opens).await;
        }
        for _ in 0..COME_BACK_MAX {
            let asked_at = hall.now();
            match self.morning.api.join(self.next, &hall.id).await {
                Reply::Done(ticket) => {
                    let (who, seeks) = (self.citizen.who, self.citizen.seeks());
                    let watched = Watched::new(ticket.number, who, seeks, asked_at, hall.now());
                    self.line = Some(InLine {
                        watched: hall.watch(watched),
                        ticket: ticket.ticket,
                        hall,
                    });
                    return Ok(());
                }
                Reply::Refused(refusal) if is_over(&refusal) => return Err(Ending::SoldOut),
                Reply::Refused(refusal) => self.come_back(Some(&refusal)).await,
                Reply::Silent | Reply::Unforeseen => return Err(Ending::Failed),
            }
        }
        Err(Ending::TurnedAway)
    }

    /// Looks at the place when the service says so, until there is a pass.
    async fn wait(&mut self) -> Result<(), Ended> {
        let waiting = &self.morning.scenario.waiting;
        let looks_max = waiting.gives_up_after_looks_max.value as usize;
        let gives_up_after = (self.citizen.intent == Intent::Leave)
            .then(|| 1 + self.citizen.dice.below(looks_max) as u32);
        let patience = self.morning.scaled(waiting.patience_s.value);
        let patience = patience.max(Duration::from_secs_f64(PATIENCE_S_MIN));
        let (mut looks, mut fewest, mut moved) = (0, u32::MAX, Instant::now());
        loop {
            let place = self.place().await?;
            looks += 1;
            match place.standing.as_str() {
                "over" => return Err(Ending::SoldOut),
                "booked" | "left" | "used_up" => return Err(Ending::EmptyHanded),
                "gathering" if Instant::now() < self.morning.release => moved = Instant::now(),
                _ => {}
            }
            let called = matches!(place.standing.as_str(), "called" | "inside");
            if gives_up_after.is_some_and(|after| looks >= after || called) {
                return Err(self.give_up(Ending::Left).await);
            }
            if (called || self.citizen.who == Who::Bot) && self.exchange().await? {
                return Ok(());
            }
            if self.citizen.who == Who::Bot && looks % PROBE_LOOKS == 1 {
                self.hold_without_pass().await?;
            }
            let ahead = place.ahead.unwrap_or(u32::MAX);
            if ahead < fewest {
                (fewest, moved) = (ahead, Instant::now());
            } else if moved.elapsed() > patience {
                return Err(self.give_up(Ending::GaveUp).await);
            }
            self.pause(Duration::from_millis(place.poll_after_ms.into()))
                .await;
        }
    }

    async fn place(&mut self) -> Result<Place, Ended> {
        for _ in 0..COME_BACK_MAX {
            let line = self.line()?;
            let asked = Instant::now();
            let (api, room) = (&self.morning.api, &line.hall.id);
            match api.place(self.next, room, &line.ticket).await {
                Reply::Done(place) => {
                    line.note(|it| it.told(&place, asked, Instant::now()));
                    return Ok(place);
                }
                Reply::Refused(refusal) => self.come_back(Some(&refusal)).await,
                Reply::Silent | Reply::Unforeseen => return Err(Ending::Failed),
            }
        }
        Err(Ending::TurnedAway)
    }

    /// Exchanges the ticket; false if it is not its turn.
    pub(super) async fn exchange(&mut self) -> Result<bool, Ended> {
        let line = self.line()?;
        let early = line.note(|it| it.is_early());
        let asked = Instant::now();
        let (api, room) = (&self.morning.api, &line.hall.id);
        let refusal = match api.exchange(self.next, room, &line.ticket).await {
            Reply::Done(pass) => {
                let now = line.hall.now();
                if let Err(error) = line.note(|it| it.passed(&pass, Instant::now(), now)) {
                    api.measure().unexpected(Call::Pass, error.to_string());
                    return Err(Ending::Failed);
                }
                self.pass = Some(pass.pass);
                return Ok(true);
            }
            Reply::Refused(refusal) => refusal,
            Reply::Silent | Reply::Unforeseen => return Err(Ending::Failed),
        };
        if refusal.is("/problems/not-your-turn") {
            line.note(|it| {
                it.early_refused += u64::from(early);
                if let Some(place) = refusal.problem.and_then(|problem| problem.place) {
                    it.told(&place, asked, Instant::now());
                }
            });
            return Ok(false);
        }
        if is_over(&refusal) {
            return Err(Ending::SoldOut);
        }
        if refusal.is("/problems/ticket-used") {
            return Err(Ending::EmptyHanded);
        }
        self.come_back(Some(&refusal)).await;
        Ok(false)
    }

    /// Tries what must not be possible before the room is over.
    async fn hold_without_pass(&mut self) -> Result<(), Ended> {
        if Instant::now() < self.morning.release {
            return Ok(());
        }
        let Some(choice) = self.look().await?.and_then(|seen| self.choose(&seen)) else {
            return Ok(());
        };
        let request = HoldRequest {
            office: Some(choice.office),
            services: self.citizen.need.clone(),
            start: Some(choice.start),
            ..HoldRequest::default()
        };
        let Reply::Done(hold) = self.morning.api.hold(self.next, &request).await else {
            return Ok(());
        };
        let on = self.is_on().await?;
        self.line()?.note(|it| it.without_pass += u64::from(on));
        self.morning.api.release(Instant::now(), &hold).await;
        Ok(())
    }

    /// Whether the room is on. One that is over stays over: if it is on now, it was before.
    async fn is_on(&mut self) -> Result<bool, Ended> {
        let phase = self.place().await?.phase;
        Ok(!matches!(phase.as_str(), "sold_out" | "closed"))
    }

    /// A hold came. When the room is over, another one needs no pass.
    pub(super) async fn held(&mut self) -> Result<(), Ended> {
        let Some(line) = self.line.clone() else {
            return Ok(());
        };
        let holds = line.note(|it| it.held());
        if holds == 1 || self.is_on().await? {
            line.note(|it| it.holds_max = it.holds_max.max(holds));
        }
        Ok(())
    }

    /// A booking was made. When the room is over, another one needs no ticket.
    pub(super) async fn booked(&mut self) -> Result<(), Ended> {
        let Some(line) = self.line.clone() else {
            return Ok(());
        };
        let first = line.note(|it| it.bookings == 0);
        if first || self.is_on().await? {
            line.note(|it| it.bookings += 1);
        }
        Ok(())
    }

    /// Goes home; most say so.
    async fn give_up(&mut self, ending: Ending) -> Ending {
        let silent = &self.morning.scenario.waiting.silent_share;
        if !self.citizen.dice.chance(silent.value) {
            self.leave_room().await;
        }
        ending
    }

    /// Gives the place up, if there is one. Whoever shares it has no right to.
    pub(super) async fn leave_room(&mut self) {
        if let Some(line) = self
            .line
            .clone()
            .filter(|_| self.citizen.who != Who::Sharer)
        {
            let api = &self.morning.api;
            api.give_up(Instant::now(), &line.hall.id, &line.ticket)
                .await;
        }
    }

    fn line(&self) -> Result<InLine, Ended> {
        self.line.clone().ok_or(Ending::Failed)
    }
}

fn is_over(refusal: &Refusal) -> bool {
    refusal.is("/problems/sold-out") || refusal.is("/problems/room-closed")
}
