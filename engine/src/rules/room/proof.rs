//! What is published about a draw so that anybody can work it out again, and what a visitor gets to
//! see that their own ticket was in it.
//!
//! Both are JSON documents with bytes as lowercase hexadecimal digits. `docs/FAIRNESS.md` has
//! examples, and says what they prove.

use serde::{Deserialize, Serialize};

use super::draw::{DrawSecret, Line, Nonces, TICKETS_MAX, leaf, seed};
use super::merkle::{PROOF_LEN_MAX, Tree, verify_inclusion};
use crate::rules::ids::Seat;

/// Names what is hashed and how. Another way would have another name.
pub const ALGORITHM: &str = "morgenruh-draw-v1";
/// Longest id of a room, and longest source and time of a beacon, in bytes.
pub const NAME_BYTES_MAX: usize = 256;
/// Longest rules, in bytes.
pub const RULES_BYTES_MAX: usize = 64 * 1024;
/// Longest value of a beacon, in bytes.
pub const BEACON_BYTES_MAX: usize = 512;

/// A public value that nobody could know while there were tickets to take, and where it is from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beacon {
    /// Not empty.
    #[serde(with = "hex")]
    pub value: Vec<u8>,
    /// Where anybody can look it up.
    pub source: String,
    /// When it was published there, as RFC 3339 has it.
    pub at: String,
}

/// Everything about a draw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Id of the room.
    pub room: String,
    /// The rules as they were published with the commitment, byte for byte.
    pub rules: String,
    #[serde(with = "hex")]
    pub commitment: [u8; 32],
    /// Number of tickets that were drawn.
    pub tickets: u32,
    #[serde(with = "hex")]
    pub root: [u8; 32],
    pub beacon: Option<Beacon>,
    /// No longer one, now that it is published.
    #[serde(with = "hex")]
    pub secret: [u8; 32],
    #[serde(with = "hex")]
    pub seed: [u8; 32],
    pub algorithm: String,
    /// Of a lottery that is over: which place got which seat, the first place first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Vec<Allotted>>,
}

/// A seat that went to a place in the line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allotted {
    pub position: u32,
    /// Number of the office.
    pub office: u16,
    /// As in 2026-12-24.
    pub date: String,
    /// Number of the counter.
    pub counter: u8,
    /// First of its units: five minutes each, counted from the start of the local day.
    pub start: u16,
    pub units: u8,
}

impl Allotted {
    pub fn new(position: u32, seat: Seat) -> Allotted {
        Allotted {
            position,
            office: seat.key.office,
            date: seat.key.day.to_date().to_string(),
            counter: seat.counter + 1,
            start: seat.start,
            units: seat.units,
        }
    }

    /// In words for people who look it up.
    pub fn words(&self) -> String {
        let Allotted { office, date, .. } = self;
        let (hour, minute) = (self.start / 12, self.start % 12 * 5);
        let minutes = u16::from(self.units) * 5;
        let counter = self.counter;
        format!("office {office}, {date} {hour:02}:{minute:02}, {minutes} min, counter {counter}")
    }
}

/// The first thing about a proof that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofFault {
    #[error("the algorithm is not {ALGORITHM}")]
    Algorithm,
    #[error("the room's id, the rules or the beacon is empty or too long")]
    Form,
    #[error("more than {TICKETS_MAX} tickets")]
    TooManyTickets,
    #[error("the commitment was made to another secret or to other rules")]
    Commitment,
    #[error("the tickets of this secret have another root")]
    Root,
    #[error("secret, beacon, root, number of tickets and room give another seed")]
    Seed,
    #[error("one place has two seats, or one seat two places")]
    Outcome,
}

/// One thing of a proof that is worked out again, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Form,
    Commitment,
    /// Hashes each ticket; the other steps cost next to nothing.
    Root,
    Seed,
    /// Where seats went to places: each once.
    Outcome,
}

impl Step {
    pub const ALL: [Step; 5] = [
        Step::Form,
        Step::Commitment,
        Step::Root,
        Step::Seed,
        Step::Outcome,
    ];

