//! Tickets and passes of the waiting room, and the file with the keys that sign them.

use std::fmt::Debug;

use morgenruh::keys::file::KeyFile;
use morgenruh_engine::rules::room::keys::{KEY_BYTES, KEYS_MAX, KeyRing, SigningKey};
use morgenruh_engine::rules::room::tickets::{BadToken, Pass, Ticket};

use crate::Verdict;
use crate::text::lossy;

/// The key that signs, and the one that did before.
pub(crate) const SIGNER: u8 = 5;
const BEFORE: u8 = 4;

/// Both keys, of which `signer` signs.
pub(crate) fn ring(signer: u8) -> KeyRing {
    let keys = [SIGNER, BEFORE].map(|id| SigningKey {
        id,
        bytes: std::array::from_fn::<_, KEY_BYTES, _>(|position| SIGNER - id + position as u8),
    });
    KeyRing::new(&keys, signer).expect("two keys make a ring")
}

pub(crate) fn ticket(data: &[u8]) -> Verdict {
    recognised(data, Ticket::verify, Ticket::sign)
}

pub(crate) fn pass(data: &[u8]) -> Verdict {
    recognised(data, Pass::verify, Pass::sign)
}

/// A token counts only if one of our keys, signing what it says, makes just this text.
fn recognised<T: Debug>(
    data: &[u8],
    verify: fn(&str, &KeyRing) -> Result<T, BadToken>,
    sign: fn(&T, &KeyRing) -> String,
) -> Verdict {
    let text = lossy(data);
    let Ok(token) = verify(&text, &ring(SIGNER)) else {
        return Verdict::Refused;
    };
    let signed = [SIGNER, BEFORE].map(|signer| sign(&token, &ring(signer)));
    assert!(signed.contains(&text.into_owned()), "{token:?}");
    Verdict::Taken
}

/// What is read is written and read again as the same, and makes a ring.
pub(crate) fn keys(data: &[u8]) -> Verdict {
    let text = lossy(data);
    match KeyFile::parse(&text) {
        Ok(keys) => {
            assert!((1..=KEYS_MAX).contains(&keys.lines().len()));
            let written = keys.text();
            let again = KeyFile::parse(&written).expect("what was written can be read");
            assert_eq!(again.text(), written);
            let rings = [keys.ring(), again.ring()].map(|ring| ring.derive("anything"));
            assert_eq!(rings[0], rings[1]);
            Verdict::Taken
        }
        Err(bad) => {
            let complaint = bad.to_string();
            assert!(complaint.len() < 80, "nothing is quoted: {complaint}");
            Verdict::Refused
        }
    }
}
