//! The same figures of both ways of giving out what becomes free.

use std::collections::HashSet;

use serde::Serialize;

use super::course::{Booked, Course, How, OfferEnd, Offered};
use super::time::{DAY, HOUR, Second};
use super::town::UNIT;

/// A seat that starts within this is near, as the service's own answer windows have it.
const NEAR: Second = 48 * HOUR;

/// What some weeks came to. Shares are between 0 and 1; `None`: of nothing.
#[derive(Clone, Debug, Serialize)]
pub struct Measures {
    /// Bookings of seats that people found free.
    pub found: u64,
    pub wishes: u64,
    /// Wishes that became a booking.
    pub wishes_met: u64,
    /// Of wishes that became a booking, from laid to booked.
    pub wish_wait_hours: Option<Spread>,
    pub wishes_waiting: u64,
    /// Of them, those that sleep because nobody has answered.
    pub wishes_asleep: u64,

    /// Seats that were cancelled before the end of the run and start before it.
    pub freed: u64,
    /// Of them, those of which somebody else booked any part.
    pub freed_reached: u64,
    pub freed_reached_share: Option<f64>,
    /// From cancelled to booked, of those that reached somebody.
    pub freed_to_taken_hours: Option<Spread>,
    pub freed_minutes: u64,
    /// Of these minutes, those that nobody had in the end.
    pub idle_share: Option<f64>,

    /// Offers that waited for an answer and have ended.
    pub offers: Offers,
    pub offers_same_day: Offers,
    pub offers_near: Offers,
    pub offers_far: Offers,
    /// Seats that were booked for wishes without asking.
    pub unasked: u64,
    /// Of them, those that were cancelled again.
    pub unasked_cancelled: u64,
    /// Offers that were lost, of everything that was given to wishes, with and without asking.
    pub lost_share: Option<f64>,
    /// The same, where what was booked without asking is lost as well if it did not suit or nobody
    /// heard of it.
    pub in_vain_share: Option<f64>,

    pub no_shows: u64,
    /// Time of seats to which nobody came.
    pub no_show_minutes: u64,
}

/// Median and nine tenths.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub p50: f64,
    pub p90: f64,
}

/// How offers ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Offers {
    pub accepted: u64,
    pub declined: u64,
    /// Whoever got it meant to answer, and was too late.
    pub late: u64,
    /// Nobody ever looked at it.
    pub unseen: u64,
}

impl Offers {
    pub fn lost(self) -> u64 {
        self.declined + self.late + self.unseen
    }

    pub fn ended(self) -> u64 {
        self.accepted + self.lost()
    }

    /// Of those that have ended.
    pub fn lost_share(self) -> Option<f64> {
        share(self.lost(), self.ended())
    }

    fn of<'o>(offers: impl Iterator<Item = &'o Offered>) -> Self {
        let mut counted = Self::default();
        for offer in offers {
            match offer.end {
                OfferEnd::Open => {}
                OfferEnd::Accepted => counted.accepted += 1,
                OfferEnd::Declined => counted.declined += 1,
                OfferEnd::Late => counted.late += 1,
                OfferEnd::Unseen => counted.unseen += 1,
            }
        }
        counted
    }
}

impl Measures {
    /// Of a course up to this instant.
    pub(super) fn of(course: &Course, until: Second) -> Self {
        let bookings = &course.bookings;
        let freed = |it: &&Booked| it.seat.start <= until && it.cancelled.is_some();
        let freed: Vec<&Booked> = bookings.iter().filter(freed).collect();
        let taken: Vec<Second> = freed.iter().filter_map(|it| taken(it, bookings)).collect();

        let live = bookings.iter().filter(|it| it.cancelled.is_none());
        let in_use: HashSet<_> = live.flat_map(|it| it.seat.cells()).collect();
        let cells: HashSet<_> = freed.iter().flat_map(|it| it.seat.cells()).collect();
        let idle = cells.difference(&in_use).count() as u64;

        let how = |how: How| bookings.iter().filter(move |it| it.how == how);
        let unasked = how(How::Unasked).count() as u64;
        let offers = Offers::of(course.offers.iter());
        let days = |it: &Offered| it.start.div_euclid(DAY) - it.made.div_euclid(DAY);
        let is_near = |it: &Offered| it.start - it.made <= NEAR;
        let some = |wanted: &dyn Fn(&Offered) -> bool| {
            Offers::of(course.offers.iter().filter(|offer| wanted(offer)))
        };

        let waits = course.wishes.iter();
        let waits = waits.filter_map(|wish| Some(wish.met? - wish.laid));
        let waits: Vec<Second> = waits.collect();
        let stood_up = |it: &&Booked| it.no_show && it.cancelled.is_none() && it.seat.start < until;
        let stood_up: Vec<&Booked> = bookings.iter().filter(stood_up).collect();
        let waiting = |it: &&super::course::Wished| it.met.is_none() && !it.ended;
        Self {
            found: how(How::Found).count() as u64,
            wishes: course.wishes.len() as u64,
            wishes_met: waits.len() as u64,
            wish_wait_hours: spread(waits),
            wishes_waiting: course.wishes.iter().filter(waiting).count() as u64,
            wishes_asleep: course.wishes.iter().filter(|it| it.asleep).count() as u64,
            freed: freed.len() as u64,
            freed_reached: taken.len() as u64,
            freed_reached_share: share(taken.len() as u64, freed.len() as u64),
            freed_to_taken_hours: spread(taken),
            freed_minutes: cells.len() as u64 * UNIT as u64,
            idle_share: share(idle, cells.len() as u64),
            offers,
            offers_same_day: some(&|it| days(it) == 0),
            offers_near: some(&|it| days(it) > 0 && is_near(it)),
            offers_far: some(&|it| !is_near(it)),
            unasked,
            unasked_cancelled: how(How::Unasked)
                .filter(|it| it.cancelled.is_some())
                .count() as u64,
            lost_share: share(offers.lost(), offers.ended() + unasked),
            in_vain_share: share(
                offers.lost() + how(How::Unasked).filter(|it| it.in_vain).count() as u64,
                offers.ended() + unasked,
            ),
            no_shows: stood_up.len() as u64,
            no_show_minutes: stood_up.iter().map(|it| it.seat.minutes as u64).sum(),
        }
    }

