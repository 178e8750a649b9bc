//! A file system under SQLite that forgets what was not synced.
//!
//! A killed process loses nothing that it has written: the system still has it. Only a loss of
//! power shows whether a sync was forgotten, and this crate brings one about at any moment.
//!
//! [`watch`] puts a thin layer between SQLite and its file system, for the whole process, and
//! makes a [`LyingDisk`] of one directory. Everything works as before, on real files with real
//! locks and real shared memory, but each change is also written down: created, written,
//! truncated, synced, deleted. The number of changes so far is the *ordinal*, the clock of this
//! world. Afterwards a [`Platter`] is turned forward to any ordinal, and
//! [`Platter::power_failure`] says what a machine would find that lost its power there:
//!
//! * Sectors of 512 bytes are written whole or not at all, in any order, each with any content it
//!   has had since the file was last synced. So a write can be lost, torn or overtaken by a later
//!   one. Bytes of a sector outside of a write do not change: SQLite is told so
//!   (`POWERSAFE_OVERWRITE`, its default), and nothing else about the device.
//! * A file's length is one it has had since the last sync. What lies within it but was never
//!   written is zero.
//! * A name in a directory is what it has been since the *directory* was last synced: a file may
//!   be missing although its content was synced, or be there although it was deleted. SQLite syncs
//!   the directory when it first syncs a new journal; that call is overheard, not assumed.
//! * The same for the data directory in its parent; whoever syncs it says so with
//!   [`LyingDisk::directory_synced`].
//! * The shared memory of the write-ahead log (`-shm`) does not survive.
//! * A [`Loss`] chooses among all that: nothing, everything, everything before a moment, or some
//!   writes or some sectors by chance.
//!
//! What has been synced is never damaged: a disk that returns other bytes than it has kept needs
//! another remedy. A torn frame of the write-ahead log is possible, and its checksum has to find
//! it. Calls can also be made to fail, see [`Fault`].

mod content;
mod disk;
mod fault;
mod loss;
mod operation;
mod platter;
mod rhythm;
mod vfs;

pub use disk::{LyingDisk, Record, watch};
pub use fault::{Failure, Fault};
pub use loss::Loss;
pub use operation::{FileNumber, Operation};
pub use platter::Platter;
pub use rhythm::checkpoint_every;

/// The unit in which a disk writes.
pub const SECTOR_BYTES: usize = 512;
