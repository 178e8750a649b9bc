//! The search for an order: Wing and Gong's, done just in time.
//!
//! Invocations and answers are walked through in time. What is kept is every *configuration* that
//! explains the answers so far: the state of the cell, and which of the calls that are still open
//! have already been done. A call is done only when an answer needs it. So a call costs something
//! while it is open, and where nothing is open there is one configuration for each state the cell
//! can be in: a long history costs as much as its parts between these quiescent points.
//!
//! Calls that were never answered stay open for ever and may be left undone. Three observations
//! keep them from piling up:
//!
//! * Of two configurations with the same state, in which the same answered calls are done, the one
//!   that has used fewer unanswered ones can do whatever the other can.
//! * Of unanswered calls that are alike, it does not matter which one is used.
//! * A stay in the cell that consists of unanswered calls alone leaves it as it was. So once all
//!   answers of a visit have come and no configuration has it in the cell, the rest of its calls
//!   can be forgotten.

use std::collections::HashMap;
use std::hash::Hash;

use crate::violation::{Finding, Violation};
use crate::{Act, Call, State};

/// Most calls on one cell that can be open at the same time. Unanswered ones count for as long as
/// they could explain something.
pub const OPEN_MAX: usize = u128::BITS as usize;

/// Most configurations that are looked at for one answer.
pub const CONFIGURATIONS_MAX: usize = 1 << 14;

/// Looks for an order of the calls on one cell that follows the rules, from a free cell on.
/// The calls may come in any sequence.
///
/// # Errors
/// [`Violation`] with the smallest prefix, in time, that has no order; or, if a bound of the
/// search was reached, with the prefix that could not be decided.
///
/// # Panics
/// If a call was answered before it was invoked.
pub fn check<W: Copy + Eq + Hash>(calls: &[Call<W>]) -> Result<(), Violation<W>> {
    let mut search = Search::new(calls);
    for &event in &history(calls) {
        let step = match event.kind {
            Kind::Invoked => search.invoke(event.call),
            Kind::Answered => search.answer(event.call),
        };
        if let Err(finding) = step {
            return Err(search.violation(event, finding));
        }
    }
    Ok(())
}

/// An invocation or an answer. At the same instant invocations come first: calls that touch
/// overlap.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    at: u64,
    kind: Kind,
    call: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Invoked,
    Answered,
}

fn history<W>(calls: &[Call<W>]) -> Vec<Event> {
    let mut events = Vec::with_capacity(2 * calls.len());
    for (index, call) in calls.iter().enumerate() {
        let event = |at, kind| Event {
            at,
            kind,
            call: index,
        };
        events.push(event(call.invoked, Kind::Invoked));
        if let Some(returned) = call.returned {
            assert!(call.invoked <= returned, "answered before it was invoked");
            events.push(event(returned, Kind::Answered));
        }
    }
    events.sort_unstable();
    events
}

/// Which visit, as a number: the n-th that the history names.
type Visit = usize;

/// One way in which everything answered so far can have happened.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Configuration {
    state: State<Visit>,
    /// The places of the open calls that are done.
    done: u128,
}

/// An open call.
#[derive(Clone, Copy)]
struct Open {
    call: usize,
    act: Act,
    visit: Visit,
}

struct Search<'a, W> {
    calls: &'a [Call<W>],
    /// The visit of each call.
    visits: Vec<Visit>,
    /// How many answers of each visit are still to come.
    answers_left: Vec<u32>,
    /// Open calls by place; only those in `taken` are.
    open: Vec<Open>,
    taken: u128,
    /// The places of calls that will never be answered.
    optional: u128,
    configurations: Vec<Configuration>,
    /// When for the last time nothing was open and the cell was certainly free.
    free_at: Option<u64>,
    /// Where the search for the next configurations keeps what it has seen; empty between answers.
    seen: Vec<Configuration>,
}

impl<'a, W: Copy + Eq + Hash> Search<'a, W> {
    fn new(calls: &'a [Call<W>]) -> Self {
        let mut names = HashMap::with_capacity(calls.len());
        let mut visits = Vec::with_capacity(calls.len());
        let mut answers_left = Vec::new();
        for call in calls {
            let next = names.len();
            let visit = *names.entry(call.who).or_insert(next);
            if visit == next {
                answers_left.push(0);
            }
            answers_left[visit] += u32::from(call.returned.is_some());
            visits.push(visit);
        }
        Self {
            calls,
            visits,
            answers_left,
            open: Vec::new(),
            taken: 0,
            optional: 0,
            configurations: vec![Configuration {
                state: State::Free,
                done: 0,
            }],
            free_at: None,
            seen: Vec::new(),
        }
    }

    fn invoke(&mut self, call: usize) -> Result<(), Finding<W>> {
        let visit = self.visits[call];
        if self.answers_left[visit] == 0 && !self.is_in_the_cell(visit) {
            return Ok(());
        }
        let place = self.taken.trailing_ones() as usize;
        if place == OPEN_MAX {
            return Err(Finding::Undecided);
        }
        let open = Open {
            call,
            act: self.calls[call].act,
            visit,
        };
        match self.open.get_mut(place) {
            Some(free) => *free = open,
            None => self.open.push(open),
        }
        self.taken |= 1 << place;
        if self.calls[call].returned.is_none() {
            self.optional |= 1 << place;
        }
        Ok(())
    }

