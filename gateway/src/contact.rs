//! What people write about themselves, checked before it is kept.

use std::collections::BTreeMap;

use morgenruh_engine::rules::catalogue::{Catalogue, Office, Question};
use morgenruh_engine::rules::need::Services;
use morgenruh_engine::rules::record;
use morgenruh_wire::Person;
use url::Host;

use crate::problem::{ApiError, Kind};

/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 120;
/// Longest e-mail address, in bytes (RFC 5321).
const EMAIL_BYTES_MAX: usize = 254;
/// Longest part before the `@`, in bytes (RFC 5321).
const EMAIL_LOCAL_BYTES_MAX: usize = 64;
/// Longest label of a domain name, in bytes (RFC 1035).
const LABEL_BYTES_MAX: usize = 63;
/// Digits of a telephone number (E.164 allows 15; extensions are longer).
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 4..=20;
/// Longest telephone number as written, in characters.
const PHONE_CHARS_MAX: usize = 40;

/// The person as the ledger keeps it, with what each of these offices asks.
pub(crate) fn check(
    catalogue: &Catalogue,
    offices: &[&Office],
    booked: &Services,
    person: &Person,
    answers: &BTreeMap<String, String>,
) -> Result<record::Person, ApiError> {
    let name = person.name.trim();
    if !is_plain(name, NAME_CHARS_MAX) {
        let detail = "Use 1 to 120 characters, without control characters.";
        return Err(ApiError::new(Kind::NameInvalid, detail).at("person.name"));
    }
    let email = person.email.trim();
    if !is_email(email) {
        let detail = "Use an address like erika@example.org.";
        return Err(ApiError::new(Kind::EmailInvalid, detail).at("person.email"));
    }
    let phone = person
        .phone
        .as_deref()
        .map(str::trim)
        .filter(|phone| !phone.is_empty());
    if phone.is_some_and(|phone| !is_phone(phone)) {
        let detail = "Use digits, spaces, and + ( ) / - only.";
        return Err(ApiError::new(Kind::PhoneInvalid, detail).at("person.phone"));
    }
    if phone.is_none() && offices.iter().any(|office| office.phone_required) {
        let detail = "A telephone number is needed there.";
        return Err(ApiError::new(Kind::PhoneInvalid, detail).at("person.phone"));
    }
    let answers = check_answers(catalogue, offices, booked, answers)?;
    Ok(record::Person {
        name: name.to_owned(),
        email: email.to_owned(),
        phone: phone.map(str::to_owned),
        answers,
    })
}

fn check_answers(
    catalogue: &Catalogue,
    offices: &[&Office],
    booked: &Services,
    answers: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, ApiError> {
    let at = |id: &str| format!("answers.{id}");
    let asked = |question: &&Question| {
        question.services.is_empty()
            || question.services.iter().any(|index| {
                let number = catalogue.service(*index).number;
                booked.iter().any(|(booked, _)| booked == number)
            })
    };
    let all = offices.iter().flat_map(|office| &office.questions);
    let questions: Vec<&Question> = all.filter(asked).collect();
    if let Some(unknown) = answers
        .keys()
        .find(|id| questions.iter().all(|it| it.id != **id))
    {
        let detail = "That is not asked there for these services.";
        // The id comes from outside: only as much of it goes back as an id can have.
        let id: String = unknown.chars().take(40).collect();
        return Err(ApiError::new(Kind::AnswerInvalid, detail).at(at(&id)));
    }
    let mut checked = BTreeMap::new();
    for question in questions {
        let answer = answers.get(&question.id).map_or("", |answer| answer.trim());
        if answer.is_empty() {
            if question.required {
                let detail = "An answer is needed there.";
                return Err(ApiError::new(Kind::AnswerInvalid, detail).at(at(&question.id)));
            }
            continue;
        }
        if !is_plain(answer, usize::from(question.chars_max)) {
            let detail = format!(
                "Use up to {} characters, without control characters.",
                question.chars_max
            );
            return Err(ApiError::new(Kind::AnswerInvalid, detail).at(at(&question.id)));
        }
        checked.insert(question.id.clone(), answer.to_owned());
    }
    Ok(checked)
}

fn is_plain(text: &str, chars_max: usize) -> bool {
    // Marks that change the direction of the text around them can make a name lie.
    let turns = |character| matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !text.is_empty()
        && text.len() <= chars_max * 4
        && text.chars().count() <= chars_max
        && !text
            .chars()
            .any(|character| character.is_control() || turns(character))
}

/// Whether mail could be sent there: one `@`, a local part of ordinary characters, a domain name
/// with a dot that the network knows how to write and does not take for an address. Whether anybody
/// reads it, only a mail can tell.
pub(crate) fn is_email(email: &str) -> bool {
    let Some((local, domain)) = email.rsplit_once('@') else {
        return false;
    };
    let local_byte =
        |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
    let local_fits = !local.is_empty()
        && local.len() <= EMAIL_LOCAL_BYTES_MAX
        && local.bytes().all(local_byte)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..");
    let label_fits = |label: &str| {
        !label.is_empty()
            && label.len() <= LABEL_BYTES_MAX
            && label
                .chars()
                .all(|character| character.is_alphanumeric() || character == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    email.len() <= EMAIL_BYTES_MAX
        && local_fits
        && domain.contains('.')
        && domain.split('.').all(label_fits)
        && matches!(Host::parse(domain), Ok(Host::Domain(_)))
}

fn is_phone(phone: &str) -> bool {
    let digits = phone.bytes().filter(u8::is_ascii_digit).count();
    let known = |byte: u8| byte.is_ascii_digit() || b" +()/-.".contains(&byte);
    phone.len() <= PHONE_CHARS_MAX && PHONE_DIGITS.contains(&digits) && phone.bytes().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_could_receive_mail() {
        for good in [
            "a@b.de",
            "erika.muster+amt@example.org",
            "x@münchen.de",
            "o'hara@a-b.co.uk",
        ] {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "@b.de",
            "a@",
            "a@b",
            "a b@c.de",
            "a@b..de",
            ".a@b.de",
            "a..b@c.de",
            "a@-b.de",
            "a@b.de\r\nBcc: x@y.de",
            "a@b@c.de\0",
            "ä@b.de",
            "a@b.de.",
            "erika@192.0.2.7",
            "erika@0x7f.1",
            "erika@beispiel.123",
            "erika@xn--a.de",
        ] {
            assert!(!is_email(bad), "{bad:?}");
        }
        assert!(!is_email(&format!("a@{}.de", "b".repeat(300))));
    }

    #[test]
    fn names_are_free_of_tricks() {
        assert!(is_plain("Zoë Müller-Lüdenscheidt", 120));
        assert!(is_plain("王小明", 3));
        for bad in ["", "a\nb", "a\u{0}", "\u{202e}gro.elpmaxe", "abcd"] {
            assert!(!is_plain(bad, 3), "{bad:?}");
        }
    }

    #[test]
    fn telephone_numbers() {
        assert!(is_phone("+49 (0)211 / 89-1"));
        assert!(!is_phone("call me") && !is_phone("12") && !is_phone(&"1".repeat(21)));
    }
}
