//! Every error the API gives: RFC 9457 problems with stable types.
//!
//! The public text says what the client can do. What only operators may know goes to the log.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use morgenruh_wire::{Alternative, Place, Problem};

use crate::caching::NO_STORE;
use crate::limits::Standing;

macro_rules! kinds {
    ($($name:ident $slug:literal $status:ident $title:literal)*) => {
        /// The kinds of problem. Their slugs are part of the API and never change meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind { $($name),* }

        impl Kind {
            pub(crate) const ALL: &[Kind] = &[$(Kind::$name),*];

            pub(crate) fn slug(self) -> &'static str {
                match self { $(Kind::$name => $slug),* }
            }

            pub(crate) fn status(self) -> StatusCode {
                match self { $(Kind::$name => StatusCode::$status),* }
            }

            pub(crate) fn title(self) -> &'static str {
                match self { $(Kind::$name => $title),* }
            }
        }
    };
}

kinds! {
    MalformedJson         "malformed-json"          BAD_REQUEST            "The body is not JSON"
    InvalidRequest        "invalid-request"         UNPROCESSABLE_ENTITY   "The body is not of the expected form"
    InvalidQuery          "invalid-query"           BAD_REQUEST            "The query string is not understood"
    UnsupportedMediaType  "unsupported-media-type"  UNSUPPORTED_MEDIA_TYPE "The body must be application/json"
    BodyTooLarge          "body-too-large"          PAYLOAD_TOO_LARGE      "The body is too large"
    UnknownOffice         "unknown-office"          UNPROCESSABLE_ENTITY   "There is no such office"
    UnknownService        "unknown-service"         UNPROCESSABLE_ENTITY   "There is no such service"
    ServiceNotOffered     "service-not-offered"     UNPROCESSABLE_ENTITY   "The office does not offer this service"
    ServicesInvalid       "services-invalid"        UNPROCESSABLE_ENTITY   "The list of services is empty, too long or repeats itself"
    QuantityOutOfRange    "quantity-out-of-range"   UNPROCESSABLE_ENTITY   "The quantity is 0 or too large"
    NotCombinable         "services-not-combinable" UNPROCESSABLE_ENTITY   "These services cannot be booked together"
    VisitTooLong          "visit-too-long"          UNPROCESSABLE_ENTITY   "The visit would be too long"
    StartOffGrid          "start-off-grid"          UNPROCESSABLE_ENTITY   "No slot starts at this time"
    StartInPast           "start-in-past"           UNPROCESSABLE_ENTITY   "The start is over"
    StartTooSoon          "start-too-soon"          UNPROCESSABLE_ENTITY   "The start is too near"
    BeyondHorizon         "beyond-horizon"          UNPROCESSABLE_ENTITY   "The day is too far ahead"
    OfficeClosed          "office-closed"           UNPROCESSABLE_ENTITY   "The office is closed then"
    NotReleased           "not-released"            CONFLICT               "These slots are not released yet"
    SlotTaken             "slot-taken"              CONFLICT               "Somebody else was faster"
    NothingFree           "nothing-free"            CONFLICT               "Nothing that fits is free"
    HoldUnknown           "hold-unknown"            NOT_FOUND              "There is no such hold"
    HoldExpired           "hold-expired"            CONFLICT               "The hold is over"
    HoldUsed              "hold-used"               CONFLICT               "The hold has become a booking"
    AlreadyExtended       "already-extended"        CONFLICT               "The hold was extended before"
    BookingUnknown        "booking-unknown"         NOT_FOUND              "There is no such booking"
    BookingCancelled      "booking-cancelled"       CONFLICT               "The booking is cancelled"
    BookingOver           "booking-over"            CONFLICT               "The booking has begun"
    MoveRefused           "move-refused"            CONFLICT               "The booking cannot move there"
    TooManyMoves          "too-many-moves"          CONFLICT               "The booking was moved too often"
    NameInvalid           "name-invalid"            UNPROCESSABLE_ENTITY   "The name cannot be used"
    EmailInvalid          "email-invalid"           UNPROCESSABLE_ENTITY   "The e-mail address cannot be used"
    PhoneInvalid          "phone-invalid"           UNPROCESSABLE_ENTITY   "The telephone number is missing or cannot be used"
    AnswerInvalid         "answer-invalid"          UNPROCESSABLE_ENTITY   "An answer is missing or cannot be used"
    TokenMissing          "token-missing"           UNAUTHORIZED           "The Authorization header is missing"
    ServiceKeyInvalid     "service-key-invalid"     UNAUTHORIZED           "The service key is not known"
    KeyInvalid            "idempotency-key-invalid" BAD_REQUEST            "The Idempotency-Key cannot be used"
    KeyReused             "idempotency-key-reused"  UNPROCESSABLE_ENTITY   "The Idempotency-Key belongs to another request"
    InProgress            "request-in-progress"     CONFLICT               "The same request is being worked on"
    ConfirmationPending   "confirmation-pending"    SERVICE_UNAVAILABLE    "The change is still being written"
    LedgerUnavailable     "ledger-unavailable"      SERVICE_UNAVAILABLE    "Nothing can be confirmed at the moment"
    RateLimited           "rate-limited"            TOO_MANY_REQUESTS      "Too many requests at once"
    ProofOfWorkRequired   "proof-of-work-required"  FORBIDDEN              "A proof of work is missing"
    ProofOfWorkInvalid    "proof-of-work-invalid"   UNPROCESSABLE_ENTITY   "The proof of work cannot be used"
    Overloaded            "overloaded"              SERVICE_UNAVAILABLE    "Too much at once"
    TimedOut              "timed-out"               SERVICE_UNAVAILABLE    "This took too long"
    NotFound              "not-found"               NOT_FOUND              "There is nothing here"
    MethodNotAllowed      "method-not-allowed"      METHOD_NOT_ALLOWED     "This method is not allowed here"
    PassRequired          "pass-required"           FORBIDDEN              "A pass of the waiting room is needed"
    PassInvalid           "pass-invalid"            FORBIDDEN              "This is not a pass"
    PassEnded             "pass-ended"              FORBIDDEN              "The pass has ended"
    HoldsMax              "holds-max"               CONFLICT               "The pass has as many holds as it can have"
    BookedBefore          "booked-before"           CONFLICT               "There is a booking for the same service already"
    RoomUnknown           "room-unknown"            NOT_FOUND              "There is no such waiting room"
    RoomNotOpen           "room-not-open"           CONFLICT               "The waiting room is not open yet"
    RoomClosed            "room-closed"             CONFLICT               "The waiting room is closed"
    RoomFull              "room-full"               CONFLICT               "The waiting room is full"
    SoldOut               "sold-out"                CONFLICT               "Nothing is left"
    TicketInvalid         "ticket-invalid"          UNAUTHORIZED           "This is not a ticket of the waiting room"
    TicketUsed            "ticket-used"             CONFLICT               "The ticket has been used"
    NotYourTurn           "not-your-turn"           TOO_EARLY              "The ticket's turn has not come"
    NotDrawn              "not-drawn"               CONFLICT               "There is no draw of this"
    WishUnknown           "wish-unknown"            NOT_FOUND              "There is no such wish"
    WishOver              "wish-over"               CONFLICT               "The wish is over"
    WishPending           "wish-pending"            CONFLICT               "The wish is being decided about"
    WishExists            "wish-exists"             CONFLICT               "The booking has a wish already"
    WishesExhausted       "wishes-exhausted"        CONFLICT               "There are as many wishes as one person can have"
    WishesFull            "wishes-full"             SERVICE_UNAVAILABLE    "No more wishes can be kept"
    WindowInvalid         "window-invalid"          UNPROCESSABLE_ENTITY   "These days or hours cannot be wished for"
    NotifyRefused         "notify-refused"          UNPROCESSABLE_ENTITY   "Nobody can be told in this way"
    OfferUnknown          "offer-unknown"           NOT_FOUND              "There is no such offer"
    OfferGone             "offer-gone"              CONFLICT               "The offer is over"
    CrossSite             "cross-site"              FORBIDDEN              "The request comes from another site"
    ReleaseUnknown        "release-unknown"         NOT_FOUND              "There is no such release"
    ReleaseTaken          "release-taken"           CONFLICT               "Somebody has a seat of the release"
    ReleaseRefused        "release-refused"         CONFLICT               "The release is not as this needs it"
    BeaconRefused         "beacon-refused"          CONFLICT               "The beacon is not taken"
    TooManyListeners      "too-many-listeners"      SERVICE_UNAVAILABLE    "Too many follow the waiting rooms"
    Internal              "internal-error"          INTERNAL_SERVER_ERROR  "Something is wrong on our side"
}

