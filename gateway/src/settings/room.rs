//! What is about waiting rooms, whichever city they are in.

use std::path::PathBuf;

use morgenruh_engine::rules::catalogue::reader::{Layers, Lookup};

use super::kinds::{origins, path, size};
use super::{Keys, quote, quote_path};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// `None`: it lies in the folder of the data.
    pub keys_file: Option<PathBuf>,
    pub listeners_max: usize,
    /// Origins that visitors of a guarded site are led back to.
    pub forward_auth_targets: Vec<String>,
}

impl Room {
    pub(super) fn read(layers: &Layers<'_, '_>) -> Room {
        Room {
            keys_file: path(layers, "keys_file"),
            listeners_max: size(layers, "listeners_max", 0, 1_000_000),
            forward_auth_targets: layers
                .need("forward_auth_targets", origins)
                .unwrap_or_default(),
        }
    }

    pub(super) fn keys(&self) -> Keys {
        vec![
            ("keys_file", quote_path(&self.keys_file)),
            ("listeners_max", self.listeners_max.to_string()),
            (
                "forward_auth_targets",
                quote(&self.forward_auth_targets.join(", ")),
            ),
        ]
    }
}
