//! From an export to the files of a city, with an account of everything in it.

use std::collections::{BTreeMap, BTreeSet};

use morgenruh_engine::rules::catalogue::load::{LEIKA_MAX, MINUTES_MAX, QUANTITY_MAX};

use super::dldb::{Location, Offer, Service};
use super::page::{self, OfferLine, OfficePage, ServicePage};
use super::slug::Slugs;

/// The grids an office can have, in minutes, the longest first.
const GRIDS_MINUTES: [u32; 6] = [60, 30, 20, 15, 10, 5];
/// Where neither a service nor an offer says how long it takes.
const MINUTES_ASSUMED: u32 = 15;
/// Where a location names no authority.
const DEPARTMENT_UNKNOWN: &str = "Weitere Stellen";

/// A city's files and the account of how they came to be.
pub struct Imported {
    /// By path relative to the city's folder.
    pub files: BTreeMap<String, String>,
    pub counts: Vec<Count>,
}

/// What came through of one sort of thing.
#[derive(Debug)]
pub struct Count {
    pub what: &'static str,
    pub taken: usize,
    pub of: usize,
    /// What is to be said about some of them, and about how many.
    pub notes: BTreeMap<String, usize>,
}

impl Count {
    fn new(what: &'static str) -> Count {
        Count {
            what,
            taken: 0,
            of: 0,
            notes: BTreeMap::new(),
        }
    }

    fn note(&mut self, note: impl Into<String>) {
        *self.notes.entry(note.into()).or_default() += 1;
    }
}

pub(super) fn import(services: &[Service], locations: &[Location]) -> Imported {
    let mut seen = BTreeSet::new();
    let (services, repeated): (Vec<_>, Vec<_>) = services
        .iter()
        .partition(|service| seen.insert(&service.id));
    let (places, offers_count) = places(&services, locations);
    let (catalogue, mut services_count) = catalogue(&services, &places);
    services_count.of += repeated.len();
    for _ in repeated {
        services_count.note("skipped: another service has its id");
    }
    let departments = departments(&places);
    let (pairs, pairs_count) = pairs(&services, &catalogue);
    let (leika, leika_count) = leika(&services, &catalogue);
    let (mut files, mut locations_count) = offices(&places, &catalogue, &departments);
    locations_count.of = locations.len();
    for _ in places.len()..locations.len() {
        locations_count.note("skipped: it offers nothing");
    }
    files.extend(department_files(&catalogue, &pairs, &leika, &departments));
    files.insert("city.toml".to_owned(), page::city(locations));
    let counts = vec![
        services_count,
        locations_count,
        offers_count,
        pairs_count,
        leika_count,
    ];
    Imported { files, counts }
}

/// A location that will be an office, with the offers that come through.
struct Place<'e> {
    location: &'e Location,
    /// Counted from 1 in the order of the export.
    number: usize,
    offers: Vec<Taken<'e>>,
}

struct Taken<'e> {
    offer: &'e Offer,
    minutes: u32,
    quantity_max: u32,
}

impl<'e> Place<'e> {
    fn department(&self) -> &'e str {
        self.location.department().unwrap_or(DEPARTMENT_UNKNOWN)
    }
}

/// The locations that offer something, and the account of the offers.
fn places<'e>(services: &[&Service], locations: &'e [Location]) -> (Vec<Place<'e>>, Count) {
    let mut count = Count::new("offers");
    let by_id: BTreeMap<&str, &Service> = services
        .iter()
        .map(|service| (service.id.as_str(), *service))
        .collect();
    let mut places = Vec::new();
    for (position, location) in locations.iter().enumerate() {
        let mut seen = BTreeSet::new();
        let mut offers = Vec::new();
        for offer in &location.services {
            count.of += 1;
            match by_id.get(offer.service.as_str()) {
                None => count.note("skipped: the service is not in the export"),
                Some(_) if !seen.insert(&offer.service) => {
                    count.note("skipped: the location offers it twice");
                }
                Some(service) => offers.extend(taken(offer, service, &mut count)),
            }
        }
        if !offers.is_empty() {
            places.push(Place {
                location,
                number: position + 1,
                offers,
            });
        }
    }
    (places, count)
}

