//! One file per resource.

pub(crate) mod availability;
pub(crate) mod bookings;
pub(crate) mod catalogue;
pub(crate) mod documentation;
pub(crate) mod health;
pub(crate) mod holds;
pub(crate) mod metrics;
pub(crate) mod rooms;
pub(crate) mod start_page;
