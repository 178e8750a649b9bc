//! A small town with two offices, in the words of a configuration and for the procedure by hand.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

use super::time::{DAY, MINUTE, Second};

pub(super) struct Office {
    pub(super) id: &'static str,
    pub(super) counters: u8,
}

pub(super) const OFFICES: [Office; 2] = [
    Office {
        id: "nord",
        counters: 2,
    },
    Office {
        id: "sued",
        counters: 1,
    },
];

pub(super) struct Service {
    pub(super) id: &'static str,
    pub(super) minutes: i64,
    /// Of all visits; with these the mean visit has the 13 minutes of a big city's offices.
    pub(super) share: f64,
}

pub(super) const SERVICES: [Service; 2] = [
    Service {
        id: "ausweis",
        minutes: 15,
        share: 0.6,
    },
    Service {
        id: "meldung",
        minutes: 10,
        share: 0.4,
    },
];

/// Open on working days between these minutes of the day.
pub(super) const OPENS: Second = 9 * 60;
pub(super) const CLOSES: Second = 13 * 60;
/// Length of a unit, in minutes.
pub(super) const UNIT: Second = 5;
/// Earliest start counted from now.
pub(super) const NOTICE: Second = 30 * MINUTE;
/// Last bookable day counted from today.
pub(super) const HORIZON_DAYS: i64 = 14;
/// Long for a hold, because ten thousand times as fast a minute is six milliseconds.
const HOLD_MINUTES: u16 = 60;

/// Visits that fit into a working day.
pub(super) fn visits_a_day() -> f64 {
    let counters: u8 = OFFICES.iter().map(|office| office.counters).sum();
    let mean = SERVICES.iter().map(|it| it.share * it.minutes as f64);
    f64::from(counters) * (CLOSES - OPENS) as f64 / mean.sum::<f64>()
}

/// A seat: some minutes of one counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    /// By position in [`OFFICES`].
    pub(super) office: usize,
    pub(super) counter: u8,
    pub(super) start: Second,
    pub(super) minutes: Second,
}

impl Seat {
    pub(super) fn end(self) -> Second {
        self.start + self.minutes * MINUTE
    }

    pub(super) fn overlaps(self, other: Seat) -> bool {
        (self.office, self.counter) == (other.office, other.counter)
            && self.start < other.end()
            && other.start < self.end()
    }

    /// Its units, each with where it is.
    pub(super) fn cells(self) -> impl Iterator<Item = (usize, u8, Second)> {
        let starts = (self.start..self.end()).step_by((UNIT * MINUTE) as usize);
        starts.map(move |start| (self.office, self.counter, start))
    }
}

/// Hours of the week in which somebody can come.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hours {
    /// As the service names them; none: all.
    pub(super) weekdays: &'static [&'static str],
    /// Hours of the day.
    pub(super) from: Second,
    pub(super) to: Second,
}

const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Hours {
    /// Whether a visit lies in them; the weekday is 0 on Monday.
    pub(super) fn contain(&self, weekday: i64, start: Second, end: Second) -> bool {
        let name = WEEKDAYS[weekday.rem_euclid(7) as usize];
        let on_day = self.weekdays.is_empty() || self.weekdays.contains(&name);
        let (start, end) = (start.rem_euclid(DAY), end.rem_euclid(DAY));
        on_day && start >= self.from * 60 * MINUTE && end <= self.to * 60 * MINUTE
    }
}

/// Writes the town's configuration.
pub(super) fn write(folder: &Path) -> io::Result<()> {
    let offices = folder.join("buergeramt");
    fs::create_dir_all(&offices)?;
    let city = "id = \"probe\"\nname = { de = \"Probe\", en = \"Rehearsal\" }\nland = \"NW\"\n\
                time_zone = \"Etc/UTC\"\n";
    fs::write(folder.join("city.toml"), city)?;
    let mut department = format!(
        "[department]\nname = {{ de = \"Bürgeramt\", en = \"Citizens' Department\" }}\n\n\
         [office]\nunit_minutes = {UNIT}\nhold_minutes = {HOLD_MINUTES}\n\
         notice_minutes = {}\nhorizon_days = {HORIZON_DAYS}\n",
        NOTICE / MINUTE
    );
    for (number, service) in (1..).zip(&SERVICES) {
        let (id, minutes) = (service.id, service.minutes);
        let _ = write!(
            department,
            "\n[[service]]\nid = \"{id}\"\nnumber = {number}\n\
             name = {{ de = \"{id}\", en = \"{id}\" }}\nminutes = {minutes}\n\
             quantity_max = 1\n"
        );
    }
    let _ = write!(
        department,
        "\n[[opening]]\nweekdays = \"mon-fri\"\nhours = [\"{:02}:00-{:02}:00\"]\n\
         on_holidays = true\n",
        OPENS / 60,
        CLOSES / 60
    );
    fs::write(folder.join("buergeramt.toml"), department)?;
    for (number, office) in (1..).zip(&OFFICES) {
        let (id, counters) = (office.id, office.counters);
        let text = format!(
            "number = {number}\nname = {{ de = \"{id}\", en = \"{id}\" }}\naddress = \"Markt {number}\"\n\
             \n[[counter]]\nnumbers = \"1-{counters}\"\nskills = [\"*\"]\n"
        );
        fs::write(offices.join(format!("{id}.toml")), text)?;
    }
    Ok(())
}
