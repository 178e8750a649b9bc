//! Starts on servers that do not fit together: each is refused with a sentence that says what to
//! do, nothing is changed by it, and what the sentence advises helps.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use morgenruh_engine::rules::ids::HoldToken;
use morgenruh_engine::rules::record::Position;
use morgenruh_production::agreement::Disagreement;
use morgenruh_production::ledger::OpenError;
use morgenruh_production::redis;
use morgenruh_servers::{Mode as Network, Redis, scratch};

use crate::place::Place;
use crate::servers::{Servers, starting_a_program};
use crate::service::Service;
use crate::support::{EVENING, TUESDAY, clock};

fn refusal(place: &Place) -> OpenError {
    Service::start(place).err().expect("it cannot be served")
}

fn disagreement(place: &Place) -> Disagreement {
    match refusal(place) {
        OpenError::Disagreement(disagreement) => disagreement,
        other => panic!("{other}"),
    }
}

/// The facts of the database follow on each other, and there are so many.
fn assert_facts(place: &Place, facts: u64) {
    let counted = place.sql("SELECT count(*), min(position), max(position) FROM facts");
    assert_eq!(counted, format!("{facts}|1|{facts}"));
}

/// What the ledger has, but not the database, is lost with the ledger; everything else goes on.
#[test]
fn an_empty_redis_is_begun_behind_the_database() {
    let place = Place::on(Servers::shared());
    let service = Service::start(&place).unwrap();
    let kept = service.book([0, 10]);
    service.stop();
    let service = Service::start(&place).unwrap();
    place.store_way.switch(Network::Cut);
    let [lost] = service.book([20])[..] else {
        panic!("one booking")
    };
    service.stop();
    place.store_way.switch(Network::Pass);
    let redis = &place.servers.redis;
    redis.command(&["DEL", &place.key("ledger"), &place.key("meta")]);

    let watermark = Position(4);
    let expected = Disagreement::LedgerEmpty { watermark };
    assert_eq!(disagreement(&place), expected);
    assert_eq!(disagreement(&place), expected, "and nothing was begun");
    let begun = place.restart_ledger();
    assert_eq!(begun.unwrap(), watermark);

    let service = Service::start(&place).unwrap();
    assert_eq!(service.found, 2);
    for HoldToken { id, secret } in kept {
        assert!(service.hall.engine.booking(id, secret.manage()).is_ok());
    }
    let HoldToken { id, secret } = lost;
    assert!(service.hall.engine.booking(id, secret.manage()).is_err());
    assert_eq!(service.hall.seats(EVENING, clock(TUESDAY, 8, 20)), 2);
    service.book([20, 30]);
    service.stop();
    assert_facts(&place, 8);
    let begun = place.restart_ledger();
    let refused = matches!(begun, Err(OpenError::Redis(redis::OpenError::Begun)));
    assert!(refused, "{begun:?}");
    assert_eq!(Service::start(&place).unwrap().found, 4);
}

#[test]
fn nothing_is_begun_behind_an_empty_database() {
    let place = Place::on(Servers::shared());
    let begun = place.restart_ledger();
    assert!(
        matches!(begun, Err(OpenError::NothingToGoOnFrom)),
        "{begun:?}"
    );
    assert_eq!(Service::start(&place).unwrap().found, 0);
}

/// The ledger fills a database again as long as it has every fact since the first.
#[test]
fn an_empty_database_is_filled_again() {
    let place = Place::on(Servers::shared());
    let service = Service::start(&place).unwrap();
    service.book([0, 10, 20]);
    service.stop();
    assert_facts(&place, 6);

    let empty_again = || {
        place.servers.drop_database(&place.database);
        place.servers.make_database(&place.database, "template1");
    };
    empty_again();
    let service = Service::start(&place).unwrap();
    assert_eq!(service.found, 3);
    service.book([30]);
    service.stop();
    assert_facts(&place, 8);

    empty_again();
    place.trim(3);
    let (first, newest) = (Position(3), Position(8));
    let expected = Disagreement::StoreEmpty { first, newest };
    assert_eq!(disagreement(&place), expected);
    place.trim(9);
    let first = Position(9);
    let expected = Disagreement::StoreEmpty { first, newest };
    assert_eq!(disagreement(&place), expected, "{expected}");
}

/// One of the addresses is another city's.
#[test]
fn strangers_are_kept_apart() {
    let mut ours = Place::on(Servers::shared());
    let theirs = Place::on(Servers::shared());
    for place in [&ours, &theirs] {
        let service = Service::start(place).unwrap();
        service.book([0]);
        service.stop();
    }
    let before = ours.records().len();
    let own = std::mem::replace(&mut ours.database, theirs.database);
    assert_eq!(disagreement(&ours), Disagreement::Strangers);
    ours.database = own;
    assert_eq!(ours.records().len(), before);
    assert_eq!(Service::start(&ours).unwrap().found, 1);
}

