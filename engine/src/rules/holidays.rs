//! The public holidays of the sixteen Länder.
//!
//! A rule is a day of the year (fixed, counted from Easter, or decided once by a parliament) and
//! the Länder in which the law makes it a holiday *everywhere*. Days that are holidays in some
//! communities only (Mariä Himmelfahrt in most of Bavaria, Fronleichnam in parts of Saxony and
//! Thuringia, the Friedensfest of Augsburg) are not here: an office there writes a closure.
//! The table is the law as it has stood since 2023.

use jiff::ToSpan;
use jiff::civil::{Date, date};
use serde::{Serialize, Serializer};

/// First year of the Gregorian calendar as a whole; the Easter formula holds from here on.
pub const YEAR_MIN: i16 = 1583;
pub const YEAR_MAX: i16 = 9998;

/// One of the sixteen Länder, by its official code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Land {
    Bw,
    By,
    Be,
    Bb,
    Hb,
    Hh,
    He,
    Mv,
    Ni,
    Nw,
    Rp,
    Sl,
    Sn,
    St,
    Sh,
    Th,
}

impl Land {
    pub const ALL: [Land; 16] = [
        Land::Bw,
        Land::By,
        Land::Be,
        Land::Bb,
        Land::Hb,
        Land::Hh,
        Land::He,
        Land::Mv,
        Land::Ni,
        Land::Nw,
        Land::Rp,
        Land::Sl,
        Land::Sn,
        Land::St,
        Land::Sh,
        Land::Th,
    ];

    /// Two capital letters, e.g. `NW`.
    pub const fn code(self) -> &'static str {
        match self {
            Land::Bw => "BW",
            Land::By => "BY",
            Land::Be => "BE",
            Land::Bb => "BB",
            Land::Hb => "HB",
            Land::Hh => "HH",
            Land::He => "HE",
            Land::Mv => "MV",
            Land::Ni => "NI",
            Land::Nw => "NW",
            Land::Rp => "RP",
            Land::Sl => "SL",
            Land::Sn => "SN",
            Land::St => "ST",
            Land::Sh => "SH",
            Land::Th => "TH",
        }
    }

    /// The Land with this code; `None` for anything else, also for small letters.
    pub fn from_code(code: &str) -> Option<Land> {
        Land::ALL.into_iter().find(|land| land.code() == code)
    }
}

