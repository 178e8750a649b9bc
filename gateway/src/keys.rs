//! The keys of the waiting room in a running service: the ring that signs and verifies its tokens,
//! and the file from which it comes, which may change at any time.

pub mod file;
pub(crate) mod place;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use morgenruh_engine::rules::room::keys::{KEY_BYTES, KeyRing};
use morgenruh_engine::rules::time::UnixMillis;
use parking_lot::Mutex;

use crate::settings::Settings;
use file::KeyFile;
use place::{KeyFileError, Place, Stamp};

/// Name of the file where the configuration names none; it lies in the folder of the data.
pub const KEYS_FILE: &str = "room.keys";

/// Where the keys of the service lie.
pub(crate) fn path(settings: &Settings, data: &Path) -> PathBuf {
    let named = settings.room.keys_file.clone();
    named.unwrap_or_else(|| data.join(KEYS_FILE))
}

/// A key that nobody has had before.
///
/// # Errors
/// When the system gives no random bytes.
pub(crate) fn fresh() -> std::io::Result<[u8; KEY_BYTES]> {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(bytes)
}

/// The ring that is in force. It is read with every request about a room and almost never changes.
pub struct Keys {
    ring: ArcSwap<KeyRing>,
    watched: Option<Watched>,
}

/// The file, and what it was when we last looked; `None`: it could not be looked at.
struct Watched {
    path: PathBuf,
    seen: Mutex<Option<Stamp>>,
}

impl Keys {
    /// Keys that lie in no file and stay as they are.
    pub fn of(ring: KeyRing) -> Keys {
        Keys {
            ring: ArcSwap::from_pointee(ring),
            watched: None,
        }
    }

    /// The keys in this file, which is made with a first key if it does not exist.
    ///
    /// # Errors
    /// [`KeyFileError`]
    pub(crate) fn open(path: &Path, now: UnixMillis) -> Result<Keys, KeyFileError> {
        let locked = Place::lock(path)?;
        if !locked.exists() {
            let fresh = fresh().map_err(|error| KeyFileError::unwritable(path, error))?;
            locked.write(&KeyFile::new(fresh, now))?;
            tracing::info!(file = %path.display(), "made a key for the tokens of the waiting room");
        }
        let (file, stamp) = place::read(path)?;
        Ok(Keys {
            ring: ArcSwap::from_pointee(file.ring()),
            watched: Some(Watched {
                path: path.to_owned(),
                seen: Mutex::new(Some(stamp)),
            }),
        })
    }

    pub fn ring(&self) -> Guard<Arc<KeyRing>> {
        self.ring.load()
    }

    /// Takes the keys in the file if it is another one than before. Keys that cannot be used are
    /// told once, and the ring stays.
    pub(crate) fn look(&self) {
        let Some(watched) = &self.watched else {
            return;
        };
        let mut seen = watched.seen.lock();
        let stamp = Stamp::of(&watched.path).ok();
        if stamp == *seen {
            return;
        }
        *seen = stamp;
        match place::read(&watched.path) {
            Ok((file, stamp)) => {
                let ring = file.ring();
                tracing::info!(
                    signer = ring.signer(),
                    keys = ?ring.ids().collect::<Vec<u8>>(),
                    "took the changed keys of the waiting room"
                );
                self.ring.store(Arc::new(ring));
                *seen = Some(stamp);
            }
            Err(error) => {
                tracing::error!("the keys of the waiting room stay as they were: {error}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use morgenruh_engine::rules::room::tickets::{BadToken, Pass};
    use morgenruh_engine::rules::room::{RoomId, TicketId};
    use morgenruh_engine::rules::time::Millis;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_699_452_000);

    /// Citizens who came before a change of keys keep what they have, until the key is retired.
    #[test]
    fn tokens_outlive_a_change_of_keys() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(KEYS_FILE);
        let keys = Keys::open(&path, NOW).unwrap();
        let pass = Pass {
            ticket: TicketId {
                room: RoomId::from_bits(7),
                seq: 7,
            },
            turn: 1,
            expires_at: NOW,
        };
        let before = pass.sign(&keys.ring());
        let change = |change: &dyn Fn(&mut KeyFile)| {
            let (mut file, _) = place::read(&path).unwrap();
            change(&mut file);
            Place::lock(&path).unwrap().write(&file).unwrap();
            keys.look();
        };

        change(&|file| {
            let dropped = file.rotate(fresh().unwrap(), NOW, Millis::from_minutes(60));
            assert_eq!(dropped, Ok(vec![]));
        });
        assert_eq!(keys.ring().signer(), 2);
        let after = pass.sign(&keys.ring());
        assert_ne!(before, after);
        for text in [&before, &after] {
            assert_eq!(Pass::verify(text, &keys.ring()), Ok(pass));
        }

        // What cannot be used changes nothing, whatever is the matter with it.
        let good = std::fs::read(&path).unwrap();
        std::fs::write(&path, "nonsense\n").unwrap();
        keys.look();
        assert_eq!(Pass::verify(&after, &keys.ring()), Ok(pass));
        std::fs::remove_file(&path).unwrap();
        keys.look();
        assert_eq!(Pass::verify(&before, &keys.ring()), Ok(pass));
        std::fs::write(&path, good).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        keys.look();

        change(&|file| assert_eq!(file.retire(1), Ok(())));
        assert_eq!(
            Pass::verify(&before, &keys.ring()),
            Err(BadToken::UnknownKey)
        );
        assert_eq!(Pass::verify(&after, &keys.ring()), Ok(pass));
    }

    #[test]
    fn a_second_start_finds_the_keys_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(KEYS_FILE);
        let derived = || Keys::open(&path, NOW).unwrap().ring().derive("anything");
        assert_eq!(derived(), derived());
        let elsewhere = dir.path().join("another");
        let other = Keys::open(&elsewhere, NOW).unwrap();
        assert_ne!(other.ring().derive("anything"), derived());
    }
}
