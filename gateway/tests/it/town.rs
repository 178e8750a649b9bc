//! A town small enough to be seen through, with one office for each thing that can be different.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use morgenruh::clock;
use morgenruh_engine::rules::catalogue::Catalogue;
use morgenruh_engine::rules::catalogue::load::load;

/// A key of the call centre, one of the desk in the hall and one for tests.
pub(crate) const CALL_CENTRE_KEY: &str = "call-centre-call-centre-call-centre-1";
pub(crate) const WALK_IN_KEY: &str = "walk-in-walk-in-walk-in-walk-in-walk";
pub(crate) const TEST_KEY: &str = "test-test-test-test-test-test-test-12";

const CITY: &str = r#"
id = "kleinstadt"
name = { de = "Kleinstadt", en = "Smalltown" }
land = "NW"
time_zone = "Europe/Berlin"
"#;

const DEPARTMENT: &str = r#"
[department]
name = { de = "Bürgeramt", en = "Citizens' Department" }

[office]
horizon_days = 30

[[service]]
id = "pass"
number = 1
name = { de = "Pass; beantragen, ändern", en = "Passport; apply, change" }
minutes = 15
quantity_max = 2
combines_with = ["pin"]

[[service]]
id = "pin"
number = 2
name.de = "PIN setzen, wenn die alte vergessen, gesperrt oder überhaupt nie zugestellt worden ist"
name.en = "Set a PIN"
minutes = 5
quantity_max = 3

[[service]]
id = "trauung"
number = 3
name = { de = "Trauung", en = "Wedding" }
minutes = 20
quantity_max = 1

[[service]]
id = "umzug"
number = 4
name = { de = "Umzug eines Betriebs", en = "Relocation of a business" }
minutes = 480
quantity_max = 4

[[service]]
id = "fund"
number = 5
name = { de = "Fundsache abholen", en = "Collect lost property" }
minutes = 5
quantity_max = 1

[[opening]]
weekdays = "mon-sun"
hours = ["08:00-18:00"]
on_holidays = true
"#;

/// The office that only callers with a key for tests see.
pub(crate) const OFFICE_ON_TRIAL: &str = r#"
number = 4
name = { de = "Probeamt", en = "Office on Trial" }
address = "Weg 4"
status = "test"
[[counter]]
number = 1
skills = ["pass"]
"#;

/// Id and file of each office but the first.
const OFFICES: [(&str, &str); 8] = [
    (
        "einzel",
        r#"
        # One counter that opens for one visit a day: one seat.
        number = 2
        name = { de = "Einzelplatz", en = "Single Seat" }
        address = "Weg 2"
        [[counter]]
        number = 1
        skills = ["pass"]
        [[opening]]
        weekdays = "mon-sun"
        hours = ["08:00-08:15"]
        on_holidays = true
        "#,
    ),
    (
        "siegel",
        r#"
        number = 3
        name = { de = "Siegelamt", en = "Sealed Office" }
        address = "Weg 3"
        [[counter]]
        number = 1
        skills = ["pass"]
        [[wave]]
        days_ahead = 3
        at = "00:00"
        "#,
    ),
    ("probe", OFFICE_ON_TRIAL),
    (
        "aus",
        r#"
        number = 5
        name = { de = "Geschlossenes Amt", en = "Closed Office" }
        address = "Weg 5"
        status = "off"
        [[counter]]
        number = 1
        skills = ["pass"]
        "#,
    ),
    (
        "quote",
        r#"
        # The second counter is the call centre's, the third is for people in the hall.
        number = 6
        name = { de = "Quotenamt", en = "Quota Office" }
        address = "Weg 6"
        [[counter]]
        numbers = "1-3"
        skills = ["pass"]
        [[quota]]
        channel = "call-centre"
        counters = 2
        [[quota]]
        channel = "walk-in"
        counters = 3
        "#,
    ),
    (
        "fragen",
        r#"
        number = 7
        name = { de = "Fragenamt", en = "Office of Questions" }
        address = "Weg 7"
        phone_required = true
        [[counter]]
        number = 1
        skills = ["pass", "pin"]
        [[question]]
        id = "kennzeichen"
        label = { de = "Kennzeichen", en = "Number plate" }
        required = true
        chars_max = 10
        services = ["pass"]
        "#,
    ),
    (
        "spaet",
        r#"
        # Wants to know two days before who comes.
        number = 8
        name = { de = "Spätamt", en = "Late Office" }
        address = "Weg 8"
        notice_minutes = 2880
        [[counter]]
        number = 1
        skills = ["pass"]
        "#,
    ),
    (
        "gross",
        r#"
        number = 9
        name = { de = "Großes Amt", en = "Large Office" }
        address = "Weg 9"
        [[counter]]
        numbers = "1-16"
        skills = ["pass", "pin"]
        "#,
    ),
];

