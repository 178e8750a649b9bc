//! Releases: listed, announced where they drip, and put under decisions of staff.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;

use super::Engine;
use crate::canary::{Canary, sings};
use crate::rules::calendar::{Cells, DayPlan};
use crate::rules::catalogue::{OfficeIndex, Wave};
use crate::rules::cells::CounterSet;
use crate::rules::day::{Day, ReleaseTaken};
use crate::rules::pieces::pieces;
use crate::rules::record::Fact;
use crate::rules::release::drip::{
    ALGORITHM, ANNOUNCED_AHEAD, DripRules, Moment, moments, written,
};
use crate::rules::release::fact::{ReleaseFact, ReleaseRecord};
use crate::rules::release::{ReleaseId, Steering};
use crate::rules::room::RoomId;
use crate::rules::room::draw::DrawSecret;
use crate::rules::time::{DayNumber, Millis, UnixMillis};
use crate::shell::releases::{Course, Releases};
use crate::shell::shard::Shard;
use crate::shell::stored::RELEASE_KEPT_DAYS;

/// A release as the configuration has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleasePlan {
    pub id: ReleaseId,
    /// The id for people and addresses.
    pub name: String,
    pub office: OfficeIndex,
    pub at: UnixMillis,
    /// Over how long it drips; 0 is all at once.
    pub drip: Millis,
    /// The waiting room before it, if there is one.
    pub room: Option<RoomId>,
    /// What is released, soonest first.
    pub days: Vec<Date>,
}

impl ReleasePlan {
    /// When all of it is open, if nothing is decided.
    pub fn until(&self) -> UnixMillis {
        self.at + self.drip
    }
}

/// When a release opens; what the rules of its drip say.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Window {
    id: ReleaseId,
    at: UnixMillis,
    drip: Millis,
}

impl From<&ReleasePlan> for Window {
    fn from(plan: &ReleasePlan) -> Window {
        Window {
            id: plan.id,
            at: plan.at,
            drip: plan.drip,
        }
    }
}

/// The secret by which a release drips, unless it was announced under other rules than these, or
/// not at all.
fn secret_of(rules: &str, course: &Course) -> Option<DrawSecret> {
    let announced = course.announced.as_ref()?;
    (announced.rules == rules).then_some(announced.secret)
}

/// What of a release nobody has taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReleaseStanding {
    /// Whether all of it is open.
    pub is_open: bool,
    /// Shortest visit of the office.
    pub useful_units: u8,
    /// By day: vacant cells, open or not.
    pub vacant: Vec<Cells>,
}

impl ReleaseStanding {
    /// Visits of so many units that find room side by side on these counters.
    pub fn seats(&self, units: u8, counters: CounterSet) -> u32 {
        let whole = |cells: &Cells| {
            let own: Vec<CounterSet> = cells.iter().map(|set| set.and(counters)).collect();
            let pieces = pieces(&own, units).into_iter();
            pieces
                .filter(|piece| piece.units >= u16::from(units))
                .count()
        };
        let seats: usize = self.vacant.iter().map(whole).sum();
        u32::try_from(seats).unwrap_or(u32::MAX)
    }
}

/// Why a decision about a release was not taken. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectError {
    /// Another one is on its way.
    Busy,
    /// It cannot be withdrawn: somebody has one of its seats.
    Taken,
    LedgerAway,
}

impl Engine {
    pub fn releases(&self) -> &Releases {
        &self.releases
    }

    /// The releases of an office on a day, soonest first.
    pub fn releases_on(&self, office: OfficeIndex, day: DayNumber) -> Vec<ReleasePlan> {
        let mut plans: BTreeMap<ReleaseId, ReleasePlan> = BTreeMap::new();
        for (_, date) in self.released_on(office, day) {
            for wave in self.plan(office, date).waves {
                if wave.release.day != day {
                    continue;
                }
                let plan = plans.entry(wave.release).or_insert_with(|| ReleasePlan {
                    id: wave.release,
                    name: wave.release.name(&self.catalogue.office(office).id),
                    office,
                    at: wave.at,
                    drip: wave.drip,
                    room: wave.guard.map(|guard| guard.room),
                    days: Vec::new(),
                });
                if !plan.days.contains(&date) {
                    plan.days.push(date);
                }
            }
        }
        plans.into_values().collect()
    }

