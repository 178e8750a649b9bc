//! Waves of the day that are sealed, and what opens them: their time, or somebody's decision.

use super::{Day, END_OF_TIME};
use crate::canary::{Canary, sings};
use crate::rules::calendar::{Cells, PlannedWave};
use crate::rules::catalogue::Channel;
use crate::rules::cells::CounterSet;
use crate::rules::ids::ReservationId;
use crate::rules::release::drip::Moment;
use crate::rules::release::{ReleaseId, Steering};
use crate::rules::room::RoomId;
use crate::rules::time::UnixMillis;

/// Somebody holds or has booked a seat of the release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleaseTaken;

/// How far a wave has come.
#[derive(Debug, Default)]
pub(super) struct Progress {
    steering: Steering,
    /// When each piece of a drip opens, soonest first. Empty while they are not known and where
    /// nothing drips: then all of it opens together.
    moments: Vec<Moment>,
    /// How many of its moments have come.
    opened: usize,
}

impl Progress {
    fn steps(&self) -> usize {
        self.moments.len().max(1)
    }

    pub(super) fn is_begun(&self) -> bool {
        self.opened > 0
    }

    fn is_open(&self) -> bool {
        self.opened >= self.steps()
    }

    /// When more of the wave opens, as things stand.
    fn next(&self, wave: &PlannedWave) -> Option<UnixMillis> {
        if self.is_open() {
            return None;
        }
        let due = match self.moments.get(self.opened) {
            Some(moment) if !sings(Canary::DripEarly) => moment.at,
            Some(_) => wave.at,
            None => wave.at + wave.drip,
        };
        match self.steering {
            Steering::Due => Some(due),
            Steering::Paused { since } => (due <= since).then_some(due),
            Steering::Sealed => None,
            Steering::Open => Some(UnixMillis(i64::MIN)),
        }
    }

    /// When people are told that more of it opens. The moments of a drip are nobody's to know: of
    /// its window only the beginning and then the end are told.
    fn told(&self, wave: &PlannedWave, now: UnixMillis) -> Option<UnixMillis> {
        if self.is_open() || self.steering != Steering::Due {
            return None;
        }
        Some(if now < wave.at {
            wave.at
        } else {
            wave.at + wave.drip
        })
    }
}

impl Day {
    /// The time at which the next release of this day is told to come, after `now`.
    pub fn next_release(&self, now: UnixMillis) -> Option<UnixMillis> {
        let waves = self.waves();
        let told = waves.filter_map(|(wave, progress)| progress.told(wave, now));
        told.filter(|at| *at > now).min()
    }

    /// Whether a release that this waiting room is before has begun.
    pub fn has_released(&mut self, now: UnixMillis, room: RoomId) -> bool {
        self.catch_up(now);
        self.waves_of(room).any(|progress| progress.is_begun())
    }

    /// Whether one is still to begin, and nobody has withdrawn it.
    pub fn is_to_release(&mut self, now: UnixMillis, room: RoomId) -> bool {
        self.catch_up(now);
        self.waves_of(room)
            .any(|progress| !progress.is_begun() && progress.steering != Steering::Sealed)
    }

    fn waves_of(&self, room: RoomId) -> impl Iterator<Item = &Progress> {
        let is_of = move |wave: &PlannedWave| wave.guard.is_some_and(|guard| guard.room == room);
        let waves = self.waves().filter(move |(wave, _)| is_of(wave));
        waves.map(|(_, progress)| progress)
    }

    /// Fixes when the pieces of a drip open, soonest first. One that has begun goes on as it was.
    pub fn drip(&mut self, release: ReleaseId, moments: &[Moment]) {
        for (wave, progress) in self.plan.waves.iter().zip(&mut self.releases) {
            let is_open = progress.is_open();
            if wave.release != release || (progress.is_begun() && !is_open) {
                continue;
            }
            let is_own = |moment: &&Moment| {
                let cells = wave.cells.get(usize::from(moment.piece.start));
                cells.is_some_and(|cells| cells.contains(moment.piece.counter))
            };
            progress.moments = moments.iter().filter(is_own).copied().collect();
            if is_open {
                progress.opened = progress.steps();
            }
        }
        self.look_ahead();
    }

