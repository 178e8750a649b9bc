//! The draw: from a secret and the number of tickets to a line that anybody can work out again.
//!
//! ```text
//! secret ──┬─▶ commitment               published before the first ticket is given
//!          ├─▶ nonces ─▶ leaves ─▶ root   each ticket carries its nonce
//!          └─▶ seed ◀── root, number of tickets, beacon
//!               └─▶ lots ─▶ line        the smallest lot is first
//! ```
//!
//! All of it follows from the secret, so nothing need be stored for a ticket, and once the secret
//! is published everybody has everything. `docs/FAIRNESS.md` says exactly what is hashed, and what
//! that proves against whom.

use std::fmt;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::hash::sha256;

/// Tickets of a room, at most: more than any country has people who want a passport that morning.
pub const TICKETS_MAX: u32 = 1 << 24;
/// Memory that is needed for each ticket while a line is drawn, in bytes.
pub const DRAW_BYTES_PER_TICKET: usize = size_of::<(u64, u32)>() + size_of::<u32>();

const NONCES: &[u8] = b"morgenruh nonces v1";

/// What the operator commits to before anybody comes, and publishes after the draw.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DrawSecret(pub [u8; 32]);

impl fmt::Debug for DrawSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DrawSecret([REDACTED])")
    }
}

impl DrawSecret {
    /// Fixes the secret and the published rules without telling the secret.
    pub fn commitment(&self, rules: &str) -> [u8; 32] {
        let hash = Sha256::new().chain_update(self.0);
        hash.chain_update(rules).finalize().into()
    }
}

/// Makes the nonces of a room's tickets.
#[derive(Clone)]
pub struct Nonces {
    /// With its key already mixed in, which is half of the work for a short message.
    keyed: Hmac<Sha256>,
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonces([REDACTED])")
    }
}

impl Nonces {
    /// `room` is the room's id as text.
    pub fn new(secret: &DrawSecret, room: &str) -> Nonces {
        let mut key = [0; 32];
        derive(secret, &[], &[NONCES, room.as_bytes()], &mut key);
        Nonces {
            keyed: Hmac::new_from_slice(&key).expect("keys of any length are taken"),
        }
    }

    /// What makes a ticket more than its number: nobody else can know it before the draw.
    pub fn of(&self, seq: u32) -> [u8; 16] {
        let mut keyed = self.keyed.clone();
        keyed.update(&number(seq));
        let full: [u8; 32] = keyed.finalize().into_bytes().into();
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&full[..16]);
        nonce
    }

    pub fn leaf(&self, seq: u32) -> [u8; 32] {
        leaf(seq, self.of(seq))
    }
}

/// A ticket as it goes into the [tree](super::merkle::Tree).
pub fn leaf(seq: u32, nonce: [u8; 16]) -> [u8; 32] {
    let mut text = [0; 24];
    text[..8].copy_from_slice(&number(seq));
    text[8..].copy_from_slice(&nonce);
    sha256::<1, _>(text)
}

/// What the lots are made from. `root` and `tickets` are those of the room's tree, `beacon` is a
/// public value that nobody knew while there were tickets to take, `room` is the room's id as text.
pub fn seed(
    secret: &DrawSecret,
    beacon: Option<&[u8]>,
    root: [u8; 32],
    tickets: u32,
    room: &str,
) -> [u8; 32] {
    let mut seed = [0; 32];
    let beacon = beacon.unwrap_or_default();
    let info = [&root[..], &number(tickets), room.as_bytes()];
    derive(secret, beacon, &info, &mut seed);
    seed
}

/// A ticket's lot: whose is smallest is first in the line.
pub fn lot(seed: &[u8; 32], seq: u32) -> [u8; 32] {
    let mut text = [0; 40];
    text[..32].copy_from_slice(seed);
    text[32..].copy_from_slice(&number(seq));
    sha256::<1, _>(text)
}

fn derive(secret: &DrawSecret, salt: &[u8], info: &[&[u8]], key: &mut [u8; 32]) {
    let derived = Hkdf::<Sha256>::new(Some(salt), &secret.0).expand_multi_info(info, key);
    derived.expect("32 bytes are not too many to derive");
}

/// Numbers are hashed as 8 bytes, the most significant first.
fn number(number: u32) -> [u8; 8] {
    u64::from(number).to_be_bytes()
}

/// The tickets of a room in the order of their lots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Numbers of tickets, the first in line first.
    tickets: Vec<u32>,
    /// The place of each ticket in `tickets`.
    places: Vec<u32>,
}

impl Line {
    /// Draws the tickets 0, 1, 2 … below `tickets`.
    ///
    /// # Panics
    /// When there are more than [`TICKETS_MAX`].
    pub fn draw(seed: &[u8; 32], tickets: u32) -> Line {
        Line::by_lots(tickets, |seq| lot(seed, seq))
    }

