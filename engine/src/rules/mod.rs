//! What is true about appointments, without knowing what time it is or where anything is kept.

pub mod calendar;
pub mod catalogue;
pub mod cells;
pub mod day;
pub mod fit;
pub mod holidays;
pub mod ids;
pub mod need;
pub mod person;
pub mod pieces;
pub mod record;
pub mod release;
pub mod room;
pub mod time;
pub mod wheel;
pub mod wish;
