//! A town with its ledger: one Redis and one data directory.

use std::path::Path;
use std::time::Duration;

use morgenruh_engine::rules::ids::ReservationId;
use morgenruh_engine::rules::record::{Fact, Position};
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::shell::drain::{Placed, Tail};
use morgenruh_engine::shell::scribe::{Failure, Journal, Kept};
use morgenruh_production::lineage::Lineage;
use morgenruh_production::redis::{
    Durability, OpenError, RedisJournal, RedisTail, Settings, StreamState,
};
use morgenruh_production::tls::Tls;
use morgenruh_servers::{Redis, RedisOptions, scratch};
use tempfile::TempDir;

pub(crate) const CITY: &str = "kleinstadt";
pub(crate) const STREAM: &str = "morgenruh:{kleinstadt}:ledger:0";
pub(crate) const META: &str = "morgenruh:{kleinstadt}:meta:0";
pub(crate) const LINEAGE: Lineage = Lineage([7; 16]);

/// Long enough for a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(20);
/// For servers that do not answer.
const IMPATIENCE: Duration = Duration::from_millis(500);

pub(crate) struct Town {
    pub(crate) redis: Redis,
    pub(crate) place: TempDir,
}

impl Town {
    pub(crate) fn new() -> Town {
        Town::with(RedisOptions::default())
    }

    pub(crate) fn with(options: RedisOptions) -> Town {
        let place = scratch();
        let redis = options.start(&place.path().join("redis"));
        std::fs::create_dir(place.path().join("data")).unwrap();
        Town { redis, place }
    }

    pub(crate) fn settings(&self) -> Settings {
        settings(&self.redis.address().to_string())
    }

    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.place.path().join("data")
    }

    pub(crate) fn open(&self) -> Result<RedisJournal, OpenError> {
        RedisJournal::open(&self.settings(), CITY, &self.data())
    }

    /// The journal of a ledger that was begun.
    pub(crate) fn journal(&self) -> RedisJournal {
        begun(&self.settings(), &self.data())
    }

    pub(crate) fn impatient_journal(&self) -> RedisJournal {
        let address = self.redis.address().to_string();
        begun(&impatient(&address), &self.data())
    }

    pub(crate) fn tail(&self) -> RedisTail {
        RedisTail::open(&self.settings(), CITY).unwrap()
    }

    /// All that the stream has, which has to follow on each other without gaps.
    pub(crate) fn records(&self) -> Vec<Placed> {
        let records = self.tail().after(Position(0), usize::MAX).unwrap();
        assert!((1..).zip(&records).all(|(n, it)| it.position.0 == n));
        records
    }
}

pub(crate) fn settings(address: &str) -> Settings {
    Settings {
        address: address.to_owned(),
        user: None,
        password: None,
        tls: Tls::Off,
        database: 0,
        connect_timeout: PATIENCE,
        answer_timeout: PATIENCE,
        durability: Durability::Strict,
        kept_records: 0,
    }
}

/// Of somebody who does not wait long.
pub(crate) fn impatient(address: &str) -> Settings {
    Settings {
        connect_timeout: IMPATIENCE,
        answer_timeout: IMPATIENCE,
        ..settings(address)
    }
}

pub(crate) fn begun(settings: &Settings, data: &Path) -> RedisJournal {
    let mut journal = RedisJournal::open(settings, CITY, data).unwrap();
    let StreamState { lineage, .. } = journal.state().unwrap();
    if lineage.is_none() {
        journal.begin(LINEAGE).unwrap();
    }
    journal
}

/// A fact that can be told from others by its number.
pub(crate) fn fact(number: u64) -> Fact {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    let id = ReservationId::from_bytes(bytes);
    Fact::Released { id }
}

pub(crate) fn number(fact: &Fact) -> u64 {
    let bytes = fact.reservation().unwrap().to_bytes();
    u64::from_be_bytes(bytes[8..].try_into().unwrap())
}

/// Writes facts of these numbers behind the position that the journal is at.
pub(crate) fn write(
    journal: &mut RedisJournal,
    newest: u64,
    numbers: impl IntoIterator<Item = u64>,
) -> Result<(), Failure> {
    let facts: Vec<Fact> = numbers.into_iter().map(fact).collect();
    let records: Vec<Kept<'_>> = (newest + 1..)
        .zip(&facts)
        .map(|(position, fact)| Kept {
            position: Position(position),
            at: UnixMillis(position as i64 * 10),
            fact,
        })
        .collect();
    journal.write(&records)
}

pub(crate) fn newest(journal: &mut RedisJournal) -> u64 {
    journal.newest().unwrap().0.0
}

/// Why a journal refuses.
pub(crate) fn refused(outcome: Result<(), Failure>) -> String {
    match outcome {
        Err(Failure::Refused(reason)) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

/// Tries until it is written.
pub(crate) fn write_when_back(journal: &mut RedisJournal, newest: u64, number: u64) {
    for _ in 0..500 {
        if write(journal, newest, [number]).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("it does not come back");
}