/// Seconds after which a client that was refused for now may try again.
const RETRY_AFTER_S: u32 = 2;

/// An error on its way to the client.
#[derive(Debug)]
pub(crate) struct ApiError {
    kind: Kind,
    detail: Cow<'static, str>,
    field: Option<String>,
    alternatives: Vec<Alternative>,
    room: Option<Box<str>>,
    place: Option<Box<Place>>,
    retry_after_s: Option<u32>,
    standing: Option<Box<Standing>>,
}

impl ApiError {
    pub(crate) fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> ApiError {
        let again = matches!(
            kind.status(),
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
        ) || kind == Kind::InProgress;
        ApiError {
            kind,
            detail: detail.into(),
            field: None,
            alternatives: Vec::new(),
            room: None,
            place: None,
            retry_after_s: again.then_some(RETRY_AFTER_S),
            standing: None,
        }
    }

    /// Names the field of the request that is meant.
    pub(crate) fn at(mut self, field: impl Into<String>) -> ApiError {
        self.field = Some(field.into());
        self
    }

    pub(crate) fn or_else_at(mut self, alternatives: Vec<Alternative>) -> ApiError {
        self.alternatives = alternatives;
        self
    }

    /// Names the waiting room that is meant.
    pub(crate) fn in_room(mut self, room: String) -> ApiError {
        self.room = Some(room.into());
        self
    }