    /// The release with this id, if the configuration has it.
    pub fn release_plan(&self, id: ReleaseId) -> Option<ReleasePlan> {
        let office = self.catalogue.office_by_number(id.office)?;
        // What no rule releases is told from the rules alone: anybody may ask for anything.
        let mut waves = self.catalogue.office(office).waves.iter();
        let is_of_it = |wave: &Wave| {
            wave.at == id.minute && wave.schedule.days_of(id.day.to_date()).next().is_some()
        };
        if self.demo.is_none() && !waves.any(is_of_it) {
            return None;
        }
        let plans = self.releases_on(office, id.day);
        plans.into_iter().find(|plan| plan.id == id)
    }

    /// The release with this name.
    pub fn release_named(&self, name: &str) -> Option<ReleasePlan> {
        // From the end, because offices have names with hyphens.
        let (rest, minute) = name.rsplit_once('-')?;
        let (office, date) = rest.split_at_checked(rest.len().checked_sub("YYYY-MM-DD".len())?)?;
        let index = self.catalogue.office_by_id(office.strip_suffix('-')?)?;
        let minute: u16 = minute.parse().ok()?;
        let id = ReleaseId {
            office: self.catalogue.office(index).number,
            day: DayNumber::from_date(date.parse().ok()?)?,
            minute: minute / 100 * 60 + minute % 100,
        };
        self.release_plan(id).filter(|plan| plan.name == name)
    }

    /// What of a release nobody has taken.
    pub fn release_standing(&self, now: UnixMillis, plan: &ReleasePlan) -> ReleaseStanding {
        let mut standing = ReleaseStanding {
            is_open: true,
            useful_units: 1,
            vacant: Vec::new(),
        };
        for shard in self.shards_of(plan) {
            let (is_open, vacant) = shard.decide(|day| {
                standing.useful_units = day.plan().useful_units;
                day.release_standing(now, plan.id)
            });
            standing.is_open &= is_open;
            standing.vacant.push(vacant);
        }
        standing
    }

    /// The moments of a drip that was announced, by day and soonest first; whoever knows them
    /// before they have come knows what nobody should.
    pub fn moments(&self, plan: &ReleasePlan) -> Vec<(Date, Vec<Moment>)> {
        let course = self.releases.course(plan.id);
        let Some(secret) = secret_of(&self.drip_rules(plan.into()), &course) else {
            return Vec::new();
        };
        let days = plan.days.iter().map(|date| {
            let day = self.plan(plan.office, *date);
            (*date, self.moments_of(plan.office, plan.id, &secret, &day))
        });
        days.collect()
    }

    fn moments_of(
        &self,
        office: OfficeIndex,
        id: ReleaseId,
        secret: &DrawSecret,
        day: &DayPlan,
    ) -> Vec<Moment> {
        let (office, zone) = (&self.catalogue.office(office).id, &self.catalogue.city.zone);
        let waves = day.waves.iter().filter(|wave| wave.release == id);
        let all = waves.flat_map(|wave| moments(secret, office, zone, day, wave));
        let mut all: Vec<Moment> = all.collect();
        all.sort_by_key(|moment| moment.at);
        all
    }

    /// The rules of a drip, as they are published.
    fn drip_rules(&self, window: Window) -> String {
        let Window { id, at, drip } = window;
        let office = self.catalogue.office_by_number(id.office);
        let office = office.map_or("", |index| &self.catalogue.office(index).id);
        let rules = DripRules {
            algorithm: ALGORITHM.to_owned(),
            office: office.to_owned(),
            release: id.name(office),
            release_at: written(&self.catalogue.city.zone, at),
            window_seconds: u32::try_from(drip.0 / 1_000).unwrap_or_default(),
        };
        rules.text()
    }

    /// Puts a day that was just made under what is known of its releases.
    pub(super) fn steer_new_day(&self, office: OfficeIndex, day: &mut Day) {
        let windows = day.plan().waves.iter().map(|wave| Window {
            id: wave.release,
            at: wave.at,
            drip: wave.drip,
        });
        let mut windows: Vec<Window> = windows.collect();
        windows.dedup();
        for window in windows {
            let id = window.id;
            let course = self.releases.course(id);
            if *course == Course::default() {
                continue;
            }
            if window.drip > Millis(0)
                && let Some(secret) = secret_of(&self.drip_rules(window), &course)
            {
                let moments = self.moments_of(office, id, &secret, day.plan());
                day.drip(id, &moments);
            }
            if !sings(Canary::DecisionForgotten) {
                day.steer(id, course.steering);
            }
        }
    }

    fn shards_of(&self, plan: &ReleasePlan) -> Vec<Arc<Shard>> {
        let days = plan.days.iter();
        days.filter_map(|date| self.shard(plan.office, *date))
            .collect()
    }

