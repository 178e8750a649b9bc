//! What is wrong with a history, in words.

use std::fmt;

use crate::{Act, Call, State};

/// A history that has no order, or of which none could be found within the bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation<W> {
    pub finding: Finding<W>,
    /// The call whose answer ends the smallest prefix without an order.
    pub at: Call<W>,
    /// The prefix by invocation, since the cell was certainly free and nothing open for the last
    /// time. What was answered after the end of the prefix counts as open.
    pub calls: Vec<Call<W>>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding<W> {
    /// No order explains the answer.
    NoOrder {
        /// What the cell could be at this time, in view of all other answers.
        could_be: Vec<State<W>>,
    },
    /// More calls were open at once, or more orders possible, than the search looks at.
    Undecided,
}

impl<W: fmt::Debug> std::error::Error for Violation<W> {}

impl<W: fmt::Debug> fmt::Display for Violation<W> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.finding {
            Finding::NoOrder { could_be } => {
                write!(
                    out,
                    "no order explains {}: the cell could only be ",
                    self.at
                )?;
                for (index, state) in could_be.iter().enumerate() {
                    let or = if index == 0 { "" } else { " or " };
                    write!(out, "{or}{state}")?;
                }
            }
            Finding::Undecided => {
                write!(out, "too much is open at once to decide about {}", self.at)?;
            }
        }
        write!(out, ". Since it was last free:")?;
        for call in &self.calls {
            write!(out, "\n  {call}")?;
        }
        Ok(())
    }
}

impl<W: fmt::Debug> fmt::Display for Call<W> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Call { who, invoked, .. } = self;
        let act = match self.act {
            Act::Hold => "hold",
            Act::Confirm => "confirm",
            Act::Release => "release",
            Act::Cancel => "cancel",
            Act::Lapse => "lapse",
        };
        match self.returned {
            Some(returned) => write!(out, "{act}({who:?}) from {invoked} to {returned}"),
            None => write!(out, "{act}({who:?}) from {invoked} on, unanswered"),
        }
    }
}

impl<W: fmt::Debug> fmt::Display for State<W> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Free => write!(out, "free"),
            State::Held(who) => write!(out, "held({who:?})"),
            State::Booked(who) => write!(out, "booked({who:?})"),
        }
    }
}
