//! Clients in a closed loop: each asks for one thing, waits for its answer, and asks again.
//!
//! Whatever is measured, the clients are the same: tasks of one runtime, as the handlers of the
//! service are, and everybody waits for an answer of their own.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::task::JoinSet;

/// Somebody who turns claims into confirmed appointments that are not lost.
pub trait Confirm: Send + Sync + 'static {
    /// What one confirmation needs; it is good for one.
    type Claim: Send;

    /// So many new claims. When this returns, whoever keeps them is at rest.
    fn claims(&self, count: usize) -> impl Future<Output = io::Result<Vec<Self::Claim>>> + Send;

    /// Returns when the appointment is confirmed and durable.
    fn confirm(&self, claim: Self::Claim) -> impl Future<Output = io::Result<()>> + Send;

    /// Records that are confirmed and not yet where they are to be in the end.
    fn behind(&self) -> u64 {
        0
    }
}

/// What happened while everybody asked.
#[derive(Debug)]
pub struct Round {
    /// By client and in its order: how long it waited.
    pub waits: Vec<Duration>,
    /// From the first question to the last answer.
    pub elapsed: Duration,
    /// [`Confirm::behind`] at the last answer, and the time until it was 0.
    pub behind: u64,
    pub caught_up: Duration,
}

impl Round {
    pub fn per_s(&self) -> f64 {
        self.waits.len() as f64 / self.elapsed.as_secs_f64()
    }
}

/// How often somebody looks whether what is behind has caught up.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Lets so many clients ask for this long, or until no claim is left.
///
/// # Errors
/// The first that anybody is told.
pub async fn round<C: Confirm>(
    who: &Arc<C>,
    claims: &Arc<Mutex<Vec<C::Claim>>>,
    clients: usize,
    time: Duration,
) -> io::Result<Round> {
    let mut asking = JoinSet::new();
    let begin = Instant::now();
    for _ in 0..clients {
        asking.spawn(ask(Arc::clone(who), Arc::clone(claims), begin + time));
    }
    let mut waits = Vec::new();
    while let Some(client) = asking.join_next().await {
        waits.append(&mut client.map_err(io::Error::other)??);
    }
    let (elapsed, behind) = (begin.elapsed(), who.behind());
    while who.behind() > 0 {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(Round {
        waits,
        elapsed,
        behind,
        caught_up: begin.elapsed() - elapsed,
    })
}

async fn ask<C: Confirm>(
    who: Arc<C>,
    claims: Arc<Mutex<Vec<C::Claim>>>,
    until: Instant,
) -> io::Result<Vec<Duration>> {
    let mut waits = Vec::new();
    loop {
        let asked = Instant::now();
        if asked >= until {
            return Ok(waits);
        }
        let Some(claim) = claims.lock().pop() else {
            return Ok(waits);
        };
        who.confirm(claim).await?;
        waits.push(asked.elapsed());
    }
}
