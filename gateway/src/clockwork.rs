//! What happens by the clock: deadlines, waiting rooms, wishes, days that are over, keys that have
//! changed, limits that forget, and a word in the log when the ledger or the store goes away or
//! comes back.

use std::time::Duration;

use morgenruh_engine::rules::ids::Digest;
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::shell::ledger::Health;
use tokio::sync::watch;

use crate::app::App;
use crate::clock;

/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(200);
/// In a rehearsal, where the clock is faster, a tick is no longer than this on that clock...
const TICK_IN_A_REHEARSAL: Duration = Duration::from_secs(30);
/// ...unless it would be shorter than this.
const TICK_MIN: Duration = Duration::from_millis(5);
/// How often the file with the keys is looked at, in ticks of the usual length.
const KEYS_TICKS: u32 = 10;
/// How often the limits forget who no longer matters, in ticks of the usual length.
const KEEP_HOUSE_TICKS: u32 = 5;
/// How often days that are over are dropped, in milliseconds.
const RETIRE_MS: i64 = 3_600_000;

/// How often it is looked whether a waiting room or a drip is to be announced, in milliseconds.
const ANNOUNCE_MS: i64 = 60_000;

fn random() -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let filled = getrandom::fill(&mut bytes);
    filled
        .inspect_err(|error| tracing::error!(%error, "the system gives no random numbers"))
        .ok()?;
    Some(bytes)
}

/// As many random numbers as are needed of one seed.
fn numbers(seed: [u8; 32]) -> impl FnMut() -> u64 {
    let mut count = 0_u64;
    move || {
        count += 1;
        let Digest(number) = Digest::of(&[b"numbers", &seed, &count.to_be_bytes()]);
        u128::from_be_bytes(number) as u64
    }
}

/// The length of a tick where the clock is so many times as fast.
fn tick(speed: u32) -> Duration {
    let short = (TICK_IN_A_REHEARSAL / speed.max(1)).max(TICK_MIN);
    short.min(TICK)
}

/// Runs until `stopped` says so; takes this thread.
pub(crate) fn run(app: &App, stopped: &watch::Receiver<bool>) {
    let tick = tick(clock::speed());
    // Files and limits know nothing of a faster clock.
    let usual = u32::try_from(TICK.as_millis() / tick.as_millis()).unwrap_or(1);
    let mut watched = Watched::default();
    let mut retired_at = clock::now();
    let mut announced_at: Option<UnixMillis> = None;
    let mut ticks: u32 = 0;
    while !*stopped.borrow() {
        std::thread::sleep(tick);
        ticks = ticks.wrapping_add(1);
        let now = clock::now();
        app.engine.tick(now);
        app.engine.tick_rooms(now);
        if let Some(seed) = random() {
            app.engine.tick_wishes(now, numbers(seed));
        }
        app.rooms.refresh(&app.engine, now);
        if announced_at.is_none_or(|at| (now - at).0.abs() >= ANNOUNCE_MS) {
            app.engine.announce_rooms(now, random);
            app.engine.announce_releases(now, random);
            announced_at = Some(now);
        }
        if ticks.is_multiple_of(KEEP_HOUSE_TICKS * usual) {
            app.limits.keep_house();
        }
        let since_ms = (now - retired_at).0;
        if since_ms.abs() >= RETIRE_MS {
            // After a jump of the clock, what it says has to prove itself first.
            if (RETIRE_MS..2 * RETIRE_MS).contains(&since_ms) {
                app.engine.retire(now);
            }
            retired_at = now;
        }
        if ticks.is_multiple_of(KEYS_TICKS * usual) {
            app.keys.look();
        }
        watched.look(app);
    }
}

/// What the log was last told.
#[derive(Default)]
struct Watched {
    ledger_away: bool,
    store_away: bool,
    quarantined: u64,
}

impl Watched {
    fn look(&mut self, app: &App) {
        changed(&mut self.ledger_away, app.engine.ledger_health(), "ledger");
        let Some(production) = &app.production else {
            return;
        };
        let backlog = production.backlog();
        changed(&mut self.store_away, backlog.store_health(), "store");
        let quarantined = backlog.quarantined();
        if quarantined > self.quarantined {
            tracing::error!(quarantined, "the store has refused records: look at them");
        }
        self.quarantined = quarantined;
    }
}

fn changed(was_away: &mut bool, health: Health, what: &str) {
    match health {
        Health::Ready if *was_away => tracing::info!("the {what} is back"),
        Health::Away { reason, .. } if !*was_away => tracing::error!(%reason, "the {what} is away"),
        _ => return,
    }
    *was_away = !*was_away;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_of_a_rehearsal_is_short() {
        assert_eq!(tick(1), TICK);
        assert_eq!(tick(100), TICK);
        assert_eq!(tick(1_000), Duration::from_millis(30));
        assert_eq!(tick(clock::SPEED_MAX), TICK_MIN);
    }
}
