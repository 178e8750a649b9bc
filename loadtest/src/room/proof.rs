//! The draw, worked out again from what the service publishes. `docs/FAIRNESS.md` says how; nothing
//! here is shared with the service, so that a mistake there is not repeated here.

use data_encoding::HEXLOWER;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// Tickets of a draw that are looked at, at most: more than that say nothing more.
const TICKETS_MAX: u32 = 1 << 24;

type Hash = [u8; 32];

/// `GET /rooms/{id}/draw`.
#[derive(Clone, Debug, Deserialize)]
pub struct Proof {
    pub room: String,
    pub rules: String,
    pub commitment: String,
    /// Tickets that were drawn.
    pub tickets: u32,
    pub root: String,
    pub beacon: Option<Beacon>,
    pub secret: String,
    pub seed: String,
    pub algorithm: String,
}

/// A public random value that took part.
#[derive(Clone, Debug, Deserialize)]
pub struct Beacon {
    /// Lowercase hexadecimal digits.
    pub value: String,
}

/// The line as it must be.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The place of each ticket, from 1, by its number.
    pub places: Vec<u32>,
    /// The lot of each ticket, from 0 to 1.
    pub lots: Vec<f64>,
}

/// Works the line out.
///
/// # Errors
/// The first thing that does not fit together.
pub fn line(proof: &Proof) -> Result<Line, String> {
    if proof.algorithm != "morgenruh-draw-v1" {
        return Err(format!("the draw is made by {:?}", proof.algorithm));
    }
    if proof.tickets > TICKETS_MAX {
        return Err(format!("{} tickets are too many", proof.tickets));
    }
    let secret = bytes(&proof.secret)?;
    let commitment = sha256(&[&secret, proof.rules.as_bytes()]);
    fits("commitment", commitment, &proof.commitment)?;

    let root = root(&secret, &proof.room, proof.tickets);
    fits("root", root, &proof.root)?;

    let beacon = match &proof.beacon {
        Some(beacon) => bytes(&beacon.value)?,
        None => Vec::new(),
    };
    let count = u64::from(proof.tickets).to_be_bytes();
    let seed = hkdf(&secret, &beacon, &[&root, &count, proof.room.as_bytes()]);
    fits("seed", seed, &proof.seed)?;

    let lots = (0..proof.tickets).map(|seq| {
        let lot = sha256(&[&seed, &u64::from(seq).to_be_bytes()]);
        (lot, seq)
    });
    Ok(in_line(lots.collect()))
}

/// The root over all tickets, which follow from the secret.
fn root(secret: &[u8], room: &str, tickets: u32) -> Hash {
    let key = hkdf(secret, b"", &[b"morgenruh nonces v1", room.as_bytes()]);
    let nonces = Hmac::<Sha256>::new_from_slice(&key).expect("keys of any length are taken");
    let leaves: Vec<Hash> = (0..u64::from(tickets))
        .map(|seq| {
            let mac = nonces.clone().chain_update(seq.to_be_bytes()).finalize();
            let nonce = &mac.into_bytes()[..16];
            sha256(&[&seq.to_be_bytes(), nonce])
        })
        .collect();
    tree_hash(&leaves)
}

fn in_line(mut drawn: Vec<(Hash, u32)>) -> Line {
    drawn.sort_unstable();
    let mut line = Line {
        places: vec![0; drawn.len()],
        lots: vec![0.0; drawn.len()],
    };
    for (place, (lot, seq)) in (1..).zip(drawn) {
        let first = lot
            .first_chunk()
            .map_or(0, |bytes| u64::from_be_bytes(*bytes));
        line.places[seq as usize] = place;
        line.lots[seq as usize] = first as f64 / u64::MAX as f64;
    }
    line
}

/// The Merkle tree hash of RFC 9162.
fn tree_hash(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => sha256(&[]),
        [leaf] => sha256(&[&[0], leaf]),
        leaves => {
            let middle = leaves.len().next_power_of_two() / 2;
            let (left, right) = leaves.split_at(middle);
            sha256(&[&[1], &tree_hash(left), &tree_hash(right)])
        }
    }
}

