//! Bytes that nobody can guess, from the system.

use std::fs::File;
use std::io::Read;

/// `N` random bytes.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .expect("every Linux has /dev/urandom");
    bytes
}

/// A password of 32 hexadecimal digits, which no configuration file needs to quote.
pub(crate) fn password() -> String {
    format!("{:032x}", u128::from_ne_bytes(bytes()))
}
