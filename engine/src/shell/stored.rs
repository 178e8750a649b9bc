//! What a ledger remembers, whatever it is kept in.

use std::collections::HashMap;

use crate::rules::day::{HoldTerms, Reservation, State};
use crate::rules::ids::{Digest, ReservationId};
use crate::rules::time::{Millis, UnixMillis};

/// No hold lives longer: two hours, once extended, and four hours stretched by an outage.
const HOLD_LIFE_MAX: Millis = Millis::from_minutes(8 * 60);

/// What was reserved when the ledger was last written.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// Bookings from yesterday on, cancelled ones included.
    pub bookings: Vec<Reservation>,
    /// Holds that were not seen to end, oldest first, whatever their deadline.
    pub holds: Vec<Reservation>,
    /// Oldest first.
    pub idempotency_keys: Vec<RememberedKey>,
}

/// A booking request that was answered, so that its repetition is recognised.
#[derive(Clone, Copy, Debug)]
pub struct RememberedKey {
    pub key: Digest,
    pub request: Digest,
    pub at: UnixMillis,
}

/// What a fact says about holds.
#[derive(Clone, Debug)]
pub enum HoldFact {
    Made(Reservation, HoldTerms),
    /// It lasts longer; as its holder wished, or because of an outage.
    Prolonged {
        id: ReservationId,
        deadline: UnixMillis,
        extended: bool,
    },
    /// It is over, or has become a booking, and so has the hold that a move has used.
    Ended(ReservationId, Option<ReservationId>),
}

/// The holds that were not seen to end, oldest first.
///
/// Follows the facts from the newest back to the oldest that can still matter: times in a ledger
/// never go back.
///
/// # Errors
/// Those of whoever reads the facts.
pub fn live_holds<E>(
    newest_first: impl Iterator<Item = Result<(UnixMillis, HoldFact), E>>,
    now: UnixMillis,
) -> Result<Vec<Reservation>, E> {
    /// What is known of a hold from facts later than the one being read.
    #[derive(Default)]
    struct Later {
        ended: bool,
        deadline: Option<UnixMillis>,
        extended: bool,
    }
    let mut later: HashMap<ReservationId, Later> = HashMap::new();
    let mut holds = Vec::new();
    for fact in newest_first {
        let (at, fact) = fact?;
        if at + HOLD_LIFE_MAX < now {
            break;
        }
        match fact {
            HoldFact::Made(hold, terms) => {
                let later = later.remove(&hold.id).unwrap_or_default();
                if later.ended {
                    continue;
                }
                let terms = HoldTerms {
                    deadline: terms.deadline.max(later.deadline.unwrap_or(terms.deadline)),
                    extended: later.extended,
                };
                holds.push(Reservation {
                    state: State::Held(terms),
                    ..hold
                });
            }
            HoldFact::Prolonged {
                id,
                deadline,
                extended,
            } => {
                let later = later.entry(id).or_default();
                later.deadline = later.deadline.max(Some(deadline));
                later.extended |= extended;
            }
            HoldFact::Ended(id, used) => {
                for id in [Some(id), used].into_iter().flatten() {
                    later.entry(id).or_default().ended = true;
                }
            }
        }
    }
    holds.reverse();
    Ok(holds)
}
