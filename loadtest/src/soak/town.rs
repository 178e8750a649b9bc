//! Where people meet: few offices and few days, so that they want the same seats.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Instant;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use morgenruh_wire::{Office, ServiceQuantity};

use crate::api::{Api, Reply};
use crate::city::CityError;
use crate::morning::RunError;

/// Offices that are used.
const OFFICES_MAX: usize = 4;

/// Days of an office that are used.
const DAYS_MAX: usize = 3;

/// First day that is used, counted from today: a run of a day does not reach it.
const FIRST_DAY: i64 = 2;

/// Days among which those with starts are looked for.
const LOOKED_AT_DAYS: i64 = 12;

/// Services of an office that are used.
const SERVICES_MAX: usize = 2;

/// The town that is used where none is named.
const FILES: [(&str, &str); 5] = [
    ("city.toml", include_str!("town/city.toml")),
    ("amt.toml", include_str!("town/amt.toml")),
    ("amt/eins.toml", include_str!("town/amt/eins.toml")),
    ("amt/zwei.toml", include_str!("town/amt/zwei.toml")),
    ("amt/vier.toml", include_str!("town/amt/vier.toml")),
];

/// Writes the built-in town's configuration.
pub(super) fn write(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder.join("amt"))?;
    FILES
        .iter()
        .try_for_each(|(name, text)| fs::write(folder.join(name), text))
}

/// What can be booked.
#[derive(Debug)]
pub(super) struct Town {
    pub(super) places: Vec<Place>,
}

/// An office with what people want there.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) office: Office,
    pub(super) needs: Vec<Vec<ServiceQuantity>>,
    /// Starts of each day, as the service writes them.
    pub(super) days: Vec<Vec<String>>,
}

impl Town {
    /// Reads the catalogue and what is free.
    pub(super) async fn read(api: &Api) -> Result<Self, RunError> {
        let Reply::Done(offices) = api.offices().await else {
            return Err(RunError::Unreachable(api.measure().examples().join("; ")));
        };
        let now: Timestamp = offices
            .now
            .parse()
            .map_err(|_| CityError::Time(offices.now.clone()))?;
        let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
        let mut places = Vec::new();
        for office in offices.offices {
            if places.len() == OFFICES_MAX {
                break;
            }
            let needs = needs(&office);
            let days = match needs.first() {
                Some(need) => days(api, &office, need, today).await?,
                None => Vec::new(),
            };
            if !days.is_empty() {
                places.push(Place {
                    office,
                    needs,
                    days,
                });
            }
        }
        if places.is_empty() {
            return Err(CityError::NoOffice.into());
        }
        Ok(Self { places })
    }

    /// The counter of a seat at this office, where there is only one.
    pub(super) fn only_counter(&self, office: &str) -> Option<u8> {
        let mut places = self.places.iter();
        let place = places.find(|place| place.office.id == office)?;
        (place.office.counters == 1).then_some(1)
    }
}

/// The shortest services first, alone and for two.
fn needs(office: &Office) -> Vec<Vec<ServiceQuantity>> {
    let mut offers: Vec<_> = office.services.iter().collect();
    offers.sort_by_key(|offer| offer.minutes);
    offers.truncate(SERVICES_MAX);
    let quantities = offers.into_iter().flat_map(|offer| {
        (1..=offer.quantity_max.min(2)).map(|quantity| {
            vec![ServiceQuantity {
                id: offer.id.clone(),
                quantity,
            }]
        })
    });
    quantities.collect()
}

async fn days(
    api: &Api,
    office: &Office,
    need: &[ServiceQuantity],
    today: Date,
) -> Result<Vec<Vec<String>>, RunError> {
    let from = today.saturating_add(FIRST_DAY.days());
    let to = from.saturating_add(LOOKED_AT_DAYS.days());
    let named = std::slice::from_ref(&office.id);
    let (from, to) = (from.to_string(), to.to_string());
    let answer = api.availability(Instant::now(), named, need, &from, &to);
    let Reply::Done(seen) = answer.await else {
        return Err(RunError::Unreachable(api.measure().examples().join("; ")));
    };
    let starts = seen
        .days
        .into_iter()
        .map(|day| day.starts.into_iter().map(|start| start.start).collect())
        .filter(|starts: &Vec<String>| !starts.is_empty());
    Ok(starts.take(DAYS_MAX).collect())
}
