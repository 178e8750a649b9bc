//! The tokens of the waiting room: texts by which we recognise what we have given out. Whatever a
//! ticket or a pass says stands in it, signed, so nothing has to be looked up to believe it.
//!
//! ```text
//!  most significant byte first
//! ┌─────────┬──────┬────────┬──────┬─────┬─────┬───────────┬───────┬─────┐
//! │ version │ kind │ key id │ room │ day │ seq │ issued at │ nonce │ MAC │  ticket: 51 bytes,
//! │ 1 byte  │ 1    │ 1      │ 2    │ 2   │ 4   │ 8         │ 16    │ 16  │  68 characters
//! ├─────────┼──────┼────────┼──────┼─────┼─────┼──────┬────┴───────┼─────┤
//! │ version │ kind │ key id │ room │ day │ seq │ turn │ expires at │ MAC │  pass: 36 bytes,
//! │ 1 byte  │ 1    │ 1      │ 2    │ 2   │ 4   │ 1    │ 8          │ 16  │  48 characters
//! └─────────┴──────┴────────┴──────┴─────┴─────┴──────┴────────────┴─────┘
//! ```
//!
//! The MAC is HMAC-SHA-256 over everything before it, cut to 16 bytes, with a key for this kind of
//! token. There is no other algorithm; another one would be another version. The text is base64url
//! without padding, and each token has only one.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::keys::{Key, KeyRing};
use super::{RoomId, TicketId};
use crate::rules::time::UnixMillis;

const VERSION: u8 = 1;
/// Version, kind and key id.
const HEAD_BYTES: usize = 3;
const MAC_BYTES: usize = 16;
const TICKET_BYTES: usize = 51;
const PASS_BYTES: usize = 36;

/// Somebody's place in a waiting room.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    pub id: TicketId,
    pub issued_at: UnixMillis,
    /// With the number it makes the ticket's leaf in the published tree; secret until the draw.
    pub nonce: [u8; 16],
}

/// The right to hold seats of the room's release for some minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    pub ticket: TicketId,
    /// The how manieth pass of this ticket it is, counted from 1.
    pub turn: u8,
    pub expires_at: UnixMillis,
}

/// Why a text is no token of this ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    #[error("not of the form of such a token")]
    Malformed,
    #[error("signed with a key that is not there, or not any more")]
    UnknownKey,
    #[error("not signed by us")]
    Forged,
}

impl Ticket {
    pub fn sign(&self, ring: &KeyRing) -> String {
        let mut token = Writer::<TICKET_BYTES>::new(Kind::Ticket, ring.signing());
        token.ticket_id(self.id);
        token.put(&self.issued_at.0.to_be_bytes());
        token.put(&self.nonce);
        token.signed()
    }

    /// The ticket of which this is the text.
    ///
    /// # Errors
    /// [`BadToken`]
    pub fn verify(text: &str, ring: &KeyRing) -> Result<Ticket, BadToken> {
        let mut fields = Reader::<TICKET_BYTES>::verified(Kind::Ticket, text, ring)?;
        Ok(Ticket {
            id: fields.ticket_id(),
            issued_at: UnixMillis(i64::from_be_bytes(fields.take())),
            nonce: fields.take(),
        })
    }
}

impl Pass {
    pub fn sign(&self, ring: &KeyRing) -> String {
        let mut token = Writer::<PASS_BYTES>::new(Kind::Pass, ring.signing());
        token.ticket_id(self.ticket);
        token.put(&[self.turn]);
        token.put(&self.expires_at.0.to_be_bytes());
        token.signed()
    }

    /// The pass of which this is the text. Whether its time is over is not asked here.
    ///
    /// # Errors
    /// [`BadToken`]
    pub fn verify(text: &str, ring: &KeyRing) -> Result<Pass, BadToken> {
        let mut fields = Reader::<PASS_BYTES>::verified(Kind::Pass, text, ring)?;
        Ok(Pass {
            ticket: fields.ticket_id(),
            turn: u8::from_be_bytes(fields.take()),
            expires_at: UnixMillis(i64::from_be_bytes(fields.take())),
        })
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("id", &self.id)
            .field("issued_at", &self.issued_at)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Ticket = 1,
    Pass = 2,
}

impl Kind {
    fn mac(self, key: &Key, bytes: &[u8]) -> Hmac<Sha256> {
        let prepared = match self {
            Kind::Ticket => &key.ticket,
            Kind::Pass => &key.pass,
        };
        prepared.clone().chain_update(bytes)
    }
}

/// A token of N bytes that is being put together.
struct Writer<'k, const N: usize> {
    kind: Kind,
    key: &'k Key,
    bytes: [u8; N],
    written: usize,
}

