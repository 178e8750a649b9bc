//! One file per resource.

pub(crate) mod availability;
pub(crate) mod bookings;
pub(crate) mod catalogue;
pub(crate) mod documentation;
pub(crate) mod forward_auth;
pub(crate) mod health;
pub(crate) mod holds;
pub(crate) mod metrics;
mod pages;
pub(crate) mod releases;
pub(crate) mod rooms;
pub(crate) mod start_page;
pub(crate) mod waiting_page;
pub(crate) mod wish_page;
pub(crate) mod wishes;
