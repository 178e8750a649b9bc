//! What is published about a drip when its window is over, so that anybody can check its moments.

use data_encoding::HEXLOWER;
use serde::Deserialize;

use super::drip::{ALGORITHM, DRIP_MINUTES_MAX, DripRules, offset_seconds};
use crate::rules::room::draw::DrawSecret;
use crate::rules::time::UnixMillis;

/// Most moments of one release: those of 64 counters on 400 days.
const MOMENTS_MAX: usize = 64 * 300 * 400;

/// The part of a release's document that proves its drip. Bytes are lowercase hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct DripProof {
    pub algorithm: String,
    /// As they were published with the commitment, byte for byte.
    pub rules: String,
    pub commitment: String,
    /// No longer one, now that it is published.
    pub secret: String,
    pub moments: Vec<ProvenMoment>,
}

/// When a piece became bookable.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ProvenMoment {
    /// Number of the counter.
    pub counter: u8,
    pub start: String,
    pub opens_at: String,
}

/// The first thing about a proof that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DripFault {
    #[error("the algorithm is not {ALGORITHM}")]
    Algorithm,
    #[error("the rules cannot be read, or there are too many moments")]
    Form,
    #[error("the commitment was made to another secret or to other rules")]
    Commitment,
    #[error("counter {0} at {1} opened at another moment than secret and rules give")]
    Moment(u8, String),
}

impl DripProof {
    /// Works everything out again.
    ///
    /// # Errors
    /// [`DripFault`]
    pub fn check(&self) -> Result<(), DripFault> {
        let rules = DripRules::read(&self.rules).ok_or(DripFault::Form)?;
        if self.algorithm != ALGORITHM || rules.algorithm != ALGORITHM {
            return Err(DripFault::Algorithm);
        }
        let window_max = 60 * u32::from(DRIP_MINUTES_MAX);
        if rules.window_seconds > window_max || self.moments.len() > MOMENTS_MAX {
            return Err(DripFault::Form);
        }
        let secret = HEXLOWER.decode(self.secret.as_bytes()).ok();
        let secret = secret.and_then(|bytes| bytes.try_into().ok());
        let secret = DrawSecret(secret.ok_or(DripFault::Commitment)?);
        if HEXLOWER.encode(&secret.commitment(&self.rules)) != self.commitment {
            return Err(DripFault::Commitment);
        }
        let begins = instant(&rules.release_at).ok_or(DripFault::Form)?;
        for moment in &self.moments {
            let ProvenMoment { counter, start, .. } = moment;
            let window = rules.window_seconds;
            let offset = offset_seconds(&secret, window, &rules.office, *counter, start);
            let opens_at = begins.0.saturating_add(1_000 * i64::from(offset));
            if instant(&moment.opens_at) != Some(UnixMillis(opens_at)) {
                return Err(DripFault::Moment(*counter, start.clone()));
            }
        }
        Ok(())
    }
}

fn instant(text: &str) -> Option<UnixMillis> {
    text.parse::<jiff::Timestamp>().ok().map(UnixMillis::from)
}
