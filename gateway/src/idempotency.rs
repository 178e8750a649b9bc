//! Answers that are given again: the `Idempotency-Key` header.
//!
//! The same key with the same request gets the same answer; with another request it is refused.
//! Only answers that did something are kept: after an error the key is free again.

use std::collections::{HashMap, VecDeque};

use axum::http::HeaderMap;
use bytes::Bytes;
use morgenruh_engine::rules::ids::Digest;
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use parking_lot::Mutex;

use crate::problem::{ApiError, Kind};

pub(crate) const HEADER: &str = "idempotency-key";
/// Shorter keys are easily chosen by two clients at once, in characters.
const KEY_CHARS_MIN: usize = 16;
/// Longest key, in characters.
const KEY_CHARS_MAX: usize = 200;

/// The keys of the last hours.
#[derive(Debug)]
pub struct Idempotency {
    keys: Mutex<Keys>,
    keep: Millis,
    keys_max: usize,
}

#[derive(Debug, Default)]
struct Keys {
    known: HashMap<Digest, Known>,
    /// Oldest first; can name keys that are forgotten.
    order: VecDeque<(UnixMillis, Digest)>,
}

#[derive(Debug)]
struct Known {
    request: Digest,
    at: UnixMillis,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    InProgress,
    /// Done, and asking again is harmless: the engine gives the same answer.
    AskAgain,
    Answered(Bytes),
}

/// What to do with a request.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Work on it, then tell how it ended.
    Work(Option<Digest>),
    /// Give this answer again.
    Again(Bytes),
}

impl Idempotency {
    pub fn new(keep: Millis, keys_max: usize) -> Idempotency {
        Idempotency {
            keys: Mutex::default(),
            keep,
            keys_max,
        }
    }

    /// Puts back a key that the ledger remembers.
    pub fn restore(&self, key: Digest, request: Digest, at: UnixMillis) {
        self.keys.lock().insert(
            key,
            Known {
                request,
                at,
                stage: Stage::AskAgain,
            },
        );
    }

    /// Looks at the request's key, if it has one. `route` keeps the keys of different calls apart.
    pub(crate) fn begin(
        &self,
        now: UnixMillis,
        headers: &HeaderMap,
        route: &str,
        request: Digest,
    ) -> Result<Turn, ApiError> {
        let Some(header) = headers.get(HEADER) else {
            return Ok(Turn::Work(None));
        };
        let key = header.as_bytes();
        let fits = (KEY_CHARS_MIN..=KEY_CHARS_MAX).contains(&key.len());
        if !fits || !key.iter().all(u8::is_ascii_graphic) {
            let detail = "Use 16 to 200 visible ASCII characters, such as a UUID.";
            return Err(ApiError::new(Kind::KeyInvalid, detail));
        }
        let key = Digest::of(&[route.as_bytes(), key]);
        let mut keys = self.keys.lock();
        keys.forget(now, self.keep, self.keys_max);
        if let Some(known) = keys.known.get(&key) {
            if known.request != request {
                let detail = "Use a new key for a new request.";
                return Err(ApiError::new(Kind::KeyReused, detail));
            }
            match &known.stage {
                Stage::InProgress => {
                    let detail = "Its answer will be there in a moment.";
                    return Err(ApiError::new(Kind::InProgress, detail));
                }
                Stage::Answered(answer) => return Ok(Turn::Again(answer.clone())),
                Stage::AskAgain => return Ok(Turn::Work(Some(key))),
            }
        }
        keys.insert(
            key,
            Known {
                request,
                at: now,
                stage: Stage::InProgress,
            },
        );
        Ok(Turn::Work(Some(key)))
    }

    /// The request did something; give this answer from now on.
    pub(crate) fn answered(&self, key: Option<Digest>, answer: &Bytes) {
        self.stage(key, Some(Stage::Answered(answer.clone())));
    }

    /// The request did something, and the engine answers its repetition by itself.
    pub(crate) fn ask_again(&self, key: Option<Digest>) {
        self.stage(key, Some(Stage::AskAgain));
    }

    /// The request did nothing: its key is free.
    pub(crate) fn failed(&self, key: Option<Digest>) {
        self.stage(key, None);
    }

    fn stage(&self, key: Option<Digest>, stage: Option<Stage>) {
        let Some(key) = key else { return };
        let mut keys = self.keys.lock();
        match stage {
            Some(stage) => {
                if let Some(known) = keys.known.get_mut(&key) {
                    known.stage = stage;
                }
            }
            None => {
                keys.known.remove(&key);
            }
        }
    }
}

impl Keys {
    fn insert(&mut self, key: Digest, known: Known) {
        self.order.push_back((known.at, key));
        self.known.insert(key, known);
    }

    fn forget(&mut self, now: UnixMillis, keep: Millis, keys_max: usize) {
        while let Some((at, key)) = self.order.front().copied() {
            if now - at < keep && self.order.len() < keys_max {
                break;
            }
            self.order.pop_front();
            // The key may have been freed and used again since.
            if self.known.get(&key).is_some_and(|known| known.at == at) {
                self.known.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(key: &str) -> HeaderMap {
        HeaderMap::from_iter([(HEADER.parse().unwrap(), key.parse().unwrap())])
    }

    fn begin(keys: &Idempotency, now: i64, key: &str, body: &[u8]) -> Result<Turn, Kind> {
        let request = Digest::of(&[body]);
        keys.begin(UnixMillis(now), &headers(key), "holds", request)
            .map_err(|error| error.kind())
    }

    #[test]
    fn the_same_request_gets_the_same_answer_and_another_is_refused() {
        let keys = Idempotency::new(Millis(1_000), 10);
        let Ok(Turn::Work(key)) = begin(&keys, 0, "a-key-of-one-client", b"a") else {
            panic!("new")
        };
        assert_eq!(
            begin(&keys, 1, "a-key-of-one-client", b"a").unwrap_err(),
            Kind::InProgress
        );
        keys.answered(key, &Bytes::from_static(b"answer"));
        assert!(
            matches!(begin(&keys, 2, "a-key-of-one-client", b"a"), Ok(Turn::Again(answer)) if answer == "answer")
        );
        assert_eq!(
            begin(&keys, 3, "a-key-of-one-client", b"b").unwrap_err(),
            Kind::KeyReused
        );
        assert!(
            matches!(
                begin(&keys, 1_001, "a-key-of-one-client", b"b"),
                Ok(Turn::Work(_))
            ),
            "forgotten"
        );
    }

    #[test]
    fn after_an_error_the_key_is_free() {
        let keys = Idempotency::new(Millis(1_000), 10);
        let Ok(Turn::Work(key)) = begin(&keys, 0, "a-key-of-one-client", b"a") else {
            panic!("new")
        };
        keys.failed(key);
        assert!(matches!(
            begin(&keys, 1, "a-key-of-one-client", b"b"),
            Ok(Turn::Work(_))
        ));
    }

    #[test]
    fn the_oldest_keys_make_room() {
        let keys = Idempotency::new(Millis(1_000_000), 3);
        for n in 0..10 {
            begin(&keys, n, &format!("the-key-with-number-{n}"), b"a").unwrap();
        }
        assert!(keys.keys.lock().known.len() <= 3);
    }
}
