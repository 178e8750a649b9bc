//! How long somebody has to answer an offer.
//!
//! A seat in three weeks can wait a day for an answer, a seat this afternoon some minutes. Nobody
//! has to answer at night: its hours do not count, and a day that would end in one ends in the
//! morning.

use jiff::tz::TimeZone;

use crate::rules::time::{Millis, UnixMillis};

/// The terms of offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerTerms {
    /// For a seat that is at least [`AnswerTerms::distant_from`] away: waiting for an answer costs
    /// nobody anything yet.
    pub distant: Millis,
    pub distant_from: Millis,
    /// For a seat that is far away.
    pub far: Millis,
    /// For a seat that is less than [`AnswerTerms::near_within`] away.
    pub near: Millis,
    pub near_within: Millis,
    /// For a seat of the same day.
    pub same_day: Millis,
    /// Hours on the clock from which on, and until when, nobody is asked to answer. Equal: never.
    pub night_from: u8,
    pub night_until: u8,
    /// An answer that has less time than this is not asked for.
    pub shortest: Millis,
    /// Offers of one wish that may be declined or lapse; with the last one the wish is over.
    pub offers_max: u8,
    /// How long an offer waits longer, at most, because nobody could be told.
    pub stretch_max: Millis,
}

impl Default for AnswerTerms {
    fn default() -> AnswerTerms {
        AnswerTerms {
            distant: Millis::from_minutes(24 * 60),
            distant_from: Millis::from_minutes(7 * 24 * 60),
            far: Millis::from_minutes(24 * 60),
            near: Millis::from_minutes(2 * 60),
            near_within: Millis::from_minutes(48 * 60),
            same_day: Millis::from_minutes(30),
            night_from: 21,
            night_until: 7,
            shortest: Millis::from_minutes(15),
            offers_max: 3,
            stretch_max: Millis::from_minutes(4 * 60),
        }
    }
}

/// Offers that wait less are told once only.
const REMINDED_FROM: Millis = Millis::from_minutes(6 * 60);
const A_DAY: Millis = Millis::from_minutes(24 * 60);
/// Less than a day of waking, however short its days are: what is left after so many nights is not
/// put off any further.
const NIGHTS_MAX: usize = 25;

impl AnswerTerms {
    /// Until when an offer made now waits for its answer, if there is time to ask at all. `last` is
    /// when the seat can no longer be taken: its start less the office's notice.
    pub fn deadline(
        &self,
        zone: &TimeZone,
        now: UnixMillis,
        start: UnixMillis,
        last: UnixMillis,
    ) -> Option<UnixMillis> {
        let local = |at: UnixMillis| zone.to_datetime(at.to_jiff());
        let window = if local(now).date() == local(start).date() {
            self.same_day
        } else if start - now <= self.near_within {
            self.near
        } else if start - now < self.distant_from {
            self.far
        } else {
            self.distant
        };
        let deadline = self.after_waking(zone, now, window).min(last);
        // What is left of it after a cut must still be enough, and not at night.
        let enough = self.after_waking(zone, now, self.shortest.min(window));
        (enough <= deadline).then_some(deadline)
    }

    /// When somebody who has not answered an offer is told of it once more: after a third of the
    /// time, and not at night. None for an offer that does not wait long enough.
    pub fn reminder(
        &self,
        zone: &TimeZone,
        made: UnixMillis,
        deadline: UnixMillis,
    ) -> Option<UnixMillis> {
        let window = deadline - made;
        if window < REMINDED_FROM {
            return None;
        }
        let at = made + Millis(window.0 / 3);
        let at = self.morning(zone, at).unwrap_or(at);
        (at < deadline).then_some(at)
    }

    /// The instant at which so much time outside of the nights is over; of a day or more, at which
    /// it is over and nobody sleeps.
    fn after_waking(&self, zone: &TimeZone, from: UnixMillis, mut time: Millis) -> UnixMillis {
        if time >= A_DAY {
            let over = from + time;
            return self.morning(zone, over).unwrap_or(over);
        }
        let mut at = from;
        for _ in 0..NIGHTS_MAX {
            if let Some(morning) = self.morning(zone, at) {
                at = morning;
            }
            let evening = self.evening(zone, at);
            let until_evening = evening - at;
            if time <= until_evening {
                return at + time;
            }
            time = Millis(time.0 - until_evening.0);
            at = evening;
        }
        at + time
    }

    /// When the night ends that this instant lies in, if it lies in one.
    fn morning(&self, zone: &TimeZone, at: UnixMillis) -> Option<UnixMillis> {
        let local = zone.to_datetime(at.to_jiff());
        let hour = local.hour().unsigned_abs();
        let (from, until) = (self.night_from, self.night_until);
        let at_night = if from <= until {
            (from..until).contains(&hour)
        } else {
            hour >= from || hour < until
        };
        let date = if hour < until {
            local.date()
        } else {
            local.date().tomorrow().ok()?
        };
        at_night.then(|| instant(zone, date, until))
    }