    /// The order of lots that come from anywhere.
    pub(super) fn by_lots(tickets: u32, lot: impl Fn(u32) -> [u8; 32]) -> Line {
        assert!(tickets <= TICKETS_MAX, "rooms do not take so many");
        let key = |seq| {
            let [a, b, c, d, e, f, g, h, ..] = lot(seq);
            u64::from_be_bytes([a, b, c, d, e, f, g, h])
        };
        let mut keyed: Vec<(u64, u32)> = (0..tickets).map(|seq| (key(seq), seq)).collect();
        keyed.sort_unstable_by_key(|(key, _)| *key);
        // Hardly ever do two lots begin with the same bytes, but the line is by all of them.
        for alike in keyed.chunk_by_mut(|(one, _), (next, _)| one == next) {
            alike.sort_unstable_by_key(|(_, seq)| (lot(*seq), *seq));
        }
        let tickets: Vec<u32> = keyed.iter().map(|(_, seq)| *seq).collect();
        drop(keyed);
        let mut places = vec![0; tickets.len()];
        for (place, seq) in (0..).zip(&tickets) {
            places[*seq as usize] = place;
        }
        Line { tickets, places }
    }

    /// Number of tickets.
    pub fn len(&self) -> u32 {
        self.tickets.len() as u32
    }

    pub fn is_empty(&self) -> bool {
        self.tickets.is_empty()
    }

    /// Where a ticket stands, counted from 1. None if it was not drawn.
    pub fn position_of(&self, seq: u32) -> Option<u32> {
        self.places.get(seq as usize).map(|place| place + 1)
    }

    /// Whose place that is, counted from 1. None beyond the drawn.
    pub fn at(&self, position: u32) -> Option<u32> {
        let place = position.checked_sub(1)?;
        self.tickets.get(place as usize).copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: DrawSecret = DrawSecret([7; 32]);
    const ROOM: &str = "buergerbuero-2026-12-24";

    #[test]
    fn the_line_is_the_tickets_by_lot() {
        let seed = seed(&SECRET, None, [3; 32], 1_000, ROOM);
        let line = Line::draw(&seed, 1_000);
        let mut expected: Vec<u32> = (0..1_000).collect();
        expected.sort_by_key(|seq| (lot(&seed, *seq), *seq));
        let drawn: Vec<u32> = (1..=1_000).map_while(|place| line.at(place)).collect();
        assert_eq!(drawn, expected);
    }

    #[test]
    fn nobody_draws_an_empty_line() {
        let line = Line::draw(&[0; 32], 0);
        assert!(line.is_empty());
        assert_eq!(
            (line.at(0), line.at(1), line.position_of(0)),
            (None, None, None)
        );
    }

    #[test]
    fn positions_begin_with_1() {
        let line = Line::draw(&[0; 32], 1);
        assert_eq!((line.at(0), line.at(1), line.at(2)), (None, Some(0), None));
        assert_eq!((line.position_of(0), line.position_of(1)), (Some(1), None));
    }

    proptest! {
        #[test]
        fn everybody_has_one_place(seed: [u8; 32], tickets in 0u32..3_000) {
            let line = Line::draw(&seed, tickets);
            prop_assert_eq!(line.len(), tickets);
            for seq in 0..tickets {
                let position = line.position_of(seq).unwrap();
                prop_assert!((1..=tickets).contains(&position));
                prop_assert_eq!(line.at(position), Some(seq));
            }
        }

        /// Lots that begin alike never come up by themselves.
        #[test]
        fn lots_that_begin_alike_are_told_apart(
            lots in prop::collection::vec((0u8..3, 0u8..3), 0..60),
        ) {
            let lot = |seq: u32| {
                let (first, last) = lots[seq as usize];
                let mut lot = [0; 32];
                (lot[7], lot[31]) = (first, last);
                lot
            };
            let line = Line::by_lots(lots.len() as u32, lot);
            let mut expected: Vec<u32> = (0..lots.len() as u32).collect();
            expected.sort_by_key(|seq| (lot(*seq), *seq));
            prop_assert_eq!(line.tickets, expected);
        }
    }

    #[test]
    fn everything_that_should_matter_does() {
        let seed_of =
            |secret, beacon, root, tickets, room| seed(&secret, beacon, root, tickets, room);
        let seeds = [
            seed_of(SECRET, None, [3; 32], 5, ROOM),
            seed_of(DrawSecret([8; 32]), None, [3; 32], 5, ROOM),
            seed_of(SECRET, Some(&[1][..]), [3; 32], 5, ROOM),
            seed_of(SECRET, Some(&[2][..]), [3; 32], 5, ROOM),
            seed_of(SECRET, None, [4; 32], 5, ROOM),
            seed_of(SECRET, None, [3; 32], 6, ROOM),
            seed_of(SECRET, None, [3; 32], 5, "buergerbuero-2026-12-25"),
        ];
        let different: std::collections::HashSet<_> = seeds.iter().collect();
        assert_eq!(different.len(), seeds.len());
        let nonces = Nonces::new(&SECRET, ROOM);
        assert_ne!(nonces.of(0), nonces.of(1));
        assert_ne!(
            nonces.of(0),
            Nonces::new(&SECRET, "rathaus-2026-12-24").of(0)
        );
        assert_ne!(SECRET.commitment("a"), SECRET.commitment("b"));
    }

    #[test]
    fn secrets_do_not_print_themselves() {
        let nonces = Nonces::new(&SECRET, ROOM);
        let printed = format!("{SECRET:?} {nonces:?}");
        assert_eq!(printed, "DrawSecret([REDACTED]) Nonces([REDACTED])");
    }
}
