//! The calls of wishes and their offers.

use std::time::Instant;

use hyper::Method;
use morgenruh_wire::{Booking, Wish, WishRequest, WishReturn};

use super::{Api, Reply, delete, get, post};
use crate::client::Ask;
use crate::measure::Call;

impl Api {
    pub async fn wish(&self, intended: Instant, request: &WishRequest, key: &str) -> Reply<Wish> {
        let ask = Ask {
            idempotency_key: Some(key),
            ..post("/wishes", request)
        };
        self.typed(Call::Wish, intended, ask).await
    }

    pub async fn look_at_wish(&self, intended: Instant, id: &str, token: &str) -> Reply<Wish> {
        let ask = Ask {
            bearer: Some(token),
            ..get(&format!("/wishes/{id}"))
        };
        self.typed(Call::WishLook, intended, ask).await
    }

    pub async fn withdraw(&self, intended: Instant, id: &str, token: &str) -> Reply<()> {
        let ask = Ask {
            bearer: Some(token),
            ..delete(&format!("/wishes/{id}"))
        };
        self.empty(Call::Withdraw, intended, ask).await
    }

    /// Says that a wish still stands whose offer was not answered.
    pub async fn still_wish(&self, intended: Instant, id: &str, token: &str) -> Reply<Wish> {
        let ask = Ask {
            method: Method::POST,
            bearer: Some(token),
            ..get(&format!("/wishes/{id}/confirm"))
        };
        self.typed(Call::StillWish, intended, ask).await
    }

    /// Gives a booking back for another one; `id` and `token` are those of its wish.
    pub async fn give_back(
        &self,
        intended: Instant,
        (id, token): (&str, &str),
        booking: &str,
    ) -> Reply<Wish> {
        let request = WishReturn {
            booking: booking.to_owned(),
        };
        let ask = Ask {
            bearer: Some(token),
            ..post(&format!("/wishes/{id}/return"), &request)
        };
        self.typed(Call::Return, intended, ask).await
    }

    /// `offer` and `token` are those of the wish that it was made to.
    pub async fn accept(&self, intended: Instant, offer: &str, token: &str) -> Reply<Booking> {
        let ask = Ask {
            method: Method::POST,
            bearer: Some(token),
            ..get(&format!("/offers/{offer}/accept"))
        };
        self.typed(Call::Accept, intended, ask).await
    }

    pub async fn decline(&self, intended: Instant, offer: &str, token: &str) -> Reply<()> {
        let ask = Ask {
            method: Method::POST,
            bearer: Some(token),
            ..get(&format!("/offers/{offer}/decline"))
        };
        self.empty(Call::Decline, intended, ask).await
    }
}
