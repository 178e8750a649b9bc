//! Times and ids as the API writes them.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use morgenruh_engine::rules::time::UnixMillis;

/// RFC 3339 with the zone's offset at that instant, to the second.
pub(crate) fn time(zone: &TimeZone, instant: UnixMillis) -> String {
    let zoned = instant.to_jiff().to_zoned(zone.clone());
    zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
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
