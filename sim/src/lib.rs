//! The real engine in a simulated world, judged by what its clients saw.

pub mod chronicle;
pub mod disk;
pub mod gates;
pub mod lobby;
pub mod options;
pub mod oracle;
pub mod people;
pub mod post;
pub mod run;
pub mod staff;
pub mod store;
pub mod tally;
pub mod town;
pub mod trace;
pub mod wishers;
pub mod world;
