//! Releases in their engine, over a ledger on a real disk: drips whose moments a restart does not
//! change, and decisions of staff that hold until they take them back.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use morgenruh_engine::rules::calendar::plan;
use morgenruh_engine::rules::catalogue::{Catalogue, Channel, OfficeIndex, Schedule, Wave};
use morgenruh_engine::rules::day::HoldRefusal;
use morgenruh_engine::rules::pieces::pieces;
use morgenruh_engine::rules::release::Steering;
use morgenruh_engine::rules::release::drip::{DripRules, offset_seconds, written};
use morgenruh_engine::rules::release::fact::ReleaseFact;
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use morgenruh_engine::shell::engine::{DirectError, HoldError, ReleasePlan};
use morgenruh_engine::shell::sqlite::SqliteLedger;
use morgenruh_engine::shell::verify::verify;
use tempfile::TempDir;

use crate::ledger::OPTIONS;
use crate::room_shell::{MONDAY, random};
use crate::support::{Hall, TUESDAY, berlin, clock, need, office, town};

const OFFICE: OfficeIndex = OfficeIndex(0);
const AT: u16 = 18 * 60;
const DRIP: Millis = Millis::from_minutes(30);
const PATIENCE: usize = 30_000;

fn at() -> UnixMillis {
    clock(MONDAY, 18, 0)
}

fn end() -> UnixMillis {
    at() + DRIP
}

/// Tuesday is released on Monday at six, all at once or within half an hour.
fn kleinheim(drip_minutes: u16) -> Catalogue {
    let mut office = office(1, 3);
    let when = office.opening[0].when.clone();
    office.waves = vec![Wave {
        drip_minutes,
        ..Wave::daily(when, 1, AT)
    }];
    town(vec![office])
}

fn dripping() -> Catalogue {
    kleinheim(30)
}

fn at_once() -> Catalogue {
    kleinheim(0)
}

struct House {
    data: TempDir,
    city: fn() -> Catalogue,
    hall: Hall,
    ledger: Arc<SqliteLedger>,
}

impl House {
    fn open(data: TempDir, city: fn() -> Catalogue, now: UnixMillis) -> House {
        let (ledger, stored) = SqliteLedger::open(data.path(), &city(), OPTIONS).unwrap();
        let ledger = Arc::new(ledger);
        let hall = Hall::new(city(), ledger.clone(), now);
        hall.engine.recover(now, stored).unwrap();
        House {
            data,
            city,
            hall,
            ledger,
        }
    }

    fn new(city: fn() -> Catalogue, now: UnixMillis) -> House {
        House::open(tempfile::tempdir().unwrap(), city, now)
    }

    /// Stops and starts again from what is on the disk.
    fn restart(self, now: UnixMillis) -> House {
        self.ledger.close();
        let House {
            data,
            city,
            hall,
            ledger,
        } = self;
        drop((hall, ledger));
        assert_eq!(verify(data.path()).unwrap().errors, [] as [&str; 0]);
        House::open(data, city, now)
    }

    fn release(&self) -> ReleasePlan {
        let name = "buergerbuero-1-2026-11-30-1800";
        self.hall.engine.release_named(name).expect("it is there")
    }

