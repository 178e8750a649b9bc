//! A wish as it is known: what it asks for, where it stands, and what is still to be told of it.

use super::super::fact::{Contact, Notify, Offer, WishEnding};
use super::super::index::Entry;
use super::super::{Place, Wish, WishId};
use crate::rules::catalogue::{Catalogue, OfficeIndex, ServiceIndex};
use crate::rules::cells::CounterSet;
use crate::rules::ids::{Digest, ReservationId, Secret};
use crate::rules::need::{Need, Services, need};
use crate::rules::room::TicketId;
use crate::rules::time::UnixMillis;

/// Where a wish is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its waiting room is still to be drawn.
    Undrawn,
    Waiting,
    /// An offer was not answered: it gets nothing until somebody says that it still stands.
    Asleep,
    /// An offer, a booking or its end is on its way to the ledger.
    Deciding,
    Offered(Offer),
    Booked {
        booking: ReservationId,
        seat: ReservationId,
    },
    Ended(WishEnding),
}

impl Standing {
    pub fn is_over(self) -> bool {
        matches!(self, Standing::Booked { .. } | Standing::Ended(_))
    }
}

/// Something that somebody is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Counted from 1 for each wish: the same notice has the same number after a restart.
    pub number: u32,
    pub at: UnixMillis,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Laid,
    Offered(Offer),
    /// It is still open.
    Reminded(Offer),
    Lapsed(Offer),
    Booked {
        booking: ReservationId,
        seat: ReservationId,
    },
    Ended(WishEnding),
}

/// A wish and what became of it so far.
#[derive(Clone, Debug)]
pub struct Known {
    pub wish: Wish,
    pub place: Place,
    pub ticket: Option<TicketId>,
    /// It was laid before its waiting room was drawn.
    pub(super) before_draw: bool,
    pub contact: Box<Contact>,
    pub standing: Standing,
    /// When it got there.
    pub since: UnixMillis,
    /// Offers so far.
    pub offers: u8,
    /// Of them, those that were declined, not answered or given back.
    pub lost: u8,
    /// When it is told once more of the offer that is open.
    pub reminder: Option<UnixMillis>,
    /// What was offered, whatever became of it.
    pub(super) seats: Vec<ReservationId>,
    /// What is still to be told, oldest first.
    pub notices: Vec<Notice>,
    pub(super) told: u32,
    /// The start of the booking that is to be brought forward; the end of time for other wishes.
    pub(super) before: UnixMillis,
    pub(super) lines: Vec<Line>,
    pub(super) marks: Vec<Digest>,
}

/// Where a wish stands in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) office: u16,
    pub(super) units: u8,
    pub(super) counters: CounterSet,
}

impl Known {
    /// Whether it is us who tell of what happens.
    pub(super) fn is_told(&self) -> bool {
        self.contact.notify != Notify::Poll
    }

    /// Offices by number, and the units and counters that the visit needs there.
    pub fn needs(&self) -> impl Iterator<Item = (u16, u8, CounterSet)> {
        let lines = self.lines.iter();
        lines.map(|line| (line.office, line.units, line.counters))
    }

    pub(super) fn entry(&self, id: WishId) -> Entry {
        Entry {
            id,
            place: self.place,
            windows: self.wish.windows,
            from: self.wish.from,
            until: self.wish.until,
            notice_minutes: self.wish.notice_minutes,
            before: self.before,
        }
    }

    /// The manage secret of the booking that has come of it.
    pub fn manage_secret(&self) -> Secret {
        self.contact.hold_secret(self.offers).manage()
    }
}

/// Services by their numbers as a need of an office.
pub fn need_at(catalogue: &Catalogue, office: OfficeIndex, services: &Services) -> Option<Need> {
    let index = |number| {
        let position = catalogue
            .services
            .iter()
            .position(|it| it.number == number)?;
        u16::try_from(position).ok().map(ServiceIndex)
    };
    let asked: Option<Vec<(ServiceIndex, u8)>> = services
        .iter()
        .map(|(number, quantity)| Some((index(number)?, quantity)))
        .collect();
    need(catalogue, catalogue.office(office), &asked?).ok()
}

pub(super) fn lines(catalogue: &Catalogue, wish: &Wish) -> Vec<Line> {
    let line = |office: &u16| {
        let index = catalogue.office_by_number(*office)?;
        let need = need_at(catalogue, index, &wish.services)?;
        Some(Line {
            office: *office,
            units: need.units,
            counters: need.counters,
        })
    };
    wish.offices.iter().filter_map(line).collect()
}
