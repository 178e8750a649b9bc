//! Times and ids as the API writes them.

use jiff::civil::Date;
use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::TimeZone;
use morgenruh_engine::rules::time::UnixMillis;

/// RFC 3339, to the second.
const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(0));

/// RFC 3339 with the zone's offset at that instant, to the second.
pub(crate) fn time(zone: &TimeZone, instant: UnixMillis) -> String {
    let instant = instant.to_jiff();
    PRINTER.timestamp_with_offset_to_string(&instant, zone.to_offset(instant))
}

/// Reads RFC 3339 with any offset; None for anything else, also for times without an offset.
pub(crate) fn parse_time(text: &str) -> Option<UnixMillis> {
    // The longest that RFC 3339 with nanoseconds needs.
    if text.len() > 40 {
        return None;
    }
    text.parse::<jiff::Timestamp>().ok().map(UnixMillis::from)
}

/// `YYYY-MM-DD`.
pub(crate) fn parse_date(text: &str) -> Option<Date> {
    if text.len() != 10 {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_the_offset_of_its_day_and_no_fraction() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        for (millis, text) in [
            (1_796_109_300_999, "2026-12-01T08:15:00+01:00"),
            (1_780_380_900_000, "2026-06-02T08:15:00+02:00"),
            (-1, "1970-01-01T00:59:59+01:00"),
        ] {
            assert_eq!(time(&zone, UnixMillis(millis)), text);
        }
        let noon = UnixMillis(1_796_126_400_500);
        assert_eq!(time(&TimeZone::UTC, noon), "2026-12-01T12:00:00+00:00");
        assert_eq!(
            parse_time(&time(&zone, noon)),
            Some(UnixMillis(1_796_126_400_000))
        );
    }
}
