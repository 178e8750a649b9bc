//! Gateways that serve one city, at the same time and at the end.

use std::thread;
use std::time::{Duration, Instant};

use morgenruh_engine::shell::engine::ConfirmError;
use morgenruh_engine::shell::ledger::Ledger;
use morgenruh_servers::{Mode as Network, scratch};

use crate::place::Place;
use crate::servers::Servers;
use crate::service::Service;
use crate::support::{EVENING, TUESDAY, clock};
use crate::townhall::told;

/// A second gateway waits whether the first one is still there, which notices nothing. When it has
/// not written for too long, it is taken over from, and can do no harm any more. (How long a second
/// one waits before it gives up is told where the lease is, in `redis/owner.rs`.)
#[test]
fn a_second_gateway_waits_for_the_first_one() {
    let place = Place::on(Servers::shared());
    let first = Service::start(&place).unwrap();
    first.book([0]);
    let elsewhere = scratch();
    let second = thread::scope(|scope| {
        let second = scope.spawn(|| Service::start_from(&place, elsewhere.path()));
        thread::sleep(Duration::from_secs(1));
        assert!(!second.is_finished(), "the lease is fresh");
        first.book([10]);
        let meta = place.key("meta");
        place.servers.redis.command(&["HSET", &meta, "seen", "0"]);
        second.join().unwrap().unwrap()
    });
    assert_eq!(second.found, 2);
    let start = clock(TUESDAY, 8, 20);
    let token = first.hall.hold(EVENING, start).unwrap();
    let late = told(first.hall.confirm(EVENING, token, "a request"));
    assert_eq!(late, Err(ConfirmError::LedgerAway));
    assert!(!first.ledger.health().is_ready());
    first.stop();
    assert_eq!(second.hall.seats(EVENING, start), 2);
    second.book([20]);
    second.stop();
    assert_eq!(place.records().len(), 6);
}

/// Both servers are away, facts wait for them, and the service is stopped: it stops.
#[test]
fn closing_does_not_wait_for_servers_that_are_away() {
    let place = Place::on(Servers::shared());
    let service = Service::start(&place).unwrap();
    let [booked] = service.book([0])[..] else {
        panic!("one booking")
    };
    for way in [&place.store_way, &place.ledger_way] {
        way.switch(Network::Cut);
    }
    let manage = booked.secret.manage();
    let answer = service.hall.cancel(EVENING, booked.id, manage);
    let begun = Instant::now();
    service.stop();
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    drop(answer);
    for way in [&place.store_way, &place.ledger_way] {
        way.switch(Network::Pass);
    }
    assert_eq!(Service::start(&place).unwrap().found, 1);
}