    /// When the next night begins; the end of time if there are none.
    fn evening(&self, zone: &TimeZone, at: UnixMillis) -> UnixMillis {
        if self.night_from == self.night_until {
            return UnixMillis(i64::MAX);
        }
        let local = zone.to_datetime(at.to_jiff());
        let date = local.date();
        let today = instant(zone, date, self.night_from);
        if at < today {
            return today;
        }
        let tomorrow = date.tomorrow().unwrap_or(date);
        instant(zone, tomorrow, self.night_from)
    }
}

fn instant(zone: &TimeZone, date: jiff::civil::Date, hour: u8) -> UnixMillis {
    crate::rules::calendar::instant_of(zone, date, u16::from(hour) * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    fn at(text: &str) -> UnixMillis {
        let civil: jiff::civil::DateTime = text.parse().unwrap();
        let zoned = civil.to_zoned(berlin()).unwrap();
        UnixMillis::from(zoned.timestamp())
    }

    #[track_caller]
    fn asked(now: &str, start: &str, deadline: Option<&str>) {
        let start = at(start);
        let found = AnswerTerms::default().deadline(&berlin(), at(now), start, start);
        assert_eq!(found, deadline.map(at));
    }

    #[test]
    fn there_is_more_time_for_what_is_further_away() {
        asked(
            "2026-12-01T10:00",
            "2026-12-20T09:00",
            Some("2026-12-02T10:00"),
        );
        asked(
            "2026-12-01T23:00",
            "2026-12-08T09:00",
            Some("2026-12-03T07:00"),
        );
        asked(
            "2026-12-01T10:00",
            "2026-12-03T09:00",
            Some("2026-12-01T12:00"),
        );
        asked(
            "2026-12-01T10:00",
            "2026-12-01T15:00",
            Some("2026-12-01T10:30"),
        );
    }

    #[test]
    fn what_is_distant_can_wait_longer() {
        let terms = AnswerTerms {
            distant: Millis::from_minutes(2 * 24 * 60),
            ..AnswerTerms::default()
        };
        let now = "2026-12-01T10:00";
        for (start, deadline) in [
            ("2026-12-08T10:00", "2026-12-03T10:00"),
            ("2026-12-08T09:59", "2026-12-02T10:00"),
        ] {
            let found = terms.deadline(&berlin(), at(now), at(start), at(start));
            assert_eq!(found, Some(at(deadline)));
        }
    }

    #[test]
    fn nobody_has_to_answer_at_night() {
        asked(
            "2026-12-01T23:00",
            "2026-12-03T09:00",
            Some("2026-12-02T09:00"),
        );
        asked(
            "2026-12-01T20:00",
            "2026-12-03T09:00",
            Some("2026-12-02T08:00"),
        );
        asked(
            "2026-12-02T05:00",
            "2026-12-02T15:00",
            Some("2026-12-02T07:30"),
        );
        // The seat would be over before anybody is awake.
        asked("2026-12-02T05:00", "2026-12-02T07:00", None);
        // The clocks go back in the night of October 25.
        asked(
            "2026-10-24T23:00",
            "2026-10-26T09:00",
            Some("2026-10-25T09:00"),
        );
    }

    #[test]
    fn who_has_not_answered_is_reminded_by_day() {
        let terms = AnswerTerms::default();
        let reminded = |made: &str, deadline: &str, expected: Option<&str>| {
            let found = terms.reminder(&berlin(), at(made), at(deadline));
            assert_eq!(found, expected.map(at), "{made}");
        };
        let noon = "2026-12-02T12:00";
        reminded(
            "2026-12-01T09:00",
            "2026-12-02T09:00",
            Some("2026-12-01T17:00"),
        );
        reminded(
            "2026-12-01T15:00",
            "2026-12-02T15:00",
            Some("2026-12-02T07:00"),
        );
        reminded(noon, "2026-12-02T18:00", Some("2026-12-02T14:00"));
        reminded(noon, "2026-12-02T17:59", None);
        // In the morning it would be too late.
        reminded("2026-12-01T20:00", "2026-12-02T07:00", None);
    }

    #[test]
    fn an_answer_comes_before_the_seat_or_is_not_asked_for() {
        asked(
            "2026-12-01T10:00",
            "2026-12-01T10:20",
            Some("2026-12-01T10:20"),
        );
        asked("2026-12-01T10:00", "2026-12-01T10:10", None);
    }
}
