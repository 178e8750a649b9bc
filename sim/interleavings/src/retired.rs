//! A day is dropped because a clock ran ahead, while others ask for it: whoever gets it gets the
//! same one. A second, empty one would give out its seats twice.

use std::sync::Arc;

use morgenruh_engine::rules::time::Millis;
use morgenruh_engine::shell::scribe::open;
use shuttle::thread;

use crate::book::Book;
use crate::hall::{Hall, OFFICE, evening, ledger_options};
use crate::tally::saw;

const ASKING: usize = 2;
/// Far enough for the first day to be over.
const AHEAD: Millis = Millis::from_minutes(4 * 24 * 60);

pub fn scene() {
    let (desk, _scribe) = open(Book::default(), ledger_options()).expect("the book can be read");
    let hall = Arc::new(Hall::new(Arc::new(desk)));
    let asking: Vec<_> = (0..ASKING)
        .map(|_| Arc::clone(&hall))
        .map(|hall| thread::spawn(move || hall.engine.shard(OFFICE, Hall::date(0))))
        .collect();
    let retiring = {
        let hall = Arc::clone(&hall);
        thread::spawn(move || hall.engine.retire(evening() + AHEAD))
    };
    let shards = asking.into_iter().map(|asking| asking.join());
    let shards = shards.filter_map(|shard| shard.expect("nobody panics"));
    let shards: Vec<_> = shards.collect();
    saw(match shards.len() {
        ASKING => "all got the day",
        0 => "nobody got the day",
        _ => "some got the day",
    });
    retiring.join().expect("nobody panics");
    let is_one = shards.windows(2).all(|two| Arc::ptr_eq(&two[0], &two[1]));
    assert!(is_one, "a day that was dropped came back empty");
    let again = hall.engine.shard(OFFICE, Hall::date(0));
    assert!(again.is_none(), "a day that was dropped is there again");
}