    /// Puts a release under a decision. What it seals stays with whoever has it.
    pub fn steer(&mut self, release: ReleaseId, steering: Steering) {
        for place in 0..self.plan.waves.len() {
            let wave = &self.plan.waves[place];
            let progress = &mut self.releases[place];
            if wave.release != release || progress.steering == steering {
                continue;
            }
            // Sealed first, whatever it was: what is to be open then opens with the next look.
            // What of it rests is sealed with it.
            for channel in [Channel::Public, Channel::Agent] {
                let bookable = &mut self.bookable[channel as usize];
                for (cell, sealed) in bookable.iter_mut().zip(&wave.cells) {
                    *cell = cell.without(*sealed);
                }
            }
            progress.steering = steering;
            progress.opened = 0;
            self.changes += 1;
        }
        self.look_ahead();
    }

    /// Seals a release again, unless somebody has one of its seats.
    ///
    /// # Errors
    /// [`ReleaseTaken`]; the day is unchanged.
    pub fn withdraw(&mut self, release: ReleaseId) -> Result<(), ReleaseTaken> {
        let waves = || self.plan.waves.iter().filter(|it| it.release == release);
        let live = self.slab.iter().filter(|it| it.state.occupies());
        let is_of_it = |id: ReservationId| {
            let seat = id.seat();
            waves().any(|wave| {
                let cells = wave.cells.get(seat.span()).unwrap_or_default();
                cells.iter().any(|set| set.contains(seat.counter))
            })
        };
        if live.map(|it| it.id).any(is_of_it) && !sings(Canary::WithdrawnUnderneath) {
            return Err(ReleaseTaken);
        }
        self.steer(release, Steering::Sealed);
        Ok(())
    }

    /// Whether all of a release is open, and how many of its cells nobody has taken.
    pub fn release_standing(&mut self, now: UnixMillis, release: ReleaseId) -> (bool, Cells) {
        self.catch_up(now);
        let mut cells: Cells = vec![CounterSet::EMPTY; usize::from(self.plan.units)].into();
        let mut is_open = true;
        for (wave, progress) in self.waves().filter(|(wave, _)| wave.release == release) {
            is_open &= progress.is_open();
            for ((cell, planned), vacant) in cells.iter_mut().zip(&wave.cells).zip(&self.vacant) {
                *cell = cell.or(planned.and(*vacant));
            }
        }
        (is_open, cells)
    }

    fn waves(&self) -> impl Iterator<Item = (&PlannedWave, &Progress)> {
        self.plan.waves.iter().zip(&self.releases)
    }

    /// Waves of which not everything is open, with the time that people are told; those of which
    /// nobody knows it come last.
    pub(super) fn sealed_waves(&self, now: UnixMillis) -> Vec<(Option<UnixMillis>, &PlannedWave)> {
        let sealed = self.waves().filter(|(_, progress)| !progress.is_open());
        let mut sealed: Vec<_> = sealed
            .map(|(wave, progress)| (progress.told(wave, now), wave))
            .collect();
        sealed.sort_by_key(|(told, _)| told.unwrap_or(END_OF_TIME));
        sealed
    }

    /// Forgets what has opened and all decisions: the plan is another one.
    pub(super) fn seal_waves(&mut self) {
        self.releases = self
            .plan
            .waves
            .iter()
            .map(|_| Progress::default())
            .collect();
        self.look_ahead();
    }

    /// Finds when more opens, and puts what rests back to rest.
    fn look_ahead(&mut self) {
        let next = self.waves().filter_map(|(wave, it)| it.next(wave)).min();
        self.next_release = next.unwrap_or(END_OF_TIME);
        self.rest_again();
    }

    /// Waves of which something has opened.
    pub(super) fn begun_waves(&self) -> impl Iterator<Item = &PlannedWave> {
        let begun = self.waves().filter(|(_, progress)| progress.is_begun());
        begun.map(|(wave, _)| wave)
    }

    /// Makes bookable what is due.
    #[cold]
    pub(super) fn open_due_waves(&mut self, now: UnixMillis) {
        let public = &mut self.bookable[Channel::Public as usize];
        for (wave, progress) in self.plan.waves.iter().zip(&mut self.releases) {
            while progress.next(wave).is_some_and(|at| at <= now) {
                match progress.moments.get(progress.opened) {
                    Some(Moment { piece, .. }) if progress.steering != Steering::Open => {
                        let counter = CounterSet::only(piece.counter);
                        let span = usize::from(piece.start)..usize::from(piece.end());
                        for cell in &mut public[span] {
                            *cell = cell.or(counter);
                        }
                        progress.opened += 1;
                    }
                    _ => {
                        for (cell, released) in public.iter_mut().zip(&wave.cells) {
                            *cell = cell.or(*released);
                        }
                        progress.opened = progress.steps();
                    }
                }
                self.changes += 1;
            }
        }
        self.look_ahead();
    }
}
