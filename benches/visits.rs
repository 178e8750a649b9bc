//! The work that every contender does: three units at a given start, held and given back.
//!
//! An office of 8 counters is open for 8 hours, and half of its cells are taken by visits at
//! random places. Empty days would flatter maps, which find a seat at the first counter; full days
//! would flatter us, because a refusal costs us one AND and a map a look-up per cell. At one half
//! about a third of the counters can take the visit, so the choice matters and most people get a
//! seat: the hour in which a release is being emptied.

use morgenruh_engine::rules::ids::{Digest, Secret};

use crate::town::Office;

pub const COUNTERS: u8 = 8;
pub const OFFICE: Office = Office {
    counters: COUNTERS,
    hours: "08:00-16:00",
};
/// First open unit, 8:00.
pub const OPENS: u16 = 96;
/// First unit after the last open one, 16:00.
pub const CLOSES: u16 = 192;
/// Length of a visit, in units.
pub const VISIT_UNITS: u16 = 3;
/// Share of the open cells that are taken before anything is measured.
pub const TAKEN_PERCENT: usize = 50;

/// Offices; with [`DAYS`] days each they make the thousand days.
pub const OFFICES: u16 = 20;
pub const DAYS: u16 = 50;

/// Visits drawn per thread; they are gone through again and again.
const VISITS_DRAWN: usize = 4_096;
/// Seats that must be free at a start before it is drawn: one for each thread.
const SEATS_MIN: usize = 2;

/// Somebody wants a seat.
#[derive(Clone, Copy, Debug)]
pub struct Visit {
    /// Position of the office's day in [`Work::taken`].
    pub day: usize,
    /// First unit.
    pub start: u16,
    pub secret: Secret,
    pub digest: Digest,
    /// Entropy for the id.
    pub random: u64,
}

/// One counter from a start, for [`VISIT_UNITS`].
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    pub counter: u8,
    pub start: u16,
}

/// What is taken on each day, and what each thread will ask for.
pub struct Work {
    pub taken: Vec<Vec<Taken>>,
    pub visits: Vec<Vec<Visit>>,
}

impl Work {
    /// The same work for the same arguments, always.
    pub fn new(days: usize, threads: usize) -> Work {
        let mut dice = Dice(0x6d6f_7267_656e_7275);
        let taken: Vec<_> = (0..days).map(|_| take_half(&mut dice)).collect();
        let starts: Vec<_> = taken.iter().map(|taken| roomy_starts(taken)).collect();
        let visits = (0..threads).map(|_| {
            let drawn = (0..VISITS_DRAWN).map(|_| draw(&mut dice, &starts));
            drawn.collect()
        });
        Work {
            visits: visits.collect(),
            taken,
        }
    }
}

fn take_half(dice: &mut Dice) -> Vec<Taken> {
    let open_cells = usize::from(CLOSES - OPENS) * usize::from(COUNTERS);
    let mut taken: Vec<Taken> = Vec::new();
    while taken.len() * usize::from(VISIT_UNITS) * 100 < open_cells * TAKEN_PERCENT {
        let counter = dice.below(u64::from(COUNTERS)) as u8;
        let start = OPENS + dice.below(u64::from(CLOSES - OPENS - VISIT_UNITS + 1)) as u16;
        if !taken.iter().any(|it| it.overlaps(counter, start)) {
            taken.push(Taken { counter, start });
        }
    }
    taken
}

impl Taken {
    fn overlaps(self, counter: u8, start: u16) -> bool {
        self.counter == counter && self.start.abs_diff(start) < VISIT_UNITS
    }
}

fn roomy_starts(taken: &[Taken]) -> Vec<u16> {
    let starts = OPENS..=CLOSES - VISIT_UNITS;
    let seats = |start: u16| {
        let is_free = |counter: &u8| !taken.iter().any(|it| it.overlaps(*counter, start));
        (0..COUNTERS).filter(is_free).count()
    };
    starts.filter(|start| seats(*start) >= SEATS_MIN).collect()
}

fn draw(dice: &mut Dice, starts: &[Vec<u16>]) -> Visit {
    let day = dice.below(starts.len() as u64) as usize;
    let start = starts[day][dice.below(starts[day].len() as u64) as usize];
    let (high, low) = (dice.next(), dice.next());
    let secret = Secret((u128::from(high) << 64 | u128::from(low)).to_be_bytes());
    Visit {
        day,
        start,
        secret,
        digest: secret.digest(),
        random: dice.next(),
    }
}

/// SplitMix64: reproducible, and nothing more is asked of it.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}