impl<'k, const N: usize> Writer<'k, N> {
    fn new(kind: Kind, key: &'k Key) -> Writer<'k, N> {
        let mut writer = Writer {
            kind,
            key,
            bytes: [0; N],
            written: 0,
        };
        writer.put(&[VERSION, kind as u8, key.id]);
        writer
    }

    fn put(&mut self, field: &[u8]) {
        let end = self.written + field.len();
        self.bytes[self.written..end].copy_from_slice(field);
        self.written = end;
    }

    fn ticket_id(&mut self, id: TicketId) {
        self.put(&id.room.to_bits().to_be_bytes());
        self.put(&id.seq.to_be_bytes());
    }

    fn signed(mut self) -> String {
        let mac = self.kind.mac(self.key, &self.bytes[..self.written]);
        self.put(&mac.finalize().into_bytes()[..MAC_BYTES]);
        debug_assert_eq!(self.written, N, "the fields fill the token");
        BASE64URL_NOPAD.encode(&self.bytes)
    }
}

/// The fields of a token of N bytes, which we have signed.
struct Reader<const N: usize> {
    bytes: [u8; N],
    read: usize,
}

impl<const N: usize> Reader<N> {
    fn verified(kind: Kind, text: &str, ring: &KeyRing) -> Result<Reader<N>, BadToken> {
        // Checked first so that a huge text costs nothing.
        if text.len() != (N * 4).div_ceil(3) {
            return Err(BadToken::Malformed);
        }
        let mut bytes = [0; N];
        BASE64URL_NOPAD
            .decode_mut(text.as_bytes(), &mut bytes)
            .map_err(|_| BadToken::Malformed)?;
        let (signed, mac) = bytes.split_at(N - MAC_BYTES);
        if signed[..2] != [VERSION, kind as u8] {
            return Err(BadToken::Malformed);
        }
        let key = ring.key(signed[2]).ok_or(BadToken::UnknownKey)?;
        kind.mac(key, signed)
            .verify_truncated_left(mac)
            .map_err(|_| BadToken::Forged)?;
        let read = HEAD_BYTES;
        Ok(Reader { bytes, read })
    }

    fn take<const FIELD: usize>(&mut self) -> [u8; FIELD] {
        let mut field = [0; FIELD];
        field.copy_from_slice(&self.bytes[self.read..self.read + FIELD]);
        self.read += FIELD;
        field
    }

