//! What a citizen does with a hold: give it back, or confirm it and perhaps cancel afterwards.

use std::collections::BTreeMap;
use std::time::Instant;

use morgenruh_wire::{Booking, BookingRequest, Hold, Office, ServiceQuantity};

use super::{COME_BACK_MAX, Ended, Ending, Session};
use crate::api::Reply;
use crate::measure::Call;
use crate::record::{Acknowledged, Standing};

impl Session<'_> {
    pub(super) async fn give_back(&mut self, hold: &Hold) -> Result<Ending, Ended> {
        let seconds = self
            .citizen
            .dice
            .between(self.morning.scenario.think.choose_s.value);
        self.think(seconds).await;
        if let Some(line) = &self.line {
            line.note(|it| it.lets_go());
        }
        match self.morning.api.release(self.next, hold).await {
            Reply::Silent | Reply::Unforeseen => Err(Ending::Failed),
            _ => Ok(Ending::GaveBack),
        }
    }

    pub(super) async fn confirm(&mut self, hold: &Hold) -> Result<(), Ended> {
        let seconds = self
            .citizen
            .dice
            .between(self.morning.scenario.think.form_s.value);
        self.think(seconds).await;
        let request = self.booking_request(hold);
        let key = format!("{}-{}", self.morning.run, self.citizen.index);
        if let Some(line) = &self.line {
            line.note(|it| it.lets_go());
        }
        let booking = self.confirm_until_known(&request, &key).await?;
        self.story.not_as_held = !is_as_held(&booking, hold);
        if self.citizen.confirms_twice {
            self.confirm_again(&request, &key, &booking).await;
        }
        let minutes = self
            .morning
            .city
            .minutes(&booking.office, &self.citizen.need);
        match Acknowledged::new(booking, minutes) {
            Ok(acknowledged) => self.story.acknowledged = Some(acknowledged),
            Err(error) => {
                self.morning
                    .api
                    .measure()
                    .unexpected(Call::Confirm, error.to_string());
                return Err(Ending::Failed);
            }
        }
        self.booked().await
    }

    /// Asks with one and the same key until the answer is known. Only silence to the very end
    /// leaves a confirmation unresolved.
    async fn confirm_until_known(
        &mut self,
        request: &BookingRequest,
        key: &str,
    ) -> Result<Booking, Ended> {
        for _ in 0..COME_BACK_MAX {
            match self
                .morning
                .api
                .confirm(Call::Confirm, self.next, request, key)
                .await
            {
                Reply::Done(booking) => {
                    self.story.unresolved = false;
                    return Ok(booking);
                }
                Reply::Refused(refusal) if refusal.retry_after.is_none() => {
                    self.story.unresolved = false;
                    let before = refusal.is("/problems/booked-before");
                    return Err(if before {
                        Ending::BookedBefore
                    } else {
                        Ending::HoldExpired
                    });
                }
                // A confirmation that timed out inside the service may still have taken place.
                Reply::Refused(refusal) => {
                    self.story.unresolved |= refusal.status == 503;
                    self.come_back(Some(&refusal)).await;
                }
                Reply::Silent | Reply::Unforeseen => {
                    self.story.unresolved = true;
                    self.come_back(None).await;
                }
            }
        }
        Err(Ending::TurnedAway)
    }

    /// The same key must give the same answer, to the letter.
    async fn confirm_again(&mut self, request: &BookingRequest, key: &str, first: &Booking) {
        for _ in 0..COME_BACK_MAX {
            let now = Instant::now();
            match self
                .morning
                .api
                .confirm(Call::Repeat, now, request, key)
                .await
            {
                Reply::Done(again) => {
                    self.story.repeat_unequal = again != *first;
                    return;
                }
                Reply::Refused(refusal) => self.come_back(Some(&refusal)).await,
                Reply::Silent | Reply::Unforeseen => return,
            }
        }
    }

    pub(super) async fn cancel(&mut self) -> Result<Ending, Ended> {
        let seconds = self
            .citizen
            .dice
            .between(self.morning.scenario.think.cancel_after_s.value);
        self.think(seconds).await;
        for _ in 0..COME_BACK_MAX {
            let Some(booking) = &mut self.story.acknowledged else {
                break;
            };
            let api = &self.morning.api;
            match api
                .cancel(self.next, &booking.id, &booking.manage_token)
                .await
            {
                Reply::Done(()) => {
                    booking.standing = Standing::Cancelled;
                    return Ok(Ending::Cancelled);
                }
                // An earlier attempt that was answered with 503 did take place.
                Reply::Refused(refusal) if refusal.is("/problems/booking-cancelled") => {
                    booking.standing = Standing::Cancelled;
                    return Ok(Ending::Cancelled);
                }
                Reply::Refused(refusal) => {
                    booking.standing = Standing::Open;
                    self.come_back(Some(&refusal)).await;
                }
                Reply::Silent | Reply::Unforeseen => {
                    booking.standing = Standing::Open;
                    break;
                }
            }
        }
        Ok(Ending::Booked)
    }

    fn booking_request(&self, hold: &Hold) -> BookingRequest {
        let office = self.morning.city.offices.get(&hold.office);
        BookingRequest {
            hold: hold.token.clone().unwrap_or_default(),
            person: self.citizen.person(&self.morning.run),
            answers: office
                .map(|office| answers(office, &self.citizen.need))
                .unwrap_or_default(),
        }
    }
}

/// Something for every question that the office insists on.
pub(crate) fn answers(office: &Office, need: &[ServiceQuantity]) -> BTreeMap<String, String> {
    let wanted = |services: &[String]| {
        services.is_empty() || need.iter().any(|part| services.contains(&part.id))
    };
    office
        .questions
        .iter()
        .filter(|question| question.required && wanted(&question.services))
        .map(|question| {
            let answer = "Lasttest"
                .chars()
                .take(usize::from(question.chars_max))
                .collect();
            (question.id.clone(), answer)
        })
        .collect()
}

fn is_as_held(booking: &Booking, hold: &Hold) -> bool {
    booking.status == "booked"
        && booking.office == hold.office
        && booking.start == hold.start
        && booking.end == hold.end
        && booking.services == hold.services
}