/// The offer with minutes and quantity, which can come from its service.
fn taken<'e>(offer: &'e Offer, service: &Service, count: &mut Count) -> Option<Taken<'e>> {
    let minutes = offer.minutes.or(service.minutes).unwrap_or(MINUTES_ASSUMED);
    if !is_minutes(minutes) {
        count.note(format!(
            "skipped: {minutes} minutes are not in 1 to {MINUTES_MAX}"
        ));
        return None;
    }
    count.taken += 1;
    if offer.minutes.is_none() && service.minutes.is_none() {
        count.note(format!("without minutes: {MINUTES_ASSUMED} assumed"));
    }
    if !offer.is_public() {
        count.note("not public there: marked in the file, but everybody's once the office is live");
    }
    let theirs = offer.quantity_max.or(service.quantity_max).unwrap_or(1);
    let quantity_max = bounded_quantity(theirs);
    if quantity_max != theirs {
        count.note(format!("quantity of {theirs}: {quantity_max} here"));
    }
    Some(Taken {
        offer,
        minutes,
        quantity_max,
    })
}

fn is_minutes(minutes: u32) -> bool {
    (1..=u32::from(MINUTES_MAX)).contains(&minutes)
}

fn bounded_quantity(quantity: u32) -> u32 {
    quantity.clamp(1, u32::from(QUANTITY_MAX))
}

/// A service that some location offers.
struct Known<'e> {
    service: &'e Service,
    id: String,
    /// Counted from 1 in the order of the export.
    number: usize,
    department: &'e str,
    minutes: u32,
    quantity_max: u32,
}

/// Services by the export's id.
type Catalogue<'e> = BTreeMap<&'e str, Known<'e>>;

/// The services somebody offers. A service belongs to the department that offers it first.
fn catalogue<'e>(services: &[&'e Service], places: &[Place<'e>]) -> (Catalogue<'e>, Count) {
    let mut count = Count {
        of: services.len(),
        ..Count::new("services")
    };
    let mut first_offers: BTreeMap<&str, (&str, &Taken<'_>)> = BTreeMap::new();
    for place in places {
        let department = place.department();
        for taken in &place.offers {
            first_offers
                .entry(&taken.offer.service)
                .or_insert((department, taken));
        }
    }
    let mut slugs = Slugs::default();
    let mut catalogue = Catalogue::new();
    for (position, service) in services.iter().enumerate() {
        let Some((department, offer)) = first_offers.get(service.id.as_str()) else {
            count.note("skipped: no location offers it");
            continue;
        };
        count.taken += 1;
        let known = Known {
            service,
            id: slugs.unique(&service.name, &service.id),
            number: position + 1,
            department,
            minutes: service
                .minutes
                .filter(|m| is_minutes(*m))
                .unwrap_or(offer.minutes),
            quantity_max: service
                .quantity_max
                .map_or(offer.quantity_max, bounded_quantity),
        };
        catalogue.insert(&service.id, known);
    }
    (catalogue, count)
}

/// Ids of the departments by name.
fn departments<'e>(places: &[Place<'e>]) -> BTreeMap<&'e str, String> {
    let mut slugs = Slugs::default();
    // The names of a city's own files are taken.
    ["city", "server"]
        .into_iter()
        .for_each(|name| drop(slugs.unique(name, "amt")));
    let names: BTreeSet<&str> = places.iter().map(Place::department).collect();
    names
        .into_iter()
        .map(|name| (name, slugs.unique(name, "amt")))
        .collect()
}

/// The offices' files, and the account of the locations.
fn offices(
    places: &[Place<'_>],
    catalogue: &Catalogue<'_>,
    departments: &BTreeMap<&str, String>,
) -> (BTreeMap<String, String>, Count) {
    let mut count = Count::new("locations");
    let mut files = BTreeMap::new();
    let mut slugs = Slugs::default();
    for place in places {
        let location = place.location;
        count.taken += 1;
        if !location.is_public() {
            count.note("not public there: off here");
        }
        let name = location.name.split(" (").next().unwrap_or_default();
        let id = slugs.unique(name, &location.id);
        let department = departments
            .get(place.department())
            .map_or("", String::as_str);
        let page = OfficePage {
            location,
            number: place.number,
            unit_minutes: unit_minutes(location, &mut count),
            offers: place
                .offers
                .iter()
                .filter_map(|taken| offer_line(taken, catalogue))
                .collect(),
        };
        files.insert(format!("{department}/{id}.toml"), page.text());
    }
    (files, count)
}

fn offer_line<'c>(taken: &Taken<'_>, catalogue: &'c Catalogue<'_>) -> Option<OfferLine<'c>> {
    let known = catalogue.get(taken.offer.service.as_str())?;
    let here = (taken.minutes, taken.quantity_max);
    Some(OfferLine {
        id: &known.id,
        is_public: taken.offer.is_public(),
        differing: (here != (known.minutes, known.quantity_max)).then_some(here),
    })
}

