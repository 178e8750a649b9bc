//! The same weeks with today's procedure, without any service.
//!
//! What is assumed of it: people look, and book the earliest seat that suits. Whoever finds none
//! leaves a wish. A seat that is cancelled is out of reach until staff look at what has come in,
//! on the next working morning at eight. Then it is held for the first wish that it suits, with a
//! mail and two days to confirm; if that is lost, staff find it on another morning. What suits no
//! wish is free for whoever looks next. A new day opens at midnight, for whoever looks.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use super::course::{Booked, Course, How, OfferEnd, Offered, Wished};
use super::habits::Habits;
use super::plan::Citizen;
use super::time::{DAY, MINUTE, Second, Weeks};
use super::town::{CLOSES, HORIZON_DAYS, NOTICE, OFFICES, OPENS, Seat, UNIT};

/// How long a mail waits for its confirmation. Düsseldorf gave one day at first, then two.
const CONFIRM_WITHIN: Second = 2 * DAY;

/// What happens at some instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// Staff look at what was cancelled.
    Morning,
    /// By position among the bookings.
    Cancelled(usize),
    /// An offer is answered, or its time is over; by position among the offers.
    Answered(usize),
    /// By position among the people.
    Arrives(usize),
}

struct Procedure<'p> {
    habits: &'p Habits,
    weeks: Weeks,
    people: &'p [Citizen],
    course: Course,
    /// Cells that nobody can book: taken, held, or cancelled and not yet entered again.
    shut: HashSet<(usize, u8, Second)>,
    /// Cancelled, and not yet entered again.
    pile: Vec<Seat>,
    /// Wishes in the order in which they came.
    line: Vec<Waiting>,
    held: Vec<Held>,
    events: BinaryHeap<Reverse<(Second, Event)>>,
}

struct Waiting {
    citizen: usize,
    /// By position in the course.
    wish: usize,
    offers: u32,
    /// It is offered something.
    busy: bool,
    over: bool,
}

/// A seat that is held for a wish; by position as its offer in the course.
struct Held {
    seat: Seat,
    /// By position in the line.
    waiting: usize,
    ends: OfferEnd,
    gives_up: bool,
}

/// Plays the same people through it.
pub(super) fn play(
    habits: &Habits,
    weeks: Weeks,
    people: &[Citizen],
    (from, until): (Second, Second),
) -> Course {
    let mut procedure = Procedure {
        habits,
        weeks,
        people,
        course: Course::default(),
        shut: HashSet::new(),
        pile: Vec::new(),
        line: Vec::new(),
        held: Vec::new(),
        events: BinaryHeap::new(),
    };
    for (index, citizen) in people.iter().enumerate() {
        procedure.at(citizen.at, Event::Arrives(index));
    }
    procedure.at(weeks.next_morning(from), Event::Morning);
    while let Some(Reverse((now, event))) = procedure.events.pop() {
        if now >= until {
            break;
        }
        match event {
            Event::Morning => {
                procedure.enter_again(now);
                procedure.at(weeks.next_morning(now), Event::Morning);
            }
            Event::Cancelled(booking) => {
                procedure.course.bookings[booking].cancelled = Some(now);
                let seat = procedure.course.bookings[booking].seat;
                procedure.pile.push(seat);
            }
            Event::Answered(offer) => procedure.answered(now, offer),
            Event::Arrives(citizen) => procedure.arrives(now, citizen),
        }
    }
    procedure.course
}

