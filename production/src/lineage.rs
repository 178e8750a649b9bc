//! Which ledger and which store belong together.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;

/// Random bytes made at the very first start and kept in both servers. Where they differ, one of
/// the servers holds the facts of somebody else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Lineage(pub [u8; 16]);

impl Lineage {
    /// A lineage that nobody has yet.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn random() -> Result<Lineage, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Lineage(bytes))
    }

    /// The lineage that a server has kept; None when it is not 16 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Lineage> {
        bytes.try_into().ok().map(Lineage)
    }
}

/// The text is not a lineage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not 32 hexadecimal digits")]
pub struct Malformed;

impl FromStr for Lineage {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Lineage, Malformed> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| Malformed)?;
        Lineage::from_bytes(&bytes).ok_or(Malformed)
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lineage({self})")
    }
}
