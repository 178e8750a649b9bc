//! What is done to the process in a cycle, drawn beforehand.

use std::time::Duration;

use crate::dice::Dice;

/// How long people are served before something happens, in milliseconds.
const SERVED_MS: [f64; 2] = [60.0, 320.0];

/// Share of cycles in which the process is stopped before it is killed.
const STOP_SHARE: f64 = 0.2;

/// Bounds of a stop, in milliseconds. Short ones are more frequent.
const STOP_MS: [f64; 2] = [50.0, 2_000.0];

/// Share of stopped processes that are killed before they go on.
const KILL_STOPPED_SHARE: f64 = 0.35;

/// How long people are served after a stop, in milliseconds.
const AFTER_STOP_MS: [f64; 2] = [1.0, 120.0];

/// Share of starts that are cut short, and of those the ones that are cut short once more.
const KILL_STARTING_SHARE: f64 = 0.2;

/// Most starts in a row that are cut short.
const STARTS_CUT_MAX: usize = 3;

/// When a start is cut short, in milliseconds: around the time that a recovery takes.
const STARTING_MS: [f64; 2] = [0.0, 30.0];

/// Share of services that are killed as soon as they are ready.
const KILL_READY_SHARE: f64 = 0.1;

/// What happens in one cycle, from the start of the process to its end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Faults {
    /// Starts that are killed after so long, before the one that is left alone.
    pub(super) starts_cut: Vec<Duration>,
    /// Whether the service is killed when it is ready, and started again.
    pub(super) kill_ready: bool,
    /// How long people are served.
    pub(super) served: Duration,
    pub(super) stop: Option<Stop>,
}

/// The process does not run for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stop {
    pub(super) lasts: Duration,
    /// How long it goes on afterwards; `None`: it is killed while it stands.
    pub(super) then: Option<Duration>,
}

impl Faults {
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let mut starts_cut = Vec::new();
        while starts_cut.len() < STARTS_CUT_MAX && dice.chance(KILL_STARTING_SHARE) {
            starts_cut.push(between(dice, STARTING_MS));
        }
        Self {
            starts_cut,
            kill_ready: dice.chance(KILL_READY_SHARE),
            served: between(dice, SERVED_MS),
            stop: dice.chance(STOP_SHARE).then(|| Stop::draw(dice)),
        }
    }
}

impl Stop {
    fn draw(dice: &mut Dice) -> Self {
        let [least, most] = STOP_MS;
        let ms = least + (most - least) * dice.unit().powi(4);
        let goes_on = !dice.chance(KILL_STOPPED_SHARE);
        Self {
            lasts: Duration::from_secs_f64(ms / 1000.0),
            then: goes_on.then(|| between(dice, AFTER_STOP_MS)),
        }
    }
}

fn between(dice: &mut Dice, bounds_ms: [f64; 2]) -> Duration {
    Duration::from_secs_f64(dice.between(bounds_ms) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_happens_within_its_bounds() {
        let mut dice = Dice::new(1);
        let drawn: Vec<_> = (0..1000).map(|_| Faults::draw(&mut dice)).collect();
        let stops = || drawn.iter().filter_map(|faults| faults.stop);
        assert!(stops().all(|stop| (50..=2000).contains(&stop.lasts.as_millis())));
        assert!(stops().any(|stop| stop.then.is_none()));
        assert!(stops().any(|stop| stop.then.is_some()));
        assert!(drawn.iter().any(|faults| faults.starts_cut.len() == 2));
        assert!(drawn.iter().any(|faults| faults.kill_ready));
        let mean_ms = |time: fn(&Faults) -> Duration| {
            drawn.iter().map(time).sum::<Duration>().as_millis() / drawn.len() as u128
        };
        assert!(mean_ms(|faults| faults.served) < 250);
        assert!(mean_ms(|faults| faults.stop.map_or(Duration::ZERO, |stop| stop.lasts)) < 150);
    }
}
