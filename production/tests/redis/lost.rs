//! Redis has less than was acknowledged: nothing may be written behind that.

use std::fs;

use morgenruh_engine::rules::record::Position;
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::shell::drain::Tail;
use morgenruh_engine::shell::scribe::Journal;
use morgenruh_production::redis::{OpenError, RedisJournal};

use crate::town::{LINEAGE, META, STREAM, Town, newest, refused, write};

fn lost(outcome: Result<RedisJournal, OpenError>) -> String {
    match outcome {
        Err(OpenError::Lost(reason)) => reason,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it is served"),
    }
}

#[test]
fn an_emptied_redis_ends_the_journal_for_good() {
    let town = Town::new();
    let mut journal = town.journal();
    write(&mut journal, 0, 1..=5).unwrap();
    town.redis.command(&["FLUSHALL"]);
    let reason = refused(write(&mut journal, 5, [6]));
    assert!(
        reason.contains("up to 0") && reason.contains("up to 5"),
        "{reason}"
    );
    assert_eq!(refused(write(&mut journal, 5, [])), reason);
    assert_eq!(refused(journal.newest().map(|_| ())), reason);
    assert_eq!(town.redis.command(&["EXISTS", STREAM]), "0");
    let mut journal = town.open().unwrap();
    let again = journal.begin(LINEAGE).unwrap_err().to_string();
    assert!(again.contains("not restarted since"), "{again}");
    // Whoever gives it up goes on behind the store.
    journal
        .begin_at(LINEAGE, Position(3), UnixMillis(1))
        .unwrap();
    write(&mut journal, 3, [4]).unwrap();
    assert_eq!(newest(&mut town.open().unwrap()), 4);
}

/// The file of an older state is put back while Redis is down.
#[test]
fn an_older_state_is_found_out_while_connected_and_after_a_restart() {
    let mut town = Town::new();
    let mut journal = town.journal();
    write(&mut journal, 0, 1..=3).unwrap();
    town.redis.stop();
    let files = town.redis.dir().join("appendonlydir");
    let backup = town.place.path().join("backup");
    copy(&files, &backup);
    town.redis.restart();
    let mut journal = town.journal();
    write(&mut journal, 3, 4..=9).unwrap();
    town.redis.stop();
    fs::remove_dir_all(&files).unwrap();
    copy(&backup, &files);
    town.redis.restart();

    let reasons: Vec<String> = (0..100)
        .filter_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            write(&mut journal, 9, [10]).err().map(|it| it.to_string())
        })
        .collect();
    let last = reasons.last().unwrap();
    assert!(
        last.contains("up to 3") && last.contains("up to 9"),
        "{last}"
    );

    let reason = lost(town.open());
    assert!(
        reason.contains("up to 3") && reason.contains("up to 9"),
        "{reason}"
    );
    assert!(reason.contains("restarted since"), "{reason}");
    assert!(
        town.tail().after(Position(9), 1).is_err(),
        "the drain sees it"
    );
    fs::remove_file(town.data().join("redis-acknowledged")).unwrap();
    assert_eq!(newest(&mut town.open().unwrap()), 3);
}

/// The last batch is torn in the file, as by a disk that lied: none of it is there then, and that
/// it was acknowledged is found out.
#[test]
fn a_torn_file_has_whole_batches() {
    let mut town = Town::new();
    let mut journal = town.journal();
    write(&mut journal, 0, 1..=10).unwrap();
    write(&mut journal, 10, 11..=20).unwrap();
    town.redis.kill();
    let files = town.redis.dir().join("appendonlydir");
    let written = fs::read_dir(files).unwrap().map(|it| it.unwrap().path());
    let newest = written.filter(|it| it.to_string_lossy().ends_with(".incr.aof"));
    let file = fs::File::options().write(true).open(newest.max().unwrap());
    let file = file.unwrap();
    file.set_len(file.metadata().unwrap().len() - 300).unwrap();
    town.redis.restart();
    assert_eq!(town.records().len(), 10);
    let reason = lost(town.open());
    assert!(
        reason.contains("up to 10") && reason.contains("up to 20"),
        "{reason}"
    );
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// Only one of the two keys is gone, or somebody has written by hand.
#[test]
fn keys_that_do_not_fit_together_are_not_written_to() {
    for spoil in [
        &["DEL", STREAM][..],
        &["DEL", META],
        &["XADD", STREAM, "9-0", "r", "x"],
        &["HSET", META, "newest", "1"],
    ] {
        let town = Town::new();
        let mut journal = town.journal();
        write(&mut journal, 0, [1, 2, 3]).unwrap();
        town.redis.command(spoil);
        let length = town.redis.command(&["XLEN", STREAM]);
        let reason = refused(write(&mut journal, 3, [4]));
        assert_eq!(town.redis.command(&["XLEN", STREAM]), length, "{reason}");
        refused(write(&mut journal, 3, [4]));
        assert!(town.open().is_err(), "{spoil:?}");
    }
}