    /// # Errors
    /// When it does not hold.
    pub fn check(self, proof: &Proof) -> Result<(), ProofFault> {
        let (holds, fault) = match self {
            Step::Form if proof.algorithm != ALGORITHM => (false, ProofFault::Algorithm),
            Step::Form if proof.tickets > TICKETS_MAX => (false, ProofFault::TooManyTickets),
            Step::Form => (proof.is_well_formed(), ProofFault::Form),
            Step::Commitment => {
                let commitment = proof.secret().commitment(&proof.rules);
                (commitment == proof.commitment, ProofFault::Commitment)
            }
            Step::Root => (proof.tree().root() == proof.root, ProofFault::Root),
            Step::Seed => (proof.seed_again() == proof.seed, ProofFault::Seed),
            Step::Outcome => (proof.gives_each_seat_once(), ProofFault::Outcome),
        };
        if holds { Ok(()) } else { Err(fault) }
    }
}

/// Works everything out again, and the line with it.
///
/// # Errors
/// The first thing that does not hold.
pub fn check(proof: &Proof) -> Result<Line, ProofFault> {
    Step::ALL.iter().try_for_each(|step| step.check(proof))?;
    Ok(Line::draw(&proof.seed, proof.tickets))
}

impl Proof {
    /// The document about a draw of the tickets in this tree.
    pub fn new(
        secret: &DrawSecret,
        room: &str,
        rules: &str,
        tree: &Tree,
        beacon: Option<Beacon>,
    ) -> Proof {
        let mut proof = Proof {
            room: room.to_owned(),
            rules: rules.to_owned(),
            commitment: secret.commitment(rules),
            tickets: tree.len(),
            root: tree.root(),
            beacon,
            secret: secret.0,
            seed: [0; 32],
            algorithm: ALGORITHM.to_owned(),
            outcome: None,
        };
        proof.seed = proof.seed_again();
        proof
    }

    pub fn secret(&self) -> DrawSecret {
        DrawSecret(self.secret)
    }

    fn is_well_formed(&self) -> bool {
        let is_name = |text: &str| (1..=NAME_BYTES_MAX).contains(&text.len());
        let is_beacon = |beacon: &Beacon| {
            // An empty one would give the seed of a draw without a beacon.
            (1..=BEACON_BYTES_MAX).contains(&beacon.value.len())
                && is_name(&beacon.source)
                && is_name(&beacon.at)
        };
        is_name(&self.room)
            && (1..=RULES_BYTES_MAX).contains(&self.rules.len())
            && self.beacon.as_ref().is_none_or(is_beacon)
    }

    /// The tree of the tickets, each of them made again.
    fn tree(&self) -> Tree {
        let nonces = Nonces::new(&self.secret(), &self.room);
        let mut tree = Tree::new();
        (0..self.tickets).for_each(|seq| tree.push(nonces.leaf(seq)));
        tree
    }

    fn gives_each_seat_once(&self) -> bool {
        let outcome = self.outcome.as_deref().unwrap_or_default();
        let mut seats: Vec<&Allotted> = outcome.iter().collect();
        seats.sort_by_key(|it| (it.office, &it.date, it.counter, it.start));
        let apart = seats.windows(2).all(|pair| {
            let [one, next] = pair else { return true };
            let place = |it: &Allotted| (it.office, it.date.clone(), it.counter);
            // It can be from anywhere: its numbers need not be those of a day.
            let end = u32::from(one.start) + u32::from(one.units);
            place(one) != place(next) || end <= u32::from(next.start)
        });
        let ascending = outcome
            .windows(2)
            .all(|pair| pair[0].position < pair[1].position);
        apart && ascending && outcome.first().is_none_or(|it| it.position > 0)
    }

    fn seed_again(&self) -> [u8; 32] {
        let beacon = self.beacon.as_ref().map(|beacon| &beacon.value[..]);
        seed(&self.secret(), beacon, self.root, self.tickets, &self.room)
    }
}

/// What a visitor gets once the room is drawn: their ticket is one of those under the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Id of the room.
    pub room: String,
    /// Number of the ticket, and the leaf's index in the tree.
    pub seq: u32,
    /// As it is in the ticket.
    #[serde(with = "hex")]
    pub nonce: [u8; 16],
    #[serde(with = "hex")]
    pub leaf: [u8; 32],
    /// Number of tickets that were drawn.
    pub tickets: u32,
    #[serde(with = "hex")]
    pub root: [u8; 32],
    /// What leads from the leaf to the root, the nearest to the leaf first.
    #[serde(with = "hex_list")]
    pub proof: Vec<[u8; 32]>,
}

/// The first thing about a receipt that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptFault {
    #[error("the leaf is not that of this number and nonce")]
    Leaf,
    #[error("the leaf is not under the root")]
    NotIncluded,
    #[error("the draw is of another room")]
    OtherRoom,
    #[error("the draw has another root or number of tickets")]
    OtherRoot,
    #[error("the secret of the draw gives this number another nonce")]
    OtherNonce,
}

