//! Whether two contacts are the same person's: addresses and numbers in the one spelling that
//! counts.

use super::ids::Digest;
use crate::canary::{Canary, sings};

/// Germany's, which people leave out at home.
const COUNTRY_CODE: &str = "49";

/// What a person is known by: the e-mail address and, where there is one, the telephone number. Two
/// people are the same if they share one of them.
pub fn marks(email: &str, phone: Option<&str>) -> Vec<Digest> {
    let email = Digest::of(&[b"email", plain_email(email).as_bytes()]);
    let phone = phone.filter(|_| !sings(Canary::PhoneForgotten));
    let phone = phone.map(|phone| Digest::of(&[b"phone", plain_phone(phone).as_bytes()]));
    std::iter::once(email).chain(phone).collect()
}

/// An address of which one mailbox has no second spelling: in lower case and without a `+tag`.
pub fn plain_email(email: &str) -> String {
    let (local, domain) = email.trim().rsplit_once('@').unwrap_or((email, ""));
    let local = match local.split_once('+') {
        Some((local, _)) if !local.is_empty() => local,
        _ => local,
    };
    format!("{local}@{domain}").to_lowercase()
}

/// A number's digits with the code of its country, however it is dialled.
pub fn plain_phone(phone: &str) -> String {
    // The zero of `+49 (0) 211` is dialled only by those who leave the country's code out.
    let dialled: String = phone
        .chars()
        .filter(|character| character.is_ascii_digit() || "+()".contains(*character))
        .collect();
    let dialled = if dialled.starts_with('+') || dialled.starts_with("00") {
        dialled.replace("(0)", "")
    } else {
        dialled
    };
    let abroad = dialled.starts_with('+');
    let digits: String = dialled.chars().filter(char::is_ascii_digit).collect();
    if abroad {
        return digits;
    }
    match (digits.strip_prefix("00"), digits.strip_prefix('0')) {
        (Some(digits), _) => digits.to_owned(),
        (None, Some(digits)) => format!("{COUNTRY_CODE}{digits}"),
        (None, None) => digits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_same_however_it_is_dialled() {
        for phone in [
            "+49 211 891",
            "+49 (0)211 / 89-1",
            "0049 211 891",
            "0049 (0) 211.891",
            "0211 891",
            "(0211) 89 1",
            "49 211 891",
        ] {
            assert_eq!(plain_phone(phone), "49211891", "{phone}");
        }
        for (phone, digits) in [("+43 1 4000", "4314000"), ("89 1", "891"), ("", "")] {
            assert_eq!(plain_phone(phone), digits, "{phone}");
        }
    }
}
