//! Known bugs that can be let loose, to show that the proof would notice them.
//!
//! Where the code asks [`sings`], one canary makes it do the wrong thing. Only builds with the
//! feature `canaries` can let one sing; in every other build the question is the constant `false`
//! and the wrong branch is not compiled.

/// A bug that somebody could write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Canary {
    /// Whoever waits is told "durable" before the commit.
    AckBeforeDurable = 1,
    /// A failed sync is taken for "certainly not written".
    UnclearTakenForRefused,
    /// What is not to be seen after a failed sync is taken for "not there".
    UnclearSettledByLooking,
    /// A hold can be used after its deadline.
    DeadlineIgnored,
    /// A hold ends before its deadline.
    EarlyExpiry,
    /// Recovery serves before the expiry pass, and nobody watches what it put back.
    ExpiryForgotten,
    /// The last unit of a held seat stays free for others.
    DoubleHold,
    /// A cancelled seat is free before the cancellation is durable.
    FreedBeforeDurable,
    /// A repeated confirmation is not recognised.
    RepetitionForgotten,
    /// The store's watermark is written before its rows.
    WatermarkAhead,
    /// SQLite commits without waiting for the disk.
    SyncForgotten,
    /// The data directory's entry in its parent is not synced.
    DirectoryNotSynced,
    /// Whoever appends what somebody waits for does not wake the thread that writes.
    WakeForgotten,
    /// An offer that was declined meanwhile is accepted.
    AnsweredTwice,
    /// Whoever is next in a waiting room is let in before their place is called.
    QueueSkipped,
    /// Late tickets are let in however many are inside.
    CeilingForgotten,
    /// Recovery does not know which tickets have become bookings.
    SpentForgotten,
    /// Recovery does not know that tickets were drawn, and draws again.
    DrawForgotten,
    /// Recovery gives numbers again that were given.
    NumbersForgotten,
    /// A seat goes to the last instead of the first of two wishes.
    WishPassedOver,
    /// Several wishes of one person are given something at once.
    PersonForgotten,
    /// Days that have changed are not held against the wishes.
    FreedUnseen,
    /// The seat of an offer that nobody answered is not given back.
    LapsedSeatKept,
    /// A seat that was given back is everybody's before its time.
    RestEndedEarly,
    /// Whoever accepts an offer is told so before the commit.
    AcceptedBeforeDurable,
    /// Recovery does not hold what was offered.
    OfferForgotten,
    /// A wish whose offer was not answered is given something all the same.
    SleeperServed,
    /// Whoever gives back what was booked unasked goes to the end of the line.
    PlaceGivenUp,
    /// A lottery begins with the last place.
    DrawnBackwards,
    /// A lottery is over when the first place has had its turn.
    LotteryCutShort,
    /// Recovery does not know which places were drawn.
    PlaceForgotten,
    /// A ticket that has become a wish lets somebody in all the same.
    TicketKept,
    /// A day that is made does not hear what was decided about its releases.
    DecisionForgotten,
    /// A release is withdrawn from under whoever has one of its seats.
    WithdrawnUnderneath,
    /// All pieces of a drip open when its window begins.
    DripEarly,
    /// Two wishes with one telephone number count as two people's.
    PhoneForgotten,
    /// Wishes that are over are kept for ever.
    NothingForgotten,
}

#[cfg(feature = "canaries")]
static SINGING: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);

/// Lets one canary sing in the whole process, or none.
#[cfg(feature = "canaries")]
pub fn sing(canary: Option<Canary>) {
    let number = canary.map_or(0, |canary| canary as u8);
    SINGING.store(number, std::sync::atomic::Ordering::SeqCst);
}

/// Whether this bug is let loose.
#[cfg(feature = "canaries")]
#[inline]
pub fn sings(canary: Canary) -> bool {
    SINGING.load(std::sync::atomic::Ordering::Relaxed) == canary as u8
}

/// Whether this bug is let loose: never.
#[cfg(not(feature = "canaries"))]
#[inline]
pub const fn sings(_: Canary) -> bool {
    false
}