    fn announce(&self, now: UnixMillis) {
        self.hall.engine.announce_releases(now, random);
        for _ in 0..PATIENCE {
            let course = self.hall.engine.releases().course(self.release().id);
            if course.announced.is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("it is never announced");
    }

    fn direct(&self, now: UnixMillis, fact: ReleaseFact) -> Result<(), DirectError> {
        let (done, answer) = channel();
        let told = move |outcome| done.send(outcome).unwrap();
        self.hall
            .engine
            .direct_release(now, &self.release(), fact, told);
        answer.recv_timeout(Duration::from_secs(30)).unwrap()
    }

    /// Seats of five minutes that everybody may book on Tuesday.
    fn seats(&self, now: UnixMillis) -> u32 {
        let engine = &self.hall.engine;
        let starts = engine.starts(now, OFFICE, TUESDAY, Channel::Public, &need(1));
        let starts = starts.unwrap().starts;
        starts.iter().map(|start| u32::from(start.seats)).sum()
    }

    fn sealed_until(&self, now: UnixMillis) -> Option<UnixMillis> {
        let engine = &self.hall.engine;
        let starts = engine.starts(now, OFFICE, TUESDAY, Channel::Public, &need(1));
        starts.unwrap().sealed_until
    }
}

fn words() -> (String, String) {
    ("anna".into(), "Feueralarm".into())
}

fn paused(at: UnixMillis) -> ReleaseFact {
    let (by, reason) = words();
    let since = at.0;
    ReleaseFact::Paused { since, by, reason }
}

fn resumed() -> ReleaseFact {
    let (by, reason) = words();
    ReleaseFact::Resumed { by, reason }
}

fn published() -> ReleaseFact {
    let (by, reason) = words();
    ReleaseFact::Published { by, reason }
}

fn withdrawn() -> ReleaseFact {
    let (by, reason) = words();
    ReleaseFact::Withdrawn { by, reason }
}

const ALL: u32 = 3 * 48;

/// Each piece opens once, within the window, at the second that anybody works out from the secret.
#[test]
fn a_drip_gives_each_seat_once_at_moments_that_can_be_checked() {
    let house = House::new(dripping, clock(MONDAY, 12, 0));
    house.announce(clock(MONDAY, 12, 0));
    let release = house.release();
    let course = house.hall.engine.releases().course(release.id);
    let announced = course.announced.as_ref().unwrap();
    let rules = DripRules::read(&announced.rules).unwrap();
    assert_eq!(
        (rules.office.as_str(), rules.window_seconds),
        ("buergerbuero-1", 1_800)
    );

    let moments = house.hall.engine.moments(&release);
    let [(date, moments)] = &moments[..] else {
        panic!("one day is released");
    };
    let day = plan(&dripping(), &dripping().offices[0], *date);
    let mut expected = pieces(&day.public, day.useful_units);
    for moment in moments {
        let place = expected.iter().position(|piece| *piece == moment.piece);
        expected.swap_remove(place.expect("each piece once"));
        assert!(at() <= moment.at && moment.at < end());
        let start = written(&berlin(), day.instant(moment.piece.start));
        let counter = moment.piece.counter + 1;
        let secret = &announced.secret;
        let offset = offset_seconds(secret, rules.window_seconds, &rules.office, counter, &start);
        assert_eq!(moment.at, at() + Millis(1_000 * i64::from(offset)));
    }
    assert!(expected.is_empty());

    // What people find at each second is what the moments say, and nothing tells them ahead.
    let mut opened: HashMap<(u8, u16), UnixMillis> = HashMap::new();
    for second in 0..=1_800 {
        let now = at() + Millis(1_000 * second);
        for moment in moments.iter().filter(|moment| moment.at <= now) {
            let key = (moment.piece.counter, moment.piece.start);
            opened.entry(key).or_insert(now);
        }
        let units: u32 = moments
            .iter()
            .filter(|moment| moment.at <= now)
            .map(|moment| u32::from(moment.piece.units))
            .sum();
        assert_eq!(house.seats(now), units, "after {second} s");
        let all_open = moments.len() == opened.len();
        assert_eq!(house.sealed_until(now), (!all_open).then_some(end()));
    }
    assert_eq!(house.seats(end()), ALL);
    assert_eq!(verify(house.data.path()).unwrap().errors, [] as [&str; 0]);
}

/// The moments are in the ledger: a restart in the middle neither opens a seat early nor late.
#[test]
fn a_restart_in_the_middle_of_a_drip_changes_nothing() {
    let mut house = House::new(dripping, clock(MONDAY, 12, 0));
    house.announce(clock(MONDAY, 12, 0));
    let before = house.hall.engine.moments(&house.release());
    for minutes in [0, 7, 15, 29, 30] {
        let now = at() + Millis::from_minutes(minutes);
        let seats = house.seats(now);
        house = house.restart(now);
        house.hall.engine.announce_releases(now, random);
        assert_eq!(house.hall.engine.moments(&house.release()), before);
        assert_eq!(house.seats(now), seats, "{minutes} minutes in");
    }
    assert_eq!(house.seats(end()), ALL);
}

/// Nobody could check moments that were made up in the window, so there are none: all of it opens
/// at the window's end.
#[test]
fn a_drip_that_nobody_announced_opens_at_its_end() {
    let house = House::new(dripping, at());
    house.hall.engine.announce_releases(at(), random);
    assert!(house.hall.engine.moments(&house.release()).is_empty());
    assert_eq!(house.seats(UnixMillis(end().0 - 1)), 0);
    assert_eq!(house.seats(end()), ALL);
}

#[test]
fn what_is_paused_does_not_open_until_it_goes_on() {
    let noon = clock(MONDAY, 12, 0);
    let mut house = House::new(at_once, noon);
    assert_eq!(house.sealed_until(noon), Some(at()));
    assert_eq!(house.direct(noon, paused(noon)), Ok(()));
    assert_eq!(house.sealed_until(noon), None);
    for now in [at(), end()] {
        assert_eq!(house.seats(now), 0);
        expect_wednesday(&house, now);
        house = house.restart(now);
        assert_eq!(house.seats(now), 0);
    }
    let refused = house.hall.hold(end(), clock(TUESDAY, 8, 0));
    let sealed = HoldError::Refused(HoldRefusal::Sealed { until: None });
    assert_eq!(refused.err(), Some(sealed));
    assert_eq!(house.direct(end(), resumed()), Ok(()));
    assert_eq!(house.seats(end()), ALL);
    house = house.restart(end());
    assert_eq!(house.seats(end()), ALL);
}

/// The next release that is told is the one of which nothing was decided.
fn expect_wednesday(house: &House, now: UnixMillis) {
    let next = house.hall.engine.next_release(now, OFFICE);
    let wednesday = TUESDAY.tomorrow().unwrap();
    assert_eq!(next, Some((clock(TUESDAY, 18, 0), wednesday)));
}

/// What has dripped stays; the rest waits, also through a restart, and then comes at once.
#[test]
fn a_drip_can_be_paused_in_the_middle() {
    let mut house = House::new(dripping, clock(MONDAY, 12, 0));
    house.announce(clock(MONDAY, 12, 0));
    let middle = at() + Millis::from_minutes(15);
    let seats = house.seats(middle);
    assert!(0 < seats && seats < ALL);
    assert_eq!(house.direct(middle, paused(middle)), Ok(()));
    let later = at() + Millis::from_minutes(25);
    assert_eq!(house.seats(later), seats);
    house = house.restart(later);
    assert_eq!(house.seats(later), seats);
    assert_eq!(house.direct(later, resumed()), Ok(()));
    let on_time = house.seats(later);
    assert!(seats < on_time && on_time < ALL);
    house = house.restart(later);
    assert_eq!(house.seats(later), on_time);
    assert_eq!(house.seats(end()), ALL);
}

#[test]
fn what_is_published_is_open_before_its_time() {
    let noon = clock(MONDAY, 12, 0);
    for city in [at_once, dripping] {
        let house = House::new(city, noon);
        house.hall.engine.announce_releases(noon, random);
        // Until the announcement is through, nothing else is decided about it.
        while house.direct(noon, published()) == Err(DirectError::Busy) {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(house.seats(noon), ALL);
        let house = house.restart(noon);
        assert_eq!(house.seats(noon), ALL);
    }
}

/// A withdrawal seals for everybody or for nobody; whoever was first keeps what they have.
#[test]
fn what_somebody_has_cannot_be_withdrawn() {
    let house = House::new(at_once, at());
    let token = house.hall.hold(at(), clock(TUESDAY, 9, 0)).unwrap();
    assert_eq!(house.direct(at(), withdrawn()), Err(DirectError::Taken));
    assert_eq!(house.seats(at()), ALL - 2);
    house.hall.engine.release(at(), token).unwrap();
    assert_eq!(house.direct(at(), withdrawn()), Ok(()));
    assert_eq!(house.seats(at()), 0);
    let house = house.restart(end());
    assert_eq!(house.seats(end()), 0);
    let id = house.release().id;
    let course = house.hall.engine.releases().course(id);
    assert_eq!(course.steering, Steering::Sealed);
    let decision = course.decision.clone().unwrap();
    assert_eq!(
        (decision.event, decision.by.as_str()),
        ("withdrawn", "anna")
    );
    assert_eq!(house.direct(end(), published()), Ok(()));
    assert_eq!(house.seats(end()), ALL);
}

/// A week is withdrawn whole: a hold on its last day keeps its first day open as well.
#[test]
fn a_release_of_a_week_is_one_release() {
    fn weekly() -> Catalogue {
        let mut city = at_once();
        city.offices[0].waves[0].schedule = Schedule::Weekly {
            weekday: jiff::civil::Weekday::Monday,
            weeks_ahead: 1,
        };
        city
    }
    let house = House::new(weekly, at());
    let release = house.release();
    assert_eq!(release.days.len(), 7);
    let sunday = release.days[6];
    let token = house.hall.hold(at(), clock(sunday, 9, 0)).unwrap();
    assert_eq!(house.direct(at(), withdrawn()), Err(DirectError::Taken));
    for day in &release.days {
        assert!(house.hall.seats(at(), clock(*day, 8, 0)) > 0, "{day}");
    }
    house.hall.engine.release(at(), token).unwrap();
    assert_eq!(house.direct(at(), withdrawn()), Ok(()));
    for day in &release.days {
        assert_eq!(house.hall.seats(at(), clock(*day, 8, 0)), 0, "{day}");
    }
}

#[test]
fn names_of_releases_are_read_back() {
    let house = House::new(at_once, at());
    let engine = &house.hall.engine;
    for strange in [
        "",
        "-",
        "buergerbuero-1",
        "buergerbuero-1-2026-11-30-1801",
        "2026-11-30-1800",
    ] {
        assert_eq!(engine.release_named(strange), None, "{strange:?}");
    }
    for strange in [
        "buergerbuero-1-2026-11-30-1760",
        "buergerbuero-1-2026-11-30-ü",
        "ü-2026-1",
    ] {
        assert_eq!(engine.release_named(strange), None, "{strange:?}");
    }
}
