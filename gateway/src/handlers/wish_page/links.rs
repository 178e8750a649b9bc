//! Where a wish and its booking are looked at. Whoever has such an address has the right to it.

use morgenruh_engine::rules::ids::{ReservationId, Secret};
use morgenruh_engine::rules::wish::WishId;

use crate::language::Language;

/// Said by a page that is about one offer.
pub(crate) const OFFER_PARAMETER: &str = "angebot";

/// Said by a form that gives a booking back.
pub(crate) const BOOKING_PARAMETER: &str = "termin";

/// The page of a wish, or of something to be done with it: `/zuruecknehmen`.
pub(crate) fn wish(id: WishId, secret: Secret, language: Language, what: &str) -> String {
    format!("/wunsch/{id}/{secret}{what}{}", query(language))
}

/// The page that asks for the answer to an offer, `annehmen` or `ablehnen`. Loading it does
/// nothing.
pub(crate) fn answer(
    id: WishId,
    secret: Secret,
    language: Language,
    what: &str,
    offer: ReservationId,
) -> String {
    let language = language.code();
    format!("/wunsch/{id}/{secret}/{what}?lang={language}&{OFFER_PARAMETER}={offer}")
}

/// The page of a booking, or of something to be done with it.
pub(crate) fn booking(id: ReservationId, manage: Secret, language: Language, what: &str) -> String {
    format!("/termin/{id}/{manage}{what}{}", query(language))
}

fn query(language: Language) -> String {
    match language {
        Language::De => String::new(),
        Language::DeLeicht | Language::En => format!("?lang={}", language.code()),
    }
}
