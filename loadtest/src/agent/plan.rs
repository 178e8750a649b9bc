//! Who wants what, when, and what they will do about it: all drawn before the run begins.
//!
//! Each person has a stream of chance of their own, so the same person answers alike in the service
//! and in the procedure by hand.

use super::habits::Habits;
use super::time::{DAY, HOUR, MINUTE, Second, Weeks, after_waking, awake};
use super::town::{HORIZON_DAYS, Hours, OFFICES, SERVICES, visits_a_day};
use crate::dice::Dice;

/// Weight of a day of the week-end, where a working day has 1: people want something then as well.
const WEEKEND: f64 = 0.4;

/// Whoever cancels later than this before the start does not.
const TOO_LATE: Second = 10 * MINUTE;

/// Streams of chance of a person: from 1 on for answers, from these on for what else they do.
const REMINDERS: u64 = 1 << 32;
const LAPSES: u64 = 1 << 33;

/// Where people can go, with weights.
const WHERE: [(&[usize], f64); 3] = [(&[0, 1], 0.6), (&[0], 0.25), (&[1], 0.15)];

/// When people can come, with weights. Few kinds, so that many want the same.
const WHEN: [(Hours, f64); 5] = [
    (hours(&[], 0, 24), 0.5),
    (hours(&[], 9, 11), 0.15),
    (hours(&[], 11, 13), 0.15),
    (hours(&["mon", "wed", "fri"], 0, 24), 0.1),
    (hours(&["tue", "thu"], 0, 24), 0.1),
];

const fn hours(weekdays: &'static [&'static str], from: Second, to: Second) -> Hours {
    Hours { weekdays, from, to }
}

/// Somebody who wants an appointment.
#[derive(Clone, Debug)]
pub(super) struct Citizen {
    pub(super) number: u32,
    /// When they look for the first time.
    pub(super) at: Second,
    /// By position in `SERVICES`.
    pub(super) service: usize,
    /// By position in `OFFICES`.
    pub(super) offices: &'static [usize],
    pub(super) hours: &'static Hours,
    /// First and last day on which it suits.
    pub(super) days: (i64, i64),
    /// How long before its start they must know.
    pub(super) notice: Second,
    pub(super) auto_accept: bool,
    /// Wants to be asked about near seats too.
    pub(super) asked_near: bool,
    pub(super) no_show: bool,
    cancels: Option<Cancels>,
    seed: u64,
}

#[derive(Clone, Copy, Debug)]
struct Cancels {
    late: bool,
    /// Where in that time, between 0 and 1.
    when: f64,
}

/// What somebody does about an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// From the offer on, in time of being awake; `None`: nobody ever looks.
    pub(super) after: Option<Second>,
    pub(super) accepts: bool,
    /// With a refusal: the wish is given up as well.
    pub(super) gives_up: bool,
    pub(super) confused: bool,
}

impl Answer {
    /// When it is answered; `None`: never.
    pub(super) fn at(self, offered: Second) -> Option<Second> {
        Some(after_waking(offered, self.after?))
    }
}

impl Citizen {
    pub(super) fn minutes(&self) -> Second {
        SERVICES[self.service].minutes
    }

    /// Whether a visit that starts then suits.
    pub(super) fn likes(&self, weeks: Weeks, now: Second, start: Second) -> bool {
        let day = start.div_euclid(DAY);
        let end = start + self.minutes() * MINUTE;
        (self.days.0..=self.days.1).contains(&day)
            && start - now >= self.notice
            && self.hours.contain(weeks.weekday(day), start, end)
    }

    /// When they answer the `nth` offer because they were told of it once more, after that, in time
    /// of being awake; `None`: that did not help.
    pub(super) fn reminded(&self, habits: &Habits, nth: u32) -> Option<Second> {
        let mut dice = Dice::of(self.seed, u64::from(nth) + REMINDERS);
        dice.chance(habits.reminded)
            .then(|| delay(habits, &mut dice))
    }

    /// When they say that they still wish after the `nth` offer was lost, from when they are told;
    /// `None`: they do not look at that either.
    pub(super) fn wakes(&self, habits: &Habits, nth: u32) -> Option<Second> {
        let mut dice = Dice::of(self.seed, u64::from(nth) + LAPSES);
        let looks = !dice.chance(habits.never_look);
        looks.then(|| delay(habits, &mut dice))
    }

    /// What they do about the `nth` offer, counted from 0.
    pub(super) fn answer(&self, habits: &Habits, nth: u32) -> Answer {
        let mut dice = Dice::of(self.seed, u64::from(nth) + 1);
        let looks = !dice.chance(habits.never_look);
        let accepts = !dice.chance(habits.declined);
        let gives_up = dice.chance(habits.gives_up);
        let confused = dice.chance(habits.confused);
        let after = delay(habits, &mut dice);
        Answer {
            after: looks.then_some(after),
            accepts,
            gives_up,
            confused,
        }
    }

    /// When a booking that was made at `booked` is cancelled, if it is.
    pub(super) fn cancels_at(&self, booked: Second, start: Second) -> Option<Second> {
        let cancels = self.cancels?;
        let from = if cancels.late {
            booked.max(start - 2 * DAY)
        } else {
            booked
        };
        let at = awake(from + ((start - from) as f64 * cancels.when) as Second);
        (at < start - TOO_LATE).then_some(at)
    }
}

/// How long somebody takes who does something about what they are told, in time of being awake.
fn delay(habits: &Habits, dice: &mut Dice) -> Second {
    let minutes = habits.answer_minutes * (habits.answer_spread * normal(dice)).exp();
    (minutes * MINUTE as f64) as Second
}

