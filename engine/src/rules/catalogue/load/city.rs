//! `city.toml`.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::{NAME_CHARS_MAX, text};
use crate::rules::catalogue::City;
use crate::rules::catalogue::reader::{Fault, Lookup, Section, kinds};
use crate::rules::holidays::Land;

pub(super) fn read(root: &Section<'_>) -> City {
    let lands = Land::ALL.map(|land| (land.code(), land));
    let zone_name = root
        .need("time_zone", kinds::text(1..=64))
        .unwrap_or_default();
    let city = City {
        id: root.need("id", kinds::id).unwrap_or_default(),
        name: text(root, "name", NAME_CHARS_MAX),
        land: root.need("land", kinds::one_of(&lands)).unwrap_or(Land::Nw),
        zone: zone(root, &zone_name),
        zone_name,
    };
    root.finish();
    city
}

/// The zone by the rules that come with the program: what the machine has installed must not
/// decide when an appointment is.
fn zone(root: &Section<'_>, name: &str) -> TimeZone {
    let zones = TimeZoneDatabase::bundled();
    zones.get(name).unwrap_or_else(|_| {
        if !name.is_empty() {
            let names: Vec<String> = zones.available().map(|name| name.to_string()).collect();
            let reason = format!("{name:?} is not an IANA time zone");
            let valid = names.iter().map(String::as_str);
            root.report_fault("time_zone", Fault::name(reason, name, valid));
        }
        TimeZone::UTC
    })
}
