//! `<department>.toml`: services, groups, and what its offices have in common.

use super::layout::Found;
use super::office::{self, Conditions};
use super::rooms;
use super::services::Directory;
use super::{GROUPS_MAX, LEIKA_MAX, MINUTES_MAX, NAME_CHARS_MAX, QUANTITY_MAX, SERVICES_MAX, text};
use crate::rules::catalogue::reader::{Entry, Fault, Layers, Lookup, Report, Section, kinds};
use crate::rules::catalogue::{Department, Office, RoomRule, Service, ServiceIndex};

/// A department's file, read in several passes because services refer to each other.
pub(super) struct DepartmentFile<'d> {
    position: usize,
    found: &'d Found<'d>,
    report: &'d Report,
    root: Section<'d>,
    /// Each with its index, once that is known.
    services: Vec<(Section<'d>, Option<ServiceIndex>)>,
}

impl<'d> DepartmentFile<'d> {
    pub(super) fn open(
        position: usize,
        found: &'d Found<'d>,
        report: &'d Report,
    ) -> DepartmentFile<'d> {
        let root = Section::root(&found.document, report);
        let services = root.tables("service", SERVICES_MAX);
        let services = services
            .into_iter()
            .map(|section| (section, None))
            .collect();
        DepartmentFile {
            position,
            found,
            report,
            root,
            services,
        }
    }

    /// First pass: the services without what they refer to.
    pub(super) fn read_services(&mut self, directory: &mut Directory) -> Department {
        for (section, index) in &mut self.services {
            *index = read_service(self.position, section, directory);
        }
        let section = self.root.table("department");
        let name = section.as_ref().map(|section| {
            let name = text(section, "name", NAME_CHARS_MAX);
            section.finish();
            name
        });
        let name = name.unwrap_or_else(|| text(&self.root, "department", NAME_CHARS_MAX));
        Department {
            id: self.found.id.to_owned(),
            name,
        }
    }

    /// Second pass: groups of services.
    pub(super) fn read_groups(&self, directory: &mut Directory) {
        for section in self.root.tables("group", GROUPS_MAX) {
            let id = section.need("id", kinds::id);
            let members = kinds::list(1..=SERVICES_MAX, directory.reference(self.position));
            let members = section
                .need("services", members)
                .unwrap_or_default()
                .concat();
            section.finish();
            match id {
                Some(id) if directory.has_group(self.position, &id) => {
                    section.fault("id", format!("there is a group {id:?} already"));
                }
                Some(id) => directory.add_group(self.position, id, members),
                None => {}
            }
        }
    }

    /// Third pass: which services share a visit.
    pub(super) fn read_pairs(&self, mut directory: Directory) -> Directory {
        for (section, own) in &self.services {
            let others = kinds::list(0..=SERVICES_MAX, directory.reference(self.position));
            let others = section
                .get("combines_with", others)
                .unwrap_or_default()
                .concat();
            section.finish();
            if let Some(own) = *own {
                others
                    .into_iter()
                    .for_each(|other| directory.add_pair(own, other));
            }
        }
        directory
    }

    /// Last pass: the offices. `taken` keeps ids and numbers unique in the city.
    pub(super) fn read_offices(
        &self,
        defaults: &Section<'d>,
        services: &Directory,
        taken: &mut office::Taken,
    ) -> Vec<Office> {
        if self.found.offices.is_empty() {
            if services.is_complete() {
                self.root.fault(
                    "department",
                    format!("there is no office in {}/", self.found.id),
                );
            }
            return Vec::new();
        }
        let shared = self.root.table("office");
        let common: Vec<&Section<'_>> = shared.iter().chain([defaults]).collect();
        Conditions::read(&Layers(common.clone()));
        let mut offices = Vec::new();
        for (id, document) in &self.found.offices {
            let root = Section::root(document, self.report);
            let frame = office::Frame {
                id,
                department: self.position,
                services,
                root: &root,
                conditions: Layers([&root].into_iter().chain(common.iter().copied()).collect()),
                lists: Layers(vec![&root, &self.root]),
            };
            offices.push(frame.read(taken));
            root.finish();
        }
        shared.iter().for_each(Section::finish);
        offices
    }

    /// After the offices of all departments: the waiting rooms. Nothing else is read after this.
    pub(super) fn read_rooms(&self, offices: &[Office], taken: &mut rooms::Taken) -> Vec<RoomRule> {
        let sections = self.root.tables("room", rooms::ROOMS_MAX);
        if !self.found.offices.is_empty() {
            self.root.finish();
        }
        let read = |section| rooms::read(section, self.position, offices, taken);
        sections.iter().map(read).collect()
    }
}

/// A service without what it combines with, unless its id is unusable.
fn read_service(
    department: usize,
    section: &Section<'_>,
    directory: &mut Directory,
) -> Option<ServiceIndex> {
    let id = section.need("id", kinds::id);
    let number = section.need("number", kinds::integer(1..=u16::MAX));
    if let Some(id) = id.as_deref().filter(|id| directory.has_id(id)) {
        section.fault("id", format!("there is a service {id:?} already"));
    }
    if let Some(owner) = number.and_then(|number| directory.owner_of(number)) {
        section.fault("number", format!("the number is taken by {owner:?}"));
    }
    let leika = section.get("leika", kinds::list(0..=LEIKA_MAX, leika));
    let service = Service {
        id: id.unwrap_or_default(),
        number: number.unwrap_or_default(),
        department,
        name: text(section, "name", NAME_CHARS_MAX),
        minutes: section
            .need("minutes", kinds::integer(1..=MINUTES_MAX))
            .unwrap_or(1),
        quantity_max: section
            .need("quantity_max", kinds::integer(1..=QUANTITY_MAX))
            .unwrap_or(1),
        combines_with: Vec::new(),
        leika: leika.unwrap_or_default(),
    };
    let has_room = directory.len() < SERVICES_MAX;
    if !has_room {
        section.fault("id", format!("more than {SERVICES_MAX} services in all"));
    }
    let is_usable = has_room && !service.id.is_empty() && !directory.has_id(&service.id);
    is_usable.then(|| directory.add(service))
}

/// A LeiKa key: 14 digits.
fn leika(entry: &Entry) -> kinds::Read<String> {
    let key = kinds::text(1..=40)(entry)?;
    if key.len() == 14 && key.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(key);
    }
    Err(vec![Fault::new(format!(
        "{key:?} is not a LeiKa key of 14 digits"
    ))])
}
