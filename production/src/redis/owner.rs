//! Who may write: one owner at a time, by a lease that Redis keeps.
//!
//! The owner is a data directory: a gateway that is started again on it goes on at once. A session
//! is one run of it: what an earlier run has sent and Redis has not looked at yet is refused, and
//! so is everything of an owner that somebody else has taken over from.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use redis::Value;

use super::link::{Link, Trouble};
use super::script::Script;
use super::settings::Keys;

/// An owner that has not written for so long is gone. The scribe writes every 2 seconds.
const LEASE: Duration = Duration::from_secs(15);
/// How long the lease of another owner is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Name of the owner's file in the data directory.
const FILE: &str = "redis-owner";

/// Random bytes that nobody else has; Redis keeps them as text, so that people can read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token([u8; 16]);

impl Token {
    pub(super) fn random() -> io::Result<Token> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        Ok(Token(bytes))
    }

    pub(super) fn to_text(self) -> String {
        HEXLOWER.encode(&self.0)
    }
}

/// Why the ledger could not be taken over.
pub(super) enum NotTaken {
    Trouble(Trouble),
    /// Somebody else goes on renewing the lease.
    Held,
}

/// The owner that this data directory is, made when there is none yet.
pub(super) fn of(data: &Path) -> io::Result<Token> {
    let path = data.join(FILE);
    match fs::read(&path) {
        Ok(bytes) => match bytes.try_into() {
            Ok(owner) => return Ok(Token(owner)),
            // Torn when it was made: then nobody knows it yet.
            Err(_) => fs::remove_file(&path)?,
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let owner = Token::random()?;
    fs::write(&path, owner.0)?;
    Ok(owner)
}

/// Takes the ledger over for this session, or waits until the lease of somebody else has run out.
pub(super) fn take(
    link: &mut Link,
    keys: &Keys,
    owner: Token,
    session: Token,
) -> Result<(), NotTaken> {
    let mut script = Script::new(include_str!("take.lua"));
    let since = Instant::now();
    loop {
        let lease_ms = LEASE.as_millis() as u64;
        let answer = script.run(link, keys, |command| {
            command.arg(owner.to_text()).arg(session.to_text());
            command.arg(lease_ms);
        });
        match answer.map_err(NotTaken::Trouble)? {
            Value::Okay => return Ok(()),
            other => {
                let (kind, detail) = redis::from_redis_value::<(String, String)>(other)
                    .map_err(|error| NotTaken::Trouble(Trouble::Denied(error.to_string())))?;
                if kind != "held" {
                    return Err(NotTaken::Trouble(Trouble::Denied(detail)));
                }
                if since.elapsed() >= PATIENCE {
                    return Err(NotTaken::Held);
                }
            }
        }
        thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_directory_stays_the_same_owner() {
        let data = tempfile::tempdir().unwrap();
        let owner = of(data.path()).unwrap();
        assert_eq!(of(data.path()).unwrap(), owner);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(of(other.path()).unwrap(), owner);
        fs::write(data.path().join(FILE), "torn").unwrap();
        let renewed = of(data.path()).unwrap();
        assert_eq!(of(data.path()).unwrap(), renewed);
    }
}
