//! The ledger in Redis: a stream of records and a hash that says whose it is.
//!
//! One script call appends a batch, all of it or nothing, and answers after Redis has synced its
//! append-only file. What the ledger relies on is asked of the server at each connection and once
//! a minute (`guarantees`); that it is still the server which knows what was acknowledged is looked
//! at too (`journal`).
//!
//! | key | holds |
//! |---|---|
//! | `morgenruh:{<city>}:ledger:0` | stream; entry `<position>-0`, field `r`: records as lines |
//! | `morgenruh:{<city>}:meta:0` | hash; `lineage`, `newest`, `at`, `owner`, `session`, `seen` |
//!
//! The position of an entry is that of its last record. `newest` is the position of the newest
//! record, `at` its time, and `seen` the time at which the owner last wrote, by the clock of Redis;
//! both in ms. The 0 in the keys is the partition, of which there is one. The braces keep both keys
//! in one hash slot.
//!
//! The user of the ledger needs these rights and no others; `+select` only where the database is
//! not 0:
//!
//! ```text
//! ~morgenruh:* +info +config|get +script|load +evalsha +time +select
//! +hmget +hset +hdel +exists +xadd +xtrim +xrange +xinfo|stream
//! ```

mod acknowledged;
mod guarantees;
mod journal;
mod link;
mod owner;
mod pause;
mod script;
mod settings;
mod state;
mod tail;
mod wire;

pub use guarantees::{Durability, Warnings};
pub use journal::{OpenError, RedisJournal};
pub use settings::Settings;
pub use state::StreamState;
pub use tail::RedisTail;