    /// The share of wishes without asking at which less than `aim` would be lost, if everybody else
    /// went on answering as they did; `None` where nothing was asked.
    pub fn unasked_needed(&self, aim: f64) -> Option<f64> {
        let lost = self.offers.lost_share()?;
        Some((1.0 - aim / lost).max(0.0))
    }
}

/// How long it took until somebody had any of a seat that was cancelled.
fn taken(freed: &Booked, bookings: &[Booked]) -> Option<Second> {
    let at = freed.cancelled?;
    let later = bookings
        .iter()
        .filter(|it| it.at >= at && it.seat.overlaps(freed.seat));
    Some(later.map(|it| it.at).min()? - at)
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn spread(mut times: Vec<Second>) -> Option<Spread> {
    times.sort_unstable();
    let at = |tenths: usize| {
        let index = (times.len() * tenths / 10).min(times.len().checked_sub(1)?);
        Some(times[index] as f64 / HOUR as f64)
    };
    Some(Spread {
        p50: at(5)?,
        p90: at(9)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::course::Wished;
    use super::super::time::MINUTE;
    use super::super::town::Seat;
    use super::*;

    fn booked(at: Second, start: Second, minutes: Second) -> Booked {
        Booked {
            seat: Seat {
                office: 0,
                counter: 1,
                start,
                minutes,
            },
            at,
            how: How::Found,
            cancelled: None,
            no_show: false,
            in_vain: false,
        }
    }

    #[test]
    fn a_seat_that_is_freed_twice_counts_twice_and_its_minutes_once() {
        let start = 3 * DAY;
        let cancelled = |at: Second, cancelled: Second, minutes| Booked {
            cancelled: Some(cancelled),
            ..booked(at, start, minutes)
        };
        let course = Course {
            bookings: vec![
                cancelled(0, HOUR, 15),
                cancelled(3 * HOUR, 4 * HOUR, 15),
                // Ten of the fifteen minutes.
                booked(8 * HOUR, start, 10),
                // Beside it.
                booked(5 * HOUR, start + 15 * MINUTE, 10),
            ],
            ..Course::default()
        };
        let measures = Measures::of(&course, 7 * DAY);
        assert_eq!((measures.freed, measures.freed_reached), (2, 2));
        assert_eq!(measures.freed_minutes, 15);
        assert_eq!(measures.idle_share, Some(1.0 / 3.0));
        let times = measures.freed_to_taken_hours.unwrap();
        assert_eq!((times.p50, times.p90), (4.0, 4.0));
        // What starts after the end may still reach somebody.
        assert_eq!(Measures::of(&course, 2 * DAY).freed, 0);
    }

    #[test]
    fn what_is_not_asked_cannot_be_lost() {
        let offer = |start: Second, end| Offered {
            made: 10 * HOUR,
            start,
            end,
        };
        let unasked = Booked {
            how: How::Unasked,
            ..booked(0, DAY, 15)
        };
        let course = Course {
            offers: vec![
                offer(12 * HOUR, OfferEnd::Late),
                offer(2 * DAY, OfferEnd::Accepted),
                offer(9 * DAY, OfferEnd::Declined),
                offer(9 * DAY, OfferEnd::Accepted),
                offer(9 * DAY, OfferEnd::Open),
            ],
            bookings: vec![unasked],
            wishes: vec![Wished {
                laid: 0,
                met: Some(HOUR),
                ended: false,
                asleep: false,
            }],
        };
        let measures = Measures::of(&course, 30 * DAY);
        assert_eq!(measures.offers.lost_share(), Some(0.5));
        assert_eq!(measures.lost_share, Some(0.4));
        assert_eq!(measures.offers_same_day.late, 1);
        assert_eq!(measures.offers_near.accepted, 1);
        assert_eq!(measures.offers_far.lost_share(), Some(0.5));
        assert_eq!(measures.unasked_needed(0.1), Some(0.8));
        assert_eq!(measures.wish_wait_hours.unwrap().p50, 1.0);
    }
}