    fn ticket_id(&mut self) -> TicketId {
        TicketId {
            room: RoomId::from_bits(u32::from_be_bytes(self.take())),
            seq: u32::from_be_bytes(self.take()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use proptest::prelude::*;

    use super::super::keys::{KEY_BYTES, SigningKey};
    use super::*;
    use crate::rules::time::DayNumber;

    fn key(id: u8) -> SigningKey {
        let mut bytes = [id; KEY_BYTES];
        bytes[0] = 0;
        SigningKey { id, bytes }
    }

    /// Key 2 signs, key 1 did before.
    fn ring() -> KeyRing {
        KeyRing::new(&[key(1), key(2)], 2).unwrap()
    }

    fn id() -> TicketId {
        let (number, day) = (3, DayNumber(9_854));
        TicketId {
            room: RoomId { number, day },
            seq: 70_000,
        }
    }

    fn ticket() -> Ticket {
        Ticket {
            id: id(),
            issued_at: UnixMillis(1_798_090_200_000),
            nonce: std::array::from_fn(|position| 100 + position as u8),
        }
    }

    fn pass() -> Pass {
        Pass {
            ticket: id(),
            turn: 2,
            expires_at: UnixMillis(1_798_090_200_000),
        }
    }

    /// Both kinds, so that every test is about both.
    trait Token: Copy + PartialEq + Debug {
        fn text(&self, ring: &KeyRing) -> String;
        fn read(text: &str, ring: &KeyRing) -> Result<Self, BadToken>;
    }

    impl Token for Ticket {
        fn text(&self, ring: &KeyRing) -> String {
            self.sign(ring)
        }
        fn read(text: &str, ring: &KeyRing) -> Result<Ticket, BadToken> {
            Ticket::verify(text, ring)
        }
    }

    impl Token for Pass {
        fn text(&self, ring: &KeyRing) -> String {
            self.sign(ring)
        }
        fn read(text: &str, ring: &KeyRing) -> Result<Pass, BadToken> {
            Pass::verify(text, ring)
        }
    }

    /// Made with another implementation of HKDF and HMAC.
    #[test]
    fn known_tokens() {
        let bytes = std::array::from_fn(|position| position as u8);
        let ring = |id| KeyRing::new(&[SigningKey { id, bytes }], id).unwrap();
        check(
            ticket(),
            &ring(5),
            "AQEFAAMmfgABEXAAAAGipocTwGRlZmdoaWprbG1ub3BxcnNQvjq5x0JEnh-6V4VIca50",
        );
        check(
            pass(),
            &ring(5),
            "AQIFAAMmfgABEXACAAABoqaHE8AGR9Df9lpgKpxhA_TjoQfv",
        );
        let least = Ticket {
            id: TicketId {
                room: RoomId::from_bits(0),
                seq: 0,
            },
            issued_at: UnixMillis(0),
            nonce: [0; 16],
        };
        check(
            least,
            &ring(0),
            "AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAD8KIoifcTKIVes89kfRH7r",
        );
        let utmost = Pass {
            ticket: TicketId {
                room: RoomId::from_bits(u32::MAX),
                seq: u32::MAX,
            },
            turn: u8::MAX,
            expires_at: UnixMillis(i64::MIN),
        };
        check(
            utmost,
            &ring(255),
            "AQL_____________gAAAAAAAAAAYZZdm2orhHOmmIvR-6gTX",
        );
    }

    #[track_caller]
    fn check<T: Token>(token: T, ring: &KeyRing, text: &str) {
        assert_eq!(token.text(ring), text);
        assert_eq!(T::read(text, ring), Ok(token));
    }

    #[test]
    fn a_token_counts_as_long_as_its_key_is_in_the_ring() {
        fn check<T: Token>(token: T) {
            let text = token.text(&ring());
            for (ids, signer, read) in [
                (&[1, 2][..], 2, Ok(token)),
                (&[1, 2], 1, Ok(token)),
                (&[2, 3], 3, Ok(token)),
                (&[3], 3, Err(BadToken::UnknownKey)),
            ] {
                let keys: Vec<SigningKey> = ids.iter().copied().map(key).collect();
                let ring = KeyRing::new(&keys, signer).unwrap();
                assert_eq!(T::read(&text, &ring), read, "{ids:?}");
            }
            let bytes = key(7).bytes;
            let strangers = KeyRing::new(&[SigningKey { id: 2, bytes }], 2).unwrap();
            assert_eq!(T::read(&text, &strangers), Err(BadToken::Forged));
        }
        check(ticket());
        check(pass());
    }

    #[test]
    fn no_bit_can_be_turned() {
        fn check<T: Token>(token: T) {
            let bytes = BASE64URL_NOPAD
                .decode(token.text(&ring()).as_bytes())
                .unwrap();
            for bit in 0..bytes.len() * 8 {
                let mut turned = bytes.clone();
                turned[bit / 8] ^= 1 << (bit % 8);
                // No other key of the ring has an id that is one bit away.
                let expected = match bit / 8 {
                    0 | 1 => BadToken::Malformed,
                    2 => BadToken::UnknownKey,
                    _ => BadToken::Forged,
                };
                let read = T::read(&BASE64URL_NOPAD.encode(&turned), &ring());
                assert_eq!(read, Err(expected), "bit {bit}");
            }
        }
        check(ticket());
        check(pass());
    }

    /// Two valid tokens, and every mixture of their fields: only the whole ones count.
    #[test]
    fn fields_of_two_tokens_do_not_mix() {
        fn check<T: Token>(one: T, other: T, ends: &[usize]) {
            let [one, other] = [one, other].map(|token| {
                let text = token.text(&ring());
                BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()
            });
            for choice in 0..1u32 << ends.len() {
                let mut mixed = Vec::new();
                for (position, end) in ends.iter().enumerate() {
                    let from = if choice >> position & 1 == 0 {
                        &one
                    } else {
                        &other
                    };
                    mixed.extend_from_slice(&from[mixed.len()..*end]);
                }
                let is_whole = mixed == one || mixed == other;
                let read = T::read(&BASE64URL_NOPAD.encode(&mixed), &ring());
                assert_eq!(read.is_ok(), is_whole, "{choice:b}");
            }
        }
        let room = RoomId::from_bits(0x0004_2680);
        let id = TicketId { room, seq: 5 };
        let other = Ticket {
            id,
            issued_at: UnixMillis(1_798_090_200_001),
            nonce: [1; 16],
        };
        check(ticket(), other, &[5, 7, 11, 19, 35, 51]);
        let other = Pass {
            ticket: id,
            turn: 3,
            expires_at: UnixMillis(1_798_090_500_000),
        };
        check(pass(), other, &[5, 7, 11, 12, 20, 36]);
    }

    #[test]
    fn a_ticket_is_no_pass_and_a_pass_no_ticket() {
        let ring = ring();
        let (ticket, pass) = (ticket().sign(&ring), pass().sign(&ring));
        assert_eq!(Ticket::verify(&pass, &ring), Err(BadToken::Malformed));
        assert_eq!(Pass::verify(&ticket, &ring), Err(BadToken::Malformed));
        // Cut to the length of a pass and named one, it is still not signed as one.
        let mut bytes = BASE64URL_NOPAD.decode(ticket.as_bytes()).unwrap();
        bytes[1] = Kind::Pass as u8;
        let renamed = BASE64URL_NOPAD.encode(&bytes[..PASS_BYTES]);
        assert_eq!(Pass::verify(&renamed, &ring), Err(BadToken::Forged));
        // Nor would it be if the lengths were the same: the keys are not.
        let (key, signed) = (ring.signing(), b"the same bytes");
        let macs = [Kind::Ticket, Kind::Pass].map(|kind| kind.mac(key, signed).finalize());
        assert!(macs[0] != macs[1]);
    }

    #[test]
    fn other_texts_are_no_tokens() {
        fn check<T: Token>(token: T) {
            let text = token.text(&ring());
            let other_letters: String = (text.chars())
                .map(|letter| if letter == '-' { '+' } else { letter })
                .map(|letter| if letter == '_' { '/' } else { letter })
                .collect();
            let mut texts = vec![
                String::new(),
                format!("{text}="),
                format!("{text}A"),
                format!(" {}", &text[1..]),
                format!("{}\n", &text[..text.len() - 1]),
                format!("{}ä", &text[..text.len() - 2]),
                "A".repeat(text.len()),
                text.repeat(100_000),
            ];
            if other_letters != text {
                texts.push(other_letters);
            }
            texts.extend((0..text.len()).map(|length| text[..length].to_owned()));
            for text in texts {
                assert_eq!(T::read(&text, &ring()), Err(BadToken::Malformed), "{text}");
            }
        }
        check(ticket());
        check(pass());
    }

    #[test]
    fn a_nonce_does_not_show_in_debug_output() {
        assert!(!format!("{:?}", ticket()).contains("100"));
    }

    proptest! {
        /// Whatever counts was signed: it is the very text that signing makes of what it says.
        #[test]
        fn whatever_verifies_was_signed(
            room: u32, seq: u32, at: i64, nonce: [u8; 16], turn: u8,
            changes in proptest::collection::vec((0usize..68, "[A-Za-z0-9_-]"), 0..3),
        ) {
            let ring = ring();
            let id = TicketId { room: RoomId::from_bits(room), seq };
            let ticket = Ticket { id, issued_at: UnixMillis(at), nonce };
            let pass = Pass { ticket: id, turn, expires_at: UnixMillis(at) };
            for text in [ticket.sign(&ring), pass.sign(&ring)] {
                let mut changed = text.clone();
                for (at, letter) in &changes {
                    let at = at % changed.len();
                    changed.replace_range(at..=at, letter);
                }
                let (as_ticket, as_pass) =
                    (Ticket::verify(&changed, &ring), Pass::verify(&changed, &ring));
                let counts = as_ticket.is_ok() || as_pass.is_ok();
                prop_assert_eq!(counts, changed == text);
                prop_assert_eq!(as_ticket == Ok(ticket) || as_pass == Ok(pass), counts);
            }
        }
    }
}
