//! The city as the service announces it: offices, services, and the release that is coming.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use morgenruh_wire::{Office, Offices, ServiceQuantity, Services};

use crate::verdict::Capacity;

/// Releases no further apart than this belong to the same morning, in seconds.
pub const SAME_RELEASE_S: i64 = 1;

/// Days that citizens look at where everything is open.
const OPEN_DAYS: i64 = 14;

/// A difference between the two clocks that is told and corrected, in seconds. Smaller ones are
/// within the resolution of the times in the answers.
const CLOCK_DIFFERENCE_S_MIN: i64 = 2;

/// What a run needs to know of a city.
#[derive(Clone, Debug)]
pub struct City {
    pub offices: BTreeMap<String, Office>,
    /// Services that can be booked together, by service.
    pub combines: BTreeMap<String, BTreeSet<String>>,
    /// How far the service's clock is ahead of ours, in seconds; 0 where it is about the same.
    pub clock_ahead_s: i64,
    now: Timestamp,
}

/// What the citizens of a run come for.
#[derive(Clone, Debug)]
pub struct Target {
    /// The release; `None` where everything is open already.
    pub release_at: Option<Timestamp>,
    /// Offices that take part, with the first and last day that citizens look at there.
    pub offices: BTreeMap<String, [Date; 2]>,
}

impl Target {
    /// First and last day that somebody looks at who compares these offices.
    pub fn days<'a>(&self, offices: impl IntoIterator<Item = &'a String>) -> Option<[Date; 2]> {
        let days = offices
            .into_iter()
            .filter_map(|office| self.offices.get(office));
        days.copied()
            .reduce(|[from, to], [first, last]| [from.min(first), to.max(last)])
    }
}

/// Why a catalogue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CityError {
    #[error("the service announces {0:?}, which is no time")]
    Time(String),
    #[error("the service offers no office called {0:?}")]
    UnknownOffice(String),
    #[error("the service offers no office")]
    NoOffice,
}

impl City {
    /// Reads the catalogue. `only` restricts the run to these offices; empty means all.
    pub fn new(
        offices: Offices,
        services: Services,
        only: &[String],
        our_now: Timestamp,
    ) -> Result<Self, CityError> {
        let their_now = time(&offices.now)?;
        let mut by_id: BTreeMap<_, _> = offices
            .offices
            .into_iter()
            .map(|office| (office.id.clone(), office))
            .collect();
        if let Some(unknown) = only.iter().find(|id| !by_id.contains_key(*id)) {
            return Err(CityError::UnknownOffice(unknown.clone()));
        }
        by_id.retain(|id, _| only.is_empty() || only.contains(id));
        if by_id.is_empty() {
            return Err(CityError::NoOffice);
        }
        let ahead_s = their_now.as_second() - our_now.as_second();
        let combines = services.services.into_iter().map(|service| {
            (
                service.id,
                service.combines_with.into_iter().collect::<BTreeSet<_>>(),
            )
        });
        Ok(Self {
            offices: by_id,
            combines: combines.collect(),
            clock_ahead_s: if ahead_s.abs() >= CLOCK_DIFFERENCE_S_MIN {
                ahead_s
            } else {
                0
            },
            now: their_now,
        })
    }

    /// Leaves out the offices that offer none of these services: their releases are not this
    /// morning's.
    pub fn keep_offering(&mut self, services: &BTreeSet<&str>) {
        self.offices.retain(|_, office| {
            office
                .services
                .iter()
                .any(|offer| services.contains(offer.id.as_str()))
        });
    }

    /// The earliest release within `reach`, with the offices that share it; without one, all
    /// offices and the days from today.
    pub fn target(&self, reach: Duration) -> Result<Target, CityError> {
        let mut releases = Vec::new();
        for office in self.offices.values() {
            if let Some(release) = &office.next_release {
                let date: Date = release
                    .date
                    .parse()
                    .map_err(|_| CityError::Time(release.date.clone()))?;
                releases.push((time(&release.at)?, date, &office.id));
            }
        }
        let reach_s = i64::try_from(reach.as_secs()).unwrap_or(i64::MAX / 2);
        let latest_s = self.now.as_second() + reach_s;
        let first = releases.iter().map(|&(at, _, _)| at).min();
        let Some(first) = first.filter(|first| first.as_second() <= latest_s) else {
            return Ok(self.everything_open());
        };
        let same = |at: &Timestamp| at.as_second() - first.as_second() <= SAME_RELEASE_S;
        let offices = releases
            .iter()
            .filter(|(at, _, _)| same(at))
            .map(|&(_, date, id)| (id.clone(), [date, date]))
            .collect();
        Ok(Target {
            release_at: Some(first),
            offices,
        })
    }

    fn everything_open(&self) -> Target {
        let today = self.now.to_zoned(jiff::tz::TimeZone::UTC).date();
        let days = [today, today.saturating_add(OPEN_DAYS.days())];
        let offices = self.offices.keys().map(|id| (id.clone(), days)).collect();
        Target {
            release_at: None,
            offices,
        }
    }

    /// Whether an office offers the whole need at once.
    pub fn serves(&self, office: &str, need: &[ServiceQuantity]) -> bool {
        self.offices.get(office).is_some_and(|office| {
            need.iter().all(|part| {
                let offered = office.services.iter().find(|offer| offer.id == part.id);
                offered.is_some_and(|offer| part.quantity <= offer.quantity_max)
            })
        })
    }

