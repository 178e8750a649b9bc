//! What is known of releases beyond the configuration: announced drips, and what staff decided.

use std::sync::Arc;

use super::sync::SharedMap;
use crate::rules::release::fact::{ReleaseFact, ReleaseRecord};
use crate::rules::release::{ReleaseId, Steering};
use crate::rules::room::draw::DrawSecret;
use crate::rules::time::UnixMillis;

/// A secret and the rules that it was committed to with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    pub secret: DrawSecret,
    pub rules: String,
}

/// Who decided something, when and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub at: UnixMillis,
    pub event: &'static str,
    pub by: String,
    pub reason: String,
}

/// What has happened to one release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Course {
    pub steering: Steering,
    pub announced: Option<Announced>,
    /// The last one; the ledger has all.
    pub decision: Option<Decision>,
}

impl Course {
    pub(super) fn follow(&mut self, at: UnixMillis, fact: &ReleaseFact) {
        if let ReleaseFact::Announced { secret, rules } = fact {
            self.announced = Some(Announced {
                secret: *secret,
                rules: rules.clone(),
            });
        }
        self.steering = fact.steering().unwrap_or(self.steering);
        if let Some((by, reason)) = fact.words() {
            self.decision = Some(Decision {
                at,
                event: fact.name(),
                by: by.to_owned(),
                reason: reason.to_owned(),
            });
        }
    }
}

/// The releases of an engine to which something has happened.
#[derive(Debug, Default)]
pub struct Releases {
    courses: SharedMap<ReleaseId, Arc<Course>>,
    /// Those of which a fact is on its way to the ledger: while one is, there is no other.
    deciding: SharedMap<ReleaseId, ()>,
}

impl Releases {
    /// Of a release to which nothing has happened, that it is due.
    pub fn course(&self, id: ReleaseId) -> Arc<Course> {
        let known = self.courses.get(&id).map(|course| Arc::clone(&course));
        known.unwrap_or_default()
    }

    /// Those that staff have put under a decision which still holds.
    pub fn steered(&self) -> Vec<ReleaseId> {
        let steered = self.courses.iter();
        let steered = steered.filter(|course| course.steering != Steering::Due);
        let mut ids: Vec<ReleaseId> = steered.map(|course| *course.key()).collect();
        ids.sort_unstable();
        ids
    }

    /// Whether a fact may be sent to the ledger now.
    pub(super) fn begin(&self, id: ReleaseId) -> bool {
        self.deciding.insert(id, ()).is_none()
    }

    pub(super) fn end(&self, id: ReleaseId) {
        self.deciding.remove(&id);
    }

    /// Takes over what the ledger has; returns what has become of the release.
    pub(super) fn follow(&self, id: ReleaseId, at: UnixMillis, fact: &ReleaseFact) -> Arc<Course> {
        let mut course = (*self.course(id)).clone();
        course.follow(at, fact);
        let course = Arc::new(course);
        self.courses.insert(id, Arc::clone(&course));
        course
    }

    pub(super) fn recover(&self, records: &[ReleaseRecord]) {
        for ReleaseRecord { at, release, fact } in records {
            self.follow(*release, *at, fact);
        }
    }

    pub(super) fn drop_before(&self, kept: impl Fn(ReleaseId) -> bool) {
        self.courses.retain(|id, _| kept(*id));
    }
}
