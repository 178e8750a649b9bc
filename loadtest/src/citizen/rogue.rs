//! Those who try to get more out of a ticket than one seat.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::{Ended, Ending, Morning, Session, Story};
use crate::plan::Citizen;

/// How long a seat is held that is given back, in milliseconds as they pass in the run: time for
/// those who share the ticket to try for another one.
const HELD_MS: u64 = 200;

impl Session<'_> {
    /// Takes seats and gives them back, leaves the last one to expire, and tries for one more.
    pub(super) async fn abandon(&mut self) -> Result<Ending, Ended> {
        let scenario = &self.morning.scenario;
        let rounds = scenario.abandoners.as_ref().map_or(0, |it| it.rounds.value);
        self.hold_and_return(rounds).await?;
        self.hold().await?;
        // The same pass again, and nothing more with it: what comes of it is counted.
        self.exchange().await?;
        drop(self.hold().await);
        Ok(Ending::LetExpire)
    }

    async fn hold_and_return(&mut self, rounds: u32) -> Result<(), Ended> {
        for _ in 0..rounds {
            let hold = self.hold().await?;
            self.pause(Duration::from_millis(HELD_MS)).await;
            self.give_back(&hold).await?;
        }
        Ok(())
    }

    async fn share_one(&mut self) -> Result<Ending, Ended> {
        self.queue().await?;
        self.hold_and_return(1).await?;
        self.book().await
    }
}

/// Lives the morning of several who share one ticket, which was to be taken at `arrives`. All of
/// them wait with it, let themselves in with it, hold with it and book with it, as if it were
/// theirs.
pub async fn share(morning: &Arc<Morning>, citizens: Vec<Citizen>, arrives: Instant) -> Vec<Story> {
    let mut citizens = citizens.into_iter();
    let Some(first) = citizens.next() else {
        return Vec::new();
    };
    let mut owner = Session::new(morning, first.clone(), arrives);
    if let Err(ended) = owner.take_ticket().await {
        return vec![owner.end(Err(ended))];
    }
    let mut clients = JoinSet::new();
    for citizen in std::iter::once(first).chain(citizens) {
        let (morning, line) = (Arc::clone(morning), owner.line.clone());
        clients.spawn(async move {
            let mut session = Session::new(&morning, citizen, Instant::now());
            session.line = line;
            let ended = session.share_one().await;
            session.end(ended)
        });
    }
    clients.join_all().await
}
