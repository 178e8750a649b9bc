//! Ids, hold tokens and secrets: 16 or 32 bytes as text, and nothing else.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use morgenruh_engine::rules::ids::{HoldToken, ID_RANDOM_BITS, ReservationId, Secret};

use crate::Verdict;
use crate::text::lossy;

pub(crate) fn reservation_id(data: &[u8]) -> Verdict {
    let Some(id) = only_one_spelling::<ReservationId>(data) else {
        return Verdict::Refused;
    };
    assert_eq!(ReservationId::from_bytes(id.to_bytes()), id);
    let mut low = [0; 8];
    low.copy_from_slice(&id.to_bytes()[8..]);
    let random = u64::from_be_bytes(low) & ((1 << ID_RANDOM_BITS) - 1);
    assert_eq!(ReservationId::new(id.seat(), id.slot(), random), id);

    let seat = id.seat();
    assert!(seat.end() >= seat.start);
    assert_eq!(seat.overlaps(seat), seat.start < seat.end());
    assert!(format!("{id:?}").contains(&id.to_string()));
    let code = id.code();
    let is_digit = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
    assert!(
        code.len() == 7 && code.bytes().all(|byte| byte == b'-' || is_digit(byte)),
        "{code}"
    );
    Verdict::Taken
}

pub(crate) fn hold_token(data: &[u8]) -> Verdict {
    let Some(token) = only_one_spelling::<HoldToken>(data) else {
        return Verdict::Refused;
    };
    let id = token.id.to_string();
    assert_eq!(id.parse(), Ok(token.id));
    // An id is no secret, also where it has the same bits.
    if token.id.to_bytes() != token.secret.0 {
        assert_silent(&token, token.secret);
    }
    Verdict::Taken
}

pub(crate) fn secret(data: &[u8]) -> Verdict {
    let Some(secret) = only_one_spelling::<Secret>(data) else {
        return Verdict::Refused;
    };
    assert_silent(&secret, secret);
    assert_eq!(
        secret.manage().0,
        secret.manage().0,
        "a repetition gets the same right"
    );
    assert_ne!(
        secret.manage().0,
        secret.0,
        "a hold's secret is not its booking's"
    );
    assert_ne!(
        secret.digest().0,
        secret.0,
        "what is stored is not what opens"
    );
    Verdict::Taken
}

/// The value, if the text is one. Two texts for one value would be two names for one right.
fn only_one_spelling<T: FromStr + Display>(data: &[u8]) -> Option<T> {
    let text = lossy(data);
    let value: T = text.parse().ok()?;
    assert_eq!(value.to_string(), text);
    Some(value)
}

/// Whatever is logged does not give the secret away.
fn assert_silent(logged: &impl Debug, secret: Secret) {
    assert!(!format!("{logged:?}").contains(&secret.to_string()));
}
