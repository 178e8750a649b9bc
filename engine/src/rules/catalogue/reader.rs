//! Reading configuration so that every mistake is told at once.
//!
//! A [`Document`] is one text turned into values that know their line. A [`Section`] is one of
//! its tables: it is asked for keys by name and by [kind](kinds), and it remembers which ones, so
//! that [`Section::finish`] can report the keys nobody knows. [`Layers`] ask several sections in
//! turn, the most specific first. Whatever is wrong goes to the [`Report`]; the reader of a
//! catalogue goes on with a stand-in and fails in the end, when there is nothing more to find.

pub mod document;
pub mod kinds;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

pub use document::{Document, Entry, Table, Value};

/// Most errors one report keeps: a file of garbage must not become a book of complaints.
pub const ERRORS_MAX: usize = 1000;

/// One mistake in the configuration. As text it is one line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigError {
    /// Path relative to the folder, or `environment`.
    pub file: String,
    /// Counted from 1.
    pub line: Option<usize>,
    /// Path of the key, e.g. `counter[2].skills[1]`; list members count from 1. Empty where the
    /// file as a whole is meant.
    pub key: String,
    pub reason: String,
    /// The valid name that looks most like what was written.
    pub nearest: Option<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:", OneLine(&self.file))?;
        if let Some(line) = self.line {
            write!(out, "{line}:")?;
        }
        if !self.key.is_empty() {
            write!(out, " {}:", OneLine(&self.key))?;
        }
        write!(out, " {}", OneLine(&self.reason))?;
        if let Some(nearest) = &self.nearest {
            write!(out, "; did you mean {nearest:?}?")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// A text that can hold anything, such as a key in quotes, as part of one line.
struct OneLine<'t>(&'t str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if character.is_control() {
                write!(out, "{}", character.escape_default())?;
            } else {
                write!(out, "{character}")?;
            }
        }
        Ok(())
    }
}

/// Collects what is wrong.
#[derive(Debug, Default)]
pub struct Report {
    errors: RefCell<BTreeSet<ConfigError>>,
}

impl Report {
    /// Adds an error; the same error a second time changes nothing.
    pub fn add(&self, error: ConfigError) {
        let mut errors = self.errors.borrow_mut();
        if errors.len() < ERRORS_MAX {
            errors.insert(error);
        }
    }

    /// `value` if nothing was wrong, else all errors by file and line.
    pub fn finish<T>(self, value: T) -> Result<T, Vec<ConfigError>> {
        let errors = self.errors.into_inner();
        if errors.is_empty() {
            Ok(value)
        } else {
            Err(errors.into_iter().collect())
        }
    }
}

/// Why a value is not what was asked for.
#[derive(Debug)]
pub struct Fault {
    /// What to append to the key's path, e.g. `[2]`.
    at: String,
    line: Option<usize>,
    reason: String,
    nearest: Option<String>,
}

impl Fault {
    pub fn new(reason: impl Into<String>) -> Fault {
        Fault {
            at: String::new(),
            line: None,
            reason: reason.into(),
            nearest: None,
        }
    }

    /// A fault about a name, with the valid name nearest to it.
    pub fn name<'n>(
        reason: impl Into<String>,
        name: &str,
        valid: impl IntoIterator<Item = &'n str>,
    ) -> Fault {
        Fault {
            nearest: nearest(name, valid).map(str::to_owned),
            ..Fault::new(reason)
        }
    }
}

/// The valid name that a mistyped one most likely stands for, if one is near enough.
pub fn nearest<'n>(name: &str, valid: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    /// Similarity from 0 to 1 below which a suggestion would be a guess.
    const SIMILARITY_MIN: f64 = 0.6;
    valid
        .into_iter()
        .map(|candidate| {
            (
                strsim::normalized_damerau_levenshtein(name, candidate),
                candidate,
            )
        })
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, candidate)| candidate)
}

/// One table of a document.
#[derive(Debug)]
pub struct Section<'d> {
    report: &'d Report,
    document: &'d Document,
    path: String,
    line: Option<usize>,
    table: &'d Table,
    asked: RefCell<BTreeSet<&'static str>>,
}

/// A place where a key stands.
pub struct Place<'s, 'd> {
    section: &'s Section<'d>,
    entry: &'d Entry,
}

