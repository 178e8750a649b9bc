//! What happened in the runs: a proof in which nothing happened proves nothing.

use crate::disk::CrashPoint;

/// Names and numbers of what is counted.
macro_rules! tally {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// How often what happened.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Tally {
            /// By position in [`CrashPoint::EACH`].
            pub crashes: [u64; CrashPoint::EACH.len()],
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Tally {
            pub fn add(&mut self, other: &Tally) {
                for (sum, more) in self.crashes.iter_mut().zip(other.crashes) {
                    *sum += more;
                }
                $(self.$name += other.$name;)*
            }

            fn counts(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)*]
            }
        }
    };
}

tally! {
    steps,
    holds,
    refused_holds,
    expired_holds,
    confirmed,
    cancelled,
    moved,
    reads,
    /// Confirmations within a second of the deadline, or on their way when it came.
    confirm_expiry_races,
    /// Crashes while somebody waited for what was already durable.
    durable_not_acknowledged,
    crashes_in_recovery,
    duplicate_submissions,
    lost_answers,
    refused_commits,
    unclear_commits,
    outages,
    /// Facts that came into the store.
    drained,
    /// Commits refused because the store was too far behind.
    held_back,
    clock_set_back,
    clock_set_ahead,
    herds,
    reopenings,
    twin_recoveries,
    joined,
    draws,
    passes,
    not_your_turn,
    /// Exchanges that the ledger could not keep.
    passes_refused,
    holds_with_pass,
    bookings_with_pass,
    booked_before,
    passes_spent,
    staff_decisions,
    lines_drained,
    /// About releases.
    decisions,
    withdrawals,
    /// Refused because somebody had a seat.
    not_withdrawn,
    drips,
    rooms_ended,
    wishes_laid,
    /// Of them, those that were tickets of a waiting room.
    tickets_laid,
    lotteries,
    /// Seats that the draw gave to somebody.
    seats_drawn,
    /// Wishes that went on as ordinary ones after their draw.
    wishes_drawn,
    wishes_changed,
    wishes_withdrawn,
    offers,
    offers_accepted,
    offers_declined,
    offers_lapsed,
    /// Offers that waited longer because nobody could be told.
    offers_untold,
    /// Offers that waited longer because somebody was told late.
    offers_told_late,
    booked_unasked,
    brought_forward,
    wishes_merged,
    wishes_outdated,
    wishes_used_up,
    wishes_overtaken,
    wishes_forgotten,
    /// After an offer that was not answered.
    wishes_confirmed,
    /// Given back for another one.
    seats_returned,
    offers_reminded,
    rests,
    rests_ended,
    calms,
    histories,
}

impl Tally {
    /// What must have happened and did not.
    pub fn missing(&self) -> Vec<String> {
        let counts = self.counts().into_iter();
        let points = CrashPoint::EACH.iter().zip(self.crashes);
        counts
            .map(|(name, count)| (name.to_owned(), count))
            .chain(points.map(|(point, count)| (format!("crash {point:?}"), count)))
            .filter(|(_, count)| *count == 0)
            .map(|(name, _)| name)
            .collect()
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, count) in self.counts() {
            writeln!(out, "  {:<28} {count:>14}", name.replace('_', " "))?;
        }
        for (point, count) in CrashPoint::EACH.iter().zip(self.crashes) {
            writeln!(out, "  {:<28} {count:>14}", format!("crash {point:?}"))?;
        }
        Ok(())
    }
}
