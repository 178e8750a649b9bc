//! Do this ledger and this store belong together, and is nothing missing between them?

use morgenruh_engine::rules::record::Position;

use crate::lineage::Lineage;

/// What there is on the ledger's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerSide {
    pub lineage: Option<Lineage>,
    /// The oldest fact that was not trimmed.
    pub first: Option<Position>,
    /// The newest fact that ever was there.
    pub newest: Position,
}

/// What there is on the store's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreSide {
    pub lineage: Option<Lineage>,
    pub watermark: Position,
}

/// How to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// Both are empty: the very first start.
    First,
    /// The store is empty, and the ledger still has everything that belongs into it.
    Refill(Lineage),
    GoOn,
}

/// Why nobody can be served from these two; each says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Disagreement {
    #[error(
        "the Redis is empty, but the database has facts up to {}: is this the right Redis? If its \
         data is lost for good, `morgenruh restart-ledger` goes on from the database; what was \
         acknowledged after that fact is lost then", watermark.0
    )]
    LedgerEmpty { watermark: Position },
    #[error("the Redis has a stream without our mark in it: is it another program's?")]
    LedgerUnmarked,
    #[error(
        "the database is empty, but the Redis has facts up to {}, of which those before {} were \
         trimmed: is this the right database? If its data is lost, restore a backup of it",
        newest.0, first.0
    )]
    StoreEmpty { first: Position, newest: Position },
    #[error(
        "this Redis and this database do not belong together: they come from different first \
         starts; is one of the addresses wrong?"
    )]
    Strangers,
    #[error(
        "the Redis has facts up to {}, but the database has them up to {}: the Redis has lost its \
         newest facts (an old backup, a promoted replica, a deleted file). Stop it and bring its \
         own data back; if that is lost for good, empty this Redis and run \
         `morgenruh restart-ledger`", newest.0, watermark.0
    )]
    TailLost {
        newest: Position,
        watermark: Position,
    },
    #[error(
        "the database has facts up to {}, but the Redis only has those from {} on: the database \
         comes from a backup that is too old. Restore a newer one", watermark.0, first.0
    )]
    Gap {
        watermark: Position,
        first: Position,
    },
}

/// Compares both sides.
///
/// # Errors
/// [`Disagreement`]
pub fn agree(ledger: LedgerSide, store: StoreSide) -> Result<Beginning, Disagreement> {
    let LedgerSide { first, newest, .. } = ledger;
    let watermark = store.watermark;
    // What was trimmed, all of it at the most.
    let next = Position(newest.0 + 1);
    let first = first.unwrap_or(next);
    match (ledger.lineage, store.lineage) {
        (None, _) if newest > Position(0) => Err(Disagreement::LedgerUnmarked),
        (None, None) => Ok(Beginning::First),
        (None, Some(_)) => Err(Disagreement::LedgerEmpty { watermark }),
        (Some(lineage), None) if first <= Position(1) => Ok(Beginning::Refill(lineage)),
        (Some(_), None) => Err(Disagreement::StoreEmpty { first, newest }),
        (Some(ours), Some(theirs)) if ours != theirs => Err(Disagreement::Strangers),
        _ if newest < watermark => Err(Disagreement::TailLost { newest, watermark }),
        _ if first.0 > watermark.0 + 1 => Err(Disagreement::Gap { watermark, first }),
        _ => Ok(Beginning::GoOn),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Option<Lineage> = Some(Lineage([1; 16]));

    fn ask(
        ledger: (Option<Lineage>, Option<u64>, u64),
        store: (Option<Lineage>, u64),
    ) -> Result<Beginning, Disagreement> {
        let (lineage, first, newest) = ledger;
        let ledger = LedgerSide {
            lineage,
            first: first.map(Position),
            newest: Position(newest),
        };
        let (lineage, watermark) = store;
        let watermark = Position(watermark);
        agree(ledger, StoreSide { lineage, watermark })
    }

    #[test]
    fn what_belongs_together_goes_on() {
        assert_eq!(ask((None, None, 0), (None, 0)), Ok(Beginning::First));
        for (first, newest, watermark) in [
            (None, 0, 0),
            (Some(1), 9, 0),
            (Some(1), 9, 9),
            (Some(5), 9, 4),
            (Some(9), 9, 9),
            (None, 9, 9),
        ] {
            let answer = ask((OURS, first, newest), (OURS, watermark));
            assert_eq!(
                answer,
                Ok(Beginning::GoOn),
                "{first:?} {newest} {watermark}"
            );
        }
    }

    #[test]
    fn a_store_is_filled_again_only_from_the_first_fact_on() {
        let refill = Ok(Beginning::Refill(Lineage([1; 16])));
        assert_eq!(ask((OURS, None, 0), (None, 0)), refill);
        assert_eq!(ask((OURS, Some(1), 9), (None, 0)), refill);
        let trimmed = ask((OURS, Some(2), 9), (None, 0));
        assert!(matches!(trimmed, Err(Disagreement::StoreEmpty { .. })));
        let all_trimmed = ask((OURS, None, 9), (None, 0));
        assert!(matches!(all_trimmed, Err(Disagreement::StoreEmpty { .. })));
    }

    #[test]
    fn what_is_missing_is_named() {
        let theirs = Some(Lineage([2; 16]));
        let (first, newest, watermark) = (Position(6), Position(9), Position(4));
        for (answer, expected) in [
            (
                ask((None, None, 0), (OURS, 4)),
                Disagreement::LedgerEmpty { watermark },
            ),
            (
                ask((None, Some(1), 3), (OURS, 3)),
                Disagreement::LedgerUnmarked,
            ),
            (ask((OURS, None, 0), (theirs, 0)), Disagreement::Strangers),
            (
                ask((OURS, Some(6), 9), (OURS, 4)),
                Disagreement::Gap { watermark, first },
            ),
            (
                ask((OURS, Some(6), 9), (OURS, 10)),
                Disagreement::TailLost {
                    newest,
                    watermark: Position(10),
                },
            ),
        ] {
            assert_eq!(answer, Err(expected));
        }
    }
}
