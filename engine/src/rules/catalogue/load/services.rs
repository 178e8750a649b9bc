//! The services of all departments, and how files refer to them.

use std::collections::{BTreeMap, BTreeSet};

use crate::rules::catalogue::reader::{Entry, Fault, kinds};
use crate::rules::catalogue::{Service, ServiceIndex};

/// What has been read of the services so far.
pub(super) struct Directory {
    services: Vec<Service>,
    by_id: BTreeMap<String, ServiceIndex>,
    by_number: BTreeMap<u16, String>,
    /// By department, then by name without `@`.
    groups: BTreeMap<usize, BTreeMap<String, Vec<ServiceIndex>>>,
    pairs: BTreeSet<(ServiceIndex, ServiceIndex)>,
    complete: bool,
}

impl Directory {
    /// An incomplete directory takes every unknown name for one that could not be read.
    pub(super) fn new(complete: bool) -> Directory {
        Directory {
            services: Vec::new(),
            by_id: BTreeMap::new(),
            by_number: BTreeMap::new(),
            groups: BTreeMap::new(),
            pairs: BTreeSet::new(),
            complete,
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    pub(super) fn len(&self) -> usize {
        self.services.len()
    }

    pub(super) fn service(&self, index: ServiceIndex) -> &Service {
        self.services
            .get(usize::from(index.0))
            .expect("indices come from this directory")
    }

    pub(super) fn has_id(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    /// The service that has this number already.
    pub(super) fn owner_of(&self, number: u16) -> Option<&str> {
        self.by_number.get(&number).map(String::as_str)
    }

    /// Adds a service with a new id; there must be fewer than [`super::SERVICES_MAX`].
    pub(super) fn add(&mut self, service: Service) -> ServiceIndex {
        let index = u16::try_from(self.services.len()).expect("SERVICES_MAX fits into 16 bits");
        self.by_id.insert(service.id.clone(), ServiceIndex(index));
        self.by_number.insert(service.number, service.id.clone());
        self.services.push(service);
        ServiceIndex(index)
    }

    pub(super) fn add_group(&mut self, department: usize, id: String, members: Vec<ServiceIndex>) {
        self.groups
            .entry(department)
            .or_default()
            .insert(id, members);
    }

    pub(super) fn has_group(&self, department: usize, id: &str) -> bool {
        self.groups
            .get(&department)
            .is_some_and(|groups| groups.contains_key(id))
    }

    /// Notes that two services may share a visit, in both directions.
    pub(super) fn add_pair(&mut self, one: ServiceIndex, other: ServiceIndex) {
        if one != other {
            self.pairs.extend([(one, other), (other, one)]);
        }
    }

    /// A kind: the id of a service of any department.
    pub(super) fn id(&self) -> impl Fn(&Entry) -> kinds::Read<Option<ServiceIndex>> {
        move |entry| {
            let name = kinds::text(1..=kinds::ID_CHARS_MAX)(entry)?;
            match self.by_id.get(&name) {
                Some(index) => Ok(Some(*index)),
                None if !self.complete => Ok(None),
                None => {
                    let ids = self.by_id.keys().map(String::as_str);
                    Err(vec![Fault::name(
                        format!("there is no service {name:?}"),
                        &name,
                        ids,
                    )])
                }
            }
        }
    }

    /// A kind: services by id, `@group` of this department or `*` for all of it.
    pub(super) fn reference(
        &self,
        department: usize,
    ) -> impl Fn(&Entry) -> kinds::Read<Vec<ServiceIndex>> {
        move |entry| {
            let name = kinds::text(1..=kinds::ID_CHARS_MAX + 1)(entry)?;
            if name == "*" {
                let own = (0u16..)
                    .zip(&self.services)
                    .filter(|(_, s)| s.department == department);
                return Ok(own.map(|(index, _)| ServiceIndex(index)).collect());
            }
            let Some(group) = name.strip_prefix('@') else {
                return Ok(self.id()(entry)?.into_iter().collect());
            };
            let groups = self.groups.get(&department);
            match groups.and_then(|groups| groups.get(group)) {
                Some(members) => Ok(members.clone()),
                None if !self.complete => Ok(Vec::new()),
                None => {
                    let ids: Vec<_> = groups
                        .into_iter()
                        .flat_map(|g| g.keys())
                        .map(|id| format!("@{id}"))
                        .collect();
                    let ids = ids.iter().map(String::as_str);
                    Err(vec![Fault::name(
                        format!("there is no group {name:?}"),
                        &name,
                        ids,
                    )])
                }
            }
        }
    }

    /// All services, each knowing what it combines with.
    pub(super) fn into_services(mut self) -> Vec<Service> {
        for (one, other) in self.pairs {
            if let Some(service) = self.services.get_mut(usize::from(one.0)) {
                service.combines_with.push(other);
            }
        }
        self.services
    }
}
