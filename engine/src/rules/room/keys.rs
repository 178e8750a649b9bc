//! The keys of the waiting room. One of them signs, all of them verify, so that changing the key
//! takes nobody's place away.

use std::fmt;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit};
use sha2::Sha256;

/// Keys in one ring, those that only verify included.
pub const KEYS_MAX: usize = 8;
/// Length of a key, in bytes.
pub const KEY_BYTES: usize = 32;

/// 256 random bits, and the number by which tokens name them.
#[derive(Clone)]
pub struct SigningKey {
    pub id: u8,
    pub bytes: [u8; KEY_BYTES],
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, [REDACTED])", self.id)
    }
}

/// Why these keys are no ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    #[error("there are more than {KEYS_MAX} keys")]
    TooMany,
    #[error("two keys have the id {0}")]
    OneIdTwice(u8),
    #[error("no key has the id {0} of the one that signs")]
    NoSigner(u8),
}

/// Keys by which tokens are signed and recognised. What hashing a key can be done beforehand is
/// done, because every look at the room verifies a token.
pub struct KeyRing {
    /// The one that signs is the first.
    keys: Vec<Key>,
}

/// A key as it is used. Each kind of token has a key of its own, so no kind passes for another.
pub(super) struct Key {
    pub(super) id: u8,
    /// From which every other use gets its own key.
    root: Hkdf<Sha256>,
    pub(super) ticket: Hmac<Sha256>,
    pub(super) pass: Hmac<Sha256>,
}

impl Key {
    fn new(key: &SigningKey) -> Key {
        let root = Hkdf::new(None, &key.bytes);
        let for_tokens = |kind: &str| {
            let bytes = expanded(&root, "morgenruh token v1 ", kind);
            Hmac::new_from_slice(&bytes).expect("HMAC takes keys of every length")
        };
        Key {
            id: key.id,
            ticket: for_tokens("ticket"),
            pass: for_tokens("pass"),
            root,
        }
    }

    fn derive(&self, purpose: &str) -> [u8; KEY_BYTES] {
        expanded(&self.root, "morgenruh derived v1 ", purpose)
    }
}

fn expanded(root: &Hkdf<Sha256>, family: &str, purpose: &str) -> [u8; KEY_BYTES] {
    let mut bytes = [0; KEY_BYTES];
    root.expand_multi_info(&[family.as_bytes(), purpose.as_bytes()], &mut bytes)
        .expect("one block of output is far from too much");
    bytes
}

impl KeyRing {
    /// A ring in which the key with the id `signer` signs.
    ///
    /// # Errors
    /// [`RingError`]
    pub fn new(keys: &[SigningKey], signer: u8) -> Result<KeyRing, RingError> {
        if keys.len() > KEYS_MAX {
            return Err(RingError::TooMany);
        }
        for (position, key) in keys.iter().enumerate() {
            if keys[..position].iter().any(|other| other.id == key.id) {
                return Err(RingError::OneIdTwice(key.id));
            }
        }
        let its_position = keys.iter().position(|key| key.id == signer);
        let position = its_position.ok_or(RingError::NoSigner(signer))?;
        let mut keys: Vec<Key> = keys.iter().map(Key::new).collect();
        keys.swap(0, position);
        Ok(KeyRing { keys })
    }

    /// Id of the key that signs.
    pub fn signer(&self) -> u8 {
        self.signing().id
    }

    /// Ids of all keys, that of the one that signs first.
    pub fn ids(&self) -> impl Iterator<Item = u8> {
        self.keys.iter().map(|key| key.id)
    }

    /// A key for another purpose, made from the one that signs: a name of the purpose makes a key
    /// that tells nothing about any other. It changes when another key signs, see
    /// [`KeyRing::derive_from`].
    pub fn derive(&self, purpose: &str) -> [u8; KEY_BYTES] {
        self.signing().derive(purpose)
    }

    /// The same made from the key with this id, which may be one that only verifies; `None` when
    /// it is not there any more.
    pub fn derive_from(&self, id: u8, purpose: &str) -> Option<[u8; KEY_BYTES]> {
        self.key(id).map(|key| key.derive(purpose))
    }

    pub(super) fn signing(&self) -> &Key {
        &self.keys[0]
    }

    pub(super) fn key(&self, id: u8) -> Option<&Key> {
        self.keys.iter().find(|key| key.id == id)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<u8> = self.ids().collect();
        write!(f, "KeyRing({ids:?}, [REDACTED])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u8) -> SigningKey {
        SigningKey {
            id,
            bytes: [id; KEY_BYTES],
        }
    }

    #[test]
    fn a_ring_has_one_to_eight_keys_and_one_of_them_signs() {
        let ring = |ids: &[u8], signer| {
            let keys: Vec<SigningKey> = ids.iter().copied().map(key).collect();
            KeyRing::new(&keys, signer).map(|ring| (ring.signer(), ring.ids().collect()))
        };
        assert_eq!(ring(&[7], 7), Ok((7, vec![7])));
        assert_eq!(ring(&[0, 255, 3], 3), Ok((3, vec![3, 255, 0])));
        assert_eq!(ring(&[], 1), Err(RingError::NoSigner(1)));
        assert_eq!(ring(&[1, 2], 3), Err(RingError::NoSigner(3)));
        assert_eq!(ring(&[1, 2, 1], 2), Err(RingError::OneIdTwice(1)));
        assert!(ring(&[1, 2, 3, 4, 5, 6, 7, 8], 1).is_ok());
        assert_eq!(
            ring(&[1, 2, 3, 4, 5, 6, 7, 8, 9], 1),
            Err(RingError::TooMany)
        );
    }

    #[test]
    fn each_purpose_of_each_key_has_its_own() {
        let ring = KeyRing::new(&[key(1), key(2)], 2).unwrap();
        let derived = ring.derive("riddles");
        assert_eq!(ring.derive_from(2, "riddles"), Some(derived));
        assert_ne!(ring.derive_from(1, "riddles"), Some(derived));
        assert_ne!(ring.derive("riddle"), derived);
        assert_eq!(ring.derive_from(3, "riddles"), None);
        let after = KeyRing::new(&[key(2), key(3)], 3).unwrap();
        assert_eq!(after.derive_from(2, "riddles"), Some(derived));
    }

    /// Made with another implementation of HKDF.
    #[test]
    fn known_derived_keys() {
        let ring = KeyRing::new(&[key(1)], 1).unwrap();
        let hex = |purpose| data_encoding::HEXLOWER.encode(&ring.derive(purpose));
        assert_eq!(
            hex("riddles"),
            "dca169b60e9c775b5d4edc2e6eafe0e494412da925c7541e6e6bb76c508d3bc3"
        );
        assert_eq!(
            hex(""),
            "c2570c5f8bc1d268cc57e9cd2d296e9107fd60129d49deee19c5a1f192f77f22"
        );
    }

    #[test]
    fn keys_do_not_show_in_debug_output() {
        let key = key(9);
        let ring = KeyRing::new(std::slice::from_ref(&key), 9).unwrap();
        assert_eq!(format!("{key:?}"), "SigningKey(9, [REDACTED])");
        assert_eq!(format!("{ring:?}"), "KeyRing([9], [REDACTED])");
    }
}