/// The longest possible grid on which all starts of the location's own grid lie.
fn unit_minutes(location: &Location, count: &mut Count) -> u32 {
    let Some(theirs) = location.grid_minutes.filter(|minutes| *minutes > 0) else {
        count.note("without a grid: 5 minutes here");
        return 5;
    };
    let ours = GRIDS_MINUTES
        .into_iter()
        .find(|grid| theirs.is_multiple_of(*grid))
        .unwrap_or(5);
    if ours != theirs {
        count.note(format!(
            "grid of {theirs} minutes: {ours} here, so there are more starts"
        ));
    }
    ours
}

/// For each service those it combines with, each pair once, and the account of them.
fn pairs<'e>(
    services: &[&'e Service],
    catalogue: &Catalogue<'e>,
) -> (BTreeMap<&'e str, BTreeSet<String>>, Count) {
    let mut count = Count::new("combinable, in one direction");
    let all: BTreeMap<&str, BTreeSet<String>> = services
        .iter()
        .map(|service| (service.id.as_str(), service.combinable()))
        .collect();
    let is_mutual = |one: &str, other: &str| all.get(other).is_some_and(|ids| ids.contains(one));
    let mut pairs: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (&one, others) in &all {
        for other in others {
            count.of += 1;
            if !all.contains_key(other.as_str()) {
                count.note("skipped: the other service is not in the export");
            } else if !catalogue.contains_key(one) || !catalogue.contains_key(other.as_str()) {
                count.note("skipped: no location offers one of the two");
            } else {
                count.taken += 1;
                let mutual = is_mutual(one, other);
                if !mutual {
                    count.note("one-sided there, mutual here");
                }
                if !mutual || one < other.as_str() {
                    pairs.entry(one).or_default().insert(other.clone());
                }
            }
        }
    }
    (pairs, count)
}

/// The LeiKa keys of each service, and the account of them.
fn leika<'e>(
    services: &[&'e Service],
    catalogue: &Catalogue<'e>,
) -> (BTreeMap<&'e str, Vec<&'e str>>, Count) {
    let mut count = Count::new("LeiKa keys");
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for service in services {
        for key in service.leika() {
            count.of += 1;
            let keys = all.entry(&service.id).or_default();
            if !catalogue.contains_key(service.id.as_str()) {
                count.note("skipped: no location offers the service");
            } else if key.len() != 14 || !key.bytes().all(|byte| byte.is_ascii_digit()) {
                count.note("skipped: not 14 digits");
            } else if keys.len() == LEIKA_MAX {
                count.note(format!(
                    "skipped: more than {LEIKA_MAX} keys for one service"
                ));
            } else {
                count.taken += 1;
                keys.push(key);
            }
        }
    }
    (all, count)
}

/// The departments' files with their services.
fn department_files(
    catalogue: &Catalogue<'_>,
    pairs: &BTreeMap<&str, BTreeSet<String>>,
    leika: &BTreeMap<&str, Vec<&str>>,
    departments: &BTreeMap<&str, String>,
) -> BTreeMap<String, String> {
    let mut texts: BTreeMap<&str, String> = departments
        .keys()
        .map(|name| (*name, page::department(name)))
        .collect();
    let mut in_order: Vec<&Known<'_>> = catalogue.values().collect();
    in_order.sort_by_key(|known| known.number);
    for known in in_order {
        let key = known.service.id.as_str();
        let others = pairs.get(key).into_iter().flatten();
        let page = ServicePage {
            service: known.service,
            id: &known.id,
            number: known.number,
            minutes: known.minutes,
            quantity_max: known.quantity_max,
            combines_with: others
                .filter_map(|other| Some(catalogue.get(other.as_str())?.id.as_str()))
                .collect(),
            leika: leika.get(key).map_or(&[], Vec::as_slice),
        };
        texts
            .entry(known.department)
            .or_default()
            .push_str(&page.text());
    }
    let file = |(name, text)| Some((format!("{}.toml", departments.get(name)?), text));
    texts.into_iter().filter_map(file).collect()
}
