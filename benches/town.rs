//! A city for measuring: offices that are all alike and open on every day.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use morgenruh_engine::rules::catalogue::load::load;
use morgenruh_engine::rules::catalogue::{Catalogue, OfficeIndex, ServiceIndex};
use morgenruh_engine::rules::need::{Need, need};

/// The service that everybody comes for: 15 minutes, three units.
pub const PASSPORT: &str = "reisepass";

/// Where the department stands that all offices belong to.
pub const DEPARTMENT_FILE: &str = "rathaus.toml";

/// One office of the city.
#[derive(Clone, Copy, Debug)]
pub struct Office {
    pub counters: u8,
    /// As in `08:00-16:00`.
    pub hours: &'static str,
}

/// The files of a city with these offices, numbered from 1. The shortest service takes 10 minutes,
/// so a gap of one unit is lost.
pub fn files(offices: &[Office]) -> BTreeMap<String, String> {
    let city = r#"
        id = "messstadt"
        name = { de = "Messstadt", en = "Measureton" }
        land = "NW"
        time_zone = "Europe/Berlin"
    "#;
    let department = format!(
        r#"
        [department]
        name = {{ de = "Rathaus", en = "Town Hall" }}

        [office]
        hold_minutes = 120
        horizon_days = 62

        [[service]]
        id = "{PASSPORT}"
        number = 1
        name = {{ de = "Reisepass beantragen", en = "Apply for a passport" }}
        minutes = 15
        quantity_max = 4

        [[service]]
        id = "abholung"
        number = 2
        name = {{ de = "Ausweis abholen", en = "Collect an identity card" }}
        minutes = 10
        quantity_max = 4
    "#
    );
    let mut files = BTreeMap::from([
        ("city.toml".to_owned(), city.to_owned()),
        (DEPARTMENT_FILE.to_owned(), department),
    ]);
    for (number, Office { counters, hours }) in (1..).zip(offices) {
        let office = format!(
            r#"
            number = {number}
            name = {{ de = "Bürgerbüro {number}", en = "Citizen Office {number}" }}
            address = "Markt {number}"

            [[counter]]
            numbers = "1-{counters}"
            skills = ["*"]

            [[opening]]
            weekdays = "mon-sun"
            hours = ["{hours}"]
            on_holidays = true
        "#
        );
        files.insert(office_file(number), office);
    }
    files
}

/// Where an office stands.
pub fn office_file(number: u16) -> String {
    format!("rathaus/{}.toml", office_id(number))
}

pub fn office_id(number: u16) -> String {
    format!("buero-{number}")
}

/// Writes the files into the folder, which need not be there.
///
/// # Errors
/// When the disk does not take them.
pub fn write(files: &BTreeMap<String, String>, folder: &Path) -> io::Result<()> {
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
        std::fs::write(path, text)?;
    }
    Ok(())
}

/// # Panics
/// When the files are no city; they are ours.
pub fn catalogue(files: &BTreeMap<String, String>) -> Catalogue {
    load(files).unwrap_or_else(|errors| panic!("the city for measuring has errors: {errors:?}"))
}

/// A passport, as the first office sees it.
pub fn passport(catalogue: &Catalogue) -> Need {
    let office = catalogue.office(OfficeIndex(0));
    need(catalogue, office, &[(ServiceIndex(0), 1)]).expect("every office offers it")
}