impl<'d> Section<'d> {
    /// The document as a whole.
    pub fn root(document: &'d Document, report: &'d Report) -> Section<'d> {
        let table = &document.table;
        Section {
            report,
            document,
            path: String::new(),
            line: None,
            table,
            asked: RefCell::default(),
        }
    }

    /// The table under `key`, if there is one.
    pub fn table(&self, key: &'static str) -> Option<Section<'d>> {
        let place = self.place(key)?;
        match &place.entry.value {
            Value::Table(table) => Some(place.below(table, self.path_of(key), place.entry.line)),
            other => {
                self.fault(
                    key,
                    format!("{} where a table is expected", other.article()),
                );
                None
            }
        }
    }

    /// Line of the section's header; the whole document has none.
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// Name of the file.
    pub fn file(&self) -> &'d str {
        &self.document.name
    }

    /// Reports that something about `key` is wrong, at its line.
    pub fn fault(&self, key: &'static str, reason: impl Into<String>) {
        self.report_fault(key, Fault::new(reason));
    }

    /// Reports a fault about `key`, at its line, or at the section's if the key is absent.
    pub fn report_fault(&self, key: &str, fault: Fault) {
        let line = self.table.get(key).map_or(self.line, |entry| entry.line);
        self.report.add(ConfigError {
            file: self.document.name.clone(),
            line: fault.line.or(line),
            key: self.path_of(key) + &fault.at,
            reason: fault.reason,
            nearest: fault.nearest,
        });
    }

    /// Reports the keys that were never asked for.
    pub fn finish(&self) {
        let asked = self.asked.borrow();
        for key in self
            .table
            .keys()
            .filter(|key| !asked.contains(key.as_str()))
        {
            self.report_fault(key, Fault::name("unknown key", key, asked.iter().copied()));
        }
    }

    fn place(&self, key: &'static str) -> Option<Place<'_, 'd>> {
        self.asked.borrow_mut().insert(key);
        Some(Place {
            section: self,
            entry: self.table.get(key)?,
        })
    }

    fn path_of(&self, key: &str) -> String {
        self.document.key_path(&self.path, key)
    }
}

impl<'d> Place<'_, 'd> {
    fn below(&self, table: &'d Table, path: String, line: Option<usize>) -> Section<'d> {
        let Section {
            report, document, ..
        } = *self.section;
        Section {
            report,
            document,
            path,
            line,
            table,
            asked: RefCell::default(),
        }
    }

    fn sections(&self, key: &str, count_max: usize) -> Vec<Section<'d>> {
        let Value::List(entries) = &self.entry.value else {
            let what = self.entry.value.article();
            self.section.report_fault(
                key,
                Fault::new(format!("{what} where [[{key}]] is expected")),
            );
            return Vec::new();
        };
        if entries.len() > count_max {
            let reason = format!(
                "{} entries; at most {count_max} are possible",
                entries.len()
            );
            self.section.report_fault(key, Fault::new(reason));
        }
        let mut sections = Vec::new();
        for (position, entry) in entries.iter().take(count_max).enumerate() {
            let at = format!("[{}]", position + 1);
            if let Value::Table(table) = &entry.value {
                sections.push(self.below(table, self.section.path_of(key) + &at, entry.line));
            } else {
                let reason = format!("{} where a table is expected", entry.value.article());
                let fault = Fault {
                    at,
                    line: entry.line,
                    ..Fault::new(reason)
                };
                self.section.report_fault(key, fault);
            }
        }
        sections
    }
}

/// Whatever can be asked for keys.
pub trait Lookup<'d> {
    /// Where `key` stands, the most specific place first.
    fn places(&self, key: &'static str) -> Vec<Place<'_, 'd>>;

    /// Reports that `key` must be there and is not.
    fn report_missing(&self, key: &'static str);

    /// The value of `key`, if it is there. Every place is checked, the first valid one counts.
    fn get<T>(&self, key: &'static str, kind: impl Fn(&Entry) -> kinds::Read<T>) -> Option<T> {
        let mut found = None;
        for place in self.places(key) {
            match kind(place.entry) {
                Ok(value) => {
                    found.get_or_insert(value);
                }
                Err(faults) => {
                    faults
                        .into_iter()
                        .for_each(|fault| place.section.report_fault(key, fault));
                }
            }
        }
        found
    }

    /// The value of `key`, which must be there.
    fn need<T>(&self, key: &'static str, kind: impl Fn(&Entry) -> kinds::Read<T>) -> Option<T> {
        if self.places(key).is_empty() {
            self.report_missing(key);
        }
        self.get(key, kind)
    }

    /// The tables of the list `key`, from the most specific place that has such a list.
    fn tables(&self, key: &'static str, count_max: usize) -> Vec<Section<'d>> {
        self.places(key)
            .first()
            .map_or_else(Vec::new, |place| place.sections(key, count_max))
    }
}

impl<'d> Lookup<'d> for Section<'d> {
    fn places(&self, key: &'static str) -> Vec<Place<'_, 'd>> {
        self.place(key).into_iter().collect()
    }

    fn report_missing(&self, key: &'static str) {
        self.fault(key, "is missing");
    }
}

/// Several sections asked in turn, the most specific first.
pub struct Layers<'s, 'd>(pub Vec<&'s Section<'d>>);

impl Layers<'_, '_> {
    /// Reports that the value of `key` that counts is wrong.
    pub fn fault(&self, key: &'static str, reason: impl Into<String>) {
        if let Some(place) = self.places(key).first() {
            place.section.fault(key, reason);
        }
    }
}

impl<'d> Lookup<'d> for Layers<'_, 'd> {
    fn places(&self, key: &'static str) -> Vec<Place<'_, 'd>> {
        self.0
            .iter()
            .filter_map(|section| section.place(key))
            .collect()
    }

    fn report_missing(&self, key: &'static str) {
        if let Some(first) = self.0.first() {
            first.fault(key, "is missing");
        }
    }
}
