//! What the file with the keys of the waiting room says: one line a key, the newest last.

use std::fmt::Write;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use morgenruh_engine::rules::room::keys::{KEY_BYTES, KEYS_MAX, KeyRing, RingError, SigningKey};
use morgenruh_engine::rules::time::{Millis, UnixMillis};

/// Random keys have about thirty different bytes; one with fewer than this was typed by somebody.
const DIFFERENT_BYTES_MIN: usize = 16;
const HEADER: &str = "\
# The keys by which Morgenruh signs and recognises the tokens of the waiting room. Whoever has one
# can make tickets and passes: let nobody else read this file, nor a copy of it.
# `morgenruh keys` lists, rotates and retires them.
#
# id state created_at key
";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Signing,
    Verifying,
}

impl State {
    /// As the file names it.
    pub fn name(self) -> &'static str {
        match self {
            State::Signing => "signing",
            State::Verifying => "verifying",
        }
    }
}

/// A key, what it is used for, and since when it has been there.
#[derive(Clone, Debug)]
pub struct Line {
    pub key: SigningKey,
    pub state: State,
    pub created_at: UnixMillis,
}

/// What a good file says: keys that make a ring, the newest last.
#[derive(Clone, Debug)]
pub struct KeyFile {
    lines: Vec<Line>,
    signer: u8,
}

/// What is wrong with the text of a file. It never quotes a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKeys {
    #[error("line {0}: {1}")]
    Line(usize, &'static str),
    #[error("no key signs")]
    NoSigner,
    #[error(transparent)]
    Ring(#[from] RingError),
}

/// Why a key cannot be retired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RetireError {
    #[error("there is no key {0}")]
    Unknown(u8),
    #[error("key {0} signs: rotate first")]
    Signs(u8),
}

impl KeyFile {
    /// A first key, numbered 1.
    pub fn new(key: [u8; KEY_BYTES], now: UnixMillis) -> KeyFile {
        let (id, bytes) = (1, key);
        let first = Line {
            key: SigningKey { id, bytes },
            state: State::Signing,
            created_at: whole_second(now),
        };
        KeyFile {
            lines: vec![first],
            signer: id,
        }
    }

    /// Reads lines of `id state created_at key`. Empty lines and lines that start with `#` are
    /// passed over.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(text: &str) -> Result<KeyFile, BadKeys> {
        let mut lines = Vec::new();
        let mut signer = None;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = |reason| BadKeys::Line(number + 1, reason);
            let line = parse_line(line).map_err(bad)?;
            if line.state == State::Signing && signer.replace(line.key.id).is_some() {
                return Err(bad("a second key that signs"));
            }
            if lines.len() == KEYS_MAX {
                return Err(RingError::TooMany.into());
            }
            lines.push(line);
        }
        let signer = signer.ok_or(BadKeys::NoSigner)?;
        let file = KeyFile { lines, signer };
        KeyRing::new(&file.keys(), signer)?;
        Ok(file)
    }

    /// The text of such a file.
    pub fn text(&self) -> String {
        let mut text = HEADER.to_owned();
        for line in &self.lines {
            let (id, state) = (line.key.id, line.state.name());
            let (at, key) = (line.created_at.to_jiff(), HEXLOWER.encode(&line.key.bytes));
            writeln!(text, "{id} {state} {at} {key}").expect("writing to a string cannot fail");
        }
        text
    }

    /// The newest last.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub fn ring(&self) -> KeyRing {
        KeyRing::new(&self.keys(), self.signer).expect("a file with good keys makes a ring")
    }

    fn keys(&self) -> Vec<SigningKey> {
        self.lines.iter().map(|line| line.key.clone()).collect()
    }

    /// Lets a new key sign. The old one goes on verifying; keys that were replaced longer ago than
    /// `overlap` are retired, and their ids returned.
    ///
    /// # Errors
    /// When there are too many keys left.
    pub fn rotate(
        &mut self,
        key: [u8; KEY_BYTES],
        now: UnixMillis,
        overlap: Millis,
    ) -> Result<Vec<u8>, RingError> {
        let followers = self.lines.iter().skip(1).map(|line| Some(line.created_at));
        let followers: Vec<Option<UnixMillis>> = followers.chain([None]).collect();
        let mut retired = Vec::new();
        let mut kept = Vec::new();
        for (line, follower) in self.lines.iter().zip(followers) {
            // A key is replaced when the next one is made, however old it was then.
            let since = follower.map_or(Millis(0), |replaced_at| now - replaced_at);
            if line.state == State::Verifying && since > overlap {
                retired.push(line.key.id);
            } else {
                let state = State::Verifying;
                kept.push(Line {
                    state,
                    ..line.clone()
                });
            }
        }
        if kept.len() >= KEYS_MAX {
            return Err(RingError::TooMany);
        }
        let (id, bytes) = (self.next_id(), key);
        kept.push(Line {
            key: SigningKey { id, bytes },
            state: State::Signing,
            created_at: whole_second(now),
        });
        *self = KeyFile {
            lines: kept,
            signer: id,
        };
        Ok(retired)
    }

    /// The one after the newest. It comes again only after all others.
    fn next_id(&self) -> u8 {
        let newest = self.lines.last().map_or(0, |line| line.key.id);
        let is_free = |id: &u8| *id != 0 && self.lines.iter().all(|line| line.key.id != *id);
        let mut others = (1..=u8::MAX).map(|step| newest.wrapping_add(step));
        others
            .find(is_free)
            .expect("eight keys do not use all ids up")
    }

    /// Forgets a key: its tokens count no more.
    ///
    /// # Errors
    /// [`RetireError`]
    pub fn retire(&mut self, id: u8) -> Result<(), RetireError> {
        if id == self.signer {
            return Err(RetireError::Signs(id));
        }
        let before = self.lines.len();
        self.lines.retain(|line| line.key.id != id);
        if self.lines.len() == before {
            return Err(RetireError::Unknown(id));
        }
        Ok(())
    }
}