impl Receipt {
    /// None if the ticket is not in the tree.
    pub fn new(nonces: &Nonces, room: &str, tree: &Tree, seq: u32) -> Option<Receipt> {
        let proof = tree.proof(seq, |seq| nonces.leaf(seq))?;
        Some(Receipt {
            room: room.to_owned(),
            seq,
            nonce: nonces.of(seq),
            leaf: nonces.leaf(seq),
            tickets: tree.len(),
            root: tree.root(),
            proof,
        })
    }

    /// Whether the ticket is under the root that the receipt names. Says nothing about whose root
    /// that is.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn check(&self) -> Result<(), ReceiptFault> {
        let Receipt {
            seq,
            leaf: its_leaf,
            tickets,
            ..
        } = *self;
        if leaf(seq, self.nonce) != its_leaf {
            return Err(ReceiptFault::Leaf);
        }
        if verify_inclusion(self.root, tickets, seq, its_leaf, &self.proof) {
            Ok(())
        } else {
            Err(ReceiptFault::NotIncluded)
        }
    }

    /// Whether it is a receipt of this draw.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn check_with(&self, proof: &Proof) -> Result<(), ReceiptFault> {
        self.check()?;
        if self.room != proof.room {
            return Err(ReceiptFault::OtherRoom);
        }
        if (self.root, self.tickets) != (proof.root, proof.tickets) {
            return Err(ReceiptFault::OtherRoot);
        }
        if Nonces::new(&proof.secret(), &proof.room).of(self.seq) != self.nonce {
            return Err(ReceiptFault::OtherNonce);
        }
        Ok(())
    }
}

