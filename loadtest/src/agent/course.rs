//! What happened in some weeks, whoever gave out the seats.

use super::time::Second;
use super::town::Seat;

/// Everything that the figures are made of.
#[derive(Debug, Default)]
pub(super) struct Course {
    pub(super) bookings: Vec<Booked>,
    pub(super) offers: Vec<Offered>,
    pub(super) wishes: Vec<Wished>,
}

#[derive(Clone, Debug)]
pub(super) struct Booked {
    pub(super) seat: Seat,
    pub(super) at: Second,
    pub(super) how: How,
    pub(super) cancelled: Option<Second>,
    pub(super) no_show: bool,
    /// Booked unasked, and it did not suit or its owner never heard of it.
    pub(super) in_vain: bool,
}

/// How somebody came by a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Found free.
    Found,
    /// By an offer that was accepted.
    Asked,
    /// For a wish, without asking.
    Unasked,
}

#[derive(Clone, Debug)]
pub(super) struct Offered {
    pub(super) made: Second,
    pub(super) start: Second,
    pub(super) end: OfferEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OfferEnd {
    /// Until the end of the run.
    Open,
    Accepted,
    Declined,
    /// Somebody was going to answer, and too late.
    Late,
    /// Nobody ever looked.
    Unseen,
}

#[derive(Clone, Debug)]
pub(super) struct Wished {
    pub(super) laid: Second,
    pub(super) met: Option<Second>,
    /// It ended without a booking.
    pub(super) ended: bool,
    /// An offer was lost, and nobody has said since that it still stands.
    pub(super) asleep: bool,
}
