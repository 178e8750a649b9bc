//! Where the shell takes its locks, counters, queues and threads from.
//!
//! They are the real ones. Only the feature `shuttle` puts others in their place, under which a
//! scheduler decides who takes the next step; so `morgenruh-interleavings` can try thousands of
//! orders in which the same threads meet, and replay each of them.

#[cfg(feature = "shuttle")]
mod modelled;

/// A map that many threads share, whose keys no stranger can make up: those that are put in come
/// from the catalogue and the calendar. So its hash need not withstand an attack, only be quick.
#[cfg(not(feature = "shuttle"))]
pub(super) type SharedMap<K, V> = dashmap::DashMap<K, V, foldhash::fast::RandomState>;

#[cfg(feature = "shuttle")]
pub(super) type SharedMap<K, V> = shuttle_dashmap::DashMap<K, V>;

#[cfg(not(feature = "shuttle"))]
pub(super) use {
    crossbeam::channel,
    dashmap::Entry,
    parking_lot::{Mutex, MutexGuard},
    std::sync::OnceLock,
    std::sync::atomic::{AtomicBool, AtomicI64, AtomicU16, AtomicU64, AtomicUsize, Ordering},
    std::thread,
};

#[cfg(feature = "shuttle")]
pub(super) use {
    modelled::{OnceLock, channel},
    shuttle::sync::atomic::{AtomicBool, AtomicI64, AtomicU16, AtomicU64, AtomicUsize, Ordering},
    shuttle::thread,
    shuttle_dashmap::Entry,
    shuttle_parking_lot::{Mutex, MutexGuard},
};
