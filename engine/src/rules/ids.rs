//! Ids that carry their address.
//!
//! A reservation's id holds office, day, counter, start and length, and the slot of the day's
//! slab in which it lies, so finding it needs no second map. What makes it unguessable is not
//! the id but the secret that goes with it.
//!
//! ```text
//!  16 bytes, most significant first
//! ┌────────┬───────┬─────────┬───────┬───────┬──────┬──────────────┐
//! │ office │  day  │ counter │ start │ units │ slot │ random       │
//! │ 16 bit │ 16    │ 8       │ 16    │ 8     │ 16   │ 48           │
//! └────────┴───────┴─────────┴───────┴───────┴──────┴──────────────┘
//! ```

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use super::time::DayNumber;

/// One office's day: the unit of locking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DayKey {
    /// [`Office::number`](super::catalogue::Office::number).
    pub office: u16,
    pub day: DayNumber,
}

impl Hash for DayKey {
    /// As one number: each request looks its day up, and two numbers cost twice as much.
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u32(u32::from(self.office) << 16 | u32::from(self.day.0));
    }
}

/// One counter for some consecutive units: what a reservation really takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seat {
    pub key: DayKey,
    /// Index of the counter, its number less one.
    pub counter: u8,
    /// First unit, counted from the start of the day.
    pub start: u16,
    /// Number of units, at least 1.
    pub units: u8,
}

impl Seat {
    /// First unit after the seat.
    pub fn end(self) -> u16 {
        // Ids come from outside as well, and their bits are anybody's.
        self.start.saturating_add(u16::from(self.units))
    }

    /// The seat's units as places in the cells of its day.
    pub fn span(self) -> Range<usize> {
        let start = usize::from(self.start);
        start..start + usize::from(self.units)
    }

    pub fn overlaps(self, other: Seat) -> bool {
        self.key == other.key
            && self.counter == other.counter
            && self.start < other.end()
            && other.start < self.end()
    }
}

/// Names a hold, and the booking that comes of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReservationId {
    /// Office to units.
    address: u64,
    /// Slot and random.
    nonce: u64,
}

/// Number of random bits in an id.
pub const ID_RANDOM_BITS: u32 = 48;

impl ReservationId {
    /// The lower [`ID_RANDOM_BITS`] of `random` are used.
    pub fn new(seat: Seat, slot: u16, random: u64) -> ReservationId {
        let address = (u64::from(seat.key.office) << 48)
            | (u64::from(seat.key.day.0) << 32)
            | (u64::from(seat.counter) << 24)
            | (u64::from(seat.start) << 8)
            | u64::from(seat.units);
        let nonce = (u64::from(slot) << ID_RANDOM_BITS) | (random & ((1 << ID_RANDOM_BITS) - 1));
        ReservationId { address, nonce }
    }

    pub fn seat(self) -> Seat {
        let address = self.address;
        Seat {
            key: DayKey {
                office: (address >> 48) as u16,
                day: DayNumber((address >> 32) as u16),
            },
            counter: (address >> 24) as u8,
            start: (address >> 8) as u16,
            units: address as u8,
        }
    }

    pub fn day_key(self) -> DayKey {
        self.seat().key
    }

    /// Where the reservation lies in its day's slab.
    pub fn slot(self) -> u16 {
        (self.nonce >> ID_RANDOM_BITS) as u16
    }

    pub fn to_bytes(self) -> [u8; 16] {
        let number = u128::from(self.address) << 64 | u128::from(self.nonce);
        number.to_be_bytes()
    }

    pub fn from_bytes(bytes: [u8; 16]) -> ReservationId {
        let number = u128::from_be_bytes(bytes);
        ReservationId {
            address: (number >> 64) as u64,
            nonce: number as u64,
        }
    }

    /// The short reference for the visit, like `K7M-4QX`: unique among the bookings of an office's
    /// day, because it contains the slot, which no two of them share.
    pub fn code(self) -> String {
        // Letters and digits that nobody confuses when reading them aloud.
        const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let plain = (u64::from(self.slot()) << 15) | (self.nonce & 0x7fff);
        // An odd factor permutes the 30-bit numbers, so neighbouring slots do not look alike.
        let mixed = plain.wrapping_mul(0x2545_f491) & 0x3fff_ffff;
        let mut code = String::with_capacity(7);
        for position in (0..6).rev() {
            if position == 2 {
                code.push('-');
            }
            let digit = (mixed >> (position * 5)) as usize & 31;
            code.push(char::from(ALPHABET[digit]));
        }
        code
    }
}

impl fmt::Display for ReservationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.to_bytes()))
    }
}

impl fmt::Debug for ReservationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seat = self.seat();
        write!(
            f,
            "reservation {self} (office {}, {}, counter {}, units {}..{})",
            seat.key.office,
            seat.key.day.to_date(),
            u16::from(seat.counter) + 1,
            seat.start,
            seat.end(),
        )
    }
}

/// The text is not an id or token of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a well-formed id or token")]
pub struct Malformed;

