//! Redis doing the whole job: a hash for each slot, an index of expiries, and a script.
//!
//! Redis answers whoever has asked since it last looked with one sync, so confirmations share
//! syncs by themselves, however many connections there are.

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use morgenruh_engine::rules::record::Person;
use morgenruh_servers::Redis;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Script};
use serde::Serialize;

use crate::clients::Confirm;
use crate::rules::NOW;
use crate::seats::person;

const EXPIRIES: &str = "expiries";
/// Deadlines of all holds, in ms.
const EXPIRES_AT: i64 = NOW.0 + 2 * 3_600_000;
/// Slots that are made with one request.
const FILL: usize = 1_000;
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A held slot, who wants it, and the secrets for holding and managing it.
pub struct Slot {
    id: u64,
    secret: [u8; 16],
    manage: [u8; 16],
    person: Person,
}

/// The server, and its connections, each of which serves many clients at once.
pub struct Slots {
    connections: Vec<MultiplexedConnection>,
    turn: AtomicUsize,
    script: Script,
    next: AtomicU64,
}

#[derive(Serialize)]
struct Json<'a> {
    name: &'a str,
    email: &'a str,
    phone: Option<&'a str>,
}

impl Slots {
    /// Slots from number `first` on.
    ///
    /// # Errors
    /// When the server does not let us in.
    pub async fn open(server: &Redis, connections: usize, first: u64) -> io::Result<Slots> {
        let client = Client::open(format!("redis://{}", server.address()));
        let client = client.map_err(io::Error::other)?;
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(ANSWER_WITHIN));
        let mut opened = Vec::with_capacity(connections);
        for _ in 0..connections {
            let connection = client.get_multiplexed_async_connection_with_config(&config);
            opened.push(connection.await.map_err(io::Error::other)?);
        }
        Ok(Slots {
            connections: opened,
            turn: AtomicUsize::new(0),
            script: Script::new(include_str!("confirm.lua")),
            next: AtomicU64::new(first),
        })
    }

    /// Connections take turns.
    fn connection(&self) -> MultiplexedConnection {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.connections[turn % self.connections.len()].clone()
    }
}

impl Confirm for Slots {
    type Claim = Slot;

    async fn claims(&self, count: usize) -> io::Result<Vec<Slot>> {
        let first = self.next.fetch_add(count as u64, Ordering::Relaxed);
        let slot = |id: u64| Slot {
            id,
            secret: u128::from(id).to_be_bytes(),
            manage: u128::from(!id).to_be_bytes(),
            person: person(id),
        };
        let slots: Vec<Slot> = (first..).take(count).map(slot).collect();
        for some in slots.chunks(FILL) {
            let mut fill = redis::pipe();
            for Slot { id, secret, .. } in some {
                fill.cmd("HSET").arg(key(*id)).arg("status").arg("held");
                fill.arg("secret").arg(secret);
                fill.arg("expires_at").arg(EXPIRES_AT).ignore();
                fill.cmd("ZADD").arg(EXPIRIES).arg(EXPIRES_AT).arg(id);
                fill.ignore();
            }
            let filled = fill.query_async::<()>(&mut self.connection()).await;
            filled.map_err(io::Error::other)?;
        }
        Ok(slots)
    }

    async fn confirm(&self, claim: Slot) -> io::Result<()> {
        let Person {
            name, email, phone, ..
        } = &claim.person;
        let person = Json {
            name,
            email,
            phone: phone.as_deref(),
        };
        let person = serde_json::to_vec(&person)?;
        let mut invocation = self.script.key(key(claim.id));
        invocation.key(EXPIRIES).arg(claim.id).arg(&claim.secret);
        invocation.arg(NOW.0).arg(person).arg(&claim.manage);
        let booked = invocation.invoke_async(&mut self.connection()).await;
        match booked.map_err(io::Error::other)? {
            1 => Ok(()),
            _ => Err(io::Error::other("the slot was not held")),
        }
    }
}

fn key(slot: u64) -> String {
    format!("slot:{slot}")
}