/// Two counters, always bookable, closed on the fifth day from now.
fn mitte(today: Date) -> String {
    let closed = day_after(today, 5);
    format!(
        r#"
        number = 1
        name = {{ de = "Bürgerbüro Mitte", en = "Citizen Office Centre" }}
        address = "Am Markt 1, 12345 Kleinstadt"
        [[counter]]
        numbers = "1-2"
        skills = ["pass", "pin", "trauung", "umzug"]
        [[closure]]
        date = {closed}
        reason = {{ de = "Betriebsausflug", en = "Works outing" }}
        "#
    )
}

/// The configuration that a service is started with.
#[derive(Clone, Debug)]
pub(crate) struct Town {
    pub(crate) today: Date,
    files: BTreeMap<String, String>,
}

impl Town {
    pub(crate) fn small() -> Town {
        let today = clock::now().to_jiff().to_zoned(zone()).date();
        let mut town = Town {
            today,
            files: BTreeMap::new(),
        };
        town = town
            .with("city.toml", CITY)
            .with("buergeramt.toml", DEPARTMENT);
        for (id, text) in OFFICES {
            town = town.with(&format!("buergeramt/{id}.toml"), text);
        }
        let mitte = mitte(today);
        town.with("buergeramt/mitte.toml", &mitte)
    }

    pub(crate) fn with(mut self, file: &str, text: &str) -> Town {
        self.files.insert(file.to_owned(), text.to_owned());
        self
    }

    /// With a waiting room `raum` before the release of an office of that name at `HH:MM`. `terms`
    /// are further keys of the room, `hours` those in which the office's one counter is open.
    pub(crate) fn with_room(mut self, at: &str, hours: &str, terms: &str) -> Town {
        let room = format!(
            r#"
            [[room]]
            id = "raum"
            number = 1
            name = {{ de = "Freischaltung & mehr", en = "Release & more" }}
            at = "{at}"
            offices = ["raum"]
            {terms}
            "#
        );
        let department = self.files.get_mut("buergeramt.toml");
        department.expect("the file is there").push_str(&room);
        let office = format!(
            r#"
            number = 20
            name = {{ de = "Amt <Raum>", en = "Office <Room>" }}
            address = "Weg 20"
            [[counter]]
            number = 1
            skills = ["pass"]
            [[opening]]
            weekdays = "mon-sun"
            hours = ["{hours}"]
            on_holidays = true
            [[wave]]
            days_ahead = 3
            at = "{at}"
            "#
        );
        self.with("buergeramt/raum.toml", &office)
    }

    /// With another text in a file that is there.
    pub(crate) fn replacing(mut self, file: &str, from: &str, to: &str) -> Town {
        let text = self.files.get_mut(file).expect("the file is there");
        assert!(text.contains(from), "{from}");
        *text = text.replace(from, to);
        self
    }

    /// With a line more at the top of a file that is there.
    pub(crate) fn with_line(mut self, file: &str, line: &str) -> Town {
        let text = self.files.get_mut(file).expect("the file is there");
        text.insert_str(0, &format!("{line}\n"));
        self
    }

    /// With more text at the end of a file that is there.
    pub(crate) fn with_more(mut self, file: &str, text: &str) -> Town {
        self.files
            .get_mut(file)
            .expect("the file is there")
            .push_str(text);
        self
    }

    /// With these settings of the machine, e.g. `[server]` and its keys.
    pub(crate) fn server(self, text: &str) -> Town {
        self.with("server.toml", text)
    }

    /// Whether those who play this town are free of limits: unless it is about them.
    pub(crate) fn has_no_limits(&self) -> bool {
        let server = self.files.get("server.toml");
        !server.is_some_and(|text| text.contains("[limits]"))
    }

    /// Whether it says itself how wishes are served.
    pub(crate) fn has_wishes(&self) -> bool {
        let server = self.files.get("server.toml");
        server.is_some_and(|text| text.contains("[agent]"))
    }

    /// As the program reads it.
    pub(crate) fn catalogue(&self) -> Catalogue {
        load(&self.files).expect("the town is one")
    }

    pub(crate) fn write(&self, dir: &Path) {
        for (name, text) in &self.files {
            let path = dir.join(name);
            std::fs::create_dir_all(path.parent().expect("it lies in the folder")).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }

    /// `HH:MM` so many hours from now.
    pub(crate) fn hours_from_now(&self, hours: i64) -> String {
        let then = clock::now().to_jiff() + jiff::SignedDuration::from_hours(hours);
        then.to_zoned(zone()).strftime("%H:%M").to_string()
    }

    pub(crate) fn day(&self, days_ahead: i32) -> Date {
        day_after(self.today, days_ahead)
    }

    /// A start as the API writes it: so many days from today, at `HH:MM`.
    pub(crate) fn at(&self, days_ahead: i32, time: &str) -> String {
        let time: Time = time.parse().unwrap();
        let zoned = self.day(days_ahead).to_datetime(time).to_zoned(zone());
        let zoned = zoned.expect("the time exists on every day");
        zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }
}

fn day_after(today: Date, days: i32) -> Date {
    today
        .checked_add(jiff::Span::new().days(i64::from(days)))
        .unwrap()
}

pub(crate) fn zone() -> TimeZone {
    TimeZone::get("Europe/Berlin").expect("the zones are part of the program")
}
