//! The orders in which the engine's threads can meet, tried by the thousand.
//!
//! Each module is one scene: a few threads in front of the real `Desk`, `Scribe`, `Shard` or
//! `Engine`, and what must be true however they meet. Under the engine's feature `shuttle` a
//! scheduler decides before every lock, counter, queue and thread operation who goes on, so one
//! schedule is one order, and it can be replayed ([`schedules`]).
//!
//! What is modelled:
//!
//! * Steps are sequentially consistent. What weaker memory could do between a `Release` and an
//!   `Acquire` is not tried here.
//! * No time passes. `park_timeout` can return at any moment while some other thread can go on, as
//!   if its time were up, but when nobody else can it is a deadlock. `recv_timeout` gives up at
//!   once or waits for good, which is drawn. So a wake-up that is forgotten is a schedule that
//!   hangs, not one that is late, and a time limit that ends too early is tried as well.
//! * `sleep` is a moment in which others go on.
//! * The map of days is one lock for readers and writers, not many: it can only wait for more than
//!   the real one.
//! * Mishaps of the journal, and what the threads do, are drawn with the schedule.

pub mod answers;
pub mod book;
pub mod expiry;
pub mod hall;
pub mod ledger;
pub mod moves;
pub mod readers;
pub mod retired;
pub mod schedules;
pub mod tally;
pub mod witness;
