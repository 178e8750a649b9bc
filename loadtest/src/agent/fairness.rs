//! Was anybody passed over? Judged from outside, by what people were told.

use super::time::{DAY, Second};
use super::town::Hours;

/// Cases that are told in words.
const TOLD_MAX: usize = 5;

/// A wish as its owner saw it.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    pub(super) service: usize,
    pub(super) offices: &'static [usize],
    pub(super) hours: &'static Hours,
    pub(super) days: (i64, i64),
    pub(super) notice: Second,
    pub(super) auto_accept: bool,
    /// When it certainly waited, and had nothing else.
    pub(super) waited: Vec<Spell>,
    /// What it was given, and when.
    pub(super) given: Vec<Given>,
}

/// Some time for which a wish waited.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spell {
    pub(super) from: Second,
    pub(super) until: Second,
    /// From when its place counted, as it was told: who lets an offer lapse gets a new one.
    pub(super) place: Second,
}

/// A seat for a wish, offered or booked at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    pub(super) at: Second,
    /// From when the place of the wish counted.
    pub(super) place: Second,
    pub(super) office: usize,
    pub(super) start: Second,
}

impl Watched {
    fn wants_the_same(&self, other: &Self) -> bool {
        (self.service, self.offices, self.hours) == (other.service, other.offices, other.hours)
    }

    /// The place with which it could have had this seat, if it certainly could: it waited long
    /// before and long after.
    fn could_have(&self, given: &Given, margin: Second) -> Option<Second> {
        let (from, until) = (given.at - margin, given.at + margin);
        let mut spells = self.waited.iter();
        let spell = spells.find(|it| it.from < from && it.until > until)?;
        let day = given.start.div_euclid(DAY);
        let had = |it: &Given| (it.office, it.start) == (given.office, given.start);
        let could = (self.days.0..=self.days.1).contains(&day)
            && given.start - until >= self.notice
            && !self.given.iter().any(had);
        could.then_some(spell.place)
    }
}

/// What a look at the order of wishes came to.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Seats for which a wish with the same windows as the one that got it certainly waited.
    pub(super) compared: u64,
    /// Of these, those where it was the earlier one.
    pub(super) passed_over: u64,
    /// The first of them, in words.
    pub(super) words: Vec<String>,
}

/// Looks whether anything was given to a wish although an earlier one with the same windows waited
/// for it. Within `margin` the order of two events is not certain.
///
/// At night only wishes that need no answer get something, so one that has to be asked is not
/// compared with one that has not.
pub(super) fn judge(wishes: &[Watched], margin: Second) -> Order {
    let mut order = Order::default();
    for (index, got) in wishes.iter().enumerate() {
        let others = wishes.iter().enumerate().filter(|(other, it)| {
            *other != index && it.wants_the_same(got) && (it.auto_accept || !got.auto_accept)
        });
        let others: Vec<&Watched> = others.map(|(_, it)| it).collect();
        for given in &got.given {
            let places = others.iter().filter_map(|it| it.could_have(given, margin));
            let Some(first) = places.min() else {
                continue;
            };
            order.compared += 1;
            if first >= given.place {
                continue;
            }
            order.passed_over += 1;
            if order.words.len() < TOLD_MAX {
                order.words.push(format!(
                    "a wish of second {} was given the seat of second {} at second {}, and one of \
                     second {first} with the same windows was waiting",
                    given.place, given.start, given.at
                ));
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::super::time::HOUR;
    use super::*;

    const ANY: Hours = Hours {
        weekdays: &[],
        from: 0,
        to: 24,
    };

    fn wish(place: Second) -> Watched {
        Watched {
            service: 0,
            offices: &[0, 1],
            hours: &ANY,
            days: (0, 20),
            notice: HOUR,
            auto_accept: false,
            waited: vec![spell(place, 9 * DAY, place)],
            given: Vec::new(),
        }
    }

    fn spell(from: Second, until: Second, place: Second) -> Spell {
        Spell { from, until, place }
    }

    fn given(at: Second) -> Given {
        Given {
            at,
            place: 2 * HOUR,
            office: 1,
            start: 8 * DAY + 9 * HOUR,
        }
    }

    #[test]
    fn who_came_earlier_and_wants_the_same_is_first() {
        let mut later = wish(2 * HOUR);
        later.given.push(given(DAY));
        let judged = |other: &Watched, later: &Watched| {
            let order = judge(&[other.clone(), later.clone()], 600);
            (order.compared, order.passed_over)
        };
        assert_eq!(judged(&wish(HOUR), &later), (1, 1));
        assert_eq!(judged(&wish(3 * HOUR), &later), (1, 0));
        // It let an offer lapse, and so got a later place.
        let lapsed = Watched {
            waited: vec![
                spell(HOUR, 2 * HOUR, HOUR),
                spell(3 * HOUR, 9 * DAY, 3 * HOUR),
            ],
            ..wish(HOUR)
        };
        assert_eq!(judged(&lapsed, &later), (1, 0));

        let busy = Watched {
            waited: vec![spell(HOUR, DAY + 300, HOUR)],
            ..wish(HOUR)
        };
        let elsewhere = Watched {
            offices: &[0],
            ..wish(HOUR)
        };
        let too_late = Watched {
            days: (0, 7),
            ..wish(HOUR)
        };
        let had_it = Watched {
            given: vec![given(4 * HOUR)],
            ..wish(HOUR)
        };
        for other in [busy, elsewhere, too_late, had_it] {
            assert_eq!(judged(&other, &later), (0, 0), "{other:?}");
        }
        // It was night, and somebody else would have had to answer.
        later.auto_accept = true;
        assert_eq!(judged(&wish(HOUR), &later), (0, 0));
    }
}
