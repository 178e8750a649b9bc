//! Every decoder of outside bytes, fed with anything.
//!
//! A [`Target`] hands bytes to the real code behind one door and asserts what must hold whatever
//! they are: nothing panics, what is accepted lies within its bounds and survives being written
//! and read again, and what is refused is refused in the form that was promised. The inputs in
//! `corpus/` are texts where that is possible, so that a person can read what was tried.

mod text;
mod town;

mod targets;

pub use targets::TARGETS;

/// One door.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Also the name of its folder in `corpus/` and of its program in `fuzz_targets/`.
    pub name: &'static str,
    /// # Panics
    /// When something that must hold does not.
    pub feed: fn(&[u8]) -> Verdict,
}

/// What became of an input. A corpus that is only ever refused would prove little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Taken,
    Refused,
}

impl Verdict {
    pub(crate) fn taken_if(is_taken: bool) -> Verdict {
        if is_taken {
            Verdict::Taken
        } else {
            Verdict::Refused
        }
    }
}

/// Hands bytes to the door with this name.
///
/// # Panics
/// When there is no such door, and when something that must hold does not.
pub fn feed(name: &str, data: &[u8]) -> Verdict {
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.unwrap_or_else(|| panic!("there is no target {name:?}"));
    (target.feed)(data)
}
