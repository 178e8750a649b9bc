//! From the files of a city's folder to a [`Catalogue`], or to everything that is wrong with them.
//!
//! ```text
//! city.toml                    who runs this, which Land, which time zone
//! <department>.toml            its services, and what its offices have in common
//! <department>/<office>.toml   counters, hours and what differs
//! server.toml                  the service's own settings, read elsewhere
//! ```
//!
//! What an office does not say, its department says in `[office]`; what neither says,
//! `default.toml` says. A list (`[[opening]]`, `[[wave]]` …) is not merged: an office that has
//! one replaces its department's, also with an empty one.
//!
//! A text that is not TOML hides what it means, so what refers to it is not judged: a broken
//! department file must not make its forty services look unknown in every office.

mod city;
mod department;
mod layout;
mod office;
mod rooms;
mod schedule;
mod selector;
mod services;
mod timetable;

use std::collections::BTreeMap;

use super::reader::{ConfigError, Document, Layers, Lookup, Report, Section, kinds};
use super::{Catalogue, Office, Text};
use department::DepartmentFile;
use layout::Layout;
use services::Directory;

/// The manual of all keys, and what holds where a city says nothing.
pub const DEFAULTS: &str = include_str!("../../../../config/default.toml");
/// The name under which mistakes in [`DEFAULTS`] are reported.
pub const DEFAULTS_FILE: &str = "default.toml";

pub const DEPARTMENTS_MAX: usize = 100;
pub const OFFICES_MAX: usize = 1000;
pub const SERVICES_MAX: usize = 2000;
/// Groups of services in a department.
pub const GROUPS_MAX: usize = 100;
/// Rules of one kind in one list: opening hours, closures, quotas, waves.
pub const RULES_MAX: usize = 400;
pub const QUESTIONS_MAX: usize = 20;
/// LeiKa keys of one service.
pub const LEIKA_MAX: usize = 20;
/// Longest name, in characters.
pub const NAME_CHARS_MAX: usize = 160;
/// Longest address, label or reason, in characters.
pub const LINE_CHARS_MAX: usize = 240;
/// Longest duration for one person, in minutes.
pub const MINUTES_MAX: u16 = 480;
/// Largest quantity of one service in one booking.
pub const QUANTITY_MAX: u8 = 20;

/// Reads a city. Keys of `files` are paths relative to its folder, with `/`.
///
/// # Errors
/// All mistakes of all files, by file and line.
pub fn load(files: &BTreeMap<String, String>) -> Result<Catalogue, Vec<ConfigError>> {
    let report = Report::default();
    let defaults = Document::parse(DEFAULTS_FILE, DEFAULTS, &report);
    let layout = Layout::parse(files, &report);
    let catalogue = defaults.and_then(|defaults| read(&defaults, &layout, &report));
    let catalogue = report.finish(catalogue)?;
    Ok(catalogue.expect("what could not be read was reported"))
}

/// The whole catalogue, with stand-ins where something was wrong.
fn read(defaults: &Document, layout: &Layout<'_>, report: &Report) -> Option<Catalogue> {
    let defaults = Section::root(defaults, report).table("office")?;
    let city = layout
        .city
        .as_ref()
        .map(|city| city::read(&Section::root(city, report)));
    let mut files: Vec<_> = layout
        .departments
        .iter()
        .enumerate()
        .map(|(position, found)| DepartmentFile::open(position, found, report))
        .collect();
    let mut directory = Directory::new(layout.complete);
    let departments = files
        .iter_mut()
        .map(|file| file.read_services(&mut directory))
        .collect();
    files
        .iter()
        .for_each(|file| file.read_groups(&mut directory));
    let services = files
        .iter()
        .fold(directory, |directory, file| file.read_pairs(directory));
    let mut taken = office::Taken::default();
    let offices = files
        .iter()
        .flat_map(|file| file.read_offices(&defaults, &services, &mut taken));
    let offices: Vec<Office> = offices.collect();
    let mut taken = rooms::Taken::default();
    let rooms = files
        .iter()
        .flat_map(|file| file.read_rooms(&offices, &mut taken))
        .collect();
    office::Conditions::read(&Layers(vec![&defaults]));
    defaults.finish();
    Some(Catalogue {
        city: city?,
        departments,
        services: services.into_services(),
        offices,
        rooms,
    })
}

/// A text for people: a table with `de` and `en`.
fn text(section: &Section<'_>, key: &'static str, chars_max: usize) -> Text {
    let Some(table) = section.table(key) else {
        if section.places(key).is_empty() {
            section.report_missing(key);
        }
        return Text {
            de: String::new(),
            en: String::new(),
        };
    };
    let read = |language| {
        table
            .need(language, kinds::text(1..=chars_max))
            .unwrap_or_default()
    };
    let text = Text {
        de: read("de"),
        en: read("en"),
    };
    table.finish();
    text
}