    /// Announces drips that begin within a day; call it now and then. `random` gives 32 bytes that
    /// nobody can guess, or none. One whose rules have changed before it began is announced anew.
    pub fn announce_releases(&self, now: UnixMillis, random: impl Fn() -> Option<[u8; 32]>) {
        let today = self.date_of(now);
        let tomorrow = today.saturating_add(jiff::Span::new().days(1));
        let days: Vec<DayNumber> = [today, tomorrow]
            .into_iter()
            .filter_map(DayNumber::from_date)
            .collect();
        for (index, office) in (0u16..).map(OfficeIndex).zip(&self.catalogue.offices) {
            if office.waves.iter().all(|wave| wave.drip_minutes == 0) {
                continue;
            }
            for plan in days.iter().flat_map(|day| self.releases_on(index, *day)) {
                let is_near = now < plan.at && plan.at <= now + ANNOUNCED_AHEAD;
                if plan.drip == Millis(0) || !is_near || !self.releases.begin(plan.id) {
                    continue;
                }
                let course = self.releases.course(plan.id);
                if secret_of(&self.drip_rules((&plan).into()), &course).is_some() {
                    self.releases.end(plan.id);
                    continue;
                }
                let Some(secret) = random() else {
                    self.releases.end(plan.id);
                    return;
                };
                self.announce_drip(now, &plan, DrawSecret(secret));
            }
        }
    }

    fn announce_drip(&self, now: UnixMillis, plan: &ReleasePlan, secret: DrawSecret) {
        let id = plan.id;
        // Worked out before: whoever speaks for the ledger has only to put them in.
        let of_day = |shard: Arc<Shard>| {
            let day = shard.decide(|day| day.plan().clone());
            let moments = self.moments_of(plan.office, id, &secret, &day);
            (shard, moments)
        };
        let drips: Vec<_> = self.shards_of(plan).into_iter().map(of_day).collect();
        let rules = self.drip_rules(plan.into());
        let fact = ReleaseFact::Announced { secret, rules };
        let told = Fact::Release {
            release: id,
            fact: Box::new(fact.clone()),
        };
        let releases = Arc::clone(&self.releases);
        self.append_strict((), now, told, move |outcome| {
            if outcome.is_ok() {
                releases.follow(id, now, &fact);
                for (shard, moments) in &drips {
                    shard.decide(|day| day.drip(id, moments));
                }
            }
            releases.end(id);
        });
    }

    /// What staff decide: publish, pause, resume, withdraw. `done` is called once, when the ledger
    /// has it or it is clear that nothing has changed.
    pub fn direct_release(
        &self,
        now: UnixMillis,
        plan: &ReleasePlan,
        fact: ReleaseFact,
        done: impl FnOnce(Result<(), DirectError>) + Send + 'static,
    ) {
        let id = plan.id;
        if !self.releases.begin(id) {
            return done(Err(DirectError::Busy));
        }
        let before = self.releases.course(id).steering;
        let shards = self.shards_of(plan);
        // Sealed before anybody else can take a seat, and opened again if it comes to nothing.
        if matches!(fact, ReleaseFact::Withdrawn { .. })
            && let Err(ReleaseTaken) = withdraw(&shards, id, before)
        {
            self.releases.end(id);
            return done(Err(DirectError::Taken));
        }
        let told = Fact::Release {
            release: id,
            fact: Box::new(fact.clone()),
        };
        let releases = Arc::clone(&self.releases);
        self.append_strict((), now, told, move |outcome| {
            let steering = match outcome {
                Ok(_) => releases.follow(id, now, &fact).steering,
                Err(_) => before,
            };
            for shard in &shards {
                shard.decide(|day| day.steer(id, steering));
            }
            releases.end(id);
            done(outcome.map(|_| ()).map_err(|_| DirectError::LedgerAway));
        });
    }

    /// Knows again what was announced and decided. Days are not there yet.
    pub(in crate::shell) fn recover_releases(&self, records: &[ReleaseRecord]) {
        self.releases.recover(records);
    }

    /// Forgets releases whose days are long over.
    pub(super) fn retire_releases(&self, today: DayNumber) {
        let first = i64::from(today.0) - RELEASE_KEPT_DAYS;
        self.releases.drop_before(|id| i64::from(id.day.0) >= first);
    }
}

/// Seals a release on all of its days or on none.
fn withdraw(shards: &[Arc<Shard>], id: ReleaseId, before: Steering) -> Result<(), ReleaseTaken> {
    for (place, shard) in shards.iter().enumerate() {
        if let Err(taken) = shard.decide(|day| day.withdraw(id)) {
            for sealed in &shards[..place] {
                sealed.decide(|day| day.steer(id, before));
            }
            return Err(taken);
        }
    }
    Ok(())
}