    fn answer(&mut self, call: usize) -> Result<(), Finding<W>> {
        let place = places(self.taken)
            .find(|&place| self.open[place].call == call)
            .expect("an answered call stays open until its answer");
        self.do_until(place)?;
        self.answers_left[self.visits[call]] -= 1;
        self.close(1 << place);
        self.forget();
        let is_free = |one: &Configuration| one.state == State::Free;
        if self.taken == 0 && self.configurations.iter().all(is_free) {
            self.free_at = self.calls[call].returned;
        }
        Ok(())
    }

    /// Replaces the configurations by all that can be reached from them by doing open calls, the
    /// one at `place` last.
    fn do_until(&mut self, place: usize) -> Result<(), Finding<W>> {
        let mut next = Vec::with_capacity(self.configurations.len());
        let mut seen = std::mem::take(&mut self.seen);
        for &configuration in &self.configurations {
            let done = configuration.done >> place & 1 == 1;
            self.add(if done { &mut next } else { &mut seen }, configuration);
        }
        let mut looked_at = 0;
        while let Some(&from) = seen.get(looked_at) {
            looked_at += 1;
            for with in places(self.taken & !from.done) {
                let Open { act, visit, .. } = self.open[with];
                let Some(state) = from.state.after(act, visit) else {
                    continue;
                };
                if self.has_a_double_before(with, from.done) {
                    continue;
                }
                let done = from.done | 1 << with;
                let reached = Configuration { state, done };
                self.add(if with == place { &mut next } else { &mut seen }, reached);
            }
            if seen.len() > CONFIGURATIONS_MAX {
                return Err(Finding::Undecided);
            }
        }
        if next.is_empty() {
            let mut could_be: Vec<State<Visit>> = Vec::new();
            for configuration in &seen {
                if !could_be.contains(&configuration.state) {
                    could_be.push(configuration.state);
                }
            }
            let could_be = could_be.into_iter().map(|state| self.named(state));
            return Err(Finding::NoOrder {
                could_be: could_be.collect(),
            });
        }
        self.configurations = next;
        seen.clear();
        self.seen = seen;
        Ok(())
    }

    /// Adds a configuration unless one that can do as much is there.
    fn add(&self, to: &mut Vec<Configuration>, new: Configuration) {
        let covers = |one: &Configuration| {
            one.state == new.state
                && (one.done ^ new.done) & !self.optional == 0
                && one.done & !new.done == 0
        };
        if !to.iter().any(covers) {
            to.push(new);
        }
    }

    /// Whether a call like the unanswered one at `place` is open before it and not done.
    fn has_a_double_before(&self, place: usize, done: u128) -> bool {
        let before = (1 << place) - 1;
        let Open { act, visit, .. } = self.open[place];
        self.optional >> place & 1 == 1
            && places(self.optional & before & !done).any(|other| {
                let other = self.open[other];
                other.act == act && other.visit == visit
            })
    }

    /// Forgets the unanswered calls that can no longer explain anything: those that are done in
    /// every configuration, and those of visits that are over.
    fn forget(&mut self) {
        let done_in_all = self
            .configurations
            .iter()
            .fold(u128::MAX, |all, one| all & one.done);
        let mut useless = self.optional & done_in_all;
        for place in places(self.optional & !useless) {
            let visit = self.open[place].visit;
            if self.answers_left[visit] == 0 && !self.is_in_the_cell(visit) {
                useless |= 1 << place;
            }
        }
        self.close(useless);
    }

    fn close(&mut self, places: u128) {
        self.taken &= !places;
        self.optional &= !places;
        for configuration in &mut self.configurations {
            configuration.done &= !places;
        }
    }

    fn is_in_the_cell(&self, visit: Visit) -> bool {
        self.configurations
            .iter()
            .any(|one| one.state.holder() == Some(visit))
    }

    fn named(&self, state: State<Visit>) -> State<W> {
        state.map(|visit| {
            let call = self.visits.iter().position(|&other| other == visit);
            self.calls[call.expect("every visit has a call")].who
        })
    }

    fn violation(&self, event: Event, finding: Finding<W>) -> Violation<W> {
        let in_prefix =
            |call: &&Call<W>| Some(call.invoked) > self.free_at && call.invoked <= event.at;
        let mut calls: Vec<_> = self.calls.iter().filter(in_prefix).copied().collect();
        calls.sort_by_key(|call| call.invoked);
        Violation {
            finding,
            at: self.calls[event.call],
            calls,
        }
    }
}

/// The places in a set, in ascending order.
fn places(mut set: u128) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = set.trailing_zeros() as usize;
        set &= set.wrapping_sub(1);
        (place < OPEN_MAX).then_some(place)
    })
}