/// Somebody else uses our keys, or has taken our mark away.
#[test]
fn a_stream_that_is_not_ours_is_left_alone() {
    let place = Place::on(Servers::shared());
    let redis = &place.servers.redis;
    let stream = place.key("ledger");
    redis.command(&["XADD", &stream, "7-0", "what", "something else"]);
    let refused = refusal(&place).to_string();
    assert!(
        refused.contains("somebody else has changed them"),
        "{refused}"
    );
    assert_eq!(redis.command(&["XLEN", &stream]), "1");
    redis.command(&["DEL", &stream]);

    let service = Service::start(&place).unwrap();
    service.book([0]);
    service.stop();
    redis.command(&["HDEL", &place.key("meta"), "lineage"]);
    assert_eq!(disagreement(&place), Disagreement::LedgerUnmarked);
    assert_eq!(place.records().len(), 2);
}

/// A Redis that comes back from an older copy of its directory lacks what was acknowledged since.
/// The gateway remembers that, and so does the database.
#[test]
fn a_redis_from_an_older_copy_is_refused() {
    let mut place = Place::on(Arc::new(Servers::own()));
    let copies = scratch();
    let [older, own] = ["older", "own"].map(|name| copies.path().join(name));
    let service = Service::start(&place).unwrap();
    service.book([0, 10]);
    service.stop();
    stopped(&mut place, |redis| copy(&appendonly(redis), &older));
    let service = Service::start(&place).unwrap();
    service.book([20]);
    service.stop();
    stopped(&mut place, |redis| {
        copy(&appendonly(redis), &own);
        replace(&appendonly(redis), &older);
    });

    let remembered = refusal(&place);
    let told = remembered.to_string();
    assert!(
        matches!(remembered, OpenError::Redis(redis::OpenError::Lost(_)))
            && told.contains("facts up to 4, but those up to 6 were acknowledged"),
        "{told}"
    );
    // A gateway that was never here before.
    fs::remove_file(place.data.path().join("redis-acknowledged")).unwrap();
    let expected = Disagreement::TailLost {
        newest: Position(4),
        watermark: Position(6),
    };
    assert_eq!(disagreement(&place), expected);

    stopped(&mut place, |redis| replace(&appendonly(redis), &own));
    let service = Service::start(&place).unwrap();
    assert_eq!(service.found, 3);
    service.stop();

    // Its own data is lost for good.
    stopped(&mut place, |redis| replace(&appendonly(redis), &older));
    place.servers.redis.command(&["FLUSHALL"]);
    assert_eq!(place.restart_ledger().unwrap(), Position(6));
    // Should it be found again, it has no say any more.
    let begun = scratch();
    stopped(&mut place, |redis| {
        replace(begun.path(), &appendonly(redis));
        replace(&appendonly(redis), &own);
    });
    assert_eq!(disagreement(&place), Disagreement::Strangers);
    stopped(&mut place, |redis| {
        replace(&appendonly(redis), begun.path())
    });
    let service = Service::start(&place).unwrap();
    assert_eq!(service.found, 3);
    service.book([30]);
    service.stop();
    assert_facts(&place, 8);
}

/// What was acknowledged and never reached the database is missed as well.
#[test]
fn a_redis_that_lost_what_the_database_never_had_is_refused() {
    let mut place = Place::on(Arc::new(Servers::own()));
    let copies = scratch();
    let older = copies.path().join("older");
    let service = Service::start(&place).unwrap();
    service.book([0]);
    service.stop();
    stopped(&mut place, |redis| copy(&appendonly(redis), &older));
    let service = Service::start(&place).unwrap();
    place.store_way.switch(Network::Cut);
    service.book([10]);
    service.stop();
    place.store_way.switch(Network::Pass);
    stopped(&mut place, |redis| replace(&appendonly(redis), &older));
    let told = refusal(&place).to_string();
    assert!(told.contains("those up to 4 were acknowledged"), "{told}");
}

/// Does something while the Redis is stopped.
fn stopped(place: &mut Place, work: impl FnOnce(&Redis)) {
    let servers = Arc::get_mut(&mut place.servers).expect("nobody else uses them");
    servers.redis.stop();
    work(&servers.redis);
    let _starting = starting_a_program();
    servers.redis.restart();
}

fn appendonly(redis: &Redis) -> std::path::PathBuf {
    redis.dir().join("appendonlydir")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn replace(old: &Path, new: &Path) {
    fs::remove_dir_all(old).unwrap();
    copy(new, old);
}

/// A database from a backup catches up, as long as the Redis still has what follows on it.
#[test]
fn a_database_from_a_backup_catches_up() {
    let place = Place::on(Servers::shared());
    let backup = place.servers.database();
    place.servers.drop_database(&backup);
    let service = Service::start(&place).unwrap();
    service.book([0, 10]);
    service.stop();
    place.servers.make_database(&backup, &place.database);
    let service = Service::start(&place).unwrap();
    service.book([20]);
    service.stop();
    let restore = || {
        place.servers.drop_database(&place.database);
        place.servers.make_database(&place.database, &backup);
    };

    restore();
    place.trim(5);
    let service = Service::start(&place).unwrap();
    assert_eq!(service.found, 3);
    service.book([30]);
    service.stop();
    assert_facts(&place, 8);

    restore();
    place.trim(6);
    let expected = Disagreement::Gap {
        watermark: Position(4),
        first: Position(6),
    };
    assert_eq!(disagreement(&place), expected);
    assert_facts(&place, 4);
}