impl Procedure<'_> {
    fn at(&mut self, at: Second, event: Event) {
        self.events.push(Reverse((at, event)));
    }

    fn arrives(&mut self, now: Second, index: usize) {
        let citizen = &self.people[index];
        if let Some(seat) = self.earliest(now, citizen) {
            self.shut.extend(seat.cells());
            self.book(now, index, seat, How::Found);
            return;
        }
        self.line.push(Waiting {
            citizen: index,
            wish: self.course.wishes.len(),
            offers: 0,
            busy: false,
            over: false,
        });
        self.course.wishes.push(Wished {
            laid: now,
            met: None,
            ended: false,
            asleep: false,
        });
    }

    /// The earliest seat that suits and is free.
    fn earliest(&self, now: Second, citizen: &Citizen) -> Option<Seat> {
        let today = now.div_euclid(DAY);
        let first = citizen.days.0.max(today);
        let last = citizen.days.1.min(today + HORIZON_DAYS);
        let minutes = citizen.minutes();
        for day in (first..=last).filter(|day| self.weeks.is_working(*day)) {
            for minute in (OPENS..=CLOSES - minutes).step_by(UNIT as usize) {
                let start = day * DAY + minute * MINUTE;
                if start - now < NOTICE || !citizen.likes(self.weeks, now, start) {
                    continue;
                }
                for &office in citizen.offices {
                    for counter in 1..=OFFICES[office].counters {
                        let seat = Seat {
                            office,
                            counter,
                            start,
                            minutes,
                        };
                        if seat.cells().all(|cell| !self.shut.contains(&cell)) {
                            return Some(seat);
                        }
                    }
                }
            }
        }
        None
    }

    fn book(&mut self, now: Second, citizen: usize, seat: Seat, how: How) {
        let citizen = &self.people[citizen];
        let cancels = citizen.cancels_at(now, seat.start);
        if let Some(at) = cancels {
            self.at(at, Event::Cancelled(self.course.bookings.len()));
        }
        self.course.bookings.push(Booked {
            seat,
            at: now,
            how,
            cancelled: None,
            no_show: citizen.no_show,
            in_vain: false,
        });
    }

    /// Staff go through the pile.
    fn enter_again(&mut self, now: Second) {
        for waiting in &mut self.line {
            let citizen = &self.people[waiting.citizen];
            if !waiting.busy && !waiting.over && citizen.days.1 < now.div_euclid(DAY) {
                waiting.over = true;
                self.course.wishes[waiting.wish].ended = true;
            }
        }
        for freed in std::mem::take(&mut self.pile) {
            for cell in freed.cells() {
                self.shut.remove(&cell);
            }
            if freed.start - now < NOTICE {
                continue;
            }
            let suits = |waiting: &Waiting| {
                let citizen = &self.people[waiting.citizen];
                !waiting.busy
                    && !waiting.over
                    && citizen.minutes() <= freed.minutes
                    && citizen.offices.contains(&freed.office)
                    && citizen.likes(self.weeks, now, freed.start)
            };
            let Some(first) = self.line.iter().position(suits) else {
                continue;
            };
            self.offer(now, first, freed);
        }
    }

    /// Holds a seat for a wish and writes a mail.
    fn offer(&mut self, now: Second, first: usize, freed: Seat) {
        let waiting = &mut self.line[first];
        let citizen = &self.people[waiting.citizen];
        let answer = citizen.answer(self.habits, waiting.offers);
        waiting.offers += 1;
        waiting.busy = true;
        let seat = Seat {
            minutes: citizen.minutes(),
            ..freed
        };
        self.shut.extend(seat.cells());
        let deadline = (now + CONFIRM_WITHIN).min(seat.start - NOTICE);
        let (at, ends) = match answer.at(now) {
            None => (deadline, OfferEnd::Unseen),
            Some(at) if at > deadline => (deadline, OfferEnd::Late),
            Some(at) if answer.accepts => (at, OfferEnd::Accepted),
            Some(at) => (at, OfferEnd::Declined),
        };
        self.at(at, Event::Answered(self.held.len()));
        self.held.push(Held {
            seat,
            waiting: first,
            ends,
            gives_up: answer.gives_up,
        });
        self.course.offers.push(Offered {
            made: now,
            start: seat.start,
            end: OfferEnd::Open,
        });
    }

    fn answered(&mut self, now: Second, offer: usize) {
        let Held {
            seat,
            waiting,
            ends,
            gives_up,
        } = self.held[offer];
        self.course.offers[offer].end = ends;
        let waiting = &mut self.line[waiting];
        let (citizen, wish) = (waiting.citizen, waiting.wish);
        waiting.busy = false;
        if ends == OfferEnd::Accepted {
            waiting.over = true;
            self.course.wishes[wish].met = Some(now);
            self.book(now, citizen, seat, How::Asked);
            return;
        }
        if ends == OfferEnd::Declined && gives_up {
            waiting.over = true;
            self.course.wishes[wish].ended = true;
        }
        self.pile.push(seat);
    }
}

