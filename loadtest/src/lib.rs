//! The load tool of Morgenruh: a city's morning, tried before it happens.
//!
//! Citizens arrive on a curve that does not wait for answers ([`arrivals`]), do what people do
//! ([`plan`], [`citizen`]), and are served over the public API only ([`client`], [`api`]). What
//! they were promised is written down ([`record`]), and when they have gone home every promise is
//! held against what the service says then ([`readback`], [`verdict`], [`report`]).
//!
//! Where a release has a waiting room, people go through it, and [`room`] holds everything that
//! they were told against what must be so, the draw against its own arithmetic, and who got seats
//! against chance.
//!
//! A second judge has more time and no mercy: [`soak`] kills the service again and again, and holds
//! the whole record of what its clients saw against the rules.
//!
//! And [`agent`] plays weeks of wishes and cancellations in minutes, beside the same weeks by hand.
//!
//! The tool shares the wire types with the gateway and nothing else: it must not be able to share
//! a mistake.

pub mod agent;
pub mod api;
pub mod arrivals;
pub mod citizen;
pub mod city;
pub mod cli;
pub mod client;
pub mod clock;
pub mod dice;
mod folder;
pub mod measure;
pub mod morning;
pub mod parties;
pub mod plan;
pub mod progress;
pub mod readback;
pub mod record;
pub mod report;
pub mod room;
pub mod run;
pub mod scenario;
mod service;
pub mod soak;
pub mod storm;
pub mod verdict;