impl Serialize for Land {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// When a holiday is.
enum Day {
    Fixed {
        month: i8,
        day: i8,
    },
    FromEaster(i32),
    /// The Wednesday before 23 November.
    Repentance,
    Once {
        year: i16,
        month: i8,
        day: i8,
    },
}

/// Where a holiday is.
enum Where {
    Everywhere,
    In(&'static [Land]),
}

struct Rule {
    name: &'static str,
    day: Day,
    lands: Where,
}

const fn fixed(name: &'static str, month: i8, day: i8, lands: Where) -> Rule {
    Rule {
        name,
        day: Day::Fixed { month, day },
        lands,
    }
}

const fn easter(name: &'static str, days: i32, lands: Where) -> Rule {
    Rule {
        name,
        day: Day::FromEaster(days),
        lands,
    }
}

const fn once(name: &'static str, year: i16, month: i8, day: i8, lands: Where) -> Rule {
    Rule {
        name,
        day: Day::Once { year, month, day },
        lands,
    }
}

use Land::*;
use Where::*;

const REFORMATION: &[Land] = &[Bb, Hb, Hh, Mv, Ni, Sn, St, Sh, Th];

const RULES: [Rule; 21] = [
    fixed("Neujahr", 1, 1, Everywhere),
    fixed("Heilige Drei Könige", 1, 6, In(&[Bw, By, St])),
    fixed("Internationaler Frauentag", 3, 8, In(&[Be, Mv])),
    easter("Karfreitag", -2, Everywhere),
    easter("Ostersonntag", 0, In(&[Bb])),
    easter("Ostermontag", 1, Everywhere),
    fixed("Tag der Arbeit", 5, 1, Everywhere),
    once("80. Jahrestag der Befreiung", 2025, 5, 8, In(&[Be])),
    easter("Christi Himmelfahrt", 39, Everywhere),
    easter("Pfingstsonntag", 49, In(&[Bb])),
    easter("Pfingstmontag", 50, Everywhere),
    easter("Fronleichnam", 60, In(&[Bw, By, He, Nw, Rp, Sl])),
    once("75. Jahrestag des Volksaufstands", 2028, 6, 17, In(&[Be])),
    fixed("Mariä Himmelfahrt", 8, 15, In(&[Sl])),
    fixed("Weltkindertag", 9, 20, In(&[Th])),
    fixed("Tag der Deutschen Einheit", 10, 3, Everywhere),
    fixed("Reformationstag", 10, 31, In(REFORMATION)),
    fixed("Allerheiligen", 11, 1, In(&[Bw, By, Nw, Rp, Sl])),
    Rule {
        name: "Buß- und Bettag",
        day: Day::Repentance,
        lands: In(&[Sn]),
    },
    fixed("1. Weihnachtstag", 12, 25, Everywhere),
    fixed("2. Weihnachtstag", 12, 26, Everywhere),
];

/// The holidays of a year in a Land, by date. Empty outside [`YEAR_MIN`] to [`YEAR_MAX`].
///
/// Two holidays can fall on one day (1 May 2008 was Ascension Day as well); both are listed.
pub fn holidays(land: Land, year: i16) -> Vec<(Date, &'static str)> {
    if !(YEAR_MIN..=YEAR_MAX).contains(&year) {
        return Vec::new();
    }
    let mut days: Vec<_> = RULES
        .iter()
        .filter(|rule| rule.holds_in(land))
        .filter_map(|rule| Some((rule.day.of(year)?, rule.name)))
        .collect();
    days.sort();
    days
}

/// Whether a day is a public holiday in the whole Land.
pub fn is_holiday(land: Land, day: Date) -> bool {
    (YEAR_MIN..=YEAR_MAX).contains(&day.year())
        && RULES
            .iter()
            .any(|rule| rule.holds_in(land) && rule.day.of(day.year()) == Some(day))
}

impl Rule {
    fn holds_in(&self, land: Land) -> bool {
        match self.lands {
            Everywhere => true,
            In(lands) => lands.contains(&land),
        }
    }
}

impl Day {
    fn of(&self, year: i16) -> Option<Date> {
        match *self {
            Day::Fixed { month, day } => Some(date(year, month, day)),
            Day::FromEaster(days) => Some(easter_sunday(year).saturating_add(days.days())),
            Day::Repentance => {
                let last = date(year, 11, 22);
                let back = (last.weekday().to_monday_zero_offset() + 5) % 7;
                Some(last.saturating_sub(back.days()))
            }
            Day::Once {
                year: decided,
                month,
                day,
            } => (decided == year).then(|| date(year, month, day)),
        }
    }
}

/// Easter Sunday by the anonymous Gregorian algorithm (Meeus, Jones, Butcher).
fn easter_sunday(year: i16) -> Date {
    let year_number = i32::from(year);
    let moon = year_number % 19;
    let (century, rest) = (year_number / 100, year_number % 100);
    let correction = (century - (century + 8) / 25 + 1) / 3;
    let epact = (19 * moon + century - century / 4 - correction + 15) % 30;
    let weekday = (32 + 2 * (century % 4) + 2 * (rest / 4) - epact - rest % 4) % 7;
    let late = (moon + 11 * epact + 22 * weekday) / 451;
    let days = epact + weekday - 7 * late + 114;
    date(year, (days / 31) as i8, (days % 31 + 1) as i8)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every Land and year of the fixture, a list that another implementation computed. Where it
    /// lists a day that is a holiday in some communities only, the law as written above decides;
    /// for these years there was no such difference.
    #[test]
    fn agrees_with_an_independent_list() {
        let fixture = include_str!("../../tests/fixtures/holidays.txt");
        let mut lines = 0;
        for line in fixture.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split_whitespace();
            let year: i16 = words.next().unwrap().parse().unwrap();
            let land = Land::from_code(words.next().unwrap()).unwrap();
            let expected: BTreeSet<String> = words.map(|day| format!("{year}-{day}")).collect();
            let ours: BTreeSet<String> = holidays(land, year)
                .iter()
                .map(|(day, _)| day.to_string())
                .collect();
            assert_eq!(ours, expected, "{} {year}", land.code());
            lines += 1;
        }
        assert_eq!(lines, 16 * 6);
    }

    #[test]
    fn easter_is_right_at_its_extremes() {
        for (year, month, day) in [
            (1818, 3, 22),
            (1943, 4, 25),
            (1961, 4, 2),
            (2000, 4, 23),
            (2026, 4, 5),
            (2038, 4, 25),
        ] {
            assert_eq!(easter_sunday(year), date(year, month, day));
        }
    }

    #[test]
    fn one_day_and_the_list_of_the_year_agree() {
        for land in Land::ALL {
            for year in [1583, 2024, 2025, 2026, 2028, 9998] {
                let listed: BTreeSet<Date> = holidays(land, year)
                    .into_iter()
                    .map(|(day, _)| day)
                    .collect();
                let mut day = date(year, 1, 1);
                while day.year() == year {
                    assert_eq!(
                        is_holiday(land, day),
                        listed.contains(&day),
                        "{land:?} {day}"
                    );
                    day = day.tomorrow().unwrap();
                }
            }
        }
    }

    #[test]
    fn regional_days_are_not_holidays_of_the_land() {
        assert!(!is_holiday(By, date(2026, 8, 15)));
        assert!(is_holiday(Sl, date(2026, 8, 15)));
        assert!(!is_holiday(Sn, date(2026, 6, 4)));
        assert!(!is_holiday(Th, date(2026, 6, 4)));
    }

    #[test]
    fn codes_come_back() {
        for land in Land::ALL {
            assert_eq!(Land::from_code(land.code()), Some(land));
        }
        assert_eq!(Land::from_code("nw"), None);
    }
}
