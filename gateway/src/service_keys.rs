//! Keys of other services: the call centre, the desk in the hall, whoever tests an office.

use axum::http::HeaderMap;
use morgenruh_engine::rules::catalogue::{Channel, Office, Status};
use morgenruh_engine::rules::ids::Digest;

use crate::problem::{ApiError, Kind};

/// The header that carries a service key.
pub(crate) const HEADER: &str = "x-service-key";
/// Shorter keys are refused, in characters.
const KEY_CHARS_MIN: usize = 32;

/// On whose behalf a request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Caller {
    pub(crate) channel: Channel,
    /// May see and book offices under test.
    pub(crate) tests: bool,
}

impl Caller {
    pub(crate) const PUBLIC: Caller = Caller {
        channel: Channel::Public,
        tests: false,
    };

    /// Whether the office exists for this caller.
    pub(crate) fn sees(self, office: &Office) -> bool {
        match office.status {
            Status::Live => true,
            Status::Test => self.tests,
            Status::Off => false,
        }
    }
}

/// The known keys; only their digests are kept.
#[derive(Debug, Default)]
pub struct ServiceKeys {
    keys: Vec<(Digest, Caller)>,
}

/// A line of the key file that is not `channel name key`.
#[derive(Debug, PartialEq, Eq)]
pub struct BadLine {
    pub line: usize,
    pub reason: &'static str,
}

impl ServiceKeys {
    /// Reads lines of `channel name key`, where channel is `call-centre`, `walk-in` or `test`.
    /// Empty lines and lines that start with `#` are passed over.
    ///
    /// # Errors
    /// The first line that cannot be used. The reason never quotes the key.
    pub fn parse(text: &str) -> Result<ServiceKeys, BadLine> {
        let mut keys = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = |reason| BadLine {
                line: number + 1,
                reason,
            };
            let [channel, _name, key] =
                <[&str; 3]>::try_from(line.split_whitespace().collect::<Vec<_>>())
                    .map_err(|_| bad("expected `channel name key`"))?;
            let caller = match channel {
                "call-centre" => Caller {
                    channel: Channel::CallCentre,
                    tests: false,
                },
                "walk-in" => Caller {
                    channel: Channel::WalkIn,
                    tests: false,
                },
                "test" => Caller {
                    channel: Channel::Public,
                    tests: true,
                },
                _ => return Err(bad("the channel is `call-centre`, `walk-in` or `test`")),
            };
            if key.len() < KEY_CHARS_MIN {
                return Err(bad("the key is shorter than 32 characters"));
            }
            keys.push((digest(key.as_bytes()), caller));
        }
        Ok(ServiceKeys { keys })
    }

    /// Who sends these headers.
    pub(crate) fn caller(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        let Some(key) = headers.get(HEADER) else {
            return Ok(Caller::PUBLIC);
        };
        let sent = digest(key.as_bytes());
        let known = self.keys.iter().find(|(digest, _)| *digest == sent);
        known.map(|(_, caller)| *caller).ok_or_else(|| {
            ApiError::new(
                Kind::ServiceKeyInvalid,
                "Ask the operator for a new service key.",
            )
        })
    }
}

fn digest(key: &[u8]) -> Digest {
    Digest::of(&[b"service key", key])
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_key_opens_its_channel() {
        let keys = ServiceKeys::parse(&format!("# 115\n\ncall-centre d115 {KEY}\n")).unwrap();
        let mut headers = HeaderMap::new();
        assert_eq!(keys.caller(&headers).unwrap(), Caller::PUBLIC);
        headers.insert(HEADER, KEY.parse().unwrap());
        assert_eq!(keys.caller(&headers).unwrap().channel, Channel::CallCentre);
        headers.insert(HEADER, "guess".parse().unwrap());
        assert_eq!(
            keys.caller(&headers).unwrap_err().kind(),
            Kind::ServiceKeyInvalid
        );
    }

    #[test]
    fn bad_lines_are_named() {
        for (text, line) in [("x", 1), ("\nmoon a b", 2), ("test short key", 1)] {
            assert_eq!(ServiceKeys::parse(text).unwrap_err().line, line, "{text}");
        }
    }
}