#[cfg(test)]
mod tests {
    use super::super::measures::Measures;
    use super::super::plan::citizens;
    use super::super::time::HOUR;
    use super::super::town::Hours;
    use super::*;

    const MONDAY: Weeks = Weeks { first: 0 };
    const UNTIL: Second = 28 * DAY;

    fn played(habits: &Habits) -> Course {
        let people = citizens(habits, 3, MONDAY, (0, UNTIL));
        play(habits, MONDAY, &people, (0, UNTIL))
    }

    #[test]
    fn no_seat_has_two_people() {
        let course = played(&Habits::default());
        for (index, one) in course.bookings.iter().enumerate() {
            for other in &course.bookings[index + 1..] {
                let apart = one.cancelled.is_some_and(|at| at <= other.at);
                assert!(apart || !one.seat.overlaps(other.seat), "{one:?} {other:?}");
            }
        }
        assert!(course.bookings.len() > 1_000, "{}", course.bookings.len());
    }

    /// Nobody is asked in the night, and what is cancelled late is nobody's.
    #[test]
    fn what_is_cancelled_waits_for_a_working_morning() {
        let course = played(&Habits::default());
        assert!(!course.offers.is_empty());
        for offer in &course.offers {
            assert_eq!(offer.made.rem_euclid(DAY), 8 * HOUR);
            assert!(MONDAY.is_working(offer.made.div_euclid(DAY)));
        }
        let measures = Measures::of(&course, UNTIL);
        let lost = measures.offers.lost_share().unwrap();
        assert!((0.2..0.45).contains(&lost), "{measures:?}");
        let reached = measures.freed_reached_share.unwrap();
        assert!((0.2..0.95).contains(&reached), "{measures:?}");
    }

    #[test]
    fn where_nobody_cancels_nothing_is_offered() {
        let habits = Habits {
            cancelled: 0.0,
            ..Habits::default()
        };
        let course = played(&habits);
        assert!(course.offers.is_empty());
        assert_eq!(Measures::of(&course, UNTIL).idle_share, None);
    }

    /// Where all want the same and answer at once, nobody is passed over.
    #[test]
    fn the_first_wish_that_suits_is_asked() {
        let habits = Habits {
            never_look: 0.0,
            declined: 0.0,
            answer_minutes: 1.0,
            answer_spread: 0.0,
            ..Habits::default()
        };
        let mut people = citizens(&habits, 3, MONDAY, (0, UNTIL));
        for citizen in &mut people {
            citizen.service = 0;
            citizen.offices = &[0, 1];
            citizen.hours = people_come_any_time();
            citizen.days = (0, 99);
            citizen.notice = HOUR;
        }
        let course = play(&habits, MONDAY, &people, (0, UNTIL));
        let met: Vec<bool> = course.wishes.iter().map(|it| it.met.is_some()).collect();
        let count = met.iter().filter(|met| **met).count();
        assert!(count > 20, "{count}");
        assert!(met[..count].iter().all(|met| *met), "{met:?}");
    }

    fn people_come_any_time() -> &'static Hours {
        &Hours {
            weekdays: &[],
            from: 0,
            to: 24,
        }
    }
}
