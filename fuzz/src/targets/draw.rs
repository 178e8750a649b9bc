//! The documents of a draw, as a stranger hands them to whoever checks them.

use morgenruh_engine::rules::room::draw::TICKETS_MAX;
use morgenruh_engine::rules::room::proof::{Proof, Receipt, check};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Verdict;

/// Tickets of a draw that is worked out here; more of them only take longer, until they are too
/// many.
const TICKETS_HERE: u32 = 2_000;

/// What holds can be written, read, and still holds; a line has everybody once.
pub(crate) fn proof(data: &[u8]) -> Verdict {
    let Some(proof) = read::<Proof>(data) else {
        return Verdict::Refused;
    };
    if (TICKETS_HERE..=TICKETS_MAX).contains(&proof.tickets) {
        return Verdict::Refused;
    }
    let Ok(line) = check(&proof) else {
        return Verdict::Refused;
    };
    assert_eq!(line.len(), proof.tickets);
    for seq in 0..proof.tickets {
        let position = line.position_of(seq).expect("each ticket was drawn");
        assert_eq!(line.at(position), Some(seq));
    }
    Verdict::Taken
}

/// One receipt a line; a second one of the same ticket and root is the same receipt.
pub(crate) fn receipt(data: &[u8]) -> Verdict {
    let receipts = data
        .split(|byte| *byte == b'\n')
        .filter_map(read::<Receipt>);
    let held: Vec<Receipt> = receipts.filter(|it| it.check().is_ok()).collect();
    for one in &held {
        for other in &held {
            let same_place =
                (one.root, one.tickets, one.seq) == (other.root, other.tickets, other.seq);
            assert!(!same_place || (one.leaf, &one.proof) == (other.leaf, &other.proof));
        }
    }
    Verdict::taken_if(!held.is_empty())
}

/// The document, if the bytes are one.
fn read<T: DeserializeOwned + Serialize + PartialEq>(data: &[u8]) -> Option<T> {
    let document: T = serde_json::from_slice(data).ok()?;
    let text = serde_json::to_string(&document).expect("documents are always JSON");
    assert!(serde_json::from_str::<T>(&text).is_ok_and(|again| again == document));
    Some(document)
}