/// Bytes as lowercase hexadecimal digits.
mod hex {
    use data_encoding::HEXLOWER;
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(super) fn serialize<S: Serializer>(
        bytes: &impl AsRef<[u8]>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&HEXLOWER.encode(bytes.as_ref()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, T: TryFrom<Vec<u8>>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        let text = String::deserialize(deserializer)?;
        decode(&text).ok_or_else(|| Error::custom("not so many lowercase hexadecimal digits"))
    }

    pub(super) fn decode<T: TryFrom<Vec<u8>>>(text: &str) -> Option<T> {
        HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
    }
}

/// Hashes as a list of texts.
mod hex_list {
    use data_encoding::HEXLOWER;
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(super) fn serialize<S: Serializer>(
        hashes: &[[u8; 32]],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(hashes.iter().map(|hash| HEXLOWER.encode(hash)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<[u8; 32]>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        if texts.len() > super::PROOF_LEN_MAX {
            return Err(Error::custom("longer than the proof of any tree"));
        }
        let hashes = texts.iter().map(|text| super::hex::decode(text));
        let hashes: Option<Vec<[u8; 32]>> = hashes.collect();
        hashes.ok_or_else(|| Error::custom("not 64 lowercase hexadecimal digits each"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: DrawSecret = DrawSecret([0x5a; 32]);
    const ROOM: &str = "buergerbuero-2026-12-24";
    const RULES: &str = r#"{"opens_minutes":30,"passes_max":40,"pass_minutes":10}"#;

    fn tree(tickets: u32) -> Tree {
        let nonces = Nonces::new(&SECRET, ROOM);
        let mut tree = Tree::new();
        (0..tickets).for_each(|seq| tree.push(nonces.leaf(seq)));
        tree
    }

    fn beacon() -> Beacon {
        Beacon {
            value: vec![1, 2, 3],
            source: "the radio".to_owned(),
            at: "2026-12-24T06:30:00+01:00".to_owned(),
        }
    }

    fn proof() -> Proof {
        Proof::new(&SECRET, ROOM, RULES, &tree(300), Some(beacon()))
    }

    fn receipt(seq: u32) -> Receipt {
        Receipt::new(&Nonces::new(&SECRET, ROOM), ROOM, &tree(300), seq).unwrap()
    }

    #[test]
    fn a_draw_can_be_worked_out_again() {
        for tickets in [0, 1, 5, 300] {
            for beacon in [None, Some(beacon())] {
                let proof = Proof::new(&SECRET, ROOM, RULES, &tree(tickets), beacon);
                let line = check(&proof).unwrap();
                assert_eq!(line, Line::draw(&proof.seed, tickets));
            }
        }
    }

    #[test]
    fn documents_survive_being_written_and_read() {
        let (proof, receipt) = (proof(), receipt(299));
        let text = serde_json::to_string(&proof).unwrap();
        assert!(text.contains(r#""beacon":{"value":"010203","source":"the radio","#));
        assert!(text.contains(&format!(r#""secret":"{}""#, "5a".repeat(32))));
        assert_eq!(serde_json::from_str::<Proof>(&text).unwrap(), proof);
        let text = serde_json::to_string(&receipt).unwrap();
        assert_eq!(serde_json::from_str::<Receipt>(&text).unwrap(), receipt);
    }

    #[test]
    fn bytes_are_lowercase_and_as_many_as_they_should_be() {
        let text = serde_json::to_string(&proof()).unwrap();
        let secret = "5a".repeat(32);
        for wrong in [
            "5A".repeat(32),
            "5a".repeat(31),
            "5a".repeat(33),
            "5a".repeat(31) + "5",
        ] {
            let wrong = text.replace(&secret, &wrong);
            assert!(serde_json::from_str::<Proof>(&wrong).is_err());
        }
    }

    #[test]
    fn the_first_thing_that_does_not_hold_is_named() {
        #[track_caller]
        fn faulty(fault: ProofFault, change: impl Fn(&mut Proof)) {
            let mut changed = proof();
            change(&mut changed);
            assert_eq!(check(&changed), Err(fault));
        }
        faulty(ProofFault::Algorithm, |it| it.algorithm.push('1'));
        faulty(ProofFault::Form, |it| it.room.clear());
        faulty(ProofFault::Form, |it| {
            it.beacon.as_mut().unwrap().value.clear()
        });
        faulty(ProofFault::Form, |it| {
            it.rules = "x".repeat(RULES_BYTES_MAX + 1)
        });
        faulty(ProofFault::TooManyTickets, |it| it.tickets = u32::MAX);
        faulty(ProofFault::Commitment, |it| it.secret[0] ^= 1);
        faulty(ProofFault::Commitment, |it| it.commitment[0] ^= 1);
        faulty(ProofFault::Commitment, |it| it.rules.push(' '));
        faulty(ProofFault::Root, |it| it.room.push('x'));
        faulty(ProofFault::Root, |it| it.root[31] ^= 1);
        faulty(ProofFault::Root, |it| it.tickets -= 1);
        faulty(ProofFault::Seed, |it| it.seed[7] ^= 1);
        faulty(ProofFault::Seed, |it| it.beacon = None);
        faulty(ProofFault::Seed, |it| {
            it.beacon.as_mut().unwrap().value[0] ^= 1
        });
    }

    #[test]
    fn every_drawn_ticket_has_a_receipt() {
        let proof = proof();
        for seq in [0, 1, 255, 256, 299] {
            assert_eq!(receipt(seq).check_with(&proof), Ok(()));
        }
        let nonces = Nonces::new(&SECRET, ROOM);
        assert_eq!(Receipt::new(&nonces, ROOM, &tree(300), 300), None);
    }

    #[test]
    fn what_is_wrong_with_a_receipt_is_named() {
        #[track_caller]
        fn faulty(fault: ReceiptFault, change: impl Fn(&mut Receipt)) {
            let mut changed = receipt(17);
            change(&mut changed);
            assert_eq!(changed.check_with(&proof()), Err(fault));
        }
        faulty(ReceiptFault::Leaf, |it| it.nonce[0] ^= 1);
        faulty(ReceiptFault::Leaf, |it| it.seq = 18);
        faulty(ReceiptFault::NotIncluded, |it| it.root[0] ^= 1);
        faulty(ReceiptFault::NotIncluded, |it| it.tickets = 17);
        faulty(ReceiptFault::NotIncluded, |it| it.proof.clear());
        faulty(ReceiptFault::OtherRoom, |it| it.room.push('x'));
        faulty(ReceiptFault::OtherRoot, |it| *it = of_another_secret());
    }

    fn of_another_secret() -> Receipt {
        let nonces = Nonces::new(&DrawSecret([1; 32]), ROOM);
        let mut tree = Tree::new();
        (0..300).for_each(|seq| tree.push(nonces.leaf(seq)));
        Receipt::new(&nonces, ROOM, &tree, 17).unwrap()
    }

    #[test]
    fn a_receipt_binds_the_secret_even_where_the_document_is_of_one_piece() {
        let receipt = of_another_secret();
        let mut proof = proof();
        proof.root = receipt.root;
        assert_eq!(receipt.check_with(&proof), Err(ReceiptFault::OtherNonce));
        assert_eq!(check(&proof), Err(ProofFault::Root));
    }
}
