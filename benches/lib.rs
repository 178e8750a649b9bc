//! What is fast, beside what it is compared with.
//!
//! On a shared machine a figure means little and drifts within minutes; a ratio between two things
//! measured in turns, in one run, means something. So everything here is measured [side by
//! side](sides), the [machine] is named beside it, and aims are ratios.
//!
//! ```text
//! allocation.rs   bench: hold and release, confirm, what is free; in one process
//! draw.rs         bench: how long the draw of a waiting room takes, and what memory
//! durable.rs      bench: how fast confirmations become durable, beside other databases
//! lottery.rs      bench: fifty thousand wishes for two thousand seats
//! recovery.rs     bench: from a million bookings to an engine that serves
//! rooms.rs        bench: memory of a waiting room with a million tickets
//! streams.rs      bench: memory of a service that thousands follow over open connections
//! wishes.rs       bench: how a seat that becomes free finds its wish among a million
//! http.rs         bench: the service over loopback, and the tables of all
//! town.rs         the city in which all of it happens
//! waiting.rs      a waiting room in it, to which people come
//! visits.rs       the work: half-taken days, and who wants which seat
//! rules.rs        the work done by the engine's rules
//! whole.rs        the work done by the whole engine
//! baselines.rs    the work done otherwise
//! race.rs         who does it, and how long that takes
//! threads.rs      threads that begin together, each on its own core
//! sides.rs        measuring in turns
//! server.rs       program that the HTTP bench starts: the service, or a bare handler
//! servers.rs      starting it, and what it costs
//! client.rs       keep-alive HTTP/1.1 load
//! seats.rs        every seat of a town, held one after the other
//! clients.rs      clients that ask again as soon as they are answered
//! confirm/        who answers them: our engine with its ledgers, PostgreSQL, Redis
//! ```
//!
//! Without `--bench` each of them runs once with tiny input, as a test.

pub mod baselines;
pub mod client;
pub mod clients;
pub mod confirm;
pub mod machine;
pub mod race;
pub mod rules;
pub mod seats;
pub mod servers;
pub mod sides;
pub mod table;
pub mod threads;
pub mod town;
pub mod visits;
pub mod waiting;
pub mod whole;

/// How much is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Enough to see that it works.
    Test,
    Measure,
}

impl Effort {
    /// As the command line says: `cargo bench` passes `--bench`, `cargo test` does not.
    pub fn asked() -> Effort {
        let has = |flag: &str| std::env::args().any(|argument| argument == flag);
        if has("--bench") && !has("--test") {
            Effort::Measure
        } else {
            Effort::Test
        }
    }

    pub fn pick<T>(self, test: T, measure: T) -> T {
        match self {
            Effort::Test => test,
            Effort::Measure => measure,
        }
    }
}
