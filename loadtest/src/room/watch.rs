//! What one ticket was told, and what of it must not have been told.
//!
//! Several people can have the same ticket, and answers can overtake each other. So what was told
//! is only compared with what was known before it was asked.

use std::time::Instant;

use jiff::Timestamp;
use morgenruh_wire::{Pass, Place};
use serde::Serialize;

/// Who has a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    Human,
    /// Comes the moment it can, asks as fast as it may and tries everything too early.
    Bot,
    /// Shares one ticket with others, who all ask at the same time.
    Sharer,
    /// Takes seats and gives them back, again and again.
    Abandoner,
}

/// A pass that was given.
#[derive(Clone, Debug)]
pub struct Given {
    text: String,
    expires_at: Timestamp,
    /// When the answer had come.
    pub at: Instant,
}

/// A ticket.
#[derive(Clone, Debug)]
pub struct Watched {
    /// As the service counts, from 1.
    pub number: u32,
    pub who: Who,
    /// Whether its owner takes whatever suits, to the end: not those who planned to leave.
    pub seeks: bool,
    /// When it was asked for and when it had come, on the service's clock.
    pub asked_at: Timestamp,
    pub came_at: Timestamp,
    pub position: Option<u32>,
    pub passes: Vec<Given>,
    /// Exchanges that were tried while others stood before, and refused.
    pub early_refused: u64,
    /// Answers by which the place had got worse.
    pub worse: u64,
    /// Passes that were given although another one was live.
    pub second_passes: u64,
    /// Seats that were held without a pass while the room was on.
    pub without_pass: u64,
    pub bookings: u32,
    holds: u32,
    /// Holds at once, at most.
    pub holds_max: u32,
    /// How many stood before, and when that was known: from the most to the fewest.
    ahead: Vec<(Instant, u32)>,
}

impl Watched {
    pub fn new(
        number: u32,
        who: Who,
        seeks: bool,
        asked_at: Timestamp,
        came_at: Timestamp,
    ) -> Self {
        Self {
            number,
            who,
            seeks,
            asked_at,
            came_at,
            position: None,
            passes: Vec::new(),
            early_refused: 0,
            worse: 0,
            second_passes: 0,
            without_pass: 0,
            bookings: 0,
            holds: 0,
            holds_max: 0,
            ahead: Vec::new(),
        }
    }

    /// The place was asked for at one instant, and the answer had come at the other.
    pub fn told(&mut self, place: &Place, asked: Instant, came: Instant) {
        if let Some(position) = place.position {
            let first = *self.position.get_or_insert(position);
            self.worse += u64::from(first != position);
        }
        let Some(ahead) = place.ahead else {
            // Nobody is sent back to where there are no places yet.
            let drawn_before = self.ahead.iter().any(|(known, _)| *known <= asked);
            self.worse += u64::from(drawn_before && place.standing == "gathering");
            return;
        };
        let known_better = |&(known, fewer): &(Instant, u32)| known <= asked && fewer < ahead;
        self.worse += u64::from(self.ahead.iter().any(known_better));
        if self.ahead.last().is_none_or(|(_, least)| ahead < *least) {
            self.ahead.push((came, ahead));
        }
    }

    /// Whether others stand before, as far as is known.
    pub fn is_early(&self) -> bool {
        self.ahead.last().is_none_or(|(_, least)| *least > 0)
    }

    /// A pass came. `now` is on the service's clock.
    ///
    /// # Errors
    /// The time is none.
    pub fn passed(&mut self, pass: &Pass, at: Instant, now: Timestamp) -> Result<(), jiff::Error> {
        let expires_at = pass.expires_at.parse()?;
        if self.passes.iter().any(|known| known.text == pass.pass) {
            return Ok(());
        }
        let live = |known: &Given| now < known.expires_at;
        self.second_passes += u64::from(self.passes.iter().any(live));
        self.passes.push(Given {
            text: pass.pass.clone(),
            expires_at,
            at,
        });
        Ok(())
    }

    /// A hold came; how many there are now.
    pub fn held(&mut self) -> u32 {
        self.holds += 1;
        self.holds
    }

    /// A hold is about to be given back or to become a booking: from now on it may be over.
    pub fn lets_go(&mut self) {
        self.holds = self.holds.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn place(standing: &str, position: Option<u32>, ahead: Option<u32>) -> Place {
        Place {
            number: 1,
            phase: "serving".to_owned(),
            standing: standing.to_owned(),
            position,
            ahead,
            eta: None,
            until: None,
            chance: "likely".to_owned(),
            poll_after_ms: 2_000,
        }
    }

    fn watched() -> Watched {
        let now = Timestamp::UNIX_EPOCH;
        Watched::new(1, Who::Human, true, now, now)
    }

    fn after(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn a_place_that_gets_worse_is_found() {
        let start = Instant::now();
        let mut watched = watched();
        watched.told(&place("gathering", None, None), start, after(start, 1));
        for (ms, ahead) in [(10, 8), (20, 5), (30, 0)] {
            let place = place("in_line", Some(9), Some(ahead));
            watched.told(&place, after(start, ms), after(start, ms + 1));
        }
        assert_eq!((watched.worse, watched.is_early()), (0, false));
        watched.told(
            &place("in_line", Some(9), Some(3)),
            after(start, 40),
            after(start, 41),
        );
        assert_eq!(watched.worse, 1);
        watched.told(
            &place("called", Some(8), Some(0)),
            after(start, 50),
            after(start, 51),
        );
        assert_eq!(watched.worse, 2);
        watched.told(
            &place("gathering", None, None),
            after(start, 60),
            after(start, 61),
        );
        assert_eq!(watched.worse, 3);
    }

    /// The older answer comes later: nothing got worse.
    #[test]
    fn answers_may_overtake_each_other() {
        let start = Instant::now();
        let mut watched = watched();
        watched.told(
            &place("in_line", Some(9), Some(2)),
            after(start, 5),
            after(start, 6),
        );
        watched.told(&place("in_line", Some(9), Some(4)), start, after(start, 7));
        assert_eq!(watched.worse, 0);
    }

    #[test]
    fn two_live_passes_are_found() {
        let pass = |text: &str, expires_at: &str| Pass {
            pass: text.to_owned(),
            expires_at: expires_at.to_owned(),
            turn: 1,
        };
        let time = |text: &str| -> Timestamp { text.parse().unwrap() };
        let (start, mut watched) = (Instant::now(), watched());
        let noon = time("2026-12-24T12:00:00Z");
        let ten_past = "2026-12-24T12:10:00Z";
        for _ in 0..2 {
            watched.passed(&pass("a", ten_past), start, noon).unwrap();
        }
        assert_eq!((watched.passes.len(), watched.second_passes), (1, 0));
        let second = pass("b", "2026-12-24T12:21:00Z");
        let mut later = watched.clone();
        later
            .passed(&second, start, time("2026-12-24T12:11:00Z"))
            .unwrap();
        assert_eq!(later.second_passes, 0);
        watched.passed(&second, start, noon).unwrap();
        assert_eq!(watched.second_passes, 1);
        assert!(watched.passed(&pass("c", "soon"), start, noon).is_err());
    }

    #[test]
    fn holds_at_once_are_counted() {
        let mut watched = watched();
        for _ in 0..3 {
            assert_eq!(watched.held(), 1);
            watched.lets_go();
        }
        assert_eq!((watched.held(), watched.held()), (1, 2));
    }
}