fn whole_second(at: UnixMillis) -> UnixMillis {
    UnixMillis(at.0 - at.0.rem_euclid(1_000))
}

fn parse_line(line: &str) -> Result<Line, &'static str> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [id, state, created_at, key] = words[..] else {
        return Err("expected `id state created_at key`");
    };
    let id = id.parse().map_err(|_| "the id is not in 0 to 255")?;
    let state = match state {
        "signing" => State::Signing,
        "verifying" => State::Verifying,
        _ => return Err("the state is `signing` or `verifying`"),
    };
    let created_at: jiff::Timestamp = created_at
        .parse()
        .map_err(|_| "the time is not like 2026-12-24T06:30:00Z")?;
    let key = HEXLOWER_PERMISSIVE.decode(key.as_bytes()).ok();
    let bytes: [u8; KEY_BYTES] = key
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or("the key is not of 64 hexadecimal digits")?;
    let mut different = bytes;
    different.sort_unstable();
    if different.chunk_by(u8::eq).count() < DIFFERENT_BYTES_MIN {
        return Err("the key is not random");
    }
    Ok(Line {
        key: SigningKey { id, bytes },
        state,
        created_at: whole_second(created_at.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_699_452_000);
    const OVERLAP: Millis = Millis::from_minutes(48 * 60);
    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn bytes(seed: u8) -> [u8; KEY_BYTES] {
        std::array::from_fn(|position| seed.wrapping_add(position as u8))
    }

    fn states(file: &KeyFile) -> Vec<(u8, State)> {
        let lines = file.lines().iter();
        lines.map(|line| (line.key.id, line.state)).collect()
    }

    fn hours(count: u32) -> Millis {
        Millis::from_minutes(count * 60)
    }

    #[test]
    fn a_text_is_read_as_it_was_written() {
        let mut file = KeyFile::new(bytes(0), NOW + Millis(999));
        let line = format!("\n1 signing 2026-11-26T13:24:12Z {KEY}\n");
        assert!(file.text().ends_with(&line), "{}", file.text());
        file.rotate(bytes(9), NOW + hours(1), OVERLAP).unwrap();
        let again = KeyFile::parse(&file.text()).unwrap();
        assert_eq!(again.text(), file.text());
        assert_eq!(again.ring().derive("a"), file.ring().derive("a"));
        assert_eq!(again.ring().signer(), 2);
    }

    #[test]
    fn bad_files_are_told_without_their_keys() {
        let good = format!("1 signing 2026-11-26T13:24:12Z {KEY}");
        let changed = |from: &str, to: &str| good.replace(from, to);
        for (text, complaint) in [
            (String::new(), "no key signs"),
            (changed("signing", "verifying"), "no key signs"),
            (
                changed("1 ", ""),
                "line 1: expected `id state created_at key`",
            ),
            (changed("1 ", "256 "), "line 1: the id is not in 0 to 255"),
            (
                changed("signing", KEY),
                "line 1: the state is `signing` or `verifying`",
            ),
            (
                changed("2026-11-26T", KEY),
                "line 1: the time is not like 2026-12-24T06:30:00Z",
            ),
            (
                changed("1e1f", "1e1"),
                "line 1: the key is not of 64 hexadecimal digits",
            ),
            (
                changed(KEY, &"0123456789abcdef".repeat(4)),
                "line 1: the key is not random",
            ),
            (
                format!("# mine\n\n{good}\n{}", changed("1 ", "2 ")),
                "line 4: a second key that signs",
            ),
            (
                format!("{good}\n{}", changed("signing", "verifying")),
                "two keys have the id 1",
            ),
            (
                (2..10).fold(good.clone(), |text, id| {
                    format!("{text}\n{id} verifying 2026-11-26T13:24:12Z {KEY}")
                }),
                "there are more than 8 keys",
            ),
        ] {
            let bad = KeyFile::parse(&text).unwrap_err().to_string();
            assert_eq!(bad, complaint, "{text}");
        }
        let file = KeyFile::parse(&good).unwrap();
        assert!(!format!("{file:?}").contains("31"), "{file:?}");
    }

    /// What counts is when a key was replaced, not when it was made.
    #[test]
    fn an_old_key_verifies_for_the_overlap() {
        let mut file = KeyFile::new(bytes(1), NOW);
        let year = NOW + hours(365 * 24);
        assert_eq!(file.rotate(bytes(2), year, OVERLAP), Ok(vec![]));
        let both = [(1, State::Verifying), (2, State::Signing)];
        assert_eq!(states(&file), both);
        let mut within = file.clone();
        assert_eq!(within.rotate(bytes(3), year + OVERLAP, OVERLAP), Ok(vec![]));
        assert_eq!(within.lines().len(), 3);
        let after = year + OVERLAP + Millis(1);
        assert_eq!(file.rotate(bytes(3), after, OVERLAP), Ok(vec![1]));
        assert_eq!(states(&file), [(2, State::Verifying), (3, State::Signing)]);
        // A clock that was set back retires nothing.
        assert_eq!(file.rotate(bytes(4), NOW, OVERLAP), Ok(vec![]));
    }

    #[test]
    fn a_full_ring_is_not_rotated() {
        let mut file = KeyFile::new(bytes(1), NOW);
        for number in 2..=8 {
            assert_eq!(file.rotate(bytes(number), NOW, OVERLAP), Ok(vec![]));
        }
        let before = states(&file);
        let refused = file.rotate(bytes(9), NOW, OVERLAP);
        assert_eq!(refused, Err(RingError::TooMany));
        assert_eq!(states(&file), before);
        assert_eq!(file.retire(5), Ok(()));
        assert_eq!(file.retire(5), Err(RetireError::Unknown(5)));
        assert_eq!(file.retire(8), Err(RetireError::Signs(8)));
        assert_eq!(file.rotate(bytes(9), NOW, OVERLAP), Ok(vec![]));
        assert_eq!(file.ring().signer(), 9);
    }

    #[test]
    fn ids_go_round() {
        let mut file = KeyFile::new(bytes(1), NOW);
        for round in 1..=600u32 {
            let now = NOW + Millis(hours(72).0 * i64::from(round));
            file.rotate(bytes(round as u8), now, OVERLAP).unwrap();
            let ids: Vec<u8> = file.lines().iter().map(|line| line.key.id).collect();
            assert!(!ids.contains(&0) && ids.len() == 2, "{ids:?}");
        }
    }
}
