//! How much somebody has left, and how an answer says it.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::problem::{ApiError, Kind};
use crate::settings::Rate;

/// Both of draft-ietf-httpapi-ratelimit-headers: what a limit is, and what is left of it.
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");
/// Who was refused at the same moment comes back within so many seconds, not in one.
const SPREAD_S: u64 = 3;

/// What is left of a limit after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    limit: &'static str,
    rate: Rate,
    /// Requests that could follow at once.
    remaining: u32,
    /// Seconds until there is more.
    reset_s: u32,
}

/// One request too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(Standing);

impl Standing {
    pub(super) fn new(limit: &'static str, rate: Rate, remaining: u32) -> Standing {
        let used = rate.burst.get().saturating_sub(remaining);
        Standing {
            limit,
            rate,
            remaining,
            reset_s: seconds(rate.period() * used),
        }
    }

    /// The one of which less is left: the client comes to its end first.
    pub(super) fn or_if_less(self, other: Standing) -> Standing {
        if other.remaining < self.remaining {
            other
        } else {
            self
        }
    }

    /// Puts it into the headers of an answer.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        let (quota, window_s) = (self.rate.burst, seconds(self.rate.window()));
        let policy = format!("\"{}\";q={quota};w={window_s}", self.limit);
        let left = format!("\"{}\";r={};t={}", self.limit, self.remaining, self.reset_s);
        for (name, value) in [(POLICY, policy), (LEFT, left)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }

    /// Whether an answer says already what is left.
    pub(super) fn is_told(headers: &HeaderMap) -> bool {
        headers.contains_key(LEFT)
    }
}

impl Refused {
    pub(super) fn new(limit: &'static str, rate: Rate, wait: Duration, number: u64) -> Refused {
        // Counting spreads them more evenly than chance would.
        let spread = (number % SPREAD_S) as u32;
        Refused(Standing {
            limit,
            rate,
            remaining: 0,
            reset_s: seconds(wait).max(1) + spread,
        })
    }

    /// When it is worth trying again.
    pub fn retry_after_s(&self) -> u32 {
        self.0.reset_s
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> ApiError {
        let whose = match refused.0.limit {
            "pass" => "with this pass",
            _ => "from your network",
        };
        let detail = format!(
            "Too many requests came {whose}. Try again in {} seconds.",
            refused.retry_after_s()
        );
        ApiError::new(Kind::RateLimited, detail).limited(refused.0, refused.retry_after_s())
    }
}

/// Whole seconds, rounded up.
fn seconds(duration: Duration) -> u32 {
    let seconds = duration.as_nanos().div_ceil(1_000_000_000);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use axum::response::IntoResponse;

    use super::*;

    fn rate(per_minute: u32, burst: u32) -> Rate {
        Rate {
            per_minute: NonZeroU32::new(per_minute).unwrap(),
            burst: NonZeroU32::new(burst).unwrap(),
        }
    }

    fn told(headers: &HeaderMap) -> (&str, &str) {
        (
            headers[POLICY].to_str().unwrap(),
            headers[LEFT].to_str().unwrap(),
        )
    }

    #[test]
    fn an_answer_says_what_is_left() {
        let mut headers = HeaderMap::new();
        Standing::new("holds", rate(600, 1_200), 1_195).tell(&mut headers);
        let expected = ("\"holds\";q=1200;w=120", "\"holds\";r=1195;t=1");
        assert_eq!(told(&headers), expected);
        assert!(Standing::is_told(&headers));
    }

    #[test]
    fn a_refusal_says_when_to_come_back() {
        let wait = Duration::from_millis(1_001);
        for (number, seconds) in [(0, "2"), (1, "3"), (2, "4"), (3, "2")] {
            let refused = Refused::new("holds", rate(600, 1_200), wait, number);
            let response = ApiError::from(refused).into_response();
            assert_eq!(response.status(), 429);
            assert_eq!(response.headers()["retry-after"], seconds);
            let left = format!("\"holds\";r=0;t={seconds}");
            let expected = ("\"holds\";q=1200;w=120", left.as_str());
            assert_eq!(told(response.headers()), expected);
        }
    }
}
