//! The languages of the pages, and how dates, times and numbers look in them.

use jiff::tz::TimeZone;
use morgenruh_engine::rules::time::UnixMillis;

const MONTHS: [&str; 12] = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
];

/// Monday first.
const WEEKDAYS: [&str; 7] = [
    "Montag",
    "Dienstag",
    "Mittwoch",
    "Donnerstag",
    "Freitag",
    "Samstag",
    "Sonntag",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    De,
    DeLeicht,
    En,
}

impl Language {
    /// From `?lang=`; German where that says nothing we know.
    pub(crate) fn of(query: &str) -> Language {
        match parameter(query, "lang").as_deref() {
            Some("en") => Language::En,
            Some("de-leicht") => Language::DeLeicht,
            _ => Language::De,
        }
    }

    /// The one that addresses name so.
    pub(crate) fn named(code: &str) -> Option<Language> {
        let all = [Language::De, Language::DeLeicht, Language::En];
        all.into_iter().find(|language| language.code() == code)
    }

    /// As addresses name it.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Language::De => "de",
            Language::DeLeicht => "de-leicht",
            Language::En => "en",
        }
    }

    /// The one of two texts that is in this language, or nearest to it.
    pub(crate) fn choose<'t>(self, de: &'t str, en: &'t str) -> &'t str {
        match self {
            Language::De | Language::DeLeicht => de,
            Language::En => en,
        }
    }

    /// The one of three texts that is in this language.
    pub(crate) fn say<'t>(self, de: &'t str, leicht: &'t str, en: &'t str) -> &'t str {
        match self {
            Language::De => de,
            Language::DeLeicht => leicht,
            Language::En => en,
        }
    }

    /// In words for people.
    pub(crate) fn date(self, zone: &TimeZone, at: UnixMillis) -> String {
        let date = at.to_jiff().to_zoned(zone.clone()).date();
        match self {
            Language::En => date.strftime("%-d %B %Y").to_string(),
            Language::De | Language::DeLeicht => {
                let month = usize::try_from(date.month())
                    .ok()
                    .and_then(|it| MONTHS.get(it - 1));
                let month = month.copied().unwrap_or_default();
                format!("{}. {month} {}", date.day(), date.year())
            }
        }
    }

    /// In words for people; seconds only where there are some (a demo).
    pub(crate) fn time(self, zone: &TimeZone, at: UnixMillis) -> String {
        let zoned = at.to_jiff().to_zoned(zone.clone());
        let format = match (self, zoned.second() != 0) {
            (Language::En, true) => "%H:%M:%S",
            (Language::En, false) => "%H:%M",
            (_, true) => "%-H:%M:%S Uhr",
            (_, false) => "%-H:%M Uhr",
        };
        zoned.strftime(format).to_string()
    }

    /// Weekday, date and time in words for people.
    pub(crate) fn moment(self, zone: &TimeZone, at: UnixMillis) -> String {
        let weekday = at.to_jiff().to_zoned(zone.clone()).weekday();
        let (date, time) = (self.date(zone, at), self.time(zone, at));
        match self {
            Language::En => format!("{weekday:?}, {date}, {time}"),
            Language::De | Language::DeLeicht => {
                let place = usize::try_from(weekday.to_monday_zero_offset()).ok();
                let weekday = place.and_then(|it| WEEKDAYS.get(it)).copied();
                format!("{}, {date}, {time}", weekday.unwrap_or_default())
            }
        }
    }

    /// A length of time in its largest unit that is whole, like "2 Stunden", in one line.
    pub(crate) fn span(self, minutes: u32) -> String {
        let (count, names) = match minutes {
            _ if minutes > 0 && minutes.is_multiple_of(24 * 60) => {
                (minutes / (24 * 60), [["Tag", "Tage"], ["day", "days"]])
            }
            _ if minutes > 0 && minutes.is_multiple_of(60) => {
                (minutes / 60, [["Stunde", "Stunden"], ["hour", "hours"]])
            }
            _ => (minutes, [["Minute", "Minuten"], ["minute", "minutes"]]),
        };
        let [de, en] = names.map(|[one, more]| if count == 1 { one } else { more });
        format!("{}\u{a0}{}", self.number(count), self.choose(de, en))
    }

    /// With a mark between the thousands.
    pub(crate) fn number(self, number: u32) -> String {
        let mark = self.choose(".", ",");
        let digits = number.to_string();
        let mut text = String::new();
        for (position, digit) in digits.chars().enumerate() {
            if position > 0 && (digits.len() - position).is_multiple_of(3) {
                text.push_str(mark);
            }
            text.push(digit);
        }
        text
    }
}

/// The first value of a parameter in a query string.
pub(crate) fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let (_, value) = pairs.find(|(key, _)| key == name)?;
    Some(value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers_in_words() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        // 2026-12-24 at 6:30.
        let at = UnixMillis(1_798_090_200_000);
        let words = |language: Language| {
            let number = language.number(1_234_567);
            (language.date(&zone, at), language.time(&zone, at), number)
        };
        let text = |text: &str| text.to_owned();
        let de = (
            text("24. Dezember 2026"),
            text("6:30 Uhr"),
            text("1.234.567"),
        );
        assert_eq!(words(Language::De), de);
        assert_eq!(words(Language::DeLeicht), de);
        let en = (text("24 December 2026"), text("06:30"), text("1,234,567"));
        assert_eq!(words(Language::En), en);
        let moment = "Donnerstag, 24. Dezember 2026, 6:30 Uhr";
        assert_eq!(Language::De.moment(&zone, at), moment);
        let moment = "Thursday, 24 December 2026, 06:30";
        assert_eq!(Language::En.moment(&zone, at), moment);
        let second = UnixMillis(at.0 + 1_000);
        assert_eq!(Language::De.time(&zone, second), "6:30:01 Uhr");
        assert_eq!(Language::En.number(999), "999");
        assert_eq!(Language::En.number(1_000), "1,000");
    }

    #[test]
    fn spans_in_words() {
        for (minutes, de, en) in [
            (1, "1 Minute", "1 minute"),
            (30, "30 Minuten", "30 minutes"),
            (60, "1 Stunde", "1 hour"),
            (90, "90 Minuten", "90 minutes"),
            (120, "2 Stunden", "2 hours"),
            (1_440, "1 Tag", "1 day"),
            (2_880, "2 Tage", "2 days"),
        ] {
            let span = |language: Language| language.span(minutes).replace('\u{a0}', " ");
            assert_eq!(span(Language::De), de);
            assert_eq!(span(Language::DeLeicht), de);
            assert_eq!(span(Language::En), en);
        }
    }

    #[test]
    fn an_unknown_language_is_german() {
        for (query, language) in [
            ("", Language::De),
            ("lang=en", Language::En),
            ("a=b&lang=de-leicht", Language::DeLeicht),
            ("lang=tlh", Language::De),
            ("lang", Language::De),
        ] {
            assert_eq!(Language::of(query), language, "{query}");
        }
    }
}