impl FromStr for ReservationId {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<ReservationId, Malformed> {
        decode::<16>(text).map(ReservationId::from_bytes)
    }
}

fn decode<const N: usize>(text: &str) -> Result<[u8; N], Malformed> {
    // Checked first so that a huge text costs nothing.
    if text.len() != (N * 4).div_ceil(3) {
        return Err(Malformed);
    }
    let bytes = BASE64URL_NOPAD
        .decode(text.as_bytes())
        .map_err(|_| Malformed)?;
    bytes.try_into().map_err(|_| Malformed)
}

/// 128 random bits that prove a right: to use a hold, or to manage a booking.
#[derive(Clone, Copy)]
pub struct Secret(pub [u8; 16]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([REDACTED])")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl FromStr for Secret {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Secret, Malformed> {
        decode::<16>(text).map(Secret)
    }
}

impl PartialEq for Secret {
    /// In constant time, as digests are.
    fn eq(&self, other: &Secret) -> bool {
        Digest(self.0) == Digest(other.0)
    }
}

impl Eq for Secret {}

impl Secret {
    /// What is kept of a secret: enough to recognise it, not enough to use it.
    pub fn digest(&self) -> Digest {
        Digest::of(&[b"secret", &self.0])
    }

    /// The manage secret of the booking that comes of a hold with this secret.
    ///
    /// It is derived so that a repeated confirm can be answered with the same manage secret,
    /// also after a crash, although only digests are ever stored.
    pub fn manage(&self) -> Secret {
        Secret(Digest::of(&[b"manage", &self.0]).0)
    }

    /// The secret of the hold behind an offer of the wish with this secret.
    pub fn of_offer(&self, number: u8) -> Secret {
        Secret(Digest::of(&[b"offer", &[number], &self.0]).0)
    }
}

/// A truncated SHA-256: 128 bits.
#[derive(Clone, Copy, Debug, Default, Eq)]
pub struct Digest(pub [u8; 16]);

impl Digest {
    /// The digest of the parts, each preceded by its length so that no two lists collide.
    pub fn of(parts: &[&[u8]]) -> Digest {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let full: [u8; 32] = hash.finalize().into();
        let mut short = [0; 16];
        short.copy_from_slice(&full[..16]);
        Digest(short)
    }
}

impl PartialEq for Digest {
    /// In constant time: digests are compared with what strangers send. As one number, because
    /// byte by byte the care costs as much as all the rest of giving a hold back.
    fn eq(&self, other: &Digest) -> bool {
        let number = |digest: &Digest| u128::from_ne_bytes(digest.0);
        number(self).ct_eq(&number(other)).into()
    }
}

impl Hash for Digest {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.hash(hasher);
    }
}

/// A hold's id together with its secret, as one text: the right to use that hold.
#[derive(Clone, Copy, Debug)]
pub struct HoldToken {
    pub id: ReservationId,
    pub secret: Secret,
}

impl fmt::Display for HoldToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&self.id.to_bytes());
        bytes[16..].copy_from_slice(&self.secret.0);
        f.write_str(&BASE64URL_NOPAD.encode(&bytes))
    }
}

impl FromStr for HoldToken {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<HoldToken, Malformed> {
        let bytes = decode::<32>(text)?;
        let (mut id, mut secret) = ([0; 16], [0; 16]);
        id.copy_from_slice(&bytes[..16]);
        secret.copy_from_slice(&bytes[16..]);
        Ok(HoldToken {
            id: ReservationId::from_bytes(id),
            secret: Secret(secret),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn seat() -> Seat {
        let key = DayKey {
            office: 65_535,
            day: DayNumber(9_822),
        };
        Seat {
            key,
            counter: 63,
            start: 299,
            units: 255,
        }
    }

    #[test]
    fn an_id_carries_its_address_through_its_text() {
        let id = ReservationId::new(seat(), 32_767, u64::MAX);
        assert_eq!(id.seat(), seat());
        assert_eq!(id.slot(), 32_767);
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn codes_are_unique_within_a_day() {
        let codes: HashSet<String> = (0..32_768)
            .map(|slot| ReservationId::new(seat(), slot, 7).code())
            .collect();
        assert_eq!(codes.len(), 32_768);
    }

    #[test]
    fn rubbish_is_not_an_id() {
        for text in [
            "",
            "x",
            "ä",
            "!!!!!!!!!!!!!!!!!!!!!!",
            &"A".repeat(23),
            &"A".repeat(100_000),
        ] {
            assert_eq!(text.parse::<ReservationId>(), Err(Malformed));
        }
    }

    #[test]
    fn an_id_that_nobody_gave_out_can_be_looked_at() {
        let id = ReservationId::from_bytes([255; 16]);
        assert_eq!(id.seat().end(), u16::MAX);
        assert!(format!("{id:?}").contains("counter 256"));
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let secret = Secret([7; 16]);
        assert!(!format!("{secret:?}").contains('7'));
        assert_ne!(secret.manage().0, secret.0);
    }
}
