//! Whether two requests are the same person's, without keeping who that is.
//!
//! A digest says so for one room and one service, and for nothing else: without the key nobody
//! can try addresses against it, and two rooms cannot be compared.

use hmac::{Hmac, KeyInit, Mac};
use morgenruh_engine::rules::ids::Digest;
use morgenruh_engine::rules::need::Services;
use morgenruh_engine::rules::person::{plain_email, plain_phone};
use morgenruh_engine::rules::record::Person;
use sha2::Sha256;

/// Keeps these digests apart from whatever else a key may be used for.
const PURPOSE: &[u8] = b"morgenruh identity v1";

/// What a person is known by.
#[derive(Clone, Copy)]
enum Mark {
    Email = 1,
    Phone = 2,
}

/// The digests of a person who wants these services in a room: for each service one by the e-mail
/// address and, where there is one, one by the telephone number.
///
/// Somebody else has to avoid them all: two people are the same if they share one digest.
pub(crate) fn identities(
    key: &[u8; 32],
    room_bits: u32,
    person: &Person,
    services: &Services,
) -> Vec<Digest> {
    let email = (Mark::Email, plain_email(&person.email));
    let phone = person.phone.as_deref().map(plain_phone);
    let phone = phone.map(|phone| (Mark::Phone, phone));
    let marks: Vec<(Mark, String)> = std::iter::once(email).chain(phone).collect();
    services
        .iter()
        .flat_map(|(service, _)| {
            let digest = |(mark, text): &(Mark, String)| {
                let mac = Hmac::<Sha256>::new_from_slice(key);
                let mac = mac.expect("HMAC takes keys of any length");
                // All parts but the last are of a fixed length: no two lists collide.
                let mac = mac
                    .chain_update(PURPOSE)
                    .chain_update(room_bits.to_be_bytes())
                    .chain_update(service.to_be_bytes())
                    .chain_update([*mark as u8])
                    .chain_update(text);
                let full = mac.finalize().into_bytes();
                let mut short = [0; 16];
                short.copy_from_slice(&full[..16]);
                Digest(short)
            };
            marks.iter().map(digest).collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use super::*;

    const KEY: [u8; 32] = [3; 32];
    const ROOM: u32 = 0x0001_2345;

    fn of(key: &[u8; 32], room: u32, email: &str, phone: Option<&str>) -> Vec<Digest> {
        let person = Person {
            name: "Erika".to_owned(),
            email: email.to_owned(),
            phone: phone.map(str::to_owned),
            answers: BTreeMap::new(),
        };
        let services = Services::collect([(1, 1), (2, 3)]).unwrap();
        identities(key, room, &person, &services)
    }

    #[test]
    fn another_spelling_is_the_same_person() {
        let known = of(&KEY, ROOM, "erika.muster@example.org", None);
        for email in [
            "Erika.Muster@example.org",
            "erika.muster@EXAMPLE.org",
            "ERIKA.MUSTER+Amt@Example.ORG",
            "erika.muster+a+b@example.org",
            " erika.muster@example.org ",
        ] {
            assert_eq!(of(&KEY, ROOM, email, None), known, "{email}");
        }
        for email in [
            "erika-muster@example.org",
            "erika.muster@example.com",
            "+erika.muster@example.org",
        ] {
            assert_ne!(of(&KEY, ROOM, email, None), known, "{email}");
        }
    }

    #[test]
    fn there_is_one_for_each_service_and_mark() {
        let both = of(&KEY, ROOM, "e@example.org", Some("0211 891"));
        assert_eq!(both.iter().collect::<HashSet<_>>().len(), 4);
        let email_only = of(&KEY, ROOM, "e@example.org", None);
        assert_eq!(email_only.len(), 2);
        assert!(email_only.iter().all(|digest| both.contains(digest)));
    }

    #[test]
    fn rooms_and_keys_cannot_be_compared() {
        let known = of(&KEY, ROOM, "e@example.org", Some("0211 891"));
        let others = [
            of(&KEY, ROOM + 1, "e@example.org", Some("0211 891")),
            of(&[4; 32], ROOM, "e@example.org", Some("0211 891")),
            of(&KEY, ROOM, "f@example.org", Some("0211 892")),
        ];
        for digest in others.iter().flatten() {
            assert!(!known.contains(digest));
        }
    }
}
