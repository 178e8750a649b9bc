//! The contract with whatever keeps the facts: an acknowledgement waits for its receipt.

use crate::rules::record::{Position, Record};
use crate::rules::time::UnixMillis;

/// The durable order of facts.
///
/// Records become durable in the order in which they were appended. Batches form by themselves:
/// whoever arrives while a batch is being written shares the next one.
pub trait Ledger: Send + Sync {
    /// Queues a record and returns at once; it is called under the lock of a day.
    ///
    /// # Errors
    /// Gives the entry back when the ledger cannot take it: its queue is full, or it is away and
    /// the record is strict. The entry's completion has not been called then.
    fn append(&self, entry: Entry) -> Result<(), Entry>;

    fn health(&self) -> Health;
}

/// A record on its way, and who waits for it.
pub struct Entry {
    pub record: Record,
    /// Called once, without any lock held, when the record is durable or certainly is not.
    pub done: Option<Completion>,
}

pub type Completion = Box<dyn FnOnce(Result<Position, NotKept>) + Send>;

/// The record is certainly not in the ledger and never will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotKept {
    pub at: UnixMillis,
}

/// Whether the ledger can make something durable now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    Ready,
    /// Strict records are refused until it is back.
    Away {
        since: UnixMillis,
        reason: String,
    },
}

impl Health {
    pub fn is_ready(&self) -> bool {
        *self == Health::Ready
    }

    /// Becomes what it is now. An outage keeps its beginning and tells its newest reason.
    pub(super) fn follow(&mut self, mut now: Health) {
        if let (Health::Away { since: begun, .. }, Health::Away { since, .. }) = (&*self, &mut now)
        {
            *since = *begun;
        }
        *self = now;
    }
}

/// Proof that something is durable. Only the ledger's word makes one, and no answer that
/// acknowledges a confirmation, a cancellation or a move can be written without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    position: Position,
}

impl Receipt {
    pub fn position(self) -> Position {
        self.position
    }
}

/// A value together with the proof that it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durable<T> {
    value: T,
    receipt: Receipt,
}

impl<T> Durable<T> {
    pub(super) fn new(value: T, position: Position) -> Durable<T> {
        Durable {
            value,
            receipt: Receipt { position },
        }
    }

    pub fn into_parts(self) -> (T, Receipt) {
        (self.value, self.receipt)
    }
}