fn sha256(parts: &[&[u8]]) -> Hash {
    let hash = parts
        .iter()
        .fold(Sha256::new(), |hash, part| hash.chain_update(part));
    hash.finalize().into()
}

fn hkdf(secret: &[u8], salt: &[u8], info: &[&[u8]]) -> Hash {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(Some(salt), secret)
        .expand_multi_info(info, &mut key)
        .expect("32 bytes are not too many");
    key
}

fn bytes(hex: &str) -> Result<Vec<u8>, String> {
    let decoded = HEXLOWER.decode(hex.as_bytes());
    decoded.map_err(|_| format!("{hex:?} is not written in lowercase hexadecimal digits"))
}

fn fits(what: &str, ours: Hash, theirs: &str) -> Result<(), String> {
    let ours = HEXLOWER.encode(&ours);
    if ours == theirs {
        Ok(())
    } else {
        Err(format!("the {what} should be {ours} and is {theirs}"))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A draw without a beacon that is as it must be.
    pub(crate) fn drawn(room: &str, tickets: u32) -> Proof {
        let (secret, rules) = ([7; 32], "the rules");
        let root = root(&secret, room, tickets);
        let count = u64::from(tickets).to_be_bytes();
        let seed = hkdf(&secret, b"", &[&root, &count, room.as_bytes()]);
        let hex = |bytes: &[u8]| HEXLOWER.encode(bytes);
        Proof {
            room: room.to_owned(),
            rules: rules.to_owned(),
            commitment: hex(&sha256(&[&secret, rules.as_bytes()])),
            tickets,
            root: hex(&root),
            beacon: None,
            secret: hex(&secret),
            seed: hex(&seed),
            algorithm: "morgenruh-draw-v1".to_owned(),
        }
    }

    const RULES: &str = r#"{"algorithm":"morgenruh-draw-v1","beacon":"an example; if it has not come 60 seconds after the release, the draw is made without","closes_at":"2026-12-24T08:30:00+01:00","opens_at":"2026-12-24T06:00:00+01:00","release_at":"2026-12-24T06:30:00+01:00","room":"buergerbuero-2026-12-24"}"#;

    /// The example of `docs/FAIRNESS.md`.
    fn example() -> Proof {
        let beacon = (0xa0..=0xbf).collect::<Vec<u8>>();
        Proof {
            room: "buergerbuero-2026-12-24".to_owned(),
            rules: RULES.to_owned(),
            commitment: "987b118bd3abaea1a4fdeaaacb2073bd70e961c0e2c085051d30e83a92a1c149"
                .to_owned(),
            tickets: 5,
            root: "ae83365893e3777352616a0c8b53e2399a8f04c95243ce1d3b9e408f8b18da23".to_owned(),
            beacon: Some(Beacon {
                value: HEXLOWER.encode(&beacon),
            }),
            secret: HEXLOWER.encode(&(0..32).collect::<Vec<u8>>()),
            seed: "f8d14f95f5bd14999889c3dae4fa8e867fdfe18e6ab66ac97acfd34776966605".to_owned(),
            algorithm: "morgenruh-draw-v1".to_owned(),
        }
    }

    #[test]
    fn the_published_example_is_worked_out() {
        let line = line(&example()).unwrap();
        // The line is 2 0 3 1 4.
        assert_eq!(line.places, [2, 4, 1, 3, 5]);
        assert!(line.lots[2] < line.lots[0] && line.lots[1] < line.lots[4]);
    }

    #[test]
    fn whatever_was_changed_is_named() {
        let other = |change: fn(&mut Proof)| {
            let mut proof = example();
            change(&mut proof);
            line(&proof).unwrap_err()
        };
        assert!(other(|it| it.rules.push(' ')).contains("commitment"));
        assert!(other(|it| it.tickets = 4).contains("root"));
        assert!(other(|it| it.beacon = None).contains("seed"));
        assert!(other(|it| it.room.push('x')).contains("root"));
        assert!(other(|it| it.secret = "00".to_owned()).contains("commitment"));
        assert!(other(|it| it.algorithm.push('2')).contains("v12"));
    }
}
