//! The configuration of a town whose offices are all alike, and an engine that serves it.

use std::collections::BTreeMap;
use std::sync::Arc;

use morgenruh_engine::rules::catalogue::Catalogue;
use morgenruh_engine::rules::catalogue::load::load;
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::shell::engine::{Engine, Limits};
use morgenruh_engine::shell::ledger::{Entry, Health, Ledger};

use crate::history::Town;

/// The services have the numbers that a history books.
pub(crate) fn catalogue(town: Town) -> Catalogue {
    let city = r#"
        id = "teststadt"
        name = { de = "Teststadt", en = "Testville" }
        land = "NW"
        time_zone = "Europe/Berlin"
    "#;
    let department = r#"
        [department]
        name = { de = "Einwohnerwesen", en = "Citizens' Affairs" }

        [office]
        hold_minutes = 10
        horizon_days = 62

        [[service]]
        id = "personalausweis"
        number = 10
        name = { de = "Personalausweis", en = "Identity card" }
        minutes = 10
        quantity_max = 4

        [[service]]
        id = "reisepass"
        number = 11
        name = { de = "Reisepass", en = "Passport" }
        minutes = 15
        quantity_max = 4
    "#;
    let mut files = BTreeMap::from([
        ("city.toml".to_owned(), city.to_owned()),
        ("einwohnerwesen.toml".to_owned(), department.to_owned()),
    ]);
    for number in 1..=town.offices {
        let counters = town.counters;
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
            hours = ["07:00-20:00"]
            on_holidays = true
        "#
        );
        files.insert(format!("einwohnerwesen/buero-{number}.toml"), office);
    }
    load(&files).unwrap()
}

/// An engine of that town in which nothing is reserved.
pub(crate) fn engine(town: Town, now: UnixMillis) -> Engine {
    let catalogue = Arc::new(catalogue(town));
    Engine::new(catalogue, Arc::new(Deaf), Limits::default(), None, now)
}

/// A ledger that takes everything and keeps nothing.
struct Deaf;

impl Ledger for Deaf {
    fn append(&self, _: Entry) -> Result<(), Entry> {
        Ok(())
    }

    fn health(&self) -> Health {
        Health::Ready
    }
}
