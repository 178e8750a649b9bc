//! Where the shell takes its locks, counters, queues and threads from.
//!
//! They are the real ones. Only the feature `shuttle` puts others in their place, under which a
//! scheduler decides who takes the next step; so `morgenruh-interleavings` can try thousands of
//! orders in which the same threads meet, and replay each of them.

#[cfg(feature = "shuttle")]
mod modelled;

#[cfg(not(feature = "shuttle"))]
pub(super) use {
    crossbeam::channel,
    dashmap::{DashMap, Entry},
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
    shuttle_dashmap::{DashMap, Entry},
    shuttle_parking_lot::{Mutex, MutexGuard},
};
