//! `<department>/<office>.toml`: conditions, counters and offers.

use std::collections::{BTreeMap, BTreeSet};

use super::selector::{Grid, Skills};
use super::services::Directory;
use super::{
    LINE_CHARS_MAX, MINUTES_MAX, NAME_CHARS_MAX, QUANTITY_MAX, SERVICES_MAX, text, timetable,
};
use crate::rules::catalogue::reader::{Entry, Fault, Layers, Lookup, Section, kinds};
use crate::rules::catalogue::{Counter, Offer, Office, ServiceIndex, Status};
use crate::rules::cells::{COUNTERS_MAX, CounterSet};

const STATUSES: [(&str, Status); 3] = [
    ("off", Status::Off),
    ("test", Status::Test),
    ("live", Status::Live),
];
const UNIT_MINUTES: [u16; 6] = [5, 10, 15, 20, 30, 60];

/// The keys of `[office]`.
pub(super) struct Conditions {
    status: Status,
    unit_minutes: u16,
    hold_minutes: u16,
    notice_minutes: u32,
    horizon_days: u16,
    phone_required: bool,
}

impl Conditions {
    pub(super) fn read(layers: &Layers<'_, '_>) -> Conditions {
        Conditions {
            status: layers
                .need("status", kinds::one_of(&STATUSES))
                .unwrap_or(Status::Off),
            unit_minutes: layers.need("unit_minutes", unit_minutes).unwrap_or(5),
            hold_minutes: layers
                .need("hold_minutes", kinds::integer(1..=120))
                .unwrap_or(1),
            notice_minutes: layers
                .need("notice_minutes", kinds::integer(0..=43_200))
                .unwrap_or(0),
            horizon_days: layers
                .need("horizon_days", kinds::integer(0..=400))
                .unwrap_or(400),
            phone_required: layers.need("phone_required", kinds::flag).unwrap_or(false),
        }
    }
}

fn unit_minutes(entry: &Entry) -> kinds::Read<u16> {
    let minutes = kinds::integer(1..=60)(entry)?;
    if UNIT_MINUTES.contains(&minutes) {
        return Ok(minutes);
    }
    Err(vec![Fault::new(format!(
        "{minutes} is none of 5, 10, 15, 20, 30 and 60"
    ))])
}

/// What offices before this one have, and no other may have.
#[derive(Default)]
pub(super) struct Taken {
    ids: BTreeSet<String>,
    numbers: BTreeMap<u16, String>,
}

/// An office's file and all it depends on.
pub(super) struct Frame<'s, 'd> {
    pub(super) id: &'s str,
    pub(super) department: usize,
    pub(super) services: &'s Directory,
    pub(super) root: &'s Section<'d>,
    /// Office, department, `default.toml`.
    pub(super) conditions: Layers<'s, 'd>,
    /// Office, department.
    pub(super) lists: Layers<'s, 'd>,
}

impl Frame<'_, '_> {
    pub(super) fn read(&self, taken: &mut Taken) -> Office {
        let conditions = Conditions::read(&self.conditions);
        let (counters, skills) = self.read_counters();
        let offers = self.read_offers(&skills);
        if conditions.status != Status::Off && self.services.is_complete() {
            self.check_complete(&counters, &offers);
        }
        let grid = Grid::new(
            (self.id, conditions.unit_minutes),
            counters.iter().map(|counter| counter.number),
            &skills,
            (self.services, self.department),
        );
        let horizon_days = conditions.horizon_days;
        Office {
            id: self.id.to_owned(),
            number: self.read_number(taken),
            department: self.department,
            name: text(self.root, "name", NAME_CHARS_MAX),
            address: self
                .root
                .get("address", kinds::text(0..=LINE_CHARS_MAX))
                .unwrap_or_default(),
            status: conditions.status,
            unit_minutes: conditions.unit_minutes,
            hold_minutes: conditions.hold_minutes,
            notice_minutes: conditions.notice_minutes,
            horizon_days,
            phone_required: conditions.phone_required,
            questions: timetable::questions(&self.lists, self.services, self.department),
            offers,
            counters,
            opening: timetable::opening(&self.lists, &grid),
            closures: timetable::closures(&self.lists, &grid),
            quotas: timetable::quotas(&self.lists, &grid),
            waves: timetable::waves(&self.lists, &grid, horizon_days),
        }
    }

