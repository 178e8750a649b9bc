//! What has gone wrong so far.

use super::kinds::Kind;
use crate::soak::report::Outage;

/// One line for each kind.
#[derive(Debug, Default)]
pub(super) struct Outages {
    counted: Vec<(Kind, Outage)>,
}

impl Outages {
    pub(super) fn count(&mut self, kind: Kind, outage: Outage) {
        let mut counted = self.counted.iter_mut();
        match counted.find(|(known, _)| *known == kind) {
            Some((_, sum)) => sum.add(&outage),
            None => self.counted.push((kind, outage)),
        }
    }

    /// Kinds that have not happened.
    pub(super) fn missing(&self) -> impl Iterator<Item = Kind> {
        let happened = |kind: &Kind| self.counted.iter().any(|(known, _)| known == kind);
        Kind::ALL.into_iter().filter(move |kind| !happened(kind))
    }

    /// In the order of the kinds.
    pub(super) fn list(&self) -> Vec<Outage> {
        let of = |kind: Kind| self.counted.iter().find(|(known, _)| *known == kind);
        let counted = Kind::ALL.into_iter().filter_map(of);
        counted.map(|(_, outage)| outage.clone()).collect()
    }
}
