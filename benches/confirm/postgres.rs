//! PostgreSQL doing the whole job, as well as it can.
//!
//! Each confirmation is one prepared statement that takes the slot and writes the booking: its own
//! transaction, one way to the server and back, nothing held in between. That is faster than the
//! same in several statements, pipelined or not. Commits share a sync by themselves, as far as
//! there are connections.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use morgenruh_engine::rules::record::Person;
use morgenruh_servers::{Postgres, PostgresOptions};
use tokio_postgres::{Client, Config, NoTls, Statement};

use super::pool::Pool;
use crate::clients::Confirm;
use crate::seats::person;

/// Slots that start at the same time at the same office: as many as it has counters.
const SLOTS_PER_START: u64 = 8;
const OFFICES: u64 = 20;
const VISIT_S: u64 = 15 * 60;

/// What an administrator sets for this machine, beside what makes it durable. Checkpoints are kept
/// out of the measured time.
const SETTINGS: [(&str, &str); 10] = [
    ("shared_buffers", "1GB"),
    ("wal_buffers", "64MB"),
    ("max_wal_size", "16GB"),
    ("min_wal_size", "2GB"),
    ("checkpoint_timeout", "1h"),
    ("checkpoint_completion_target", "0.9"),
    ("random_page_cost", "1.1"),
    ("effective_cache_size", "4GB"),
    ("max_connections", "200"),
    ("jit", "off"),
];

/// A server that is set up like this.
pub fn options() -> PostgresOptions {
    SETTINGS
        .iter()
        .fold(PostgresOptions::default(), |options, (key, value)| {
            options.set(key, value)
        })
}

/// How a slot is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Some free slot at a time is looked for, `FOR UPDATE SKIP LOCKED`.
    Open,
    /// The slot was held before: `UPDATE … WHERE status = 'held'`.
    Held,
}

impl Way {
    fn statement(self) -> &'static str {
        match self {
            Way::Open => include_str!("take_open.sql"),
            Way::Held => include_str!("take_held.sql"),
        }
    }

    /// Makes the slots from $1 to $2.
    fn fill(self) -> &'static str {
        match self {
            Way::Open => {
                "INSERT INTO open_slots
                 SELECT id, (id / $3::bigint % $4::bigint)::smallint,
                        to_timestamp((id / $3 / $4 * $5::bigint)::double precision), 'free'
                   FROM generate_series($1::bigint, $2::bigint) AS id"
            }
            Way::Held => {
                "INSERT INTO held_slots
                 SELECT id, (id / $3::bigint % $4::bigint)::smallint,
                        to_timestamp((id / $3 / $4 * $5::bigint)::double precision), 'held',
                        decode(lpad(to_hex(id), 32, '0'), 'hex'), now() + interval '2 hours'
                   FROM generate_series($1::bigint, $2::bigint) AS id"
            }
        }
    }

    fn tidy(self) -> &'static str {
        match self {
            Way::Open => "VACUUM (ANALYZE) open_slots",
            Way::Held => "VACUUM (ANALYZE) held_slots",
        }
    }
}

/// A slot, who wants it, and the secrets for holding and managing it.
pub struct Slot {
    id: u64,
    secret: [u8; 16],
    manage: [u8; 16],
    person: Person,
}

/// The database, and its connections.
pub struct Slots {
    way: Way,
    connections: Pool<(Client, Statement)>,
    /// For what is not measured.
    aside: Client,
    next: AtomicU64,
}

/// Makes the tables.
///
/// # Panics
/// When the server does not take them.
pub fn prepare(server: &Postgres) {
    server.sql(include_str!("slots.sql"));
}

impl Slots {
    /// Slots from number `first` on, in a database that [`prepare`] has made.
    ///
    /// # Errors
    /// When the server does not let us in.
    pub async fn open(
        server: &Postgres,
        way: Way,
        connections: usize,
        first: u64,
    ) -> io::Result<Slots> {
        let mut pool = Vec::with_capacity(connections);
        for _ in 0..connections {
            let client = connect(server).await?;
            let statement = client.prepare(way.statement()).await;
            pool.push((client, statement.map_err(io::Error::other)?));
        }
        Ok(Slots {
            way,
            connections: Pool::new(pool),
            aside: connect(server).await?,
            next: AtomicU64::new(first),
        })
    }

    async fn fill(&self, first: u64, last: u64) -> Result<(), tokio_postgres::Error> {
        let numbers = [first, last, SLOTS_PER_START, OFFICES, VISIT_S].map(u64::cast_signed);
        let [first, last, slots, offices, visit] = &numbers;
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [first, last, slots, offices, visit];
        self.aside.execute(self.way.fill(), &parameters).await?;
        self.aside.batch_execute(self.way.tidy()).await
    }
}

impl Confirm for Slots {
    type Claim = Slot;

    async fn claims(&self, count: usize) -> io::Result<Vec<Slot>> {
        let count = (count as u64).next_multiple_of(SLOTS_PER_START * OFFICES);
        let first = self.next.fetch_add(count, Ordering::Relaxed);
        let slots = first..first + count;
        self.fill(first, slots.end - 1)
            .await
            .map_err(io::Error::other)?;
        let slot = |id: u64| Slot {
            id,
            secret: u128::from(id).to_be_bytes(),
            manage: u128::from(!id).to_be_bytes(),
            person: person(id),
        };
        Ok(slots.map(slot).collect())
    }

    async fn confirm(&self, claim: Slot) -> io::Result<()> {
        let Person {
            name, email, phone, ..
        } = &claim.person;
        let (id, secret) = (claim.id.cast_signed(), &claim.secret[..]);
        let office = (claim.id / SLOTS_PER_START % OFFICES) as i16;
        let starts_at = (claim.id / SLOTS_PER_START / OFFICES * VISIT_S) as f64;
        let manage = &claim.manage[..];
        let connection = self.connections.borrow().await;
        let (client, statement) = &*connection;
        let booked = match self.way {
            Way::Open => {
                client
                    .execute(
                        statement,
                        &[&office, &starts_at, &manage, name, email, phone],
                    )
                    .await
            }
            Way::Held => {
                client
                    .execute(statement, &[&id, &secret, &manage, name, email, phone])
                    .await
            }
        };
        match booked.map_err(io::Error::other)? {
            1 => Ok(()),
            _ => Err(io::Error::other("the slot was not there")),
        }
    }
}

async fn connect(server: &Postgres) -> io::Result<Client> {
    let mut config = Config::new();
    config
        .host(server.address().ip().to_string())
        .port(server.port())
        .user(server.user())
        .password(server.password())
        .dbname(server.database());
    let (client, connection) = config.connect(NoTls).await.map_err(io::Error::other)?;
    // It ends when the client is dropped; what goes wrong before, the client is told.
    tokio::spawn(connection);
    Ok(client)
}
