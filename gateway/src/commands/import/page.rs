//! The texts of the files. Every assumption is a comment where it is made.

use std::fmt::Write;

use morgenruh_engine::rules::catalogue::load::{LINE_CHARS_MAX, NAME_CHARS_MAX};

use super::dldb::{Location, Service};
use super::slug::Slugs;

/// `city.toml`. The export names neither the city as such nor its Land.
pub(super) fn city(locations: &[Location]) -> String {
    let name = most_frequent(locations.iter().filter_map(Location::organization));
    let name =
        name.or_else(|| most_frequent(locations.iter().filter_map(|l| l.address.city.as_deref())));
    let name = name.unwrap_or("Stadt");
    let code = locations
        .iter()
        .filter_map(|l| l.address.postal_code.as_deref());
    let land = most_frequent(code.filter_map(land_of)).unwrap_or("");
    let id = Slugs::default().unique(name, "stadt");
    format!(
        "# Imported from a DLDB export. Assumed: the Land (from the postal codes), the time zone.\n\
         # The English names are the German ones: the export has no others.\n\n\
         id = {}\nname = {}\nland = {}\ntime_zone = \"Europe/Berlin\"\n",
        quote(&id, NAME_CHARS_MAX),
        both(name),
        quote(land, 2),
    )
}

/// The Land of the two cities that are known to keep such a database, by postal code.
fn land_of(postal_code: &str) -> Option<&'static str> {
    match postal_code.get(..2)? {
        "10" | "12" | "13" | "14" => Some("BE"),
        "80" | "81" => Some("BY"),
        _ => None,
    }
}

fn most_frequent<'n>(names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let mut counts = std::collections::BTreeMap::new();
    names.for_each(|name| *counts.entry(name).or_insert(0) += 1);
    counts
        .into_iter()
        .max_by_key(|(_, count)| *count)
        .map(|(name, _)| name)
}

/// The beginning of a department's file.
pub(super) fn department(name: &str) -> String {
    format!(
        "# Imported from a DLDB export.\n\n[department]\nname = {}\n\n[office]\n\
         # Assumed: nothing is shown to citizens before somebody has looked at it.\n\
         status = \"test\"\n\n\
         # Assumed: the export has no opening hours.\n\
         [[opening]]\nweekdays = \"mon-fri\"\nhours = [\"08:00-12:00\"]\n",
        both(name)
    )
}

/// A service in its department's file.
pub(super) struct ServicePage<'e> {
    pub(super) service: &'e Service,
    pub(super) id: &'e str,
    pub(super) number: usize,
    pub(super) minutes: u32,
    pub(super) quantity_max: u32,
    pub(super) combines_with: Vec<&'e str>,
    pub(super) leika: &'e [&'e str],
}

impl ServicePage<'_> {
    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "\n# DLDB {}\n[[service]]\nid = \"{}\"\nnumber = {}\nname = {}\n\
             minutes = {}\nquantity_max = {}\n",
            one_line(&self.service.id, NAME_CHARS_MAX),
            self.id,
            self.number,
            both(&self.service.name),
            self.minutes,
            self.quantity_max
        );
        list(&mut text, "combines_with", &self.combines_with);
        list(&mut text, "leika", self.leika);
        text
    }
}

/// What an office offers.
pub(super) struct OfferLine<'c> {
    pub(super) id: &'c str,
    pub(super) is_public: bool,
    /// Minutes and largest quantity where they are not those of the service.
    pub(super) differing: Option<(u32, u32)>,
}

/// An office's file.
pub(super) struct OfficePage<'e, 'c> {
    pub(super) location: &'e Location,
    pub(super) number: usize,
    pub(super) unit_minutes: u32,
    pub(super) offers: Vec<OfferLine<'c>>,
}

impl OfficePage<'_, '_> {
    pub(super) fn text(&self) -> String {
        let location = self.location;
        let mut text = format!(
            "# DLDB {}\n\nnumber = {}\nname = {}\naddress = {}\n",
            one_line(&location.id, NAME_CHARS_MAX),
            self.number,
            both(&location.name),
            quote(&location.address.line(), LINE_CHARS_MAX),
        );
        if !location.is_public() {
            text.push_str("# Not public in the export.\nstatus = \"off\"\n");
        }
        let theirs = location.grid_minutes.unwrap_or_default();
        if theirs != self.unit_minutes {
            text.push_str(&format!("# {theirs} in the export.\n"));
        }
        text.push_str(&format!("unit_minutes = {}\n", self.unit_minutes));
        text.push_str("\n# Assumed: the export has no counters.\n[[counter]]\nnumber = 1\n");
        text.push_str("skills = [\n");
        for offer in &self.offers {
            let remark = if offer.is_public {
                ""
            } else {
                " # not public in the export"
            };
            text.push_str(&format!("    \"{}\",{remark}\n", offer.id));
        }
        text.push_str("]\n");
        for offer in &self.offers {
            if let Some((minutes, quantity_max)) = offer.differing {
                write!(
                    text,
                    "\n[[offer]]\nservice = \"{}\"\nminutes = {minutes}\n\
                     quantity_max = {quantity_max}\n",
                    offer.id
                )
                .expect("writing to a string cannot fail");
            }
        }
        text
    }
}

fn list(text: &mut String, key: &str, ids: &[&str]) {
    match ids {
        [] => {}
        [one] => text.push_str(&format!("{key} = [\"{one}\"]\n")),
        several => text.push_str(&format!(
            "{key} = [\n    \"{}\",\n]\n",
            several.join("\",\n    \"")
        )),
    }
}

/// The German text in both languages.
fn both(name: &str) -> String {
    let name = quote(name, NAME_CHARS_MAX);
    format!("{{ de = {name}, en = {name} }}")
}

fn quote(text: &str, chars_max: usize) -> String {
    toml::Value::from(one_line(text, chars_max)).to_string()
}

fn one_line(text: &str, chars_max: usize) -> String {
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    let line: String = words.join(" ").chars().take(chars_max).collect();
    line.trim_end().to_owned()
}
