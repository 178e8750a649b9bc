//! Calls that are made to fail.

use std::ops::Range;

/// Writes, syncs and truncations of a disk fail, counted together from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub calls: Range<u64>,
    pub failure: Failure,
}

/// What the caller is told, and what has happened all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The device reports an error. Nothing was written or synced.
    Device,
    /// The device reports an error after the first half of a write.
    DeviceShort,
    /// There is no room. Syncs and truncations need none and succeed.
    Full,
    /// There is room for the first half of a write.
    FullShort,
    /// As [`Failure::Device`], but a failed sync also takes what was to be written: later syncs
    /// succeed without it.
    Forgetful,
}

impl Failure {
    pub(crate) fn is_full(self) -> bool {
        matches!(self, Failure::Full | Failure::FullShort)
    }

    pub(crate) fn is_short(self) -> bool {
        matches!(self, Failure::DeviceShort | Failure::FullShort)
    }
}
