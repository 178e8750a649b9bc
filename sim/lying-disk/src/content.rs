//! One file: what is durable of it, what is read from it, and the changes between the two.

use std::ops::Range;

use crate::SECTOR_BYTES;
use crate::loss::{Loss, Part};

#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    durable: Vec<u8>,
    /// What the system shows.
    read: Vec<u8>,
    /// Since the last sync, oldest first.
    changes: Vec<Change>,
}

#[derive(Clone, Debug)]
struct Change {
    ordinal: u64,
    /// Length of the file after it.
    length: usize,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// Whole sectors as they were read after the write, from the first one that it touches. The
    /// last one ends with the file.
    Write {
        first: usize,
        bytes: Vec<u8>,
    },
    Truncation,
}

impl Content {
    /// A file that has lain on the disk for ever.
    pub(crate) fn durable(bytes: Vec<u8>) -> Content {
        Content {
            read: bytes.clone(),
            durable: bytes,
            changes: Vec::new(),
        }
    }

    pub(crate) fn read(&self) -> &[u8] {
        &self.read
    }

    /// The first change that is not durable.
    pub(crate) fn unsynced(&self) -> Option<u64> {
        self.changes.first().map(|change| change.ordinal)
    }

    pub(crate) fn write(&mut self, ordinal: u64, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.read.len() < end {
            self.read.resize(end, 0);
        }
        self.read[offset..end].copy_from_slice(bytes);
        let first = offset / SECTOR_BYTES;
        let last = end.next_multiple_of(SECTOR_BYTES).min(self.read.len());
        let kind = Kind::Write {
            first,
            bytes: self.read[first * SECTOR_BYTES..last].to_vec(),
        };
        self.changed(ordinal, kind);
    }

    pub(crate) fn truncate(&mut self, ordinal: u64, length: usize) {
        self.read.resize(length, 0);
        self.changed(ordinal, Kind::Truncation);
    }

    fn changed(&mut self, ordinal: u64, kind: Kind) {
        let length = self.read.len();
        self.changes.push(Change {
            ordinal,
            length,
            kind,
        });
    }

    pub(crate) fn sync(&mut self) {
        self.durable = self.after(&Loss::Nothing);
        self.changes.clear();
    }

    /// The length is kept, like names, in the system's own journal; the bytes are not.
    pub(crate) fn forget(&mut self) {
        self.durable.resize(self.read.len(), 0);
        self.changes.clear();
    }

    /// What is found after a power failure.
    pub(crate) fn after(&self, loss: &Loss) -> Vec<u8> {
        let mut found = self.durable.clone();
        let mut length = found.len();
        for change in &self.changes {
            if loss.keeps(change.ordinal, Part::Entry) {
                length = change.length;
            }
            match &change.kind {
                Kind::Truncation if length == change.length => found.truncate(length),
                Kind::Truncation => {}
                Kind::Write { first, bytes } => {
                    for (place, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
                        let number = first + place;
                        if loss.keeps(change.ordinal, Part::Sector { number, place }) {
                            put(&mut found, number * SECTOR_BYTES, sector);
                        }
                    }
                }
            }
        }
        found.resize(length, 0);
        found
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, sector: &[u8]) {
    let range: Range<usize> = offset..offset + sector.len();
    if bytes.len() < range.end {
        bytes.resize(range.end, 0);
    }
    bytes[range].copy_from_slice(sector);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(ordinal: u64, sectors: usize) -> Loss {
        Loss::Since { ordinal, sectors }
    }

    #[test]
    fn only_a_sync_makes_durable() {
        let mut content = Content::default();
        content.write(0, 0, b"one");
        assert_eq!(content.after(&Loss::Everything), b"");
        assert_eq!(content.after(&Loss::Nothing), b"one");
        content.sync();
        content.write(1, 3, b" two");
        assert_eq!(content.after(&Loss::Everything), b"one");
        assert_eq!(
            (content.read(), content.unsynced()),
            (&b"one two"[..], Some(1))
        );
    }

    /// Of a write of three sectors two arrive; the length may be the new one all the same.
    #[test]
    fn a_write_is_torn_between_sectors() {
        let mut content = Content::durable(vec![1; 3 * SECTOR_BYTES]);
        content.write(7, 10, &[2; 2 * SECTOR_BYTES]);
        let found = content.after(&since(7, 2));
        assert_eq!(found[..10], [1; 10]);
        assert_eq!(found[10..2 * SECTOR_BYTES], [2; 2 * SECTOR_BYTES - 10]);
        assert_eq!(found[2 * SECTOR_BYTES..], [1; SECTOR_BYTES]);
    }

    /// The bytes that could not be written are read until the power fails, and a later sync does
    /// not write them, except together with a new write to their sector.
    #[test]
    fn a_failed_sync_can_lose_what_is_still_read() {
        let mut content = Content::durable(vec![1; 2 * SECTOR_BYTES]);
        content.write(0, 0, &[2; 2 * SECTOR_BYTES]);
        content.forget();
        content.write(1, 0, &[3]);
        content.sync();
        let found = content.after(&Loss::Nothing);
        assert_eq!((found[0], found[1], found[SECTOR_BYTES]), (3, 2, 1));
        assert_eq!((content.read()[0], content.read()[SECTOR_BYTES]), (3, 2));
    }

    #[test]
    fn an_unsynced_truncation_is_seen_or_not() {
        let mut content = Content::durable(vec![1; 8]);
        content.truncate(0, 0);
        content.write(1, 4, &[2; 4]);
        assert_eq!(content.after(&Loss::Everything), [1; 8]);
        assert_eq!(content.after(&since(1, 0)), b"");
        assert_eq!(content.after(&Loss::Nothing), [0, 0, 0, 0, 2, 2, 2, 2]);
    }
}
