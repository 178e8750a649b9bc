//! The public documents of the waiting rooms, rendered when something has changed.
//!
//! Asking for one costs a copy of bytes from memory, however many people wait: that is what makes
//! the minute before a release cheap, together with whatever cache stands in front.

use std::sync::Arc;

use axum::http::HeaderValue;
use bytes::Bytes;
use dashmap::DashMap;
use data_encoding::HEXLOWER;
use jiff::tz::TimeZone;
use morgenruh_engine::rules::catalogue::Catalogue;
use morgenruh_engine::rules::ids::Digest;
use morgenruh_engine::rules::room::state::{Phase, Room};
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::shell::engine::Engine;
use morgenruh_engine::shell::rooms::RoomShard;
use morgenruh_wire as wire;
use tokio::sync::{Semaphore, watch};

use crate::handlers::catalogue;
use crate::texts;

/// How often the document of a room in this phase is worth asking for, in milliseconds.
const POLL_MOVING_MS: u32 = 2_000;
const POLL_WAITING_MS: u32 = 10_000;
const POLL_OVER_MS: u32 = 60_000;

/// A rendered document.
#[derive(Debug)]
pub struct Rendered {
    pub(crate) body: Bytes,
    pub(crate) etag: HeaderValue,
    pub(crate) room: wire::Room,
    /// What it was rendered from.
    state: (u64, Phase),
}

/// The documents by the rooms' names, and who listens to them.
pub struct Documents {
    by_name: DashMap<String, watch::Sender<Arc<Rendered>>>,
    /// Room for those who stay and listen.
    pub(crate) listeners: Arc<Semaphore>,
}

impl Documents {
    pub fn new(listeners_max: usize) -> Documents {
        Documents {
            by_name: DashMap::new(),
            listeners: Arc::new(Semaphore::new(listeners_max)),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<Rendered>> {
        let sender = self.by_name.get(name)?;
        Some(Arc::clone(&sender.borrow()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Told of every new version.
    pub(crate) fn follow(&self, name: &str) -> Option<watch::Receiver<Arc<Rendered>>> {
        Some(self.by_name.get(name)?.subscribe())
    }

    /// Earliest release first.
    pub(crate) fn all(&self) -> Vec<Arc<Rendered>> {
        let documents = self.by_name.iter();
        let mut all: Vec<Arc<Rendered>> = documents.map(|it| Arc::clone(&it.borrow())).collect();
        all.sort_by(|one, other| {
            let key = |it: &Rendered| (it.room.release_at.clone(), it.room.id.clone());
            key(one).cmp(&key(other))
        });
        all
    }

    /// Renders what has changed; call it a few times a second.
    pub(crate) fn refresh(&self, engine: &Engine, now: UnixMillis) {
        let rooms = engine.rooms().all();
        for shard in &rooms {
            let state = shard.decide(|room| (room.changes(), room.phase(now)));
            let known = self.get(&shard.name);
            if known.is_some_and(|document| document.state == state) {
                continue;
            }
            let document = Arc::new(render(engine, shard, now));
            match self.by_name.get(&shard.name) {
                Some(sender) => {
                    sender.send_replace(document);
                }
                None => {
                    let (sender, _) = watch::channel(document);
                    self.by_name.insert(shard.name.clone(), sender);
                }
            }
        }
        if self.by_name.len() > rooms.len() {
            self.by_name
                .retain(|name, _| engine.rooms().named(name).is_some());
        }
    }
}

fn render(engine: &Engine, shard: &RoomShard, now: UnixMillis) -> Rendered {
    let city = engine.catalogue();
    let (room, state) = shard.decide(|room| {
        let state = (room.changes(), room.phase(now));
        (to_wire(city, room, state.1), state)
    });
    let body = Bytes::from(serde_json::to_vec(&room).expect("a room is always JSON"));
    let etag = format!("\"{}\"", hex(&Digest::of(&[&body]).0));
    Rendered {
        etag: HeaderValue::from_str(&etag).expect("hexadecimal digits are a header"),
        body,
        room,
        state,
    }
}

fn to_wire(city: &Catalogue, room: &Room, phase: Phase) -> wire::Room {
    let plan = room.plan();
    let zone: &TimeZone = &city.city.zone;
    let rule = city.room_by_number(plan.id.number);
    let mut offices: Vec<String> = Vec::new();
    let mut dates: Vec<String> = Vec::new();
    for (office, date) in &plan.days {
        let office = city.office(*office).id.clone();
        if !offices.contains(&office) {
            offices.push(office);
        }
        dates.push(date.to_string());
    }
    dates.sort_unstable();
    dates.dedup();
    let stock = room.stock();
    wire::Room {
        id: plan.name.clone(),
        name: rule.map_or_else(
            || wire::Text {
                de: plan.name.clone(),
                en: plan.name.clone(),
            },
            |rule| catalogue::text(&rule.name),
        ),
        phase: phase.name().to_owned(),
        opens_at: texts::time(zone, plan.opens_at),
        release_at: texts::time(zone, plan.release_at),
        closes_at: texts::time(zone, plan.closes_at),
        offices,
        dates,
        tickets: room.given(),
        serving: room.serving(),
        seats_free: stock.seats,
        seats_held: stock.held,
        commitment: hex(&room.commitment()),
        rules: room.rules().to_owned(),
        draw: room.drawing().map(|(tickets, root)| wire::RoomDraw {
            tickets,
            root: hex(&root),
            seed: room.drawn().map(|drawn| hex(&drawn.seed)),
        }),
        proof_of_work: rule.is_some_and(|rule| rule.proof_of_work > 0),
        poll_after_ms: match phase {
            Phase::Drawing | Phase::Serving | Phase::Paused => POLL_MOVING_MS,
            Phase::Scheduled | Phase::Gathering => POLL_WAITING_MS,
            Phase::SoldOut | Phase::Closed => POLL_OVER_MS,
        },
    }
}

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}
