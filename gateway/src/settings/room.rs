//! What is about waiting rooms, whichever city they are in.

use std::path::PathBuf;

use morgenruh_engine::rules::catalogue::reader::Layers;

use super::kinds::path;
use super::{Keys, quote_path};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// `None`: it lies in the folder of the data.
    pub keys_file: Option<PathBuf>,
}

impl Room {
    pub(super) fn read(layers: &Layers<'_, '_>) -> Room {
        Room {
            keys_file: path(layers, "keys_file"),
        }
    }

    pub(super) fn keys(&self) -> Keys {
        vec![("keys_file", quote_path(&self.keys_file))]
    }
}
