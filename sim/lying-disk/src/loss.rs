//! What a power failure takes.
//!
//! Everything that is not durable (a sector, a length, a name) takes the newest of its versions
//! that survives, or the durable one. A loss says which versions survive.

use fastrand::Rng;

/// Which unsynced changes reach the disk. It decides the same each time it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Nothing was lost.
    Nothing,
    /// Only what was synced is left.
    Everything,
    /// The disk wrote in order, and came as far as the first sectors of this change.
    Since { ordinal: u64, sectors: usize },
    /// Each change is there or not, as a whole.
    SomeWrites { seed: u64, kept_percent: u8 },
    /// Each sector of each change is there or not.
    SomeSectors { seed: u64, kept_percent: u8 },
}

/// The part of a change that is asked about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    /// A name, or the length of a file.
    Entry,
    /// The sector of a file, and its place in the change.
    Sector { number: usize, place: usize },
}

impl Loss {
    /// One of the kinds of loss, about equally often, for the changes from `unsynced` to `ordinal`.
    pub fn drawn(random: &mut Rng, unsynced: u64, ordinal: u64) -> Loss {
        let kept_percent = [10, 50, 90][random.usize(0..3)];
        match random.u8(0..8) {
            0 => Loss::Nothing,
            1 => Loss::Everything,
            2 | 3 => Loss::Since {
                ordinal: random.u64(unsynced..=ordinal),
                sectors: random.usize(0..=8),
            },
            4 | 5 => Loss::SomeWrites {
                seed: random.u64(..),
                kept_percent,
            },
            _ => Loss::SomeSectors {
                seed: random.u64(..),
                kept_percent,
            },
        }
    }

    /// Whether this part of the change with this ordinal reaches the disk.
    pub(crate) fn keeps(&self, change: u64, part: Part) -> bool {
        match *self {
            Loss::Nothing => true,
            Loss::Everything => false,
            Loss::Since { ordinal, sectors } => match part {
                Part::Sector { place, .. } if change == ordinal => place < sectors,
                _ => change < ordinal,
            },
            Loss::SomeWrites { seed, kept_percent } => match part {
                Part::Entry => chance(kept_percent, [seed, change, 1]),
                Part::Sector { .. } => chance(kept_percent, [seed, change, 0]),
            },
            Loss::SomeSectors { seed, kept_percent } => match part {
                Part::Entry => chance(kept_percent, [seed, change, 0]),
                Part::Sector { number, .. } => {
                    chance(kept_percent, [seed, change, 1 + number as u64])
                }
            },
        }
    }
}

fn chance(percent: u8, of: [u64; 3]) -> bool {
    let mixed = of
        .into_iter()
        .fold(0, |mixed, part| Rng::with_seed(mixed ^ part).u64(..));
    mixed % 100 < u64::from(percent)
}
