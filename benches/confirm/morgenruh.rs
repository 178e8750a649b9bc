//! Our engine, with whichever ledger.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use morgenruh_engine::rules::catalogue::Catalogue;
use morgenruh_engine::rules::need::Need;
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::shell::engine::{ConfirmAsk, Engine, HoldError, Limits};
use morgenruh_engine::shell::ledger::Ledger;
use morgenruh_engine::shell::scribe::Options;
use morgenruh_engine::shell::sqlite::SqliteLedger;
use tokio::sync::oneshot;

use crate::clients::Confirm;
use crate::rules::NOW;
use crate::seats::Town;
use crate::town;

/// As the service has them.
pub const OPTIONS: Options = Options {
    batch_max: 4_096,
    queue_max: 65_536,
    retry: Duration::from_millis(250),
    clock: || NOW,
};
/// Pause after the engine could take no further hold.
const OVERLOADED: Duration = Duration::from_millis(1);
/// Seats that are booked at once where it only matters that they are booked.
const AT_ONCE: u64 = 2_000;

/// A ledger, of which part may still be on its way.
pub trait Behind: Ledger + 'static {
    /// Records that are durable and not yet in the store.
    fn behind(&self) -> u64;
}

impl Behind for SqliteLedger {
    fn behind(&self) -> u64 {
        self.backlog().records()
    }
}

/// An engine in whose town one seat after the other is booked.
pub struct Whole<L> {
    pub engine: Engine,
    pub ledger: Arc<L>,
    town: Town,
    now: UnixMillis,
    need: Need,
    /// The first seat that was never held.
    next: AtomicU64,
}

impl<L: Behind> Whole<L> {
    /// An engine with nothing in it, in which it is always `now`. Its next seat is the one of the
    /// number `next`.
    pub fn new(
        town: Town,
        catalogue: Catalogue,
        ledger: L,
        now: UnixMillis,
        next: u64,
    ) -> Whole<L> {
        let need = town::passport(&catalogue);
        let ledger = Arc::new(ledger);
        let limits = Limits {
            // Nobody waits for a deadline here, and those of all holds of a run are kept.
            deadlines_max: usize::MAX,
            ..Limits::default()
        };
        let engine = Engine::new(Arc::new(catalogue), ledger.clone(), limits, None, now);
        Whole {
            engine,
            ledger,
            town,
            now,
            need,
            next: AtomicU64::new(next),
        }
    }

    /// Books so many seats as fast as it can.
    ///
    /// # Errors
    /// When the ledger does not take one.
    pub async fn book(&self, count: u64) -> io::Result<()> {
        for first in (0..count).step_by(AT_ONCE as usize) {
            let mut confirming = Vec::new();
            for _ in 0..AT_ONCE.min(count - first) {
                confirming.push(self.confirm(self.hold().await?));
            }
            for confirmed in confirming {
                confirmed.await?;
            }
            self.engine.tick(self.now);
        }
        Ok(())
    }

    async fn hold(&self) -> io::Result<ConfirmAsk> {
        let seat = self.next.fetch_add(1, Ordering::Relaxed);
        loop {
            match self.town.hold(&self.engine, self.now, self.need, seat) {
                Ok(ask) => return Ok(ask),
                Err(HoldError::Overloaded) => {
                    self.engine.tick(self.now);
                    tokio::time::sleep(OVERLOADED).await;
                }
                Err(other) => return Err(io::Error::other(format!("{other:?}"))),
            }
        }
    }
}

impl<L: Behind> Confirm for Whole<L> {
    type Claim = ConfirmAsk;

    async fn claims(&self, count: usize) -> io::Result<Vec<ConfirmAsk>> {
        let mut claims = Vec::with_capacity(count);
        for _ in 0..count {
            claims.push(self.hold().await?);
        }
        self.engine.tick(self.now);
        // Whoever confirms now does so behind all the holds.
        let last = self.hold().await?;
        self.confirm(last).await?;
        while self.ledger.behind() > 0 {
            tokio::time::sleep(OVERLOADED).await;
        }
        Ok(claims)
    }

    fn confirm(&self, claim: ConfirmAsk) -> impl Future<Output = io::Result<()>> + Send {
        let (sender, receiver) = oneshot::channel();
        self.engine.confirm(self.now, claim, move |outcome| {
            // Whoever asked waits for it.
            let _ = sender.send(outcome.map(drop));
        });
        async {
            let outcome = receiver.await.map_err(io::Error::other)?;
            outcome.map_err(|error| io::Error::other(format!("{error:?}")))
        }
    }

    fn behind(&self) -> u64 {
        self.ledger.behind()
    }
}