    fn read_number(&self, taken: &mut Taken) -> u16 {
        if !taken.ids.insert(self.id.to_owned()) {
            self.root.fault(
                "number",
                format!("another department has an office {:?}", self.id),
            );
        }
        let number = self.root.need("number", kinds::integer(1..=u16::MAX));
        if let Some(number) = number {
            if let Some(owner) = taken.numbers.get(&number) {
                self.root
                    .fault("number", format!("the number is taken by {owner:?}"));
            }
            taken
                .numbers
                .entry(number)
                .or_insert_with(|| self.id.to_owned());
        }
        number.unwrap_or_default()
    }

    fn check_complete(&self, counters: &[Counter], offers: &[Offer]) {
        if counters.is_empty() {
            self.root
                .fault("counter", "an office that is not off needs a counter");
        } else if offers.is_empty() {
            self.root.fault(
                "counter",
                "an office that is not off needs a counter with skills",
            );
        }
    }

    /// The counters by number, and which of them serve what.
    fn read_counters(&self) -> (Vec<Counter>, Skills) {
        let mut names: BTreeMap<u8, String> = BTreeMap::new();
        let mut skills = Skills::new();
        for section in self.root.tables("counter", usize::from(COUNTERS_MAX)) {
            let name = section.get("name", kinds::text(1..=NAME_CHARS_MAX));
            let name = name.unwrap_or_else(|| "Schalter {}".to_owned());
            let served = kinds::list(0..=SERVICES_MAX, self.services.reference(self.department));
            let served = section.need("skills", served).unwrap_or_default().concat();
            for number in counter_numbers(&section) {
                let counter = CounterSet::only(number - 1);
                let known = names.insert(number, name.replace("{}", &number.to_string()));
                if known.is_some() {
                    section.fault(
                        number_key(&section),
                        format!("there is a counter {number} already"),
                    );
                }
                for service in &served {
                    let counters = skills.entry(*service).or_default();
                    *counters = counters.or(counter);
                }
            }
            section.finish();
        }
        let counters = names
            .into_iter()
            .map(|(number, name)| Counter { number, name })
            .collect();
        (counters, skills)
    }

    /// What the counters serve, as the office offers it.
    fn read_offers(&self, skills: &Skills) -> Vec<Offer> {
        let mut offers: BTreeMap<ServiceIndex, Offer> = BTreeMap::new();
        for (&service, &counters) in skills {
            let usual = self.services.service(service);
            let (minutes, quantity_max) = (usual.minutes, usual.quantity_max);
            offers.insert(
                service,
                Offer {
                    service,
                    minutes,
                    quantity_max,
                    counters,
                },
            );
        }
        let mut differing = BTreeSet::new();
        for section in self.root.tables("offer", SERVICES_MAX) {
            let service = section.need("service", self.services.id()).flatten();
            let minutes = section.get("minutes", kinds::integer(1..=MINUTES_MAX));
            let quantity_max = section.get("quantity_max", kinds::integer(1..=QUANTITY_MAX));
            section.finish();
            let Some(service) = service else { continue };
            if !differing.insert(service) {
                section.fault("service", "the service is in the list already");
            }
            match offers.get_mut(&service) {
                Some(offer) => {
                    offer.minutes = minutes.unwrap_or(offer.minutes);
                    offer.quantity_max = quantity_max.unwrap_or(offer.quantity_max);
                }
                None if !self.services.is_complete() => {}
                None => section.fault("service", "no counter serves it"),
            }
        }
        offers.into_values().collect()
    }
}

/// `number = 3` or `numbers = "1-6"`.
fn counter_numbers(section: &Section<'_>) -> Vec<u8> {
    let one = section.get("number", kinds::integer(1..=COUNTERS_MAX));
    let many = section.get("numbers", kinds::numbers(COUNTERS_MAX));
    let both_or_none = section.places("number").len() + section.places("numbers").len() != 1;
    if both_or_none {
        section.fault("number", "either number or numbers is expected");
    }
    one.map(|number| vec![number]).or(many).unwrap_or_default()
}

fn number_key(section: &Section<'_>) -> &'static str {
    if section.places("number").is_empty() {
        "numbers"
    } else {
        "number"
    }
}