/// A number of the standard normal distribution (Box and Muller).
fn normal(dice: &mut Dice) -> f64 {
    let radius = (-2.0 * (1.0 - dice.unit()).ln()).sqrt();
    radius * (std::f64::consts::TAU * dice.unit()).cos()
}

/// Draws everybody who comes between two instants, in the order in which they come.
///
/// The calendar is empty at first. So that it is soon as full as a city's, the people of a whole
/// horizon come within the first day.
pub(super) fn citizens(
    habits: &Habits,
    seed: u64,
    weeks: Weeks,
    (from, until): (Second, Second),
) -> Vec<Citizen> {
    let mut arrivals = Vec::new();
    let mut dice = Dice::of(seed, 0);
    let crowd = visits_a_day() * (HORIZON_DAYS * 5 / 7) as f64;
    let first_day = (until - from).min(DAY) as f64;
    for _ in 0..crowd as u32 {
        arrivals.push(from + (dice.unit() * first_day) as Second);
    }
    let a_week = habits.demand * 5.0 * visits_a_day();
    let weights = 5.0 + 2.0 * WEEKEND;
    for day in from.div_euclid(DAY)..=until.div_euclid(DAY) {
        let weight = if weeks.is_working(day) { 1.0 } else { WEEKEND };
        let people = (a_week * weight / weights).round() as u32;
        for _ in 0..people {
            let hour = dice.between([7.0, 22.0]);
            let at = day * DAY + (hour * HOUR as f64) as Second;
            if (from..until).contains(&at) {
                arrivals.push(at);
            }
        }
    }
    arrivals.sort_unstable();
    let numbered = (0..).zip(arrivals);
    numbered
        .map(|(number, at)| citizen(habits, seed, number, at))
        .collect()
}

fn citizen(habits: &Habits, seed: u64, number: u32, at: Second) -> Citizen {
    let mut dice = Dice::of(seed, u64::from(number) + 1);
    let services = SERVICES.each_ref().map(|service| service.share);
    let places = WHERE.each_ref().map(|(_, weight)| *weight);
    let times = WHEN.each_ref().map(|(_, weight)| *weight);
    let service = dice.weighted(&services).unwrap_or(0);
    let offices = WHERE[dice.weighted(&places).unwrap_or(0)].0;
    let hours = &WHEN[dice.weighted(&times).unwrap_or(0)].0;
    let today = at.div_euclid(DAY);
    let waits = if dice.chance(habits.not_yet) {
        dice.between([2.0, 7.0]) as i64
    } else {
        0
    };
    let patience = dice.between([HORIZON_DAYS as f64, 2.0 * HORIZON_DAYS as f64]) as i64;
    let notice = if dice.chance(habits.a_day_before) {
        DAY
    } else {
        HOUR
    };
    let cancels = dice.chance(habits.cancelled);
    let (late, when) = (dice.chance(habits.cancelled_late), dice.unit());
    debug_assert!(offices.iter().all(|office| *office < OFFICES.len()));
    Citizen {
        number,
        at,
        service,
        offices,
        hours,
        days: (today + waits, today + waits + patience),
        notice,
        auto_accept: dice.chance(habits.auto_accept),
        no_show: dice.chance(habits.no_show),
        cancels: cancels.then_some(Cancels { late, when }),
        seed: dice.word(),
        asked_near: dice.chance(habits.asked_near),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONDAY: Weeks = Weeks { first: 0 };

    fn many() -> Vec<Citizen> {
        citizens(&Habits::default(), 7, MONDAY, (0, 56 * DAY))
    }

    #[test]
    fn a_seed_determines_everybody() {
        let habits = Habits::default();
        let again = many();
        for (one, two) in many().iter().zip(&again) {
            assert_eq!((one.at, one.seed), (two.at, two.seed));
            assert_eq!(one.answer(&habits, 1), two.answer(&habits, 1));
        }
        let other = citizens(&habits, 8, MONDAY, (0, 56 * DAY));
        assert!(again.iter().zip(&other).any(|(one, two)| one.at != two.at));
    }

    #[test]
    fn as_many_come_as_cities_say() {
        let people = many();
        let later = people.iter().filter(|it| it.at >= DAY).count() as f64;
        let seats = 5.0 * 8.0 * visits_a_day();
        assert!((1.2..1.45).contains(&(later / seats)), "{later} {seats}");
        let share = |found: usize| found as f64 / people.len() as f64;
        let cancel = people.iter().filter(|it| it.cancels.is_some()).count();
        assert!((0.11..0.15).contains(&share(cancel)), "{}", share(cancel));
        let auto = people.iter().filter(|it| it.auto_accept).count();
        assert!((0.64..0.7).contains(&share(auto)), "{}", share(auto));
    }

    /// What is assumed of answers must give what Düsseldorf has published, under its rules.
    #[test]
    fn with_two_days_to_answer_about_three_tenths_are_lost() {
        let habits = Habits::default();
        let people = many();
        let lost = people.iter().filter(|citizen| {
            let answer = citizen.answer(&habits, 0);
            let offered = citizen.at;
            let in_time = answer.at(offered).is_some_and(|at| at <= offered + 2 * DAY);
            !(in_time && answer.accepts)
        });
        let share = lost.count() as f64 / people.len() as f64;
        assert!((0.26..0.34).contains(&share), "{share}");
    }

    #[test]
    fn a_cancellation_lies_between_the_booking_and_the_appointment() {
        let start = 9 * DAY + 10 * HOUR;
        let (mut cancelled, mut late) = (0, 0);
        for citizen in many() {
            if let Some(at) = citizen.cancels_at(12 * HOUR, start) {
                assert!(at >= 12 * HOUR && at < start);
                cancelled += 1;
                late += u32::from(at > start - 2 * DAY);
            }
        }
        assert!(late * 2 > cancelled, "{late} of {cancelled}");
        assert!(late < cancelled);
    }
}