    /// Says where a ticket stands, and so when to ask again.
    pub(crate) fn with_place(mut self, place: Place) -> ApiError {
        self.retry_after_s = Some(place.poll_after_ms.div_ceil(1_000).max(1));
        self.place = Some(Box::new(place));
        self
    }

    /// Says what is left of a limit, and when to come back.
    pub(crate) fn limited(mut self, standing: Standing, retry_after_s: u32) -> ApiError {
        self.standing = Some(Box::new(standing));
        self.retry_after_s = Some(retry_after_s);
        self
    }

    /// The same said of another kind of fault.
    pub(crate) fn of_kind(mut self, kind: Kind) -> ApiError {
        self.kind = kind;
        self
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = Problem {
            type_: format!("/problems/{}", self.kind.slug()),
            title: self.kind.title().to_owned(),
            status: self.kind.status().as_u16(),
            detail: self.detail.into_owned(),
            field: self.field,
            alternatives: self.alternatives,
            room: self.room.map(String::from),
            place: self.place.map(|place| *place),
        };
        let body = serde_json::to_vec(&problem).expect("a problem is always JSON");
        let mut response = (self.kind.status(), body).into_response();
        let headers = response.headers_mut();
        let media_type = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, media_type);
        let (name, value) = NO_STORE;
        headers.insert(name, value);
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(standing) = self.standing {
            standing.tell(headers);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn slugs_are_unique_and_plain() {
        let slugs: HashSet<&str> = Kind::ALL.iter().map(|kind| kind.slug()).collect();
        assert_eq!(slugs.len(), Kind::ALL.len());
        for slug in slugs {
            assert!(
                slug.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
                "{slug}"
            );
        }
    }

    #[test]
    fn whoever_is_refused_for_now_is_told_when_to_come_back() {
        for kind in Kind::ALL {
            let response = ApiError::new(*kind, "").into_response();
            let told = response.headers().contains_key(header::RETRY_AFTER);
            let refused_for_now = [
                StatusCode::SERVICE_UNAVAILABLE,
                StatusCode::TOO_MANY_REQUESTS,
            ];
            assert!(
                told || !refused_for_now.contains(&response.status()),
                "{kind:?}"
            );
        }
    }
}
