//! Which file is what.

use std::collections::{BTreeMap, BTreeSet};

use super::{DEPARTMENTS_MAX, OFFICES_MAX};
use crate::rules::catalogue::reader::{ConfigError, Document, Report, kinds, nearest};

/// The files of a city, parsed.
pub(super) struct Layout<'f> {
    pub(super) city: Option<Document>,
    pub(super) departments: Vec<Found<'f>>,
    /// Whether every file was TOML, so that names found nowhere are really unknown.
    pub(super) complete: bool,
}

/// A department and its offices.
pub(super) struct Found<'f> {
    pub(super) id: &'f str,
    pub(super) document: Document,
    /// By id.
    pub(super) offices: Vec<(&'f str, Document)>,
}

const CITY: &str = "city.toml";
const SERVER: &str = "server.toml";

impl<'f> Layout<'f> {
    /// Parses all files and puts each in its place.
    pub(super) fn parse(files: &'f BTreeMap<String, String>, report: &Report) -> Layout<'f> {
        let mut layout = Layout {
            city: None,
            departments: Vec::new(),
            complete: true,
        };
        let toml_files = files.iter().filter(|(name, _)| name.ends_with(".toml"));
        let mut offices: BTreeMap<&str, Vec<(&str, Document)>> = BTreeMap::new();
        let mut broken_departments = BTreeSet::new();
        for (name, text) in toml_files {
            let document = Document::parse(name, text, report);
            layout.complete &= document.is_some();
            match (place_of(name), document) {
                (Place::Server, _) => {}
                (Place::City, document) => layout.city = document,
                (Place::Department(id), None) => {
                    broken_departments.insert(id);
                }
                (Place::Department(id), Some(document)) => {
                    layout.departments.push(Found {
                        id,
                        document,
                        offices: Vec::new(),
                    });
                }
                (Place::Office(department, id), Some(document)) => {
                    offices.entry(department).or_default().push((id, document));
                }
                (Place::Office(_, _), None) => {}
                (Place::Nowhere, _) => complain(name, UNKNOWN_PLACE, None, report),
            }
        }
        if !files.contains_key(CITY) {
            complain(CITY, "is missing", None, report);
        }
        layout.check_departments(&offices, report);
        layout.place_offices(offices, &broken_departments, report);
        layout.check_bounds(report);
        layout
    }

    /// A file at the top with neither `[department]` nor offices is most likely another file
    /// with a wrong name.
    fn check_departments(
        &mut self,
        offices: &BTreeMap<&str, Vec<(&str, Document)>>,
        report: &Report,
    ) {
        let folders = offices.keys().map(|id| format!("{id}.toml"));
        let wanted: Vec<String> = [CITY, SERVER]
            .into_iter()
            .map(str::to_owned)
            .chain(folders)
            .collect();
        self.departments.retain(|found| {
            let is_department = found.document.table.contains_key("department");
            if is_department || offices.contains_key(found.id) {
                return true;
            }
            let name = &found.document.name;
            let near = nearest(name, wanted.iter().map(String::as_str));
            complain(name, "unknown file: it has no [department]", near, report);
            false
        });
    }

    fn place_offices(
        &mut self,
        offices: BTreeMap<&'f str, Vec<(&'f str, Document)>>,
        broken_departments: &BTreeSet<&str>,
        report: &Report,
    ) {
        for (department, offices) in offices {
            if let Some(found) = self
                .departments
                .iter_mut()
                .find(|found| found.id == department)
            {
                found.offices = offices;
            } else if !broken_departments.contains(department) {
                let near = nearest(department, self.departments.iter().map(|found| found.id));
                for (id, document) in offices {
                    let near = near.map(|near| format!("{near}/{id}.toml"));
                    let reason = format!("belongs to no department: there is no {department}.toml");
                    complain(&document.name, &reason, near.as_deref(), report);
                }
            }
        }
    }

    fn check_bounds(&self, report: &Report) {
        let offices: usize = self
            .departments
            .iter()
            .map(|found| found.offices.len())
            .sum();
        if self.departments.len() > DEPARTMENTS_MAX {
            let reason = format!("more than {DEPARTMENTS_MAX} departments");
            complain(CITY, &reason, None, report);
        }
        if offices > OFFICES_MAX {
            complain(
                CITY,
                &format!("more than {OFFICES_MAX} offices"),
                None,
                report,
            );
        }
    }
}

const UNKNOWN_PLACE: &str =
    "unknown file: departments are <id>.toml, offices <department>/<id>.toml, ids are a-z, 0-9, -";

enum Place<'f> {
    City,
    Server,
    Department(&'f str),
    Office(&'f str, &'f str),
    Nowhere,
}

fn place_of(name: &str) -> Place<'_> {
    let stem = name.strip_suffix(".toml").unwrap_or(name);
    match stem.split_once('/') {
        None if name == CITY => Place::City,
        None if name == SERVER => Place::Server,
        None if kinds::is_id(stem) => Place::Department(stem),
        Some((department, id)) if kinds::is_id(department) && kinds::is_id(id) => {
            Place::Office(department, id)
        }
        _ => Place::Nowhere,
    }
}

/// Reports something about a file as a whole.
fn complain(file: &str, reason: &str, nearest: Option<&str>, report: &Report) {
    report.add(ConfigError {
        file: file.to_owned(),
        line: None,
        key: String::new(),
        reason: reason.to_owned(),
        nearest: nearest.map(str::to_owned),
    });
}
