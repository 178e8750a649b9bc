//! A city's folder: its files, the service's settings and the file of service keys.

use std::collections::BTreeMap;

use morgenruh::service_keys::ServiceKeys;
use morgenruh::settings::Settings;
use morgenruh_engine::rules::catalogue::Catalogue;
use morgenruh_engine::rules::catalogue::dump::dump;
use morgenruh_engine::rules::catalogue::load::load;
use morgenruh_engine::rules::catalogue::reader::{ConfigError, ERRORS_MAX};
use morgenruh_engine::rules::cells::COUNTERS_MAX;
use morgenruh_engine::rules::need::{NEED_UNITS_MAX, need};

use crate::Verdict;
use crate::text::{lossy, part, parts};

/// Each part is a file under its path.
pub(crate) fn city(data: &[u8]) -> Verdict {
    let text = lossy(data);
    let named = parts(&text)
        .into_iter()
        .filter(|(path, _)| !path.is_empty());
    let files: BTreeMap<_, _> = named
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .collect();
    let catalogue = match load(&files) {
        Ok(catalogue) => catalogue,
        Err(errors) => {
            assert_told(&errors);
            return Verdict::Refused;
        }
    };
    let dumped = dump(&catalogue);
    let again = load(&dumped).unwrap_or_else(|errors| panic!("a dump loads: {errors:?}"));
    assert_eq!(dump(&again), dumped);
    assert_bounded(&catalogue);
    Verdict::Taken
}

fn assert_bounded(catalogue: &Catalogue) {
    for (position, office) in (0u16..).zip(&catalogue.offices) {
        let found = catalogue.office_by_id(&office.id).map(|index| index.0);
        assert_eq!(found, Some(position), "ids are unique");
        let found = catalogue
            .office_by_number(office.number)
            .map(|index| index.0);
        assert_eq!(found, Some(position), "numbers are unique");
        assert!(office.counters.len() <= usize::from(COUNTERS_MAX));
        let all = office.all_counters();
        for offer in &office.offers {
            assert!(offer.counters.without(all).is_empty() && !offer.counters.is_empty());
            for quantity in [1, offer.quantity_max] {
                if let Ok(need) = need(catalogue, office, &[(offer.service, quantity)]) {
                    assert!((1..=NEED_UNITS_MAX).contains(&need.units));
                }
            }
        }
    }
}

/// The first part is `server.toml`, the part `environment` has lines of `NAME=value`.
pub(crate) fn settings(data: &[u8]) -> Verdict {
    let text = lossy(data);
    let parts = parts(&text);
    let lines = part(&parts, "environment").lines();
    let environment: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    match Settings::load(Some(part(&parts, "")), &environment) {
        Ok(settings) => {
            let again = Settings::load(Some(&settings.dump()), &BTreeMap::new());
            assert_eq!(again, Ok(settings));
            Verdict::Taken
        }
        Err(errors) => {
            assert_told(&errors);
            Verdict::Refused
        }
    }
}

/// Every mistake is one line, and there are not too many.
fn assert_told(errors: &[ConfigError]) {
    assert!((1..=ERRORS_MAX).contains(&errors.len()));
    for error in errors {
        let line = error.to_string();
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}

pub(crate) fn service_keys(data: &[u8]) -> Verdict {
    let text = lossy(data);
    let Err(bad) = ServiceKeys::parse(&text) else {
        return Verdict::Taken;
    };
    assert!((1..=text.lines().count()).contains(&bad.line));
    assert!(!bad.reason.is_empty());
    Verdict::Refused
}
