//! The calls of a waiting room.

use std::time::Instant;

use hyper::Method;
use morgenruh_wire::{Pass, Place, Room, Rooms, Ticket, TicketRequest};

use super::{Api, Reply, delete, get, post};
use crate::client::Ask;
use crate::measure::Call;
use crate::room::proof::Proof;

impl Api {
    pub async fn rooms(&self) -> Reply<Rooms> {
        self.typed(Call::Room, Instant::now(), get("/rooms")).await
    }

    pub async fn room(&self, room: &str) -> Reply<Room> {
        let path = format!("/rooms/{room}");
        self.typed(Call::Room, Instant::now(), get(&path)).await
    }

    pub async fn join(&self, intended: Instant, room: &str) -> Reply<Ticket> {
        let path = format!("/rooms/{room}/tickets");
        let ask = post(&path, &TicketRequest::default());
        self.typed(Call::Join, intended, ask).await
    }

    pub async fn place(&self, intended: Instant, room: &str, ticket: &str) -> Reply<Place> {
        let ask = Ask {
            bearer: Some(ticket),
            ..get(&format!("/rooms/{room}/place"))
        };
        self.typed(Call::Place, intended, ask).await
    }

    pub async fn exchange(&self, intended: Instant, room: &str, ticket: &str) -> Reply<Pass> {
        let ask = Ask {
            method: Method::POST,
            bearer: Some(ticket),
            ..get(&format!("/rooms/{room}/passes"))
        };
        self.typed(Call::Pass, intended, ask).await
    }

    /// Gives a place in line up.
    pub async fn give_up(&self, intended: Instant, room: &str, ticket: &str) -> Reply<()> {
        let ask = Ask {
            bearer: Some(ticket),
            ..delete(&format!("/rooms/{room}/place"))
        };
        self.empty(Call::GiveUp, intended, ask).await
    }

    pub async fn draw(&self, room: &str) -> Reply<Proof> {
        let path = format!("/rooms/{room}/draw");
        self.typed(Call::Proof, Instant::now(), get(&path)).await
    }

    /// The room's report for staff; only at the address that is for them.
    pub async fn own_report(&self, room: &str) -> Reply<serde_json::Value> {
        let ask = Ask {
            path: format!("/admin/rooms/{room}/report"),
            ..Ask::default()
        };
        self.typed(Call::Proof, Instant::now(), ask).await
    }
}
