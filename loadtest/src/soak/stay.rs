//! One hold and what became of it: all that can be said about one seat and one visit.

use jiff::Timestamp;
use morgenruh_history::{Act, Call};
use morgenruh_wire::Hold;

use super::clock::RunClock;
use super::desk::Span;

/// How much earlier than announced a hold may end, in microseconds: the two clocks are read one
/// after the other.
const EARLY_US: u64 = 50_000;

/// How long the last moment of a hold is, in microseconds.
const LAST_MOMENT_US: u64 = 1_000_000;

/// A seat that was held at some time.
#[derive(Clone, Debug)]
pub(super) struct Stay {
    /// The visit's name in the history: no two stays share it.
    pub(super) who: u64,
    pub(super) hold: Hold,
    pub(super) held: Span,
    /// In which life of the process it was held.
    life: u32,
    /// When the hold ends by itself, in microseconds of the run.
    deadline: u64,
    /// How long a hold lasts, in microseconds.
    lasts: u64,
    extension: Option<Extension>,
    /// The first time that an outage gave it more time than it had.
    stretch: Option<Stretch>,
    /// From when on a crash may have lost the hold.
    lost_from: Option<u64>,
    /// Where one knows it: the counter is announced with the booking.
    pub(super) counter: Option<u8>,
    /// What was done with it, and when it was answered.
    done: Vec<(Act, u64, Option<u64>)>,
}

/// What the deadline was before an outage moved it.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    life: u32,
    deadline_before: u64,
}

#[derive(Clone, Copy, Debug)]
struct Extension {
    life: u32,
    returned: u64,
    deadline_before: u64,
}

impl Stay {
    pub(super) fn new(who: u64, hold: Hold, held: Span, life: u32, clock: RunClock) -> Self {
        let deadline = deadline(&hold, clock);
        Self {
            who,
            hold,
            held,
            life,
            deadline,
            lasts: deadline.saturating_sub(held.returned),
            extension: None,
            stretch: None,
            lost_from: None,
            counter: None,
            done: Vec::new(),
        }
    }

    /// The right to use the hold.
    pub(super) fn token(&self) -> &str {
        self.hold.token.as_deref().unwrap_or_default()
    }

    pub(super) fn extended(&mut self, hold: &Hold, answered: u64, life: u32, clock: RunClock) {
        self.extension = Some(Extension {
            life,
            returned: answered,
            deadline_before: self.deadline,
        });
        self.deadline = deadline(hold, clock);
        self.hold.expires_at.clone_from(&hold.expires_at);
        self.hold.extendable = hold.extendable;
    }

    /// Whether this is less time than the hold had at least.
    pub(super) fn would_shrink(&self, extended: &Hold, clock: RunClock) -> bool {
        deadline(extended, clock) < self.deadline.saturating_sub(EARLY_US)
    }

    /// A change that needs the hold was asked for at `invoked` and refused because the ledger is
    /// away: from the refusal on the hold lasts as long as a new one.
    pub(super) fn stretched(&mut self, invoked: u64, life: u32) {
        let deadline = invoked + self.lasts;
        if deadline > self.deadline {
            self.stretch.get_or_insert(Stretch {
                life,
                deadline_before: self.deadline,
            });
            self.deadline = deadline;
        }
    }

    /// When it is to be used, so many microseconds before it ends by itself.
    pub(super) fn shortly_before_its_end(&self, margin: u64) -> u64 {
        self.deadline.saturating_sub(margin)
    }

    /// Whether it is about to end by itself.
    pub(super) fn is_in_its_last_moment(&self, at: u64) -> bool {
        self.shortly_before_its_end(LAST_MOMENT_US) <= at
    }

    /// Whether at this instant it would be over, had no outage given it more time.
    pub(super) fn is_on_borrowed_time(&self, at: u64) -> bool {
        self.stretch
            .is_some_and(|stretch| at > stretch.deadline_before + EARLY_US)
    }

    /// Notes what was done. `returned` is `None` while it is not known whether it was.
    pub(super) fn note(&mut self, act: Act, invoked: u64, returned: Option<u64>) {
        self.done.push((act, invoked, returned));
    }

    /// The process of this life was killed. What was answered before `kept_until` is in the
    /// ledger; anything later that nobody waits for may be lost.
    pub(super) fn crashed(&mut self, life: u32, killed_at: u64, kept_until: u64) {
        if self.life == life && self.held.returned >= kept_until {
            self.lost_from = Some(killed_at);
        }
        if let Some(extension) = self.extension
            && extension.life == life
            && extension.returned >= kept_until
        {
            self.deadline = extension.deadline_before;
        }
        // A little more time is not worth a record.
        if let Some(stretch) = self.stretch.take_if(|stretch| stretch.life == life) {
            self.deadline = self.deadline.min(stretch.deadline_before);
        }
    }

    /// Whether the hold may have ended by itself at this instant.
    pub(super) fn may_be_over(&self, at: u64) -> bool {
        at >= self.lapses_from()
    }

    /// Whether it may have been lost in a crash.
    pub(super) fn may_be_lost(&self) -> bool {
        self.lost_from.is_some()
    }

    fn lapses_from(&self) -> u64 {
        let deadline = self.deadline.saturating_sub(EARLY_US);
        self.lost_from.map_or(deadline, |lost| lost.min(deadline))
    }

    /// The calls on each cell of the seat.
    pub(super) fn calls(&self) -> impl Iterator<Item = Call<u64>> {
        let held = (Act::Hold, self.held.invoked, Some(self.held.returned));
        let lapse = (Act::Lapse, self.lapses_from().max(self.held.invoked), None);
        [held, lapse]
            .into_iter()
            .chain(self.done.iter().copied())
            .map(|(act, invoked, returned)| Call {
                who: self.who,
                act,
                invoked,
                returned,
            })
    }
}

fn deadline(hold: &Hold, clock: RunClock) -> u64 {
    let named: Option<Timestamp> = hold.expires_at.parse().ok();
    named.map_or(0, |named| clock.at_us(named))
}