    /// Minutes that a need takes at an office; 0 where the office is not known to offer it.
    pub fn minutes(&self, office: &str, need: &[ServiceQuantity]) -> u32 {
        let Some(office) = self.offices.get(office) else {
            return 0;
        };
        need.iter()
            .map(|part| {
                let offered = office.services.iter().find(|offer| offer.id == part.id);
                offered.map_or(0, |offer| {
                    u32::from(offer.minutes) * u32::from(part.quantity)
                })
            })
            .sum()
    }

    /// The offices as the verdict sees them.
    pub fn capacities(&self) -> BTreeMap<String, Capacity> {
        let capacity = |office: &Office| Capacity {
            counters: office.counters,
            unit_minutes: office.unit_minutes,
        };
        self.offices
            .iter()
            .map(|(id, office)| (id.clone(), capacity(office)))
            .collect()
    }
}

fn time(text: &str) -> Result<Timestamp, CityError> {
    text.parse().map_err(|_| CityError::Time(text.to_owned()))
}

#[cfg(test)]
pub(crate) mod tests {
    use morgenruh_wire::{Offer, Release, Service, Text};

    use super::*;

    fn text() -> Text {
        Text {
            de: String::new(),
            en: String::new(),
        }
    }

    fn office(id: &str, release: Option<(&str, &str)>) -> Office {
        Office {
            id: id.to_owned(),
            name: text(),
            department: "einwohnerwesen".to_owned(),
            address: String::new(),
            status: "live".to_owned(),
            unit_minutes: 5,
            hold_minutes: 10,
            notice_minutes: 30,
            horizon_days: 60,
            counters: 4,
            services: ["personalausweis", "reisepass"]
                .map(|id| Offer {
                    id: id.to_owned(),
                    minutes: 15,
                    quantity_max: 2,
                })
                .to_vec(),
            questions: Vec::new(),
            next_release: release.map(|(at, date)| Release {
                at: at.to_owned(),
                date: date.to_owned(),
            }),
        }
    }

    /// Three offices at 06:29: two release at 06:30, one at 07:00.
    pub(crate) fn duesseldorf(only: &[String]) -> Result<City, CityError> {
        let early = Some(("2026-11-23T06:30:00+01:00", "2026-12-21"));
        let late = Some(("2026-11-23T07:00:00+01:00", "2026-11-23"));
        let offices = Offices {
            now: "2026-11-23T06:29:00+01:00".to_owned(),
            offices: vec![
                office("bilk", early),
                office("rath", early),
                office("kfz", late),
            ],
        };
        let service = |id: &str, other: &str| Service {
            id: id.to_owned(),
            name: text(),
            department: "einwohnerwesen".to_owned(),
            minutes: 15,
            quantity_max: 2,
            combines_with: vec![other.to_owned()],
            leika: Vec::new(),
        };
        let services = Services {
            services: vec![
                service("personalausweis", "reisepass"),
                service("reisepass", "personalausweis"),
            ],
        };
        City::new(
            offices,
            services,
            only,
            "2026-11-23T05:29:01Z".parse().unwrap(),
        )
    }

    #[test]
    fn the_next_release_and_its_offices_are_the_target() {
        let city = duesseldorf(&[]).unwrap();
        let target = city.target(Duration::from_secs(300)).unwrap();
        assert_eq!(
            target.release_at,
            Some("2026-11-23T05:30:00Z".parse().unwrap())
        );
        assert!(target.offices.keys().eq(["bilk", "rath"]));
        assert_eq!(target.offices["bilk"][0].to_string(), "2026-12-21");
        assert_eq!(
            target.days(target.offices.keys()),
            Some(target.offices["rath"])
        );
        assert_eq!(city.clock_ahead_s, 0);
    }

    #[test]
    fn without_a_release_in_reach_everything_is_open() {
        let city = duesseldorf(&["kfz".to_owned()]).unwrap();
        let target = city.target(Duration::from_secs(300)).unwrap();
        assert_eq!(target.release_at, None);
        let days = target.offices["kfz"].map(|day| day.to_string());
        assert_eq!(days, ["2026-11-23", "2026-12-07"]);
        assert!(matches!(
            duesseldorf(&["köln".to_owned()]),
            Err(CityError::UnknownOffice(_))
        ));
    }

    #[test]
    fn an_office_that_nobody_comes_for_does_not_set_the_time() {
        let mut city = duesseldorf(&[]).unwrap();
        city.offices.get_mut("rath").unwrap().services.clear();
        city.keep_offering(&BTreeSet::from(["reisepass"]));
        assert!(city.offices.keys().eq(["bilk", "kfz"]));
    }

    #[test]
    fn needs_are_weighed_against_what_an_office_offers() {
        let city = duesseldorf(&[]).unwrap();
        let need = |id: &str, quantity| {
            vec![ServiceQuantity {
                id: id.to_owned(),
                quantity,
            }]
        };
        assert!(city.serves("bilk", &need("reisepass", 2)));
        assert!(!city.serves("bilk", &need("reisepass", 3)));
        assert!(!city.serves("bilk", &need("trauung", 1)));
        assert_eq!(city.minutes("bilk", &need("reisepass", 2)), 30);
    }
}
